//! The settings: the commented default file, then `nabz.toml`, then the environment.

mod bounces;
mod layers;
mod mail;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use toml::Table;

pub use self::bounces::Bounces;
use self::layers::{PREFIX, environment, not_toml, overlay, variable};
pub use self::mail::{Mail, MailPolicy, MailTransport};
use crate::net::domain;
use crate::net::range::Range;

/// The commented default configuration; it is what is in force where nothing else is said.
pub const DEFAULT: &str = include_str!("../../config.default.toml");
/// The file that is read when none is named and it exists.
const USUAL_FILE: &str = "nabz.toml";

/// Every setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the database, the secrets and the mails are kept.
    pub data_dir: PathBuf,
    /// The HTTP server.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// Keys and secrets.
    pub auth: Auth,
    /// Whom no survey asks.
    pub asking: Asking,
    /// Outgoing mail.
    pub mail: Mail,
    /// Who tells of mail that came back.
    pub bounces: Bounces,
    /// Rate limits.
    pub limits: Limits,
    /// Outgoing requests.
    pub webhooks: Webhooks,
    /// What help desks are asked.
    pub lookups: Lookups,
    /// Messages by gateways.
    pub gateways: Gateways,
    /// Logging.
    pub log: Log,
}

/// The HTTP server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The address the world knows, without a final slash; empty for `http://` and the address listened on.
    pub public_url: String,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Connections open at the same time.
    pub max_connections: usize,
    /// How long the head of a request may take to arrive, in milliseconds.
    pub head_timeout_ms: u64,
    /// How long a request may take to arrive and be answered, in milliseconds.
    pub request_timeout_ms: u64,
}

/// The database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite:FILE` or `postgres://…`; may hold a password.
    pub url: SecretString,
    /// Readers of SQLite, or all connections to PostgreSQL.
    pub max_connections: u32,
    /// Votes committed together at most.
    pub vote_batch: usize,
}

/// Keys and secrets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// An API key with every scope; empty for none.
    pub root_key: SecretString,
    /// The master secrets; empty to keep them in the data folder.
    pub master_secrets: SecretString,
}

/// Whom no survey asks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asking {
    /// The domains of our own people.
    pub own_domains: Vec<String>,
}

/// Requests a minute; 0 switches a limit off.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Votes from one client.
    pub votes_per_client_per_minute: u32,
    /// Votes through one link.
    pub votes_per_link_per_minute: u32,
    /// API requests with one key.
    pub api_per_key_per_minute: u32,
}

/// Outgoing requests.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Private ranges that may be reached.
    pub allow_private: Vec<String>,
    /// How long a request may take, in milliseconds.
    pub timeout_ms: u64,
    /// Milliseconds to wait after each failed attempt.
    pub retry_schedule_ms: Vec<i64>,
}

/// What help desks are asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookups {
    /// Milliseconds to wait after each failed attempt.
    pub retry_schedule_ms: Vec<i64>,
    /// Requests under way at the same time.
    pub at_once: usize,
}

/// Messages by gateways.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateways {
    /// Milliseconds to wait after each failed attempt.
    pub retry_schedule_ms: Vec<i64>,
    /// Messages under way at the same time through each.
    pub at_once: usize,
}

/// Logging.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// What is logged.
    pub filter: String,
    /// How it is written.
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// JSON lines.
    Json,
}

impl Config {
    /// Reads the settings in force: defaults, then `file` (or `nabz.toml` where there is one), then this process's environment.
    ///
    /// # Errors
    /// Names the file and the setting that is unknown or not valid, and what would be.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let usual = Path::new(USUAL_FILE);
        let file = file.or_else(|| usual.exists().then_some(usual));
        let text =
            file.map(|path| std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))).transpose()?;
        let place = file.map_or_else(|| USUAL_FILE.to_owned(), |path| path.display().to_string());
        Self::from_parts(text.as_deref().map(|text| (place.as_str(), text)), environment()?)
    }

    /// Reads the settings from the text of a file and variables of an environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_parts(file: Option<(&str, &str)>, environment: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<Self> {
        let defaults: Table = DEFAULT.parse().context("the default configuration")?;
        let mut settings = defaults.clone();
        if let Some((place, text)) = file {
            let table: Table = text.parse().map_err(|error| not_toml(place, text, &error))?;
            overlay(&mut settings, table, "").with_context(|| place.to_owned())?;
        }
        for (name, value) in environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            let table = variable(&defaults, &name, value).with_context(|| format!("environment variable {name}"))?;
            overlay(&mut settings, table, "").with_context(|| format!("environment variable {name}"))?;
        }
        let config: Self =
            serde_path_to_error::deserialize(settings).map_err(|error| anyhow!("{}: {}", error.path(), error.inner().message().trim()))?;
        config.check()?;
        Ok(config)
    }

    /// Where the database is.
    #[must_use]
    pub fn database_url(&self) -> String {
        match self.database.url.expose_secret() {
            "" => format!("sqlite:{}", self.data_dir.join("nabz.db").display()),
            url => url.to_owned(),
        }
    }

    /// The folder that the folder transport writes to.
    #[must_use]
    pub fn mail_dir(&self) -> PathBuf {
        self.data_dir.join("mail")
    }

    fn check(&self) -> anyhow::Result<()> {
        let within = |name: &str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) { Ok(()) } else { Err(anyhow!("{name}: must be from {low} to {high}, not {value}")) }
        };
        let root = self.auth.root_key.expose_secret();
        if !root.is_empty() && root.chars().count() < 32 {
            bail!("auth.root_key: must have at least 32 characters");
        }
        let url = &self.server.public_url;
        if !url.is_empty() && (!(url.starts_with("https://") || url.starts_with("http://")) || url.ends_with('/')) {
            bail!("server.public_url: must begin with https:// or http:// and end without a slash");
        }
        for (name, ranges) in
            [("server.trusted_proxies", &self.server.trusted_proxies), ("webhooks.allow_private", &self.webhooks.allow_private)]
        {
            for range in ranges {
                range.parse::<Range>().map_err(|error| anyhow!("{name}: {range:?}: {error}"))?;
            }
        }
        if let Some(bad) = self.asking.own_domains.iter().find(|domain| domain::normal(domain).is_none()) {
            bail!("asking.own_domains: {bad:?} is no domain such as acme.example");
        }
        for (name, schedule) in [
            ("mail.retry_schedule_ms", &self.mail.retry_schedule_ms),
            ("lookups.retry_schedule_ms", &self.lookups.retry_schedule_ms),
            ("gateways.retry_schedule_ms", &self.gateways.retry_schedule_ms),
            ("webhooks.retry_schedule_ms", &self.webhooks.retry_schedule_ms),
        ] {
            if schedule.iter().any(|wait| *wait < 0) {
                bail!("{name}: must not hold negative numbers");
            }
        }
        self.mail.check()?;
        self.bounces.check()?;
        within("webhooks.timeout_ms", self.webhooks.timeout_ms, 100, 60_000)?;
        within("gateways.at_once", u64::try_from(self.gateways.at_once)?, 1, 100)?;
        within("lookups.at_once", u64::try_from(self.lookups.at_once)?, 1, 100)?;
        within("database.max_connections", self.database.max_connections.into(), 1, 500)?;
        within("database.vote_batch", u64::try_from(self.database.vote_batch)?, 1, 4096)?;
        within("mail.max_connections", u64::try_from(self.mail.max_connections)?, 1, 100)?;
        within("server.head_timeout_ms", self.server.head_timeout_ms, 1000, 600_000)?;
        within("server.request_timeout_ms", self.server.request_timeout_ms, 100, 600_000)?;
        within("server.max_connections", u64::try_from(self.server.max_connections)?, 1, 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> anyhow::Result<Config> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_parts(Some(("nabz.toml", file)), environment)
    }

    fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
        format!("{:#}", load(file, environment).unwrap_err())
    }

    #[test]
    fn the_default_file_is_a_configuration_that_works() {
        let config = Config::from_parts(None, []).unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.database_url(), "sqlite:data/nabz.db");
        assert_eq!(config.limits.votes_per_client_per_minute, 300);
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let file = "data_dir = \"a\"\n[server]\nlisten = \"127.0.0.1:1\"\n";
        let config =
            load(file, &[("NABZ__SERVER__LISTEN", "127.0.0.1:2"), ("NABZ__MAIL__RETRY_SCHEDULE_MS", "[1, 2]"), ("PATH", "/bin")]).unwrap();
        assert_eq!(config.data_dir, Path::new("a"));
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!(config.mail.retry_schedule_ms, [1, 2]);
        assert_eq!(load(file, &[("NABZ__DATA_DIR", "b")]).unwrap().data_dir, Path::new("b"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        assert_eq!(refusal("[server]\nlisen = \"x\"", &[]), "nabz.toml: unknown setting `server.lisen`; did you mean `listen`?");
        assert_eq!(
            refusal("", &[("NABZ__MAIL__SMTP_ULR", "x")]),
            "environment variable NABZ__MAIL__SMTP_ULR: unknown setting `mail.smtp_ulr`; did you mean `smtp_url`?"
        );
        assert!(refusal("[sever]\nlisten = \"x\"", &[]).contains("did you mean `server`?"));
    }

    #[test]
    fn a_value_that_is_not_valid_is_named() {
        for (file, part) in [
            ("[server]\nlisten = \"nowhere\"", "server.listen"),
            ("[mail]\ntransport = \"pigeon\"", "mail.transport"),
            ("[mail]\ntransport = \"smtp\"", "mail.smtp_url"),
            ("[mail]\nbounce_domain = \"bounce@acme.example\"", "mail.bounce_domain"),
            ("[mail]\npolicy = \"twice\"", "mail.policy"),
            ("[mail]\nper_minute = -1", "mail.per_minute"),
            ("[mail.per_domain_per_minute]\n\"@gmail.com\" = 1", "mail.per_domain_per_minute"),
            ("[mail.per_domain_per_minute]\n\"gmail.com\" = \"many\"", "mail.per_domain_per_minute"),
            ("mail.per_domain_per_minute = 3", "mail.per_domain_per_minute"),
            ("[auth]\nroot_key = \"short\"", "at least 32 characters"),
            ("[server]\npublic_url = \"acme.example\"", "server.public_url"),
            ("[server]\ntrusted_proxies = [\"10.0.0.0/99\"]", "server.trusted_proxies"),
            ("[database]\nvote_batch = 0", "database.vote_batch"),
            ("[limits]\napi_per_key_per_minute = -1", "limits.api_per_key_per_minute"),
            ("data_dir = ", "not valid TOML"),
            ("[server]\nrequest_timeout_ms = 1", "server.request_timeout_ms"),
            ("[asking]\nown_domains = [\"@acme.example\"]", "asking.own_domains"),
            ("[webhooks]\ntimeout_ms = 1", "webhooks.timeout_ms"),
            ("[webhooks]\nallow_private = [\"10.0.0.0/33\"]", "webhooks.allow_private"),
            ("[lookups]\nretry_schedule_ms = [1, -1]", "lookups.retry_schedule_ms"),
            ("[webhooks]\nretry_schedule_ms = [-1]", "webhooks.retry_schedule_ms"),
            ("[lookups]\nat_once = 0", "lookups.at_once"),
            ("[bounces]\nsns_topics = [\"bounces\"]", "bounces.sns_topics"),
            ("[bounces]\nsns_endpoint = \"localhost\"", "bounces.sns_endpoint"),
            ("[bounces]\npostmark_password = \"short\"", "bounces.postmark_password"),
            ("[gateways]\nretry_schedule_ms = [-1]", "gateways.retry_schedule_ms"),
            ("[gateways]\nat_once = 101", "gateways.at_once"),
        ] {
            let text = refusal(file, &[]);
            assert!(text.contains(part), "{file}: {text}");
        }
        assert!(refusal("", &[("NABZ__DATABASE__MAX_CONNECTIONS", "many")]).contains("whole number"));
        assert!(refusal("", &[("NABZ__SERVER__TRUSTED_PROXIES", "10.0.0.1")]).contains("JSON array"));
    }

    #[test]
    fn domains_have_limits_of_their_own_from_the_file_or_from_the_environment() {
        let file = "[mail.per_domain_per_minute]\n\"gmail.com\" = 60\n\"gmx.de\" = 30\n";
        let limits = load(file, &[]).unwrap().mail.per_domain_per_minute;
        assert_eq!(limits.into_iter().collect::<Vec<_>>(), [("gmail.com".to_owned(), 60), ("gmx.de".to_owned(), 30)]);
        let limits = load(file, &[("NABZ__MAIL__PER_DOMAIN_PER_MINUTE", "{\"gmail.com\": 5}")]).unwrap().mail.per_domain_per_minute;
        assert_eq!(limits.into_iter().collect::<Vec<_>>(), [("gmail.com".to_owned(), 5)], "a variable replaces all of them");
        assert!(refusal("", &[("NABZ__MAIL__PER_DOMAIN_PER_MINUTE", "gmail.com=5")]).contains("must be a JSON object"));
    }

    #[test]
    fn a_line_that_is_no_toml_is_named_and_not_shown() {
        let text = refusal("data_dir = \"a\"\n[auth]\nroot_key = \"planted-secret\n", &[]);
        assert!(text.starts_with("nabz.toml is not valid TOML at line 3: "), "{text}");
        assert!(!text.contains("planted-secret") && !text.contains('\n'), "{text}");
    }

    #[test]
    fn a_secret_can_come_from_a_file_and_is_not_printed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
        let config = load("", &[("NABZ__AUTH__ROOT_KEY_FILE", file.to_str().unwrap())]).unwrap();
        assert_eq!(config.auth.root_key.expose_secret(), "0123456789abcdef0123456789abcdef");
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
        assert!(refusal("", &[("NABZ__AUTH__ROOT_KEY_FILE", "/nowhere/key")]).contains("cannot be read"));
    }
}
