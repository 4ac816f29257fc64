//! What the world sees over HTTP, on both engines: happiness reports, the start page and the readable API.

use reqwest::header::{ACCEPT_LANGUAGE, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::on_both_engines;

const DAY_MS: i64 = 86_400_000;

async fn published(app: &TestApp) -> Value {
    let (status, report) = answer(app.plain(Method::GET, "/happiness/support.json")).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    report
}

/// Enables the report and answers tickets `from` to `to` with a score.
async fn vote(app: &TestApp, tickets: std::ops::RangeInclusive<u32>, score: u8) {
    for ticket in tickets {
        let link = app.link("support", &ticket.to_string()).await;
        app.vote(&link, score, "").await;
    }
}

async fn open_survey(app: &TestApp) {
    app.survey("support", json!({"deliver": [], "public": {"enabled": true}})).await;
}

fn header(response: &Response, name: reqwest::header::HeaderName) -> String {
    response.headers().get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

on_both_engines! {
    async fn votes_appear_in_lots_once_there_are_enough(app: TestApp) {
        open_survey(&app).await;
        vote(&app, 1..=7, 5).await;
        let few = published(&app).await;
        assert_eq!((&few["state"], &few["n"], &few["minimum"], &few["votes"]), (&json!("collecting"), &json!(7), &json!(10), &json!([])));
        assert_eq!((&few["score"], &few["counts"], &few["last_100"]["score"]), (&Value::Null, &Value::Null, &Value::Null));
        assert_eq!((&few["invited"], &few["answered"], &few["response_rate"]), (&json!(7), &json!(7), &json!(100.0)));
        vote(&app, 8..=9, 5).await;
        assert_eq!(published(&app).await["n"], 9);
        for (tickets, score, n) in [(10..=10, 5, 10), (11..=14, 1, 10), (15..=15, 1, 15)] {
            app.clock.advance(60_000);
            vote(&app, tickets, score).await;
            let report = published(&app).await;
            assert_eq!((&report["state"], &report["n"], report["votes"].as_array().unwrap().len()), (&json!("published"), &json!(n), n));
        }
        let report = published(&app).await;
        assert_eq!((&report["counts"], &report["score"]), (&json!({"1": 5, "2": 0, "3": 0, "4": 0, "5": 10}), &json!(66.7)));
        assert_eq!((&report["votes"][0], &report["since"]), (&json!({"score": 1, "day": "2026-01-15"}), &json!("2026-01-15")));
        assert_eq!((&report["last_100"], &report["title"]), (&json!({"n": 15, "score": 66.7, "interval": [41.7, 84.8]}), &json!("Acme")));
    }

    async fn a_vote_is_public_after_a_day_and_an_edit_at_once(app: TestApp) {
        open_survey(&app).await;
        vote(&app, 1..=11, 5).await;
        app.clock.advance(60_000);
        let link = app.link("support", "12").await;
        app.vote(&link, 1, "").await;
        assert_eq!(published(&app).await["n"], 10);
        app.clock.advance(DAY_MS - 1);
        assert_eq!(published(&app).await["n"], 11);
        app.clock.advance(1);
        assert_eq!(published(&app).await["counts"]["1"], 1);
        app.vote(&link, 4, "").await;
        let edited = published(&app).await;
        assert_eq!((&edited["n"], &edited["counts"]["1"], &edited["counts"]["4"], &edited["votes"][0]), (&json!(12), &json!(0), &json!(1), &json!({"score": 4, "day": "2026-01-15"})));
    }

    async fn only_counted_answers_to_invitations_and_agreed_comments_are_public(app: TestApp) {
        open_survey(&app).await;
        vote(&app, 1..=12, 5).await;
        app.scalar("UPDATE response SET excluded = 'test' WHERE id IN (SELECT id FROM response ORDER BY first_answered_at, id LIMIT 1) RETURNING CAST(1 AS BIGINT)").await;
        app.scalar("UPDATE response SET invitation_id = NULL WHERE id IN (SELECT id FROM response WHERE excluded IS NULL ORDER BY id LIMIT 1) RETURNING CAST(1 AS BIGINT)").await;
        for (consent, published, ticket) in [("true", "false", 20), ("false", "true", 21), ("true", "true", 22)] {
            app.clock.advance(1000);
            let link = app.link("support", &ticket.to_string()).await;
            app.vote(&link, 3, &format!("{consent} and {published}")).await;
        }
        app.scalar("UPDATE response SET consent = comment LIKE 'true%', published = comment LIKE '%true' WHERE comment IS NOT NULL RETURNING CAST(1 AS BIGINT)").await;
        vote(&app, 13..=14, 5).await;
        let report = published(&app).await;
        assert_eq!((&report["n"], &report["counts"]["5"], &report["counts"]["3"]), (&json!(15), &json!(12), &json!(3)));
        assert_eq!((&report["comments"], &report["withheld"]), (&json!([{"score": 3, "text": "true and true", "day": "2026-01-15", "locale": "en"}]), &json!({})));
    }

    async fn a_reader_who_has_it_is_not_sent_it_again(app: TestApp) {
        open_survey(&app).await;
        vote(&app, 1..=10, 4).await;
        for (path, origin) in [("/happiness/support.json", "*"), ("/happiness/support", "")] {
            let first = app.plain(Method::GET, path).send().await.unwrap();
            let etag = header(&first, ETAG);
            assert!(etag.starts_with('"'), "{etag}");
            assert_eq!(header(&first, CACHE_CONTROL), "public, max-age=60, stale-while-revalidate=600");
            assert_eq!(header(&first, ACCESS_CONTROL_ALLOW_ORIGIN), origin);
            let again = app.plain(Method::GET, path).header(IF_NONE_MATCH, &etag).send().await.unwrap();
            assert_eq!((again.status(), header(&again, ETAG)), (StatusCode::NOT_MODIFIED, etag.clone()));
            let head = app.plain(Method::HEAD, path).send().await.unwrap();
            assert_eq!((head.status(), header(&head, ETAG), head.text().await.unwrap()), (StatusCode::OK, etag.clone(), String::new()));
            let posted = app.plain(Method::POST, path).send().await.unwrap();
            assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
        }
        let before = header(&app.plain(Method::GET, "/happiness/support.json").send().await.unwrap(), ETAG);
        vote(&app, 11..=15, 4).await;
        assert_ne!(header(&app.plain(Method::GET, "/happiness/support.json").send().await.unwrap(), ETAG), before);
    }

    async fn a_report_is_public_only_while_it_is_enabled(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let status = async |path: &str| app.plain(Method::GET, path).send().await.unwrap().status().as_u16();
        for (enabled, expected) in [(false, 404), (true, 200), (false, 404), (true, 200)] {
            app.api(Method::PATCH, "/api/v1/surveys/support").json(&json!({"public": {"enabled": enabled}})).send().await.unwrap();
            assert_eq!((status("/happiness/support").await, status("/happiness/support.json").await), (expected, expected));
            let list = app.plain(Method::GET, "/happiness").send().await.unwrap().text().await.unwrap();
            assert_eq!(list.contains("href=\"/happiness/support\""), enabled, "{list}");
        }
        assert_eq!(status("/happiness/nothing").await, 404);
    }

    async fn the_page_speaks_the_reader_s_language_and_is_small(app: TestApp) {
        open_survey(&app).await;
        let open = async |path: &str, language: &str| app.plain(Method::GET, path).header(ACCEPT_LANGUAGE, language).send().await.unwrap();
        vote(&app, 1..=7, 5).await;
        assert!(open("/happiness/support", "en").await.text().await.unwrap().contains("Not enough votes yet: 7 of 10"));
        vote(&app, 8..=17, 5).await;
        vote(&app, 18..=20, 2).await;
        let english = open("/happiness/support", "de").await;
        let policy = header(&english, CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        let english = english.text().await.unwrap();
        assert!(english.contains("17 of 20 satisfied") && english.contains("between 64 and 95%"), "{english}");
        assert_eq!(english.matches("<li class=\"high\">").count(), 17);
        assert!(!english.contains("<script") && !english.contains("AggregateRating") && english.len() < 14 * 1024, "{}", english.len());
        let persian = open("/happiness/support", "fa").await.text().await.unwrap();
        assert!(persian.contains("dir=\"rtl\"") && persian.contains("۱۷ نفر از ۲۰ نفر راضی") && persian.contains("۲۵ دی ۱۴۰۴"), "{persian}");
        let arabic = open("/happiness/support?lang=ar", "fa").await.text().await.unwrap();
        assert!(arabic.contains("١٧ من ٢٠ راضون"), "{arabic}");
    }

    async fn the_door_leads_on(app: TestApp) {
        for (path, expected) in [("/", "curl http://127.0.0.1"), ("/?lang=fa", "نبض در حال اجراست"), ("/docs", "id=\"get-api-v1-reports-breakdown\""), ("/docs", "id=\"not_found\"")] {
            let page = app.plain(Method::GET, path).send().await.unwrap();
            assert_eq!(page.status(), StatusCode::OK, "{path}");
            assert!(header(&page, CONTENT_SECURITY_POLICY).contains("default-src 'none'"), "{path}");
            let page = page.text().await.unwrap();
            assert!(page.contains(expected) && !page.contains("<script"), "{path} {expected}");
        }
    }
}
