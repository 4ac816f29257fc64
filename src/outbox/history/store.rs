//! The only SQL about what has become of messages.

use super::{Attempt, Filter, Listed};
use crate::clock::Timestamp;
use crate::db::changes::Change;
use crate::db::{Result, Session, Tx, on_engine, to_json};
use crate::outbox::OutboxId;

/// Messages that meet every condition, the newest first, before the one of id `before`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(session: &mut impl Session, filter: &Filter, before: OutboxId, limit: i64) -> Result<Vec<Listed>> {
    on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT id, carrier, kind, subject_id, survey_id, state, due_at, lease_token IS NOT NULL AS is_leased, attempt_count, last_error,
                 created_at, settled_at
             FROM outbox WHERE id < $1 AND (state = $2 OR $2 IS NULL) AND (carrier LIKE $3 OR $3 IS NULL) AND (carrier <> $4 OR $4 IS NULL)
                 AND (survey_id = $5 OR $5 IS NULL) ORDER BY id DESC LIMIT $6",
        )
        .bind(before)
        .bind(filter.state)
        .bind(&filter.carriers)
        .bind(filter.except)
        .bind(filter.survey)
        .bind(limit)
        // Not kept: a kept plan would have to serve every mixture of filters, by reading everything.
        .persistent(false)
        .fetch_all(conn)
        .await
    })
}

const ATTEMPTS_SQLITE: &str = "SELECT outbox_id, number, outcome, reply, started_at, ended_at FROM outbox_attempt
    WHERE outbox_id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY outbox_id, number";
const ATTEMPTS_POSTGRES: &str = "SELECT outbox_id, number, outcome, reply, started_at, ended_at FROM outbox_attempt
    WHERE outbox_id = ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json))) ORDER BY outbox_id, number";

/// Every attempt at these messages, each message's in order.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_attempts(session: &mut impl Session, ids: &[OutboxId]) -> Result<Vec<Attempt>> {
    let sql = session.pick(ATTEMPTS_SQLITE, ATTEMPTS_POSTGRES);
    let json = to_json(&ids.iter().map(|id| id.0.simple()).collect::<Vec<_>>())?;
    on_engine!(session, |conn| sqlx::query_as(sql).bind(json).fetch_all(conn).await)
}

macro_rules! again {
    ($which:literal) => {
        concat!(
            "UPDATE outbox SET state = 'waiting', due_at = $3, spent_count = attempt_count, interrupted_count = 0, last_error = NULL, settled_at = NULL
             WHERE ",
            $which
        )
    };
}

/// Lets a settled message of a carrier wait again, due now, with a fresh schedule; false when there is none that was settled.
///
/// # Errors
/// When the database cannot store it.
pub async fn send_again(tx: &mut Tx, id: OutboxId, carrier: &str, now: Timestamp) -> Result<bool> {
    let found = on_engine!(tx, |conn| {
        sqlx::query(again!("id = $1 AND carrier = $2 AND state <> 'waiting'"))
            .bind(id)
            .bind(carrier)
            .bind(now)
            .execute(conn)
            .await?
            .rows_affected()
    });
    tx.announce(Change::Outbox);
    Ok(found > 0)
}

/// Lets all messages of a carrier wait again that were given up and enqueued at `since` or later; answers how many.
///
/// # Errors
/// When the database cannot store it.
pub async fn send_failed_again(tx: &mut Tx, carrier: &str, since: Timestamp, now: Timestamp) -> Result<u64> {
    let found = on_engine!(tx, |conn| {
        sqlx::query(again!("state = 'failed' AND carrier = $1 AND created_at >= $2"))
            .bind(carrier)
            .bind(since)
            .bind(now)
            .execute(conn)
            .await?
            .rows_affected()
    });
    tx.announce(Change::Outbox);
    Ok(found)
}

/// Makes everything due now that waits for a carrier and is not being carried; answers how many messages that are.
///
/// # Errors
/// When the database cannot store it.
pub async fn hasten(tx: &mut Tx, carrier: &str, now: Timestamp) -> Result<u64> {
    let hastened = on_engine!(tx, |conn| {
        sqlx::query("UPDATE outbox SET due_at = $2 WHERE state = 'waiting' AND carrier = $1 AND lease_token IS NULL")
            .bind(carrier)
            .bind(now)
            .execute(conn)
            .await?
            .rows_affected()
    });
    tx.announce(Change::Outbox);
    Ok(hastened)
}

/// Forgets messages that were settled before an instant, with their attempts; answers how many.
///
/// # Errors
/// When the database cannot store it.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    on_engine!(tx, |conn| Ok(sqlx::query("DELETE FROM outbox WHERE settled_at < $1").bind(before).execute(conn).await?.rows_affected()))
}
