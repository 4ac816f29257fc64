//! Amazon SES: what a notification (or an event of a configuration set) tells. Pure.

use serde_json::Value;

use super::{News, items, judged, text};
use crate::delivery::bounce::Kind;

/// What a message of SES tells, one thing for each recipient.
#[must_use]
pub fn read(message: &Value) -> Vec<News> {
    let kind = text(message, "/notificationType").or_else(|| text(message, "/eventType")).unwrap_or_default();
    let news: Vec<News> = match kind {
        "Bounce" => items(message, "/bounce/bouncedRecipients").map(|recipient| bounced(message, recipient)).collect(),
        "Complaint" if text(message, "/complaint/complaintFeedbackType") != Some("not-spam") => {
            let reply = format!("complaint {}", text(message, "/complaint/complaintFeedbackType").unwrap_or_default());
            let of = |recipient| News::of(Kind::Complaint, (None, reply.trim()), id(message), text(recipient, "/emailAddress"));
            items(message, "/complaint/complainedRecipients").map(of).collect()
        }
        "DeliveryDelay" => items(message, "/deliveryDelay/delayedRecipients").map(delayed(message)).collect(),
        _ => Vec::new(),
    };
    let senders: Vec<String> = text(message, "/mail/source").map(ToOwned::to_owned).into_iter().collect();
    let header =
        |name: &str| items(message, "/mail/headers").find(|header| text(header, "/name").is_some_and(|own| own.eq_ignore_ascii_case(name)));
    let own_id = header("Message-ID").and_then(|header| text(header, "/value")).or_else(|| text(message, "/mail/commonHeaders/messageId"));
    let message_ids: Vec<String> = own_id.map(ToOwned::to_owned).into_iter().collect();
    news.into_iter().map(|news| News { senders: senders.clone(), message_ids: message_ids.clone(), ..news }).collect()
}

fn id(message: &Value) -> String {
    format!("ses {}", text(message, "/mail/messageId").unwrap_or_default())
}

fn bounced(message: &Value, recipient: &Value) -> News {
    let reply = text(recipient, "/diagnosticCode").unwrap_or_default();
    let (status, judged) = judged(text(recipient, "/status"), reply);
    let kind = match (text(message, "/bounce/bounceType").unwrap_or_default(), text(message, "/bounce/bounceSubType").unwrap_or_default()) {
        // SES did not even try.
        ("Permanent", "Suppressed" | "OnAccountSuppressionList" | "NoEmail") => Kind::Hard,
        ("Permanent", _) if status.is_none() => Kind::Hard,
        ("Transient", "MessageTooLarge" | "ContentRejected" | "AttachmentRejected") => Kind::Policy,
        ("Transient", _) if judged == Kind::Hard => Kind::Soft,
        _ => judged,
    };
    News::of(kind, (status, reply), id(message), text(recipient, "/emailAddress"))
}

fn delayed(message: &Value) -> impl Fn(&Value) -> News {
    |recipient| {
        let reply = text(recipient, "/diagnosticCode").unwrap_or_default();
        let (status, _) = judged(text(recipient, "/status"), reply);
        News::of(Kind::Delayed, (status, reply), id(message), text(recipient, "/emailAddress"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_mean_what_amazon_says() {
        for (kind, subtype, status, expected) in [
            ("Permanent", "General", "5.1.1", Kind::Hard),
            ("Permanent", "General", "5.7.1", Kind::Policy),
            ("Permanent", "General", "", Kind::Hard),
            ("Permanent", "Suppressed", "5.7.1", Kind::Hard),
            ("Transient", "MailboxFull", "5.2.2", Kind::Soft),
            ("Transient", "General", "5.1.1", Kind::Soft),
            ("Transient", "General", "5.7.1", Kind::Policy),
            ("Transient", "ContentRejected", "", Kind::Policy),
            ("Undetermined", "Undetermined", "", Kind::Soft),
        ] {
            let bounce = json!({"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [{"emailAddress": "sara@example.com", "status": status}]});
            let found = read(&json!({"notificationType": "Bounce", "bounce": bounce, "mail": {"messageId": "1", "source": "a@b"}}));
            assert_eq!((found.len(), found[0].said.kind), (1, expected), "{kind} {subtype} {status}");
            assert_eq!(found[0].senders, ["a@b"]);
        }
        let complaint = |kind: &str| {
            let complaint =
                json!({"complaintFeedbackType": kind, "complainedRecipients": [{"emailAddress": "a@b"}, {"emailAddress": "c@d"}]});
            read(&json!({"eventType": "Complaint", "complaint": complaint})).len()
        };
        assert_eq!((complaint("abuse"), complaint("not-spam")), (2, 0));
        let late = read(&json!({"eventType": "DeliveryDelay", "deliveryDelay": {"delayedRecipients": [{"emailAddress": "a@b"}]}}));
        assert_eq!(late[0].said.kind, Kind::Delayed);
        assert_eq!(read(&json!({"eventType": "Delivery"})), []);
        assert_eq!(read(&json!(7)), []);
    }
}
