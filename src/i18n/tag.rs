//! Reading what others write: language tags, `Accept-Language`, digits.

use super::Locale;

/// The names by which help desks and people call the languages, besides their tags; compared in lower case.
const NAMES: &[(&str, Locale)] = &[
    ("english", Locale::En),
    ("eng", Locale::En),
    ("persian", Locale::Fa),
    ("farsi", Locale::Fa),
    ("fas", Locale::Fa),
    ("per", Locale::Fa),
    ("pes", Locale::Fa),
    ("prs", Locale::Fa),
    ("dari", Locale::Fa),
    ("فارسی", Locale::Fa),
    ("فارسي", Locale::Fa),
    ("پارسی", Locale::Fa),
    ("دری", Locale::Fa),
    ("arabic", Locale::Ar),
    ("ara", Locale::Ar),
    ("arb", Locale::Ar),
    ("العربية", Locale::Ar),
    ("عربية", Locale::Ar),
    ("عربي", Locale::Ar),
    ("عربی", Locale::Ar),
];

impl Locale {
    /// The language that a tag (`fa-IR`, `ar_EG`, `EN`) or a name (`Persian`, `العربية`) means; `None` for any other.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let tag = tag.trim().to_lowercase();
        let language = tag.split(['-', '_', ' ', '(', '.']).next().unwrap_or_default();
        language.parse().ok().or_else(|| NAMES.iter().find(|(name, _)| *name == language).map(|(_, locale)| *locale))
    }
}

/// The language that an `Accept-Language` header likes best of ours; of equals the first named. `None` if it names none.
///
/// Ranges with `q=0` are refused languages and `*` names none (RFC 9110, section 12.5.4).
#[must_use]
pub fn negotiate(accept_language: &str) -> Option<Locale> {
    let mut best: Option<(f32, Locale)> = None;
    for range in accept_language.split(',') {
        let (tag, weight) = weighted(range);
        let Some(locale) = Locale::from_tag(tag) else { continue };
        if weight > best.map_or(0.0, |(most, _)| most) {
            best = Some((weight, locale));
        }
    }
    best.map(|(_, locale)| locale)
}

/// Splits `fa-IR;q=0.8` into the tag and its weight; a weight that cannot be read counts as none at all.
fn weighted(range: &str) -> (&str, f32) {
    let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
    let weight = match parameters.trim().strip_prefix(['q', 'Q']) {
        Some(value) => value.trim_start().strip_prefix('=').and_then(|value| value.trim().parse().ok()),
        None => Some(1.0),
    };
    (tag, weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0))
}

/// The text with Persian and Arabic-Indic digits as ASCII digits: what people type in any of the three sets.
#[must_use]
pub fn ascii_digits(text: &str) -> String {
    text.chars().map(ascii_digit).collect()
}

fn ascii_digit(letter: char) -> char {
    let zero = match letter {
        '\u{0660}'..='\u{0669}' => 0x0660,
        '\u{06f0}'..='\u{06f9}' => 0x06f0,
        _ => return letter,
    };
    char::from_digit(u32::from(letter).saturating_sub(zero), 10).unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::{Locale, ascii_digits, negotiate};

    #[test]
    fn a_language_is_known_by_its_tag_and_by_its_names() {
        for tag in ["fa", "FA", "fa-IR", "fa_AF", "Persian", "farsi", "Persian (Iran)", " فارسی ", "per"] {
            assert_eq!(Locale::from_tag(tag), Some(Locale::Fa), "{tag}");
        }
        for tag in ["ar", "ar-EG", "AR_SA", "Arabic", "العربية", "ara"] {
            assert_eq!(Locale::from_tag(tag), Some(Locale::Ar), "{tag}");
        }
        for tag in ["en", "en-GB", "English", "en_US.UTF-8"] {
            assert_eq!(Locale::from_tag(tag), Some(Locale::En), "{tag}");
        }
        for tag in ["", "de", "far", "arc", "engineering", "*"] {
            assert_eq!(Locale::from_tag(tag), None, "{tag}");
        }
    }

    #[test]
    fn the_best_liked_language_that_we_speak_wins() {
        assert_eq!(negotiate("de-DE,de;q=0.9,en;q=0.5,fa;q=0.8"), Some(Locale::Fa));
        assert_eq!(negotiate("ar, en"), Some(Locale::Ar));
        assert_eq!(negotiate("en;q=0.3, ar ; q = 0.4"), Some(Locale::Ar));
        assert_eq!(negotiate("en;q=0, fa;q=0.001"), Some(Locale::Fa));
    }

    #[test]
    fn a_header_that_names_none_of_our_languages_decides_nothing() {
        for header in ["", "*", "de", "en;q=0", "en;q=much", "en;q=7", ",,;q=1"] {
            assert_eq!(negotiate(header), None, "{header}");
        }
    }

    #[test]
    fn digits_of_all_three_sets_read_as_ascii() {
        assert_eq!(ascii_digits("۱۲٣4 ۰٩"), "1234 09");
        assert_eq!(ascii_digits("نمره ۵"), "نمره 5");
    }
}
