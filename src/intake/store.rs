//! The only SQL about sources and what arrived at them.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use serde::Serialize;
use uuid::Uuid;
use uuid::fmt::Simple;

use super::options::Options;
use super::{Reception, Source, SourceId, SourceKind};
use crate::clock::Timestamp;
use crate::db::cache::Kept;
use crate::db::changes::Change;
use crate::db::{Json, Read, Result, Session, Tx, on_engine, to_json};
use crate::survey::SurveyId;

impl Kept for Source {
    fn changed_by(change: Change) -> Option<Uuid> {
        if let Change::Source(id) = change { Some(id) } else { None }
    }

    async fn find(read: &mut Read, id: Uuid) -> Result<Option<Self>> {
        find(read, SourceId(id)).await
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: SourceId,
    survey_id: SurveyId,
    name: String,
    kind: SourceKind,
    secret: Vec<u8>,
    options: Json<Options>,
    api_token: Option<Vec<u8>>,
    created_at: Timestamp,
}

impl From<Row> for Source {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            survey_id: row.survey_id,
            name: row.name,
            kind: row.kind,
            sealed_secret: row.secret,
            options: row.options.0,
            sealed_token: row.api_token,
            created_at: row.created_at,
        }
    }
}

/// Stores a new source.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, source: &Source) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("INSERT INTO source (id, survey_id, name, kind, secret, options, api_token, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(source.id)
            .bind(source.survey_id)
            .bind(&source.name)
            .bind(source.kind)
            .bind(&source.sealed_secret)
            .bind(Json(&source.options))
            .bind(&source.sealed_token)
            .bind(source.created_at)
            .execute(conn)
            .await?;
    });
    Ok(())
}

/// Stores what may change of a source: name, secret, options and token.
///
/// # Errors
/// When the database cannot store it.
pub async fn update(tx: &mut Tx, source: &Source) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("UPDATE source SET name = $2, secret = $3, options = $4, api_token = $5 WHERE id = $1 AND deleted_at IS NULL")
            .bind(source.id)
            .bind(&source.name)
            .bind(&source.sealed_secret)
            .bind(Json(&source.options))
            .bind(&source.sealed_token)
            .execute(conn)
            .await?;
    });
    tx.announce(Change::Source(source.id.0));
    Ok(())
}

/// The source with this id, unless it was disconnected.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(session: &mut impl Session, id: SourceId) -> Result<Option<Source>> {
    let row: Option<Row> = on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT id, survey_id, name, kind, secret, options, api_token, created_at FROM source WHERE id = $1 AND deleted_at IS NULL",
        )
        .bind(id)
        .fetch_optional(conn)
        .await?
    });
    Ok(row.map(Source::from))
}

/// Sources in order of connection, after the one with id `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(session: &mut impl Session, after: SourceId, limit: i64) -> Result<Vec<Source>> {
    let rows: Vec<Row> = on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT id, survey_id, name, kind, secret, options, api_token, created_at FROM source WHERE id > $1 AND deleted_at IS NULL ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(conn)
        .await?
    });
    Ok(rows.into_iter().map(Source::from).collect())
}

/// Disconnects a source; what it brought stays. False when there is no such source.
///
/// # Errors
/// When the database cannot store it.
pub async fn delete(tx: &mut Tx, id: SourceId, now: Timestamp) -> Result<bool> {
    let deleted = on_engine!(tx, |conn| {
        sqlx::query("UPDATE source SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL")
            .bind(id)
            .bind(now)
            .execute(conn)
            .await?
            .rows_affected()
    });
    if deleted > 0 {
        tx.announce(Change::Source(id.0));
    }
    Ok(deleted > 0)
}

/// One delivery that arrived.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Its id.
    pub id: Uuid,
    /// Where it arrived.
    pub source: SourceId,
    /// The sender's id of the delivery.
    pub delivery_key: Option<&'a str>,
    /// What became of it.
    pub outcome: Reception,
    /// The answer that was given, as JSON.
    pub answer: &'a str,
    /// What is wrong with it, for whoever wrote the body.
    pub problem: Option<&'a str>,
    /// The raw body, kept only where it could not be read.
    pub body: Option<&'a [u8]>,
    /// When it arrived.
    pub at: Timestamp,
}

#[derive(Serialize)]
struct ArrivalRow<'a> {
    id: Simple,
    source: Simple,
    delivery_key: Option<&'a str>,
    outcome: Reception,
    answer: &'a str,
    problem: Option<&'a str>,
    body: Option<String>,
    at: i64,
}

macro_rules! arrivals {
    ($rows:literal) => {
        concat!(
            "INSERT INTO source_event (id, source_id, delivery_key, outcome, answer, problem, body, created_at) ",
            $rows,
            " ON CONFLICT (source_id, delivery_key) DO NOTHING"
        )
    };
}
const ARRIVALS_SQLITE: &str = arrivals!(
    "SELECT unhex(value ->> 'id'), unhex(value ->> 'source'), value ->> 'delivery_key', value ->> 'outcome', value ->> 'answer', value ->> 'problem',
         unhex(value ->> 'body'), value ->> 'at' FROM jsonb_each($1) WHERE true"
);
const ARRIVALS_POSTGRES: &str = arrivals!(
    "SELECT id, source, delivery_key, outcome, answer, problem, decode(body, 'hex'), at FROM json_to_recordset($1::json)
         AS r (id uuid, source uuid, delivery_key text, outcome text, answer text, problem text, body text, at bigint) ORDER BY source, delivery_key"
);

/// Notes deliveries; one that the sender delivered before is left as it was noted first.
///
/// # Errors
/// When the database cannot store them.
pub async fn insert_arrivals(tx: &mut Tx, arrivals: &[Arrival<'_>]) -> Result<()> {
    let rows: Vec<ArrivalRow<'_>> = arrivals
        .iter()
        .map(|arrival| ArrivalRow {
            id: arrival.id.simple(),
            source: arrival.source.0.simple(),
            delivery_key: arrival.delivery_key,
            outcome: arrival.outcome,
            answer: arrival.answer,
            problem: arrival.problem,
            body: arrival.body.map(|body| HEXLOWER.encode(body)),
            at: arrival.at.as_millis(),
        })
        .collect();
    let (sql, json) = (tx.pick(ARRIVALS_SQLITE, ARRIVALS_POSTGRES), to_json(&rows)?);
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(json).execute(conn).await?;
    });
    Ok(())
}

/// A delivery as it was noted.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Noted {
    /// Its id.
    pub id: Uuid,
    /// What became of it.
    pub outcome: Reception,
    /// The answer that was given, as JSON; empty where the body could not be read.
    pub answer: String,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// The raw body, where it could not be read and 30 days are not over.
    pub body: Option<Vec<u8>>,
    /// When it arrived.
    pub created_at: Timestamp,
}

/// Deliveries to a source before the one with id `before`, the newest first.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_arrivals(session: &mut impl Session, source: SourceId, before: Uuid, limit: i64) -> Result<Vec<Noted>> {
    on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT id, outcome, answer, problem, body, created_at FROM source_event WHERE source_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(source)
        .bind(before)
        .bind(limit)
        .fetch_all(conn)
        .await
    })
}

/// One delivery to a source.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_arrival(session: &mut impl Session, source: SourceId, id: Uuid) -> Result<Option<Noted>> {
    on_engine!(session, |conn| {
        sqlx::query_as("SELECT id, outcome, answer, problem, body, created_at FROM source_event WHERE source_id = $1 AND id = $2")
            .bind(source)
            .bind(id)
            .fetch_optional(conn)
            .await
    })
}

/// Notes what became of a delivery after all; of one that was understood no body is kept.
///
/// # Errors
/// When the database cannot store it.
pub async fn settle_arrival(tx: &mut Tx, id: Uuid, outcome: Reception, answer: &str) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("UPDATE source_event SET outcome = $2, answer = $3, problem = NULL, body = NULL WHERE id = $1")
            .bind(id)
            .bind(outcome)
            .bind(answer)
            .execute(conn)
            .await?;
    });
    Ok(())
}

const LOCK_SQLITE: &str = "SELECT answer FROM source_event WHERE id = $1";
const LOCK_POSTGRES: &str = "SELECT answer FROM source_event WHERE id = $1 FOR UPDATE";

/// The answer that was given to a delivery, to be changed in the same transaction.
///
/// # Errors
/// When the database cannot answer.
pub async fn lock_answer(tx: &mut Tx, id: Uuid) -> Result<Option<String>> {
    let sql = tx.pick(LOCK_SQLITE, LOCK_POSTGRES);
    on_engine!(tx, |conn| sqlx::query_scalar(sql).bind(id).fetch_optional(conn).await)
}

/// Erases the bodies of deliveries that arrived before an instant.
///
/// # Errors
/// When the database cannot store it.
pub async fn erase_bodies(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    on_engine!(tx, |conn| {
        let erased = sqlx::query("UPDATE source_event SET body = NULL WHERE created_at < $1 AND body IS NOT NULL")
            .bind(before)
            .execute(conn)
            .await?;
        Ok(erased.rows_affected())
    })
}

#[derive(Serialize)]
struct DeliveryRow<'a> {
    source: Simple,
    key: &'a str,
}

macro_rules! answers {
    ($keys:literal, $events:literal) => {
        concat!("SELECT source_event.source_id, source_event.delivery_key, source_event.answer FROM ", $keys, $events)
    };
}
const ANSWERS_SQLITE: &str = answers!(
    "jsonb_each($1) AS k CROSS JOIN ",
    "source_event ON source_event.source_id = unhex(k.value ->> 'source') AND source_event.delivery_key = k.value ->> 'key'
         AND source_event.outcome = 'accepted'"
);
const ANSWERS_POSTGRES: &str = answers!(
    "json_to_recordset($1::json) AS k (source uuid, key text) JOIN ",
    "LATERAL (SELECT * FROM source_event WHERE delivery_key = k.key AND source_id IS NOT DISTINCT FROM k.source AND outcome = 'accepted' LIMIT 1) AS source_event ON true"
);

/// The answers that were given to deliveries before, as JSON, by source and the sender's id of the delivery.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_answers(session: &mut impl Session, deliveries: &[(SourceId, &str)]) -> Result<HashMap<(SourceId, String), String>> {
    let rows: Vec<DeliveryRow<'_>> = deliveries.iter().map(|(source, key)| DeliveryRow { source: source.0.simple(), key }).collect();
    let (sql, json) = (session.pick(ANSWERS_SQLITE, ANSWERS_POSTGRES), to_json(&rows)?);
    let found: Vec<(SourceId, String, String)> = on_engine!(session, |conn| sqlx::query_as(sql).bind(json).fetch_all(conn).await?);
    Ok(found.into_iter().map(|(source, key, answer)| ((source, key), answer)).collect())
}
