//! One row: what its cells mean for a survey, and what is wrong with them. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::Answer;
use super::columns::{Field, Vendor};
use super::score::{self, Score};
use crate::clock::{DAY_MS, Timestamp};
use crate::i18n::ascii_digits;
use crate::intake::{Interaction, address, instant};
use crate::invitation::receive::Received;
use crate::survey::Survey;

/// Nobody answered a survey of this kind before; an earlier instant is of another calendar.
const EARLIEST_MS: i64 = 631_152_000_000;
/// The longest comment, in characters, as on the survey page.
pub const LONGEST_COMMENT: usize = 4000;

/// Why a row is not taken: the field, and the rule that it breaks. Neither tells what stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The field.
    pub field: String,
    /// The rule.
    pub rule: String,
}

impl Refused {
    /// This rule, broken by this field.
    #[must_use]
    pub fn new(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { field: field.into(), rule: rule.into() }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.rule)
    }
}

/// What a row stands for.
#[derive(Debug)]
pub enum Entry {
    /// A past answer.
    Answer(Box<Answer>),
    /// A closed ticket.
    Ticket(Arc<Survey>, Box<Received>),
    /// A customer who was asked elsewhere and did not answer.
    NoAnswer,
}

/// The value of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

/// The cells of a row that mean something; the first of a field counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cells(BTreeMap<Field, Cell>);

impl Cells {
    /// Puts a text into a field that is still empty; empty is nothing.
    pub fn put(&mut self, field: Field, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.0.entry(field).or_insert_with(|| Cell::Text(text.to_owned()));
        }
    }

    /// Puts a list into a field that is still empty.
    pub fn put_list(&mut self, field: Field, list: Vec<String>) {
        if !list.is_empty() {
            self.0.entry(field).or_insert(Cell::List(list));
        }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of a field.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<&str> {
        match self.0.get(&field)? {
            Cell::Text(text) => Some(text),
            Cell::List(list) => list.first().map(String::as_str),
        }
    }

    fn owned(&self, field: Field) -> Option<String> {
        self.text(field).map(ToOwned::to_owned)
    }

    /// What tells a row without any id from others: everything that it says.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update(text.len().to_be_bytes());
            hash.update(text);
        };
        for (field, cell) in &self.0 {
            part(field.as_str());
            match cell {
                Cell::Text(text) => part(text),
                Cell::List(list) => list.iter().for_each(|text| part(text)),
            }
        }
        hash.finalize().into()
    }

    fn tags(&self) -> Vec<String> {
        match self.0.get(&Field::Tags) {
            Some(Cell::List(list)) => list.clone(),
            Some(Cell::Text(text)) if text.contains([',', ';', '،']) => text.split([',', ';', '،']).map(ToOwned::to_owned).collect(),
            Some(Cell::Text(text)) => text.split_whitespace().map(ToOwned::to_owned).collect(),
            None => Vec::new(),
        }
    }
}

/// What a row is read with.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Who wrote the file.
    pub vendor: Vendor,
    /// The survey that the row belongs to.
    pub survey: Arc<Survey>,
    /// The instant of the import.
    pub now: Timestamp,
}

impl Reading {
    /// What a row stands for. `twin` numbers it among the rows of the file that say exactly the same; asked only where no id tells them apart.
    ///
    /// # Errors
    /// The first rule that the row breaks.
    pub fn entry(&self, cells: &Cells, twin: impl FnOnce([u8; 32]) -> u32) -> Result<Entry, Refused> {
        let mut interaction = self.interaction(cells)?;
        if let Some(error) = interaction.check().into_iter().next() {
            return Err(Refused::new(error.field, error.message));
        }
        interaction.tidy();
        let (field, text) = match cells.text(Field::Raw) {
            Some(raw) => (Field::Raw, Some(raw)),
            None => (Field::Score, cells.text(Field::Score)),
        };
        match text.map(|text| score::read(text, self.survey.metric)).transpose() {
            Err(rule) => Err(Refused::new(field.as_str(), rule)),
            Ok(Some(Score::None)) => Ok(Entry::NoAnswer),
            Ok(Some(Score::Point(raw))) => self.answer(cells, (raw, interaction), twin).map(|answer| Entry::Answer(Box::new(answer))),
            Ok(None) => self.ticket(cells, interaction).map(|received| Entry::Ticket(Arc::clone(&self.survey), Box::new(received))),
        }
    }

    fn answer(&self, cells: &Cells, (raw, interaction): (u8, Interaction), twin: impl FnOnce([u8; 32]) -> u32) -> Result<Answer, Refused> {
        let metric = cells.text(Field::Metric).and_then(|text| text.to_lowercase().parse().ok());
        if metric.is_some_and(|metric: crate::metric::Metric| metric != self.survey.metric) {
            return Err(Refused::new("metric", format!("must be {}, which the survey measures", self.survey.metric)));
        }
        let said = self.instant(cells, Field::AnsweredAt)?;
        let at = said.or(interaction.ticket.closed_at).ok_or_else(|| Refused::new("answered_at", "is needed, or ticket.closed_at"))?;
        if at.since(self.now) > DAY_MS {
            return Err(Refused::new("answered_at", "must not lie in the future"));
        }
        let comment = cells.text(Field::Comment).map(|text| text.replace('\0', " "));
        if comment.as_deref().is_some_and(|comment| comment.chars().count() > LONGEST_COMMENT) {
            return Err(Refused::new("comment", format!("must have at most {LONGEST_COMMENT} characters")));
        }
        let key = match (cells.text(Field::Id), &interaction.ticket.id) {
            (Some(id), _) => format!("answer {} {}", self.vendor, shortened(id)),
            (None, Some(ticket)) => Answer::key_of_ticket(ticket, said),
            (None, None) => {
                let fingerprint = cells.fingerprint();
                // Half of it tells them apart, and keys are indexed.
                let half = fingerprint.first_chunk::<16>().copied().unwrap_or_default();
                format!("answer # {} {}", HEXLOWER.encode(&half), twin(fingerprint))
            }
        };
        let consent = truth(cells, Field::Consent)?.unwrap_or(false);
        Ok(Answer { survey: Arc::clone(&self.survey), key, interaction, raw, comment, consent, at })
    }

    fn ticket(&self, cells: &Cells, interaction: Interaction) -> Result<Received, Refused> {
        let request_key = cells.text(Field::Id).map(|id| format!("import {} {}", self.vendor, shortened(id)));
        if interaction.ticket.id.is_none() && request_key.is_none() {
            return Err(Refused::new("ticket.id", "is needed where there is no score"));
        }
        let customer = &interaction.customer;
        if customer.email.is_none() && customer.phone.is_none() && customer.reference.is_none() {
            return Err(Refused::new("customer", "needs one of email, phone and ref where there is no score"));
        }
        let closed = truth(cells, Field::Closed)?.unwrap_or(true);
        Ok(Received { source: None, closed, interaction, request_key, looked_up: None })
    }

    fn interaction(&self, cells: &Cells) -> Result<Interaction, Refused> {
        let mut interaction = Interaction { tags: cells.tags(), ..Interaction::default() };
        let ticket = &mut interaction.ticket;
        (ticket.id, ticket.subject, ticket.url) =
            (cells.owned(Field::TicketId), cells.owned(Field::TicketSubject), cells.owned(Field::TicketUrl));
        ticket.opened_at = self.instant(cells, Field::TicketOpenedAt)?;
        ticket.first_reply_at = self.instant(cells, Field::TicketFirstReplyAt)?;
        ticket.closed_at = self.instant(cells, Field::TicketClosedAt)?;
        ticket.reopens = cells.text(Field::TicketReopens).map(count).transpose()?;
        let customer = &mut interaction.customer;
        (customer.email, customer.name) = (cells.owned(Field::CustomerEmail), cells.owned(Field::CustomerName));
        (customer.locale, customer.reference) = (cells.owned(Field::CustomerLocale), cells.owned(Field::CustomerRef));
        customer.phone = cells.text(Field::CustomerPhone).map(ascii_digits);
        if let Some(who) = cells.text(Field::Customer) {
            let place = if address::is_valid(who) { &mut customer.email } else { &mut customer.name };
            place.get_or_insert_with(|| who.to_owned());
        }
        let agent = &mut interaction.agent;
        (agent.id, agent.name, agent.email) = (cells.owned(Field::AgentId), cells.owned(Field::AgentName), cells.owned(Field::AgentEmail));
        (interaction.team, interaction.channel) = (cells.owned(Field::Team), cells.owned(Field::Channel));
        (interaction.touchpoint, interaction.segment) = (cells.owned(Field::Touchpoint), cells.owned(Field::Segment));
        interaction.product = cells.owned(Field::Product);
        Ok(interaction)
    }

    fn instant(&self, cells: &Cells, field: Field) -> Result<Option<Timestamp>, Refused> {
        let Some(text) = cells.text(field) else { return Ok(None) };
        let at = instant::read_in(&ascii_digits(text), self.survey.timezone);
        let refused = || Refused::new(field.as_str(), "must be an instant such as 2026-01-15T10:30:00Z or 2026-01-15 10:30, since 1990");
        at.filter(|at| at.as_millis() >= EARLIEST_MS).map(Some).ok_or_else(refused)
    }
}

/// A long id is told by its hash, because keys are indexed.
fn shortened(id: &str) -> String {
    if id.len() <= 200 { id.to_owned() } else { format!("# {}", HEXLOWER.encode(&Sha256::digest(id))) }
}

fn count(text: &str) -> Result<i64, Refused> {
    ascii_digits(text).parse().ok().filter(|count| *count >= 0).ok_or_else(|| Refused::new("ticket.reopens", "must be a whole number"))
}

fn truth(cells: &Cells, field: Field) -> Result<Option<bool>, Refused> {
    match cells.text(field).map(str::to_lowercase).as_deref() {
        None => Ok(None),
        Some("true" | "yes" | "1") => Ok(Some(true)),
        Some("false" | "no" | "0") => Ok(Some(false)),
        Some(_) => Err(Refused::new(field.as_str(), "must be true or false")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap as Map;

    use super::*;
    use crate::i18n::Locale;
    use crate::metric::{Metric, Scale};
    use crate::survey::{Brand, Channel, DeliverMode, Display, Policy, Public, SurveyId, WeekStart};

    fn reading(vendor: Vendor) -> Reading {
        let at = Timestamp::parse("2026-01-15T10:30:00Z").unwrap();
        let survey = Survey {
            id: SurveyId(uuid::Uuid::nil()),
            slug: "support".to_owned(),
            name: "Support".to_owned(),
            metric: Metric::Csat,
            scale: Scale::Agree,
            display: Display::Numbers,
            company: None,
            locale: Locale::En,
            timezone: chrono_tz::Asia::Tehran,
            texts: Map::new(),
            brand: Brand::default(),
            deliver: vec![Channel::Email],
            deliver_mode: DeliverMode::First,
            gateways: BTreeMap::new(),
            policy: Policy::default(),
            week_start: WeekStart::Monday,
            public: Public::default(),
            archived_at: None,
            created_at: at,
            updated_at: at,
        };
        Reading { vendor, survey: Arc::new(survey), now: at }
    }

    fn cells(fields: &[(Field, &str)]) -> Cells {
        let mut cells = Cells::default();
        for (field, text) in fields {
            cells.put(*field, text);
        }
        cells
    }

    fn answer(vendor: Vendor, fields: &[(Field, &str)]) -> Answer {
        match reading(vendor).entry(&cells(fields), |_| 3).unwrap() {
            Entry::Answer(answer) => *answer,
            other => panic!("{other:?}"),
        }
    }

    const SCORE: (Field, &str) = (Field::Score, "5");
    const DAY: (Field, &str) = (Field::AnsweredAt, "۲۰۲۶-۰۱-۱۰");

    #[test]
    fn an_answer_is_known_by_its_id_then_by_its_ticket_and_instant_then_by_all_it_says() {
        let key = |vendor, more: &[(Field, &str)]| answer(vendor, &[&[SCORE, DAY], more].concat()).key;
        assert_eq!(key(Vendor::Own, &[(Field::Id, "a"), (Field::TicketId, "7")]), "answer own a");
        assert_ne!(key(Vendor::Own, &[(Field::Id, "a")]), key(Vendor::Zendesk, &[(Field::Id, "a")]));
        assert_eq!(key(Vendor::Own, &[(Field::TicketId, "7")]), "answer ticket 7 1767990600000");
        let (plain, team) = (key(Vendor::Own, &[]), key(Vendor::Own, &[(Field::Team, "Billing")]));
        assert!(plain.starts_with("answer # ") && plain.ends_with(" 3") && plain != team, "{plain}");
        assert!(key(Vendor::Own, &[(Field::Id, &"x".repeat(100_000))]).len() < 100);
    }

    #[test]
    fn digits_tags_and_people_are_read_as_they_are_written() {
        let more = [
            (Field::CustomerPhone, "+۹۸ ۲۱"),
            (Field::Tags, "یک، دو، یک"),
            (Field::Customer, "sara@example.com"),
            (Field::TicketReopens, "٢"),
        ];
        let read = answer(Vendor::Own, &[&[SCORE, DAY], &more[..]].concat());
        assert_eq!(read.at.to_string(), "2026-01-09T20:30:00.000Z");
        assert_eq!(read.interaction.tags, ["یک", "دو"]);
        let customer = &read.interaction.customer;
        assert_eq!(
            (customer.phone.as_deref(), customer.email.as_deref(), &customer.name),
            (Some("+98 21"), Some("sara@example.com"), &None)
        );
        assert_eq!(read.interaction.ticket.reopens, Some(2));
        let named = answer(Vendor::Own, &[SCORE, DAY, (Field::Customer, "Sara of Acme"), (Field::Tags, "a b")]);
        assert_eq!((named.interaction.customer.name.as_deref(), named.interaction.tags.len()), (Some("Sara of Acme"), 2));
    }

    #[test]
    fn the_first_cell_of_a_field_counts_and_an_empty_one_is_none() {
        let read = cells(&[(Field::Team, " "), (Field::Team, "first"), (Field::Team, "second")]);
        assert_eq!(read.text(Field::Team), Some("first"));
        assert!(cells(&[(Field::Team, "  ")]).is_empty());
    }

    #[test]
    fn without_an_instant_of_its_own_an_answer_is_of_its_tickets_closing() {
        let read = answer(Vendor::Own, &[SCORE, (Field::TicketId, "7"), (Field::TicketClosedAt, "2026-01-09T00:00:00Z")]);
        assert_eq!((read.at.to_string().as_str(), read.key.as_str()), ("2026-01-09T00:00:00.000Z", "answer ticket 7 -"));
    }

    #[test]
    fn our_own_export_says_what_was_chosen_in_raw() {
        assert_eq!(answer(Vendor::Own, &[DAY, (Field::Score, "2"), (Field::Raw, "4")]).raw, 4);
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_field() {
        for (fields, field) in [
            (&[SCORE, DAY, (Field::Metric, "nps")][..], "metric"),
            (&[SCORE, DAY, (Field::Consent, "perhaps")], "consent"),
            (&[SCORE, DAY, (Field::TicketReopens, "-1")], "ticket.reopens"),
            (&[SCORE, (Field::AnsweredAt, "1404-10-20")], "answered_at"),
            (&[SCORE, DAY, (Field::Raw, "6")], "raw"),
            (&[(Field::TicketId, "7"), (Field::CustomerName, "Sara")], "customer"),
            (&[(Field::CustomerRef, "7")], "ticket.id"),
        ] {
            assert_eq!(reading(Vendor::Own).entry(&cells(fields), |_| 1).unwrap_err().field, field, "{fields:?}");
        }
        assert!(reading(Vendor::Own).entry(&cells(&[SCORE, DAY, (Field::Metric, "CSAT")]), |_| 1).is_ok());
    }
}
