//! Adds to the tallies what batches of votes changed: many batches at a time, since they mostly change the same cells.

use std::time::Duration;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Changes, store};
use crate::db::{Db, Result};

/// Batches that are added in one transaction at most, so that votes never wait long for it.
const MOST: usize = 1024;
/// Tallies are added to this often where there is no more to add: votes wait for it on SQLite, and whoever reads adds up what has not been added.
const EVERY: Duration = Duration::from_secs(1);
/// How often to look for what a node left that was killed.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// Batches that are kept beside the tallies: their ids, and what they change together.
#[derive(Debug, Default)]
pub struct Kept {
    pub(super) ids: Vec<Uuid>,
    pub(super) changes: Changes,
}

/// Takes what was kept, to merge it.
#[derive(Debug, Clone)]
pub struct Merger(mpsc::UnboundedSender<(Uuid, Changes)>);

impl Merger {
    /// A merger and the loop that serves it until every copy of it is dropped and everything is merged.
    pub fn new(db: Db) -> (Self, impl Future<Output = ()>) {
        let (kept, queue) = mpsc::unbounded_channel();
        (Self(kept), serve(db, queue))
    }

    /// These changes were kept under this id, and committed; nothing was, where nothing changes.
    pub fn merge(&self, id: Uuid, changes: Changes) {
        if changes.is_empty() {
            return;
        }
        // The loop outlives every merger but for a panic; what is in the database counts, and is merged by the next.
        let _ = self.0.send((id, changes));
    }
}

async fn serve(db: Db, mut queue: mpsc::UnboundedReceiver<(Uuid, Changes)>) {
    let mut waiting = Vec::with_capacity(MOST);
    // At once for the first time.
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut is_behind = false;
    loop {
        tokio::select! {
            count = queue.recv_many(&mut waiting, MOST) => if count == 0 { return },
            _ = look.tick() => is_behind = true,
        }
        let is_last = waiting.len() < MOST;
        let mut kept = Kept::default();
        for (id, changes) in waiting.drain(..) {
            kept.ids.push(id);
            kept.changes.extend(changes);
        }
        let merged = if is_behind { merge_stored(&db).await } else { merge(&db, &kept).await };
        is_behind = merged.is_err();
        if let Err(error) = merged {
            tracing::warn!(cause = %error, "what votes changed could not be added to the tallies; it counts nevertheless");
        }
        if is_last && !queue.is_closed() {
            tokio::time::sleep(EVERY).await;
        }
    }
}

async fn merge(db: &Db, kept: &Kept) -> Result<()> {
    if add(db, kept).await? { Ok(()) } else { merge_stored(db).await }
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
