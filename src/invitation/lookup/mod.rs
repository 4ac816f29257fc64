//! Closings whose customer is not known yet: they wait until the help desk's API was asked, and only then is decided.

pub mod ask;
pub mod store;
pub mod worker;

use uuid::Uuid;

use self::store::Waiting;
use super::receive::Received;
use crate::clock::Timestamp;
use crate::db::{Json, Result, Tx};
use crate::intake::SourceId;
use crate::outbox::{self, Job, OutboxId};
use crate::survey::Survey;
use crate::web::Context;

/// The kind of message in the outbox that asks a help desk; its subject is the waiting closing.
pub const LOOKUP: &str = "lookup";

/// What came of asking, for the decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookedUp {
    /// Whether the ticket was opened again meanwhile.
    pub is_reopened: bool,
    /// Why there is no address, and what to do about it.
    pub told: Option<String>,
}

/// Where a closing came from: the source, the delivery that it was in, and its place there, from 0.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The source.
    pub source: SourceId,
    /// The delivery.
    pub event: Uuid,
    /// Its place among the events of the delivery.
    pub index: i32,
}

/// Lets a closing wait for its customer, and has the help desk asked; false when the same closing waits already.
///
/// # Errors
/// When the database cannot store it.
pub async fn enqueue(
    tx: &mut Tx,
    context: &Context,
    survey: &Survey,
    place: Place,
    (received, questions): (&Received, &[String]),
) -> Result<bool> {
    let now = context.clock.now();
    let waiting = Waiting {
        id: context.random.uuid(now),
        survey_id: survey.id,
        source_id: place.source,
        event_id: place.event,
        place: place.index,
        request_key: received.request_key.clone(),
        interaction: Json(received.interaction.clone()),
        questions: Json(questions.to_vec()),
        reopened_at: None,
    };
    let is_new = store::insert(tx, &waiting, &received.closure_key(), now).await?;
    if is_new {
        let job = Job { carrier: LOOKUP.into(), kind: LOOKUP, subject: waiting.id, survey: Some(survey.id.0) };
        outbox::store::enqueue(tx, OutboxId(context.random.uuid(now)), job, now, now).await?;
    }
    Ok(is_new)
}

/// Notes that a ticket was opened again: what waits about it is not asked about.
///
/// # Errors
/// When the database cannot store it.
pub async fn reopen(tx: &mut Tx, survey: &Survey, ticket: &str, now: Timestamp) -> Result<()> {
    store::reopen(tx, survey.id, ticket, now).await
}
