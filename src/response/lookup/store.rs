//! The only SQL behind a survey page.

use serde::Deserialize;

use crate::clock::{Timestamp, stored};
use crate::db::{Engine, Result, Session, from_json};
use crate::i18n::Locale;
use crate::invitation::{InvitationId, State};
use crate::response::store::hex_list;
use crate::survey::SurveyId;

/// What a page needs of an invitation.
#[derive(Debug, Clone, sqlx::FromRow, Deserialize)]
pub struct Seat {
    /// The invitation.
    pub id: InvitationId,
    /// The survey it is for.
    pub survey_id: SurveyId,
    /// What has become of it.
    pub state: State,
    /// Until when it can be answered.
    #[serde(deserialize_with = "stored::instant")]
    pub expires_at: Timestamp,
    /// The customer's language, where it is one of ours.
    pub locale: Option<Locale>,
    /// When it was first answered.
    #[serde(deserialize_with = "stored::maybe")]
    pub first_answered_at: Option<Timestamp>,
}

// As with the ballots: the fields of Seat in their order, as one text.
const SEATS_SQLITE: &str = "SELECT json_group_array(json_array(hex(invitation.id), hex(invitation.survey_id), invitation.state, invitation.expires_at,
        invitation.locale, response.first_answered_at))
    FROM invitation LEFT JOIN response ON response.invitation_id = invitation.id WHERE invitation.id IN (SELECT unhex(value) FROM json_each($1))";
// As with the ballots: by index, whatever the table's size was when the plan was made.
const SEATS_POSTGRES: &str = "SELECT invitation.id, invitation.survey_id, invitation.state, invitation.expires_at, invitation.locale,
        response.first_answered_at
    FROM invitation LEFT JOIN LATERAL (SELECT * FROM response WHERE response.invitation_id = invitation.id LIMIT 1) AS response ON true
    WHERE invitation.id = ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))";

/// What pages need of these invitations.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_seats(session: &mut impl Session, ids: &[InvitationId]) -> Result<Vec<Seat>> {
    let json = hex_list(ids.iter().map(|id| id.0))?;
    match session.connection() {
        Engine::Sqlite(conn) => {
            let list: String = sqlx::query_scalar(SEATS_SQLITE).bind(json).fetch_one(conn).await?;
            from_json(&list)
        }
        Engine::Postgres(conn) => sqlx::query_as(SEATS_POSTGRES).bind(json).fetch_all(conn).await,
    }
}
