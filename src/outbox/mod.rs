//! The queue under delivery: enqueue in the caller's transaction, claim under a lease, settle. It knows nothing of what it carries.

pub mod backoff;
pub mod history;
pub mod serve;
pub mod store;

use std::borrow::Cow;

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

text_enum! {
    /// How an attempt ended.
    pub enum Outcome {
        /// Accepted by the other side.
        Sent = "sent",
        /// Not accepted; it is tried again.
        Retry = "retry",
        /// Not accepted, and given up.
        Failed = "failed",
    }
}

/// A message to send: by whom, what kind, about what.
#[derive(Debug, Clone)]
pub struct Job {
    /// Whoever carries it, a word of its own: one carrier's backlog costs the others nothing.
    pub carrier: Cow<'static, str>,
    /// The kind, a word of whoever composes it.
    pub kind: &'static str,
    /// What it is about.
    pub subject: Uuid,
    /// The survey that it is listed under, if it belongs to one.
    pub survey: Option<Uuid>,
}

/// A message claimed for one attempt.
#[derive(Debug, Clone, FromRow)]
pub struct Claimed {
    /// Its id.
    pub id: OutboxId,
    /// Whoever carries it.
    pub carrier: String,
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub subject_id: Uuid,
    /// Which attempt this is, from 1.
    pub attempt_count: i32,
    /// Attempts before somebody asked for it to be sent again: the schedule begins anew after them.
    pub spent_count: i32,
    /// Claims that nobody settled: whoever had it may have sent it.
    pub interrupted_count: i32,
    /// Proof of the lease.
    pub lease_token: Uuid,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When it was enqueued.
    pub created_at: Timestamp,
}

impl Claimed {
    /// Which attempt of its schedule this is, from 1.
    #[must_use]
    pub const fn turn(&self) -> i32 {
        self.attempt_count.saturating_sub(self.spent_count)
    }

    /// Whether an earlier claim ended without a settlement, so that the message may have been sent.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        self.interrupted_count > 0
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Accepted by the other side, with its reply.
    Sent(String),
    /// Failed for now; to be tried again at this instant.
    Retry(Timestamp, String),
    /// Not the time for it; to be looked at again at this instant. That was no attempt.
    Later(Timestamp, String),
    /// Given up, with the reason.
    Failed(String),
    /// Given up without an attempt, with the reason.
    Untried(String),
    /// No longer wanted, with the reason.
    Cancelled(String),
}

impl Settlement {
    /// How it is counted and logged.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Sent(_) => "sent",
            Self::Retry(..) => "retry",
            Self::Later(..) => "later",
            Self::Failed(_) | Self::Untried(_) => "failed",
            Self::Cancelled(_) => "cancelled",
        }
    }

    /// What is written down of it as an attempt: how it ended and what was said. What was not tried was none.
    #[must_use]
    pub fn attempt(&self) -> Option<(Outcome, &str)> {
        match self {
            Self::Sent(reply) => Some((Outcome::Sent, reply)),
            Self::Retry(_, reason) => Some((Outcome::Retry, reason)),
            Self::Failed(reason) => Some((Outcome::Failed, reason)),
            Self::Later(..) | Self::Untried(_) | Self::Cancelled(_) => None,
        }
    }
}

/// Logs how a message was settled: one line, without address or link.
pub fn log(message: &Claimed, settlement: &Settlement) {
    let reason = match settlement {
        Settlement::Sent(_) => "",
        Settlement::Retry(_, reason)
        | Settlement::Later(_, reason)
        | Settlement::Failed(reason)
        | Settlement::Untried(reason)
        | Settlement::Cancelled(reason) => reason,
    };
    let Claimed { id, carrier, kind, subject_id, attempt_count, .. } = message;
    let outcome = settlement.word();
    tracing::info!(outbox = %id, carrier, kind, subject = %subject_id, attempt = attempt_count, outcome, reason, "settled");
}
