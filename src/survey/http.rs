//! Surveys over HTTP.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::draft::Draft;
use super::{Channel, Survey, SurveyId, store};
use crate::clock::Timestamp;
use crate::db::Tx;
use crate::web::auth::{Reader, Writer};
use crate::web::body::{self, Body};
use crate::web::list::{ListQuery, Page};
use crate::web::problem::{Kind, ProblemBody};
use crate::web::{Context, Problem};

/// A whole survey.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Survey)]
pub struct SurveyBody {
    /// Its id.
    id: SurveyId,
    #[serde(flatten)]
    draft: Draft,
    /// When it was archived, if it was.
    archived_at: Option<Timestamp>,
    /// When it was created.
    created_at: Timestamp,
    /// When it was last altered.
    updated_at: Timestamp,
}

impl From<&Survey> for SurveyBody {
    fn from(survey: &Survey) -> Self {
        Self {
            id: survey.id,
            draft: Draft::from(survey),
            archived_at: survey.archived_at,
            created_at: survey.created_at,
            updated_at: survey.updated_at,
        }
    }
}

/// Create a survey
#[utoipa::path(post, path = "/api/v1/surveys", tag = "Surveys", request_body = Draft, security(("key" = [])),
    responses((status = 201, body = SurveyBody), (status = 409, description = "The slug is used", body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn create(_: Writer, context: Data<Context>, body: Body<Draft>) -> Result<(Json<SurveyBody>, StatusCode), Problem> {
    let now = context.clock.now();
    let mut survey = body.value.into_survey(SurveyId(context.random.uuid(now)), now)?;
    let mut tx = context.db.begin().await?;
    check_gateways(&mut tx, &mut survey).await?;
    if !store::insert(&mut tx, &survey).await? {
        return Err(Problem::new(Kind::Conflict).detail(format!("The slug {} is used by another survey.", survey.slug)));
    }
    tx.commit().await?;
    Ok((Json(SurveyBody::from(&survey)), StatusCode::CREATED))
}

/// Refuses channels that nobody defined.
async fn check_gateways(tx: &mut Tx, survey: &mut Survey) -> Result<(), Problem> {
    store::read_gateways(tx, survey).await?;
    let is_unknown = |channel: &&Channel| matches!(channel, Channel::Gateway(name) if !survey.gateways.contains_key(name));
    match survey.deliver.iter().find(is_unknown) {
        Some(channel) => Err(Problem::field("deliver", format!("there is no gateway called {channel}: define it first, or take email"))),
        None => Ok(()),
    }
}

/// List surveys
#[utoipa::path(get, path = "/api/v1/surveys", tag = "Surveys", params(ListQuery), security(("key" = [])),
    responses((status = 200, body = Page<SurveyBody>)))]
pub(crate) async fn list(_: Reader, context: Data<Context>, query: Query<ListQuery>) -> Result<Json<Page<SurveyBody>>, Problem> {
    let (after, limit) = query.bounds::<SurveyId>()?;
    let found = store::list(&mut context.db.read().await?, after, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |survey| survey.id).map(|survey| SurveyBody::from(&survey))))
}

/// One survey
#[utoipa::path(get, path = "/api/v1/surveys/{slug}", tag = "Surveys", params(("slug" = String, Path)), security(("key" = [])),
    responses((status = 200, body = SurveyBody), (status = 404, body = ProblemBody)))]
pub(crate) async fn show(_: Reader, context: Data<Context>, slug: Path<String>) -> Result<Json<SurveyBody>, Problem> {
    let found = store::find_by_slug(&mut context.db.read().await?, &slug).await?;
    found.map(|survey| Json(SurveyBody::from(&survey))).ok_or_else(|| Problem::not_found("survey"))
}

/// Change a survey (RFC 7396: null removes, what is left out stays)
#[utoipa::path(patch, path = "/api/v1/surveys/{slug}", tag = "Surveys", params(("slug" = String, Path)), request_body = Draft, security(("key" = [])),
    responses((status = 200, body = SurveyBody), (status = 404, body = ProblemBody), (status = 409, description = "Fixed once somebody has answered", body = ProblemBody)))]
pub(crate) async fn change(_: Writer, context: Data<Context>, slug: Path<String>, body: Body<Value>) -> Result<Json<SurveyBody>, Problem> {
    let mut tx = context.db.begin().await?;
    let old = store::find_by_slug(&mut tx, &slug).await?.ok_or_else(|| Problem::not_found("survey"))?;
    let mut whole = serde_json::to_value(Draft::from(&old)).map_err(|error| Problem::internal(&error))?;
    body::merge(&mut whole, body.value);
    let draft: Draft = body::read(whole.to_string().as_bytes())?;
    let mut new = draft.into_survey(old.id, old.created_at)?;
    new.archived_at = old.archived_at;
    new.updated_at = context.clock.now();
    if new.slug != old.slug {
        return Err(Problem::field("slug", "cannot be changed: links and embedded reports refer to it"));
    }
    let is_fixed = (new.metric, new.scale, new.timezone) != (old.metric, old.scale, old.timezone);
    if is_fixed && store::has_responses(&mut tx, old.id).await? {
        return Err(Problem::new(Kind::Conflict).detail("metric, scale and timezone cannot change once somebody has answered."));
    }
    check_gateways(&mut tx, &mut new).await?;
    store::update(&mut tx, &new).await?;
    if old.policy.paused && !new.policy.paused {
        store::release(&mut tx, old.id, new.updated_at).await?;
    }
    tx.commit().await?;
    Ok(Json(SurveyBody::from(&new)))
}

/// Archive a survey: it asks nobody any more and its links say that it is over
#[utoipa::path(post, path = "/api/v1/surveys/{slug}/archive", tag = "Surveys", params(("slug" = String, Path)), security(("key" = [])),
    responses((status = 200, body = SurveyBody), (status = 404, body = ProblemBody)))]
pub(crate) async fn archive(_: Writer, context: Data<Context>, slug: Path<String>) -> Result<Json<SurveyBody>, Problem> {
    let mut tx = context.db.begin().await?;
    let mut survey = store::find_by_slug(&mut tx, &slug).await?.ok_or_else(|| Problem::not_found("survey"))?;
    let now = context.clock.now();
    survey.archived_at = survey.archived_at.or(Some(now));
    survey.updated_at = now;
    store::update(&mut tx, &survey).await?;
    tx.commit().await?;
    Ok(Json(SurveyBody::from(&survey)))
}
