//! Around every request: an id, a time limit, one log line, one count, and one shape for whatever went wrong.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError, web};
use futures_util::FutureExt;
use tracing::Instrument;

use super::problem::{Kind, Problem};
use super::{Context, auth, layout};
use crate::i18n::{self, Locale, messages};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const UNMATCHED: &str = "unmatched";

/// The middleware.
///
/// # Errors
/// Only for a handler that panicked or ran out of time, with the whole answer inside; every other error has become an answer by then.
pub async fn around(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let context = request.app_data::<web::Data<Context>>().cloned().ok_or(Problem::new(Kind::Internal))?;
    let id = request_id(&request, &context);
    let route = request.match_pattern().unwrap_or_else(|| UNMATCHED.to_owned());
    let method = method(request.method());
    let locale = wants_page(request.request());
    let span = tracing::info_span!("request", request_id = %id, %method, %route);
    let call = async {
        auth::recognise(&request, &context).await;
        next.call(request).await
    };
    let answered = AssertUnwindSafe(tokio::time::timeout(context.request_timeout, call)).catch_unwind().instrument(span.clone()).await;
    let _entered = span.enter();
    let result = match answered {
        Ok(Ok(answer)) => answer.map(|response| finish(response, &id)),
        Ok(Err(_elapsed)) => Err(given_up(Problem::new(Kind::Timeout), locale, &id)),
        Err(_panic) => {
            tracing::error!("a handler panicked");
            Err(given_up(Problem::new(Kind::Internal), locale, &id))
        }
    };
    let status = match &result {
        Ok(response) => response.status().as_u16(),
        Err(error) => error.as_response_error().status_code().as_u16(),
    };
    context.metrics.request(&route, method, status, started.elapsed().as_secs_f64());
    tracing::debug!(status, micros = started.elapsed().as_micros(), "answered");
    result
}

/// The method's name; one for all that HTTP does not know, so that nobody can make up ever new series of numbers.
fn method(method: &actix_web::http::Method) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
        .into_iter()
        .find(|name| method.as_str() == *name)
        .unwrap_or("OTHER")
}

/// The id that the caller sent, where it is a plain one, or a fresh one.
fn request_id(request: &ServiceRequest, context: &Context) -> String {
    let plain = |id: &&str| (8..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let sent = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
    sent.map_or_else(|| context.random.uuid(context.clock.now()).to_string(), ToOwned::to_owned)
}

/// Gives the answer its id, and every problem its one shape: a page for browsers, problem+json for programs.
fn finish(response: ServiceResponse<impl MessageBody + 'static>, id: &str) -> ServiceResponse<BoxBody> {
    let told = response.response().extensions().get::<Problem>().cloned();
    let is_failure = response.status().is_client_error() || response.status().is_server_error();
    let is_page = response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let problem = told.or_else(|| (is_failure && !is_page).then(|| Problem::of_status(response.status())));
    let mut response = match problem {
        None => response.map_into_boxed_body(),
        Some(problem) => {
            let locale = wants_page(response.request());
            response.into_response(answer(problem, locale, id))
        }
    };
    mark(response.headers_mut(), id);
    response
}

/// The answer to a request whose handler gives none.
fn given_up(problem: Problem, locale: Option<Locale>, id: &str) -> actix_web::Error {
    let mut answer = answer(problem.clone(), locale, id);
    mark(answer.headers_mut(), id);
    InternalError::from_response(problem, answer).into()
}

/// A problem as a page or for programs.
fn answer(problem: Problem, locale: Option<Locale>, id: &str) -> HttpResponse {
    let problem = problem.with_request_id(id);
    locale.map_or_else(|| problem.error_response(), |locale| page(&problem, locale, id))
}

/// The headers of every answer.
fn mark(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
}

/// The reader's language when a browser asks for a page; `None` for programs and for the API.
fn wants_page(request: &actix_web::HttpRequest) -> Option<Locale> {
    let text = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let is_program = ["/api/", "/hooks/", "/bounces/"].iter().any(|prefix| request.path().starts_with(prefix));
    (!is_program && text(ACCEPT).contains("text/html")).then(|| i18n::negotiate(text(ACCEPT_LANGUAGE)).unwrap_or(Locale::En))
}

/// The page of a problem, in the reader's language where the problem is an everyday one.
fn page(problem: &Problem, locale: Locale, csp_nonce: &str) -> HttpResponse {
    let messages = messages(locale);
    let (title, text) = match problem.kind() {
        Kind::NotFound => (messages.page_missing_title(), messages.page_missing_text()),
        Kind::Unavailable | Kind::TooManyRequests | Kind::Timeout => (messages.page_busy_title(), messages.page_busy_text()),
        _ => (messages.page_failed_title(), messages.page_failed_text()),
    };
    let markup = layout::problem(problem.kind().status(), &title, &text, csp_nonce, messages);
    let mut response = HttpResponse::build(problem.status_code());
    for header in problem.headers() {
        response.insert_header(header);
    }
    response
        .insert_header((
            CONTENT_SECURITY_POLICY,
            format!("default-src 'none'; style-src 'nonce-{csp_nonce}'; img-src data:; frame-ancestors 'none'"),
        ))
        .content_type("text/html; charset=utf-8")
        .body(markup.into_string())
}
