//! Loops that many requests wait for, on threads of their own where the database is inside this program: SQLite answers from a thread of its own, and
//! on two cores the way through the runtime that serves everything else takes longer than much of what is done there. PostgreSQL answers through that
//! runtime's sockets.

use std::io;

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::db::Db;

/// Spawns a loop that works with the database; `draining` waits for its end.
///
/// # Errors
/// When the system gives no thread.
pub fn spawn(name: &str, serve: impl Future<Output = ()> + Send + 'static, (db, draining): (&Db, &TaskTracker)) -> io::Result<()> {
    if !db.is_embedded() {
        draining.spawn(serve);
        return Ok(());
    }
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let (ended, has_ended) = oneshot::channel::<()>();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        runtime.block_on(serve);
        drop(ended);
    })?;
    // Dropped unsent, at the end of the loop or of a thread that panicked.
    draining.spawn(async move { has_ended.await.err() });
    Ok(())
}
