//! Trying a gateway out over HTTP.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::delivery::gateway::word;
use crate::delivery::trial::message;
use crate::gateway::answer::Outcome;
use crate::gateway::call::{Call, NotMade, Secrets};
use crate::gateway::{Address, Gateway, Verb, store};
use crate::intake::Customer;
use crate::invitation::InvitationId;
use crate::invitation::answer::vote_link;
use crate::invitation::http::Desk;
use crate::link::Purpose;
use crate::survey;
use crate::web::Problem;
use crate::web::auth::Admin;
use crate::web::body::Body;
use crate::web::problem::{Kind, ProblemBody};

/// What stands for a secret where a request is shown.
const HIDDEN: &str = "HIDDEN";

/// What to try a gateway with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Who gets the message.
    customer: Customer,
    /// The slug of the survey whose message it is; a sample when it is left out.
    #[serde(default)]
    survey: Option<String>,
    /// Whether to show the request instead of sending it.
    #[serde(default)]
    dry_run: bool,
}

/// What came of a trial.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialBody {
    /// The request, where it was not sent; secrets are hidden.
    request: Option<RequestBody>,
    /// The status that the other side answered with, where it answered.
    status: Option<u16>,
    /// What the answer means by the gateway's rules: `accepted`, `retry` (it would be tried again) or `refused`.
    outcome: Option<&'static str>,
    /// The other side's id of the message.
    id: Option<String>,
    /// The answer, cleaned as it would be kept, or why there was none.
    reply: Option<String>,
}

/// A request as it would be sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestBody {
    /// Its method.
    method: Verb,
    /// Where it goes.
    url: String,
    /// Its headers.
    headers: BTreeMap<String, String>,
    /// Its body.
    body: Option<String>,
}

/// Send a message to a sample customer, or show the request that would be sent
#[utoipa::path(post, path = "/api/v1/gateways/{name}/test", tag = "Gateways", operation_id = "test", params(("name" = String, Path)), request_body = Trial,
    security(("key" = [])),
    responses((status = 200, body = TrialBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn try_out(_: Admin, desk: Data<Desk>, name: Path<String>, body: Body<Trial>) -> Result<Json<TrialBody>, Problem> {
    let (context, Trial { customer, survey, dry_run }) = (&desk.context, body.value);
    let mut read = context.db.read().await?;
    let gateway = store::find(&mut read, &name).await?.ok_or_else(|| Problem::not_found("gateway"))?;
    let survey = match survey {
        Some(slug) => {
            let found = survey::store::find_by_slug(&mut read, &slug).await?;
            Some(found.ok_or_else(|| Problem::field("survey", "must be the slug of a survey"))?)
        }
        None => None,
    };
    drop(read);
    let nobody = Uuid::nil();
    let unsubscribe_link = format!("{}/u/{}", context.public_url, desk.links.token(Purpose::Unsubscribe, nobody));
    let link = vote_link(context, &desk.links, InvitationId(nobody));
    let message = message(customer, survey.as_ref(), (&link, &unsubscribe_link));
    let secrets = if dry_run { Some(hidden(&gateway)) } else { gateway.open(&context.keyring) };
    let secrets = secrets.ok_or_else(|| Problem::new(Kind::Conflict).detail("The gateway's secrets cannot be opened: give them anew."))?;
    let call = Call::new(&gateway.definition, &secrets, &message).map_err(not_made)?;
    if dry_run {
        let Call { method, url, headers, body, .. } = call.masked();
        let request = Some(RequestBody { method, url, headers: headers.into_iter().collect(), body });
        return Ok(Json(TrialBody { request, status: None, outcome: None, id: None, reply: None }));
    }
    let (status, outcome) = call.send(&context.http, gateway.rules(), context.clock.now()).await;
    let outcome_word = Some(word(&outcome));
    let (id, reply) = match outcome {
        Outcome::Accepted { id, reply } => (id, reply),
        Outcome::Later { why, .. } | Outcome::Refused { why } => (None, why),
    };
    Ok(Json(TrialBody { request: None, status, outcome: outcome_word, id, reply: Some(reply) }))
}

fn hidden(gateway: &Gateway) -> Secrets {
    Secrets(gateway.sealed.keys().map(|name| (name.clone(), HIDDEN.to_owned())).collect())
}

/// What the caller has to change: the sample customer, or the gateway.
fn not_made(why: NotMade) -> Problem {
    match why {
        NotMade::NoAddress(address) => {
            let field = match address {
                Address::Phone | Address::None => "customer.phone",
                Address::Email => "customer.email",
                Address::Ref => "customer.ref",
            };
            Problem::field(field, format!("must be one that this gateway can use, because it reaches customers by {address}"))
        }
        NotMade::Fault(fault) => {
            Problem::new(Kind::Conflict).detail(format!("The gateway's definition does not fit this customer: {fault}."))
        }
    }
}
