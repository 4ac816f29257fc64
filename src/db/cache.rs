//! Rows kept in memory: those that are read for every page, vote or hook and change once a month.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use uuid::Uuid;

use super::changes::Change;
use super::{Db, Read, Result};

/// A row that is worth keeping.
pub trait Kept: Sized + Debug + Send + Sync {
    /// Which of these rows a change is about.
    fn changed_by(change: Change) -> Option<Uuid>;

    /// The row with this id.
    fn find(read: &mut Read, id: Uuid) -> impl Future<Output = Result<Option<Self>>> + Send;
}

/// Rows by id, dropped as soon as a change of them is told.
#[derive(Debug)]
pub struct Cache<T> {
    db: Db,
    kept: Mutex<Rows<T>>,
}

#[derive(Debug)]
struct Rows<T> {
    by_id: HashMap<Uuid, Arc<T>>,
    changes: Receiver<Change>,
}

impl<T: Kept> Rows<T> {
    /// Drops what was told to have changed; true when `id` may be among it.
    fn drop_changed(&mut self, id: Uuid) -> bool {
        let mut changed = false;
        loop {
            match self.changes.try_recv() {
                Ok(change) => {
                    if let Some(other) = T::changed_by(change) {
                        self.by_id.remove(&other);
                        changed |= other == id;
                    }
                }
                Err(TryRecvError::Lagged(_)) => {
                    self.by_id.clear();
                    changed = true;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return changed,
            }
        }
    }
}

impl<T: Kept> Cache<T> {
    /// A cache over a database.
    #[must_use]
    pub fn new(db: &Db) -> Self {
        let kept = Rows { by_id: HashMap::new(), changes: db.changes().listen() };
        Self { db: db.clone(), kept: Mutex::new(kept) }
    }

    /// The row with this id.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn find(&self, id: Uuid) -> Result<Option<Arc<T>>> {
        if let Some(row) = self.look_up(id) {
            return Ok(Some(row));
        }
        let found = T::find(&mut self.db.read().await?, id).await?.map(Arc::new);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // What changed while it was being read is handed out once more as it was, but not kept.
        if let (Some(row), false) = (&found, kept.drop_changed(id)) {
            kept.by_id.insert(id, Arc::clone(row));
        }
        Ok(found)
    }

    fn look_up(&self, id: Uuid) -> Option<Arc<T>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.drop_changed(id);
        kept.by_id.get(&id).cloned()
    }
}
