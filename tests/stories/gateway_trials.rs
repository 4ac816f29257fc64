//! A gateway is tried out with a sample customer: shown what it would send, or told what the other side said.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::TestApp;
use crate::gateway_messages::define;
use crate::on_both_engines;
use crate::peer::{self, OPENED, Peer};

async fn tried(app: &TestApp, body: Value) -> (StatusCode, Value) {
    app.post("/api/v1/gateways/sms/test", &body).await
}

on_both_engines! {
    async fn a_dry_run_shows_the_request_without_its_secrets_and_sends_nothing(app: TestApp = OPENED) {
        let peer = Peer::start(|_, _| peer::bytes(200, "", "")).await;
        define(&app, "sms", &peer, json!({"secrets": {"key": "top-secret"}, "auth": {"kind": "basic", "user": "acme", "password": "{{ secrets.key }}"},
            "headers": {"X-Key": "{{ secrets.key }}"}, "body": {"form": {"to": "{{ customer.phone }}", "text": "{{ text }}", "key": "{{ secrets.key }}"}},
            "url": format!("{}/send/{{{{ secrets.key }}}}", peer.url)})).await;
        app.survey("support", json!({"metric": "nps", "company": "Acme"})).await;
        let (status, shown) = tried(&app, json!({"customer": {"phone": "۰۹۱۲ ۱۲۳ ۴۵۶۷", "locale": "fa-IR"}, "survey": "support", "dry_run": true})).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        assert!(!shown.to_string().contains("top-secret") && shown["status"].is_null() && peer.asked().is_empty());
        let request = &shown["request"];
        assert_eq!((&request["method"], &request["url"]), (&json!("POST"), &json!(format!("{}/send/HIDDEN", peer.url))));
        assert_eq!(request["headers"], json!({"authorization": "Basic HIDDEN", "content-type": "application/x-www-form-urlencoded", "x-key": "HIDDEN"}));
        let body: Vec<(String, String)> = url::form_urlencoded::parse(request["body"].as_str().unwrap().as_bytes()).into_owned().collect();
        assert_eq!(body[0], ("key".to_owned(), "HIDDEN".to_owned()));
        assert!(body[1].1.starts_with("Acme: یک پرسش") && body[1].1.contains("/s/"), "{body:?}");
        assert_eq!(body[2], ("to".to_owned(), "+989121234567".to_owned()));
    }

    async fn what_the_other_side_says_is_told_and_judged(app: TestApp = OPENED) {
        for (answered, expected) in [
            (peer::json(201, "", &json!({"id": "SM1", "to": "+989121234567"})), json!([201, "accepted", "SM1", r#"201 {"id":"SM1","to":"[…]"}"#])),
            (peer::bytes(400, "", "bad number 09121234567"), json!([400, "refused", null, "400 bad number […]"])),
            (peer::bytes(429, "", "slow"), json!([429, "retry", null, "429 slow"])),
            (peer::silence(), json!([null, "retry", null, "the gateway was called, but there was no answer in time"])),
        ] {
            let peer = Peer::start(move |_, _| answered.clone()).await;
            define(&app, "sms", &peer, json!({})).await;
            let (status, told) = tried(&app, json!({"customer": {"phone": "09121234567", "name": "Sara"}})).await;
            assert_eq!((status, &told["request"]), (StatusCode::OK, &Value::Null), "{told}");
            assert_eq!(json!([told["status"], told["outcome"], told["id"], told["reply"]]), expected);
            let sent: Value = serde_json::from_str(&peer.asked()[0].body).unwrap();
            assert_eq!(sent["to"], "+989121234567");
            let link = sent["text"].as_str().unwrap().rsplit(' ').next().unwrap();
            assert_eq!(app.plain(reqwest::Method::GET, link).send().await.unwrap().status(), StatusCode::NOT_FOUND, "it leads nowhere");
            app.execute("DELETE FROM gateway").await;
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox").await, 0);
    }

    async fn what_cannot_be_tried_says_why(app: TestApp) {
        let draft = json!({"name": "sms", "url": "https://sms.example/", "country": "IR"});
        assert_eq!(app.post("/api/v1/gateways", &draft).await.0, StatusCode::CREATED);
        for (body, status, field) in [
            (json!({"customer": {"email": "sara@example.com"}}), 422, "customer.phone"),
            (json!({"customer": {"phone": "12"}}), 422, "customer.phone"),
            (json!({"customer": {"phone": "09121234567"}, "survey": "none"}), 422, "survey"),
            (json!({"customer": {"phone": "09121234567"}, "pigeon": 1}), 422, "pigeon"),
            (json!({}), 422, "customer"),
        ] {
            let (told, problem) = tried(&app, body).await;
            assert_eq!((told.as_u16(), &problem["errors"][0]["field"]), (status, &json!(field)), "{problem}");
        }
        assert_eq!(app.post("/api/v1/gateways/none/test", &json!({"customer": {}})).await.0, StatusCode::NOT_FOUND);
        // The name cannot be resolved here, and nothing inside may be reached.
        app.execute("UPDATE gateway SET definition = REPLACE(definition, 'https://sms.example/', 'https://127.0.0.1/')").await;
        let (_, told) = tried(&app, json!({"customer": {"phone": "09121234567"}})).await;
        assert!(told["outcome"] == "refused" && told["reply"].as_str().unwrap().contains("not public"), "{told}");
    }
}
