//! Front: application webhooks (HMAC-SHA256 over timestamp and body) and rule webhooks (HMAC-SHA1 over the body). Pure.

use serde_json::Value;

use super::reading::{Unreadable, at, each, name, text, ticket};
use super::verify::{Refusal, fits_base64, fresh, sha1, sha256};
use super::{Agent, Customer, Delivery, Event, Interaction, Proof, Ticket};

/// Believes a delivery whose signature fits. An application's covers its timestamp in milliseconds, at most 300 s old.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    let sent = delivery.needed("x-front-signature")?;
    match delivery.header("x-front-request-timestamp") {
        Some(timestamp) => {
            let signed_ms: i64 = timestamp.parse().map_err(|_| Refusal::Timestamp)?;
            fresh(signed_ms.div_euclid(1000), delivery.now)?;
            fits_base64(sha256(delivery.secret, &[timestamp.as_bytes(), b":", delivery.body]), sent)?;
        }
        None => fits_base64(sha1(delivery.secret, &[delivery.body]), sent)?,
    }
    Ok(Proof::default())
}

/// An event: in an envelope by an application, bare by a rule.
///
/// # Errors
/// When it has no type, or a conversation no id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    let kind = text(body, "/type").ok_or(Unreadable::Field("type"))?;
    let event = body.get("payload").unwrap_or(body);
    let id = || ticket(event, "/conversation/id", "conversation.id");
    match kind.as_str() {
        "conversation_archived" | "archive" => Ok(Event::Closed(Box::new(closed(event, id()?)))),
        "conversation_reopened" | "reopen" => Ok(Event::Reopened { ticket: id()? }),
        _ => Ok(Event::Other),
    }
}

fn closed(event: &Value, id: String) -> Interaction {
    let agent = if event.pointer("/conversation/assignee/id").is_some() { "/conversation/assignee" } else { "/source/data" };
    let of_agent = |field: &str| format!("{agent}/{field}");
    // A handle is whatever the channel calls people: an address, a number, a nickname.
    let handle = text(event, "/conversation/recipient/handle");
    Interaction {
        ticket: Ticket {
            id: Some(id),
            subject: text(event, "/conversation/subject"),
            opened_at: at(event, "/conversation/created_at"),
            closed_at: at(event, "/emitted_at"),
            ..Ticket::default()
        },
        customer: Customer {
            email: handle.clone().filter(|handle| handle.contains('@')),
            phone: handle.filter(|handle| handle.starts_with('+')),
            name: text(event, "/conversation/recipient/name"),
            ..Customer::default()
        },
        agent: Agent {
            id: text(event, &of_agent("id")),
            name: name(event, &[&of_agent("first_name"), &of_agent("last_name")]),
            email: text(event, &of_agent("email")),
        },
        tags: each(event, "/conversation/tags", "name"),
        ..Interaction::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_sends_the_event_bare_and_a_handle_is_an_address_or_a_number() {
        let conversation = json!({"id": "cnv_1", "recipient": {"handle": "+15550100", "name": "Raj"}});
        let body = json!({"type": "archive", "emitted_at": 1_768_472_998.5, "conversation": conversation});
        let Event::Closed(closed) = read(&body).unwrap() else { panic!("not closed") };
        assert_eq!((closed.customer.email, closed.customer.phone.as_deref()), (None, Some("+15550100")));
        let reopened = json!({"type": "conversation_reopened", "payload": {"conversation": {"id": "cnv_1"}}});
        assert_eq!(read(&reopened), Ok(Event::Reopened { ticket: "cnv_1".to_owned() }));
        assert_eq!(read(&json!({"type": "sync"})), Ok(Event::Other));
    }
}
