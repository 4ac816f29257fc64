//! Invitations that were looked up a moment ago: scanners of mail open a link several times within seconds, and the customer soon after them.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::store::Seat;
use crate::clock::{Clock, MINUTE_MS, Timestamp};
use crate::db::Db;
use crate::db::changes::Change;
use crate::invitation::InvitationId;

/// How long a seat is believed, in milliseconds: a node that died, or another program, tells of no change. Whoever sends a form is told the truth in any
/// case.
const KEPT_MS: i64 = MINUTE_MS;
/// Seats in each half of the memory, some 6 MB.
const HALF: usize = 57_344;

/// The seats in memory.
#[derive(Debug)]
pub struct Seats {
    clock: Clock,
    kept: Mutex<Kept>,
}

type Half = HashMap<InvitationId, (Seat, Timestamp)>;

#[derive(Debug)]
struct Kept {
    /// Filled until it is full; then it becomes the older half, and what was in that is forgotten.
    newer: Half,
    older: Half,
    /// What changed while invitations were being looked up, which may have been read as it was before.
    changed: HashSet<InvitationId>,
    is_reading: bool,
    has_missed: bool,
    changes: Receiver<Change>,
}

impl Seats {
    /// None yet.
    #[must_use]
    pub fn new(db: &Db, clock: Clock) -> Self {
        let changes = db.changes().listen();
        let kept = Kept { newer: Half::new(), older: Half::new(), changed: HashSet::new(), is_reading: false, has_missed: false, changes };
        Self { clock, kept: Mutex::new(kept) }
    }

    /// The seat of an invitation that was looked up less than a minute ago and has not changed since.
    #[must_use]
    pub fn find(&self, id: InvitationId) -> Option<Seat> {
        let now = self.clock.now();
        let kept = self.lock();
        let (seat, read_at) = kept.newer.get(&id).or_else(|| kept.older.get(&id))?;
        (0..KEPT_MS).contains(&now.since(*read_at)).then(|| seat.clone())
    }

    /// Forgets an invitation that has changed.
    pub fn forget(&self, id: InvitationId) {
        self.lock().forget(id);
    }

    /// Invitations will be looked up; one reader at a time.
    pub(super) fn begin(&self) -> Timestamp {
        let mut kept = self.lock();
        kept.is_reading = true;
        self.clock.now()
    }

    /// Keeps what was looked up since `begun`, but for what has changed meanwhile.
    pub(super) fn keep<'a>(&self, seats: impl Iterator<Item = &'a Seat>, begun: Timestamp) {
        let mut kept = self.lock();
        for seat in seats {
            if !kept.has_missed && !kept.changed.contains(&seat.id) {
                kept.insert(seat.clone(), begun);
            }
        }
        kept.changed.clear();
        (kept.is_reading, kept.has_missed) = (false, false);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.drop_changed();
        kept
    }
}

impl Kept {
    fn drop_changed(&mut self) {
        loop {
            match self.changes.try_recv() {
                Ok(Change::Invitation(id)) => self.forget(InvitationId(id)),
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => {
                    (self.newer, self.older) = (Half::new(), Half::new());
                    // Of what is being read, anything may have changed.
                    self.has_missed |= self.is_reading;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn forget(&mut self, id: InvitationId) {
        self.newer.remove(&id);
        self.older.remove(&id);
        if self.is_reading {
            self.changed.insert(id);
        }
    }

    fn insert(&mut self, seat: Seat, read_at: Timestamp) {
        if self.newer.len() >= HALF {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(seat.id, (seat, read_at));
    }
}
