//! Chatwoot: event `conversation_status_changed`, HMAC-SHA256 over timestamp and body. Pure.

use serde_json::Value;

use super::reading::{Unreadable, at, text, texts, ticket};
use super::verify::{Refusal, fits_hex, fresh, sha256};
use super::{Agent, Customer, Delivery, Event, Interaction, Proof, Ticket};

/// Believes a delivery whose signature fits: hexadecimal HMAC-SHA256 over `timestamp.body`, at most 300 s old. Servers before 4.11.2 sign
/// nothing; their webhook's address carries the secret.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    let Some(sent) = delivery.header("x-chatwoot-signature") else {
        delivery.shared()?;
        return Ok(Proof::default());
    };
    let timestamp = delivery.needed("x-chatwoot-timestamp")?;
    fresh(timestamp.parse().map_err(|_| Refusal::Timestamp)?, delivery.now)?;
    fits_hex(sha256(delivery.secret, &[timestamp.as_bytes(), b".", delivery.body]), "sha256=", sent)?;
    Ok(delivery.proof("x-chatwoot-delivery"))
}

/// A conversation after its status changed.
///
/// # Errors
/// When it has no event, or no id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    let event = text(body, "/event").ok_or(Unreadable::Field("event"))?;
    if event != "conversation_status_changed" {
        return Ok(Event::Other);
    }
    let id = ticket(body, "/id", "id")?;
    match text(body, "/status").as_deref() {
        Some("resolved") => Ok(Event::Closed(Box::new(closed(body, id)))),
        Some("open" | "pending") if was_resolved(body) => Ok(Event::Reopened { ticket: id }),
        _ => Ok(Event::Other),
    }
}

fn was_resolved(body: &Value) -> bool {
    let changed = body.get("changed_attributes").and_then(Value::as_array);
    changed.into_iter().flatten().any(|change| text(change, "/status/previous_value").as_deref() == Some("resolved"))
}

fn closed(body: &Value, id: String) -> Interaction {
    Interaction {
        ticket: Ticket {
            id: Some(id),
            opened_at: at(body, "/created_at"),
            first_reply_at: at(body, "/first_reply_created_at"),
            closed_at: at(body, "/updated_at").or_else(|| at(body, "/last_activity_at")),
            ..Ticket::default()
        },
        customer: Customer {
            email: text(body, "/meta/sender/email"),
            phone: text(body, "/meta/sender/phone_number"),
            name: text(body, "/meta/sender/name"),
            locale: text(body, "/additional_attributes/browser_language"),
            reference: text(body, "/meta/sender/identifier"),
            ..Customer::default()
        },
        agent: Agent {
            id: text(body, "/meta/assignee/id"),
            name: text(body, "/meta/assignee/name"),
            email: text(body, "/meta/assignee/email"),
        },
        team: text(body, "/meta/team/name"),
        channel: text(body, "/channel"),
        tags: texts(body, "/labels"),
        ..Interaction::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_conversation_that_was_resolved_and_is_open_is_reopened() {
        let changed = |from: &str| json!([{"status": {"previous_value": from, "current_value": "open"}}]);
        let body =
            |from: &str| json!({"event": "conversation_status_changed", "id": 10, "status": "open", "changed_attributes": changed(from)});
        assert_eq!(read(&body("resolved")), Ok(Event::Reopened { ticket: "10".to_owned() }));
        assert_eq!(read(&body("snoozed")), Ok(Event::Other));
        assert_eq!(read(&json!({"event": "message_created"})), Ok(Event::Other));
    }
}
