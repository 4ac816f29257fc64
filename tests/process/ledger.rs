//! What misbehaving peers have seen: every copy of a message that they keep, and that something happened at all.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

/// A copy of a message that a peer keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Whom it is for: a mail address, or the path of an endpoint with what it is about.
    pub name: String,
    /// What tells it from other messages: a Message-ID, or a `webhook-id`.
    pub id: String,
    /// How often the service had been killed before.
    pub round: usize,
    /// Whether the service was told that it is kept; otherwise the line broke, or it was told nonsense or nothing.
    pub is_acknowledged: bool,
}

/// The state of a ledger.
#[derive(Debug, Default)]
pub struct Entries {
    /// Copies in the order they came.
    pub receipts: Vec<Receipt>,
    /// Whom a message was refused for, for good.
    pub refused: BTreeSet<String>,
    /// How often the service was killed so far.
    pub round: usize,
}

/// Shared by a peer and whoever judges it.
#[derive(Debug)]
pub struct Ledger {
    entries: Mutex<Entries>,
    /// How much has happened.
    events: watch::Sender<usize>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { entries: Mutex::default(), events: watch::Sender::new(0) }
    }
}

impl Ledger {
    pub fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap()
    }

    /// How often the service was killed so far.
    pub fn round(&self) -> usize {
        self.entries().round
    }

    /// Keeps a copy that nobody was told of so far; answers its place. `round` is that in which it began to come: what was on its way when the
    /// service was killed is read later.
    pub fn keep(&self, name: &str, id: &str, round: usize) -> usize {
        let mut entries = self.entries();
        entries.receipts.push(Receipt { name: name.to_owned(), id: id.to_owned(), round, is_acknowledged: false });
        entries.receipts.len() - 1
    }

    /// Notes that the service was told of a copy.
    pub fn acknowledge(&self, place: usize) {
        self.entries().receipts[place].is_acknowledged = true;
    }

    /// Notes that a message was refused for good.
    pub fn refuse(&self, name: &str) {
        self.entries().refused.insert(name.to_owned());
    }

    /// Something happened; `weight` says how much nearer that brings the end of a round.
    pub fn happened(&self, weight: usize) {
        self.events.send_modify(|events| *events = events.saturating_add(weight));
    }

    /// Waits until so much more has happened.
    pub async fn after(&self, more: usize) {
        let mut events = self.events.subscribe();
        let enough = events.borrow().saturating_add(more);
        events.wait_for(|events| *events >= enough).await.unwrap();
    }

    /// Begins another round.
    pub fn next_round(&self) {
        self.entries().round += 1;
    }
}
