//! Endpoints and each other: one that never answers, one that leads inside, one that is removed while something waits.

use std::net::TcpListener;
use std::time::Duration;

use nabz::delivery::store::is_on_its_way;
use nabz::invitation::InvitationId;
use nabz::webhook::MOST;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::common::{On, TestApp, answer};
use crate::peer::{Peer, bytes, silence};
use crate::webhooks::{OPENED, SHORT, add, deliveries, receiver};
use crate::{on_both_engines, on_each_engine};

const IN_TIME: Duration = Duration::from_mins(1);
/// Opens another range than the loopback, so that other ports and plain HTTP are no reason to refuse an address that is a name.
const ELSEWHERE: &[(&str, &str)] = &[("NABZ__WEBHOOKS__ALLOW_PRIVATE", "[\"10.0.0.0/8\"]")];
const LOOPBACK: &[(&str, &str)] =
    &[("NABZ__WEBHOOKS__ALLOW_PRIVATE", "[\"127.0.0.0/8\", \"::1/128\"]"), ("NABZ__WEBHOOKS__TIMEOUT_MS", "300")];

/// A listener that nobody may connect to: whoever did would wait to be accepted.
fn canary() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn is_untouched(canary: &TcpListener) -> bool {
    canary.accept().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

fn path(webhook: &Value) -> String {
    format!("/api/v1/webhooks/{}", webhook["id"].as_str().unwrap())
}

async fn state(app: &TestApp, decided: &Value) -> Value {
    app.get(&format!("/api/v1/interactions/{}", decided["id"].as_str().unwrap())).await.1["invitation"]["state"].clone()
}

on_each_engine! {
    async fn an_endpoint_that_never_answers_delays_no_other(on: On) {
        let app = TestApp::start_delivering(on, &[OPENED[0], ("NABZ__WEBHOOKS__TIMEOUT_MS", "60000")]).await;
        let (silent, _gate) = Peer::gated(|_, _| silence()).await;
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        let quick = Peer::start(move |asked, _| {
            arrived.send(asked.header("webhook-id").unwrap().to_owned()).unwrap();
            bytes(204, "", "")
        }).await;
        let waiting = add(&app, &silent.url, &["response.created"]).await;
        add(&app, &quick.url, &["response.created"]).await;
        app.survey("support", json!({})).await;
        for ticket in 0..40 {
            let given = json!({"survey": "support", "ticket": {"id": ticket.to_string()}, "customer": {"ref": ticket.to_string()}, "score": 5, "answered_at": app.clock.now()});
            assert_eq!(app.post("/api/v1/responses", &given).await.0, StatusCode::CREATED);
        }
        let mut ids = Vec::new();
        while ids.len() < 40 {
            let arrival = tokio::time::timeout(IN_TIME, arrivals.recv()).await;
            ids.push(arrival.unwrap_or_else(|_| panic!("the quick endpoint waits for the silent one")).unwrap());
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 40, "each event once");
        while silent.asked().len() < 4 {
            tokio::task::yield_now().await;
        }
        assert_eq!(silent.asked().len(), 4, "no more than four at once wait for the silent one");
        assert!(deliveries(&app, &waiting).await.iter().all(|one| one["state"] == "waiting"));
    }
}

on_both_engines! {
    async fn an_endpoint_whose_host_is_an_inner_address_in_any_form_is_refused_and_not_connected_to(app: TestApp = ELSEWHERE) {
        let (canary, port) = canary();
        let outer = app.post("/api/v1/webhooks", &json!({"url": "https://acme.example/x", "events": ["response.created"]})).await.1;
        for host in [
            "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.0.0.1.", "127%2e0%2e0%2e1", "１２７.0.0.1", "127。0。0。1",
            "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "user@127.0.0.1", "acme.example@127.0.0.1", "0", "0.0.0.0", "[::]",
        ] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{host}:{port}/told");
                let (status, problem) = app.post("/api/v1/webhooks", &json!({"url": url, "events": ["response.created"]})).await;
                assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("url")), "{url}");
                assert_eq!(answer(app.api(Method::PATCH, &path(&outer)).json(&json!({"url": url}))).await.0, StatusCode::UNPROCESSABLE_ENTITY, "{url}");
            }
        }
        let long = format!("https://acme.example/{}", "x".repeat(2000));
        assert_eq!(app.post("/api/v1/webhooks", &json!({"url": long, "events": ["response.created"]})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(is_untouched(&canary));
    }

    async fn a_name_that_leads_to_an_inner_address_is_refused_when_something_is_to_be_told(app: TestApp = ELSEWHERE) {
        let (canary, port) = canary();
        let webhook = add(&app, &format!("http://localhost:{port}"), &["response.created"]).await;
        app.survey("support", json!({})).await;
        app.vote(&app.link("support", "1").await, 5, "").await;
        app.app.deliver_due().await.unwrap();
        let told = "the address leads to an address that is not public; an operator can open its range with webhooks.allow_private";
        assert_eq!(deliveries(&app, &webhook).await[0]["attempts"][0]["reply"], told);
        let (_, test) = app.post(&format!("{}/test", path(&webhook)), &json!({})).await;
        assert_eq!((&test["accepted"], &test["error"]), (&json!(false), &json!(told)));
        assert!(is_untouched(&canary));
    }

    async fn the_same_name_is_told_where_an_operator_opened_the_range(app: TestApp = LOOPBACK) {
        let (canary, port) = canary();
        let webhook = add(&app, &format!("http://localhost:{port}"), &["response.created"]).await;
        app.post(&format!("{}/test", path(&webhook)), &json!({})).await;
        assert!(!is_untouched(&canary), "or the story above would prove nothing");
    }

    async fn what_waits_for_an_endpoint_that_is_removed_is_given_up_and_the_endpoint_forgotten(app: TestApp = SHORT) {
        let peer = receiver(|_| 500).await;
        let webhook = add(&app, &peer.url, &["invitation.created"]).await;
        app.survey("support", json!({"deliver": ["webhook"]})).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        app.app.deliver_due().await.unwrap();
        assert_eq!(answer(app.api(Method::DELETE, &path(&webhook))).await.0, StatusCode::NO_CONTENT);
        assert_eq!(answer(app.api(Method::DELETE, &path(&webhook))).await.0, StatusCode::NOT_FOUND);
        assert_eq!(state(&app, &decided).await, "scheduled");
        app.app.deliver_due().await.unwrap();
        assert_eq!(state(&app, &decided).await, "failed", "nobody is left to send it");
        assert_eq!(peer.asked().len(), 1);
        let (_, listed) = app.get("/api/v1/deliveries?channel=webhook").await;
        assert_eq!((&listed["items"][0]["state"], &listed["items"][0]["reason"]), (&json!("failed"), &json!("the endpoint was removed")));
        assert_eq!(app.scalar("SELECT COUNT(*) FROM webhook").await, 0, "with its secret");
    }

    async fn an_invitation_that_an_endpoint_may_still_take_has_not_failed_with_its_mail(app: TestApp = SHORT) {
        let peer = receiver(|before| if before == 0 { 500 } else { 200 }).await;
        add(&app, &peer.url, &["invitation.created"]).await;
        app.survey("support", json!({"deliver": ["webhook", "email"], "deliver_mode": "all"})).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        app.execute("UPDATE outbox SET state = 'failed' WHERE carrier = 'mail'").await;
        let db = &app.app.context.db;
        let id = InvitationId(decided["invitation"]["id"].as_str().unwrap().parse().unwrap());
        let waits = async || is_on_its_way(&mut db.read().await.unwrap(), id).await.unwrap();
        assert!(waits().await, "it is to be announced");
        app.app.deliver_due().await.unwrap();
        assert!(waits().await, "it was announced, and not taken so far");
        app.clock.advance(6000);
        app.app.deliver_due().await.unwrap();
        assert_eq!((waits().await, state(&app, &decided).await), (false, json!("sent")));
    }

    async fn there_are_a_hundred_endpoints_at_most(app: TestApp) {
        let draft = |number: usize| json!({"url": format!("https://acme.example/{number}"), "events": ["response.created"]});
        for number in 0..MOST {
            assert_eq!(app.post("/api/v1/webhooks", &draft(number)).await.0, StatusCode::CREATED);
        }
        let (status, problem) = app.post("/api/v1/webhooks", &draft(MOST)).await;
        assert_eq!((status, &problem["detail"]), (StatusCode::CONFLICT, &json!("There are 100 endpoints already, which is the most: remove one.")));
        let (_, list) = app.get("/api/v1/webhooks?limit=1").await;
        app.api(Method::DELETE, &path(&list["items"][0])).send().await.unwrap();
        assert_eq!(app.post("/api/v1/webhooks", &draft(MOST)).await.0, StatusCode::CREATED);
    }
}
