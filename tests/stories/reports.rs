//! Reports over HTTP, on both engines: what was voted is what is reported, by every dimension.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::TestApp;
use crate::on_both_engines;

const ALL: [&str; 13] =
    ["agent", "team", "channel", "tag", "touchpoint", "locale", "source", "segment", "product", "day", "week", "month", "score"];

/// Closes a ticket of an agent and answers the link.
async fn ask(app: &TestApp, ticket: u32, agent: &Value, tags: &Value) -> String {
    let body = json!({
        "survey": "support", "ticket": {"id": ticket.to_string()}, "customer": {"email": format!("c{ticket}@example.com"), "locale": "fa"},
        "agent": agent, "team": "Billing", "channel": "email", "tags": tags, "touchpoint": "support", "segment": "small", "product": "app"
    });
    let (_, decided) = app.post("/api/v1/interactions", &body).await;
    decided["invitation"]["link"].as_str().unwrap().to_owned()
}

async fn report(app: &TestApp, query: &str) -> Value {
    let (status, report) = app.get(&format!("/api/v1/reports/breakdown?survey=support&{query}")).await;
    assert_eq!(status, StatusCode::OK, "{query}: {report}");
    report
}

/// Jonas: 5, 5, 4 and one that does not answer; Ada: 1. Jonas's first two are tagged.
async fn five_tickets(app: &TestApp) {
    app.survey("support", json!({"deliver": [], "timezone": "Asia/Tehran", "week_start": "saturday"})).await;
    let (jonas, ada) = (json!({"id": "17", "name": "Jonas"}), json!({"id": "18", "name": "Ada"}));
    for (ticket, agent, tags, score) in [
        (1, &jonas, json!(["vip"]), Some(5)),
        (2, &jonas, json!(["vip", "late"]), Some(5)),
        (3, &jonas, json!([]), Some(4)),
        (4, &jonas, json!([]), None),
        (5, &ada, json!([]), Some(1)),
    ] {
        let link = ask(app, ticket, agent, &tags).await;
        if let Some(score) = score {
            app.vote(&link, score, if ticket == 1 { "Quick!" } else { "" }).await;
        }
    }
}

on_both_engines! {
    async fn what_was_voted_is_what_is_reported(app: TestApp) {
        five_tickets(&app).await;
        let report = report(&app, "by=agent").await;
        let expected = json!({
            "n": 4, "counts": {"1": 1, "2": 0, "3": 0, "4": 1, "5": 2}, "score": 75.0, "interval": [30.1, 95.4], "mean": 3.75,
            "bands": {"low": {"n": 1, "percent": 25}, "middle": {"n": 0, "percent": 0}, "high": {"n": 3, "percent": 75}},
            "comments": 1, "delivered": 5, "answered": 4, "response_rate": 80.0
        });
        assert_eq!(report["total"], expected);
        assert_eq!(report["period"], json!({"from": "2025-12-17", "to": "2026-01-15", "timezone": "Asia/Tehran"}));
        assert_eq!((&report["as_of"], &report["previous"], &report["difference"]), (&json!("2026-01-15T10:30:00.000Z"), &Value::Null, &Value::Null));
        let rows: Vec<_> = report["rows"].as_array().unwrap().iter().map(|row| json!([row["key"], row["label"], row["n"], row["delivered"], row["versus_rest"]["value"]])).collect();
        assert_eq!(json!(rows), json!([["17", "Jonas", 3, 4, 100.0], ["18", "Ada", 1, 1, -100.0]]));
    }

    async fn every_dimension_adds_up(app: TestApp) {
        five_tickets(&app).await;
        for by in ALL {
            let report = report(&app, &format!("by={by}")).await;
            let rows = report["rows"].as_array().unwrap();
            let keys: Vec<_> = rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
            let expected: &[&str] = match by {
                "agent" => &["17", "18"],
                "team" => &["Billing"],
                "channel" => &["email"],
                "tag" => &["vip", "late"],
                "touchpoint" => &["support"],
                "locale" => &["fa"],
                "source" => &[""],
                "segment" => &["small"],
                "product" => &["app"],
                "day" => &["2026-01-15"],
                "week" => &["2026-01-10"],
                "month" => &["2026-01"],
                _ => &["1", "2", "3", "4", "5"],
            };
            assert_eq!(keys, expected, "{by}");
            assert_eq!(report["total"]["n"], 4, "{by}");
            let sum: u64 = rows.iter().map(|row| row["n"].as_u64().unwrap()).sum();
            assert_eq!(sum, if by == "tag" { 3 } else { 4 }, "{by}");
        }
        let jalali = report(&app, "by=month&calendar=jalali").await;
        assert_eq!(jalali["rows"][0]["key"], "1404-10");
    }

    async fn a_filter_keeps_only_its_answers(app: TestApp) {
        five_tickets(&app).await;
        for (query, n, delivered) in [
            ("agent=17", 3, 4), ("agent=18&team=Billing", 1, 1), ("tag=vip", 2, 2), ("tag=vip&by=tag", 2, 2), ("tag=late&agent=18", 0, 0),
            ("channel=email&touchpoint=support&locale=fa&segment=small&product=app", 4, 5), ("channel=chat", 0, 0), ("source=", 4, 5), ("agent=", 0, 0),
            ("from=2026-01-15&to=2026-01-15", 4, 5), ("to=2026-01-14", 0, 0),
        ] {
            let report = report(&app, query).await;
            assert_eq!((&report["total"]["n"], &report["total"]["delivered"]), (&json!(n), &json!(delivered)), "{query}");
        }
        let nothing = report(&app, "channel=chat&by=agent").await;
        assert_eq!((&nothing["total"]["score"], &nothing["total"]["response_rate"], &nothing["rows"]), (&Value::Null, &Value::Null, &json!([])));
        assert_eq!(nothing["filter"], json!({"channel": "chat"}));
    }

    async fn a_period_is_compared_with_the_one_before(app: TestApp) {
        five_tickets(&app).await;
        app.clock.advance(7 * 86_400_000);
        let link = ask(&app, 6, &json!({"id": "17"}), &json!([])).await;
        app.vote(&link, 5, "").await;
        let report = report(&app, "from=2026-01-16&to=2026-01-22&compare=previous").await;
        assert_eq!((&report["total"]["n"], &report["previous"]["n"]), (&json!(1), &json!(4)));
        assert_eq!((&report["difference"]["value"], &report["difference"]["verdict"]), (&json!(25.0), &json!("within_chance")));
        assert_eq!((&report["rows"], &report["by"]), (&json!([]), &Value::Null));
    }

    async fn a_question_that_makes_no_sense_is_refused_by_name(app: TestApp) {
        app.survey("support", json!({})).await;
        for (query, status, field) in [
            ("survey=support&by=mood", 422, "by"), ("survey=support&from=2026-13-01", 422, "from"), ("survey=support&to=yesterday", 422, "to"),
            ("survey=support&from=2026-01-16", 422, "from"), ("survey=support&from=2000-01-01", 422, "from"), ("survey=support&compare=next", 422, "compare"),
            ("survey=support&calendar=mayan", 422, "calendar"), ("survey=support&tag=", 422, "tag"), ("survey=support&mood=good", 422, "mood"),
            ("by=agent", 422, "survey"), ("survey=nothing", 404, ""),
        ] {
            let (answered, problem) = app.get(&format!("/api/v1/reports/breakdown?{query}")).await;
            assert_eq!(answered.as_u16(), status, "{query}: {problem}");
            assert_eq!(problem["errors"][0]["field"].as_str().unwrap_or_default(), field, "{query}");
        }
        let without_key = app.plain(reqwest::Method::GET, "/api/v1/reports/breakdown?survey=support").send().await.unwrap();
        assert_eq!(without_key.status(), StatusCode::UNAUTHORIZED);
    }
}
