//! What operators ask: is it alive, is it ready, what has it counted, what is its API.

use std::future::{Ready, ready};
use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use utoipa::openapi::OpenApi;

use super::Context;
use super::problem::{Problem, ProblemBody};
use crate::outbox;

/// Describes the API. It takes a megabyte and is hardly ever asked for, so that is done when somebody asks.
pub type Describe = fn() -> OpenApi;

/// Alive
#[utoipa::path(get, path = "/healthz", tag = "Operations", responses((status = 200, description = "The process answers")))]
pub(crate) fn healthz() -> Ready<HttpResponse> {
    ready(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n"))
}

/// Ready: the database is writable and its tables are those of this program
#[utoipa::path(get, path = "/readyz", tag = "Operations",
    responses((status = 200, description = "Ready"), (status = 503, description = "Not ready", body = ProblemBody)))]
pub(crate) async fn readyz(context: Data<Context>) -> Result<HttpResponse, Problem> {
    match context.db.check().await {
        Ok(()) => Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n")),
        Err(error) => {
            tracing::warn!(cause = format!("{error:#}"), "not ready");
            Err(Problem::unavailable())
        }
    }
}

/// Counters for a Prometheus
#[utoipa::path(get, path = "/metrics", tag = "Operations", responses((status = 200, description = "`OpenMetrics` text", content_type = "application/openmetrics-text")))]
pub(crate) async fn metrics(context: Data<Context>) -> Result<HttpResponse, Problem> {
    let mut read = context.db.read().await?;
    let (queues, now) = (outbox::store::queues(&mut read).await?, context.clock.now());
    context.metrics.outbox(queues.iter().map(|queue| (queue.carrier.as_str(), queue.depth, now.since(queue.due_at).max(0) / 1000)));
    Ok(HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(context.metrics.text()))
}

/// This API as OpenAPI 3.1
#[utoipa::path(get, path = "/openapi.json", tag = "Operations", responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub(crate) async fn openapi(describe: Data<Describe>) -> HttpResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| serde_json::to_string(&describe()).unwrap_or_default());
    HttpResponse::Ok().content_type("application/json").insert_header((CACHE_CONTROL, "no-cache")).body(text.as_str())
}
