//! A mail server that does its worst: it refuses, hangs up before and after the final dot, resets, falls silent, drags its feet and talks nonsense,
//! each by chance, and writes down every message that it keeps.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::chance::Chance;
use crate::ledger::Ledger;

/// What happens to a connection or a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    /// 4xx to the recipient.
    Later,
    /// 5xx to the recipient.
    Never,
    /// 4xx to the final dot; nothing is kept.
    LaterAtDot,
    /// 5xx to the final dot; nothing is kept.
    NeverAtDot,
    /// The line breaks while the message arrives.
    DropBeforeDot,
    /// The line is reset while the message arrives.
    Reset,
    /// The message is kept, and the line breaks.
    DropAfterDot,
    /// The message is kept, and no reply ever comes.
    Silence,
    /// The message is kept, and the reply is none.
    Garbage,
    /// Everything comes byte by byte.
    Slow,
}

const FATES: [Fate; 15] = [
    Fate::Fine,
    Fate::Fine,
    Fate::Fine,
    Fate::Fine,
    Fate::Fine,
    Fate::Later,
    Fate::Never,
    Fate::LaterAtDot,
    Fate::NeverAtDot,
    Fate::DropBeforeDot,
    Fate::Reset,
    Fate::DropAfterDot,
    Fate::Silence,
    Fate::Garbage,
    Fate::Slow,
];
/// How a connection may begin.
const GREETINGS: [&str; 8] = [
    "220 relay ESMTP",
    "220 relay ESMTP",
    "220 relay ESMTP",
    "220 relay ESMTP",
    "220 relay ESMTP",
    "421 4.3.2 busy",
    "\u{0}\u{ff} what",
    "",
];
/// Between two bytes of a slow reply.
const SLOWLY: Duration = Duration::from_millis(1);
/// A silence ends the round: nothing else may happen any more.
const ENDS_ROUND: usize = 1_000_000;

/// The server; it runs as long as the test.
pub struct Relay {
    /// Its address for `mail.smtp_url`.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    chance: Chance,
    ledger: Arc<Ledger>,
    /// Whether it behaves.
    is_calm: AtomicBool,
    /// Whom it takes nothing for, for now.
    held: Mutex<HashSet<String>>,
}

impl Relay {
    /// Listens on a free port.
    pub async fn start(chance: Chance, ledger: Arc<Ledger>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { chance, ledger, is_calm: AtomicBool::new(false), held: Mutex::default() });
        let kept = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&kept);
                tokio::spawn(async move {
                    Conversation { stream: BufReader::new(stream), shared: &shared, is_slow: false, round: 0 }.run().await
                });
            }
        });
        Self { url, shared }
    }

    /// From now on it takes everything.
    pub fn calm_down(&self) {
        self.shared.is_calm.store(true, Ordering::SeqCst);
        self.shared.held.lock().unwrap().clear();
    }

    /// Takes nothing for this address until it is let through.
    pub fn hold(&self, address: &str) {
        self.shared.held.lock().unwrap().insert(address.to_owned());
    }

    /// Takes messages for this address again.
    pub fn let_through(&self, address: &str) {
        self.shared.held.lock().unwrap().remove(address);
    }
}

impl Shared {
    fn fate(&self, address: &str) -> Fate {
        if self.held.lock().unwrap().contains(address) {
            Fate::Later
        } else if self.is_calm.load(Ordering::SeqCst) {
            Fate::Fine
        } else {
            self.chance.one_of(&FATES)
        }
    }
}

struct Conversation<'a> {
    stream: BufReader<TcpStream>,
    shared: &'a Shared,
    is_slow: bool,
    /// In which round the message at hand began to come.
    round: usize,
}

impl Conversation<'_> {
    async fn run(mut self) -> Option<()> {
        let greeting = if self.shared.is_calm.load(Ordering::SeqCst) { GREETINGS[0] } else { self.shared.chance.one_of(&GREETINGS) };
        self.shared.ledger.happened(1);
        if !greeting.starts_with("220") {
            return self.say(greeting).await;
        }
        self.say(greeting).await?;
        let (mut address, mut fate) = (String::new(), Fate::Fine);
        loop {
            let line = self.line().await?;
            self.shared.ledger.happened(1);
            match line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "EHLO" => self.say("250-relay\r\n250 8BITMIME").await?,
                "RCPT" => {
                    // Answered before anything of the message is sent.
                    self.round = self.shared.ledger.round();
                    address = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    fate = self.shared.fate(&address);
                    self.is_slow = fate == Fate::Slow;
                    self.recipient(&address, fate).await?;
                }
                "DATA" => {
                    self.say("354 go on").await?;
                    self.message(&address, fate).await?;
                }
                "QUIT" => return self.say("221 2.0.0 bye").await,
                _ => self.say("250 2.0.0 ok").await?,
            }
        }
    }

    async fn recipient(&mut self, address: &str, fate: Fate) -> Option<()> {
        match fate {
            Fate::Later => self.say("451 4.3.0 later").await,
            Fate::Never => {
                self.shared.ledger.refuse(address);
                self.say("550 5.1.1 nobody of that name").await
            }
            _ => self.say("250 2.1.5 ok").await,
        }
    }

    /// Takes a message as its fate has it; `None` ends the conversation.
    async fn message(&mut self, address: &str, fate: Fate) -> Option<()> {
        match fate {
            Fate::DropBeforeDot => {
                self.line().await?;
                return None;
            }
            // Closed with bytes that nobody has read, a connection is reset.
            Fate::Reset => {
                self.stream.get_mut().read_exact(&mut [0; 16]).await.ok()?;
                return None;
            }
            _ => {}
        }
        let mut id = String::new();
        loop {
            let line = self.line().await?;
            if line == "." {
                break;
            }
            if let Some(value) = line.strip_prefix("Message-ID: ") {
                value.clone_into(&mut id);
            }
        }
        self.shared.ledger.happened(1);
        match fate {
            Fate::LaterAtDot => return self.say("451 4.3.0 later").await,
            Fate::NeverAtDot => {
                self.shared.ledger.refuse(address);
                return self.say("554 5.6.0 not this").await;
            }
            _ => {}
        }
        let place = self.shared.ledger.keep(address, &id, self.round);
        match fate {
            Fate::DropAfterDot => None,
            Fate::Garbage => self.say("\u{0}\u{ff} what").await,
            Fate::Silence => {
                self.shared.ledger.happened(ENDS_ROUND);
                // Until the other side gives up.
                self.line().await;
                None
            }
            _ => {
                self.say("250 2.0.0 queued").await?;
                self.shared.ledger.acknowledge(place);
                Some(())
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let count = self.stream.read_until(b'\n', &mut line).await.ok()?;
        (count > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn say(&mut self, reply: &str) -> Option<()> {
        let bytes = format!("{reply}\r\n").into_bytes();
        if !self.is_slow {
            return self.stream.get_mut().write_all(&bytes).await.ok();
        }
        let mut slowly = tokio::time::interval(SLOWLY);
        for byte in bytes {
            slowly.tick().await;
            self.stream.get_mut().write_all(&[byte]).await.ok()?;
        }
        Some(())
    }
}
