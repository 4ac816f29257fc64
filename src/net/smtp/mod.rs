//! The SMTP relay: a small pool of connections that sends one message at a time on each.
//!
//! The pool is ours because lettre's never sets `TCP_NODELAY`: the final dot, which it writes in a packet of its own, then waits
//! for the peer's delayed acknowledgement, 44 ms a message.

mod address;
mod connection;
mod reply;
mod step;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

pub use lettre::address::Envelope;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

pub use address::{RelayAddress, Tls, UrlError};
use connection::{Connection, Outcome};
pub use reply::{Accepted, SendError, kept};
use step::Progress;
pub use step::Step;

/// How the pool behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections open at a time; at least 1.
    pub max_connections: usize,
    /// How long resolving, connecting, TLS and authentication may take together.
    pub connect_timeout: Duration,
    /// How long one message may take, from MAIL to the reply to its final dot.
    pub send_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Messages sent over one connection before it is replaced.
    pub max_messages: u32,
    /// A certificate authority (PEM) to trust besides the public ones.
    pub extra_root: Option<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 4,
            connect_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_mins(1),
            max_messages: 100,
            extra_root: None,
        }
    }
}

/// A relay and the connections to it. Cloning shares them.
#[derive(Clone)]
pub struct SmtpRelay(Arc<Pool>);

struct Pool {
    address: RelayAddress,
    options: Options,
    room: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl SmtpRelay {
    /// A relay at `smtp://user:pass@host:587?tls=required` or `smtps://user:pass@host`; `tls` is `required`, `opportunistic`
    /// (the default) or `none`. Nothing is connected yet.
    ///
    /// # Errors
    /// When the address cannot be read, or would send a password unencrypted to another machine.
    pub fn from_url(url: &str, options: Options) -> Result<Self, UrlError> {
        let address = RelayAddress::parse(url, options.extra_root.as_deref())?;
        Ok(Self(Arc::new(Pool { address, room: Semaphore::new(options.max_connections.max(1)), options, idle: Mutex::new(Vec::new()) })))
    }

    /// Sends one message, waiting for a free connection when all are busy. `message` has CRLF line ends; dots are escaped here.
    ///
    /// # Errors
    /// See [`SendError`]; only `Unknown` leaves open whether the relay took the message.
    pub async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<Accepted, SendError> {
        self.attempt((envelope, message), &Progress::default()).await
    }

    /// As [`SmtpRelay::send`], and tells the step that a failure was at.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn try_to_send(&self, envelope: &Envelope, message: &[u8]) -> Result<Accepted, (Step, SendError)> {
        let progress = Progress::default();
        self.attempt((envelope, message), &progress).await.map_err(|error| (progress.at(), error))
    }

    async fn attempt(&self, mail: (&Envelope, &[u8]), progress: &Progress) -> Result<Accepted, SendError> {
        let _permit: SemaphorePermit<'_> = self.0.room.acquire().await.map_err(|_| SendError::closed())?;
        if let Some(mut connection) = self.take() {
            match connection.send(mail, self.0.options.send_timeout, progress).await {
                // The relay closed the connection while it was unused: that says nothing about this message.
                Outcome::Stale => {}
                outcome => return self.settle(connection, outcome),
            }
        }
        let mut connection = self.connect(progress).await?;
        let outcome = connection.send(mail, self.0.options.send_timeout, progress).await;
        self.settle(connection, outcome)
    }

    /// Closes the unused connections and refuses further messages. Those on their way are finished; their connections close after them.
    pub async fn close(&self) {
        self.0.room.close();
        let unused = std::mem::take(&mut *self.0.lock());
        for idle in unused {
            idle.connection.quit().await;
        }
    }

    async fn connect(&self, progress: &Progress) -> Result<Connection, SendError> {
        tokio::time::timeout(self.0.options.connect_timeout, Connection::open(&self.0.address, progress))
            .await
            .unwrap_or_else(|_| Err(SendError::unreachable("the relay did not answer in time")))
    }

    /// The most recently used connection, so that the others may grow old.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.0.lock();
        let taken = idle.pop()?;
        if taken.since.elapsed() < self.0.options.idle_timeout {
            return Some(taken.connection);
        }
        idle.clear();
        None
    }

    fn settle(&self, connection: Connection, outcome: Outcome) -> Result<Accepted, SendError> {
        let (reusable, result) = match outcome {
            Outcome::Accepted(accepted) => (true, Ok(accepted)),
            Outcome::Refused(error) => (true, Err(error)),
            Outcome::Broken(error) => (false, Err(error)),
            Outcome::Stale => (false, Err(SendError::unreachable("the relay closed the connection"))),
        };
        if reusable && connection.messages() < self.0.options.max_messages && !self.0.room.is_closed() {
            self.keep(connection);
        } else if reusable {
            tokio::spawn(connection.quit());
        }
        result
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.0.lock();
        if idle.is_empty() {
            tokio::spawn(retire(Arc::downgrade(&self.0), self.0.options.idle_timeout));
        }
        idle.push(Idle { connection, since: Instant::now() });
    }
}

impl Pool {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what has been unused for too long; tells when the next one will have been.
    fn remove_old(&self) -> (Vec<Idle>, Option<Instant>) {
        let mut idle = self.lock();
        let fresh = idle.iter().position(|one| one.since.elapsed() < self.options.idle_timeout);
        let end = fresh.unwrap_or(idle.len());
        let old = idle.drain(..end).collect();
        (old, idle.first().map(|one| one.since + self.options.idle_timeout))
    }
}

/// Closes connections as they grow old, until none is left or the relay is gone.
async fn retire(pool: Weak<Pool>, idle_timeout: Duration) {
    let mut next = Instant::now() + idle_timeout;
    loop {
        tokio::time::sleep_until(next).await;
        let Some(pool) = pool.upgrade() else { return };
        let (old, due) = pool.remove_old();
        drop(pool);
        for idle in old {
            idle.connection.quit().await;
        }
        let Some(due) = due else { return };
        next = due;
    }
}

impl std::fmt::Debug for SmtpRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SmtpRelay").field(&self.0.address).finish()
    }
}
