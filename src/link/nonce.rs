//! The nonce of one rendered page: signed, not stored, so it survives a restart.

use data_encoding::BASE32_NOPAD;
use uuid::Uuid;

use super::Links;
use crate::clock::{DAY_MS, Timestamp};
use crate::random::Random;

/// How long a rendered page can be sent: 24 hours.
const VALID_MS: i64 = DAY_MS;
/// How far another node's clock may run ahead.
const AHEAD_MS: i64 = 60_000;
/// Key number, instant, random bytes, MAC.
const LENGTH: usize = 1 + 8 + 8 + 16;

impl Links {
    /// A fresh nonce for a page of this invitation.
    #[must_use]
    pub fn nonce(&self, id: Uuid, now: Timestamp, random: &Random) -> String {
        let at = now.as_millis().to_be_bytes();
        let salt = random.bytes::<8>();
        let (key, mac) = self.nonce.sign(&[id.as_bytes(), &at, &salt]);
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(key);
        bytes.extend_from_slice(&at);
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(&mac);
        BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
    }

    /// When the page with this nonce was rendered; `None` when the nonce is foreign, of another invitation, or older than 24 hours.
    #[must_use]
    pub fn rendered_at(&self, nonce: &str, id: Uuid, now: Timestamp) -> Option<Timestamp> {
        if nonce.len() > 2 * LENGTH {
            return None;
        }
        let bytes = BASE32_NOPAD.decode(nonce.to_ascii_uppercase().as_bytes()).ok()?;
        let (&key, rest) = bytes.split_first()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let (salt, mac) = rest.split_first_chunk::<8>()?;
        let mac = mac.try_into().ok()?;
        if !self.nonce.verify(key, &[id.as_bytes(), at, salt], mac) {
            return None;
        }
        let rendered = Timestamp::from_millis(i64::from_be_bytes(*at));
        (-AHEAD_MS..=VALID_MS).contains(&now.since(rendered)).then_some(rendered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::Keyring;

    fn links() -> Links {
        Links::new(&Keyring::parse("1 0101010101010101010101010101010101010101010101010101010101010101").unwrap())
    }

    fn random() -> Random {
        Random::new(|bytes| bytes.fill(5))
    }

    #[test]
    fn a_nonce_belongs_to_one_invitation_for_a_day() {
        let (links, id, now) = (links(), Uuid::from_u128(1), Timestamp::from_millis(1_700_000_000_000));
        let nonce = links.nonce(id, now, &random());
        assert_eq!(links.rendered_at(&nonce, id, now), Some(now));
        assert_eq!(links.rendered_at(&nonce, id, now.plus_days(1)), Some(now));
        assert_eq!(links.rendered_at(&nonce, id, now.plus_days(1).plus_millis(1)), None);
        assert_eq!(links.rendered_at(&nonce, id, now.plus_millis(-AHEAD_MS - 1)), None);
        assert_eq!(links.rendered_at(&nonce, Uuid::from_u128(2), now), None);
    }

    #[test]
    fn a_foreign_nonce_is_nothing() {
        let (links, id, now) = (links(), Uuid::from_u128(1), Timestamp::from_millis(1_700_000_000_000));
        for nonce in ["", "x", "0", &"a".repeat(53), &"a".repeat(500)] {
            assert_eq!(links.rendered_at(nonce, id, now), None, "{nonce}");
        }
    }
}
