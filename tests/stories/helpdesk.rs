//! What a help desk sends becomes exactly one interaction with exactly these values, whatever they hold and however often it comes.

use nabz::intake::instant;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::hook::{Hook, closed};
use crate::on_both_engines;

/// The stored interaction with its customer, as text.
const STORED: &str =
    "SELECT interaction.ticket, interaction.agent, interaction.team, interaction.channel, interaction.tags, interaction.locale,
    interaction.ticket_id, interaction.agent_key, customer.email, customer.phone, customer.name, customer.ref
    FROM interaction JOIN customer ON customer.id = interaction.customer_id";

/// Delivers a sample as it was captured: its head and its bytes.
async fn deliver(app: &TestApp, hook: &Hook, name: &str) -> (StatusCode, Value) {
    let read = |kind: &str| std::fs::read_to_string(format!("tests/helpdesk/{name}.{kind}")).unwrap();
    let head = read("headers.txt");
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let sent = headers.filter(|(name, _)| !["Host", "Content-Length"].contains(name));
    let request = sent.fold(app.plain(Method::POST, &hook.url), |request, (name, value)| request.header(name, value));
    answer(request.body(read("json"))).await
}

/// What the sample must become, with its instants as instants.
fn expected(name: &str) -> Value {
    let all: Value = serde_json::from_str(&std::fs::read_to_string("tests/helpdesk/expected.json").unwrap()).unwrap();
    all[name].clone()
}

async fn assert_stored(app: &TestApp, expected: &Value) {
    let row = app.row(STORED).await;
    let text = |column: usize| row[column].clone().map_or(Value::Null, Value::String);
    let json = |column: usize| -> Value { serde_json::from_str(row[column].as_deref().unwrap()).unwrap() };
    let (ticket, agent) = (json(0), json(1));
    for instant in ["opened_at", "first_reply_at", "closed_at"] {
        assert_eq!(instant::read(&ticket[instant]), instant::read(&expected["ticket"][instant]), "{instant}");
    }
    for plain in ["id", "subject", "reopens"] {
        assert_eq!(ticket[plain], expected["ticket"][plain], "{plain}");
    }
    assert_eq!(agent, expected["agent"]);
    assert_eq!((text(2), text(3), json(4)), (expected["team"].clone(), expected["channel"].clone(), expected["tags"].clone()));
    assert_eq!((text(6), text(7)), (expected["ticket"]["id"].clone(), expected["agent"]["id"].clone()));
    let customer = &expected["customer"];
    let stored = json!({"locale": text(5), "email": text(8), "phone": text(9), "name": text(10)});
    assert_eq!(&stored, customer);
}

on_both_engines! {
    async fn a_zendesk_trigger_becomes_exactly_its_interaction(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "zendesk", "support", Some("test-secret")).await;
        let (status, first) = deliver(&app, &hook, "zendesk-trigger").await;
        assert_eq!((status, &first["outcome"]), (StatusCode::OK, &json!("invited")), "{first}");
        assert_stored(&app, &expected("zendesk-trigger")).await;
        assert_eq!(app.row(STORED).await[11].as_deref(), Some("C-10442"));
        // "Persian" is one of our languages, and the mail and page speak it.
        assert_eq!(app.row("SELECT locale, state FROM invitation").await, [Some("fa".to_owned()), Some("scheduled".to_owned())]);
        let (_, again) = deliver(&app, &hook, "zendesk-trigger").await;
        assert_eq!((&again["outcome"], &again["interaction"]), (&json!("duplicate"), &first["interaction"]));
        app.clock.advance(301_000);
        assert_eq!(deliver(&app, &hook, "zendesk-trigger").await.0, StatusCode::UNAUTHORIZED);
        let other = Hook::connect(&app, "zendesk", "support", Some("other-secret")).await;
        app.clock.advance(-301_000);
        assert_eq!(deliver(&app, &other, "zendesk-trigger").await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction").await, 1);
    }

    async fn a_standard_webhook_becomes_exactly_its_interaction(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", Some("whsec_dGVzdC1zZWNyZXQ=")).await;
        let (status, told) = deliver(&app, &hook, "standard-webhooks").await;
        assert_eq!((status, &told["outcome"]), (StatusCode::OK, &json!("invited")), "{told}");
        assert_stored(&app, &expected("standard-webhooks")).await;
    }

    async fn the_same_closing_a_hundred_times_at_once_is_one_interaction_and_one_decision(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let event = closed(&app, "1", "a@example.com");
        let ids: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
        let told = futures_util::future::join_all(ids.iter().map(|id| hook.send(&app, id, &event))).await;
        assert!(told.iter().all(|(status, _)| *status == StatusCode::OK), "{told:?}");
        let count = |outcome: &str| told.iter().filter(|(_, told)| told["outcome"] == outcome).count();
        assert_eq!((count("invited"), count("duplicate")), (1, 99));
        assert!(told.iter().all(|(_, item)| item["interaction"] == told[0].1["interaction"] && item["invitation"] == told[0].1["invitation"]));
        let rows = "SELECT (SELECT COUNT(*) FROM interaction) * 1000000 + (SELECT COUNT(*) FROM invitation) * 10000 + (SELECT COUNT(*) FROM outbox) * 1000
            + (SELECT COUNT(*) FROM source_event)";
        assert_eq!(app.scalar(rows).await, 1_011_100);
    }

    async fn the_same_closing_by_the_api_and_by_hooks_at_once_is_decided_once(app: TestApp) {
        app.survey("support", json!({})).await;
        let (one, other) = (Hook::connect(&app, "standard", "support", None).await, Hook::connect(&app, "standard", "support", None).await);
        let event = closed(&app, "1", "a@example.com");
        let mut body = event.clone();
        body.as_object_mut().unwrap().remove("event");
        body["survey"] = json!("support");
        let (by_api, by_one, by_other) = tokio::join!(
            futures_util::future::join_all((0..10).map(|_| app.post("/api/v1/interactions", &body))),
            one.send(&app, "m1", &event),
            other.send(&app, "m1", &event),
        );
        let mut ids: Vec<&Value> = by_api.iter().map(|(_, told)| &told["id"]).chain([&by_one.1["interaction"], &by_other.1["interaction"]]).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let created = by_api.iter().filter(|(status, _)| *status == StatusCode::CREATED).count();
        let invited = [&by_one, &by_other].iter().filter(|(_, told)| told["outcome"] == "invited").count();
        assert_eq!(created + invited, 1);
        assert_eq!(app.scalar("SELECT (SELECT COUNT(*) FROM interaction) * 10 + (SELECT COUNT(*) FROM outbox)").await, 11);
    }

    async fn line_breaks_nul_emoji_and_persian_are_welcome_in_every_value(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        let wild = "a\r\nBcc: x@evil.example\u{0}\u{7f}\u{2028}🙂 سلام\u{200c}دنیا";
        let tame = "a  Bcc: x@evil.example  \u{2028}🙂 سلام\u{200c}دنیا";
        let event = json!({
            "event": "ticket.closed", "team": wild, "channel": wild, "tags": [wild, "vip"], "touchpoint": wild, "segment": wild, "product": wild,
            "ticket": {"id": wild, "subject": wild, "url": wild, "closed_at": app.clock.now()},
            "customer": {"email": "sara@example.com", "phone": wild, "name": wild, "locale": wild, "ref": wild},
            "agent": {"id": wild, "name": wild, "email": wild},
        });
        let (status, told) = hook.send(&app, "m1", &event).await;
        assert_eq!((status, &told["outcome"]), (StatusCode::OK, &json!("invited")), "{told}");
        let row = app.row(STORED).await;
        let json = |column: usize| -> Value { serde_json::from_str(row[column].as_deref().unwrap()).unwrap() };
        assert_eq!((&json(0)["subject"], &json(1)["name"], json(4)), (&json!(tame), &json!(tame), json!([tame, "vip"])));
        for column in [2, 3, 5, 6, 7, 9, 10, 11] {
            assert_eq!(row[column].as_deref(), Some(tame), "column {column}");
        }

        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        let mail = app.mails.lock().unwrap().pop().unwrap();
        let bytes = String::from_utf8(mail.to_bytes().unwrap()).unwrap();
        assert!(!bytes.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{bytes}");
        let link = told["invitation"]["link"].as_str().unwrap();
        assert_eq!(app.vote(link, 5, wild).await.0, StatusCode::OK);
        let (_, listed) = app.get("/api/v1/responses?q=%F0%9F%99%82").await;
        assert_eq!(listed["items"][0]["comment"], wild.replace("\r\n", "\n").replace('\0', ""));
        assert_eq!(app.scalar("SELECT CAST(SUM(n5) AS BIGINT) FROM tally").await, 3);
    }

    async fn a_wild_ticket_that_is_opened_again_is_found_again(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "standard", "support", None).await;
        for (index, id) in ["a\0b".to_owned(), " c\td ".to_owned(), "e".repeat(300)].iter().enumerate() {
            let (_, first) = hook.send(&app, &format!("c{index}"), &closed(&app, id, "a@example.com")).await;
            assert_eq!(first["outcome"], "invited", "{first}");
            let reopened = json!({"event": "ticket.reopened", "ticket": {"id": id}});
            let (status, told) = hook.send(&app, &format!("r{index}"), &reopened).await;
            assert_eq!((status, &told["withdrawn"]), (StatusCode::OK, &json!([first["invitation"]["id"]])), "{id:?}");
        }
        let nothing = json!({"event": "ticket.closed", "ticket": {"id": "\u{0}"}});
        assert_eq!(hook.send(&app, "n", &nothing).await.0, StatusCode::BAD_REQUEST);
    }

    async fn the_api_takes_wild_values_too_and_a_nul_in_a_name_is_never_a_fault_of_ours(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let wild = "a\r\n\u{0}🙂 سلام";
        let mut body = json!({
            "survey": "support", "team": wild, "channel": wild, "tags": [wild], "touchpoint": wild, "segment": wild, "product": wild,
            "ticket": {"id": wild, "subject": wild, "url": wild}, "customer": {"email": "sara@example.com", "phone": wild, "name": wild, "locale": wild, "ref": wild},
            "agent": {"id": wild, "name": wild, "email": wild},
        });
        let (status, told) = app.post("/api/v1/interactions", &body).await;
        assert_eq!((status, &told["outcome"]), (StatusCode::CREATED, &json!("invited")), "{told}");
        assert_eq!(app.row(STORED).await[2].as_deref(), Some("a   🙂 سلام"));
        body["survey"] = json!("a\u{0}");
        assert!(app.post("/api/v1/interactions", &body).await.0.is_client_error());
        for path in ["/api/v1/surveys/%00", "/api/v1/responses?survey=%00", "/api/v1/responses?agent=%00", "/api/v1/responses?q=%00", "/api/v1/responses?tag=%00"] {
            assert!(!app.get(path).await.0.is_server_error(), "{path}");
        }
    }
}
