//! Phone numbers as people write them, read into one form, and as gateways want them. Pure.

use super::country::{Country, by_code};
use crate::db::text_enum;
use crate::i18n::ascii_digits;

text_enum! {
    /// How a gateway wants phone numbers.
    pub enum PhoneFormat {
        /// `+989121234567` (ITU-T E.164).
        E164 = "e164",
        /// `989121234567`.
        Digits = "digits",
        /// As one dials within `country`: `09121234567`.
        National = "national",
    }
}

/// A number with the code of its country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    code: String,
    national: String,
}

/// Digits of a whole number, with the code of its country (E.164).
const MOST_DIGITS: usize = 15;
const FEWEST_DIGITS: usize = 7;

impl Phone {
    /// Reads a number: with the code of its country behind `+` or `00`, else as one dials in `country`. Digits may be Latin, Persian or Arabic.
    /// `None` for anything that cannot be a number.
    #[must_use]
    pub fn read(text: &str, country: Option<&Country>) -> Option<Self> {
        let plain = ascii_digits(text);
        let plain: String = plain.chars().filter(|character| !is_mark(*character)).collect();
        let plain = plain.trim().trim_start_matches("tel:");
        let (plain, has_plus) = match plain.strip_prefix(['+', '＋']) {
            Some(rest) => (rest, true),
            None => (plain, false),
        };
        // The trunk prefix that is not dialled from abroad, as in +49 (0) 151.
        let plain = if has_plus || plain.starts_with("00") { plain.replace("(0)", "") } else { plain.to_owned() };
        let separates =
            |character: char| character.is_whitespace() || matches!(character, '-' | '.' | '/' | '(' | ')' | '\u{2010}'..='\u{2015}');
        if !plain.chars().all(|character| character.is_ascii_digit() || separates(character)) {
            return None;
        }
        let digits: String = plain.chars().filter(char::is_ascii_digit).collect();
        if has_plus {
            return Self::international(&digits);
        }
        let abroad = country.and_then(|country| digits.strip_prefix(country.abroad)).or_else(|| digits.strip_prefix("00"));
        match (abroad, country) {
            (Some(rest), _) => Self::international(rest),
            (None, Some(country)) => Self::within(&digits, country),
            (None, None) => None,
        }
    }

    fn international(digits: &str) -> Option<Self> {
        if !(FEWEST_DIGITS..=MOST_DIGITS).contains(&digits.len()) {
            return None;
        }
        let Some(country) = by_code(digits) else {
            let is_code = !digits.starts_with('0');
            return is_code.then(|| Self { code: String::new(), national: digits.to_owned() });
        };
        let national = digits.strip_prefix(country.code)?;
        let dialled = national.strip_prefix(country.trunk).filter(|_| country.trunk == "0" || !country.fits(national));
        country.number(dialled.unwrap_or(national))
    }

    fn within(digits: &str, country: &Country) -> Option<Self> {
        let dialled = digits.strip_prefix(country.trunk).filter(|_| !country.trunk.is_empty()).and_then(|rest| country.number(rest));
        let complete = || digits.strip_prefix(country.code).and_then(|rest| country.number(rest));
        // Where there is no trunk prefix, a number may well begin like the code.
        if country.trunk.is_empty() {
            country.number(digits).or_else(complete)
        } else {
            dialled.or_else(complete).or_else(|| country.number(digits).filter(|_| !digits.starts_with(country.trunk)))
        }
    }

    /// The number as a gateway wants it, which stands in `country`.
    #[must_use]
    pub fn written(&self, format: PhoneFormat, country: Option<&Country>) -> String {
        let digits = format!("{}{}", self.code, self.national);
        match (format, country) {
            (PhoneFormat::E164, _) => format!("+{digits}"),
            (PhoneFormat::Digits, _) | (PhoneFormat::National, None) => digits,
            (PhoneFormat::National, Some(country)) if country.code == self.code => format!("{}{}", country.trunk, self.national),
            (PhoneFormat::National, Some(country)) => format!("{}{digits}", country.abroad),
        }
    }
}

impl Country {
    fn fits(&self, national: &str) -> bool {
        self.digits.contains(&national.len())
    }

    fn number(&self, national: &str) -> Option<Phone> {
        self.fits(national).then(|| Phone { code: self.code.to_owned(), national: national.to_owned() })
    }
}

/// Marks of direction and joining, which copied numbers bring along.
fn is_mark(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::country::{COUNTRIES, find};
    use super::*;

    fn e164(text: &str, country: &str) -> Option<String> {
        Phone::read(text, find(country)).map(|phone| phone.written(PhoneFormat::E164, None))
    }

    #[test]
    fn numbers_are_read_however_they_are_written() {
        for (text, country, expected) in [
            ("0912 123 4567", "IR", "+989121234567"),
            ("+98 912 123-4567", "IR", "+989121234567"),
            ("+98 0912 123 4567", "IR", "+989121234567"),
            ("00989121234567", "IR", "+989121234567"),
            ("989121234567", "IR", "+989121234567"),
            ("9121234567", "IR", "+989121234567"),
            ("9812345678", "IR", "+989812345678"),
            ("۰۹۱۲۱۲۳۴۵۶۷", "IR", "+989121234567"),
            ("٠٩١٢١٢٣٤٥٦٧", "IR", "+989121234567"),
            ("\u{200e}+۹۸ ۹۱۲ ۱۲۳ ۴۵۶۷\u{200e}", "IR", "+989121234567"),
            ("021-88880000", "IR", "+982188880000"),
            ("0151 23456789", "DE", "+4915123456789"),
            ("+49 (0) 151 / 2345-6789", "DE", "+4915123456789"),
            ("4915123456789", "DE", "+4915123456789"),
            ("tel:+4930901820", "DE", "+4930901820"),
            ("(212) 555-1234", "US", "+12125551234"),
            ("1-212-555-1234", "US", "+12125551234"),
            ("+1 212.555.1234", "DE", "+12125551234"),
            ("011 49 151 23456789", "US", "+4915123456789"),
            ("055 123 4567", "SA", "+966551234567"),
            ("٠٥٥١٢٣٤٥٦٧", "SA", "+966551234567"),
            ("＋966 55 123 4567", "SA", "+966551234567"),
            ("06 12 34 56 78", "FR", "+33612345678"),
            ("338 123 4567", "IT", "+393381234567"),
            ("06 6982 0000", "IT", "+390669820000"),
            ("8 (912) 345-67-89", "RU", "+79123456789"),
            ("+7 812 345 67 89", "RU", "+78123456789"),
        ] {
            assert_eq!(e164(text, country).as_deref(), Some(expected), "{text} in {country}");
        }
    }

    #[test]
    fn what_can_be_no_number_is_refused() {
        for text in [
            "",
            "+",
            "0912",
            "0912123456",
            "091212345678",
            "+98912123456",
            "call me",
            "0912 123 4567 x12",
            "0912+1234567",
            "sara@example.com",
            "+999999999999999999",
            "+0912345678",
            "00",
            "۰۹۱۲",
        ] {
            assert_eq!(e164(text, "IR"), None, "{text}");
        }
        assert_eq!(Phone::read("0912 123 4567", None), None, "nobody knows of which country it is");
        assert!(Phone::read("+98 912 123 4567", None).is_some());
        assert!(Phone::read("+881 6 12345678", None).is_some(), "a code that no country of ours has");
    }

    #[test]
    fn a_gateway_gets_the_form_it_wants() {
        let written = |text: &str, format, country: &str| Phone::read(text, find(country)).unwrap().written(format, find(country));
        assert_eq!(written("+989121234567", PhoneFormat::E164, "IR"), "+989121234567");
        assert_eq!(written("+989121234567", PhoneFormat::Digits, "IR"), "989121234567");
        assert_eq!(written("+989121234567", PhoneFormat::National, "IR"), "09121234567");
        assert_eq!(written("+4915123456789", PhoneFormat::National, "IR"), "004915123456789");
        assert_eq!(written("+966551234567", PhoneFormat::National, "SA"), "0551234567");
        assert_eq!(written("+12125551234", PhoneFormat::National, "US"), "2125551234");
        assert_eq!(written("+4915123456789", PhoneFormat::National, "US"), "0114915123456789");
    }

    proptest! {
        #[test]
        fn every_form_of_a_number_is_read_as_that_number(at in 0..COUNTRIES.len(), figures in "[1-9][0-9]{12}") {
            let country = &COUNTRIES[at];
            let phone = Phone { code: country.code.to_owned(), national: figures[..*country.digits.end().min(&12)].to_owned() };
            // No number begins like the way abroad, as 8 10 does in Russia.
            prop_assume!(!phone.written(PhoneFormat::National, Some(country)).starts_with(country.abroad));
            for format in PhoneFormat::ALL {
                let written = phone.written(*format, Some(country));
                let read = Phone::read(&written, Some(country));
                prop_assert_eq!(read.map(|read| read.written(PhoneFormat::E164, None)), Some(phone.written(PhoneFormat::E164, None)), "{} {}", country.name, written);
            }
        }

        #[test]
        fn nothing_that_is_written_makes_it_panic(text in "\\PC{0,24}|[+0-9 ()۰-۹]{0,20}") {
            let _ = Phone::read(&text, find("IR"));
        }
    }
}
