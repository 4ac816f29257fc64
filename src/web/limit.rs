//! How often a client, a link or a key may come. Public reading is never limited.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use uuid::Uuid;

use super::address::limit_key;
use super::problem::Problem;

/// Requests a minute; 0 switches a limit off.
#[derive(Debug, Clone, Copy)]
pub struct PerMinute {
    /// Votes from one client (IPv4 address, or first 64 bits of an IPv6 address).
    pub votes_per_client: u32,
    /// Votes through one link.
    pub votes_per_link: u32,
    /// API requests with one key.
    pub api_per_key: u32,
}

/// The limits in force. They are counted in this process: behind several nodes, divide them.
#[derive(Debug)]
pub struct Limits {
    clients: Limit<IpAddr>,
    links: Limit<Uuid>,
    keys: Limit<Uuid>,
}

impl Limits {
    /// Limits of this many requests a minute.
    #[must_use]
    pub fn new(per_minute: PerMinute) -> Self {
        Self {
            clients: Limit::per_minute(per_minute.votes_per_client),
            links: Limit::per_minute(per_minute.votes_per_link),
            keys: Limit::per_minute(per_minute.api_per_key),
        }
    }

    /// Counts a vote of a client through a link.
    ///
    /// # Errors
    /// 429 with the seconds to wait when either has come too often.
    pub fn vote(&self, client: Option<IpAddr>, invitation: Uuid) -> Result<(), Problem> {
        if let Some(client) = client {
            self.clients.check(&limit_key(client))?;
        }
        self.links.check(&invitation)
    }

    /// Counts an API request with a key.
    ///
    /// # Errors
    /// 429 with the seconds to wait when the key has come too often.
    pub fn api(&self, key: Uuid) -> Result<(), Problem> {
        self.keys.check(&key)
    }

    /// Forgets who has not come for a while; called now and then, since the lists grow for ever otherwise.
    pub fn forget_idle(&self) {
        self.clients.forget_idle();
        self.links.forget_idle();
        self.keys.forget_idle();
    }
}

struct Limit<K: Hash + Eq + Clone>(Option<DefaultKeyedRateLimiter<K>>);

impl<K: Hash + Eq + Clone> Limit<K> {
    fn per_minute(requests: u32) -> Self {
        Self(NonZeroU32::new(requests).map(|requests| RateLimiter::keyed(Quota::per_minute(requests))))
    }

    fn check(&self, key: &K) -> Result<(), Problem> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check_key(key).map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            Problem::too_many(wait.as_secs().saturating_add(1))
        })
    }

    fn forget_idle(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

impl<K: Hash + Eq + Clone> std::fmt::Debug for Limit<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Limit(on: {})", self.0.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_lets_through_what_it_says_and_names_the_wait() {
        let limits = Limits::new(PerMinute { votes_per_client: 0, votes_per_link: 2, api_per_key: 1 });
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(limits.vote(None, one).is_ok());
        assert!(limits.vote(None, one).is_ok());
        let problem = limits.vote(None, one).unwrap_err();
        assert!((1..=60).contains(&problem.retry_after_s().unwrap()));
        assert!(limits.vote(None, other).is_ok());
    }

    #[test]
    fn zero_is_no_limit() {
        let limits = Limits::new(PerMinute { votes_per_client: 0, votes_per_link: 0, api_per_key: 0 });
        for _ in 0..1000 {
            assert!(limits.vote("203.0.113.1".parse().ok(), Uuid::nil()).is_ok());
        }
    }
}
