//! What a caller wrote, field by field: collects everything that is not valid, so that a caller sees it all at once.

use super::problem::{FieldError, Problem};

/// The fields that are not valid so far.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// Refuses a field unless something holds; `message` says what would be right.
    pub fn unless(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.0.push(FieldError { field: field.to_owned(), message: message.to_owned() });
        }
    }

    /// Refuses a number outside of a range, whose ends belong to it.
    pub fn range(&mut self, field: &str, value: i64, low: i64, high: i64) {
        self.unless((low..=high).contains(&value), field, &format!("must be from {low} to {high}"));
    }

    /// Refuses a text with fewer or more characters, or with line breaks; one that was left out is fine.
    pub fn text(&mut self, field: &str, text: Option<&String>, low: usize, high: usize) {
        let fits = |text: &String| (low..=high).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control);
        self.unless(text.is_none_or(fits), field, &format!("must be {low} to {high} characters without line breaks"));
    }

    /// Refuses a name that is no slug.
    pub fn slug(&mut self, field: &str, text: &str) {
        self.unless(is_slug(text), field, "must be 1 to 64 lower-case letters, digits and inner hyphens");
    }

    /// Adds what others refuse.
    pub fn extend(&mut self, errors: impl IntoIterator<Item = FieldError>) {
        self.0.extend(errors);
    }

    /// Whether every field so far is valid.
    #[must_use]
    pub const fn are_valid(&self) -> bool {
        self.0.is_empty()
    }

    /// The problem that names all of them (422).
    #[must_use]
    pub fn into_problem(self) -> Problem {
        Problem::fields(self.0)
    }
}

/// Whether a text is a name in addresses: 1 to 64 lower-case letters, digits and inner hyphens.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}
