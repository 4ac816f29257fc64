//! Gorgias HTTP integrations: a body of our own shape, sent at every update of a ticket. Pure.

use serde_json::Value;

use super::Event;
use super::reading::{self, Unreadable, text};

/// There is no trigger for a closing, so the body's status decides.
///
/// # Errors
/// When `event` or `ticket.id` is missing.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    match reading::event(body)? {
        Event::Closed(_) if text(body, "/ticket/status").is_some_and(|status| status != "closed") => Ok(Event::Other),
        event => Ok(event),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_update_of_an_open_ticket_is_something_else() {
        let body = |status: &str| json!({"event": "ticket.closed", "ticket": {"id": "1", "status": status}});
        assert_eq!(read(&body("open")), Ok(Event::Other));
        assert!(matches!(read(&body("closed")), Ok(Event::Closed(_))));
        assert!(matches!(read(&body("")), Ok(Event::Closed(_))));
    }
}
