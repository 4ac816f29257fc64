//! Mail through a relay, signed where a key is set (DKIM).

use secrecy::ExposeSecret;

use crate::config::Config;
use crate::delivery::transport::Transport;
use crate::net::smtp::SmtpRelay;

/// The transport through a relay.
///
/// # Errors
/// When there is a key that cannot sign, or that this program was not built to sign with.
pub(super) fn through(relay: SmtpRelay, config: &Config) -> anyhow::Result<Transport> {
    if config.mail.dkim_key.expose_secret().is_empty() { Ok(Transport::Smtp(relay)) } else { signed(relay, config) }
}

/// Whether there is no key, or one that signs.
///
/// # Errors
/// As [`through`].
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    if config.mail.dkim_key.expose_secret().is_empty() { Ok(()) } else { signer(config).map(drop) }
}

#[cfg(any(feature = "dkim", test))]
fn signed(relay: SmtpRelay, config: &Config) -> anyhow::Result<Transport> {
    Ok(Transport::Signed(relay, std::sync::Arc::new(signer(config)?)))
}

#[cfg(not(any(feature = "dkim", test)))]
fn signed(_: SmtpRelay, config: &Config) -> anyhow::Result<Transport> {
    match signer(config)? {}
}

#[cfg(any(feature = "dkim", test))]
fn signer(config: &Config) -> anyhow::Result<crate::delivery::dkim::Signer> {
    use anyhow::Context as _;

    use crate::delivery::dkim::Signer;
    use crate::net::domain;

    let domain = match domain::normal(&config.mail.dkim_domain) {
        Some(domain) => domain,
        None => super::carriers::senders(config)?.0.domain().context("mail.from")?,
    };
    Signer::new(domain, config.mail.dkim_selector.clone(), config.mail.dkim_key.expose_secret()).context("mail.dkim_key")
}

#[cfg(not(any(feature = "dkim", test)))]
fn signer(_: &Config) -> anyhow::Result<std::convert::Infallible> {
    anyhow::bail!("mail.dkim_key: this program was built without signing; build it with --features dkim, or have the mail server sign")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::transport;

    fn settings<'a>(more: &[(&'a str, &'a str)]) -> anyhow::Result<Config> {
        let usual = [
            ("NABZ__MAIL__TRANSPORT", "smtp"),
            ("NABZ__MAIL__SMTP_URL", "smtp://localhost"),
            ("NABZ__MAIL__FROM", "Acme <survey@acme.example>"),
            ("NABZ__MAIL__DKIM_SELECTOR", "s1"),
            ("NABZ__MAIL__DKIM_KEY", include_str!("../../tests/vectors/dkim-rsa.pem")),
        ];
        Config::from_parts(None, usual.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn with_dkim_settings_mails_are_signed_as_the_sender_or_as_the_domain_that_is_set() {
        for (domain, expected) in [("", "acme.example"), ("Mail.acme.example", "mail.acme.example")] {
            match transport(&settings(&[("NABZ__MAIL__DKIM_DOMAIN", domain)]).unwrap()).unwrap() {
                Transport::Signed(_, signer) => assert_eq!(format!("{signer:?}"), format!("s1._domainkey.{expected} (rsa-sha256)")),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(transport(&settings(&[("NABZ__MAIL__DKIM_KEY", "")]).unwrap()).unwrap(), Transport::Smtp(_)));
    }

    /// A server that takes one mail and answers every line with what comes next; gives everything that it was told.
    async fn one_mail(listener: tokio::net::TcpListener) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        for (reply, until) in
            [("220 a", "\n"), ("250 b", "\n"), ("250 c", "\n"), ("250 d", "\n"), ("354 e", "\r\n.\r\n"), ("250 f", "QUIT\r\n")]
        {
            stream.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
            while !heard.ends_with(until.as_bytes()) {
                heard.push(stream.read_u8().await.unwrap());
            }
            heard.push(b'\n');
        }
        String::from_utf8(heard).unwrap()
    }

    #[tokio::test]
    async fn dkim_signatures_leave_with_the_mail() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
        let server = tokio::spawn(one_mail(listener));
        let config = settings(&[("NABZ__MAIL__SMTP_URL", &url)]).unwrap();
        let told = crate::app::trial::send(&config, &crate::app::Parts::default(), "sara@example.com").await;
        assert!(matches!(told, crate::app::trial::Ended::Sent(_)), "{told:?}");
        let heard = server.await.unwrap();
        assert!(heard.contains("\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=acme.example;\r\n s=s1;"), "{heard}");
    }

    #[test]
    fn dkim_settings_that_cannot_sign_are_refused_and_named() {
        let error = transport(&settings(&[("NABZ__MAIL__DKIM_KEY", "planted")]).unwrap()).unwrap_err();
        assert_eq!(format!("{error:#}"), "mail.dkim_key: expected a private key as PEM: RSA with 2048 to 4096 bits, or Ed25519");
        for (name, value, said) in [
            ("NABZ__MAIL__DKIM_SELECTOR", "", "mail.dkim_selector: "),
            ("NABZ__MAIL__DKIM_SELECTOR", "a b", "mail.dkim_selector: "),
            ("NABZ__MAIL__DKIM_DOMAIN", "@acme.example", "mail.dkim_domain: "),
        ] {
            let error = format!("{:#}", settings(&[(name, value)]).unwrap_err());
            assert!(error.starts_with(said), "{error}");
        }
    }
}
