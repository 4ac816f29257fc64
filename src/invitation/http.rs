//! Hooks and interactions over HTTP: everything that can lead to an invitation, answered with the decision after the commit.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::http::uri::PathAndQuery;
use actix_web::web::{Bytes, Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::answer::{HookAnswer, InteractionAnswer};
use super::receive::{self, Received};
use super::store;
use crate::db::Tx;
use crate::intake::store::Arrival;
use crate::intake::{self, Agent, Customer, Delivery, Event, Interaction, Reception, SECRET_PURPOSE, Source, SourceId, Ticket, reading};
use crate::link::Links;
use crate::survey::{self, Survey};
use crate::web::auth::Writer;
use crate::web::body::Body;
use crate::web::problem::{FieldError, Kind, ProblemBody};
use crate::web::{Context, Problem};

/// The longest `Idempotency-Key`.
const LONGEST_KEY: usize = 255;
/// How much of an unreadable body is kept.
const KEPT_BODY: usize = 64 * 1024;

/// What a caller says of an interaction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InteractionDraft)]
pub struct Draft {
    /// The slug of the survey.
    survey: String,
    /// Whether it is over; true when left out.
    #[serde(default = "yes")]
    closed: bool,
    /// The ticket; its id, or an `Idempotency-Key`, is needed.
    #[serde(default)]
    ticket: Ticket,
    /// Who is asked; one of email, phone and ref is needed.
    #[serde(default)]
    customer: Customer,
    /// Who helped.
    #[serde(default)]
    agent: Agent,
    /// The team that helped.
    #[serde(default)]
    team: Option<String>,
    /// The channel of the conversation.
    #[serde(default)]
    channel: Option<String>,
    /// Free marks, up to 50.
    #[serde(default)]
    tags: Vec<String>,
    /// What was interacted with.
    #[serde(default)]
    touchpoint: Option<String>,
    /// The customer's segment.
    #[serde(default)]
    segment: Option<String>,
    /// The product.
    #[serde(default)]
    product: Option<String>,
}

const fn yes() -> bool {
    true
}

impl Draft {
    /// The survey's slug and what was received.
    fn into_received(self, key: Option<String>) -> Result<(String, Received), Problem> {
        let mut interaction = Interaction {
            ticket: self.ticket,
            customer: self.customer,
            agent: self.agent,
            team: self.team,
            channel: self.channel,
            tags: self.tags,
            touchpoint: self.touchpoint,
            segment: self.segment,
            product: self.product,
        };
        let mut errors = interaction.check();
        interaction.tidy();
        let mut need = |holds: bool, field: &str, message: &str| {
            if !holds && !errors.iter().any(|error| error.field.starts_with(field)) {
                errors.push(FieldError { field: field.to_owned(), message: message.to_owned() });
            }
        };
        let customer = &interaction.customer;
        need(interaction.ticket.id.is_some() || key.is_some(), "ticket.id", "is needed, or the header Idempotency-Key");
        need(
            customer.email.is_some() || customer.phone.is_some() || customer.reference.is_some(),
            "customer",
            "needs one of email, phone and ref",
        );
        if !errors.is_empty() {
            return Err(Problem::fields(errors));
        }
        Ok((self.survey, Received { source: None, closed: self.closed, interaction, request_key: key }))
    }
}

/// Requests with an `Idempotency-Key` that this process is answering right now.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashSet<String>>);

/// One of them; dropped, it is no longer in flight.
struct Flight<'a>(&'a InFlight, String);

impl InFlight {
    fn take_off(&self, key: &str) -> Option<Flight<'_>> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        is_new.then(|| Flight(self, key.to_owned()))
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// Report an interaction: decides whether to ask, and answers with the decision and the link
#[utoipa::path(post, path = "/api/v1/interactions", tag = "Interactions", request_body = Draft, security(("key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating the request safe; up to 255 characters")),
    responses((status = 201, description = "Decided", body = InteractionAnswer), (status = 200, description = "Decided before; the first answer", body = InteractionAnswer),
        (status = 409, description = "The same Idempotency-Key is being answered", body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn create(
    caller: Writer,
    request: HttpRequest,
    (context, links, in_flight): (Data<Context>, Data<Links>, Data<InFlight>),
    body: Body<Draft>,
) -> Result<(Json<InteractionAnswer>, StatusCode), Problem> {
    let key = idempotency_key(request.headers())?.map(|key| format!("{} {key}", caller.key));
    let _flight = match &key {
        Some(key) => Some(
            in_flight.take_off(key).ok_or_else(|| Problem::new(Kind::Conflict).detail("The same Idempotency-Key is being answered."))?,
        ),
        None => None,
    };
    let (slug, received) = body.value.into_received(key.clone())?;
    let keyed = key.map(|key| (key, Sha256::digest(&body.raw).to_vec()));
    if let Some(answer) = answered_before(&context, &links, keyed.as_ref()).await? {
        return Ok((Json(answer), StatusCode::OK));
    }
    let mut tx = context.db.begin().await?;
    let found = survey::store::find_by_slug(&mut tx, &slug).await?;
    let survey = found.ok_or_else(|| Problem::field("survey", "must be the slug of a survey"))?;
    let (decided, is_new) = receive::receive(&mut tx, &context, &survey, &received).await?;
    if let Some((key, hash)) = &keyed
        && !store::insert_request(&mut tx, key, hash, decided.id, context.clock.now()).await?
    {
        // Another node answered the same key meanwhile: nothing of this transaction is kept.
        drop(tx);
        let answer = answered_before(&context, &links, keyed.as_ref()).await?.ok_or_else(Problem::unavailable)?;
        return Ok((Json(answer), StatusCode::OK));
    }
    let answer = InteractionAnswer::of(&mut tx, &context, &links, &decided).await?;
    tx.commit().await?;
    if is_new {
        count(&context, &answer);
    }
    Ok((Json(answer), if is_new { StatusCode::CREATED } else { StatusCode::OK }))
}

fn count(context: &Context, answer: &InteractionAnswer) {
    context.metrics.decision(answer.outcome.as_str(), answer.reason.map_or("", super::Reason::as_str));
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().ok().map(str::trim).filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| Problem::field("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
}

/// The first answer to a key, if there is one; the same key with another body is refused.
async fn answered_before(
    context: &Context,
    links: &Links,
    keyed: Option<&(String, Vec<u8>)>,
) -> Result<Option<InteractionAnswer>, Problem> {
    let Some((key, hash)) = keyed else { return Ok(None) };
    let mut read = context.db.read().await?;
    let Some((first_hash, decided)) = store::find_request(&mut read, key).await? else {
        return Ok(None);
    };
    if first_hash != *hash {
        return Err(Problem::field("Idempotency-Key", "was used for a request with another body"));
    }
    Ok(Some(InteractionAnswer::of(&mut read, context, links, &decided).await?))
}

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
    let survey = survey::store::find(&mut tx, source.survey_id).await?.ok_or_else(|| Problem::not_found("survey"))?;
    let mut items = Vec::with_capacity(events.len());
    for event in events {
        items.push(take_in(&mut tx, (&context, &links), (&source, &survey), proof.delivery_key.as_deref(), event).await?);
    }
    let answer = match (is_list, items.pop()) {
        (false, Some(item)) => Answer::One(item),
        (_, last) => Answer::Batch { outcome: "batch".to_owned(), items: items.into_iter().chain(last).collect() },
    };
    let text = serde_json::to_string(&answer).map_err(|error| Problem::internal(&error))?;
    note(&mut tx, &context, (&source, Reception::Accepted), proof.delivery_key.as_deref(), (&text, None, None)).await?;
    tx.commit().await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(text))
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
