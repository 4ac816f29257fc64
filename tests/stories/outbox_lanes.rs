//! The outbox is served lane by lane: a lane that is stuck delays no other, and what was claimed and not begun is given back at a stop.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nabz::clock::Clock;
use nabz::db::{self, Db};
use nabz::outbox::serve::{Carrier, Lane, Round, run};
use nabz::outbox::store::{enqueue, queues, settle};
use nabz::outbox::{Claimed, Job, OutboxId, Settlement};
use nabz::random::Random;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::common::TestApp;
use crate::on_both_engines;

/// Carries what its lanes bring once the lane's gate lets it.
struct Porter {
    db: Db,
    clock: Clock,
    random: Random,
    lanes: Vec<Lane>,
    /// How often it was asked for its lanes.
    looks: AtomicUsize,
    gates: HashMap<&'static str, Semaphore>,
    begun: mpsc::UnboundedSender<String>,
    most: Mutex<HashMap<String, (usize, usize)>>,
}

impl Carrier for Porter {
    fn round(&self) -> Round<'_> {
        Round { db: &self.db, clock: &self.clock, random: &self.random }
    }

    async fn lanes(&self) -> db::Result<Vec<Lane>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        Ok(self.lanes.clone())
    }

    async fn carry(&self, message: &Claimed) -> db::Result<()> {
        self.count(&message.carrier, 1);
        self.begun.send(message.carrier.clone()).unwrap();
        self.gates[message.carrier.as_str()].acquire().await.unwrap().forget();
        self.count(&message.carrier, -1);
        let mut tx = self.db.begin().await?;
        settle(&mut tx, message, &Settlement::Sent(String::new()), self.clock.now()).await?;
        tx.commit().await
    }
}

impl Porter {
    fn count(&self, lane: &str, by: isize) {
        let mut most = self.most.lock().unwrap();
        let (now, top) = most.entry(lane.to_owned()).or_default();
        *now = now.saturating_add_signed(by);
        *top = (*top).max(*now);
    }
}

fn porter(app: &TestApp, claimed: usize) -> (Arc<Porter>, mpsc::UnboundedReceiver<String>) {
    let (begun, seen) = mpsc::unbounded_channel();
    let context = &app.app.context;
    let lane = |carrier: &'static str| Lane { carrier: carrier.into(), at_once: 2, claimed };
    let porter = Porter {
        db: context.db.clone(),
        clock: app.clock.clone(),
        random: context.random.clone(),
        lanes: vec![lane("slow"), lane("quick")],
        looks: AtomicUsize::new(0),
        gates: HashMap::from([("slow", Semaphore::new(0)), ("quick", Semaphore::new(Semaphore::MAX_PERMITS))]),
        begun,
        most: Mutex::default(),
    };
    (Arc::new(porter), seen)
}

async fn put(app: &TestApp, carrier: &'static str, count: usize) {
    let (context, now) = (&app.app.context, app.clock.now());
    let mut tx = context.db.begin().await.unwrap();
    for _ in 0..count {
        let job = Job { carrier: carrier.into(), kind: "letter", subject: Uuid::nil(), survey: None };
        enqueue(&mut tx, OutboxId(context.random.uuid(now)), job, now, now).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn until_begun(seen: &mut mpsc::UnboundedReceiver<String>, lane: &str, count: usize) {
    for _ in 0..count {
        while seen.recv().await.unwrap() != lane {}
    }
}

on_both_engines! {
    async fn a_lane_that_is_stuck_delays_no_other(app: TestApp) {
        let (porter, mut seen) = porter(&app, 2);
        put(&app, "slow", 5).await;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(run(Arc::clone(&porter), stop.clone()));
        until_begun(&mut seen, "slow", 2).await;
        // Nobody looks by himself for five seconds: these are begun because they were enqueued.
        put(&app, "quick", 20).await;
        until_begun(&mut seen, "quick", 20).await;
        assert_eq!(porter.most.lock().unwrap()["slow"], (2, 2), "no more than two at once, and these are still under way");
        porter.gates["slow"].add_permits(100);
        until_begun(&mut seen, "slow", 3).await;
        stop.cancel();
        serving.await.unwrap();
        assert!(queues(&mut app.app.context.db.read().await.unwrap()).await.unwrap().is_empty());
        assert!(porter.most.lock().unwrap().values().all(|(now, top)| *now == 0 && *top <= 2));
    }

    async fn lanes_are_looked_for_when_something_is_enqueued_and_not_for_every_message(app: TestApp) {
        let (porter, mut seen) = porter(&app, 2);
        put(&app, "quick", 100).await;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(run(Arc::clone(&porter), stop.clone()));
        until_begun(&mut seen, "quick", 100).await;
        stop.cancel();
        serving.await.unwrap();
        let looks = porter.looks.load(Ordering::SeqCst);
        assert!(looks < 50, "{looks} looks for 100 messages");
    }

    async fn what_was_claimed_and_not_begun_is_given_back_at_a_stop(app: TestApp) {
        let (porter, mut seen) = porter(&app, 6);
        put(&app, "slow", 8).await;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(run(Arc::clone(&porter), stop.clone()));
        until_begun(&mut seen, "slow", 2).await;
        stop.cancel();
        porter.gates["slow"].add_permits(2);
        serving.await.unwrap();
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE state = 'sent' AND attempt_count = 1").await, 2);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE state = 'waiting' AND lease_token IS NULL AND attempt_count = 0").await, 6);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox_attempt WHERE outcome = 'sent'").await, 2);
    }

    async fn what_breaks_off_frees_its_place(app: TestApp) {
        let (mut porter, mut seen) = porter(&app, 2);
        // There is no gate for this lane: whoever looks for it panics.
        Arc::get_mut(&mut porter).unwrap().lanes.push(Lane::new("broken".into(), 2));
        put(&app, "broken", 5).await;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(run(Arc::clone(&porter), stop.clone()));
        let all = tokio::time::timeout(Duration::from_secs(30), until_begun(&mut seen, "broken", 5)).await;
        assert!(all.is_ok(), "after two, the lane has no place any more");
        stop.cancel();
        serving.await.unwrap();
    }
}
