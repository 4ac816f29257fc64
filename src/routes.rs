//! Every URL of the product on one page, and the OpenAPI document of those that programs use.

use actix_web::dev::Handler;
use actix_web::http::StatusCode;
use actix_web::web::{self, PayloadConfig, ServiceConfig};
use actix_web::{FromRequest, HttpResponse, Resource, Responder, Route, guard};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::delivery::http::{bounces, list as deliveries, mailbox, trial};
use crate::gateway::http as gateways;
use crate::happiness::http as happiness;
use crate::intake::http as sources;
use crate::invitation::http::{self as interactions, act, hook, list as decided, suppress};
use crate::report::http as reports;
use crate::response::http::{change, create, list as responses, unsubscribe, vote};
use crate::survey::http as surveys;
use crate::web::problem::{Kind, Problem};
use crate::web::{docs, operations, start};
use crate::webhook::http::{self as webhooks, deliveries as told};

/// The largest body of an API request, in bytes.
const API_BODY: usize = 256 * 1024;
/// The largest body of a help desk's event, in bytes.
const HOOK_BODY: usize = 1024 * 1024;
/// The largest report of a message that came back, which may hold the message, in bytes.
const BOUNCE_BODY: usize = 1024 * 1024;

/// Registers every URL.
pub fn configure(config: &mut ServiceConfig) {
    config.app_data(PayloadConfig::new(API_BODY));
    config.app_data(web::QueryConfig::default().error_handler(|error, _| query_problem(&error.to_string()).into()));
    config.app_data(web::PathConfig::default().error_handler(|_, _| Problem::new(Kind::NotFound).into()));
    customers(config);
    programs(config);
    config.default_service(web::to(|| async { Err::<HttpResponse, _>(Problem::of_status(StatusCode::NOT_FOUND)) }));
}

/// What customers and visitors open.
fn customers(config: &mut ServiceConfig) {
    config
        .service(at("/s/{token}", vec![get(vote::open), post(vote::send)]))
        .service(at("/s/{token}/touch", vec![post(vote::touch)]))
        .service(at("/s/{token}/{score}", vec![get(vote::open_with_score)]))
        .service(at("/u/{token}", vec![get(unsubscribe::ask), post(unsubscribe::act)]))
        .service(at("/", vec![get(start::http::start)]))
        .service(at("/docs", vec![get(docs::http::docs)]))
        .service(at("/dev/mailbox", vec![get(mailbox::list)]))
        .service(at("/dev/mailbox/{name}", vec![get(mailbox::show)]))
        .service(at("/dev/mailbox/{name}/html", vec![get(mailbox::html)]))
        .service(at("/dev/mailbox/{name}/raw", vec![get(mailbox::raw)]))
        .service(at("/happiness", vec![get(happiness::list)]))
        .service(at("/happiness/{slug}.json", vec![get(happiness::data)]))
        .service(at("/happiness/{slug}", vec![get(happiness::report)]));
}

/// What help desks, programs and operators call.
fn programs(config: &mut ServiceConfig) {
    config
        .service(at("/hooks/{source_id}", vec![get(hook::look), post(hook::hook)]).app_data(PayloadConfig::new(HOOK_BODY)))
        .service(
            at("/hooks/{source_id}/{secret}", vec![get(hook::look), post(hook::hook_with_secret)]).app_data(PayloadConfig::new(HOOK_BODY)),
        )
        .service(at("/api/v1/surveys", vec![get(surveys::list), post(surveys::create)]))
        .service(at("/api/v1/surveys/{slug}", vec![get(surveys::show), patch(surveys::change)]))
        .service(at("/api/v1/surveys/{slug}/archive", vec![post(surveys::archive)]))
        .service(at("/api/v1/sources", vec![get(sources::index), post(sources::create)]))
        .service(at("/api/v1/sources/{id}", vec![get(sources::show), patch(sources::change), delete(sources::delete)]))
        .service(at("/api/v1/sources/{id}/events", vec![get(sources::events)]))
        .service(at("/api/v1/sources/{id}/events/{event}/replay", vec![post(hook::replay)]))
        .service(at("/api/v1/gateways", vec![get(gateways::index), post(gateways::create)]))
        .service(at("/api/v1/gateways/{name}", vec![get(gateways::show), patch(gateways::change), delete(gateways::delete)]))
        .service(at("/api/v1/gateways/{name}/test", vec![post(trial::try_out)]))
        .service(at("/api/v1/interactions", vec![get(decided::index), post(interactions::create)]))
        .service(at("/api/v1/interactions/{id}", vec![get(decided::show)]))
        .service(at("/api/v1/invitations/{id}/withdraw", vec![post(act::withdraw)]))
        .service(at("/api/v1/invitations/{id}/resend", vec![post(act::resend)]))
        .service(at("/bounces/postmark/{password}", vec![post(bounces::postmark_with_password)]).app_data(PayloadConfig::new(BOUNCE_BODY)))
        .service(at("/bounces/{provider}", vec![post(bounces::provider)]).app_data(PayloadConfig::new(BOUNCE_BODY)))
        .service(at("/api/v1/bounces", vec![post(bounces::report)]).app_data(PayloadConfig::new(BOUNCE_BODY)))
        .service(at("/api/v1/suppressions", vec![get(suppress::index), post(suppress::create), delete(suppress::remove)]))
        .service(at("/api/v1/responses", vec![get(responses::index), post(create::create)]))
        .service(at("/api/v1/responses/{id}", vec![get(responses::show), patch(change::change)]))
        .service(at("/api/v1/reports/breakdown", vec![get(reports::breakdown)]))
        .service(at("/api/v1/webhooks", vec![get(webhooks::index), post(webhooks::create)]))
        .service(at("/api/v1/webhooks/{id}", vec![get(webhooks::show), patch(webhooks::change), delete(webhooks::delete)]))
        .service(at("/api/v1/webhooks/{id}/rotate", vec![post(webhooks::rotate)]))
        .service(at("/api/v1/webhooks/{id}/test", vec![post(webhooks::test)]))
        .service(at("/api/v1/webhooks/{id}/deliveries", vec![get(told::deliveries)]))
        .service(at("/api/v1/webhooks/{id}/deliveries/{delivery}/redeliver", vec![post(told::redeliver)]))
        .service(at("/api/v1/webhooks/{id}/redeliver", vec![post(told::redeliver_all)]))
        .service(at("/api/v1/deliveries", vec![get(deliveries::index)]))
        .service(at("/healthz", vec![get(operations::healthz)]))
        .service(at("/readyz", vec![get(operations::readyz)]))
        .service(at("/metrics", vec![get(operations::metrics)]))
        .service(at("/openapi.json", vec![get(operations::openapi)]));
}

/// The API as OpenAPI 3.1, gathered from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(title = "nabz", description = "Asks one question after an interaction, collects the answer, and shows what the answers say."),
    modifiers(&Security, &Names),
    paths(
        surveys::list, surveys::create, surveys::show, surveys::change, surveys::archive,
        sources::index, sources::create, sources::show, sources::change, sources::delete, sources::events, hook::replay,
        gateways::index, gateways::create, gateways::show, gateways::change, gateways::delete, trial::try_out,
        hook::hook, hook::hook_with_secret, interactions::create, decided::index, decided::show,
        act::withdraw, act::resend,
        bounces::report, bounces::provider, bounces::postmark_with_password,
        suppress::index, suppress::create, suppress::remove,
        responses::index, responses::show, create::create, change::change,
        reports::breakdown,
        webhooks::index, webhooks::create, webhooks::show, webhooks::change, webhooks::delete, webhooks::rotate, webhooks::test,
        deliveries::index, told::deliveries, told::redeliver, told::redeliver_all,
        happiness::list, happiness::report, happiness::data,
        start::http::start, docs::http::docs, mailbox::list, mailbox::show, mailbox::html, mailbox::raw,
        operations::healthz, operations::readyz, operations::metrics, operations::openapi,
    )
)]
pub struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

/// Operations are named after their part of the API, `surveys_create`: handlers of several parts have the same name.
struct Names;

impl Modify for Names {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for path in document.paths.paths.values_mut() {
            let verbs = [&mut path.get, &mut path.post, &mut path.patch, &mut path.put, &mut path.delete];
            for operation in verbs.into_iter().flatten() {
                let part = operation.tags.iter().flatten().next().map(|tag| tag.to_lowercase());
                operation.operation_id = part.zip(operation.operation_id.take()).map(|(part, name)| format!("{part}_{name}"));
            }
        }
    }
}

/// A method with its handler.
type Verb = (&'static str, Route);

/// A URL with what it answers; any other method is 405 and names those that it takes.
fn at(path: &str, verbs: Vec<Verb>) -> Resource {
    let allowed: Vec<&str> = verbs.iter().map(|(methods, _)| *methods).collect();
    let allowed = allowed.join(", ");
    let resource = verbs.into_iter().fold(web::resource(path), |resource, (_, route)| resource.route(route));
    resource.default_service(web::to(move || {
        let problem = Problem::new(Kind::MethodNotAllowed).allow(&allowed);
        async move { Err::<HttpResponse, _>(problem) }
    }))
}

/// GET, and HEAD with the same headers and no body.
fn get<F, A>(handler: F) -> Verb
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    ("GET, HEAD", web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler))
}

fn post<F, A>(handler: F) -> Verb
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    ("POST", web::post().to(handler))
}

fn patch<F, A>(handler: F) -> Verb
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    ("PATCH", web::patch().to(handler))
}

fn delete<F, A>(handler: F) -> Verb
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    ("DELETE", web::delete().to(handler))
}

/// A query that cannot be read, with the parameter's name where the message tells it.
fn query_problem(message: &str) -> Problem {
    let message = message.strip_prefix("Query deserialize error: ").unwrap_or(message);
    let field = message.split('`').nth(1).filter(|_| message.starts_with("unknown field") || message.starts_with("missing field"));
    Problem::field(field.unwrap_or("query"), message)
}
