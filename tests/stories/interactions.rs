//! Interactions over the API: what is needed, what repeats, and that all of one or nothing is kept.

use futures_util::future::{Either, join_all, select};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::common::{TestApp, answer};
use crate::on_both_engines;

const PATH: &str = "/api/v1/interactions";

fn ticket(id: &str) -> Value {
    json!({"survey": "support", "ticket": {"id": id}, "customer": {"email": "sara@example.com"}})
}

/// Reports an interaction under an `Idempotency-Key`.
async fn keyed(app: &TestApp, key: &str, body: &Value) -> (StatusCode, Value) {
    keyed_at(app, PATH, key, body).await
}

async fn keyed_at(app: &TestApp, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
    answer(app.api(Method::POST, path).header("Idempotency-Key", key).json(body)).await
}

/// Keeps everybody else from storing interactions.
enum Hold {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
}

impl Hold {
    async fn new(app: &TestApp) -> Self {
        if app.database_url.starts_with("sqlite:") {
            let mut connection = sqlx::SqliteConnection::connect(&app.database_url).await.unwrap();
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
            return Self::Sqlite(connection);
        }
        let mut connection = sqlx::PgConnection::connect(&app.database_url).await.unwrap();
        sqlx::query("BEGIN").execute(&mut connection).await.unwrap();
        sqlx::query("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE").execute(&mut connection).await.unwrap();
        Self::Postgres(connection)
    }

    async fn release(self) {
        match self {
            Self::Sqlite(mut connection) => sqlx::query("COMMIT").execute(&mut connection).await.map(drop).unwrap(),
            Self::Postgres(mut connection) => sqlx::query("COMMIT").execute(&mut connection).await.map(drop).unwrap(),
        }
    }
}

on_both_engines! {
    async fn everything_that_is_needed_or_not_valid_is_named(app: TestApp) {
        app.survey("support", json!({})).await;
        for (change, field) in [
            (json!({"survey": null}), "survey"), (json!({"survey": "none"}), "survey"), (json!({"ticket": {}}), "ticket.id"), (json!({"ticket": {"id": " "}}), "ticket.id"),
            (json!({"customer": {}}), "customer"), (json!({"customer": {"name": "Sara"}}), "customer"), (json!({"customer": {"email": "sara"}}), "customer.email"),
            (json!({"customer": {"mail": "a@b"}}), "customer.mail"), (json!({"tickets": []}), "tickets"), (json!({"closed": "yes"}), "closed"),
            (json!({"ticket": {"id": 7}}), "ticket.id"), (json!({"ticket": {"id": "1", "closed_at": "yesterday"}}), "ticket.closed_at"),
            (json!({"ticket": {"id": "x".repeat(201)}}), "ticket.id"), (json!({"tags": vec!["t"; 51]}), "tags"), (json!({"tags": "vip"}), "tags"),
            (json!({"product": "p".repeat(201)}), "product"),
        ] {
            let mut body = ticket("1");
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let (status, problem) = app.post(PATH, &body).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{change}");
            assert_eq!(problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect::<Vec<_>>(), [field], "{change}");
        }
        let (_, problem) = app.post(PATH, &json!({"survey": "support"})).await;
        assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "all at once: {problem}");
        for (body, status) in [("{", StatusCode::BAD_REQUEST), ("", StatusCode::BAD_REQUEST), ("[]", StatusCode::UNPROCESSABLE_ENTITY)] {
            assert_eq!(answer(app.api(Method::POST, PATH).body(body)).await.0, status, "{body}");
        }
        let large = " ".repeat(256 * 1024 + 1);
        assert_eq!(answer(app.api(Method::POST, PATH).body(large)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer(app.plain(Method::POST, PATH).json(&ticket("1"))).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(answer(app.plain(Method::POST, PATH).bearer_auth("another-key").json(&ticket("1"))).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction").await, 0);
    }

    async fn the_same_key_with_the_same_body_has_the_first_answer(app: TestApp) {
        app.survey("support", json!({})).await;
        let body = json!({"survey": "support", "customer": {"ref": "c-9", "email": "sara@example.com"}});
        let (status, first) = keyed(&app, "key 1", &body).await;
        assert_eq!((status, &first["outcome"]), (StatusCode::CREATED, &json!("invited")), "{first}");
        app.clock.advance(60_000);
        assert_eq!(keyed(&app, "key 1", &body).await, (StatusCode::OK, first.clone()));
        let mut other = body.clone();
        other["team"] = json!("Billing");
        let (status, problem) = keyed(&app, "key 1", &other).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("Idempotency-Key")));
        let (status, second) = keyed(&app, "key 2", &body).await;
        assert_eq!(status, StatusCode::CREATED);
        assert_ne!(second["id"], first["id"]);
        let longest = "k".repeat(255);
        assert_eq!(keyed(&app, &longest, &body).await.0, StatusCode::CREATED);
        for bad in ["", " ", &"k".repeat(256), "سلام"] {
            let request = app.api(Method::POST, PATH).header("Idempotency-Key", bad.as_bytes()).json(&body);
            let (status, problem) = answer(request).await;
            assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("Idempotency-Key")), "{bad}");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction").await * 10 + app.scalar("SELECT COUNT(*) FROM idempotency").await, 33);
    }

    async fn a_refused_request_leaves_its_key_free(app: TestApp) {
        app.survey("support", json!({})).await;
        assert_eq!(keyed(&app, "k", &json!({"survey": "none", "customer": {"ref": "c"}})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(keyed(&app, "k", &ticket("1")).await.0, StatusCode::CREATED);
    }

    async fn while_a_key_is_being_answered_another_request_with_it_must_wait(app: TestApp) {
        app.survey("support", json!({})).await;
        let body = ticket("1");
        let hold = Hold::new(&app).await;
        let (one, other) = (Box::pin(keyed(&app, "k", &body)), Box::pin(keyed(&app, "k", &body)));
        // Whichever of the two came first waits for the database; the other is told so at once.
        let (Either::Left((told, waiting)) | Either::Right((told, waiting))) = select(one, other).await;
        assert_eq!((told.0, &told.1["status"]), (StatusCode::CONFLICT, &json!(409)));
        hold.release().await;
        let (status, first) = waiting.await;
        assert_eq!(status, StatusCode::CREATED);
        assert_eq!(keyed(&app, "k", &body).await, (StatusCode::OK, first));
    }

    async fn many_requests_with_one_key_are_one_interaction(app: TestApp) {
        app.survey("support", json!({})).await;
        let body = json!({"survey": "support", "customer": {"ref": "c-9", "email": "sara@example.com"}});
        let told = join_all((0..20).map(|_| keyed(&app, "k", &body))).await;
        assert!(told.iter().all(|(status, _)| [201, 200, 409].contains(&status.as_u16())), "{told:?}");
        assert_eq!(told.iter().filter(|(status, _)| *status == StatusCode::CREATED).count(), 1);
        assert_eq!(app.scalar("SELECT (SELECT COUNT(*) FROM interaction) * 10 + (SELECT COUNT(*) FROM outbox)").await, 11);
    }

    async fn the_same_closing_without_a_key_is_told_by_ticket_and_instant(app: TestApp) {
        app.survey("support", json!({})).await;
        let body = ticket("1");
        let (status, first) = app.post(PATH, &body).await;
        assert_eq!(status, StatusCode::CREATED);
        assert_eq!(app.post(PATH, &body).await, (StatusCode::OK, first.clone()));
        let mut later = body.clone();
        later["ticket"]["closed_at"] = json!("2026-01-15T10:29:00Z");
        let (_, second) = app.post(PATH, &later).await;
        assert_eq!((&second["outcome"], &second["reason"]), (&json!("skipped"), &json!("duplicate")));
        later["ticket"]["closed_at"] = json!("2026-01-15T13:59:00+03:30");
        assert_eq!(app.post(PATH, &later).await, (StatusCode::OK, second));
        app.survey("other", json!({})).await;
        later["survey"] = json!("other");
        assert_eq!(app.post(PATH, &later).await.1["outcome"], "invited");
    }

    async fn a_dry_run_decides_with_the_numbers_and_stores_nothing(app: TestApp) {
        app.survey("support", json!({"policy": {}})).await;
        let dry = format!("{PATH}?dry_run=true");
        let body = ticket("1");
        let (status, told) = app.post(&dry, &body).await;
        let sentence = told["explanation"].as_str().unwrap_or_default();
        assert_eq!((status, &told["outcome"]), (StatusCode::OK, &json!("invited")), "{told}");
        assert!(sentence.starts_with("The message leaves at 2026-01-15T") && told.get("id").is_none() && told.get("invitation").is_none(), "{told}");
        let rows = "SELECT (SELECT COUNT(*) FROM interaction) + (SELECT COUNT(*) FROM customer) + (SELECT COUNT(*) FROM outbox) + (SELECT COUNT(*) FROM idempotency)";
        assert_eq!(app.scalar(rows).await, 0);
        assert_eq!(keyed_at(&app, &dry, "k", &body).await.0, StatusCode::OK);
        assert_eq!(app.scalar(rows).await, 0);

        let (status, first) = app.post(PATH, &body).await;
        assert_eq!((status, &first["explanation"]), (StatusCode::CREATED, &told["explanation"]));
        // What was decided is told as it was, and another ticket would find the customer asked today.
        assert_eq!(app.post(&dry, &body).await, (StatusCode::OK, first));
        let (_, second) = app.post(&dry, &ticket("2")).await;
        assert_eq!((&second["outcome"], &second["reason"]), (&json!("skipped"), &json!("quiet_period")), "{second}");
        assert_eq!(second["explanation"], "The customer was asked on 2026-01-15 for CSAT; quiet for 7 days, until 2026-01-22.");
        assert_eq!(app.post(&format!("{PATH}?dry=true"), &body).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn when_the_message_cannot_be_enqueued_nothing_of_the_interaction_remains(app: TestApp) {
        app.survey("support", json!({})).await;
        app.execute("ALTER TABLE outbox RENAME TO outbox_away").await;
        let mut body = ticket("1");
        body["agent"] = json!({"id": "17", "name": "Jonas"});
        let (status, problem) = keyed(&app, "k", &body).await;
        assert!(status.is_server_error(), "{problem}");
        assert!(!problem.to_string().contains("outbox"), "what is inside stays inside: {problem}");
        for table in ["SELECT COUNT(*) FROM interaction", "SELECT COUNT(*) FROM invitation", "SELECT COUNT(*) FROM customer", "SELECT COUNT(*) FROM agent", "SELECT COUNT(*) FROM idempotency"] {
            assert_eq!(app.scalar(table).await, 0, "{table}");
        }
        app.execute("ALTER TABLE outbox_away RENAME TO outbox").await;
        let (status, told) = keyed(&app, "k", &body).await;
        assert_eq!((status, &told["outcome"]), (StatusCode::CREATED, &json!("invited")));
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
    }
}
