//! What an invitation says by a gateway. Pure.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::compose::{LONGEST_NAME, LONGEST_SUBJECT, company, quotable};
use super::store::Letter;
use crate::gateway::answer::Outcome;
use crate::gateway::message::{About, Asked, Helper, Message, Person};
use crate::i18n::{Locale, plain};
use crate::survey::Survey;
use crate::survey::wording::Wording;

/// What a message of an invitation is about, besides the letter.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The id of the message, the same at every attempt.
    pub id: Uuid,
    /// Whether it reminds of a message that was sent before.
    pub is_reminder: bool,
    /// `…/s/TOKEN`, without a slash at the end.
    pub link: &'a str,
    /// `…/u/TOKEN`.
    pub unsubscribe_link: &'a str,
}

/// What a gateway's templates are told of an invitation. Strangers' words are as harmless as in mails.
#[must_use]
pub fn message(occasion: Occasion<'_>, letter: &Letter, survey: &Survey) -> Message {
    let locale = letter.locale.unwrap_or(survey.locale);
    let words = |text: Option<&str>, longest: usize| text.and_then(|text| quotable(text, longest));
    let ticket = &letter.ticket.0;
    Message {
        link: occasion.link.to_owned(),
        score_links: score_links(survey, occasion.link),
        unsubscribe_link: occasion.unsubscribe_link.to_owned(),
        survey: asked(survey, locale),
        customer: Person {
            name: words(letter.name.as_deref(), LONGEST_NAME),
            phone: letter.phone.clone(),
            email: letter.email.clone(),
            reference: letter.reference.clone(),
        },
        ticket: About { id: words(ticket.id.as_deref(), LONGEST_NAME), subject: words(ticket.subject.as_deref(), LONGEST_SUBJECT) },
        agent: Helper { name: words(letter.agent.0.name.as_deref(), LONGEST_NAME) },
        locale,
        message_id: occasion.id.to_string(),
        message_number: Message::number(occasion.id.as_u128()),
        is_reminder: occasion.is_reminder,
    }
}

/// The link of each point of a survey's scale.
pub(super) fn score_links(survey: &Survey, link: &str) -> BTreeMap<String, String> {
    survey.metric.points().map(|score| (score.to_string(), format!("{link}/{score}"))).collect()
}

/// What a survey asks in a language.
pub(super) fn asked(survey: &Survey, locale: Locale) -> Asked {
    Asked {
        slug: survey.slug.clone(),
        name: survey.name.clone(),
        company: company(survey),
        metric: survey.metric.to_string(),
        question: Wording::new(survey, plain(locale)).question().into_owned(),
    }
}

/// What is kept of an answer that means that a message was accepted: the other side's id first.
#[must_use]
pub fn reply(id: Option<&str>, reply: &str) -> String {
    id.map_or_else(|| reply.to_owned(), |id| format!("id {id}: {reply}"))
}

/// The word of an outcome.
pub(super) const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted { .. } => "accepted",
        Outcome::Later { .. } => "retry",
        Outcome::Refused { .. } => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::verdict::tests::letter;
    use crate::gateway::call::{Call, Secrets};
    use crate::intake::Ticket;
    use crate::invitation::State;
    use crate::metric::Metric;
    use crate::survey::wording::tests::survey;

    const OCCASION: Occasion<'_> = Occasion {
        id: Uuid::nil(),
        is_reminder: false,
        link: "https://nabz.example/s/abc",
        unsubscribe_link: "https://nabz.example/u/abc",
    };

    #[test]
    fn a_message_speaks_the_customers_language_and_has_a_link_for_every_point() {
        let letter =
            Letter {
                locale: Some(Locale::Fa), phone: Some("0912".to_owned()), name: Some("سارا".to_owned()), ..letter(State::Scheduled)
            };
        let made = message(OCCASION, &letter, &survey(Metric::Nps, Some("Acme")));
        assert_eq!((made.locale, made.customer.name.as_deref(), made.customer.phone.as_deref()), (Locale::Fa, Some("سارا"), Some("0912")));
        assert_eq!(made.score_links.len(), 11);
        assert_eq!(made.score_links["10"], "https://nabz.example/s/abc/10");
        assert!(made.survey.question.contains("Acme") && made.survey.question.contains('؟'), "{}", made.survey.question);
        assert!(made.wording().ends_with("https://nabz.example/s/abc"));
    }

    #[test]
    fn strangers_words_that_advertise_an_address_are_not_repeated_and_turn_nothing_around() {
        let ticket = Ticket {
            id: Some("https://evil.example".to_owned()),
            subject: Some("Win at www.evil.example".to_owned()),
            ..Ticket::default()
        };
        let letter = Letter {
            name: Some("Sara\u{202e}\r\nBcc".to_owned()),
            ticket: crate::db::Json(ticket),
            phone: Some("+98 912 123 4567".to_owned()),
            ..letter(State::Scheduled)
        };
        let made = message(OCCASION, &letter, &survey(Metric::Csat, None));
        assert_eq!(
            (made.ticket.id.as_deref(), made.ticket.subject.as_deref(), made.customer.name.as_deref()),
            (None, None, Some("Sara Bcc"))
        );
        let definition = serde_json::json!({"url": "https://a.example/", "body": {"json": "[{{ customer.name }}, {{ ticket.subject or \"\" }}, {{ unsubscribe_link }}]"}});
        let call = Call::new(&serde_json::from_value(definition).unwrap(), &Secrets::default(), &made).unwrap();
        assert_eq!(call.body.as_deref(), Some("[\"Sara Bcc\", \"\", \"https://nabz.example/u/abc\"]"));
    }
}
