//! The settings of outgoing mail.

use std::collections::BTreeMap;

use anyhow::bail;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::net::domain;

/// Outgoing mail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// How mail leaves.
    pub transport: MailTransport,
    /// The mail server; may hold a password.
    pub smtp_url: SecretString,
    /// The sender, as a mailbox.
    pub from: String,
    /// Where answers go; empty for the sender.
    pub reply_to: String,
    /// Who is told what an operator should know; empty for nobody.
    pub admin: String,
    /// The domain that reports about messages go to, each at an address of its own; empty for the sender.
    pub bounce_domain: String,
    /// Connections to the mail server at the same time.
    pub max_connections: usize,
    /// Messages a minute; 0 switches the limit off.
    pub per_minute: u32,
    /// Messages a minute to a domain and those below it; 0 switches the limit off.
    pub per_domain_per_minute: BTreeMap<String, u32>,
    /// What follows an attempt that may have been accepted.
    pub policy: MailPolicy,
    /// Milliseconds to wait after each failed attempt.
    pub retry_schedule_ms: Vec<i64>,
    /// Where the public half of the key is: `SELECTOR._domainkey.DOMAIN`.
    pub dkim_selector: String,
    /// The domain that signs; empty for the sender's.
    pub dkim_domain: String,
    /// The private key that signs, as PEM; empty for none.
    pub dkim_key: SecretString,
}

/// How mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTransport {
    /// Files in `DATA_DIR/mail`.
    Folder,
    /// A mail server.
    Smtp,
}

/// What follows an attempt that may have been accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailPolicy {
    /// It is tried again, as the same message.
    AtLeastOnce,
    /// It is given up.
    AtMostOnce,
}

impl Mail {
    /// Names the setting that cannot be used.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.transport == MailTransport::Smtp && self.smtp_url.expose_secret().is_empty() {
            bail!("mail.smtp_url: is needed with mail.transport = \"smtp\"");
        }
        if !self.bounce_domain.is_empty() && domain::normal(&self.bounce_domain).is_none() {
            bail!("mail.bounce_domain: {:?} is no domain such as bounce.acme.example", self.bounce_domain);
        }
        if let Some(bad) = self.per_domain_per_minute.keys().find(|name| domain::normal(name).is_none()) {
            bail!("mail.per_domain_per_minute: {bad:?} is no domain such as acme.example");
        }
        if !self.dkim_key.expose_secret().is_empty() && domain::normal(&self.dkim_selector).is_none() {
            bail!("mail.dkim_selector: {:?} is no selector such as nabz; mail.dkim_key needs one", self.dkim_selector);
        }
        if !self.dkim_domain.is_empty() && domain::normal(&self.dkim_domain).is_none() {
            bail!("mail.dkim_domain: {:?} is no domain such as acme.example", self.dkim_domain);
        }
        Ok(())
    }
}
