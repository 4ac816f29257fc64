//! What an endpoint was told, and telling it again.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Json, Path, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find;
use crate::clock::Timestamp;
use crate::outbox::history::{self, Attempt, Filter, Listed};
use crate::outbox::{OutboxId, Outcome, State};
use crate::web::auth::Admin;
use crate::web::body;
use crate::web::list::{self, Page};
use crate::web::problem::{Kind, ProblemBody};
use crate::web::{Context, Problem};
use crate::webhook::event::store;
use crate::webhook::{self, EventId, EventKind, Webhook, WebhookId};

/// One attempt at sending a message.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptBody {
    /// Which attempt, from 1.
    number: i32,
    /// How it ended.
    outcome: Outcome,
    /// What the other side said, or what went wrong; without addresses.
    reply: String,
    /// When it began.
    started_at: Timestamp,
    /// When it ended.
    ended_at: Timestamp,
}

impl From<Attempt> for AttemptBody {
    fn from(attempt: Attempt) -> Self {
        let Attempt { number, outcome, reply, started_at, ended_at, .. } = attempt;
        Self { number, outcome, reply, started_at, ended_at }
    }
}

/// The attempts at each message, in order.
#[must_use]
pub fn by_message(attempts: Vec<Attempt>) -> HashMap<OutboxId, Vec<AttemptBody>> {
    let mut by_message: HashMap<OutboxId, Vec<AttemptBody>> = HashMap::new();
    for attempt in attempts {
        by_message.entry(attempt.outbox_id).or_default().push(attempt.into());
    }
    by_message
}

/// What an endpoint was told, or is to be told.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookDelivery {
    /// Its id.
    id: OutboxId,
    /// The event: the `webhook-id` of every attempt.
    event: EventId,
    /// What happened.
    #[serde(rename = "type")]
    kind: Option<EventKind>,
    /// Its number among the events of the endpoint.
    number: Option<i64>,
    /// What has become of it.
    state: State,
    /// When it is tried again.
    due_at: Option<Timestamp>,
    /// Why it did not arrive.
    reason: Option<String>,
    /// Every attempt.
    attempts: Vec<AttemptBody>,
    /// When it happened.
    created_at: Timestamp,
    /// When it arrived, or was given up.
    settled_at: Option<Timestamp>,
}

impl WebhookDelivery {
    fn new(listed: Listed, event: Option<&store::Told>, attempts: Vec<AttemptBody>) -> Self {
        Self {
            id: listed.id,
            event: EventId(listed.subject_id),
            kind: event.map(|event| event.kind),
            number: event.map(|event| event.number),
            due_at: (listed.state == State::Waiting).then_some(listed.due_at),
            state: listed.state,
            reason: listed.last_error,
            attempts,
            created_at: listed.created_at,
            settled_at: listed.settled_at,
        }
    }
}

/// Which of them are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// Those in this state.
    #[param(inline)]
    state: Option<State>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// How many, 1 to 500; 50 by default.
    limit: Option<i64>,
}

/// List what an endpoint was told, the newest first; kept for 30 days after it arrived or was given up
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "Webhooks", params(("id" = WebhookId, Path), DeliveriesQuery), security(("key" = [])),
    responses((status = 200, body = Page<WebhookDelivery>), (status = 404, body = ProblemBody)))]
pub(crate) async fn deliveries(
    _: Admin,
    context: Data<Context>,
    id: Path<WebhookId>,
    query: Query<DeliveriesQuery>,
) -> Result<Json<Page<WebhookDelivery>>, Problem> {
    let (before, limit) = (list::cursor(query.cursor.as_deref())?.unwrap_or(OutboxId(uuid::Uuid::max())), list::limit(query.limit)?);
    let mut read = context.db.read().await?;
    let webhook = find(&mut read, *id).await?;
    let filter = Filter { state: query.state, carriers: Some(webhook.carrier().into_owned()), ..Filter::default() };
    let found = history::store::list(&mut read, &filter, before, limit + 1).await?;
    let found = Page::of(found, limit, |listed| listed.id);
    let ids: Vec<OutboxId> = found.items.iter().map(|listed| listed.id).collect();
    let mut attempts = by_message(history::store::list_attempts(&mut read, &ids).await?);
    let told: HashMap<OutboxId, store::Told> = store::list_told(&mut read, &ids).await?.into_iter().map(|told| (told.id, told)).collect();
    let items = found.items.into_iter().map(|listed| {
        let attempts = attempts.remove(&listed.id).unwrap_or_default();
        WebhookDelivery::new(listed.clone(), told.get(&listed.id), attempts)
    });
    Ok(Json(Page { items: items.collect(), next: found.next }))
}

/// What waits again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Redelivered {
    /// How many messages are sent again, with the ids they had.
    redelivered: u64,
}

/// Send one message to an endpoint again, with the same id
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/deliveries/{delivery}/redeliver", tag = "Webhooks", security(("key" = [])),
    params(("id" = WebhookId, Path), ("delivery" = OutboxId, Path)),
    responses((status = 202, body = Redelivered), (status = 404, body = ProblemBody), (status = 409, description = "It waits already, or the endpoint is disabled", body = ProblemBody)))]
pub(crate) async fn redeliver(
    _: Admin,
    context: Data<Context>,
    path: Path<(WebhookId, OutboxId)>,
) -> Result<(Json<Redelivered>, StatusCode), Problem> {
    let (id, delivery) = path.into_inner();
    let mut tx = context.db.begin().await?;
    let webhook = find(&mut tx, id).await?;
    enabled(&webhook)?;
    if store::find_event(&mut tx, delivery).await?.is_none() {
        return Err(Problem::not_found("delivery"));
    }
    if !history::store::send_again(&mut tx, delivery, &webhook.carrier(), context.clock.now()).await? {
        return Err(refuse("The message waits to be sent already."));
    }
    tx.commit().await?;
    Ok((Json(Redelivered { redelivered: 1 }), StatusCode::ACCEPTED))
}

/// From when on messages are sent again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redelivery {
    /// Those of events at this instant or later; all that were given up where it is left out.
    #[serde(default)]
    since: Option<Timestamp>,
}

/// Send everything again that an endpoint was to be told and that was given up, or what was given up of events since an instant
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/redeliver", tag = "Webhooks", params(("id" = WebhookId, Path)), request_body = Redelivery, security(("key" = [])),
    responses((status = 202, body = Redelivered), (status = 404, body = ProblemBody), (status = 409, description = "The endpoint is disabled", body = ProblemBody)))]
pub(crate) async fn redeliver_all(
    _: Admin,
    context: Data<Context>,
    id: Path<WebhookId>,
    body: Bytes,
) -> Result<(Json<Redelivered>, StatusCode), Problem> {
    let asked: Redelivery = if body.is_empty() { Redelivery::default() } else { body::read(&body)? };
    let since = asked.since.unwrap_or(Timestamp::EPOCH);
    let mut tx = context.db.begin().await?;
    let webhook = find(&mut tx, *id).await?;
    enabled(&webhook)?;
    let redelivered = history::store::send_failed_again(&mut tx, &webhook.carrier(), since, context.clock.now()).await?;
    tx.commit().await?;
    Ok((Json(Redelivered { redelivered }), StatusCode::ACCEPTED))
}

fn enabled(webhook: &Webhook) -> Result<(), Problem> {
    if webhook.state == webhook::State::Enabled { Ok(()) } else { Err(refuse("The endpoint is disabled: enable it first.")) }
}

fn refuse(detail: &str) -> Problem {
    Problem::new(Kind::Conflict).detail(detail)
}
