//! Another server, as a test scripts it: it answers whatever the script says and remembers what it was asked.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Opens the loopback to outgoing requests, which wait a moment only.
pub const OPENED: &[(&str, &str)] = &[("NABZ__WEBHOOKS__ALLOW_PRIVATE", r#"["127.0.0.0/8"]"#), ("NABZ__WEBHOOKS__TIMEOUT_MS", "500")];

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Path and query.
    pub path: String,
    /// The head, names as they were sent.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A scripted server on the loopback.
pub struct Peer {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// JSON with a status and more header lines, each ended by a line break.
pub fn json(status: u16, headers: &str, body: &Value) -> String {
    bytes(status, headers, &body.to_string())
}

/// Anything with a status and more header lines.
pub fn bytes(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// No answer at all.
pub fn silence() -> String {
    String::new()
}

impl Peer {
    /// Answers each request by the script, which is told how many came before.
    pub async fn start(script: impl Fn(&Asked, usize) -> String + Send + Sync + 'static) -> Self {
        let (peer, gate) = Self::gated(script).await;
        gate.add_permits(Semaphore::MAX_PERMITS);
        peer
    }

    /// The same, but every answer waits for a permit.
    pub async fn gated(script: impl Fn(&Asked, usize) -> String + Send + Sync + 'static) -> (Self, Arc<Semaphore>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
        let (seen, script, open) = (Arc::clone(&asked), Arc::new(script), Arc::clone(&gate));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, (Arc::clone(&seen), Arc::clone(&open)), Arc::clone(&script)));
            }
        });
        (Self { url, asked }, gate)
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    mut stream: TcpStream,
    (seen, gate): (Arc<Mutex<Vec<Asked>>>, Arc<Semaphore>),
    script: Arc<impl Fn(&Asked, usize) -> String>,
) {
    let Some(asked) = read(&mut stream).await else { return };
    let before = {
        let mut seen = seen.lock().unwrap();
        seen.push(asked.clone());
        seen.len() - 1
    };
    gate.acquire().await.unwrap().forget();
    let answer = script(&asked, before);
    if answer.is_empty() {
        // Until the other side gives up.
        let _ = stream.read(&mut [0; 1]).await;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&some[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let path = head.split(' ').nth(1)?.to_owned();
        let asked = Asked { path, head: head.to_owned(), body: body.to_owned() };
        let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return Some(asked);
        }
    }
}
