//! How numbers are dialled in the countries that gateways are used in: calling code, prefixes and lengths (ITU-T E.164 and the national plans).

use std::ops::RangeInclusive;

/// A country's way of dialling.
#[derive(Debug, PartialEq, Eq)]
pub struct Country {
    /// Two letters (ISO 3166-1).
    pub name: &'static str,
    /// Its calling code.
    pub code: &'static str,
    /// What one dials before a number of the same country; empty where that is nothing.
    pub trunk: &'static str,
    /// What one dials before the code of another country.
    pub abroad: &'static str,
    /// How many digits a number has without code and trunk prefix.
    pub digits: RangeInclusive<usize>,
}

/// Declares the countries, one a line.
macro_rules! countries {
    ($($name:literal $code:literal $trunk:literal $abroad:literal $low:literal $high:literal;)+) => {
        /// The countries in order of their names.
        pub const COUNTRIES: &[Country] =
            &[$(Country { name: $name, code: $code, trunk: $trunk, abroad: $abroad, digits: $low..=$high }),+];
    };
}

countries! {
    "AE" "971" "0" "00" 8 9;
    "AF" "93" "0" "00" 9 9;
    "AM" "374" "0" "00" 8 8;
    "AT" "43" "0" "00" 7 12;
    "AU" "61" "0" "0011" 9 9;
    "AZ" "994" "0" "00" 9 9;
    "BD" "880" "0" "00" 8 10;
    "BE" "32" "0" "00" 8 9;
    "BG" "359" "0" "00" 7 9;
    "BH" "973" "" "00" 8 8;
    "BR" "55" "0" "00" 10 11;
    "CA" "1" "" "011" 10 10;
    "CH" "41" "0" "00" 9 9;
    "CN" "86" "0" "00" 9 11;
    "CZ" "420" "" "00" 9 9;
    "DE" "49" "0" "00" 6 12;
    "DK" "45" "" "00" 8 8;
    "DZ" "213" "0" "00" 8 9;
    "EG" "20" "0" "00" 8 10;
    "ES" "34" "" "00" 9 9;
    "FI" "358" "0" "00" 6 11;
    "FR" "33" "0" "00" 9 9;
    "GB" "44" "0" "00" 9 10;
    "GE" "995" "0" "00" 9 9;
    "GR" "30" "" "00" 10 10;
    "HU" "36" "06" "00" 8 9;
    "ID" "62" "0" "001" 8 12;
    "IE" "353" "0" "00" 7 9;
    "IL" "972" "0" "00" 8 9;
    "IN" "91" "0" "00" 10 10;
    "IQ" "964" "0" "00" 8 10;
    "IR" "98" "0" "00" 10 10;
    "IT" "39" "" "00" 6 11;
    "JO" "962" "0" "00" 8 9;
    "JP" "81" "0" "010" 9 10;
    "KE" "254" "0" "000" 9 9;
    "KR" "82" "0" "00" 8 10;
    "KW" "965" "" "00" 8 8;
    "LB" "961" "0" "00" 7 8;
    "LY" "218" "0" "00" 8 9;
    "MA" "212" "0" "00" 9 9;
    "MX" "52" "" "00" 10 10;
    "MY" "60" "0" "00" 8 10;
    "NG" "234" "0" "009" 8 10;
    "NL" "31" "0" "00" 9 9;
    "NO" "47" "" "00" 8 8;
    "NZ" "64" "0" "00" 8 10;
    "OM" "968" "" "00" 8 8;
    "PH" "63" "0" "00" 8 10;
    "PK" "92" "0" "00" 9 10;
    "PL" "48" "" "00" 9 9;
    "PS" "970" "0" "00" 8 9;
    "PT" "351" "" "00" 9 9;
    "QA" "974" "" "00" 8 8;
    "RO" "40" "0" "00" 9 9;
    "RU" "7" "8" "810" 10 10;
    "SA" "966" "0" "00" 9 9;
    "SD" "249" "0" "00" 9 9;
    "SE" "46" "0" "00" 7 9;
    "SG" "65" "" "00" 8 8;
    "SY" "963" "0" "00" 8 9;
    "TH" "66" "0" "00" 8 9;
    "TJ" "992" "" "00" 9 9;
    "TN" "216" "" "00" 8 8;
    "TR" "90" "0" "00" 10 10;
    "UA" "380" "0" "00" 9 9;
    "US" "1" "" "011" 10 10;
    "UZ" "998" "" "00" 9 9;
    "VN" "84" "0" "00" 9 10;
    "YE" "967" "0" "00" 7 9;
    "ZA" "27" "0" "00" 9 9;
}

/// The country of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| country.name == name)
}

/// A country whose code these digits begin with. No code is the beginning of another.
#[must_use]
pub fn by_code(digits: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| digits.starts_with(country.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_the_beginning_of_another_and_every_name_stands_once() {
        for (at, one) in COUNTRIES.iter().enumerate() {
            for other in COUNTRIES.iter().skip(at + 1) {
                assert!(one.name < other.name, "{} {}", one.name, other.name);
                let overlap = one.code.starts_with(other.code) || other.code.starts_with(one.code);
                assert!(!overlap || one.code == other.code, "{} {}", one.name, other.name);
            }
        }
        assert_eq!(find("IR").map(|country| country.code), Some("98"));
        assert_eq!(by_code("15551234567").map(|country| country.name), Some("CA"));
    }
}
