//! What the columns of a file mean: our own names, those of products whose exports are recognised, and what the caller says. Pure.

use std::collections::HashMap;

use self::Meaning::{Holds, NotKept};
use crate::db::text_enum;

text_enum! {
    /// What a column may hold: the field of an interaction or of its answer.
    pub enum Field {
        /// The id of the row where it comes from.
        Id = "id",
        /// The survey's slug.
        Survey = "survey",
        /// What was measured, which must be what the survey measures.
        Metric = "metric",
        /// The score as it was chosen.
        Score = "score",
        /// The same; wins over `score`, which in our own exports is the score that counts.
        Raw = "raw",
        /// The comment.
        Comment = "comment",
        /// Whether the comment may be quoted in public.
        Consent = "consent",
        /// When it was answered.
        AnsweredAt = "answered_at",
        /// Whether the ticket is closed.
        Closed = "closed",
        /// The ticket's id.
        TicketId = "ticket.id",
        /// Its subject.
        TicketSubject = "ticket.subject",
        /// Where the team sees it.
        TicketUrl = "ticket.url",
        /// When it was opened.
        TicketOpenedAt = "ticket.opened_at",
        /// When somebody first answered it.
        TicketFirstReplyAt = "ticket.first_reply_at",
        /// When it was closed.
        TicketClosedAt = "ticket.closed_at",
        /// How often it was opened again.
        TicketReopens = "ticket.reopens",
        /// The customer's mail address, or else name.
        Customer = "customer",
        /// Mail address.
        CustomerEmail = "customer.email",
        /// Phone number.
        CustomerPhone = "customer.phone",
        /// Name.
        CustomerName = "customer.name",
        /// Language.
        CustomerLocale = "customer.locale",
        /// The caller's own name for the customer.
        CustomerRef = "customer.ref",
        /// The agent's id.
        AgentId = "agent.id",
        /// The agent's name.
        AgentName = "agent.name",
        /// The agent's mail address.
        AgentEmail = "agent.email",
        /// The team.
        Team = "team",
        /// The channel.
        Channel = "channel",
        /// Marks, separated by commas, or by spaces where there is no comma.
        Tags = "tags",
        /// What was interacted with.
        Touchpoint = "touchpoint",
        /// The customer's segment.
        Segment = "segment",
        /// The product.
        Product = "product",
    }
}

text_enum! {
    /// Who wrote a file.
    pub enum Vendor {
        /// Our own format, or any file whose columns are named.
        Own = "own",
        /// Delighted.
        Delighted = "delighted",
        /// Zendesk's satisfaction ratings.
        Zendesk = "zendesk",
        /// Nicereply.
        Nicereply = "nicereply",
    }
}

/// Names of one product, folded; the marks by which its file is known, and what its columns mean. `None`: known and not kept.
struct Names {
    vendor: Vendor,
    /// One of these lists must be there as a whole.
    marks: &'static [&'static [&'static str]],
    /// By the product's documentation: survey responses of Delighted's API, satisfaction ratings of Zendesk's, ratings of Nicereply's API and what
    /// its articles say of exports.
    documented: &'static [Meant],
    /// What else the same is called.
    usual: &'static [Meant],
}

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// It holds this field.
    Holds(Field),
    /// It is not kept.
    NotKept,
}

type Meant = (&'static str, Meaning);

const NAMES: [Names; 3] = [
    Names {
        vendor: Vendor::Delighted,
        marks: &[&["survey_type", "score", "permalink"]],
        documented: &[
            ("id", Holds(Field::Id)),
            ("person", Holds(Field::CustomerRef)),
            ("person_id", Holds(Field::CustomerRef)),
            ("person_email", Holds(Field::CustomerEmail)),
            ("person_name", Holds(Field::CustomerName)),
            ("person_phone_number", Holds(Field::CustomerPhone)),
            ("survey_type", Holds(Field::Metric)),
            ("score", Holds(Field::Score)),
            ("comment", Holds(Field::Comment)),
            ("created_at", Holds(Field::AnsweredAt)),
            ("tags", Holds(Field::Tags)),
            ("permalink", NotKept),
            ("updated_at", NotKept),
        ],
        usual: &[
            ("email", Holds(Field::CustomerEmail)),
            ("name", Holds(Field::CustomerName)),
            ("phone_number", Holds(Field::CustomerPhone)),
            ("response_id", Holds(Field::Id)),
            ("response_date", Holds(Field::AnsweredAt)),
        ],
    },
    Names {
        vendor: Vendor::Zendesk,
        marks: &[&["score", "ticket_id", "assignee_id", "requester_id"]],
        documented: &[
            ("id", Holds(Field::Id)),
            ("ticket_id", Holds(Field::TicketId)),
            ("assignee_id", Holds(Field::AgentId)),
            ("group_id", Holds(Field::Team)),
            ("requester_id", Holds(Field::CustomerRef)),
            ("score", Holds(Field::Score)),
            ("comment", Holds(Field::Comment)),
            ("created_at", Holds(Field::AnsweredAt)),
            ("updated_at", NotKept),
            ("url", NotKept),
            ("reason", NotKept),
            ("reason_id", NotKept),
            ("reason_code", NotKept),
        ],
        usual: &[("group", Holds(Field::Team)), ("assignee", Holds(Field::AgentName)), ("requester", Holds(Field::Customer))],
    },
    Names {
        vendor: Vendor::Nicereply,
        marks: &[&["score", "legacy_score"], &["score", "from", "ticket"]],
        documented: &[
            ("id", Holds(Field::Id)),
            ("score", Holds(Field::Score)),
            ("legacy_score", NotKept),
            ("comment", Holds(Field::Comment)),
            ("ticket", Holds(Field::TicketId)),
            ("from", Holds(Field::Customer)),
            ("username", Holds(Field::AgentName)),
        ],
        usual: &[
            ("created_at", Holds(Field::AnsweredAt)),
            ("ticket_id", Holds(Field::TicketId)),
            ("customer", Holds(Field::Customer)),
            ("customer_email", Holds(Field::CustomerEmail)),
            ("agent", Holds(Field::AgentName)),
            ("user", Holds(Field::AgentName)),
            ("team", Holds(Field::Team)),
            ("date", Holds(Field::AnsweredAt)),
        ],
    },
];

/// What the caller says of columns, as `field=column`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping(Vec<(Field, String)>);

impl Mapping {
    /// Reads texts such as `ticket.id=Ticket ID,score=Rating`; also lines of a file, where `#` begins a remark.
    ///
    /// # Errors
    /// Says which part cannot be read.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut pairs = Vec::new();
        let parts =
            texts.into_iter().flat_map(str::lines).filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| line.split(','));
        for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
            let (field, column) = part.split_once('=').ok_or_else(|| format!("`{part}` is not of the form field=column"))?;
            let known = Field::ALL.iter().find(|known| known.as_str() == field.trim());
            let field = *known.ok_or_else(|| format!("`{}` is no field; the fields are {}", field.trim(), fields()))?;
            pairs.push((field, fold(column)));
        }
        Ok(Self(pairs))
    }

    fn find(&self, folded: &str) -> Option<Field> {
        self.0.iter().find(|(_, column)| column == folded).map(|(field, _)| *field)
    }

    /// The field that a column was said to hold, where no column has that name.
    #[must_use]
    pub fn missing(&self, columns: &[String]) -> Option<Field> {
        let is_there = |wanted: &String| columns.iter().any(|column| fold(column) == *wanted);
        self.0.iter().find(|(_, column)| !is_there(column)).map(|(field, _)| *field)
    }
}

/// Every field, for people.
#[must_use]
pub fn fields() -> String {
    Field::ALL.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(", ")
}

/// The form in which names of columns are compared: `Ticket ID`, `ticket_id` and `ticket.id` are one.
fn fold(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

/// What the columns of one file mean.
#[derive(Debug, Clone)]
pub struct Columns {
    /// Who wrote it.
    pub vendor: Vendor,
    mapping: Mapping,
    /// What was asked before; a file of objects asks for each of its names in each row.
    known: HashMap<String, Meaning>,
    unknown: Vec<String>,
}

/// Names that are told at most; a file of objects may have as many as rows.
const MOST_UNKNOWN: usize = 100;
/// Names that are remembered at most.
const MOST_KNOWN: usize = 10_000;

impl Columns {
    /// Recognises a file by the names of its columns.
    #[must_use]
    pub fn new(mapping: &Mapping, names: &[String]) -> Self {
        let folded: Vec<String> = names.iter().map(|name| fold(name)).collect();
        let has = |mark: &&str| folded.iter().any(|name| name == *mark);
        let found = NAMES.iter().find(|names| names.marks.iter().any(|marks| marks.iter().all(has)));
        let vendor = found.map_or(Vendor::Own, |names| names.vendor);
        Self { vendor, mapping: mapping.clone(), known: HashMap::new(), unknown: Vec::new() }
    }

    /// The field that a column holds; `None` for one that is not kept.
    pub fn field(&mut self, name: &str) -> Option<Field> {
        let meaning = match self.known.get(name) {
            Some(meaning) => *meaning,
            None => self.learn(name),
        };
        match meaning {
            Holds(field) => Some(field),
            NotKept => None,
        }
    }

    fn learn(&mut self, name: &str) -> Meaning {
        let folded = fold(name);
        let said = self.mapping.find(&folded).map(Holds);
        let known = said.or_else(|| self.by_vendor(&folded)).or_else(|| own(&folded));
        if known.is_none() && self.unknown.len() < MOST_UNKNOWN && !name.trim().is_empty() {
            self.unknown.push(name.trim().chars().filter(|c| !c.is_control()).take(60).collect());
        }
        let meaning = known.unwrap_or(NotKept);
        if self.known.len() < MOST_KNOWN {
            self.known.insert(name.to_owned(), meaning);
        }
        meaning
    }

    fn by_vendor(&self, folded: &str) -> Option<Meaning> {
        let names = NAMES.iter().find(|names| names.vendor == self.vendor)?;
        names.documented.iter().chain(names.usual).find(|(name, _)| *name == folded).map(|(_, meaning)| *meaning)
    }

    /// The names that say nothing to us and were not told yet.
    pub fn take_unknown(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unknown)
    }
}

/// Our own names, with a dot or what people write instead of it.
fn own(folded: &str) -> Option<Meaning> {
    Field::ALL.iter().find(|field| fold(field.as_str()) == folded).map(|field| Holds(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn our_own_names_are_read_with_a_dot_and_as_people_write_them() {
        let mut columns = Columns::new(&Mapping::default(), &names(&["ticket.id", "Score"]));
        for name in ["ticket.id", "Ticket ID", "ticket_id", " TICKET-ID "] {
            assert_eq!(columns.field(name), Some(Field::TicketId), "{name}");
        }
        assert_eq!((columns.field("Answered at"), columns.field("Favourite colour")), (Some(Field::AnsweredAt), None));
        assert_eq!(columns.field("Favourite colour"), None);
        assert_eq!((columns.take_unknown(), columns.vendor), (names(&["Favourite colour"]), Vendor::Own));
        assert_eq!(columns.take_unknown(), [""; 0]);
    }

    #[test]
    fn a_product_is_known_by_its_columns() {
        for (header, vendor) in [
            (&["id", "person", "survey_type", "score", "comment", "permalink"][..], Vendor::Delighted),
            (&["ID", "Ticket ID", "Assignee ID", "Requester ID", "Score"], Vendor::Zendesk),
            (&["Score", "Legacy score", "Comment"], Vendor::Nicereply),
            (&["username", "score", "from", "ticket", "comment"], Vendor::Nicereply),
            (&["score", "ticket.id", "comment"], Vendor::Own),
        ] {
            assert_eq!(Columns::new(&Mapping::default(), &names(header)).vendor, vendor, "{header:?}");
        }
    }

    #[test]
    fn what_the_caller_says_wins() {
        let mapping = Mapping::parse(["score=Rating, ticket.id=Ticket ID", "# a remark, with a comma\ncomment=Id"]).unwrap();
        let mut columns = Columns::new(&mapping, &[]);
        assert_eq!(columns.field("RATING"), Some(Field::Score));
        assert_eq!((columns.field("id"), columns.field("score")), (Some(Field::Comment), Some(Field::Score)));
        assert_eq!(mapping.missing(&names(&["Rating", "ID"])), Some(Field::TicketId));
        assert_eq!(mapping.missing(&names(&["Rating", "ID", "ticket id"])), None);
    }

    #[test]
    fn a_mapping_that_cannot_be_read_says_why() {
        assert_eq!(Mapping::parse(["score"]).unwrap_err(), "`score` is not of the form field=column");
        assert!(Mapping::parse(["colour=Colour"]).unwrap_err().starts_with("`colour` is no field; the fields are id, survey, "));
    }
}
