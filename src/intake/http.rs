//! Sources over HTTP. What arrives at their hooks is received by the invitation stage, because it answers with the decision.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::setup::Setup;
use super::store::Noted;
use super::{Reception, SECRET_PURPOSE, Source, SourceId, SourceKind, store, verify};
use crate::clock::Timestamp;
use crate::random::Random;
use crate::survey::{self, Survey};
use crate::web::auth::Admin;
use crate::web::body::Body;
use crate::web::list::{self, ListQuery, Page};
use crate::web::problem::ProblemBody;
use crate::web::{Context, Problem};

/// A secret shorter than this can be guessed.
const SHORTEST_SECRET: usize = 8;
const LONGEST_SECRET: usize = 500;

/// What a caller says of a new source.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceDraft {
    /// Its name for the team.
    name: String,
    /// What it is.
    kind: SourceKind,
    /// The slug of the survey it feeds.
    survey: String,
    /// The secret that the help desk signs with; one is made when it is left out.
    #[serde(default)]
    secret: Option<String>,
}

/// A source; the secret is told once, when it is connected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
pub struct SourceBody {
    /// Its id.
    id: SourceId,
    /// Its name for the team.
    name: String,
    /// What it is.
    kind: SourceKind,
    /// The slug of the survey it feeds.
    survey: String,
    /// The address that the help desk sends its events to.
    hook_url: String,
    /// The secret that the help desk signs with.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// When it was connected.
    created_at: Timestamp,
}

impl SourceBody {
    fn new(source: Source, survey: String, secret: Option<String>, context: &Context) -> Self {
        Self {
            hook_url: format!("{}/hooks/{}", context.public_url, source.id),
            id: source.id,
            name: source.name,
            kind: source.kind,
            survey,
            secret,
            created_at: source.created_at,
        }
    }
}

/// Connect a help desk or program
#[utoipa::path(post, path = "/api/v1/sources", tag = "Sources", request_body = SourceDraft, security(("key" = [])),
    responses((status = 201, body = SourceBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn create(_: Admin, context: Data<Context>, body: Body<SourceDraft>) -> Result<(Json<SourceBody>, StatusCode), Problem> {
    let draft = body.value;
    let secret = check(&draft, &context)?;
    let mut tx = context.db.begin().await?;
    let found = survey::store::find_by_slug(&mut tx, &draft.survey).await?;
    let Survey { id: survey_id, slug, .. } = found.ok_or_else(|| Problem::field("survey", "must be the slug of a survey"))?;
    let now = context.clock.now();
    let source = Source {
        id: SourceId(context.random.uuid(now)),
        survey_id,
        name: draft.name.trim().to_owned(),
        kind: draft.kind,
        sealed_secret: context.keyring.seal(SECRET_PURPOSE, secret.as_bytes(), &context.random),
        created_at: now,
    };
    store::insert(&mut tx, &source).await?;
    tx.commit().await?;
    Ok((Json(SourceBody::new(source, slug, Some(secret), &context)), StatusCode::CREATED))
}

/// The secret to use.
fn check(draft: &SourceDraft, context: &Context) -> Result<String, Problem> {
    if !(1..=200).contains(&draft.name.trim().chars().count()) || draft.name.chars().any(char::is_control) {
        return Err(Problem::field("name", "must be 1 to 200 characters without line breaks"));
    }
    let Some(secret) = &draft.secret else {
        return Ok(fresh_secret(draft.kind, &context.random));
    };
    let is_readable = !draft.kind.speaks_standard_webhooks() || verify::standard_key(secret).is_some();
    if !(SHORTEST_SECRET..=LONGEST_SECRET).contains(&secret.len()) || !is_readable {
        return Err(Problem::field("secret", "must have 8 to 500 characters, and base64 behind whsec_"));
    }
    Ok(secret.clone())
}

/// A secret that fits everywhere its system can put it: in an address, and in the 40 characters that some allow.
fn fresh_secret(kind: SourceKind, random: &Random) -> String {
    if kind.speaks_standard_webhooks() {
        format!("whsec_{}", BASE64.encode(&random.bytes::<32>()))
    } else {
        BASE64URL_NOPAD.encode(&random.bytes::<24>())
    }
}

/// List sources
#[utoipa::path(get, path = "/api/v1/sources", tag = "Sources", params(ListQuery), security(("key" = [])),
    responses((status = 200, body = Page<SourceBody>)))]
pub(crate) async fn index(_: Admin, context: Data<Context>, query: Query<ListQuery>) -> Result<Json<Page<SourceBody>>, Problem> {
    let (after, limit) = query.bounds::<SourceId>()?;
    let mut read = context.db.read().await?;
    let found = Page::of(store::list(&mut read, after, limit + 1).await?, limit, |source| source.id);
    let mut items = Vec::with_capacity(found.items.len());
    for source in found.items {
        let survey = survey::store::find(&mut read, source.survey_id).await?;
        items.push(SourceBody::new(source, survey.map(|survey| survey.slug).unwrap_or_default(), None, &context));
    }
    Ok(Json(Page { items, next: found.next }))
}

/// A source with the way to connect it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceDetail {
    /// The source.
    #[serde(flatten)]
    source: SourceBody,
    /// What its admin does in the help desk.
    setup: Setup,
}

/// Show a source, with the steps that connect it and the body to paste
#[utoipa::path(get, path = "/api/v1/sources/{id}", tag = "Sources", params(("id" = SourceId, Path)), security(("key" = [])),
    responses((status = 200, body = SourceDetail), (status = 404, body = ProblemBody)))]
pub(crate) async fn show(_: Admin, context: Data<Context>, id: Path<SourceId>) -> Result<Json<SourceDetail>, Problem> {
    let mut read = context.db.read().await?;
    let source = store::find(&mut read, *id).await?.ok_or_else(|| Problem::not_found("source"))?;
    let survey = survey::store::find(&mut read, source.survey_id).await?;
    let source = SourceBody::new(source, survey.map(|survey| survey.slug).unwrap_or_default(), None, &context);
    Ok(Json(SourceDetail { setup: source.kind.setup(&source.hook_url), source }))
}

/// What arrived at a source, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourceEvent)]
pub struct EventBody {
    /// Its id.
    id: Uuid,
    /// Whether it was understood.
    outcome: Reception,
    /// The answer that the sender got, where it was understood.
    #[schema(value_type = Option<Object>)]
    answer: Option<Value>,
    /// What is wrong with it, where it was not.
    problem: Option<String>,
    /// The body, where it was not understood; at most 64 KiB, for 30 days.
    body: Option<String>,
    /// When it arrived.
    created_at: Timestamp,
}

impl From<Noted> for EventBody {
    fn from(noted: Noted) -> Self {
        Self {
            id: noted.id,
            outcome: noted.outcome,
            answer: serde_json::from_str(&noted.answer).ok(),
            problem: noted.problem,
            body: noted.body.map(|body| String::from_utf8_lossy(&body).into_owned()),
            created_at: noted.created_at,
        }
    }
}

/// List what arrived at a source, the newest first
#[utoipa::path(get, path = "/api/v1/sources/{id}/events", tag = "Sources", params(("id" = SourceId, Path), ListQuery), security(("key" = [])),
    responses((status = 200, body = Page<EventBody>), (status = 404, body = ProblemBody)))]
pub(crate) async fn events(
    _: Admin,
    context: Data<Context>,
    id: Path<SourceId>,
    query: Query<ListQuery>,
) -> Result<Json<Page<EventBody>>, Problem> {
    let (before, limit) = (list::cursor(query.cursor.as_deref())?.unwrap_or(Uuid::max()), list::limit(query.limit)?);
    let mut read = context.db.read().await?;
    store::find(&mut read, *id).await?.ok_or_else(|| Problem::not_found("source"))?;
    let found = store::list_arrivals(&mut read, *id, before, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |noted| noted.id).map(EventBody::from)))
}

/// Disconnect a source; what it brought stays
#[utoipa::path(delete, path = "/api/v1/sources/{id}", tag = "Sources", params(("id" = SourceId, Path)), security(("key" = [])),
    responses((status = 204), (status = 404, body = ProblemBody)))]
pub(crate) async fn delete(_: Admin, context: Data<Context>, id: Path<SourceId>) -> Result<HttpResponse, Problem> {
    let mut tx = context.db.begin().await?;
    if !store::delete(&mut tx, *id, context.clock.now()).await? {
        return Err(Problem::not_found("source"));
    }
    tx.commit().await?;
    Ok(HttpResponse::NoContent().finish())
}
