//! Whose address a request comes from: the peer's, unless the peer is a configured proxy.

use std::net::IpAddr;

use actix_web::HttpRequest;

use crate::net::range::{Range, masked};

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<Range>);

impl Proxies {
    /// These ranges and no others.
    #[must_use]
    pub const fn new(ranges: Vec<Range>) -> Self {
        Self(ranges)
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// The client's address: `X-Forwarded-For` is read from the right, past trusted hops only, and only when the peer itself is trusted.
    #[must_use]
    pub fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        let forwarded = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
        Some(self.walk(peer, &hops))
    }

    fn walk(&self, peer: IpAddr, hops: &[&str]) -> IpAddr {
        let mut client = peer;
        for hop in hops.iter().rev() {
            if !self.trust(client) {
                break;
            }
            let Ok(address) = hop.parse::<IpAddr>() else { break };
            client = address.to_canonical();
        }
        client
    }
}

/// What a client is limited by: the whole IPv4 address, the first 64 bits of an IPv6 address.
#[must_use]
pub fn limit_key(client: IpAddr) -> IpAddr {
    masked(client, if client.is_ipv4() { 32 } else { 64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(trusted: &[&str], peer: &str, hops: &[&str]) -> String {
        let proxies = Proxies::new(trusted.iter().map(|range| range.parse().unwrap()).collect());
        proxies.walk(peer.parse().unwrap(), hops).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        assert_eq!(walk(&[], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(walk(&["10.0.0.0/8"], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn behind_trusted_hops_the_first_untrusted_one_is_the_client() {
        assert_eq!(walk(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6", "198.51.100.1", "10.1.2.3"]), "198.51.100.1");
        assert_eq!(walk(&["::1"], "::1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(walk(&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.1", "garbage"]), "10.0.0.1");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let key = |text: &str| limit_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("203.0.113.1"), key("203.0.113.2"));
    }
}
