//! What a help desk's API is asked where its events carry no address: questions are paths behind `options.api_url`, answers are JSON. Pure.

use data_encoding::BASE64;
use serde_json::Value;

use super::reading::text;
use super::{Interaction, SourceKind, crisp, dynamics365, gitlab, hubspot, intercom, jira, zendesk};

impl SourceKind {
    /// What to ask about a closing that carries no address; nothing where it does, or where nobody can be asked.
    #[must_use]
    pub fn questions(self, event: &Value, read: &Interaction) -> Vec<String> {
        if read.customer.email.is_some() {
            return Vec::new();
        }
        match self {
            Self::Zendesk => zendesk::questions(event, read),
            Self::HubSpot => hubspot::questions(read),
            Self::Crisp => crisp::questions(event),
            Self::GitLab => gitlab::questions(event),
            Self::Dynamics365 => dynamics365::questions(read),
            Self::Jira => jira::questions(read),
            Self::Intercom => intercom::questions(event, read),
            _ => Vec::new(),
        }
    }

    /// Completes an interaction by an answer, without changing what the event said; answers what else to ask.
    pub fn learn(self, interaction: &mut Interaction, question: &str, answer: &Value) -> Vec<String> {
        match self {
            Self::Zendesk => zendesk::learn(interaction, answer),
            Self::HubSpot => return hubspot::learn(interaction, question, answer),
            Self::Crisp => crisp::learn(interaction, answer),
            Self::GitLab => gitlab::learn(interaction, answer),
            Self::Dynamics365 => dynamics365::learn(interaction, answer),
            Self::Jira => return jira::learn(interaction, question, answer),
            Self::Intercom => intercom::learn(interaction, question, answer),
            _ => {}
        }
        Vec::new()
    }

    /// The headers by which a help desk's API knows who asks.
    #[must_use]
    pub fn credentials(self, token: &str) -> Vec<(&'static str, String)> {
        let mut headers = vec![("accept", "application/json".to_owned())];
        let is_pair = token.contains(':') && matches!(self, Self::Zendesk | Self::Jira | Self::Crisp);
        headers.push(match self {
            Self::GitLab => ("private-token", token.to_owned()),
            _ if is_pair => ("authorization", format!("Basic {}", BASE64.encode(token.as_bytes()))),
            _ => ("authorization", format!("Bearer {token}")),
        });
        if self == Self::Crisp {
            headers.push(("x-crisp-tier", "plugin".to_owned()));
        }
        headers
    }
}

/// An id as one segment of a path. An id of dots only would be another path.
#[must_use]
pub fn segment(id: &str) -> Option<String> {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let is_path = id.is_empty() || id.bytes().all(|byte| byte == b'.');
    (!is_path).then(|| id.bytes().map(encode).collect())
}

/// Puts a value where there is none.
pub fn fill<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

/// The text at the first of these pointers that has one.
#[must_use]
pub fn first(answer: &Value, pointers: &[&str]) -> Option<String> {
    pointers.iter().find_map(|pointer| text(answer, pointer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment_of_a_path() {
        for (id, path) in [("7", "7"), ("a b/c?d#e", "a%20b%2Fc%3Fd%23e"), ("..x", "..x"), ("%2e", "%252e"), ("é", "%C3%A9")] {
            assert_eq!(segment(id).as_deref(), Some(path));
        }
        assert_eq!((segment(""), segment("."), segment("..")), (None, None, None));
    }

    #[test]
    fn every_system_is_shown_the_token_as_it_wants_it() {
        let sent = |kind: SourceKind, token: &str| kind.credentials(token)[1].clone();
        assert_eq!(sent(SourceKind::Zendesk, "a@b.example/token:x"), ("authorization", "Basic YUBiLmV4YW1wbGUvdG9rZW46eA==".to_owned()));
        assert_eq!(sent(SourceKind::Zendesk, "x"), ("authorization", "Bearer x".to_owned()));
        assert_eq!(sent(SourceKind::GitLab, "glpat-x"), ("private-token", "glpat-x".to_owned()));
        assert_eq!(sent(SourceKind::HubSpot, "pat:x"), ("authorization", "Bearer pat:x".to_owned()));
        assert_eq!(SourceKind::Crisp.credentials("a:b").len(), 3);
    }

    #[test]
    fn only_what_looks_up_asks_anything_and_only_without_an_address() {
        let event = serde_json::json!({});
        let mut read = Interaction::default();
        read.ticket.id = Some("7".to_owned());
        for kind in SourceKind::ALL {
            assert!(kind.looks_up() || kind.questions(&event, &read).is_empty(), "{kind}");
        }
        assert_eq!(SourceKind::Jira.questions(&event, &read).len(), 1);
        read.customer.email = Some("a@example.com".to_owned());
        assert!(SourceKind::Jira.questions(&event, &read).is_empty());
    }
}
