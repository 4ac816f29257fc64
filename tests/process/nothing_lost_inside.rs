//! The same mail server, the same judgement and a clock that the test moves: the worker breaks off at random moments, five minutes pass, it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use nabz::app::{App, Parts, machine_random};
use nabz::clock::{Clock, MINUTE_MS, Timestamp};
use nabz::config::Config;

use crate::binary::{KEY, WITHIN};
use crate::chance::{Chance, rounds};
use crate::client::Caller;
use crate::durability::fresh_postgres;
use crate::judgement::{History, complaints};
use crate::ledger::Ledger;
use crate::nothing_lost::{AT_ONCE, TICKETS, address, assert_faults_happened, close, ends, messages, show, suppress};
use crate::relay::Relay;

const ROUNDS: usize = 50;
/// Longer than any lease, and than any wait between two attempts.
const LATER_MS: i64 = 5 * MINUTE_MS + 1;

async fn start(url: &str, relay: &Relay, clock: &Clock, data_dir: &str) -> App {
    let retries = serde_json::to_string(&vec![1_000; 2_000]).unwrap();
    let settings = [
        ("NABZ__SERVER__LISTEN", "127.0.0.1:0"),
        ("NABZ__DATABASE__URL", url),
        ("NABZ__DATABASE__MAX_CONNECTIONS", "4"),
        ("NABZ__DATA_DIR", data_dir),
        ("NABZ__AUTH__ROOT_KEY", KEY),
        ("NABZ__LIMITS__API_PER_KEY_PER_MINUTE", "0"),
        ("NABZ__MAIL__TRANSPORT", "smtp"),
        ("NABZ__MAIL__SMTP_URL", &relay.url),
        ("NABZ__MAIL__FROM", "Acme <survey@acme.example>"),
        ("NABZ__MAIL__RETRY_SCHEDULE_MS", &retries),
    ];
    let config = Config::from_parts(None, settings.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    let parts = Parts { clock: clock.clone(), random: machine_random(), transport: None, delivers: false, threads: Some(1) };
    App::start(&config, parts).await.unwrap()
}

async fn story(url: &str, data_dir: &str) {
    let (chance, seed) = Chance::begun();
    show(seed);
    let ledger = Arc::new(Ledger::default());
    let relay = Relay::start(Chance::seeded(seed), Arc::clone(&ledger)).await;
    let clock = Clock::fixed(Timestamp::parse("2026-01-15T10:30:00Z").unwrap());
    let app = start(url, &relay, &clock, data_dir).await;
    let caller = Caller::at(&format!("http://{}", app.address));
    caller.survey("support", &["email"]).await;

    let (mut asked, mut suppressed) = (Vec::new(), BTreeMap::new());
    for round in 0..rounds(ROUNDS) {
        for number in 0..TICKETS {
            let ticket = format!("{round}-{number}");
            if number == 0 {
                relay.hold(&address(&ticket));
            }
            assert!(close(&caller, &ticket).await);
            asked.push(ticket);
        }
        if let Some(before) = round.checked_sub(1) {
            // Nobody works now: whatever comes from here on was claimed later.
            let email = address(&format!("{before}-0"));
            assert!(suppress(&caller, &email).await);
            relay.let_through(&email);
            suppressed.insert(email, before);
        }
        let breaks_off = ledger.after(1 + chance.below(12 * TICKETS));
        // A relay that falls silent is waited for as long as one message may take, a minute, perhaps twice.
        let worked = tokio::time::timeout(3 * WITHIN, async {
            tokio::select! {
                delivered = app.deliver_due() => { delivered.unwrap(); }
                () = breaks_off => {}
            }
        });
        assert!(worked.await.is_ok(), "round {round}: nothing happens any more");
        ledger.next_round();
        clock.advance(LATER_MS);
    }

    relay.calm_down();
    while app.deliver_due().await.unwrap() > 0 {
        clock.advance(LATER_MS);
    }
    let messages = messages(&asked, &ends(&caller).await);
    let history = {
        let entries = ledger.entries();
        History { messages, receipts: entries.receipts.clone(), refused: entries.refused.clone(), suppressed, at_once: AT_ONCE }
    };
    assert_eq!(complaints(&history), [""; 0], "with NABZ_FAULT_SEED={seed}");
    assert_faults_happened(&history);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_is_lost_where_the_worker_breaks_off_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    story(&format!("sqlite:{}", folder.path().join("nabz.db").display()), folder.path().to_str().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_is_lost_where_the_worker_breaks_off_on_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    story(&fresh_postgres().await, folder.path().to_str().unwrap()).await;
}
