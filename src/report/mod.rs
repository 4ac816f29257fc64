//! What it means: the figures of the tallies, as a total and broken down by group or time.

pub mod breakdown;
pub mod daily;
pub mod figures;
pub mod http;
pub mod period;
pub mod store;

use serde::Serialize;
use utoipa::ToSchema;

use crate::db::text_enum;

text_enum! {
    /// What a report is broken down by.
    pub enum By {
        /// The agent.
        Agent = "agent",
        /// The team.
        Team = "team",
        /// The channel of the conversation.
        Channel = "channel",
        /// A tag; an answer stands in the row of each of its tags.
        Tag = "tag",
        /// What was interacted with.
        Touchpoint = "touchpoint",
        /// The customer's language.
        Locale = "locale",
        /// The help desk or program.
        Source = "source",
        /// The customer's segment.
        Segment = "segment",
        /// The product.
        Product = "product",
        /// The day of the first answer.
        Day = "day",
        /// Its week, as the survey's weeks begin.
        Week = "week",
        /// Its month.
        Month = "month",
        /// The score itself.
        Score = "score",
    }
}

text_enum! {
    /// Whose months are meant.
    pub enum Calendar {
        /// January to December.
        Gregorian = "gregorian",
        /// Farvardin to Esfand.
        Jalali = "jalali",
    }
}

text_enum! {
    /// What a period is compared with.
    pub enum Compare {
        /// As many days just before it.
        Previous = "previous",
    }
}

impl By {
    /// Whether the rows are stretches of time.
    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(self, Self::Day | Self::Week | Self::Month)
    }
}

/// Which answers a report looks at: those of every group named here. An empty text means those without a value, as in the row with
/// the key `""`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Filter {
    /// The agent's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// A tag; never empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What was interacted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub touchpoint: Option<String>,
    /// The customer's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The source's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The customer's segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// The product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
}
