//! The characters of a short message that is not sent as Unicode (3GPP TS 23.038, 6.2.1). Pure.

/// The basic alphabet and its extension, without the line breaks.
const ALPHABET: &str = "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€";

/// Whether a text needs no other alphabet.
#[must_use]
pub fn fits(text: &str) -> bool {
    text.chars().all(|character| matches!(character, '\n' | '\r' | '\u{c}') || ALPHABET.contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn western_texts_fit_and_others_do_not() {
        assert!(fits("Größe: 5 € {a}\nhttps://nabz.example/s/abc"));
        for text in ["سلام", "“quoted”", "ç", "1\u{a0}€"] {
            assert!(!fits(text), "{text}");
        }
        assert_eq!(
            ALPHABET.chars().count(),
            128 - 3 + 9,
            "line feed, carriage return and escape are left out, nine of the extension are in"
        );
    }
}
