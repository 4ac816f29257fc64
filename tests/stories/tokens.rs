//! Small questions about the tokens of a source.

use proc_macro2::{Delimiter, TokenTree};

/// Passes over `::<…>`; gives the next token and what follows it.
pub fn after_turbofish(tokens: &[TokenTree]) -> Option<(&TokenTree, &[TokenTree])> {
    match tokens {
        [first, second, third, ..] if is(first, ':') && is(second, ':') && is(third, '<') => {
            let mut depth = 0_i32;
            let end = tokens.iter().position(|token| {
                depth += i32::from(is(token, '<')) - i32::from(is(token, '>'));
                depth == 0 && is(token, '>')
            })?;
            tokens[end + 1..].split_first()
        }
        _ => tokens.split_first(),
    }
}

/// How many parameters a statement has; `None` when a number is left out.
pub fn parameters(text: &str) -> Option<usize> {
    let mut numbers: Vec<usize> =
        text.split('$').skip(1).filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.iter().copied().eq(1..=numbers.len()).then_some(numbers.len())
}

/// What stands inside brackets.
pub fn inside(group: &proc_macro2::Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

/// Whether a token is this sign.
pub fn is(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// Whether a word stands anywhere among tokens.
pub fn mentions(tokens: &[TokenTree], name: &str) -> bool {
    tokens.iter().any(|token| match token {
        TokenTree::Group(group) if group.delimiter() != Delimiter::None => mentions(&inside(group), name),
        token => token.to_string() == name,
    })
}

/// The parts between commas; a comma at the end begins no part.
pub fn split(tokens: &[TokenTree]) -> Vec<Vec<TokenTree>> {
    let parts = tokens.split(|token| is(token, ',')).map(<[TokenTree]>::to_vec);
    parts.filter(|part| !part.is_empty()).collect()
}

/// What a string literal says; `None` for any other literal.
pub fn text_of(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        return Some(raw.trim_matches('#').strip_prefix('"')?.strip_suffix('"')?.to_owned());
    }
    let mut said = String::new();
    let mut rest = literal.strip_prefix('"')?.strip_suffix('"')?;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        said.push_str(plain);
        let mut characters = escaped.chars();
        match characters.next()? {
            '\n' => {}
            'n' => said.push('\n'),
            't' => said.push('\t'),
            same @ ('\\' | '"' | '\'') => said.push(same),
            _ => return None,
        }
        rest = characters.as_str();
        if escaped.starts_with('\n') {
            rest = rest.trim_start();
        }
    }
    Some(said + rest)
}
