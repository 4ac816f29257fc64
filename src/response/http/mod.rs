//! Answers over HTTP: the survey page and its vote, unsubscribing, and the list of responses.

pub mod change;
pub mod create;
pub mod list;
pub mod unsubscribe;
pub mod vote;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::BASE64URL_NOPAD;

use super::page::{Refusal, refusal};
use super::rendered::{Fill, Rendered};
use crate::i18n::{self, Locale, messages};
use crate::random::Random;
use crate::survey::Survey;
use crate::web::gzip;

/// Seconds after which a refused vote is worth another try.
const TRY_AGAIN_S: u64 = 2;

/// A fresh nonce for a content security policy.
fn csp_nonce(random: &Random) -> String {
    BASE64URL_NOPAD.encode(&random.bytes::<16>())
}

/// A page that was rendered before, with a request's own values; compressed for those who can read it.
fn filled(request: &HttpRequest, page: &Rendered, fill: Fill<'_>) -> HttpResponse {
    if !gzip::is_accepted(request) {
        return private_page(200, page.fill(fill), fill.csp_nonce);
    }
    let mut response = private_page(200, page.fill_gzip(fill), fill.csp_nonce);
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// A page that nobody may keep, frame, index or learn the address of.
fn private_page(status: u16, page: impl Into<Bytes>, csp_nonce: &str) -> HttpResponse {
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{csp_nonce}'; script-src 'nonce-{csp_nonce}'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::OK))
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((HeaderName::from_static("x-robots-tag"), "noindex"))
        .body(page.into())
}

fn markup(status: u16, page: impl Into<String>, csp_nonce: &str) -> HttpResponse {
    private_page(status, page.into(), csp_nonce)
}

/// The page that says why there is no survey page.
fn refused(reason: Refusal, survey: Option<&Survey>, locale: Locale, random: &Random) -> HttpResponse {
    let csp_nonce = csp_nonce(random);
    let mut response = markup(reason.status(), refusal(reason, survey, &csp_nonce, messages(locale)), &csp_nonce);
    let wait = match reason {
        Refusal::TooMany { seconds } => Some(seconds),
        Refusal::Unavailable => Some(TRY_AGAIN_S),
        _ => None,
    };
    if let Some(seconds) = wait {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// The language of a page: the customer's, then `?lang`, then the browser's, then the survey's.
fn language(request: &HttpRequest, customer: Option<Locale>, survey: Option<&Survey>) -> Locale {
    let asked = || {
        let pairs = request.query_string().split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name == "lang").find_map(|(_, tag)| Locale::from_tag(tag))
    };
    let accepted = || request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).and_then(i18n::negotiate);
    customer.or_else(asked).or_else(accepted).or_else(|| survey.map(|survey| survey.locale)).unwrap_or(Locale::En)
}
