//! `HubSpot` app webhooks: property changes of tickets, in lists; HMAC-SHA256 over method, address, body and timestamp. Pure.

use serde_json::Value;

use super::lookup::{fill, segment};
use super::reading::{Unreadable, at, name, text, ticket};
use super::verify::{Refusal, fits_base64, fresh, sha256};
use super::{Delivery, Event, Interaction, Proof, Ticket};

/// The stage of the default pipeline that is called closed. Stages of other pipelines have other ids; there `closed_date` tells.
const CLOSED_STAGE: &str = "4";

/// Believes a delivery whose signature of version 3 fits, at most 300 s old. It covers the public address of the hook.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    let sent = delivery.needed("x-hubspot-signature-v3")?;
    let timestamp = delivery.needed("x-hubspot-request-timestamp")?;
    let signed_ms: i64 = timestamp.parse().map_err(|_| Refusal::Timestamp)?;
    fresh(signed_ms.div_euclid(1000), delivery.now)?;
    let parts: [&[u8]; 4] = [b"POST", delivery.url.as_bytes(), delivery.body, timestamp.as_bytes()];
    fits_base64(sha256(delivery.secret, &parts), sent)?;
    Ok(Proof::default())
}

/// A change of one property of a ticket. Customer and subject are not in it.
///
/// # Errors
/// When it says not what it is, or has no object.
pub fn read(event: &Value) -> Result<Event, Unreadable> {
    let kind = text(event, "/subscriptionType").ok_or(Unreadable::Field("subscriptionType"))?;
    let is_ticket =
        kind == "ticket.propertyChange" || (kind == "object.propertyChange" && text(event, "/objectTypeId").as_deref() == Some("0-5"));
    if !is_ticket {
        return Ok(Event::Other);
    }
    let closed_at = match (text(event, "/propertyName").as_deref(), text(event, "/propertyValue")) {
        (Some("hs_pipeline_stage"), Some(stage)) if stage == CLOSED_STAGE => at(event, "/occurredAt"),
        (Some("closed_date"), Some(_)) => at(event, "/propertyValue").or_else(|| at(event, "/occurredAt")),
        _ => return Ok(Event::Other),
    };
    let id = ticket(event, "/objectId", "objectId")?;
    Ok(Event::Closed(Box::new(Interaction { ticket: Ticket { id: Some(id), closed_at, ..Ticket::default() }, ..Interaction::default() })))
}

const TICKETS: &str = "/crm/v3/objects/tickets/";
const CONTACTS: &str = "/crm/v3/objects/contacts/";
const OWNERS: &str = "/crm/v3/owners/";

/// The ticket with its contacts.
#[must_use]
pub fn questions(read: &Interaction) -> Vec<String> {
    let id = read.ticket.id.as_deref().and_then(segment);
    let question = |id| format!("{TICKETS}{id}?properties=subject,hubspot_owner_id,createdate,source_type&associations=contacts");
    id.map(question).into_iter().collect()
}

/// Completes a ticket by itself, then by its first contact and its owner.
pub fn learn(interaction: &mut Interaction, question: &str, answer: &Value) -> Vec<String> {
    let property = |name: &str| text(answer, &format!("/properties/{name}"));
    let (customer, agent) = (&mut interaction.customer, &mut interaction.agent);
    if question.starts_with(TICKETS) {
        fill(&mut interaction.ticket.subject, property("subject"));
        fill(&mut interaction.ticket.opened_at, at(answer, "/properties/createdate"));
        fill(&mut interaction.channel, property("source_type"));
        fill(&mut agent.id, property("hubspot_owner_id"));
        let contact = text(answer, "/associations/contacts/results/0/id").as_deref().and_then(segment);
        let owner = agent.id.as_deref().and_then(segment);
        let contact = contact.map(|id| format!("{CONTACTS}{id}?properties=email,firstname,lastname,phone,mobilephone,hs_language"));
        return contact.into_iter().chain(owner.map(|id| format!("{OWNERS}{id}"))).collect();
    }
    if question.starts_with(CONTACTS) {
        fill(&mut customer.email, property("email"));
        fill(&mut customer.phone, property("phone").or_else(|| property("mobilephone")));
        fill(&mut customer.name, name(answer, &["/properties/firstname", "/properties/lastname"]));
        fill(&mut customer.locale, property("hs_language"));
        fill(&mut customer.reference, text(answer, "/id"));
    } else {
        fill(&mut agent.email, text(answer, "/email"));
        fill(&mut agent.name, name(answer, &["/firstName", "/lastName"]));
        let teams = answer.get("teams").and_then(Value::as_array);
        let team =
            teams.and_then(|teams| teams.iter().find(|team| team.get("primary") == Some(&Value::Bool(true))).or_else(|| teams.first()));
        fill(&mut interaction.team, team.and_then(|team| text(team, "/name")));
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_closed_date_closes_tickets_of_every_pipeline() {
        let change = |name: &str, value: &str| json!({"subscriptionType": "ticket.propertyChange", "objectId": 7, "propertyName": name, "propertyValue": value, "occurredAt": 5});
        assert!(matches!(read(&change("closed_date", "1768472996000")), Ok(Event::Closed(_))));
        assert!(matches!(read(&change("hs_pipeline_stage", "4")), Ok(Event::Closed(_))));
        for other in [change("hs_pipeline_stage", "998"), change("closed_date", ""), change("subject", "4")] {
            assert_eq!(read(&other), Ok(Event::Other), "{other}");
        }
        assert_eq!(read(&json!({"subscriptionType": "contact.creation"})), Ok(Event::Other));
    }
}
