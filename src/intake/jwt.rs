//! JSON web tokens signed with RS256 (RFC 7515, RFC 7519) and the key sets that they are checked with (RFC 7517). Pure.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::Value;

/// The longest token that is read, in bytes.
const LONGEST: usize = 8 * 1024;

/// A token as far as it can be read; nothing of it is believed before [`Token::fits`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    /// Which key signed it.
    pub key_id: Option<String>,
    /// Who issued it.
    pub issuer: String,
    /// Whom it is for.
    pub audience: Vec<String>,
    /// Until when it holds, Unix seconds.
    pub expires_s: i64,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Value,
    exp: i64,
}

impl<'a> Token<'a> {
    /// Reads a token. Any algorithm but RS256 is refused here, before anybody could choose it, and so are extensions that must be understood.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.').filter(|_| text.len() <= LONGEST)?;
        let (head, claims) = signed.split_once('.')?;
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).ok();
        let head: Head = serde_json::from_slice(&decode(head)?).ok()?;
        let claims: Claims = serde_json::from_slice(&decode(claims)?).ok()?;
        if head.alg != "RS256" || head.crit.is_some() {
            return None;
        }
        let audience = match claims.aud {
            Value::String(one) => vec![one],
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
            _ => return None,
        };
        let signature = decode(signature)?;
        Some(Self { signed, signature, key_id: head.kid, issuer: claims.iss, audience, expires_s: claims.exp })
    }

    /// Whether this key signed it.
    #[must_use]
    pub fn fits(&self, key: &Key) -> bool {
        let is_its_key = self.key_id.is_none() || self.key_id == key.id;
        let public = RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent };
        is_its_key && public.verify(&RSA_PKCS1_2048_8192_SHA256, self.signed.as_bytes(), &self.signature).is_ok()
    }
}

/// A public RSA key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name within its set.
    pub id: Option<String>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Entry {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: String,
    e: String,
}

/// The keys of a set that can sign with RS256; `None` where it is no key set.
#[must_use]
pub fn keys(json: &[u8]) -> Option<Vec<Key>> {
    let set: Set = serde_json::from_slice(json).ok()?;
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok();
    let read = |value: Value| {
        let entry: Entry = serde_json::from_value(value).ok()?;
        let signs = entry.purpose.is_none_or(|purpose| purpose == "sig") && entry.alg.is_none_or(|alg| alg == "RS256");
        let key = Key { id: entry.kid, modulus: decode(&entry.n)?, exponent: decode(&entry.e)? };
        (entry.kty == "RSA" && signs).then_some(key)
    };
    Some(set.keys.into_iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> (String, Vec<Key>) {
        let head = include_str!("../../tests/helpdesk/zoho-desk.headers.txt");
        let token = head.lines().find_map(|line| line.strip_prefix("X-ZDesk-JWT: ")).unwrap();
        (token.to_owned(), keys(include_bytes!("../../tests/helpdesk/zoho-desk.jwks.json")).unwrap())
    }

    fn with_head(token: &str, head: &Value) -> String {
        let (_, rest) = token.split_once('.').unwrap();
        format!("{}.{rest}", BASE64URL_NOPAD.encode(head.to_string().as_bytes()))
    }

    #[test]
    fn a_token_fits_its_key_and_no_byte_of_it_can_change() {
        let (text, keys) = sample();
        let token = Token::read(&text).unwrap();
        assert_eq!(
            (token.issuer.as_str(), token.audience.clone(), token.expires_s),
            ("orgId:60917442", vec!["webhookId:72210000009011005".to_owned()], 1_768_473_600)
        );
        assert!(token.fits(&keys[0]));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(!Token::read(&changed).is_some_and(|token| token.fits(&keys[0])), "byte {at}");
        }
    }

    #[test]
    fn no_other_algorithm_can_be_chosen() {
        let (text, _) = sample();
        for alg in ["none", "None", "HS256", "RS512", "PS256", "ES256", "rs256", ""] {
            assert_eq!(Token::read(&with_head(&text, &json!({"alg": alg, "kid": "zdesk-test-1"}))), None, "{alg}");
        }
        assert_eq!(Token::read(&with_head(&text, &json!({"alg": "RS256", "crit": ["b64"]}))), None);
        for broken in ["", ".", "..", "a.b.c", "a.b", &text.replace('.', ""), &"x".repeat(9000)] {
            assert_eq!(Token::read(broken), None, "{broken}");
        }
        let unsigned = format!("{}.", text.rsplit_once('.').unwrap().0);
        let (_, keys) = sample();
        assert!(!Token::read(&unsigned).unwrap().fits(&keys[0]));
    }

    #[test]
    fn only_keys_that_sign_with_rs256_are_taken_from_a_set() {
        let entry = |more: Value| {
            let mut entry = json!({"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"});
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            entry
        };
        let set = json!({"keys": [entry(json!({})), entry(json!({"use": "enc"})), entry(json!({"alg": "RS512"})), entry(json!({"kty": "EC"})), entry(json!({"n": "*"})), 7]});
        assert_eq!(keys(set.to_string().as_bytes()).unwrap().len(), 1);
        assert_eq!(keys(b"{\"keys\":[]}"), Some(Vec::new()));
        assert_eq!((keys(b"{}"), keys(b"<html>")), (None, None));
        // A key that is too short to be trusted fits nothing.
        let (text, _) = sample();
        assert!(!Token::read(&text).unwrap().fits(&Key { id: None, modulus: vec![1, 0, 1], exponent: vec![1, 0, 1] }));
    }
}
