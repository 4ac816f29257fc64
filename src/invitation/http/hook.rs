//! What help desks send to their hooks, and what is received once more.

use std::sync::Arc;

use actix_web::http::uri::PathAndQuery;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use super::Desk;
use crate::intake::jwt::{self, Key};
use crate::intake::store::Arrival;
use crate::intake::verify::Refusal;
use crate::intake::{self, Delivery, Event, Reception, SECRET_PURPOSE, Source, SourceId, reading};
use crate::invitation::answer::HookAnswer;
use crate::invitation::clerk::{self, Errand, NotStored, Origin, Step};
use crate::invitation::receive::Received;
use crate::web::auth::Admin;
use crate::web::problem::{Kind, ProblemBody};
use crate::web::{Context, Problem};

/// How much of an unreadable body is kept.
const KEPT_BODY: usize = 64 * 1024;

/// The address of a hook, with the secret behind it where a system can put it nowhere else.
#[derive(Debug, Deserialize)]
pub(crate) struct HookPath {
    source_id: String,
    secret: Option<String>,
}

/// The secret in an address as Azure writes it: `?code=`.
fn code(query: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code").map(|(_, code)| code.into_owned())
}

/// Receive an event of a help desk, signed as its kind signs
///
/// Systems that sign nothing send the secret as header `X-Webhook-Secret`, as basic-auth password, as `?code=` or behind the address.
#[utoipa::path(post, path = "/hooks/{source_id}", tag = "Hooks", params(("source_id" = SourceId, Path)), request_body = Object,
    responses((status = 200, description = "Received; several events answer `{\"outcome\":\"batch\",\"items\":[…]}`", body = HookAnswer),
        (status = 400, description = "The body cannot be read; it is kept", body = ProblemBody),
        (status = 401, description = "Missing or wrong signature", body = ProblemBody), (status = 503, description = "Come back after `Retry-After` seconds", body = ProblemBody)))]
pub(crate) async fn hook(request: HttpRequest, desk: Data<Desk>, path: Path<HookPath>, body: Bytes) -> Result<HttpResponse, Problem> {
    let context = &desk.context;
    let source = find_source(&desk, &path.source_id).await?;
    let secret = open_secret(context, &source)?;
    let headers = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let address = request.uri().path_and_query().map_or_else(|| request.path(), PathAndQuery::as_str);
    let url = format!("{}{address}", context.public_url);
    let code = code(request.query_string());
    let carried: Vec<&str> = code.as_deref().into_iter().chain(path.secret.as_deref()).collect();
    let (now, options) = (context.clock.now(), &source.options);
    let delivery =
        Delivery { secret: secret.expose_secret(), headers: &headers, url: &url, carried: &carried, body: &body, now, options, keys: &[] };
    if let Some(challenge) = source.kind.challenge(&delivery) {
        return Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(challenge));
    }
    let keys = keys(context, &source, &delivery).await?;
    let proof = match source.kind.verify(&Delivery { keys: &keys, ..delivery }) {
        Ok(proof) => proof,
        Err(_) if source.kind.is_test(&delivery) => return Ok(HttpResponse::Ok().json(HookAnswer::ignored("test"))),
        Err(refusal) => return Err(not_accepted(&refusal)),
    };
    let is_form = headers("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let read = match read(&source, &body, is_form) {
        Ok(read) => read,
        Err(unreadable) => {
            return match clerk::first_answer(context, source.id, proof.delivery_key.as_deref()).await? {
                Some(text) => Ok(HttpResponse::Ok().content_type("application/json").body(text)),
                None => Err(keep_unreadable(context, &source, &unreadable, &body).await?),
            };
        }
    };
    let event = context.random.uuid(now);
    let errand = errand(&desk, &source, (event, proof.delivery_key), read).await?;
    let receipt = desk.clerk.take(errand).await.map_err(|NotStored| Problem::unavailable())?;
    Ok(HttpResponse::Ok().content_type("application/json").body(receipt.text))
}

/// Receive an event of a system that can put the secret nowhere but behind the address
#[utoipa::path(post, path = "/hooks/{source_id}/{secret}", tag = "Hooks", params(("source_id" = SourceId, Path), ("secret" = String, Path)), request_body = Object,
    responses((status = 200, description = "Received", body = HookAnswer), (status = 400, description = "The body cannot be read; it is kept", body = ProblemBody),
        (status = 401, description = "Wrong secret", body = ProblemBody), (status = 503, description = "Come back after `Retry-After` seconds", body = ProblemBody)))]
pub(crate) async fn hook_with_secret(
    request: HttpRequest,
    desk: Data<Desk>,
    path: Path<HookPath>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    hook(request, desk, path, body).await
}

/// Somebody looks whether the hook is there, as some help desks do before they save its address.
pub(crate) async fn look(desk: Data<Desk>, path: Path<HookPath>) -> Result<HttpResponse, Problem> {
    find_source(&desk, &path.source_id).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn find_source(desk: &Desk, id: &str) -> Result<Arc<Source>, Problem> {
    let not_found = || Problem::not_found("source");
    let id: SourceId = id.parse().map_err(|_| not_found())?;
    desk.sources.find(id.0).await?.ok_or_else(not_found)
}

fn open_secret(context: &Context, source: &Source) -> Result<SecretString, Problem> {
    let secret = context.keyring.open_text(SECRET_PURPOSE, &source.sealed_secret);
    secret.ok_or_else(|| Problem::internal(&"the secret of a source was sealed with a master secret that is not in force"))
}

fn not_accepted(refusal: &Refusal) -> Problem {
    Problem::new(Kind::Unauthorized).detail(format!("Not accepted: {refusal}."))
}

/// The keys that a system signs with, where it does not sign with the secret. Where they cannot be had, nothing is known of the delivery.
async fn keys(context: &Context, source: &Source, delivery: &Delivery<'_>) -> Result<Vec<Key>, Problem> {
    let Some((key, url)) = source.kind.key_of(delivery).map_err(|refusal| not_accepted(&refusal))? else {
        return Ok(Vec::new());
    };
    let holds_key = |keys: &Vec<Key>| key.is_none() || keys.iter().any(|other| other.id == key);
    let found = context.documents.find((&context.http, delivery.now), &url, jwt::keys, holds_key).await;
    found.map_err(|_| {
        Problem::unavailable().detail("The keys of the sender cannot be fetched right now, so nothing was decided about this delivery.")
    })
}

/// An event, and what its help desk has to be asked before anything can be decided.
type Asked = (Event, Vec<String>);

fn read(source: &Source, body: &[u8], is_form: bool) -> Result<(Vec<Asked>, bool), reading::Unreadable> {
    let (values, is_list) = if is_form { (vec![reading::form(body)], false) } else { reading::events(body)? };
    let can_ask = source.can_ask();
    let read = |value| {
        let event = source.kind.read(value)?;
        let questions = match &event {
            Event::Closed(interaction) if can_ask => source.kind.questions(value, interaction),
            _ => Vec::new(),
        };
        Ok((event, questions))
    };
    Ok((values.iter().map(read).collect::<Result<_, _>>()?, is_list))
}

/// What the events of a delivery are for the clerk.
async fn errand(
    desk: &Desk,
    source: &Source,
    (event, key): (Uuid, Option<String>),
    (events, is_list): (Vec<Asked>, bool),
) -> Result<Errand, Problem> {
    let survey = desk.surveys.find(source.survey_id.0).await?.ok_or_else(|| Problem::not_found("survey"))?;
    let steps = events.into_iter().map(|event| step(source.id, key.as_deref(), event)).collect();
    Ok(Errand { survey, steps, origin: Origin::Delivery { source: source.id, event, key, is_list } })
}

fn step(source: SourceId, key: Option<&str>, (event, questions): Asked) -> Step {
    match event {
        Event::Other => Step::Ignored,
        Event::Reopened { ticket } => Step::Reopened { ticket },
        Event::Closed(interaction) => {
            // Several tickets of one delivery share its id.
            let request_key = key.map(|key| format!("{key} {}", interaction.ticket.id.as_deref().unwrap_or_default()));
            let received =
                Box::new(Received { source: Some(source), closed: true, interaction: *interaction, request_key, looked_up: None });
            if questions.is_empty() { Step::Decide(received) } else { Step::LookUp(received, questions) }
        }
    }
}

/// Receive a kept event once more, as if its source had just delivered it
///
/// Only events whose body could not be read are kept; this helps after an update that reads them.
#[utoipa::path(post, path = "/api/v1/sources/{id}/events/{event}/replay", tag = "Sources", security(("key" = [])),
    params(("id" = SourceId, Path), ("event" = Uuid, Path)),
    responses((status = 200, description = "Received; the answer that the source would get", body = HookAnswer), (status = 400, description = "The body still cannot be read", body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 409, description = "Nothing of it is kept: it was understood, or 30 days are over", body = ProblemBody)))]
pub(crate) async fn replay(_: Admin, desk: Data<Desk>, path: Path<(SourceId, Uuid)>) -> Result<HttpResponse, Problem> {
    let (source, event) = path.into_inner();
    let source = find_source(&desk, &source.to_string()).await?;
    let mut tx = desk.context.db.begin().await?;
    let kept = intake::store::find_arrival(&mut tx, source.id, event).await?.ok_or_else(|| Problem::not_found("event"))?;
    let body = kept.body.ok_or_else(|| {
        Problem::new(Kind::Conflict).detail("Nothing of this event is kept: it was understood, or it is over 30 days old.")
    })?;
    let is_form = !body.trim_ascii_start().starts_with(b"{") && !body.trim_ascii_start().starts_with(b"[");
    let events = read(&source, &body, is_form)
        .map_err(|unreadable| Problem::new(Kind::BadRequest).detail(format!("{unreadable}. The body is still kept.")))?;
    let errand = errand(&desk, &source, (event, None), events).await?;
    let outcome = clerk::take_in(&mut tx, &desk.context, &desk.links, &[&errand]).await?.pop().ok_or_else(Problem::unavailable)?;
    intake::store::settle_arrival(&mut tx, event, outcome.reception(), &outcome.text).await?;
    tx.commit().await?;
    outcome.count(&desk.context);
    Ok(HttpResponse::Ok().content_type("application/json").body(outcome.text))
}

/// Keeps a body that cannot be read for inspection, and tells its author what is wrong and where.
async fn keep_unreadable(context: &Context, source: &Source, unreadable: &reading::Unreadable, body: &[u8]) -> Result<Problem, Problem> {
    let problem = unreadable.to_string();
    let kept = body.get(..KEPT_BODY).unwrap_or(body);
    let mut tx = context.db.begin().await?;
    let at = context.clock.now();
    let arrival = Arrival {
        id: context.random.uuid(at),
        source: source.id,
        delivery_key: None,
        outcome: Reception::Unreadable,
        answer: "",
        problem: Some(&problem),
        body: Some(kept),
        at,
    };
    intake::store::insert_arrivals(&mut tx, &[arrival]).await?;
    tx.commit().await?;
    Ok(Problem::new(Kind::BadRequest).detail(format!("{problem}. The body was kept for inspection.")))
}
