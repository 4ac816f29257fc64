//! Responses as the team reads them: what is asked for, and what a response carries.

pub mod store;

use super::{ResponseId, Status, Via};
use crate::clock::Timestamp;
use crate::db::{FromRow, Json};
use crate::i18n::Locale;
use crate::intake::{Agent, Ticket};
use crate::invitation::InteractionId;
use crate::metric::Metric;
use crate::survey::SurveyId;

/// Which responses are listed; `None` is no condition.
#[derive(Debug, Default)]
pub struct Filter {
    /// Of this survey.
    pub survey: Option<SurveyId>,
    /// First answered on this day or later (days since 1970-01-01).
    pub from: Option<i32>,
    /// First answered on this day or earlier.
    pub to: Option<i32>,
    /// About this agent.
    pub agent: Option<String>,
    /// About this team.
    pub team: Option<String>,
    /// About this channel.
    pub channel: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// With at least this score.
    pub score_min: Option<i16>,
    /// With at most this score.
    pub score_max: Option<i16>,
    /// With a comment, or without.
    pub with_comment: Option<bool>,
    /// In this state.
    pub status: Option<Status>,
    /// With these words in the comment.
    pub words: Option<String>,
    /// That count, or that are left out.
    pub counted: Option<bool>,
    /// In which order.
    pub oldest_first: bool,
}

/// A response with everything that its reader sees.
#[derive(Debug, FromRow)]
pub struct Listed {
    /// Its id.
    pub id: ResponseId,
    /// The survey's slug.
    pub slug: String,
    /// What it measures.
    pub metric: Metric,
    /// The score that counts.
    pub score: i16,
    /// The score as it was chosen.
    pub raw: i16,
    /// The comment.
    pub comment: Option<String>,
    /// Whether the comment may be quoted in public.
    pub consent: bool,
    /// The language it was answered in.
    pub locale: Locale,
    /// The way it came.
    pub via: Via,
    /// How far the team has got with it.
    pub status: Status,
    /// Whether the comment is shown in public.
    pub published: bool,
    /// Why it is left out of the counts.
    pub excluded: Option<String>,
    /// How many versions there are.
    pub version_count: i32,
    /// When it was first answered.
    pub first_answered_at: Timestamp,
    /// When it was last changed.
    pub answered_at: Timestamp,
    /// The interaction it is about.
    pub interaction_id: InteractionId,
    /// The ticket.
    pub ticket: Json<Ticket>,
    /// Who helped.
    pub agent: Json<Agent>,
    /// The team that helped.
    pub team: Option<String>,
    /// The channel of the conversation.
    pub channel: Option<String>,
    /// Free marks.
    pub tags: Json<Vec<String>>,
    /// What was interacted with.
    pub touchpoint: Option<String>,
    /// The customer's mail address.
    pub email: Option<String>,
    /// The customer's phone number.
    pub phone: Option<String>,
    /// The customer's name.
    pub name: Option<String>,
    /// The caller's own name for the customer.
    pub reference: Option<String>,
    /// The customer's language, as the help desk said it.
    pub customer_locale: Option<String>,
}
