//! The signed address: signs an invitation's id for a purpose and opens it again. Pure.

pub mod nonce;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::keyring::{Keyring, hmac};

/// Characters in a token.
pub const TOKEN_LENGTH: usize = 53;
/// Bytes of the truncated MAC: 128 bits.
const MAC_LENGTH: usize = 16;

/// What a token opens. A token of one purpose never opens another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The survey page and the answer.
    Vote,
    /// The page that ends all mail to a customer.
    Unsubscribe,
    /// A report about a message of the invitation.
    Bounce,
}

/// Signs and opens tokens of one purpose.
#[derive(Clone)]
struct Signer {
    /// The newest key first, each with its number and its schedule kept.
    keys: Vec<(u8, Hmac<Sha256>)>,
}

impl Signer {
    fn new(keyring: &Keyring, purpose: &str) -> Self {
        Self { keys: keyring.derive(purpose).map(|(id, key)| (id, hmac(&key))).collect() }
    }

    /// The newest key's number and MAC over `number | parts`.
    fn sign(&self, parts: &[&[u8]]) -> (u8, [u8; MAC_LENGTH]) {
        let mut truncated = [0; MAC_LENGTH];
        let Some((id, key)) = self.keys.first() else {
            return (0, truncated);
        };
        let full = mac_over(key, *id, parts).finalize().into_bytes();
        for (slot, byte) in truncated.iter_mut().zip(full) {
            *slot = byte;
        }
        (*id, truncated)
    }

    /// Compares in constant time.
    fn verify(&self, id: u8, parts: &[&[u8]], mac: &[u8; MAC_LENGTH]) -> bool {
        let key = self.keys.iter().find(|(number, _)| *number == id);
        key.is_some_and(|(_, key)| mac_over(key, id, parts).verify_truncated_left(mac).is_ok())
    }
}

fn mac_over(key: &Hmac<Sha256>, id: u8, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    mac.update(&[id]);
    for part in parts {
        mac.update(part);
    }
    mac
}

/// Signs and opens the addresses of invitations.
#[derive(Clone)]
pub struct Links {
    vote: Signer,
    unsubscribe: Signer,
    bounce: Signer,
    nonce: Signer,
}

impl Links {
    /// Derives the key of each purpose once.
    #[must_use]
    pub fn new(keyring: &Keyring) -> Self {
        let signer = |purpose| Signer::new(keyring, purpose);
        Self { vote: signer("vote"), unsubscribe: signer("unsubscribe"), bounce: signer("bounce"), nonce: signer("nonce") }
    }

    const fn signer(&self, purpose: Purpose) -> &Signer {
        match purpose {
            Purpose::Vote => &self.vote,
            Purpose::Unsubscribe => &self.unsubscribe,
            Purpose::Bounce => &self.bounce,
        }
    }

    /// The token for an id: 53 characters of `[a-z2-7]`, base32 of key number, id and MAC.
    #[must_use]
    pub fn token(&self, purpose: Purpose, id: Uuid) -> String {
        let (key, mac) = self.signer(purpose).sign(&[id.as_bytes()]);
        let mut bytes = Vec::with_capacity(33);
        bytes.push(key);
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&mac);
        BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
    }

    /// The id in a token of this purpose, or `None` for anything that was not signed here. Case does not matter.
    #[must_use]
    pub fn open(&self, purpose: Purpose, token: &str) -> Option<Uuid> {
        if token.len() != TOKEN_LENGTH {
            return None;
        }
        let bytes = BASE32_NOPAD.decode(token.to_ascii_uppercase().as_bytes()).ok()?;
        let (&key, rest) = bytes.split_first()?;
        let (id, mac) = rest.split_first_chunk::<16>()?;
        let mac = mac.try_into().ok()?;
        self.signer(purpose).verify(key, &[id], mac).then(|| Uuid::from_bytes(*id))
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRETS: &str = "1 0101010101010101010101010101010101010101010101010101010101010101";
    const ROTATED: &str = "1 0101010101010101010101010101010101010101010101010101010101010101\n\
                           2 0202020202020202020202020202020202020202020202020202020202020202";

    fn links(text: &str) -> Links {
        Links::new(&Keyring::parse(text).unwrap())
    }

    #[test]
    fn a_token_of_one_purpose_never_opens_another() {
        let links = links(SECRETS);
        let id = Uuid::from_u128(7);
        let purposes = [Purpose::Vote, Purpose::Unsubscribe, Purpose::Bounce];
        for made in purposes {
            for asked in purposes {
                assert_eq!(links.open(asked, &links.token(made, id)).is_some(), asked == made, "{made:?} {asked:?}");
            }
        }
    }

    #[test]
    fn tokens_survive_a_rotation_but_not_a_foreign_secret() {
        let id = Uuid::from_u128(7);
        let token = links(SECRETS).token(Purpose::Vote, id);
        assert_eq!(links(ROTATED).open(Purpose::Vote, &token), Some(id));
        assert_ne!(links(ROTATED).token(Purpose::Vote, id), token);
        let foreign = links("1 0303030303030303030303030303030303030303030303030303030303030303");
        assert_eq!(foreign.open(Purpose::Vote, &token), None);
    }

    proptest! {
        #[test]
        fn a_token_opens_to_its_id_in_any_case(id: u128) {
            let links = links(SECRETS);
            let token = links.token(Purpose::Vote, Uuid::from_u128(id));
            prop_assert_eq!(token.len(), TOKEN_LENGTH);
            prop_assert!(token.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')));
            prop_assert_eq!(links.open(Purpose::Vote, &token), Some(Uuid::from_u128(id)));
            prop_assert_eq!(links.open(Purpose::Vote, &token.to_ascii_uppercase()), Some(Uuid::from_u128(id)));
        }

        #[test]
        fn any_other_character_opens_nothing(id: u128, at in 0..TOKEN_LENGTH, character in "[a-z2-7]") {
            let links = links(SECRETS);
            let token = links.token(Purpose::Vote, Uuid::from_u128(id));
            let mut other = token.clone();
            other.replace_range(at..=at, &character);
            prop_assume!(other != token);
            prop_assert_eq!(links.open(Purpose::Vote, &other), None);
        }

        #[test]
        fn any_text_is_answered(text in ".{0,80}") {
            prop_assert_eq!(links(SECRETS).open(Purpose::Vote, &text), None);
        }
    }
}
