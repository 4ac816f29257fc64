//! Suppressed addresses: no message reaches them, whatever the reason, until somebody lets it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::on_both_engines;

async fn suppress(app: &TestApp, email: &str, reason: &str) -> (StatusCode, Value) {
    app.post("/api/v1/suppressions", &json!({"email": email, "reason": reason})).await
}

async fn release(app: &TestApp, email: &str) -> StatusCode {
    answer(app.api(Method::DELETE, &format!("/api/v1/suppressions?email={email}"))).await.0
}

on_both_engines! {
    async fn a_suppressed_address_is_asked_by_no_survey_until_it_is_let_go(app: TestApp) {
        app.survey("support", json!({})).await;
        for (number, (reason, rule, words)) in [
            ("manual", "unsubscribed", "Somebody of the team"),
            ("unsubscribed", "unsubscribed", "wants no more mail"),
            ("complained", "unsubscribed", "as spam"),
            ("bounced", "bounced", "came back"),
        ].into_iter().enumerate() {
            let email = format!("sara+{number}@example.com");
            let (status, told) = suppress(&app, &format!(" Sara+{number}@EXAMPLE.com "), reason).await;
            assert_eq!((status, &told["reason"], &told["created_at"]), (StatusCode::CREATED, &json!(reason), &json!(crate::common::NOW)), "{told}");
            let decided = app.close_ticket("support", &format!("1-{number}"), &email).await;
            assert_eq!(decided["reason"], rule, "{decided}");
            let (_, shown) = app.get(&format!("/api/v1/interactions/{}", decided["id"].as_str().unwrap())).await;
            assert!(shown["explanation"].as_str().unwrap().contains(words), "{shown}");
            assert_eq!(release(&app, &email.replace('+', "%2B")).await, StatusCode::NO_CONTENT);
            assert_eq!(release(&app, &email.replace('+', "%2B")).await, StatusCode::NOT_FOUND);
            assert_eq!(app.close_ticket("support", &format!("2-{number}"), &email).await["outcome"], "invited");
        }
    }

    async fn a_message_that_waits_is_kept_back_whatever_the_reason(app: TestApp) {
        app.survey("support", json!({"policy": {"quiet_days": 0, "quiet_any_days": 0, "delay_minutes": 10}})).await;
        for reason in ["manual", "unsubscribed", "complained", "bounced"] {
            let email = format!("{reason}@example.com");
            assert_eq!(app.close_ticket("support", reason, &email).await["outcome"], "invited");
            assert_eq!(suppress(&app, &email, reason).await.0, StatusCode::CREATED);
        }
        assert_eq!(app.close_ticket("support", "other", "other@example.com").await["outcome"], "invited");
        app.clock.advance(10 * 60_000);
        app.app.deliver_due().await.unwrap();
        let mails: Vec<String> = app.mails.lock().unwrap().iter().map(|mail| mail.to.address.clone()).collect();
        assert_eq!(mails, ["other@example.com"]);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE state = 'cancelled'").await, 4);
    }

    async fn suppressing_again_changes_nothing_and_no_address_is_kept_or_told(app: TestApp) {
        let (_, first) = suppress(&app, "sara@example.com", "complained").await;
        app.clock.advance(5_000);
        assert_eq!(suppress(&app, "SARA@example.com", "manual").await, (StatusCode::OK, first.clone()));
        let (_, unnamed) = app.post("/api/v1/suppressions", &json!({"email": "omid@example.com"})).await;
        assert_eq!(unnamed["reason"], "manual");
        assert_ne!(unnamed["id"], first["id"]);

        let (_, asked) = app.get("/api/v1/suppressions?email=Sara@example.com").await;
        assert_eq!(asked, json!({"items": [first], "next": null}));
        assert_eq!(app.get("/api/v1/suppressions?email=nobody@example.com").await.1["items"], json!([]));
        let (_, all) = app.get("/api/v1/suppressions").await;
        assert_eq!(all["items"], json!([unnamed, first]), "the latest first");
        let kept = app.row("SELECT identity, reason FROM suppression WHERE reason = 'manual'").await;
        assert_eq!(kept[0].as_ref().unwrap().len(), 64);
        assert!(!format!("{kept:?}{all}").contains("omid"));
    }

    async fn a_long_list_comes_in_parts(app: TestApp) {
        for number in 0..7 {
            suppress(&app, &format!("c{number}@example.com"), "manual").await;
            // Some share an instant.
            app.clock.advance(i64::from(number % 3 == 0));
        }
        let whole = app.get("/api/v1/suppressions").await.1["items"].as_array().unwrap().clone();
        let (mut parts, mut next) = (Vec::new(), String::new());
        loop {
            let (_, page) = app.get(&format!("/api/v1/suppressions?limit=2{next}")).await;
            parts.extend(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!((parts.len(), parts), (7, whole));
    }

    async fn what_cannot_be_suppressed_is_refused_by_name(app: TestApp) {
        for (body, field) in [
            (json!({"email": "nobody"}), "email"),
            (json!({"email": "Sara <sara@example.com>"}), "email"),
            (json!({"reason": "manual"}), "email"),
            (json!({"email": "sara@example.com", "reason": "because"}), "reason"),
            (json!({"email": "sara@example.com", "until": "tomorrow"}), "until"),
        ] {
            let (status, problem) = app.post("/api/v1/suppressions", &body).await;
            assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{problem}");
        }
        for path in ["/api/v1/suppressions?email=x", "/api/v1/suppressions?cursor=x", "/api/v1/suppressions?limit=0"] {
            assert_eq!(app.get(path).await.0, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        }
        assert_eq!(release(&app, "x").await, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer(app.plain(Method::GET, "/api/v1/suppressions")).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM suppression").await, 0);
    }
}
