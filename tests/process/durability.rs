//! kill -9 under load: every acknowledged vote is there exactly once, and the counts are those of the answers.
//!
//! Negative control, tried by hand when the recorder stored and committed in two steps: with `batch.store` and `tx.commit` moved into a task that nobody waits for, so
//! that replies go out first, both tests fail in the first rounds (acknowledged votes are missing); with `tx.commit` alone moved there, within
//! 60 rounds. `NABZ_KILL_ROUNDS` is how often the service is killed; 10 where it is not set.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nabz::app::machine_random;
use sqlx::Connection as _;
use tokio::sync::Notify;

use crate::binary::{Home, Service};
use crate::client::Caller;

const ROUNDS: usize = 10;
const CUSTOMERS: usize = 48;
/// The counts of the tallies less those of the answers: 0 where both say the same.
const DIFFERENCES: [&str; 3] = [
    "SELECT (SELECT CAST(COALESCE(SUM(n0 + n1 + n2 + n3 + n4 + n5 + n6 + n7 + n8 + n9 + n10), 0) AS BIGINT) FROM tally_now WHERE tag = '') - (SELECT COUNT(*) FROM response)",
    "SELECT (SELECT CAST(COALESCE(SUM(n1 + 2 * n2 + 3 * n3 + 4 * n4 + 5 * n5), 0) AS BIGINT) FROM tally_now WHERE tag = '') - (SELECT CAST(COALESCE(SUM(score), 0) AS BIGINT) FROM response)",
    "SELECT (SELECT COUNT(*) FROM response_version) - (SELECT CAST(COALESCE(SUM(version_count), 0) AS BIGINT) FROM response)",
];

/// A database of its own on the PostgreSQL of `tests/all`.
pub async fn fresh_postgres() -> String {
    let server = postgres_url();
    let name = format!("process_{}", uuid::Uuid::from_bytes(machine_random().bytes()).simple());
    let mut connection = sqlx::PgConnection::connect(&server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

#[expect(clippy::disallowed_methods, reason = "a test is told by the environment where PostgreSQL is")]
pub fn postgres_url() -> String {
    std::env::var("NABZ_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| panic!("NABZ_TEST_POSTGRES_URL is not set: run tests/all, which starts a PostgreSQL"))
}

#[expect(clippy::disallowed_methods, reason = "who wants more rounds says so in the environment")]
fn rounds() -> usize {
    std::env::var("NABZ_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// The only value of a query on a database of either engine.
pub async fn scalar(url: &str, sql: &'static str) -> i64 {
    if url.starts_with("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }
}

/// What a customer knows of their own answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing was acknowledged.
    Nothing,
    /// The first answer was; a change may have been under way.
    First,
    /// The changed answer was.
    Changed,
}

const FIRST: u8 = 2;
const CHANGED: u8 = 5;

/// Votes and changes the vote until the service is gone; `acknowledged` counts what was acknowledged by then.
async fn customer(caller: Caller, link: String, acknowledged: Arc<AtomicUsize>, news: Arc<Notify>) -> Known {
    let mut known = Known::Nothing;
    let Ok(nonce) = caller.nonce(&link).await else { return known };
    for (score, then) in [(FIRST, Known::First), (CHANGED, Known::Changed)] {
        match caller.vote(&link, &nonce, score, "").await {
            Ok(status) if status == 200 => known = then,
            // Too much to do at once: nothing was acknowledged.
            Ok(status) => assert_eq!(status, 503),
            Err(_) => return known,
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
        news.notify_one();
    }
    known
}

/// Lets customers vote, kills the service after a random number of acknowledgements; answers what each customer knows.
async fn kill_under_load(service: Service, links: &[String]) -> Vec<Known> {
    let (acknowledged, news) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let customers: Vec<_> = links
        .iter()
        .map(|link| tokio::spawn(customer(Caller::new(&service), link.clone(), Arc::clone(&acknowledged), Arc::clone(&news))))
        .collect();
    let [random] = machine_random().bytes();
    let enough = 1 + usize::from(random) % (2 * links.len() - 2);
    while acknowledged.load(Ordering::SeqCst) < enough {
        news.notified().await;
    }
    service.kill();
    let mut known = Vec::new();
    for customer in customers {
        known.push(customer.await.unwrap());
    }
    known
}

/// What the service that was started again says of a customer's answer: its score, where there is one.
async fn scores(caller: &Caller, survey: &str, tickets: &[String]) -> Vec<Option<u8>> {
    let path = format!("/api/v1/responses?survey={survey}&limit=500");
    let listed = caller.api(reqwest::Method::GET, &path).send().await.unwrap();
    let listed: serde_json::Value = listed.json().await.unwrap();
    let items = listed["items"].as_array().unwrap();
    let score = |ticket: &String| {
        let mut own = items.iter().filter(|item| item["ticket"]["id"] == ticket.as_str());
        let score = own.next().map(|item| u8::try_from(item["raw"].as_i64().unwrap()).unwrap());
        assert!(own.next().is_none(), "{ticket} was answered once and is there twice");
        score
    };
    tickets.iter().map(score).collect()
}

async fn assert_kept(caller: &Caller, survey: &str, tickets: &[String], known: &[Known]) {
    let kept = scores(caller, survey, tickets).await;
    for ((ticket, known), score) in tickets.iter().zip(known).zip(&kept) {
        let is_right = match known {
            Known::Nothing => true,
            Known::First => score.is_some(),
            Known::Changed => *score == Some(CHANGED),
        };
        assert!(is_right, "{ticket}: {known:?} was acknowledged, {score:?} is there");
    }
}

async fn story(home: Home, url: &str) {
    let home = home.with("NABZ__DATABASE__URL", url).with("NABZ__LOG__FILTER", "warn");
    let mut service = home.serve();
    for round in 0..rounds() {
        let caller = Caller::new(&service);
        let survey = format!("round-{round}");
        caller.survey(&survey, &[]).await;
        let tickets: Vec<String> = (0..CUSTOMERS).map(|number| format!("{round}-{number}")).collect();
        let mut links = Vec::new();
        for ticket in &tickets {
            links.push(caller.link(&survey, ticket).await);
        }
        let known = kill_under_load(service, &links).await;
        service = home.serve();
        let caller = Caller::new(&service);
        assert_kept(&caller, &survey, &tickets, &known).await;
        // Whoever got no answer votes once more, and is still counted once.
        for link in links.iter().zip(&known).filter(|(_, known)| **known == Known::Nothing).map(|(link, _)| link) {
            let nonce = caller.nonce(link).await.unwrap();
            assert_eq!(caller.vote(link, &nonce, CHANGED, "").await.unwrap(), 200);
        }
        assert!(scores(&caller, &survey, &tickets).await.iter().all(Option::is_some));
        for sql in DIFFERENCES {
            assert_eq!(scalar(url, sql).await, 0, "round {round}: {sql}");
        }
    }
    service.terminate();
    assert!(service.ended().status.success());
    assert_eq!(scalar(url, "SELECT COUNT(*) FROM tally_delta").await, 0, "a service that is stopped leaves nothing beside the tallies");
    let merged = "SELECT (SELECT CAST(SUM(n1 + n2 + n3 + n4 + n5) AS BIGINT) FROM tally WHERE tag = '') - (SELECT COUNT(*) FROM response)";
    assert_eq!(scalar(url, merged).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_vote_is_lost_or_counted_twice_on_sqlite() {
    let home = Home::usual();
    let url = format!("sqlite:{}", home.path("nabz.db").display());
    story(home, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_vote_is_lost_or_counted_twice_on_postgresql() {
    story(Home::usual(), &fresh_postgres().await).await;
}
