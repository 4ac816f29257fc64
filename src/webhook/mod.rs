//! Who is told what happens: the endpoints of other systems, and events on their way to them (Standard Webhooks 1.0.0).

pub mod describe;
pub mod endpoints;
pub mod event;
pub mod http;
pub mod signature;
pub mod store;
pub mod tell;
pub mod worker;

use std::borrow::Cow;

use crate::clock::Timestamp;
use crate::db::{id, text_enum};
use crate::survey::SurveyId;

pub use event::{EVENT, EventId, EventKind, Happened};

/// Endpoints at most: everything that happens is written down for each of them.
pub const MOST: usize = 100;
/// What the keyring seals the secret of an endpoint for.
pub const SECRET_PURPOSE: &str = "webhook secret";
/// What the carrier of an endpoint's messages is called, before its id.
const ENDPOINT: &str = "endpoint/";
id! {
    /// The id of an endpoint.
    WebhookId
}

text_enum! {
    /// Whether an endpoint is told.
    pub enum State {
        /// It is.
        Enabled = "enabled",
        /// It is not: what happens is kept for it as failed.
        Disabled = "disabled",
    }
}

/// An endpoint of another system.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where it is.
    pub url: String,
    /// What it is told of.
    pub events: Vec<EventKind>,
    /// The only survey that it is told of, if it is not all.
    pub survey_id: Option<SurveyId>,
    /// The secret that signs, sealed.
    pub sealed_secret: Vec<u8>,
    /// The secret before it, sealed, and until when it signs too.
    pub sealed_old: Option<(Vec<u8>, Timestamp)>,
    /// Whether it is told.
    pub state: State,
    /// Why it is not.
    pub disabled_reason: Option<String>,
    /// Since when every attempt has failed, if the last one has.
    pub failing_since: Option<Timestamp>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last altered.
    pub updated_at: Timestamp,
}

impl Webhook {
    /// Whether it is told of such an event, as far as it is told of anything.
    #[must_use]
    pub fn wants(&self, kind: EventKind, survey: SurveyId) -> bool {
        self.events.contains(&kind) && self.survey_id.is_none_or(|only| only == survey)
    }

    /// The word of its messages in the outbox.
    #[must_use]
    pub fn carrier(&self) -> Cow<'static, str> {
        carrier(self.id)
    }
}

/// The word of an endpoint's messages in the outbox.
#[must_use]
pub fn carrier(id: WebhookId) -> Cow<'static, str> {
    Cow::Owned(format!("{ENDPOINT}{id}"))
}

/// The endpoint whose messages bear this word in the outbox.
#[must_use]
pub fn of_carrier(carrier: &str) -> Option<WebhookId> {
    carrier.strip_prefix(ENDPOINT)?.parse().ok().map(WebhookId)
}
