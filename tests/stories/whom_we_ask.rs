//! Whom we ask, and when not: every rule of the policy over HTTP, also when everything happens at once.

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::hook::{Hook, closed};
use crate::on_both_engines;

const DAY_MS: i64 = 86_400_000;

/// The reason, or the outcome where there is none.
fn word(decided: &Value) -> &str {
    decided["reason"].as_str().or(decided["outcome"].as_str()).unwrap()
}

/// The address that ends all mail, out of the next mail.
async fn unsubscribe_address(app: &TestApp) -> String {
    app.app.deliver_due().await.unwrap();
    app.mails.lock().unwrap().pop().unwrap().unsubscribe.unwrap()
}

on_both_engines! {
    async fn an_open_ticket_is_not_asked_about_until_it_is_closed(app: TestApp) {
        app.survey("support", json!({})).await;
        let mut body = json!({"survey": "support", "closed": false, "ticket": {"id": "1"}, "customer": {"email": "a@example.com"}});
        let (status, open) = app.post("/api/v1/interactions", &body).await;
        assert_eq!((status, word(&open), open.get("invitation")), (StatusCode::CREATED, "not_closed", None));
        assert_eq!(app.post("/api/v1/interactions", &body).await, (StatusCode::OK, open));
        body["closed"] = json!(true);
        assert_eq!(word(&app.post("/api/v1/interactions", &body).await.1), "invited");
    }

    async fn a_ticket_is_asked_about_once_until_it_is_answered(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        app.clock.advance(1000);
        assert_eq!(word(&app.close_ticket("support", "1", "another@example.com").await), "duplicate");
        app.vote(&link, 5, "").await;
        app.clock.advance(1000);
        assert_eq!(word(&app.close_ticket("support", "1", "another@example.com").await), "invited");
        app.clock.advance(30 * DAY_MS);
        assert_eq!(word(&app.close_ticket("support", "1", "another@example.com").await), "invited", "the second has expired");
    }

    async fn without_an_address_for_a_channel_nobody_is_asked(app: TestApp) {
        app.survey("mailed", json!({})).await;
        app.survey("passed-on", json!({"deliver": []})).await;
        for (survey, expected) in [("mailed", "no_address"), ("passed-on", "invited")] {
            let body = json!({"survey": survey, "ticket": {"id": "1"}, "customer": {"phone": "+98 21 88"}});
            assert_eq!(word(&app.post("/api/v1/interactions", &body).await.1), expected);
            let hook = Hook::connect(&app, "standard", survey, None).await;
            let mut event = closed(&app, "2", "no address");
            event["customer"]["phone"] = json!("+98 21 99");
            assert_eq!(word(&hook.send(&app, "m1", &event).await.1), expected);
        }
    }

    async fn an_archived_survey_asks_nobody(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        assert_eq!(word(&app.close_ticket("support", "1", "a@example.com").await), "invited");
        assert_eq!(answer(app.api(Method::POST, "/api/v1/surveys/support/archive")).await.0, StatusCode::OK);
        assert_eq!(word(&app.close_ticket("support", "2", "b@example.com").await), "survey_paused");
        assert_eq!(word(&hook.send(&app, "m1", &closed(&app, "3", "c@example.com")).await.1), "survey_paused");
        app.app.deliver_due().await.unwrap();
        assert!(app.mails.lock().unwrap().is_empty(), "what waited is not sent either");
        assert_eq!(app.scalar("SELECT COUNT(*) FROM invitation WHERE state = 'withdrawn'").await, 1);
    }

    async fn tags_age_and_sample_keep_tickets_out(app: TestApp) {
        app.survey("support", json!({"policy": {"exclude_tags": ["spam"], "quiet_days": 0, "quiet_any_days": 0}})).await;
        app.survey("nobody", json!({"policy": {"sample_percent": 0}})).await;
        let mut body = json!({"survey": "support", "ticket": {"id": "1"}, "customer": {"email": "a@example.com"}, "tags": ["vip", "spam"]});
        assert_eq!(word(&app.post("/api/v1/interactions", &body).await.1), "excluded_tag");
        body["tags"] = json!(["vip"]);
        for (closed_at, expected) in [("2026-01-08T10:29:59.999Z", "too_old"), ("2026-01-08T10:30:00Z", "invited")] {
            body["ticket"] = json!({"id": closed_at, "closed_at": closed_at});
            assert_eq!(word(&app.post("/api/v1/interactions", &body).await.1), expected);
        }
        assert_eq!(word(&app.close_ticket("nobody", "2", "b@example.com").await), "sampled_out");
    }

    async fn a_customer_is_left_in_peace_for_as_long_as_the_answer_says(app: TestApp) {
        app.survey("support", json!({"policy": {}})).await;
        app.survey("other", json!({"policy": {}})).await;
        app.survey("recommend", json!({"metric": "nps", "policy": {}})).await;
        let asked = app.clock.now();
        assert_eq!(word(&app.close_ticket("support", "1", "Sara@Example.com").await), "invited");
        for survey in ["support", "other"] {
            let decided = app.close_ticket(survey, "2", "sara@example.com").await;
            assert_eq!((word(&decided), &decided["until"]), ("quiet_period", &json!(asked.plus_days(7))), "{survey}");
        }
        let decided = app.close_ticket("recommend", "3", "sara@example.com").await;
        assert_eq!((word(&decided), &decided["until"]), ("quiet_any", &json!(asked.plus_days(1))));
        app.clock.advance(DAY_MS - 1);
        assert_eq!(word(&app.close_ticket("recommend", "4", "sara@example.com").await), "quiet_any");
        app.clock.advance(1);
        assert_eq!(word(&app.close_ticket("recommend", "5", "sara@example.com").await), "invited");
        app.clock.advance(6 * DAY_MS - 1);
        assert_eq!(word(&app.close_ticket("support", "6", "sara@example.com").await), "quiet_period");
        app.clock.advance(1);
        assert_eq!(word(&app.close_ticket("support", "7", "sara@example.com").await), "invited");
        assert_eq!(word(&app.close_ticket("support", "8", "jonas@example.com").await), "invited");
    }

    async fn what_never_reached_a_customer_does_not_count_as_asking(app: TestApp) {
        app.survey("support", json!({"policy": {}})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        assert_eq!(word(&app.close_ticket("support", "1", "a@example.com").await), "invited");
        hook.send(&app, "m1", &json!({"event": "ticket.reopened", "ticket": {"id": "1"}})).await;
        app.clock.advance(1000);
        assert_eq!(word(&app.close_ticket("support", "1", "a@example.com").await), "invited");
        // No relay takes letters beyond ASCII before the @.
        assert_eq!(word(&app.close_ticket("support", "2", "زهرا@example.com").await), "invited");
        app.app.deliver_due().await.unwrap();
        assert_eq!(app.scalar("SELECT COUNT(*) FROM invitation WHERE state = 'failed'").await, 1);
        assert_eq!(word(&app.close_ticket("support", "3", "زهرا@example.com").await), "invited");
    }

    async fn whoever_unsubscribes_on_the_page_or_by_one_click_is_never_asked_again(app: TestApp) {
        app.survey("support", json!({})).await;
        app.survey("other", json!({})).await;
        for (email, form) in [("a@example.com", &[][..]), ("b@example.com", &[("List-Unsubscribe", "One-Click")][..])] {
            assert_eq!(word(&app.close_ticket("support", email, email).await), "invited");
            let address = unsubscribe_address(&app).await;
            let waiting = app.close_ticket("other", &format!("waiting {email}"), email).await;
            assert_eq!(word(&waiting), "invited");
            // Opening the page stops nothing: scanners do it.
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(app.plain(method, &address).send().await.unwrap().status(), StatusCode::OK);
            }
            assert_eq!(app.scalar("SELECT COUNT(*) FROM suppression").await, i64::from(form.len() == 1));
            for _ in 0..2 {
                assert_eq!(app.send(&address, form).await.0, StatusCode::OK);
            }
            for survey in ["support", "other"] {
                assert_eq!(word(&app.close_ticket(survey, &format!("later {email}"), &email.to_uppercase()).await), "unsubscribed");
            }
            app.app.deliver_due().await.unwrap();
            assert!(app.mails.lock().unwrap().is_empty(), "what waited is not sent");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM suppression WHERE reason = 'unsubscribed'").await, 2);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM invitation WHERE state = 'withdrawn'").await, 2);
        assert_eq!(word(&app.close_ticket("support", "3", "c@example.com").await), "invited");
    }

    async fn a_customer_is_asked_once_when_twenty_tickets_are_closed_at_once(app: TestApp) {
        app.survey("support", json!({"policy": {}})).await;
        let tickets: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
        let decided = join_all(tickets.iter().map(|ticket| app.close_ticket("support", ticket, "sara@example.com"))).await;
        let count = |expected: &str| decided.iter().filter(|decided| word(decided) == expected).count();
        assert_eq!((count("invited"), count("quiet_period")), (1, 19), "{decided:?}");
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM customer").await, 1);
    }

    async fn the_answer_says_how_long_the_link_lives_and_who_sends_it(app: TestApp) {
        app.survey("passed-on", json!({"deliver": []})).await;
        app.survey("mailed", json!({"policy": {"delay_minutes": 90, "expires_days": 2, "quiet_days": 0, "quiet_any_days": 0}})).await;
        let now = app.clock.now();
        let decided = app.close_ticket("passed-on", "1", "a@example.com").await;
        assert_eq!((&decided["invitation"]["state"], &decided["invitation"]["expires_at"]), (&json!("sent"), &json!(now.plus_days(30))));
        let decided = app.close_ticket("mailed", "1", "a@example.com").await;
        let leaves = now.plus_millis(90 * 60_000);
        assert_eq!((&decided["invitation"]["state"], &decided["invitation"]["expires_at"]), (&json!("scheduled"), &json!(leaves.plus_days(2))));
        app.clock.advance(90 * 60_000 - 1);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0);
        app.clock.advance(1);
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
    }
}
