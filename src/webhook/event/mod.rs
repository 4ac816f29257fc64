//! What happened, as far as anybody is told of it.

pub mod store;

use crate::db::{id, text_enum};
use crate::survey::SurveyId;

/// The kind of message in the outbox that tells an endpoint of an event; its subject is the event.
pub const EVENT: &str = "event";

id! {
    /// The id of an event: the `webhook-id` of everything that tells it.
    EventId
}

text_enum! {
    /// What an endpoint can be told of.
    pub enum EventKind {
        /// A customer is to be asked by the caller's own system, which is given the link.
        InvitationCreated = "invitation.created",
        /// Mail to a customer came back.
        InvitationBounced = "invitation.bounced",
        /// A customer answered.
        ResponseCreated = "response.created",
        /// A customer changed an answer.
        ResponseUpdated = "response.updated",
        /// An answer is, or has become, a low one.
        ResponseLow = "response.low",
        /// A survey's day is over: its figures.
        ReportDaily = "report.daily",
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// What.
    pub kind: EventKind,
    /// The survey.
    pub survey: SurveyId,
    /// To what: a response, an invitation, a survey.
    pub subject: uuid::Uuid,
    /// Which version of it: what is said of the event is said of that one.
    pub version: i32,
    /// More about it, where nothing else keeps it.
    pub detail: Option<String>,
}
