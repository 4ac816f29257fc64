//! A receiver of webhooks that does as little as possible: keeps connections open, answers 200, tells when each request was whole.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The receiver and what arrives there.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    arrivals: mpsc::UnboundedReceiver<Instant>,
}

impl Receiver {
    /// Listens on a free port of the loopback.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (arrived, arrivals) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, arrived.clone()));
            }
        });
        Ok(Self { address, arrivals })
    }

    /// Waits for so many requests; answers when the last of them was whole.
    pub async fn wait(&mut self, requests: usize) -> Result<Instant> {
        let mut last = Instant::now();
        for _ in 0..requests {
            last = self.arrivals.recv().await.context("the receiver has ended")?;
        }
        Ok(last)
    }
}

async fn answer(mut stream: TcpStream, arrived: mpsc::UnboundedSender<Instant>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(16 * 1024);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        while let Some(length) = whole(&bytes) {
            bytes.drain(..length);
            arrived.send(Instant::now())?;
            stream.write_all(ANSWER).await?;
        }
    }
}

/// The length of the first request in `bytes`, if it is whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(bytes.get(..head)?).ok()?.to_ascii_lowercase();
    let length: usize = text.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    (bytes.len() >= head + length).then_some(head + length)
}
