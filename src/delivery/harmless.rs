//! Values from outside, made harmless for a place in a mail: whatever they hold, they add no header, no line and no part.

/// One line of text for a header: control characters become spaces, spaces are joined, and the marks that turn text around are dropped.
#[must_use]
pub fn line(text: &str, longest: usize) -> String {
    let harmless: String = text
        .chars()
        .filter(|character| !turns_text(*character))
        .map(|character| if ends_line(character) { ' ' } else { character })
        .take(longest.saturating_mul(4))
        .collect();
    let mut joined = harmless.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = joined.char_indices().nth(longest) {
        joined.truncate(cut);
        joined.push('\u{2026}');
    }
    joined
}

/// Controls, and the separators of lines and paragraphs.
fn ends_line(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The bidirectional embeddings, overrides and isolates, with which a name could pose as something else.
fn turns_text(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What may stand in an id, a slug or an address of the web: visible ASCII without quotes and angle brackets; `/` only behind a scheme.
#[must_use]
pub fn token(text: &str) -> String {
    let address = text.starts_with("https://") || text.starts_with("http://");
    text.chars()
        .map(|character| match character {
            '<' | '>' | '"' | '\\' | '@' => '_',
            '/' | ':' if !address => '_',
            _ if character.is_ascii_graphic() => character,
            _ => '_',
        })
        .collect()
}

/// Text for a body: every kind of line end becomes one, other control characters go.
#[must_use]
pub fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|character| matches!(character, '\n' | '\t') || !character.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_turn_text_around_are_dropped_from_names() {
        assert_eq!(line("Sara\u{202e}moc.elpmaxe\u{202c}\tX  Y", 100), "Saramoc.elpmaxe X Y");
    }

    #[test]
    fn a_token_stays_in_its_folder_and_between_its_brackets() {
        assert_eq!(token("../..\\x:y"), ".._.._x_y");
        assert_eq!(token("https://nabz.example/u/a>\r\n<b"), "https://nabz.example/u/a____b");
    }
}
