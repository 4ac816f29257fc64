//! The only SQL that suppresses addresses.

use super::{Cause, Suppression};
use crate::clock::Timestamp;
use crate::db::{Result, Session, Tx, on_engine};
use crate::invitation::InvitationId;

/// Suppresses an address by its keyed hash; false when it is suppressed already, which stays as it is.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, suppression: &Suppression) -> Result<bool> {
    let inserted = on_engine!(tx, |conn| {
        sqlx::query("INSERT INTO suppression (identity, reason, created_at) VALUES ($1, $2, $3) ON CONFLICT (identity) DO NOTHING")
            .bind(&suppression.identity)
            .bind(suppression.reason)
            .bind(suppression.created_at)
            .execute(conn)
            .await?
            .rows_affected()
    });
    Ok(inserted > 0)
}

/// Suppresses all mail to the customer of an invitation; it stays so when it is so already.
///
/// # Errors
/// When the database cannot store it.
pub async fn suppress_customer_of(tx: &mut Tx, id: InvitationId, reason: Cause, now: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO suppression (identity, reason, created_at)
             SELECT customer.identity, $2, CAST($3 AS BIGINT) FROM customer JOIN invitation ON invitation.customer_id = customer.id WHERE invitation.id = $1
             ON CONFLICT (identity) DO NOTHING",
        )
        .bind(id)
        .bind(reason)
        .bind(now)
        .execute(conn)
        .await?;
    });
    Ok(())
}

/// The suppression of an address.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(session: &mut impl Session, identity: &str) -> Result<Option<Suppression>> {
    on_engine!(session, |conn| {
        sqlx::query_as("SELECT identity, reason, created_at FROM suppression WHERE identity = $1").bind(identity).fetch_optional(conn).await
    })
}

/// Up to `limit` suppressions before an instant and hash, the latest first.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(session: &mut impl Session, (at, identity): (Timestamp, &str), limit: i64) -> Result<Vec<Suppression>> {
    on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT identity, reason, created_at FROM suppression WHERE (created_at, identity) < ($1, $2)
             ORDER BY created_at DESC, identity DESC LIMIT $3",
        )
        .bind(at)
        .bind(identity)
        .bind(limit)
        .fetch_all(conn)
        .await
    })
}

/// Lets mail reach an address again, and forgets what came back from it; false when nothing kept mail from it.
///
/// # Errors
/// When the database cannot store it.
pub async fn delete(tx: &mut Tx, identity: &str) -> Result<bool> {
    let deleted = on_engine!(tx, |conn| {
        sqlx::query("DELETE FROM suppression WHERE identity = $1").bind(identity).execute(conn).await?.rows_affected()
    });
    if deleted > 0 {
        on_engine!(tx, |conn| {
            sqlx::query("UPDATE bounce SET identity = NULL WHERE identity = $1").bind(identity).execute(conn).await?;
        });
    }
    Ok(deleted > 0)
}
