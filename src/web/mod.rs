//! What every handler shares: the request's context, problems, authentication, limits and pages.

pub mod address;
pub mod auth;
pub mod body;
pub mod color;
pub mod docs;
pub mod fields;
pub mod gzip;
pub mod layout;
pub mod limit;
pub mod list;
pub mod locale;
pub mod metrics;
pub mod operations;
pub mod problem;
pub mod request;
pub mod start;
pub mod still;
pub mod store;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::clock::Clock;
use crate::db::Db;
use crate::keyring::Keyring;
use crate::net::client::Client;
use crate::net::documents::Documents;
use crate::random::Random;

pub use problem::Problem;

use self::address::Proxies;
use self::limit::Limits;
use self::metrics::Metrics;

/// What handlers of every stage work with.
#[derive(Debug)]
pub struct Context {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// The master secrets.
    pub keyring: Keyring,
    /// Outgoing requests.
    pub http: Client,
    /// Documents of other servers, kept in memory.
    pub documents: Documents,
    /// Counters for `/metrics`.
    pub metrics: Metrics,
    /// Rate limits.
    pub limits: Limits,
    /// Hops whose `X-Forwarded-For` is believed.
    pub proxies: Proxies,
    /// The address customers and help desks reach this service at, without a final slash.
    pub public_url: String,
    /// An API key with every scope, from the configuration.
    pub root_key: Option<SecretString>,
    /// The domains of our own people, whom no survey asks, in their normal form.
    pub own_domains: Vec<String>,
    /// How this program was started: the first word of its command line.
    pub program: String,
    /// What the start page tells of outgoing mail.
    pub mail_goes_to: String,
    /// The folder that mail goes to; `None` where it goes to a server.
    pub mail_folder: Option<PathBuf>,
    /// How long a request may take to arrive and be answered.
    pub request_timeout: Duration,
}
