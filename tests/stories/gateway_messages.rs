//! Customers are asked by gateways: which channel is taken, what becomes of a message, and what ends it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{On, TestApp, answer};
use crate::peer::{self, OPENED, Peer};
use crate::{on_both_engines, on_each_engine};

const PHONE: &str = "0912 123 4567";
const READ: &str = "+989121234567";

/// Defines a gateway that speaks to a peer, with more laid over it.
pub async fn define(app: &TestApp, name: &str, peer: &Peer, more: Value) {
    let mut whole = json!({"name": name, "url": format!("{}/{name}", peer.url), "country": "IR", "id_pointer": "/id",
        "body": {"json": "{\"to\": {{ customer.phone }}, \"text\": {{ text }}, \"id\": {{ message_id }}, \"reminds\": {{ is_reminder }}}"}});
    whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, made) = app.post("/api/v1/gateways", &whole).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
}

/// A peer that accepts everything.
async fn accepting() -> Peer {
    Peer::start(|_, before| peer::json(200, "", &json!({"id": format!("m-{before}")}))).await
}

/// Closes a ticket of a customer and answers the decision.
async fn close(app: &TestApp, ticket: &str, customer: Value) -> Value {
    let body = json!({"survey": "support", "ticket": {"id": ticket, "closed_at": app.clock.now()}, "customer": customer});
    app.post("/api/v1/interactions", &body).await.1
}

async fn told(app: &TestApp, decided: &Value) -> Value {
    app.get(&format!("/api/v1/interactions/{}", decided["id"].as_str().unwrap())).await.1
}

/// The bodies that a peer got.
fn bodies(peer: &Peer) -> Vec<Value> {
    peer.asked().iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect()
}

/// The last event of a timeline with its detail.
fn last(told: &Value) -> (String, String) {
    let event = told["timeline"].as_array().unwrap().last().unwrap();
    (event["event"].as_str().unwrap().to_owned(), event["detail"].as_str().unwrap_or_default().to_owned())
}

async fn patch(app: &TestApp, path: &str, body: &Value) -> (StatusCode, Value) {
    answer(app.api(Method::PATCH, path).json(body)).await
}

on_both_engines! {
    async fn the_first_channel_whose_address_the_customer_has_is_taken(app: TestApp = OPENED) {
        let peer = accepting().await;
        define(&app, "sms", &peer, json!({})).await;
        app.survey("support", json!({"deliver": ["sms", "email"]})).await;
        let only_phone = close(&app, "1", json!({"phone": PHONE, "locale": "fa"})).await;
        close(&app, "2", json!({"phone": "۰۹۱۲۱۲۳۴۵۶۸", "email": "both@example.com"})).await;
        close(&app, "3", json!({"phone": "12", "email": "mail@example.com"})).await;
        assert_eq!(app.app.deliver_due().await.unwrap(), 3);
        let got = bodies(&peer);
        let mut numbers: Vec<&str> = got.iter().map(|body| body["to"].as_str().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [READ, "+989121234568"]);
        let link = only_phone["invitation"]["link"].as_str().unwrap();
        let text = got.iter().find(|body| body["to"] == READ).unwrap()["text"].as_str().unwrap();
        assert!(text.starts_with("Acme: یک پرسش") && text.ends_with(link), "{text}");
        let mails: Vec<String> = app.mails.lock().unwrap().iter().map(|mail| mail.to.address.clone()).collect();
        assert_eq!(mails, ["mail@example.com"]);
        let shown = told(&app, &only_phone).await;
        assert_eq!((&shown["invitation"]["state"], last(&shown).0.as_str()), (&json!("sent"), "sent"));
    }

    async fn an_answer_comes_by_mail_only_where_mail_is_what_the_customer_was_first_asked_by(app: TestApp = OPENED) {
        let peer = accepting().await;
        define(&app, "sms", &peer, json!({})).await;
        app.survey("support", json!({"deliver": ["sms", "email"], "deliver_mode": "all"})).await;
        app.survey("elsewhere", json!({"deliver": []})).await;
        let by_sms = close(&app, "1", json!({"phone": PHONE, "email": "both@example.com"})).await;
        let by_mail = close(&app, "2", json!({"email": "mail@example.com"})).await;
        let body = json!({"survey": "elsewhere", "ticket": {"id": "3"}, "customer": {"email": "else@example.com"}});
        let passed_on = app.post("/api/v1/interactions", &body).await.1;
        app.app.deliver_due().await.unwrap();
        for (decided, channel, via) in [(&by_sms, json!("sms"), "page"), (&by_mail, json!("email"), "email"), (&passed_on, Value::Null, "page")] {
            assert_eq!(told(&app, decided).await["invitation"]["channel"], channel);
            assert_eq!(app.vote(decided["invitation"]["link"].as_str().unwrap(), 5, "").await.0, StatusCode::OK);
            assert_eq!(app.get("/api/v1/responses").await.1["items"][0]["via"], via, "asked by {channel}");
            app.clock.advance(1000);
        }
    }

    async fn all_channels_are_taken_where_the_survey_wants_that_and_none_is_no_address(app: TestApp = OPENED) {
        let peer = accepting().await;
        define(&app, "sms", &peer, json!({})).await;
        define(&app, "chat", &peer, json!({"address": "ref", "body": {"json": "{\"to\": {{ customer.ref }}}"}})).await;
        app.survey("support", json!({"deliver": ["sms", "chat", "email"], "deliver_mode": "all"})).await;
        close(&app, "1", json!({"phone": PHONE, "email": "both@example.com"})).await;
        assert_eq!(app.app.deliver_due().await.unwrap(), 2);
        assert_eq!((peer.asked().len(), app.mails.lock().unwrap().len()), (1, 1));
        assert_eq!(app.scalar("SELECT CAST(SUM(delivered_count) AS BIGINT) FROM tally WHERE tag = ''").await, 1, "one invitation, however many messages");
        close(&app, "2", json!({"ref": "room-7"})).await;
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(bodies(&peer)[1], json!({"to": "room-7"}));

        patch(&app, "/api/v1/surveys/support", &json!({"deliver": ["sms", "email"]})).await;
        let (reason, explanation) = {
            let skipped = close(&app, "3", json!({"ref": "room-8", "phone": "12"})).await;
            let shown = told(&app, &skipped).await;
            (shown["reason"].clone(), shown["explanation"].as_str().unwrap().to_owned())
        };
        assert_eq!(reason, "no_address");
        assert_eq!(explanation, "There is no address for any channel of the survey: sms cannot read the phone number, email needs a mail address.");
        assert_eq!(app.app.deliver_due().await.unwrap(), 0);
    }

    async fn answers_through_a_gateway_alone_come_by_the_page(app: TestApp = OPENED) {
        let peer = accepting().await;
        define(&app, "sms", &peer, json!({})).await;
        app.survey("support", json!({"deliver": ["sms"]})).await;
        let decided = close(&app, "1", json!({"phone": PHONE})).await;
        app.app.deliver_due().await.unwrap();
        assert_eq!(app.vote(decided["invitation"]["link"].as_str().unwrap(), 5, "").await.0, StatusCode::OK);
        assert_eq!(app.get("/api/v1/responses?survey=support").await.1["items"][0]["via"], "page");
    }

    async fn a_suppressed_customer_gets_nothing_by_any_channel(app: TestApp = OPENED) {
        let peer = accepting().await;
        define(&app, "sms", &peer, json!({})).await;
        app.survey("support", json!({"deliver": ["sms"], "policy": {"delay_minutes": 5, "quiet_days": 0, "quiet_any_days": 0}})).await;
        let waiting = close(&app, "1", json!({"phone": PHONE, "email": "sara@example.com"})).await;
        assert_eq!(app.post("/api/v1/suppressions", &json!({"email": "sara@example.com"})).await.0.as_u16() / 100, 2);
        app.clock.advance(5 * 60_000);
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(told(&app, &waiting).await["invitation"]["state"], "withdrawn");
        let later = close(&app, "2", json!({"phone": PHONE, "email": "sara@example.com"})).await;
        assert_eq!(later["outcome"], "skipped", "{later}");
        app.clock.advance(5 * 60_000);
        app.app.deliver_due().await.unwrap();
        assert!(peer.asked().is_empty());
    }

    async fn a_refusal_fails_the_invitation_and_is_told_without_the_number(app: TestApp = OPENED) {
        let peer = Peer::start(|_, _| peer::json(400, "", &json!({"code": 21211, "message": "Invalid number +98 912 123 4567", "see": "https://docs.example/21211"}))).await;
        define(&app, "sms", &peer, json!({})).await;
        app.survey("support", json!({"deliver": ["sms"]})).await;
        let decided = close(&app, "1", json!({"phone": PHONE})).await;
        app.app.deliver_due().await.unwrap();
        let shown = told(&app, &decided).await;
        assert_eq!(shown["invitation"]["state"], "failed");
        assert_eq!(last(&shown), ("failed".to_owned(), r#"400 {"code":21211,"message":"Invalid number […]","see":"[…]"}"#.to_owned()));
        app.clock.advance(86_400_000);
        assert_eq!((app.app.deliver_due().await.unwrap(), peer.asked().len()), (0, 1));
    }

    async fn what_may_pass_is_tried_again_with_the_same_id_and_a_pause_that_is_asked_for_is_kept(app: TestApp = OPENED) {
        let peer = Peer::start(|_, before| match before {
            0 => peer::bytes(429, "retry-after: 120\r\n", "slow down"),
            1 => peer::bytes(500, "", ""),
            2 => peer::silence(),
            _ => peer::json(201, "", &json!({"id": "SM7", "to": "+98 (912) 123-4567"})),
        })
        .await;
        define(&app, "sms", &peer, json!({})).await;
        app.survey("support", json!({"deliver": ["sms"]})).await;
        let decided = close(&app, "1", json!({"phone": PHONE})).await;
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        app.clock.advance(119_999);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0, "it asked for two minutes");
        app.clock.advance(1);
        for wait_ms in [72_000, 360_000, 2_160_000] {
            assert_eq!(app.app.deliver_due().await.unwrap(), 1);
            app.clock.advance(wait_ms);
        }
        assert_eq!(told(&app, &decided).await["invitation"]["state"], "sent");
        let ids: Vec<Value> = bodies(&peer).iter().map(|body| body["id"].clone()).collect();
        assert!(ids.len() == 4 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let kept = app.row("SELECT MAX(reply) FROM outbox_attempt WHERE number = 4").await.remove(0).unwrap();
        assert_eq!(kept, r#"id SM7: 201 {"id":"SM7","to":"[…]"}"#);
        let outcomes = app.scalar("SELECT COUNT(*) FROM outbox_attempt WHERE outcome = 'retry'").await;
        assert_eq!(outcomes, 3);
    }

    async fn a_gateway_that_was_changed_meanwhile_is_used_as_it_is_now(app: TestApp = OPENED) {
        let (old, new) = (accepting().await, accepting().await);
        define(&app, "sms", &old, json!({})).await;
        app.survey("support", json!({"deliver": ["sms"]})).await;
        close(&app, "1", json!({"phone": PHONE})).await;
        let changed = json!({"url": format!("{}/new", new.url), "phone_format": "national", "text": {"en": "New: {{ link }}"}});
        assert_eq!(patch(&app, "/api/v1/gateways/sms", &changed).await.0, StatusCode::OK);
        app.app.deliver_due().await.unwrap();
        assert_eq!((old.asked().len(), new.asked()[0].path.as_str()), (0, "/new"));
        let body = &bodies(&new)[0];
        assert!(body["to"] == "09121234567" && body["text"].as_str().unwrap().starts_with("New: http"), "{body}");
        // What the gateway needs of a customer changed, too: the survey knows at once.
        assert_eq!(patch(&app, "/api/v1/gateways/sms", &json!({"address": "ref"})).await.0, StatusCode::OK);
        assert_eq!(close(&app, "2", json!({"phone": PHONE})).await["reason"], "no_address");
        assert_eq!(close(&app, "3", json!({"ref": "c-9"})).await["outcome"], "invited");
    }

    async fn a_gateway_or_a_customer_that_is_gone_cancels_what_waits(app: TestApp = OPENED) {
        let peer = accepting().await;
        define(&app, "sms", &peer, json!({})).await;
        app.survey("support", json!({"deliver": ["sms"]})).await;
        let forgotten = close(&app, "1", json!({"phone": PHONE})).await;
        app.execute("UPDATE customer SET phone = NULL").await;
        app.app.deliver_due().await.unwrap();
        assert_eq!(last(&told(&app, &forgotten).await), ("withdrawn".to_owned(), "the customer's address was erased".to_owned()));

        let (status, problem) = answer(app.api(Method::DELETE, "/api/v1/gateways/sms")).await;
        assert!(status == StatusCode::CONFLICT && problem["detail"].as_str().unwrap().contains("support"), "{problem}");
        let waiting = close(&app, "2", json!({"phone": "+98 912 000 0000"})).await;
        assert_eq!(patch(&app, "/api/v1/surveys/support", &json!({"deliver": ["email"]})).await.0, StatusCode::OK);
        assert_eq!(answer(app.api(Method::DELETE, "/api/v1/gateways/sms")).await.0, StatusCode::NO_CONTENT);
        app.app.deliver_due().await.unwrap();
        let shown = told(&app, &waiting).await;
        assert_eq!((&shown["invitation"]["state"], last(&shown).1.as_str()), (&json!("withdrawn"), "there is no gateway called sms any more"));
        assert!(peer.asked().is_empty());
        // Its name is free again, and its secrets are gone.
        assert_eq!(app.row("SELECT secrets FROM gateway").await, [Some("{}".to_owned())]);
        define(&app, "sms", &peer, json!({})).await;
    }

    async fn one_channel_that_is_gone_does_not_take_back_what_another_still_carries(app: TestApp = OPENED) {
        let peer = Peer::start(|_, _| peer::bytes(400, "", "no")).await;
        define(&app, "sms", &peer, json!({})).await;
        app.survey("support", json!({"deliver": ["sms", "email"], "deliver_mode": "all", "policy": {"quiet_days": 0, "quiet_any_days": 0}})).await;
        let decided = close(&app, "1", json!({"phone": PHONE, "email": "both@example.com"})).await;
        patch(&app, "/api/v1/surveys/support", &json!({"deliver": ["email"]})).await;
        app.execute("UPDATE outbox SET due_at = due_at + 1 WHERE carrier = 'mail'").await;
        assert_eq!(answer(app.api(Method::DELETE, "/api/v1/gateways/sms")).await.0, StatusCode::NO_CONTENT);
        app.app.deliver_due().await.unwrap();
        assert_eq!(told(&app, &decided).await["invitation"]["state"], "scheduled");
        app.clock.advance(1);
        app.app.deliver_due().await.unwrap();
        assert_eq!((told(&app, &decided).await["invitation"]["state"].clone(), app.mails.lock().unwrap().len()), (json!("sent"), 1));
    }

    async fn reminders_and_what_is_sent_once_more_leave_by_the_same_channel(app: TestApp = OPENED) {
        let peer = accepting().await;
        define(&app, "sms", &peer, json!({})).await;
        let policy = json!({"quiet_days": 0, "quiet_any_days": 0, "reminder_days": 3, "expires_days": 10});
        app.survey("support", json!({"deliver": ["sms", "email"], "policy": policy})).await;
        let decided = close(&app, "1", json!({"phone": PHONE, "email": "both@example.com"})).await;
        app.app.deliver_due().await.unwrap();
        app.clock.advance(86_400_000);
        let id = decided["invitation"]["id"].as_str().unwrap();
        assert_eq!(answer(app.api(Method::POST, &format!("/api/v1/invitations/{id}/resend"))).await.0, StatusCode::OK);
        app.app.deliver_due().await.unwrap();
        app.clock.advance(2 * 86_400_000);
        app.app.deliver_due().await.unwrap();
        let got = bodies(&peer);
        let reminds: Vec<&Value> = got.iter().map(|body| &body["reminds"]).collect();
        assert_eq!(reminds, [&json!(false), &json!(false), &json!(true)]);
        assert!(got[2]["text"].as_str().unwrap().contains("reminder"), "{got:?}");
        assert!(app.mails.lock().unwrap().is_empty());
    }

    async fn a_survey_names_only_gateways_that_there_are(app: TestApp = OPENED) {
        let draft = |deliver: Value| json!({"slug": "support", "name": "Support", "metric": "csat", "deliver": deliver});
        let (status, problem) = app.post("/api/v1/surveys", &draft(json!(["email", "sms"]))).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("deliver")));
        assert!(problem["errors"][0]["message"].as_str().unwrap().contains("no gateway called sms"), "{problem}");
        let peer = accepting().await;
        define(&app, "sms", &peer, json!({})).await;
        let (status, survey) = app.post("/api/v1/surveys", &draft(json!(["sms", "email"]))).await;
        assert_eq!((status, &survey["deliver"], &survey["deliver_mode"]), (StatusCode::CREATED, &json!(["sms", "email"]), &json!("first")));
        let (status, problem) = patch(&app, "/api/v1/surveys/support", &json!({"deliver": ["telegram"]})).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("deliver")));
    }
}

on_each_engine! {
    async fn a_gateway_that_hangs_delays_neither_another_nor_mail(on: On) {
        let app = TestApp::start_delivering(on, &[OPENED[0], ("NABZ__WEBHOOKS__TIMEOUT_MS", "60000")]).await;
        let (slow, gate) = Peer::gated(|_, _| peer::json(200, "", &json!({}))).await;
        let quick = accepting().await;
        define(&app, "slow", &slow, json!({})).await;
        define(&app, "quick", &quick, json!({})).await;
        app.survey("support", json!({"deliver": ["slow"]})).await;
        for ticket in ["1", "2", "3", "4", "5", "6"] {
            close(&app, ticket, json!({"phone": format!("+98 912 000 000{ticket}")})).await;
        }
        while slow.asked().len() < 4 {
            tokio::task::yield_now().await;
        }
        patch(&app, "/api/v1/surveys/support", &json!({"deliver": ["quick", "email"], "deliver_mode": "all"})).await;
        close(&app, "7", json!({"phone": PHONE, "email": "sara@example.com"})).await;
        while quick.asked().is_empty() || app.mails.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(slow.asked().len(), 4, "no more than four at once");
        gate.add_permits(6);
        while slow.asked().len() < 6 {
            tokio::task::yield_now().await;
        }
    }
}
