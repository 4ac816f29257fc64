//! What a survey's policy can say beyond quiet days: domains, a switch, hours of the day and a reminder.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{On, TestApp, answer};
use crate::hook::{Hook, closed};
use crate::on_both_engines;

/// The reason, or the outcome where there is none.
fn word(decided: &Value) -> &str {
    decided["reason"].as_str().or(decided["outcome"].as_str()).unwrap()
}

/// Lays something over a survey's policy.
pub async fn set_policy(app: &TestApp, survey: &str, policy: Value) {
    let request = app.api(Method::PATCH, &format!("/api/v1/surveys/{survey}")).json(&json!({"policy": policy}));
    let (status, survey) = answer(request).await;
    assert_eq!(status, StatusCode::OK, "{survey}");
}

on_both_engines! {
    async fn what_is_taken_back_while_it_is_being_sent_counts_as_asking(app: TestApp) {
        app.survey("support", json!({"policy": {"quiet_days": 7}})).await;
        let asked = app.close_ticket("support", "1", "sara@example.com").await;
        // A worker has the mail under way, and nobody knows yet whether it arrives.
        app.execute("UPDATE outbox SET attempt_count = 1").await;
        let address = format!("/api/v1/invitations/{}/withdraw", asked["invitation"]["id"].as_str().unwrap());
        assert!(app.post(&address, &json!({})).await.0.is_success());
        assert_eq!(word(&app.close_ticket("support", "2", "sara@example.com").await), "quiet_period");
    }

    async fn what_was_taken_back_counts_as_asking_only_if_it_had_left(app: TestApp) {
        app.survey("support", json!({"policy": {"quiet_days": 7}})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let mut number = 0;
        let mut send = async |event: serde_json::Value| {
            number += 1;
            app.clock.advance(60_000);
            let mut event = event;
            if event["event"] == "ticket.closed" {
                event["ticket"]["closed_at"] = json!(app.clock.now());
            }
            hook.send(&app, &format!("m{number}"), &event).await.1
        };
        let reopened = json!({"event": "ticket.reopened", "ticket": {"id": "1"}});
        let closing = closed(&app, "1", "sara@example.com");
        assert_eq!(send(closing.clone()).await["outcome"], "invited");
        assert_eq!(send(reopened.clone()).await["withdrawn"].as_array().unwrap().len(), 1);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0, "nothing had left");
        assert_eq!(send(closing.clone()).await["outcome"], "invited");
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(send(reopened).await["withdrawn"].as_array().unwrap().len(), 1);
        let told = send(closing).await;
        assert_eq!((&told["outcome"], &told["reason"]), (&json!("skipped"), &json!("quiet_period")));
        assert_eq!(app.mails.lock().unwrap().len(), 1);
    }

    async fn whoever_has_an_address_in_an_excluded_domain_or_below_it_is_not_asked(app: TestApp) {
        let survey = app.survey("support", json!({"policy": {"exclude_domains": ["Partner.Example"], "quiet_days": 0, "quiet_any_days": 0}})).await;
        assert_eq!(survey["policy"]["exclude_domains"], json!(["partner.example"]));
        let hook = Hook::connect(&app, "standard", "support", None).await;
        for (number, (email, expected)) in
            [("sara@PARTNER.example", "excluded_domain"), ("sara@mail.partner.example", "excluded_domain"), ("sara@notpartner.example", "invited")].iter().enumerate()
        {
            let decided = app.close_ticket("support", &format!("a{number}"), email).await;
            assert_eq!(word(&decided), *expected, "{email}");
            if *expected == "excluded_domain" {
                assert_eq!(decided["explanation"], json!("The survey leaves out addresses in partner.example."));
            }
            let ticket = format!("h{number}");
            assert_eq!(word(&hook.send(&app, &ticket, &closed(&app, &ticket, email)).await.1), *expected, "{email}");
        }
    }

    async fn a_paused_survey_asks_nobody_new_until_it_is_switched_on_again(app: TestApp) {
        app.survey("support", json!({})).await;
        set_policy(&app, "support", json!({"paused": true})).await;
        let decided = app.close_ticket("support", "1", "a@example.com").await;
        assert_eq!((word(&decided), &decided["explanation"]), ("survey_paused", &json!("The survey is paused.")));
        let hook = Hook::connect(&app, "standard", "support", None).await;
        assert_eq!(word(&hook.send(&app, "m", &closed(&app, "2", "b@example.com")).await.1), "survey_paused");
        set_policy(&app, "support", json!({"paused": false})).await;
        assert_eq!(word(&app.close_ticket("support", "3", "a@example.com").await), "invited");
    }

    async fn a_message_leaves_within_the_hours_of_the_survey(app: TestApp) {
        let policy = json!({"send_hours": ["09:00", "11:00"], "quiet_days": 0, "quiet_any_days": 0});
        let survey = app.survey("support", json!({"timezone": "Europe/Berlin", "policy": policy})).await;
        assert_eq!(survey["policy"]["send_hours"], json!(["09:00", "11:00"]));
        // It is 11:30 in Berlin.
        let decided = app.close_ticket("support", "1", "a@example.com").await;
        assert_eq!(
            decided["explanation"],
            json!("The message leaves at 2026-01-16T08:00:00.000Z, within 09:00 to 11:00 in Europe/Berlin; the link can be answered until 2026-02-15.")
        );
        app.clock.advance(21 * 3_600_000 + 30 * 60_000 - 1);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0);
        app.clock.advance(1);
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(app.mails.lock().unwrap().len(), 1);
    }

    async fn sending_hours_go_by_the_clocks_of_a_customer_whose_zone_is_known(app: TestApp) {
        let policy = json!({"send_hours": ["09:00", "11:00"], "reminder_days": 1, "expires_days": 10, "quiet_days": 0, "quiet_any_days": 0});
        app.survey("support", json!({"timezone": "Europe/Berlin", "policy": policy})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let mut event = closed(&app, "1", "a@example.com");
        event["customer"]["timezone"] = json!("America/New_York");
        let body = json!({"survey": "support", "ticket": {"id": "2"}, "customer": {"email": "b@example.com", "timezone": "America/New_York"}});
        let (_, by_hook) = hook.send(&app, "m1", &event).await;
        let (_, by_api) = app.post("/api/v1/interactions", &body).await;
        // It is 05:30 in New York, and 11:30 in Berlin.
        let expected = "The message leaves at 2026-01-15T14:00:00.000Z, within 09:00 to 11:00 in America/New_York; the link can be answered until 2026-01-25.";
        assert_eq!(by_api["explanation"], json!(expected));
        for id in [&by_hook["interaction"], &by_api["id"]] {
            let (_, told) = app.get(&format!("/api/v1/interactions/{}", id.as_str().unwrap())).await;
            assert_eq!((&told["explanation"], &told["customer"]["timezone"]), (&json!(expected), &json!("America/New_York")));
        }
        app.clock.advance(3 * 3_600_000 + 30 * 60_000 - 1);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0);
        app.clock.advance(1);
        assert_eq!(app.app.deliver_due().await.unwrap(), 2);
        assert_eq!(app.mails.lock().unwrap().len(), 2);
        app.clock.advance(24 * 3_600_000);
        assert_eq!(app.app.deliver_due().await.unwrap(), 2, "the reminders, by the same clocks");
        assert_eq!(app.mails.lock().unwrap().len(), 4);
        let (status, problem) = app.post("/api/v1/interactions", &json!({"survey": "support", "ticket": {"id": "3"}, "customer": {"ref": "c", "timezone": "Mars/Base"}})).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("customer.timezone")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_people_are_asked_by_no_survey() {
    let app = TestApp::start_with(On::Sqlite, &[("NABZ__ASKING__OWN_DOMAINS", "[\"Acme.example\"]")]).await;
    app.survey("support", json!({"deliver": []})).await;
    let decided = app.close_ticket("support", "1", "jonas@support.acme.EXAMPLE").await;
    assert_eq!(
        (word(&decided), &decided["explanation"]),
        ("own_domain", &json!("The customer's address is in acme.example, where our own people are."))
    );
    assert_eq!(word(&app.close_ticket("support", "2", "sara@example.com").await), "invited");
}
