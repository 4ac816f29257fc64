//! Zammad: a trigger on the ticket's state, HMAC-SHA1 over the body. Pure.

use serde_json::Value;

use super::reading::{self, Unreadable, at, name, text, ticket};
use super::verify::{Refusal, fits_hex, sha1};
use super::{Agent, Customer, Delivery, Event, Interaction, Proof, Ticket};

/// Believes a delivery whose signature fits (hexadecimal HMAC-SHA1 over the body), or, where the webhook has no token, that carries the secret.
/// `X-Zammad-Delivery` stays the same when it delivers again.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    match delivery.header("x-hub-signature") {
        Some(sent) => fits_hex(sha1(delivery.secret, &[delivery.body]), "sha1=", sent)?,
        None => delivery.shared()?,
    }
    Ok(delivery.proof("x-zammad-delivery"))
}

/// A ticket as the trigger found it, or a body of our own shape that an admin wrote.
///
/// # Errors
/// When it has no ticket with an id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    if body.get("event").is_some() {
        return reading::event(body);
    }
    let id = ticket(body, "/ticket/id", "ticket.id")?;
    // States have names that an admin may lengthen: "closed successful".
    if !text(body, "/ticket/state").is_some_and(|state| state.to_lowercase().starts_with("closed")) {
        return Ok(Event::Other);
    }
    // The user with id 1 stands for nobody.
    let is_owned = text(body, "/ticket/owner/id").is_some_and(|owner| owner != "1");
    let agent = Agent {
        id: text(body, "/ticket/owner/id"),
        name: name(body, &["/ticket/owner/firstname", "/ticket/owner/lastname"]),
        email: text(body, "/ticket/owner/email"),
    };
    Ok(Event::Closed(Box::new(Interaction {
        ticket: Ticket {
            id: Some(id),
            subject: text(body, "/ticket/title"),
            opened_at: at(body, "/ticket/created_at"),
            first_reply_at: at(body, "/ticket/first_response_at"),
            closed_at: at(body, "/ticket/last_close_at").or_else(|| at(body, "/ticket/close_at")),
            ..Ticket::default()
        },
        customer: Customer {
            email: text(body, "/ticket/customer/email"),
            phone: text(body, "/ticket/customer/phone").or_else(|| text(body, "/ticket/customer/mobile")),
            name: name(body, &["/ticket/customer/firstname", "/ticket/customer/lastname"]),
            ..Customer::default()
        },
        agent: Some(agent).filter(|_| is_owned).unwrap_or_default(),
        team: text(body, "/ticket/group/name"),
        channel: text(body, "/ticket/create_article_type"),
        ..Interaction::default()
    })))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ticket_that_nobody_owns_has_no_agent_and_an_open_one_is_something_else() {
        let body = json!({"ticket": {"id": 7, "state": "Closed successful", "owner": {"id": 1, "firstname": "-"}}});
        let Event::Closed(closed) = read(&body).unwrap() else { panic!("not closed") };
        assert_eq!(closed.agent, Agent::default());
        assert_eq!(read(&json!({"ticket": {"id": 7, "state": "open"}})), Ok(Event::Other));
        assert_eq!(read(&json!({"article": {}})), Err(Unreadable::Field("ticket.id")));
    }
}
