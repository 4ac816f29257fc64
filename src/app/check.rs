//! Whether the service can start with these settings, as far as that can be told without opening anything.

use anyhow::{Context as _, bail};
use secrecy::ExposeSecret;

use super::carriers::senders;
use super::{bounces, process, transport};
use crate::config::Config;
use crate::db::{Engine, open};
use crate::keyring::Keyring;

/// One listens for changes, one writes votes, one reads what that needs.
const POSTGRES_AT_LEAST: u32 = 3;

/// Reads what the settings hold as the service would.
///
/// # Errors
/// Names the setting that cannot be used.
pub fn check(config: &Config) -> anyhow::Result<()> {
    let place = open::place(&config.database_url())?;
    if matches!(place, Engine::Postgres(_)) && config.database.max_connections < POSTGRES_AT_LEAST {
        bail!("database.max_connections: must be at least {POSTGRES_AT_LEAST} with PostgreSQL: one of them listens for changes");
    }
    let secrets = config.auth.master_secrets.expose_secret();
    if !secrets.is_empty() {
        Keyring::parse(secrets).context("auth.master_secrets")?;
    }
    senders(config)?;
    bounces::settings(config)?;
    transport(config)?;
    process::log_filter(config)?;
    Ok(())
}
