//! What operators and programs rely on: one shape for every failure, keys and limits, health and numbers.

mod described;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App as Site, HttpServer, web};
use nabz::app::Parts;
use nabz::app::keys::{self, Scope};
use nabz::web::request;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::common::{On, TestApp};
use crate::on_both_engines;

/// The bounds of a test that waits for a socket.
const WITHIN: Duration = Duration::from_secs(30);
const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

/// Sends a request that must fail with this status in the one shape; answers the problem.
async fn problem(request: RequestBuilder, status: u16) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "content-type")), (status, "application/problem+json"), "{}", response.url());
    assert_eq!((header(&response, "x-content-type-options"), header(&response, "cache-control")), ("nosniff", "no-store"));
    let id = header(&response, "x-request-id").to_owned();
    let retry_after: u64 = header(&response, "retry-after").parse().unwrap_or_default();
    assert_eq!(retry_after > 0, status == 429 || status == 503, "{}", response.url());
    let problem: Value = response.json().await.unwrap();
    assert!(
        problem["type"].as_str().unwrap().starts_with("/docs#") && problem["title"].is_string() && problem["errors"].is_array(),
        "{problem}"
    );
    assert_eq!((&problem["status"], &problem["request_id"]), (&json!(status), &json!(id)));
    assert!(!id.is_empty());
    problem
}

on_both_engines! {
    async fn whatever_goes_wrong_is_told_in_one_shape(app: TestApp) {
        app.survey("support", json!({})).await;
        let surveys = "/api/v1/surveys";
        let large = "x".repeat(300 * 1024);
        let nothing = problem(app.plain(Method::GET, "/nowhere"), 404).await;
        let docs = app.plain(Method::GET, "/docs").send().await.unwrap().text().await.unwrap();
        let anchor = nothing["type"].as_str().unwrap().split_once('#').unwrap().1;
        assert!(docs.contains(&format!("id=\"{anchor}\"")), "{anchor} is not explained");

        problem(app.plain(Method::GET, "/api/v1/nowhere"), 404).await;
        problem(app.api(Method::GET, "/api/v1/responses/nonsense"), 404).await;
        problem(app.plain(Method::POST, "/hooks/nonsense"), 404).await;
        let broken = problem(app.api(Method::POST, surveys).body("{\"slug\":"), 400).await;
        assert_eq!(broken["detail"], "The body is not valid JSON at line 1, column 8.");
        for (request, field) in [
            (app.api(Method::POST, surveys).json(&json!({"slug": "b", "name": "B", "metric": "csat", "colour": 1})), "colour"),
            (app.api(Method::POST, surveys).json(&json!({"slug": "b", "name": "B", "metric": "csat", "policy": {"quiet": 1}})), "policy.quiet"),
            (app.api(Method::GET, "/api/v1/responses?survey=support&colour=1"), "colour"),
            (app.api(Method::GET, "/api/v1/surveys?limit=501"), "limit"),
            (app.api(Method::GET, "/api/v1/reports/breakdown"), "survey"),
        ] {
            let problem = problem(request, 422).await;
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
        problem(app.api(Method::POST, surveys).body(large.clone()), 413).await;
        problem(app.plain(Method::POST, "/s/abc").body(large.clone()), 413).await;
        problem(app.plain(Method::POST, "/hooks/abc").body(large.repeat(4)), 413).await;
    }

    async fn a_key_opens_what_its_scope_says_until_it_is_revoked(app: TestApp) {
        let (db, parts) = (&app.app.context.db, Parts::default());
        let with = |method, path, key: &str| app.plain(method, path).bearer_auth(key);
        let unkeyed = app.plain(Method::GET, "/api/v1/surveys").send().await.unwrap();
        assert_eq!(header(&unkeyed, "www-authenticate"), "Bearer");
        problem(app.plain(Method::GET, "/api/v1/surveys"), 401).await;
        problem(app.plain(Method::GET, "/api/v1/surveys").basic_auth("root", Some(crate::common::KEY)), 401).await;
        // Whoever has no key is told that, not what is wrong with the rest of the request.
        problem(with(Method::POST, "/api/v1/surveys", "nabz_unknown").body("{"), 401).await;
        problem(with(Method::GET, "/api/v1/responses?colour=1", "nabz_unknown"), 401).await;
        problem(with(Method::GET, "/api/v1/responses/nonsense", "nabz_unknown"), 401).await;

        let reader = keys::create(db, &parts, "reader".to_owned(), Scope::Read).await.unwrap();
        let writer = keys::create(db, &parts, "writer".to_owned(), Scope::Write).await.unwrap();
        assert_eq!(with(Method::GET, "/api/v1/surveys", &reader).send().await.unwrap().status(), 200);
        let refused = problem(with(Method::POST, "/api/v1/surveys", &reader).body("{"), 403).await;
        assert_eq!(refused["detail"], "This needs a key with the scope write; yours has read.");
        problem(with(Method::GET, "/api/v1/sources", &writer), 403).await;
        let created = with(Method::POST, "/api/v1/surveys", &writer).json(&json!({"slug": "b", "name": "B", "metric": "nps"}));
        assert_eq!(created.send().await.unwrap().status(), 201);

        let listed = keys::list(db).await.unwrap();
        let id = listed.iter().find(|line| line.ends_with("writer")).unwrap().split(' ').next().unwrap();
        keys::revoke(db, &parts, id).await.unwrap();
        problem(with(Method::GET, "/api/v1/surveys", &writer), 401).await;
    }

    async fn a_database_that_is_gone_is_told_as_not_ready_and_alive(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        let (_, nonce) = app.page(&link).await;
        assert_eq!(app.plain(Method::GET, "/readyz").send().await.unwrap().text().await.unwrap(), "ready\n");

        app.execute("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'later', true, '', 1)").await;
        problem(app.plain(Method::GET, "/readyz"), 503).await;
        app.execute("DELETE FROM _sqlx_migrations WHERE version = 999").await;
        assert_eq!(app.plain(Method::GET, "/readyz").send().await.unwrap().status(), 200);

        app.app.context.db.close().await;
        problem(app.plain(Method::GET, "/readyz"), 503).await;
        problem(app.api(Method::GET, "/api/v1/surveys"), 503).await;
        problem(app.plain(Method::GET, "/metrics"), 503).await;
        let voted = app.plain(Method::POST, &link).form(&[("nonce", nonce.as_str()), ("score", "4"), ("evidence", "keydown")]);
        let voted = voted.send().await.unwrap();
        assert_eq!((voted.status().as_u16(), header(&voted, "retry-after")), (503, "2"));
        assert_eq!(app.plain(Method::GET, "/healthz").send().await.unwrap().text().await.unwrap(), "ok\n");
    }

    async fn the_numbers_tell_requests_votes_decisions_and_what_waits(app: TestApp) {
        app.survey("support", json!({})).await;
        let link = app.link("support", "1").await;
        app.vote(&link, 4, "").await;
        app.clock.advance(7000);
        for method in ["BREW", "STIR"] {
            problem(app.plain(Method::from_bytes(method.as_bytes()).unwrap(), "/healthz"), 405).await;
        }
        let response = app.plain(Method::GET, "/metrics").send().await.unwrap();
        assert_eq!(header(&response, "content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
        let text = response.text().await.unwrap();
        for line in [
            "nabz_http_requests_total{route=\"/s/{token}\",method=\"POST\",status=\"200\"} 1",
            "nabz_http_requests_total{route=\"/healthz\",method=\"OTHER\",status=\"405\"} 2",
            "nabz_votes_total{outcome=\"first\"} 1",
            "nabz_decisions_total{outcome=\"invited\",reason=\"\"} 1",
            "nabz_outbox_waiting{carrier=\"mail\"} 1",
            "nabz_outbox_oldest_seconds{carrier=\"mail\"} 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
        assert!(text.ends_with("# EOF\n") && !text.contains(link.rsplit('/').next().unwrap()));
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_which_are_right() {
    let app = TestApp::start(On::Sqlite).await;
    for (method, path, allowed) in [
        (Method::DELETE, "/api/v1/surveys", "GET, HEAD, POST"),
        (Method::PUT, "/s/abc", "GET, HEAD, POST"),
        (Method::GET, "/s/abc/touch", "POST"),
        (Method::GET, "/api/v1/surveys/support/archive", "POST"),
        (Method::POST, "/healthz", "GET, HEAD"),
        (Method::OPTIONS, "/api/v1/sources/1", "GET, HEAD, PATCH, DELETE"),
    ] {
        let response = app.api(method.clone(), path).send().await.unwrap();
        assert_eq!(header(&response, "allow"), allowed, "{method} {path}");
        problem(app.api(method, path), 405).await;
    }
}

#[tokio::test]
async fn a_request_keeps_its_id_where_it_is_a_plain_one() {
    let app = TestApp::start(On::Sqlite).await;
    let answered = async |id: &str| {
        let response = app.plain(Method::GET, "/healthz").header("x-request-id", id).send().await.unwrap();
        header(&response, "x-request-id").to_owned()
    };
    assert_eq!(answered("0123-abc-XYZ").await, "0123-abc-XYZ");
    for odd in ["short", "with space in it", "<script>alert(1)</script>", &"x".repeat(65), "semi;colon;123"] {
        let id = answered(odd).await;
        assert!(id != odd && id.len() == 36, "{id}");
    }
    assert_ne!(answered("").await, answered("").await);
    let missing = problem(app.plain(Method::GET, "/nowhere").header("x-request-id", "the-callers-own-id"), 404).await;
    assert_eq!(missing["request_id"], "the-callers-own-id");
}

#[tokio::test]
async fn a_browser_gets_a_page_in_its_language_and_a_program_never_does() {
    let app = TestApp::start(On::Sqlite).await;
    for (languages, start) in [
        ("de, en;q=0.5", "<!DOCTYPE html><html lang=\"en\" dir=\"ltr\">"),
        ("fa-IR, en;q=0.5", "<!DOCTYPE html><html lang=\"fa\" dir=\"rtl\">"),
        ("ar", "<!DOCTYPE html><html lang=\"ar\" dir=\"rtl\">"),
    ] {
        for (method, path, status) in
            [(Method::GET, "/nowhere", 404), (Method::POST, "/docs", 405), (Method::GET, "/happiness/nowhere", 404)]
        {
            let request = app.plain(method, path).header("accept", BROWSER).header("accept-language", languages);
            let response = request.send().await.unwrap();
            assert_eq!((response.status().as_u16(), header(&response, "content-type")), (status, "text/html; charset=utf-8"), "{path}");
            assert!(
                header(&response, "content-security-policy").starts_with("default-src 'none'")
                    && !header(&response, "x-request-id").is_empty()
            );
            let page = response.text().await.unwrap();
            assert!(page.starts_with(start), "{path} {languages}: {page}");
        }
    }
    problem(app.plain(Method::GET, "/api/v1/surveys").header("accept", BROWSER), 401).await;
    problem(app.plain(Method::POST, "/hooks/abc").header("accept", BROWSER), 404).await;
}

async fn panics() -> &'static str {
    let nothing: Option<&'static str> = std::hint::black_box(None);
    nothing.unwrap()
}

/// There is no handler in the product that panics, so one is put behind the product's own middleware.
#[tokio::test]
async fn a_handler_that_panics_is_a_problem_of_ours_and_the_service_goes_on() {
    let app = TestApp::start(On::Sqlite).await;
    let context = web::Data::from(std::sync::Arc::clone(&app.app.context));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let site = move || {
        let routes =
            Site::new().app_data(context.clone()).route("/panic", web::get().to(panics)).route("/fine", web::get().to(async || "fine"));
        routes.wrap(from_fn(request::around))
    };
    let server = HttpServer::new(site).workers(1).disable_signals().listen(listener).unwrap().run();
    let handle = server.handle();
    let serving = tokio::spawn(server);

    for _ in 0..2 {
        let told = problem(app.plain(Method::GET, &format!("{url}/panic")).header("x-request-id", "the-id-of-a-panic"), 500).await;
        assert_eq!((&told["request_id"], told.get("detail")), (&json!("the-id-of-a-panic"), None));
        assert_eq!(app.plain(Method::GET, &format!("{url}/fine")).send().await.unwrap().status(), 200);
    }
    let browser = app.plain(Method::GET, &format!("{url}/panic")).header("accept", BROWSER).header("accept-language", "fa");
    let response = browser.send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "content-type")), (500, "text/html; charset=utf-8"));
    assert!(response.text().await.unwrap().contains("lang=\"fa\""));
    assert!(app.app.context.metrics.text().contains("route=\"/panic\",method=\"GET\",status=\"500\"} 3"));
    handle.stop(true).await;
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_key_that_comes_too_often_is_told_when_to_come_back_and_disturbs_no_other() {
    let app = TestApp::start_with(On::Sqlite, &[("NABZ__LIMITS__API_PER_KEY_PER_MINUTE", "2")]).await;
    let other = keys::create(&app.app.context.db, &Parts::default(), "other".to_owned(), Scope::Read).await.unwrap();
    for _ in 0..2 {
        assert_eq!(app.get("/api/v1/surveys").await.0, 200);
    }
    let response = app.api(Method::GET, "/api/v1/surveys").send().await.unwrap();
    assert!((1..=60).contains(&header(&response, "retry-after").parse::<u64>().unwrap()));
    problem(app.api(Method::GET, "/api/v1/surveys"), 429).await;
    assert_eq!(app.plain(Method::GET, "/api/v1/surveys").bearer_auth(&other).send().await.unwrap().status(), 200);
    for _ in 0..5 {
        assert_eq!(app.plain(Method::GET, "/").send().await.unwrap().status(), 200, "public reading is never limited");
    }
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let app = TestApp::start(On::Sqlite).await;
    app.survey("support", json!({"public": {"enabled": true}})).await;
    let link = app.link("support", "1").await;
    assert_eq!(app.app.deliver_due().await.unwrap(), 1);
    let mail = app.mails.lock().unwrap().pop().unwrap();
    let unsubscribe = mail.unsubscribe.unwrap();
    let paths =
        ["/", "/docs", "/happiness", "/happiness/support", "/happiness/support.json", "/healthz", "/readyz", "/metrics", "/openapi.json"];
    let api = ["/api/v1/surveys", "/api/v1/surveys/support", "/api/v1/sources", "/api/v1/responses?survey=support", "/nowhere"];
    for path in paths.into_iter().chain(api).chain([link.as_str(), unsubscribe.as_str()]) {
        let got = app.api(Method::GET, path).send().await.unwrap();
        let head = app.api(Method::HEAD, path).send().await.unwrap();
        assert_eq!((head.status(), header(&head, "content-type")), (got.status(), header(&got, "content-type")), "{path}");
        assert_eq!(head.bytes().await.unwrap().len(), 0, "{path}");
        assert!(!got.bytes().await.unwrap().is_empty(), "{path}");
    }
}

/// Sends the beginning of a request and waits until the service has enough of it; answers what it says to that.
fn linger(address: std::net::SocketAddr, beginning: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    stream.write_all(beginning.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn whoever_sends_too_slowly_is_cut_off() {
    let quick = [("NABZ__SERVER__HEAD_TIMEOUT_MS", "1000"), ("NABZ__SERVER__REQUEST_TIMEOUT_MS", "400")];
    let app = TestApp::start_with(On::Sqlite, &quick).await;
    let address = app.app.address;
    for head in ["", "GET /healthz HTT", "GET /healthz HTTP/1.1\r\nHost: nabz\r\nX-Slow: "] {
        let answer = tokio::task::spawn_blocking(move || linger(address, head)).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    for path in ["/s/abc", "/s/abc/touch", "/hooks/abc", "/api/v1/surveys"] {
        let key = crate::common::KEY;
        let body = format!("POST {path} HTTP/1.1\r\nHost: nabz\r\nAuthorization: Bearer {key}\r\nContent-Length: 100\r\n\r\n{{\"slug");
        let answer = tokio::task::spawn_blocking(move || linger(address, &body)).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408") && head.contains("x-request-id: ") && body.contains("/docs#timeout"), "{answer}");
    }
    assert_eq!(app.plain(Method::GET, "/healthz").send().await.unwrap().status(), 200);
}
