//! Signatures over the raw bytes, compared in constant time. Pure.

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::clock::Timestamp;
use crate::keyring::hmac;

/// How far a signed timestamp may be from now, either way, in seconds.
pub const TOLERANCE_S: i64 = 300;

/// Why a delivery is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A header that the scheme needs is missing.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// The timestamp cannot be read.
    #[error("the timestamp of the signature cannot be read")]
    Timestamp,
    /// The timestamp is more than five minutes away from now.
    #[error("the signature is too old or from the future: more than 300 seconds from now")]
    Stale,
    /// Nothing proves who sent it.
    #[error("it carries no signature, and no secret as X-Webhook-Secret, as basic-auth password, as ?code= or behind the address")]
    Unsigned,
    /// A claim of a token is another one.
    #[error("the token is not of the {0} in this source's options")]
    Claim(&'static str),
    /// A token's time is over.
    #[error("the token is no longer valid")]
    Expired,
    /// No signature fits.
    #[error("the signature does not fit the secret and the body")]
    Wrong,
}

/// Refuses a signed instant more than five minutes away: exactly 300 s passes, 301 fails.
///
/// # Errors
/// [`Refusal::Stale`].
pub fn fresh(signed_s: i64, now: Timestamp) -> Result<(), Refusal> {
    if now.as_seconds().abs_diff(signed_s) <= TOLERANCE_S.unsigned_abs() { Ok(()) } else { Err(Refusal::Stale) }
}

/// The headers of a Standard Webhooks delivery.
#[derive(Debug, Clone, Copy)]
pub struct StandardHeaders<'a> {
    /// `webhook-id`.
    pub id: Option<&'a str>,
    /// `webhook-timestamp`, Unix seconds.
    pub timestamp: Option<&'a str>,
    /// `webhook-signature`, a list of `v1,BASE64` separated by spaces.
    pub signature: Option<&'a str>,
}

/// Checks a Standard Webhooks delivery (specification 1.0.0): `v1` signatures are HMAC-SHA256 over `id.timestamp.body`.
/// Any signature of the list may fit; other versions are passed over. Answers the delivery's id.
///
/// # Errors
/// Names the header that is missing, or says what does not fit.
pub fn standard<'a>(secret: &str, headers: StandardHeaders<'a>, body: &[u8], now: Timestamp) -> Result<&'a str, Refusal> {
    let id = headers.id.filter(|id| !id.is_empty()).ok_or(Refusal::Missing("webhook-id"))?;
    let timestamp = headers.timestamp.ok_or(Refusal::Missing("webhook-timestamp"))?;
    let signatures = headers.signature.ok_or(Refusal::Missing("webhook-signature"))?;
    fresh(timestamp.parse().map_err(|_| Refusal::Timestamp)?, now)?;
    let key = standard_key(secret).ok_or(Refusal::Wrong)?;
    let mut mac = hmac(&key);
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    let fits = |signature: &str| {
        let bytes = signature.strip_prefix("v1,").and_then(|text| BASE64.decode(text.as_bytes()).ok());
        bytes.is_some_and(|bytes| mac.clone().verify_slice(&bytes).is_ok())
    };
    if signatures.split(' ').any(fits) { Ok(id) } else { Err(Refusal::Wrong) }
}

/// The key in a Standard Webhooks secret: base64 behind `whsec_` (padding may be left out), raw bytes otherwise. `None` when it is not one.
#[must_use]
pub fn standard_key(secret: &str) -> Option<Vec<u8>> {
    match secret.strip_prefix("whsec_") {
        None => Some(secret.as_bytes().to_vec()),
        Some(text) => BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok(),
    }
    .filter(|key| !key.is_empty())
}

/// Checks a Zendesk delivery: base64 of HMAC-SHA256 over timestamp and body without a separator; the secret is used as it stands.
///
/// # Errors
/// Names the header that is missing, or says what does not fit.
pub fn zendesk(secret: &str, timestamp: Option<&str>, signature: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), Refusal> {
    let timestamp = timestamp.ok_or(Refusal::Missing("x-zendesk-webhook-signature-timestamp"))?;
    let signature = signature.ok_or(Refusal::Missing("x-zendesk-webhook-signature"))?;
    fresh(Timestamp::parse(timestamp).map_err(|_| Refusal::Timestamp)?.as_seconds(), now)?;
    let mut mac = hmac(secret.as_bytes());
    mac.update(timestamp.as_bytes());
    mac.update(body);
    let sent = BASE64.decode(signature.as_bytes()).map_err(|_| Refusal::Wrong)?;
    mac.verify_slice(&sent).map_err(|_| Refusal::Wrong)
}

/// HMAC-SHA1 over these parts, one after the other.
#[must_use]
pub fn sha1(secret: &str, parts: &[&[u8]]) -> Option<Hmac<Sha1>> {
    Some(over(Hmac::new_from_slice(secret.as_bytes()).ok()?, parts))
}

/// HMAC-SHA256 over these parts, one after the other.
#[must_use]
pub fn sha256(secret: &str, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    Some(over(hmac(secret.as_bytes()), parts))
}

fn over<M: Mac>(mut mac: M, parts: &[&[u8]]) -> M {
    for part in parts {
        mac.update(part);
    }
    mac
}

/// Whether a signature in base64 is this one.
///
/// # Errors
/// [`Refusal::Wrong`].
pub fn fits_base64(mac: Option<impl Mac>, sent: &str) -> Result<(), Refusal> {
    fits(mac, BASE64.decode(sent.trim().as_bytes()).ok())
}

/// Whether a signature in hexadecimal behind a prefix such as `sha1=` is this one.
///
/// # Errors
/// [`Refusal::Wrong`].
pub fn fits_hex(mac: Option<impl Mac>, prefix: &str, sent: &str) -> Result<(), Refusal> {
    fits(mac, sent.trim().strip_prefix(prefix).and_then(|text| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()))
}

fn fits(mac: Option<impl Mac>, sent: Option<Vec<u8>>) -> Result<(), Refusal> {
    let (mac, sent) = mac.zip(sent).ok_or(Refusal::Wrong)?;
    mac.verify_slice(&sent).map_err(|_| Refusal::Wrong)
}

/// Whether any of these is the secret itself, as systems send it that sign nothing.
///
/// # Errors
/// [`Refusal::Unsigned`] where none was sent, [`Refusal::Wrong`] where none fits.
pub fn shared<'a>(secret: &str, sent: impl IntoIterator<Item = &'a str>) -> Result<(), Refusal> {
    let mut refusal = Refusal::Unsigned;
    for sent in sent {
        if bool::from(sent.as_bytes().ct_eq(secret.as_bytes())) {
            return Ok(());
        }
        refusal = Refusal::Wrong;
    }
    Err(refusal)
}

/// The password of an `Authorization: Basic` header (RFC 7617).
#[must_use]
pub fn basic_password(header: &str) -> Option<String> {
    let (scheme, text) = header.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(text.trim().as_bytes()).ok())??;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const AT: i64 = 1_614_265_330;

    fn check(secret: &str, headers: StandardHeaders<'_>, body: &[u8], now_s: i64) -> Result<(), Refusal> {
        standard(secret, headers, body, Timestamp::from_millis(now_s * 1000)).map(|_| ())
    }

    const GOOD: StandardHeaders<'static> = StandardHeaders { id: Some(ID), timestamp: Some("1614265330"), signature: Some(SIGNATURE) };

    #[test]
    fn the_official_vectors_pass() {
        assert_eq!(check(SECRET, GOOD, BODY, AT), Ok(()));
        let headers = StandardHeaders {
            id: Some("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
            timestamp: Some("1649367553"),
            signature: Some("v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
        };
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        assert_eq!(check("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", headers, body, 1_649_367_553), Ok(()));
    }

    #[test]
    fn the_official_negative_cases_fail() {
        let with = |signature| StandardHeaders { signature: Some(signature), ..GOOD };
        assert_eq!(check(SECRET, StandardHeaders { id: None, ..GOOD }, BODY, AT), Err(Refusal::Missing("webhook-id")));
        assert_eq!(check(SECRET, StandardHeaders { timestamp: None, ..GOOD }, BODY, AT), Err(Refusal::Missing("webhook-timestamp")));
        assert_eq!(check(SECRET, StandardHeaders { signature: None, ..GOOD }, BODY, AT), Err(Refusal::Missing("webhook-signature")));
        assert_eq!(check(SECRET, StandardHeaders { timestamp: Some("soon"), ..GOOD }, BODY, AT), Err(Refusal::Timestamp));
        assert_eq!(check(SECRET, with("v1,"), BODY, AT), Err(Refusal::Wrong));
        assert_eq!(check(SECRET, with("v1,g0hM9SsE+OTPJTGt/dmIKtSyZlE3uFJE"), BODY, AT), Err(Refusal::Wrong));
        assert_eq!(check(SECRET, with("g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), BODY, AT), Err(Refusal::Wrong));
        assert_eq!(check(SECRET, GOOD, b"{}", AT), Err(Refusal::Wrong));
        assert_eq!(check("", GOOD, BODY, AT), Err(Refusal::Wrong));
    }

    #[test]
    fn any_signature_of_the_list_may_fit_and_the_prefix_of_the_secret_is_optional_for_raw_keys() {
        let list = format!("v1,AAAA v2,{} v1a,zzz {SIGNATURE}", &SIGNATURE[3..]);
        assert_eq!(check(SECRET, StandardHeaders { signature: Some(&list), ..GOOD }, BODY, AT), Ok(()));
        let only_v2 = format!("v2,{}", &SIGNATURE[3..]);
        assert_eq!(check(SECRET, StandardHeaders { signature: Some(&only_v2), ..GOOD }, BODY, AT), Err(Refusal::Wrong));
    }

    #[test]
    fn three_hundred_seconds_pass_and_one_more_fails_either_way() {
        for (now, result) in [(AT + 300, Ok(())), (AT - 300, Ok(())), (AT + 301, Err(Refusal::Stale)), (AT - 301, Err(Refusal::Stale))] {
            assert_eq!(check(SECRET, GOOD, BODY, now), result);
        }
    }

    #[test]
    fn zendesk_signs_timestamp_and_body_with_the_literal_secret() {
        let secret = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";
        let (at, body) = ("2026-01-15T10:30:00Z", br#"{"ticket_id":"48213","status":"solved"}"#);
        let now = Timestamp::parse(at).unwrap();
        let signature = Some("GcT7eNuspWeytSvUAj02X/hxwbFcNcVNygxiG2k/9Qw=");
        assert_eq!(zendesk(secret, Some(at), signature, body, now), Ok(()));
        assert_eq!(zendesk(secret, Some(at), signature, b"{}", now), Err(Refusal::Wrong));
        assert_eq!(zendesk("other", Some(at), signature, body, now), Err(Refusal::Wrong));
        assert_eq!(zendesk(secret, Some(at), signature, body, now.plus_millis(301_000)), Err(Refusal::Stale));
        assert_eq!(zendesk(secret, None, signature, body, now), Err(Refusal::Missing("x-zendesk-webhook-signature-timestamp")));
        assert_eq!(zendesk(secret, Some(at), None, body, now), Err(Refusal::Missing("x-zendesk-webhook-signature")));
    }
}
