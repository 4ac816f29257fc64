//! The data folder: the secrets, and the database that is usually in it.

use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use secrecy::ExposeSecret;

use super::Parts;
use crate::config::Config;
use crate::db::Db;
use crate::db::open::Settings;
use crate::keyring::Keyring;
use crate::random::Random;

/// The file in the data folder that holds the master secrets.
const SECRETS: &str = "secrets";

/// Opens the database of these settings and brings it up to date.
///
/// # Errors
/// One line that says what cannot be reached or written, and what to do.
pub async fn open_database(config: &Config, parts: &Parts) -> anyhow::Result<Db> {
    create_private(&config.data_dir)?;
    Db::open(&database(config), parts.random.uuid(parts.clock.now())).await
}

/// The database of these settings.
fn database(config: &Config) -> Settings {
    Settings { url: config.database_url(), max_connections: config.database.max_connections }
}

/// The master secrets of the settings, or of the data folder, where they are created at the first start.
///
/// # Errors
/// When they cannot be read or written.
pub fn open_keyring(config: &Config, random: &Random) -> anyhow::Result<Keyring> {
    let configured = config.auth.master_secrets.expose_secret();
    if !configured.is_empty() {
        return Keyring::parse(configured).context("auth.master_secrets");
    }
    create_private(&config.data_dir)?;
    let path = config.data_dir.join(SECRETS);
    let read = || match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| format!("the secrets in {} cannot be read; check the owner", path.display())),
    };
    let mut text = read()?;
    // A first start that was cut off may have left an empty file.
    if text.trim().is_empty() {
        add_secret(&path, random, Wanted::First)?;
        text = read()?;
    }
    Keyring::parse(&text).with_context(|| format!("the secrets in {}", path.display()))
}

/// Adds a secret to those in the data folder; the newest signs, the older ones stay in force.
///
/// # Errors
/// When the secrets are configured elsewhere, or the file cannot be written.
pub fn rotate_secrets(config: &Config, random: &Random) -> anyhow::Result<()> {
    if !config.auth.master_secrets.expose_secret().is_empty() {
        return Err(anyhow!("the secrets come from auth.master_secrets: add a line there"));
    }
    create_private(&config.data_dir)?;
    add_secret(&config.data_dir.join(SECRETS), random, Wanted::Another)
}

/// Which secret to add.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The first one, unless somebody was quicker.
    First,
    /// One more.
    Another,
}

fn add_secret(path: &Path, random: &Random, wanted: Wanted) -> anyhow::Result<()> {
    let explain = || format!("the secrets in {} cannot be written; check the folder's owner", path.display());
    let mut options = std::fs::OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(explain)?;
    // Two programs that start at the same time must not both add one.
    file.lock().with_context(explain)?;
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(explain)?;
    if !text.trim().is_empty() {
        Keyring::parse(&text).with_context(|| format!("the secrets in {}", path.display()))?;
        if wanted == Wanted::First {
            return Ok(());
        }
    }
    let line = Keyring::next_line(&text, random).ok_or_else(|| anyhow!("all 255 numbers of secrets are taken"))?;
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    file.write_all(format!("{gap}{line}").as_bytes()).with_context(explain)?;
    file.sync_all().with_context(explain)?;
    // A new file lasts only once its folder is on disk.
    let folder = path.parent().unwrap_or(path);
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(explain)
}

/// Creates a folder that only its owner can look into.
fn create_private(path: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .with_context(|| format!("the folder {} cannot be created; choose another data_dir or check its owner", path.display()))
}
