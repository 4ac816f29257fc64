//! Numbers, shares and days as each language writes them, by ICU.

use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use icu_calendar::cal::{Gregorian, Persian};
use icu_calendar::{Date, Iso};
use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::YMD;
use icu_decimal::DecimalFormatter;
use icu_decimal::input::Decimal;
use icu_locale::locale;

use super::Locale;

/// What is written where there is no figure.
const NOTHING: &str = "–";

/// The formatters of one language. They are `None` only if ICU's compiled data lacks our languages, which a test rules out;
/// then figures come in ASCII rather than not at all.
pub(super) struct Figures {
    decimals: Option<DecimalFormatter>,
    days: Option<Days>,
    percent_sign: &'static str,
}

enum Days {
    Persian(FixedCalendarDateTimeFormatter<Persian, YMD>),
    Gregorian(FixedCalendarDateTimeFormatter<Gregorian, YMD>),
}

impl Figures {
    pub(super) fn new(locale: Locale) -> Self {
        // `ar` alone means Latin digits in ICU; `en-001` is English with the day before the month, which nobody misreads
        let (icu, percent_sign) = match locale {
            Locale::En => (locale!("en-001"), "%"),
            Locale::Fa => (locale!("fa"), "٪"),
            Locale::Ar => (locale!("ar-u-nu-arab"), "٪"),
        };
        let days = match locale {
            Locale::Fa => FixedCalendarDateTimeFormatter::try_new((&icu).into(), YMD::long()).map(Days::Persian).ok(),
            Locale::En | Locale::Ar => FixedCalendarDateTimeFormatter::try_new((&icu).into(), YMD::long()).map(Days::Gregorian).ok(),
        };
        Self {
            decimals: DecimalFormatter::try_new((&icu).into(), icu_decimal::options::DecimalFormatterOptions::default()).ok(),
            days,
            percent_sign,
        }
    }

    /// Formats an ASCII number such as `-1234.50`, digits after the point as they are.
    pub(super) fn number(&self, ascii: &str) -> String {
        match (&self.decimals, Decimal::from_str(ascii)) {
            (Some(formatter), Ok(number)) => formatter.format(&number).to_string(),
            (None, Ok(_)) => ascii.to_owned(),
            (_, Err(_)) => NOTHING.to_owned(),
        }
    }

    /// Formats with that many digits after the point, rounded half away from zero; never prints a negative zero.
    pub(super) fn decimal(&self, value: f64, digits: u8) -> String {
        let shift = 10_f64.powi(i32::from(digits));
        let rounded = (value * shift).round() / shift;
        // adding 0.0 turns -0.0 into 0.0
        self.number(&format!("{:.*}", usize::from(digits), rounded + 0.0))
    }

    /// Formats a percentage (85.0 is 85 %) with the sign after the number.
    pub(super) fn percent(&self, value: f64, digits: u8) -> String {
        let mut text = self.decimal(value, digits);
        if text != NOTHING {
            text.push_str(self.percent_sign);
        }
        text
    }

    /// Formats a day in the long form of the language's calendar.
    pub(super) fn date(&self, day: NaiveDate) -> String {
        match (&self.days, iso(day)) {
            (Some(Days::Persian(formatter)), Some(date)) => formatter.format(&date.to_calendar(Persian)).to_string(),
            (Some(Days::Gregorian(formatter)), Some(date)) => formatter.format(&date.to_calendar(Gregorian)).to_string(),
            _ => day.to_string(),
        }
    }
}

/// The year and month (1 to 12) of a day in the Jalali calendar; the Gregorian ones for a day that no calendar knows.
#[must_use]
pub fn jalali_month(day: NaiveDate) -> (i32, u32) {
    iso(day).map_or((day.year(), day.month()), |date| {
        let date = date.to_calendar(Persian);
        (date.year().extended_year(), u32::from(date.month().ordinal))
    })
}

fn iso(day: NaiveDate) -> Option<Date<Iso>> {
    let month = u8::try_from(day.month()).ok()?;
    let day_of_month = u8::try_from(day.day()).ok()?;
    Date::try_new_iso(day.year(), month, day_of_month).ok()
}

#[cfg(test)]
mod tests {
    use super::{Figures, Locale, NaiveDate};

    /// Without the invisible direction marks that ICU puts before a sign.
    fn visible(text: &str) -> String {
        text.chars().filter(|letter| !matches!(letter, '\u{200e}' | '\u{200f}' | '\u{61c}')).collect()
    }

    #[test]
    fn numbers_come_in_the_digits_of_the_language() {
        let [en, fa, ar] = [Locale::En, Locale::Fa, Locale::Ar].map(Figures::new);
        assert_eq!(en.number("1234567"), "1,234,567");
        assert_eq!(fa.number("1234567"), "۱٬۲۳۴٬۵۶۷");
        assert_eq!(ar.number("1234567"), "١٬٢٣٤٬٥٦٧");
        assert_eq!(fa.number("0"), "۰");
    }

    #[test]
    fn decimals_round_half_away_from_zero_and_never_show_a_negative_zero() {
        let [en, fa, ar] = [Locale::En, Locale::Fa, Locale::Ar].map(Figures::new);
        assert_eq!(en.decimal(0.5, 0), "1");
        assert_eq!(visible(&en.decimal(-0.5, 0)), "-1");
        assert_eq!(en.decimal(-0.4, 0), "0");
        assert_eq!(visible(&fa.decimal(-13.888_889, 1)), "−۱۳٫۹");
        assert_eq!(visible(&ar.decimal(-13.888_889, 1)), "-١٣٫٩");
        assert_eq!(en.decimal(90.0, 1), "90.0");
    }

    #[test]
    fn a_share_carries_the_percent_sign_of_the_language() {
        let [en, fa, ar] = [Locale::En, Locale::Fa, Locale::Ar].map(Figures::new);
        assert_eq!(en.percent(85.0, 0), "85%");
        assert_eq!(fa.percent(85.0, 0), "۸۵٪");
        assert_eq!(ar.percent(25.6, 1), "٢٥٫٦٪");
    }

    #[test]
    fn what_is_no_number_is_written_as_nothing() {
        let figures = Figures::new(Locale::En);
        assert_eq!(figures.decimal(f64::NAN, 1), "–");
        assert_eq!(figures.percent(f64::INFINITY, 1), "–");
    }

    #[test]
    fn a_jalali_year_begins_in_march() {
        let month = |year, month, day| super::jalali_month(NaiveDate::from_ymd_opt(year, month, day).unwrap());
        assert_eq!(month(2026, 3, 20), (1404, 12));
        assert_eq!(month(2026, 3, 21), (1405, 1));
        assert_eq!(month(2026, 11, 21), (1405, 8));
    }

    #[test]
    fn a_day_is_written_in_the_calendar_of_the_language() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
        assert_eq!(Figures::new(Locale::En).date(day), "21 November 2026");
        assert_eq!(Figures::new(Locale::Fa).date(day), "۳۰ آبان ۱۴۰۵");
        assert_eq!(Figures::new(Locale::Ar).date(day), "٢١ نوفمبر ٢٠٢٦");
    }
}
