//! One SMTP connection: opened, secured, authenticated, and one message at a time.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Response, Severity};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::{RelayAddress, Tls};
use super::reply::{Accepted, SendError, described, kept};
use super::step::{Progress, Step};

/// How long a polite goodbye may take.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that is ready for MAIL.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    messages: u32,
}

/// What one attempt came to, and whether the connection outlived it.
pub(super) enum Outcome {
    Accepted(Accepted),
    /// Refused by a reply; the connection is as good as new.
    Refused(SendError),
    /// The connection is lost.
    Broken(SendError),
    /// A connection that had been used before was found closed, before anything was sent.
    Stale,
}

impl Connection {
    /// Connects, encrypts and authenticates as the address demands.
    pub(super) async fn open(address: &RelayAddress, progress: &Progress) -> Result<Self, SendError> {
        progress.reach(Step::Resolve);
        let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await.map_err(|error| broken(&error))?;
        let places: Vec<SocketAddr> = found.collect();
        progress.reach(Step::Connect);
        let stream = TcpStream::connect(places.as_slice()).await.map_err(|error| broken(&error))?;
        stream.set_nodelay(true).map_err(|error| broken(&error))?;
        let (local, peer) = (stream.local_addr().map_err(|error| broken(&error))?, stream.peer_addr().map_err(|error| broken(&error))?);
        let hello = address.hello_name.clone().unwrap_or_else(|| address_literal(local));

        let stream: Box<dyn AsyncTokioStream> = match address.tls {
            Tls::Implicit => {
                progress.reach(Step::Encrypt);
                Box::new(Encrypted::over(stream, address).await?)
            }
            _ => Box::new(stream),
        };
        progress.reach(Step::Hello);
        let mut smtp = AsyncSmtpConnection::connect_with_transport(stream, &hello).await.map_err(|error| unusable(&error))?;
        let encrypted = secure(&mut smtp, address, (&hello, progress)).await?;
        authenticate(&mut smtp, address, (may_authenticate(encrypted, peer.ip()), progress)).await?;
        Ok(Self { smtp, messages: 0 })
    }

    /// Messages that were tried over this connection.
    pub(super) const fn messages(&self) -> u32 {
        self.messages
    }

    /// Sends one message within `timeout`.
    pub(super) async fn send(&mut self, (envelope, message): (&Envelope, &[u8]), timeout: Duration, progress: &Progress) -> Outcome {
        let reused = self.messages > 0;
        self.messages = self.messages.saturating_add(1);
        let sent = tokio::time::timeout(timeout, self.transact(envelope, message, progress)).await;
        let dot_sent = progress.at() == Step::Reply;
        let lost = |reason: &str| Outcome::Broken(if dot_sent { SendError::unknown(reason) } else { SendError::unreachable(reason) });
        match sent {
            Err(_) => lost("the relay did not answer in time"),
            Ok(Ok(response)) => Outcome::Accepted(Accepted { reply: kept(&line(&response)) }),
            Ok(Err(End::Unexpected(response))) => lost(&format!("unexpected reply: {}", line(&response))),
            Ok(Err(End::Failed { error, first })) => match SendError::refusal(&error) {
                // 421: the relay is about to close the line.
                Some(_) if reused && first && has_code(&error, 421) => Outcome::Stale,
                Some(refusal) => self.recover(refusal, has_code(&error, 421)).await,
                None if reused && first => Outcome::Stale,
                None => lost(&described(&error)),
            },
        }
    }

    /// Says goodbye and closes.
    pub(super) async fn quit(mut self) {
        // Whatever happens here, the connection is gone.
        let _ignored = tokio::time::timeout(QUIT_TIMEOUT, self.smtp.quit()).await;
    }

    /// MAIL, RCPT, DATA and the message. [`Step::Reply`] is reached right before the final dot is written: from then on the relay may have accepted.
    async fn transact(&mut self, envelope: &Envelope, message: &[u8], progress: &Progress) -> Result<Response, End> {
        let first = |error| End::Failed { error, first: true };
        let later = |error| End::Failed { error, first: false };
        progress.reach(Step::Sender);
        self.smtp.command(Mail::new(envelope.from().cloned(), Vec::new())).await.map_err(first)?;
        progress.reach(Step::Recipient);
        for recipient in envelope.to() {
            self.smtp.command(Rcpt::new(recipient.clone(), Vec::new())).await.map_err(later)?;
        }
        progress.reach(Step::Message);
        let ready = self.smtp.command(Data).await.map_err(later)?;
        if !ready.has_code(354) {
            return Err(End::Unexpected(ready));
        }
        // lettre puts a line end before the dot. It asks for the next part, and gets none, once everything before it is written.
        let body = std::iter::once(message.strip_suffix(b"\r\n").unwrap_or(message));
        let end = std::iter::from_fn(|| {
            progress.reach(Step::Reply);
            None
        });
        let response = self.smtp.message_iter(body.chain(end)).await.map_err(later)?;
        if response.code().severity == Severity::PositiveCompletion { Ok(response) } else { Err(End::Unexpected(response)) }
    }

    /// After a refusal: back to the start of a transaction, or the connection is given up.
    async fn recover(&mut self, refusal: SendError, closing: bool) -> Outcome {
        if !closing && matches!(tokio::time::timeout(QUIT_TIMEOUT, self.smtp.command(Rset)).await, Ok(Ok(_))) {
            return Outcome::Refused(refusal);
        }
        Outcome::Broken(refusal)
    }
}

/// Why a transaction ended early.
enum End {
    /// A command failed; `first` when it was the first of its transaction.
    Failed { error: Error, first: bool },
    /// A reply that is no refusal but makes no sense here either.
    Unexpected(Response),
}

/// STARTTLS where it is offered and wanted; tells whether the line is encrypted now.
async fn secure(
    smtp: &mut AsyncSmtpConnection,
    address: &RelayAddress,
    (hello, progress): (&ClientId, &Progress),
) -> Result<bool, SendError> {
    progress.reach(Step::StartTls);
    match address.tls {
        Tls::Implicit => Ok(true),
        Tls::None => Ok(false),
        Tls::Required if !smtp.can_starttls() => Err(SendError::unreachable("the relay offers no STARTTLS, and tls=required asks for it")),
        Tls::Opportunistic if !smtp.can_starttls() => Ok(false),
        Tls::Required | Tls::Opportunistic => {
            progress.reach(Step::Encrypt);
            smtp.starttls(address.starttls.clone(), hello).await.map_err(|error| unusable(&error))?;
            Ok(true)
        }
    }
}

/// A password travels encrypted, or stays on this machine.
const fn may_authenticate(encrypted: bool, peer: IpAddr) -> bool {
    encrypted || peer.is_loopback()
}

async fn authenticate(
    smtp: &mut AsyncSmtpConnection,
    address: &RelayAddress,
    (private, progress): (bool, &Progress),
) -> Result<(), SendError> {
    let Some(credentials) = &address.credentials else { return Ok(()) };
    if !private {
        return Err(SendError::unreachable("the relay offers no STARTTLS, and the password is not sent unencrypted"));
    }
    progress.reach(Step::Authenticate);
    smtp.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await.map_err(|error| unusable(&error))?;
    Ok(())
}

/// An error before the first message: whatever the code says, it speaks of us and the relay, not of a message.
fn unusable(error: &Error) -> SendError {
    SendError::unreachable(&described(error))
}

fn broken(error: &io::Error) -> SendError {
    SendError::unreachable(&error.to_string())
}

fn has_code(error: &Error, code: u16) -> bool {
    error.status().is_some_and(|status| u16::from(status) == code)
}

fn line(response: &Response) -> String {
    let text: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), text.join(" "))
}

/// RFC 5321 section 4.1.3: who has no name gives its address.
fn address_literal(local: SocketAddr) -> ClientId {
    match local {
        SocketAddr::V4(address) => ClientId::Ipv4(*address.ip()),
        SocketAddr::V6(address) => ClientId::Ipv6(*address.ip()),
    }
}

/// A stream that was encrypted before SMTP began.
#[derive(Debug)]
struct Encrypted(TlsStream<TcpStream>);

impl Encrypted {
    async fn over(stream: TcpStream, address: &RelayAddress) -> Result<Self, SendError> {
        let connector = TlsConnector::from(address.implicit.clone());
        connector.connect(address.server_name.clone(), stream).await.map(Self).map_err(|error| broken(&error))
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_sent_unencrypted_to_this_machine_only() {
        let (here, there): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "192.0.2.7".parse().unwrap());
        assert!(may_authenticate(true, there));
        assert!(may_authenticate(false, here));
        assert!(!may_authenticate(false, there));
        // An address that only looks like this machine's to the routing table is not trusted.
        assert!(!may_authenticate(false, "::ffff:127.0.0.1".parse().unwrap()));
    }
}
