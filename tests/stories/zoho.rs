//! Zoho Desk signs with keys of its own: they are fetched once, and what cannot be checked is neither believed nor lost.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::helpdesk::{assert_stored, deliver, expected};
use crate::hook::Hook;
use crate::on_both_engines;
use crate::peer::{self, OPENED, Peer};

fn key_set() -> Value {
    serde_json::from_str(include_str!("../helpdesk/zoho-desk.jwks.json")).unwrap()
}

async fn connect(app: &TestApp, options: Value) -> Hook {
    let draft = json!({"name": "Zoho", "kind": "zoho_desk", "survey": "support", "secret": "test-secret", "options": options});
    let (status, source) = app.post("/api/v1/sources", &draft).await;
    assert_eq!(status, StatusCode::CREATED, "{source}");
    let text = |name: &str| source[name].as_str().unwrap().to_owned();
    Hook { id: text("id"), url: text("hook_url"), secret: text("secret") }
}

fn ours(peer: &Peer) -> Value {
    json!({"org_id": "60917442", "webhook_id": "72210000009011005", "jwks_url": peer.url})
}

on_both_engines! {
    async fn the_sample_becomes_exactly_its_interaction_and_the_keys_are_fetched_once(app: TestApp = OPENED) {
        app.survey("support", json!({})).await;
        let peer = Peer::start(|_, _| peer::json(200, "", &key_set())).await;
        let hook = connect(&app, ours(&peer)).await;
        let (status, told) = deliver(&app, &hook, "zoho-desk").await;
        assert_eq!((status, &told["outcome"], &told["items"][0]["outcome"]), (StatusCode::OK, &json!("batch"), &json!("invited")), "{told}");
        assert_stored(&app, "support", &expected("zoho-desk")).await;
        let (_, again) = deliver(&app, &hook, "zoho-desk").await;
        assert_eq!(again["items"][0]["outcome"], "duplicate", "{again}");
        let asked = peer.asked();
        assert_eq!((asked.len(), asked[0].path.as_str(), asked[0].body.as_str()), (1, "/", ""));
        assert_eq!(app.plain(Method::GET, &hook.url).send().await.unwrap().status(), StatusCode::OK);

        app.clock.advance(661_000);
        assert_eq!(deliver(&app, &hook, "zoho-desk").await.0, StatusCode::UNAUTHORIZED);
        assert_eq!((app.scalar("SELECT COUNT(*) FROM interaction").await, peer.asked().len()), (1, 1));
    }

    async fn a_stranger_is_refused_before_any_key_is_fetched(app: TestApp = OPENED) {
        app.survey("support", json!({})).await;
        let peer = Peer::start(|_, _| peer::json(200, "", &key_set())).await;
        let other = connect(&app, json!({"org_id": "1", "jwks_url": peer.url})).await;
        let (status, problem) = deliver(&app, &other, "zoho-desk").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(problem["detail"].as_str().unwrap().contains("org_id"), "{problem}");
        // Without an organisation the token of any customer of Zoho would do, so the secret has to come along.
        let any = connect(&app, json!({"jwks_url": peer.url})).await;
        assert_eq!(deliver(&app, &any, "zoho-desk").await.0, StatusCode::UNAUTHORIZED);
        for token in ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
            let request = app.plain(Method::POST, &any.url).header("x-zdesk-jwt", token).body("[]");
            assert_eq!(answer(request).await.0, StatusCode::UNAUTHORIZED, "{token}");
        }
        assert_eq!(answer(app.plain(Method::POST, &any.url).body("[]")).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(peer.asked().len(), 0);
        let with_secret = Hook { url: format!("{}/test-secret", any.url), ..any };
        assert_eq!(deliver(&app, &with_secret, "zoho-desk").await.0, StatusCode::OK);
        assert_eq!(peer.asked().len(), 1);
    }

    async fn a_key_that_is_not_in_the_set_is_looked_for_again_once_a_minute(app: TestApp = OPENED) {
        app.survey("support", json!({})).await;
        let mut other = key_set();
        other["keys"][0]["kid"] = json!("other");
        let peer = Peer::start(move |_, before| peer::json(200, "", &if before == 0 { other.clone() } else { key_set() })).await;
        let hook = connect(&app, ours(&peer)).await;
        for wait_ms in [0, 30_000, 29_999] {
            app.clock.advance(wait_ms);
            assert_eq!(deliver(&app, &hook, "zoho-desk").await.0, StatusCode::UNAUTHORIZED);
            assert_eq!(peer.asked().len(), 1);
        }
        app.clock.advance(1);
        assert_eq!(deliver(&app, &hook, "zoho-desk").await.0, StatusCode::OK);
        assert_eq!(peer.asked().len(), 2);
    }

    async fn keys_that_cannot_be_fetched_are_no_reason_to_doubt_the_sender(app: TestApp = OPENED) {
        app.survey("support", json!({})).await;
        let peer = Peer::start(|_, before| match before {
            0 => peer::bytes(500, "", "later"),
            1 => peer::bytes(200, "", "<html>login</html>"),
            2 => peer::bytes(302, "location: https://example.com/\r\n", ""),
            3 => peer::bytes(200, "", &"x".repeat(70_000)),
            4 => peer::silence(),
            _ => peer::json(200, "", &key_set()),
        })
        .await;
        let hook = connect(&app, ours(&peer)).await;
        for tried in 1..=5 {
            let response = app.plain(Method::POST, &hook.url).header("x-zdesk-jwt", token()).body("[]").send().await.unwrap();
            assert_eq!((response.status(), response.headers().contains_key("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, true), "{tried}");
            // A second one does not ask again at once.
            assert_eq!(deliver(&app, &hook, "zoho-desk").await.0, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(peer.asked().len(), tried);
            app.clock.advance(5_000);
        }
        assert_eq!(app.scalar("SELECT (SELECT COUNT(*) FROM interaction) + (SELECT COUNT(*) FROM source_event)").await, 0);
        assert_eq!(deliver(&app, &hook, "zoho-desk").await.0, StatusCode::OK);
    }

    async fn keys_come_from_zoho_and_from_opened_ranges_only(app: TestApp) {
        app.survey("support", json!({})).await;
        for url in ["http://127.0.0.1:8080/jwks.json", "https://evil.example/jwks.json", "https://desk.zoho.com@127.0.0.1/", "file:///etc/passwd"] {
            let draft = json!({"name": "Zoho", "kind": "zoho_desk", "survey": "support", "options": {"jwks_url": url}});
            let (status, problem) = app.post("/api/v1/sources", &draft).await;
            assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("options.jwks_url")), "{url}");
        }
    }

    async fn options_are_shown_without_the_token_and_changed_in_part(app: TestApp) {
        app.survey("support", json!({})).await;
        let options = json!({"api_url": "https://acme.zendesk.com", "api_token": "planted-token"});
        let draft = json!({"name": "Desk", "kind": "zendesk", "survey": "support", "secret": "test-secret", "options": options});
        let (status, source) = app.post("/api/v1/sources", &draft).await;
        assert_eq!((status, &source["options"], &source["has_api_token"]), (StatusCode::CREATED, &json!({"api_url": "https://acme.zendesk.com"}), &json!(true)));
        let path = format!("/api/v1/sources/{}", source["id"].as_str().unwrap());
        for path in [path.as_str(), "/api/v1/sources"] {
            let (_, shown) = app.get(path).await;
            assert!(!shown.to_string().contains("planted") && shown.to_string().contains("acme.zendesk.com"), "{shown}");
        }
        let stored = app.row("SELECT options, CAST(LENGTH(api_token) AS TEXT) FROM source").await;
        assert!(!format!("{stored:?}").contains("planted"));

        let change = async |change: Value| answer(app.api(Method::PATCH, &path).json(&change)).await;
        let (status, changed) = change(json!({"name": "New", "options": {"api_url": "https://other.zendesk.com"}})).await;
        assert_eq!((status, &changed["name"], &changed["options"]["api_url"], &changed["has_api_token"]), (StatusCode::OK, &json!("New"), &json!("https://other.zendesk.com"), &json!(true)), "{changed}");
        assert!(changed["secret"].is_null());
        let (status, problem) = change(json!({"options": {"api_token": null}})).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("options.api_token")));
        let (_, cleared) = change(json!({"options": null})).await;
        assert_eq!((&cleared["options"], &cleared["has_api_token"]), (&json!({}), &json!(false)), "{cleared}");
        for (wrong, field) in [
            (json!({"kind": "jira"}), "kind"), (json!({"survey": "other"}), "survey"), (json!({"name": ""}), "name"), (json!({"secret": "short"}), "secret"),
            (json!({"options": {"api_uri": "x"}}), "options.api_uri"), (json!({"options": {"data_centre": "mars"}}), "options.data_centre"), (json!({"id": "x"}), "id"),
        ] {
            let (status, problem) = change(wrong).await;
            assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{problem}");
        }
        assert_eq!(answer(app.api(Method::PATCH, "/api/v1/sources/0197b0c0-0000-7000-8000-000000000000").json(&json!({}))).await.0, StatusCode::NOT_FOUND);

        // A new secret counts at once.
        let hook = Hook { id: String::new(), url: source["hook_url"].as_str().unwrap().to_owned(), secret: String::new() };
        assert_eq!(deliver(&app, &hook, "zendesk-trigger").await.0, StatusCode::OK);
        assert_eq!(change(json!({"secret": "another-secret"})).await.0, StatusCode::OK);
        assert_eq!(deliver(&app, &hook, "zendesk-trigger").await.0, StatusCode::UNAUTHORIZED);
    }
}

fn token() -> String {
    let head = include_str!("../helpdesk/zoho-desk.headers.txt");
    head.lines().find_map(|line| line.strip_prefix("X-ZDesk-JWT: ")).unwrap().to_owned()
}
