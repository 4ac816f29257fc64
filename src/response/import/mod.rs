//! Answers given elsewhere, and closed tickets, from a file: read, checked, and taken in once however often the file is given.

pub mod columns;
pub mod file;
pub mod row;
pub mod run;
pub mod score;
pub mod store;

use std::collections::HashMap;
use std::sync::Arc;

use self::store::{Known, Stored};
use super::count;
use super::human::Evidence;
use super::row::Row;
use super::store as responses;
use super::{ResponseId, Via};
use crate::clock::Timestamp;
use crate::db::{Result, Tx};
use crate::i18n::Locale;
use crate::intake::Interaction;
use crate::invitation::receive;
use crate::invitation::{CustomerId, InteractionId};
use crate::survey::Survey;
use crate::tally::{self, day_number};
use crate::web::Context;

/// An answer that was given elsewhere.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The survey.
    pub survey: Arc<Survey>,
    /// What names it among all of the survey: the same answer has the same.
    pub key: String,
    /// What it is about, fit to be kept.
    pub interaction: Interaction,
    /// The score as it was chosen, on the survey's scale.
    pub raw: u8,
    /// The comment.
    pub comment: Option<String>,
    /// Whether the comment may be quoted in public.
    pub consent: bool,
    /// When it was given.
    pub at: Timestamp,
}

impl Answer {
    /// The key of an answer about a ticket; a ticket may be answered about more than once.
    #[must_use]
    pub fn key_of_ticket(ticket: &str, at: Option<Timestamp>) -> String {
        format!("answer ticket {ticket} {}", at.map_or_else(|| "-".to_owned(), |at| at.as_millis().to_string()))
    }

    fn locale(&self) -> Locale {
        self.interaction.customer.locale.as_deref().and_then(Locale::from_tag).unwrap_or(self.survey.locale)
    }

    fn counted(&self, id: ResponseId, evidence: Evidence) -> count::Answer {
        count::Answer {
            id,
            raw: self.raw,
            score: self.survey.scale.counted(self.raw),
            comment: self.comment.clone(),
            consent: self.consent && self.comment.is_some(),
            day: day_number(self.at.day_in(self.survey.timezone)),
            versions: 1,
            form_at: None,
            first_answered_at: self.at,
            answered_at: self.at,
            evidence,
            is_excluded: false,
        }
    }
}

/// The ids of answers after they were taken in.
#[derive(Debug, Default)]
pub struct Taken {
    /// The responses that are new.
    pub new: Vec<ResponseId>,
    /// Those that were there already. Of two in one batch that are the same, only the first is told of.
    pub known: Vec<ResponseId>,
}

/// The response that came with an interaction: it has the same id, so that it is found without an index of its own.
const fn response_of(interaction: InteractionId) -> ResponseId {
    ResponseId(interaction.0)
}

/// Takes answers in: interaction, response, version and counts, in the caller's transaction. One that is there already stays as it is.
///
/// # Errors
/// When the database cannot store them.
pub async fn take(tx: &mut Tx, context: &Context, answers: &[&Answer], (via, evidence): (Via, Evidence)) -> Result<Taken> {
    let keys: Vec<Known> = answers.iter().map(|answer| Known::new(answer.survey.id, &answer.key)).collect();
    let known: HashMap<usize, InteractionId> = store::list_known(tx, &keys).await?;
    let now = context.clock.now();
    let mut fresh: HashMap<InteractionId, &Answer> = HashMap::new();
    let mut rows = Vec::new();
    for (_, answer) in answers.iter().enumerate().filter(|(at, _)| !known.contains_key(at)) {
        let id = InteractionId(context.random.uuid(now));
        let identity = receive::identity(&context.keyring, &answer.interaction.customer);
        let customer = identity.map(|identity| (CustomerId(context.random.uuid(now)), identity));
        rows.push(Stored::new(id, answer, customer, now));
        fresh.insert(id, answer);
    }
    let stored = store::insert(tx, &rows, now).await?;
    let mut taken = Taken { known: known.into_values().map(response_of).collect(), new: Vec::with_capacity(stored.len()) };
    if stored.is_empty() {
        return Ok(taken);
    }
    let (mut responses, mut counts) = (Vec::new(), tally::Changes::default());
    for interaction in stored {
        let Some(answer) = fresh.get(&interaction) else { continue };
        let id = response_of(interaction);
        let counted = answer.counted(id, evidence);
        counts.add(
            (answer.survey.id, counted.day),
            (&receive::group(&answer.interaction, None, answer.locale()), &answer.interaction.tags),
            &counted.weight(1),
        );
        responses.push(Row::given_elsewhere(answer.survey.id, interaction, counted, (answer.locale(), via)));
        taken.new.push(id);
    }
    let mut statements = responses::storing(tx, responses.iter().collect(), &[], &[])?;
    statements.extend(tally::store::adding(tx, &counts)?);
    tx.run(statements).await?;
    Ok(taken)
}
