//! Reads what mail servers send back: delivery reports (RFC 3464) and complaints (RFC 5965), whoever wrote or forwarded them. Pure.

use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};

use super::fields::{self, Fields};
use super::status::{self, Status};
use super::{Kind, Said};

/// A report within a report within a report is as deep as it gets.
const DEEPEST: usize = 4;
/// Fields of a header that name whom the message that they stand over was for, or came from.
const MARKED: [&str; 9] =
    ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "Return-Path", "To", "Cc", "X-Failed-Recipients"];
/// Fields of a report that do.
const REPORTED: [&str; 5] = ["Original-Recipient", "Original-Mail-From", "X-Postfix-Sender", "X-Sender", "Return-Path"];
/// What the subject of an automatic answer begins with, in lower case.
const AUTOMATIC: [&str; 6] = ["automatic reply", "auto:", "autoreply", "auto-reply", "out of office", "automatische antwort"];

/// What a message turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// A report; whether it is to be believed is another question.
    Report(Box<Report>),
    /// Something that is sent automatically and says nothing about delivery; why.
    Ignored(&'static str),
    /// A message that may be a report but is none in the forms that are read here.
    Unreadable,
}

/// A report about one of our messages, perhaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it says.
    pub said: Said,
    /// Every address in it that may carry our mark.
    pub marks: Vec<String>,
    /// The Message-ID of the message it is about.
    pub message_id: Option<String>,
    /// Its own Message-ID.
    pub own_id: Option<String>,
}

/// What is found in a message and the messages in it.
#[derive(Default)]
struct Found {
    /// Headers with how deep they lie.
    heads: Vec<(usize, Fields)>,
    /// The groups of a delivery report; those of the outermost one.
    delivery: Vec<Fields>,
    /// The fields of a complaint.
    complaint: Vec<Fields>,
}

/// Reads a message.
#[must_use]
pub fn read(bytes: &[u8]) -> Read {
    let mut found = Found::default();
    let own = fields::header(bytes);
    let own_id = own.first("Message-ID").map(ToOwned::to_owned);
    let is_automatic = is_automatic(&own);
    found.heads.push((0, own));
    if let Some(message) = MessageParser::default().parse(bytes) {
        found.look(&message, 0);
    }
    let said = match (found.complaint.first(), found.delivery.is_empty()) {
        (Some(complaint), _) => complained(complaint),
        (None, false) => failed(&found.delivery),
        (None, true) if is_automatic => return Read::Ignored("an automatic answer says nothing about delivery"),
        (None, true) => return Read::Unreadable,
    };
    match said {
        Some(said) => Read::Report(Box::new(Report { said, marks: found.marks(), message_id: found.message_id(), own_id })),
        None => Read::Ignored("the report tells of no failure"),
    }
}

impl Found {
    fn look(&mut self, message: &Message<'_>, depth: usize) {
        let (mut delivery, mut complaint, mut within) = (Vec::new(), Vec::new(), Vec::new());
        for part in &message.parts {
            let kind = part.content_type().map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_lowercase());
            let groups = || fields::groups(&String::from_utf8_lossy(part.contents()));
            match (kind.as_deref(), &part.body) {
                (Some("message/delivery-status" | "message/global-delivery-status"), _) => delivery.extend(groups()),
                (Some("message/feedback-report"), _) => complaint.extend(groups()),
                (_, PartType::Message(inner)) => {
                    self.heads.push((depth + 1, fields::header(inner.raw_message())));
                    within.push(inner);
                }
                (Some("text/rfc822-headers" | "message/global-headers" | "message/rfc822" | "message/global"), _) => {
                    self.heads.push((depth + 1, fields::header(part.contents())));
                }
                _ => {}
            }
        }
        // What is reported about the message that a report encloses is not what the report says.
        if self.delivery.is_empty() && self.complaint.is_empty() {
            (self.delivery, self.complaint) = (delivery, complaint);
        }
        if depth < DEEPEST {
            for inner in within {
                self.look(inner, depth + 1);
            }
        }
    }

    fn marks(&self) -> Vec<String> {
        let headers = self.heads.iter().flat_map(|(_, head)| MARKED.iter().flat_map(|name| head.all(name)));
        let reported = self.delivery.iter().chain(&self.complaint).flat_map(|group| REPORTED.iter().flat_map(|name| group.all(name)));
        let separates = |character: char| character.is_whitespace() || "<>(),;:\"'[]".contains(character);
        let words = headers.chain(reported).flat_map(|value| value.split(separates)).filter(|word| word.contains('@'));
        let mut marks: Vec<String> = words.map(ToOwned::to_owned).collect();
        marks.dedup();
        marks
    }

    /// The innermost message is what the report is about.
    fn message_id(&self) -> Option<String> {
        let (_, innermost) = self.heads.iter().filter(|(depth, _)| *depth > 0).max_by_key(|(depth, _)| *depth)?;
        innermost.first("Message-ID").map(ToOwned::to_owned)
    }
}

/// Whether a message without a report is one that a program sent by itself, such as a note of absence (RFC 3834).
fn is_automatic(head: &Fields) -> bool {
    let subject = head.first("Subject").unwrap_or_default().to_lowercase();
    let submitted = head.first("Auto-Submitted").unwrap_or("no").to_lowercase();
    let from = head.first("From").unwrap_or_default().to_lowercase();
    let is_of_a_server = from.contains("mailer-daemon") || from.contains("postmaster");
    let says_so = submitted.starts_with("auto-replied") || head.first("X-Autoreply").is_some() || head.first("X-Autorespond").is_some();
    !is_of_a_server && (says_so || AUTOMATIC.iter().any(|words| subject.starts_with(words)))
}

/// What a complaint says. A report that a message is no spam, or that a signature failed (RFC 6591), is none.
fn complained(complaint: &Fields) -> Option<Said> {
    let kind = complaint.first("Feedback-Type").unwrap_or("abuse").to_lowercase();
    let is_complaint = ["abuse", "fraud", "virus", "other", "opt-out", "opt-out-list", "miscategorized"].contains(&kind.as_str());
    is_complaint.then(|| Said { kind: Kind::Complaint, status: None, reply: format!("feedback report: {kind}"), domain: None })
}

/// What a delivery report says. Of several recipients (an alias, a list) the mildest counts, so that one bad member suppresses nobody else.
fn failed(groups: &[Fields]) -> Option<Said> {
    let is_recipient = |group: &&Fields| ["Action", "Status", "Final-Recipient"].iter().any(|name| group.first(name).is_some());
    let said: Vec<Option<Said>> = groups.iter().filter(is_recipient).map(recipient).collect();
    // Somebody got it.
    if said.iter().any(Option::is_none) { None } else { said.into_iter().flatten().min_by_key(|said| said.kind) }
}

/// What a report says of one recipient; `None` where the message arrived.
fn recipient(group: &Fields) -> Option<Said> {
    let reply = without_type(group.first("Diagnostic-Code").unwrap_or_default());
    let status = status::told(group.first("Status").and_then(Status::parse), reply);
    let action = group.first("Action").unwrap_or_default().to_lowercase();
    let action = action.split([' ', '(', ';']).next().unwrap_or_default();
    let kind = match (action, status) {
        ("delayed", _) => Kind::Delayed,
        ("delivered" | "relayed" | "expanded", _) | (_, Some(Status { class: 2, .. })) => return None,
        _ => status::classify(status, reply),
    };
    let address = group.first("Final-Recipient").or_else(|| group.first("Original-Recipient")).map(without_type);
    let domain = address.and_then(|address| address.trim_matches(['<', '>']).rsplit_once('@')).map(|(_, domain)| domain.to_lowercase());
    Some(Said { kind, status, reply: reply.to_owned(), domain })
}

/// The value behind its type: `smtp; 550 …`, `rfc822; sara@example.com`.
fn without_type(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, rest)) if !kind.trim().contains(char::is_whitespace) => rest.trim(),
        _ => value.trim(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    macro_rules! samples {
        ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../../../tests/bounces/", $name, ".eml")))),+] };
    }

    const SAMPLES: [(&str, &str); 20] = samples![
        "postfix-5.1.1",
        "postfix-delayed",
        "exim-5.0.0",
        "microsoft365-5.1.10",
        "exchange-5.4.1",
        "gmail-5.1.1",
        "amazon-5.2.2",
        "postfix-4.2.2",
        "gmail-5.7.26",
        "policy-5.7.1",
        "disabled-5.2.1",
        "yahoo-complaint",
        "alias-two-members",
        "forwarded-5.1.1",
        "no-original",
        "dmarc-failure",
        "delivered",
        "vacation",
        "qmail",
        "empty",
    ];

    fn sample(name: &str) -> &'static str {
        SAMPLES.iter().find(|(own, _)| *own == name).unwrap().1
    }

    #[test]
    fn what_servers_send_is_understood() {
        for (name, kind, status, words) in [
            ("postfix-5.1.1", Kind::Hard, "5.1.1", "Recipient address rejected: User unknown in virtual mailbox table"),
            ("postfix-delayed", Kind::Delayed, "4.4.1", "192.0.2.25]:25: Connection timed out"),
            ("exim-5.0.0", Kind::Hard, "5.1.1", "does not exist"),
            ("microsoft365-5.1.10", Kind::Hard, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient"),
            ("exchange-5.4.1", Kind::Hard, "5.4.1", "Access denied"),
            ("gmail-5.1.1", Kind::Hard, "5.1.1", "unnecessary spaces"),
            ("amazon-5.2.2", Kind::Soft, "5.2.2", "over quota"),
            ("postfix-4.2.2", Kind::Soft, "4.2.2", "Mailbox full"),
            ("gmail-5.7.26", Kind::Policy, "5.7.26", "SPF or DKIM"),
            ("policy-5.7.1", Kind::Policy, "5.7.1", "blocked using"),
            ("disabled-5.2.1", Kind::Hard, "5.2.1", ""),
            ("alias-two-members", Kind::Soft, "5.2.2", ""),
            ("forwarded-5.1.1", Kind::Hard, "5.1.1", "User unknown"),
        ] {
            for text in [sample(name).to_owned(), sample(name).replace('\n', "\r\n")] {
                let Read::Report(report) = read(text.as_bytes()) else { panic!("{name} is no report") };
                assert_eq!((report.said.kind, report.said.status), (kind, Status::parse(status)), "{name}");
                assert!(report.said.reply.contains(words), "{name}: {}", report.said.reply);
                assert_eq!(report.said.domain.as_deref(), Some("example.com"), "{name}");
                assert_eq!(report.message_id.as_deref(), Some("<INVITATION@acme.example>"), "{name}");
                assert!(report.marks.iter().any(|mark| mark == "bounce+TOKEN@bounce.acme.example"), "{name}: {:?}", report.marks);
            }
        }
    }

    #[test]
    fn a_complaint_is_one_and_names_who_sent_the_message() {
        let Read::Report(report) = read(sample("yahoo-complaint").as_bytes()) else { panic!("no report") };
        assert_eq!((report.said.kind, report.said.status), (Kind::Complaint, None));
        assert!(report.marks.iter().any(|mark| mark == "bounce+TOKEN@bounce.acme.example"));
        let only_field = sample("yahoo-complaint").replace("Return-Path: <bounce+TOKEN@", "Return-Path: <other@");
        let Read::Report(report) = read(only_field.as_bytes()) else { panic!("no report") };
        assert!(report.marks.iter().any(|mark| mark == "bounce+TOKEN@bounce.acme.example"), "{:?}", report.marks);
    }

    #[test]
    fn what_says_nothing_about_delivery_is_told_from_what_cannot_be_read() {
        for name in ["dmarc-failure", "delivered", "vacation"] {
            assert!(matches!(read(sample(name).as_bytes()), Read::Ignored(_)), "{name}");
        }
        for text in [sample("qmail"), sample("empty"), "", "\0", "hello", "To: a@b\n\nhello"] {
            assert_eq!(read(text.as_bytes()), Read::Unreadable, "{text:?}");
        }
        let Read::Report(report) = read(sample("no-original").as_bytes()) else { panic!("no report") };
        assert_eq!(report.message_id, None);
        assert!(!report.marks.iter().any(|mark| mark.starts_with("bounce+")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_damaged_report_is_read(which in 0..SAMPLES.len(), cut in 0_usize..4000, at in 0_usize..4000, noise in prop::collection::vec(any::<u8>(), 0..20)) {
            let mut bytes = SAMPLES[which].1.as_bytes().to_vec();
            bytes.truncate(cut);
            let at = at.min(bytes.len());
            bytes.splice(at..at, noise);
            let _ = read(&bytes);
        }

        #[test]
        fn a_report_within_reports_is_read(depth in 0_usize..12) {
            let mut text = sample("postfix-5.1.1").to_owned();
            for level in 0..depth {
                text = format!("To: a@b\nContent-Type: multipart/mixed; boundary=\"b{level}\"\n\n--b{level}\nContent-Type: message/rfc822\n\n{text}\n--b{level}--\n");
            }
            let is_report = matches!(read(text.as_bytes()), Read::Report(_));
            prop_assert_eq!(is_report, depth <= DEEPEST, "{}", depth);
        }
    }
}
