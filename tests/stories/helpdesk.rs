//! What a help desk sends becomes exactly one interaction with exactly these values, whatever they hold and however often it comes.

use data_encoding::BASE64;
use hmac::Mac as _;
use nabz::intake::instant;
use nabz::keyring::hmac;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::hook::{Hook, closed};
use crate::on_both_engines;

/// The stored interaction with its customer, as text.
const STORED: &str =
    "SELECT interaction.ticket, interaction.agent, interaction.team, interaction.channel, interaction.tags, interaction.locale,
    interaction.ticket_id, interaction.agent_key, customer.email, customer.phone, customer.name, customer.ref
    FROM interaction LEFT JOIN customer ON customer.id = interaction.customer_id";

/// Delivers a sample as it was captured: its head and its bytes.
pub async fn deliver(app: &TestApp, hook: &Hook, name: &str) -> (StatusCode, Value) {
    let read = |kind: &str| std::fs::read_to_string(format!("tests/helpdesk/{name}.{kind}")).unwrap();
    let head = read("headers.txt");
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let sent = headers.filter(|(name, _)| !["Host", "Content-Length"].contains(name));
    // The first line may carry a query, as Azure sends the secret.
    let query = head.lines().next().and_then(|line| line.split(' ').nth(1)?.split_once('?')).map(|(_, query)| format!("?{query}"));
    let url = format!("{}{}", hook.url, query.unwrap_or_default());
    let request = sent.fold(app.plain(Method::POST, &url), |request, (name, value)| request.header(name, value));
    answer(request.body(read("json"))).await
}

/// What the sample must become, with its instants as instants.
pub fn expected(name: &str) -> Value {
    let all: Value = serde_json::from_str(&std::fs::read_to_string("tests/helpdesk/expected.json").unwrap()).unwrap();
    all[name].clone()
}

pub async fn assert_stored(app: &TestApp, survey: &str, expected: &Value) {
    let row = app.row(format!("{STORED} WHERE interaction.survey_id = (SELECT id FROM survey WHERE slug = '{survey}')").leak()).await;
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
    let key = ["id", "email", "name"].iter().map(|part| &agent[part]).find(|part| !part.is_null()).cloned().unwrap_or_default();
    assert_eq!((text(6), text(7)), (expected["ticket"]["id"].clone(), key));
    let customer = &expected["customer"];
    let stored = json!({"locale": text(5), "email": text(8), "phone": text(9), "name": text(10)});
    assert_eq!(&stored, customer);
}

/// Samples that carry the customer's address, with the kind of their source.
const WITH_ADDRESS: [(&str, &str); 17] = [
    ("freshdesk", "freshdesk"),
    ("helpscout", "help_scout"),
    ("liveagent", "liveagent"),
    ("dynamics365", "dynamics365"),
    ("dynamics365-powerautomate", "dynamics365"),
    ("danadesk", "danadesk"),
    ("intercom", "intercom"),
    ("zammad", "zammad"),
    ("chatwoot", "chatwoot"),
    ("gorgias", "gorgias"),
    ("jira-service-management", "jira"),
    ("front-application", "front"),
    ("osticket", "osticket"),
    ("freescout", "freescout"),
    ("front-rule", "front"),
    ("kayako", "kayako"),
    ("jira-automation", "jira"),
];

/// A source of a kind, with a survey of its own that spares nobody.
async fn connect(app: &TestApp, slug: &str, kind: &str) -> Hook {
    let policy = json!({"quiet_days": 0, "quiet_any_days": 0});
    let (status, survey) = app.post("/api/v1/surveys", &json!({"slug": slug, "name": slug, "metric": "csat", "policy": policy})).await;
    assert_eq!(status, StatusCode::CREATED, "{survey}");
    Hook::connect(app, kind, slug, Some("test-secret")).await
}

on_both_engines! {
    async fn every_sample_becomes_exactly_its_interaction_and_a_repetition_changes_nothing(app: TestApp) {
        for (sample, kind) in WITH_ADDRESS {
            let hook = connect(&app, sample, kind).await;
            let (status, first) = deliver(&app, &hook, sample).await;
            assert_eq!((status, &first["outcome"]), (StatusCode::OK, &json!("invited")), "{sample}: {first}");
            assert_stored(&app, sample, &expected(sample)).await;
            let (status, again) = deliver(&app, &hook, sample).await;
            assert_eq!((status, &again["outcome"], &again["interaction"]), (StatusCode::OK, &json!("duplicate"), &first["interaction"]), "{sample}");
            let stranger = Hook::connect(&app, kind, sample, Some("other-secret")).await;
            assert_eq!(deliver(&app, &stranger, sample).await.0, StatusCode::UNAUTHORIZED, "{sample}");
        }
        let stored = i64::try_from(WITH_ADDRESS.len()).unwrap();
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction").await, stored);
    }

    async fn a_system_that_sends_no_address_is_stored_with_that_reason(app: TestApp) {
        for (sample, kind) in [("gitlab-service-desk", "gitlab"), ("crisp", "crisp")] {
            let hook = connect(&app, sample, kind).await;
            let (status, told) = deliver(&app, &hook, sample).await;
            assert_eq!((status, &told["outcome"], &told["reason"]), (StatusCode::OK, &json!("skipped"), &json!("no_address")), "{told}");
            assert_stored(&app, sample, &expected(sample)).await;
        }
    }

    async fn hubspot_signs_the_address_and_sends_lists_in_which_two_changes_are_one_closing(app: TestApp) {
        let hook = connect(&app, "hubspot", "hubspot").await;
        let body = std::fs::read("tests/helpdesk/hubspot.json").unwrap();
        let send = async |signed: &str, body: &[u8]| {
            let timestamp = (app.clock.now().as_seconds() * 1000).to_string();
            let mut mac = hmac(b"test-secret");
            for part in ["POST".as_bytes(), signed.as_bytes(), body, timestamp.as_bytes()] {
                mac.update(part);
            }
            let request = app.plain(Method::POST, &hook.url).header("x-hubspot-request-timestamp", &timestamp);
            answer(request.header("x-hubspot-signature-v3", BASE64.encode(&mac.finalize().into_bytes())).body(body.to_vec())).await
        };
        assert_eq!(send("https://elsewhere.example/hooks", &body).await.0, StatusCode::UNAUTHORIZED);
        let (status, told) = send(&hook.url, &body).await;
        assert_eq!((status, &told["outcome"]), (StatusCode::OK, &json!("batch")), "{told}");
        assert_eq!((&told["items"][0]["reason"], &told["items"][1]["outcome"]), (&json!("no_address"), &json!("duplicate")));
        assert_stored(&app, "hubspot", &expected("hubspot")).await;
    }

    async fn a_system_that_signs_nothing_can_send_the_secret_in_four_places(app: TestApp) {
        let hook = connect(&app, "support", "freshdesk").await;
        let send = async |url: &str, name: &str, value: &str| {
            let request = app.plain(Method::POST, url).header(name, value).body(r#"{"event": "ticket.updated"}"#);
            answer(request).await.0
        };
        let basic = format!("Basic {}", BASE64.encode(b"anybody:test-secret"));
        let (coded, behind) = (format!("{}?a=1&code=test-secret", hook.url), format!("{}/test-secret", hook.url));
        for (url, name, value) in
            [(&hook.url, "x-webhook-secret", "test-secret"), (&hook.url, "authorization", &basic), (&coded, "accept", "*/*"), (&behind, "accept", "*/*")]
        {
            assert_eq!(send(url, name, value).await, StatusCode::OK, "{url} {name}");
        }
        let wrong = format!("Basic {}", BASE64.encode(b"test-secret:"));
        for (url, name, value) in [
            (&hook.url, "accept", "*/*"),
            (&hook.url, "x-webhook-secret", "test-secre"),
            (&hook.url, "authorization", &wrong),
            (&format!("{}?code=", hook.url), "accept", "*/*"),
            (&format!("{behind}x"), "accept", "*/*"),
        ] {
            assert_eq!(send(url, name, value).await, StatusCode::UNAUTHORIZED, "{url} {name}");
        }
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(app.plain(method, &behind).send().await.unwrap().status(), StatusCode::OK);
        }
    }

    async fn a_form_is_read_like_json_and_a_broken_template_is_told_where(app: TestApp) {
        let hook = connect(&app, "support", "kayako").await;
        let send = async |kind: &str, body: &'static str| {
            let request = app.plain(Method::POST, &hook.url).header("x-webhook-secret", "test-secret").header("content-type", kind);
            answer(request.body(body)).await
        };
        let form = "event=ticket.closed&ticket[id]=7&ticket[subject]=Caf%C3%A9+%22x%22&customer[email]=a%40example.com&tags=vip%2C+new";
        let (status, told) = send("application/x-www-form-urlencoded", form).await;
        assert_eq!((status, &told["outcome"]), (StatusCode::OK, &json!("invited")), "{told}");
        let row = app.row(STORED).await;
        assert_eq!((row[4].as_deref(), row[8].as_deref()), (Some(r#"["vip","new"]"#), Some("a@example.com")));
        // A quote in a subject that the help desk pastes in as it is.
        let (status, told) = send("application/json", "{\"event\": \"ticket.closed\",\n\"ticket\": {\"id\": \"8\", \"subject\": \"a \"b\" c\"}}").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(told["detail"].as_str().unwrap().contains("line 2") && !told.to_string().contains("subject"), "{told}");
        assert_eq!(app.scalar("SELECT COUNT(*) FROM source_event WHERE body IS NOT NULL").await, 1);
    }

    async fn a_source_says_how_it_is_connected_and_gives_the_body_to_paste(app: TestApp) {
        let hook = connect(&app, "support", "freshdesk").await;
        let (status, shown) = app.get(&format!("/api/v1/sources/{}", hook.id)).await;
        assert_eq!((status, &shown["kind"], &shown["survey"]), (StatusCode::OK, &json!("freshdesk"), &json!("support")), "{shown}");
        assert!(shown["setup"]["steps"].as_array().unwrap().iter().any(|step| step.as_str().unwrap().contains(&hook.url)), "{shown}");
        assert!(shown["setup"]["body"].as_str().unwrap().contains("{{ticket.contact.email}}") && shown["setup"]["headers"]["X-Webhook-Secret"].is_string());
        assert!(!shown.to_string().contains("test-secret"), "the secret is told once");
        let signed = Hook::connect(&app, "zammad", "support", None).await;
        let (_, shown) = app.get(&format!("/api/v1/sources/{}", signed.id)).await;
        assert_eq!((&shown["setup"]["body"], &shown["setup"]["headers"]), (&Value::Null, &json!({})));
        assert!(signed.secret.len() <= 40 && signed.secret.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{}", signed.secret);
        assert_eq!(app.get("/api/v1/sources/019bc134-7840-704c-8d85-4eb585da4084").await.0, StatusCode::NOT_FOUND);
    }

    async fn front_gets_its_challenge_back_and_nobody_else_does(app: TestApp) {
        let hook = connect(&app, "front", "front").await;
        let ask = |url: &str| app.plain(Method::POST, url).header("x-front-challenge", "c-123").body(r#"{"type": "sync"}"#);
        let answered = ask(&hook.url).send().await.unwrap();
        assert_eq!(answered.status(), StatusCode::OK);
        assert!(answered.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
        assert_eq!(answered.text().await.unwrap(), "c-123");
        let other = connect(&app, "zammad", "zammad").await;
        assert_eq!(ask(&other.url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM source_event").await, 0);
    }

    async fn a_zendesk_trigger_becomes_exactly_its_interaction(app: TestApp) {
        app.survey("support", json!({})).await;
        let hook = Hook::connect(&app, "zendesk", "support", Some("test-secret")).await;
        let (status, first) = deliver(&app, &hook, "zendesk-trigger").await;
        assert_eq!((status, &first["outcome"]), (StatusCode::OK, &json!("invited")), "{first}");
        assert_stored(&app, "support", &expected("zendesk-trigger")).await;
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
        assert_stored(&app, "support", &expected("standard-webhooks")).await;
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
