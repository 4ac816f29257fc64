//! All endpoints, kept in memory, so that a vote of which nobody is told costs nothing.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::{Webhook, store};
use crate::db::changes::Change;
use crate::db::{Db, Result};

/// The endpoints, read again when one of them is told to have changed.
#[derive(Debug)]
pub struct Endpoints {
    db: Db,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    all: Option<Arc<Vec<Webhook>>>,
    changes: Receiver<Change>,
}

impl Kept {
    /// Drops what was told to have changed; true when there was something.
    fn drop_changed(&mut self) -> bool {
        let mut changed = false;
        loop {
            match self.changes.try_recv() {
                Ok(Change::Webhook(_)) | Err(TryRecvError::Lagged(_)) => changed = true,
                Ok(_) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if changed {
            self.all = None;
        }
        changed
    }
}

impl Endpoints {
    /// The endpoints in a database.
    #[must_use]
    pub fn new(db: &Db) -> Self {
        Self { db: db.clone(), kept: Mutex::new(Kept { all: None, changes: db.changes().listen() }) }
    }

    /// All of them, in the order of their ids.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn all(&self) -> Result<Arc<Vec<Webhook>>> {
        if let Some(all) = self.look_up() {
            return Ok(all);
        }
        let found = Arc::new(store::list_live(&mut self.db.read().await?).await?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // What changed while it was being read is handed out once more as it was, but not kept.
        if !kept.drop_changed() {
            kept.all = Some(Arc::clone(&found));
        }
        Ok(found)
    }

    fn look_up(&self) -> Option<Arc<Vec<Webhook>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.drop_changed();
        kept.all.clone()
    }
}
