//! The table: what was measured, and whether it is what was promised.

use std::fmt::Write as _;

use anyhow::Result;

use super::measure::{FLOOD, Figures, HookFigures, OVERLOAD, PAGE_CONNECTIONS, Votes};
use super::series::Series;
use super::storm;

/// Connections at which the aims for votes hold.
const AIM_CONNECTIONS: usize = 64;

/// One promise and what became of it.
struct Aim {
    what: String,
    wanted: String,
    measured: String,
    met: bool,
}

/// What an engine is held to.
struct Bounds {
    of_bare: f64,
    times_single: f64,
}

/// The whole table in Markdown.
pub fn render(machine: &str, all: &[Figures], hooks: &[HookFigures]) -> Result<String> {
    let mut text = format!("\n{machine}; load generator and server on the same machine, medians of interleaved runs.\n");
    for figures in all {
        header(&mut text, &figures.engine)?;
        for votes in &figures.votes {
            vote_rows(&mut text, votes)?;
        }
        for (what, connections, series) in [
            ("votes committed, four times the load", OVERLOAD, &figures.overload),
            ("votes committed, sixteen times", FLOOD, &figures.flood),
        ] {
            let refused = thousands_of(series.refused());
            let beside = format!("{:.2} of the peak; {refused} answers of 503 with Retry-After", figures.of_peak(series));
            row(&mut text, what, connections, series, &beside)?;
        }
        for page in &figures.pages {
            let beside = format!("{:.2} of bare", page.page.times(&page.bare));
            row(&mut text, &page.name, PAGE_CONNECTIONS, &page.page, &beside)?;
            row(&mut text, "bare, same bytes", PAGE_CONNECTIONS, &page.bare, "")?;
        }
        writeln!(text, "\nInteractions stored while preparing: {} a second.", thousands(figures.interactions))?;
    }
    for figures in hooks {
        header(&mut text, &figures.engine)?;
        row(&mut text, "hooks taken in", storm::CONNECTIONS, &figures.most, "")?;
        let storm = &figures.storm;
        writeln!(
            text,
            "\nA storm of {} hooks a second for {:.0} s: {} answered 200 (p50 {:.1} ms, p99 {:.1} ms after they were due), {} answered 503 with Retry-After; every one acknowledged is stored.",
            thousands_of(storm::OFFERED),
            storm.seconds,
            thousands_of(storm.accepted),
            storm.p50,
            storm.p99,
            thousands_of(storm.refused)
        )?;
    }
    writeln!(text, "\n| aim | wanted | measured | |\n|---|---|---|---|")?;
    for aim in all
        .iter()
        .flat_map(aims)
        .chain(hooks.iter().map(|figures| at_most(format!("{}: a storm of hooks, p99 in ms", figures.name), 250.0, figures.storm.p99)))
    {
        let met = if aim.met { "met" } else { "NOT MET" };
        writeln!(text, "| {} | {} | {} | {met} |", aim.what, aim.wanted, aim.measured)?;
    }
    Ok(text)
}

fn header(text: &mut String, engine: &str) -> Result<()> {
    writeln!(text, "\n{engine}\n")?;
    Ok(writeln!(
        text,
        "| what | connections | a second | p50 ms | p99 ms | server's CPU µs | highest MB | beside it |\n|---|--:|--:|--:|--:|--:|--:|---|"
    )?)
}

fn vote_rows(text: &mut String, votes: &Votes) -> Result<()> {
    let beside = format!("{:.2} of bare, {:.1} times one by one", votes.batched.times(&votes.bare), votes.batched.times(&votes.single));
    row(text, "votes committed", votes.connections, &votes.batched, &beside)?;
    row(text, "votes, one commit each", votes.connections, &votes.single, "")?;
    row(text, "bare POST", votes.connections, &votes.bare, "")
}

fn row(text: &mut String, what: &str, connections: usize, series: &Series, beside: &str) -> Result<()> {
    let rate = thousands(series.rate());
    let (p50, p99, cpu, memory) = (series.p50(), series.p99(), series.cpu(), series.memory());
    Ok(writeln!(text, "| {what} | {connections} | {rate} | {p50:.2} | {p99:.2} | {cpu:.1} | {memory:.0} | {beside} |")?)
}

impl Figures {
    /// A rate beside the best one.
    fn of_peak(&self, series: &Series) -> f64 {
        let best = self.votes.iter().max_by(|a, b| a.batched.rate().total_cmp(&b.batched.rate()));
        best.map_or(f64::NAN, |best| series.times(&best.batched))
    }
}

fn aims(figures: &Figures) -> Vec<Aim> {
    let name = figures.name;
    let bounds = if name == "SQLite" { Bounds { of_bare: 0.35, times_single: 6.0 } } else { Bounds { of_bare: 0.25, times_single: 4.0 } };
    let mut aims = Vec::new();
    if let Some(votes) = figures.votes.iter().find(|votes| votes.connections == AIM_CONNECTIONS) {
        let batched = &votes.batched;
        aims.push(at_least(format!("{name}: votes beside a bare POST"), bounds.of_bare, batched.times(&votes.bare)));
        aims.push(at_least(format!("{name}: votes beside one commit each"), bounds.times_single, batched.times(&votes.single)));
        aims.push(at_most(format!("{name}: votes, p50 in ms"), 2.5, batched.p50()));
        aims.push(at_most(format!("{name}: votes, p99 in ms"), 8.0, batched.p99()));
    }
    aims.push(at_least(format!("{name}: four times the load, share of the peak"), 0.95, figures.of_peak(&figures.overload)));
    for page in &figures.pages {
        aims.push(at_least(format!("{name}: {}, beside bare", page.name), 0.8, page.page.times(&page.bare)));
    }
    aims.push(at_most(format!("{name}: memory at rest in MB"), 20.0, figures.rest));
    let loaded = figures.votes.iter().map(|votes| votes.batched.memory()).fold(0.0, f64::max);
    aims.push(at_most(format!("{name}: memory under load in MB"), 96.0, loaded));
    aims.push(at_most(format!("{name}: start to first answer in ms"), 100.0, figures.start_ms));
    aims
}

fn at_least(what: String, wanted: f64, measured: f64) -> Aim {
    Aim { what, wanted: format!("at least {wanted}"), measured: format!("{measured:.2}"), met: measured >= wanted }
}

fn at_most(what: String, wanted: f64, measured: f64) -> Aim {
    Aim { what, wanted: format!("at most {wanted}"), measured: format!("{measured:.2}"), met: measured <= wanted }
}

fn thousands_of(number: usize) -> String {
    thousands(super::number(number))
}

/// A whole number with commas.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
