//! The loop of whoever carries messages: claims its own under a lease, woken when something is enqueued and when something is due.

use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::Claimed;
use super::store::{self, Lease};
use crate::clock::Clock;
use crate::db::changes::Change;
use crate::db::{Db, Result};
use crate::random::Random;

/// Longer than any attempt can take, so that a message is carried again only when its worker died.
const LEASE_MS: i64 = 5 * 60_000;
/// A worker looks for itself this often, in case nobody told it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a carrier takes from the outbox, and how much at once.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// The database.
    pub db: &'a Db,
    /// The clock.
    pub clock: &'a Clock,
    /// Randomness.
    pub random: &'a Random,
    /// Its word.
    pub carrier: &'static str,
    /// Messages under way at the same time.
    pub at_once: i64,
}

/// Whoever carries messages.
pub trait Carrier: Send + Sync {
    /// What it takes.
    fn round(&self) -> Round<'_>;

    /// Carries one message and settles it.
    fn carry(&self, message: &Claimed) -> impl Future<Output = Result<()>> + Send;
}

/// Serves a carrier until told to stop.
pub async fn run(carrier: &impl Carrier, stop: CancellationToken) {
    let mut changes = carrier.round().db.changes().listen();
    while !stop.is_cancelled() {
        match serve_some(carrier).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(cause = %error, "the outbox cannot be served right now"),
        }
        let wait = wait(carrier.round()).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = async { while changes.recv().await != Ok(Change::Outbox) {} } => {}
        }
    }
}

/// How long nothing is due.
async fn wait(round: Round<'_>) -> Duration {
    let next = async { store::next_due(&mut round.db.read().await?, round.carrier).await };
    let due_in = match next.await {
        Ok(Some(at)) => at.since(round.clock.now()).max(0),
        _ => return LOOK_EVERY,
    };
    Duration::from_millis(due_in.unsigned_abs()).min(LOOK_EVERY)
}

/// Carries everything that is due now; answers how many attempts that took.
///
/// # Errors
/// When the database cannot be reached; what was claimed is due again when its lease ends.
pub async fn serve_due(carrier: &impl Carrier) -> Result<usize> {
    let mut attempts = 0;
    loop {
        match serve_some(carrier).await? {
            0 => return Ok(attempts),
            some => attempts += some,
        }
    }
}

/// Carries what fits into one claim; answers how many attempts that took.
async fn serve_some(carrier: &impl Carrier) -> Result<usize> {
    let claimed = claim(carrier.round()).await?;
    for result in join_all(claimed.iter().map(|message| carrier.carry(message))).await {
        result?;
    }
    Ok(claimed.len())
}

async fn claim(round: Round<'_>) -> Result<Vec<Claimed>> {
    let now = round.clock.now();
    let lease = Lease { until: now.plus_millis(LEASE_MS), token: round.random.uuid(now) };
    let mut tx = round.db.begin().await?;
    let claimed = store::claim(&mut tx, now, lease, (round.carrier, round.at_once)).await?;
    if !claimed.is_empty() {
        tx.commit().await?;
    }
    Ok(claimed)
}
