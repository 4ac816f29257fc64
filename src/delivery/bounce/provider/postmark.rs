//! Postmark: it signs nothing, so it sends a password in the address it is given, in front of the host or behind the path. Pure.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Delivery, Doubt, News, judged, text, word};
use crate::delivery::bounce::Kind;
use crate::intake::verify;

/// Believes a message that carries the password.
///
/// # Errors
/// Says why it is not believed.
pub fn verify(password: &SecretString, delivery: &Delivery<'_>) -> Result<(), Doubt> {
    let password = password.expose_secret();
    if password.is_empty() {
        return Err(Doubt::NotSetUp("bounces.postmark_password"));
    }
    let basic = (delivery.headers)("authorization").and_then(verify::basic_password);
    verify::shared(password, basic.as_deref().into_iter().chain(delivery.behind)).map_err(|refusal| match refusal {
        verify::Refusal::Unsigned => Doubt::Missing("the password, as basic authentication or behind the address,"),
        _ => Doubt::Wrong,
    })
}

/// What a message tells: one thing, or nothing.
#[must_use]
pub fn read(message: &Value) -> Option<News> {
    let details = text(message, "/Details").or_else(|| text(message, "/Description")).unwrap_or_default();
    let (status, judged) = judged(None, details);
    let kind = match (text(message, "/RecordType")?, text(message, "/Type").unwrap_or_default()) {
        ("SpamComplaint", _) | ("Bounce", "SpamComplaint") => Kind::Complaint,
        ("Bounce", "HardBounce" | "BadEmailAddress" | "ManuallyDeactivated") if judged == Kind::Policy => Kind::Policy,
        ("Bounce", "HardBounce" | "BadEmailAddress" | "ManuallyDeactivated") => Kind::Hard,
        ("Bounce", "SoftBounce" | "DnsError" | "Unknown" | "Undeliverable") => Kind::Soft,
        ("Bounce", "Transient") => Kind::Delayed,
        ("Bounce", "Blocked" | "DMARCPolicy" | "SpamNotification" | "VirusNotification") => Kind::Policy,
        _ => return None,
    };
    let id = text(message, "/MessageID").map(ToOwned::to_owned).or_else(|| word(message, "/ID")).unwrap_or_default();
    let mut news = News::of(kind, (status, details), format!("postmark {id}"), text(message, "/Email"));
    news.message_ids.push(id);
    Some(news)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_mean_what_postmark_says() {
        for (kind, details, expected) in [
            ("HardBounce", "smtp;550 5.1.1 unknown", Some(Kind::Hard)),
            ("HardBounce", "smtp;550 5.7.1 refused", Some(Kind::Policy)),
            ("SoftBounce", "smtp;552 full", Some(Kind::Soft)),
            ("Transient", "", Some(Kind::Delayed)),
            ("Blocked", "", Some(Kind::Policy)),
            ("AutoResponder", "", None),
            ("Subscribe", "", None),
        ] {
            let message = json!({"RecordType": "Bounce", "Type": kind, "Details": details, "Email": "sara@example.com", "ID": 7});
            assert_eq!(read(&message).map(|news| news.said.kind), expected, "{kind}");
        }
        assert_eq!(read(&json!({"RecordType": "Delivery"})), None);
        assert_eq!(read(&json!(7)), None);
    }
}
