//! The only SQL behind a survey page.

use crate::clock::Timestamp;
use crate::db::{Result, Session, on_engine};
use crate::i18n::Locale;
use crate::invitation::{InvitationId, State};
use crate::response::store::hex_list;
use crate::survey::SurveyId;

/// What a page needs of an invitation.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Seat {
    /// The invitation.
    pub id: InvitationId,
    /// The survey it is for.
    pub survey_id: SurveyId,
    /// What has become of it.
    pub state: State,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    /// The customer's language, where it is one of ours.
    pub locale: Option<Locale>,
    /// When it was first answered.
    pub first_answered_at: Option<Timestamp>,
}

macro_rules! seats {
    ($ids:literal, $response:literal) => {
        concat!(
            "SELECT invitation.id, invitation.survey_id, invitation.state, invitation.expires_at, invitation.locale, response.first_answered_at
             FROM invitation LEFT JOIN ",
            $response,
            " WHERE invitation.id ",
            $ids
        )
    };
}
const SEATS_SQLITE: &str = seats!("IN (SELECT unhex(value) FROM json_each($1))", "response ON response.invitation_id = invitation.id");
// As with the ballots: by index, whatever the table's size was when the plan was made.
const SEATS_POSTGRES: &str = seats!(
    "= ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))",
    "LATERAL (SELECT * FROM response WHERE response.invitation_id = invitation.id LIMIT 1) AS response ON true"
);

/// What pages need of these invitations.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_seats(session: &mut impl Session, ids: &[InvitationId]) -> Result<Vec<Seat>> {
    let sql = session.pick(SEATS_SQLITE, SEATS_POSTGRES);
    let json = hex_list(ids.iter().map(|id| id.0))?;
    on_engine!(session, |conn| sqlx::query_as(sql).bind(json).fetch_all(conn).await)
}
