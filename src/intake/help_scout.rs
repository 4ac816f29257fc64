//! Help Scout: event `convo.status`, HMAC-SHA1 over the body. Pure.

use serde_json::Value;

use super::reading::{Unreadable, at, each, name, text, ticket};
use super::verify::{Refusal, fits_base64, sha1};
use super::{Agent, Customer, Delivery, Event, Interaction, Proof, Ticket};

/// Believes a delivery whose signature fits: base64 of HMAC-SHA1 over the body. There is no id; a repetition has the same `closedAt`.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    fits_base64(sha1(delivery.secret, &[delivery.body]), delivery.needed("x-helpscout-signature")?)?;
    Ok(Proof::default())
}

/// A conversation, as it is after its status changed.
///
/// # Errors
/// When it has no id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    conversation(body, "/primaryCustomer", each(body, "/tags", "tag"))
}

/// A conversation of Help Scout or of `FreeScout`, which sends the same but for customer and tags. Older versions say `first` and `last`.
pub(super) fn conversation(body: &Value, customer: &str, tags: Vec<String>) -> Result<Event, Unreadable> {
    let id = ticket(body, "/id", "id")?;
    if text(body, "/status").as_deref() != Some("closed") {
        return Ok(Event::Other);
    }
    let person = |who: &str| {
        let called = |first: &str, last: &str| name(body, &[&format!("{who}/{first}"), &format!("{who}/{last}")]);
        called("firstName", "lastName").or_else(|| called("first", "last"))
    };
    let agent = if body.pointer("/closedByUser/id").is_some() { "/closedByUser" } else { "/assignee" };
    Ok(Event::Closed(Box::new(Interaction {
        ticket: Ticket {
            id: Some(id),
            subject: text(body, "/subject"),
            url: text(body, "/_links/web/href"),
            opened_at: at(body, "/createdAt"),
            closed_at: at(body, "/closedAt"),
            ..Ticket::default()
        },
        customer: Customer { email: text(body, &format!("{customer}/email")), name: person(customer), ..Customer::default() },
        agent: Agent { id: text(body, &format!("{agent}/id")), name: person(agent), email: text(body, &format!("{agent}/email")) },
        team: text(body, "/mailboxId").map(|mailbox| format!("mailbox:{mailbox}")),
        channel: text(body, "/type"),
        tags,
        ..Interaction::default()
    })))
}
