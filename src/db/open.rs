//! Opens a database: checks it, brings it up to date, and explains what is wrong in one line.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection, PgPool, SqliteConnection};
use uuid::Uuid;

use super::changes::Changes;
use super::writer::Writer;
use super::{Db, Engine, SqlitePools};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Versions before this one can corrupt a WAL database when it is reset (SQLite's release notes of 3.51.3).
const SQLITE_AT_LEAST: (u32, u32, u32) = (3, 51, 3);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a database is and how many connections it may have.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `sqlite:FILE` or `postgres://…`.
    pub url: String,
    /// Readers of SQLite, or all connections to PostgreSQL.
    pub max_connections: u32,
}

impl Db {
    /// Opens the database and brings its tables up to date.
    ///
    /// # Errors
    /// One line that says what cannot be reached or written, and what to do.
    pub async fn open(settings: &Settings, node: Uuid) -> anyhow::Result<Self> {
        let pools = match place(&settings.url)? {
            Engine::Sqlite(path) => Engine::Sqlite(open_sqlite(&path, settings.max_connections).await?),
            Engine::Postgres(options) => Engine::Postgres(open_postgres(options, settings.max_connections).await?),
        };
        let is_shared = matches!(pools, Engine::Postgres(_));
        Ok(Self { pools, changes: Arc::new(Changes::new(node, is_shared)) })
    }

    /// Whether a transaction can be begun and every migration of this program is in place.
    ///
    /// # Errors
    /// When the database is out of reach, read-only, or its tables are older or newer than this program.
    pub async fn check(&self) -> anyhow::Result<()> {
        match &self.pools {
            Engine::Sqlite(pools) => {
                drop(pools.write.begin().await?);
                let applied: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations").fetch_one(&pools.read).await?;
                same_count(applied, &SQLITE)
            }
            Engine::Postgres(pool) => {
                let read_only: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(pool).await?;
                if read_only {
                    bail!("PostgreSQL is a read-only standby");
                }
                let applied: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations").fetch_one(pool).await?;
                same_count(applied, &POSTGRES)
            }
        }
    }
}

fn same_count(applied: i64, migrator: &Migrator) -> anyhow::Result<()> {
    if i64::try_from(migrator.iter().count())? == applied {
        return Ok(());
    }
    Err(anyhow!("the database's migrations are not those of this program: run `nabz migrate` with the newest version"))
}

/// Where the database is; nothing is opened.
///
/// # Errors
/// Names what is wrong in the settings.
pub fn place(url: &str) -> anyhow::Result<Engine<PathBuf, PgConnectOptions>> {
    match url.split_once(':') {
        Some(("sqlite", path)) => Ok(Engine::Sqlite(PathBuf::from(path.trim_start_matches("//")))),
        Some(("postgres" | "postgresql", _)) => {
            let options = PgConnectOptions::from_str(url);
            Ok(Engine::Postgres(options.context("database.url: is no postgres:// address that can be read")?))
        }
        _ => bail!("database.url: must begin with sqlite: or postgres://"),
    }
}

async fn open_sqlite(path: &Path, readers: u32) -> anyhow::Result<SqlitePools> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} cannot be created; choose another data_dir", folder.display()))?;
    }
    let explain = |error| explain_sqlite(path, error);
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(ACQUIRE_TIMEOUT)
        // A batch of rows crosses from the SQLite thread at once, not one by one.
        .row_buffer_size(1024)
        .pragma("temp_store", "memory");
    // What one batch touches stays in memory, and pages that many batches write reach the file once.
    let writer = options.clone().pragma("cache_size", "-8192").pragma("wal_autocheckpoint", "4096");
    let mut write = SqliteConnection::connect_with(&writer).await.map_err(explain)?;
    check_sqlite(&mut write).await?;
    SQLITE.run(&mut write).await.map_err(|error| explain_migration(&format!("the database file {}", path.display()), error))?;
    let read = SqlitePoolOptions::new()
        .max_connections(readers)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options.pragma("query_only", "on"))
        .await
        .map_err(explain)?;
    Ok(SqlitePools { read, write: Writer::new(write, writer, ACQUIRE_TIMEOUT) })
}

/// Refuses an SQLite that could lose an acknowledged answer.
async fn check_sqlite(connection: &mut SqliteConnection) -> anyhow::Result<()> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *connection).await?;
    let numbers: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    match numbers.as_slice() {
        [major, minor, patch, ..] if (*major, *minor, *patch) >= SQLITE_AT_LEAST => {}
        _ => bail!("SQLite {version} is too old: 3.51.3 or newer is needed"),
    }
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?;
    if journal != "wal" || synchronous != 2 {
        bail!("SQLite does not keep WAL and synchronous=FULL on this file system (it says {journal}, {synchronous}); use a local disk");
    }
    Ok(())
}

fn explain_sqlite(path: &Path, error: sqlx::Error) -> anyhow::Error {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let advice = match code.as_deref() {
        Some("26") => "is no SQLite database; name another file with database.url",
        _ => "cannot be opened for writing; check its owner and free space",
    };
    anyhow::Error::new(error).context(format!("the database file {} {advice}", path.display()))
}

fn explain_migration(place: &str, error: MigrateError) -> anyhow::Error {
    let advice = match &error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => {
            "was brought up to date by a newer version of this program; use that version"
        }
        MigrateError::VersionMismatch(_) => "was brought up to date by another build of this program; use that build",
        _ => "could not be brought up to date; check that it can be written and has free space",
    };
    anyhow::Error::new(error).context(format!("{place} {advice}"))
}

/// A pool would keep trying and only tell that time ran out; one connection tells why.
async fn try_postgres(options: &PgConnectOptions, place: &str) -> anyhow::Result<()> {
    let opened = tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(options)).await;
    let error = match opened {
        Ok(Ok(connection)) => return Ok(connection.close().await?),
        Ok(Err(error)) => error,
        Err(_elapsed) => bail!("{place} does not answer in time; check database.url and that the server runs"),
    };
    let advice = if error.as_database_error().is_some() {
        "does not let us in; check user, password and database name in database.url"
    } else {
        "cannot be reached; check database.url and that the server runs"
    };
    Err(anyhow::Error::new(error).context(format!("{place} {advice}")))
}

async fn open_postgres(options: PgConnectOptions, max_connections: u32) -> anyhow::Result<PgPool> {
    let place = format!("PostgreSQL at {}:{}", options.get_host(), options.get_port());
    try_postgres(&options, &place).await?;
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options.application_name("nabz"))
        .await
        .with_context(|| format!("{place} does not answer; check database.url and that the server runs"))?;
    POSTGRES.run(&pool).await.map_err(|error| explain_migration(&format!("the database of {place}"), error))?;
    Ok(pool)
}

/// The file of an `sqlite:` address.
#[must_use]
pub fn sqlite_path(url: &str) -> Option<PathBuf> {
    url.strip_prefix("sqlite:").map(|path| PathBuf::from(path.trim_start_matches("//")))
}
