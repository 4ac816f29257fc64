//! Invitations that the caller's own system sends: handed over by webhook, sent when an endpoint took them.

use std::time::Duration;

use nabz::clock::MINUTE_MS;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::TestApp;
use crate::on_both_engines;
use crate::peer::{Peer, bytes};
use crate::webhooks::{SHORT, add, deliveries, let_a_day_pass, receiver, told};

/// No second attempt.
const ONCE: &[(&str, &str)] = &[("NABZ__WEBHOOKS__ALLOW_PRIVATE", "[\"127.0.0.0/8\"]"), ("NABZ__WEBHOOKS__RETRY_SCHEDULE_MS", "[]")];

on_both_engines! {
    async fn a_survey_that_delivers_by_webhook_hands_its_links_to_the_callers_system(app: TestApp = SHORT) {
        let peer = receiver(|before| if before == 0 { 503 } else { 200 }).await;
        let webhook = add(&app, &peer.url, &["invitation.created"]).await;
        app.survey("support", json!({"deliver": ["webhook"], "locale": "fa", "company": "Acme"})).await;
        let body = json!({"survey": "support", "ticket": {"id": "7", "subject": "printer", "closed_at": app.clock.now()}, "customer": {"ref": "c-9", "name": "Sara"}, "agent": {"name": "Jonas"}});
        let (_, decided) = app.post("/api/v1/interactions", &body).await;
        assert_eq!((&decided["outcome"], &decided["invitation"]["state"]), (&json!("invited"), &json!("scheduled")));
        app.app.deliver_due().await.unwrap();
        let id = decided["id"].as_str().unwrap();
        assert_eq!(app.get(&format!("/api/v1/interactions/{id}")).await.1["invitation"]["state"], "scheduled", "nobody has taken it yet");
        app.clock.advance(6000);
        app.app.deliver_due().await.unwrap();
        assert_eq!(app.get(&format!("/api/v1/interactions/{id}")).await.1["invitation"]["state"], "sent");
        let data = &told(&peer)[1]["data"];
        let link = data["invitation"]["link"].as_str().unwrap();
        assert_eq!(decided["invitation"]["link"], link);
        assert_eq!(data["invitation"]["score_links"]["5"], format!("{link}/5"));
        assert_eq!((&data["survey"]["slug"], &data["survey"]["metric"], &data["locale"]), (&json!("support"), &json!("csat"), &json!("fa")));
        assert!(data["survey"]["question"].as_str().unwrap().contains("رضایت") || data["survey"]["question"].as_str().unwrap().contains("راضی"));
        assert_eq!((&data["customer"]["ref"], &data["customer"]["name"], &data["ticket"]["subject"], &data["agent"]["name"]), (&json!("c-9"), &json!("Sara"), &json!("printer"), &json!("Jonas")));
        app.vote(link, 5, "").await;
        let (_, report) = app.get("/api/v1/reports/breakdown?survey=support").await;
        assert_eq!((&report["total"]["delivered"], &report["total"]["answered"]), (&json!(1), &json!(1)));
        assert_eq!(deliveries(&app, &webhook).await.len(), 1);
    }

    async fn an_invitation_that_no_endpoint_takes_has_failed_and_says_why(app: TestApp = SHORT) {
        app.survey("support", json!({"deliver": ["webhook"]})).await;
        let lonely = app.close_ticket("support", "1", "sara@example.com").await;
        app.app.deliver_due().await.unwrap();
        let shown = async |decided: &Value| app.get(&format!("/api/v1/interactions/{}", decided["id"].as_str().unwrap())).await.1;
        let now = shown(&lonely).await;
        assert_eq!(now["invitation"]["state"], "failed");
        assert!(now["timeline"].to_string().contains("no enabled webhook is told of invitation.created"), "{now}");
        let peer = receiver(|_| 500).await;
        add(&app, &peer.url, &["invitation.created"]).await;
        let refused = app.close_ticket("support", "2", "nima@example.com").await;
        let_a_day_pass(&app).await;
        let now = shown(&refused).await;
        assert_eq!(now["invitation"]["state"], "failed");
        assert!(now["timeline"].to_string().contains("answered 500"));
    }

    async fn an_invitation_that_was_taken_back_is_not_handed_over(app: TestApp = SHORT) {
        let peer = receiver(|_| 500).await;
        add(&app, &peer.url, &["invitation.created"]).await;
        app.survey("support", json!({"deliver": ["webhook"]})).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        app.app.deliver_due().await.unwrap();
        let id = decided["invitation"]["id"].as_str().unwrap();
        assert_eq!(app.post(&format!("/api/v1/invitations/{id}/withdraw"), &json!({})).await.0, StatusCode::OK);
        let_a_day_pass(&app).await;
        assert_eq!(peer.asked().len(), 1);
        let (_, listed) = app.get("/api/v1/deliveries?channel=webhook").await;
        assert_eq!(listed["items"][0]["state"], "cancelled");
    }

    async fn what_an_endpoint_accepted_is_sent_though_the_lease_had_ended_and_the_next_attempt_fails(app: TestApp = ONCE) {
        let (peer, gate) = Peer::gated(|_, before| bytes(if before == 0 { 200 } else { 500 }, "", "")).await;
        add(&app, &peer.url, &["invitation.created"]).await;
        app.survey("support", json!({"deliver": ["webhook"]})).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        let path = format!("/api/v1/interactions/{}", decided["id"].as_str().unwrap());
        let state = async || app.get(&path).await.1["invitation"]["state"].as_str().unwrap().to_owned();
        let asked = async |count: usize| {
            while peer.asked().len() < count {
                tokio::task::yield_now().await;
            }
        };
        let second = async {
            asked(1).await;
            // The first claimer is slower than its lease.
            app.clock.advance(5 * MINUTE_MS + 1);
            app.app.deliver_due().await.unwrap();
        };
        let judge = async {
            asked(2).await;
            gate.add_permits(1);
            while state().await != "sent" {
                tokio::task::yield_now().await;
            }
            gate.add_permits(1);
        };
        let together = async { tokio::join!(app.app.deliver_due(), second, judge) };
        let (first, (), ()) = tokio::time::timeout(Duration::from_secs(30), Box::pin(together)).await.unwrap();
        first.unwrap();
        assert_eq!(state().await, "sent");
    }
}
