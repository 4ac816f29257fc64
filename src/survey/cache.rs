//! Surveys kept in memory: they are read for every page and vote and change once a month.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::{Survey, SurveyId, store};
use crate::db::changes::Change;
use crate::db::{Db, Result};

/// Surveys by id, dropped as soon as a change of them is told.
#[derive(Debug)]
pub struct Cache {
    db: Db,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    surveys: HashMap<SurveyId, Arc<Survey>>,
    changes: Receiver<Change>,
}

impl Kept {
    /// Drops what was told to have changed; true when `id` may be among it.
    fn drop_changed(&mut self, id: SurveyId) -> bool {
        let mut changed = false;
        loop {
            match self.changes.try_recv() {
                Ok(Change::Survey(other)) => {
                    self.surveys.remove(&SurveyId(other));
                    changed |= SurveyId(other) == id;
                }
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => {
                    self.surveys.clear();
                    changed = true;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return changed,
            }
        }
    }
}

impl Cache {
    /// A cache over a database.
    #[must_use]
    pub fn new(db: &Db) -> Self {
        let kept = Kept { surveys: HashMap::new(), changes: db.changes().listen() };
        Self { db: db.clone(), kept: Mutex::new(kept) }
    }

    /// The survey with this id.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn find(&self, id: SurveyId) -> Result<Option<Arc<Survey>>> {
        if let Some(survey) = self.look_up(id) {
            return Ok(Some(survey));
        }
        let found = store::find(&mut self.db.read().await?, id).await?.map(Arc::new);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // What changed while it was being read is handed out once more as it was, but not kept.
        if let (Some(survey), false) = (&found, kept.drop_changed(id)) {
            kept.surveys.insert(id, Arc::clone(survey));
        }
        Ok(found)
    }

    fn look_up(&self, id: SurveyId) -> Option<Arc<Survey>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.drop_changed(id);
        kept.surveys.get(&id).cloned()
    }
}
