//! Interactions and hooks over HTTP: everything that can lead to an invitation, answered with the decision after the commit.

pub mod act;
pub mod hook;
pub mod list;
pub mod suppress;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use super::answer::InteractionAnswer;
use super::clerk::{Clerk, Errand, Origin, Step};
use super::receive::{self, Received};
use super::store;
use crate::intake::{Agent, Customer, Interaction, Sources, Ticket};
use crate::link::Links;
use crate::survey::{self, Survey, Surveys};
use crate::web::auth::Writer;
use crate::web::body::Body;
use crate::web::problem::{FieldError, Kind, ProblemBody};
use crate::web::{Context, Problem};

/// The longest `Idempotency-Key`.
const LONGEST_KEY: usize = 255;

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
        Ok((self.survey, Received { source: None, closed: self.closed, interaction, request_key: key, looked_up: None }))
    }
}

/// Whether anything is stored.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DryRun {
    /// Only decide: nothing is stored and nobody is asked. What was decided before is told as it was.
    #[serde(default)]
    dry_run: bool,
}

/// Where help desks and callers bring what happened.
#[derive(Debug)]
pub struct Desk {
    /// What handlers of every stage work with.
    pub context: Arc<Context>,
    /// Signs links.
    pub links: Links,
    /// Stores what is brought.
    pub clerk: Clerk,
    /// Sources.
    pub sources: Sources,
    /// Surveys.
    pub surveys: Arc<Surveys>,
    /// Requests that are being answered.
    pub in_flight: InFlight,
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
    params(DryRun, ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating the request safe; up to 255 characters")),
    responses((status = 201, description = "Decided", body = InteractionAnswer), (status = 200, description = "Decided before; the first answer. Or what a dry run would decide", body = InteractionAnswer),
        (status = 409, description = "The same Idempotency-Key is being answered", body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn create(
    caller: Writer,
    request: HttpRequest,
    desk: Data<Desk>,
    query: Query<DryRun>,
    body: Body<Draft>,
) -> Result<HttpResponse, Problem> {
    let key = idempotency_key(request.headers())?.map(|key| format!("{} {key}", caller.key));
    let _flight = match &key {
        Some(key) => Some(
            desk.in_flight
                .take_off(key)
                .ok_or_else(|| Problem::new(Kind::Conflict).detail("The same Idempotency-Key is being answered."))?,
        ),
        None => None,
    };
    let (slug, received) = body.value.into_received(key.clone())?;
    let keyed = key.map(|key| (key, Sha256::digest(&body.raw).to_vec()));
    if let Some(answer) = answered_before(&desk, keyed.as_ref()).await? {
        return Ok(HttpResponse::Ok().json(answer));
    }
    let found = survey::store::find_by_slug(&mut desk.context.db.read().await?, &slug).await?;
    let survey = Arc::new(found.ok_or_else(|| Problem::field("survey", "must be the slug of a survey"))?);
    if query.dry_run {
        return Ok(HttpResponse::Ok().json(try_out(&desk, &survey, &received).await?));
    }
    let errand = Errand { survey, steps: vec![Step::Decide(Box::new(received))], origin: Origin::Request { key: keyed.clone() } };
    if let Ok(receipt) = desk.clerk.take(errand).await {
        let status = if receipt.is_new { StatusCode::CREATED } else { StatusCode::OK };
        return Ok(HttpResponse::build(status).content_type("application/json").body(receipt.text));
    }
    // Another node may have answered the same key meanwhile.
    let answer = answered_before(&desk, keyed.as_ref()).await?.ok_or_else(Problem::unavailable)?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Decides, and stores nothing: dropped, the transaction leaves nothing behind.
async fn try_out(desk: &Desk, survey: &Survey, received: &Received) -> Result<InteractionAnswer, Problem> {
    let mut tx = desk.context.db.begin().await?;
    let taken = receive::receive(&mut tx, &desk.context, survey, received).await?;
    Ok(if taken.is_new {
        InteractionAnswer::of_dry_run(taken.decided)
    } else {
        InteractionAnswer::new(&desk.context, &desk.links, taken.decided, taken.asked)
    })
}

/// The header `Idempotency-Key`, if there is one.
///
/// # Errors
/// 422 when it is empty, too long or no visible ASCII.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().ok().map(str::trim).filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| Problem::field("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
}

/// The first answer to a key, if there is one; the same key with another body is refused.
async fn answered_before(desk: &Desk, keyed: Option<&(String, Vec<u8>)>) -> Result<Option<InteractionAnswer>, Problem> {
    let Some((key, hash)) = keyed else { return Ok(None) };
    let mut read = desk.context.db.read().await?;
    let Some((first_hash, decided)) = store::find_request(&mut read, key).await? else {
        return Ok(None);
    };
    if first_hash != *hash {
        return Err(Problem::field("Idempotency-Key", "was used for a request with another body"));
    }
    Ok(Some(InteractionAnswer::of(&mut read, &desk.context, &desk.links, decided).await?))
}
