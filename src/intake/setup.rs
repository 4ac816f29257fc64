//! How a help desk is connected: the steps its admin takes and, where its admin writes the body, a body to paste. Pure.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Serialize;
use utoipa::ToSchema;

use super::SourceKind;

/// What an admin does in the help desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Setup {
    /// The steps, one after the other.
    pub steps: Vec<String>,
    /// Headers to set, where the help desk signs nothing.
    pub headers: BTreeMap<String, String>,
    /// The body to paste, in the help desk's own placeholders; `null` where it sends a body of its own.
    pub body: Option<String>,
}

const ZENDESK: &str = include_str!("../../templates/helpdesk/zendesk.json");
const FRESHDESK: &str = include_str!("../../templates/helpdesk/freshdesk.json");
const GORGIAS: &str = include_str!("../../templates/helpdesk/gorgias.json");
const JIRA: &str = include_str!("../../templates/helpdesk/jira.json");
const DYNAMICS365: &str = include_str!("../../templates/helpdesk/dynamics365.json");
/// The steps of each kind; a text that cannot be read is found by the test below.
static STEPS: LazyLock<BTreeMap<String, Vec<String>>> =
    LazyLock::new(|| toml::from_str(include_str!("../../templates/helpdesk/steps.toml")).unwrap_or_default());
/// For systems whose placeholders are picked from a list: each is to be put where its name stands.
const OWN: &str = include_str!("../../templates/helpdesk/own.json");

impl SourceKind {
    /// The body to paste, where an admin writes it.
    #[must_use]
    pub const fn template(self) -> Option<&'static str> {
        match self {
            Self::Zendesk => Some(ZENDESK),
            Self::Freshdesk => Some(FRESHDESK),
            Self::Gorgias => Some(GORGIAS),
            Self::Jira => Some(JIRA),
            Self::Dynamics365 => Some(DYNAMICS365),
            Self::Standard | Self::LiveAgent | Self::DanaDesk | Self::Kayako | Self::OsTicket => Some(OWN),
            Self::HelpScout
            | Self::ZohoDesk
            | Self::Intercom
            | Self::Zammad
            | Self::Chatwoot
            | Self::FreeScout
            | Self::HubSpot
            | Self::Front
            | Self::GitLab
            | Self::Crisp => None,
        }
    }

    /// How a source of this kind is connected to the hook at this address.
    #[must_use]
    pub fn setup(self, hook_url: &str) -> Setup {
        let sends_secret = matches!(
            self,
            Self::Freshdesk | Self::LiveAgent | Self::Dynamics365 | Self::DanaDesk | Self::Gorgias | Self::Kayako | Self::Jira
        );
        let header = ("X-Webhook-Secret".to_owned(), "the secret of this source".to_owned());
        Setup {
            steps: STEPS.get(self.as_str()).into_iter().flatten().map(|step| step.replace("HOOK", hook_url)).collect(),
            headers: sends_secret.then_some(header).into_iter().collect(),
            body: self.template().map(ToOwned::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::intake::{Event, reading};

    /// A template as a help desk fills it in: every placeholder becomes this value, as a JSON text where the system says so.
    fn fill(template: &str, value: &str) -> String {
        let mut filled = String::new();
        let mut rest = template;
        while let Some(start) = ["{{", "@{", "["].iter().filter_map(|open| rest.find(open)).min() {
            let (before, behind) = rest.split_at(start);
            let close = match behind.as_bytes()[0] {
                b'{' => "}}",
                b'@' => "']}",
                _ => "]",
            };
            let end = behind.find(close).unwrap();
            let (placeholder, after) = behind.split_at(end);
            filled.push_str(before);
            if placeholder.contains("asJsonString") {
                filled.push_str(&Value::from(value).to_string());
            } else {
                filled.push_str(value);
            }
            rest = after.strip_prefix(close).unwrap();
        }
        filled + rest
    }

    #[test]
    fn every_kind_says_how_it_is_connected() {
        for kind in SourceKind::ALL {
            let setup = kind.setup("https://ask.example.com/hooks/1");
            assert!(setup.steps.len() >= 2, "{kind}");
            assert!(setup.steps.iter().any(|step| step.contains("https://ask.example.com/hooks/1")), "{kind}");
            assert!(setup.steps.iter().all(|step| !step.contains("HOOK")), "{kind}");
        }
        assert_eq!(STEPS.len(), SourceKind::ALL.len());
    }

    #[test]
    fn every_template_is_read_when_it_is_filled_in() {
        for kind in SourceKind::ALL {
            let Some(template) = kind.template() else { continue };
            for value in ["closed", "سلام دنیا 🙂", "it's <b>&amp;</b> 100 %"] {
                let filled: Value = serde_json::from_str(&fill(template, value)).unwrap_or_else(|error| panic!("{kind}: {error}"));
                let Ok(Event::Closed(read)) = reading::event(&filled) else { panic!("{kind}: not closed") };
                let texts = [read.ticket.id, read.ticket.subject, read.customer.email, read.customer.name, read.agent.name, read.team];
                assert_eq!(texts.each_ref().map(Option::as_deref), [Some(value); 6], "{kind}");
            }
        }
    }

    #[test]
    fn a_subject_that_the_help_desk_does_not_escape_is_told_by_line_and_column() {
        for kind in SourceKind::ALL {
            let Some(template) = kind.template() else { continue };
            for hostile in ["a \"b\" c", "back\\slash", "two\nlines"] {
                let refused = reading::events(fill(template, hostile).as_bytes()).unwrap_err().to_string();
                assert!(refused.contains("line") && refused.contains("column") && !refused.contains(hostile), "{kind}: {refused}");
            }
        }
    }
}
