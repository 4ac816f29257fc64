//! Measures `nabz import` of the real binary: rows a second and the most memory it ever had, for past answers and for closed tickets.
//!
//! `cargo bench --bench import`, or `-- --rows 1000000`. PostgreSQL is measured too where `NABZ_TEST_POSTGRES_URL` names one.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nabz::clock::{Clock, Timestamp};
use sqlx::{AssertSqlSafe, Connection as _};

const ROWS: u64 = 100_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const CUSTOMERS: u64 = 200_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rows = match arguments.iter().position(|argument| argument == "--rows") {
        Some(at) => arguments.get(at + 1).context("--rows needs a number")?.parse()?,
        None => ROWS,
    };
    if !arguments.iter().any(|argument| argument == "--bench") {
        // `cargo test --all-targets` runs this too, in a debug build that says nothing about speed.
        return print("measures only under `cargo bench --bench import`\n");
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(rows))
}

async fn measure(rows: u64) -> Result<()> {
    let folder = tempfile::TempDir::with_prefix("nabz-import.")?;
    let now = Clock::System.now();
    let kinds = [("past answers", "answers.csv"), ("old tickets", "old.csv"), ("new tickets", "new.csv")];
    for (kind, file) in kinds {
        write(&folder.path().join(file), kind, rows, now)?;
    }
    print(&format!("{rows} rows\n\n| engine | rows | rows/s | s | memory MB | again, rows/s |\n|---|---|--:|--:|--:|--:|\n"))?;
    let mut urls = vec![("SQLite", None)];
    if let Some(admin) = postgres_url() {
        urls.push(("PostgreSQL", Some(admin)));
    }
    for (engine, admin) in urls {
        for (kind, file) in kinds {
            let place = folder.path().join(format!("{engine} {kind}"));
            std::fs::create_dir(&place)?;
            let name = format!("nabz_import_{}", std::process::id());
            let url = match &admin {
                Some(admin) => create(admin, &name).await?,
                None => format!("sqlite:{}", place.join("nabz.db").display()),
            };
            prepare(&place, &url).await?;
            let path = folder.path().join(file);
            let (first, memory) = import(&place, &url, &path)?;
            let (again, _) = import(&place, &url, &path)?;
            print(&format!(
                "| {engine} | {kind} | {:.0} | {:.1} | {memory:.0} | {:.0} |\n",
                rate(rows, first),
                first.as_secs_f64(),
                rate(rows, again)
            ))?;
            if let Some(admin) = &admin {
                run(admin, &format!("DROP DATABASE {name} WITH (FORCE)")).await?;
            }
            std::fs::remove_dir_all(&place)?;
        }
    }
    Ok(())
}

/// A file of five years, 200,000 customers, 50 agents in five teams; every fourth answer with a comment, every fifth row tagged.
fn write(path: &Path, kind: &str, rows: u64, now: Timestamp) -> Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    let (is_answer, is_new) = (kind == "past answers", kind == "new tickets");
    writeln!(
        file,
        "ticket.id,ticket.closed_at,customer.email,customer.locale,agent.id,agent.name,team,channel,tags{}",
        if is_answer { ",score,answered_at,comment" } else { "" }
    )?;
    let span = if is_new { 6 * 86_400_000 } else { 5 * 365 * 86_400_000_i64 };
    let count = i64::try_from(rows)?.max(1);
    for row in 0..rows {
        let at = now.plus_millis(-span + i64::try_from(row)? * (span / count) - if is_new { 0 } else { 30 * 86_400_000 });
        // Each customer of new tickets is another, so that each is asked.
        let customer = if is_new { row } else { row.wrapping_mul(2_654_435_761) % CUSTOMERS };
        let (agent, tags) = (row % 50, if row.is_multiple_of(5) { "vip" } else { "" });
        let channel = if row.is_multiple_of(3) { "chat" } else { "email" };
        write!(file, "T{row},{at},customer-{customer}@example.com,fa,{agent},Agent {agent},Team {},{channel},{tags}", agent % 5)?;
        if is_answer {
            let comment = if row.is_multiple_of(4) { "\"Quick, friendly and to the point\"" } else { "" };
            write!(file, ",{},{at},{comment}", row % 5 + 1)?;
        }
        writeln!(file)?;
    }
    Ok(file.flush()?)
}

fn command(place: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nabz"));
    command.args(arguments).current_dir(place).env("NABZ__DATABASE__URL", url).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// An empty database with one survey.
async fn prepare(place: &Path, url: &str) -> Result<()> {
    ensure!(command(place, url, &["migrate"]).status()?.success(), "the database could not be made");
    let survey = "INSERT INTO survey (id, slug, name, metric, scale, display, locale, timezone, texts, brand, deliver, deliver_mode, policy, week_start, public, created_at, updated_at)
        VALUES ($1, 'support', 'Support', 'csat', 'agree', 'numbers', 'en', 'Asia/Tehran', '{}', '{\"color\":\"#0b6e4f\"}', '[\"email\"]', 'first', '{}', 'monday', '{}', 0, 0)";
    let id = uuid::Uuid::from_u128(1);
    if url.starts_with("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(url).await?;
        sqlx::query(survey).bind(id).execute(&mut connection).await?;
        connection.close().await?;
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await?;
        sqlx::query(survey).bind(id).execute(&mut connection).await?;
        connection.close().await?;
    }
    Ok(())
}

/// Imports a file; answers how long that took, and the most memory in MB of 1,048,576 bytes.
fn import(place: &Path, url: &str, file: &Path) -> Result<(Duration, f64)> {
    let file = file.to_str().context("a path that is no text")?;
    let since = Instant::now();
    let mut child = command(place, url, &["import", file]).spawn()?;
    let mut peak = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak = peak.max(memory(child.id()).unwrap_or_default());
        std::thread::sleep(LOOK_EVERY);
    };
    ensure!(status.success(), "the import failed");
    Ok((since.elapsed(), peak))
}

fn memory(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}

fn rate(rows: u64, time: Duration) -> f64 {
    u32::try_from(rows).map_or(f64::NAN, f64::from) / time.as_secs_f64()
}

async fn create(admin: &str, name: &str) -> Result<String> {
    run(admin, &format!("CREATE DATABASE {name}")).await?;
    let Some((base, _)) = admin.rsplit_once('/') else { bail!("NABZ_TEST_POSTGRES_URL names no database") };
    Ok(format!("{base}/{name}"))
}

async fn run(admin: &str, statement: &str) -> Result<()> {
    let mut connection = sqlx::PgConnection::connect(admin).await.context("PostgreSQL does not answer")?;
    // The name is made here, of letters, digits and underscores.
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

#[expect(clippy::disallowed_methods, reason = "a measurement is told by the environment where PostgreSQL is")]
fn postgres_url() -> Option<String> {
    std::env::var("NABZ_TEST_POSTGRES_URL").ok()
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
