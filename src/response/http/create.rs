//! Takes an answer that was given elsewhere: in an app, on the phone.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::list::ResponseBody;
use crate::clock::{DAY_MS, Timestamp};
use crate::intake::{Agent, Customer, Interaction, Ticket};
use crate::invitation::InteractionId;
use crate::invitation::http::idempotency_key;
use crate::invitation::store::{self as requests, Request};
use crate::response::human::Evidence;
use crate::response::import::row::LONGEST_COMMENT;
use crate::response::import::{Answer, take};
use crate::response::{ResponseId, Via, list, told};
use crate::survey::{self, Survey};
use crate::web::auth::Writer;
use crate::web::body::Body;
use crate::web::problem::{FieldError, ProblemBody};
use crate::web::{Context, Problem};
use crate::webhook::tell::tell_all;

/// An answer that was given elsewhere, and what it is about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseDraft {
    /// The slug of the survey.
    survey: String,
    /// The score as it was chosen, on the survey's scale.
    score: i64,
    /// The comment, up to 4,000 characters.
    comment: Option<String>,
    /// Whether the comment may be quoted.
    #[serde(default)]
    consent: bool,
    /// When it was given; now when left out.
    answered_at: Option<Timestamp>,
    /// The ticket; its id, or an `Idempotency-Key`, is needed.
    #[serde(default)]
    ticket: Ticket,
    /// Who answered.
    #[serde(default)]
    customer: Customer,
    /// Who helped.
    #[serde(default)]
    agent: Agent,
    /// The team that helped.
    team: Option<String>,
    /// The channel of the conversation.
    channel: Option<String>,
    /// Free marks, up to 50.
    #[serde(default)]
    tags: Vec<String>,
    /// What was interacted with.
    touchpoint: Option<String>,
    /// The customer's segment.
    segment: Option<String>,
    /// The product.
    product: Option<String>,
}

impl ResponseDraft {
    /// The answer, if everything in it is valid.
    fn into_answer(self, survey: Survey, key: Option<&str>, now: Timestamp) -> Result<Answer, Problem> {
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
        let comment = self.comment.map(|text| text.replace('\0', " ").trim().to_owned()).filter(|text| !text.is_empty());
        let mut refuse = |is_wrong: bool, field: &str, message: String| {
            if is_wrong && !errors.iter().any(|error| error.field == field) {
                errors.push(FieldError { field: field.to_owned(), message });
            }
        };
        let (low, high) = survey.metric.ends();
        let raw = survey.accepts(self.score);
        refuse(raw.is_none(), "score", format!("must be {low} to {high}"));
        let is_long = comment.as_deref().is_some_and(|comment| comment.chars().count() > LONGEST_COMMENT);
        refuse(is_long, "comment", format!("must have at most {LONGEST_COMMENT} characters"));
        let is_future = self.answered_at.is_some_and(|at| at.since(now) > DAY_MS);
        refuse(is_future, "answered_at", "must not lie in the future".to_owned());
        let named = match (&interaction.ticket.id, self.answered_at, key) {
            (Some(ticket), Some(at), _) => Some(Answer::key_of_ticket(ticket, Some(at))),
            (_, _, Some(key)) => Some(format!("answer request {key}")),
            (Some(ticket), None, None) => Some(Answer::key_of_ticket(ticket, None)),
            (None, _, None) => None,
        };
        refuse(named.is_none(), "ticket.id", "is needed, or the header Idempotency-Key".to_owned());
        let (Some(raw), Some(key), true) = (raw, named, errors.is_empty()) else {
            return Err(Problem::fields(errors));
        };
        let at = self.answered_at.unwrap_or(now);
        Ok(Answer { survey: Arc::new(survey), key, interaction, raw, comment, consent: self.consent, at })
    }
}

/// Store an answer given elsewhere: in an app, on the phone
#[utoipa::path(post, path = "/api/v1/responses", tag = "Responses", request_body = ResponseDraft, security(("key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating the request safe; up to 255 characters")),
    responses((status = 201, description = "Stored", body = ResponseBody), (status = 200, description = "Stored before, as it is now", body = ResponseBody),
        (status = 422, body = ProblemBody)))]
pub(crate) async fn create(
    caller: Writer,
    request: HttpRequest,
    context: Data<Context>,
    body: Body<ResponseDraft>,
) -> Result<HttpResponse, Problem> {
    let key = idempotency_key(request.headers())?.map(|key| format!("{} {key}", caller.key));
    let mut read = context.db.read().await?;
    let survey = survey::store::find_by_slug(&mut read, &body.value.survey).await?;
    drop(read);
    let survey = survey.ok_or_else(|| Problem::field("survey", "must be the slug of a survey"))?;
    let keyed = key.clone().map(|key| (key, Sha256::digest(&body.raw).to_vec()));
    let answer = body.value.into_answer(survey, key.as_deref(), context.clock.now())?;
    let (status, id) = store(&context, &answer, keyed.as_ref()).await?;
    let row = list::store::find(&mut context.db.read().await?, id).await?.ok_or_else(Problem::unavailable)?;
    Ok(HttpResponse::build(status).json(Json(ResponseBody::from(row))))
}

/// Stores an answer unless it is there; answers its id, and whether it is new.
async fn store(context: &Context, answer: &Answer, keyed: Option<&(String, Vec<u8>)>) -> Result<(StatusCode, ResponseId), Problem> {
    let mut tx = context.db.begin().await?;
    if let Some((key, hash)) = keyed
        && let Some((first_hash, decided)) = requests::find_request(&mut tx, key).await?
    {
        if first_hash != *hash {
            return Err(Problem::field("Idempotency-Key", "was used for a request with another body"));
        }
        return Ok((StatusCode::OK, ResponseId(decided.id.0)));
    }
    let taken = take(&mut tx, context, &[answer], (Via::Api, Evidence::Api)).await?;
    let status = if taken.new.is_empty() { StatusCode::OK } else { StatusCode::CREATED };
    // Neither, where another node stored the same while this one waited; whoever asks again gets it.
    let id = taken.new.first().or(taken.known.first()).copied().ok_or_else(Problem::unavailable)?;
    if let Some((key, body_hash)) = keyed {
        let request = Request { key, body_hash, interaction: InteractionId(id.0) };
        if requests::insert_requests(&mut tx, &[request], context.clock.now()).await? == 0 {
            return Err(Problem::unavailable());
        }
    }
    if status == StatusCode::CREATED {
        tell_all(&mut tx, context, &told::given(&answer.survey, id, answer.raw).collect::<Vec<_>>()).await?;
    }
    tx.commit().await?;
    Ok((status, id))
}
