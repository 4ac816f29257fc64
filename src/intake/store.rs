//! The only SQL about sources and what arrived at them.

use uuid::Uuid;

use super::{Reception, Source, SourceId, SourceKind};
use crate::clock::Timestamp;
use crate::db::{Result, Session, Tx, on_engine};
use crate::survey::SurveyId;

#[derive(sqlx::FromRow)]
struct Row {
    id: SourceId,
    survey_id: SurveyId,
    name: String,
    kind: SourceKind,
    secret: Vec<u8>,
    created_at: Timestamp,
}

impl From<Row> for Source {
    fn from(row: Row) -> Self {
        Self { id: row.id, survey_id: row.survey_id, name: row.name, kind: row.kind, sealed_secret: row.secret, created_at: row.created_at }
    }
}

/// Stores a new source.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, source: &Source) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("INSERT INTO source (id, survey_id, name, kind, secret, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(source.id)
            .bind(source.survey_id)
            .bind(&source.name)
            .bind(source.kind)
            .bind(&source.sealed_secret)
            .bind(source.created_at)
            .execute(conn)
            .await?;
    });
    Ok(())
}

/// The source with this id, unless it was disconnected.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(session: &mut impl Session, id: SourceId) -> Result<Option<Source>> {
    let row: Option<Row> = on_engine!(session, |conn| {
        sqlx::query_as("SELECT id, survey_id, name, kind, secret, created_at FROM source WHERE id = $1 AND deleted_at IS NULL")
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
            "SELECT id, survey_id, name, kind, secret, created_at FROM source WHERE id > $1 AND deleted_at IS NULL ORDER BY id LIMIT $2",
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

/// Notes a delivery; false when the sender delivered it before.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert_arrival(tx: &mut Tx, arrival: &Arrival<'_>) -> Result<bool> {
    let inserted = on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO source_event (id, source_id, delivery_key, outcome, answer, problem, body, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (source_id, delivery_key) DO NOTHING",
        )
        .bind(arrival.id)
        .bind(arrival.source)
        .bind(arrival.delivery_key)
        .bind(arrival.outcome)
        .bind(arrival.answer)
        .bind(arrival.problem)
        .bind(arrival.body)
        .bind(arrival.at)
        .execute(conn)
        .await?
        .rows_affected()
    });
    Ok(inserted > 0)
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

/// Notes that a delivery was understood after all; its body is kept no longer.
///
/// # Errors
/// When the database cannot store it.
pub async fn settle_arrival(tx: &mut Tx, id: Uuid, answer: &str) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("UPDATE source_event SET outcome = $2, answer = $3, problem = NULL, body = NULL WHERE id = $1")
            .bind(id)
            .bind(Reception::Accepted)
            .bind(answer)
            .execute(conn)
            .await?;
    });
    Ok(())
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

/// The answer that was given to a delivery before, as JSON.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_answer(session: &mut impl Session, source: SourceId, delivery_key: &str) -> Result<Option<String>> {
    on_engine!(session, |conn| {
        sqlx::query_scalar("SELECT answer FROM source_event WHERE source_id = $1 AND delivery_key = $2 AND outcome = 'accepted'")
            .bind(source)
            .bind(delivery_key)
            .fetch_optional(conn)
            .await
    })
}
