//! `LiveAgent` rules: a body of our own shape, with the letter that is the ticket's status. Pure.

use serde_json::Value;

use super::Event;
use super::reading::{self, Unreadable, text};

/// Statuses by which a ticket is not resolved: new, chatting, calling, deleted, spam, answered, open, postponed, init.
const NOT_RESOLVED: [&str; 9] = ["I", "N", "T", "P", "X", "B", "A", "C", "W"];

/// A rule that lacks its condition sends every change of status, so the letter decides where there is one.
///
/// # Errors
/// When `event` or `ticket.id` is missing.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    let is_open = text(body, "/ticket/status").is_some_and(|status| NOT_RESOLVED.contains(&status.as_str()));
    match reading::event(body)? {
        Event::Closed(_) if is_open => Ok(Event::Other),
        event => Ok(event),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ticket_that_is_not_resolved_is_something_else() {
        let body = |status: &str| json!({"event": "ticket.closed", "ticket": {"id": "1", "status": status}});
        assert_eq!(read(&body("A")), Ok(Event::Other));
        for closed in ["R", "Resolved", ""] {
            assert!(matches!(read(&body(closed)), Ok(Event::Closed(_))), "{closed}");
        }
    }
}
