//! Where events carry no address the help desk's API is asked, after the hook was answered; whatever it answers, the closing is decided.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::hook::{Hook, closed};
use crate::lookup_samples::{SYSTEMS, System, connect, send};
use crate::on_both_engines;
use crate::peer::{self, OPENED, Peer};

/// The only interaction of a survey, as far as a look-up completes it.
async fn stored(app: &TestApp, survey: &str) -> Value {
    let sql = format!(
        "SELECT interaction.closure_key, interaction.outcome, interaction.reason, interaction.explanation, interaction.ticket, interaction.agent, interaction.team,
             interaction.channel, interaction.tags, interaction.locale, customer.email, customer.name, customer.phone
         FROM interaction LEFT JOIN customer ON customer.id = interaction.customer_id WHERE interaction.survey_id = (SELECT id FROM survey WHERE slug = '{survey}')"
    );
    let row = app.row(sql.leak()).await;
    let json = |column: usize| -> Value { serde_json::from_str(row[column].as_deref().unwrap()).unwrap() };
    json!({
        "closure_key": row[0], "outcome": row[1], "reason": row[2], "explanation": row[3], "ticket": json(4), "agent": json(5), "team": row[6], "channel": row[7],
        "tags": json(8), "locale": row[9], "email": row[10], "name": row[11], "phone": row[12],
    })
}

/// What the source's list of events says of the newest.
async fn newest(app: &TestApp, hook: &Hook) -> Value {
    app.get(&format!("/api/v1/sources/{}/events", hook.id)).await.1["items"][0].clone()
}

/// A Jira source whose API is this peer, with one closing that waits.
async fn waiting(app: &TestApp, peer: &Peer) -> (Hook, &'static System) {
    let jira = SYSTEMS.iter().find(|system| system.kind == "jira").unwrap();
    app.survey("jira", json!({})).await;
    let hook = connect(app, jira, &peer.url).await;
    let (status, told) = send(app, &hook, jira.kind, &jira.event()).await;
    assert_eq!((status, told), (StatusCode::OK, json!({"outcome": "pending"})));
    (hook, jira)
}

fn good(asked: &peer::Asked) -> String {
    let jira = SYSTEMS.iter().find(|system| system.kind == "jira").unwrap();
    jira.answer(asked)
}

on_both_engines! {
    async fn every_system_is_asked_after_its_hook_was_answered_and_completes_the_closing(app: TestApp = OPENED) {
        for system in SYSTEMS {
            app.survey(system.kind, json!({})).await;
            let peer = Peer::start(move |asked, _| system.answer(asked)).await;
            let hook = connect(&app, system, &peer.url).await;
            let (status, told) = send(&app, &hook, system.kind, &system.event()).await;
            assert_eq!((status, &told), (StatusCode::OK, &json!({"outcome": "pending"})), "{}", system.kind);
            assert_eq!((peer.asked().len(), newest(&app, &hook).await["outcome"].clone()), (0, json!("pending")), "{}", system.kind);

            assert_eq!(app.app.deliver_due().await.unwrap(), 2, "{}: one look-up, one mail", system.kind);
            let stored = stored(&app, system.kind).await;
            let mut expected: Value = serde_json::from_str(system.expected).unwrap();
            expected["outcome"] = json!("invited");
            for (field, value) in expected.as_object().unwrap() {
                let (found, wanted) = if field == "ticket" { (&stored["ticket"]["subject"], &value["subject"]) } else { (&stored[field], value) };
                assert_eq!(found, wanted, "{}: {field} of {stored}", system.kind);
            }
            let mail = app.mails.lock().unwrap().pop().unwrap();
            assert!(String::from_utf8(mail.to_bytes().unwrap()).unwrap().contains(expected["email"].as_str().unwrap()), "{}", system.kind);
            let noted = newest(&app, &hook).await;
            assert_eq!((&noted["outcome"], &noted["answer"]["outcome"]), (&json!("accepted"), &json!("invited")), "{noted}");
            for asked in peer.asked().iter().filter(|asked| asked.path != "/token") {
                assert!(system.credentials.iter().all(|(name, value)| asked.header(name) == Some(value)), "{}: {}", system.kind, asked.head);
                assert!(asked.head.starts_with("GET "), "{}", asked.head);
            }

            let (_, again) = send(&app, &hook, system.kind, &system.event()).await;
            assert_eq!((&again["outcome"], &again["interaction"]), (&json!("duplicate"), &noted["answer"]["interaction"]), "{again}");
            assert_eq!(app.scalar("SELECT COUNT(*) FROM lookup").await, 0);
        }
    }

    async fn a_refusal_is_told_with_what_to_configure(app: TestApp = OPENED) {
        for (status, advice) in [(401, "options.api_token"), (403, "options.api_token"), (404, "options.api_url"), (400, "400"), (302, "redirect")] {
            let peer = Peer::start(move |_, _| peer::bytes(status, "location: http://127.0.0.1:9/\r\n", "{}")).await;
            let jira = SYSTEMS.iter().find(|system| system.kind == "jira").unwrap();
            let survey = format!("refused-{status}");
            app.survey(&survey, json!({})).await;
            let hook = crate::lookup_samples::connect_to(&app, jira, &survey, &peer.url).await;
            assert_eq!(send(&app, &hook, jira.kind, &jira.event()).await.1["outcome"], "pending");
            assert_eq!(app.app.deliver_due().await.unwrap(), 1);
            assert_eq!(peer.asked().len(), 1, "{status}");
            let stored = stored(&app, &survey).await;
            let explanation = stored["explanation"].as_str().unwrap();
            assert_eq!(stored["reason"], "no_address");
            assert!(explanation.contains(&status.to_string()) && explanation.contains(advice), "{explanation}");
            assert_eq!(newest(&app, &hook).await["answer"]["reason"], "no_address");
        }
    }

    async fn what_may_pass_is_asked_again_and_a_pause_that_is_asked_for_is_kept(app: TestApp = OPENED) {
        let peer = Peer::start(|asked, before| match before {
            0 => peer::bytes(429, "retry-after: 120\r\n", ""),
            1 => peer::bytes(500, "", ""),
            2 => peer::bytes(200, "", "<html>garbage</html>"),
            3 => peer::silence(),
            _ => good(asked),
        })
        .await;
        let (hook, _) = waiting(&app, &peer).await;
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        app.clock.advance(119_999);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0, "it asked for two minutes");
        app.clock.advance(1);
        for (attempt, wait_ms) in [(2, 72_000), (3, 360_000), (4, 2_160_000)] {
            assert_eq!((app.app.deliver_due().await.unwrap(), peer.asked().len()), (1, attempt));
            assert_eq!(newest(&app, &hook).await["outcome"], "pending");
            app.clock.advance(wait_ms);
        }
        assert_eq!(app.app.deliver_due().await.unwrap(), 2);
        assert_eq!(stored(&app, "jira").await["email"], "leila@example.com");
    }

    async fn when_the_schedule_is_used_up_it_is_decided_without_the_address(app: TestApp = &[OPENED[0], OPENED[1], ("NABZ__LOOKUPS__RETRY_SCHEDULE_MS", "[1000]")]) {
        let peer = Peer::start(|_, _| peer::bytes(503, "", "")).await;
        let (hook, _) = waiting(&app, &peer).await;
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        app.clock.advance(1_200);
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        let stored = stored(&app, "jira").await;
        assert_eq!((&stored["outcome"], &stored["reason"]), (&json!("skipped"), &json!("no_address")));
        assert!(stored["explanation"].as_str().unwrap().ends_with("answered 503, at the last of 2 attempts."), "{stored}");
        assert_eq!((newest(&app, &hook).await["answer"]["outcome"].clone(), peer.asked().len()), (json!("skipped"), 2));
        app.clock.advance(86_400_000);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0);
    }

    async fn an_answer_that_is_too_long_or_shows_no_address_ends_it(app: TestApp = OPENED) {
        for (survey, body, told) in [("long", "x".repeat(70_000), "64 KiB"), ("nobody", json!({"fields": {}}).to_string(), "no address of this customer")] {
            let peer = Peer::start(move |asked, _| if asked.path.starts_with("/rest/api") { peer::bytes(200, "", &body) } else { peer::json(200, "", &json!({})) }).await;
            let jira = SYSTEMS.iter().find(|system| system.kind == "jira").unwrap();
            app.survey(survey, json!({})).await;
            let hook = crate::lookup_samples::connect_to(&app, jira, survey, &peer.url).await;
            send(&app, &hook, jira.kind, &jira.event()).await;
            assert_eq!(app.app.deliver_due().await.unwrap(), 1);
            let stored = stored(&app, survey).await;
            assert!(stored["reason"] == "no_address" && stored["explanation"].as_str().unwrap().contains(told), "{stored}");
        }
    }

    async fn a_private_address_is_not_asked(app: TestApp) {
        let peer = Peer::start(|asked, _| good(asked)).await;
        let (status, problem) = {
            app.survey("jira", json!({})).await;
            let options = json!({"api_url": peer.url, "api_token": "a@b.example:x"});
            app.post("/api/v1/sources", &json!({"name": "Desk", "kind": "jira", "survey": "jira", "secret": "test-secret", "options": options})).await
        };
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("options.api_url")));
        // Even where one was stored by other means, or its range was closed since.
        let jira = SYSTEMS.iter().find(|system| system.kind == "jira").unwrap();
        let hook = connect(&app, jira, "https://acme.atlassian.net").await;
        app.execute(format!("UPDATE source SET options = '{}'", json!({"api_url": peer.url})).leak()).await;
        send(&app, &hook, jira.kind, &jira.event()).await;
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        let stored = stored(&app, "jira").await;
        assert!(stored["reason"] == "no_address" && stored["explanation"].as_str().unwrap().contains("webhooks.allow_private"), "{stored}");
        assert_eq!(peer.asked().len(), 0);
    }

    async fn a_ticket_that_is_opened_again_meanwhile_is_not_asked_about(app: TestApp = OPENED) {
        let peer = Peer::start(|asked, _| good(asked)).await;
        let (hook, jira) = waiting(&app, &peer).await;
        let (_, told) = send(&app, &hook, jira.kind, &json!({"event": "ticket.reopened", "ticket": {"id": "10002"}})).await;
        assert_eq!(told, json!({"outcome": "ignored", "reason": "reopened", "withdrawn": []}));
        assert_eq!((app.app.deliver_due().await.unwrap(), peer.asked().len()), (1, 0));
        let stored = stored(&app, "jira").await;
        assert_eq!((&stored["outcome"], &stored["reason"]), (&json!("skipped"), &json!("not_closed")));
        // The same closing, delivered once more, is still that closing; another one is asked about.
        assert_eq!(send(&app, &hook, jira.kind, &jira.event()).await.1["outcome"], "duplicate");
        let mut later = jira.event();
        later["issue"]["fields"]["resolutiondate"] = json!("2026-01-15T10:29:59.000+0000");
        assert_eq!(send(&app, &hook, jira.kind, &later).await.1["outcome"], "pending");
        assert_eq!(app.app.deliver_due().await.unwrap(), 2);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM invitation").await, 1);
    }

    async fn an_opening_while_the_help_desk_is_being_asked_counts(app: TestApp = OPENED) {
        let (peer, gate) = Peer::gated(|asked, _| good(asked)).await;
        let (hook, jira) = waiting(&app, &peer).await;
        let opening = async {
            while peer.asked().is_empty() {
                tokio::task::yield_now().await;
            }
            let told = send(&app, &hook, jira.kind, &json!({"event": "ticket.reopened", "ticket": {"id": "10002"}})).await;
            gate.add_permits(9);
            told
        };
        let (attempts, (status, _)) = tokio::join!(app.app.deliver_due(), opening);
        assert_eq!((attempts.unwrap(), status), (1, StatusCode::OK));
        assert_eq!(stored(&app, "jira").await["reason"], "not_closed");
        assert!(app.mails.lock().unwrap().is_empty());
    }

    async fn one_closing_is_looked_up_once_and_decided_once_whoever_is_first(app: TestApp = OPENED) {
        let peer = Peer::start(|asked, _| good(asked)).await;
        let (hook, jira) = waiting(&app, &peer).await;
        app.clock.advance(1);
        assert_eq!(send(&app, &hook, jira.kind, &jira.event()).await.1, json!({"outcome": "duplicate", "reason": "pending"}));
        let mut by_api = closed(&app, "10002", "other@example.com");
        by_api.as_object_mut().unwrap().remove("event");
        by_api["survey"] = json!("jira");
        by_api["ticket"]["closed_at"] = json!("2026-01-15T10:29:58.000Z");
        let (status, told) = app.post("/api/v1/interactions", &by_api).await;
        assert_eq!((status, &told["outcome"]), (StatusCode::CREATED, &json!("invited")), "{told}");
        assert_eq!(app.app.deliver_due().await.unwrap(), 2);
        let (_, listed) = app.get(&format!("/api/v1/sources/{}/events", hook.id)).await;
        assert_eq!(listed["items"][0]["answer"], json!({"outcome": "duplicate", "reason": "pending"}), "{listed}");
        let first = &listed["items"][1]["answer"];
        assert_eq!((&first["outcome"], &first["interaction"]), (&json!("duplicate"), &told["id"]), "{listed}");
        assert_eq!(app.scalar("SELECT (SELECT COUNT(*) FROM interaction) * 100 + (SELECT COUNT(*) FROM invitation) * 10 + (SELECT COUNT(*) FROM lookup)").await, 110);
    }

    async fn a_list_is_answered_place_by_place_until_nothing_of_it_is_pending(app: TestApp = OPENED) {
        let hubspot = SYSTEMS.iter().find(|system| system.kind == "hubspot").unwrap();
        let peer = Peer::start(|asked, before| if before == 0 { peer::bytes(500, "", "") } else { hubspot.answer(asked) }).await;
        app.survey("hubspot", json!({})).await;
        let hook = connect(&app, hubspot, &peer.url).await;
        let mut other = hubspot.event();
        other["objectId"] = json!(8);
        let (_, told) = send(&app, &hook, "hubspot", &json!([hubspot.event(), hubspot.event(), other, {"subscriptionType": "contact.creation"}])).await;
        let outcomes = |told: &Value| told["items"].as_array().unwrap().iter().map(|item| item["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(outcomes(&told), ["pending", "duplicate", "pending", "ignored"]);
        app.app.deliver_due().await.unwrap();
        assert_eq!(newest(&app, &hook).await["outcome"], "pending");
        app.clock.advance(12_000);
        app.app.deliver_due().await.unwrap();
        let noted = newest(&app, &hook).await;
        let mut ended = outcomes(&noted["answer"]);
        assert_eq!((&noted["outcome"], ended.remove(1), ended.remove(2)), (&json!("accepted"), "duplicate".to_owned(), "ignored".to_owned()), "{noted}");
        ended.sort_unstable();
        // Both are tickets of one customer, who is asked once.
        assert!(ended.iter().all(|outcome| outcome == "invited" || outcome == "skipped") && ended.contains(&"invited".to_owned()), "{noted}");
    }

    async fn a_source_that_is_gone_or_lost_its_token_leaves_no_closing_undecided(app: TestApp = OPENED) {
        let peer = Peer::start(|asked, _| good(asked)).await;
        let (hook, jira) = waiting(&app, &peer).await;
        let path = format!("/api/v1/sources/{}", hook.id);
        assert_eq!(answer(app.api(Method::PATCH, &path).json(&json!({"options": null}))).await.0, StatusCode::OK);
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert!(stored(&app, "jira").await["explanation"].as_str().unwrap().contains("options.api_token"));
        // Without a token it is decided at once, as ever.
        let mut next = jira.event();
        next["issue"]["id"] = json!("10003");
        let (_, told) = send(&app, &hook, jira.kind, &next).await;
        assert_eq!((&told["outcome"], &told["reason"]), (&json!("skipped"), &json!("no_address")));
        let (_, shown) = app.get(&path).await;
        assert!(shown["setup"]["steps"].to_string().contains("options.api_token"), "{shown}");

        let other = connect(&app, jira, &peer.url).await;
        next["issue"]["id"] = json!("10004");
        assert_eq!(send(&app, &other, jira.kind, &next).await.1["outcome"], "pending");
        assert_eq!(app.api(Method::DELETE, &format!("/api/v1/sources/{}", other.id)).send().await.unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!((app.scalar("SELECT COUNT(*) FROM interaction").await, peer.asked().len()), (3, 0));
    }
}
