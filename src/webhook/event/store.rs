//! The only SQL about events and what endpoints are told.

use serde::Serialize;
use uuid::Uuid;
use uuid::fmt::Simple;

use super::{EventId, EventKind, Happened};
use crate::clock::Timestamp;
use crate::db::{FromRow, Result, Session, Tx, on_engine, to_json};
use crate::outbox::OutboxId;
use crate::survey::SurveyId;
use crate::webhook::WebhookId;

/// A new event as both engines read it from JSON.
#[derive(Debug, Serialize)]
pub struct NewEvent<'a> {
    id: Simple,
    kind: EventKind,
    survey: Simple,
    subject: Simple,
    version: i32,
    detail: Option<&'a str>,
}

impl<'a> NewEvent<'a> {
    /// An event of this id.
    #[must_use]
    pub fn new(id: EventId, happened: &'a Happened) -> Self {
        Self {
            id: id.0.simple(),
            kind: happened.kind,
            survey: happened.survey.0.simple(),
            subject: happened.subject.simple(),
            version: happened.version,
            detail: happened.detail.as_deref(),
        }
    }
}

macro_rules! events {
    ($rows:literal) => {
        concat!("INSERT INTO event (id, kind, survey_id, subject_id, version, detail, created_at) ", $rows)
    };
}
const EVENTS_SQLITE: &str = events!(
    "SELECT unhex(value ->> 'id'), value ->> 'kind', unhex(value ->> 'survey'), unhex(value ->> 'subject'), value ->> 'version', value ->> 'detail', $2
     FROM jsonb_each($1)"
);
const EVENTS_POSTGRES: &str = events!(
    "SELECT id, kind, survey, subject, version, detail, CAST($2 AS BIGINT)
     FROM json_to_recordset($1::json) AS r (id uuid, kind text, survey uuid, subject uuid, version integer, detail text)"
);

/// Stores events.
///
/// # Errors
/// When the database cannot store them.
pub async fn insert_events(tx: &mut Tx, events: &[NewEvent<'_>], now: Timestamp) -> Result<()> {
    let (sql, json) = (tx.pick(EVENTS_SQLITE, EVENTS_POSTGRES), to_json(&events)?);
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(json).bind(now).execute(conn).await?;
    });
    Ok(())
}

/// A new message to an endpoint as both engines read it from JSON.
#[derive(Debug, Serialize)]
pub struct NewDelivery {
    id: Simple,
    webhook: Simple,
    event: Simple,
    number: i64,
}

impl NewDelivery {
    /// The message of this id.
    #[must_use]
    pub const fn new(id: OutboxId, webhook: WebhookId, event: EventId, number: i64) -> Self {
        Self { id: id.0.simple(), webhook: webhook.0.simple(), event: event.0.simple(), number }
    }
}

const DELIVERIES_SQLITE: &str = "INSERT INTO webhook_delivery (id, webhook_id, event_id, number)
    SELECT unhex(value ->> 'id'), unhex(value ->> 'webhook'), unhex(value ->> 'event'), value ->> 'number' FROM jsonb_each($1)";
const DELIVERIES_POSTGRES: &str = "INSERT INTO webhook_delivery (id, webhook_id, event_id, number)
    SELECT id, webhook, event, number FROM json_to_recordset($1::json) AS r (id uuid, webhook uuid, event uuid, number bigint)";

/// Stores which endpoint is told of which event.
///
/// # Errors
/// When the database cannot store them.
pub async fn insert_deliveries(tx: &mut Tx, deliveries: &[NewDelivery]) -> Result<()> {
    let (sql, json) = (tx.pick(DELIVERIES_SQLITE, DELIVERIES_POSTGRES), to_json(&deliveries)?);
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(json).execute(conn).await?;
    });
    Ok(())
}

/// An event on its way.
#[derive(Debug, Clone, FromRow)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// The survey.
    pub survey_id: SurveyId,
    /// To what.
    pub subject_id: Uuid,
    /// Which version of it.
    pub version: i32,
    /// More about it.
    pub detail: Option<String>,
    /// When it happened.
    pub created_at: Timestamp,
    /// Its number among those of the endpoint, from 1.
    pub number: i64,
}

/// The event that a message to an endpoint tells.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_event(session: &mut impl Session, message: OutboxId) -> Result<Option<Event>> {
    on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT event.id, event.kind, event.survey_id, event.subject_id, event.version, event.detail, event.created_at, webhook_delivery.number
             FROM webhook_delivery JOIN event ON event.id = webhook_delivery.event_id WHERE webhook_delivery.id = $1",
        )
        .bind(message)
        .fetch_optional(conn)
        .await
    })
}

/// How many endpoints accepted an event, and for how many it still waits.
///
/// # Errors
/// When the database cannot answer.
pub async fn fate(session: &mut impl Session, event: EventId) -> Result<(usize, usize)> {
    let states: Vec<String> = on_engine!(session, |conn| {
        sqlx::query_scalar("SELECT outbox.state FROM outbox WHERE outbox.subject_id = $1").bind(event).fetch_all(conn).await?
    });
    let count = |word: &str| states.iter().filter(|state| *state == word).count();
    Ok((count("sent"), count("waiting")))
}

/// Forgets events that no message tells any more.
///
/// # Errors
/// When the database cannot store it.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("DELETE FROM webhook_delivery WHERE id IN (SELECT id FROM outbox WHERE settled_at < $1)")
            .bind(before)
            .execute(conn)
            .await?;
    });
    on_engine!(tx, |conn| {
        sqlx::query(
            "DELETE FROM event WHERE created_at < $1 AND NOT EXISTS (SELECT 1 FROM webhook_delivery WHERE webhook_delivery.event_id = event.id)",
        )
        .bind(before)
        .execute(conn)
        .await?;
    });
    Ok(())
}

/// What a message to an endpoint tells, in short.
#[derive(Debug, Clone, FromRow)]
pub struct Told {
    /// The message.
    pub id: OutboxId,
    /// What happened.
    pub kind: EventKind,
    /// Its number among those of the endpoint.
    pub number: i64,
}

macro_rules! told {
    ($ids:literal) => {
        concat!(
            "SELECT webhook_delivery.id, event.kind, webhook_delivery.number
             FROM webhook_delivery JOIN event ON event.id = webhook_delivery.event_id WHERE webhook_delivery.id ",
            $ids
        )
    };
}
const TOLD_SQLITE: &str = told!("IN (SELECT unhex(value) FROM json_each($1))");
const TOLD_POSTGRES: &str = told!("= ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))");

/// What these messages tell.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_told(session: &mut impl Session, ids: &[OutboxId]) -> Result<Vec<Told>> {
    let sql = session.pick(TOLD_SQLITE, TOLD_POSTGRES);
    let json = to_json(&ids.iter().map(|id| id.0.simple()).collect::<Vec<_>>())?;
    on_engine!(session, |conn| sqlx::query_as(sql).bind(json).fetch_all(conn).await)
}
