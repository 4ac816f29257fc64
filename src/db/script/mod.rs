//! Several statements in one go. The way to the database and back, to SQLite's thread or PostgreSQL's process, takes longer than much of what is done
//! there.

mod join;

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{
    AssertSqlSafe, Either, Executor as _, FromRow, PgConnection, Row as _, Sqlite, SqliteConnection, query, query_as, query_scalar,
};
use uuid::Uuid;

use self::join::{joined, merged};
use super::writer::{BEGIN_SQLITE, COMMIT_SQLITE};
use super::{Db, Engine, Error, Result, Session as _, Tx, from_json, tell};

/// A statement of one engine and what it is given.
#[derive(Debug)]
pub struct Statement {
    /// The statement.
    pub text: &'static str,
    /// What it is given.
    pub values: Values,
}

/// What a statement is given.
#[derive(Debug)]
pub enum Values {
    /// A text for each parameter, in their order.
    Texts(Vec<String>),
    /// Rows, on SQLite only. The statement takes one: it holds `(VALUES ($1, …)) WHERE column1 IS NOT NULL`, and no other parameter. SQLite would spend
    /// more time on taking a row out of JSON than on storing it.
    Rows(Vec<Vec<Value>>),
}

/// One value of a row.
#[derive(Debug, Clone)]
pub enum Value {
    /// None.
    Null,
    /// A whole number, or a truth as 0 or 1.
    Int(i64),
    /// A text.
    Text(String),
    /// An id.
    Id(Uuid),
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Self::Id(value)
    }
}

/// A statement that reads, of SQLite and of PostgreSQL, by one value. On SQLite it gives one text, a JSON list of lists in the order of the fields that
/// are read: each row it gave by itself would wake whoever waits for it.
pub type Reading = (&'static str, &'static str);

/// Whoever may go on with another transaction as soon as one is committed.
pub trait Next {
    /// Whether there is something to go on with; asked once, before the commit.
    fn is_waiting(&mut self) -> bool;
    /// The transaction is committed.
    fn committed(&mut self);
    /// What the other transaction begins with; asked as late as can be, which may be before the commit.
    ///
    /// # Errors
    /// When it cannot be told.
    fn value(&mut self) -> Result<String>;
}

impl Db {
    /// Begins a transaction with a statement that reads.
    ///
    /// # Errors
    /// As [`Db::begin`], and when the statement fails.
    pub async fn begin_with<T>(&self, reading: Reading, value: String) -> Result<(Tx, Vec<T>)>
    where
        T: DeserializeOwned + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let (sqlite, postgres) = reading;
        let mut tx = match &self.pools {
            Engine::Sqlite(pools) => self.tx(Engine::Sqlite(pools.write.lock().await?)),
            Engine::Postgres(_) => self.begin().await?,
        };
        let rows = match tx.connection() {
            Engine::Sqlite(conn) => {
                let text = AssertSqlSafe(format!("{BEGIN_SQLITE};\n{sqlite}"));
                let list: String = query_scalar(text).bind(value).fetch_one(conn).await?;
                from_json(&list)?
            }
            Engine::Postgres(conn) => query_as(postgres).bind(value).fetch_all(conn).await?,
        };
        Ok((tx, rows))
    }
}

impl Tx {
    /// Runs statements that give no rows. None of them sees what another has done, and no two change the same row: SQLite runs them one after the other,
    /// PostgreSQL all at once.
    ///
    /// # Errors
    /// When one of them fails.
    pub async fn run(&mut self, statements: Vec<Statement>) -> Result<()> {
        if statements.is_empty() {
            return Ok(());
        }
        self.send(statements, "SELECT 1").await
    }

    /// Runs statements as [`Tx::run`], and commits.
    ///
    /// # Errors
    /// When one of them or the commit fails: nothing of the transaction may be acknowledged then.
    pub async fn run_and_commit(mut self, statements: Vec<Statement>) -> Result<()> {
        self.send(statements, COMMIT_SQLITE).await?;
        match self.engine() {
            Engine::Sqlite(()) => {
                self.committed();
                Ok(())
            }
            Engine::Postgres(()) => self.commit().await,
        }
    }

    /// Runs statements as [`Tx::run`], commits, and begins another transaction as [`Db::begin_with`] where there is something to go on with and nobody
    /// else waits to write. That saves one of two ways to SQLite's thread, and one of four to PostgreSQL.
    ///
    /// # Errors
    /// When one of the statements or the commit fails: `next` was not told of a commit then, and nothing of the transaction may be acknowledged. And when
    /// the other transaction cannot begin, after it was told.
    pub async fn commit_and_go_on<T>(
        mut self,
        statements: Vec<Statement>,
        (sqlite, postgres): Reading,
        next: &mut (impl Next + Send),
    ) -> Result<Option<(Self, Vec<T>)>>
    where
        T: DeserializeOwned + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let changes = Arc::clone(&self.changes);
        let mut announced = std::mem::take(&mut self.announced);
        let mut committed = |next: &mut (dyn Next + Send)| {
            tell(&changes, std::mem::take(&mut announced));
            next.committed();
        };
        let rows = match &mut self.transaction {
            Engine::Sqlite(write) if write.is_wanted() || !next.is_waiting() => {
                self.run_and_commit(statements).await?;
                committed(next);
                return Ok(None);
            }
            Engine::Sqlite(write) => {
                let value = next.value()?;
                commit_sqlite(write, statements, (sqlite, value), || committed(next)).await?
            }
            Engine::Postgres(conn) => {
                run_postgres(conn, statements).await?;
                if !next.is_waiting() {
                    self.commit().await?;
                    committed(next);
                    return Ok(None);
                }
                query("COMMIT AND CHAIN").execute(&mut **conn).await?;
                committed(next);
                query_as(postgres).bind(next.value()?).fetch_all(&mut **conn).await?
            }
        };
        Ok(Some((self, rows)))
    }

    /// `last` ends SQLite's text and gives a row, without which not everything was done.
    async fn send(&mut self, statements: Vec<Statement>, last: &'static str) -> Result<()> {
        match self.connection() {
            Engine::Sqlite(conn) => {
                let (mut parts, values) = joined(statements)?;
                parts.push(last.to_owned());
                bound(&parts, values).fetch_one(conn).await?;
                Ok(())
            }
            Engine::Postgres(conn) => run_postgres(conn, statements).await,
        }
    }
}

/// Runs statements, commits, begins another transaction and reads.
async fn commit_sqlite<T: DeserializeOwned>(
    conn: &mut SqliteConnection,
    statements: Vec<Statement>,
    (reading, value): (&'static str, String),
    committed: impl FnOnce(),
) -> Result<Vec<T>> {
    let then = [(COMMIT_SQLITE, vec![]), (BEGIN_SQLITE, vec![]), (reading, vec![value])];
    let all = statements.into_iter().chain(then.map(|(text, values)| Statement { text, values: Values::Texts(values) })).collect();
    let (parts, values) = joined(all)?;
    let mut committed = Some(committed);
    let mut results = conn.fetch_many(bound(&parts, values));
    while let Some(result) = results.try_next().await? {
        let Either::Right(row) = result else { continue };
        // The first row comes with the commit, the second is what was read.
        match committed.take() {
            Some(committed) => committed(),
            None => return from_json(row.try_get(0)?),
        }
    }
    Err(Error::WorkerCrashed)
}

async fn run_postgres(conn: &mut PgConnection, statements: Vec<Statement>) -> Result<()> {
    if statements.is_empty() {
        return Ok(());
    }
    let (text, values) = merged(statements)?;
    let mut query = query(AssertSqlSafe(text));
    for value in values {
        query = query.bind(value);
    }
    query.execute(conn).await?;
    Ok(())
}

fn bound(parts: &[String], values: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    values.into_iter().fold(query(AssertSqlSafe(parts.join(";\n"))), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Id(value) => query.bind(value),
    })
}
