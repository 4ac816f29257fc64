//! The settings of those who tell of mail that came back.

use anyhow::bail;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// A password that a stranger cannot find by trying has so many characters.
const SHORTEST_PASSWORD: usize = 16;

/// Who tells of mail that came back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounces {
    /// The topics of SNS that are ours.
    pub sns_topics: Vec<String>,
    /// Where SNS may be emulated.
    pub sns_endpoint: String,
    /// The key that SendGrid's signatures fit, in base64.
    pub sendgrid_public_key: String,
    /// The key that Mailgun signs with.
    pub mailgun_signing_key: SecretString,
    /// What Postmark sends.
    pub postmark_password: SecretString,
}

impl Bounces {
    /// Names the setting that cannot be used.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if let Some(bad) = self.sns_topics.iter().find(|topic| !topic.starts_with("arn:")) {
            bail!("bounces.sns_topics: {bad:?} is no topic such as arn:aws:sns:eu-central-1:123456789012:bounces");
        }
        let endpoint = &self.sns_endpoint;
        if !(endpoint.is_empty() || endpoint.starts_with("https://") || endpoint.starts_with("http://")) {
            bail!("bounces.sns_endpoint: must begin with https:// or http://");
        }
        let password = self.postmark_password.expose_secret();
        if !password.is_empty() && password.chars().count() < SHORTEST_PASSWORD {
            bail!("bounces.postmark_password: must have at least {SHORTEST_PASSWORD} characters");
        }
        Ok(())
    }
}
