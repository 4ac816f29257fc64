//! The only SQL about what became of invitations. Everything is read for many of them at once.

use uuid::Uuid;

use super::Event;
use crate::clock::Timestamp;
use crate::db::{FromRow, Json, Result, Session, Tx, on_engine};
use crate::invitation::{InvitationId, Occasion, State};
use crate::outbox;

/// An event that was noted as it happened.
#[derive(Debug, Clone, FromRow)]
pub struct Noted {
    /// The invitation.
    pub invitation_id: InvitationId,
    /// What happened.
    pub event: Event,
    /// More about it.
    pub detail: Option<String>,
    /// When it happened.
    pub created_at: Timestamp,
}

/// A version of an answer.
#[derive(Debug, Clone, FromRow)]
pub struct Version {
    /// The invitation it answers.
    pub invitation_id: InvitationId,
    /// The score as it was chosen.
    pub raw: i16,
    /// When it was given.
    pub created_at: Timestamp,
}

/// The message of an invitation.
#[derive(Debug, Clone, FromRow)]
pub struct Message {
    /// The invitation it carries.
    pub invitation_id: InvitationId,
    /// What has become of it.
    pub state: outbox::State,
    /// When it is due, while it waits.
    pub due_at: Timestamp,
    /// Why it did not leave before.
    pub last_error: Option<String>,
}

/// Ids as both engines read them from a list: hexadecimal, without hyphens.
pub(in crate::invitation) fn hex_list(ids: impl IntoIterator<Item = Uuid>) -> Json<Vec<String>> {
    Json(ids.into_iter().map(|id| id.simple().to_string()).collect())
}

/// Notes an event.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, id: Uuid, invitation: InvitationId, (event, detail): (Event, Option<&str>), now: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("INSERT INTO invitation_event (id, invitation_id, event, detail, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(id)
            .bind(invitation)
            .bind(event)
            .bind(detail)
            .bind(now)
            .execute(conn)
            .await?;
    });
    Ok(())
}

/// Whether no message of an invitation has left so far.
///
/// # Errors
/// When the database cannot answer.
pub async fn is_scheduled(session: &mut impl Session, id: InvitationId) -> Result<bool> {
    let state: Option<State> =
        on_engine!(session, |conn| sqlx::query_scalar("SELECT state FROM invitation WHERE id = $1").bind(id).fetch_optional(conn).await?);
    Ok(state == Some(State::Scheduled))
}

macro_rules! noted {
    ($ids:literal) => {
        concat!(
            "SELECT invitation_id, event, detail, created_at FROM invitation_event WHERE invitation_id ",
            $ids,
            " ORDER BY created_at, id"
        )
    };
}
const NOTED_SQLITE: &str = noted!("IN (SELECT unhex(value) FROM json_each($1))");
const NOTED_POSTGRES: &str = noted!("= ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))");

/// What was noted of these invitations, in order.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_noted(session: &mut impl Session, ids: &[InvitationId]) -> Result<Vec<Noted>> {
    let sql = session.pick(NOTED_SQLITE, NOTED_POSTGRES);
    let ids = hex_list(ids.iter().map(|id| id.0));
    on_engine!(session, |conn| sqlx::query_as(sql).bind(ids).fetch_all(conn).await)
}

macro_rules! versions {
    ($ids:literal) => {
        concat!(
            "SELECT invitation_id, raw, answered_at AS created_at, version_count AS version FROM response WHERE invitation_id ",
            $ids,
            " UNION ALL
             SELECT response.invitation_id, response_past.raw, response_past.created_at, response_past.version
             FROM response JOIN response_past ON response_past.response_id = response.id WHERE response.invitation_id ",
            $ids,
            " ORDER BY 1, 4"
        )
    };
}
const VERSIONS_SQLITE: &str = versions!("IN (SELECT unhex(value) FROM json_each($1))");
const VERSIONS_POSTGRES: &str = versions!("= ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))");

/// The versions of the answers to these invitations, each in order.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_versions(session: &mut impl Session, ids: &[InvitationId]) -> Result<Vec<Version>> {
    let sql = session.pick(VERSIONS_SQLITE, VERSIONS_POSTGRES);
    let ids = hex_list(ids.iter().map(|id| id.0));
    on_engine!(session, |conn| sqlx::query_as(sql).bind(ids).fetch_all(conn).await)
}

macro_rules! messages {
    ($ids:literal) => {
        concat!("SELECT subject_id AS invitation_id, state, due_at, last_error FROM outbox WHERE kind = $2 AND subject_id ", $ids)
    };
}
const MESSAGES_SQLITE: &str = messages!("IN (SELECT unhex(value) FROM json_each($1))");
const MESSAGES_POSTGRES: &str = messages!("= ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))");

/// The first messages of these invitations, as far as they are remembered.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_messages(session: &mut impl Session, ids: &[InvitationId]) -> Result<Vec<Message>> {
    let sql = session.pick(MESSAGES_SQLITE, MESSAGES_POSTGRES);
    let ids = hex_list(ids.iter().map(|id| id.0));
    on_engine!(session, |conn| sqlx::query_as(sql).bind(ids).bind(Occasion::First).fetch_all(conn).await)
}
