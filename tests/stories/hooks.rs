//! Sources and their hooks over HTTP: who is believed, what is answered, what is kept.

use data_encoding::BASE64;
use hmac::Mac as _;
use nabz::keyring::hmac;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::common::{TestApp, answer};
use crate::hook::{Hook, closed};
use crate::on_both_engines;

on_both_engines! {
    async fn the_test_of_the_zendesk_builder_is_answered_and_leaves_nothing(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "zendesk", "support", Some("test-secret")).await;
        let (at, body) = ("2026-01-15T10:30:00Z", r#"{"event":"ticket.closed","ticket":{"id":"1"},"customer":{"email":"sara@example.com"}}"#);
        let test = |secret: &str| {
            let mut mac = hmac(secret.as_bytes());
            mac.update(format!("{at}{body}").as_bytes());
            let signature = BASE64.encode(&mac.finalize().into_bytes());
            let request = app.plain(Method::POST, &hook.url).header("x-zendesk-webhook-signature-timestamp", at);
            answer(request.header("x-zendesk-webhook-signature", signature).body(body))
        };
        let (status, told) = test("dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==").await;
        assert_eq!((status, told), (StatusCode::OK, json!({"outcome": "ignored", "reason": "test"})));
        assert_eq!(app.scalar("SELECT (SELECT COUNT(*) FROM source_event) + (SELECT COUNT(*) FROM interaction)").await, 0);
        assert_eq!(test("another").await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(test("test-secret").await.1["outcome"], "invited");
    }

    async fn a_source_tells_its_secret_once_and_its_hook_ends_with_it(app: TestApp) {
        app.survey("support", json!({})).await;
        let made = Hook::connect(&app, "standard", "support", None).await;
        app.clock.advance(1);
        let own = Hook::connect(&app, "zendesk", "support", Some("test-secret")).await;
        assert!(made.secret.starts_with("whsec_") && own.secret == "test-secret");
        let (_, listed) = app.get("/api/v1/sources").await;
        let items = listed["items"].as_array().unwrap();
        assert_eq!(items.len(), 2);
        for (item, hook) in items.iter().zip([&made, &own]) {
            assert_eq!((&item["id"], &item["hook_url"], &item["survey"]), (&json!(hook.id), &json!(hook.url), &json!("support")));
            assert!(item.get("secret").is_none());
        }
        let address = format!("/api/v1/sources/{}", made.id);
        for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
            assert_eq!(answer(app.api(Method::DELETE, &address)).await.0, status);
            assert_eq!(made.send(&app, "m1", &closed(&app, "1", "a@example.com")).await.0, StatusCode::NOT_FOUND);
            assert_eq!(app.plain(Method::GET, &made.url).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        }
        assert_eq!(app.get("/api/v1/sources").await.1["items"].as_array().unwrap().len(), 1);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM source_event").await + app.scalar("SELECT COUNT(*) FROM interaction").await, 0);
    }

    async fn every_field_of_a_source_that_is_not_valid_is_named(app: TestApp) {
        app.survey("support", json!({})).await;
        let good = json!({"name": "Desk", "kind": "standard", "survey": "support"});
        for (field, value) in [
            ("name", json!(" ")), ("name", json!("a\nb")), ("kind", json!("pigeon")), ("survey", json!("none")),
            ("secret", json!("short")), ("secret", json!("whsec_*not base64*")), ("option", json!({})),
        ] {
            let mut draft = good.clone();
            draft[field] = value;
            let (status, problem) = app.post("/api/v1/sources", &draft).await;
            assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{draft}");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM source").await, 0);
    }

    async fn the_official_vectors_are_believed_to_the_byte(app: TestApp) {
        app.survey("support", json!({})).await;
        for (secret, id, at, body, signature) in [
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553,
             r#"{"email":"test@example.com","username":"test_user"}"#, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330,
             r#"{"test": 2432232314}"#, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ] {
            app.clock.advance(at * 1000 - app.clock.now().as_millis());
            let hook = Hook::connect(&app, "standard", "support", Some(secret)).await;
            let send = |body: String| {
                let request = app.plain(Method::POST, &hook.url).header("webhook-id", id).header("webhook-timestamp", at);
                answer(request.header("webhook-signature", signature).body(body))
            };
            // Believed, and then not understood: it has no event.
            let (status, problem) = send(body.to_owned()).await;
            assert_eq!((status, problem["detail"].as_str().unwrap().contains("`event`")), (StatusCode::BAD_REQUEST, true), "{problem}");
            assert_eq!(send(format!("{body} ")).await.0, StatusCode::UNAUTHORIZED);
        }
    }

    async fn three_hundred_seconds_away_is_believed_and_one_more_is_not(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let now = app.clock.now().as_seconds();
        for (away, status) in [(300, StatusCode::OK), (-300, StatusCode::OK), (301, StatusCode::UNAUTHORIZED), (-301, StatusCode::UNAUTHORIZED)] {
            let event = closed(&app, &format!("ticket {away}"), "a@example.com").to_string();
            let (got, told) = answer(hook.delivery(&app, &format!("m{away}"), now + away, event.as_bytes())).await;
            assert_eq!(got, status, "{away}: {told}");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction").await, 2);
    }

    async fn a_delivery_that_is_not_believed_changes_nothing(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let stranger = Hook { secret: "another-secret".to_owned(), url: hook.url.clone(), id: hook.id.clone() };
        let event = closed(&app, "1", "a@example.com");
        let (status, problem) = stranger.send(&app, "m1", &event).await;
        assert_eq!((status, &problem["status"]), (StatusCode::UNAUTHORIZED, &json!(401)));
        for missing in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut request = hook.delivery(&app, "m1", app.clock.now().as_seconds(), b"{}").build().unwrap();
            request.headers_mut().remove(missing);
            let response = reqwest::Client::new().execute(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert!(response.text().await.unwrap().contains(missing));
        }
        let unknown = format!("{}/hooks/01998b1e-0000-7000-8000-000000000000", app.url);
        for url in [unknown, format!("{}/hooks/x", app.url), format!("{}/hooks/%00", app.url)] {
            let nowhere = Hook { url, id: hook.id.clone(), secret: hook.secret.clone() };
            assert_eq!(nowhere.send(&app, "m1", &event).await.0, StatusCode::NOT_FOUND, "{}", nowhere.url);
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM source_event").await + app.scalar("SELECT COUNT(*) FROM interaction").await, 0);
    }

    async fn a_delivery_that_comes_again_answers_as_before_and_changes_nothing(app: TestApp) {
        app.survey("support", json!({})).await;
        app.survey("quiet", json!({"policy": {"exclude_tags": ["spam"]}})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let (_, first) = hook.send(&app, "m1", &closed(&app, "1", "a@example.com")).await;
        assert_eq!(first["outcome"], "invited", "{first}");
        app.clock.advance(60_000);
        // The id alone tells a repetition, as when a proxy has changed the body.
        for event in [closed(&app, "1", "a@example.com"), closed(&app, "2", "b@example.com"), json!("unreadable")] {
            let (status, again) = hook.send(&app, "m1", &event).await;
            assert_eq!((status, &again["outcome"]), (StatusCode::OK, &json!("duplicate")));
            assert_eq!((&again["interaction"], &again["invitation"]), (&first["interaction"], &first["invitation"]));
        }
        let spam = Hook::connect(&app, "standard", "quiet", None).await;
        let mut event = closed(&app, "1", "a@example.com");
        event["tags"] = json!("spam");
        for outcome in ["skipped", "duplicate"] {
            let (_, told) = spam.send(&app, "m1", &event).await;
            assert_eq!((&told["outcome"], &told["reason"]), (&json!(outcome), &json!("excluded_tag")));
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction").await * 10 + app.scalar("SELECT COUNT(*) FROM source_event").await, 22);
    }

    async fn a_body_that_cannot_be_read_is_kept_and_its_author_told_where(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let now = app.clock.now().as_seconds();
        let broken = b"{\"event\": \"ticket.closed\",\n \"ticket\": {\"subject\": \"5\" screen\"}}\xff\x00";
        let (status, problem) = answer(hook.delivery(&app, "m1", now, broken)).await;
        assert_eq!((status, problem["detail"].as_str().unwrap().contains("line 2, column 28")), (StatusCode::BAD_REQUEST, true), "{problem}");
        for (id, body) in [("m2", "7"), ("m3", "[7]"), ("m4", "{}"), ("m5", "{\"event\":\"ticket.closed\"}"), ("m6", "")] {
            assert_eq!(answer(hook.delivery(&app, id, now, body.as_bytes())).await.0, StatusCode::BAD_REQUEST, "{body}");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM source_event WHERE outcome = 'unreadable' AND problem IS NOT NULL AND delivery_key IS NULL").await, 6);
        assert_eq!(app.scalar("SELECT CAST(MAX(LENGTH(body)) AS BIGINT) FROM source_event").await, i64::try_from(broken.len()).unwrap());
        // Repaired, the same delivery is taken.
        assert_eq!(hook.send(&app, "m1", &closed(&app, "1", "a@example.com")).await.1["outcome"], "invited");
    }

    async fn a_mebibyte_is_taken_and_one_byte_more_is_not(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let event = closed(&app, "1", "a@example.com").to_string();
        let now = app.clock.now().as_seconds();
        for (length, status) in [(1024 * 1024, StatusCode::OK), (1024 * 1024 + 1, StatusCode::PAYLOAD_TOO_LARGE)] {
            let body = event.clone() + &" ".repeat(length - event.len());
            let (got, told) = answer(hook.delivery(&app, &format!("m{length}"), now, body.as_bytes())).await;
            assert_eq!(got, status, "{told}");
        }
        let broken = "x".repeat(100_000);
        assert_eq!(answer(hook.delivery(&app, "m3", now, broken.as_bytes())).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(app.scalar("SELECT CAST(MAX(LENGTH(body)) AS BIGINT) FROM source_event").await, 64 * 1024);
    }

    async fn looking_at_a_hook_does_nothing(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        for method in [Method::GET, Method::HEAD] {
            let response = app.plain(method.clone(), &hook.url).send().await.unwrap();
            assert_eq!((response.status(), response.text().await.unwrap().as_str()), (StatusCode::OK, ""), "{method}");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM source_event").await, 0);
    }

    async fn a_list_of_events_is_answered_one_by_one(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let events = json!([
            closed(&app, "1", "a@example.com"), closed(&app, "1", "a@example.com"), closed(&app, "2", "b@example.com"),
            {"event": "ticket.updated", "ticket": {"id": "1"}}, {"event": "ticket.reopened", "ticket": {"id": "2"}},
        ]);
        let (status, told) = hook.send(&app, "m1", &events).await;
        let outcomes = |told: &serde_json::Value| -> Vec<String> {
            told["items"].as_array().unwrap().iter().map(|item| item["outcome"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!((status, &told["outcome"]), (StatusCode::OK, &json!("batch")));
        assert_eq!(outcomes(&told), ["invited", "duplicate", "invited", "ignored", "ignored"]);
        assert_eq!(told["items"][4]["withdrawn"], json!([told["items"][2]["invitation"]["id"]]));
        let (_, again) = hook.send(&app, "m1", &events).await;
        assert_eq!((&again["outcome"], outcomes(&again)), (&json!("batch"), ["duplicate", "duplicate", "duplicate", "ignored", "ignored"].map(str::to_owned).to_vec()));
        assert_eq!(hook.send(&app, "m2", &json!([])).await.1, json!({"outcome": "batch", "items": []}));
        assert_eq!(hook.send(&app, "m3", &json!([closed(&app, "3", "c@example.com")])).await.1["outcome"], "batch");
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction").await, 3);
        // One event that cannot be read, and nothing of the list is done.
        assert_eq!(hook.send(&app, "m4", &json!([closed(&app, "4", "d@example.com"), {}])).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction").await, 3);
    }

    async fn a_ticket_that_is_opened_again_takes_its_invitation_back(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let reopened = json!({"event": "ticket.reopened", "ticket": {"id": "1"}});
        let (_, first) = hook.send(&app, "m1", &closed(&app, "1", "a@example.com")).await;
        let link = first["invitation"]["link"].as_str().unwrap();
        let (_, nonce) = app.page(link).await;
        let (status, told) = hook.send(&app, "m2", &reopened).await;
        assert_eq!((status, &told), (StatusCode::OK, &json!({"outcome": "ignored", "reason": "reopened", "withdrawn": [first["invitation"]["id"]]})));
        assert_eq!(app.plain(Method::GET, link).send().await.unwrap().status(), StatusCode::GONE);
        let form = [("nonce", nonce.as_str()), ("score", "5"), ("evidence", "pointerdown")];
        assert_eq!(app.send(link, &form).await.0, StatusCode::GONE);
        assert_eq!(answer(app.plain(Method::POST, &format!("{link}/touch")).form(&form)).await.0, StatusCode::GONE);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0);
        assert!(app.mails.lock().unwrap().is_empty());

        app.clock.advance(1000);
        let (_, second) = hook.send(&app, "m3", &closed(&app, "1", "a@example.com")).await;
        assert_eq!(second["outcome"], "invited", "{second}");
        let link = second["invitation"]["link"].as_str().unwrap();
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(app.vote(link, 4, "").await.0, StatusCode::OK);
        // An answer stays.
        assert_eq!(hook.send(&app, "m4", &reopened).await.1["withdrawn"], json!([]));
        assert_eq!(app.scalar("SELECT n4 FROM tally WHERE n4 > 0").await, 1);
        assert_eq!(app.vote(link, 3, "").await.0, StatusCode::OK);
    }

    async fn an_event_that_is_no_closing_is_ignored(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        for (index, name) in ["ticket.updated", "ticket.created", "TICKET.CLOSED", "ping"].iter().enumerate() {
            let (status, told) = hook.send(&app, &format!("m{index}"), &json!({"event": name})).await;
            assert_eq!((status, told), (StatusCode::OK, json!({"outcome": "ignored", "reason": "not_closed"})), "{name}");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction").await, 0);
    }
}
