//! Typed messages, numbers and dates in English, Persian and Arabic.

use std::sync::LazyLock;

use crate::db::text_enum;

mod figures;
mod message;
mod tag;
mod texts;

pub use figures::jalali_month;
pub use message::{Messages, messages, plain};
pub use tag::{ascii_digits, negotiate};

text_enum! {
    /// A language that nabz speaks.
    pub enum Locale {
        /// English.
        En = "en",
        /// Persian.
        Fa = "fa",
        /// Arabic.
        Ar = "ar",
    }
}

impl Locale {
    /// The value of the HTML attribute `dir`.
    #[must_use]
    pub const fn direction(self) -> &'static str {
        match self {
            Self::En => "ltr",
            Self::Fa | Self::Ar => "rtl",
        }
    }

    /// The digits 0 to 9 as this language writes them, in one string.
    #[must_use]
    pub const fn digits(self) -> &'static str {
        match self {
            Self::En => "0123456789",
            Self::Fa => "۰۱۲۳۴۵۶۷۸۹",
            Self::Ar => "٠١٢٣٤٥٦٧٨٩",
        }
    }
}

/// Everything that is built once per language, at its first use.
struct Language {
    texts: message::Bundle,
    figures: figures::Figures,
}

impl Language {
    fn of(locale: Locale) -> &'static Self {
        static ENGLISH: LazyLock<Language> = LazyLock::new(|| Language::new(Locale::En));
        static PERSIAN: LazyLock<Language> = LazyLock::new(|| Language::new(Locale::Fa));
        static ARABIC: LazyLock<Language> = LazyLock::new(|| Language::new(Locale::Ar));
        match locale {
            Locale::En => &ENGLISH,
            Locale::Fa => &PERSIAN,
            Locale::Ar => &ARABIC,
        }
    }

    fn new(locale: Locale) -> Self {
        Self { texts: message::bundle(locale), figures: figures::Figures::new(locale) }
    }
}
