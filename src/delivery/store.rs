//! The only SQL about what a message says.

use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::db::{FromRow, Json, Result, Session, on_engine};
use crate::gateway::Gateway;
use crate::i18n::Locale;
use crate::intake::{Agent, Ticket};
use crate::invitation::{InvitationId, State};
use crate::survey::{Survey, SurveyId};

/// What an invitation's mail is composed from.
#[derive(Debug, FromRow)]
pub struct Letter {
    /// The survey.
    pub survey_id: SurveyId,
    /// What has become of the invitation.
    pub state: State,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    /// When its message was accepted.
    pub sent_at: Option<Timestamp>,
    /// When it was decided: the date of the mail, the same at every attempt.
    pub created_at: Timestamp,
    /// The customer's language, where it is one of ours.
    pub locale: Option<Locale>,
    /// The customer's time zone, where it is known.
    pub timezone: Option<String>,
    /// The customer's address, unless it was erased.
    pub email: Option<String>,
    /// The customer's phone number, unless it was erased.
    pub phone: Option<String>,
    /// The caller's own name for the customer.
    pub reference: Option<String>,
    /// The customer's name.
    pub name: Option<String>,
    /// The ticket.
    pub ticket: Json<Ticket>,
    /// Who helped.
    pub agent: Json<Agent>,
    /// Whether mail to the customer is suppressed.
    pub is_suppressed: bool,
}

impl Letter {
    /// The zone whose clocks the sending hours go by.
    #[must_use]
    pub fn zone(&self, survey: &Survey) -> Tz {
        self.timezone.as_ref().and_then(|name| name.parse().ok()).unwrap_or(survey.timezone)
    }

    /// Whether the customer has an address for a gateway, or for mail where there is none.
    #[must_use]
    pub fn is_reached(&self, gateway: Option<&Gateway>) -> bool {
        let [email, phone, reference] = [&self.email, &self.phone, &self.reference].map(Option::as_deref);
        gateway.map_or(email.is_some(), |gateway| gateway.definition.dial().lacks(email, phone, reference).is_none())
    }
}

/// What the mail of an invitation is composed from, as it is now.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_letter(session: &mut impl Session, id: InvitationId) -> Result<Option<Letter>> {
    on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT invitation.survey_id, invitation.state, invitation.expires_at, invitation.sent_at, invitation.created_at, invitation.locale,
                 invitation.timezone, customer.email, customer.phone, customer.ref AS reference, customer.name,
                 interaction.ticket, interaction.agent,
                 EXISTS (SELECT 1 FROM suppression WHERE suppression.identity = customer.identity) AS is_suppressed
             FROM invitation JOIN interaction ON interaction.id = invitation.interaction_id LEFT JOIN customer ON customer.id = invitation.customer_id
             WHERE invitation.id = $1",
        )
        .bind(id)
        .fetch_optional(conn)
        .await
    })
}

/// Whether any message of an invitation still waits: its own, or one that tells an endpoint to send it.
///
/// # Errors
/// When the database cannot answer.
pub async fn is_on_its_way(session: &mut impl Session, id: InvitationId) -> Result<bool> {
    let found: Option<i32> = on_engine!(session, |conn| {
        sqlx::query_scalar(
            "SELECT 1 FROM outbox WHERE outbox.subject_id = $1 AND outbox.state = 'waiting' UNION ALL
             SELECT 1 FROM event JOIN outbox ON outbox.subject_id = event.id
             WHERE event.subject_id = $1 AND event.kind = 'invitation.created' AND outbox.state = 'waiting' LIMIT 1",
        )
        .bind(id)
        .fetch_optional(conn)
        .await?
    });
    Ok(found.is_some())
}
