//! Answers that a program brings, on both engines: stored once, counted in reports, never public.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::on_both_engines;

const PATH: &str = "/api/v1/responses";

fn draft() -> Value {
    json!({
        "survey": "support", "score": 4, "comment": " On the phone:\r\nfine ", "answered_at": "2026-01-10T21:00:00Z", "consent": true,
        "ticket": {"id": "7", "subject": "Refund"}, "customer": {"email": "sara@example.com", "name": "Sara", "locale": "fa-IR"},
        "agent": {"id": "17", "name": "Jonas"}, "team": "Billing", "channel": "phone", "tags": ["vip"], "product": "app"
    })
}

async fn keyed(app: &TestApp, key: &str, body: &Value) -> (StatusCode, Value) {
    answer(app.api(Method::POST, PATH).header("Idempotency-Key", key).json(body)).await
}

async fn patch(app: &TestApp, id: &Value, change: &Value) -> (StatusCode, Value) {
    answer(app.api(Method::PATCH, &format!("{PATH}/{}", id.as_str().unwrap())).json(change)).await
}

async fn counts(app: &TestApp, more: &str) -> (Value, Value, Value) {
    let total = &app.get(&format!("/api/v1/reports/breakdown?survey=support{more}")).await.1["total"];
    (total["n"].clone(), total["counts"]["4"].clone(), total["comments"].clone())
}

on_both_engines! {
    async fn an_answer_given_elsewhere_is_stored_and_counted_on_its_day(app: TestApp) {
        app.survey("support", json!({"timezone": "Asia/Tehran", "public": {"enabled": true}, "policy": {}})).await;
        let (status, stored) = app.post(PATH, &draft()).await;
        assert_eq!(status, StatusCode::CREATED, "{stored}");
        for (field, value) in [
            ("score", json!(4)), ("raw", json!(4)), ("comment", json!("On the phone:\r\nfine")), ("via", json!("api")), ("locale", json!("fa")),
            ("first_answered_at", json!("2026-01-10T21:00:00.000Z")), ("answered_at", json!("2026-01-10T21:00:00.000Z")), ("versions", json!(1)),
            ("consent", json!(true)), ("published", json!(false)), ("tags", json!(["vip"])), ("team", json!("Billing")),
        ] {
            assert_eq!(stored[field], value, "{field}");
        }
        assert_eq!(app.get(&format!("{PATH}/{}", stored["id"].as_str().unwrap())).await, (StatusCode::OK, stored));
        // 21:00 in London is the next day in Tehran.
        assert_eq!(counts(&app, "&from=2026-01-10&to=2026-01-10").await.0, 0);
        assert_eq!(counts(&app, "&from=2026-01-11&to=2026-01-11&agent=17&tag=vip&locale=fa&product=app").await, (json!(1), json!(1), json!(1)));
        let total = &app.get("/api/v1/reports/breakdown?survey=support").await.1["total"];
        assert_eq!((&total["delivered"], &total["answered"]), (&json!(0), &json!(0)));
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response_version WHERE evidence = 'api'").await, 1);
        assert_eq!(app.get("/happiness/support.json").await.1["n"], 0);
        assert_eq!(app.close_ticket("support", "8", "sara@example.com").await["outcome"], "invited", "whoever answered elsewhere was not asked");
    }

    async fn the_same_answer_again_is_the_first(app: TestApp) {
        app.survey("support", json!({})).await;
        let first = app.post(PATH, &draft()).await.1;
        let mut again = draft();
        again["score"] = json!(1);
        assert_eq!(app.post(PATH, &again).await, (StatusCode::OK, first.clone()));
        again["answered_at"] = json!("2026-01-11T21:00:00Z");
        assert_eq!(app.post(PATH, &again).await.0, StatusCode::CREATED, "a ticket may be answered about again");

        let plain = json!({"survey": "support", "score": 5});
        let (status, keyed_first) = keyed(&app, "k", &plain).await;
        assert_eq!((status, &keyed_first["first_answered_at"]), (StatusCode::CREATED, &json!(app.clock.now())));
        app.clock.advance(60_000);
        assert_eq!(keyed(&app, "k", &plain).await, (StatusCode::OK, keyed_first.clone()));
        assert_ne!(keyed(&app, "other", &plain).await.1["id"], keyed_first["id"]);
        let (status, problem) = keyed(&app, "k", &json!({"survey": "support", "score": 4})).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("Idempotency-Key")));

        // A ticket alone is one answer, whenever it is told.
        let ticket = json!({"survey": "support", "score": 3, "ticket": {"id": "9"}});
        let told = app.post(PATH, &ticket).await.1;
        app.clock.advance(60_000);
        assert_eq!(app.post(PATH, &ticket).await, (StatusCode::OK, told));
        assert_eq!(counts(&app, "").await.0, 5);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response").await, 5);
    }

    async fn many_at_once_are_one(app: TestApp) {
        app.survey("support", json!({})).await;
        let body = draft();
        let answers = futures_util::future::join_all((0..12).map(|_| app.post(PATH, &body))).await;
        let created = answers.iter().filter(|(status, _)| *status == StatusCode::CREATED).count();
        assert!(answers.iter().all(|(status, _)| [200, 201, 503].contains(&status.as_u16())), "{answers:?}");
        assert_eq!((created, app.scalar("SELECT COUNT(*) FROM response").await, counts(&app, "").await.0), (1, 1, json!(1)));
    }

    async fn what_is_not_valid_is_named(app: TestApp) {
        app.survey("support", json!({})).await;
        for (field, value, wrong) in [
            ("score", json!(6), "score"), ("score", json!(0), "score"), ("score", json!("5"), "score"), ("survey", json!("other"), "survey"),
            ("comment", json!("x".repeat(4001)), "comment"), ("answered_at", json!("2026-01-17T10:30:00Z"), "answered_at"),
            ("answered_at", json!("yesterday"), "answered_at"), ("customer", json!({"email": "sara"}), "customer.email"),
            ("ticket", json!({}), "ticket.id"), ("mood", json!("sunny"), "mood"),
        ] {
            let mut body = draft();
            body[field] = value;
            let (status, problem) = app.post(PATH, &body).await;
            assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(wrong)), "{problem}");
        }
        assert_eq!(app.plain(Method::POST, PATH).json(&draft()).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(app.scalar("SELECT (SELECT COUNT(*) FROM response) + (SELECT COUNT(*) FROM interaction) + (SELECT COUNT(*) FROM customer)").await, 0);
    }

    async fn the_team_may_work_with_it_and_leave_it_out_and_never_publish_it(app: TestApp) {
        app.survey("support", json!({"timezone": "Asia/Tehran"})).await;
        let stored = app.post(PATH, &draft()).await.1;
        let id = &stored["id"];
        assert_eq!(patch(&app, id, &json!({"status": "contacted"})).await.1["status"], "contacted");
        for _ in 0..2 {
            assert_eq!(patch(&app, id, &json!({"excluded": {"reason": "test"}})).await.1["excluded"], "test");
            assert_eq!(counts(&app, "&tag=vip").await, (json!(0), json!(0), json!(0)));
        }
        assert_eq!(counts(&app, "").await, (json!(0), json!(0), json!(0)));
        assert_eq!(patch(&app, id, &json!({"excluded": null})).await.1["excluded"], Value::Null);
        assert_eq!(counts(&app, "&tag=vip&agent=17&locale=fa").await, (json!(1), json!(1), json!(1)));
        let (status, problem) = patch(&app, id, &json!({"published": true})).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("published")));
        let nobody = json!("00000000-0000-7000-8000-000000000000");
        assert_eq!(patch(&app, &nobody, &json!({"status": "closed"})).await.0, StatusCode::NOT_FOUND);
    }

    async fn an_effort_that_was_given_elsewhere_counts_the_other_way_round(app: TestApp) {
        app.survey("ease", json!({"metric": "ces", "scale": "effort"})).await;
        let (_, stored) = keyed(&app, "k", &json!({"survey": "ease", "score": 1})).await;
        assert_eq!((&stored["raw"], &stored["score"], &stored["band"]), (&json!(1), &json!(7), &json!("high")));
    }
}
