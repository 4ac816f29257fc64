//! The sender's signature on a mail (DKIM, RFC 6376 and RFC 8463): relaxed canonical form, RSA or Ed25519, both with SHA-256.

use std::fmt::Write as _;

use data_encoding::BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// What is signed, where it is there. RFC 8058 demands the two headers about unsubscribing.
const SIGNED: [&str; 11] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Reply-To",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Id",
];
/// Characters of the signature in one line.
const LINE: usize = 72;

/// A key that cannot sign. The text holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a private key as PEM: RSA with 2048 to 4096 bits, or Ed25519")]
pub struct KeyError;

/// Signs for one domain.
pub struct Signer {
    domain: String,
    selector: String,
    key: Key,
    random: SystemRandom,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl Signer {
    /// Signs as `domain` with the key whose public half is at `SELECTOR._domainkey.DOMAIN`.
    ///
    /// # Errors
    /// When the key is none that signs mails.
    pub fn new(domain: String, selector: String, pem: &str) -> Result<Self, KeyError> {
        Ok(Self { domain, selector, key: Key::parse(pem)?, random: SystemRandom::new() })
    }

    /// The message with the signature as its first header.
    ///
    /// # Errors
    /// When the key refuses, which no key does that was taken.
    pub fn signed(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (fields, body) = parts(message);
        let present: Vec<&str> =
            SIGNED.into_iter().filter(|name| fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))).collect();
        let header = format!(
            "v=1; a={}; c=relaxed/relaxed; d={};\r\n s={}; h={};\r\n bh={};\r\n b=",
            self.key.algorithm(),
            self.domain,
            self.selector,
            present.join(":"),
            BASE64.encode(&Sha256::digest(relaxed_body(body))),
        );
        let signature = self.key.sign(&digested(&fields, &present, &header), &self.random)?;
        let mut signed = format!("DKIM-Signature: {header}");
        let encoded = BASE64.encode(&signature);
        for line in encoded.as_bytes().chunks(LINE) {
            // Writing to a string cannot fail.
            let _ = write!(signed, "\r\n  {}", String::from_utf8_lossy(line));
        }
        signed.push_str("\r\n");
        let mut signed = signed.into_bytes();
        signed.extend_from_slice(message);
        Ok(signed)
    }
}

impl Key {
    fn parse(pem: &str) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError)?;
        let rsa = match &der {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(key) => {
                if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()) {
                    return Ok(Self::Ed25519(Box::new(pair)));
                }
                RsaKeyPair::from_pkcs8(key.secret_pkcs8_der())
            }
            _ => return Err(KeyError),
        };
        rsa.map(|pair| Self::Rsa(Box::new(pair))).map_err(|_| KeyError)
    }

    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa-sha256",
            Self::Ed25519(_) => "ed25519-sha256",
        }
    }

    fn sign(&self, data: &[u8], random: &SystemRandom) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, random, data, &mut signature).map_err(|_| KeyError)?;
                Ok(signature)
            }
            // RFC 8463 section 3: what is signed is the hash.
            Self::Ed25519(pair) => Ok(pair.sign(&Sha256::digest(data)).as_ref().to_vec()),
        }
    }
}

impl std::fmt::Debug for Signer {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}._domainkey.{} ({})", self.selector, self.domain, self.key.algorithm())
    }
}

/// Name and value of each header field, still folded; and the body.
fn parts(message: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(message.len());
    let (head, rest) = message.split_at(end);
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8_lossy(head).split("\r\n") {
        match fields.last_mut() {
            Some((_, value)) if line.starts_with([' ', '\t']) => value.push_str(line),
            _ => fields.extend(line.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()))),
        }
    }
    (fields, rest.get(4..).unwrap_or_default())
}

/// What is signed: the named fields, from the last of each name upwards, and at the end the signature's own header with nothing in `b=`
/// (RFC 6376 sections 3.7 and 5.4.2).
fn digested(fields: &[(String, String)], names: &[&str], header: &str) -> Vec<u8> {
    let mut data = String::new();
    for (at, name) in names.iter().enumerate() {
        let earlier = names.iter().take(at).filter(|other| other.eq_ignore_ascii_case(name)).count();
        let field = fields.iter().rev().filter(|(other, _)| other.eq_ignore_ascii_case(name)).nth(earlier);
        if let Some((name, value)) = field {
            data.push_str(&relaxed_field(name, value));
            data.push_str("\r\n");
        }
    }
    data.push_str(&relaxed_field("DKIM-Signature", header));
    data.into_bytes()
}

/// A header field in its relaxed form (RFC 6376 section 3.4.2), without its line end.
fn relaxed_field(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
    format!("{}:{}", name.trim_end().to_ascii_lowercase(), words.join(" "))
}

/// A body in its relaxed form (RFC 6376 section 3.4.4): spaces joined and dropped at ends of lines, no empty lines at its end.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut relaxed = Vec::with_capacity(body.len());
    let mut end = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let begin = relaxed.len();
        let mut spaced = false;
        for byte in line {
            if matches!(byte, b' ' | b'\t') {
                spaced = true;
                continue;
            }
            if std::mem::take(&mut spaced) {
                relaxed.push(b' ');
            }
            relaxed.push(*byte);
        }
        let is_empty = relaxed.len() == begin;
        relaxed.extend_from_slice(b"\r\n");
        if !is_empty {
            end = relaxed.len();
        }
    }
    relaxed.truncate(end);
    relaxed
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm};

    use super::*;
    use crate::clock::Timestamp;
    use crate::delivery::mail::{Mail, Mailbox};

    const RSA: &str = include_str!("../../tests/vectors/dkim-rsa.pem");
    /// RFC 8463 appendix A.
    const SIGNED_BY_OTHERS: &str = include_str!("../../tests/vectors/dkim-rfc8463.eml");
    const PUBLIC_KEY_OF_OTHERS: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn ed25519() -> String {
        rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem()
    }

    /// The first signature of a message, checked as whoever receives it would.
    fn is_good(message: &[u8], algorithm: &'static dyn VerificationAlgorithm, key: &[u8]) -> bool {
        let (fields, body) = parts(message);
        let header = fields.iter().find(|(name, _)| name == "DKIM-Signature").map(|(_, value)| value.clone()).unwrap();
        let tag = |wanted: &str| {
            let tags = header.split(';').filter_map(|tag| tag.split_once('='));
            let value = tags.into_iter().find(|(name, _)| name.trim() == wanted).map(|(_, value)| value).unwrap();
            value.split_whitespace().collect::<String>()
        };
        if tag("bh") != BASE64.encode(&Sha256::digest(relaxed_body(body))) {
            return false;
        }
        let names = tag("h");
        let names: Vec<&str> = names.split(':').collect();
        // `b` is the last tag in these messages.
        let unsigned = header.get(..header.rfind("b=").unwrap() + 2).unwrap();
        let mut data = digested(&fields, &names, unsigned);
        if tag("a") == "ed25519-sha256" {
            data = Sha256::digest(&data).to_vec();
        }
        UnparsedPublicKey::new(algorithm, key).verify(&data, &BASE64.decode(tag("b").as_bytes()).unwrap()).is_ok()
    }

    fn mail() -> Mail {
        Mail {
            id: "m-1".to_owned(),
            date: Timestamp::parse("2026-11-20T08:30:05Z").unwrap(),
            from: Mailbox::parse("Acme <survey@acme.example>").unwrap(),
            to: Mailbox { name: Some("سارا".to_owned()), address: "sara@example.com".to_owned() },
            reply_to: Some(Mailbox::parse("help@acme.example").unwrap()),
            return_path: None,
            subject: "نظر شما چیست؟ ".repeat(9),
            text: "Hello \t you\n\n\n".to_owned(),
            html: "<p>Hello</p>\n\n".to_owned(),
            unsubscribe: Some("https://nabz.example/u/abc".to_owned()),
            list: Some("support".to_owned()),
        }
    }

    #[test]
    fn the_canonical_forms_are_those_of_the_standard() {
        // RFC 6376 section 3.4.5.
        let (fields, body) = parts(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n");
        let relaxed: Vec<String> = fields.iter().map(|(name, value)| relaxed_field(name, value)).collect();
        assert_eq!(relaxed, ["a:X", "b:Y Z"]);
        assert_eq!(relaxed_body(body), b" C\r\nD E\r\n");
        assert_eq!(relaxed_body(b""), b"");
        assert_eq!(relaxed_body(b"\r\n\r\n"), b"");
        assert_eq!(relaxed_body(b"no end"), b"no end\r\n");
    }

    #[test]
    fn a_signature_of_the_standards_own_example_is_found_good() {
        let message = SIGNED_BY_OTHERS.replace('\n', "\r\n");
        let key = BASE64.decode(PUBLIC_KEY_OF_OTHERS.as_bytes()).unwrap();
        assert!(is_good(message.as_bytes(), &ED25519, &key));
        assert!(!is_good(message.replace("hungry", "angry").as_bytes(), &ED25519, &key));
        assert!(!is_good(message.replace("dinner", "supper").as_bytes(), &ED25519, &key));
    }

    #[test]
    fn every_header_that_is_named_and_the_body_are_signed_with_both_kinds_of_key() {
        let ed25519 = ed25519();
        for pem in [RSA, &ed25519] {
            let signer = Signer::new("acme.example".to_owned(), "s1".to_owned(), pem).unwrap();
            let message = signer.signed(&mail().to_bytes().unwrap()).unwrap();
            let (algorithm, key): (&'static dyn VerificationAlgorithm, Vec<u8>) = match &signer.key {
                Key::Rsa(pair) => (&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref().to_vec()),
                Key::Ed25519(pair) => (&ED25519, pair.public_key().as_ref().to_vec()),
            };
            let text = String::from_utf8(message).unwrap();
            let names =
                "h=From:To:Subject:Date:Message-ID:MIME-Version:Content-Type:Reply-To:List-Unsubscribe:List-Unsubscribe-Post:List-Id;";
            assert!(
                text.starts_with("DKIM-Signature: v=1; a=") && text.contains(names) && text.contains("d=acme.example;\r\n s=s1;"),
                "{text}"
            );
            assert!(text.split("\r\n").all(|line| line.len() <= 200), "{text}");
            assert!(is_good(text.as_bytes(), algorithm, &key));
            for (from, to) in [
                ("From: Acme", "From: Evil"),
                ("To: ", "To: x"),
                ("Subject: =", "Subject: x="),
                ("Date: Fri", "Date: Sat"),
                ("Message-ID: <m-1", "Message-ID: <m-2"),
                ("MIME-Version: 1.0", "MIME-Version: 1.1"),
                ("Content-Type: multipart", "Content-Type: x"),
                ("Reply-To: help", "Reply-To: evil"),
                ("List-Unsubscribe: <https", "List-Unsubscribe: <http"),
                ("One-Click", "Two-Clicks"),
                ("List-Id: <support", "List-Id: <other"),
                ("Hello", "Hallo"),
                ("d=acme.example", "d=evil.example"),
            ] {
                let changed = text.replacen(from, to, 1);
                assert!(changed != text && !is_good(changed.as_bytes(), algorithm, &key), "{from}");
            }
            let refolded = text.replacen("Reply-To: help", "Reply-To:\r\n\thelp", 1);
            assert!(refolded != text && is_good(refolded.as_bytes(), algorithm, &key), "who folds a header anew breaks nothing");
            assert!(!format!("{signer:?}").contains("PRIVATE"));
        }
    }

    #[test]
    fn headers_that_are_not_there_are_not_named() {
        let signer = Signer::new("acme.example".to_owned(), "s1".to_owned(), &ed25519()).unwrap();
        let mail = Mail { reply_to: None, unsubscribe: None, list: None, ..mail() };
        let text = String::from_utf8(signer.signed(&mail.to_bytes().unwrap()).unwrap()).unwrap();
        assert!(text.contains("h=From:To:Subject:Date:Message-ID:MIME-Version:Content-Type;"), "{text}");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        for bad in [
            "",
            "planted",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = Signer::new(String::new(), String::new(), bad).unwrap_err();
            assert_eq!(error.to_string(), "expected a private key as PEM: RSA with 2048 to 4096 bits, or Ed25519", "{bad}");
        }
    }
}
