//! The messages that leave, as an operator looks at them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::outbox::history::Listed;
use crate::survey::Channel;
use crate::webhook;

/// By which way a message leaves, as it is listed and asked for: `email`, `webhook`, or the name of a gateway.
#[must_use]
pub fn channel(listed: &Listed) -> String {
    match Channel::of_carrier(&listed.carrier) {
        Some(channel) => channel.to_string(),
        None if webhook::of_carrier(&listed.carrier).is_some() => Channel::Webhook.to_string(),
        None => listed.carrier.clone(),
    }
}

/// The carriers of a channel, as a pattern of words.
#[must_use]
pub fn carriers(channel: &Channel) -> String {
    match channel {
        // Announcements are handed over to endpoints, and are messages to them from then on.
        Channel::Webhook => "endpoint/%".to_owned(),
        _ => channel.carrier().into_owned(),
    }
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An invitation's first message.
    Invitation,
    /// Its reminder.
    Reminder,
    /// Its message once more.
    Resend,
    /// An event for a webhook.
    Event,
    /// A word to the operator.
    Notice,
}
