//! Whether the service can start with these settings, as far as that can be told without opening anything.

use anyhow::Context as _;
use secrecy::ExposeSecret;

use super::{data, process, senders, transport};
use crate::config::Config;
use crate::db::open;
use crate::keyring::Keyring;

/// Reads what the settings hold as the service would.
///
/// # Errors
/// Names the setting that cannot be used.
pub fn check(config: &Config) -> anyhow::Result<()> {
    open::place(&data::database(config))?;
    let secrets = config.auth.master_secrets.expose_secret();
    if !secrets.is_empty() {
        Keyring::parse(secrets).context("auth.master_secrets")?;
    }
    senders(config)?;
    transport(config)?;
    process::log_filter(config)?;
    Ok(())
}
