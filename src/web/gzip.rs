//! Gzip (RFC 1952) of texts that are mostly the same: what never changes is deflated once, what a request fills in is stored as it is.

use std::io::{self, Write as _};

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT_ENCODING;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// Magic number, deflate, no flags, no time, slowest method, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
/// The last block: final, stored, empty.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];
/// The most that one stored block holds (RFC 1951, 3.2.4).
const STORED_LIMIT: usize = 0xffff;

/// A text deflated on its own, whole bytes long, so that it can stand anywhere in a stream.
pub struct Deflated {
    blocks: Vec<u8>,
    crc: Crc,
}

impl Deflated {
    /// Deflates a text, as small as it gets.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        // Writing into memory cannot fail; if it did, the text is stored as it is.
        let blocks = deflate(text.as_bytes()).unwrap_or_else(|_| {
            let mut blocks = Vec::new();
            store(&mut blocks, text.as_bytes());
            blocks
        });
        Self { blocks, crc }
    }
}

fn deflate(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text)?;
    // A flush ends at a whole byte, and the stream goes on.
    encoder.flush()?;
    Ok(encoder.get_ref().clone())
}

fn store(blocks: &mut Vec<u8>, text: &[u8]) {
    for part in text.chunks(STORED_LIMIT) {
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        blocks.push(0);
        blocks.extend_from_slice(&length.to_le_bytes());
        blocks.extend_from_slice(&(!length).to_le_bytes());
        blocks.extend_from_slice(part);
    }
}

/// A gzip file that grows.
pub struct Gzip {
    bytes: Vec<u8>,
    crc: Crc,
}

impl Gzip {
    /// An empty file with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(&HEADER);
        Self { bytes, crc: Crc::new() }
    }

    /// Appends what was deflated before.
    pub fn append(&mut self, part: &Deflated) {
        self.bytes.extend_from_slice(&part.blocks);
        self.crc.combine(&part.crc);
    }

    /// Appends a short text as it is.
    pub fn store(&mut self, text: &str) {
        store(&mut self.bytes, text.as_bytes());
        self.crc.update(text.as_bytes());
    }

    /// The whole file.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&LAST_BLOCK);
        self.bytes.extend_from_slice(&self.crc.sum().to_le_bytes());
        self.bytes.extend_from_slice(&self.crc.amount().to_le_bytes());
        self.bytes
    }
}

/// Whether the reader can read gzip (RFC 9110, 12.5.3).
#[must_use]
pub fn is_accepted(request: &HttpRequest) -> bool {
    let codings = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    codings.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused =
            weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0);
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use actix_web::test::TestRequest;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> String {
        let mut text = String::new();
        // The decoder checks length and checksum at the end.
        GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
        text
    }

    proptest! {
        #[test]
        fn any_mixture_of_parts_is_read_as_it_was_written(parts in prop::collection::vec((any::<bool>(), ".{0,300}"), 0..8)) {
            let mut gzip = Gzip::with_capacity(0);
            for (is_stored, text) in &parts {
                if *is_stored { gzip.store(text) } else { gzip.append(&Deflated::new(text)) }
            }
            let whole: String = parts.iter().map(|(_, text)| text.as_str()).collect();
            prop_assert_eq!(read(&gzip.finish()), whole);
        }
    }

    #[test]
    fn a_text_longer_than_a_block_is_stored_whole() {
        let text = "نبض ".repeat(30_000);
        let mut gzip = Gzip::with_capacity(0);
        gzip.store(&text);
        assert_eq!(read(&gzip.finish()), text);
    }

    #[test]
    fn gzip_is_sent_to_those_who_ask_for_it() {
        for (codings, expected) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, br", false),
            ("br", false),
            ("identity", false),
            ("", false),
        ] {
            let request = TestRequest::default().insert_header((ACCEPT_ENCODING, codings)).to_http_request();
            assert_eq!(is_accepted(&request), expected, "{codings}");
        }
        assert!(!is_accepted(&TestRequest::default().to_http_request()));
    }
}
