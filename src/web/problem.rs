//! The one boundary where an error becomes an answer (RFC 9457). Its type cannot hold an internal message, so none can leak.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db;

/// Declares the kinds of problems: name, word, status and title, one a line.
macro_rules! kinds {
    ($($name:ident = $word:literal $status:literal $title:literal;)+) => {
        /// What went wrong, as far as the outside is told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind { $(#[doc = $title] $name),+ }

        impl Kind {
            /// Every kind, in order of status.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its word, the last part of `type`.
            #[must_use]
            pub const fn word(self) -> &'static str { match self { $(Self::$name => $word),+ } }

            /// Its HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status),+ } }

            /// Its title in plain words.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title),+ } }
        }
    };
}

kinds! {
    BadRequest       = "bad_request"        400 "The request cannot be read";
    Unauthorized     = "unauthorized"       401 "A valid key or signature is needed";
    Forbidden        = "forbidden"          403 "This key may not do that";
    NotFound         = "not_found"          404 "There is nothing at this address";
    MethodNotAllowed = "method_not_allowed" 405 "This address does not take that method";
    Timeout          = "timeout"            408 "The request did not arrive in time";
    Conflict         = "conflict"           409 "This contradicts what is stored";
    Gone             = "gone"               410 "This is over";
    TooLarge         = "too_large"          413 "The request is too large";
    Unprocessable    = "unprocessable"      422 "Something in the request is not valid";
    TooManyRequests  = "too_many_requests"  429 "Too many requests";
    Internal         = "internal"           500 "Something went wrong here";
    Unavailable      = "unavailable"        503 "This cannot be done right now";
}

/// One field that is not valid, and the fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field's path, such as `policy.quiet_days`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// An answer that is no success. `detail` and `errors` are written for the caller.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: Option<String>,
    errors: Vec<FieldError>,
    retry_after_s: Option<u64>,
    allow: Option<String>,
    request_id: Option<String>,
}

/// The body of a problem, as RFC 9457 names its members.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Where this kind of problem is explained.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What happened this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The fields that are not valid.
    errors: &'a [FieldError],
    /// The id of this request in the log.
    request_id: Option<&'a str>,
}

impl Problem {
    /// A problem of this kind, with nothing more to say.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, detail: None, errors: Vec::new(), retry_after_s: None, allow: None, request_id: None }
    }

    /// Adds what happened, in words for the caller.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Fields that are not valid (422).
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(Kind::Unprocessable);
        problem.errors = errors;
        problem
    }

    /// One field that is not valid (422).
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// Nothing is there, or nothing that this caller may see.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Kind::NotFound).detail(format!("There is no such {what}."))
    }

    /// Cannot be done now; the caller should come back in some seconds.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self::new(Kind::Unavailable).retry_after(2)
    }

    /// Too many requests; the caller should come back in some seconds.
    #[must_use]
    pub const fn too_many(retry_after_s: u64) -> Self {
        Self::new(Kind::TooManyRequests).retry_after(retry_after_s)
    }

    /// Names the methods that the address does take.
    #[must_use]
    pub fn allow(mut self, methods: &str) -> Self {
        self.allow = Some(methods.to_owned());
        self
    }

    const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The problem that an answer of this status stands for.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let kind = Kind::ALL.iter().copied().find(|kind| kind.status() == status.as_u16());
        Self::new(kind.unwrap_or(if status.is_server_error() { Kind::Internal } else { Kind::BadRequest }))
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Seconds after which to come back, if that may help.
    #[must_use]
    pub const fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }

    /// The fields that are not valid.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// What a person is told.
    #[must_use]
    pub fn message(&self) -> &str {
        self.detail.as_deref().unwrap_or_default()
    }

    /// The same problem with the id of its request.
    #[must_use]
    pub fn with_request_id(mut self, id: &str) -> Self {
        self.request_id = Some(id.to_owned());
        self
    }

    /// Logs the cause, which the caller is never told, and answers that something went wrong here.
    pub fn internal(cause: &(dyn std::fmt::Display + Send + Sync)) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(Kind::Internal)
    }

    /// The headers that belong to it.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let retry = self.retry_after_s.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds)));
        let allow = self.allow.as_deref().and_then(|methods| HeaderValue::from_str(methods).ok());
        let challenge = (self.kind == Kind::Unauthorized).then(|| HeaderValue::from_static("Bearer"));
        retry
            .into_iter()
            .chain(allow.map(|methods| (actix_web::http::header::ALLOW, methods)))
            .chain(challenge.map(|scheme| (actix_web::http::header::WWW_AUTHENTICATE, scheme)))
            .chain([(CACHE_CONTROL, HeaderValue::from_static("no-store"))])
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.title())
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let body = ProblemBody {
            kind: format!("/docs#{}", self.kind.word()),
            title: self.kind.title(),
            status: self.kind.status(),
            detail: self.detail.as_deref(),
            errors: &self.errors,
            request_id: self.request_id.as_deref(),
        };
        let mut response = HttpResponse::build(self.status_code());
        for header in self.headers() {
            response.insert_header(header);
        }
        let mut response = response.content_type("application/problem+json").body(serde_json::to_string(&body).unwrap_or_default());
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl From<db::Error> for Problem {
    /// A database that is out of reach or full is a matter of time (503), a NUL is the caller's (400), anything else is a fault of ours (500). The cause is logged here, once.
    fn from(error: db::Error) -> Self {
        if db::is_text_with_nul(&error) {
            return Self::new(Kind::BadRequest).detail("A text holds the character NUL, which cannot be stored.");
        }
        if db::is_our_fault(&error) {
            return Self::internal(&error);
        }
        tracing::warn!(cause = %error, "the database cannot do it right now");
        Self::unavailable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_word_and_a_status_that_is_no_success() {
        let mut words: Vec<_> = Kind::ALL.iter().map(|kind| kind.word()).collect();
        words.dedup();
        assert_eq!(words.len(), Kind::ALL.len());
        assert!(Kind::ALL.iter().all(|kind| (400..600).contains(&kind.status())));
    }

    #[test]
    fn a_lost_database_is_a_matter_of_time_and_says_so() {
        let problem = Problem::from(db::Error::PoolTimedOut);
        assert_eq!(problem.kind(), Kind::Unavailable);
        assert!(problem.retry_after_s().is_some());
        assert_eq!(Problem::from(db::Error::RowNotFound).kind(), Kind::Internal);
    }
}
