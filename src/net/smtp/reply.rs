//! What became of a message, in words that are safe to keep: one line, short, without anybody's address.

/// The longest reply that is kept, in characters.
const LONGEST: usize = 200;

/// The relay took the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The relay's reply to the final dot, such as `250 2.0.0 queued as 4F1B`.
    pub reply: String,
}

/// Why a message was not sent. Every text is one line of at most 200 characters without addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The relay refused it for now (4xx); trying again is right.
    #[error("refused for now: {reply}")]
    Temporary {
        /// The relay's reply.
        reply: String,
    },
    /// It will never be accepted as it is (5xx, or an address that cannot be written in a mail).
    #[error("refused: {reply}")]
    Permanent {
        /// The relay's reply, or what is wrong.
        reply: String,
    },
    /// The relay could not be used: connection, TLS or authentication failed, or the line broke before the final dot. It did not get the message.
    #[error("relay unreachable: {reason}")]
    Unreachable {
        /// What went wrong.
        reason: String,
    },
    /// The line broke, or time ran out, after the final dot: the relay may have accepted the message.
    #[error("outcome unknown: {reason}")]
    Unknown {
        /// What went wrong.
        reason: String,
    },
}

impl SendError {
    /// A message that can never be sent.
    #[must_use]
    pub fn permanent(reply: &str) -> Self {
        Self::Permanent { reply: kept(reply) }
    }

    /// A relay that could not be used.
    #[must_use]
    pub fn unreachable(reason: &str) -> Self {
        Self::Unreachable { reason: kept(reason) }
    }

    /// A message that may have been accepted.
    #[must_use]
    pub fn unknown(reason: &str) -> Self {
        Self::Unknown { reason: kept(reason) }
    }

    pub(super) fn closed() -> Self {
        Self::unreachable("the mail transport is shutting down")
    }

    /// A refusal by the relay when `error` is one, otherwise `None`.
    pub(super) fn refusal(error: &lettre::transport::smtp::Error) -> Option<Self> {
        let reply = described(error);
        match error.status()?.severity {
            lettre::transport::smtp::response::Severity::PermanentNegativeCompletion => Some(Self::Permanent { reply }),
            _ => Some(Self::Temporary { reply }),
        }
    }
}

/// lettre's error as one kept line: the relay's code and text, or the cause at the bottom of the chain.
pub(super) fn described(error: &lettre::transport::smtp::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match error.status() {
        Some(code) => kept(&format!("{code} {cause}")),
        None => kept(&cause.to_string()),
    }
}

/// One line of at most 200 characters: `<…>` and every word with an `@` are cut, as relays quote the recipient's address.
#[must_use]
pub fn kept(text: &str) -> String {
    let mut outside = String::with_capacity(text.len());
    let mut depth = 0_u32;
    for character in text.chars() {
        match character {
            '<' => depth = depth.saturating_add(1),
            '>' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ if character.is_control() => outside.push(' '),
            _ => outside.push(character),
        }
    }
    let mut line = String::new();
    for word in outside.split_whitespace().filter(|word| !word.contains('@') && !word.contains("=40")) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_reply_is_one_short_line_without_addresses() {
        assert_eq!(
            kept(
                "550 5.1.1 <sara@example.com>: Recipient\r\naddress rejected: \"sara@example.com\" unknown,\u{7} mailto:sara@example.com."
            ),
            "550 5.1.1 : Recipient address rejected: unknown,"
        );
        assert_eq!(kept("550 no <unclosed sara@example.com"), "550 no");
        assert_eq!(kept(&"é ".repeat(5_000)).chars().count(), LONGEST);
    }
}
