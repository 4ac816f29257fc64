//! The only SQL about gateways.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use uuid::Uuid;

use super::preset::Preset;
use super::{Definition, Gateway};
use crate::clock::Timestamp;
use crate::db::changes::Change;
use crate::db::{Error, Json, Result, Session, Tx, on_engine};

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    preset: Option<Preset>,
    definition: Json<Definition>,
    secrets: Json<BTreeMap<String, String>>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl TryFrom<Row> for Gateway {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let opened = row.secrets.0.into_iter().map(|(name, sealed)| Ok((name, BASE64.decode(sealed.as_bytes())?)));
        let sealed =
            opened.collect::<std::result::Result<_, data_encoding::DecodeError>>().map_err(|error| Error::Decode(Box::new(error)))?;
        Ok(Self {
            name: row.name,
            preset: row.preset,
            definition: row.definition.0,
            sealed,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

fn written(sealed: &BTreeMap<String, Vec<u8>>) -> Json<BTreeMap<&str, String>> {
    Json(sealed.iter().map(|(name, bytes)| (name.as_str(), BASE64.encode(bytes))).collect())
}

/// Stores a new gateway; false when its name is used. One that was removed gives its name away.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, gateway: &Gateway) -> Result<bool> {
    let inserted = on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO gateway (name, preset, definition, secrets, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (name) DO UPDATE SET preset = $2, definition = $3, secrets = $4, created_at = $5, updated_at = $6, deleted_at = NULL
             WHERE gateway.deleted_at IS NOT NULL",
        )
        .bind(&gateway.name)
        .bind(gateway.preset)
        .bind(Json(&gateway.definition))
        .bind(written(&gateway.sealed))
        .bind(gateway.created_at)
        .bind(gateway.updated_at)
        .execute(conn)
        .await?
        .rows_affected()
    });
    Ok(inserted > 0)
}

/// Stores what may change of a gateway: definition and secrets. Surveys that deliver by it are read again.
///
/// # Errors
/// When the database cannot store it.
pub async fn update(tx: &mut Tx, gateway: &Gateway) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("UPDATE gateway SET definition = $2, secrets = $3, updated_at = $4 WHERE name = $1")
            .bind(&gateway.name)
            .bind(Json(&gateway.definition))
            .bind(written(&gateway.sealed))
            .bind(gateway.updated_at)
            .execute(conn)
            .await?;
    });
    for (id, _) in list_surveys(tx, &gateway.name).await? {
        tx.announce(Change::Survey(id));
    }
    Ok(())
}

/// The gateway of this name.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(session: &mut impl Session, name: &str) -> Result<Option<Gateway>> {
    let row: Option<Row> = on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT name, preset, definition, secrets, created_at, updated_at FROM gateway WHERE name = $1 AND deleted_at IS NULL",
        )
        .bind(name)
        .fetch_optional(conn)
        .await?
    });
    row.map(Gateway::try_from).transpose()
}

/// Gateways in order of their names, after the one called `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(session: &mut impl Session, after: &str, limit: i64) -> Result<Vec<Gateway>> {
    let rows: Vec<Row> = on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT name, preset, definition, secrets, created_at, updated_at FROM gateway WHERE name > $1 AND deleted_at IS NULL ORDER BY name LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(conn)
        .await?
    });
    rows.into_iter().map(Gateway::try_from).collect()
}

/// The names of all gateways, also of those that were removed: messages may still wait for them.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_names(session: &mut impl Session) -> Result<Vec<String>> {
    on_engine!(session, |conn| sqlx::query_scalar("SELECT name FROM gateway ORDER BY name").fetch_all(conn).await)
}

/// Ids and slugs of the surveys that deliver by a gateway and ask still. Names of gateways hold nothing that JSON or LIKE would read otherwise.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_surveys(session: &mut impl Session, name: &str) -> Result<Vec<(Uuid, String)>> {
    on_engine!(session, |conn| {
        sqlx::query_as("SELECT id, slug FROM survey WHERE deliver LIKE '%\"' || $1 || '\"%' AND archived_at IS NULL ORDER BY slug")
            .bind(name)
            .fetch_all(conn)
            .await
    })
}

/// Removes a gateway with its secrets; false when there is none of this name. Its name stays, so that messages that wait for it are found and cancelled.
///
/// # Errors
/// When the database cannot store it.
pub async fn delete(tx: &mut Tx, name: &str, now: Timestamp) -> Result<bool> {
    let deleted = on_engine!(tx, |conn| {
        sqlx::query("UPDATE gateway SET deleted_at = $2, secrets = '{}' WHERE name = $1 AND deleted_at IS NULL")
            .bind(name)
            .bind(now)
            .execute(conn)
            .await?
            .rows_affected()
    });
    Ok(deleted > 0)
}
