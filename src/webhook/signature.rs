//! Signs what is sent to an endpoint (Standard Webhooks 1.0.0): HMAC-SHA256 over `id.timestamp.body`, one signature for each secret in force.

use data_encoding::BASE64;
use hmac::Mac;
use secrecy::{ExposeSecret, SecretString};

use crate::clock::Timestamp;
use crate::intake::verify::standard_key;
use crate::keyring::hmac;

/// The value of `webhook-signature`: `v1,…` for each secret, separated by spaces. Secrets that cannot be read sign nothing.
#[must_use]
pub fn signatures(secrets: &[SecretString], id: &str, at: Timestamp, body: &[u8]) -> String {
    let sign = |secret: &SecretString| {
        let mut mac = hmac(&standard_key(secret.expose_secret())?);
        mac.update(format!("{id}.{}.", at.as_seconds()).as_bytes());
        mac.update(body);
        Some(format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes())))
    };
    secrets.iter().filter_map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::verify::{StandardHeaders, standard};

    /// The worked example of the specification's own libraries.
    #[test]
    fn the_official_vector_is_signed_as_it_is_verified() {
        let at = Timestamp::from_millis(1_614_265_330_000);
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn while_two_secrets_are_in_force_whoever_knows_either_can_verify() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let both = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
        let signed = signatures(&both.map(SecretString::from), "e1", at, b"{}");
        let headers = StandardHeaders { id: Some("e1"), timestamp: Some("1700000000"), signature: Some(&signed) };
        for secret in both {
            assert!(standard(secret, headers, b"{}", at).is_ok());
        }
        assert!(standard("whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", headers, b"{}", at).is_err());
    }
}
