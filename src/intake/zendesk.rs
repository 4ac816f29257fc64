//! Zendesk: triggers with a body of our own shape that the admin pastes, and events without the customer's address. Signs timestamp and body. Pure.

use serde_json::Value;

use super::lookup::{fill, segment};
use super::reading::{self, Unreadable, at, text, texts, ticket};
use super::verify::{self, Refusal};
use super::{Agent, Customer, Delivery, Event, Interaction, Proof, Ticket};
use crate::clock::MINUTE_MS;

/// What the builder of webhooks signs with when an admin presses "Test webhook", before there is a secret. Everybody knows it.
const TEST_SECRET: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";

/// Believes a delivery whose signature fits. Zendesk does not promise an id that stays the same when it delivers again,
/// so a repetition is told by the ticket and the instant of its closing.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    check(delivery.secret, delivery)?;
    Ok(Proof { delivery_key: None })
}

/// Whether this is the builder's test: it is answered as if all were well, and nothing of it is kept.
#[must_use]
pub fn is_test(delivery: &Delivery<'_>) -> bool {
    check(TEST_SECRET, delivery).is_ok()
}

fn check(secret: &str, delivery: &Delivery<'_>) -> Result<(), Refusal> {
    let timestamp = delivery.header("x-zendesk-webhook-signature-timestamp");
    let signature = delivery.header("x-zendesk-webhook-signature");
    verify::zendesk(secret, timestamp, signature, delivery.body, delivery.now)
}

/// A trigger's body, or an event that Zendesk writes itself.
///
/// # Errors
/// When it says not what it is, or a ticket has no id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    let Some(kind) = text(body, "/type").filter(|kind| kind.starts_with("zen:")) else {
        return reading::event(body);
    };
    if kind != "zen:event-type:ticket.status_changed" {
        return Ok(Event::Other);
    }
    let id = ticket(body, "/detail/id", "detail.id")?;
    let status = |pointer: &str| text(body, pointer).unwrap_or_default();
    let is_open = |status: &str| ["NEW", "OPEN", "PENDING", "HOLD"].contains(&status);
    match (status("/event/previous").as_str(), status("/event/current").as_str()) {
        // Days later a rule moves what is solved to CLOSED; that was no closing.
        (_, "SOLVED") => Ok(Event::Closed(Box::new(solved(body, id)))),
        ("SOLVED" | "CLOSED", now) if is_open(now) => Ok(Event::Reopened { ticket: id }),
        _ => Ok(Event::Other),
    }
}

fn solved(body: &Value, id: String) -> Interaction {
    let detail = |name: &str| text(body, &format!("/detail/{name}"));
    Interaction {
        ticket: Ticket {
            id: Some(id),
            subject: detail("subject"),
            opened_at: at(body, "/detail/created_at"),
            closed_at: at(body, "/time").or_else(|| at(body, "/detail/updated_at")),
            ..Ticket::default()
        },
        customer: Customer { reference: detail("requester_id"), ..Customer::default() },
        agent: Agent { id: detail("assignee_id"), ..Agent::default() },
        channel: detail("via/channel"),
        tags: texts(body, "/detail/tags"),
        ..Interaction::default()
    }
}

/// Requester and assignee, then group and figures. The ticket itself may be too long, since it holds the whole description.
#[must_use]
pub fn questions(event: &Value, read: &Interaction) -> Vec<String> {
    let id = |id: Option<&str>| id.and_then(segment);
    let Some(requester) = id(text(event, "/detail/requester_id").as_deref()) else { return Vec::new() };
    let assignee = id(read.agent.id.as_deref()).map(|id| format!(",{id}")).unwrap_or_default();
    let users = format!("/api/v2/users/show_many.json?ids={requester}{assignee}");
    let group = id(text(event, "/detail/group_id").as_deref()).map(|id| format!("/api/v2/groups/{id}.json"));
    let figures = id(read.ticket.id.as_deref()).map(|id| format!("/api/v2/tickets/{id}/metrics.json"));
    std::iter::once(users).chain(group).chain(figures).collect()
}

/// Completes a ticket by its people, its group or its figures.
pub fn learn(interaction: &mut Interaction, answer: &Value) {
    let users = || answer.get("users").and_then(Value::as_array).into_iter().flatten();
    let user = |id: &Option<String>| users().find(|user| id.is_some() && text(user, "/id") == *id);
    let (customer, agent) = (&mut interaction.customer, &mut interaction.agent);
    if let Some(user) = user(&customer.reference) {
        fill(&mut customer.email, text(user, "/email"));
        fill(&mut customer.name, text(user, "/name"));
        fill(&mut customer.phone, text(user, "/phone"));
        fill(&mut customer.locale, text(user, "/locale"));
    }
    if let Some(user) = user(&agent.id) {
        fill(&mut agent.name, text(user, "/name"));
        fill(&mut agent.email, text(user, "/email"));
    }
    fill(&mut interaction.team, text(answer, "/group/name"));
    fill(&mut interaction.ticket.reopens, text(answer, "/ticket_metric/reopens").and_then(|count| count.parse().ok()));
    let minutes = text(answer, "/ticket_metric/reply_time_in_minutes/calendar").and_then(|minutes| minutes.parse::<i64>().ok());
    let replied_at = interaction.ticket.opened_at.zip(minutes).map(|(at, minutes)| at.plus_millis(minutes.saturating_mul(MINUTE_MS)));
    fill(&mut interaction.ticket.first_reply_at, replied_at);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(previous: &str, current: &str) -> Value {
        json!({"type": "zen:event-type:ticket.status_changed", "event": {"previous": previous, "current": current}, "detail": {"id": "7"}})
    }

    #[test]
    fn solved_is_closed_and_what_is_moved_out_of_it_is_opened_again() {
        assert!(matches!(read(&changed("OPEN", "SOLVED")), Ok(Event::Closed(_))));
        for (previous, current) in [("SOLVED", "OPEN"), ("CLOSED", "PENDING"), ("SOLVED", "HOLD")] {
            assert_eq!(read(&changed(previous, current)), Ok(Event::Reopened { ticket: "7".to_owned() }));
        }
        for (previous, current) in [("SOLVED", "CLOSED"), ("OPEN", "PENDING"), ("CLOSED", "ARCHIVED"), ("NEW", "DELETED")] {
            assert_eq!(read(&changed(previous, current)), Ok(Event::Other));
        }
        assert_eq!(read(&json!({"type": "zen:event-type:ticket.created"})), Ok(Event::Other));
        assert_eq!(read(&json!({"type": "zen:event-type:ticket.status_changed"})), Err(Unreadable::Field("detail.id")));
        assert_eq!(read(&json!({})), Err(Unreadable::Field("event")));
    }
}
