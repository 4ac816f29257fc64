//! All endpoints, kept in memory, so that a vote of which nobody is told costs nothing.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::{Webhook, WebhookId, store};
use crate::db::changes::Change;
use crate::db::{Db, Result};

/// The endpoints, read again when one of them is told to have changed.
#[derive(Debug)]
pub struct Endpoints {
    db: Db,
    kept: Mutex<Kept>,
}

/// The endpoints there are.
#[derive(Debug, Clone)]
pub struct Known {
    /// Those that were not removed, in the order of their ids.
    pub live: Arc<Vec<Webhook>>,
    /// Those that were, as long as anything waits for them.
    pub removed: Arc<Vec<WebhookId>>,
}

#[derive(Debug)]
struct Kept {
    known: Option<Known>,
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
            self.known = None;
        }
        changed
    }
}

impl Endpoints {
    /// The endpoints in a database.
    #[must_use]
    pub fn new(db: &Db) -> Self {
        Self { db: db.clone(), kept: Mutex::new(Kept { known: None, changes: db.changes().listen() }) }
    }

    /// Those that were not removed, in the order of their ids.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn all(&self) -> Result<Arc<Vec<Webhook>>> {
        Ok(self.known().await?.live)
    }

    /// Those that were not removed, where they are known without asking the database.
    #[must_use]
    pub fn all_known(&self) -> Option<Arc<Vec<Webhook>>> {
        self.look_up().map(|known| known.live)
    }

    /// All of them.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn known(&self) -> Result<Known> {
        if let Some(known) = self.look_up() {
            return Ok(known);
        }
        let mut read = self.db.read().await?;
        let live = Arc::new(store::list_live(&mut read).await?);
        let found = Known { live, removed: Arc::new(store::list_removed(&mut read).await?) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // What changed while it was being read is handed out once more as it was, but not kept.
        if !kept.drop_changed() {
            kept.known = Some(found.clone());
        }
        Ok(found)
    }

    fn look_up(&self) -> Option<Known> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.drop_changed();
        kept.known.clone()
    }
}
