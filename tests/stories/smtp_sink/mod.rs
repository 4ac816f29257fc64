//! A scripted SMTP server on port 0: keeps what it receives, and misbehaves on request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// Where in a conversation a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// While the message arrives, before its final dot.
    Message,
    /// After the final dot: the message is kept, whatever the reply says.
    Dot,
    Rset,
}

/// What happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// This reply instead of the usual one.
    Reply(&'static str),
    /// The connection closes without a reply.
    Drop,
    /// No reply ever comes.
    Silence,
    /// The usual reply, but only after `Sink::release`.
    Hold,
}

/// What the sink offers.
#[derive(Default, Clone)]
pub struct Offers {
    /// A certificate: STARTTLS is offered, or with `implicit` everything is encrypted.
    pub tls: Option<TlsAcceptor>,
    pub implicit: bool,
    /// AUTH PLAIN and LOGIN with these credentials; MAIL is refused before.
    pub login: Option<(&'static str, &'static str)>,
    /// AUTH LOGIN only.
    pub only_login: bool,
}

/// A message as it arrived, dots unescaped.
#[derive(Debug, Clone)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub data: Vec<u8>,
    /// Which connection brought it, counted from 1.
    pub connection: usize,
    pub encrypted: bool,
}

/// What the sink has seen.
#[derive(Default)]
pub struct Seen {
    pub messages: Vec<Received>,
    /// Every line outside messages.
    pub lines: Vec<String>,
    pub connections: usize,
    /// Connections open now, and at most.
    pub open: usize,
    pub most_open: usize,
    /// Conversations waiting for `release`.
    pub held: usize,
    faults: Vec<(Stage, Act, usize)>,
}

struct Shared {
    seen: Mutex<Seen>,
    changed: watch::Sender<()>,
    gate: Semaphore,
    offers: Offers,
}

/// The server; it stops when dropped.
pub struct Sink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sink {
    pub async fn start() -> Self {
        Self::offering(Offers::default()).await
    }

    pub async fn offering(offers: Offers) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { seen: Mutex::default(), changed: watch::Sender::new(()), gate: Semaphore::new(0), offers });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    /// The address of a relay, with a query such as `?tls=none`.
    pub fn url(&self, query: &str) -> String {
        format!("smtp://127.0.0.1:{}{query}", self.address.port())
    }

    /// From now on, `act` at `stage` for the next `times` times.
    pub fn script(&self, stage: Stage, act: Act, times: usize) {
        self.shared.lock().faults.push((stage, act, times));
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.lock()
    }

    /// Lets everything held go on, now and later.
    pub fn release(&self) {
        self.shared.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Waits until what has been seen satisfies a condition.
    pub async fn until(&self, condition: impl Fn(&Seen) -> bool) {
        let mut changes = self.shared.changed.subscribe();
        while !condition(&self.seen()) {
            changes.changed().await.unwrap();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_replace(());
        result
    }

    fn fault(&self, stage: Stage) -> Option<Act> {
        let mut seen = self.lock();
        let fault = seen.faults.iter_mut().find(|(at, _, times)| *at == stage && *times > 0)?;
        fault.2 -= 1;
        Some(fault.1)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let connection = shared.note(|seen| {
                seen.connections += 1;
                seen.open += 1;
                seen.most_open = seen.most_open.max(seen.open);
                seen.connections
            });
            serve(stream, connection, &shared).await;
            shared.note(|seen| seen.open -= 1);
        });
    }
}

async fn serve(stream: TcpStream, connection: usize, shared: &Shared) {
    let acceptor = shared.offers.tls.clone();
    if let (true, Some(acceptor)) = (shared.offers.implicit, &acceptor) {
        if let Ok(stream) = acceptor.accept(stream).await {
            Conversation::new(stream, connection, shared, true).run(true).await;
        }
        return;
    }
    if let Some(plain) = Conversation::new(stream, connection, shared, false).run(true).await
        && let Some(acceptor) = acceptor
        && let Ok(stream) = acceptor.accept(plain).await
    {
        Conversation::new(stream, connection, shared, true).run(false).await;
    }
}

struct Conversation<'a, S> {
    stream: BufStream<S>,
    shared: &'a Shared,
    connection: usize,
    encrypted: bool,
    trusted: bool,
    from: String,
    to: Vec<String>,
}

/// What follows a command.
enum Next {
    Go,
    StartTls,
    End,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Conversation<'a, S> {
    fn new(stream: S, connection: usize, shared: &'a Shared, encrypted: bool) -> Self {
        Self {
            stream: BufStream::new(stream),
            trusted: shared.offers.login.is_none(),
            shared,
            connection,
            encrypted,
            from: String::new(),
            to: Vec::new(),
        }
    }

    /// Talks until the end, or until the client asks for TLS: then the bare stream comes back.
    async fn run(mut self, greet: bool) -> Option<S> {
        if greet && !self.say(Stage::Greeting, "220 sink ESMTP").await {
            return None;
        }
        while let Some(line) = self.line().await {
            match self.answer(&line).await {
                Next::Go => {}
                Next::StartTls => return Some(self.stream.into_inner()),
                Next::End => return None,
            }
        }
        None
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        self.shared.note(|seen| seen.lines.push(line.clone()));
        Some(line)
    }

    async fn answer(&mut self, line: &str) -> Next {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let go_on = match verb.as_str() {
            "EHLO" => {
                let mut reply = String::from("250-sink\r\n250-8BITMIME\r\n");
                if self.shared.offers.tls.is_some() && !self.encrypted {
                    reply.push_str("250-STARTTLS\r\n");
                }
                if self.shared.offers.login.is_some() {
                    reply.push_str(if self.shared.offers.only_login { "250-AUTH LOGIN\r\n" } else { "250-AUTH PLAIN LOGIN\r\n" });
                }
                self.say(Stage::Ehlo, &format!("{reply}250 SIZE 10000000")).await
            }
            "STARTTLS" => {
                let refused = self.shared.fault(Stage::StartTls);
                return match refused {
                    Some(Act::Reply(reply)) => {
                        self.write(reply).await;
                        Next::Go
                    }
                    _ if self.write("220 go ahead").await => Next::StartTls,
                    _ => Next::End,
                };
            }
            "AUTH" => self.authenticate(line).await,
            "MAIL" if !self.trusted => self.write("530 5.7.0 authentication required").await,
            "MAIL" => {
                (self.from, self.to) = (line.to_owned(), Vec::new());
                self.say(Stage::Mail, "250 2.1.0 ok").await
            }
            "RCPT" => {
                self.to.push(line.to_owned());
                self.say(Stage::Rcpt, "250 2.1.5 ok").await
            }
            "DATA" => self.data().await,
            "RSET" => self.say(Stage::Rset, "250 2.0.0 ok").await,
            "QUIT" => {
                self.write("221 2.0.0 bye").await;
                false
            }
            _ => self.write("500 5.5.2 what?").await,
        };
        if go_on { Next::Go } else { Next::End }
    }

    async fn authenticate(&mut self, line: &str) -> bool {
        let Some((user, password)) = self.shared.offers.login else {
            return self.write("502 no").await;
        };
        let encoded = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
        let is_right = if line.starts_with("AUTH LOGIN") {
            let mut answers = Vec::new();
            for question in ["Username:", "Password:"] {
                self.write(&format!("334 {}", encoded(question))).await;
                answers.push(self.line().await.unwrap_or_default());
            }
            answers == [encoded(user), encoded(password)]
        } else {
            !self.shared.offers.only_login && line.split(' ').nth(2) == Some(encoded(&format!("\0{user}\0{password}")).as_str())
        };
        if is_right {
            self.trusted = true;
            self.say(Stage::Auth, "235 2.7.0 welcome").await
        } else {
            self.write("535 5.7.8 wrong").await
        }
    }

    async fn data(&mut self) -> bool {
        if let Some(Act::Reply(reply)) = self.shared.fault(Stage::Data) {
            return self.write(reply).await;
        }
        if !self.write("354 go").await || self.shared.fault(Stage::Message) == Some(Act::Drop) {
            return false;
        }
        let mut data = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
                return false;
            }
            if line == b".\r\n" {
                break;
            }
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let received = Received {
            from: self.from.clone(),
            to: std::mem::take(&mut self.to),
            data,
            connection: self.connection,
            encrypted: self.encrypted,
        };
        self.shared.note(|seen| seen.messages.push(received));
        self.say(Stage::Dot, "250 2.0.0 queued as 7F").await
    }

    /// The usual reply, unless the script says otherwise; false when the conversation is over.
    async fn say(&mut self, stage: Stage, usual: &str) -> bool {
        match self.shared.fault(stage) {
            None => self.write(usual).await,
            Some(Act::Reply(reply)) => self.write(reply).await,
            Some(Act::Drop) => false,
            Some(Act::Silence) => {
                // Until the client gives up.
                let _ = self.line().await;
                false
            }
            Some(Act::Hold) => {
                self.shared.note(|seen| seen.held += 1);
                self.shared.gate.acquire().await.unwrap().forget();
                self.shared.note(|seen| seen.held -= 1);
                self.write(usual).await
            }
        }
    }

    async fn write(&mut self, reply: &str) -> bool {
        let bytes = format!("{reply}\r\n");
        self.stream.write_all(bytes.as_bytes()).await.is_ok() && self.stream.flush().await.is_ok()
    }
}
