//! What a gateway's templates speak of: one message to one customer, and the sample that they are tried with. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::i18n::{Locale, plain};

/// A message. Whoever makes it keeps strangers' words harmless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The customer's link.
    pub link: String,
    /// The same with each point of the scale behind it, by point.
    pub score_links: BTreeMap<String, String>,
    /// Where the customer asks for no more messages.
    pub unsubscribe_link: String,
    /// What is asked.
    pub survey: Asked,
    /// Who is asked.
    pub customer: Person,
    /// What it is about.
    pub ticket: About,
    /// Who helped.
    pub agent: Helper,
    /// The customer's language.
    pub locale: Locale,
    /// The id of this message, the same at every attempt.
    pub message_id: String,
    /// The same as a number below 2^53, for those who know messages by numbers.
    pub message_number: u64,
    /// Whether it reminds of a message that was sent before.
    pub is_reminder: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The survey's name in addresses.
    pub slug: String,
    /// Its name for the team.
    pub name: String,
    /// The company that asks.
    pub company: Option<String>,
    /// What it measures.
    pub metric: String,
    /// The question in the customer's language.
    pub question: String,
}

/// Who is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The name.
    pub name: Option<String>,
    /// The phone number.
    pub phone: Option<String>,
    /// The mail address.
    pub email: Option<String>,
    /// The caller's own reference.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
}

/// What it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// The ticket's id.
    pub id: Option<String>,
    /// The ticket's subject.
    pub subject: Option<String>,
}

/// Who helped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Helper {
    /// The name.
    pub name: Option<String>,
}

impl Message {
    /// The short wording where a gateway has none of its own.
    #[must_use]
    pub fn wording(&self) -> String {
        let words = plain(self.locale);
        match (&self.survey.company, self.is_reminder) {
            (Some(company), false) => words.message_ask(company, &self.link),
            (None, false) => words.message_ask_unnamed(&self.link),
            (Some(company), true) => words.message_remind(company, &self.link),
            (None, true) => words.message_remind_unnamed(&self.link),
        }
        .into_owned()
    }

    /// The number of a message for those who know messages by numbers: the last 53 bits of its id.
    #[must_use]
    pub fn number(id: u128) -> u64 {
        const MASK: u128 = (1 << 53) - 1;
        u64::try_from(id & MASK).unwrap_or_default()
    }

    /// What must not be kept of what a gateway answers.
    #[must_use]
    pub fn hidden(&self) -> Vec<String> {
        let Person { name, phone, email, reference } = &self.customer;
        let links =
            [&self.link, &self.unsubscribe_link].into_iter().flat_map(|link| [link.as_str(), link.rsplit('/').next().unwrap_or_default()]);
        [name, phone, email, reference].into_iter().flatten().cloned().chain(links.map(ToOwned::to_owned)).collect()
    }

    /// A message as templates are tried with when they are saved: `is_full` with everything that can be known of a customer, else with nothing but the
    /// addresses.
    #[must_use]
    pub fn sample(locale: Locale, is_full: bool) -> Self {
        let known = |text: &str| is_full.then(|| text.to_owned());
        let link = "https://survey.acme.example/s/aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqc".to_owned();
        Self {
            score_links: (1..=5).map(|score| (score.to_string(), format!("{link}/{score}"))).collect(),
            unsubscribe_link: link.replace("/s/", "/u/"),
            link,
            survey: Asked {
                slug: "support".to_owned(),
                name: "Support".to_owned(),
                company: known("Acme"),
                metric: "csat".to_owned(),
                question: plain(locale).csat_question().into_owned(),
            },
            customer: Person {
                name: known("Sara \"S\" O'Neil & Söhne <1>"),
                phone: Some("+4915123456789".to_owned()),
                email: Some("sara@example.com".to_owned()),
                reference: Some("c-9".to_owned()),
            },
            ticket: About { id: known("48213"), subject: known("Printer does not print") },
            agent: Helper { name: known("Jonas") },
            locale,
            message_id: "0198c0de-0000-7000-8000-000000000001".to_owned(),
            message_number: 1,
            is_reminder: !is_full,
        }
    }
}
