//! Gateways over HTTP. Trying one out is for the delivery stage, because it knows what a survey says.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::draft::{Draft, GatewayBody, Head};
use super::{Gateway, SECRET_PURPOSE, store};
use crate::web::auth::Admin;
use crate::web::body::Body;
use crate::web::list::{self, ListQuery, Page};
use crate::web::problem::{Kind, ProblemBody};
use crate::web::{Context, Problem};

impl From<Gateway> for GatewayBody {
    fn from(gateway: Gateway) -> Self {
        Self {
            name: gateway.name,
            preset: gateway.preset,
            definition: gateway.definition,
            secrets: gateway.sealed.into_keys().collect(),
            created_at: gateway.created_at,
            updated_at: gateway.updated_at,
        }
    }
}

/// Define a gateway: an HTTP API that carries messages, from a preset or in full
///
/// Templates are those of Jinja, with `if` and `for`. They know `link`, `score_links` (by point), `unsubscribe_link`, `text` (the message, except in `text`
/// itself), `survey.slug`, `.name`, `.company`, `.metric` and `.question`, `customer.name`, `.phone`, `.email` and `.ref`, `ticket.id` and `.subject`,
/// `agent.name`, `locale`, `is_reminder`, `message_id` and `message_number` (the same at every attempt), `settings.NAME` and `secrets.NAME`. What is not known of
/// a customer is none, and written as nothing, in JSON as null. Filters: `default`, `upper`, `lower`, `trim`, `length`, `tojson`, `segments` (the segments of a
/// path), `entities` (for chats that read `&`, `<` and `>`). Tests: `defined`, `undefined`, `none`, `gsm7` (whether an SMS needs no Unicode). A template has at
/// most 16 KiB and renders to at most 64 KiB.
#[utoipa::path(post, path = "/api/v1/gateways", tag = "Gateways", request_body = Draft, security(("key" = [])),
    responses((status = 201, body = GatewayBody), (status = 409, description = "The name is used", body = ProblemBody),
        (status = 422, description = "Also for a template that does not fit, with its line", body = ProblemBody)))]
pub(crate) async fn create(_: Admin, context: Data<Context>, body: Body<Value>) -> Result<(Json<GatewayBody>, StatusCode), Problem> {
    let draft = Draft::read(body.value)?;
    draft.check(&[], context.http.guard())?;
    let now = context.clock.now();
    let Draft { head, definition } = draft;
    let mut gateway =
        Gateway { name: head.name.clone(), preset: head.preset, definition, sealed: [].into(), created_at: now, updated_at: now };
    seal(&mut gateway, &head, &context);
    let mut tx = context.db.begin().await?;
    if !store::insert(&mut tx, &gateway).await? {
        return Err(Problem::new(Kind::Conflict).detail(format!("The name {} is used by another gateway.", gateway.name)));
    }
    tx.commit().await?;
    Ok((Json(GatewayBody::from(gateway)), StatusCode::CREATED))
}

/// Adds the secrets that were given to those that a gateway has.
fn seal(gateway: &mut Gateway, head: &Head, context: &Context) {
    for (name, secret) in &head.secrets {
        let sealed = context.keyring.seal(SECRET_PURPOSE, secret.expose_secret().as_bytes(), &context.random);
        gateway.sealed.insert(name.clone(), sealed);
    }
}

/// List gateways by name
#[utoipa::path(get, path = "/api/v1/gateways", tag = "Gateways", params(ListQuery), security(("key" = [])),
    responses((status = 200, body = Page<GatewayBody>)))]
pub(crate) async fn index(_: Admin, context: Data<Context>, query: Query<ListQuery>) -> Result<Json<Page<GatewayBody>>, Problem> {
    let (after, limit) = (list::cursor::<String>(query.cursor.as_deref())?.unwrap_or_default(), list::limit(query.limit)?);
    let found = store::list(&mut context.db.read().await?, &after, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |gateway| gateway.name.clone()).map(GatewayBody::from)))
}

/// One gateway; its secrets by name only
#[utoipa::path(get, path = "/api/v1/gateways/{name}", tag = "Gateways", params(("name" = String, Path)), security(("key" = [])),
    responses((status = 200, body = GatewayBody), (status = 404, body = ProblemBody)))]
pub(crate) async fn show(_: Admin, context: Data<Context>, name: Path<String>) -> Result<Json<GatewayBody>, Problem> {
    let found = store::find(&mut context.db.read().await?, &name).await?;
    found.map(|gateway| Json(GatewayBody::from(gateway))).ok_or_else(|| Problem::not_found("gateway"))
}

/// Change a gateway (RFC 7396: null removes, what is left out stays); messages that wait are sent as it is then
#[utoipa::path(patch, path = "/api/v1/gateways/{name}", tag = "Gateways", params(("name" = String, Path)), request_body = Draft, security(("key" = [])),
    responses((status = 200, body = GatewayBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn change(_: Admin, context: Data<Context>, name: Path<String>, body: Body<Value>) -> Result<Json<GatewayBody>, Problem> {
    let mut tx = context.db.begin().await?;
    let mut gateway = store::find(&mut tx, &name).await?.ok_or_else(|| Problem::not_found("gateway"))?;
    let removed: Vec<String> = match body.value.get("secrets") {
        Some(Value::Null) => gateway.sealed.keys().cloned().collect(),
        Some(Value::Object(secrets)) => secrets.iter().filter(|(_, secret)| secret.is_null()).map(|(name, _)| name.clone()).collect(),
        _ => Vec::new(),
    };
    gateway.sealed.retain(|name, _| !removed.contains(name));
    let draft = Draft::changed(&gateway.name, gateway.preset, &gateway.definition, body.value)?;
    let kept: Vec<String> = gateway.sealed.keys().cloned().collect();
    draft.check(&kept, context.http.guard())?;
    gateway.definition = draft.definition;
    gateway.updated_at = context.clock.now();
    seal(&mut gateway, &draft.head, &context);
    store::update(&mut tx, &gateway).await?;
    tx.commit().await?;
    Ok(Json(GatewayBody::from(gateway)))
}

/// Remove a gateway that no survey delivers by; messages that still wait for it are cancelled
#[utoipa::path(delete, path = "/api/v1/gateways/{name}", tag = "Gateways", params(("name" = String, Path)), security(("key" = [])),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, description = "A survey delivers by it", body = ProblemBody)))]
pub(crate) async fn delete(_: Admin, context: Data<Context>, name: Path<String>) -> Result<HttpResponse, Problem> {
    let mut tx = context.db.begin().await?;
    if let Some((_, slug)) = store::list_surveys(&mut tx, &name).await?.first() {
        return Err(Problem::new(Kind::Conflict).detail(format!("The survey {slug} delivers by it: change its deliver first.")));
    }
    if !store::delete(&mut tx, &name, context.clock.now()).await? {
        return Err(Problem::not_found("gateway"));
    }
    tx.commit().await?;
    Ok(HttpResponse::NoContent().finish())
}
