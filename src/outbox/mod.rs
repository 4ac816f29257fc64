//! The queue under delivery: enqueue in the caller's transaction, claim under a lease, settle. It knows nothing of what it carries.

pub mod backoff;
pub mod serve;
pub mod store;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::{FromRow, id, text_enum};

id! {
    /// The id of a waiting message.
    OutboxId
}

text_enum! {
    /// What has become of a message.
    pub enum State {
        /// It waits until it is due; under a lease it is due again when the lease ends.
        Waiting = "waiting",
        /// It was accepted.
        Sent = "sent",
        /// It was given up.
        Failed = "failed",
        /// It was no longer wanted.
        Cancelled = "cancelled",
    }
}

/// A message to send: by whom, what kind, about what.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Whoever carries it, a word of its own: one carrier's backlog costs the others nothing.
    pub carrier: &'static str,
    /// The kind, a word of whoever composes it.
    pub kind: &'static str,
    /// What it is about.
    pub subject: Uuid,
}

/// A message claimed for one attempt.
#[derive(Debug, Clone, FromRow)]
pub struct Claimed {
    /// Its id.
    pub id: OutboxId,
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub subject_id: Uuid,
    /// Which attempt this is, from 1.
    pub attempt_count: i32,
    /// Proof of the lease.
    pub lease_token: Uuid,
    /// When it was enqueued.
    pub created_at: Timestamp,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Accepted by the other side.
    Sent,
    /// Failed for now; to be tried again at this instant.
    Retry(Timestamp, String),
    /// Not the time for it; to be looked at again at this instant. That was no attempt.
    Later(Timestamp, String),
    /// Given up, with the reason.
    Failed(String),
    /// No longer wanted, with the reason.
    Cancelled(String),
}
