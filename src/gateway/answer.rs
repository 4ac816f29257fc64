//! What another server's answer means for a message, and how much of it is kept. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::i18n::ascii_digits;
use crate::net::client::{Answer, Failed};

/// The longest part of an answer that is kept, in characters.
const LONGEST_REPLY: usize = 300;
/// A run of at least so many digits may be a phone number.
const DIGITS_OF_A_NUMBER: usize = 7;
/// A value shorter than this is not looked for in answers: it would be found in every other word.
const SHORTEST_HIDDEN: usize = 3;
/// What stands for what is not kept.
const HIDDEN: &str = "[…]";

/// Texts that a value in an answer is compared with: one, or any of several. Numbers compare as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(from = "Written", into = "Vec<String>")]
#[schema(value_type = Vec<String>)]
pub struct Expected(pub Vec<String>);

/// What a caller may write: `"0"`, `0`, `["1", 5]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    One(Scalar),
    Many(Vec<Scalar>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(i64),
    Bool(bool),
}

impl From<Written> for Expected {
    fn from(written: Written) -> Self {
        let text = |scalar| match scalar {
            Scalar::Text(text) => text,
            Scalar::Number(number) => number.to_string(),
            Scalar::Bool(value) => value.to_string(),
        };
        Self(match written {
            Written::One(one) => vec![text(one)],
            Written::Many(many) => many.into_iter().map(text).collect(),
        })
    }
}

impl From<Expected> for Vec<String> {
    fn from(expected: Expected) -> Self {
        expected.0
    }
}

/// Which answers mean that a message was accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Success {
    /// The statuses; empty for every 2xx.
    pub status: Vec<u16>,
    /// Where in the JSON of the answer a value has to stand besides (RFC 6901).
    pub pointer: Option<String>,
    /// What that value must be; empty for any.
    pub equals: Expected,
}

/// Which answers mean that a message should be tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Retry)]
pub struct Again {
    /// The statuses; empty for 408, 425, 429 and every 5xx.
    pub status: Vec<u16>,
    /// Where in the JSON of the answer a value may stand that means the same, whatever the status (RFC 6901).
    pub pointer: Option<String>,
    /// What that value must be.
    pub equals: Expected,
    /// Where in the JSON of the answer stands how many seconds to wait; the header `Retry-After` is read anyway.
    pub after_pointer: Option<String>,
}

/// The rules by which a gateway's answers are judged.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Which mean that the message was accepted.
    pub success: &'a Success,
    /// Which mean that it should be tried again.
    pub again: &'a Again,
    /// Where the id of the message stands.
    pub id_pointer: Option<&'a str>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was accepted.
    Accepted {
        /// The other side's id of it.
        id: Option<String>,
        /// The answer, cleaned.
        reply: String,
    },
    /// It may be accepted later.
    Later {
        /// Why not now.
        why: String,
        /// How long the other side wants to be left in peace, in milliseconds.
        retry_after_ms: Option<i64>,
    },
    /// It will not be accepted.
    Refused {
        /// Why not.
        why: String,
    },
}

/// Judges what came back. `hidden` is what must not be kept: addresses, links, secrets.
#[must_use]
pub fn judge(rules: Rules<'_>, came: Result<&Answer, &Failed>, now: Timestamp, hidden: &[String]) -> Outcome {
    let answer = match came {
        Ok(answer) => answer,
        Err(failed @ (Failed::TimedOut | Failed::Unreachable)) => {
            return Outcome::Later { why: format!("the gateway was called, but {failed}"), retry_after_ms: None };
        }
        Err(Failed::Refused(refused)) => return Outcome::Refused { why: format!("the gateway was not called: its address {refused}") },
        Err(failed @ Failed::TooLarge) => return Outcome::Refused { why: format!("the gateway was called, but {failed}") },
    };
    let told: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let at = |pointer: Option<&str>| told.as_ref()?.pointer(pointer?).and_then(scalar);
    let reply = format!("{} {}", answer.status, cleaned(&answer.body, hidden)).trim().to_owned();
    let Rules { success, again, id_pointer } = rules;
    let later = |why: String| {
        let asked =
            at(again.after_pointer.as_deref()).and_then(|seconds| seconds.parse::<u32>().ok()).map(|seconds| i64::from(seconds) * 1000);
        Outcome::Later { why, retry_after_ms: asked.max(answer.retry_after_ms(now)) }
    };
    if at(again.pointer.as_deref()).is_some_and(|value| again.equals.0.contains(&value)) {
        return later(reply);
    }
    let has_status = if success.status.is_empty() { (200..300).contains(&answer.status) } else { success.status.contains(&answer.status) };
    let has_value = success.pointer.is_none()
        || at(success.pointer.as_deref()).is_some_and(|value| success.equals.0.is_empty() || success.equals.0.contains(&value));
    if has_status && has_value {
        let id = at(id_pointer).map(|id| shortened(&id));
        return Outcome::Accepted { id, reply };
    }
    let passes =
        if again.status.is_empty() { matches!(answer.status, 408 | 425 | 429 | 500..) } else { again.status.contains(&answer.status) };
    if passes { later(reply) } else { Outcome::Refused { why: reply } }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// An answer as it may be kept: one line, cut to length, without what is hidden, without addresses, and without anything like a phone number.
fn cleaned(body: &[u8], hidden: &[String]) -> String {
    // Read and written again, JSON escapes nothing that it need not.
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => value.to_string(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let mut text = ascii_digits(&text);
    for value in hidden.iter().filter(|value| value.chars().count() >= SHORTEST_HIDDEN) {
        text = text.replace(&ascii_digits(value), HIDDEN);
    }
    let words = text.split(|character: char| character.is_whitespace() || character.is_control()).filter(|word| !word.is_empty());
    let plain = words.map(without_addresses).collect::<Vec<_>>().join(" ");
    shortened(&without_numbers(&plain))
}

/// A word in which what holds a link or a mail address, up to the next quote or bracket, is hidden.
fn without_addresses(word: &str) -> String {
    let ends = |character: char| matches!(character, '"' | '\'' | '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';');
    let piece = |piece: &str| {
        let end = piece.chars().last().filter(|last| ends(*last));
        let inner = end.map_or(piece, |end| piece.trim_end_matches(end));
        let shown = if inner.contains("://") || inner.contains('@') || inner.to_lowercase().contains("www.") { HIDDEN } else { inner };
        format!("{shown}{}", end.map(String::from).unwrap_or_default())
    };
    word.split_inclusive(ends).map(piece).collect()
}

/// A text in which every run of digits, however they are set apart, is hidden where it is long enough for a phone number.
fn without_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut run = String::new();
    let flush = |run: &mut String, plain: &mut String| {
        let number = run.trim_end_matches(|character: char| !character.is_ascii_digit());
        let digits = number.chars().filter(char::is_ascii_digit).count();
        let shown = if digits >= DIGITS_OF_A_NUMBER { HIDDEN } else { number };
        let behind = run.get(number.len()..).unwrap_or_default();
        plain.push_str(shown);
        plain.push_str(behind);
        run.clear();
    };
    for character in text.chars() {
        let continues =
            character.is_ascii_digit() || matches!(character, '+' | '-' | '.' | '(' | ')' | ' ') && !run.is_empty() || character == '+';
        if continues {
            run.push(character);
        } else {
            flush(&mut run, &mut plain);
            plain.push(character);
        }
    }
    flush(&mut run, &mut plain);
    plain
}

fn shortened(text: &str) -> String {
    let mut cut: String = text.chars().take(LONGEST_REPLY).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::net::guard::Refused;

    fn judged(rules: &Value, status: u16, body: &str) -> Outcome {
        let success: Success = serde_json::from_value(rules["success"].clone()).unwrap_or_default();
        let again: Again = serde_json::from_value(rules["retry"].clone()).unwrap_or_default();
        let rules = Rules { success: &success, again: &again, id_pointer: Some("/id") };
        let answer = Answer { status, retry_after: None, body: body.as_bytes().to_vec() };
        judge(rules, Ok(&answer), Timestamp::from_millis(0), &["+49 151".to_owned()])
    }

    fn word(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Later { .. } => "later",
            Outcome::Refused { .. } => "refused",
        }
    }

    #[test]
    fn without_rules_the_status_decides() {
        for (status, expected) in [
            (200, "accepted"),
            (204, "accepted"),
            (301, "refused"),
            (400, "refused"),
            (401, "refused"),
            (404, "refused"),
            (408, "later"),
            (425, "later"),
            (429, "later"),
            (500, "later"),
            (503, "later"),
            (599, "later"),
        ] {
            assert_eq!(word(&judged(&json!({}), status, "")), expected, "{status}");
        }
    }

    #[test]
    fn rules_look_into_the_answer() {
        let rules = json!({"success": {"status": [200], "pointer": "/messages/0/status", "equals": "0"},
            "retry": {"status": [503], "pointer": "/messages/0/status", "equals": ["1", 5]}});
        for (status, body, expected) in [
            (200, r#"{"messages": [{"status": "0"}]}"#, "accepted"),
            (200, r#"{"messages": [{"status": 0}]}"#, "accepted"),
            (201, r#"{"messages": [{"status": "0"}]}"#, "refused"),
            (200, r#"{"messages": [{"status": "4"}]}"#, "refused"),
            (200, r#"{"messages": []}"#, "refused"),
            (200, "ok", "refused"),
            (200, r#"{"messages": [{"status": "1"}]}"#, "later"),
            (400, r#"{"messages": [{"status": 5}]}"#, "later"),
            (503, "", "later"),
            (500, "", "refused"),
        ] {
            assert_eq!(word(&judged(&rules, status, body)), expected, "{status} {body}");
        }
        let any = json!({"success": {"pointer": "/id"}});
        assert_eq!(word(&judged(&any, 200, r#"{"id": 7}"#)), "accepted");
        assert_eq!(word(&judged(&any, 200, r#"{"id": null}"#)), "refused");
    }

    #[test]
    fn the_id_is_taken_and_a_pause_that_is_asked_for_is_told() {
        assert_eq!(
            judged(&json!({}), 200, r#"{"id": "SM1"}"#),
            Outcome::Accepted { id: Some("SM1".to_owned()), reply: r#"200 {"id":"SM1"}"#.to_owned() }
        );
        let rules = json!({"retry": {"after_pointer": "/parameters/retry_after"}});
        let later = judged(&rules, 429, r#"{"parameters": {"retry_after": 35}}"#);
        assert!(matches!(later, Outcome::Later { retry_after_ms: Some(35_000), .. }), "{later:?}");
    }

    #[test]
    fn nothing_that_came_is_told_apart() {
        let rules = Rules { success: &Success::default(), again: &Again::default(), id_pointer: None };
        let failed = |failed: Failed| judge(rules, Err(&failed), Timestamp::from_millis(0), &[]);
        assert_eq!(word(&failed(Failed::TimedOut)), "later");
        assert_eq!(word(&failed(Failed::Unreachable)), "later");
        assert_eq!(word(&failed(Failed::TooLarge)), "refused");
        let refused = failed(Failed::Refused(Refused::Private));
        assert!(matches!(&refused, Outcome::Refused { why } if why.contains("webhooks.allow_private")), "{refused:?}");
    }

    #[test]
    fn what_is_kept_of_an_answer_holds_no_address_and_no_link() {
        let hidden = ["https://nabz.example/s/abc".to_owned(), "Sara".to_owned(), "c-9".to_owned(), "a".to_owned()];
        for (body, expected) in [
            (
                r#"{"code":21211,"message":"Invalid 'To' Phone Number: +49151234XXXX","status":400}"#,
                r#"{"code":21211,"message":"Invalid 'To' Phone Number: […]XXXX","status":400}"#,
            ),
            (r#"{"message":"The number +4915123456789 is no mobile"}"#, r#"{"message":"The number […] is no mobile"}"#),
            (r#"{"to":"+49 (151) 234-567"}"#, r#"{"to":"[…]"}"#),
            ("to ۰۹۱۲۱۲۳۴۵۶۷!", "to […]!"),
            (r#"{"more_info":"https:\/\/docs.example\/1","mail":"sara@example.com"}"#, r#"{"mail":"[…]","more_info":"[…]"}"#),
            ("sent https://nabz.example/s/abc to Sara (c-9)", "sent […] to […] ([…])"),
            ("a\r\nb\tc\u{0}d", "a b c d"),
            ("", ""),
        ] {
            assert_eq!(cleaned(body.as_bytes(), &hidden), expected, "{body}");
        }
        assert_eq!(cleaned("x".repeat(500).as_bytes(), &hidden).chars().count(), LONGEST_REPLY + 1);
    }

    proptest! {
        #[test]
        fn whatever_a_provider_repeats_no_number_name_or_link_is_kept(
            before in "\\PC{0,30}",
            separator in "[ .()-]{0,2}",
            digits in "[0-9۰-۹]{7,15}",
            is_json: bool,
        ) {
            let number: String = digits.chars().flat_map(|digit| std::iter::once(digit).chain(separator.chars())).collect();
            let said = format!("{before} Sara +{number} see https://nabz.example/s/abc/5, mail sara@example.com");
            let body = if is_json { json!({"said": said}).to_string() } else { said };
            let kept = cleaned(body.as_bytes(), &["Sara".to_owned(), "https://nabz.example/s/abc".to_owned()]);
            prop_assert!(!kept.contains("Sara") && !kept.contains("nabz.example/s") && !kept.contains("@example"), "{}", kept);
            let dense: String = kept.chars().filter(|character| !"+-.() ".contains(*character)).collect();
            let longest = dense.split(|character: char| !character.is_ascii_digit()).map(str::len).max().unwrap_or_default();
            prop_assert!(longest < DIGITS_OF_A_NUMBER, "{}", kept);
        }
    }
}
