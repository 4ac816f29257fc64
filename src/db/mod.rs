//! Engines, sessions, transactions and migrations: SQLite and PostgreSQL behind one SQL text.

pub mod cache;
pub mod changes;
mod id;
mod json;
pub mod open;
pub mod script;
pub mod text;
mod writer;

use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

pub(crate) use id::id;
pub use json::{Json, from_json, to_json};
pub use sqlx::{Error, FromRow};
pub(crate) use text::text_enum;

use self::changes::{Change, Changes};
use self::writer::{Write, Writer};

/// What a store answers.
pub type Result<T> = std::result::Result<T, Error>;

/// One value per database engine we speak.
#[derive(Debug, Clone)]
pub enum Engine<S, P> {
    /// SQLite, embedded.
    Sqlite(S),
    /// PostgreSQL.
    Postgres(P),
}

/// Anything a query can run on: [`Read`] (a pooled reader) or [`Tx`] (a transaction).
pub trait Session: Send {
    /// The connection underneath, natively typed.
    fn connection(&mut self) -> Engine<&mut SqliteConnection, &mut PgConnection>;

    /// Which engine this is.
    fn engine(&mut self) -> Engine<(), ()> {
        match self.connection() {
            Engine::Sqlite(_) => Engine::Sqlite(()),
            Engine::Postgres(_) => Engine::Postgres(()),
        }
    }

    /// The one of two texts that this engine understands, where they really differ.
    fn pick(&mut self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self.connection() {
            Engine::Sqlite(_) => sqlite,
            Engine::Postgres(_) => postgres,
        }
    }
}

/// Compiles one query body natively for each engine.
macro_rules! on_engine {
    ($session:expr, |$conn:ident| $query:expr) => {
        match $crate::db::Session::connection($session) {
            $crate::db::Engine::Sqlite($conn) => $query,
            $crate::db::Engine::Postgres($conn) => $query,
        }
    };
}
pub(crate) use on_engine;

/// SQLite: many readers, one writer.
#[derive(Debug, Clone)]
pub struct SqlitePools {
    read: SqlitePool,
    write: Writer,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Db {
    pools: Engine<SqlitePools, PgPool>,
    changes: Arc<Changes>,
}

impl Db {
    /// A connection to read with.
    ///
    /// # Errors
    /// When no connection is free in time or the database is out of reach.
    pub async fn read(&self) -> Result<Read> {
        Ok(Read(match &self.pools {
            Engine::Sqlite(pools) => Engine::Sqlite(pools.read.acquire().await?),
            Engine::Postgres(pool) => Engine::Postgres(pool.acquire().await?),
        }))
    }

    /// Begins a transaction that may write. On SQLite it holds the only writer (`BEGIN IMMEDIATE`), so it is never kept across mail or HTTP.
    ///
    /// # Errors
    /// When no connection is free in time or the database is out of reach.
    pub async fn begin(&self) -> Result<Tx> {
        let transaction = match &self.pools {
            Engine::Sqlite(pools) => Engine::Sqlite(pools.write.begin().await?),
            Engine::Postgres(pool) => Engine::Postgres(pool.begin().await?),
        };
        Ok(self.tx(transaction))
    }

    fn tx(&self, transaction: Engine<Write, Transaction<'static, Postgres>>) -> Tx {
        Tx { transaction, announced: Vec::new(), changes: Arc::clone(&self.changes) }
    }

    /// The engine's name.
    #[must_use]
    pub const fn engine(&self) -> &'static str {
        match self.pools {
            Engine::Sqlite(_) => "SQLite",
            Engine::Postgres(_) => "PostgreSQL",
        }
    }

    /// Whether the database is inside this program.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        matches!(self.pools, Engine::Sqlite(_))
    }

    /// Who is told that something committed.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Closes every connection after the work under way is done.
    pub async fn close(&self) {
        match &self.pools {
            Engine::Sqlite(pools) => {
                pools.read.close().await;
                pools.write.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}

/// A pooled connection to read with.
#[derive(Debug)]
pub struct Read(Engine<PoolConnection<Sqlite>, PoolConnection<Postgres>>);

impl Session for Read {
    fn connection(&mut self) -> Engine<&mut SqliteConnection, &mut PgConnection> {
        match &mut self.0 {
            Engine::Sqlite(conn) => Engine::Sqlite(&mut *conn),
            Engine::Postgres(conn) => Engine::Postgres(&mut *conn),
        }
    }
}

/// A transaction; dropped without [`Tx::commit`] it rolls back.
#[derive(Debug)]
pub struct Tx {
    transaction: Engine<Write, Transaction<'static, Postgres>>,
    announced: Vec<Change>,
    changes: Arc<Changes>,
}

impl Session for Tx {
    fn connection(&mut self) -> Engine<&mut SqliteConnection, &mut PgConnection> {
        match &mut self.transaction {
            Engine::Sqlite(write) => Engine::Sqlite(&mut *write),
            Engine::Postgres(transaction) => Engine::Postgres(&mut *transaction),
        }
    }
}

impl Tx {
    /// Notes what to tell once this transaction has committed.
    pub fn announce(&mut self, change: Change) {
        if !self.announced.contains(&change) {
            self.announced.push(change);
        }
    }

    /// Commits; only then is anything acknowledged or announced.
    ///
    /// # Errors
    /// When the commit fails: nothing of the transaction may be acknowledged then.
    pub async fn commit(self) -> Result<()> {
        match self.transaction {
            Engine::Sqlite(write) => write.commit().await?,
            Engine::Postgres(transaction) => transaction.commit().await?,
        }
        tell(&self.changes, self.announced);
        Ok(())
    }

    /// Announces what was committed with the last statement.
    fn committed(mut self) {
        if let Engine::Sqlite(write) = &mut self.transaction {
            write.ended();
        }
        tell(&self.changes, self.announced);
    }
}

fn tell(changes: &Changes, announced: Vec<Change>) {
    for change in announced {
        changes.tell(change);
    }
}

/// Whether somebody sent a text with the character NUL, which PostgreSQL cannot hold (SQLSTATE 22021).
#[must_use]
pub fn is_text_with_nul(error: &Error) -> bool {
    matches!(error, Error::Database(cause) if cause.code().is_some_and(|code| code == "22021"))
}

/// Whether an error can only come from a fault in this program, so that trying again cannot help: a statement, a type or a constraint that is wrong.
/// Everything else (no connection, a full disk, a busy file) passes with time.
#[must_use]
pub fn is_our_fault(error: &Error) -> bool {
    match error {
        Error::Database(cause) => {
            cause.is_unique_violation()
                || cause.is_foreign_key_violation()
                || cause.is_check_violation()
                || cause.code().is_some_and(|code| code == "1" || code.starts_with("42") || code.starts_with("22"))
        }
        Error::RowNotFound
        | Error::ColumnDecode { .. }
        | Error::Decode(_)
        | Error::Encode(_)
        | Error::ColumnNotFound(_)
        | Error::TypeNotFound { .. } => true,
        _ => false,
    }
}
