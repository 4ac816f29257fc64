//! What mail providers tell by webhook: who told it, and what it says, in one form.

pub mod mailgun;
pub mod postmark;
pub mod sendgrid;
pub mod ses;
pub mod sns;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use secrecy::SecretString;
use serde_json::Value;

use self::sendgrid::PublicKey;
use super::status::{self, Status};
use super::{Kind, Said};
use crate::clock::Timestamp;
use crate::db::text_enum;

/// Providers try again for hours, and none of them says whether it signs anew: what was signed within this time is believed, in seconds. Told
/// twice, the same news counts once, so nothing is gained by repeating it.
const SIGNED_WITHIN_S: i64 = 24 * 60 * 60;
/// How far the clock of a provider may be ahead of ours, in seconds.
const AHEAD_S: i64 = 300;

text_enum! {
    /// A mail provider that reports by webhook.
    pub enum Provider {
        /// Amazon SES, through a topic of SNS.
        Ses = "ses",
        /// SendGrid's event webhook.
        Sendgrid = "sendgrid",
        /// Mailgun's webhooks.
        Mailgun = "mailgun",
        /// Postmark's bounce and spam complaint webhooks.
        Postmark = "postmark",
    }
}

/// What the settings say of providers.
#[derive(Debug, Default)]
pub struct Settings {
    /// The topics of SNS that are ours, by ARN.
    pub sns_topics: Vec<String>,
    /// An address in front of which SNS may be emulated; empty for none.
    pub sns_endpoint: String,
    /// The key that SendGrid's signatures fit.
    pub sendgrid_public_key: Option<PublicKey>,
    /// The key that Mailgun signs with.
    pub mailgun_signing_key: SecretString,
    /// What Postmark sends as password.
    pub postmark_password: SecretString,
}

/// How providers are believed.
#[derive(Debug, Default)]
pub struct Providers {
    /// The settings.
    pub settings: Settings,
    /// Tokens of signatures that were used, with when.
    used: Mutex<HashMap<String, Timestamp>>,
}

impl Providers {
    /// As these settings say.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, used: Mutex::default() }
    }

    /// Whether a token was used before.
    #[must_use]
    pub fn is_used(&self, token: &str) -> bool {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).contains_key(token)
    }

    /// Notes that a token was used, for as long as it could be used again.
    pub fn note_used(&self, token: String, now: Timestamp) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, at| now.as_seconds() - at.as_seconds() <= SIGNED_WITHIN_S + AHEAD_S);
        used.insert(token, now);
    }
}

/// Why a provider's message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Nothing to check it with.
    #[error("the setting {0} is empty: without it nothing tells who sent this")]
    NotSetUp(&'static str),
    /// A part of the signature is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// It was signed too long ago, or in the future.
    #[error("the timestamp of the signature is more than a day old, from the future, or no timestamp")]
    Stale,
    /// A topic that is not ours.
    #[error("its topic is not in bounces.sns_topics")]
    Topic,
    /// A certificate or a confirmation elsewhere.
    #[error("{0} must be an https address on sns.REGION.amazonaws.com")]
    Elsewhere(&'static str),
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Wrong,
}

/// A request of a provider.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The value of a header, by its name in lower case.
    pub headers: &'a dyn Fn(&str) -> Option<&'a str>,
    /// What stands behind the address.
    pub behind: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
    /// The instant now.
    pub now: Timestamp,
}

/// One thing that a provider tells of one message to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// What it means.
    pub said: Said,
    /// What names the message at the provider.
    pub id: String,
    /// Whom it went to.
    pub recipient: Option<String>,
    /// Envelope senders, which may carry our mark.
    pub senders: Vec<String>,
    /// Message-IDs, which may be ours.
    pub message_ids: Vec<String>,
}

impl News {
    /// News of a recipient.
    fn of(kind: Kind, (status, reply): (Option<Status>, &str), id: String, recipient: Option<&str>) -> Self {
        let domain = recipient.and_then(|address| address.rsplit_once('@')).map(|(_, domain)| domain.to_lowercase());
        let said = Said { kind, status, reply: reply.to_owned(), domain };
        Self { said, id, recipient: recipient.map(ToOwned::to_owned), senders: Vec::new(), message_ids: Vec::new() }
    }
}

/// Whether a signature of this instant is still believed.
fn fresh(signed_s: i64, now: Timestamp) -> Result<(), Doubt> {
    let age_s = now.as_seconds().saturating_sub(signed_s);
    if (-AHEAD_S..=SIGNED_WITHIN_S).contains(&age_s) { Ok(()) } else { Err(Doubt::Stale) }
}

/// The text at a place, unless it is empty.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A text or a number at a place, as text.
fn word(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The members of a list at a place; nothing where there is none.
fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// The code and the kind of a failure, by a status that is told and by what the server replied.
fn judged(told: Option<&str>, reply: &str) -> (Option<Status>, Kind) {
    let status = status::told(told.and_then(Status::parse), reply);
    (status, status::classify(status, reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_believed_for_a_day() {
        let now = Timestamp::from_millis(10_000_000_000);
        for (signed_s, result) in [
            (10_000_000, Ok(())),
            (10_000_300, Ok(())),
            (10_000_301, Err(Doubt::Stale)),
            (9_913_600, Ok(())),
            (9_913_599, Err(Doubt::Stale)),
        ] {
            assert_eq!(fresh(signed_s, now), result, "{signed_s}");
        }
        assert_eq!(fresh(i64::MIN, now), Err(Doubt::Stale));
    }

    #[test]
    fn a_token_is_remembered_as_long_as_its_signature_is_believed() {
        let providers = Providers::default();
        let now = Timestamp::from_millis(0);
        providers.note_used("a".to_owned(), now);
        providers.note_used("b".to_owned(), now.plus_days(1));
        assert!(providers.is_used("a") && providers.is_used("b") && !providers.is_used("c"));
        providers.note_used("c".to_owned(), now.plus_days(1).plus_millis(301_000));
        assert!(!providers.is_used("a") && providers.is_used("b"));
    }
}
