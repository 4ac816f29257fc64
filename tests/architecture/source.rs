//! Rust files as tokens: what is code, without comments, strings and characters, and which of it is compiled for tests only.

use std::fs;
use std::path::Path;

/// A piece of code: an identifier, a number, `::`, or one character of punctuation.
#[derive(Debug)]
pub struct Token {
    pub text: String,
    /// Counted from 1.
    pub line: usize,
    /// Belongs to an item under `#[cfg(test)]`.
    pub test_only: bool,
}

/// One file.
#[derive(Debug)]
pub struct Source {
    /// Relative to the project, with `/`.
    pub path: String,
    pub text: String,
    pub tokens: Vec<Token>,
}

/// A line that breaks a rule.
#[derive(Debug)]
pub struct Violation(pub String);

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let mut tokens = tokens(text);
        mark_tests(&mut tokens);
        Self { path: path.to_owned(), text: text.to_owned(), tokens }
    }

    /// The text of the token `ahead` places after `at`; empty beyond the end.
    pub fn word(&self, at: usize, ahead: usize) -> &str {
        self.tokens.get(at + ahead).map_or("", |token| &token.text)
    }

    /// The text of the token `back` places before `at`; empty before the beginning.
    pub fn word_before(&self, at: usize, back: usize) -> &str {
        at.checked_sub(back).map_or("", |at| self.word(at, 0))
    }

    /// Whether the tokens from `at` on are these.
    pub fn reads(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| self.word(at, ahead) == *word)
    }

    pub fn line_of(&self, at: usize) -> usize {
        self.tokens.get(at).map_or(0, |token| token.line)
    }

    /// A violation in this file, with the line itself; line 0 is the file as a whole.
    pub fn violation(&self, line: usize, message: &str) -> Violation {
        let code = line.checked_sub(1).and_then(|index| self.text.lines().nth(index)).unwrap_or_default();
        Violation(format!("{}:{line}: {message}\n    {}", self.path, code.trim()))
    }
}

/// All Rust files below a folder of the project, in order.
pub fn read(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut folders) = (Vec::new(), vec![root.join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("the folder lists its files").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is text");
                let name = path.strip_prefix(root).expect("the file lies in the project");
                found.push(Source::new(&name.to_string_lossy().replace('\\', "/"), &text));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Marks the items that follow `#[cfg(test)]`, and the whole file after `#![cfg(test)]`.
fn mark_tests(tokens: &mut [Token]) {
    let reads = |tokens: &[Token], at: usize, words: &[&str]| {
        tokens.get(at..).is_some_and(|rest| rest.len() >= words.len() && rest.iter().zip(words).all(|(token, word)| token.text == *word))
    };
    for at in 0..tokens.len() {
        let end = if reads(tokens, at, &["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
            tokens.len()
        } else if reads(tokens, at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            end_of_item(tokens, at)
        } else {
            continue;
        };
        tokens.iter_mut().take(end).skip(at).for_each(|token| token.test_only = true);
    }
}

/// The place after the item that begins, with its attributes, at `at`.
fn end_of_item(tokens: &[Token], at: usize) -> usize {
    let (mut depth, mut in_attribute) = (0_usize, false);
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "#" if depth == 0 => in_attribute = true,
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token.text == "}" {
                    return place + 1;
                }
                in_attribute &= depth > 0;
            }
            ";" if depth == 0 && !in_attribute => return place + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn tokens(text: &str) -> Vec<Token> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let (length, is_code) = match not_code(rest) {
            Some(length) => (length, false),
            None if rest.starts_with("::") => (2, true),
            None if is_word(first) => (rest.find(|c| !is_word(c)).unwrap_or(rest.len()), true),
            None => (first.len_utf8(), !first.is_whitespace()),
        };
        let (token, after) = rest.split_at(length);
        if is_code {
            let text = token.to_owned();
            tokens.push(Token { text, line, test_only: false });
        }
        line += token.matches('\n').count();
        rest = after;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the comment, string, character, lifetime or raw prefix that `rest` begins with.
fn not_code(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if let Some(quoted) = rest.strip_prefix('\'') {
        return Some(1 + character(quoted));
    }
    let (prefix, after) = rest.split_at(rest.find(|c| !is_word(c))?);
    match prefix {
        "" | "b" | "c" if after.starts_with('"') => Some(prefix.len() + 1 + quoted(after.get(1..)?, '"')),
        "r" | "br" | "cr" if after.trim_start_matches('#').starts_with('"') => Some(raw_string(rest)),
        "r" if after.starts_with('#') => Some(2),
        _ => None,
    }
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let after = rest.get(at..).unwrap_or_default();
        if after.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if after.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += after.chars().next().map_or(0, char::len_utf8);
        }
        if depth == 0 || at >= rest.len() {
            return at.min(rest.len());
        }
    }
}

/// The length of what follows a `'`: the rest of a character, or nothing where it begins a lifetime.
fn character(rest: &str) -> usize {
    let mut characters = rest.chars();
    match (characters.next(), characters.next()) {
        (Some('\\'), _) => quoted(rest, '\''),
        (Some(one), Some('\'')) => one.len_utf8() + 1,
        _ => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
    }
}

/// The length up to and with the closing quote; a backslash hides the next character.
fn quoted(rest: &str, close: char) -> usize {
    let mut hidden = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if hidden => hidden = false,
            '\\' => hidden = true,
            _ if c == close => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// The length of a raw string with its prefix and hashes.
fn raw_string(rest: &str) -> usize {
    let open = rest.find('"').unwrap_or(0);
    let hashes = rest.get(..open).unwrap_or_default().matches('#').count();
    let close = format!("\"{}", "#".repeat(hashes));
    let body = rest.get(open + 1..).unwrap_or_default();
    body.find(&close).map_or(rest.len(), |at| open + 1 + at + close.len())
}
