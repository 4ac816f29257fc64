//! A mail server that takes everything as fast as it can and keeps nothing, in a thread of its own.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What ends a message.
const END: &[u8] = b"\r\n.\r\n";

/// The server; it lives as long as the process.
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Sink {
    /// Starts it on any free port.
    pub fn start() -> Result<Self> {
        let (told, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
                told.send(listener.local_addr()?)?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    stream.set_nodelay(true)?;
                    tokio::spawn(async move {
                        // A client that hangs up has had enough.
                        let _ = talk(stream).await;
                    });
                }
                #[expect(unreachable_code, reason = "says what the block gives")]
                anyhow::Ok(())
            })
        });
        Ok(Self { address: address.recv().context("the sink did not start")? })
    }
}

/// Answers one line after the other, and each message as a whole.
async fn talk(mut stream: TcpStream) -> Result<()> {
    stream.write_all(b"220 sink\r\n").await?;
    let (mut buffer, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    let mut is_message = false;
    loop {
        let end: &[u8] = if is_message { END } else { b"\n" };
        while let Some(at) = find(&buffer, end) {
            let line: Vec<u8> = buffer.drain(..at + end.len()).collect();
            let reply: &[u8] = match line.get(..4) {
                _ if is_message => b"250 2.0.0 taken\r\n",
                Some(b"EHLO") => b"250-sink\r\n250 8BITMIME\r\n",
                Some(b"DATA") => b"354 go\r\n",
                Some(b"QUIT") => return Ok(()),
                _ => b"250 ok\r\n",
            };
            is_message = reply.starts_with(b"354");
            stream.write_all(reply).await?;
            if is_message != (end == END) {
                break;
            }
        }
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
    }
}

/// Where a pattern begins; looked for from the end, where the end of a message is.
fn find(buffer: &[u8], pattern: &[u8]) -> Option<usize> {
    if buffer.ends_with(pattern) && pattern.len() > 1 {
        return Some(buffer.len() - pattern.len());
    }
    buffer.windows(pattern.len()).position(|window| window == pattern)
}
