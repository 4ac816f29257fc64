//! The only SQL about API keys.

use uuid::Uuid;

use super::auth::{ApiKey, Scope};
use crate::clock::Timestamp;
use crate::db::{Result, Session, Tx, on_engine};

/// The key with this hash, unless it was revoked.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_live(session: &mut impl Session, hash: &[u8]) -> Result<Option<(Uuid, Scope)>> {
    on_engine!(session, |conn| {
        sqlx::query_as("SELECT id, scope FROM api_key WHERE hash = $1 AND revoked_at IS NULL").bind(hash).fetch_optional(conn).await
    })
}

/// Stores a new key.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, key: &ApiKey, hash: &[u8]) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("INSERT INTO api_key (id, name, scope, hash, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(key.id)
            .bind(&key.name)
            .bind(key.scope)
            .bind(hash)
            .bind(key.created_at)
            .execute(conn)
            .await?;
    });
    Ok(())
}

/// Every key, oldest first.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(session: &mut impl Session) -> Result<Vec<ApiKey>> {
    on_engine!(session, |conn| {
        sqlx::query_as("SELECT id, name, scope, created_at, revoked_at FROM api_key ORDER BY id").fetch_all(conn).await
    })
}

/// Ends a key at once; false when there is no such key in force.
///
/// # Errors
/// When the database cannot store it.
pub async fn revoke(tx: &mut Tx, id: Uuid, now: Timestamp) -> Result<bool> {
    on_engine!(tx, |conn| {
        let revoked =
            sqlx::query("UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL").bind(id).bind(now).execute(conn).await?;
        Ok(revoked.rows_affected() > 0)
    })
}
