//! Reports over HTTP: raw messages from whoever has a key, and the webhooks of mail providers, which are believed by their signatures.

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data, Json, Path};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::delivery::bounce::effect::{Outcome, Told};
use crate::delivery::bounce::provider::sns::{self, Message, Type};
use crate::delivery::bounce::provider::{Delivery, Doubt, News, Provider, mailgun, postmark, sendgrid, ses};
use crate::delivery::bounce::{Handled, Kind, Returns};
use crate::invitation::InvitationId;
use crate::net::client::{Method, Request};
use crate::net::guard::Needs;
use crate::web::Problem;
use crate::web::auth::Writer;
use crate::web::problem::{Kind as ProblemKind, ProblemBody};

/// What became of a report.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bounce)]
pub struct BounceBody {
    /// What was done.
    #[schema(inline)]
    outcome: Outcome,
    /// What the report said.
    #[schema(inline)]
    kind: Option<Kind>,
    /// The enhanced status code (RFC 3463).
    status: Option<String>,
    /// The invitation whose message it is about, where that is known.
    invitation: Option<InvitationId>,
    /// Why nothing was done, where nothing was.
    detail: Option<&'static str>,
}

impl From<Told> for BounceBody {
    fn from(told: Told) -> Self {
        let status = told.status.map(|status| status.to_string());
        Self { outcome: told.outcome, kind: Some(told.kind), status, invitation: told.invitation, detail: None }
    }
}

/// What a provider told, one item for each message and recipient.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bounces)]
pub struct BouncesBody {
    /// What became of each.
    items: Vec<BounceBody>,
}

/// Take in a bounce report or a complaint, as a mail server received it
///
/// The raw message (`message/rfc822`), at most 1 MiB: a delivery report (RFC 3464) or a feedback report (RFC 5965). It is believed only where an
/// address in it is the signed one that our messages leave with (`mail.bounce_domain`). The same news counts once.
#[utoipa::path(post, path = "/api/v1/bounces", tag = "Bounces", security(("key" = [])),
    request_body(content = String, content_type = "message/rfc822"),
    responses((status = 200, body = BounceBody), (status = 422, description = "It cannot be read, or is not trusted; nothing changed", body = ProblemBody)))]
pub(crate) async fn report(_: Writer, returns: Data<Returns>, message: Bytes) -> Result<Json<BounceBody>, Problem> {
    match returns.handle(&message).await? {
        Handled::Taken(told) => Ok(Json(told.into())),
        Handled::Ignored(why) => {
            Ok(Json(BounceBody { outcome: Outcome::Ignored, kind: None, status: None, invitation: None, detail: Some(why) }))
        }
        Handled::Refused(refused) => Err(Problem::new(ProblemKind::Unprocessable).detail(refused.to_string())),
    }
}

/// The webhook of a mail provider: `ses` (through SNS), `sendgrid`, `mailgun` or `postmark`
///
/// It needs no key: what it sends is believed by its signature, with what stands in the settings under `[bounces]`. Postmark signs nothing and sends
/// `bounces.postmark_password` by basic authentication.
#[utoipa::path(post, path = "/bounces/{provider}", tag = "Bounces", params(("provider" = inline(Provider), Path)),
    responses((status = 200, body = BouncesBody), (status = 400, description = "No JSON", body = ProblemBody),
        (status = 401, description = "It is not believed, and why", body = ProblemBody),
        (status = 503, description = "It cannot be checked or stored right now", body = ProblemBody)))]
pub(crate) async fn provider(
    request: HttpRequest,
    returns: Data<Returns>,
    provider: Path<Provider>,
    body: Bytes,
) -> Result<Json<BouncesBody>, Problem> {
    told(&request, &returns, (*provider, None), &body).await
}

/// The webhook of Postmark with its password behind the address
#[utoipa::path(post, path = "/bounces/postmark/{password}", tag = "Bounces", params(("password" = String, Path)),
    responses((status = 200, body = BouncesBody), (status = 400, description = "No JSON", body = ProblemBody),
        (status = 401, description = "It is not believed, and why", body = ProblemBody),
        (status = 503, description = "It cannot be stored right now", body = ProblemBody)))]
pub(crate) async fn postmark_with_password(
    request: HttpRequest,
    returns: Data<Returns>,
    password: Path<String>,
    body: Bytes,
) -> Result<Json<BouncesBody>, Problem> {
    told(&request, &returns, (Provider::Postmark, Some(&password)), &body).await
}

async fn told(
    request: &HttpRequest,
    returns: &Returns,
    (provider, behind): (Provider, Option<&str>),
    body: &[u8],
) -> Result<Json<BouncesBody>, Problem> {
    let headers = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let delivery = Delivery { headers: &headers, behind, body, now: returns.context.clock.now() };
    let settings = &returns.providers.settings;
    let refused = |doubt: Doubt| refused(provider, doubt);
    // What signs the bytes is checked before they are read as JSON.
    match provider {
        Provider::Sendgrid => sendgrid::verify(settings.sendgrid_public_key.as_ref(), &delivery).map_err(refused)?,
        Provider::Postmark => postmark::verify(&settings.postmark_password, &delivery).map_err(refused)?,
        Provider::Ses | Provider::Mailgun => {}
    }
    let json: Value = serde_json::from_slice(body).map_err(|_| Problem::new(ProblemKind::BadRequest).detail("The body is no JSON."))?;
    let (news, token) = match provider {
        Provider::Sendgrid => (sendgrid::read(&json), None),
        Provider::Postmark => (postmark::read(&json).into_iter().collect(), None),
        Provider::Mailgun => {
            let token = mailgun::verify(&settings.mailgun_signing_key, &json, delivery.now).map_err(refused)?;
            // Its signature does not cover the rest of the body, so it is good for one body only.
            let news = if returns.providers.is_used(&token) { None } else { mailgun::read(&json) };
            (news.into_iter().collect(), Some(token))
        }
        Provider::Ses => (of_sns(returns, &json, delivery.now).await?, None),
    };
    let told = returns.handle_news(news).await?;
    if let Some(token) = token {
        returns.providers.note_used(token, delivery.now);
    }
    Ok(Json(BouncesBody { items: told.into_iter().map(BounceBody::from).collect() }))
}

fn refused(provider: Provider, doubt: Doubt) -> Problem {
    tracing::warn!(%provider, cause = %doubt, "a message of a mail provider is not believed");
    Problem::new(ProblemKind::Unauthorized).detail(format!("Not believed: {doubt}."))
}

/// What SES tells through SNS; a subscription to a topic of ours is confirmed.
async fn of_sns(returns: &Returns, json: &Value, now: Timestamp) -> Result<Vec<News>, Problem> {
    let (context, settings) = (&returns.context, &returns.providers.settings);
    let refused = |doubt: Doubt| refused(Provider::Ses, doubt);
    let message = sns::read(settings, json, now).map_err(refused)?;
    let found = context.documents.find((&context.http, now), message.certificate_url, sns::key_of, |_| true).await;
    let key = found.map_err(|_| Problem::unavailable().detail("The certificate of the signature cannot be had right now."))?;
    message.verify(&key).map_err(refused)?;
    match message.kind {
        Type::Notification => {
            let inner = json.get("Message").and_then(Value::as_str).unwrap_or_default();
            Ok(serde_json::from_str(inner).map(|told| ses::read(&told)).unwrap_or_default())
        }
        Type::SubscriptionConfirmation => confirm(returns, message).await.map(|()| Vec::new()),
        Type::UnsubscribeConfirmation => {
            tracing::warn!("a topic of SNS no longer tells of bounces: somebody ended its subscription");
            Ok(Vec::new())
        }
    }
}

async fn confirm(returns: &Returns, message: Message<'_>) -> Result<(), Problem> {
    let url = message.subscribe_url(&returns.providers.settings).map_err(|doubt| refused(Provider::Ses, doubt))?;
    let request = Request { method: Method::Get, url, needs: Needs::Tls, headers: &[], body: None, within: None };
    match returns.context.http.send(request).await {
        Ok(answer) if answer.status == 200 => {
            tracing::info!("a topic of SNS tells of bounces from now on");
            Ok(())
        }
        Ok(answer) => {
            tracing::warn!(status = answer.status, "SNS does not take the confirmation");
            Err(Problem::unavailable().detail("SNS does not take the confirmation."))
        }
        Err(error) => {
            tracing::warn!(cause = %error, "SNS cannot be asked to confirm");
            Err(Problem::unavailable().detail("SNS cannot be reached."))
        }
    }
}
