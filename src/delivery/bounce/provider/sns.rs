//! Amazon SNS, which carries what SES tells: messages signed with RSA, whose certificate lies on a host of Amazon. Pure.

use data_encoding::BASE64;
use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;
use url::{Host, Url};

use super::{Doubt, Settings, fresh, text};
use crate::clock::Timestamp;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// News.
    Notification,
    /// Somebody subscribed this address; the message names the address that confirms it.
    SubscriptionConfirmation,
    /// Somebody ended the subscription.
    UnsubscribeConfirmation,
}

/// A message of SNS.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// What it is.
    pub kind: Type,
    /// Its JSON.
    pub json: &'a Value,
    /// Where the certificate lies that its signature fits.
    pub certificate_url: &'a str,
}

/// Reads a message and checks everything but the signature, so that nobody who names a topic of another makes us fetch anything.
///
/// # Errors
/// Says why it is not believed whatever the signature.
pub fn read<'a>(settings: &Settings, json: &'a Value, now: Timestamp) -> Result<Message<'a>, Doubt> {
    if settings.sns_topics.is_empty() {
        return Err(Doubt::NotSetUp("bounces.sns_topics"));
    }
    let kind = match text(json, "/Type").ok_or(Doubt::Missing("Type, as in a message of SNS without raw delivery,"))? {
        "Notification" => Type::Notification,
        "SubscriptionConfirmation" => Type::SubscriptionConfirmation,
        "UnsubscribeConfirmation" => Type::UnsubscribeConfirmation,
        _ => return Err(Doubt::Missing("a known Type")),
    };
    let topic = text(json, "/TopicArn").ok_or(Doubt::Missing("TopicArn"))?;
    if !settings.sns_topics.iter().any(|own| own == topic) {
        return Err(Doubt::Topic);
    }
    let signed_at = text(json, "/Timestamp").and_then(|at| Timestamp::parse(at).ok()).ok_or(Doubt::Stale)?;
    fresh(signed_at.as_seconds(), now)?;
    let certificate_url = text(json, "/SigningCertURL").ok_or(Doubt::Missing("SigningCertURL"))?;
    if !is_of_sns(settings, certificate_url) {
        return Err(Doubt::Elsewhere("SigningCertURL"));
    }
    Ok(Message { kind, json, certificate_url })
}

/// Whether an address is one of SNS: HTTPS, the usual port, and `sns.REGION.amazonaws.com`; or below the configured endpoint.
#[must_use]
pub fn is_of_sns(settings: &Settings, address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let endpoint = Url::parse(&settings.sns_endpoint).ok().map(|endpoint| endpoint.origin());
    let has_user = !url.username().is_empty() || url.password().is_some();
    let is_amazon = |host: &str| {
        let host = host.strip_suffix(".cn").unwrap_or(host);
        let region = host.strip_prefix("sns.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
        region.is_some_and(|region| !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
    };
    let is_own = matches!(url.host(), Some(Host::Domain(host)) if is_amazon(host)) && url.scheme() == "https" && url.port().is_none();
    !has_user && (is_own || endpoint.is_some_and(|endpoint| endpoint == url.origin()))
}

impl Message<'_> {
    /// Whether the signature fits a key.
    ///
    /// # Errors
    /// Says why it is not believed.
    pub fn verify(&self, key: &[u8]) -> Result<(), Doubt> {
        let signature = text(self.json, "/Signature").ok_or(Doubt::Missing("Signature"))?;
        let signature = BASE64.decode(signature.as_bytes()).map_err(|_| Doubt::Wrong)?;
        let algorithm = match text(self.json, "/SignatureVersion") {
            Some("1") => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Some("2") => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(Doubt::Missing("SignatureVersion 1 or 2")),
        };
        UnparsedPublicKey::new(algorithm, key).verify(self.signed().as_bytes(), &signature).map_err(|_| Doubt::Wrong)
    }

    /// What is signed: names and values of these members in this order, each on a line.
    fn signed(&self) -> String {
        let names: &[&str] = match self.kind {
            Type::Notification => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
            _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
        };
        let member = |name: &&str| self.json.get(*name).and_then(Value::as_str).map(|value| format!("{name}\n{value}\n"));
        names.iter().filter_map(member).collect()
    }

    /// The address that confirms a subscription.
    ///
    /// # Errors
    /// When it is not one of SNS.
    pub fn subscribe_url(&self, settings: &Settings) -> Result<&str, Doubt> {
        let url = text(self.json, "/SubscribeURL").ok_or(Doubt::Missing("SubscribeURL"))?;
        if is_of_sns(settings, url) { Ok(url) } else { Err(Doubt::Elsewhere("SubscribeURL")) }
    }
}

/// The RSA key (PKCS #1) in a certificate in PEM (RFC 7468, RFC 5280): the seventh member of what is signed in it, the sixth where the version is
/// left out. That the certificate is Amazon's is told by the host it was fetched from.
#[must_use]
pub fn key_of(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (inner, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let base64: String = inner.chars().filter(|character| !character.is_whitespace()).collect();
    let der = BASE64.decode(base64.as_bytes()).ok()?;
    let (certificate, _) = member(&der, SEQUENCE)?;
    let (mut fields, _) = member(certificate, SEQUENCE)?;
    if let Some((_, rest)) = member(fields, VERSION) {
        fields = rest;
    }
    // Serial number, signature, issuer, validity, subject.
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        (_, fields) = member(fields, tag)?;
    }
    let (public, _) = member(fields, SEQUENCE)?;
    let (_, bits) = member(public, SEQUENCE)?;
    let (bits, _) = member(bits, BIT_STRING)?;
    // The first byte counts the bits that are not used at the end: none.
    bits.strip_prefix(&[0]).map(<[u8]>::to_vec)
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The content of the first member of this kind (DER: ITU-T X.690, 8.1 and 10.1), and what follows it.
fn member(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |whole, digit| whole * 256 + usize::from(*digit)), rest)
        }
        _ => return None,
    };
    if first == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:bounces";
    const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/bounces/sns/certificate.pem");

    fn settings() -> Settings {
        Settings { sns_topics: vec![TOPIC.to_owned()], ..Settings::default() }
    }

    fn sample() -> Value {
        serde_json::from_str(include_str!("../../../../tests/bounces/sns/notification-v1.json")).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-15T10:30:00.000Z").unwrap()
    }

    #[test]
    fn a_signature_of_version_1_fits_its_certificate_and_no_member_of_it_can_change() {
        let (key, settings) = (key_of(CERTIFICATE).unwrap(), settings());
        assert_eq!(read(&settings, &sample(), now()).unwrap().verify(&key), Ok(()));
        for name in ["Message", "MessageId", "Subject", "Timestamp", "Signature"] {
            let mut changed = sample();
            let value = changed[name].as_str().unwrap().replace(['1', 'a'], "2");
            changed[name] = json!(value);
            assert!(read(&settings, &changed, now()).and_then(|message| message.verify(&key)).is_err(), "{name}");
        }
        let mut without = sample();
        without.as_object_mut().unwrap().remove("Subject");
        assert_eq!(read(&settings, &without, now()).unwrap().verify(&key), Err(Doubt::Wrong));
        let mut other = sample();
        other["SignatureVersion"] = json!("2");
        assert_eq!(read(&settings, &other, now()).unwrap().verify(&key), Err(Doubt::Wrong));
    }

    #[test]
    fn strangers_are_refused_before_anything_is_fetched() {
        let (settings, sample) = (settings(), sample());
        let with = |name: &str, value: &str| {
            let mut message = sample.clone();
            message[name] = json!(value);
            message
        };
        let refusal = |message: &Value, at| read(&settings, message, at).unwrap_err();
        assert_eq!(refusal(&with("TopicArn", "arn:aws:sns:eu-central-1:999999999999:bounces"), now()), Doubt::Topic);
        assert_eq!(refusal(&sample, now().plus_days(2)), Doubt::Stale);
        assert_eq!(refusal(&with("Timestamp", "soon"), now()), Doubt::Stale);
        assert_eq!(refusal(&with("SigningCertURL", "https://evil.example/x.pem"), now()), Doubt::Elsewhere("SigningCertURL"));
        assert_eq!(read(&Settings::default(), &sample, now()).unwrap_err(), Doubt::NotSetUp("bounces.sns_topics"));
        assert!(matches!(refusal(&json!({"notificationType": "Bounce"}), now()), Doubt::Missing(_)));
    }

    #[test]
    fn only_hosts_of_sns_are_of_sns() {
        let settings = Settings { sns_endpoint: "http://127.0.0.1:4566".to_owned(), ..Settings::default() };
        for good in [
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/",
            "https://sns.eu-central-1.amazonaws.com:443/",
            "http://127.0.0.1:4566/x",
        ] {
            assert!(is_of_sns(&settings, good), "{good}");
        }
        for bad in [
            "http://sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/x.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/x.pem",
            "https://user@sns.us-east-1.amazonaws.com/x.pem",
            "https://evil.example/sns.us-east-1.amazonaws.com",
            "https://evil-sns.us-east-1.amazonaws.com/",
            "https://s3.us-east-1.amazonaws.com/x.pem",
            "https://sns.evil.us-east-1.amazonaws.com/x.pem",
            "https://sns..amazonaws.com/",
            "https://sns.us-east-1.amazonaws.com:8443/",
            "https://sns.us-east-1.amazonaws.com./",
            "http://127.0.0.1:4567/x",
            "file:///etc/passwd",
            "x",
        ] {
            assert!(!is_of_sns(&settings, bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_certificate_is_answered(at in 0_usize..700, byte: u8) {
            let text = String::from_utf8(CERTIFICATE.to_vec()).unwrap();
            let (head, tail) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
            let inner: String = text.split_once(head).unwrap().1.split_once(tail).unwrap().0.split_whitespace().collect();
            let mut der = BASE64.decode(inner.as_bytes()).unwrap();
            let at = at % der.len();
            der[at] = byte;
            let _ = key_of(format!("{head}{}{tail}", BASE64.encode(&der)).as_bytes());
            der.truncate(at);
            prop_assert_eq!(key_of(format!("{head}{}{tail}", BASE64.encode(&der)).as_bytes()).is_some(), false);
        }
    }
}
