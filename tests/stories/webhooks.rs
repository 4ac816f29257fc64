//! Endpoints are told what happens: signed, numbered, at least once, whatever they answer.

use std::sync::Arc;

use nabz::clock::DAY_MS;
use nabz::delivery::bounce::effect::{Believed, take};
use nabz::delivery::bounce::status::Status;
use nabz::delivery::bounce::store::find_of;
use nabz::delivery::bounce::{Kind, Said};
use nabz::intake::verify::{StandardHeaders, standard};
use nabz::invitation::InvitationId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::on_both_engines;
use crate::peer::{Asked, Peer, bytes};

pub const OPENED: &[(&str, &str)] = &[("NABZ__WEBHOOKS__ALLOW_PRIVATE", "[\"127.0.0.0/8\"]")];
/// Two retries, and a time limit that a silent endpoint is soon over.
pub const SHORT: &[(&str, &str)] = &[
    ("NABZ__WEBHOOKS__ALLOW_PRIVATE", "[\"127.0.0.0/8\"]"),
    ("NABZ__WEBHOOKS__RETRY_SCHEDULE_MS", "[5000, 300000]"),
    ("NABZ__WEBHOOKS__TIMEOUT_MS", "300"),
    ("NABZ__MAIL__ADMIN", "ops@acme.example"),
];

/// A server that answers each request with the status that `status` gives, told how many came before.
pub async fn receiver(status: impl Fn(usize) -> u16 + Send + Sync + 'static) -> Peer {
    Peer::start(move |_, before| bytes(status(before), "", "")).await
}

pub async fn add(app: &TestApp, url: &str, events: &[&str]) -> Value {
    let (status, webhook) = app.post("/api/v1/webhooks", &json!({"url": format!("{url}/told"), "events": events})).await;
    assert_eq!(status, StatusCode::CREATED, "{webhook}");
    webhook
}

pub fn told(peer: &Peer) -> Vec<Value> {
    peer.asked().iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect()
}

/// Type and number of everything that a server was told.
pub fn words(peer: &Peer) -> Vec<(String, i64)> {
    told(peer).iter().map(|body| (body["type"].as_str().unwrap().to_owned(), body["number"].as_i64().unwrap())).collect()
}

/// Whether a request is signed with a secret, now.
pub fn is_signed(asked: &Asked, secret: &Value, app: &TestApp) -> bool {
    let headers = StandardHeaders {
        id: asked.header("webhook-id"),
        timestamp: asked.header("webhook-timestamp"),
        signature: asked.header("webhook-signature"),
    };
    standard(secret.as_str().unwrap(), headers, asked.body.as_bytes(), app.clock.now()).is_ok()
}

pub async fn deliveries(app: &TestApp, webhook: &Value) -> Vec<Value> {
    let (_, list) = app.get(&format!("/api/v1/webhooks/{}/deliveries", webhook["id"].as_str().unwrap())).await;
    list["items"].as_array().unwrap_or_else(|| panic!("{list}")).clone()
}

/// Carries everything that becomes due within a day.
pub async fn let_a_day_pass(app: &TestApp) {
    for _ in 0..48 {
        app.app.deliver_due().await.unwrap();
        app.clock.advance(DAY_MS / 48);
    }
    app.app.deliver_due().await.unwrap();
}

fn path(webhook: &Value, rest: &str) -> String {
    format!("/api/v1/webhooks/{}{rest}", webhook["id"].as_str().unwrap())
}

on_both_engines! {
    async fn a_vote_is_told_with_everything_that_the_api_shows_of_it(app: TestApp = OPENED) {
        let peer = receiver(|_| 204).await;
        let webhook = add(&app, &peer.url, &["response.created", "response.updated", "response.low"]).await;
        app.survey("support", json!({})).await;
        let link = app.link("support", "1").await;
        app.vote(&link, 4, "quick").await;
        app.app.deliver_due().await.unwrap();
        let (_, responses) = app.get("/api/v1/responses").await;
        assert_eq!(words(&peer), [("response.created".to_owned(), 1)]);
        assert_eq!(told(&peer)[0]["data"], responses["items"][0]);
        assert_eq!(told(&peer)[0]["timestamp"], json!(app.clock.now()));
        let asked = &peer.asked()[0];
        assert!(asked.head.starts_with("POST /told HTTP/1.1") && is_signed(asked, &webhook["secret"], &app));
        assert_eq!(asked.header("content-type"), Some("application/json"));
        // What is told is the version that happened, also when a later one is there already.
        app.clock.advance(1000);
        app.vote(&link, 1, "no, it came back").await;
        app.vote(&link, 5, "solved at last").await;
        app.app.deliver_due().await.unwrap();
        let words: Vec<(String, i64, i64)> =
            told(&peer).iter().skip(1).map(|body| (body["type"].as_str().unwrap().to_owned(), body["data"]["score"].as_i64().unwrap(), body["data"]["versions"].as_i64().unwrap())).collect();
        let mut sorted = words.clone();
        sorted.sort();
        assert_eq!(sorted, [("response.low".to_owned(), 1, 2), ("response.updated".to_owned(), 1, 2), ("response.updated".to_owned(), 5, 3)]);
        let low = told(&peer).into_iter().find(|body| body["type"] == "response.low").unwrap();
        assert_eq!((&low["data"]["comment"], &low["data"]["band"]), (&json!("no, it came back"), &json!("low")));
    }

    async fn an_endpoint_is_told_only_what_it_asked_for_and_a_vote_of_which_nobody_is_told_leaves_nothing(app: TestApp = OPENED) {
        let peer = receiver(|_| 200).await;
        app.survey("support", json!({})).await;
        app.survey("sales", json!({})).await;
        let link = app.link("support", "1").await;
        app.vote(&link, 5, "").await;
        assert_eq!(app.scalar("SELECT COUNT(*) FROM event").await, 0);
        let only = json!({"url": peer.url, "events": ["response.created"], "survey": "sales"});
        assert_eq!(app.post("/api/v1/webhooks", &only).await.0, StatusCode::CREATED);
        app.vote(&app.link("support", "2").await, 5, "").await;
        app.vote(&app.link("sales", "3").await, 1, "").await;
        app.app.deliver_due().await.unwrap();
        assert_eq!(words(&peer), [("response.created".to_owned(), 1)]);
        assert_eq!(told(&peer)[0]["data"]["survey"], "sales");
    }

    async fn an_endpoint_that_fails_is_told_again_by_the_schedule_with_the_same_id(app: TestApp = SHORT) {
        let peer = receiver(|before| [500, 302, 200][before.min(2)]).await;
        let webhook = add(&app, &peer.url, &["response.created"]).await;
        app.survey("support", json!({})).await;
        app.vote(&app.link("support", "1").await, 5, "").await;
        app.app.deliver_due().await.unwrap();
        assert_eq!((app.app.deliver_due().await.unwrap(), peer.asked().len()), (0, 1), "it is not time yet");
        app.clock.advance(6000);
        app.app.deliver_due().await.unwrap();
        assert_eq!(peer.asked().len(), 2);
        app.clock.advance(5 * 60_000);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0, "jitter makes it later, never earlier");
        app.clock.advance(60_000);
        app.app.deliver_due().await.unwrap();
        let asked = peer.asked();
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().all(|one| one.header("webhook-id") == asked[0].header("webhook-id") && one.body == asked[0].body));
        assert!(is_signed(&asked[2], &webhook["secret"], &app), "every attempt is signed with its own instant");
        let delivery = &deliveries(&app, &webhook).await[0];
        assert_eq!((&delivery["state"], &delivery["reason"]), (&json!("sent"), &Value::Null));
        let outcomes: Vec<(&str, &str)> = delivery["attempts"].as_array().unwrap().iter().map(|attempt| (attempt["outcome"].as_str().unwrap(), attempt["reply"].as_str().unwrap())).collect();
        assert_eq!(outcomes, [("retry", "answered 500"), ("retry", "answered 302: redirects are not followed"), ("sent", "answered 200")]);
    }

    async fn whoever_asks_for_time_gets_it(app: TestApp = SHORT) {
        let peer = Peer::start(|_, before| if before == 0 { bytes(503, "retry-after: 3600\r\n", "") } else { bytes(200, "", "") }).await;
        add(&app, &peer.url, &["response.created"]).await;
        app.survey("support", json!({})).await;
        app.vote(&app.link("support", "1").await, 5, "").await;
        app.app.deliver_due().await.unwrap();
        app.clock.advance(3_599_000);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0);
        app.clock.advance(1000);
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(peer.asked().len(), 2);
    }

    async fn what_is_given_up_is_kept_listed_and_told_again_on_demand_with_the_same_id(app: TestApp = SHORT) {
        let open = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let door = Arc::clone(&open);
        let peer = receiver(move |_| if door.load(std::sync::atomic::Ordering::SeqCst) { 200 } else { 500 }).await;
        let webhook = add(&app, &peer.url, &["response.created"]).await;
        app.survey("support", json!({})).await;
        app.vote(&app.link("support", "1").await, 5, "").await;
        let_a_day_pass(&app).await;
        app.vote(&app.link("support", "2").await, 4, "").await;
        let_a_day_pass(&app).await;
        assert_eq!(peer.asked().len(), 6, "three attempts each");
        let failed = deliveries(&app, &webhook).await;
        assert_eq!(failed.iter().map(|one| (one["state"].as_str().unwrap(), one["number"].as_i64().unwrap())).collect::<Vec<_>>(), [("failed", 2), ("failed", 1)]);
        let (_, listed) = app.get("/api/v1/deliveries?state=failed&channel=webhook&survey=support").await;
        assert_eq!(listed["items"].as_array().unwrap().len(), 2);
        assert_eq!(listed["items"][0]["webhook"], webhook["id"]);
        open.store(true, std::sync::atomic::Ordering::SeqCst);
        // One of them.
        let one = format!("/deliveries/{}/redeliver", failed[1]["id"].as_str().unwrap());
        assert_eq!(app.post(&path(&webhook, &one), &json!({})).await, (StatusCode::ACCEPTED, json!({"redelivered": 1})));
        assert_eq!(app.post(&path(&webhook, &one), &json!({})).await.0, StatusCode::CONFLICT, "it waits already");
        app.app.deliver_due().await.unwrap();
        let asked = peer.asked();
        assert_eq!(asked[6].header("webhook-id"), asked[0].header("webhook-id"));
        assert_eq!(asked[6].body, asked[0].body);
        let attempts = deliveries(&app, &webhook).await[1]["attempts"].as_array().unwrap().len();
        assert_eq!(attempts, 4, "the earlier attempts stay listed");
        // Those since an instant, which are none, and all of them, with and without a body.
        let since = json!({"since": app.clock.now()});
        assert_eq!(app.post(&path(&webhook, "/redeliver"), &since).await.1["redelivered"], 0);
        let (status, all) = answer(app.api(Method::POST, &path(&webhook, "/redeliver"))).await;
        assert_eq!((status, &all["redelivered"]), (StatusCode::ACCEPTED, &json!(1)));
        app.app.deliver_due().await.unwrap();
        assert_eq!(peer.asked()[7].header("webhook-id"), asked[3].header("webhook-id"));
        assert!(deliveries(&app, &webhook).await.iter().all(|one| one["state"] == "sent"));
        // 30 days later they are forgotten, and their events with them.
        app.clock.advance(31 * DAY_MS);
        nabz::app::erase(&app.app.context).await.unwrap();
        assert!(deliveries(&app, &webhook).await.is_empty());
        assert_eq!(app.scalar("SELECT COUNT(*) FROM event").await, 0);
    }

    async fn an_endpoint_that_is_gone_is_disabled_and_the_operator_is_told_by_mail(app: TestApp = SHORT) {
        let peer = receiver(|_| 410).await;
        let webhook = add(&app, &peer.url, &["response.created"]).await;
        app.survey("support", json!({"deliver": []})).await;
        app.vote(&app.link("support", "1").await, 5, "").await;
        app.app.deliver_due().await.unwrap();
        let (_, now) = app.get(&path(&webhook, "")).await;
        assert_eq!((&now["state"], &now["disabled_reason"]), (&json!("disabled"), &json!("it answered 410")));
        // What happens while it is disabled is kept for it.
        app.clock.advance(1);
        app.vote(&app.link("support", "2").await, 5, "").await;
        app.app.deliver_due().await.unwrap();
        assert_eq!(peer.asked().len(), 1);
        let kept = deliveries(&app, &webhook).await;
        assert_eq!(kept.iter().map(|one| one["state"].as_str().unwrap()).collect::<Vec<_>>(), ["failed", "failed"]);
        assert_eq!(kept[0]["reason"], "the endpoint was disabled when it happened");
        assert_eq!(app.post(&path(&webhook, "/redeliver"), &json!({})).await.0, StatusCode::CONFLICT);
        let mails = app.mails.lock().unwrap().clone();
        assert_eq!(mails.len(), 1);
        assert_eq!((mails[0].to.address.as_str(), mails[0].subject.as_str()), ("ops@acme.example", "[nabz] Webhook to 127.0.0.1 was disabled"));
        assert!(mails[0].text.contains("it answered 410") && mails[0].text.contains(webhook["id"].as_str().unwrap()));
        // Enabled again, it is told what it missed.
        let (status, _) = answer(app.api(Method::PATCH, &path(&webhook, "")).json(&json!({"state": "enabled"}))).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(app.post(&path(&webhook, "/redeliver"), &json!({})).await.1["redelivered"], 2);
    }

    async fn five_days_of_only_failures_disable_an_endpoint_and_one_success_begins_them_anew(app: TestApp = SHORT) {
        let peer = receiver(|before| if before == 6 { 200 } else { 500 }).await;
        let webhook = add(&app, &peer.url, &["response.created"]).await;
        app.survey("support", json!({"deliver": [], "policy": {"quiet_days": 0, "quiet_any_days": 0, "max_age_days": 30}})).await;
        let state = async |ticket: &str| {
            app.vote(&app.link("support", ticket).await, 5, "").await;
            app.app.deliver_due().await.unwrap();
            let (_, now) = app.get(&path(&webhook, "")).await;
            (now["state"].as_str().unwrap().to_owned(), now["failing_since"].is_null())
        };
        assert_eq!(state("1").await, ("enabled".to_owned(), false));
        let_a_day_pass(&app).await;
        app.clock.advance(3 * DAY_MS);
        assert_eq!(state("2").await, ("enabled".to_owned(), false));
        let_a_day_pass(&app).await;
        assert_eq!(peer.asked().len(), 6);
        assert_eq!(state("3").await, ("enabled".to_owned(), true), "just under five days, and then a success");
        assert_eq!(state("4").await, ("enabled".to_owned(), false));
        app.clock.advance(5 * DAY_MS - 1);
        assert_eq!(state("5").await.0, "enabled");
        app.clock.advance(1);
        assert_eq!(state("6").await.0, "disabled");
        let (_, now) = app.get(&path(&webhook, "")).await;
        assert_eq!(now["disabled_reason"], "it has only failed for 5 days");
        assert!(deliveries(&app, &webhook).await.iter().all(|one| one["state"] != "waiting"));
    }

    async fn after_a_rotation_both_secrets_sign_for_a_day(app: TestApp = OPENED) {
        let peer = receiver(|_| 200).await;
        let webhook = add(&app, &peer.url, &["response.created"]).await;
        app.survey("support", json!({})).await;
        let (status, rotated) = app.post(&path(&webhook, "/rotate"), &json!({})).await;
        assert_eq!(status, StatusCode::OK);
        assert_ne!(rotated["secret"], webhook["secret"]);
        let signed = async |ticket: &str| {
            app.vote(&app.link("support", ticket).await, 5, "").await;
            app.app.deliver_due().await.unwrap();
            let asked = peer.asked().pop().unwrap();
            (is_signed(&asked, &rotated["secret"], &app), is_signed(&asked, &webhook["secret"], &app))
        };
        assert_eq!(signed("1").await, (true, true));
        app.clock.advance(DAY_MS - 1);
        assert_eq!(signed("2").await, (true, true));
        app.clock.advance(1);
        assert_eq!(signed("3").await, (true, false));
        assert_eq!(app.get(&path(&webhook, "")).await.1.get("secret"), None, "a secret is told once");
    }

    async fn an_answer_that_was_given_elsewhere_is_told_once(app: TestApp = OPENED) {
        let peer = receiver(|_| 200).await;
        add(&app, &peer.url, &["response.created", "response.low"]).await;
        app.survey("support", json!({})).await;
        let given = json!({"survey": "support", "ticket": {"id": "7"}, "customer": {"ref": "c-9"}, "score": 2, "comment": "by phone", "answered_at": app.clock.now()});
        assert_eq!(app.post("/api/v1/responses", &given).await.0, StatusCode::CREATED);
        assert_eq!(app.post("/api/v1/responses", &given).await.0, StatusCode::OK);
        app.app.deliver_due().await.unwrap();
        let mut kinds: Vec<String> = words(&peer).into_iter().map(|(kind, _)| kind).collect();
        kinds.sort();
        assert_eq!(kinds, ["response.created", "response.low"]);
        assert_eq!((&told(&peer)[0]["data"]["comment"], &told(&peer)[0]["data"]["via"]), (&json!("by phone"), &json!("api")));
    }

    async fn mail_that_came_back_is_told_with_the_reason_and_the_customer(app: TestApp = OPENED) {
        let peer = receiver(|_| 200).await;
        add(&app, &peer.url, &["invitation.bounced"]).await;
        app.survey("support", json!({})).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        app.app.deliver_due().await.unwrap();
        let id = decided["invitation"]["id"].as_str().unwrap();
        let said = Said { kind: Kind::Hard, status: Status::parse("5.1.1"), reply: "no such user".to_owned(), domain: None };
        let about = find_of(&mut app.app.context.db.read().await.unwrap(), InvitationId(id.parse().unwrap())).await.unwrap().unwrap();
        let report = Believed { about, said, message: "m1".to_owned() };
        take(&app.app.context, std::slice::from_ref(&report)).await.unwrap();
        take(&app.app.context, &[report]).await.unwrap();
        app.app.deliver_due().await.unwrap();
        assert_eq!(words(&peer), [("invitation.bounced".to_owned(), 1)]);
        let data = &told(&peer)[0]["data"];
        assert_eq!((&data["invitation"]["id"], &data["customer"]["email"], &data["reason"]), (&json!(id), &json!("sara@example.com"), &json!("hard 5.1.1: no such user")));
    }

    async fn each_day_of_a_survey_is_told_once_when_it_is_over_there(app: TestApp = OPENED) {
        let peer = receiver(|_| 200).await;
        app.survey("support", json!({"timezone": "Asia/Tehran", "deliver": []})).await;
        add(&app, &peer.url, &["report.daily"]).await;
        assert_eq!(app.app.tell_days().await.unwrap(), 0, "the day before it was added is not told");
        app.vote(&app.link("support", "1").await, 5, "").await;
        app.vote(&app.link("support", "2").await, 2, "").await;
        // 10:30 UTC is 14:00 in Tehran: ten hours to midnight.
        app.clock.advance(10 * 3_600_000 - 1);
        assert_eq!(app.app.tell_days().await.unwrap(), 0);
        app.clock.advance(1);
        assert_eq!((app.app.tell_days().await.unwrap(), app.app.tell_days().await.unwrap()), (1, 0));
        let beside = app.start_beside().await;
        assert_eq!(beside.app.tell_days().await.unwrap(), 0, "nor is it told by another node");
        app.app.deliver_due().await.unwrap();
        let body = told(&peer).pop().unwrap();
        assert_eq!((&body["type"], &body["data"]["day"], &body["data"]["survey"]), (&json!("report.daily"), &json!("2026-01-15"), &json!("support")));
        assert_eq!((&body["data"]["total"]["n"], &body["data"]["total"]["score"], &body["data"]["previous"]["n"]), (&json!(2), &json!(50.0), &json!(0)));
        app.clock.advance(3 * DAY_MS);
        assert_eq!(app.app.tell_days().await.unwrap(), 3, "days that nobody was there for are told later");
    }

    async fn a_test_tells_what_the_endpoint_answered(app: TestApp = OPENED) {
        let peer = receiver(|before| if before == 0 { 200 } else { 404 }).await;
        let webhook = add(&app, &peer.url, &["response.created"]).await;
        let (status, first) = app.post(&path(&webhook, "/test"), &json!({})).await;
        assert_eq!((status, &first["accepted"], &first["status"]), (StatusCode::OK, &json!(true), &json!(200)));
        assert!(is_signed(&peer.asked()[0], &webhook["secret"], &app));
        assert_eq!(told(&peer)[0]["type"], "test");
        let (_, second) = app.post(&path(&webhook, "/test"), &json!({})).await;
        assert_eq!((&second["accepted"], &second["status"]), (&json!(false), &json!(404)));
        drop(peer);
        assert!(deliveries(&app, &webhook).await.is_empty(), "a test is no delivery");
    }

    async fn what_is_not_valid_is_named(app: TestApp) {
        for (body, field) in [
            (json!({"url": "http://acme.example/x", "events": ["response.created"]}), "url"),
            (json!({"url": "https://127.0.0.1/x", "events": ["response.created"]}), "url"),
            (json!({"url": "https://acme.example:8443/x", "events": ["response.created"]}), "url"),
            (json!({"url": "https://acme.example/x", "events": []}), "events"),
            (json!({"url": "https://acme.example/x", "events": ["response.deleted"]}), "events[0]"),
            (json!({"url": "https://acme.example/x", "events": ["response.created"], "survey": "nowhere"}), "survey"),
        ] {
            let (status, problem) = app.post("/api/v1/webhooks", &body).await;
            assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)), "{problem}");
        }
        let (_, webhook) = app.post("/api/v1/webhooks", &json!({"url": "https://acme.example/x", "events": ["response.created"]})).await;
        let patch = async |body: Value| answer(app.api(Method::PATCH, &path(&webhook, "")).json(&body)).await;
        assert_eq!(patch(json!({"url": "https://10.0.0.1/"})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(patch(json!({"events": ["response.low"]})).await.1["events"], json!(["response.low"]));
        assert_eq!(answer(app.api(Method::DELETE, &path(&webhook, ""))).await.0, StatusCode::NO_CONTENT);
        assert_eq!(app.get(&path(&webhook, "")).await.0, StatusCode::NOT_FOUND);
        assert_eq!(app.get("/api/v1/deliveries?channel=Pigeon!").await.1["errors"][0]["field"], "channel");
        assert_eq!(app.get("/api/v1/deliveries?state=lost").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
}
