//! What has become of messages: the list of them with every attempt, sending once more what was given up, and forgetting what is old.

pub mod store;

use uuid::Uuid;

use super::{OutboxId, Outcome, State};
use crate::clock::Timestamp;
use crate::db::FromRow;

/// Which messages are listed; `None` is no condition.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of carriers like this (`%` stands for anything).
    pub carriers: Option<String>,
    /// Of no carrier of this word.
    pub except: Option<&'static str>,
    /// Of this survey.
    pub survey: Option<Uuid>,
}

/// A message with what has become of it.
#[derive(Debug, Clone, FromRow)]
pub struct Listed {
    /// Its id.
    pub id: OutboxId,
    /// Whoever carries it.
    pub carrier: String,
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub subject_id: Uuid,
    /// The survey that it is listed under.
    pub survey_id: Option<Uuid>,
    /// What has become of it.
    pub state: State,
    /// When it is due, while it waits; under a lease, when that ends.
    pub due_at: Timestamp,
    /// Whether somebody is carrying it.
    pub is_leased: bool,
    /// How often it was tried.
    pub attempt_count: i32,
    /// Why it did not leave, or was given up.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

/// One attempt.
#[derive(Debug, Clone, FromRow)]
pub struct Attempt {
    /// The message.
    pub outbox_id: OutboxId,
    /// Which attempt, from 1.
    pub number: i32,
    /// How it ended.
    pub outcome: Outcome,
    /// What the other side said, or what went wrong.
    pub reply: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}
