//! How far an attempt to send has come: where it ended is what one has to change.

use std::sync::{Mutex, PoisonError};

/// The steps of an attempt, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Step {
    /// Looking the relay's name up.
    #[default]
    Resolve,
    /// Connecting to it.
    Connect,
    /// Its greeting, and ours.
    Hello,
    /// Asking for STARTTLS.
    StartTls,
    /// Encrypting, and checking its certificate.
    Encrypt,
    /// User and password.
    Authenticate,
    /// The envelope's sender.
    Sender,
    /// The envelope's recipient.
    Recipient,
    /// The message itself, before its final dot.
    Message,
    /// The reply to the final dot.
    Reply,
}

/// Notes the step that an attempt is at, also for whoever gives up waiting for it.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Step>);

impl Progress {
    pub(super) fn reach(&self, step: Step) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    pub(super) fn at(&self) -> Step {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
