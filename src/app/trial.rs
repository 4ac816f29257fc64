//! `nabz mail test`: sends one mail as the settings say, and tells in words what became of it.

use secrecy::ExposeSecret;
use url::Url;

use super::carriers::{bounce_domain, senders};
use super::{Parts, transport};
use crate::config::{Config, MailTransport};
use crate::delivery::mail::{Mail, Mailbox};
use crate::net::smtp::{SendError, Step};

/// What became of the test.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The mail server, or the folder, has it.
    Sent(String),
    /// It was not sent, or nobody knows.
    NotSent(String),
    /// The address, or the settings, cannot be used.
    Unusable(String),
}

/// Sends a test mail to an address.
pub async fn send(config: &Config, parts: &Parts, address: &str) -> Ended {
    let to = match Mailbox::parse(address) {
        Ok(to) => to,
        Err(error) => return Ended::Unusable(format!("{address} is no address to send to: {error}")),
    };
    let (transport, (from, reply_to, _)) = match (transport(config), senders(config)) {
        (Ok(transport), Ok(senders)) => (transport, senders),
        (Err(error), _) | (_, Err(error)) => return Ended::Unusable(format!("{error:#}")),
    };
    let now = parts.clock.now();
    let mail = Mail {
        id: format!("test-{}", parts.random.uuid(now)),
        date: now,
        from,
        to,
        reply_to,
        return_path: bounce_domain(config).map(|domain| format!("bounce@{domain}")),
        subject: "A test mail from nabz".to_owned(),
        text: "This is a test. If you can read it, the settings for mail work.\n".to_owned(),
        html: "<!DOCTYPE html><html lang=\"en\"><title>A test mail from nabz</title><p>This is a test. If you can read it, the settings for mail work.</p></html>\n"
            .to_owned(),
        unsubscribe: None,
        list: None,
    };
    let sent = transport.try_to_send(&mail).await;
    transport.close().await;
    match sent {
        Ok(reply) => Ended::Sent(delivered(config, &mail, &reply)),
        Err((step, error)) => Ended::NotSent(explained(&relay(config), step, &error)),
    }
}

fn delivered(config: &Config, mail: &Mail, reply: &str) -> String {
    match config.mail.transport {
        MailTransport::Folder => format!(
            "The test mail is in {}. Nothing was sent: mail.transport is \"folder\".",
            config.mail_dir().join(format!("{}.eml", mail.id)).display()
        ),
        MailTransport::Smtp => format!(
            "{} took the test mail to {} from {}. It said: {reply}\nIf it does not arrive, look into the spam folder and into the log of that server.",
            relay(config),
            mail.to.address,
            mail.from.address
        ),
    }
}

/// Host and port of the mail server, without user and password.
fn relay(config: &Config) -> String {
    let url = Url::parse(config.mail.smtp_url.expose_secret()).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or("the mail server");
    url.as_ref().and_then(Url::port).map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What happened, what the server said, and what to change.
fn explained(relay: &str, step: Option<Step>, error: &SendError) -> String {
    let (what, hint) = step.map_or(("The test mail could not be written", "look at what it says"), |step| told(step, error));
    let said = match error {
        SendError::Temporary { reply } | SendError::Permanent { reply } => reply,
        SendError::Unreachable { reason } | SendError::Unknown { reason } => reason,
    };
    let at = if step.is_some() { format!(" ({relay})") } else { String::new() };
    format!("{what}{at}: {said}\nWhat to do: {hint}.")
}

/// A failure at a step in words, and what to do about it.
const fn told(step: Step, error: &SendError) -> (&'static str, &'static str) {
    match step {
        Step::Resolve => ("The mail server's name was not found", "check the host in mail.smtp_url, and this machine's DNS"),
        Step::Connect => (
            "The mail server cannot be connected to",
            "check host and port in mail.smtp_url (usually 587, or 465 with smtps://), that the server runs, and that no firewall is in between",
        ),
        Step::Hello => (
            "The mail server does not greet us",
            "check the port: one that expects TLS from the first byte (usually 465) needs smtps://, and some servers greet only whom they know",
        ),
        Step::StartTls => (
            "The mail server offers no TLS at this port",
            "use its port for submission (usually 587) or smtps:// and port 465; tls=none in mail.smtp_url is for a server without a password",
        ),
        Step::Encrypt => (
            "No encrypted connection with the mail server",
            "the host in mail.smtp_url must be a name in the server's certificate, which a public authority must have signed and which must not be over; \
             at a port without TLS from the first byte (usually 587 or 25) use smtp:// instead of smtps://",
        ),
        Step::Authenticate => (
            "The mail server does not accept user and password",
            "check both in mail.smtp_url (special characters percent-encoded); many providers want a password made for programs",
        ),
        Step::Sender => (
            "The mail server does not accept the sender",
            "mail.from must be an address that this server may send for; without user and password in mail.smtp_url it may send for nobody",
        ),
        Step::Recipient => (
            "The mail server does not accept the recipient",
            "check the address; a server that sends nowhere else wants user and password in mail.smtp_url",
        ),
        Step::Message => {
            ("The mail server does not want the mail", "its reply says why; try again later where it is a number beginning with 4")
        }
        Step::Reply => match error {
            SendError::Unknown { .. } => {
                ("Nobody knows whether the mail server took the mail", "look whether it arrives; its answer was lost")
            }
            _ => ("The mail server refused the mail", "its reply says why; often it is the sender's domain, or what the mail says"),
        },
    }
}
