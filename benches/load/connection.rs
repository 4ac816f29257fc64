//! One keep-alive HTTP/1.1 connection that does as little as possible: it shares two cores with the server it measures.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An open connection and the answer read last.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What the server answered.
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Whether the answer says when to come again.
    pub retry_after: bool,
    /// The head with its empty line.
    pub head: &'a [u8],
    /// The body as it was sent; with chunks where the server sends chunks.
    pub body: &'a [u8],
    /// Whether the body is in chunks.
    pub chunked: bool,
}

impl Connection {
    /// Connects without Nagle's delay.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends the bytes of a whole request and reads its whole answer.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.read().await?;
            if let Some(head) = Head::parse(&self.buffer)? {
                break head;
            }
        };
        while !head.is_complete(&self.buffer)? {
            self.read().await?;
        }
        let (first, body) = self.buffer.split_at_checked(head.length).context("an answer without a head")?;
        Ok(Answer { status: head.status, retry_after: head.retry_after, head: first, body, chunked: head.body == Body::Chunked })
    }

    async fn read(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

impl Answer<'_> {
    /// The body without chunks.
    pub fn content(&self) -> Result<Vec<u8>> {
        if !self.chunked {
            return Ok(self.body.to_vec());
        }
        let mut content = Vec::new();
        let mut rest = self.body;
        loop {
            match chunk(rest)?.context("a chunk is not whole")? {
                (&[], _) => return Ok(content),
                (data, after) => {
                    content.extend_from_slice(data);
                    rest = after;
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Bytes(usize),
    Chunked,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    status: u16,
    length: usize,
    body: Body,
    retry_after: bool,
}

impl Head {
    /// The head at the beginning of `bytes`, once all of it has arrived.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let mut head = Self { status: 0, length: 0, body: Body::Bytes(0), retry_after: false };
        let mut rest = bytes;
        while let Some((line, after)) = line(rest) {
            head.length += rest.len() - after.len();
            rest = after;
            if line.is_empty() {
                return Ok(Some(head));
            }
            if head.status == 0 {
                head.status = status(line)?;
            } else {
                head.note(line)?;
            }
        }
        Ok(None)
    }

    fn note(&mut self, line: &[u8]) -> Result<()> {
        // Most lines are sorted out by their first letter.
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(length) = value(line, b"content-length:") {
                    self.body = Body::Bytes(std::str::from_utf8(length)?.trim().parse()?);
                }
            }
            Some(b't') if value(line, b"transfer-encoding:").is_some() => self.body = Body::Chunked,
            Some(b'r') if value(line, b"retry-after:").is_some() => self.retry_after = true,
            _ => {}
        }
        Ok(())
    }

    fn is_complete(&self, bytes: &[u8]) -> Result<bool> {
        let body = bytes.get(self.length..).unwrap_or_default();
        match self.body {
            Body::Bytes(length) => Ok(body.len() >= length),
            Body::Chunked => {
                let mut rest = body;
                while let Some((data, after)) = chunk(rest)? {
                    if data.is_empty() {
                        return Ok(true);
                    }
                    rest = after;
                }
                Ok(false)
            }
        }
    }
}

/// The first line without its end, and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = bytes.split_at_checked(end + 1)?;
    let line = line.strip_suffix(b"\n")?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), after))
}

fn status(line: &[u8]) -> Result<u16> {
    let code = line.get(9..12).context("no status line")?;
    Ok(std::str::from_utf8(code)?.parse()?)
}

fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

/// The first chunk's data and what follows it; `None` while it is not all there. The last chunk is empty.
fn chunk(bytes: &[u8]) -> Result<Option<(&[u8], &[u8])>> {
    let Some((size, rest)) = line(bytes) else { return Ok(None) };
    let size = usize::from_str_radix(std::str::from_utf8(size)?.trim(), 16)?;
    let Some((data, rest)) = rest.split_at_checked(size) else {
        return Ok(None);
    };
    Ok(rest.split_at_checked(2).map(|(_, after)| (data, after)))
}
