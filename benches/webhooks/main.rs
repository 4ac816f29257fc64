//! Measures outgoing webhooks of the whole service: events a second to one endpoint and to sixteen, beside a bare client that posts the same
//! bytes four at a time, in one run; and how long after the commit the first attempt arrives.
//!
//! `cargo bench --bench webhooks`, or `-- --quick`. PostgreSQL is measured too where `NABZ_TEST_POSTGRES_URL` names one.

mod receiver;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nabz::app::{App, Parts};
use nabz::config::Config;
use nabz::survey::SurveyId;
use nabz::webhook::tell::tell_all;
use nabz::webhook::{EventKind, Happened};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::sync::Semaphore;
use uuid::Uuid;

use self::receiver::Receiver;

const KEY: &str = "bench-root-key-of-at-least-32-characters";
/// Events written down in one transaction, as a burst of votes brings them.
const TOGETHER: usize = 250;
/// Requests to one endpoint under way at the same time.
const AT_ONCE: usize = 4;
const ENDPOINTS: usize = 16;

/// How much is measured.
struct Size {
    events: usize,
    rounds: usize,
    waits: usize,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        // `cargo test --all-targets` runs this too, in a debug build that says nothing about speed.
        return print("measures only under `cargo bench --bench webhooks`\n");
    }
    let size = if arguments.iter().any(|argument| argument == "--quick") {
        Size { events: 1000, rounds: 1, waits: 100 }
    } else {
        Size { events: 8000, rounds: 3, waits: 1000 }
    };
    tokio::runtime::Runtime::new()?.block_on(measure(&size))
}

async fn measure(size: &Size) -> Result<()> {
    print("| engine | one endpoint, events/s | bare client | ratio | 16 endpoints, events/s | commit to arrival p50 / p99 ms |\n")?;
    print("|---|--:|--:|--:|--:|--:|\n")?;
    let folder = tempfile::TempDir::with_prefix("nabz-webhooks.")?;
    measure_on("SQLite", &format!("sqlite:{}", folder.path().join("nabz.db").display()), folder.path(), size).await?;
    if let Some(admin) = postgres_url() {
        let name = format!("nabz_webhooks_{}", std::process::id());
        run(&admin, &format!("CREATE DATABASE {name}")).await?;
        let Some((base, _)) = admin.rsplit_once('/') else { bail!("NABZ_TEST_POSTGRES_URL names no database") };
        let result = measure_on("PostgreSQL", &format!("{base}/{name}"), folder.path(), size).await;
        run(&admin, &format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        result?;
    }
    Ok(())
}

async fn measure_on(engine: &str, url: &str, folder: &Path, size: &Size) -> Result<()> {
    let app = start(url, folder).await?;
    let mut receiver = Receiver::start().await?;
    let event = prepare(&app, &receiver).await?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        ours.push(rate(size.events, happen(&app, &event, size.events, &mut receiver, 1).await?));
        bare.push(rate(size.events, post(&receiver, size.events).await?));
        receiver.wait(size.events).await?;
    }
    let mut waits = Vec::with_capacity(size.waits);
    for _ in 0..size.waits {
        waits.push(happen(&app, &event, 1, &mut receiver, 1).await?.as_secs_f64() * 1000.0);
    }
    for _ in 1..ENDPOINTS {
        add(&app, &receiver).await?;
    }
    let many = happen(&app, &event, size.events / ENDPOINTS, &mut receiver, ENDPOINTS).await?;
    app.stop().await;
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| waits.get(index(waits.len(), share)).copied().unwrap_or(f64::NAN);
    let (ours, bare) = (median(ours), median(bare));
    print(&format!(
        "| {engine} | {ours:.0} | {bare:.0} | {:.2} | {:.0} | {:.1} / {:.1} |\n",
        ours / bare,
        rate(size.events / ENDPOINTS * ENDPOINTS, many),
        at(0.5),
        at(0.99)
    ))
}

fn index(length: usize, share: f64) -> usize {
    (1..=length).find(|at| count(*at) >= share * count(length)).unwrap_or(1) - 1
}

fn count(of: usize) -> f64 {
    u32::try_from(of).map_or(f64::NAN, f64::from)
}

async fn start(url: &str, folder: &Path) -> Result<App> {
    let data_dir = folder.join("data").display().to_string();
    let environment = [
        ("NABZ__SERVER__LISTEN", "127.0.0.1:0"),
        ("NABZ__DATABASE__URL", url),
        ("NABZ__DATA_DIR", &data_dir),
        ("NABZ__AUTH__ROOT_KEY", KEY),
        ("NABZ__WEBHOOKS__ALLOW_PRIVATE", "[\"127.0.0.0/8\"]"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    App::start(&Config::from_parts(None, environment)?, Parts::default()).await
}

/// A survey with one answer, and one endpoint that is told of answers.
async fn prepare(app: &App, receiver: &Receiver) -> Result<Happened> {
    let survey = ask(app, "surveys", &json!({"slug": "support", "name": "Support", "metric": "csat"})).await?;
    let given =
        json!({"survey": "support", "ticket": {"id": "1"}, "customer": {"ref": "c-1"}, "score": 5, "comment": "Quick and friendly"});
    let response = ask(app, "responses", &given).await?;
    add(app, receiver).await?;
    let id = |of: &Value| -> Result<Uuid> { Ok(of.get("id").and_then(Value::as_str).context("no id")?.parse()?) };
    Ok(Happened { kind: EventKind::ResponseCreated, survey: SurveyId(id(&survey)?), subject: id(&response)?, version: 1, detail: None })
}

async fn add(app: &App, receiver: &Receiver) -> Result<()> {
    let url = format!("http://{}/told", receiver.address);
    ask(app, "webhooks", &json!({"url": url, "events": ["response.created"]})).await?;
    Ok(())
}

async fn ask(app: &App, what: &str, body: &Value) -> Result<Value> {
    let url = format!("http://{}/api/v1/{what}", app.address);
    let answer = client()?.post(url).bearer_auth(KEY).body(body.to_string()).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "{what}: {status} {text}");
    Ok(serde_json::from_str(&text)?)
}

/// Lets an event happen so many times; answers how long after the first commit the last of them arrived at every endpoint.
async fn happen(app: &App, event: &Happened, times: usize, receiver: &mut Receiver, endpoints: usize) -> Result<Duration> {
    let context = &app.context;
    let mut began = None;
    let mut left = times;
    while left > 0 {
        let some = vec![event.clone(); left.min(TOGETHER)];
        let mut tx = context.db.begin().await?;
        let told = tell_all(&mut tx, context, &some).await?;
        ensure!(told == some.len() * endpoints, "somebody is not told");
        tx.commit().await?;
        began.get_or_insert_with(Instant::now);
        left -= some.len();
    }
    let began = began.context("nothing happened")?;
    Ok(receiver.wait(times * endpoints).await?.saturating_duration_since(began))
}

/// Posts as many requests of the same size with a bare client, as many at once.
async fn post(receiver: &Receiver, requests: usize) -> Result<Duration> {
    let (client, url, places) = (client()?, format!("http://{}/told", receiver.address), Semaphore::new(AT_ONCE));
    let body = "x".repeat(700);
    let began = Instant::now();
    let all = (0..requests).map(async |_| {
        let _place = places.acquire().await?;
        let answer = client.post(&url).body(body.clone()).send().await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        Ok(())
    });
    futures_util::future::try_join_all(all).await?;
    Ok(began.elapsed())
}

fn client() -> Result<reqwest::Client> {
    // Set already where a client was made before.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

fn rate(events: usize, time: Duration) -> f64 {
    count(events) / time.as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
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
