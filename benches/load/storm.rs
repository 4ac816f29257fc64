//! Hooks: how many are taken in at most, and whether a storm of them is answered in time, with nothing lost that was acknowledged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use nabz::clock::Clock;
use sha2::Sha256;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::connection::Connection;
use super::crowd::{self, Load, Outcome, Requests, Use};
use super::database::{Engine, Ground, Place};
use super::{measure, product};

/// Hooks offered in a second.
pub const OFFERED: usize = 2000;
/// Connections over which they come; more than the queue and a batch can hold, so that waiting is the server's doing.
const STORM_CONNECTIONS: usize = 1024;
/// Connections at which the most that are taken in is measured.
pub const CONNECTIONS: usize = 64;

/// What a storm met.
pub struct Storm {
    /// Seconds that it lasted.
    pub seconds: f64,
    /// Hooks answered with 200.
    pub accepted: usize,
    /// Hooks answered with 503 and Retry-After.
    pub refused: usize,
    /// Half of the 200s came within this many milliseconds after the hook was due.
    pub p50: f64,
    /// 99 of 100 of the 200s did.
    pub p99: f64,
}

/// The most hooks that are taken in, each a closing of its own.
pub async fn most(ground: &mut Ground, count: usize, load: Load) -> Result<Outcome> {
    let place = ground.empty().await?;
    let server = product::start(&place, measure::BATCH).await?;
    let requests = hooks(server.address, count).await?;
    let outcome = crowd::run(&server, &requests, Use::Once, load).await.with_context(|| server.last_words())?;
    server.stop().await?;
    check(ground, &place, outcome.accepted.len()).await?;
    ground.remove(place).await?;
    Ok(outcome)
}

/// Hooks that come whether or not earlier ones are answered, `OFFERED` a second.
pub async fn storm(ground: &mut Ground, lasting: Duration) -> Result<Storm> {
    let place = ground.empty().await?;
    let server = product::start(&place, measure::BATCH).await?;
    let count = OFFERED * usize::try_from(lasting.as_secs())?;
    let requests = hooks(server.address, count).await?;
    let mut connections = Vec::with_capacity(STORM_CONNECTIONS);
    for _ in 0..STORM_CONNECTIONS {
        connections.push(Connection::open(server.address).await?);
    }
    let (next, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|connection| tokio::spawn(send_in_time(connection, Arc::clone(&requests), Arc::clone(&next), start)))
        .collect();
    let (mut latencies, mut refused) = (Vec::with_capacity(count), 0);
    for task in tasks {
        let (took, turned_away) = task.await?.with_context(|| server.last_words())?;
        latencies.extend(took);
        refused += turned_away;
    }
    let seconds = start.elapsed().as_secs_f64();
    server.stop().await?;
    check(ground, &place, latencies.len()).await?;
    ground.remove(place).await?;
    latencies.sort_unstable();
    let (p50, p99) = (crowd::quantile(&latencies, 50)?, crowd::quantile(&latencies, 99)?);
    Ok(Storm { seconds, accepted: latencies.len(), refused, p50, p99 })
}

/// Sends the next hook when it is due; a late answer does not move the ones after it. Gives how long after being due each 200 came, and how
/// many were refused.
async fn send_in_time(
    mut connection: Connection,
    requests: Requests,
    next: Arc<AtomicUsize>,
    start: Instant,
) -> Result<(Vec<Duration>, usize)> {
    let (mut latencies, mut refused) = (Vec::new(), 0);
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = requests.get(at) else { return Ok((latencies, refused)) };
        let due = start + Duration::from_secs(1).mul_f64(super::number(at) / super::number(OFFERED));
        tokio::time::sleep_until(due.into()).await;
        let answer = connection.ask(request).await?;
        match answer.status {
            200 => latencies.push(due.elapsed()),
            503 if answer.retry_after => refused += 1,
            _ => bail!(crowd::describe(&answer)),
        }
    }
}

/// As many interactions are stored as were acknowledged.
async fn check(ground: &Ground, place: &Place, acknowledged: usize) -> Result<()> {
    let count = "SELECT COUNT(*) FROM interaction";
    let stored: i64 = match &ground.engine {
        Engine::Sqlite => sqlx::query_scalar(count).fetch_one(&mut SqliteConnection::connect(&place.url).await?).await?,
        Engine::Postgres(_) => sqlx::query_scalar(count).fetch_one(&mut PgConnection::connect(&place.url).await?).await?,
    };
    ensure!(usize::try_from(stored)? == acknowledged, "LOST: {acknowledged} hooks were acknowledged, {stored} interactions are stored");
    Ok(())
}

/// Signed closings of as many tickets of as many customers, whose mails wait an hour.
async fn hooks(address: SocketAddr, count: usize) -> Result<Requests> {
    product::create(
        address,
        "/api/v1/surveys",
        &serde_json::json!({
            "slug": "storm", "name": "Storm", "metric": "csat", "policy": {"delay_minutes": 60},
        }),
    )
    .await?;
    let draft = serde_json::json!({"name": "Desk", "kind": "standard", "survey": "storm"});
    let source = product::create(address, "/api/v1/sources", &draft).await?;
    let text = |name: &str| source.get(name).and_then(serde_json::Value::as_str).context("a source without it");
    let key = BASE64.decode(text("secret")?.trim_start_matches("whsec_").as_bytes())?;
    let path = format!("/hooks/{}", text("id")?);
    let now_s = Clock::System.now().as_seconds();
    (0..count).map(|at| hook(&path, &key, now_s, at)).collect::<Result<Vec<_>>>().map(Arc::new)
}

fn hook(path: &str, key: &[u8], now_s: i64, at: usize) -> Result<Vec<u8>> {
    let agent = at % 20;
    let closed_at = chrono::DateTime::from_timestamp(now_s, 0).context("no such instant")?.to_rfc3339();
    let body = serde_json::json!({
        "event": "ticket.closed",
        "ticket": {"id": at.to_string(), "subject": format!("Where is my order {at}?"), "closed_at": closed_at},
        "customer": {"email": format!("customer-{at}@example.com"), "name": "Sara Rostami", "locale": "fa"},
        "agent": {"id": agent.to_string(), "name": format!("Agent {agent}")},
        "team": format!("Team {}", agent % 4), "channel": "email", "tags": ["vip"],
    })
    .to_string();
    let id = format!("msg_{}", HEXLOWER.encode(&at.to_be_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(format!("{id}.{now_s}.{body}").as_bytes());
    let signature = BASE64.encode(&mac.finalize().into_bytes());
    Ok(format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nwebhook-id: {id}\r\nwebhook-timestamp: {now_s}\r\n\
         webhook-signature: v1,{signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes())
}
