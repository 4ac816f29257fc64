//! A customer is never asked twice within a quiet period, whatever the order and concurrency of what happens; and nobody is spared without cause.

use futures_util::future::join_all;
use nabz::clock::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::{On, TestApp};
use crate::hook::{Hook, closed};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Surveys with their metric and quiet days; everybody is left in peace for one day by any survey.
const SURVEYS: [(&str, &str, i64); 3] = [("support", "csat", 7), ("shop", "csat", 3), ("recommend", "nps", 20)];
/// The same three customers, as different systems write their addresses.
const CUSTOMERS: [[&str; 3]; 3] = [
    ["sara@example.com", "Sara@Example.com", "SARA@EXAMPLE.COM"],
    ["jonas.w@example.com", "Jonas.W@example.com", "jonas.w@EXAMPLE.com"],
    ["o'brien@example.ie", "O'Brien@example.ie", "O'BRIEN@Example.IE"],
];

/// Numbers that are as good as random, and the same for the same seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }
}

/// One closing: where it is reported, by whom, about what.
struct Closing {
    node: usize,
    survey: usize,
    by_hook: bool,
    ticket: String,
    email: &'static str,
}

async fn close(nodes: &[TestApp], hooks: &[Hook], closing: &Closing) {
    let app = &nodes[closing.node % nodes.len()];
    if closing.by_hook {
        let event = closed(app, &closing.ticket, closing.email);
        let address = hooks[closing.survey].url.replace(&nodes[0].url, &app.url);
        let hook = Hook { url: address, id: hooks[closing.survey].id.clone(), secret: hooks[closing.survey].secret.clone() };
        let id = format!("{} {}", closing.ticket, closing.node);
        let (status, answer) = hook.send(app, &id, &event).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    } else {
        let decided = app.close_ticket(SURVEYS[closing.survey].0, &closing.ticket, closing.email).await;
        assert!(decided["outcome"].is_string(), "{decided}");
    }
}

/// Who was asked or spared: customer, survey, instant, reason.
struct Told {
    email: String,
    survey: (&'static str, &'static str, i64),
    at: Timestamp,
    reason: Option<String>,
}

async fn told(app: &TestApp) -> Vec<Told> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, part) = app.get(&format!("/api/v1/interactions?limit=500{cursor}")).await;
        for item in part["items"].as_array().unwrap() {
            let text = |field: &Value| field.as_str().map(ToOwned::to_owned);
            let slug = item["survey"].as_str().unwrap();
            let survey = *SURVEYS.iter().find(|(other, _, _)| *other == slug).unwrap();
            let at = Timestamp::parse(item["created_at"].as_str().unwrap()).unwrap();
            all.push(Told { email: text(&item["customer"]["email"]).unwrap().to_lowercase(), survey, at, reason: text(&item["reason"]) });
        }
        match part["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Every invitation that came too soon after another of the same customer, and every customer who was spared without one.
fn faults(all: &[Told]) -> Vec<String> {
    let asked: Vec<&Told> = all.iter().filter(|told| told.reason.is_none()).collect();
    let hinders = |earlier: &Told, later: &Told, same_metric: bool| {
        let days = if same_metric { later.survey.2 } else { 1 };
        let is_same = earlier.survey.1 == later.survey.1 || !same_metric;
        earlier.email == later.email && is_same && earlier.at <= later.at && later.at.since(earlier.at) < days * DAY_MS
    };
    let mut faults = Vec::new();
    for (index, later) in asked.iter().enumerate() {
        let others = asked.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, earlier)| earlier);
        let too_soon = others.filter(|earlier| hinders(earlier, later, true) || hinders(earlier, later, false));
        faults.extend(too_soon.map(|earlier| format!("{} was asked at {} and {}", later.email, earlier.at, later.at)));
    }
    for spared in all {
        let same_metric = match spared.reason.as_deref() {
            Some("quiet_period") => true,
            Some("quiet_any") => false,
            Some("duplicate") | None => continue,
            Some(other) => panic!("{other} was not to be expected"),
        };
        if !asked.iter().any(|earlier| hinders(earlier, spared, same_metric)) {
            faults.push(format!("{} was spared at {} without cause", spared.email, spared.at));
        }
    }
    faults
}

async fn story(nodes: &[TestApp]) {
    let app = &nodes[0];
    let mut hooks = Vec::new();
    for (slug, metric, quiet_days) in SURVEYS {
        app.survey(slug, json!({"metric": metric, "policy": {"quiet_days": quiet_days}})).await;
        hooks.push(Hook::connect(app, "standard", slug, None).await);
    }
    let mut dice = Dice(20_260_115);
    for step in 0..24 {
        let closings: Vec<Closing> = (0..12)
            .map(|number| Closing {
                node: dice.below(2),
                survey: dice.below(SURVEYS.len()),
                by_hook: dice.below(2) == 0,
                // Some are the same closing, reported by several systems.
                ticket: format!("{step} {}", if dice.below(4) == 0 { 0 } else { number }),
                email: CUSTOMERS[dice.below(CUSTOMERS.len())][dice.below(3)],
            })
            .collect();
        join_all(closings.iter().map(|closing| close(nodes, &hooks, closing))).await;
        nodes[dice.below(nodes.len())].app.deliver_due().await.unwrap();
        let step_ms = [0, 1, 5 * HOUR_MS, DAY_MS - 1, DAY_MS, 3 * DAY_MS - 1, 3 * DAY_MS][dice.below(7)];
        app.clock.advance(step_ms);
    }
    let all = told(app).await;
    assert_eq!(faults(&all), [""; 0]);
    let asked = all.iter().filter(|told| told.reason.is_none()).count();
    assert!(asked >= 15 && all.len() > 150, "{asked} of {}", all.len());
    assert_eq!(app.scalar("SELECT COUNT(*) FROM customer").await, 3, "however their addresses were written");
    let mailed: usize = nodes.iter().map(|node| node.mails.lock().unwrap().len()).sum();
    assert_eq!(mailed, asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_twice_within_a_quiet_period_on_sqlite() {
    story(&[TestApp::start(On::Sqlite).await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_twice_within_a_quiet_period_by_two_nodes_on_postgres() {
    let one = TestApp::start(On::Postgres).await;
    let other = one.start_beside().await;
    story(&[one, other]).await;
}

#[test]
fn this_test_sees_who_was_asked_too_soon_and_who_was_spared_without_cause() {
    let told = |email: &str, survey: usize, at_ms: i64, reason: Option<&str>| Told {
        email: email.to_owned(),
        survey: SURVEYS[survey],
        at: Timestamp::from_millis(at_ms),
        reason: reason.map(ToOwned::to_owned),
    };
    let first = || told("a", 0, 0, None);
    for (later, is_fault) in [
        (told("a", 0, 7 * DAY_MS, None), false),
        (told("a", 0, 7 * DAY_MS - 1, None), true),
        (told("a", 1, 3 * DAY_MS - 1, None), true),
        (told("a", 2, DAY_MS, None), false),
        (told("a", 2, DAY_MS - 1, None), true),
        (told("b", 0, 1, None), false),
        (told("a", 0, 7 * DAY_MS - 1, Some("quiet_period")), false),
        (told("a", 0, 7 * DAY_MS, Some("quiet_period")), true),
        (told("a", 2, DAY_MS, Some("quiet_any")), true),
        (told("b", 0, 1, Some("quiet_period")), true),
    ] {
        assert_eq!(!faults(&[first(), later]).is_empty(), is_fault);
    }
}
