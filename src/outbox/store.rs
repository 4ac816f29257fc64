//! The only SQL about waiting messages.

use serde::Serialize;
use uuid::Uuid;
use uuid::fmt::Simple;

use super::{Claimed, Job, OutboxId, Settlement, State};
use crate::clock::Timestamp;
use crate::db::changes::Change;
use crate::db::{Result, Session, Tx, on_engine, to_json};

#[derive(Serialize)]
struct Row {
    id: Simple,
    carrier: &'static str,
    kind: &'static str,
    subject: Simple,
    due: i64,
}

macro_rules! enqueue {
    ($rows:literal) => {
        concat!("INSERT INTO outbox (id, carrier, kind, subject_id, state, due_at, attempt_count, created_at) ", $rows)
    };
}
const ENQUEUE_SQLITE: &str = enqueue!(
    "SELECT unhex(value ->> 'id'), value ->> 'carrier', value ->> 'kind', unhex(value ->> 'subject'), 'waiting', value ->> 'due', 0, $2 FROM jsonb_each($1)"
);
const ENQUEUE_POSTGRES: &str = enqueue!(
    "SELECT id, carrier, kind, subject, 'waiting', due, 0, CAST($2 AS BIGINT) FROM json_to_recordset($1::json) AS r (id uuid, carrier text, kind text, subject uuid, due bigint)"
);

/// Puts messages into the queue, each with the instant it is due, in the transaction of their cause.
///
/// # Errors
/// When the database cannot store them.
pub async fn enqueue_all(tx: &mut Tx, messages: &[(OutboxId, Job, Timestamp)], now: Timestamp) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row> = messages
        .iter()
        .map(|(id, job, due_at)| Row {
            id: id.0.simple(),
            carrier: job.carrier,
            kind: job.kind,
            subject: job.subject.simple(),
            due: due_at.as_millis(),
        })
        .collect();
    let (sql, json) = (tx.pick(ENQUEUE_SQLITE, ENQUEUE_POSTGRES), to_json(&rows)?);
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(json).bind(now).execute(conn).await?;
    });
    tx.announce(Change::Outbox);
    Ok(())
}

/// Puts a message into the queue, in the transaction of its cause.
///
/// # Errors
/// When the database cannot store it.
pub async fn enqueue(tx: &mut Tx, id: OutboxId, job: Job, now: Timestamp, due_at: Timestamp) -> Result<()> {
    enqueue_all(tx, &[(id, job, due_at)], now).await
}

const CLAIM_SQLITE: &str = "UPDATE outbox SET due_at = $2, lease_token = $3, attempt_count = attempt_count + 1
    WHERE id IN (SELECT id FROM outbox WHERE state = 'waiting' AND carrier = $5 AND due_at <= $1 ORDER BY due_at, id LIMIT $4)
    RETURNING id, kind, subject_id, attempt_count, lease_token, created_at";

const CLAIM_POSTGRES: &str = "UPDATE outbox SET due_at = $2, lease_token = $3, attempt_count = attempt_count + 1
    WHERE id IN (SELECT id FROM outbox WHERE state = 'waiting' AND carrier = $5 AND due_at <= $1 ORDER BY due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED)
    RETURNING id, kind, subject_id, attempt_count, lease_token, created_at";

/// A lease over messages: until when, and the proof of it.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// When the messages are due again if nobody settles them.
    pub until: Timestamp,
    /// The proof, fresh for every claim.
    pub token: Uuid,
}

/// Takes up to `limit` due messages of a carrier under a lease; commit before sending.
///
/// # Errors
/// When the database cannot store it.
pub async fn claim(tx: &mut Tx, now: Timestamp, lease: Lease, (carrier, limit): (&str, i64)) -> Result<Vec<Claimed>> {
    let sql = tx.pick(CLAIM_SQLITE, CLAIM_POSTGRES);
    on_engine!(tx, |conn| {
        sqlx::query_as(sql).bind(now).bind(lease.until).bind(lease.token).bind(limit).bind(carrier).fetch_all(conn).await
    })
}

/// Writes down how an attempt ended; false when the lease had ended and somebody else has the message.
///
/// # Errors
/// When the database cannot store it.
pub async fn settle(tx: &mut Tx, claimed: &Claimed, settlement: &Settlement, now: Timestamp) -> Result<bool> {
    let (state, due_at, error) = match settlement {
        Settlement::Sent => (State::Sent, None, None),
        Settlement::Retry(at, reason) | Settlement::Later(at, reason) => (State::Waiting, Some(*at), Some(reason)),
        Settlement::Failed(reason) => (State::Failed, None, Some(reason)),
        Settlement::Cancelled(reason) => (State::Cancelled, None, Some(reason)),
    };
    let settled_at = due_at.is_none().then_some(now);
    let uncounted = i32::from(matches!(settlement, Settlement::Later(..)));
    let settled = on_engine!(tx, |conn| {
        sqlx::query(
            "UPDATE outbox SET state = $3, due_at = COALESCE($4, due_at), last_error = $5, settled_at = $6, lease_token = NULL,
                 attempt_count = attempt_count - $7
             WHERE id = $1 AND lease_token = $2 AND state = 'waiting'",
        )
        .bind(claimed.id)
        .bind(claimed.lease_token)
        .bind(state)
        .bind(due_at)
        .bind(error)
        .bind(settled_at)
        .bind(uncounted)
        .execute(conn)
        .await?
        .rows_affected()
    });
    Ok(settled > 0)
}

/// Cancels what still waits about a subject and is not being sent; true when there was such a message.
///
/// # Errors
/// When the database cannot store it.
pub async fn cancel(tx: &mut Tx, subject: Uuid, reason: &str, now: Timestamp) -> Result<bool> {
    let cancelled = on_engine!(tx, |conn| {
        sqlx::query(
            "UPDATE outbox SET state = 'cancelled', last_error = $2, settled_at = $3
             WHERE subject_id = $1 AND state = 'waiting' AND lease_token IS NULL",
        )
        .bind(subject)
        .bind(reason)
        .bind(now)
        .execute(conn)
        .await?
        .rows_affected()
    });
    Ok(cancelled > 0)
}

/// When the next message of a carrier is due, if any waits.
///
/// # Errors
/// When the database cannot answer.
pub async fn next_due(session: &mut impl Session, carrier: &str) -> Result<Option<Timestamp>> {
    on_engine!(session, |conn| {
        sqlx::query_scalar("SELECT MIN(due_at) FROM outbox WHERE state = 'waiting' AND carrier = $1").bind(carrier).fetch_one(conn).await
    })
}

/// When the next message of any carrier is due, if any waits.
///
/// # Errors
/// When the database cannot answer.
pub async fn next_due_of_all(session: &mut impl Session) -> Result<Option<Timestamp>> {
    on_engine!(session, |conn| { sqlx::query_scalar("SELECT MIN(due_at) FROM outbox WHERE state = 'waiting'").fetch_one(conn).await })
}

/// How many messages wait.
///
/// # Errors
/// When the database cannot answer.
pub async fn waiting(session: &mut impl Session) -> Result<i64> {
    on_engine!(session, |conn| { sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'").fetch_one(conn).await })
}
