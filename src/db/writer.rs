//! SQLite's one writer, behind a lock instead of a pool: a pool asks every connection that comes back for a sign of life, and whoever writes next would
//! wait for the answer.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteTransactionManager;
use sqlx::{Connection as _, SqlStr, SqliteConnection};
use sqlx_core::transaction::TransactionManager as _;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use super::{Error, Result};

/// The connection that writes; taken away when the database is closed.
#[derive(Debug, Clone)]
pub struct Writer {
    connection: Arc<Mutex<Option<SqliteConnection>>>,
    wait: Duration,
}

impl Writer {
    /// A writer for whom others wait this long at most.
    pub(super) fn new(connection: SqliteConnection, wait: Duration) -> Self {
        Self { connection: Arc::new(Mutex::new(Some(connection))), wait }
    }

    /// Begins a transaction that holds the database's write lock from the start.
    pub(super) async fn begin(&self) -> Result<Write> {
        let waited = tokio::time::timeout(self.wait, Arc::clone(&self.connection).lock_owned()).await;
        let guard = waited.map_err(|_elapsed| Error::PoolTimedOut)?;
        let connection = OwnedMutexGuard::try_map(guard, Option::as_mut).map_err(|_| Error::PoolClosed)?;
        let mut write = Write { connection, is_open: true };
        SqliteTransactionManager::begin(&mut write.connection, Some(SqlStr::from_static("BEGIN IMMEDIATE"))).await?;
        Ok(write)
    }

    /// Closes the connection after the transaction under way.
    pub(super) async fn close(&self) {
        let connection = self.connection.lock().await.take();
        if let Some(connection) = connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(cause = %error, "the database was not closed in order; the next start repairs that");
        }
    }
}

/// A transaction of the writer; dropped without [`Write::commit`] it rolls back.
#[derive(Debug)]
pub struct Write {
    connection: OwnedMappedMutexGuard<Option<SqliteConnection>, SqliteConnection>,
    is_open: bool,
}

impl Write {
    /// Commits; nobody else writes before that has ended.
    pub(super) async fn commit(mut self) -> Result<()> {
        SqliteTransactionManager::commit(&mut self.connection).await?;
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if self.is_open {
            // The connection does this before whatever it is asked next.
            SqliteTransactionManager::start_rollback(&mut self.connection);
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
