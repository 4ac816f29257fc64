//! Addresses that get no message, whatever a survey says: only a keyed hash of each is kept, why, and since when.

pub mod store;

use super::{Reason, receive};
use crate::clock::Timestamp;
use crate::db::{FromRow, text_enum};
use crate::intake::Customer;
use crate::keyring::Keyring;

/// Characters of the keyed hash that name a suppression in a list.
const SHOWN: usize = 16;

text_enum! {
    /// Why an address gets no message.
    pub enum Cause {
        /// Its owner unsubscribed.
        Unsubscribed = "unsubscribed",
        /// Mail to it came back.
        Bounced = "bounced",
        /// Its owner reported a message as spam.
        Complained = "complained",
        /// Somebody of the team wants it so.
        Manual = "manual",
    }
}

impl Cause {
    /// The rule by which a decision leaves such a customer out.
    #[must_use]
    pub const fn rule(self) -> Reason {
        match self {
            Self::Bounced => Reason::Bounced,
            Self::Unsubscribed | Self::Complained | Self::Manual => Reason::Unsubscribed,
        }
    }

    /// The same in one sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unsubscribed => "The customer wants no more mail.",
            Self::Bounced => "Mail to the customer came back.",
            Self::Complained => "The customer reported a mail as spam.",
            Self::Manual => "Somebody of the team suppressed all mail to the customer.",
        }
    }
}

/// A suppressed address.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Suppression {
    /// The keyed hash of the address.
    pub identity: String,
    /// Why.
    pub reason: Cause,
    /// Since when.
    pub created_at: Timestamp,
}

impl Suppression {
    /// The beginning of its hash, enough to tell it from others.
    #[must_use]
    pub fn id(&self) -> &str {
        self.identity.get(..SHOWN).unwrap_or(&self.identity)
    }
}

/// The keyed hash of a mail address, the same by which a customer with this address is recognised.
#[must_use]
pub fn identity_of(keyring: &Keyring, email: &str) -> Option<String> {
    receive::identity(keyring, &Customer { email: Some(email.to_owned()), ..Customer::default() })
}
