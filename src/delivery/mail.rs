//! A mail as plain data, and its bytes.

use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};
use lettre::{Address, Message};
use url::Host;

use crate::clock::Timestamp;
use crate::delivery::harmless::{line, lines, token};
use crate::net::smtp::SendError;

/// The longest display name and the longest subject, in characters.
const LONGEST_NAME: usize = 100;
const LONGEST_SUBJECT: usize = 200;

/// A name and an address, as in `Acme <survey@acme.example>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The name shown beside the address.
    pub name: Option<String>,
    /// `local@domain`.
    pub address: String,
}

/// An address that no mail can be sent to or from. The text does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not of the form `local@domain`.
    #[error("not a mail address")]
    Malformed,
    /// A local part with letters beyond ASCII, which most relays refuse (SMTPUTF8). Domains may have them.
    #[error("the part before the @ has letters beyond ASCII")]
    LocalPart,
}

impl Mailbox {
    /// Reads `Acme <survey@acme.example>` or `survey@acme.example`.
    ///
    /// # Errors
    /// When it holds no address that mail can be sent to.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let parsed: lettre::message::Mailbox = text.parse().map_err(|_| AddressError::Malformed)?;
        let mailbox = Self { name: parsed.name, address: parsed.email.to_string() };
        mailbox.checked()?;
        Ok(mailbox)
    }

    /// The part after the `@`, in ASCII.
    ///
    /// # Errors
    /// When the address is none.
    pub fn domain(&self) -> Result<String, AddressError> {
        Ok(checked_address(&self.address)?.domain().to_owned())
    }

    fn checked(&self) -> Result<lettre::message::Mailbox, AddressError> {
        let name = self.name.as_deref().map(|name| line(name, LONGEST_NAME)).filter(|name| !name.is_empty());
        Ok(lettre::message::Mailbox::new(name, checked_address(&self.address)?))
    }
}

/// One message to one person, as plain data. Values come from customers and help desks: whatever they hold, they end up as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The local id: file name, and the left half of the Message-ID. The same for every attempt.
    pub id: String,
    /// The instant in the Date header.
    pub date: Timestamp,
    /// Who asks.
    pub from: Mailbox,
    /// Who is asked.
    pub to: Mailbox,
    /// Where an answer by mail goes, when not to `from`.
    pub reply_to: Option<Mailbox>,
    /// Where reports about the message go, when not to `from`: the envelope's sender.
    pub return_path: Option<String>,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// The address behind unsubscribing; with one click where it is https, as RFC 8058 demands.
    pub unsubscribe: Option<String>,
    /// What the List-Id names (RFC 2919), before the domain of `from`: a survey's slug.
    pub list: Option<String>,
}

impl Mail {
    /// The Message-ID: stable, so that a second delivery of the same mail can be recognised.
    ///
    /// # Errors
    /// When `from` has no valid address.
    pub fn message_id(&self) -> Result<String, AddressError> {
        Ok(format!("<{}@{}>", token(&self.id), self.from.domain()?))
    }

    /// The bytes as they leave: ASCII, CRLF line ends, the same for every attempt.
    ///
    /// # Errors
    /// `Permanent` when an address cannot be written in a mail.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SendError> {
        self.sealed().map(|(_, bytes)| bytes)
    }

    /// The envelope and the bytes.
    pub(super) fn sealed(&self) -> Result<(Envelope, Vec<u8>), SendError> {
        let message = self.message()?;
        let sender = checked_address(self.return_path.as_ref().unwrap_or(&self.from.address));
        let sender = sender.map_err(|error| SendError::permanent(&format!("return path: {error}")))?;
        let envelope = Envelope::new(Some(sender), message.envelope().to().to_vec());
        Ok((envelope.map_err(|error| SendError::permanent(&error.to_string()))?, message.formatted()))
    }

    fn message(&self) -> Result<Message, SendError> {
        let unusable = |whose: &str, error: AddressError| SendError::permanent(&format!("{whose}: {error}"));
        let domain = self.from.domain().map_err(|error| unusable("sender's address", error))?;
        let mut builder = Message::builder()
            .date(system_time(self.date))
            .from(self.from.checked().map_err(|error| unusable("sender's address", error))?)
            .to(self.to.checked().map_err(|error| unusable("customer's address", error))?)
            .subject(line(&self.subject, LONGEST_SUBJECT))
            .message_id(Some(self.message_id().map_err(|error| unusable("sender's address", error))?));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.checked().map_err(|error| unusable("reply address", error))?);
        }
        if let Some(unsubscribe) = &self.unsubscribe {
            builder = builder.raw_header(ascii_header("List-Unsubscribe", format!("<{}>", token(unsubscribe))));
            if unsubscribe.starts_with("https://") {
                builder = builder.raw_header(ascii_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
            }
        }
        if let Some(list) = &self.list {
            builder = builder.raw_header(ascii_header("List-Id", format!("<{}.{domain}>", token(list))));
        }
        let (text, html) = (lines(&self.text), lines(&self.html));
        let parts = MultiPart::alternative()
            .boundary(boundary(&self.id, [&text, &html]))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(html));
        builder
            .raw_header(ascii_header("Auto-Submitted", "auto-generated".to_owned()))
            .multipart(parts)
            .map_err(|error| SendError::permanent(&error.to_string()))
    }
}

/// An address with an ASCII domain and an ASCII local part; domains in other scripts are converted (IDNA).
fn checked_address(text: &str) -> Result<Address, AddressError> {
    let (local, domain) = text.trim().rsplit_once('@').ok_or(AddressError::Malformed)?;
    if text.chars().any(char::is_control) {
        return Err(AddressError::Malformed);
    }
    if !local.is_ascii() {
        return Err(AddressError::LocalPart);
    }
    let domain = if domain.is_ascii() { domain.to_owned() } else { Host::parse(domain).map_err(|_| AddressError::Malformed)?.to_string() };
    Address::new(local, domain).map_err(|_| AddressError::Malformed)
}

fn ascii_header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

/// The same for every attempt, and in neither part. At most 70 characters (RFC 2046).
fn boundary(id: &str, parts: [&str; 2]) -> String {
    let id: String = token(id).chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    let mut boundary = format!("=_nabz_{id}");
    for number in 0_u32.. {
        if !parts.iter().any(|part| part.contains(&boundary)) {
            break;
        }
        boundary = format!("=_nabz_{id}_{number}");
    }
    boundary
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            id: "0198c0de-0000-7000-8000-000000000001".to_owned(),
            date: Timestamp::parse("2026-11-20T08:30:05Z").unwrap(),
            from: Mailbox::parse("Acme <survey@acme.example>").unwrap(),
            to: Mailbox { name: None, address: "sara@example.com".to_owned() },
            reply_to: None,
            return_path: None,
            subject: "How did we do?".to_owned(),
            text: "Hello\n".to_owned(),
            html: "<p>Hello</p>\n".to_owned(),
            unsubscribe: Some("https://nabz.example/u/abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwx".to_owned()),
            list: Some("support".to_owned()),
        }
    }

    /// Header fields in order, unfolded; and the rest.
    fn read(bytes: &[u8]) -> (Vec<(String, String)>, String) {
        let text = std::str::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let fields = head
            .replace("\r\n ", " ")
            .split("\r\n")
            .map(|field| field.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        (fields, body.to_owned())
    }

    const NAMES: [&str; 11] = [
        "Date",
        "From",
        "To",
        "Subject",
        "Message-ID",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "List-Id",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    ];

    #[test]
    fn every_header_that_mailbox_providers_ask_for_is_there() {
        let (fields, _) = read(&mail().to_bytes().unwrap());
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            fields,
            [
                ("Date", "Fri, 20 Nov 2026 08:30:05 +0000"),
                ("From", "Acme <survey@acme.example>"),
                ("To", "sara@example.com"),
                ("Subject", "How did we do?"),
                ("Message-ID", "<0198c0de-0000-7000-8000-000000000001@acme.example>"),
                ("List-Unsubscribe", "<https://nabz.example/u/abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwx>"),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
                ("List-Id", "<support.acme.example>"),
                ("Auto-Submitted", "auto-generated"),
                ("MIME-Version", "1.0"),
                ("Content-Type", "multipart/alternative; boundary=\"=_nabz_0198c0de000070008000000000000001\""),
            ]
        );
    }

    #[test]
    fn answers_go_to_an_address_of_their_own_and_one_click_needs_https() {
        let mut mail = mail();
        mail.reply_to = Some(Mailbox::parse("Acme help <help@acme.example>").unwrap());
        mail.unsubscribe = Some("http://localhost:8080/u/abc".to_owned());
        let (fields, _) = read(&mail.to_bytes().unwrap());
        let value = |name: &str| fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        assert_eq!(value("Reply-To"), Some("\"Acme help\" <help@acme.example>"));
        assert_eq!(value("From"), Some("Acme <survey@acme.example>"));
        assert_eq!(value("List-Unsubscribe"), Some("<http://localhost:8080/u/abc>"));
        assert_eq!(value("List-Unsubscribe-Post"), None);
    }

    #[test]
    fn the_same_mail_has_the_same_bytes_every_time() {
        assert_eq!(mail().to_bytes().unwrap(), mail().to_bytes().unwrap());
    }

    #[test]
    fn no_value_can_add_a_header_a_line_or_a_part() {
        let attacks = [
            "x\r\nBcc: victim@example.net",
            "x\nBcc: victim@example.net\n\nbody",
            "x\rBcc: victim@example.net",
            "x\0\u{b}\u{c}\u{85}\u{2028}Bcc: victim@example.net",
            "\"x\" <victim@example.net>, ",
            "=?utf-8?b?DQpCY2M6IHZpY3RpbUBleGFtcGxlLm5ldA==?=",
            "سارا\r\nBcc: victim@example.net",
            "\r\n.\r\nMAIL FROM:<evil@example.net>\r\n",
            "\r\n--=_nabz_0198c0de000070008000000000000001\r\nContent-Type: text/html\r\n\r\nevil",
        ];
        for attack in attacks {
            let mut mail = mail();
            attack.clone_into(&mut mail.subject);
            attack.clone_into(&mut mail.text);
            attack.clone_into(&mut mail.html);
            mail.to.name = Some(attack.to_owned());
            mail.from.name = Some(attack.to_owned());
            mail.unsubscribe = Some(format!("https://nabz.example/u/{attack}"));
            mail.list = Some(attack.to_owned());
            let bytes = mail.to_bytes().unwrap();
            assert!(bytes.is_ascii() && !bytes.contains(&0), "{attack:?}");
            let lines = String::from_utf8(bytes.clone()).unwrap();
            assert_eq!(lines.matches('\n').count(), lines.matches("\r\n").count(), "bare LF: {attack:?}");
            assert_eq!(lines.matches('\r').count(), lines.matches("\r\n").count(), "bare CR: {attack:?}");
            assert!(lines.split("\r\n").all(|line| line.len() <= 998), "{attack:?}");
            let (fields, body) = read(&bytes);
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, NAMES, "{attack:?}");
            assert_eq!(fields[2].1.matches('@').count(), fields[2].1.matches("sara@example.com").count() + quoted_at_signs(&fields[2].1));
            let delimiter = fields[10].1.split('"').nth(1).map(|boundary| format!("--{boundary}")).unwrap();
            let last = format!("{delimiter}--");
            let delimiters: Vec<&str> = body.split("\r\n").filter(|line| line.starts_with(&delimiter)).collect();
            assert_eq!(delimiters, [&delimiter, &delimiter, &last], "{attack:?}");
        }
    }

    /// At signs inside a quoted display name, where they are only text.
    fn quoted_at_signs(field: &str) -> usize {
        field.rsplit_once('"').map_or(0, |(name, _)| name.matches('@').count())
    }

    #[test]
    fn reports_about_a_message_go_where_the_return_path_says_and_the_sender_stays() {
        let envelope_sender = |mail: &Mail| mail.sealed().unwrap().0.from().map(ToString::to_string);
        let mut mail = mail();
        assert_eq!(envelope_sender(&mail).as_deref(), Some("survey@acme.example"));
        let usual = mail.to_bytes().unwrap();
        mail.return_path = Some("bounce+abc@bounce.acme.example".to_owned());
        assert_eq!(envelope_sender(&mail).as_deref(), Some("bounce+abc@bounce.acme.example"));
        assert_eq!(mail.to_bytes().unwrap(), usual, "headers do not tell it");
        mail.return_path = Some("nobody".to_owned());
        assert_eq!(mail.to_bytes(), Err(SendError::permanent("return path: not a mail address")));
    }

    #[test]
    fn a_domain_in_another_script_is_converted() {
        let mut mail = mail();
        mail.to.address = "sara@bücher.example".to_owned();
        let (fields, _) = read(&mail.to_bytes().unwrap());
        assert_eq!(fields[2].1, "sara@xn--bcher-kva.example");
    }

    #[test]
    fn a_very_long_name_is_cut_and_folded() {
        let mut mail = mail();
        mail.to.name = Some("سارا ".repeat(5_000));
        mail.subject = "موضوع ".repeat(5_000);
        let bytes = mail.to_bytes().unwrap();
        assert!(bytes.len() < 6_000, "{}", bytes.len());
        assert!(String::from_utf8(bytes).unwrap().split("\r\n").all(|line| line.len() <= 998));
    }
}
