//! The only SQL about endpoints.

use super::{EventKind, State, Webhook, WebhookId};
use crate::clock::Timestamp;
use crate::db::changes::Change;
use crate::db::{FromRow, Json, Result, Session, Tx, on_engine};
use crate::survey::SurveyId;

#[derive(FromRow)]
struct Row {
    id: WebhookId,
    url: String,
    events: Json<Vec<EventKind>>,
    survey_id: Option<SurveyId>,
    secret: Vec<u8>,
    old_secret: Option<Vec<u8>>,
    old_secret_until: Option<Timestamp>,
    state: State,
    disabled_reason: Option<String>,
    failing_since: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for Webhook {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            url: row.url,
            events: row.events.0,
            survey_id: row.survey_id,
            sealed_secret: row.secret,
            sealed_old: row.old_secret.zip(row.old_secret_until),
            state: row.state,
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

macro_rules! webhooks {
    ($rest:literal) => {
        concat!(
            "SELECT id, url, events, survey_id, secret, old_secret, old_secret_until, state, disabled_reason, failing_since, created_at, updated_at
             FROM webhook WHERE deleted_at IS NULL ",
            $rest
        )
    };
}

/// All endpoints, in the order of their ids.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_live(session: &mut impl Session) -> Result<Vec<Webhook>> {
    let rows: Vec<Row> = on_engine!(session, |conn| sqlx::query_as(webhooks!("ORDER BY id")).fetch_all(conn).await?);
    Ok(rows.into_iter().map(Webhook::from).collect())
}

/// Endpoints in order of creation, after the one with id `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(session: &mut impl Session, after: WebhookId, limit: i64) -> Result<Vec<Webhook>> {
    let rows: Vec<Row> = on_engine!(session, |conn| {
        sqlx::query_as(webhooks!("AND id > $1 ORDER BY id LIMIT $2")).bind(after).bind(limit).fetch_all(conn).await?
    });
    Ok(rows.into_iter().map(Webhook::from).collect())
}

/// The endpoint with this id.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(session: &mut impl Session, id: WebhookId) -> Result<Option<Webhook>> {
    let row: Option<Row> = on_engine!(session, |conn| sqlx::query_as(webhooks!("AND id = $1")).bind(id).fetch_optional(conn).await?);
    Ok(row.map(Webhook::from))
}

/// Endpoints that were removed and may still have messages that wait.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_removed(session: &mut impl Session) -> Result<Vec<WebhookId>> {
    on_engine!(session, |conn| sqlx::query_scalar("SELECT id FROM webhook WHERE deleted_at IS NOT NULL ORDER BY id").fetch_all(conn).await)
}

/// Locks an endpoint until the transaction ends; false when there is none.
///
/// # Errors
/// When the database cannot store it.
pub async fn lock(tx: &mut Tx, id: WebhookId) -> Result<bool> {
    let locked = on_engine!(tx, |conn| {
        sqlx::query("UPDATE webhook SET state = state WHERE id = $1 AND deleted_at IS NULL").bind(id).execute(conn).await?.rows_affected()
    });
    Ok(locked > 0)
}

/// Stores a new endpoint.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, webhook: &Webhook) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO webhook (id, url, events, survey_id, secret, state, event_count, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)",
        )
        .bind(webhook.id)
        .bind(&webhook.url)
        .bind(Json(&webhook.events))
        .bind(webhook.survey_id)
        .bind(&webhook.sealed_secret)
        .bind(webhook.state)
        .bind(webhook.created_at)
        .bind(webhook.updated_at)
        .execute(conn)
        .await?;
    });
    tx.announce(Change::Webhook(webhook.id.0));
    Ok(())
}

/// Replaces what may change of an endpoint.
///
/// # Errors
/// When the database cannot store it.
pub async fn update(tx: &mut Tx, webhook: &Webhook) -> Result<()> {
    let (old, until) = webhook.sealed_old.clone().unzip();
    on_engine!(tx, |conn| {
        sqlx::query(
            "UPDATE webhook SET url = $2, events = $3, survey_id = $4, secret = $5, old_secret = $6, old_secret_until = $7, state = $8,
                 disabled_reason = $9, failing_since = $10, updated_at = $11 WHERE id = $1",
        )
        .bind(webhook.id)
        .bind(&webhook.url)
        .bind(Json(&webhook.events))
        .bind(webhook.survey_id)
        .bind(&webhook.sealed_secret)
        .bind(old)
        .bind(until)
        .bind(webhook.state)
        .bind(&webhook.disabled_reason)
        .bind(webhook.failing_since)
        .bind(webhook.updated_at)
        .execute(conn)
        .await?;
    });
    tx.announce(Change::Webhook(webhook.id.0));
    Ok(())
}

/// Removes an endpoint; false when there is none. It is forgotten once nothing waits for it any more.
///
/// # Errors
/// When the database cannot store it.
pub async fn delete(tx: &mut Tx, id: WebhookId, now: Timestamp) -> Result<bool> {
    let deleted = on_engine!(tx, |conn| {
        sqlx::query("UPDATE webhook SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL")
            .bind(id)
            .bind(now)
            .execute(conn)
            .await?
            .rows_affected()
    });
    tx.announce(Change::Webhook(id.0));
    Ok(deleted > 0)
}

/// Forgets an endpoint that was removed.
///
/// # Errors
/// When the database cannot store it.
pub async fn forget(tx: &mut Tx, id: WebhookId) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("DELETE FROM webhook WHERE id = $1 AND deleted_at IS NOT NULL").bind(id).execute(conn).await?;
    });
    tx.announce(Change::Webhook(id.0));
    Ok(())
}

/// Notes how the last attempt went: since when an endpoint has been failing, or that it is not. Answers since when it has.
///
/// # Errors
/// When the database cannot store it.
pub async fn note_attempt(tx: &mut Tx, id: WebhookId, failed_at: Option<Timestamp>) -> Result<Option<Timestamp>> {
    let since: Option<Option<Timestamp>> = on_engine!(tx, |conn| {
        sqlx::query_scalar(
            "UPDATE webhook SET failing_since = CASE WHEN CAST($2 AS BIGINT) IS NULL THEN NULL ELSE COALESCE(failing_since, $2) END
             WHERE id = $1 RETURNING failing_since",
        )
        .bind(id)
        .bind(failed_at)
        .fetch_optional(conn)
        .await?
    });
    Ok(since.flatten())
}

/// Switches an endpoint off; false when it is off already.
///
/// # Errors
/// When the database cannot store it.
pub async fn disable(tx: &mut Tx, id: WebhookId, why: &str, now: Timestamp) -> Result<bool> {
    let disabled = on_engine!(tx, |conn| {
        sqlx::query("UPDATE webhook SET state = 'disabled', disabled_reason = $2, updated_at = $3 WHERE id = $1 AND state = 'enabled'")
            .bind(id)
            .bind(why)
            .bind(now)
            .execute(conn)
            .await?
            .rows_affected()
    });
    tx.announce(Change::Webhook(id.0));
    Ok(disabled > 0)
}

/// Gives an endpoint as many further numbers; answers the last of them and whether it is told, `None` when it was removed.
///
/// # Errors
/// When the database cannot store it.
pub async fn count(tx: &mut Tx, id: WebhookId, events: usize) -> Result<Option<(i64, State)>> {
    if events == 0 {
        return Ok(None);
    }
    let by = i64::try_from(events).unwrap_or(i64::MAX);
    on_engine!(tx, |conn| {
        sqlx::query_as(
            "UPDATE webhook SET event_count = event_count + $2 WHERE id = $1 AND deleted_at IS NULL RETURNING event_count, state",
        )
        .bind(id)
        .bind(by)
        .fetch_optional(conn)
        .await
    })
}
