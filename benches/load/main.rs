//! The load generator: measures the real binary beside controls, and says which promises of DESIGN.md it keeps.
//!
//! `cargo bench --bench load`; with `-- --quick` a short check, with `-- --hooks` only what hooks take, with `-- --votes`
//! everything else, with `-- --tune` votes and pages at 64 connections. PostgreSQL is measured too where `NABZ_TEST_POSTGRES_URL` names one,
//! and alone with `-- --postgres`.

mod bare;
mod connection;
mod crowd;
mod database;
mod machine;
mod measure;
mod process;
mod product;
mod seed;
mod series;
mod storm;
mod table;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use database::{Engine, Ground};
use measure::Plan;

const FULL: Plan = Plan {
    links: 80_000,
    rounds: 3,
    warm: Duration::from_millis(400),
    measured: Duration::from_secs(2),
    hooks: 80_000,
    storm: Duration::from_mins(1),
};
const QUICK: Plan = Plan {
    links: 12_000,
    rounds: 1,
    warm: Duration::from_millis(100),
    measured: Duration::from_millis(500),
    hooks: 12_000,
    storm: Duration::from_secs(5),
};

/// Files that a process has open besides its connections.
const SPARE_FILES: usize = 256;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, port, folder] = arguments.as_slice()
        && first == "--bare"
    {
        return bare::serve(port.parse()?, Path::new(folder));
    }
    let mut plan = FULL;
    let mut is_bench = false;
    let mut part = Part::All;
    let mut engines = vec![Engine::Sqlite];
    if let Some(url) = postgres_url() {
        engines.push(Engine::Postgres(url.parse().context("NABZ_TEST_POSTGRES_URL")?));
    }
    for argument in &arguments {
        match argument.as_str() {
            "--bench" => is_bench = true,
            "--quick" => plan = QUICK,
            "--hooks" => part = Part::Hooks,
            "--votes" => part = Part::Votes,
            "--tune" => part = Part::Tune,
            "--postgres" => engines.retain(|engine| matches!(engine, Engine::Postgres(_))),
            other => bail!("unknown argument {other}; there are --quick, --hooks, --votes, --tune and --postgres"),
        }
    }
    if !is_bench {
        // `cargo test --all-targets` runs this too, in a debug build that says nothing about speed.
        return print("measures only under `cargo bench --bench load`\n");
    }
    if machine::open_files() < measure::FLOOD + SPARE_FILES {
        bail!("too few files may be open at the same time; run `ulimit -n 10000` first");
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure_all(engines, &plan, part))
}

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Hooks,
    /// Everything but hooks.
    Votes,
    /// Votes and pages at 64 connections, for whoever makes them cheaper.
    Tune,
}

async fn measure_all(engines: Vec<Engine>, plan: &Plan, part: Part) -> Result<()> {
    let (mut all, mut hooks) = (Vec::new(), Vec::new());
    for engine in engines {
        let mut ground = Ground::new(engine)?;
        let measured = async {
            if part == Part::Tune {
                return print(&measure::tune(&mut ground, plan).await?);
            }
            if part != Part::Hooks {
                all.push(measure::engine(&mut ground, plan).await?);
            }
            if part != Part::Votes {
                hooks.push(measure::hooks(&mut ground, plan).await?);
            }
            anyhow::Ok(())
        };
        let measured = measured.await;
        ground.clear().await?;
        measured?;
    }
    if part == Part::Tune { Ok(()) } else { print(&table::render(&machine::describe(), &all, &hooks)?) }
}

#[expect(clippy::disallowed_methods, reason = "where the tests' PostgreSQL is, is not a setting of the product")]
fn postgres_url() -> Option<String> {
    std::env::var("NABZ_TEST_POSTGRES_URL").ok()
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// A count for a division; exact up to 4,294,967,295.
fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
