//! Many connections that ask at once, each as soon as it has its answer, and what came of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::connection::{Answer, Connection};
use super::process::Process;

/// The shortest measurement that says anything.
const SHORTEST: Duration = Duration::from_millis(100);

/// Prepared requests.
pub type Requests = Arc<Vec<Vec<u8>>>;

/// How hard to push, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections open at the same time.
    pub connections: usize,
    /// What is not measured at the beginning.
    pub warm: Duration,
    /// What is measured after that.
    pub measured: Duration,
}

/// How often a prepared request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Until it was accepted: a vote.
    Once,
    /// Round and round: a page.
    Again,
}

/// What a crowd saw.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Answers with status 200 in a second of the measured time.
    pub rate: f64,
    /// Half of these answers took no longer, in milliseconds.
    pub p50: f64,
    /// 99 of 100 of these answers took no longer, in milliseconds.
    pub p99: f64,
    /// The requests that were answered with 200, also outside of the measured time.
    pub accepted: Vec<usize>,
    /// Answers with status 503 and Retry-After.
    pub refused: usize,
    /// Processor time of the server for each answer with status 200, in microseconds.
    pub cpu: f64,
    /// The most MB that the server had in memory since it started.
    pub memory: f64,
}

struct Supply {
    requests: Requests,
    may: Use,
    next: AtomicUsize,
    returned: Mutex<Vec<usize>>,
}

#[derive(Default)]
struct Share {
    accepted: Vec<(usize, Instant, Duration)>,
    refused: usize,
    /// When nothing was left to send.
    dry: Option<Instant>,
}

impl Supply {
    fn new(requests: &Requests, may: Use) -> Arc<Self> {
        Arc::new(Self { requests: Arc::clone(requests), may, next: AtomicUsize::new(0), returned: Mutex::new(Vec::new()) })
    }

    fn take(&self) -> Option<(usize, &[u8])> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let at = match self.may {
            Use::Again => at % self.requests.len(),
            Use::Once if at < self.requests.len() => at,
            Use::Once => self.returned.lock().unwrap_or_else(PoisonError::into_inner).pop()?,
        };
        Some((at, self.requests.get(at)?))
    }

    fn give_back(&self, at: usize) {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner).push(at);
    }
}

/// Sends requests over all connections until the time is over or nothing is left.
///
/// # Errors
/// For every answer that is neither 200 nor 503 with Retry-After, and when the requests are used up too early.
pub async fn run(server: &Process, requests: &Requests, may: Use, load: Load) -> Result<Outcome> {
    let supply = Supply::new(requests, may);
    let connections = open(server.address, load.connections).await?;
    let before = server.cpu()?;
    let from = Instant::now() + load.warm;
    let to = from + load.measured;
    let tasks: Vec<_> = connections.into_iter().map(|connection| tokio::spawn(ask_until(connection, Arc::clone(&supply), to))).collect();
    let mut shares = Vec::with_capacity(load.connections);
    for task in tasks {
        shares.push(task.await??);
    }
    let to = shares.iter().filter_map(|share| share.dry).fold(to, Instant::min);
    ensure!(to.saturating_duration_since(from) >= SHORTEST, "{} requests are too few for this server", requests.len());
    sum(&shares, (from, to), (server.cpu()?.saturating_sub(before), server.memory()?.peak))
}

/// Sends each request once and gives what `read` makes of its answer, in the order of the requests.
///
/// # Errors
/// When an answer fails, or `read` refuses it.
pub async fn gather<T: Send + 'static>(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    read: fn(&Answer<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let supply = Supply::new(requests, Use::Once);
    let mut tasks = Vec::new();
    for mut connection in open(address, connections).await? {
        let supply = Arc::clone(&supply);
        tasks.push(tokio::spawn(async move {
            let mut found = Vec::new();
            while let Some((at, request)) = supply.take() {
                let answer = connection.ask(request).await?;
                found.push((at, read(&answer).with_context(|| describe(&answer))?));
            }
            anyhow::Ok(found)
        }));
    }
    let mut found = Vec::with_capacity(requests.len());
    for task in tasks {
        found.extend(task.await??);
    }
    found.sort_unstable_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, value)| value).collect())
}

/// What an answer says, for a message.
pub fn describe(answer: &Answer<'_>) -> String {
    let start = answer.body.get(..300).unwrap_or(answer.body);
    format!("the answer was {}: {}", answer.status, String::from_utf8_lossy(start))
}

async fn open(address: SocketAddr, count: usize) -> Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(Connection::open(address).await.with_context(|| format!("{address} does not answer"))?);
    }
    Ok(connections)
}

async fn ask_until(mut connection: Connection, supply: Arc<Supply>, to: Instant) -> Result<Share> {
    let mut share = Share::default();
    let mut begun = Instant::now();
    while begun < to {
        let Some((at, request)) = supply.take() else {
            share.dry = Some(begun);
            break;
        };
        let answer = connection.ask(request).await?;
        let ended = Instant::now();
        match answer.status {
            200 => share.accepted.push((at, ended, ended - begun)),
            503 if answer.retry_after => {
                share.refused += 1;
                supply.give_back(at);
            }
            _ => bail!(describe(&answer)),
        }
        begun = ended;
    }
    Ok(share)
}

fn sum(shares: &[Share], (from, to): (Instant, Instant), (cpu, memory): (Duration, f64)) -> Result<Outcome> {
    let all = || shares.iter().flat_map(|share| &share.accepted);
    let mut latencies: Vec<_> = all().filter(|(_, ended, _)| (from..to).contains(ended)).map(|(_, _, latency)| *latency).collect();
    latencies.sort_unstable();
    let accepted: Vec<_> = all().map(|(at, ..)| *at).collect();
    Ok(Outcome {
        cpu: cpu.as_secs_f64() * 1e6 / super::number(accepted.len()),
        rate: super::number(latencies.len()) / (to - from).as_secs_f64(),
        p50: quantile(&latencies, 50)?,
        p99: quantile(&latencies, 99)?,
        accepted,
        memory,
        refused: shares.iter().map(|share| share.refused).sum(),
    })
}

/// The smallest latency that `percent` of all do not exceed, in milliseconds.
pub fn quantile(sorted: &[Duration], percent: usize) -> Result<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    let found = sorted.get(rank.saturating_sub(1)).context("nothing was answered in the measured time")?;
    Ok(found.as_secs_f64() * 1000.0)
}
