//! Reads the body that an admin writes into a help desk: every value may be a text, unknown fields are ignored, empty is nothing. Pure.

use serde_json::{Map, Value};

use super::{Agent, Customer, Event, Interaction, LONGEST_ID, Ticket, instant, tidy_text};
use crate::clock::Timestamp;

/// A body that cannot be read, in words for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No JSON.
    #[error("the body is not valid JSON at line {line}, column {column}")]
    Json {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// JSON of another shape.
    #[error("the field `{0}` is missing or of the wrong kind")]
    Field(&'static str),
}

/// Reads one event, or a list of them.
///
/// # Errors
/// When the body is no JSON, or no object or list.
pub fn events(body: &[u8]) -> Result<(Vec<Value>, bool), Unreadable> {
    let value: Value = serde_json::from_slice(body).map_err(|error| Unreadable::Json { line: error.line(), column: error.column() })?;
    match value {
        Value::Object(_) => Ok((vec![value], false)),
        Value::Array(items) => Ok((items, true)),
        _ => Err(Unreadable::Field("event")),
    }
}

/// Reads a form (`application/x-www-form-urlencoded`) as the object that it stands for: `ticket[id]` and `ticket.id` are the id of the ticket, and a
/// form of one field that holds JSON is that JSON.
#[must_use]
pub fn form(body: &[u8]) -> Value {
    let mut object = Value::Object(Map::new());
    let mut fields = 0;
    let mut only = None;
    for (name, value) in url::form_urlencoded::parse(body) {
        fields += 1;
        only = serde_json::from_str::<Value>(&value).ok().filter(Value::is_object);
        let path: Vec<String> = name.replace(']', "").split(['[', '.']).map(ToOwned::to_owned).collect();
        put(&mut object, &path, value.into_owned());
    }
    only.filter(|_| fields == 1).unwrap_or(object)
}

fn put(object: &mut Value, path: &[String], value: String) {
    let (Some((name, rest)), Some(fields)) = (path.split_first(), object.as_object_mut()) else { return };
    if rest.is_empty() {
        fields.insert(name.clone(), Value::String(value));
    } else {
        put(fields.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())), rest, value);
    }
}

/// Reads an event of our own shape: `event`, `ticket`, `customer`, `agent`, `team`, `channel`, `tags`.
///
/// # Errors
/// When `event` or, for a ticket's event, `ticket.id` is missing.
pub fn event(body: &Value) -> Result<Event, Unreadable> {
    let name = text(body, "/event").ok_or(Unreadable::Field("event"))?;
    let ticket = || ticket(body, "/ticket/id", "ticket.id");
    match name.as_str() {
        "ticket.closed" => {
            ticket()?;
            Ok(Event::Closed(Box::new(interaction(body))))
        }
        "ticket.reopened" => Ok(Event::Reopened { ticket: ticket()? }),
        _ => Ok(Event::Other),
    }
}

fn interaction(body: &Value) -> Interaction {
    Interaction {
        ticket: Ticket {
            id: text(body, "/ticket/id"),
            subject: text(body, "/ticket/subject"),
            url: text(body, "/ticket/url"),
            opened_at: at(body, "/ticket/opened_at"),
            first_reply_at: at(body, "/ticket/first_reply_at"),
            closed_at: at(body, "/ticket/closed_at"),
            reopens: text(body, "/ticket/reopens").and_then(|count| count.parse().ok()),
        },
        customer: Customer {
            email: text(body, "/customer/email"),
            phone: text(body, "/customer/phone"),
            name: text(body, "/customer/name"),
            locale: text(body, "/customer/locale"),
            timezone: text(body, "/customer/timezone"),
            reference: text(body, "/customer/ref"),
        },
        agent: Agent { id: text(body, "/agent/id"), name: text(body, "/agent/name"), email: text(body, "/agent/email") },
        team: text(body, "/team"),
        channel: text(body, "/channel").or_else(|| text(body, "/ticket/channel")),
        tags: tags(body),
        touchpoint: text(body, "/touchpoint"),
        segment: text(body, "/segment"),
        product: text(body, "/product"),
    }
}

/// The id of the ticket that an event is about, as it is stored at a closing, so that the opening finds it again.
///
/// # Errors
/// Names the field that is missing.
pub fn ticket(body: &Value, pointer: &str, field: &'static str) -> Result<String, Unreadable> {
    let mut id = text(body, pointer);
    tidy_text(&mut id, LONGEST_ID);
    id.ok_or(Unreadable::Field(field))
}

/// An instant, in any form that help desks write.
#[must_use]
pub fn at(body: &Value, pointer: &str) -> Option<Timestamp> {
    body.pointer(pointer).and_then(instant::read)
}

/// The parts of a name that are there, one behind the other.
#[must_use]
pub fn name(body: &Value, pointers: &[&str]) -> Option<String> {
    let parts: Vec<String> = pointers.iter().filter_map(|pointer| text(body, pointer)).collect();
    Some(parts.join(" ")).filter(|name| !name.is_empty())
}

/// The text of one field of every object in a list.
#[must_use]
pub fn each(body: &Value, pointer: &str, field: &str) -> Vec<String> {
    let items = body.pointer(pointer).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|item| item.get(field)?.as_str().map(ToOwned::to_owned)).collect()
}

/// The texts in a list.
#[must_use]
pub fn texts(body: &Value, pointer: &str) -> Vec<String> {
    let items = body.pointer(pointer).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}

/// A text or number as a text; empty is nothing.
#[must_use]
pub fn text(body: &Value, pointer: &str) -> Option<String> {
    let text = match body.pointer(pointer)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// Tags as a list, or as a text separated by commas, or by spaces where there is no comma; at the top or inside the ticket.
fn tags(body: &Value) -> Vec<String> {
    match body.get("tags").or_else(|| body.pointer("/ticket/tags")) {
        Some(list @ Value::Array(_)) => texts(list, ""),
        Some(Value::String(text)) if text.contains(',') => text.split(',').map(|tag| tag.trim().to_owned()).collect(),
        Some(Value::String(text)) => text.split_whitespace().map(ToOwned::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tags_are_a_list_or_a_text_at_the_top_or_in_the_ticket() {
        for body in [json!({"tags": ["a b", "c"]}), json!({"tags": "a b, c"}), json!({"ticket": {"tags": "a b,c"}})] {
            assert_eq!(tags(&body), ["a b", "c"], "{body}");
        }
        assert_eq!(tags(&json!({"tags": "billing vip"})), ["billing", "vip"]);
        assert!(tags(&json!({"tags": ""})).is_empty());
    }

    #[test]
    fn a_missing_field_is_named() {
        assert_eq!(event(&json!({})), Err(Unreadable::Field("event")));
        assert_eq!(event(&json!({"event": "ticket.closed"})), Err(Unreadable::Field("ticket.id")));
        assert_eq!(event(&json!({"event": "ticket.updated"})), Ok(Event::Other));
        assert_eq!(event(&json!({"event": "ticket.reopened", "ticket": {"id": 7}})), Ok(Event::Reopened { ticket: "7".to_owned() }));
        assert_eq!(events(b"{\"a\":\n x"), Err(Unreadable::Json { line: 2, column: 2 }));
    }

    #[test]
    fn a_form_is_the_object_that_it_stands_for() {
        let expected = json!({"event": "ticket.closed", "ticket": {"id": "7", "subject": "a b"}});
        assert_eq!(form(b"event=ticket.closed&ticket[id]=7&ticket[subject]=a+b"), expected);
        assert_eq!(form(b"event=ticket.closed&ticket.id=7&ticket.subject=a%20b"), expected);
        assert_eq!(form(b"payload=%7B%22event%22%3A1%7D"), json!({"event": 1}));
        assert_eq!(form(b"a=1&a[b]=2"), json!({"a": "1"}));
        assert_eq!(form(b""), json!({}));
    }
}
