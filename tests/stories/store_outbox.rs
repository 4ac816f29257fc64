//! The outbox store keeps its word on both engines: due, leased, settled, cancelled, and never given to two.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use nabz::clock::Timestamp;
use nabz::db::Db;
use nabz::outbox::store::{Lease, cancel, claim, enqueue, next_due, queues, settle};
use nabz::outbox::{Claimed, Job, OutboxId, Settlement};
use uuid::Uuid;

use crate::common::{On, TestApp};
use crate::on_both_engines;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn job(carrier: &'static str, kind: &'static str, subject: u128) -> Job {
    Job { carrier: carrier.into(), kind, subject: id(subject), survey: None }
}

/// How many messages wait.
async fn waiting(db: &Db) -> i64 {
    queues(&mut db.read().await.unwrap()).await.unwrap().iter().map(|queue| queue.depth).sum()
}

async fn put(db: &Db, number: u128, now: Timestamp, due_at: Timestamp) {
    let mut tx = db.begin().await.unwrap();
    enqueue(&mut tx, OutboxId(id(number)), job("post", "letter", number + 100), now, due_at).await.unwrap();
    tx.commit().await.unwrap();
}

/// Claims under a lease of a minute whose proof is the token of this number.
async fn take(db: &Db, now: Timestamp, token: u128, limit: i64) -> Vec<Claimed> {
    let mut tx = db.begin().await.unwrap();
    let lease = Lease { until: now.plus_millis(60_000), token: id(token) };
    let claimed = claim(&mut tx, now, lease, ("post", limit)).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

async fn end(db: &Db, claimed: &Claimed, settlement: Settlement, now: Timestamp) -> bool {
    let mut tx = db.begin().await.unwrap();
    let is_ours = settle(&mut tx, claimed, &settlement, now).await.unwrap();
    tx.commit().await.unwrap();
    is_ours
}

async fn drop_all_of(db: &Db, subject: u128, now: Timestamp) -> bool {
    let mut tx = db.begin().await.unwrap();
    let cancelled = cancel(&mut tx, id(subject), "no longer wanted", now).await.unwrap();
    tx.commit().await.unwrap();
    cancelled
}

/// Waits until a dropped transaction has let go of its messages: PostgreSQL is told of the end a moment later.
async fn let_go(app: &TestApp) {
    if !app.database_url.starts_with("sqlite:") {
        app.execute("SELECT id FROM outbox FOR UPDATE").await;
    }
}

/// Every column that changes, as text.
async fn columns(app: &TestApp) -> Vec<Option<String>> {
    app.row(
        "SELECT kind, state, CAST(due_at AS TEXT), CAST(attempt_count AS TEXT), CASE WHEN lease_token IS NULL THEN 'free' ELSE 'leased' END, last_error,
            CAST(created_at AS TEXT), CAST(settled_at AS TEXT) FROM outbox",
    )
    .await
}

fn texts(texts: [Option<&str>; 8]) -> Vec<Option<String>> {
    texts.map(|text| text.map(ToOwned::to_owned)).to_vec()
}

on_both_engines! {
    async fn messages_are_claimed_when_they_are_due_in_the_order_they_are_due(app: TestApp) {
        let (db, now) = (&app.app.context.db, app.clock.now());
        assert_eq!(next_due(&mut db.read().await.unwrap(), "post").await.unwrap(), None);
        for (number, due_at) in [(1, now), (2, now.plus_millis(-2)), (3, now.plus_millis(1)), (4, now.plus_millis(-2))] {
            put(db, number, now, due_at).await;
        }
        assert_eq!(next_due(&mut db.read().await.unwrap(), "post").await.unwrap(), Some(now.plus_millis(-2)));
        assert_eq!(waiting(db).await, 4);
        let claimed = take(db, now, 7, 2).await;
        let ids: HashSet<Uuid> = claimed.iter().map(|message| message.id.0).collect();
        assert_eq!(ids, HashSet::from([id(2), id(4)]));
        let second = claimed.iter().find(|message| message.id.0 == id(2)).unwrap();
        assert_eq!((second.kind.as_str(), second.subject_id, second.attempt_count, second.lease_token), ("letter", id(102), 1, id(7)));
        assert_eq!(take(db, now, 8, 10).await.iter().map(|message| message.id.0).collect::<Vec<_>>(), [id(1)]);
        assert_eq!(take(db, now.plus_millis(1), 9, 10).await.iter().map(|message| message.id.0).collect::<Vec<_>>(), [id(3)]);
        assert!(take(db, now.plus_millis(1), 9, 10).await.is_empty());
    }

    async fn a_carrier_leaves_what_others_carry_alone(app: TestApp) {
        let (db, now) = (&app.app.context.db, app.clock.now());
        let mut tx = db.begin().await.unwrap();
        for (number, carrier, kind, due_at) in [(1, "pigeon", "parcel", now.plus_millis(-9)), (2, "post", "letter", now.plus_millis(-5)), (3, "post", "parcel", now)] {
            enqueue(&mut tx, OutboxId(id(number)), job(carrier, kind, 9), now, due_at).await.unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(next_due(&mut db.read().await.unwrap(), "post").await.unwrap(), Some(now.plus_millis(-5)));
        let mut all: Vec<_> = queues(&mut db.read().await.unwrap()).await.unwrap().into_iter().map(|queue| (queue.carrier, queue.depth, queue.due_at)).collect();
        all.sort();
        assert_eq!(all, [("pigeon".to_owned(), 1, now.plus_millis(-9)), ("post".to_owned(), 2, now.plus_millis(-5))]);
        let mut tx = db.begin().await.unwrap();
        let lease = Lease { until: now.plus_millis(60_000), token: id(7) };
        let claimed = claim(&mut tx, now, lease, ("post", 10)).await.unwrap();
        assert_eq!(claimed.iter().map(|message| message.id.0).collect::<HashSet<_>>(), HashSet::from([id(2), id(3)]));
        assert!(claim(&mut tx, now, lease, ("post", 10)).await.unwrap().is_empty());
        assert_eq!(claim(&mut tx, now, lease, ("pigeon", 10)).await.unwrap().len(), 1);
    }

    async fn what_rolls_back_was_never_enqueued_or_claimed(app: TestApp) {
        let (db, now) = (&app.app.context.db, app.clock.now());
        let mut tx = db.begin().await.unwrap();
        enqueue(&mut tx, OutboxId(id(1)), job("post", "letter", 2), now, now).await.unwrap();
        drop(tx);
        assert_eq!(waiting(db).await, 0);
        put(db, 1, now, now).await;
        let mut tx = db.begin().await.unwrap();
        let lease = Lease { until: now.plus_millis(60_000), token: id(7) };
        assert_eq!(claim(&mut tx, now, lease, ("post", 10)).await.unwrap().len(), 1);
        drop(tx);
        let_go(&app).await;
        assert_eq!(take(db, now, 8, 10).await[0].attempt_count, 1);
    }

    async fn a_message_whose_lease_ended_is_claimed_again_and_the_first_claimer_has_lost_it(app: TestApp) {
        let (db, now) = (&app.app.context.db, app.clock.now());
        put(db, 1, now, now).await;
        let first = take(db, now, 7, 10).await.remove(0);
        let end_of_lease = now.plus_millis(60_000);
        assert!(take(db, end_of_lease.plus_millis(-1), 8, 10).await.is_empty());
        let second = take(db, end_of_lease, 8, 10).await.remove(0);
        assert_eq!((second.attempt_count, second.lease_token), (2, id(8)));
        let before = columns(&app).await;
        for settlement in [Settlement::Sent("250 ok".to_owned()), Settlement::Retry(now, "x".to_owned()), Settlement::Failed("x".to_owned()), Settlement::Cancelled("x".to_owned())] {
            assert!(!end(db, &first, settlement, end_of_lease).await);
            assert_eq!(columns(&app).await, before);
        }
        assert!(end(db, &second, Settlement::Sent("250 ok".to_owned()), end_of_lease).await);
        assert!(!end(db, &second, Settlement::Failed("x".to_owned()), end_of_lease).await, "settled is settled");
    }

    async fn a_settlement_is_written_down_whole(app: TestApp) {
        let (db, now) = (&app.app.context.db, Timestamp::from_millis(1_000_000));
        let (due, late) = (now.plus_millis(5), now.plus_millis(9));
        put(db, 1, now, now).await;
        assert_eq!(columns(&app).await, texts([Some("letter"), Some("waiting"), Some("1000000"), Some("0"), Some("free"), None, Some("1000000"), None]));
        let claimed = take(db, now, 7, 1).await.remove(0);
        assert_eq!(columns(&app).await, texts([Some("letter"), Some("waiting"), Some("1060000"), Some("1"), Some("leased"), None, Some("1000000"), None]));
        assert!(end(db, &claimed, Settlement::Retry(due, "busy 🙂".to_owned()), now).await);
        assert_eq!(columns(&app).await, texts([Some("letter"), Some("waiting"), Some("1000005"), Some("1"), Some("free"), Some("busy 🙂"), Some("1000000"), None]));
        assert!(take(db, now, 8, 1).await.is_empty(), "it is not due before the next attempt");
        let claimed = take(db, due, 8, 1).await.remove(0);
        assert!(end(db, &claimed, Settlement::Failed("refused".to_owned()), late).await);
        assert_eq!(columns(&app).await, texts([Some("letter"), Some("failed"), Some("1060005"), Some("2"), Some("free"), Some("refused"), Some("1000000"), Some("1000009")]));
        assert!(take(db, now.plus_days(1), 9, 1).await.is_empty());
        for (settlement, state, error) in [(Settlement::Sent("250 ok".to_owned()), "sent", None), (Settlement::Cancelled("withdrawn".to_owned()), "cancelled", Some("withdrawn"))] {
            app.execute("DELETE FROM outbox").await;
            put(db, 2, now, now).await;
            let claimed = take(db, now, 7, 1).await.remove(0);
            assert!(end(db, &claimed, settlement, late).await);
            assert_eq!(columns(&app).await, texts([Some("letter"), Some(state), Some("1060000"), Some("1"), Some("free"), error, Some("1000000"), Some("1000009")]));
        }
    }

    async fn only_what_waits_and_is_not_being_sent_is_cancelled(app: TestApp) {
        let (db, now) = (&app.app.context.db, Timestamp::from_millis(1_000_000));
        put(db, 1, now, now).await;
        assert!(!drop_all_of(db, 1, now).await, "nothing is about this subject");
        let claimed = take(db, now, 7, 1).await.remove(0);
        assert!(!drop_all_of(db, 101, now).await, "it is being sent");
        assert!(end(db, &claimed, Settlement::Retry(now, "busy".to_owned()), now).await);
        assert!(drop_all_of(db, 101, now.plus_millis(3)).await);
        assert_eq!(columns(&app).await, texts([Some("letter"), Some("cancelled"), Some("1000000"), Some("1"), Some("free"), Some("no longer wanted"), Some("1000000"), Some("1000003")]));
        assert!(!drop_all_of(db, 101, now).await);
        assert!(take(db, now.plus_days(1), 8, 1).await.is_empty());
        assert_eq!(next_due(&mut db.read().await.unwrap(), "post").await.unwrap(), None);
        put(db, 2, now, now).await;
        put(db, 3, now, now).await;
        assert!(drop_all_of(db, 102, now).await);
        assert_eq!(waiting(db).await, 1);
    }

    async fn many_workers_never_get_the_same_message(app: TestApp) {
        let (db, now) = (&app.app.context.db, app.clock.now());
        for number in 0..60 {
            put(db, number, now, now).await;
        }
        let workers = (0..6).map(|worker| async move {
            let mut mine = Vec::new();
            loop {
                let claimed = take(db, now, 1000 + worker, 4).await;
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|message| message.id.0));
            }
        });
        let all: Vec<Uuid> = join_all(workers).await.concat();
        assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (60, 60));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_a_worker_passes_over_what_another_is_just_claiming() {
    let app = TestApp::start(On::Postgres).await;
    let (db, now) = (&app.app.context.db, app.clock.now());
    for number in 0..3 {
        put(db, number, now, now).await;
    }
    let lease = Lease { until: now.plus_millis(60_000), token: id(7) };
    let mut one = db.begin().await.unwrap();
    let mut other = db.begin().await.unwrap();
    let first = claim(&mut one, now, lease, ("post", 2)).await.unwrap();
    let second = tokio::time::timeout(Duration::from_secs(20), claim(&mut other, now, lease, ("post", 2)))
        .await
        .expect("it waits for the other")
        .unwrap();
    assert_eq!((first.len(), second.len()), (2, 1));
    assert!(first.iter().all(|message| message.id != second[0].id));
    drop(one);
    other.commit().await.unwrap();
    let_go(&app).await;
    assert_eq!(take(db, now, 8, 9).await.len(), 2, "what was not committed is free again");
}
