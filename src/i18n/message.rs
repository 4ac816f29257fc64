//! Messages: the text of a key in one language, with its arguments filled in.

use std::borrow::Cow;

use chrono::NaiveDate;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use super::{Language, Locale};

pub(super) type Bundle = FluentBundle<FluentResource>;

/// Begins and ends a stretch of text whose direction is its own business (Unicode FSI and PDI).
const ISOLATE: [char; 2] = ['\u{2068}', '\u{2069}'];

/// Every text and figure of one language. What callers may ask for is listed in `texts.rs`.
///
/// A text argument such as a company's name is put between bidi isolation marks where its letters run against the
/// language (a Latin name in a Persian sentence), and only there, so that other sentences stay plain to search and to
/// test. [`plain`] never adds them: some mail programs show them as boxes in subjects.
#[derive(Debug)]
pub struct Messages {
    locale: Locale,
    isolates: bool,
}

/// The messages for pages and HTML mail.
#[must_use]
pub const fn messages(locale: Locale) -> &'static Messages {
    const EN: &Messages = &Messages { locale: Locale::En, isolates: true };
    const FA: &Messages = &Messages { locale: Locale::Fa, isolates: true };
    const AR: &Messages = &Messages { locale: Locale::Ar, isolates: true };
    match locale {
        Locale::En => EN,
        Locale::Fa => FA,
        Locale::Ar => AR,
    }
}

/// The messages for plain text: subjects, text parts, JSON. Without isolation marks.
#[must_use]
pub const fn plain(locale: Locale) -> &'static Messages {
    const EN: &Messages = &Messages { locale: Locale::En, isolates: false };
    const FA: &Messages = &Messages { locale: Locale::Fa, isolates: false };
    const AR: &Messages = &Messages { locale: Locale::Ar, isolates: false };
    match locale {
        Locale::En => EN,
        Locale::Fa => FA,
        Locale::Ar => AR,
    }
}

impl Messages {
    /// The language they are in.
    #[must_use]
    pub const fn locale(&self) -> Locale {
        self.locale
    }

    /// A whole number, grouped, in the language's digits.
    #[must_use]
    pub fn number(&self, value: impl TryInto<i64>) -> String {
        self.language().figures.number(&whole(value).to_string())
    }

    /// A number with `digits` digits after the separator, rounded half away from zero; `–` for what is no number.
    #[must_use]
    pub fn decimal(&self, value: f64, digits: u8) -> String {
        self.language().figures.decimal(value, digits)
    }

    /// A percentage, 0 to 100, with the language's percent sign.
    #[must_use]
    pub fn percent(&self, value: f64, digits: u8) -> String {
        self.language().figures.percent(value, digits)
    }

    /// A day in words: `21 November 2026`, `۳۰ آبان ۱۴۰۵` (Jalali), `٢١ نوفمبر ٢٠٢٦`.
    #[must_use]
    pub fn date(&self, day: NaiveDate) -> String {
        self.language().figures.date(day)
    }

    /// Words that are not ours (a name, a company) as they stand in a sentence of this language: isolated if need be.
    #[must_use]
    pub fn foreign<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.isolates && runs_against(self.locale, text) {
            let [begin, end] = ISOLATE;
            Cow::Owned(format!("{begin}{text}{end}"))
        } else {
            Cow::Borrowed(text)
        }
    }

    fn language(&self) -> &'static Language {
        Language::of(self.locale)
    }

    /// The text of a key. A key or argument that a file lacks shows as its name; the tests below leave none.
    pub(super) fn text(&self, key: &'static str, arguments: &[(&'static str, FluentValue<'_>)]) -> Cow<'static, str> {
        let bundle = &self.language().texts;
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return Cow::Borrowed(key);
        };
        let arguments: FluentArgs<'_> = arguments.iter().cloned().collect();
        bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new())
    }
}

/// A count as a message takes it. Nothing that we count exceeds an `i64`; if it did, the largest would stand for it.
pub(super) fn whole(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// Whether text in a sentence of this language must be kept from reordering its neighbours.
fn runs_against(locale: Locale, text: &str) -> bool {
    match locale.direction() {
        "ltr" => text.chars().any(is_right_to_left),
        _ => !text.chars().any(is_right_to_left) || text.chars().any(|letter| letter.is_alphanumeric() && !is_right_to_left(letter)),
    }
}

/// Hebrew, Arabic and their neighbours, with their presentation forms.
fn is_right_to_left(letter: char) -> bool {
    matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

pub(super) const fn source(locale: Locale) -> &'static str {
    match locale {
        Locale::En => include_str!("../../templates/locale/en.ftl"),
        Locale::Fa => include_str!("../../templates/locale/fa.ftl"),
        Locale::Ar => include_str!("../../templates/locale/ar.ftl"),
    }
}

pub(super) fn bundle(locale: Locale) -> Bundle {
    let language: LanguageIdentifier = locale.as_str().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    // Fluent isolates every argument, figures too; `Messages::foreign` is choosier
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(match locale {
        Locale::En => in_english,
        Locale::Fa => in_persian,
        Locale::Ar => in_arabic,
    }));
    // what cannot be parsed is left out; a test parses every file
    let resource = FluentResource::try_new(source(locale).to_owned()).unwrap_or_else(|(resource, _)| resource);
    bundle.add_resource_overriding(resource);
    bundle
}

fn figure(value: &FluentValue<'_>, locale: Locale) -> Option<String> {
    match value {
        FluentValue::Number(number) => Some(Language::of(locale).figures.number(&number.as_string())),
        _ => None,
    }
}

// Fluent takes a function without a state, so each language has its own.
fn in_english<M>(value: &FluentValue<'_>, _: &M) -> Option<String> {
    figure(value, Locale::En)
}

fn in_persian<M>(value: &FluentValue<'_>, _: &M) -> Option<String> {
    figure(value, Locale::Fa)
}

fn in_arabic<M>(value: &FluentValue<'_>, _: &M) -> Option<String> {
    figure(value, Locale::Ar)
}

#[cfg(test)]
mod tests {
    use super::{Locale, messages, plain};

    #[test]
    fn a_latin_name_is_isolated_in_a_persian_sentence_and_nowhere_else() {
        assert_eq!(messages(Locale::Fa).foreign("Acme"), "\u{2068}Acme\u{2069}");
        assert_eq!(messages(Locale::Fa).foreign("نبض"), "نبض");
        assert_eq!(messages(Locale::Ar).foreign("24/7"), "\u{2068}24/7\u{2069}");
        assert_eq!(messages(Locale::Ar).foreign("نبض 24"), "\u{2068}نبض 24\u{2069}");
        assert_eq!(messages(Locale::En).foreign("Acme"), "Acme");
        assert_eq!(messages(Locale::En).foreign("نبض"), "\u{2068}نبض\u{2069}");
        assert_eq!(plain(Locale::Fa).foreign("Acme"), "Acme");
    }

    #[test]
    fn arguments_come_in_the_digits_of_the_language() {
        assert_eq!(messages(Locale::En).survey_chosen(4, 5), "You chose 4 of 5.");
        assert!(messages(Locale::Fa).survey_chosen(4, 5).contains('۴'));
        assert!(messages(Locale::Ar).survey_chosen(4_u8, 5_u8).contains('٤'));
    }
}
