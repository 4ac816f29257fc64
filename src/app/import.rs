//! `nabz import`: a file of past answers or closed tickets, with what is told of it on a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{Parts, data};
use crate::config::Config;
use crate::response::import::columns::Mapping;
use crate::response::import::run::{self, Event, Failed, Options, Summary};

/// How often a terminal is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What to import, as it was typed.
#[derive(Debug)]
pub struct Wanted {
    /// The file.
    pub file: PathBuf,
    /// The survey of rows that name none.
    pub survey: Option<String>,
    /// What columns hold: `field=column`, several separated by commas, or `@FILE`.
    pub map: Vec<String>,
    /// Whether nothing is stored.
    pub dry_run: bool,
}

/// How an import ended.
#[derive(Debug)]
pub enum Ended {
    /// Every row was taken; what to tell.
    Whole(String),
    /// Some rows were refused; what to tell.
    InPart(String),
    /// The file cannot be used; why.
    Unusable(String),
}

/// Imports a file; refused rows are told on stderr, one a line.
///
/// # Errors
/// When the database cannot be opened, or does not take the rows.
pub async fn import(config: &Config, parts: &Parts, wanted: Wanted) -> anyhow::Result<Ended> {
    let mapping = match mapping(&wanted.map) {
        Ok(mapping) => mapping,
        Err(why) => return Ok(Ended::Unusable(format!("--map: {why}"))),
    };
    let Ok(length) = std::fs::metadata(&wanted.file).map(|file| file.len()) else {
        return Ok(Ended::Unusable(format!("{} cannot be read", wanted.file.display())));
    };
    let keyring = data::open_keyring(config, &parts.random)?;
    let db = data::open_database(config, parts).await?;
    let context = super::context(config, parts, (db, keyring, config.server.listen))?;
    let options = Options { survey: wanted.survey, mapping, dry_run: wanted.dry_run };
    let mut terminal = Terminal::new(length);
    let done = run::run(&context, &wanted.file, &options, |event| terminal.tell(&event)).await;
    terminal.clear();
    context.db.close().await;
    match done {
        Ok(summary) if summary.refused == 0 => Ok(Ended::Whole(told(&summary, wanted.dry_run))),
        Ok(summary) => Ok(Ended::InPart(told(&summary, wanted.dry_run))),
        Err(Failed::Unusable(why)) => Ok(Ended::Unusable(why.to_string())),
        Err(error) => Err(error).context("the import was cut off"),
    }
}

/// The mapping of all `--map`, each a list or the name of a file behind `@`.
fn mapping(texts: &[String]) -> Result<Mapping, String> {
    let mut read = Vec::new();
    for text in texts {
        read.push(match text.strip_prefix('@') {
            Some(path) => std::fs::read_to_string(Path::new(path)).map_err(|error| format!("{path} cannot be read: {error}"))?,
            None => text.clone(),
        });
    }
    Mapping::parse(read.iter().map(String::as_str))
}

/// The summary, one line for each number that is not 0.
fn told(summary: &Summary, dry_run: bool) -> String {
    let mut lines = vec![format!("{} rows{}", grouped(summary.rows), if dry_run { ", of which nothing is stored (dry run)" } else { "" })];
    let mut line = |count: u64, what: &str| {
        if count > 0 {
            lines.push(format!("{:>11}  {what}", grouped(count)));
        }
    };
    line(summary.answers, "new answers");
    line(summary.invited, "new tickets whose customers are asked");
    for (reason, count) in &summary.skipped {
        line(*count, &format!("new tickets skipped: {reason}"));
    }
    line(summary.known, "there already");
    line(summary.unanswered, "asked elsewhere, without an answer");
    line(summary.refused, "refused");
    lines.join("\n")
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

/// A line that is drawn again and again, only where somebody looks at it.
struct Terminal {
    is_watched: bool,
    length: u64,
    begun: Instant,
    drawn: Option<Instant>,
}

impl Terminal {
    fn new(length: u64) -> Self {
        Self { is_watched: std::io::stderr().is_terminal(), length, begun: Instant::now(), drawn: None }
    }

    fn tell(&mut self, event: &Event<'_>) {
        match event {
            Event::Unknown(names) => self.line(&format!("not kept: {}", names.join(", "))),
            Event::Refused(row, refused) => self.line(&format!("row {row}: {refused}")),
            Event::Progress(rows, bytes) => self.draw(*rows, *bytes),
        }
    }

    fn line(&mut self, line: &str) {
        self.clear();
        say(&format!("{line}\n"));
    }

    fn draw(&mut self, rows: u64, bytes: u64) {
        if !self.is_watched || self.drawn.is_some_and(|drawn| drawn.elapsed() < TELL_EVERY) {
            return;
        }
        say(&format!("\r\x1b[K{}", progress(rows, (bytes, self.length), self.begun.elapsed())));
        self.drawn = Some(Instant::now());
    }

    fn clear(&mut self) {
        if self.drawn.take().is_some() {
            say("\r\x1b[K");
        }
    }
}

/// How far an import is: a bar by bytes, and rows with their rate.
fn progress(rows: u64, (bytes, length): (u64, u64), elapsed: Duration) -> String {
    let percent = bytes.saturating_mul(100).checked_div(length).unwrap_or(100).min(100);
    let rate = u128::from(rows) * 1000 / elapsed.as_millis().max(1);
    let rate = u64::try_from(rate).unwrap_or(u64::MAX);
    let bar: String = (0..20).map(|step| if step * 5 < percent { '#' } else { '.' }).collect();
    format!("[{bar}] {percent:>3} %  {} rows, {} a second", grouped(rows), grouped(rate))
}

fn say(text: &str) {
    // There is nowhere left to report that writing to stderr failed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_bar_with_numbers() {
        let second = Duration::from_secs(1);
        assert_eq!(progress(1500, (500, 1000), 2 * second), "[##########..........]  50 %  1,500 rows, 750 a second");
        assert_eq!(progress(0, (0, 1000), Duration::ZERO), "[....................]   0 %  0 rows, 0 a second");
        assert_eq!(progress(7, (2000, 1000), second), "[####################] 100 %  7 rows, 7 a second");
        assert!(progress(0, (0, 0), second).contains("100 %"));
    }

    #[test]
    fn a_summary_tells_every_number_that_is_not_zero() {
        let summary = Summary {
            rows: 1_234_567,
            answers: 1000,
            skipped: [("too_old", 12), ("no_address", 3)].into(),
            refused: 1,
            ..Summary::default()
        };
        let lines = told(&summary, true);
        assert_eq!(
            lines.lines().map(str::trim).collect::<Vec<_>>(),
            [
                "1,234,567 rows, of which nothing is stored (dry run)",
                "1,000  new answers",
                "3  new tickets skipped: no_address",
                "12  new tickets skipped: too_old",
                "1  refused",
            ]
        );
        assert_eq!(told(&Summary::default(), false), "0 rows");
    }
}
