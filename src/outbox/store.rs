//! The only SQL about waiting messages.

use serde::Serialize;
use uuid::Uuid;
use uuid::fmt::Simple;

use super::{Claimed, Job, OutboxId, Outcome, Settlement, State};
use crate::clock::Timestamp;
use crate::db::changes::Change;
use crate::db::{FromRow, Result, Session, Tx, on_engine, to_json};

#[derive(Serialize)]
struct Row<'a> {
    id: Simple,
    carrier: &'a str,
    kind: &'static str,
    subject: Simple,
    survey: Option<Simple>,
    due: i64,
}

macro_rules! enqueue {
    ($rows:literal) => {
        concat!(
            "INSERT INTO outbox (id, carrier, kind, subject_id, survey_id, due_at, created_at, attempt_count, spent_count, interrupted_count,
                state, last_error, settled_at) ",
            $rows
        )
    };
}
const ENQUEUE_SQLITE: &str = enqueue!(
    "SELECT unhex(value ->> 'id'), value ->> 'carrier', value ->> 'kind', unhex(value ->> 'subject'), unhex(value ->> 'survey'), value ->> 'due', $2,
         0, 0, 0, $3, $4, $5 FROM jsonb_each($1)"
);
const ENQUEUE_POSTGRES: &str = enqueue!(
    "SELECT id, carrier, kind, subject, survey, due, CAST($2 AS BIGINT), 0, 0, 0, CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BIGINT)
         FROM json_to_recordset($1::json) AS r (id uuid, carrier text, kind text, subject uuid, survey uuid, due bigint)"
);

/// Puts messages into the queue, each with the instant it is due, in the transaction of their cause.
///
/// # Errors
/// When the database cannot store them.
pub async fn enqueue_all(tx: &mut Tx, messages: &[(OutboxId, Job, Timestamp)], now: Timestamp) -> Result<()> {
    insert(tx, messages, (State::Waiting, None), now).await
}

/// Writes down messages that are given up before they were tried, so that they are listed and can be sent later.
///
/// # Errors
/// When the database cannot store them.
pub async fn enqueue_failed(tx: &mut Tx, messages: &[(OutboxId, Job, Timestamp)], why: &str, now: Timestamp) -> Result<()> {
    insert(tx, messages, (State::Failed, Some(why)), now).await
}

async fn insert(tx: &mut Tx, messages: &[(OutboxId, Job, Timestamp)], (state, why): (State, Option<&str>), now: Timestamp) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row<'_>> = messages
        .iter()
        .map(|(id, job, due_at)| Row {
            id: id.0.simple(),
            carrier: &job.carrier,
            kind: job.kind,
            subject: job.subject.simple(),
            survey: job.survey.map(Uuid::simple),
            due: due_at.as_millis(),
        })
        .collect();
    let (sql, json) = (tx.pick(ENQUEUE_SQLITE, ENQUEUE_POSTGRES), to_json(&rows)?);
    let settled_at = (state != State::Waiting).then_some(now);
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(json).bind(now).bind(state).bind(why).bind(settled_at).execute(conn).await?;
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

macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "UPDATE outbox SET due_at = $2, lease_token = $3, attempt_count = attempt_count + 1,
                 interrupted_count = interrupted_count + CASE WHEN lease_token IS NULL THEN 0 ELSE 1 END
             WHERE id IN (SELECT id FROM outbox WHERE state = 'waiting' AND carrier = $5 AND due_at <= $1 ORDER BY due_at, id LIMIT $4",
            $lock,
            ") RETURNING id, carrier, kind, subject_id, attempt_count, spent_count, interrupted_count, lease_token, CAST($1 AS BIGINT) AS claimed_at, created_at"
        )
    };
}
const CLAIM_SQLITE: &str = claim!("");
const CLAIM_POSTGRES: &str = claim!(" FOR UPDATE SKIP LOCKED");

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
    let mut claimed: Vec<Claimed> = on_engine!(tx, |conn| {
        sqlx::query_as(sql).bind(now).bind(lease.until).bind(lease.token).bind(limit).bind(carrier).fetch_all(conn).await?
    });
    // RETURNING has no order; ids have that of their making.
    claimed.sort_unstable_by_key(|message| message.id.0);
    Ok(claimed)
}

/// Locks a claimed message until the transaction ends; false when the lease had ended and somebody else has it.
///
/// # Errors
/// When the database cannot store it.
pub async fn hold(tx: &mut Tx, claimed: &Claimed) -> Result<bool> {
    let held = on_engine!(tx, |conn| {
        sqlx::query("UPDATE outbox SET lease_token = lease_token WHERE id = $1 AND lease_token = $2 AND state = 'waiting'")
            .bind(claimed.id)
            .bind(claimed.lease_token)
            .execute(conn)
            .await?
            .rows_affected()
    });
    Ok(held > 0)
}

/// Writes down how an attempt ended; false when the lease had ended and somebody else has the message.
///
/// # Errors
/// When the database cannot store it.
pub async fn settle(tx: &mut Tx, claimed: &Claimed, settlement: &Settlement, now: Timestamp) -> Result<bool> {
    let (state, due_at, error) = match settlement {
        Settlement::Sent(_) => (State::Sent, None, None),
        Settlement::Retry(at, reason) | Settlement::Later(at, reason) => (State::Waiting, Some(*at), Some(reason)),
        Settlement::Failed(reason) | Settlement::Untried(reason) => (State::Failed, None, Some(reason)),
        Settlement::Cancelled(reason) => (State::Cancelled, None, Some(reason)),
    };
    let settled_at = due_at.is_none().then_some(now);
    let uncounted = i32::from(matches!(settlement, Settlement::Later(..) | Settlement::Untried(_)));
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
    if let (true, Some((outcome, reply))) = (settled > 0, settlement.attempt()) {
        insert_attempt(tx, claimed, (outcome, reply), now).await?;
    }
    Ok(settled > 0)
}

async fn insert_attempt(tx: &mut Tx, claimed: &Claimed, (outcome, reply): (Outcome, &str), now: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("INSERT INTO outbox_attempt (outbox_id, number, outcome, reply, started_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(claimed.id)
            .bind(claimed.attempt_count)
            .bind(outcome)
            .bind(reply)
            .bind(claimed.claimed_at)
            .bind(now)
            .execute(conn)
            .await?;
    });
    Ok(())
}

/// Gives claimed messages back untried: they are due at once, and that was no attempt.
///
/// # Errors
/// When the database cannot store it.
pub async fn release(tx: &mut Tx, claimed: &[Claimed], now: Timestamp) -> Result<()> {
    for message in claimed {
        settle(tx, message, &Settlement::Later(now, "its worker was stopped".to_owned()), now).await?;
    }
    tx.announce(Change::Outbox);
    Ok(())
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

/// What waits for one carrier: how many messages, and since when the first of them is due.
#[derive(Debug, Clone, FromRow)]
pub struct Queue {
    /// The carrier.
    pub carrier: String,
    /// Messages.
    pub depth: i64,
    /// When the first is due.
    pub due_at: Timestamp,
}

/// What waits for each carrier.
///
/// # Errors
/// When the database cannot answer.
pub async fn queues(session: &mut impl Session) -> Result<Vec<Queue>> {
    on_engine!(session, |conn| {
        sqlx::query_as("SELECT carrier, COUNT(*) AS depth, MIN(due_at) AS due_at FROM outbox WHERE state = 'waiting' GROUP BY carrier")
            .fetch_all(conn)
            .await
    })
}
