//! Outgoing HTTP: every request passes the guard, its host is resolved once, and it connects to what was checked.

use std::error::Error as _;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::guard::{Guard, Needs, Reach, Refused};
use crate::clock::Timestamp;

/// The longest answer that is read, in bytes.
pub const LONGEST_ANSWER: usize = 64 * 1024;
/// How long a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an unused connection is kept.
const IDLE_FOR: Duration = Duration::from_secs(30);
/// The longest wait that another server can ask for, in milliseconds: a day.
const LONGEST_WAIT_MS: i64 = 86_400_000;

/// What a test answers for a name.
type Script = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

/// Finds the addresses of a name.
#[derive(Clone)]
pub enum Lookup {
    /// As the machine does.
    System,
    /// As a test says.
    Scripted(Arc<Script>),
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Scripted(_) => "Scripted",
        })
    }
}

/// Sends requests to other servers: no proxy, no redirect, no cookies, no compression.
#[derive(Debug, Clone)]
pub struct Client {
    guard: Arc<Guard>,
    public: reqwest::Client,
    opened: reqwest::Client,
}

/// A client that cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("outgoing requests cannot be set up: {0}")]
pub struct NotSetUp(String);

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To read.
    Get,
    /// To do something.
    Post,
    /// To put something in its place.
    Put,
}

/// A request to another server.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// What it asks for.
    pub method: Method,
    /// Where it goes.
    pub url: &'a str,
    /// What the way there must be.
    pub needs: Needs,
    /// Header fields.
    pub headers: &'a [(&'a str, String)],
    /// The body, if it has one.
    pub body: Option<Vec<u8>>,
    /// How long it may take, if that is shorter than usual.
    pub within: Option<Duration>,
}

/// What another server answered, whatever the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Retry-After`, as it was sent.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// How long the server wants to be left in peace, in milliseconds, at most a day.
    #[must_use]
    pub fn retry_after_ms(&self, now: Timestamp) -> Option<i64> {
        let text = self.retry_after.as_deref()?.trim();
        let wait = match text.parse::<u32>() {
            Ok(seconds) => i64::from(seconds).saturating_mul(1000),
            Err(_) => Timestamp::parse_http(text)?.since(now),
        };
        Some(wait.clamp(0, LONGEST_WAIT_MS))
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// The guard did not let it leave.
    #[error("the address {0}")]
    Refused(Refused),
    /// It took too long.
    #[error("there was no answer in time")]
    TimedOut,
    /// The answer is longer than 64 KiB.
    #[error("the answer was longer than 64 KiB")]
    TooLarge,
    /// No connection, or one that broke.
    #[error("it could not be reached")]
    Unreachable,
}

impl Client {
    /// A client whose requests may take `within` each.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(guard: Guard, lookup: &Lookup, within: Duration) -> Result<Self, NotSetUp> {
        let guard = Arc::new(guard);
        let of = |reach| {
            let resolver = Resolver { guard: Arc::clone(&guard), lookup: lookup.clone(), reach };
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls()?)
                .dns_resolver(Arc::new(resolver))
                .redirect(Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .referer(false)
                .timeout(within)
                .connect_timeout(CONNECT_WITHIN)
                .pool_idle_timeout(IDLE_FOR)
                .user_agent(concat!("nabz/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| NotSetUp(error.to_string()))
        };
        Ok(Self { public: of(Reach::Public)?, opened: of(Reach::Opened)?, guard })
    }

    /// The rule that its requests obey.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When the guard refuses, or nothing that could be read came back in time.
    pub async fn send(&self, request: Request<'_>) -> Result<Answer, Failed> {
        let (url, reach) = self.guard.check(request.url, request.needs).map_err(Failed::Refused)?;
        let client = match reach {
            Reach::Public => &self.public,
            Reach::Opened => &self.opened,
        };
        let mut sent = match request.method {
            Method::Get => client.get(url),
            Method::Post => client.post(url),
            Method::Put => client.put(url),
        };
        if let Some(body) = request.body {
            sent = sent.body(body);
        }
        for (name, value) in request.headers {
            sent = sent.header(*name, value);
        }
        if let Some(within) = request.within {
            sent = sent.timeout(within);
        }
        let response = sent.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        Ok(Answer { status, retry_after, body: body(response).await? })
    }
}

async fn body(mut response: reqwest::Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(Failed::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What the caller is told; the cause is logged, because it may name an inner address. The URL is not: it may hold a secret.
fn failed(error: reqwest::Error) -> Failed {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<Refused>() {
            return Failed::Refused(*refused);
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        return Failed::TimedOut;
    }
    tracing::debug!(cause = ?error.without_url(), "a request to another server failed");
    Failed::Unreachable
}

fn tls() -> Result<ClientConfig, NotSetUp> {
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
    let versions = builder.with_safe_default_protocol_versions().map_err(|error| NotSetUp(error.to_string()))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

/// Resolves a name and hands on its addresses only where all of them may be reached: what is checked is what is connected to.
struct Resolver {
    guard: Arc<Guard>,
    lookup: Lookup,
    reach: Reach,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, lookup, reach) = (Arc::clone(&self.guard), self.lookup.clone(), self.reach);
        Box::pin(async move {
            let addresses: Vec<IpAddr> = match &lookup {
                Lookup::System => tokio::net::lookup_host((name.as_str(), 0)).await?.map(|address| address.ip()).collect(),
                Lookup::Scripted(answer) => answer(name.as_str()),
            };
            guard.admits_all(&addresses, reach)?;
            // The connector puts the port of the URL where it finds 0.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests;
