//! The only SQL about notices.

use uuid::Uuid;

use super::Notice;
use crate::clock::Timestamp;
use crate::db::{Result, Session, Tx, on_engine};

/// Stores a notice; false when one with its key is there.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, id: Uuid, notice: &Notice, now: Timestamp) -> Result<bool> {
    let inserted = on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO notice (id, notice_key, title, text, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (notice_key) DO NOTHING",
        )
        .bind(id)
        .bind(&notice.key)
        .bind(&notice.title)
        .bind(&notice.text)
        .bind(now)
        .execute(conn)
        .await?
        .rows_affected()
    });
    Ok(inserted > 0)
}

/// The notice with this id.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(session: &mut impl Session, id: Uuid) -> Result<Option<Notice>> {
    let found: Option<(String, String, String)> = on_engine!(session, |conn| {
        sqlx::query_as("SELECT notice_key, title, text FROM notice WHERE id = $1").bind(id).fetch_optional(conn).await?
    });
    Ok(found.map(|(key, title, text)| Notice { key, title, text }))
}

/// Forgets notices of before an instant.
///
/// # Errors
/// When the database cannot store it.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("DELETE FROM notice WHERE created_at < $1").bind(before).execute(conn).await?;
    });
    Ok(())
}
