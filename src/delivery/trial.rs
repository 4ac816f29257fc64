//! Trying a gateway out: what a sample customer would get. Pure.

use super::compose::{LONGEST_NAME, quotable};
use super::gateway::{asked, score_links};
use crate::gateway::message::{Message, Person};
use crate::i18n::Locale;
use crate::intake::Customer;
use crate::survey::Survey;

/// The message that a sample customer gets: of a survey, or of one that does not exist. The ticket is a sample, and the link leads nowhere.
#[must_use]
pub fn message(customer: Customer, survey: Option<&Survey>, (link, unsubscribe_link): (&str, &str)) -> Message {
    let said = customer.locale.as_deref().and_then(Locale::from_tag);
    let locale = said.or(survey.map(|survey| survey.locale)).unwrap_or(Locale::En);
    let sample = Message::sample(locale, true);
    let links = |score: &String| (score.clone(), format!("{link}/{score}"));
    Message {
        link: link.to_owned(),
        unsubscribe_link: unsubscribe_link.to_owned(),
        score_links: match survey {
            Some(survey) => score_links(survey, link),
            None => sample.score_links.keys().map(links).collect(),
        },
        survey: survey.map_or(sample.survey, |survey| asked(survey, locale)),
        customer: Person {
            name: customer.name.as_deref().and_then(|name| quotable(name, LONGEST_NAME)),
            phone: customer.phone,
            email: customer.email,
            reference: customer.reference,
        },
        ..sample
    }
}
