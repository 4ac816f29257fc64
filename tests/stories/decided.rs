//! Decided interactions as the team reads them: found by what anybody would look for, each with its decision and what became of it.

use std::collections::BTreeSet;

use nabz::clock::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{NOW, TestApp, answer};
use crate::hook::{Hook, closed};
use crate::on_both_engines;

const PATH: &str = "/api/v1/interactions";

/// The tickets of a list, in its order.
async fn tickets(app: &TestApp, query: &str) -> Vec<String> {
    let (status, list) = app.get(&format!("{PATH}?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    list["items"].as_array().unwrap().iter().map(|item| item["ticket"]["id"].as_str().unwrap().to_owned()).collect()
}

/// The events of an interaction, each with its milliseconds since the start.
pub async fn events(app: &TestApp, decided: &Value) -> Vec<(i64, String)> {
    let (status, interaction) = app.get(&format!("{PATH}/{}", decided["id"].as_str().unwrap())).await;
    assert_eq!(status, StatusCode::OK, "{interaction}");
    let start = Timestamp::parse(NOW).unwrap();
    let entry = |entry: &Value| {
        (Timestamp::parse(entry["at"].as_str().unwrap()).unwrap().since(start), entry["event"].as_str().unwrap().to_owned())
    };
    interaction["timeline"].as_array().unwrap().iter().map(entry).collect()
}

/// Events as `events` tells them.
pub fn at<const N: usize>(events: [(i64, &str); N]) -> Vec<(i64, String)> {
    events.map(|(at, event)| (at, event.to_owned())).to_vec()
}

on_both_engines! {
    async fn an_interaction_is_told_whole_with_its_decision_and_invitation(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let event = json!({"event": "ticket.closed", "ticket": {"id": "48213", "subject": "Printer", "url": "https://desk.example/1", "closed_at": NOW, "reopens": 2},
            "customer": {"email": "Sara@example.com", "phone": "+98", "name": "Sara", "locale": "fa-IR", "ref": "c-9"}, "agent": {"id": "17", "name": "Jonas"},
            "team": "Billing", "channel": "email", "tags": ["vip"], "touchpoint": "support", "segment": "gold", "product": "printer"});
        let (_, decided) = hook.send(&app, "m1", &event).await;
        let (status, told) = app.get(&format!("{PATH}/{}", decided["interaction"].as_str().unwrap())).await;
        assert_eq!(status, StatusCode::OK);
        let ticket = json!({"id": "48213", "subject": "Printer", "url": "https://desk.example/1", "opened_at": null, "first_reply_at": null, "closed_at": NOW, "reopens": 2});
        let mut invitation = decided["invitation"].clone();
        invitation["channel"] = json!("email");
        let expected = json!({"id": decided["interaction"], "survey": "support", "source": {"id": hook.id, "kind": "standard", "name": "Desk"}, "ticket": ticket,
            "customer": event["customer"], "agent": {"id": "17", "name": "Jonas", "email": null}, "team": "Billing", "channel": "email", "tags": ["vip"],
            "touchpoint": "support", "segment": "gold", "product": "printer", "created_at": NOW, "outcome": "invited", "reason": null, "until": null,
            "explanation": "The message leaves at 2026-01-15T10:30:00.000Z; the link can be answered until 2026-02-14.", "invitation": invitation,
            "timeline": [{"at": NOW, "event": "received", "detail": "Desk"}, {"at": NOW, "event": "scheduled", "detail": "the message leaves at 2026-01-15T10:30:00.000Z"}]});
        assert_eq!(told, expected);
        assert_eq!(app.get(PATH).await.1, json!({"items": [expected], "next": null}));
    }

    async fn whoever_was_not_asked_is_told_with_the_rule_and_its_end(app: TestApp) {
        app.survey("support", json!({"policy": {}})).await;
        app.close_ticket("support", "1", "sara@example.com").await;
        app.clock.advance(1000);
        let decided = app.close_ticket("support", "2", "sara@example.com").await;
        let (_, told) = app.get(&format!("{PATH}/{}", decided["id"].as_str().unwrap())).await;
        assert_eq!((&told["outcome"], &told["reason"], &told["until"]), (&json!("skipped"), &json!("quiet_period"), &json!("2026-01-22T10:30:00.000Z")));
        assert_eq!(told["explanation"], json!("The customer was asked on 2026-01-15 for CSAT; quiet for 7 days, until 2026-01-22."));
        assert_eq!((&told["source"], &told["invitation"]), (&Value::Null, &Value::Null));
        assert_eq!(told["timeline"], json!([{"at": "2026-01-15T10:30:01.000Z", "event": "received", "detail": null}]));
        assert_eq!(app.get(&format!("{PATH}/{}", uuid::Uuid::nil())).await.0, StatusCode::NOT_FOUND);
        assert_eq!(answer(app.plain(Method::GET, PATH)).await.0, StatusCode::UNAUTHORIZED);
    }

    async fn every_way_to_look_for_interactions_finds_those_and_no_others(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        app.survey("other", json!({"deliver": [], "policy": {"sample_percent": 0}})).await;
        for (survey, ticket, customer) in [
            ("support", "1", json!({"email": "Sara@example.com"})), ("support", "2", json!({"email": "jonas@example.com", "ref": "c-9"})),
            ("other", "1", json!({"email": "sara@EXAMPLE.com"})), ("support", "3", json!({"ref": "c-9"})), ("other", "4", json!({"ref": "c-8"})),
        ] {
            app.clock.advance(1000);
            app.post(PATH, &json!({"survey": survey, "ticket": {"id": ticket}, "customer": customer})).await;
        }
        for (query, expected) in [
            ("", &["4", "3", "1", "2", "1"][..]), ("survey=support", &["3", "2", "1"]), ("survey=other", &["4", "1"]), ("ticket=1", &["1", "1"]),
            ("ticket=1&survey=other", &["1"]), ("ticket=none", &[]), ("customer=sara%40example.com", &["1", "1"]), ("customer=SARA%40Example.com&survey=support", &["1"]),
            ("customer=c-9", &["3", "2"]), ("customer=c-9&ticket=2", &["2"]), ("customer=c-9&ticket=1", &[]), ("customer=nobody", &[]), ("customer=", &[]),
            ("outcome=invited", &["3", "2", "1"]), ("outcome=skipped", &["4", "1"]), ("outcome=skipped&survey=support", &[]), ("outcome=skipped&survey=other", &["4", "1"]),
            ("outcome=skipped&customer=sara%40example.com", &["1"]), ("outcome=invited&ticket=1", &["1"]),
        ] {
            assert_eq!(tickets(&app, query).await, expected, "{query}");
        }
        // Erased, a customer is still found by the keyed hash.
        app.execute("UPDATE customer SET email = NULL, ref = NULL, name = NULL, phone = NULL").await;
        assert_eq!(tickets(&app, "customer=sara%40example.com").await, ["1", "1"]);
        assert_eq!(app.get(&format!("{PATH}?survey=none")).await.0, StatusCode::NOT_FOUND);
        for (query, field) in [("outcome=perhaps", "query"), ("limit=0", "limit"), ("cursor=x", "cursor"), ("email=a", "email")] {
            let (status, problem) = app.get(&format!("{PATH}?{query}")).await;
            assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{query}");
        }
    }

    async fn a_long_list_comes_in_parts_whatever_it_is_filtered_by(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        for number in 0..7 {
            let customer = json!({"email": "sara@example.com"});
            let key = format!("key {number}");
            let body = json!({"survey": "support", "ticket": {"id": "1"}, "customer": customer});
            answer(app.api(Method::POST, PATH).header("Idempotency-Key", key).json(&body)).await;
        }
        for filter in ["", "survey=support&", "ticket=1&", "customer=sara%40example.com&"] {
            let mut seen = BTreeSet::new();
            let mut cursor = String::new();
            for expected in [3, 3, 1] {
                let (_, part) = app.get(&format!("{PATH}?{filter}limit=3{cursor}")).await;
                let items = part["items"].as_array().unwrap();
                assert_eq!(items.len(), expected, "{filter}");
                seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
                cursor = part["next"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
            }
            assert_eq!((seen.len(), cursor.as_str()), (7, ""), "{filter}");
        }
    }

    async fn the_timeline_follows_an_invitation_from_its_ticket_to_the_changed_answer(app: TestApp) {
        app.survey("support", json!({"policy": {"delay_minutes": 1, "quiet_days": 0, "quiet_any_days": 0}})).await;
        let decided = app.close_ticket("support", "1", "a@example.com").await;
        let link = decided["invitation"]["link"].as_str().unwrap().to_owned();
        app.clock.advance(60_000);
        app.app.deliver_due().await.unwrap();
        app.clock.advance(1000);
        app.page(&format!("{link}/4")).await;
        app.app.flush().await;
        let so_far = [(0, "received"), (0, "scheduled"), (60_000, "sent"), (61_000, "unconfirmed")];
        assert_eq!(events(&app, &decided).await, at(so_far));
        app.clock.advance(1000);
        app.vote(&link, 4, "").await;
        app.clock.advance(1000);
        app.vote(&link, 5, "").await;
        let whole = [(0, "received"), (0, "scheduled"), (60_000, "sent"), (61_000, "opened"), (62_000, "answered"), (63_000, "changed")];
        assert_eq!(events(&app, &decided).await, at(whole));
        let (_, told) = app.get(&format!("{PATH}/{}", decided["id"].as_str().unwrap())).await;
        assert_eq!(told["timeline"].as_array().unwrap().iter().map(|entry| entry["detail"].as_str().unwrap_or("")).collect::<Vec<_>>(), ["", "", "", "4 of 5", "4 of 5", "5 of 5"]);
        assert_eq!(told["invitation"]["state"], json!("answered"));
    }

    async fn a_reopened_ticket_a_refused_mail_and_an_unused_link_show_in_the_timeline(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let reopened = hook.send(&app, "m1", &closed(&app, "1", "a@example.com")).await.1;
        // No relay takes letters beyond ASCII before the @.
        let refused = app.close_ticket("support", "2", "زهرا@example.com").await;
        let unused = app.close_ticket("support", "3", "c@example.com").await;
        app.clock.advance(1000);
        hook.send(&app, "m2", &json!({"event": "ticket.reopened", "ticket": {"id": "1"}})).await;
        app.clock.advance(1000);
        app.app.deliver_due().await.unwrap();
        let reopened = json!({"id": reopened["interaction"]});
        assert_eq!(events(&app, &reopened).await, at([(0, "received"), (0, "scheduled"), (1000, "withdrawn")]));
        assert_eq!(events(&app, &refused).await, at([(0, "received"), (0, "scheduled"), (2000, "failed")]));
        app.clock.advance(30 * 86_400_000);
        assert_eq!(events(&app, &unused).await, at([(0, "received"), (0, "scheduled"), (2000, "sent"), (30 * 86_400_000, "expired")]));
        let (_, told) = app.get(&format!("{PATH}/{}", refused["id"].as_str().unwrap())).await;
        let why = told["timeline"][2]["detail"].as_str().unwrap();
        assert!(why.contains("letters beyond ASCII") && !why.contains("example.com"), "{why}");
    }
}
