//! Where the relay is, how it is secured and who we are to it: read from an `smtp://` or `smtps://` address.

use std::net::IpAddr;
use std::sync::Arc;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use url::{Host, Url};

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte (`smtps://`).
    Implicit,
    /// By STARTTLS, or not at all.
    Required,
    /// By STARTTLS where the relay offers it.
    Opportunistic,
    /// Never.
    None,
}

/// Why an address of a relay cannot be used. The texts hold no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No such address.
    #[error("not an address of a relay; expected smtp://user:password@host:587?tls=required or smtps://user:password@host")]
    Unreadable,
    /// An unknown query parameter or value.
    #[error("unknown setting in the relay's address; the only one is tls=required, tls=opportunistic or tls=none")]
    Setting,
    /// A password would travel in the clear.
    #[error("tls=none would send the password unencrypted to another machine; use tls=required or smtps://")]
    Unencrypted,
    /// The certificate authority cannot be used.
    #[error("the extra certificate authority is no PEM certificate")]
    Root,
}

/// A relay's address, ready to connect to.
pub struct RelayAddress {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello_name: Option<ClientId>,
    pub(super) server_name: ServerName<'static>,
    pub(super) implicit: Arc<ClientConfig>,
    pub(super) starttls: TlsParameters,
}

impl RelayAddress {
    /// Reads an address; `extra_root` is a PEM certificate authority to trust besides the public ones.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn parse(text: &str, extra_root: Option<&[u8]>) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|_| UrlError::Unreadable)?;
        let (tls, usual_port) = security(&url)?;
        let (host, local) = host(&url)?;
        let credentials = credentials(&url)?;
        if tls == Tls::None && credentials.is_some() && !local {
            return Err(UrlError::Unencrypted);
        }
        let name = url.path().trim_matches('/');
        Ok(Self {
            server_name: ServerName::try_from(host.clone()).map_err(|_| UrlError::Unreadable)?,
            port: url.port().unwrap_or(usual_port),
            hello_name: (!name.is_empty()).then(|| ClientId::Domain(name.to_owned())),
            implicit: implicit(extra_root)?,
            starttls: starttls(&host, extra_root)?,
            host,
            tls,
            credentials,
        })
    }
}

/// The ports are lettre's: 465 for implicit TLS, 587 where TLS is asked for, otherwise 25.
fn security(url: &Url) -> Result<(Tls, u16), UrlError> {
    let mut asked = None;
    for (key, value) in url.query_pairs() {
        if key != "tls" || asked.is_some() {
            return Err(UrlError::Setting);
        }
        asked = Some(value);
    }
    match (url.scheme(), asked.as_deref()) {
        ("smtps", None | Some("required")) => Ok((Tls::Implicit, 465)),
        ("smtp", Some("required")) => Ok((Tls::Required, 587)),
        ("smtp", Some("opportunistic")) => Ok((Tls::Opportunistic, 587)),
        ("smtp", None) => Ok((Tls::Opportunistic, 25)),
        ("smtp", Some("none")) => Ok((Tls::None, 25)),
        ("smtp" | "smtps", Some(_)) => Err(UrlError::Setting),
        _ => Err(UrlError::Unreadable),
    }
}

/// The host, and whether it is this machine. The scheme is none of the web's, so the host has to be read again to be checked.
fn host(url: &Url) -> Result<(String, bool), UrlError> {
    let written = url.host_str().filter(|host| !host.is_empty()).ok_or(UrlError::Unreadable)?;
    let decoded = percent_decoded(written)?;
    match Host::parse(&decoded).map_err(|_| UrlError::Unreadable)? {
        Host::Domain(name) => {
            let local = name == "localhost";
            Ok((name, local))
        }
        Host::Ipv4(ip) => Ok((ip.to_string(), IpAddr::from(ip).is_loopback())),
        Host::Ipv6(ip) => Ok((ip.to_string(), IpAddr::from(ip).is_loopback())),
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, UrlError> {
    let Some(password) = url.password() else { return Ok(None) };
    let user = percent_decoded(url.username())?;
    Ok(Some(Credentials::new(user, percent_decoded(password)?)))
}

fn percent_decoded(text: &str) -> Result<String, UrlError> {
    // `form_urlencoded` would be the wrong tool: it reads `+`, common in passwords, as a space.
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().ok_or(UrlError::Unreadable)?, rest.next().ok_or(UrlError::Unreadable)?];
            let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode(&digits).map_err(|_| UrlError::Unreadable)?;
            bytes.extend(decoded);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| UrlError::Unreadable)
}

/// TLS from the first byte is ours, as lettre cannot build it over a stream of the caller's.
fn implicit(extra_root: Option<&[u8]>) -> Result<Arc<ClientConfig>, UrlError> {
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    if let Some(pem) = extra_root {
        let root = CertificateDer::from_pem_slice(pem).map_err(|_| UrlError::Root)?;
        roots.add(root).map_err(|_| UrlError::Root)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| UrlError::Root)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn starttls(host: &str, extra_root: Option<&[u8]>) -> Result<TlsParameters, UrlError> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(pem) = extra_root {
        parameters = parameters.add_root_certificate(Certificate::from_pem(pem).map_err(|_| UrlError::Root)?);
    }
    parameters.build().map_err(|_| UrlError::Root)
}

impl std::fmt::Debug for RelayAddress {
    /// Without the credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} ({:?} TLS)", self.host, self.port, self.tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(String, u16, Tls, bool), UrlError> {
        RelayAddress::parse(text, None).map(|address| (address.host, address.port, address.tls, address.credentials.is_some()))
    }

    #[test]
    fn the_address_forms_that_lettre_documents_are_read() {
        assert_eq!(parsed("smtps://u:p@mail.example"), Ok(("mail.example".into(), 465, Tls::Implicit, true)));
        assert_eq!(parsed("smtp://u:p@mail.example:2525?tls=required"), Ok(("mail.example".into(), 2525, Tls::Required, true)));
        assert_eq!(parsed("smtp://mail.example?tls=opportunistic"), Ok(("mail.example".into(), 587, Tls::Opportunistic, false)));
        assert_eq!(parsed("smtp://mail.example"), Ok(("mail.example".into(), 25, Tls::Opportunistic, false)));
        assert_eq!(parsed("smtp://[::1]:1025?tls=none"), Ok(("::1".into(), 1025, Tls::None, false)));
        assert_eq!(parsed("smtp://b\u{fc}cher.example"), Ok(("xn--bcher-kva.example".into(), 25, Tls::Opportunistic, false)));
    }

    #[test]
    fn a_password_keeps_its_plus_and_percent_signs() {
        let address = RelayAddress::parse("smtps://me%40acme.example:a+b%25%2F%c3%a9@mail.example", None).unwrap();
        assert_eq!(address.credentials, Some(Credentials::new("me@acme.example".into(), "a+b%/\u{e9}".into())));
        assert!(!format!("{address:?}").contains("a+b"));
    }

    #[test]
    fn an_address_that_would_send_a_password_in_the_clear_is_refused() {
        assert_eq!(parsed("smtp://u:p@mail.example?tls=none"), Err(UrlError::Unencrypted));
        assert!(parsed("smtp://u:p@127.0.0.1:1025?tls=none").is_ok());
        assert!(parsed("smtp://u:p@localhost?tls=none").is_ok());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "mail.example:25",
            "http://mail.example",
            "smtp://",
            "smtp://mail.example?tls=maybe",
            "smtp://mail.example?tsl=required",
            "smtps://mail.example?tls=none",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
