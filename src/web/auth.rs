//! Who calls the API: keys are shown once, stored as SHA-256, and carry one scope.

use std::future::{Ready, ready};

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use data_encoding::BASE32_NOPAD;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::problem::{Kind, Problem};
use super::{Context, store};
use crate::clock::Timestamp;
use crate::db::{FromRow, text_enum};
use crate::random::Random;

text_enum! {
    /// What a key may do; each scope includes the ones before it.
    pub enum Scope {
        /// Read reports and responses.
        Read = "read",
        /// Also send interactions and change surveys.
        Write = "write",
        /// Also manage sources and secrets.
        Admin = "admin",
    }
}

/// A key as it is listed; the key itself is not kept.
#[derive(Debug, Clone, FromRow)]
pub struct ApiKey {
    /// Its id, by which it is revoked.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// A fresh secret for a key: `nabz_` and 52 characters of base32 (256 bits).
#[must_use]
pub fn fresh_secret(random: &Random) -> String {
    format!("nabz_{}", BASE32_NOPAD.encode(&random.bytes::<32>()).to_ascii_lowercase())
}

/// What is stored of a secret.
#[must_use]
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Declares an extractor that lets a request through only with a key of at least this scope.
macro_rules! callers {
    ($($(#[$meta:meta])* $name:ident = $scope:expr;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name {
            /// The key's id; the root key of the configuration has the nil id.
            pub key: Uuid,
        }

        impl FromRequest for $name {
            type Error = Problem;
            type Future = Ready<Result<Self, Problem>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(admit(request, $scope).map(|key| Self { key }))
            }
        }
    )+};
}

callers! {
    /// A caller who may read.
    Reader = Scope::Read;
    /// A caller who may write.
    Writer = Scope::Write;
    /// A caller who may manage.
    Admin = Scope::Admin;
}

/// Who calls, or why that is not known.
#[derive(Clone)]
struct Recognised(Result<(Uuid, Scope), Problem>);

/// Finds out who calls the API before anything else of the request is read: whoever has no key is told that, not what is wrong in the body.
pub async fn recognise(request: &ServiceRequest, context: &Context) {
    if request.path().starts_with("/api/") && request.match_pattern().is_some() {
        let recognised = Recognised(identify(request.request(), context).await);
        request.extensions_mut().insert(recognised);
    }
}

fn admit(request: &HttpRequest, needed: Scope) -> Result<Uuid, Problem> {
    let recognised = request.extensions().get::<Recognised>().cloned();
    let (key, scope) = recognised.ok_or(Problem::new(Kind::Internal))?.0?;
    if scope < needed {
        return Err(Problem::new(Kind::Forbidden).detail(format!("This needs a key with the scope {needed}; yours has {scope}.")));
    }
    Ok(key)
}

async fn identify(request: &HttpRequest, context: &Context) -> Result<(Uuid, Scope), Problem> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = header
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim());
    let Some(secret) = secret else {
        return Err(Problem::new(Kind::Unauthorized).detail("Send an API key in the header `Authorization: Bearer KEY`."));
    };
    let (key, scope) = find(context, secret).await?;
    context.limits.api(key)?;
    Ok((key, scope))
}

async fn find(context: &Context, secret: &str) -> Result<(Uuid, Scope), Problem> {
    let hash = hash(secret);
    let is_root = context.root_key.as_ref().is_some_and(|root| bool::from(self::hash(root.expose_secret()).ct_eq(&hash)));
    if is_root {
        return Ok((Uuid::nil(), Scope::Admin));
    }
    let found = store::find_live(&mut context.db.read().await?, &hash).await?;
    found.ok_or_else(|| Problem::new(Kind::Unauthorized).detail("This API key is unknown or was revoked."))
}
