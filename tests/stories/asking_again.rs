//! Messages after the first: the one reminder, what is sent once more, what is held and what is taken back.

use futures_util::future::join_all;
use nabz::app::Parts;
use nabz::app::keys::{self, Scope};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{On, TestApp, answer};
use crate::decided::{at, events};
use crate::hook::{Hook, closed};
use crate::on_both_engines;
use crate::policy::set_policy;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// A survey that asks every time and reminds after three days, with more laid over its policy.
async fn reminding(app: &TestApp, more: Value) {
    let mut policy = json!({"quiet_days": 0, "quiet_any_days": 0, "reminder_days": 3, "expires_days": 10});
    policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.survey("support", json!({"policy": policy})).await;
}

/// Sends what is due and takes the mails that left.
async fn deliver(app: &TestApp) -> Vec<nabz::delivery::mail::Mail> {
    app.app.deliver_due().await.unwrap();
    std::mem::take(&mut *app.mails.lock().unwrap())
}

/// Closes a ticket and delivers its first mail.
async fn asked(app: &TestApp, ticket: &str) -> Value {
    let decided = app.close_ticket("support", ticket, &format!("customer-{ticket}@example.com")).await;
    assert_eq!(deliver(app).await.len(), 1, "{decided}");
    decided
}

/// Does something to the invitation of a decision.
async fn act(app: &TestApp, decided: &Value, what: &str) -> (StatusCode, Value) {
    let id = decided["invitation"]["id"].as_str().unwrap_or_else(|| panic!("no invitation in {decided}"));
    answer(app.api(Method::POST, &format!("/api/v1/invitations/{id}/{what}"))).await
}

on_both_engines! {
    async fn whoever_does_not_answer_is_reminded_once(app: TestApp) {
        reminding(&app, json!({})).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        let first = deliver(&app).await.remove(0);
        app.clock.advance(3 * DAY_MS - 1);
        assert!(deliver(&app).await.is_empty());
        app.clock.advance(1);
        let reminder = deliver(&app).await.remove(0);
        assert_eq!((first.subject.as_str(), reminder.subject.as_str()), ("One question from Acme", "A short reminder: one question from Acme"));
        assert!(reminder.text.contains("This is our only reminder.") && !first.text.contains("reminder"));
        assert_eq!(reminder.id, format!("{}-reminder", first.id));
        assert_eq!(reminder.date.since(first.date), 3 * DAY_MS);
        let link = decided["invitation"]["link"].as_str().unwrap();
        assert!(reminder.text.contains(&format!("{link}/5")) && reminder.unsubscribe.is_some());
        app.clock.advance(6 * DAY_MS);
        assert!(deliver(&app).await.is_empty(), "once");
        assert_eq!(events(&app, &decided).await, at([(0, "received"), (0, "scheduled"), (0, "sent"), (3 * DAY_MS, "reminded")]));
        let (_, report) = app.get("/api/v1/reports/breakdown?survey=support").await;
        assert_eq!(report["total"]["delivered"], json!(1), "{report}");
        assert_eq!(app.vote(link, 5, "").await.0, StatusCode::OK, "and the state was still that of one that waits");
    }

    async fn nobody_is_reminded_who_answered_unsubscribed_or_was_left_in_peace_since(app: TestApp) {
        reminding(&app, json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let answered = asked(&app, "answered").await;
        app.vote(answered["invitation"]["link"].as_str().unwrap(), 4, "").await;
        app.close_ticket("support", "unsubscribed", "b@example.com").await;
        let stop = deliver(&app).await.remove(0).unsubscribe.unwrap();
        app.send(&stop, &[]).await;
        hook.send(&app, "m1", &closed(&app, "reopened", "c@example.com")).await;
        deliver(&app).await;
        hook.send(&app, "m2", &json!({"event": "ticket.reopened", "ticket": {"id": "reopened"}})).await;
        let withdrawn = asked(&app, "withdrawn").await;
        assert_eq!(act(&app, &withdrawn, "withdraw").await.0, StatusCode::OK);
        asked(&app, "bounced").await;
        app.execute("UPDATE invitation SET state = 'bounced' WHERE interaction_id IN (SELECT id FROM interaction WHERE ticket_id = 'bounced')").await;
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE kind = 'reminder'").await, 5);
        app.clock.advance(4 * DAY_MS);
        assert!(deliver(&app).await.is_empty());
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE kind = 'reminder' AND state = 'cancelled'").await, 5);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM invitation WHERE state = 'sent'").await, 1, "whoever unsubscribed keeps the link");
    }

    async fn a_reminder_is_dropped_when_the_survey_is_paused_archived_or_reminds_no_more(app: TestApp) {
        for (slug, body, path) in [
            ("paused", Some(json!({"policy": {"paused": true}})), ""), ("silent", Some(json!({"policy": {"reminder_days": null}})), ""), ("archived", None, "/archive"),
        ] {
            app.survey(slug, json!({"policy": {"reminder_days": 3, "expires_days": 10, "quiet_days": 0, "quiet_any_days": 0}})).await;
            app.close_ticket(slug, "1", "sara@example.com").await;
            assert_eq!(deliver(&app).await.len(), 1);
            let address = format!("/api/v1/surveys/{slug}{path}");
            let request = body.map_or_else(|| app.api(Method::POST, &address), |body| app.api(Method::PATCH, &address).json(&body));
            assert_eq!(answer(request).await.0, StatusCode::OK);
        }
        app.clock.advance(3 * DAY_MS);
        assert!(deliver(&app).await.is_empty());
        set_policy(&app, "paused", json!({"paused": false})).await;
        app.clock.advance(DAY_MS);
        assert!(deliver(&app).await.is_empty(), "dropped is dropped");
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE kind = 'reminder' AND state = 'cancelled'").await, 3);
    }

    async fn a_mail_that_is_accepted_twice_is_reminded_of_once(app: TestApp) {
        reminding(&app, json!({})).await;
        app.close_ticket("support", "1", "sara@example.com").await;
        assert_eq!(deliver(&app).await.len(), 1);
        // As if a worker had held it for longer than its lease, and another had sent it meanwhile.
        app.execute("UPDATE outbox SET state = 'waiting', due_at = 0, lease_token = NULL WHERE kind = 'invitation'").await;
        app.execute("UPDATE invitation SET state = 'scheduled'").await;
        assert_eq!(deliver(&app).await.len(), 1);
        app.execute("UPDATE invitation SET state = 'sent'").await;
        app.clock.advance(3 * DAY_MS);
        let reminder = deliver(&app).await.remove(0);
        app.execute("UPDATE outbox SET state = 'waiting', due_at = 0, lease_token = NULL WHERE kind = 'reminder'").await;
        assert_eq!(deliver(&app).await, [reminder], "the same mail, to the byte");
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE kind = 'reminder'").await, 1);
        assert_eq!(app.scalar("SELECT CAST(SUM(delivered_count) AS BIGINT) FROM tally WHERE tag = ''").await, 1);
    }

    async fn reminders_keep_to_the_sending_hours(app: TestApp) {
        reminding(&app, json!({"send_hours": ["09:00", "11:00"]})).await;
        asked(&app, "1").await;
        // 10:30 in UTC; three days later the hours end at 10:45.
        set_policy(&app, "support", json!({"send_hours": ["09:00", "10:15"]})).await;
        app.clock.advance(3 * DAY_MS);
        assert!(deliver(&app).await.is_empty());
        app.clock.advance(22 * HOUR_MS + HOUR_MS / 2);
        assert_eq!(deliver(&app).await.len(), 1, "at nine the next morning");
        assert_eq!(app.scalar("SELECT CAST(MAX(attempt_count) AS BIGINT) FROM outbox").await, 1, "waiting is no attempt");
    }

    async fn messages_of_a_paused_survey_are_held_and_leave_when_it_is_switched_on_again(app: TestApp) {
        app.survey("support", json!({})).await;
        app.survey("other", json!({})).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        app.close_ticket("other", "1", "jonas@example.com").await;
        set_policy(&app, "support", json!({"paused": true})).await;
        assert_eq!(deliver(&app).await.len(), 1, "only that of the other survey");
        assert!(deliver(&app).await.is_empty());
        let (_, told) = app.get(&format!("/api/v1/interactions/{}", decided["id"].as_str().unwrap())).await;
        assert_eq!(told["timeline"][1]["detail"], json!("the message leaves at 2026-01-15T11:30:00.000Z; the survey is paused"));
        app.clock.advance(2 * HOUR_MS);
        assert!(deliver(&app).await.is_empty(), "still held");
        set_policy(&app, "support", json!({"paused": false})).await;
        assert_eq!(deliver(&app).await.len(), 1, "at once");
        assert_eq!(events(&app, &decided).await, at([(0, "received"), (0, "scheduled"), (2 * HOUR_MS, "sent")]));
    }

    async fn what_was_held_for_too_long_does_not_leave_any_more(app: TestApp) {
        let policy = |days: i64| json!({"quiet_days": 0, "quiet_any_days": 0, "max_age_days": 2, "expires_days": days});
        app.survey("late", json!({"policy": policy(30)})).await;
        app.survey("over", json!({"policy": policy(1)})).await;
        let late = app.close_ticket("late", "1", "a@example.com").await;
        let over = app.close_ticket("over", "1", "b@example.com").await;
        for slug in ["late", "over"] {
            set_policy(&app, slug, json!({"paused": true})).await;
        }
        assert!(deliver(&app).await.is_empty());
        app.clock.advance(3 * DAY_MS);
        for slug in ["late", "over"] {
            set_policy(&app, slug, json!({"paused": false})).await;
        }
        assert!(deliver(&app).await.is_empty());
        assert_eq!(events(&app, &late).await, at([(0, "received"), (0, "scheduled"), (3 * DAY_MS, "withdrawn")]));
        assert_eq!(events(&app, &over).await, at([(0, "received"), (0, "scheduled"), (DAY_MS, "expired")]));
        let (_, told) = app.get(&format!("/api/v1/interactions/{}", late["id"].as_str().unwrap())).await;
        assert_eq!(told["timeline"][2]["detail"], json!("it is more than 2 days late"));
    }

    async fn an_invitation_is_taken_back_once_and_only_while_it_waits(app: TestApp) {
        app.survey("support", json!({"policy": {"delay_minutes": 60, "quiet_days": 0, "quiet_any_days": 0, "expires_days": 2}})).await;
        let waiting = app.close_ticket("support", "1", "a@example.com").await;
        let (status, withdrawn) = act(&app, &waiting, "withdraw").await;
        assert_eq!((status, &withdrawn["state"]), (StatusCode::OK, &json!("withdrawn")));
        for field in ["id", "link", "expires_at"] {
            assert_eq!(withdrawn[field], waiting["invitation"][field], "{field}");
        }
        assert_eq!(act(&app, &waiting, "withdraw").await, (StatusCode::OK, withdrawn.clone()));
        app.clock.advance(HOUR_MS);
        assert!(deliver(&app).await.is_empty());
        assert_eq!(app.plain(Method::GET, withdrawn["link"].as_str().unwrap()).send().await.unwrap().status(), StatusCode::GONE);
        assert_eq!(events(&app, &waiting).await, at([(0, "received"), (0, "scheduled"), (0, "withdrawn")]), "noted once");

        let answered = app.close_ticket("support", "2", "b@example.com").await;
        app.vote(answered["invitation"]["link"].as_str().unwrap(), 5, "").await;
        let unused = app.close_ticket("support", "3", "c@example.com").await;
        app.clock.advance(3 * DAY_MS);
        for (decided, word) in [(&answered, "answered"), (&unused, "expired")] {
            let (status, problem) = act(&app, decided, "withdraw").await;
            let sentence = format!("The invitation is {word}: only one that waits for an answer can be taken back.");
            assert_eq!((status, &problem["detail"]), (StatusCode::CONFLICT, &json!(sentence)));
        }
        let nobody = json!({"invitation": {"id": uuid::Uuid::nil()}});
        for what in ["withdraw", "resend"] {
            assert_eq!(act(&app, &nobody, what).await.0, StatusCode::NOT_FOUND);
            let address = format!("/api/v1/invitations/{}/{what}", unused["invitation"]["id"].as_str().unwrap());
            assert_eq!(answer(app.plain(Method::POST, &address)).await.0, StatusCode::UNAUTHORIZED);
        }
    }

    async fn a_message_is_sent_once_more_with_the_same_link_at_any_hour(app: TestApp) {
        reminding(&app, json!({"send_hours": ["09:00", "11:00"]})).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        let first = deliver(&app).await.remove(0);
        app.clock.advance(6 * HOUR_MS);
        let (status, invitation) = act(&app, &decided, "resend").await;
        let expected = json!({"id": decided["invitation"]["id"], "link": decided["invitation"]["link"], "state": "sent", "expires_at": decided["invitation"]["expires_at"]});
        assert_eq!((status, invitation), (StatusCode::OK, expected));
        let again = deliver(&app).await.remove(0);
        assert_eq!((&again.subject, &again.text, again.id == first.id), (&first.subject, &first.text, false));
        assert_eq!(again.date, app.clock.now());
        let (status, problem) = act(&app, &decided, "resend").await;
        assert_eq!((status, &problem["detail"]), (StatusCode::TOO_MANY_REQUESTS, &json!("The message was sent once more less than 10 minutes ago.")));
        app.clock.advance(10 * 60_000);
        assert_eq!(act(&app, &decided, "resend").await.0, StatusCode::OK);
        assert_eq!(deliver(&app).await.len(), 1);
        let so_far = [(0, "received"), (0, "scheduled"), (0, "sent"), (6 * HOUR_MS, "resent"), (6 * HOUR_MS + 600_000, "resent")];
        assert_eq!(events(&app, &decided).await, at(so_far));
        assert_eq!(app.scalar("SELECT CAST(SUM(delivered_count) AS BIGINT) FROM tally WHERE tag = ''").await, 1, "delivered once");
        app.clock.advance(3 * DAY_MS - 6 * HOUR_MS - 600_000);
        assert_eq!(deliver(&app).await.len(), 1, "the reminder comes all the same");
    }

    async fn a_message_that_waits_or_failed_is_sent_at_once_instead(app: TestApp) {
        app.survey("support", json!({"policy": {"delay_minutes": 600, "quiet_days": 0, "quiet_any_days": 0}})).await;
        let waiting = app.close_ticket("support", "1", "a@example.com").await;
        assert_eq!(act(&app, &waiting, "resend").await.1["state"], json!("scheduled"));
        assert_eq!(deliver(&app).await.len(), 1);
        app.clock.advance(600 * 60_000);
        assert!(deliver(&app).await.is_empty(), "not twice");
        assert_eq!(events(&app, &waiting).await, at([(0, "received"), (0, "scheduled"), (0, "sent"), (0, "resent")]));

        // No relay takes letters beyond ASCII before the @; then somebody corrects the address.
        let failed = app.close_ticket("support", "2", "زهرا@example.com").await;
        let start = 600 * 60_000;
        app.clock.advance(start);
        assert!(deliver(&app).await.is_empty());
        app.execute("UPDATE customer SET email = 'zahra@example.com' WHERE email LIKE '%@example.com' AND email <> 'a@example.com'").await;
        assert_eq!(act(&app, &failed, "resend").await.1["state"], json!("scheduled"));
        assert_eq!(deliver(&app).await.len(), 1);
        let told = [(start, "received"), (start, "scheduled"), (2 * start, "sent"), (2 * start, "resent"), (2 * start, "failed")];
        assert_eq!(events(&app, &failed).await, at(told));
        assert_eq!(app.scalar("SELECT CAST(SUM(delivered_count) AS BIGINT) FROM tally WHERE tag = ''").await, 2);
    }

    async fn a_message_is_not_sent_once_more_where_nobody_wants_it(app: TestApp) {
        app.survey("support", json!({})).await;
        app.survey("passed-on", json!({"deliver": []})).await;
        let passed_on = app.close_ticket("passed-on", "1", "z@example.com").await;
        let answered = asked(&app, "answered").await;
        app.vote(answered["invitation"]["link"].as_str().unwrap(), 4, "").await;
        let unsubscribed = app.close_ticket("support", "unsubscribed", "b@example.com").await;
        let stop = deliver(&app).await.remove(0).unsubscribe.unwrap();
        app.send(&stop, &[]).await;
        let open = asked(&app, "open").await;
        for (decided, sentence) in [
            (&passed_on, "The survey sends no messages: you have the link."), (&unsubscribed, "Mail to the customer is suppressed."),
            (&answered, "The invitation is answered: only one that waits for an answer or failed can be sent once more."),
        ] {
            let (status, problem) = act(&app, decided, "resend").await;
            assert_eq!((status, &problem["detail"]), (StatusCode::CONFLICT, &json!(sentence)));
        }
        set_policy(&app, "support", json!({"paused": true})).await;
        assert_eq!(act(&app, &open, "resend").await.1["detail"], json!("The survey is paused: switch it on again first."));
        answer(app.api(Method::POST, "/api/v1/surveys/support/archive")).await;
        assert_eq!(act(&app, &open, "resend").await.1["detail"], json!("The survey is archived."));
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE kind = 'resend'").await, 0);
    }

    async fn of_many_who_ask_for_a_message_at_once_one_gets_it(app: TestApp) {
        app.survey("support", json!({})).await;
        let decided = asked(&app, "1").await;
        let answers = join_all((0..8).map(|_| act(&app, &decided, "resend"))).await;
        let count = |status: StatusCode| answers.iter().filter(|(answered, _)| *answered == status).count();
        assert_eq!((count(StatusCode::OK), count(StatusCode::TOO_MANY_REQUESTS)), (1, 7), "{answers:?}");
        assert_eq!(deliver(&app).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_only_read_can_neither_take_back_nor_send() {
    let app = TestApp::start(On::Sqlite).await;
    app.survey("support", json!({"deliver": []})).await;
    let decided = app.close_ticket("support", "1", "a@example.com").await;
    let key = keys::create(&app.app.context.db, &Parts::default(), "reader".to_owned(), Scope::Read).await.unwrap();
    for what in ["withdraw", "resend"] {
        let address = format!("/api/v1/invitations/{}/{what}", decided["invitation"]["id"].as_str().unwrap());
        assert_eq!(answer(app.plain(Method::POST, &address).bearer_auth(&key)).await.0, StatusCode::FORBIDDEN, "{what}");
    }
}
