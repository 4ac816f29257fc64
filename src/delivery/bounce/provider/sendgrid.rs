//! SendGrid's event webhook: ECDSA on the curve P-256 over timestamp and body, with the public key that SendGrid shows. Pure.

use data_encoding::BASE64;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::Value;

use super::{Delivery, Doubt, News, fresh, judged, text, word};
use crate::delivery::bounce::Kind;

/// What stands before the 65 bytes of the point in a key on P-256 (RFC 5480, section 2).
const HEAD: [u8; 26] =
    [0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0];

/// A public key on P-256: the uncompressed point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 65]);

impl PublicKey {
    /// Reads the base64 that SendGrid shows, with or without the lines of a PEM file around it.
    #[must_use]
    pub fn parse(shown: &str) -> Option<Self> {
        let text: String =
            shown.lines().filter(|line| !line.starts_with("-----")).flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
        let bytes = BASE64.decode(text.as_bytes()).ok()?;
        let point: [u8; 65] = bytes.strip_prefix(&HEAD)?.try_into().ok()?;
        point.starts_with(&[4]).then_some(Self(point))
    }
}

/// Believes a message.
///
/// # Errors
/// Says why it is not believed.
pub fn verify(key: Option<&PublicKey>, delivery: &Delivery<'_>) -> Result<(), Doubt> {
    let key = key.ok_or(Doubt::NotSetUp("bounces.sendgrid_public_key"))?;
    let needed = |name: &'static str| (delivery.headers)(name).ok_or(Doubt::Missing(name));
    let timestamp = needed("x-twilio-email-event-webhook-timestamp")?;
    let signature = needed("x-twilio-email-event-webhook-signature")?;
    let signature = BASE64.decode(signature.trim().as_bytes()).map_err(|_| Doubt::Wrong)?;
    let signed = [timestamp.as_bytes(), delivery.body].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.0).verify(&signed, &signature).map_err(|_| Doubt::Wrong)?;
    fresh(timestamp.parse().map_err(|_| Doubt::Stale)?, delivery.now)
}

/// What a list of events tells.
#[must_use]
pub fn read(events: &Value) -> Vec<News> {
    events.as_array().into_iter().flatten().filter_map(event).collect()
}

fn event(event: &Value) -> Option<News> {
    let word_of = |pointer: &str| text(event, pointer).unwrap_or_default();
    let reply = text(event, "/reason").or_else(|| text(event, "/response")).unwrap_or_default();
    let (status, judged) = judged(text(event, "/status"), reply);
    let kind = match (word_of("/event"), word_of("/type")) {
        ("spamreport", _) => Kind::Complaint,
        ("deferred", _) => Kind::Delayed,
        // Refused this time; the address itself may be good.
        ("bounce", "blocked") if judged == Kind::Hard => Kind::Soft,
        ("bounce", _) => judged,
        // SendGrid did not even try, because of what it knows of the address.
        ("dropped", _) if reply.starts_with("Bounced Address") || reply.starts_with("Invalid") => Kind::Hard,
        ("dropped", _) if reply.starts_with("Spam Reporting Address") => Kind::Complaint,
        _ => return None,
    };
    let message_id = text(event, "/smtp-id");
    let id =
        text(event, "/sg_message_id").or(message_id).map(ToOwned::to_owned).or_else(|| word(event, "/sg_event_id")).unwrap_or_default();
    let mut news = News::of(kind, (status, reply), format!("sendgrid {id}"), text(event, "/email"));
    news.message_ids.extend(message_id.map(ToOwned::to_owned));
    Some(news)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_mean_what_sendgrid_says() {
        for (event, kind, reason, expected) in [
            ("bounce", "bounce", "550 5.1.1 unknown", Some(Kind::Hard)),
            ("bounce", "blocked", "550 5.1.1 unknown", Some(Kind::Soft)),
            ("bounce", "blocked", "550 5.7.1 refused", Some(Kind::Policy)),
            ("deferred", "", "451 later", Some(Kind::Delayed)),
            ("dropped", "", "Bounced Address", Some(Kind::Hard)),
            ("dropped", "", "Spam Reporting Address", Some(Kind::Complaint)),
            ("dropped", "", "Unsubscribed Address", None),
            ("spamreport", "", "", Some(Kind::Complaint)),
            ("delivered", "", "250 ok", None),
        ] {
            let found = read(&json!([{"event": event, "type": kind, "reason": reason, "email": "sara@example.com"}]));
            assert_eq!(found.first().map(|news| news.said.kind), expected, "{event} {kind}");
        }
        assert_eq!(read(&json!([7, {}, []])), []);
        assert_eq!(read(&json!({})), []);
    }

    #[test]
    fn a_key_is_read_as_it_is_shown_and_nothing_else_is_a_key() {
        let shown = BASE64.encode(&[&HEAD[..], &[4; 65]].concat());
        let key = PublicKey::parse(&shown).unwrap();
        assert_eq!(
            PublicKey::parse(&format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &shown[..64], &shown[64..])),
            Some(key)
        );
        for other in ["", "x", &shown[4..], &BASE64.encode(&[&HEAD[..], &[2; 65]].concat())] {
            assert_eq!(PublicKey::parse(other), None, "{other}");
        }
    }
}
