//! Where outgoing requests may go: addresses of the public Internet, and the private ranges that an operator opens. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::range::Range;

/// The longest address that is read, in bytes.
const LONGEST: usize = 2000;
/// Ports that are open at public addresses.
const PORTS: [u16; 2] = [80, 443];

/// Why a request may not leave. It never says what a name resolved to, so that nobody can map a network by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No address of a web server.
    #[error("must be an address such as https://acme.example/path")]
    NoUrl,
    /// Neither HTTP nor HTTPS.
    #[error("must begin with https://")]
    Scheme,
    /// HTTP where a secret is sent.
    #[error("must begin with https://; http:// reaches only ranges in webhooks.allow_private")]
    Plain,
    /// A name or password in front of the host.
    #[error("must not hold a user name or password")]
    Userinfo,
    /// Another port at a public address.
    #[error("may use the ports 80 and 443; others reach only ranges in webhooks.allow_private")]
    Port,
    /// Not public, or one of several addresses that is not.
    #[error("leads to an address that is not public; an operator can open its range with webhooks.allow_private")]
    Private,
}

/// What a request needs of the way it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// TLS, because it carries a secret or decides what is believed; HTTP is enough within ranges that an operator opened.
    Tls,
    /// Nothing.
    Nothing,
}

/// The addresses that a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Public ones and those of the opened ranges.
    Public,
    /// Those of the opened ranges only: the port or the scheme is not for the public Internet.
    Opened,
}

/// The rule: public addresses, and these ranges.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    opened: Vec<Range>,
}

impl Guard {
    /// Opens private ranges, on every port.
    #[must_use]
    pub const fn new(opened: Vec<Range>) -> Self {
        Self { opened }
    }

    /// Reads an address and decides as far as that is possible without resolving its name: scheme, user, port, and hosts that are addresses,
    /// however they are written. A name is decided when it is resolved, by [`Guard::admits`] with the reach that this answers.
    ///
    /// # Errors
    /// Says what the address must be.
    pub fn check(&self, text: &str, needs: Needs) -> Result<(Url, Reach), Refused> {
        if text.len() > LONGEST || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(Refused::NoUrl);
        }
        let url = Url::parse(text).map_err(|_| Refused::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        let authority = text.split_once("//").map(|(_, rest)| rest).and_then(|rest| rest.split(['/', '?', '#']).next());
        if authority.ok_or(Refused::NoUrl)?.contains('@') {
            return Err(Refused::Userinfo);
        }
        let is_plain = url.scheme() == "http" && needs == Needs::Tls;
        let is_other_port = !url.port_or_known_default().is_some_and(|port| PORTS.contains(&port));
        let reach = if is_plain || is_other_port { Reach::Opened } else { Reach::Public };
        let why = if is_plain { Refused::Plain } else { Refused::Port };
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(name)) if !name.is_empty() => None,
            _ => return Err(Refused::NoUrl),
        };
        match address {
            Some(address) if !self.admits(address, Reach::Public) => Err(Refused::Private),
            Some(address) if !self.admits(address, reach) => Err(why),
            None if reach == Reach::Opened && self.opened.is_empty() => Err(why),
            _ => Ok((url, reach)),
        }
    }

    /// Whether a request of this reach may connect to an address.
    #[must_use]
    pub fn admits(&self, address: IpAddr, reach: Reach) -> bool {
        let plain = address.to_canonical();
        self.opened.iter().any(|range| range.contains(plain) || range.contains(address)) || (reach == Reach::Public && is_public(address))
    }

    /// Whether a request of this reach may go to a host that resolved to these addresses: all of them, and at least one.
    ///
    /// # Errors
    /// [`Refused::Private`] or, where another port or plain HTTP is the cause, [`Refused::Port`].
    pub fn admits_all(&self, addresses: &[IpAddr], reach: Reach) -> Result<(), Refused> {
        let all = |reach| !addresses.is_empty() && addresses.iter().all(|address| self.admits(*address, reach));
        match (all(reach), all(Reach::Public)) {
            (true, _) => Ok(()),
            (false, true) => Err(Refused::Port),
            (false, false) => Err(Refused::Private),
        }
    }
}

/// IPv4 ranges that are not the public Internet (RFC 6890 and the IANA registry of special-purpose addresses), and the one address that
/// leads inside on every machine of Azure although it looks public.
const SPECIAL_V4: [(Ipv4Addr, u8); 16] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// What is special within the global unicast addresses `2000::/3`: protocol assignments with Teredo, documentation, 6to4.
const SPECIAL_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address belongs to the public Internet. IPv6 addresses that stand for an IPv4 address (mapped, NAT64, 6to4) do not.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    let lies_in = |(base, prefix): (IpAddr, u8)| Range::new(base, prefix).contains(address);
    match address {
        IpAddr::V4(_) => !SPECIAL_V4.iter().any(|(base, prefix)| lies_in(((*base).into(), *prefix))),
        IpAddr::V6(_) => {
            let global = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0).into(), 3);
            lies_in(global) && !SPECIAL_V6.iter().any(|(base, prefix)| lies_in(((*base).into(), *prefix)))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opened(ranges: &[&str]) -> Guard {
        Guard::new(ranges.iter().map(|range| range.parse().unwrap()).collect())
    }

    fn reach(ranges: &[&str], text: &str, needs: Needs) -> Result<Reach, Refused> {
        opened(ranges).check(text, needs).map(|(_, reach)| reach)
    }

    /// The ends of every special range are special.
    const SPECIAL: &str = "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.0 127.255.255.255 168.63.129.16
        169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.255 192.0.2.1 192.88.99.1 192.168.0.0
        192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1
        ::ffff:1.1.1.1 ::1.1.1.1 64:ff9b::1.1.1.1 64:ff9b:1::1 100::1 2001::1 2001:1ff::1 2001:db8::1 2002:101:101::1 3fff::1 4000::1 5f00::1
        fc00::1 fd00::1 fe80::1 fec0::1 ff02::1";
    /// Their neighbours are not.
    const PUBLIC: &str = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17
        169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255
        198.20.0.0 223.255.255.255 2606:4700::1 2a00::1 2001:200::1 2001:db7::1 2003::1 3fff:1000::1";

    #[test]
    fn addresses_of_the_public_internet_are_public_and_their_neighbours_are_not() {
        for (list, is_public) in [(PUBLIC, true), (SPECIAL, false)] {
            for text in list.split_whitespace() {
                assert_eq!(super::is_public(text.parse().unwrap()), is_public, "{text}");
            }
        }
    }

    #[test]
    fn public_hosts_are_reached_on_the_usual_ports() {
        for good in [
            "https://acme.example/x?y#z",
            "https://1.1.1.1/",
            "https://[2606:4700::1]/",
            "https://acme.example:443",
            "https://acme.example:80",
        ] {
            assert_eq!(reach(&[], good, Needs::Tls), Ok(Reach::Public), "{good}");
        }
        assert_eq!(reach(&[], "http://acme.example/", Needs::Nothing), Ok(Reach::Public));
        assert_eq!(reach(&[], "http://acme.example/", Needs::Tls), Err(Refused::Plain));
        assert_eq!(reach(&[], "https://acme.example:8443/", Needs::Tls), Err(Refused::Port));
        assert_eq!(reach(&[], "https://1.1.1.1:22/", Needs::Nothing), Err(Refused::Port));
    }

    #[test]
    fn an_opened_range_is_reached_on_every_port_and_without_tls_and_opens_nothing_else() {
        let ranges = ["10.1.0.0/16", "fd00::/8"];
        for good in ["http://10.1.2.3:8080/", "https://10.1.2.3:9/", "http://[fd00::1]:81/", "http://[::ffff:10.1.2.3]/"] {
            assert!(reach(&ranges, good, Needs::Tls).is_ok(), "{good}");
        }
        for bad in ["http://10.2.0.1/", "https://127.0.0.1/", "https://[fe80::1]/", "https://[::ffff:10.2.0.1]/"] {
            assert_eq!(reach(&ranges, bad, Needs::Tls), Err(Refused::Private), "{bad}");
        }
        // A name may turn out to be within the range: then, and only then, another port and plain HTTP are fine.
        assert_eq!(reach(&ranges, "http://desk.internal:8080/", Needs::Tls), Ok(Reach::Opened));
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let admits = |texts: &[&str], reach| opened(&ranges).admits_all(&addresses(texts), reach);
        assert_eq!(admits(&["10.1.0.1"], Reach::Opened), Ok(()));
        assert_eq!(admits(&["1.1.1.1"], Reach::Opened), Err(Refused::Port));
        assert_eq!(admits(&["1.1.1.1", "10.1.0.1"], Reach::Public), Ok(()));
        assert_eq!(admits(&["1.1.1.1", "10.2.0.1"], Reach::Public), Err(Refused::Private));
        assert_eq!(admits(&[], Reach::Public), Err(Refused::Private));
    }

    proptest! {
        #[test]
        fn no_ipv6_address_that_stands_for_an_ipv4_address_is_public(v4: u32) {
            let bits = u128::from(v4);
            for form in [bits, bits | 0xffff_0000_0000, bits | (0x0064_ff9b << 96), (0x2002 << 112) | (bits << 80)] {
                prop_assert!(!is_public(Ipv6Addr::from_bits(form).into()));
            }
        }

        #[test]
        fn whatever_the_text_nothing_private_is_reached_by_number(v4: u32, text in "(https?:)?//?[0-9a-fx.:\\[\\]@%]{1,24}(:[0-9]{1,5})?/?") {
            for text in [text, format!("https://{v4}/"), format!("https://0x{v4:x}/"), format!("https://0{v4:o}/")] {
                if let Ok((url, _)) = Guard::default().check(&text, Needs::Nothing) {
                    match url.host() {
                        Some(Host::Ipv4(address)) => prop_assert!(is_public(address.into())),
                        Some(Host::Ipv6(address)) => prop_assert!(is_public(address.into())),
                        host => prop_assert!(host.is_some()),
                    }
                }
            }
        }
    }
}
