//! The master secrets: every key is derived from them per purpose, and what must not be read at rest is sealed with them.

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::random::Random;

/// One secret in force, named by the first byte of what it signs or seals.
#[derive(Clone)]
struct Master {
    id: u8,
    secret: [u8; 32],
}

/// The master secrets in force. The newest signs and seals; all of them verify and open.
#[derive(Clone)]
pub struct Keyring {
    newest: Master,
    older: Vec<Master>,
}

/// A keyring text that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the secrets must be a number from 1 to 255, a space, and 64 hexadecimal digits, with no number twice")]
pub struct Unreadable {
    line: usize,
}

impl Keyring {
    /// Reads one secret a line, `NUMBER HEX`; the highest number is the newest.
    ///
    /// # Errors
    /// Names the line that is not of this form; an empty text fails at line 1.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let mut masters: Vec<Master> = Vec::new();
        for (index, line) in text.split(['\n', ',']).map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
            let unreadable = Unreadable { line: index + 1 };
            let Some(master) = Master::parse(line) else {
                return Err(unreadable);
            };
            if masters.iter().any(|other| other.id == master.id) {
                return Err(unreadable);
            }
            masters.push(master);
        }
        masters.sort_by_key(|master| master.id);
        let newest = masters.pop().ok_or(Unreadable { line: 1 })?;
        Ok(Self { newest, older: masters })
    }

    /// A line for [`Keyring::parse`] with a fresh secret that becomes the newest of `text`; `None` when 255 is taken.
    #[must_use]
    pub fn next_line(text: &str, random: &Random) -> Option<String> {
        let id = match Self::parse(text) {
            Ok(ring) => ring.newest.id.checked_add(1)?,
            Err(_) => 1,
        };
        Some(format!("{id} {}\n", HEXLOWER.encode(&random.bytes::<32>())))
    }

    /// The newest key for a purpose, then the older ones, each with its number.
    pub fn derive(&self, purpose: &str) -> impl Iterator<Item = (u8, [u8; 32])> {
        std::iter::once(&self.newest).chain(&self.older).map(|master| (master.id, master.derive(purpose)))
    }

    /// The hash of a value that must be recognised but not kept, such as a mail address. It does not change when a newer secret is added,
    /// so that what was suppressed stays suppressed: the oldest secret makes it.
    #[must_use]
    pub fn fingerprint(&self, purpose: &str, value: &str) -> String {
        let master = self.older.first().unwrap_or(&self.newest);
        let mut mac = hmac(&master.derive(purpose));
        mac.update(value.as_bytes());
        HEXLOWER.encode(&mac.finalize().into_bytes())
    }

    /// Encrypts with the newest secret (`ChaCha20-Poly1305`, RFC 8439): number, nonce, ciphertext and tag.
    #[must_use]
    pub fn seal(&self, purpose: &str, plain: &[u8], random: &Random) -> Vec<u8> {
        let nonce = random.bytes::<12>();
        let sealed = cipher(&self.newest.derive(purpose)).encrypt(&Nonce::from(nonce), plain);
        let mut bytes = vec![self.newest.id];
        bytes.extend_from_slice(&nonce);
        // Encryption fails only for inputs of 256 GiB and more.
        bytes.extend(sealed.unwrap_or_default());
        bytes
    }

    /// Decrypts what [`Keyring::seal`] made for the same purpose; `None` for anything else.
    #[must_use]
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (&id, rest) = sealed.split_first()?;
        let (nonce, ciphertext) = rest.split_first_chunk::<12>()?;
        let (_, key) = self.derive(purpose).find(|(number, _)| *number == id)?;
        cipher(&key).decrypt(&Nonce::from(*nonce), ciphertext).ok()
    }

    /// Decrypts a text that [`Keyring::seal`] made for the same purpose; `None` for anything else.
    #[must_use]
    pub fn open_text(&self, purpose: &str, sealed: &[u8]) -> Option<SecretString> {
        self.open(purpose, sealed).and_then(|bytes| String::from_utf8(bytes).ok()).map(SecretString::from)
    }
}

impl Master {
    fn parse(line: &str) -> Option<Self> {
        let (id, hex) = line.split_once(' ')?;
        let id = id.parse().ok().filter(|id| *id > 0)?;
        let secret = HEXLOWER_PERMISSIVE.decode(hex.trim().as_bytes()).ok()?.try_into().ok()?;
        Some(Self { id, secret })
    }

    /// HKDF-SHA256 (RFC 5869) without salt, the purpose as info.
    fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let expanded = Hkdf::<Sha256>::new(None, &self.secret).expand_multi_info(&[b"nabz/1/", purpose.as_bytes()], &mut key);
        debug_assert!(expanded.is_ok(), "32 bytes are within what HKDF-SHA256 can give");
        key
    }
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*key))
}

/// HMAC-SHA256 (RFC 2104) with a key of any length; the state can be kept and cloned, which halves the cost of each use.
#[must_use]
pub fn hmac(key: &[u8]) -> Hmac<Sha256> {
    // The key is laid into one block as RFC 2104 says, because that constructor cannot fail.
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    let digest = Sha256::digest(key);
    let key = if key.len() > block.len() { digest.as_slice() } else { key };
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    <Hmac<Sha256> as KeyInit>::new(&block)
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random() -> Random {
        Random::new(|bytes| bytes.fill(7))
    }

    fn ring(text: &str) -> Keyring {
        Keyring::parse(text).unwrap()
    }

    fn two_lines() -> String {
        let first = Keyring::next_line("", &random()).unwrap();
        let second = Keyring::next_line(&first, &Random::new(|bytes| bytes.fill(9))).unwrap();
        first + &second
    }

    #[test]
    fn the_highest_number_is_the_newest_and_the_others_stay_in_force() {
        let ids: Vec<u8> = ring(&two_lines()).derive("vote").map(|(id, _)| id).collect();
        assert_eq!(ids, [2, 1]);
    }

    #[test]
    fn every_purpose_has_a_key_of_its_own() {
        let ring = ring(&two_lines());
        assert_ne!(ring.derive("vote").next(), ring.derive("unsubscribe").next());
    }

    #[test]
    fn what_was_sealed_opens_after_a_rotation_and_only_for_its_purpose() {
        let old = Keyring::next_line("", &random()).unwrap();
        let sealed = ring(&old).seal("source", b"secret", &random());
        let rotated = ring(&two_lines());
        assert_eq!(rotated.open("source", &sealed).unwrap(), b"secret");
        assert_eq!(rotated.open("other", &sealed), None);
        assert_eq!(ring(&old).fingerprint("email", "a@b"), rotated.fingerprint("email", "a@b"));
    }

    #[test]
    fn a_changed_byte_opens_nothing() {
        let ring = ring(&two_lines());
        let sealed = ring.seal("source", b"secret", &random());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(ring.open("source", &bad), None, "byte {at}");
        }
    }

    #[test]
    fn an_unreadable_line_is_named() {
        assert_eq!(Keyring::parse("").unwrap_err(), Unreadable { line: 1 });
        assert_eq!(Keyring::parse("1 abc").unwrap_err(), Unreadable { line: 1 });
        let doubled = format!("{}{}", two_lines(), Keyring::next_line("", &random()).unwrap());
        assert_eq!(Keyring::parse(&doubled).unwrap_err(), Unreadable { line: 3 });
    }

    #[test]
    fn the_mac_agrees_with_rfc_4231_for_short_and_long_keys() {
        let mac = |key: &[u8], data: &[u8]| {
            let mut mac = hmac(key);
            mac.update(data);
            HEXLOWER.encode(&mac.finalize().into_bytes())
        };
        assert_eq!(mac(b"Jefe", b"what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = [0xaa; 131];
        assert_eq!(
            mac(&long, b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
