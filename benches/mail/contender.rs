//! The three that send: our relay, lettre's own pool, and a bare socket loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lettre::address::Envelope;
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use nabz::net::smtp::{Options, SmtpRelay};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::sink::Sink;

/// Whoever sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// What the product does.
    Ours,
    /// lettre's transport with its own pool.
    Lettre,
    /// Commands and message written to a socket, replies read and not looked at: the least that SMTP costs.
    Bare,
}

/// One that is ready to send.
#[derive(Clone)]
enum Sender {
    Ours(SmtpRelay),
    Lettre(AsyncSmtpTransport<Tokio1Executor>),
    Bare,
}

/// Messages a second over so many connections.
pub async fn rate(
    kind: Contender,
    (connections, sink): (usize, &Sink),
    bytes: &[u8],
    (warm, measured): (Duration, Duration),
) -> Result<f64> {
    let sender = match kind {
        Contender::Ours => {
            let options = Options { max_connections: connections, max_messages: u32::MAX, ..Options::default() };
            Sender::Ours(SmtpRelay::from_url(&format!("smtp://{}?tls=none", sink.address), options)?)
        }
        Contender::Lettre => {
            let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(sink.address.ip().to_string()).port(sink.address.port());
            Sender::Lettre(builder.pool_config(PoolConfig::new().max_size(u32::try_from(connections)?)).build())
        }
        Contender::Bare => Sender::Bare,
    };
    let (counts, is_over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (sender, bytes, address) = (sender.clone(), bytes.to_vec(), sink.address);
        let (counts, is_over, sent) = (Arc::clone(&counts), Arc::clone(&is_over), Arc::clone(&sent));
        tasks.spawn(async move {
            let envelope = Envelope::new(Some("survey@acme.example".parse()?), vec!["sara@example.com".parse()?])?;
            let mut bare = if matches!(sender, Sender::Bare) { Some(Bare::connect(address, &bytes).await?) } else { None };
            while !is_over.load(Ordering::Relaxed) {
                match (&sender, &mut bare) {
                    (Sender::Ours(relay), _) => drop(relay.send(&envelope, &bytes).await?),
                    (Sender::Lettre(transport), _) => drop(transport.send_raw(&envelope, &bytes).await?),
                    (Sender::Bare, bare) => bare.as_mut().context("connected above")?.send().await?,
                }
                if counts.load(Ordering::Relaxed) {
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            }
            anyhow::Ok(())
        });
    }
    tokio::time::sleep(warm).await;
    counts.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    tokio::time::sleep(measured).await;
    let (count, took) = (sent.load(Ordering::Relaxed), begun.elapsed());
    is_over.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    if let Sender::Ours(relay) = &sender {
        relay.close().await;
    }
    Ok(f64::from(count) / took.as_secs_f64())
}

/// A connection that knows nothing of SMTP but its words.
struct Bare {
    stream: TcpStream,
    message: Vec<u8>,
}

impl Bare {
    async fn connect(address: std::net::SocketAddr, bytes: &[u8]) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut message = bytes.to_vec();
        message.extend_from_slice(b".\r\n");
        let mut bare = Self { stream, message };
        bare.reply(b"220").await?;
        bare.ask(b"EHLO bench\r\n", b"250").await?;
        Ok(bare)
    }

    async fn send(&mut self) -> Result<()> {
        self.ask(b"MAIL FROM:<survey@acme.example>\r\n", b"250").await?;
        self.ask(b"RCPT TO:<sara@example.com>\r\n", b"250").await?;
        self.ask(b"DATA\r\n", b"354").await?;
        self.stream.write_all(&self.message).await?;
        self.reply(b"250").await
    }

    async fn ask(&mut self, line: &[u8], expected: &[u8]) -> Result<()> {
        self.stream.write_all(line).await?;
        self.reply(expected).await
    }

    async fn reply(&mut self, expected: &[u8]) -> Result<()> {
        let mut reply = [0; 512];
        let read = self.stream.read(&mut reply).await?;
        ensure!(reply.starts_with(expected) && read > 0, "an unexpected reply");
        Ok(())
    }
}
