//! A receiver of webhooks that does its worst: it refuses, redirects, hangs up before and after it has read, resets, falls silent, drags its feet and
//! talks nonsense, each by chance, and writes down every event that it keeps.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::chance::Chance;
use crate::ledger::Ledger;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    /// A status that is no success; nothing is kept.
    Refused(&'static str),
    /// The line breaks before anything was read.
    DropUnread,
    /// The line is reset while the request arrives.
    Reset,
    /// The event is kept, and the line breaks.
    DropAfter,
    /// The event is kept, and no answer ever comes.
    Silence,
    /// The event is kept, and the answer is none.
    Garbage,
    /// The answer comes byte by byte.
    Slow,
}

const FATES: [Fate; 16] = [
    Fate::Fine,
    Fate::Fine,
    Fate::Fine,
    Fate::Fine,
    Fate::Fine,
    Fate::Fine,
    Fate::Refused("500 Broken"),
    Fate::Refused("429 Too Many"),
    Fate::Refused("302 Found\r\nlocation: /elsewhere"),
    Fate::Refused("404 Gone astray"),
    Fate::DropUnread,
    Fate::Reset,
    Fate::DropAfter,
    Fate::Silence,
    Fate::Garbage,
    Fate::Slow,
];
/// Between two bytes of a slow answer.
const SLOWLY: Duration = Duration::from_millis(1);
/// A silence ends the round: nothing else may happen any more.
const ENDS_ROUND: usize = 1_000_000;

/// The server; it runs as long as the test.
pub struct Endpoint {
    /// Its address.
    pub url: String,
    /// Whether it behaves.
    is_calm: Arc<AtomicBool>,
    /// Where it listens.
    address: SocketAddr,
    /// Whose connection it took last.
    last: watch::Receiver<Option<SocketAddr>>,
}

impl Endpoint {
    /// Listens on a free port.
    pub async fn start(chance: Chance, ledger: Arc<Ledger>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/told");
        let (taken, last) = watch::channel(None);
        let is_calm = Arc::new(AtomicBool::new(false));
        let (calm, chance) = (Arc::clone(&is_calm), Arc::new(chance));
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let fate = if calm.load(Ordering::SeqCst) { Fate::Fine } else { chance.one_of(&FATES) };
                let (ledger, round) = (Arc::clone(&ledger), ledger.round());
                tokio::spawn(async move { answer(stream, (fate, round), &ledger).await });
                taken.send_replace(Some(peer));
            }
        });
        Self { url, is_calm, address, last }
    }

    /// Waits until every connection that was opened before is taken: they are taken in their order.
    pub async fn catch_up(&self) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mine = stream.local_addr().unwrap();
        self.last.clone().wait_for(|last| *last == Some(mine)).await.unwrap();
    }

    /// From now on it takes everything.
    pub fn calm_down(&self) {
        self.is_calm.store(true, Ordering::SeqCst);
    }
}

/// Takes one request as its fate has it; every connection carries one.
async fn answer(mut stream: TcpStream, (fate, round): (Fate, usize), ledger: &Ledger) -> Option<()> {
    ledger.happened(1);
    if fate == Fate::DropUnread {
        return None;
    }
    if fate == Fate::Reset {
        // Closed with bytes that nobody has read, a connection is reset.
        stream.read_exact(&mut [0; 16]).await.ok()?;
        return None;
    }
    let (head, body) = request(&mut stream).await?;
    ledger.happened(1);
    if let Fate::Refused(status) = fate {
        return say(&mut stream, &format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), false).await;
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    let event = head.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap();
    let place = ledger.keep(body["data"]["customer"]["email"].as_str().unwrap(), event, round);
    match fate {
        Fate::DropAfter => None,
        Fate::Garbage => say(&mut stream, "\u{0}\u{ff} what\r\n\r\n", false).await,
        Fate::Silence => {
            ledger.happened(ENDS_ROUND);
            // Until the other side gives up.
            stream.read_exact(&mut [0; 1]).await.ok()?;
            None
        }
        _ => {
            // Noted first: the other side may have it before this task goes on.
            ledger.acknowledge(place);
            say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", fate == Fate::Slow).await
        }
    }
}

async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&some[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        if body.len() >= length {
            return Some((head, body.to_owned()));
        }
    }
}

async fn say(stream: &mut TcpStream, answer: &str, is_slow: bool) -> Option<()> {
    if !is_slow {
        return stream.write_all(answer.as_bytes()).await.ok();
    }
    let mut slowly = tokio::time::interval(SLOWLY);
    for byte in answer.bytes() {
        slowly.tick().await;
        stream.write_all(&[byte]).await.ok()?;
    }
    Some(())
}
