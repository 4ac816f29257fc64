//! What help desks send to their hooks, and what is received once more.

use actix_web::http::uri::PathAndQuery;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::count;
use crate::db::Tx;
use crate::intake::store::Arrival;
use crate::intake::{self, Delivery, Event, Reception, SECRET_PURPOSE, Source, SourceId, reading};
use crate::invitation::answer::{HookAnswer, InteractionAnswer};
use crate::invitation::receive::{self, Received};
use crate::link::Links;
use crate::survey::{self, Survey};
use crate::web::auth::Admin;
use crate::web::problem::{Kind, ProblemBody};
use crate::web::{Context, Problem};

/// How much of an unreadable body is kept.
const KEPT_BODY: usize = 64 * 1024;

/// The answer to a delivery: of one event, or of each in a list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Answer {
    One(HookAnswer),
    Batch { outcome: String, items: Vec<HookAnswer> },
}

impl Answer {
    fn again(self) -> Self {
        match self {
            Self::One(item) => Self::One(item.again()),
            Self::Batch { outcome, items } => Self::Batch { outcome, items: items.into_iter().map(HookAnswer::again).collect() },
        }
    }
}

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
pub(crate) async fn hook(
    request: HttpRequest,
    (context, links): (Data<Context>, Data<Links>),
    path: Path<HookPath>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let source = find_source(&context, &path.source_id).await?;
    let secret = open_secret(&context, &source)?;
    let headers = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let address = request.uri().path_and_query().map_or_else(|| request.path(), PathAndQuery::as_str);
    let url = format!("{}{address}", context.public_url);
    let code = code(request.query_string());
    let carried: Vec<&str> = code.as_deref().into_iter().chain(path.secret.as_deref()).collect();
    let delivery =
        Delivery { secret: secret.expose_secret(), headers: &headers, url: &url, carried: &carried, body: &body, now: context.clock.now() };
    if let Some(challenge) = source.kind.challenge(&delivery) {
        return Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(challenge));
    }
    let proof =
        source.kind.verify(&delivery).map_err(|refusal| Problem::new(Kind::Unauthorized).detail(format!("Not accepted: {refusal}.")))?;
    if let Some(key) = &proof.delivery_key
        && let Some(first) = intake::store::find_answer(&mut context.db.read().await?, source.id, key).await?
    {
        return again(&first);
    }
    let is_form = headers("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let (events, is_list) = match read(&source, &body, is_form) {
        Ok(read) => read,
        Err(unreadable) => return Err(keep_unreadable(&context, &source, &unreadable, &body).await?),
    };
    let mut tx = context.db.begin().await?;
    let text = take_all_in(&mut tx, (&context, &links), &source, proof.delivery_key.as_deref(), (events, is_list)).await?;
    note(&mut tx, &context, (&source, Reception::Accepted), proof.delivery_key.as_deref(), (&text, None, None)).await?;
    tx.commit().await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(text))
}

/// Receive an event of a system that can put the secret nowhere but behind the address
#[utoipa::path(post, path = "/hooks/{source_id}/{secret}", tag = "Hooks", params(("source_id" = SourceId, Path), ("secret" = String, Path)), request_body = Object,
    responses((status = 200, description = "Received", body = HookAnswer), (status = 400, description = "The body cannot be read; it is kept", body = ProblemBody),
        (status = 401, description = "Wrong secret", body = ProblemBody), (status = 503, description = "Come back after `Retry-After` seconds", body = ProblemBody)))]
pub(crate) async fn hook_with_secret(
    request: HttpRequest,
    shared: (Data<Context>, Data<Links>),
    path: Path<HookPath>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    hook(request, shared, path, body).await
}

/// Somebody looks whether the hook is there, as some help desks do before they save its address.
pub(crate) async fn look(context: Data<Context>, path: Path<HookPath>) -> Result<HttpResponse, Problem> {
    find_source(&context, &path.source_id).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn find_source(context: &Context, id: &str) -> Result<Source, Problem> {
    let not_found = || Problem::not_found("source");
    let id: SourceId = id.parse().map_err(|_| not_found())?;
    intake::store::find(&mut context.db.read().await?, id).await?.ok_or_else(not_found)
}

fn open_secret(context: &Context, source: &Source) -> Result<SecretString, Problem> {
    let secret = context.keyring.open(SECRET_PURPOSE, &source.sealed_secret).and_then(|bytes| String::from_utf8(bytes).ok());
    secret
        .map(SecretString::from)
        .ok_or_else(|| Problem::internal(&"the secret of a source was sealed with a master secret that is not in force"))
}

/// The answer that was given before, told as a duplicate.
fn again(first: &str) -> Result<HttpResponse, Problem> {
    let answer: Answer = serde_json::from_str(first).map_err(|error| Problem::internal(&error))?;
    let text = serde_json::to_string(&answer.again()).map_err(|error| Problem::internal(&error))?;
    Ok(HttpResponse::Ok().content_type("application/json").body(text))
}

fn read(source: &Source, body: &[u8], is_form: bool) -> Result<(Vec<Event>, bool), reading::Unreadable> {
    let (values, is_list) = if is_form { (vec![reading::form(body)], false) } else { reading::events(body)? };
    let events = values.iter().map(|value| source.kind.read(value)).collect::<Result<_, _>>()?;
    Ok((events, is_list))
}

/// Takes every event of a delivery in; answers what to say, as JSON.
async fn take_all_in(
    tx: &mut Tx,
    (context, links): (&Context, &Links),
    source: &Source,
    delivery_key: Option<&str>,
    (events, is_list): (Vec<Event>, bool),
) -> Result<String, Problem> {
    let survey = survey::store::find(tx, source.survey_id).await?.ok_or_else(|| Problem::not_found("survey"))?;
    let mut items = Vec::with_capacity(events.len());
    for event in events {
        items.push(take_in(tx, (context, links), (source, &survey), delivery_key, event).await?);
    }
    let answer = match (is_list, items.pop()) {
        (false, Some(item)) => Answer::One(item),
        (_, last) => Answer::Batch { outcome: "batch".to_owned(), items: items.into_iter().chain(last).collect() },
    };
    serde_json::to_string(&answer).map_err(|error| Problem::internal(&error))
}

/// Receive a kept event once more, as if its source had just delivered it
///
/// Only events whose body could not be read are kept; this helps after an update that reads them.
#[utoipa::path(post, path = "/api/v1/sources/{id}/events/{event}/replay", tag = "Sources", security(("key" = [])),
    params(("id" = SourceId, Path), ("event" = Uuid, Path)),
    responses((status = 200, description = "Received; the answer that the source would get", body = HookAnswer), (status = 400, description = "The body still cannot be read", body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 409, description = "Nothing of it is kept: it was understood, or 30 days are over", body = ProblemBody)))]
pub(crate) async fn replay(
    _: Admin,
    (context, links): (Data<Context>, Data<Links>),
    path: Path<(SourceId, Uuid)>,
) -> Result<HttpResponse, Problem> {
    let (source, event) = path.into_inner();
    let source = find_source(&context, &source.to_string()).await?;
    let mut tx = context.db.begin().await?;
    let kept = intake::store::find_arrival(&mut tx, source.id, event).await?.ok_or_else(|| Problem::not_found("event"))?;
    let body = kept.body.ok_or_else(|| {
        Problem::new(Kind::Conflict).detail("Nothing of this event is kept: it was understood, or it is over 30 days old.")
    })?;
    let is_form = !body.trim_ascii_start().starts_with(b"{") && !body.trim_ascii_start().starts_with(b"[");
    let events = read(&source, &body, is_form)
        .map_err(|unreadable| Problem::new(Kind::BadRequest).detail(format!("{unreadable}. The body is still kept.")))?;
    let text = take_all_in(&mut tx, (&context, &links), &source, None, events).await?;
    intake::store::settle_arrival(&mut tx, event, &text).await?;
    tx.commit().await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(text))
}

async fn take_in(
    tx: &mut Tx,
    (context, links): (&Context, &Links),
    (source, survey): (&Source, &Survey),
    delivery_key: Option<&str>,
    event: Event,
) -> Result<HookAnswer, Problem> {
    let interaction = match event {
        Event::Other => return Ok(HookAnswer::ignored("not_closed")),
        Event::Reopened { ticket } => {
            return Ok(HookAnswer::reopened(receive::withdraw(tx, survey, &ticket, context.clock.now()).await?));
        }
        Event::Closed(interaction) => *interaction,
    };
    // Several tickets of one delivery share its id.
    let request_key = delivery_key.map(|key| format!("{key} {}", interaction.ticket.id.as_deref().unwrap_or_default()));
    let received = Received { source: Some(source.id), closed: true, interaction, request_key };
    let (decided, is_new) = receive::receive(tx, context, survey, &received).await?;
    let answer = InteractionAnswer::of(tx, context, links, &decided).await?;
    if is_new {
        count(context, &answer);
    }
    Ok(HookAnswer::decided(answer, is_new))
}

async fn note(
    tx: &mut Tx,
    context: &Context,
    (source, outcome): (&Source, Reception),
    delivery_key: Option<&str>,
    (answer, problem, body): (&str, Option<&str>, Option<&[u8]>),
) -> Result<(), Problem> {
    let at = context.clock.now();
    let arrival = Arrival { id: context.random.uuid(at), source: source.id, delivery_key, outcome, answer, problem, body, at };
    intake::store::insert_arrival(tx, &arrival).await?;
    Ok(())
}

/// Keeps a body that cannot be read for inspection, and tells its author what is wrong and where.
async fn keep_unreadable(context: &Context, source: &Source, unreadable: &reading::Unreadable, body: &[u8]) -> Result<Problem, Problem> {
    let problem = unreadable.to_string();
    let kept = body.get(..KEPT_BODY).unwrap_or(body);
    let mut tx = context.db.begin().await?;
    note(&mut tx, context, (source, Reception::Unreadable), None, ("", Some(&problem), Some(kept))).await?;
    tx.commit().await?;
    Ok(Problem::new(Kind::BadRequest).detail(format!("{problem}. The body was kept for inspection.")))
}
