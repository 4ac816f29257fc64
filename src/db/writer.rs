//! SQLite's one writer, behind a lock instead of a pool: a pool asks every connection that comes back for a sign of life, and whoever writes next would
//! wait for the answer.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use super::{Error, Result};

/// What begins a transaction.
pub(super) const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";
/// What ends one, and gives a row: sqlx calls a statement done whose connection's thread died over it.
pub(super) const COMMIT_SQLITE: &str = "COMMIT; SELECT 1";
const ROLLBACK_SQLITE: &str = "ROLLBACK; SELECT 1";
/// A rollback takes no longer where the connection's thread lives and is not busy; what is sent to one that is just dying is never answered.
const CLEAR_WITHIN: Duration = Duration::from_secs(1);

/// The connection that writes; taken away when the database is closed.
#[derive(Debug, Clone)]
pub struct Writer {
    connection: Arc<Mutex<Option<SqliteConnection>>>,
    /// A transaction was given up and is not rolled back yet.
    is_left_open: Arc<AtomicBool>,
    is_closed: Arc<AtomicBool>,
    /// How many wait for the connection.
    waiting: Arc<AtomicUsize>,
    options: Arc<SqliteConnectOptions>,
    wait: Duration,
}

impl Writer {
    /// A writer for whom others wait this long at most, and how its connection was opened.
    pub(super) fn new(connection: SqliteConnection, options: SqliteConnectOptions, wait: Duration) -> Self {
        let connection = Arc::new(Mutex::new(Some(connection)));
        let (is_left_open, is_closed, waiting) = Default::default();
        Self { connection, is_left_open, is_closed, waiting, options: Arc::new(options), wait }
    }

    /// Begins a transaction that holds the database's write lock from the start.
    pub(super) async fn begin(&self) -> Result<Write> {
        let mut write = self.lock().await?;
        sqlx::query(BEGIN_SQLITE).execute(&mut *write).await?;
        Ok(write)
    }

    /// The connection for a transaction that whoever asks begins with the next statement.
    pub(super) async fn lock(&self) -> Result<Write> {
        let waiting = Waiting::new(&self.waiting);
        let waited = tokio::time::timeout(self.wait, Arc::clone(&self.connection).lock_owned()).await;
        drop(waiting);
        let mut guard = waited.map_err(|_elapsed| Error::PoolTimedOut)?;
        if self.is_left_open.load(Ordering::Acquire) {
            self.clear(&mut guard).await?;
            self.is_left_open.store(false, Ordering::Release);
        }
        let connection = OwnedMutexGuard::try_map(guard, Option::as_mut).map_err(|_| Error::PoolClosed)?;
        Ok(Write { connection, writer: self.clone(), is_open: true })
    }

    /// Rolls back what was given up; opens the connection anew where its thread is gone.
    async fn clear(&self, connection: &mut Option<SqliteConnection>) -> Result<()> {
        let is_alive = match connection {
            Some(connection) => {
                let rolled_back = tokio::time::timeout(CLEAR_WITHIN, sqlx::query(ROLLBACK_SQLITE).fetch_one(connection)).await;
                // An error of the database says that SQLite has rolled back by itself, or nothing was begun. Anything else says that the thread is
                // gone, or busy: sqlx lets it panic over a statement that cannot be prepared again after a table went away.
                matches!(rolled_back, Ok(Ok(_) | Err(Error::Database(_))))
            }
            None => self.is_closed.load(Ordering::Acquire),
        };
        if !is_alive {
            tracing::warn!("the connection that writes is opened anew");
            // The old one first: it holds the lock.
            drop(connection.take());
            *connection = Some(SqliteConnection::connect_with(&self.options).await?);
        }
        Ok(())
    }

    /// Closes the connection after the transaction under way.
    pub(super) async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let connection = self.connection.lock().await.take();
        if let Some(connection) = connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(cause = %error, "the database was not closed in order; the next start repairs that");
        }
    }
}

/// One who waits; also whoever gives up waiting no longer does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A transaction of the writer; dropped before it has ended it rolls back.
#[derive(Debug)]
pub struct Write {
    connection: OwnedMappedMutexGuard<Option<SqliteConnection>, SqliteConnection>,
    writer: Writer,
    is_open: bool,
}

impl Write {
    /// Commits; nobody else writes before that has ended.
    pub(super) async fn commit(mut self) -> Result<()> {
        sqlx::query(COMMIT_SQLITE).fetch_one(&mut *self).await?;
        self.ended();
        Ok(())
    }

    /// Whether others wait to write.
    pub(super) fn is_wanted(&self) -> bool {
        self.writer.waiting.load(Ordering::Relaxed) > 0
    }

    /// Notes that the transaction was committed.
    pub(super) const fn ended(&mut self) {
        self.is_open = false;
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        self.writer.is_left_open.store(true, Ordering::Release);
        // Whoever writes next rolls it back first; nobody may come for a while, and it would lock out other programs.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let writer = self.writer.clone();
            runtime.spawn(async move { writer.lock().await.map(|mut write| write.ended()) });
        }
    }
}

impl Deref for Write {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}
