//! Crisp: event `session:set_state`; plugin hooks are signed, website hooks carry the secret in their address. Pure.

use serde_json::Value;

use super::lookup::{fill, segment};
use super::reading::{Unreadable, at, text, texts, ticket};
use super::verify::{Refusal, fits_hex, fresh, sha256};
use super::{Delivery, Event, Interaction, Proof, Ticket};

/// Beyond this a timestamp counts milliseconds.
const MILLIS_FROM: i64 = 100_000_000_000;

/// Believes a delivery whose signature fits (hexadecimal HMAC-SHA256 over `[timestamp;body]`, at most 300 s old), or that carries the secret.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    let Some(sent) = delivery.header("x-crisp-signature") else {
        delivery.shared()?;
        return Ok(Proof::default());
    };
    let timestamp = delivery.needed("x-crisp-request-timestamp")?;
    let signed: i64 = timestamp.parse().map_err(|_| Refusal::Timestamp)?;
    fresh(if signed >= MILLIS_FROM { signed.div_euclid(1000) } else { signed }, delivery.now)?;
    fits_hex(sha256(delivery.secret, &[b"[", timestamp.as_bytes(), b";", delivery.body, b"]"]), "", sent)?;
    Ok(Proof::default())
}

/// A conversation that was resolved. The customer is not in it.
///
/// # Errors
/// When it has no event, or a conversation no id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    let event = text(body, "/event").ok_or(Unreadable::Field("event"))?;
    if event != "session:set_state" || text(body, "/data/state").as_deref() != Some("resolved") {
        return Ok(Event::Other);
    }
    let id = ticket(body, "/data/session_id", "data.session_id")?;
    let ticket = Ticket { id: Some(id), closed_at: at(body, "/timestamp"), ..Ticket::default() };
    Ok(Event::Closed(Box::new(Interaction { ticket, ..Interaction::default() })))
}

/// The conversation's metadata: who the visitor is.
#[must_use]
pub fn questions(event: &Value) -> Vec<String> {
    let id = |pointer: &str| text(event, pointer).as_deref().and_then(segment);
    let ids = id("/website_id").or_else(|| id("/data/website_id")).zip(id("/data/session_id"));
    ids.map(|(website, session)| format!("/v1/website/{website}/conversation/{session}/meta")).into_iter().collect()
}

/// Completes a conversation by its metadata.
pub fn learn(interaction: &mut Interaction, answer: &Value) {
    let customer = &mut interaction.customer;
    fill(&mut customer.email, text(answer, "/data/email"));
    fill(&mut customer.name, text(answer, "/data/nickname"));
    fill(&mut customer.phone, text(answer, "/data/phone"));
    fill(&mut customer.locale, text(answer, "/data/device/locales/0"));
    fill(&mut interaction.ticket.subject, text(answer, "/data/subject"));
    if interaction.tags.is_empty() {
        interaction.tags = texts(answer, "/data/segments");
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use hmac::Mac as _;
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::intake::options::Options;

    #[test]
    fn the_signature_covers_timestamp_and_body_in_either_unit() {
        let body: &[u8] = br#"{"event":"session:set_state"}"#;
        for timestamp in ["1768473000000", "1768473000"] {
            let mac = sha256("test-secret", &[b"[", timestamp.as_bytes(), b";", body, b"]"]).unwrap();
            let signature = HEXLOWER.encode(&mac.finalize().into_bytes());
            let check = |now_s: i64, body: &[u8]| {
                let headers = |name: &str| match name {
                    "x-crisp-signature" => Some(signature.as_str()),
                    "x-crisp-request-timestamp" => Some(timestamp),
                    _ => None,
                };
                let now = Timestamp::from_millis(now_s * 1000);
                let options = Options::default();
                verify(&Delivery {
                    secret: "test-secret",
                    headers: &headers,
                    url: "",
                    carried: &[],
                    body,
                    now,
                    options: &options,
                    keys: &[],
                })
                .map(|_| ())
            };
            assert_eq!(check(1_768_473_000, body), Ok(()));
            assert_eq!(check(1_768_473_301, body), Err(Refusal::Stale));
            assert_eq!(check(1_768_473_000, b"{}"), Err(Refusal::Wrong));
        }
    }

    #[test]
    fn only_a_resolved_conversation_is_closed() {
        let body = |state: &str| json!({"event": "session:set_state", "data": {"session_id": "s", "state": state}, "timestamp": 1_768_473_000_000_i64});
        assert!(matches!(read(&body("resolved")), Ok(Event::Closed(_))));
        assert_eq!(read(&body("pending")), Ok(Event::Other));
        assert_eq!(read(&json!({"event": "message:send"})), Ok(Event::Other));
    }
}
