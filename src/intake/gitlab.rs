//! GitLab service desk: issue events, signed by Standard Webhooks or with a plain token. Pure.

use serde_json::Value;

use super::lookup::{fill, first, segment};
use super::reading::{Unreadable, at, each, text, texts, ticket};
use super::verify::{self, Refusal};
use super::{Agent, Delivery, Event, Interaction, Proof, Ticket, standard};

/// Believes a delivery that is signed; where there is no signature, one whose `X-Gitlab-Token` is the secret.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    if delivery.header("webhook-signature").is_some() {
        return standard::verify(delivery);
    }
    verify::shared(delivery.secret, delivery.header("x-gitlab-token"))?;
    Ok(delivery.proof("idempotency-key"))
}

/// An issue that was closed or opened again. The customer's address is not in it.
///
/// # Errors
/// When it says not what it is about, or an issue has no id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    let kind = text(body, "/object_kind").ok_or(Unreadable::Field("object_kind"))?;
    if !matches!(kind.as_str(), "issue" | "work_item") {
        return Ok(Event::Other);
    }
    let id = || ticket(body, "/object_attributes/id", "object_attributes.id");
    match text(body, "/object_attributes/action").as_deref() {
        Some("close") => Ok(Event::Closed(Box::new(closed(body, id()?)))),
        Some("reopen") => Ok(Event::Reopened { ticket: id()? }),
        _ => Ok(Event::Other),
    }
}

fn closed(body: &Value, id: String) -> Interaction {
    let agent = if body.pointer("/assignees/0").is_some() { "/assignees/0" } else { "/user" };
    let of_agent = |field: &str| text(body, &format!("{agent}/{field}"));
    Interaction {
        ticket: Ticket {
            id: Some(id),
            subject: text(body, "/object_attributes/title"),
            url: text(body, "/object_attributes/url"),
            opened_at: at(body, "/object_attributes/created_at"),
            closed_at: at(body, "/object_attributes/closed_at").or_else(|| at(body, "/object_attributes/updated_at")),
            ..Ticket::default()
        },
        // Where an address may not be shown it says "[REDACTED]".
        agent: Agent { id: of_agent("id"), name: of_agent("name"), email: of_agent("email").filter(|email| email.contains('@')) },
        team: text(body, "/project/path_with_namespace"),
        tags: each(body, "/labels", "title"),
        ..Interaction::default()
    }
}

/// The issue, which knows whom the service desk answers.
#[must_use]
pub fn questions(event: &Value) -> Vec<String> {
    let id = |pointer: &str| text(event, pointer).as_deref().and_then(segment);
    let ids = id("/project/id").or_else(|| id("/object_attributes/project_id")).zip(id("/object_attributes/iid"));
    ids.map(|(project, issue)| format!("/api/v4/projects/{project}/issues/{issue}")).into_iter().collect()
}

/// Completes an issue. An address that the token may not see is masked by asterisks.
pub fn learn(interaction: &mut Interaction, answer: &Value) {
    let address = text(answer, "/service_desk_reply_to").filter(|address| !address.contains('*'));
    fill(&mut interaction.customer.email, address);
    fill(&mut interaction.agent.name, first(answer, &["/assignee/name", "/closed_by/name"]));
    if interaction.tags.is_empty() {
        interaction.tags = texts(answer, "/labels");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_issue_can_be_opened_again_and_other_events_are_something_else() {
        let issue = |action: &str| json!({"object_kind": "issue", "object_attributes": {"id": 301, "action": action}});
        assert_eq!(read(&issue("reopen")), Ok(Event::Reopened { ticket: "301".to_owned() }));
        assert_eq!(read(&issue("update")), Ok(Event::Other));
        assert_eq!(read(&json!({"object_kind": "push"})), Ok(Event::Other));
        assert_eq!(read(&json!({})), Err(Unreadable::Field("object_kind")));
    }
}
