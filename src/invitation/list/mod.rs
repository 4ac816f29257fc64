//! Interactions as the team reads them: which are asked for, and what one carries.

pub mod store;

use super::timeline::Course;
use super::{CustomerId, InteractionId, InvitationId, Outcome, Reason, State};
use crate::clock::Timestamp;
use crate::db::{FromRow, Json};
use crate::intake::{Agent, SourceId, SourceKind, Ticket};
use crate::metric::Metric;
use crate::survey::SurveyId;

/// Which interactions are listed; `None` is no condition.
#[derive(Debug, Default)]
pub struct Filter {
    /// Of this survey.
    pub survey: Option<SurveyId>,
    /// About this ticket.
    pub ticket: Option<String>,
    /// With one of these customers.
    pub customers: Option<Vec<CustomerId>>,
    /// Decided like this.
    pub outcome: Option<Outcome>,
}

/// An interaction with everything that its reader sees.
#[derive(Debug, FromRow)]
pub struct Listed {
    /// Its id.
    pub id: InteractionId,
    /// The survey's slug.
    pub slug: String,
    /// What the survey measures.
    pub metric: Metric,
    /// Where it came from.
    pub source_id: Option<SourceId>,
    /// What the source is.
    pub source_kind: Option<SourceKind>,
    /// The source's name.
    pub source_name: Option<String>,
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
    /// The customer's segment.
    pub segment: Option<String>,
    /// The product.
    pub product: Option<String>,
    /// The customer's language, as the help desk said it.
    pub locale: Option<String>,
    /// What was decided.
    pub outcome: Outcome,
    /// Why the customer is not asked.
    pub reason: Option<Reason>,
    /// Until when.
    pub until_at: Option<Timestamp>,
    /// The decision in one sentence.
    pub explanation: String,
    /// When it arrived.
    pub created_at: Timestamp,
    /// The customer's mail address.
    pub email: Option<String>,
    /// The customer's phone number.
    pub phone: Option<String>,
    /// The customer's name.
    pub name: Option<String>,
    /// The caller's own name for the customer.
    pub reference: Option<String>,
    /// The customer's time zone, where somebody was asked and it is known.
    pub timezone: Option<String>,
    /// The invitation.
    pub invitation_id: Option<InvitationId>,
    /// What has become of it.
    pub state: Option<State>,
    /// The channel that it is first asked by.
    pub asked_by: Option<String>,
    /// Until when it can be answered.
    pub expires_at: Option<Timestamp>,
    /// When it was decided.
    pub invited_at: Option<Timestamp>,
    /// When its message was accepted, or the caller had the link.
    pub sent_at: Option<Timestamp>,
    /// The score it was first opened with.
    pub unconfirmed_score: Option<i16>,
    /// When it was first opened.
    pub unconfirmed_at: Option<Timestamp>,
}

impl Listed {
    /// The invitation with what its columns tell.
    #[must_use]
    pub fn invitation(&self) -> Option<(InvitationId, Course)> {
        let course = Course {
            metric: self.metric,
            state: self.state?,
            created_at: self.invited_at?,
            expires_at: self.expires_at?,
            sent_at: self.sent_at,
            opened: self.unconfirmed_score.zip(self.unconfirmed_at),
        };
        Some((self.invitation_id?, course))
    }
}
