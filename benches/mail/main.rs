//! Measures how fast mail leaves: our relay beside lettre's own pool and a bare socket loop that writes the same bytes, to a sink on the same machine.
//!
//! `cargo bench --bench mail`; with `-- --quick` a short check.

mod contender;
mod sink;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, bail};
use nabz::clock::Clock;
use nabz::delivery::mail::{Mail, Mailbox};

use contender::Contender;
use sink::Sink;

/// Connections at which mail is measured.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// What one message over one connection may take, in milliseconds.
const AIM_MS: f64 = 0.6;
/// About what the HTML of an invitation weighs, in bytes.
const HTML: usize = 12_000;

/// How much to measure.
struct Plan {
    rounds: usize,
    warm: Duration,
    measured: Duration,
}

const FULL: Plan = Plan { rounds: 5, warm: Duration::from_millis(300), measured: Duration::from_secs(2) };
const QUICK: Plan = Plan { rounds: 1, warm: Duration::from_millis(100), measured: Duration::from_millis(300) };

fn main() -> Result<()> {
    let mut plan = FULL;
    let mut is_bench = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--bench" => is_bench = true,
            "--quick" => plan = QUICK,
            other => bail!("unknown argument {other}; there is --quick"),
        }
    }
    if !is_bench {
        // `cargo test --all-targets` runs this too, in a debug build that says nothing about speed.
        return print("measures only under `cargo bench --bench mail`\n");
    }
    let sink = Sink::start()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(measure(&plan, &sink))
}

/// The three in turns, so that all meet the same machine; ratios are those of one round.
async fn measure(plan: &Plan, sink: &Sink) -> Result<()> {
    let bytes = mail().to_bytes()?;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    print(&format!("{cores} cores, {} bytes a message, medians of {} interleaved rounds\n\n", bytes.len(), plan.rounds))?;
    print(
        "| connections | ours, mails/s | ms a message | lettre's pool | bare sockets | ours / lettre | ours / bare |\n|--:|--:|--:|--:|--:|--:|--:|\n",
    )?;
    let mut on_one = f64::NAN;
    for connections in CONNECTIONS {
        let (mut ours, mut theirs, mut bare, mut over_theirs, mut over_bare) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            let mut rates = Vec::new();
            for kind in [Contender::Ours, Contender::Lettre, Contender::Bare] {
                rates.push(contender::rate(kind, (connections, sink), &bytes, (plan.warm, plan.measured)).await?);
            }
            if let [one, other, least] = rates.as_slice() {
                ours.push(*one);
                theirs.push(*other);
                bare.push(*least);
                over_theirs.push(one / other);
                over_bare.push(one / least);
            }
        }
        let rate = median(ours);
        let ms = 1000.0 * f64::from(u32::try_from(connections)?) / rate;
        if connections == 1 {
            on_one = ms;
        }
        print(&format!(
            "| {connections} | {rate:.0} | {ms:.3} | {:.0} | {:.0} | {:.2} | {:.2} |\n",
            median(theirs),
            median(bare),
            median(over_theirs),
            median(over_bare)
        ))?;
    }
    let met = if on_one <= AIM_MS { "met" } else { "MISSED" };
    print(&format!("\nA message on one connection: at most {AIM_MS} ms wanted, {on_one:.3} ms measured: {met}.\n"))
}

/// A mail as large as an invitation's.
fn mail() -> Mail {
    Mail {
        id: "0198c0de-0000-7000-8000-000000000001".to_owned(),
        date: Clock::System.now(),
        from: Mailbox { name: Some("Acme".to_owned()), address: "survey@acme.example".to_owned() },
        to: Mailbox { name: Some("Sara".to_owned()), address: "sara@example.com".to_owned() },
        reply_to: None,
        return_path: None,
        subject: "One question from Acme".to_owned(),
        text: "One click is enough. You can add a comment on the page that opens.\n".repeat(12),
        html: "<p style=\"margin:0\">One click is enough.</p>\n".repeat(HTML / 44),
        unsubscribe: Some("https://nabz.example/u/aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq".to_owned()),
        list: Some("support".to_owned()),
    }
}

/// The middle value; not a number where there is none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
