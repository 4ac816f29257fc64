//! Adds to the tallies what batches of votes changed: many batches at a time, since they mostly change the same cells.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Changes, Kept, store};
use crate::db::{Db, Result};

/// Batches that are read and added in one transaction at most, where their changes are not in memory.
const MOST: usize = 1024;
/// Tallies are added to this often: votes wait for it on SQLite, and whoever reads adds up what has not been added.
const EVERY: Duration = Duration::from_secs(1);
/// How often to look for what a node left that was killed.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// Takes what was kept, to merge it.
#[derive(Debug, Clone)]
pub struct Merger {
    kept: Arc<Mutex<Kept>>,
    ask: mpsc::Sender<()>,
}

impl Merger {
    /// A merger and the loop that serves it until every copy of it is dropped and everything is merged.
    pub fn new(db: Db) -> (Self, impl Future<Output = ()>) {
        let (ask, asked) = mpsc::channel(1);
        let kept = Arc::default();
        (Self { kept: Arc::clone(&kept), ask }, serve(db, kept, asked))
    }

    /// These changes were kept under this id, and committed; nothing was, where nothing changes.
    pub fn merge(&self, id: Uuid, changes: Changes) {
        if changes.is_empty() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.ids.push(id);
        kept.changes.extend(changes);
        // Whoever was asked and has not begun yet finds this too.
        let _ = self.ask.try_send(());
    }
}

async fn serve(db: Db, kept: Arc<Mutex<Kept>>, mut asked: mpsc::Receiver<()>) {
    // At once for the first time.
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut is_behind = false;
    loop {
        tokio::select! {
            asked = asked.recv() => if asked.is_none() { return },
            _ = look.tick() => is_behind = true,
        }
        let kept = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        let merged = if is_behind { merge_stored(&db).await } else { merge(&db, &kept).await };
        is_behind = merged.is_err();
        if let Err(error) = merged {
            tracing::warn!(cause = %error, "what votes changed could not be added to the tallies; it counts nevertheless");
        }
        if !asked.is_closed() {
            tokio::time::sleep(EVERY).await;
        }
    }
}

async fn merge(db: &Db, kept: &Kept) -> Result<()> {
    if kept.ids.is_empty() || add(db, kept).await? { Ok(()) } else { merge_stored(db).await }
}

/// Adds everything that is kept by now to the tallies, whoever kept it.
///
/// # Errors
/// When the database cannot read or store it.
pub async fn merge_stored(db: &Db) -> Result<()> {
    loop {
        let kept = store::find_kept(&mut db.read().await?, MOST).await?;
        let is_last = kept.ids.len() < MOST;
        if kept.ids.is_empty() || add(db, &kept).await? && is_last {
            return Ok(());
        }
    }
}

/// False where another node was faster with some of it: nothing is changed then.
async fn add(db: &Db, kept: &Kept) -> Result<bool> {
    let mut tx = db.begin().await?;
    let is_added = store::merge(&mut tx, kept).await?;
    if is_added {
        tx.commit().await?;
    }
    Ok(is_added)
}
