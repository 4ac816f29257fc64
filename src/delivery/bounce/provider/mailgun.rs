//! Mailgun: HMAC-SHA256 over timestamp and token, which stand in the body beside what they do not sign. Pure.

use secrecy::ExposeSecret;
use serde_json::Value;

use super::{Doubt, News, fresh, judged, text, word};
use crate::clock::Timestamp;
use crate::delivery::bounce::Kind;
use crate::intake::verify;

/// Believes a message; answers the token of its signature, which must not be used twice.
///
/// # Errors
/// Says why it is not believed.
pub fn verify(key: &secrecy::SecretString, message: &Value, now: Timestamp) -> Result<String, Doubt> {
    let key = key.expose_secret();
    if key.is_empty() {
        return Err(Doubt::NotSetUp("bounces.mailgun_signing_key"));
    }
    let timestamp = word(message, "/signature/timestamp").ok_or(Doubt::Missing("signature.timestamp"))?;
    let token = text(message, "/signature/token").ok_or(Doubt::Missing("signature.token"))?;
    let signature = text(message, "/signature/signature").ok_or(Doubt::Missing("signature.signature"))?;
    let mac = verify::sha256(key, &[timestamp.as_bytes(), token.as_bytes()]);
    verify::fits_hex(mac, "", signature).map_err(|_| Doubt::Wrong)?;
    fresh(timestamp.parse().map_err(|_| Doubt::Stale)?, now)?;
    Ok(token.to_owned())
}

/// What a message tells: one thing, or nothing.
#[must_use]
pub fn read(message: &Value) -> Option<News> {
    let event = message.get("event-data")?;
    let word_of = |pointer: &str| text(event, pointer).unwrap_or_default();
    let code = word(event, "/delivery-status/code").unwrap_or_default();
    let reply = format!("{code} {} {}", word_of("/delivery-status/message"), word_of("/delivery-status/description"));
    let (status, judged) = judged(text(event, "/delivery-status/enhanced-code"), reply.trim());
    let kind = match (word_of("/event"), word_of("/severity"), word_of("/reason")) {
        ("complained", _, _) | ("failed", _, "suppress-complaint") => Kind::Complaint,
        ("failed", "temporary", _) => Kind::Delayed,
        ("failed", _, "suppress-bounce") => Kind::Hard,
        // Mailgun's own list of those who unsubscribed there.
        ("failed", _, "suppress-unsubscribe") => return None,
        // It was tried for hours.
        ("failed", _, "old") => Kind::Soft,
        ("failed", _, _) => judged,
        _ => return None,
    };
    let message_id = text(event, "/message/headers/message-id");
    let id = message_id.or_else(|| text(event, "/id")).unwrap_or_default().to_owned();
    let mut news = News::of(kind, (status, reply.trim()), format!("mailgun {id}"), text(event, "/recipient"));
    news.senders.extend(text(event, "/envelope/sender").map(ToOwned::to_owned));
    news.message_ids.extend(message_id.map(ToOwned::to_owned));
    Some(news)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failed(severity: &str, reason: &str, message: &str) -> Option<Kind> {
        let status = json!({"code": 550, "message": message, "description": ""});
        let event =
            json!({"event": "failed", "severity": severity, "reason": reason, "recipient": "sara@example.com", "delivery-status": status});
        read(&json!({"event-data": event})).map(|news| news.said.kind)
    }

    #[test]
    fn reasons_mean_what_mailgun_says() {
        for (severity, reason, message, kind) in [
            ("permanent", "bounce", "5.1.1 The email account that you tried to reach does not exist", Some(Kind::Hard)),
            ("permanent", "generic", "5.7.1 blocked", Some(Kind::Policy)),
            ("permanent", "suppress-bounce", "Not delivering to previously bounced address", Some(Kind::Hard)),
            ("permanent", "suppress-complaint", "", Some(Kind::Complaint)),
            ("permanent", "suppress-unsubscribe", "", None),
            ("permanent", "old", "5.1.1", Some(Kind::Soft)),
            ("temporary", "generic", "4.2.2 mailbox full", Some(Kind::Delayed)),
        ] {
            assert_eq!(failed(severity, reason, message), kind, "{severity} {reason}");
        }
        for nothing in [json!({}), json!([]), json!({"event-data": {"event": "delivered"}})] {
            assert_eq!(read(&nothing), None);
        }
    }
}
