//! Who is told that something committed: this process at once, other nodes by LISTEN/NOTIFY on PostgreSQL.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Db, Engine};

/// How many changes a slow listener may lag behind before it is told that it missed some.
const CAPACITY: usize = 1024;
const CHANNEL: &str = "nabz_changes";
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// Other nodes are told at once, and then at most this often: each NOTIFY is a commit, beside those of the votes.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Something that others keep a copy of, or wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// A message is waiting in the outbox.
    Outbox,
    /// A survey was created or altered.
    Survey(Uuid),
    /// The tallies of a survey grew.
    Tally(Uuid),
    /// A source was altered or disconnected.
    Source(Uuid),
    /// An endpoint of a webhook was added, altered or removed.
    Webhook(Uuid),
    /// An invitation can no longer be answered.
    Invitation(Uuid),
}

impl Change {
    fn to_payload(self, node: Uuid) -> String {
        match self {
            Self::Outbox => format!("{node} outbox"),
            Self::Survey(id) => format!("{node} survey {id}"),
            Self::Tally(id) => format!("{node} tally {id}"),
            Self::Source(id) => format!("{node} source {id}"),
            Self::Webhook(id) => format!("{node} webhook {id}"),
            Self::Invitation(id) => format!("{node} invitation {id}"),
        }
    }

    /// The node that sent it and the change; `None` for what a newer version sent.
    fn from_payload(payload: &str) -> Option<(Uuid, Self)> {
        let mut words = payload.split(' ');
        let node = words.next()?.parse().ok()?;
        let change = match words.next()? {
            "outbox" => Self::Outbox,
            "survey" => Self::Survey(words.next()?.parse().ok()?),
            "tally" => Self::Tally(words.next()?.parse().ok()?),
            "source" => Self::Source(words.next()?.parse().ok()?),
            "webhook" => Self::Webhook(words.next()?.parse().ok()?),
            "invitation" => Self::Invitation(words.next()?.parse().ok()?),
            _ => return None,
        };
        Some((node, change))
    }
}

/// The list of listeners.
#[derive(Debug)]
pub struct Changes {
    node: Uuid,
    copies: broadcast::Sender<Change>,
    /// Apart from the rest: whoever carries messages sleeps until there is one, and is not to be woken for every vote.
    outbox: watch::Sender<()>,
    /// Where other nodes may be.
    others: Option<Others>,
}

/// What other nodes are still to be told, each change once.
#[derive(Debug, Default)]
struct Others {
    untold: Mutex<HashSet<Change>>,
    is_waiting: Notify,
}

impl Changes {
    /// A list for the node of this id, and whether there may be others.
    #[must_use]
    pub fn new(node: Uuid, is_shared: bool) -> Self {
        let others = is_shared.then(Others::default);
        Self { node, copies: broadcast::channel(CAPACITY).0, outbox: watch::Sender::default(), others }
    }

    /// Everything told from now on but [`Change::Outbox`]. A receiver that lags is told so and must look at the database itself.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Change> {
        self.copies.subscribe()
    }

    /// Changes with every [`Change::Outbox`] told from now on.
    #[must_use]
    pub fn listen_to_outbox(&self) -> watch::Receiver<()> {
        self.outbox.subscribe()
    }

    pub(super) fn tell(&self, change: Change) {
        self.tell_here(change);
        if let Some(others) = &self.others {
            others.untold.lock().unwrap_or_else(PoisonError::into_inner).insert(change);
            others.is_waiting.notify_one();
        }
    }

    fn tell_here(&self, change: Change) {
        if change == Change::Outbox {
            self.outbox.send_replace(());
        } else {
            // Nobody listening is no error.
            let _ = self.copies.send(change);
        }
    }
}

impl Others {
    async fn wait(&self) -> HashSet<Change> {
        self.is_waiting.notified().await;
        std::mem::take(&mut self.untold.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Carries changes between the nodes of one PostgreSQL until `stop`; on SQLite there is one node and nothing to do.
///
/// NOTIFY is sent after the commit and outside of its transaction: inside, every commit would wait for one global lock.
/// A node that dies in between tells nobody, so whoever listens also looks for itself now and then.
pub async fn relay(db: Db, stop: CancellationToken) {
    let (Engine::Postgres(pool), Some(others)) = (&db.pools, &db.changes.others) else { return };
    tokio::join!(send(pool, (others, db.changes.node), &stop), receive(pool, &db.changes, &stop));
}

async fn send(pool: &PgPool, (others, node): (&Others, Uuid), stop: &CancellationToken) {
    loop {
        let untold = tokio::select! {
            () = stop.cancelled() => return,
            untold = others.wait() => untold,
        };
        let payloads: Vec<String> = untold.into_iter().map(|change| change.to_payload(node)).collect();
        let told = sqlx::query("SELECT pg_notify($1, payload) FROM UNNEST($2::text[]) AS t(payload)").bind(CHANNEL).bind(&payloads);
        if let Err(error) = told.execute(pool).await {
            tracing::warn!(%error, "other nodes could not be told of a change");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TELL_EVERY) => {}
        }
    }
}

async fn receive(pool: &PgPool, changes: &Changes, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            result = receive_until_broken(pool, changes) => if let Err(error) = result {
                tracing::warn!(%error, "listening for changes was interrupted");
            },
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RECONNECT_AFTER) => {}
        }
    }
}

async fn receive_until_broken(pool: &PgPool, changes: &Changes) -> super::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let notification = listener.recv().await?;
        if let Some((node, change)) = Change::from_payload(notification.payload())
            && node != changes.node
        {
            changes.tell_here(change);
        }
    }
}
