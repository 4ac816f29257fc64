//! The real program, a mail server that does its worst, and kill -9 at random moments: every mail is sent at least once or listed as failed, comes
//! again only where nobody could know, always as the same message, and never to whom it was suppressed for.
//!
//! `NABZ_FAULT_ROUNDS` is how often the service is killed, `NABZ_FAULT_SEED` where chance begins. Between a kill and the next start the leases of
//! the dead process are over: their five minutes are taken off in the database, because nobody waits so long here.
//!
//! Negative controls, tried by hand, each of which fails on both engines within these rounds: a claim that moves no `due_at` and so takes no lease
//! (messages come twice in one round), messages that are enqueued in a transaction of their own (invitations stay open without a copy), and a
//! verdict that overlooks the suppression (copies reach suppressed addresses in later rounds). `judgement.rs` keeps one doctored history for each
//! complaint.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::binary::{Home, WITHIN};
use crate::chance::{Chance, rounds};
use crate::client::{Caller, eventually};
use crate::durability::{fresh_postgres, scalar};
use crate::judgement::{Ended, History, Message, complaints};
use crate::ledger::Ledger;
use crate::relay::Relay;

const ROUNDS: usize = 50;
/// Tickets that are closed in each round.
pub const TICKETS: usize = 6;
/// Connections to the mail server, and so messages under way.
pub const AT_ONCE: usize = 4;
pub const LEASES_END: &str = "UPDATE outbox SET due_at = due_at - 300000 WHERE state = 'waiting' AND lease_token IS NOT NULL";
pub const WAITING: &str = "SELECT COUNT(*) FROM outbox WHERE state = 'waiting'";

/// What callers want of the service, and were not told so far that it is done.
#[derive(Default)]
struct Wanted {
    /// Tickets to close.
    tickets: Vec<String>,
    /// Addresses to suppress.
    suppressions: Vec<String>,
}

pub fn address(ticket: &str) -> String {
    format!("customer-{ticket}@example.com")
}

/// Closes a ticket; true when the service says that its customer is asked.
pub async fn close(caller: &Caller, ticket: &str) -> bool {
    let body = json!({"survey": "support", "ticket": {"id": ticket}, "customer": {"email": address(ticket)}});
    let Ok(response) = caller.api(Method::POST, "/api/v1/interactions").json(&body).send().await else { return false };
    let (status, told) = (response.status(), response.json::<Value>().await);
    match told {
        Ok(told) if status.is_success() => {
            assert_eq!(told["outcome"], "invited", "{told}");
            true
        }
        // Cut off, or too much to do at once.
        _ => false,
    }
}

pub async fn suppress(caller: &Caller, email: &str) -> bool {
    let body = json!({"email": email, "reason": "manual"});
    let response = caller.api(Method::POST, "/api/v1/suppressions").json(&body).send().await;
    response.is_ok_and(|response| response.status().is_success())
}

/// One after the other until everything is done or the service is gone; answers what is left.
async fn call(caller: Caller, wanted: Wanted, ledger: Arc<Ledger>, relay: Arc<Relay>) -> (Wanted, Vec<String>) {
    let (mut left, mut suppressed) = (Wanted::default(), Vec::new());
    let tickets = futures_util::future::join_all(wanted.tickets.iter().map(|ticket| async {
        let is_done = close(&caller, ticket).await;
        ledger.happened(1);
        is_done
    }));
    for (ticket, is_done) in wanted.tickets.iter().zip(tickets.await) {
        if !is_done {
            left.tickets.push(ticket.clone());
        }
    }
    for email in wanted.suppressions {
        if suppress(&caller, &email).await {
            relay.let_through(&email);
            suppressed.push(email);
        } else {
            left.suppressions.push(email);
        }
    }
    (left, suppressed)
}

/// What the service says of every invitation, by ticket.
pub async fn ends(caller: &Caller) -> BTreeMap<String, (String, Ended)> {
    let (mut ends, mut next) = (BTreeMap::new(), String::new());
    loop {
        let listed = caller.api(Method::GET, &format!("/api/v1/interactions?limit=500{next}")).send().await.unwrap();
        let listed: Value = listed.json().await.unwrap();
        for item in listed["items"].as_array().unwrap() {
            let ended = match item["invitation"]["state"].as_str().unwrap() {
                "sent" => Ended::Sent,
                "failed" => Ended::Failed,
                "withdrawn" => Ended::Withheld,
                _ => Ended::Open,
            };
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            ends.insert(text(&item["ticket"]["id"]), (text(&item["invitation"]["id"]), ended));
        }
        match listed["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return ends,
        }
    }
}

/// The messages about these tickets, as the service says at the end.
pub fn messages(tickets: &[String], ends: &BTreeMap<String, (String, Ended)>) -> Vec<Message> {
    let message = |ticket: &String| match ends.get(ticket) {
        Some((id, ended)) => Message { name: address(ticket), id: format!("<{id}@acme.example>"), ended: *ended },
        None => Message { name: address(ticket), id: String::new(), ended: Ended::Open },
    };
    tickets.iter().map(message).collect()
}

pub async fn execute(url: &str, sql: &'static str) {
    if url.starts_with("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
}

async fn story(home: Home, url: &str) {
    let (chance, seed) = Chance::begun();
    show(seed);
    let ledger = Arc::new(Ledger::default());
    let relay = Arc::new(Relay::start(Chance::seeded(seed), Arc::clone(&ledger)).await);
    let retries = serde_json::to_string(&vec![30; 2_000]).unwrap();
    let home = home
        .with("NABZ__DATABASE__URL", url)
        .with("NABZ__LOG__FILTER", "error")
        .with("NABZ__MAIL__TRANSPORT", "smtp")
        .with("NABZ__MAIL__SMTP_URL", &relay.url)
        .with("NABZ__MAIL__FROM", "Acme <survey@acme.example>")
        .with("NABZ__MAIL__MAX_CONNECTIONS", &AT_ONCE.to_string())
        .with("NABZ__MAIL__RETRY_SCHEDULE_MS", &retries);
    let mut service = home.serve();
    Caller::new(&service).survey("support", &["email"]).await;

    let (mut asked, mut suppressed, mut wanted) = (Vec::new(), BTreeMap::new(), Wanted::default());
    for round in 0..rounds(ROUNDS) {
        let tickets: Vec<String> = (0..TICKETS).map(|number| format!("{round}-{number}")).collect();
        // The first of a round waits until it is suppressed in the next one.
        relay.hold(&address(&tickets[0]));
        if round > 0 {
            wanted.suppressions.push(address(&format!("{}-0", round - 1)));
        }
        asked.extend(tickets.clone());
        wanted.tickets.extend(tickets);
        let enough = 1 + chance.below(12 * TICKETS);
        let happened = ledger.after(enough);
        let calls = tokio::spawn(call(Caller::new(&service), std::mem::take(&mut wanted), Arc::clone(&ledger), Arc::clone(&relay)));
        let happened = tokio::time::timeout(WITHIN, happened).await;
        assert!(happened.is_ok(), "round {round}: nothing happens any more, though a message must wait");
        service.kill();
        let (left, done) = calls.await.unwrap();
        wanted = left;
        suppressed.extend(done.into_iter().map(|email| (email, round)));
        ledger.next_round();
        execute(url, LEASES_END).await;
        service = home.serve();
    }

    relay.calm_down();
    let caller = Caller::new(&service);
    let (left, done) = call(caller.clone(), wanted, Arc::clone(&ledger), relay).await;
    let last = ledger.entries().round;
    suppressed.extend(done.into_iter().map(|email| (email, last)));
    assert!(left.tickets.is_empty(), "a service that runs takes everything");
    eventually(async || (scalar(url, WAITING).await == 0).then_some(())).await;
    let messages = messages(&asked, &ends(&caller).await);
    let entries = ledger.entries();
    let history = History { messages, receipts: entries.receipts.clone(), refused: entries.refused.clone(), suppressed, at_once: AT_ONCE };
    assert_eq!(complaints(&history), [""; 0], "with NABZ_FAULT_SEED={seed}");
    assert_faults_happened(&history);
}

/// Shown where the test fails.
#[expect(clippy::print_stdout, reason = "whoever wants the same faults again needs the seed")]
pub fn show(seed: u64) {
    println!("NABZ_FAULT_SEED={seed}");
}

/// A harness that breaks nothing proves nothing.
pub fn assert_faults_happened(history: &History) {
    let doubtful = history.receipts.iter().filter(|receipt| !receipt.is_acknowledged).count();
    let failed = history.messages.iter().filter(|message| message.ended == Ended::Failed).count();
    let withheld = history.messages.iter().filter(|message| message.ended == Ended::Withheld).count();
    assert!(doubtful > 0 && failed > 0 && withheld > 0, "{doubtful} in doubt, {failed} failed, {withheld} withheld");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_is_lost_on_sqlite() {
    let home = Home::usual();
    let url = format!("sqlite:{}", home.path("nabz.db").display());
    story(home, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_is_lost_on_postgresql() {
    story(Home::usual(), &fresh_postgres().await).await;
}
