//! What arrived at a source can be looked at, and received once more.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::hook::{Hook, closed};
use crate::on_both_engines;

/// Delivers these bytes to a source that sends its secret.
async fn deliver(app: &TestApp, hook: &Hook, kind: &str, body: &str) -> (StatusCode, Value) {
    let request = app.plain(Method::POST, &hook.url).header("x-webhook-secret", &hook.secret).header("content-type", kind);
    answer(request.body(body.to_owned())).await
}

on_both_engines! {
    async fn what_arrived_is_listed_with_its_answer_the_newest_first(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "freshdesk", "support", None).await;
        let other = Hook::connect(&app, "freshdesk", "support", None).await;
        deliver(&app, &other, "application/json", "{}").await;
        let (_, told) = deliver(&app, &hook, "application/json", &closed(&app, "1", "a@example.com").to_string()).await;
        app.clock.advance(1);
        let (status, _) = deliver(&app, &hook, "application/json", "{\"event\": \"it \"broke\"\"}").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let events = format!("/api/v1/sources/{}/events", hook.id);
        let (status, listed) = app.get(&events).await;
        let items = listed["items"].as_array().unwrap();
        assert_eq!((status, items.len(), &listed["next"]), (StatusCode::OK, 2, &Value::Null), "{listed}");
        assert_eq!((&items[0]["outcome"], &items[0]["body"], &items[0]["answer"]), (&json!("unreadable"), &json!("{\"event\": \"it \"broke\"\"}"), &Value::Null));
        assert!(items[0]["problem"].as_str().unwrap().contains("line 1"), "{listed}");
        assert_eq!((&items[1]["outcome"], &items[1]["body"], &items[1]["answer"]), (&json!("accepted"), &Value::Null, &told));
        let (_, first) = app.get(&format!("{events}?limit=1")).await;
        let (_, second) = app.get(&format!("{events}?limit=1&cursor={}", first["next"].as_str().unwrap())).await;
        assert_eq!((&first["items"][0], &second["items"][0], &second["next"]), (&items[0], &items[1], &Value::Null));
    }

    async fn a_kept_event_is_received_once_more_and_kept_no_longer(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "freshdesk", "support", None).await;
        // The help desk said that it sends a form, and sent JSON.
        let event = closed(&app, "1", "a@example.com").to_string();
        assert_eq!(deliver(&app, &hook, "application/x-www-form-urlencoded", &event).await.0, StatusCode::BAD_REQUEST);
        let events = format!("/api/v1/sources/{}/events", hook.id);
        let id = app.get(&events).await.1["items"][0]["id"].as_str().unwrap().to_owned();
        let replay = format!("{events}/{id}/replay");
        let (status, told) = app.post(&replay, &json!({})).await;
        assert_eq!((status, &told["outcome"]), (StatusCode::OK, &json!("invited")), "{told}");
        let (_, listed) = app.get(&events).await;
        assert_eq!((&listed["items"][0]["outcome"], &listed["items"][0]["answer"], &listed["items"][0]["body"]), (&json!("accepted"), &told, &Value::Null));
        assert_eq!(app.post(&replay, &json!({})).await.0, StatusCode::CONFLICT);
        assert_eq!(app.scalar("SELECT (SELECT COUNT(*) FROM interaction) * 10 + (SELECT COUNT(*) FROM invitation)").await, 11);
    }

    async fn what_is_still_no_event_stays_kept_for_thirty_days(app: TestApp) {
        app.survey("support", json!({})).await;
        let (hook, other) = (Hook::connect(&app, "kayako", "support", None).await, Hook::connect(&app, "kayako", "support", None).await);
        deliver(&app, &hook, "application/json", "{\"a\": }").await;
        let events = format!("/api/v1/sources/{}/events", hook.id);
        let id = app.get(&events).await.1["items"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(app.post(&format!("{events}/{id}/replay"), &json!({})).await.0, StatusCode::BAD_REQUEST);
        let foreign = format!("/api/v1/sources/{}/events/{id}/replay", other.id);
        assert_eq!(app.post(&foreign, &json!({})).await.0, StatusCode::NOT_FOUND);
        for (days, kept) in [(30, true), (1, false)] {
            app.clock.advance(days * 86_400_000);
            nabz::app::erase(&app.app.context).await.unwrap();
            assert_eq!(app.get(&events).await.1["items"][0]["body"].is_string(), kept, "{days}");
        }
        assert_eq!(app.post(&format!("{events}/{id}/replay"), &json!({})).await.0, StatusCode::CONFLICT);
        assert!(app.get(&events).await.1["items"][0]["problem"].is_string());
    }
}
