//! The measurements of one engine: what belongs together runs in turns, so that both sides meet the same machine.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::crowd::{self, Load, Outcome, Use};
use super::database::Ground;
use super::process::Process;
use super::product::{self, Counts};
use super::seed::{self, Prepared};
use super::series::Series;
use super::storm::{self, Storm};

/// Connections at which votes are measured.
pub const CONNECTIONS: [usize; 3] = [16, 64, 256];
/// Four times the most of them.
pub const OVERLOAD: usize = 1024;
/// Sixteen times the most of them: more than may wait, so that some must be refused.
pub const FLOOD: usize = 4096;
/// Connections at which pages are measured.
pub const PAGE_CONNECTIONS: usize = 64;
/// Votes committed together, and the control.
pub const BATCH: usize = 256;
const ONE_BY_ONE: usize = 1;
/// How long a fresh server is left alone before its memory at rest is read.
const REST: Duration = Duration::from_secs(1);

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Links, one vote each.
    pub links: usize,
    /// How often every measurement is repeated.
    pub rounds: usize,
    /// Before each measurement.
    pub warm: Duration,
    /// Each measurement.
    pub measured: Duration,
    /// Hooks, one closing each, for each round.
    pub hooks: usize,
    /// How long a storm of hooks lasts.
    pub storm: Duration,
}

/// Hooks of one engine.
pub struct HookFigures {
    /// The engine and its settings.
    pub engine: String,
    /// Its name.
    pub name: &'static str,
    /// The most that are taken in.
    pub most: Series,
    /// A storm.
    pub storm: Storm,
}

/// Votes at one number of connections.
pub struct Votes {
    /// Connections.
    pub connections: usize,
    /// The bare server's POST.
    pub bare: Series,
    /// The product.
    pub batched: Series,
    /// The product with one commit for each vote.
    pub single: Series,
}

/// A page and its bare twin.
pub struct PageFigures {
    /// Its name, and how it was opened.
    pub name: String,
    /// The product.
    pub page: Series,
    /// The bare server.
    pub bare: Series,
}

/// All figures of one engine.
pub struct Figures {
    /// The engine and its settings.
    pub engine: String,
    /// Its name.
    pub name: &'static str,
    /// Interactions stored in a second, while preparing.
    pub interactions: f64,
    /// Votes, by connections.
    pub votes: Vec<Votes>,
    /// Votes at four times the most connections.
    pub overload: Series,
    /// Votes at sixteen times the most connections.
    pub flood: Series,
    /// Pages.
    pub pages: Vec<PageFigures>,
    /// Spawn to first answer, in milliseconds, the median of the starts.
    pub start_ms: f64,
    /// MB at rest.
    pub rest: f64,
}

/// Measures the hooks of one engine.
pub async fn hooks(ground: &mut Ground, plan: &Plan) -> Result<HookFigures> {
    let name = ground.engine.name();
    let mut most = Series::default();
    for round in 0..plan.rounds {
        progress(&format!("{name}: hooks, round {} of {}", round + 1, plan.rounds));
        most.add(&storm::most(ground, plan.hooks, plan.load(storm::CONNECTIONS)).await?);
    }
    progress(&format!("{name}: a storm of hooks for {} s", plan.storm.as_secs()));
    let storm = storm::storm(ground, plan.storm).await?;
    Ok(HookFigures { engine: ground.engine.describe().await?, name, most, storm })
}

/// What all measurements of one engine share.
struct Side<'a> {
    plan: &'a Plan,
    prepared: &'a Prepared,
    bare: &'a Process,
}

#[derive(Clone, Copy)]
enum Turn {
    Bare,
    Batched,
    Single,
}

/// Measures one engine.
pub async fn engine(ground: &mut Ground, plan: &Plan) -> Result<Figures> {
    let name = ground.engine.name();
    progress(&format!("{name}: starts"));
    let (start_ms, rest) = starts(ground, plan.rounds + 2).await?;
    progress(&format!("{name}: prepares {} links", plan.links));
    let prepared = seed::prepare(ground, plan.links).await?;
    let bare = start_bare(ground, &prepared).await?;
    let mut figures = Figures {
        engine: ground.engine.describe().await?,
        name,
        interactions: prepared.interactions,
        votes: CONNECTIONS.map(Votes::new).into(),
        overload: Series::default(),
        flood: Series::default(),
        pages: Vec::new(),
        start_ms,
        rest,
    };
    let side = Side { plan, prepared: &prepared, bare: &bare };
    for round in 0..plan.rounds {
        progress(&format!("{name}: votes, round {} of {}", round + 1, plan.rounds));
        votes(ground, &side, round, &mut figures).await?;
    }
    progress(&format!("{name}: pages"));
    figures.pages = pages(&side).await?;
    bare.stop().await?;
    Ok(figures)
}

/// Votes and pages at 64 connections beside their bare twins, with the server's processor time for each: what to look at while tuning.
pub async fn tune(ground: &mut Ground, plan: &Plan) -> Result<String> {
    let prepared = seed::prepare(ground, plan.links).await?;
    let bare = start_bare(ground, &prepared).await?;
    let load = plan.load(PAGE_CONNECTIONS);
    let mut votes = Votes::new(PAGE_CONNECTIONS);
    for _ in 0..plan.rounds {
        votes.bare.add(&crowd::run(&bare, &prepared.bare_votes, Use::Again, load).await?);
        votes.batched.add(&vote(ground, &prepared, BATCH, load).await?);
    }
    let engine = ground.engine.name();
    let mut text = beside(&format!("{engine} votes"), &votes.batched, &votes.bare)?;
    progress(text.trim_end());
    for page in pages(&Side { plan, prepared: &prepared, bare: &bare }).await? {
        text.push_str(&beside(&format!("{engine} {}", page.name), &page.page, &page.bare)?);
    }
    bare.stop().await?;
    Ok(text)
}

/// One line about the product and its bare twin.
fn beside(name: &str, ours: &Series, bare: &Series) -> Result<String> {
    let (rate, times, p50, p99) = (ours.rate(), ours.times(bare), ours.p50(), ours.p99());
    let (cpu, of_bare) = (ours.cpu(), bare.cpu());
    let mut line = String::new();
    writeln!(
        line,
        "{name}: {rate:.0} a second, {times:.2} of bare; p50 {p50:.1}, p99 {p99:.1} ms; {cpu:.0} us of the server's processors, bare {of_bare:.0}"
    )?;
    Ok(line)
}

impl PageFigures {
    fn new(name: String) -> Self {
        Self { name, page: Series::default(), bare: Series::default() }
    }
}

impl Votes {
    fn new(connections: usize) -> Self {
        Self { connections, bare: Series::default(), batched: Series::default(), single: Series::default() }
    }
}

impl Plan {
    fn load(&self, connections: usize) -> Load {
        Load { connections, warm: self.warm, measured: self.measured }
    }
}

/// One round of all votes; every second one the other way round.
async fn votes(ground: &mut Ground, side: &Side<'_>, round: usize, figures: &mut Figures) -> Result<()> {
    let Side { plan, prepared, bare } = *side;
    for votes in &mut figures.votes {
        let load = plan.load(votes.connections);
        let mut turns = [Turn::Bare, Turn::Batched, Turn::Single];
        if !round.is_multiple_of(2) {
            turns.reverse();
        }
        for turn in turns {
            match turn {
                Turn::Bare => votes.bare.add(&crowd::run(bare, &prepared.bare_votes, Use::Again, load).await?),
                Turn::Batched => {
                    votes.batched.add(&vote(ground, prepared, BATCH, load).await?);
                }
                Turn::Single => votes.single.add(&vote(ground, prepared, ONE_BY_ONE, load).await?),
            }
        }
    }
    for (connections, series) in [(OVERLOAD, &mut figures.overload), (FLOOD, &mut figures.flood)] {
        series.add(&vote(ground, prepared, BATCH, plan.load(connections)).await?);
    }
    Ok(())
}

/// Votes on a fresh copy of what is prepared, and checks that what was accepted is what is counted.
async fn vote(ground: &mut Ground, prepared: &Prepared, vote_batch: usize, load: Load) -> Result<Outcome> {
    let place = ground.copy(&prepared.place).await?;
    let server = product::start(&place, vote_batch).await?;
    let before = product::counts(server.address).await?;
    let outcome = crowd::run(&server, &prepared.votes, Use::Once, load).await.with_context(|| server.last_words())?;
    let after = product::counts(server.address).await?;
    let mut expected = before;
    for link in &outcome.accepted {
        *expected.entry(seed::score(*link)).or_default() += 1;
    }
    check(&expected, &after)?;
    server.stop().await?;
    ground.remove(place).await?;
    Ok(outcome)
}

fn check(expected: &Counts, counted: &Counts) -> Result<()> {
    ensure!(expected == counted, "WRONG COUNTS: accepted were {expected:?}, the breakdown says {counted:?}");
    Ok(())
}

/// Pages and their bare twins, in turns; each link for the first time since the server started, and again within a minute.
async fn pages(side: &Side<'_>) -> Result<Vec<PageFigures>> {
    let Side { plan, prepared, bare } = *side;
    let load = plan.load(PAGE_CONNECTIONS);
    let mut all = Vec::new();
    for page in &prepared.pages {
        let [mut first, mut again] = [", first opened", ", opened again"].map(|opened| PageFigures::new(format!("{}{opened}", page.name)));
        for _ in 0..plan.rounds {
            let server = product::start(&prepared.place, BATCH).await?;
            for (figures, may) in [(&mut first, Use::Once), (&mut again, Use::Again)] {
                figures.page.add(&crowd::run(&server, &page.requests, may, load).await?);
                figures.bare.add(&crowd::run(bare, &page.bare, Use::Again, load).await?);
            }
            server.stop().await?;
        }
        all.extend([first, again]);
    }
    Ok(all)
}

/// Starts on empty databases: the median of the times in milliseconds, and the MB of the last one at rest.
async fn starts(ground: &mut Ground, count: usize) -> Result<(f64, f64)> {
    let mut times = Vec::new();
    let mut rest = 0.0;
    for at in 1..=count {
        let place = ground.empty().await?;
        let server = product::start(&place, BATCH).await?;
        times.push(server.start.as_secs_f64() * 1000.0);
        if at == count {
            tokio::time::sleep(REST).await;
            rest = server.memory()?.now;
        }
        server.stop().await?;
        ground.remove(place).await?;
    }
    Ok((super::series::median(times), rest))
}

/// This program once more, as the bare server.
async fn start_bare(ground: &Ground, prepared: &Prepared) -> Result<Process> {
    let program = std::env::current_exe()?;
    let log = ground.folder("bare")?.join("server.log");
    let command = |address: SocketAddr| {
        let mut command = Command::new(program);
        command.arg("--bare").arg(address.port().to_string()).arg(&prepared.kept);
        command
    };
    Process::start(&log, "/page", command).await
}

fn progress(text: &str) {
    eprintln!("{text}");
}
