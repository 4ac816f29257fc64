//! The real program, an endpoint that does its worst, and kill -9 at random moments: of every vote that was acknowledged the endpoint is told at
//! least once, again only where nobody could know, and always with the same id.
//!
//! Rounds, seed and leases as in `nothing_lost.rs`. Negative controls, tried by hand: events that are written down in a transaction of their own
//! (votes of which nobody is told), and a claim without a lease (acknowledged events come again within a round).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::binary::{Home, WITHIN};
use crate::chance::{Chance, rounds};
use crate::client::{Caller, eventually};
use crate::durability::{fresh_postgres, scalar};
use crate::endpoint::Endpoint;
use crate::judgement::{Ended, History, Message, complaints};
use crate::ledger::Ledger;
use crate::nothing_lost::{LEASES_END, WAITING, address, execute, show};

const ROUNDS: usize = 50;
/// Votes in each round.
const VOTES: usize = 6;
/// Requests to one endpoint under way.
const AT_ONCE: usize = 4;

/// Closes a ticket and answers as its customer does; true when the vote was acknowledged. Done again, it changes nothing.
async fn vote(caller: &Caller, ticket: &str) -> bool {
    let body = json!({"survey": "support", "ticket": {"id": ticket}, "customer": {"email": address(ticket)}});
    let Ok(response) = caller.api(Method::POST, "/api/v1/interactions").json(&body).send().await else { return false };
    let Ok(told) = response.json::<Value>().await else { return false };
    let Some(link) = told.pointer("/invitation/link").and_then(Value::as_str) else { return false };
    let Ok(nonce) = caller.nonce(link).await else { return false };
    caller.vote(link, &nonce, 5, "").await.is_ok_and(|status| status == StatusCode::OK)
}

/// Everybody at once; answers who has to try again.
async fn vote_all(caller: Caller, tickets: Vec<String>, ledger: Arc<Ledger>) -> Vec<String> {
    let done = futures_util::future::join_all(tickets.iter().map(|ticket| async {
        let is_done = vote(&caller, ticket).await;
        ledger.happened(1);
        is_done
    }));
    let done = done.await;
    tickets.into_iter().zip(done).filter(|(_, is_done)| !is_done).map(|(ticket, _)| ticket).collect()
}

/// What the service says of every event of an endpoint.
async fn ends(caller: &Caller, webhook: &str) -> BTreeMap<String, Ended> {
    let (mut ends, mut next) = (BTreeMap::new(), String::new());
    loop {
        let path = format!("/api/v1/webhooks/{webhook}/deliveries?limit=500{next}");
        let listed: Value = caller.api(Method::GET, &path).send().await.unwrap().json().await.unwrap();
        for item in listed["items"].as_array().unwrap() {
            let ended = match item["state"].as_str().unwrap() {
                "sent" => Ended::Sent,
                "failed" => Ended::Failed,
                _ => Ended::Open,
            };
            ends.insert(item["event"].as_str().unwrap().to_owned(), ended);
        }
        match listed["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return ends,
        }
    }
}

async fn story(home: Home, url: &str) {
    let (chance, seed) = Chance::begun();
    show(seed);
    let ledger = Arc::new(Ledger::default());
    let endpoint = Endpoint::start(Chance::seeded(seed), Arc::clone(&ledger)).await;
    let retries = serde_json::to_string(&vec![30; 2_000]).unwrap();
    let home = home
        .with("NABZ__DATABASE__URL", url)
        .with("NABZ__LOG__FILTER", "error")
        .with("NABZ__WEBHOOKS__ALLOW_PRIVATE", "[\"127.0.0.0/8\"]")
        .with("NABZ__WEBHOOKS__TIMEOUT_MS", "2000")
        .with("NABZ__WEBHOOKS__RETRY_SCHEDULE_MS", &retries);
    let mut service = home.serve();
    let caller = Caller::new(&service);
    caller.survey("support", &[]).await;
    let webhook = caller.post("/api/v1/webhooks", &json!({"url": endpoint.url, "events": ["response.created"]})).await;
    let webhook = webhook["id"].as_str().unwrap();

    let (mut voted, mut wanted) = (Vec::new(), Vec::new());
    for round in 0..rounds(ROUNDS) {
        let tickets: Vec<String> = (0..VOTES).map(|number| format!("{round}-{number}")).collect();
        voted.extend(tickets.clone());
        wanted.extend(tickets);
        // Each vote comes to an end and reaches the endpoint at least once, so that so much happens in every round.
        let happened = ledger.after(1 + chance.below(2 * VOTES));
        let voting = tokio::spawn(vote_all(Caller::new(&service), std::mem::take(&mut wanted), Arc::clone(&ledger)));
        let happened = tokio::time::timeout(WITHIN, happened).await;
        assert!(happened.is_ok(), "round {round}: nothing happens any more");
        service.kill();
        wanted = voting.await.unwrap();
        endpoint.catch_up().await;
        ledger.next_round();
        execute(url, LEASES_END).await;
        service = home.serve();
    }

    endpoint.calm_down();
    let caller = Caller::new(&service);
    assert!(vote_all(caller.clone(), wanted, Arc::clone(&ledger)).await.is_empty(), "a service that runs takes everything");
    eventually(async || (scalar(url, WAITING).await == 0).then_some(())).await;
    let ends = ends(&caller, webhook).await;
    let receipts = ledger.entries().receipts.clone();
    let ids: BTreeMap<&str, &str> = receipts.iter().rev().map(|receipt| (receipt.name.as_str(), receipt.id.as_str())).collect();
    let messages = voted.iter().map(|ticket| {
        let name = address(ticket);
        let id = ids.get(name.as_str()).copied().unwrap_or_default().to_owned();
        Message { ended: ends.get(&id).copied().unwrap_or(Ended::Open), name, id }
    });
    let history = History {
        messages: messages.collect(),
        receipts: receipts.clone(),
        refused: BTreeSet::new(),
        suppressed: BTreeMap::new(),
        at_once: AT_ONCE,
    };
    assert_eq!(complaints(&history), [""; 0], "with NABZ_FAULT_SEED={seed}");
    assert_eq!(ends.len(), voted.len(), "each vote is one event, however often it was sent");
    assert!(receipts.iter().any(|receipt| !receipt.is_acknowledged), "a harness that breaks nothing proves nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_vote_goes_untold_on_sqlite() {
    let home = Home::usual();
    let url = format!("sqlite:{}", home.path("nabz.db").display());
    story(home, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_vote_goes_untold_on_postgresql() {
    story(Home::usual(), &fresh_postgres().await).await;
}
