//! The loop of whoever carries messages: claims its own under a lease, lane by lane, woken when something is enqueued and when something is due.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Claimed;
use super::store::{self, Lease};
use crate::clock::Clock;
use crate::db::{Db, Result};
use crate::random::Random;

/// Longer than everything that is claimed together can take, so that a message is carried again only when its worker died.
const LEASE_MS: i64 = 5 * 60_000;
/// A worker looks for itself this often, in case nobody told it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where a carrier works.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// The database.
    pub db: &'a Db,
    /// The clock.
    pub clock: &'a Clock,
    /// Randomness.
    pub random: &'a Random,
}

/// Messages that wait for one another and for no others: those of one relay, one gateway, one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The word of its messages.
    pub carrier: Cow<'static, str>,
    /// Messages under way at the same time, at least 1.
    pub at_once: usize,
    /// Messages claimed at the same time, those under way among them; more than those saves commits, and is in doubt when the process dies.
    pub claimed: usize,
}

impl Lane {
    /// A lane that claims only what it can begin at once.
    #[must_use]
    pub const fn new(carrier: Cow<'static, str>, at_once: usize) -> Self {
        Self { carrier, at_once, claimed: at_once }
    }
}

/// Whoever carries messages.
pub trait Carrier: Send + Sync + 'static {
    /// Where it works.
    fn round(&self) -> Round<'_>;

    /// What it carries now.
    fn lanes(&self) -> impl Future<Output = Result<Vec<Lane>>> + Send;

    /// Carries one message and settles it.
    fn carry(&self, message: &Claimed) -> impl Future<Output = Result<()>> + Send;
}

/// What one lane is at.
#[derive(Default)]
struct Load {
    under_way: usize,
    queue: VecDeque<Claimed>,
    /// Until when nothing is due, as far as was looked.
    quiet_until: Option<Instant>,
}

/// Serves a carrier until told to stop; what was claimed and not begun is given back then.
pub async fn run<C: Carrier>(carrier: Arc<C>, stop: CancellationToken) {
    let mut enqueued = carrier.round().db.changes().listen_to_outbox();
    let mut work = Work::default();
    while !stop.is_cancelled() {
        let wait = match work.fill(&carrier).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(cause = %error, "the outbox cannot be served right now");
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = work.tasks.join_next_with_id(), if !work.tasks.is_empty() => {
                work.note(ended);
                // Whatever else ended meanwhile frees its place in the same round.
                while let Some(ended) = work.tasks.try_join_next_with_id() {
                    work.note(ended);
                }
            }
            () = tokio::time::sleep(wait) => {}
            Ok(()) = enqueued.changed() => work.looked_at = None,
        }
    }
    give_back(carrier.as_ref(), &mut work.loads).await;
    while let Some(ended) = work.tasks.join_next_with_id().await {
        work.note(ended);
    }
}

/// The lanes, and whoever is under way in them.
#[derive(Default)]
struct Work {
    lanes: Vec<Lane>,
    /// When it was last asked which lanes there are; `None` when something was enqueued since.
    looked_at: Option<Instant>,
    loads: HashMap<String, Load>,
    tasks: JoinSet<Result<()>>,
    /// The lane of each task.
    places: HashMap<Id, String>,
}

impl Work {
    fn note(&mut self, ended: std::result::Result<(Id, Result<()>), JoinError>) {
        let id = match ended {
            Ok((id, result)) => {
                if let Err(error) = result {
                    tracing::warn!(cause = %error, "a message could not be settled; it is carried again when its lease ends");
                }
                id
            }
            Err(error) => {
                tracing::error!(cause = %error, "carrying a message broke off; it is carried again when its lease ends");
                error.id()
            }
        };
        if let Some(load) = self.places.remove(&id).and_then(|lane| self.loads.get_mut(&lane)) {
            load.under_way = load.under_way.saturating_sub(1);
            // It may be due again soon.
            load.quiet_until = None;
        }
    }

    /// Claims what is due in every lane with room, begins what there are places for, and answers how long nothing more is due. A lane in which
    /// nothing happened since is not looked at again before its time: with many lanes that would be many questions for every message.
    async fn fill<C: Carrier>(&mut self, carrier: &Arc<C>) -> Result<Duration> {
        if self.looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.lanes = carrier.lanes().await?;
            self.loads.retain(|_, load| load.under_way > 0 || !load.queue.is_empty());
            self.loads.values_mut().for_each(|load| load.quiet_until = None);
            self.looked_at = Some(Instant::now());
        }
        let mut wait = LOOK_EVERY;
        for lane in self.lanes.clone() {
            self.begin(carrier, &lane);
            while let Some(load) = self.loads.get_mut(lane.carrier.as_ref()).filter(|load| load.under_way < lane.at_once) {
                let quiet = load.quiet_until.map(|until| until.saturating_duration_since(Instant::now())).filter(|quiet| !quiet.is_zero());
                let due_in = match quiet {
                    Some(quiet) => quiet,
                    None => due_in(carrier.round(), &lane).await?,
                };
                if !due_in.is_zero() {
                    load.quiet_until = Some(Instant::now() + due_in);
                    wait = wait.min(due_in);
                    break;
                }
                load.queue.extend(claim(carrier.round(), &lane, lane.claimed.saturating_sub(load.under_way)).await?);
                if load.queue.is_empty() {
                    // Another node has it.
                    break;
                }
                self.begin(carrier, &lane);
            }
        }
        Ok(wait)
    }

    /// Begins what was claimed, as far as there are places.
    fn begin<C: Carrier>(&mut self, carrier: &Arc<C>, lane: &Lane) {
        let load = self.loads.entry(lane.carrier.clone().into_owned()).or_default();
        while load.under_way < lane.at_once
            && let Some(message) = load.queue.pop_front()
        {
            load.under_way = load.under_way.saturating_add(1);
            let carrier = Arc::clone(carrier);
            let task = self.tasks.spawn(async move { carrier.carry(&message).await });
            self.places.insert(task.id(), lane.carrier.clone().into_owned());
        }
    }
}

/// How long nothing is due in a lane.
async fn due_in(round: Round<'_>, lane: &Lane) -> Result<Duration> {
    let due_at = store::next_due(&mut round.db.read().await?, &lane.carrier).await?;
    let wait_ms = due_at.map(|at| at.since(round.clock.now()).max(0).unsigned_abs());
    Ok(wait_ms.map_or(LOOK_EVERY, Duration::from_millis))
}

async fn give_back(carrier: &impl Carrier, loads: &mut HashMap<String, Load>) {
    let Round { db, clock, .. } = carrier.round();
    let claimed: Vec<Claimed> = loads.values_mut().flat_map(|load| load.queue.drain(..)).collect();
    if claimed.is_empty() {
        return;
    }
    let given_back = async {
        let mut tx = db.begin().await?;
        store::release(&mut tx, &claimed, clock.now()).await?;
        tx.commit().await
    };
    if let Err(error) = given_back.await {
        tracing::warn!(cause = %error, "claimed messages could not be given back; they are carried when their lease ends");
    }
}

/// Carries everything that is due now; answers how many attempts that took.
///
/// # Errors
/// When the database cannot be reached; what was claimed is due again when its lease ends.
pub async fn serve_due(carrier: &impl Carrier) -> Result<usize> {
    let mut attempts = 0;
    loop {
        let before = attempts;
        for lane in carrier.lanes().await? {
            let claimed = claim(carrier.round(), &lane, lane.at_once).await?;
            for result in join_all(claimed.iter().map(|message| carrier.carry(message))).await {
                result?;
            }
            attempts += claimed.len();
        }
        if attempts == before {
            return Ok(attempts);
        }
    }
}

async fn claim(round: Round<'_>, lane: &Lane, most: usize) -> Result<Vec<Claimed>> {
    let now = round.clock.now();
    let lease = Lease { until: now.plus_millis(LEASE_MS), token: round.random.uuid(now) };
    let mut tx = round.db.begin().await?;
    let claimed = store::claim(&mut tx, now, lease, (&lane.carrier, i64::try_from(most).unwrap_or(i64::MAX))).await?;
    if !claimed.is_empty() {
        tx.commit().await?;
    }
    Ok(claimed)
}
