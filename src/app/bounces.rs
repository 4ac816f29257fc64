//! Reports of mail that came back: how they are believed, by the settings, and `nabz bounce`, which takes one from stdin.

use std::io::Read as _;
use std::sync::Arc;

use anyhow::Context as _;

use super::{Parts, data};
use crate::config::Config;
use crate::delivery::bounce::effect::{Outcome, Told};
use crate::delivery::bounce::provider::sendgrid::PublicKey;
use crate::delivery::bounce::provider::{Providers, Settings};
use crate::delivery::bounce::{Handled, Returns};
use crate::link::Links;
use crate::web::Context;

/// What is read of a message, in bytes: a report comes first in it, the message that came back last.
const READ_AT_MOST: u64 = 1024 * 1024;

/// How providers are believed.
///
/// # Errors
/// Names the setting that cannot be used.
pub fn settings(config: &Config) -> anyhow::Result<Settings> {
    let bounces = &config.bounces;
    let key = Some(bounces.sendgrid_public_key.trim()).filter(|key| !key.is_empty());
    let unreadable = "bounces.sendgrid_public_key: expected the verification key as SendGrid shows it, in base64";
    Ok(Settings {
        sns_topics: bounces.sns_topics.clone(),
        sns_endpoint: bounces.sns_endpoint.clone(),
        sendgrid_public_key: key.map(|key| PublicKey::parse(key).context(unreadable)).transpose()?,
        mailgun_signing_key: bounces.mailgun_signing_key.clone(),
        postmark_password: bounces.postmark_password.clone(),
    })
}

/// Whoever takes reports in.
///
/// # Errors
/// As [`settings`].
pub fn returns(config: &Config, context: &Arc<Context>, links: &Links) -> anyhow::Result<Returns> {
    Ok(Returns { context: Arc::clone(context), links: links.clone(), providers: Providers::new(settings(config)?) })
}

/// How taking a report in ended.
#[derive(Debug)]
pub enum Ended {
    /// It was taken in; what to tell.
    Done(String),
    /// It changes nothing; why.
    Refused(String),
}

/// Takes in the message on stdin.
///
/// # Errors
/// When it cannot be stored right now.
pub async fn take_stdin(config: &Config, parts: &Parts) -> anyhow::Result<Ended> {
    let mut message = Vec::new();
    std::io::stdin().lock().take(READ_AT_MOST).read_to_end(&mut message).context("stdin cannot be read")?;
    let keyring = data::open_keyring(config, &parts.random)?;
    let db = data::open_database(config, parts).await?;
    let context = Arc::new(super::context(config, parts, (db, keyring, config.server.listen))?);
    let handled = returns(config, &context, &Links::new(&context.keyring))?.handle(&message).await;
    context.db.close().await;
    Ok(match handled.context("the report cannot be stored")? {
        Handled::Taken(told) => Ended::Done(line(&told)),
        Handled::Ignored(why) => Ended::Done(format!("ignored: {why}")),
        Handled::Refused(why) => Ended::Refused(why.to_string()),
    })
}

/// What was done, in one line.
fn line(told: &Told) -> String {
    let Told { outcome, kind, status, invitation } = told;
    let status = status.map(|status| format!(" {status}")).unwrap_or_default();
    let about = invitation.map(|id| format!(", invitation {id}")).unwrap_or_default();
    let done = match outcome {
        Outcome::Suppressed => "no message reaches the address any more",
        Outcome::Counted => "counted; after three different messages the address is suppressed",
        Outcome::Noted => "noted with the invitation",
        Outcome::Alarmed => "this is about our mail, not about the address: check SPF, DKIM, DMARC and the relay's reputation",
        Outcome::Duplicate => "it was told before, and changes nothing",
        Outcome::Ignored => "it is about nobody who is known here",
    };
    format!("{kind}{status}{about}: {done}")
}
