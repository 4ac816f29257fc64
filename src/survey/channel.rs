//! The ways an invitation leaves by.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::db::text_enum;
use crate::web::fields::is_slug;

/// What the carrier of a gateway's messages is called, before its name.
const GATEWAY: &str = "gateway/";

/// A channel that an invitation leaves by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Channel {
    /// A mail to the customer's address.
    Email,
    /// An event to the caller's own system, which sends the link.
    Webhook,
    /// The gateway of this name.
    Gateway(String),
}

text_enum! {
    /// Which of the channels of a survey a customer is asked by.
    pub enum DeliverMode {
        /// The first whose address the customer has.
        First = "first",
        /// Every one whose address the customer has.
        All = "all",
    }
}

/// A word that names no channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be email, webhook or the name of a gateway")]
pub struct UnknownChannel;

impl Channel {
    /// The word of its messages in the outbox.
    #[must_use]
    pub fn carrier(&self) -> Cow<'static, str> {
        match self {
            Self::Email => Cow::Borrowed("mail"),
            Self::Webhook => Cow::Borrowed("announcement"),
            Self::Gateway(name) => Cow::Owned(format!("{GATEWAY}{name}")),
        }
    }

    /// The channel whose messages bear this word.
    #[must_use]
    pub fn of_carrier(carrier: &str) -> Option<Self> {
        match carrier {
            "mail" => Some(Self::Email),
            "announcement" => Some(Self::Webhook),
            _ => carrier.strip_prefix(GATEWAY).map(|name| Self::Gateway(name.to_owned())),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
            Self::Gateway(name) => name,
        })
    }
}

impl FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "email" => Ok(Self::Email),
            "webhook" => Ok(Self::Webhook),
            name if is_slug(name) => Ok(Self::Gateway(name.to_owned())),
            _ => Err(UnknownChannel),
        }
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.to_string()
    }
}

impl TryFrom<String> for Channel {
    type Error = UnknownChannel;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_found_again_by_its_word_and_by_that_of_its_messages() {
        for word in ["email", "webhook", "sms", "whats-app-2"] {
            let channel: Channel = word.parse().unwrap();
            assert_eq!(channel.to_string(), word);
            assert_eq!(Channel::of_carrier(&channel.carrier()), Some(channel));
        }
        for word in ["", "Email", "sms/1", "s m s"] {
            assert_eq!(word.parse::<Channel>(), Err(UnknownChannel));
        }
        assert_eq!(Channel::of_carrier("lookup"), None);
    }
}
