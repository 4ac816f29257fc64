//! Ranges of addresses, as an operator writes them. Pure.

use std::net::IpAddr;
use std::str::FromStr;

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
    /// The range of the first `prefix` bits of an address; more bits than it has are all of them.
    #[must_use]
    pub const fn new(base: IpAddr, prefix: u8) -> Self {
        Self { base, prefix }
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        masked(self.base, self.prefix) == masked(address, self.prefix) && self.base.is_ipv4() == address.is_ipv4()
    }
}

/// The address with all but the first `prefix` bits cleared.
#[must_use]
pub fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let cleared = |bits: u32| u32::from(prefix).min(bits);
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(32 - cleared(32)).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(128 - cleared(128)).unwrap_or(0)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
