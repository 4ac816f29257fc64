//! Puts what happened on its way to every endpoint that wants to know, in the transaction of the fact.

use super::event::store::{self as events, NewDelivery, NewEvent};
use super::{EVENT, EventId, Happened, State, Webhook, store};
use crate::db::{Result, Tx};
use crate::outbox::{self, Job, OutboxId};
use crate::web::Context;

/// Tells the endpoints there are of what happened; see [`tell`].
///
/// # Errors
/// When the database cannot store it.
pub async fn tell_all(tx: &mut Tx, context: &Context, happened: &[Happened]) -> Result<usize> {
    let endpoints = store::list_live(tx).await?;
    tell(tx, context, &endpoints, happened).await
}

/// Stores events and a numbered message for each endpoint that wants one; answers how many messages wait to leave. A disabled endpoint's are kept
/// as failed, to be sent once it is enabled and somebody asks. Of what nobody wants to know nothing is stored.
///
/// # Errors
/// When the database cannot store it.
pub async fn tell(tx: &mut Tx, context: &Context, endpoints: &[Webhook], happened: &[Happened]) -> Result<usize> {
    let (random, now) = (&context.random, context.clock.now());
    let wanted: Vec<(EventId, &Happened)> = happened
        .iter()
        .filter(|one| endpoints.iter().any(|endpoint| endpoint.wants(one.kind, one.survey)))
        .map(|one| (EventId(random.uuid(now)), one))
        .collect();
    if wanted.is_empty() {
        return Ok(0);
    }
    let events: Vec<NewEvent<'_>> = wanted.iter().map(|(id, one)| NewEvent::new(*id, one)).collect();
    events::insert_events(tx, &events, now).await?;
    let (mut deliveries, mut waiting, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    // In the order of their ids, so that two nodes wait for each other in one direction only.
    for endpoint in endpoints {
        let mine: Vec<_> = wanted.iter().filter(|(_, one)| endpoint.wants(one.kind, one.survey)).collect();
        let Some((last, state)) = store::count(tx, endpoint.id, mine.len()).await? else { continue };
        let first = last.saturating_sub(i64::try_from(mine.len()).unwrap_or(i64::MAX));
        for ((event, one), number) in mine.into_iter().zip(first.saturating_add(1)..) {
            let id = OutboxId(random.uuid(now));
            deliveries.push(NewDelivery::new(id, endpoint.id, *event, number));
            let job = Job { carrier: endpoint.carrier(), kind: EVENT, subject: event.0, survey: Some(one.survey.0) };
            match state {
                State::Enabled => waiting.push((id, job, now)),
                State::Disabled => kept.push((id, job, now)),
            }
        }
    }
    events::insert_deliveries(tx, &deliveries).await?;
    outbox::store::enqueue_all(tx, &waiting, now).await?;
    outbox::store::enqueue_failed(tx, &kept, "the endpoint was disabled when it happened", now).await?;
    Ok(waiting.len())
}
