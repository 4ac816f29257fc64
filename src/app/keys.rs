//! API keys on the command line.

use anyhow::anyhow;

use super::Parts;
use crate::db::Db;
use crate::web::auth::{self, ApiKey};
use crate::web::store;

pub use crate::web::auth::Scope;

/// Creates a key; answers the line that tells it, the only time it is told.
///
/// # Errors
/// When the name is empty or the database cannot store it.
pub async fn create(db: &Db, parts: &Parts, name: String, scope: Scope) -> anyhow::Result<String> {
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(anyhow!("--name must not be empty or hold line breaks"));
    }
    let secret = auth::fresh_secret(&parts.random);
    let now = parts.clock.now();
    let key = ApiKey { id: parts.random.uuid(now), name, scope, created_at: now, revoked_at: None };
    let mut tx = db.begin().await?;
    store::insert(&mut tx, &key, &auth::hash(&secret)).await?;
    tx.commit().await?;
    Ok(secret)
}

/// A line for each key.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(db: &Db) -> anyhow::Result<Vec<String>> {
    let keys = store::list(&mut db.read().await?).await?;
    let line = |key: ApiKey| {
        let state = key.revoked_at.map_or_else(|| "in force".to_owned(), |at| format!("revoked {at}"));
        format!("{}  {:<5}  {}  {}  {}", key.id, key.scope.as_str(), key.created_at, state, key.name)
    };
    Ok(keys.into_iter().map(line).collect())
}

/// Revokes a key at once; answers the line that says so.
///
/// # Errors
/// When there is no such key in force, or the database cannot store it.
pub async fn revoke(db: &Db, parts: &Parts, id: &str) -> anyhow::Result<String> {
    let id = id.parse().map_err(|_| anyhow!("{id} is no key's id; `nabz key list` shows them"))?;
    let mut tx = db.begin().await?;
    if !store::revoke(&mut tx, id, parts.clock.now()).await? {
        return Err(anyhow!("there is no key {id} in force; `nabz key list` shows them"));
    }
    tx.commit().await?;
    Ok(format!("The key {id} is revoked."))
}
