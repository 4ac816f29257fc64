//! Jira and Jira Service Management: system webhooks (HMAC-SHA256 over the body) and automation rules with a body of our own shape. Pure.

use serde_json::Value;

use super::lookup::{fill, segment};
use super::reading::{self, Unreadable, at, text, texts, ticket};
use super::verify::{Refusal, fits_hex, sha256};
use super::{Agent, Customer, Delivery, Event, Interaction, Proof, Ticket};

/// Believes a delivery whose signature fits, or, as automation rules send it, that carries the secret. The webhook's identifier stays the
/// same when it delivers again.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    match delivery.header("x-hub-signature") {
        Some(sent) => fits_hex(sha256(delivery.secret, &[delivery.body]), "sha256=", sent)?,
        None => delivery.shared()?,
    }
    Ok(delivery.proof("x-atlassian-webhook-identifier"))
}

/// An issue that was moved: into a status of the category `done`, or out of its resolution.
///
/// # Errors
/// When it says not what it is, or an issue has no id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    if body.get("event").is_some() {
        return reading::event(body);
    }
    let event = text(body, "/webhookEvent").ok_or(Unreadable::Field("webhookEvent"))?;
    if event != "jira:issue_updated" {
        return Ok(Event::Other);
    }
    let id = ticket(body, "/issue/id", "issue.id")?;
    let is_done = text(body, "/issue/fields/status/statusCategory/key").as_deref() == Some("done");
    Ok(match (change_of(body, "status"), change_of(body, "resolution")) {
        (Some(_), _) if is_done => Event::Closed(Box::new(closed(body, id))),
        (_, Some(change)) if text(change, "/from").is_some() && text(change, "/to").is_none() => Event::Reopened { ticket: id },
        _ => Event::Other,
    })
}

fn change_of<'a>(body: &'a Value, field: &str) -> Option<&'a Value> {
    let items = body.pointer("/changelog/items").and_then(Value::as_array);
    items.into_iter().flatten().find(|item| text(item, "/field").as_deref() == Some(field))
}

fn closed(body: &Value, id: String) -> Interaction {
    let field = |name: &str| text(body, &format!("/issue/fields/{name}"));
    Interaction {
        ticket: Ticket {
            id: Some(id),
            subject: field("summary"),
            url: address(body),
            opened_at: at(body, "/issue/fields/created"),
            closed_at: at(body, "/issue/fields/resolutiondate").or_else(|| at(body, "/timestamp")),
            ..Ticket::default()
        },
        customer: Customer {
            email: field("reporter/emailAddress"),
            name: field("reporter/displayName"),
            reference: field("reporter/accountId"),
            ..Customer::default()
        },
        agent: Agent { id: field("assignee/accountId"), name: field("assignee/displayName"), email: field("assignee/emailAddress") },
        team: field("project/key"),
        tags: texts(body, "/issue/fields/labels"),
        ..Interaction::default()
    }
}

const ISSUES: &str = "/rest/api/2/issue/";

/// The issue, whose reporter's address the API may show to whom the event does not.
#[must_use]
pub fn questions(read: &Interaction) -> Vec<String> {
    let id = read.ticket.id.as_deref().and_then(segment);
    id.map(|id| format!("{ISSUES}{id}?fields=summary,created,labels,reporter,assignee,project")).into_iter().collect()
}

/// Completes an issue; where it shows no address either, the customer's request of the service desk may.
pub fn learn(interaction: &mut Interaction, question: &str, answer: &Value) -> Vec<String> {
    let field = |name: &str| text(answer, &format!("/fields/{name}"));
    let (customer, agent) = (&mut interaction.customer, &mut interaction.agent);
    if !question.starts_with(ISSUES) {
        fill(&mut customer.email, text(answer, "/reporter/emailAddress"));
        fill(&mut customer.name, text(answer, "/reporter/displayName"));
        return Vec::new();
    }
    fill(&mut customer.email, field("reporter/emailAddress"));
    fill(&mut customer.name, field("reporter/displayName"));
    fill(&mut customer.reference, field("reporter/accountId"));
    fill(&mut agent.id, field("assignee/accountId"));
    fill(&mut agent.name, field("assignee/displayName"));
    fill(&mut agent.email, field("assignee/emailAddress"));
    fill(&mut interaction.ticket.subject, field("summary"));
    fill(&mut interaction.ticket.opened_at, at(answer, "/fields/created"));
    fill(&mut interaction.team, field("project/key"));
    if interaction.tags.is_empty() {
        interaction.tags = texts(answer, "/fields/labels");
    }
    let id = interaction.ticket.id.as_deref().and_then(segment).filter(|_| interaction.customer.email.is_none());
    id.map(|id| format!("/rest/servicedeskapi/request/{id}")).into_iter().collect()
}

/// Where the team sees the issue, by the address of the API that it came with.
fn address(body: &Value) -> Option<String> {
    let (site, _) = text(body, "/issue/self")?.split_once("/rest/").map(|(site, rest)| (site.to_owned(), rest.to_owned()))?;
    Some(format!("{site}/browse/{}", text(body, "/issue/key")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_issue_whose_resolution_is_taken_back_is_reopened() {
        let body = |items: Value, category: &str| {
            let fields = json!({"status": {"statusCategory": {"key": category}}});
            json!({"webhookEvent": "jira:issue_updated", "issue": {"id": "1", "fields": fields}, "changelog": {"items": items}})
        };
        let status = json!({"field": "status", "from": "5", "to": "3"});
        let back = json!({"field": "resolution", "from": "10000", "to": null});
        assert_eq!(read(&body(json!([status, back]), "indeterminate")), Ok(Event::Reopened { ticket: "1".to_owned() }));
        assert_eq!(read(&body(json!([status]), "indeterminate")), Ok(Event::Other));
        // Another field of an issue that was done before.
        assert_eq!(read(&body(json!([{"field": "labels"}]), "done")), Ok(Event::Other));
        assert!(matches!(read(&body(json!([status]), "done")), Ok(Event::Closed(_))));
    }

    #[test]
    fn the_address_is_that_of_the_site() {
        let body = json!({"issue": {"self": "https://acme.atlassian.net/rest/api/2/10002", "key": "SUP-142"}});
        assert_eq!(address(&body).as_deref(), Some("https://acme.atlassian.net/browse/SUP-142"));
    }
}
