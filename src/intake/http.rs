//! Sources over HTTP. What arrives at their hooks is received by the invitation stage, because it answers with the decision.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::options::Options;
use super::setup::Setup;
use super::store::Noted;
use super::{Reception, SECRET_PURPOSE, Source, SourceId, SourceKind, TOKEN_PURPOSE, store, verify};
use crate::clock::Timestamp;
use crate::random::Random;
use crate::survey::{self, Survey};
use crate::web::auth::Admin;
use crate::web::body::{self, Body};
use crate::web::list::{self, ListQuery, Page};
use crate::web::problem::{FieldError, ProblemBody};
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
    /// What else it knows of its help desk.
    #[serde(default)]
    options: Options,
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
    /// What else it knows of its help desk, without the token for its API.
    options: Options,
    /// Whether it has a token for the help desk's API.
    has_api_token: bool,
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
            options: source.options,
            has_api_token: source.sealed_token.is_some(),
            created_at: source.created_at,
        }
    }
}

/// Connect a help desk or program
#[utoipa::path(post, path = "/api/v1/sources", tag = "Sources", request_body = SourceDraft, security(("key" = [])),
    responses((status = 201, body = SourceBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn create(_: Admin, context: Data<Context>, body: Body<SourceDraft>) -> Result<(Json<SourceBody>, StatusCode), Problem> {
    let mut draft = body.value;
    check(&mut draft, &context, false)?;
    let secret = draft.secret.take().unwrap_or_else(|| fresh_secret(draft.kind, &context.random));
    let mut tx = context.db.begin().await?;
    let found = survey::store::find_by_slug(&mut tx, &draft.survey).await?;
    let Survey { id: survey_id, slug, .. } = found.ok_or_else(|| Problem::field("survey", "must be the slug of a survey"))?;
    let now = context.clock.now();
    let source = Source {
        id: SourceId(context.random.uuid(now)),
        survey_id,
        name: draft.name.trim().to_owned(),
        kind: draft.kind,
        sealed_secret: seal(&context, SECRET_PURPOSE, &secret),
        sealed_token: draft.options.api_token.take().map(|token| seal(&context, TOKEN_PURPOSE, token.expose_secret())),
        options: draft.options,
        created_at: now,
    };
    store::insert(&mut tx, &source).await?;
    tx.commit().await?;
    Ok((Json(SourceBody::new(source, slug, Some(secret), &context)), StatusCode::CREATED))
}

/// Change the name, the secret or the options of a source (RFC 7396: null removes, what is left out stays)
#[utoipa::path(patch, path = "/api/v1/sources/{id}", tag = "Sources", params(("id" = SourceId, Path)), request_body = SourceDraft, security(("key" = [])),
    responses((status = 200, body = SourceBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn change(_: Admin, context: Data<Context>, id: Path<SourceId>, body: Body<Value>) -> Result<Json<SourceBody>, Problem> {
    let mut tx = context.db.begin().await?;
    let mut source = store::find(&mut tx, *id).await?.ok_or_else(|| Problem::not_found("source"))?;
    let slug = survey::store::find(&mut tx, source.survey_id).await?.map(|survey| survey.slug).unwrap_or_default();
    if forgets_token(&body.value) {
        source.sealed_token = None;
    }
    let mut whole = json!({"name": source.name, "kind": source.kind, "survey": slug, "options": source.options});
    body::merge(&mut whole, body.value);
    let mut draft: SourceDraft = body::read(whole.to_string().as_bytes())?;
    if draft.kind != source.kind || draft.survey != slug {
        let field = if draft.kind == source.kind { "survey" } else { "kind" };
        return Err(Problem::field(field, "cannot be changed: connect another source instead"));
    }
    check(&mut draft, &context, source.sealed_token.is_some())?;
    source.name = draft.name.trim().to_owned();
    if let Some(secret) = &draft.secret {
        source.sealed_secret = seal(&context, SECRET_PURPOSE, secret);
    }
    if let Some(token) = draft.options.api_token.take() {
        source.sealed_token = Some(seal(&context, TOKEN_PURPOSE, token.expose_secret()));
    }
    source.options = draft.options;
    store::update(&mut tx, &source).await?;
    tx.commit().await?;
    Ok(Json(SourceBody::new(source, slug, None, &context)))
}

/// Whether a change removes the token, which is not among what it is merged with.
fn forgets_token(patch: &Value) -> bool {
    patch.get("options").is_some_and(|options| options.is_null() || options.get("api_token").is_some_and(Value::is_null))
}

fn seal(context: &Context, purpose: &str, secret: &str) -> Vec<u8> {
    context.keyring.seal(purpose, secret.as_bytes(), &context.random)
}

/// Tidies a draft and refuses what is not valid.
fn check(draft: &mut SourceDraft, context: &Context, has_token: bool) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let mut refuse = |field: &str, message: &str| errors.push(FieldError { field: field.to_owned(), message: message.to_owned() });
    if !(1..=200).contains(&draft.name.trim().chars().count()) || draft.name.chars().any(char::is_control) {
        refuse("name", "must be 1 to 200 characters without line breaks");
    }
    let is_readable = |secret: &String| !draft.kind.speaks_standard_webhooks() || verify::standard_key(secret).is_some();
    if draft.secret.as_ref().is_some_and(|secret| !(SHORTEST_SECRET..=LONGEST_SECRET).contains(&secret.len()) || !is_readable(secret)) {
        refuse("secret", "must have 8 to 500 characters, and base64 behind whsec_");
    }
    draft.options.tidy();
    errors.extend(draft.options.check(draft.kind, has_token, context.http.guard()));
    if errors.is_empty() { Ok(()) } else { Err(Problem::fields(errors)) }
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
