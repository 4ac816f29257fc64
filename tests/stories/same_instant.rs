//! What ends at the same instant on two nodes, as only PostgreSQL lets it: the later of the two sees what the earlier one did.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::common::{On, TestApp, answer};
use crate::gateway_messages::define;
use crate::peer::{OPENED, Peer, silence};
use crate::webhooks::{SHORT, add, deliveries, is_signed, receiver};

const WAITING: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
const IN_TIME: Duration = Duration::from_secs(30);

/// Does something while somebody holds rows, who lets go of them once two wait for that.
async fn while_held<T>(app: &TestApp, rows: &'static str, work: impl Future<Output = T>) -> T {
    let mut somebody = sqlx::PgConnection::connect(&app.database_url).await.unwrap();
    sqlx::query("BEGIN").execute(&mut somebody).await.unwrap();
    sqlx::query(rows).execute(&mut somebody).await.unwrap();
    let until_two_wait = async {
        while app.scalar(WAITING).await < 2 {}
        sqlx::query("ROLLBACK").execute(&mut somebody).await.unwrap();
    };
    let Ok((done, ())) = tokio::time::timeout(IN_TIME, join(work, until_two_wait)).await else {
        panic!("nobody waits for what somebody holds");
    };
    done
}

async fn on_two_nodes(app: &TestApp) -> usize {
    let beside = app.start_beside().await;
    let both = Box::pin(join(app.app.deliver_due(), beside.app.deliver_due()));
    let (one, other) = while_held(app, "SELECT id FROM invitation FOR UPDATE", both).await;
    one.unwrap() + other.unwrap()
}

async fn state(app: &TestApp, decided: &Value) -> Value {
    app.get(&format!("/api/v1/interactions/{}", decided["id"].as_str().unwrap())).await.1["invitation"]["state"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_channels_that_end_the_later_one_ends_the_invitation() {
    let app = TestApp::start_with(On::Postgres, OPENED).await;
    let peer = Peer::start(|_, _| silence()).await;
    define(&app, "sms", &peer, json!({})).await;
    let policy = json!({"delay_minutes": 5, "quiet_days": 0, "quiet_any_days": 0});
    app.survey("support", json!({"deliver": ["sms", "email"], "deliver_mode": "all", "policy": policy})).await;
    let customer = json!({"phone": "0912 123 4567", "email": "sara@example.com"});
    let body = json!({"survey": "support", "ticket": {"id": "1", "closed_at": app.clock.now()}, "customer": customer});
    let decided = app.post("/api/v1/interactions", &body).await.1;
    assert_eq!(app.post("/api/v1/suppressions", &json!({"email": "sara@example.com"})).await.0.as_u16() / 100, 2);
    app.clock.advance(5 * 60_000);
    assert_eq!(on_two_nodes(&app).await, 2);
    assert_eq!(state(&app, &decided).await, "withdrawn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_endpoints_that_give_up_the_later_one_ends_the_invitation() {
    let app = TestApp::start_with(On::Postgres, SHORT).await;
    let peer = receiver(|_| 500).await;
    let webhooks = [add(&app, &peer.url, &["invitation.created"]).await, add(&app, &peer.url, &["invitation.created"]).await];
    app.survey("support", json!({"deliver": ["webhook"]})).await;
    let decided = app.close_ticket("support", "1", "sara@example.com").await;
    app.app.deliver_due().await.unwrap();
    for webhook in &webhooks {
        let path = format!("/api/v1/webhooks/{}", webhook["id"].as_str().unwrap());
        assert_eq!(answer(app.api(Method::PATCH, &path).json(&json!({"state": "disabled"}))).await.0, StatusCode::OK);
    }
    assert_eq!(state(&app, &decided).await, "scheduled");
    assert_eq!(on_two_nodes(&app).await, 2);
    assert_eq!(state(&app, &decided).await, "failed");
    for webhook in &webhooks {
        let delivery = &deliveries(&app, webhook).await[0];
        assert_eq!((&delivery["state"], &delivery["reason"]), (&json!("failed"), &json!("the endpoint is disabled")));
        assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1, "what was not tried is no attempt");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_changed_while_its_secret_is_rotated_keeps_both() {
    let app = TestApp::start_with(On::Postgres, SHORT).await;
    let peer = receiver(|_| 200).await;
    let webhook = add(&app, &peer.url, &["response.created"]).await;
    let path = |rest: &str| format!("/api/v1/webhooks/{}{rest}", webhook["id"].as_str().unwrap());
    let change = json!({"events": ["response.low"]});
    let (change, rotate) = (answer(app.api(Method::PATCH, &path("")).json(&change)), answer(app.api(Method::POST, &path("/rotate"))));
    let ((changed, _), (status, rotated)) = while_held(&app, "SELECT id FROM webhook FOR UPDATE", join(change, rotate)).await;
    assert_eq!((changed, status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(app.get(&path("")).await.1["events"], json!(["response.low"]));
    app.post(&path("/test"), &json!({})).await;
    assert!(is_signed(&peer.asked()[0], &rotated["secret"], &app) && is_signed(&peer.asked()[0], &webhook["secret"], &app));
}
