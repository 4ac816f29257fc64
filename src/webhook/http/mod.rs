//! Endpoints over HTTP.

pub mod deliveries;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::worker::post;
use super::{EventKind, MOST, SECRET_PURPOSE, State, Webhook, WebhookId, carrier, store};
use crate::clock::{DAY_MS, Timestamp};
use crate::db::{Session, Tx};
use crate::net::guard::Needs;
use crate::outbox::history;
use crate::survey::{self, SurveyId};
use crate::web::auth::Admin;
use crate::web::body::{self, Body};
use crate::web::list::{ListQuery, Page};
use crate::web::problem::{FieldError, Kind, ProblemBody};
use crate::web::{Context, Problem};

/// What a caller says of an endpoint.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookDraft {
    /// Where it is: https, at a public address.
    url: String,
    /// What it is told of.
    events: Vec<EventKind>,
    /// The slug of the only survey that it is told of; null for all.
    #[serde(default)]
    survey: Option<String>,
    /// `disabled` switches it off, `enabled` on again; what waits then and what happens meanwhile is given up, and kept for 30 days to be sent again.
    #[serde(default)]
    state: Option<State>,
}

/// An endpoint; the secret is told once, when it is made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookBody {
    /// Its id.
    id: WebhookId,
    /// Where it is.
    url: String,
    /// What it is told of.
    events: Vec<EventKind>,
    /// The slug of the only survey that it is told of.
    survey: Option<String>,
    /// Whether it is told.
    state: State,
    /// Why it is not.
    disabled_reason: Option<String>,
    /// Since when every attempt has failed, if the last one has.
    failing_since: Option<Timestamp>,
    /// The secret that signs what it is sent (Standard Webhooks).
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Until when the secret before it signs too.
    old_secret_until: Option<Timestamp>,
    /// When it was added.
    created_at: Timestamp,
    /// When it was last altered.
    updated_at: Timestamp,
}

impl WebhookBody {
    fn new(webhook: Webhook, survey: Option<String>, secret: Option<String>, now: Timestamp) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url,
            events: webhook.events,
            survey,
            state: webhook.state,
            disabled_reason: webhook.disabled_reason,
            failing_since: webhook.failing_since,
            secret,
            old_secret_until: webhook.sealed_old.map(|(_, until)| until).filter(|until| now < *until),
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
        }
    }
}

/// Add an endpoint that is told what happens
///
/// Deliveries are signed as Standard Webhooks 1.0.0 says, with the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`. Each is
/// `{"type", "timestamp", "number", "data"}`; `number` counts the events of the endpoint, so that a receiver can put them in order. Answer 2xx
/// within the time limit; anything else is tried again.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "Webhooks", request_body = WebhookDraft, security(("key" = [])),
    responses((status = 201, body = WebhookBody), (status = 409, description = "There are 100 endpoints already", body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn create(_: Admin, context: Data<Context>, body: Body<WebhookDraft>) -> Result<(Json<WebhookBody>, StatusCode), Problem> {
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    let (draft, survey_id) = checked(&mut tx, &context, body.value).await?;
    if store::list_live(&mut tx).await?.len() >= MOST {
        return Err(Problem::new(Kind::Conflict).detail(format!("There are {MOST} endpoints already, which is the most: remove one.")));
    }
    let secret = fresh_secret(&context);
    let webhook = Webhook {
        id: WebhookId(context.random.uuid(now)),
        url: draft.url,
        events: draft.events,
        survey_id,
        sealed_secret: context.keyring.seal(SECRET_PURPOSE, secret.as_bytes(), &context.random),
        sealed_old: None,
        state: draft.state.unwrap_or(State::Enabled),
        disabled_reason: None,
        failing_since: None,
        created_at: now,
        updated_at: now,
    };
    store::insert(&mut tx, &webhook).await?;
    tx.commit().await?;
    Ok((Json(WebhookBody::new(webhook, draft.survey, Some(secret), now)), StatusCode::CREATED))
}

fn fresh_secret(context: &Context) -> String {
    format!("whsec_{}", BASE64.encode(&context.random.bytes::<32>()))
}

/// A draft whose every field is valid, with the survey that it names.
async fn checked(
    session: &mut impl Session,
    context: &Context,
    mut draft: WebhookDraft,
) -> Result<(WebhookDraft, Option<SurveyId>), Problem> {
    let mut errors = Vec::new();
    let mut refuse = |field: &str, message: String| errors.push(FieldError { field: field.to_owned(), message });
    if let Err(refused) = context.http.guard().check(&draft.url, Needs::Tls) {
        refuse("url", refused.to_string());
    }
    draft.events.sort_unstable();
    draft.events.dedup();
    if draft.events.is_empty() {
        refuse("events", "must name at least one kind of event".to_owned());
    }
    let survey = match &draft.survey {
        Some(slug) => survey::store::find_by_slug(session, slug).await?.map(|survey| survey.id),
        None => None,
    };
    if draft.survey.is_some() && survey.is_none() {
        refuse("survey", "must be the slug of a survey, or null for all".to_owned());
    }
    if errors.is_empty() { Ok((draft, survey)) } else { Err(Problem::fields(errors)) }
}

/// List endpoints
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "Webhooks", params(ListQuery), security(("key" = [])),
    responses((status = 200, body = Page<WebhookBody>)))]
pub(crate) async fn index(_: Admin, context: Data<Context>, query: Query<ListQuery>) -> Result<Json<Page<WebhookBody>>, Problem> {
    let (after, limit) = query.bounds::<WebhookId>()?;
    let now = context.clock.now();
    let mut read = context.db.read().await?;
    let found = Page::of(store::list(&mut read, after, limit + 1).await?, limit, |webhook| webhook.id);
    let mut items = Vec::with_capacity(found.items.len());
    for webhook in found.items {
        let slug = slug(&mut read, &webhook).await?;
        items.push(WebhookBody::new(webhook, slug, None, now));
    }
    Ok(Json(Page { items, next: found.next }))
}

async fn slug(session: &mut impl Session, webhook: &Webhook) -> Result<Option<String>, Problem> {
    Ok(match webhook.survey_id {
        Some(id) => survey::store::find(session, id).await?.map(|survey| survey.slug),
        None => None,
    })
}

async fn find(session: &mut impl Session, id: WebhookId) -> Result<Webhook, Problem> {
    store::find(session, id).await?.ok_or_else(|| Problem::not_found("webhook"))
}

/// An endpoint, locked until the transaction ends: of two who change it at once the second sees what the first did.
async fn hold(tx: &mut Tx, id: WebhookId) -> Result<Webhook, Problem> {
    store::lock(tx, id).await?;
    find(tx, id).await
}

/// One endpoint
#[utoipa::path(get, path = "/api/v1/webhooks/{id}", tag = "Webhooks", params(("id" = WebhookId, Path)), security(("key" = [])),
    responses((status = 200, body = WebhookBody), (status = 404, body = ProblemBody)))]
pub(crate) async fn show(_: Admin, context: Data<Context>, id: Path<WebhookId>) -> Result<Json<WebhookBody>, Problem> {
    let mut read = context.db.read().await?;
    let webhook = find(&mut read, *id).await?;
    let slug = slug(&mut read, &webhook).await?;
    Ok(Json(WebhookBody::new(webhook, slug, None, context.clock.now())))
}

/// Change an endpoint (RFC 7396: null removes, what is left out stays)
#[utoipa::path(patch, path = "/api/v1/webhooks/{id}", tag = "Webhooks", params(("id" = WebhookId, Path)), request_body = WebhookDraft, security(("key" = [])),
    responses((status = 200, body = WebhookBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn change(_: Admin, context: Data<Context>, id: Path<WebhookId>, body: Body<Value>) -> Result<Json<WebhookBody>, Problem> {
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    let mut webhook = hold(&mut tx, *id).await?;
    let slug = slug(&mut tx, &webhook).await?;
    let mut whole = json!({"url": webhook.url, "events": webhook.events, "survey": slug, "state": webhook.state});
    body::merge(&mut whole, body.value);
    let (draft, survey_id) = checked(&mut tx, &context, body::read(whole.to_string().as_bytes())?).await?;
    let state = draft.state.unwrap_or(State::Enabled);
    if state != webhook.state {
        webhook.disabled_reason = (state == State::Disabled).then(|| "somebody disabled it".to_owned());
        // The five days after which it is switched off begin anew.
        webhook.failing_since = None;
    }
    (webhook.url, webhook.events, webhook.survey_id, webhook.state, webhook.updated_at) = (draft.url, draft.events, survey_id, state, now);
    store::update(&mut tx, &webhook).await?;
    if state == State::Disabled {
        history::store::hasten(&mut tx, &webhook.carrier(), now).await?;
    }
    tx.commit().await?;
    Ok(Json(WebhookBody::new(webhook, draft.survey, None, now)))
}

/// Remove an endpoint; what waits for it is given up
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "Webhooks", params(("id" = WebhookId, Path)), security(("key" = [])),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn delete(_: Admin, context: Data<Context>, id: Path<WebhookId>) -> Result<HttpResponse, Problem> {
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    if !store::delete(&mut tx, *id, now).await? {
        return Err(Problem::not_found("webhook"));
    }
    history::store::hasten(&mut tx, &carrier(*id), now).await?;
    tx.commit().await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Give an endpoint a new secret; the old one signs beside it for 24 hours
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/rotate", tag = "Webhooks", params(("id" = WebhookId, Path)), security(("key" = [])),
    responses((status = 200, body = WebhookBody), (status = 404, body = ProblemBody)))]
pub(crate) async fn rotate(_: Admin, context: Data<Context>, id: Path<WebhookId>) -> Result<Json<WebhookBody>, Problem> {
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    let mut webhook = hold(&mut tx, *id).await?;
    let slug = slug(&mut tx, &webhook).await?;
    let secret = fresh_secret(&context);
    let sealed = context.keyring.seal(SECRET_PURPOSE, secret.as_bytes(), &context.random);
    webhook.sealed_old = Some((std::mem::replace(&mut webhook.sealed_secret, sealed), now.plus_millis(DAY_MS)));
    webhook.updated_at = now;
    store::update(&mut tx, &webhook).await?;
    tx.commit().await?;
    Ok(Json(WebhookBody::new(webhook, slug, Some(secret), now)))
}

/// What an endpoint answered to a test.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookTest {
    /// Whether it would count as told: it answered 2xx.
    accepted: bool,
    /// The status it answered.
    status: Option<u16>,
    /// Why there was no answer.
    error: Option<String>,
    /// How long it took, in milliseconds.
    duration_ms: i64,
}

/// Send an endpoint a signed event of the type `test` now, and tell what it answered
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "Webhooks", params(("id" = WebhookId, Path)), security(("key" = [])),
    responses((status = 200, body = WebhookTest), (status = 404, body = ProblemBody)))]
pub(crate) async fn test(_: Admin, context: Data<Context>, id: Path<WebhookId>) -> Result<Json<WebhookTest>, Problem> {
    let webhook = find(&mut context.db.read().await?, *id).await?;
    let began = context.clock.now();
    let body = json!({"type": "test", "timestamp": began, "number": 0, "data": {"message": "This is a test. Nothing happened."}});
    let answer = post(&context, &webhook, &context.random.uuid(began).to_string(), &body).await;
    let duration_ms = context.clock.now().since(began);
    Ok(Json(match answer {
        Ok(answer) => WebhookTest { accepted: (200..300).contains(&answer.status), status: Some(answer.status), error: None, duration_ms },
        Err(error) => WebhookTest { accepted: false, status: None, error: Some(error.to_string()), duration_ms },
    }))
}
