//! Many events at once: one closing is one interaction however often it comes, a storm loses nothing that was acknowledged.

use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use nabz::intake::{Customer, Interaction, Ticket};
use nabz::invitation::clerk::{Clerk, Errand, NotStored, Origin, Step};
use nabz::invitation::receive::{self, Received};
use nabz::link::Links;
use nabz::survey::store::find_by_slug;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::hook::{Hook, closed};
use crate::on_both_engines;

fn received(ticket: &str, email: &str, closed_at: nabz::clock::Timestamp) -> Received {
    let ticket = Ticket { id: Some(ticket.to_owned()), closed_at: Some(closed_at), ..Ticket::default() };
    let customer = Customer { email: Some(email.to_owned()), ..Customer::default() };
    Received {
        source: None,
        closed: true,
        interaction: Interaction { ticket, customer, ..Interaction::default() },
        request_key: None,
        looked_up: None,
    }
}

on_both_engines! {
    async fn one_closing_a_hundred_times_at_once_is_one_interaction_and_one_decision(app: TestApp) {
        app.survey("support", json!({})).await;
        let (one, other) = (Hook::connect(&app, "standard", "support", None).await, Hook::connect(&app, "standard", "support", None).await);
        let event = closed(&app, "48213", "sara@example.com");
        let mut body = event.clone();
        body.as_object_mut().unwrap().remove("event");
        body["survey"] = json!("support");
        let hooks = (0..70).map(|number| {
            let (app, event, hook) = (&app, &event, if number % 2 == 0 { &one } else { &other });
            // Some deliveries come again under their id, most under a new one.
            async move { hook.send(app, &format!("m{}", number % 50), event).await }
        });
        let calls = (0..30).map(|_| answer(app.api(Method::POST, "/api/v1/interactions").json(&body)));
        let (hooked, called) = futures_util::future::join(join_all(hooks), join_all(calls)).await;
        let ids: Vec<&Value> = hooked.iter().map(|(_, told)| &told["interaction"]).chain(called.iter().map(|(_, told)| &told["id"])).collect();
        assert!(ids.iter().all(|id| id.is_string() && *id == ids[0]), "{hooked:?} {called:?}");
        assert!(hooked.iter().all(|(status, _)| *status == StatusCode::OK));
        let first = hooked.iter().filter(|(_, told)| told["outcome"] == "invited").count() + called.iter().filter(|(status, _)| *status == StatusCode::CREATED).count();
        assert_eq!(first, 1);
        for table in ["SELECT COUNT(*) FROM interaction", "SELECT COUNT(*) FROM invitation", "SELECT COUNT(*) FROM outbox", "SELECT COUNT(*) FROM customer"] {
            assert_eq!(app.scalar(table).await, 1, "{table}");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM source_event").await, 50);
    }

    async fn events_of_one_batch_see_one_another(app: TestApp) {
        app.survey("support", json!({"policy": {"quiet_days": 7}})).await;
        let context = &app.app.context;
        let survey = Arc::new(find_by_slug(&mut context.db.read().await.unwrap(), "support").await.unwrap().unwrap());
        let now = app.clock.now();
        let [first, again, other, late] = [("1", "Sara@Example.com", 0), ("1", "sara@example.com", 0), ("2", "sara@example.com", 0), ("1", "ali@example.com", 5)]
            .map(|(ticket, email, later)| received(ticket, email, now.plus_millis(later)));
        let step = |received| Step::Decide(Box::new(received));
        let reopened = Step::Reopened { ticket: "1".to_owned() };
        let steps = vec![step(first), Step::Ignored, step(again), step(other), reopened, step(late)];
        let source = Hook::connect(&app, "standard", "support", None).await.id.parse().unwrap();
        let errand = Errand { survey, steps, origin: Origin::Delivery { source, event: app.app.context.random.uuid(app.clock.now()), key: None, is_list: true } };
        let (clerk, serve) = Clerk::new(Arc::clone(context), Links::new(&context.keyring));
        let serving = tokio::spawn(serve);
        let told: Value = serde_json::from_str(&clerk.take(errand).await.unwrap().text).unwrap();
        let outcomes: Vec<(&str, &str)> = told["items"].as_array().unwrap().iter()
            .map(|item| (item["outcome"].as_str().unwrap(), item["reason"].as_str().unwrap_or_default())).collect();
        // What was asked is taken back by the reopening, so the ticket can be asked about again.
        assert_eq!(outcomes, [("invited", ""), ("ignored", "not_closed"), ("duplicate", ""), ("skipped", "quiet_period"), ("ignored", "reopened"), ("invited", "")]);
        assert_eq!(told["items"][4]["withdrawn"][0], told["items"][0]["invitation"]["id"]);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM invitation WHERE state = 'withdrawn'").await, 1);
        drop(clerk);
        serving.await.unwrap();
    }

    async fn what_does_not_fit_into_the_queue_is_refused_and_everything_else_is_stored(app: TestApp) {
        app.survey("support", json!({"policy": {"quiet_days": 7}})).await;
        let context = &app.app.context;
        let survey = Arc::new(find_by_slug(&mut context.db.read().await.unwrap(), "support").await.unwrap().unwrap());
        let now = app.clock.now();
        let (clerk, serve) = Clerk::new(Arc::clone(context), Links::new(&context.keyring));
        let serving = tokio::spawn(serve);
        // Another transaction decides about the same customer, and the first batch waits for it.
        let mut held = context.db.begin().await.unwrap();
        receive::receive(&mut held, context, &survey, &received("held", "sara@example.com", now)).await.unwrap();
        let mut told: FuturesUnordered<_> = (0..1000)
            .map(|number| {
                let step = Step::Decide(Box::new(received(&number.to_string(), "sara@example.com", now)));
                clerk.take(Errand { survey: Arc::clone(&survey), steps: vec![step], origin: Origin::Request { key: None } })
            })
            .collect();
        // Whatever the queue and the batch under way cannot hold is refused while the others still wait.
        for refused in 0..300 {
            assert_eq!(told.next().await.unwrap().unwrap_err(), NotStored, "{refused}");
        }
        held.commit().await.unwrap();
        let stored = told.filter(|receipt| std::future::ready(receipt.is_ok())).count().await;
        assert!((1..=700).contains(&stored), "{stored}");
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction WHERE outcome = 'skipped' AND reason = 'quiet_period'").await, i64::try_from(stored).unwrap());
        assert_eq!(app.scalar("SELECT COUNT(*) FROM invitation").await, 1);
        drop(clerk);
        serving.await.unwrap();
    }
}
