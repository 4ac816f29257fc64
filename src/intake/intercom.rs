//! Intercom: topic `conversation.admin.closed`, HMAC-SHA1 over the body; items of API versions 1.x and 2.x. Pure.

use serde_json::Value;

use super::lookup::{fill, first, segment};
use super::reading::{Unreadable, at, each, text, ticket};
use super::verify::{Refusal, fits_hex, sha1};
use super::{Agent, Customer, Delivery, Event, Interaction, Proof, Ticket};

const ITEM: &str = "/data/item";

/// Believes a delivery whose signature fits: hexadecimal HMAC-SHA1 over the body, with the app's client secret.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    fits_hex(sha1(delivery.secret, &[delivery.body]), "sha1=", delivery.needed("x-hub-signature")?)?;
    Ok(Proof::default())
}

/// A notification; `ping` and other topics are something else.
///
/// # Errors
/// When it has no topic, or a closed conversation no id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    let topic = text(body, "/topic").ok_or(Unreadable::Field("topic"))?;
    match topic.as_str() {
        "conversation.admin.closed" => {
            let id = ticket(body, "/data/item/id", "data.item.id")?;
            let item = body.pointer(ITEM).ok_or(Unreadable::Field("data.item"))?;
            Ok(Event::Closed(Box::new(closed(item, id))))
        }
        "conversation.admin.opened" => Ok(Event::Reopened { ticket: ticket(body, "/data/item/id", "data.item.id")? }),
        _ => Ok(Event::Other),
    }
}

fn closed(item: &Value, id: String) -> Interaction {
    let part = closing_part(item);
    let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| text(item, pointer));
    Interaction {
        ticket: Ticket {
            id: Some(id),
            subject: first(&["/title", "/source/subject", "/conversation_message/subject"]).map(|subject| without_tags(&subject)),
            opened_at: at(item, "/created_at"),
            first_reply_at: at(item, "/statistics/first_admin_reply_at"),
            closed_at: at(item, "/statistics/last_close_at")
                .or_else(|| part.and_then(|part| at(part, "/created_at")))
                .or_else(|| at(item, "/updated_at")),
            reopens: text(item, "/statistics/count_reopens").and_then(|count| count.parse().ok()),
            ..Ticket::default()
        },
        customer: customer(item),
        agent: part.and_then(closer).unwrap_or_else(|| assignee(item)),
        team: text(item, "/team_assignee_id").map(|team| format!("team:{team}")),
        channel: first(&["/source/type", "/conversation_message/type"]),
        tags: each(item, "/tags/tags", "name"),
        ..Interaction::default()
    }
}

/// The last part that closed the conversation.
fn closing_part(item: &Value) -> Option<&Value> {
    let parts = item.pointer("/conversation_parts/conversation_parts")?.as_array()?;
    parts.iter().rev().find(|part| text(part, "/part_type").as_deref() == Some("close"))
}

/// Who closed it; a bot helped nobody.
fn closer(part: &Value) -> Option<Agent> {
    let is_admin = text(part, "/author/type").as_deref() == Some("admin");
    is_admin.then(|| Agent { id: text(part, "/author/id"), name: text(part, "/author/name"), email: text(part, "/author/email") })
}

fn assignee(item: &Value) -> Agent {
    Agent {
        id: text(item, "/assignee/id").or_else(|| text(item, "/admin_assignee_id")),
        name: text(item, "/assignee/name"),
        email: text(item, "/assignee/email"),
    }
}

/// Whoever wrote first, unless that was the team: then there is only a contact's id.
fn customer(item: &Value) -> Customer {
    let reference = text(item, "/contacts/contacts/0/external_id").or_else(|| text(item, "/user/user_id"));
    let author = if item.get("user").is_some() { "/user" } else { "/source/author" };
    let is_customer = text(item, &format!("{author}/type")).is_some_and(|kind| matches!(kind.as_str(), "user" | "lead" | "contact"));
    if is_customer {
        Customer {
            email: text(item, &format!("{author}/email")),
            name: text(item, &format!("{author}/name")),
            reference,
            ..Customer::default()
        }
    } else {
        Customer { reference, ..Customer::default() }
    }
}

const CONTACTS: &str = "/contacts/";

/// The contact, and the admin where the event names only an id.
#[must_use]
pub fn questions(event: &Value, read: &Interaction) -> Vec<String> {
    let contact = text(event, "/data/item/contacts/contacts/0/id").as_deref().and_then(segment);
    let admin = read.agent.id.as_deref().filter(|_| read.agent.name.is_none()).and_then(segment);
    let Some(contact) = contact else { return Vec::new() };
    std::iter::once(format!("{CONTACTS}{contact}")).chain(admin.map(|id| format!("/admins/{id}"))).collect()
}

/// Completes a conversation by its contact or its admin.
pub fn learn(interaction: &mut Interaction, question: &str, answer: &Value) {
    let (customer, agent) = (&mut interaction.customer, &mut interaction.agent);
    if question.starts_with(CONTACTS) {
        fill(&mut customer.email, text(answer, "/email"));
        fill(&mut customer.phone, text(answer, "/phone"));
        fill(&mut customer.name, text(answer, "/name"));
        fill(&mut customer.locale, first(answer, &["/language_override", "/browser_language"]));
        fill(&mut customer.reference, text(answer, "/external_id"));
    } else {
        fill(&mut agent.name, text(answer, "/name"));
        fill(&mut agent.email, text(answer, "/email"));
    }
}

/// Subjects come as a paragraph of HTML.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    for (at, piece) in html.split('<').enumerate() {
        match piece.split_once('>') {
            Some((_, behind)) if at > 0 => text.push_str(behind),
            _ if at > 0 => {
                text.push('<');
                text.push_str(piece);
            }
            _ => text.push_str(piece),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_of_version_1_is_read_too() {
        let body = json!({"topic": "conversation.admin.closed", "data": {"item": {
            "type": "conversation", "id": "147", "created_at": 1_768_379_400, "updated_at": 1_768_472_990,
            "user": {"type": "user", "id": "5", "user_id": "C-9", "name": "Dana White", "email": "dana.white@example.com"},
            "assignee": {"type": "admin", "id": "25", "name": "Tomas Lind", "email": "tomas.lind@acme.example"},
            "conversation_message": {"type": "conversation_message", "subject": "<p>Cannot export</p>"},
            "conversation_parts": {"conversation_parts": [{"part_type": "close", "author": {"type": "bot", "id": "1"}}]},
            "tags": {"tags": [{"name": "reports"}]}
        }}});
        let Event::Closed(read) = read(&body).unwrap() else { panic!("not closed") };
        assert_eq!((read.ticket.subject.as_deref(), read.ticket.id.as_deref()), (Some("Cannot export"), Some("147")));
        assert_eq!((read.customer.email.as_deref(), read.customer.reference.as_deref()), (Some("dana.white@example.com"), Some("C-9")));
        // A bot pressed the button; the agent is the one it was assigned to.
        assert_eq!((read.agent.id.as_deref(), read.agent.name.as_deref()), (Some("25"), Some("Tomas Lind")));
        assert_eq!(
            (read.ticket.closed_at.map(crate::clock::Timestamp::as_seconds), read.tags),
            (Some(1_768_472_990), vec!["reports".to_owned()])
        );
    }

    #[test]
    fn other_topics_are_something_else_and_an_opening_is_told() {
        assert_eq!(read(&json!({"topic": "ping"})), Ok(Event::Other));
        let opened = json!({"topic": "conversation.admin.opened", "data": {"item": {"id": 7}}});
        assert_eq!(read(&opened), Ok(Event::Reopened { ticket: "7".to_owned() }));
        assert_eq!(read(&json!({})), Err(Unreadable::Field("topic")));
    }

    #[test]
    fn a_conversation_that_the_team_began_has_no_address() {
        let item = json!({"source": {"author": {"type": "admin", "email": "agent@acme.example"}}, "contacts": {"contacts": [{"external_id": "C-1"}]}});
        assert_eq!(customer(&item), Customer { reference: Some("C-1".to_owned()), ..Customer::default() });
    }

    #[test]
    fn tags_of_html_are_left_out() {
        for (html, text) in [("<p>a b</p>", "a b"), ("a < b", "a < b"), ("plain", "plain"), ("<p>1 <b>2</b></p>", "1 2")] {
            assert_eq!(without_tags(html), text);
        }
    }
}
