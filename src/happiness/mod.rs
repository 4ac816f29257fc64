//! What the world sees: the public report of a survey, published in lots and served from memory.

pub mod http;
pub mod kept;
pub mod page;
pub mod publication;
pub mod recount;
pub mod snapshot;
pub mod store;

use crate::db::text_enum;
use crate::i18n::Locale;
use crate::survey::Survey;

text_enum! {
    /// Whether there is anything to see yet.
    pub enum State {
        /// Votes are shown.
        Published = "published",
        /// There are too few of them.
        Collecting = "collecting",
    }
}

/// A public report in the list of all.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The survey's slug.
    pub slug: String,
    /// The report's heading.
    pub title: String,
    /// The language of the survey.
    pub locale: Locale,
}

impl From<&Survey> for Entry {
    fn from(survey: &Survey) -> Self {
        Self { slug: survey.slug.clone(), title: publication::title(survey).to_owned(), locale: survey.locale }
    }
}
