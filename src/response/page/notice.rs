//! Pages that can show no question: every reason, as kind as the survey page.

use std::borrow::Cow;

use maud::{Markup, html};

use super::Shell;
use crate::i18n::Messages;
use crate::survey::Survey;

/// Why there is no survey page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token is none of ours; says nothing more, whatever is wrong with it.
    NotFound,
    /// The time for an answer has passed.
    Expired,
    /// The invitation was taken back.
    Withdrawn,
    /// The survey is archived.
    Closed,
    /// The answer is too old to be changed.
    Settled,
    /// Too many requests; worth another try after so many seconds.
    TooMany {
        /// Seconds to wait.
        seconds: u64,
    },
    /// Nothing can be stored or read just now.
    Unavailable,
}

impl Refusal {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Expired | Self::Withdrawn | Self::Closed | Self::Settled => 410,
            Self::TooMany { .. } => 429,
            Self::Unavailable => 503,
        }
    }

    fn title_and_text(self, messages: &Messages) -> (Cow<'static, str>, Cow<'static, str>) {
        match self {
            Self::NotFound => (messages.not_found_title(), messages.not_found_text()),
            Self::Expired => (messages.expired_title(), messages.expired_text()),
            Self::Withdrawn => (messages.withdrawn_title(), messages.withdrawn_text()),
            Self::Closed => (messages.closed_title(), messages.closed_text()),
            Self::Settled => (messages.settled_title(), messages.settled_text()),
            Self::TooMany { seconds } => (messages.too_many_title(), messages.too_many_text(seconds)),
            Self::Unavailable => (messages.unavailable_title(), messages.unavailable_text()),
        }
    }
}

/// The page of a refusal, in the colours of the survey where it is known.
#[must_use]
pub fn refusal(reason: Refusal, survey: Option<&Survey>, csp_nonce: &str, messages: &'static Messages) -> Markup {
    let (title, text) = reason.title_and_text(messages);
    let shell = Shell { survey, title: &title, csp_nonce, script: None };
    shell.render(
        messages,
        &html! {
            h1 { (title) }
            p { (text) }
        },
    )
}
