//! The life of a survey over HTTP, from a closed ticket to the answer, on both engines.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::common::TestApp;
use crate::on_both_engines;

on_both_engines! {
    async fn a_closed_ticket_becomes_a_mail_and_its_link_a_counted_answer(app: TestApp) {
        app.survey("support", json!({})).await;
        let ticket = json!({
            "survey": "support",
            "ticket": {"id": "48213", "subject": "Wrong VAT number", "closed_at": "2026-01-15T10:29:00Z"},
            "customer": {"email": "sara@example.com", "name": "Sara"},
            "agent": {"id": "17", "name": "Jonas"}, "team": "Billing", "channel": "email", "tags": ["vip"],
        });
        let (status, decided) = app.post("/api/v1/interactions", &ticket).await;
        assert_eq!((status, decided["outcome"].as_str()), (StatusCode::CREATED, Some("invited")), "{decided}");
        let link = decided["invitation"]["link"].as_str().unwrap();

        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        let mail = app.mails.lock().unwrap().pop().unwrap();
        assert_eq!(mail.to.address, "sara@example.com");
        for score in 1..=5 {
            assert!(mail.html.contains(&format!("{link}/{score}")) && mail.text.contains(&format!("{link}/{score}")), "{score}");
        }

        let (status, thanks) = app.vote(&format!("{link}/4"), 4, "Quick help!").await;
        assert_eq!(status, StatusCode::OK);
        assert!(thanks.contains("You rated"), "{thanks}");

        let (_, listed) = app.get("/api/v1/responses?survey=support").await;
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
        let response = &listed["items"][0];
        assert_eq!((&response["score"], &response["comment"], &response["via"]), (&json!(4), &json!("Quick help!"), &json!("email")));
        assert_eq!((&response["ticket"]["id"], &response["agent"]["name"], &response["tags"]), (&json!("48213"), &json!("Jonas"), &json!(["vip"])));
        let (status, same) = app.get(&format!("/api/v1/responses/{}", response["id"].as_str().unwrap())).await;
        assert_eq!((status, &same), (StatusCode::OK, response));
        assert_eq!(app.scalar("SELECT n4 FROM tally WHERE tag = 'vip' AND agent = '17' AND team = 'Billing'").await, 1);
        assert_eq!(app.scalar("SELECT delivered_count * 10 + answered_count FROM tally WHERE tag = ''").await, 11);
    }

    async fn opening_a_link_records_nothing_that_counts(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        for path in [link.clone(), format!("{link}/5"), format!("{link}/99"), format!("{link}/x")] {
            for method in [Method::GET, Method::HEAD] {
                let response = app.plain(method.clone(), &path).send().await.unwrap();
                assert_eq!(response.status(), StatusCode::OK, "{method} {path}");
            }
        }
        app.app.flush().await;
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response").await, 0);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM tally WHERE n5 > 0 OR answered_count > 0").await, 0);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM invitation WHERE state = 'sent' AND unconfirmed_score = 5").await, 1);
    }

    async fn an_answer_is_counted_once_however_often_it_changes(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        app.vote(&link, 2, "slow").await;
        app.vote(&link, 5, "").await;
        app.vote(&link, 5, "").await;
        let (_, listed) = app.get("/api/v1/responses?survey=support").await;
        let response = &listed["items"][0];
        assert_eq!((&response["score"], &response["comment"], &response["versions"]), (&json!(5), &json!("slow"), &json!(2)));
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response_version").await, 2);
        assert_eq!(app.scalar("SELECT n2 * 100 + n5 * 10 + comment_count FROM tally").await, 11);
    }

    async fn a_form_without_a_sign_of_a_person_is_asked_to_press_once_more(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        let (_, nonce) = app.page(&link).await;
        let (status, page) = app.send(&link, &[("nonce", &nonce), ("score", "3"), ("comment", "kept")]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("name=\"comment\" value=\"kept\""), "{page}");
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response").await, 0);

        let pressed = app.plain(Method::POST, &link).header("sec-fetch-user", "?1").header("sec-fetch-site", "same-origin");
        assert_eq!(pressed.form(&[("nonce", nonce.as_str()), ("score", "3")]).send().await.unwrap().status(), StatusCode::OK);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response").await, 1);
    }

    async fn a_touch_counts_the_score_of_the_link_and_never_overwrites_a_later_form(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        let (_, early) = app.page(&format!("{link}/4")).await;
        let touch = format!("{link}/touch");
        let (status, _) = app.send(&touch, &[("nonce", &early), ("score", "4"), ("evidence", "pointermove")]).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert_eq!(app.scalar("SELECT CAST(raw AS BIGINT) FROM response").await, 4);

        app.clock.advance(1000);
        app.vote(&link, 2, "").await;
        app.send(&touch, &[("nonce", &early), ("score", "4"), ("evidence", "pointermove")]).await;
        assert_eq!(app.scalar("SELECT CAST(raw AS BIGINT) FROM response").await, 2);

        for evidence in ["scroll", "focus", "", "pressed"] {
            let (status, _) = app.send(&touch, &[("nonce", &early), ("score", "4"), ("evidence", evidence)]).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{evidence}");
        }
    }
}
