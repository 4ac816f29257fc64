//! What happened between a customer and the team, and what of it is fit to be kept. Pure.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::address;
use crate::clock::Timestamp;
use crate::web::problem::FieldError;

/// What happened between a customer and the team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Interaction {
    /// The ticket, conversation or order.
    pub ticket: Ticket,
    /// Who is asked.
    pub customer: Customer,
    /// Who helped.
    pub agent: Agent,
    /// The team that helped.
    pub team: Option<String>,
    /// The channel of the conversation.
    pub channel: Option<String>,
    /// Free marks, up to 50.
    pub tags: Vec<String>,
    /// What was interacted with, such as support or checkout.
    pub touchpoint: Option<String>,
    /// The customer's segment.
    pub segment: Option<String>,
    /// The product.
    pub product: Option<String>,
}

/// The ticket, conversation or order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ticket {
    /// Its id in the help desk.
    pub id: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// Where the team sees it.
    pub url: Option<String>,
    /// When it was opened.
    pub opened_at: Option<Timestamp>,
    /// When somebody first answered it.
    pub first_reply_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// How often it was opened again.
    pub reopens: Option<i64>,
}

/// Who is asked. One of `email`, `phone` and `ref` is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Customer {
    /// Mail address.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Language, as the help desk says it: `fa`, `fa-IR`, `Persian`.
    pub locale: Option<String>,
    /// IANA time zone, such as `Asia/Tehran`: sending hours go by its clocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The caller's own name for the customer.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
}

impl Customer {
    /// The time zone, where it is known.
    #[must_use]
    pub fn zone(&self) -> Option<Tz> {
        self.timezone.as_ref().and_then(|name| name.parse().ok())
    }
}

/// Who helped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Agent {
    /// Id in the help desk.
    pub id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Mail address.
    pub email: Option<String>,
}

impl Agent {
    /// What reports group by: the id, else the address, else the name.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.id.as_deref().or(self.email.as_deref()).or(self.name.as_deref())
    }
}

/// The longest values of each kind, in characters.
pub(super) const LONGEST_ID: usize = 200;
const LONGEST_TEXT: usize = 500;
const LONGEST_URL: usize = 2000;
const MOST_TAGS: usize = 50;

impl Interaction {
    /// Every text with its name and its longest length.
    fn texts(&mut self) -> [(&'static str, &mut Option<String>, usize); 16] {
        [
            ("ticket.id", &mut self.ticket.id, LONGEST_ID),
            ("ticket.subject", &mut self.ticket.subject, LONGEST_TEXT),
            ("ticket.url", &mut self.ticket.url, LONGEST_URL),
            ("customer.email", &mut self.customer.email, address::LONGEST),
            ("customer.phone", &mut self.customer.phone, LONGEST_ID),
            ("customer.name", &mut self.customer.name, LONGEST_ID),
            ("customer.locale", &mut self.customer.locale, LONGEST_ID),
            ("customer.timezone", &mut self.customer.timezone, LONGEST_ID),
            ("customer.ref", &mut self.customer.reference, LONGEST_ID),
            ("agent.id", &mut self.agent.id, LONGEST_ID),
            ("agent.name", &mut self.agent.name, LONGEST_ID),
            ("agent.email", &mut self.agent.email, LONGEST_ID),
            ("team", &mut self.team, LONGEST_ID),
            ("channel", &mut self.channel, LONGEST_ID),
            ("touchpoint", &mut self.touchpoint, LONGEST_ID),
            ("segment", &mut self.segment, LONGEST_ID),
        ]
    }

    /// Makes what a help desk sent fit to be kept: control characters become spaces, empty is nothing, long texts are cut,
    /// tags are unique, and an address that can receive no mail is no address, nor an unknown time zone a time zone.
    pub fn tidy(&mut self) {
        for (_, text, longest) in self.texts() {
            tidy_text(text, longest);
        }
        tidy_text(&mut self.product, LONGEST_ID);
        self.customer.email = self.customer.email.take().filter(|email| address::is_valid(email));
        self.customer.timezone = self.customer.zone().map(|zone| zone.name().to_owned());
        let mut tags = Vec::new();
        for tag in std::mem::take(&mut self.tags) {
            let mut tag = Some(tag);
            tidy_text(&mut tag, LONGEST_ID);
            tags.extend(tag.filter(|tag| !tags.contains(tag)));
        }
        tags.truncate(MOST_TAGS);
        self.tags = tags;
    }

    /// Every field of a caller of the API that is too long or not valid; a caller is told, a help desk cannot be.
    pub fn check(&mut self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut refuse = |field: &str, message: String| {
            errors.push(FieldError { field: field.to_owned(), message });
        };
        let too_long = |text: &str, longest: usize| text.chars().count() > longest;
        for (field, text, longest) in self.texts() {
            if text.as_deref().is_some_and(|text| too_long(text, longest)) {
                refuse(field, format!("must have at most {longest} characters"));
            }
        }
        if self.product.as_deref().is_some_and(|text| too_long(text, LONGEST_ID)) {
            refuse("product", format!("must have at most {LONGEST_ID} characters"));
        }
        if self.tags.len() > MOST_TAGS || self.tags.iter().any(|tag| too_long(tag, LONGEST_ID)) {
            refuse("tags", format!("must be at most {MOST_TAGS} tags of at most {LONGEST_ID} characters"));
        }
        if self.customer.email.as_deref().is_some_and(|email| !email.trim().is_empty() && !address::is_valid(email.trim())) {
            refuse("customer.email", "must be a mail address such as sara@example.com".to_owned());
        }
        if self.customer.timezone.as_deref().is_some_and(|name| name.parse::<Tz>().is_err()) {
            refuse("customer.timezone", "must be an IANA time zone such as Asia/Tehran".to_owned());
        }
        errors
    }
}

pub(super) fn tidy_text(text: &mut Option<String>, longest: usize) {
    let tidy = text.take().map(|text| {
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        plain.trim().chars().take(longest).collect::<String>()
    });
    *text = tidy.filter(|text| !text.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_help_desk_sends_is_made_fit() {
        let mut interaction = Interaction {
            customer: Customer {
                email: Some("not an address".to_owned()),
                name: Some(" a\r\nb ".to_owned()),
                timezone: Some("Pacific Time".to_owned()),
                ..Customer::default()
            },
            team: Some("  ".to_owned()),
            product: Some("x".repeat(1000)),
            tags: vec!["vip".to_owned(), String::new(), "vip".to_owned(), "b".to_owned()],
            ..Interaction::default()
        };
        interaction.tidy();
        assert_eq!((&interaction.customer.email, &interaction.customer.timezone), (&None, &None));
        assert_eq!(interaction.customer.name.as_deref(), Some("a  b"));
        assert_eq!(interaction.team, None);
        assert_eq!(interaction.product.unwrap().len(), LONGEST_ID);
        assert_eq!(interaction.tags, ["vip", "b"]);
    }

    #[test]
    fn a_caller_is_told_every_field_that_does_not_fit() {
        let mut interaction = Interaction {
            ticket: Ticket { id: Some("x".repeat(201)), ..Ticket::default() },
            customer: Customer { email: Some("sara".to_owned()), timezone: Some("Mars".to_owned()), ..Customer::default() },
            tags: vec!["t".to_owned(); 51],
            product: Some("p".repeat(201)),
            ..Interaction::default()
        };
        let fields: Vec<String> = interaction.check().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["ticket.id", "product", "tags", "customer.email", "customer.timezone"]);
    }
}
