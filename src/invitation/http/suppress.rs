//! Suppressed addresses over the API: looked at, added, removed. An address is only ever sent here, never answered.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::clock::Timestamp;
use crate::intake::address;
use crate::invitation::suppression::{Cause, Suppression, identity_of, store};
use crate::web::auth::{Reader, Writer};
use crate::web::body::Body;
use crate::web::list::{Page, cursor, limit};
use crate::web::problem::ProblemBody;
use crate::web::{Context, Problem};

/// Which suppressions are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SuppressionsQuery {
    /// Only that of this mail address: one item, or none where mail may reach it.
    email: Option<String>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// How many, 1 to 500; 50 by default.
    limit: Option<i64>,
}

/// Whose suppression is removed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WhoseSuppression {
    /// The mail address.
    email: String,
}

/// An address to suppress.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SuppressionDraft)]
pub struct SuppressionDraft {
    /// The mail address; only a keyed hash of it is kept.
    email: String,
    /// Why; `manual` when left out.
    #[serde(default = "by_hand")]
    #[schema(inline, default = "manual")]
    reason: Cause,
}

const fn by_hand() -> Cause {
    Cause::Manual
}

/// A suppressed address.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Suppression)]
pub struct SuppressionBody {
    /// The beginning of the address's keyed hash, which tells it from others.
    id: String,
    /// Why no message goes there.
    #[schema(inline)]
    reason: Cause,
    /// Since when.
    created_at: Timestamp,
}

impl From<&Suppression> for SuppressionBody {
    fn from(suppression: &Suppression) -> Self {
        Self { id: suppression.id().to_owned(), reason: suppression.reason, created_at: suppression.created_at }
    }
}

/// List suppressed addresses, the latest first; with `email`, ask about one
#[utoipa::path(get, path = "/api/v1/suppressions", tag = "Customers", params(SuppressionsQuery), security(("key" = [])),
    responses((status = 200, body = Page<SuppressionBody>), (status = 422, body = ProblemBody)))]
pub(crate) async fn index(
    _: Reader,
    context: Data<Context>,
    query: Query<SuppressionsQuery>,
) -> Result<Json<Page<SuppressionBody>>, Problem> {
    let limit = limit(query.limit)?;
    let (at, identity): (i64, String) = cursor(query.cursor.as_deref())?.unwrap_or((i64::MAX, String::new()));
    let asked = query.email.as_deref().map(|email| hashed(&context, email)).transpose()?;
    let mut read = context.db.read().await?;
    let found = match asked {
        Some(identity) => store::find(&mut read, &identity).await?.into_iter().collect(),
        None => store::list(&mut read, (Timestamp::from_millis(at), &identity), limit + 1).await?,
    };
    let page = Page::of(found, limit, |found: &Suppression| (found.created_at.as_millis(), found.identity.clone()));
    Ok(Json(page.map(|found| SuppressionBody::from(&found))))
}

/// Suppress an address: from now on no message goes there, not even one that waits already
#[utoipa::path(post, path = "/api/v1/suppressions", tag = "Customers", request_body = SuppressionDraft, security(("key" = [])),
    responses((status = 201, body = SuppressionBody), (status = 200, description = "It was suppressed before, and stays so as it was", body = SuppressionBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn create(
    _: Writer,
    context: Data<Context>,
    body: Body<SuppressionDraft>,
) -> Result<(Json<SuppressionBody>, StatusCode), Problem> {
    let suppression =
        Suppression { identity: hashed(&context, &body.value.email)?, reason: body.value.reason, created_at: context.clock.now() };
    let mut tx = context.db.begin().await?;
    if store::insert(&mut tx, &suppression).await? {
        tx.commit().await?;
        return Ok((Json(SuppressionBody::from(&suppression)), StatusCode::CREATED));
    }
    let before = store::find(&mut tx, &suppression.identity).await?.unwrap_or(suppression);
    Ok((Json(SuppressionBody::from(&before)), StatusCode::OK))
}

/// Let messages reach an address again; bounces that were counted against it are forgotten
#[utoipa::path(delete, path = "/api/v1/suppressions", tag = "Customers", params(WhoseSuppression), security(("key" = [])),
    responses((status = 204), (status = 404, description = "It is not suppressed", body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn remove(_: Writer, context: Data<Context>, query: Query<WhoseSuppression>) -> Result<HttpResponse, Problem> {
    let identity = hashed(&context, &query.email)?;
    let mut tx = context.db.begin().await?;
    if !store::delete(&mut tx, &identity).await? {
        return Err(Problem::not_found("suppression"));
    }
    tx.commit().await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The keyed hash of an address that somebody sent.
fn hashed(context: &Context, email: &str) -> Result<String, Problem> {
    let email = Some(email.trim()).filter(|email| address::is_valid(email));
    let identity = email.and_then(|email| identity_of(&context.keyring, email));
    identity.ok_or_else(|| Problem::field("email", "must be a mail address such as sara@example.com"))
}
