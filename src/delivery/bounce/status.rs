//! What the codes of a report mean for an address: enhanced status codes (RFC 3463 and their registry at IANA), replies (RFC 5321, 4.2.3), and the
//! words that servers use where their code says nothing. Pure.

use super::Kind;

/// An enhanced status code: class, subject and detail (RFC 3463, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// What it is about: 1 the address, 2 the mailbox, 3 the system, 4 the network, 5 the protocol, 6 the content, 7 policy; 0 anything.
    pub subject: u16,
    /// Which of its kind; 0 where no other fits.
    pub detail: u16,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl Status {
    /// Reads the code that a text begins with, such as `5.1.1 (bad destination)`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.trim_start().split(|character: char| !character.is_ascii_digit() && character != '.').next()?;
        let mut parts = word.trim_end_matches('.').split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let is_code = parts.next().is_none() && ["2", "4", "5"].contains(&class) && [subject, detail].iter().all(|part| part.len() <= 3);
        is_code.then(|| Some(Self { class: class.parse().ok()?, subject: subject.parse().ok()?, detail: detail.parse().ok()? }))?
    }

    /// The first code anywhere in what a server replied.
    #[must_use]
    pub fn find(reply: &str) -> Option<Self> {
        reply
            .split(|character: char| character.is_whitespace() || "()[]<>,;:#-\"'".contains(character))
            .find_map(|word| Self::parse(word).filter(|_| word.starts_with(['2', '4', '5'])))
    }

    /// The code that a bare reply such as `550 no such user` stands for.
    fn of_reply(reply: &str) -> Option<Self> {
        let number = reply.split(|character: char| !character.is_ascii_digit()).find(|word| word.len() == 3)?;
        let (subject, detail) = match number {
            "552" | "452" => (2, 2),
            "511" | "553" => (1, 3),
            "551" => (1, 6),
            _ => (0, 0),
        };
        let class = number.chars().next()?.to_digit(10).and_then(|class| u8::try_from(class).ok())?;
        [2, 4, 5].contains(&class).then_some(Self { class, subject, detail })
    }

    /// Whether it says no more than that something failed.
    const fn is_vague(self) -> bool {
        self.subject == 0 || self.detail == 0
    }
}

/// The most telling code of a report: what it names as its status, unless what the server replied says more.
#[must_use]
pub fn told(status: Option<Status>, reply: &str) -> Option<Status> {
    let replied = Status::find(reply);
    match (status, replied) {
        (Some(status), Some(replied)) if status.is_vague() && status.class == replied.class => Some(replied),
        (Some(status), _) => Some(status),
        (None, Some(replied)) => Some(replied),
        (None, None) => Status::of_reply(reply),
    }
}

/// What servers say of a mailbox that is not there, in lower case.
const UNKNOWN: [&str; 23] = [
    "user unknown",
    "unknown user",
    "unknown recipient",
    "unknown address",
    "no such user",
    "no such recipient",
    "no such mailbox",
    "no such address",
    "no mailbox here",
    "user not found",
    "recipient not found",
    "mailbox not found",
    "mailbox unavailable",
    "mailbox does not exist",
    "account does not exist",
    "does not exist",
    "doesn't have a",
    "invalid recipient",
    "invalid mailbox",
    "address rejected: access denied",
    "account has been disabled",
    "account is disabled",
    "mailbox disabled",
];
/// What they say of a full one.
const FULL: [&str; 6] = ["mailbox full", "mailbox is full", "over quota", "quota exceeded", "exceeded storage", "out of storage"];
/// What they say when they will not take mail from us.
const REFUSED: [&str; 9] = ["spam", "blocked", "blacklist", "blocklist", "block list", "reputation", "dmarc", "spf", "policy"];
/// What they say of a domain that is not there.
const NO_DOMAIN: [&str; 5] = ["domain not found", "domain does not exist", "host unknown", "host not found", "name service error"];

/// What a failure means.
///
/// `Hard` is what speaks of the address itself (subject 1 but for the two codes about the sender, a mailbox that is disabled), `Policy` what speaks
/// of us or of the message (subjects 5, 6 and 7, a message that is too long), `Soft` everything that may pass, and every permanent failure that
/// does not say why. Words decide only where the code leaves it open.
#[must_use]
pub fn classify(status: Option<Status>, reply: &str) -> Kind {
    let reply = reply.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| reply.contains(word));
    let Some(Status { class, subject, detail }) = status else {
        return by_words(&says);
    };
    if class != 5 {
        return Kind::Soft;
    }
    match (subject, detail) {
        // The sender's address has bad syntax, or the sender's system is unknown.
        (1, 7 | 8) => Kind::Policy,
        // The address is valid; the mailbox is full, or a list could not be expanded.
        (1, 5) | (2, 2 | 4) => Kind::Soft,
        // Mailbox disabled; routing: nobody knows the way to the domain.
        (1, _) | (2, 1) | (4, 4 | 310) => Kind::Hard,
        // The message is too long for the mailbox or for the system.
        (2 | 3, 3 | 4) => Kind::Policy,
        (2, _) if says(&FULL) => Kind::Soft,
        // Exchange refuses addresses that its directory does not have as 5.4.1; others say "mailbox unavailable" as 5.5.0.
        (0 | 2 | 4 | 5, _) if says(&UNKNOWN) || says(&NO_DOMAIN) => Kind::Hard,
        (5..=7, _) => Kind::Policy,
        (0, _) => by_words(&says),
        _ => Kind::Soft,
    }
}

fn by_words(says: &impl Fn(&[&str]) -> bool) -> Kind {
    if says(&FULL) {
        Kind::Soft
    } else if says(&UNKNOWN) || says(&NO_DOMAIN) {
        Kind::Hard
    } else if says(&REFUSED) {
        Kind::Policy
    } else {
        Kind::Soft
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_mean_what_the_registry_says() {
        for (code, reply, kind) in [
            ("5.1.1", "550 user unknown", Kind::Hard),
            ("5.1.2", "", Kind::Hard),
            ("5.1.10", "recipient has a null MX", Kind::Hard),
            ("5.1.0", "", Kind::Hard),
            ("5.1.8", "sender domain not found", Kind::Policy),
            ("5.2.1", "disabled", Kind::Hard),
            ("5.2.2", "does not exist in time", Kind::Soft),
            ("5.2.0", "mailbox full", Kind::Soft),
            ("5.2.3", "too big", Kind::Policy),
            ("5.3.4", "too big", Kind::Policy),
            ("5.3.0", "", Kind::Soft),
            ("5.4.1", "Recipient address rejected: Access denied", Kind::Hard),
            ("5.4.1", "no answer from host", Kind::Soft),
            ("5.4.4", "", Kind::Hard),
            ("5.4.7", "expired", Kind::Soft),
            ("5.5.0", "Requested action not taken: mailbox unavailable", Kind::Hard),
            ("5.5.2", "", Kind::Policy),
            ("5.6.1", "", Kind::Policy),
            ("5.7.1", "user unknown, or so we say", Kind::Policy),
            ("5.7.26", "", Kind::Policy),
            ("5.0.0", "user unknown", Kind::Hard),
            ("5.0.0", "over quota", Kind::Soft),
            ("5.0.0", "blocked", Kind::Policy),
            ("5.0.0", "", Kind::Soft),
            ("4.2.2", "over quota", Kind::Soft),
            ("4.7.1", "greylisted", Kind::Soft),
            ("4.1.1", "user unknown", Kind::Soft),
        ] {
            assert_eq!(classify(Status::parse(code), reply), kind, "{code} {reply}");
        }
        assert_eq!(classify(None, "550 No such user here"), Kind::Hard);
        assert_eq!(classify(None, ""), Kind::Soft);
    }

    #[test]
    fn the_server_is_asked_where_the_report_says_nothing() {
        let status = |text| Status::parse(text);
        for (code, reply, most_telling) in [
            ("5.0.0", "smtp; 550 5.1.1 <sara@example.com> unknown", "5.1.1"),
            ("5.0.0", "smtp; 550-5.1.1 The account does not exist", "5.1.1"),
            ("5.7.1", "smtp; 550 5.1.1 unknown", "5.7.1"),
            ("4.0.0", "smtp; 550 5.1.1 unknown", "4.0.0"),
            ("", "smtp; 550 #5.1.0 Address rejected.", "5.1.0"),
            ("", "552 mailbox full", "5.2.2"),
            ("", "451 try later", "4.0.0"),
            ("5.1.1 (bad destination mailbox address)", "", "5.1.1"),
        ] {
            assert_eq!(told(status(code), reply), status(most_telling), "{code} {reply}");
        }
        assert_eq!(told(None, "connection timed out"), None);
        for bad in ["", "5", "5.1", "5.1.1.1", "6.1.1", "5.1111.1", "5..1", "x5.1.1", "192.0.2.1"] {
            assert_eq!(status(bad), None, "{bad}");
        }
        assert_eq!(Status::find("refused by 5.9.8.7 on 203.0.113.9, 5.1.1"), status("5.1.1"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(class in prop::sample::select(vec![2_u8, 4, 5]), subject in 0_u16..1000, detail in 0_u16..1000) {
            let status = Status { class, subject, detail };
            prop_assert_eq!(Status::parse(&status.to_string()), Some(status));
            prop_assert_eq!(Status::find(&format!("smtp;550-{status} no")), Some(status));
        }

        #[test]
        fn any_reply_is_judged_and_no_transient_failure_is_hard(reply in ".{0,200}", subject in 0_u16..8, detail in 0_u16..400) {
            let _ = classify(told(None, &reply), &reply);
            prop_assert_eq!(classify(Some(Status { class: 4, subject, detail }), &reply), Kind::Soft);
            prop_assert_eq!(classify(Some(Status { class: 5, subject: 7, detail }), &reply), Kind::Policy);
        }
    }
}
