//! Whose address a request comes from: the peer's, unless the peer is a configured proxy.

use std::net::IpAddr;
use std::str::FromStr;

use actix_web::HttpRequest;

/// A range of addresses, `192.0.2.0/24` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    prefix: u8,
}

/// A range that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("expected an address or a range such as 10.0.0.0/8 or fd00::/8")]
pub struct NoRange;

impl FromStr for Range {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix.parse::<u8>().map_err(|_| NoRange)?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| NoRange)?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        if prefix > longest { Err(NoRange) } else { Ok(Self { base, prefix }) }
    }
}

impl Range {
    fn contains(self, address: IpAddr) -> bool {
        masked(self.base, self.prefix) == masked(address, self.prefix) && self.base.is_ipv4() == address.is_ipv4()
    }
}

/// The address with all but the first `prefix` bits cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let cleared = |bits: u32| u32::from(prefix).min(bits);
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(32 - cleared(32)).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(128 - cleared(128)).unwrap_or(0)).into()),
    }
}

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
    fn ranges_are_read_and_refused() {
        for good in ["0.0.0.0/0", "10.0.0.0/8", "::/0", "fd00::/8", "192.0.2.7"] {
            assert!(good.parse::<Range>().is_ok(), "{good}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/x"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
        assert!("0.0.0.0/0".parse::<Range>().unwrap().contains("203.0.113.9".parse().unwrap()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let key = |text: &str| limit_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("203.0.113.1"), key("203.0.113.2"));
    }
}
