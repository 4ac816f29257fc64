//! Gateways are defined, shown without their secrets, changed and removed.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::on_both_engines;

fn own() -> Value {
    json!({"name": "sms", "url": "https://sms.example/v1/{{ settings.account }}/send", "settings": {"account": "a-1"},
        "secrets": {"key": "top-secret-key", "other": "second-secret"}, "auth": {"kind": "bearer", "token": "{{ secrets.key }}"},
        "body": {"json": "{\"to\": {{ customer.phone }}, \"text\": {{ text }}}"}, "text": {"en": "Hi {{ customer.name }}: {{ link }}"},
        "success": {"status": [200, 202], "pointer": "/status", "equals": 0}, "id_pointer": "/id", "retry": {"status": [429, 503]}})
}

async fn patch(app: &TestApp, body: &Value) -> (StatusCode, Value) {
    answer(app.api(Method::PATCH, "/api/v1/gateways/sms").json(body)).await
}

on_both_engines! {
    async fn a_gateway_is_shown_as_it_was_defined_and_its_secrets_by_name_only(app: TestApp) {
        let (status, made) = app.post("/api/v1/gateways", &own()).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let (_, shown) = app.get("/api/v1/gateways/sms").await;
        assert_eq!(shown, made);
        for field in ["name", "url", "settings", "auth", "body", "text", "id_pointer"] {
            assert_eq!(shown[field], own()[field], "{field}");
        }
        assert_eq!((&shown["method"], &shown["address"], &shown["phone_format"], &shown["preset"]), (&json!("POST"), &json!("phone"), &json!("e164"), &Value::Null));
        assert_eq!((&shown["success"]["equals"], &shown["secrets"]), (&json!(["0"]), &json!(["key", "other"])));
        assert_eq!(app.get("/api/v1/gateways").await.1["items"], json!([made]));
        assert!(!shown.to_string().contains("secret-key"));
        let stored = app.row("SELECT definition, secrets FROM gateway").await;
        assert!(stored.iter().flatten().all(|text| !text.contains("top-secret-key") && !text.contains("second-secret")), "{stored:?}");
        assert_eq!(app.plain(Method::GET, "/api/v1/gateways").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(app.post("/api/v1/gateways", &own()).await.0, StatusCode::CONFLICT);
        assert_eq!(app.get("/api/v1/gateways/none").await.0, StatusCode::NOT_FOUND);
    }

    async fn a_gateway_is_changed_member_by_member(app: TestApp) {
        app.post("/api/v1/gateways", &own()).await;
        app.clock.advance(1000);
        let (status, changed) = patch(&app, &json!({"settings": {"account": "b"}, "id_pointer": null, "secrets": {"other": null, "third": "3"}})).await;
        assert_eq!(status, StatusCode::OK, "{changed}");
        assert_eq!((&changed["settings"], &changed["id_pointer"], &changed["secrets"]), (&json!({"account": "b"}), &Value::Null, &json!(["key", "third"])));
        assert!(changed["updated_at"] != changed["created_at"] && changed["url"] == own()["url"]);
        let (_, changed) = patch(&app, &json!({"body": {"form": {"to": "{{ customer.phone }}"}}, "text": null})).await;
        assert_eq!((&changed["body"], &changed["text"]), (&json!({"form": {"to": "{{ customer.phone }}"}}), &json!({})));
        assert_eq!(app.get("/api/v1/gateways/sms").await.1, changed);
        for (body, field) in [
            (json!({"secrets": {"key": null}}), "auth.token"),
            (json!({"name": "other"}), "name"),
            (json!({"url": "https://sms.example/{{ customer.phoone }}"}), "url"),
            (json!({"text": {"fa": "a\n{% if %}"}}), "text.fa"),
            (json!({"pigeon": true}), "pigeon"),
        ] {
            let (status, problem) = patch(&app, &body).await;
            assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{problem}");
        }
        assert_eq!(app.get("/api/v1/gateways/sms").await.1, changed);
        assert_eq!(answer(app.api(Method::PATCH, "/api/v1/gateways/none").json(&json!({}))).await.0, StatusCode::NOT_FOUND);
    }

    async fn a_template_that_does_not_fit_is_refused_with_field_line_and_problem(app: TestApp) {
        let mut wrong = own();
        wrong["body"] = json!({"json": "{\"to\": {{ customer.phone }},\n \"text\": {{ txet }}}"});
        let (status, problem) = app.post("/api/v1/gateways", &wrong).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["errors"], json!([{"field": "body.json", "message": "line 2: there is no such value at `txet`"}]));
        let inner = json!({"name": "sms", "url": "https://127.0.0.1/"});
        assert_eq!(app.post("/api/v1/gateways", &inner).await.1["errors"][0]["field"], "url");
        assert_eq!(app.post("/api/v1/gateways", &json!([])).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(app.get("/api/v1/gateways").await.1["items"], json!([]));
    }

    async fn a_preset_is_expanded_when_it_is_saved(app: TestApp) {
        let (status, problem) = app.post("/api/v1/gateways", &json!({"name": "sms", "preset": "twilio_sms", "settings": {"from": "+12025550123"}})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!((&problem["errors"][0]["field"], &problem["errors"][1]["field"]), (&json!("settings.account_sid"), &json!("secrets.auth_token")));
        let whole = json!({"name": "sms", "preset": "twilio_sms", "settings": {"account_sid": "AC1", "from": "+12025550123"}, "secrets": {"auth_token": "t"},
            "base_url": "https://api.dublin.ie1.twilio.example"});
        let (status, made) = app.post("/api/v1/gateways", &whole).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        assert_eq!((&made["preset"], &made["id_pointer"]), (&json!("twilio_sms"), &json!("/sid")));
        assert!(made["url"].as_str().unwrap().starts_with("https://api.dublin.ie1.twilio.example/2010-04-01/Accounts/"), "{made}");
        let (_, changed) = patch(&app, &json!({"settings": {"from": "+12025550199"}})).await;
        assert_eq!(changed["settings"], json!({"account_sid": "AC1", "from": "+12025550199"}));
    }

    async fn a_gateway_is_removed_once(app: TestApp) {
        app.post("/api/v1/gateways", &own()).await;
        assert_eq!(app.api(Method::DELETE, "/api/v1/gateways/sms").send().await.unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(app.api(Method::DELETE, "/api/v1/gateways/sms").send().await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(app.get("/api/v1/gateways/sms").await.0, StatusCode::NOT_FOUND);
    }
}
