//! The survey page as a customer meets it: what is refused and why, what is kept, what is answered.

use nabz::link::{Links, Purpose};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::common::{TestApp, answer};
use crate::on_both_engines;

const DAY_MS: i64 = 86_400_000;

/// A form as a person sends it.
fn form<'a>(nonce: &'a str, score: &'a str, comment: &'a str) -> [(&'static str, &'a str); 4] {
    [("nonce", nonce), ("score", score), ("comment", comment), ("evidence", "pointerdown")]
}

async fn votes(app: &TestApp) -> i64 {
    app.scalar("SELECT COUNT(*) FROM response").await
}

/// The statuses of everything that can be done with a link.
async fn statuses(app: &TestApp, link: &str, nonce: &str) -> Vec<u16> {
    let form = form(nonce, "4", "");
    let requests = [
        app.plain(Method::GET, link),
        app.plain(Method::GET, &format!("{link}/4")),
        app.plain(Method::POST, link).form(&form),
        app.plain(Method::POST, &format!("{link}/touch")).form(&form),
    ];
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    statuses
}

on_both_engines! {
    async fn every_bad_token_gets_the_same_page(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        let (base, token) = link.rsplit_once('/').unwrap();
        let links = Links::new(&app.app.context.keyring);
        let id = links.open(Purpose::Vote, token).unwrap();
        let changed = format!("{}{}", &token[..52], if token.ends_with('a') { 'b' } else { 'a' });
        let nobody = uuid::Uuid::from_u128(7);
        let (unknown, nonce) = (links.token(Purpose::Vote, nobody), links.nonce(nobody, app.clock.now(), &app.app.context.random));
        let (short, long, foreign) = (token[1..].to_owned(), format!("{token}a"), links.token(Purpose::Unsubscribe, id));
        let mut pages = Vec::new();
        for bad in ["x", "a".repeat(53).as_str(), &changed, &unknown, &short, &long, &foreign, "%00", "%F0%9F%99%82"] {
            assert_eq!(statuses(&app, &format!("{base}/{bad}"), &nonce).await, [404; 4], "{bad}");
            let page = app.plain(Method::GET, &format!("{base}/{bad}")).send().await.unwrap().text().await.unwrap();
            let csp = page.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            pages.push(page.replace(&csp, ""));
        }
        pages.dedup();
        assert_eq!(pages.len(), 1);
        let unsubscribe = format!("{}/u/{token}", app.url);
        for method in [Method::GET, Method::POST] {
            assert_eq!(app.plain(method, &unsubscribe).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        }
        let shouted = format!("{base}/{}", token.to_uppercase());
        assert_eq!(app.plain(Method::GET, &shouted).send().await.unwrap().status(), StatusCode::OK, "some programs write links in capitals");
        assert_eq!(votes(&app).await, 0);
    }

    async fn a_link_ends_exactly_when_it_was_said_to(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let (link, answered) = (app.link("support", "1").await, app.link("support", "2").await);
        app.clock.advance(30 * DAY_MS - 1);
        let (_, nonce) = app.page(&link).await;
        assert_eq!(app.vote(&answered, 4, "").await.0, StatusCode::OK);
        app.clock.advance(1);
        assert_eq!(statuses(&app, &link, &nonce).await, [410; 4]);
        assert_eq!(votes(&app).await, 1);
        assert_eq!(app.vote(&answered, 5, "").await.0, StatusCode::OK, "an answer can be changed for 14 days, whatever the link said");
        assert_eq!(app.scalar("SELECT n5 FROM tally WHERE n5 > 0").await, 1);
    }

    async fn an_answer_can_be_changed_for_fourteen_days_and_not_a_moment_longer(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        app.vote(&link, 1, "").await;
        app.clock.advance(14 * DAY_MS - 1);
        assert_eq!(app.vote(&link, 2, "").await.0, StatusCode::OK);
        let (_, nonce) = app.page(&link).await;
        app.clock.advance(1);
        assert_eq!(statuses(&app, &link, &nonce).await, [410; 4]);
        assert_eq!(app.scalar("SELECT CAST(raw AS BIGINT) FROM response").await, 2);
    }

    async fn the_links_of_an_archived_survey_say_that_it_is_over(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let (link, answered) = (app.link("support", "1").await, app.link("support", "2").await);
        app.vote(&answered, 3, "").await;
        let (_, nonce) = app.page(&link).await;
        let (_, other) = app.page(&answered).await;
        assert_eq!(answer(app.api(Method::POST, "/api/v1/surveys/support/archive")).await.0, StatusCode::OK);
        assert_eq!(statuses(&app, &link, &nonce).await, [410; 4]);
        assert_eq!(statuses(&app, &answered, &other).await, [410; 4]);
        assert_eq!(app.scalar("SELECT n3 FROM tally WHERE n3 > 0").await, 1);
    }

    async fn a_score_outside_the_scale_comes_back_with_everything_that_was_typed(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        let (_, nonce) = app.page(&link).await;
        for score in ["0", "6", "-1", "99", "4.5", "x", "", "99999999999999999999", "٠"] {
            let mut fields = form(&nonce, score, "kept <b>").to_vec();
            fields.push(("consent", "yes"));
            let (status, page) = app.send(&link, &fields).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{score}");
            assert!(page.contains("kept &lt;b&gt;</textarea>") && page.contains("name=\"consent\" value=\"yes\" checked") && page.contains("role=\"alert\""), "{page}");
            let touch = answer(app.plain(Method::POST, &format!("{link}/touch")).form(&fields)).await;
            assert_eq!((touch.0, &touch.1["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("score")), "{score}");
        }
        assert_eq!(app.send(&link, &[("nonce", nonce.as_str()), ("evidence", "keydown")]).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(votes(&app).await, 0);
    }

    async fn four_thousand_characters_are_taken_and_one_more_comes_back(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        let (_, nonce) = app.page(&link).await;
        let long = "س".repeat(4_001);
        let (status, page) = app.send(&link, &form(&nonce, "2", &long)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.contains(&format!("{long}</textarea>")) && page.contains("value=\"2\" id=\"score-2\" data-band=\"low\" required checked"));
        assert_eq!(votes(&app).await, 0);
        // A browser sends a line break as two characters, and counts it as one.
        let lines = format!("🙂{}b", "\r\n".repeat(3_998));
        assert_eq!(app.send(&link, &form(&nonce, "2", &lines)).await.0, StatusCode::OK);
        assert_eq!(app.scalar("SELECT CAST(LENGTH(comment) AS BIGINT) FROM response").await, 4_000);
    }

    async fn a_form_whose_nonce_is_missing_foreign_or_a_day_old_comes_back_with_a_new_one(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let (link, other) = (app.link("support", "1").await, app.link("support", "2").await);
        let (_, foreign) = app.page(&other).await;
        let (_, old) = app.page(&link).await;
        app.clock.advance(DAY_MS + 1);
        let (_, fresh) = app.page(&link).await;
        let damaged = fresh.replacen(fresh.chars().nth(5).unwrap(), "z", 1);
        for nonce in ["", "x", &foreign, &old, &damaged, &"a".repeat(500)] {
            let (status, page) = app.send(&link, &form(nonce, "3", "kept")).await;
            assert_eq!(status, StatusCode::CONFLICT, "{nonce}");
            assert!(page.contains("kept</textarea>") && page.contains("value=\"3\" id=\"score-3\" data-band=\"middle\" required checked"), "{page}");
            let touch = answer(app.plain(Method::POST, &format!("{link}/touch")).form(&form(nonce, "3", ""))).await;
            assert_eq!((touch.0, &touch.1["status"]), (StatusCode::CONFLICT, &json!(409)), "{nonce}");
        }
        assert_eq!(votes(&app).await, 0);
        app.clock.advance(DAY_MS);
        assert_eq!(app.send(&link, &form(&fresh, "3", "")).await.0, StatusCode::OK, "a whole day is in time");
    }

    async fn digits_of_every_language_are_a_score(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        for (ticket, score, raw) in [("1", "۴", 4), ("2", "٤", 4), ("3", " 4 ", 4), ("4", "4", 4)] {
            let link = app.link("support", ticket).await;
            let (_, nonce) = app.page(&link).await;
            assert_eq!(app.send(&link, &form(&nonce, score, "")).await.0, StatusCode::OK, "{score}");
            assert_eq!(app.scalar("SELECT CAST(MIN(raw) * 10 + MAX(raw) AS BIGINT) FROM response").await, raw * 11, "{score}");
        }
    }

    async fn on_the_reversed_form_a_one_counts_as_seven(app: TestApp) {
        app.survey("effort", json!({"metric": "ces", "scale": "effort", "deliver": []})).await;
        let link = app.link("effort", "1").await;
        let (_, thanks) = app.vote(&link, 1, "").await;
        assert!(thanks.contains("1 of 7"), "{thanks}");
        let (_, listed) = app.get("/api/v1/responses?survey=effort&score_min=7").await;
        let response = &listed["items"][0];
        assert_eq!((&response["raw"], &response["score"], &response["band"]), (&json!(1), &json!(7), &json!("high")));
        assert_eq!(app.scalar("SELECT n7 * 10 + n1 FROM tally").await, 10);
        app.vote(&link, 7, "").await;
        assert_eq!(app.scalar("SELECT n1 * 10 + n7 FROM tally").await, 10);
        assert_eq!(app.send(&link, &form(&app.page(&link).await.1, "8", "")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn a_zero_is_an_answer_to_nps_and_to_nothing_else(app: TestApp) {
        app.survey("recommend", json!({"metric": "nps", "deliver": []})).await;
        let link = app.link("recommend", "1").await;
        assert_eq!(app.vote(&link, 0, "").await.0, StatusCode::OK);
        assert_eq!(app.scalar("SELECT n0 FROM tally").await, 1);
        let (_, listed) = app.get("/api/v1/responses").await;
        assert_eq!((&listed["items"][0]["score"], &listed["items"][0]["band"]), (&json!(0), &json!("low")));
    }

    async fn consent_is_given_by_yes_and_only_with_a_comment(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        for (ticket, comment, consent, expected) in [("1", "good", "yes", true), ("2", "good", "no", false), ("3", "good", "on", false), ("4", " ", "yes", false)] {
            let link = app.link("support", ticket).await;
            let (_, nonce) = app.page(&link).await;
            let mut fields = form(&nonce, "5", comment).to_vec();
            fields.push(("consent", consent));
            assert_eq!(app.send(&link, &fields).await.0, StatusCode::OK);
            let (_, listed) = app.get("/api/v1/responses?limit=500").await;
            let response = listed["items"].as_array().unwrap().iter().find(|item| item["ticket"]["id"] == ticket).unwrap();
            assert_eq!((&response["consent"], &response["published"]), (&json!(expected), &json!(false)), "{ticket}");
        }
        assert_eq!(app.scalar("SELECT comment_count FROM tally").await, 3);
    }
}
