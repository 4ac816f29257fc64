//! The survey page under pressure: too many, not now, and what every answer carries for browsers.

use nabz::clock::MINUTE_MS;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::common::{On, TestApp, answer};
use crate::on_both_engines;

/// Sends a form as a person does, perhaps through a proxy.
async fn send(app: &TestApp, link: &str, forwarded: Option<&str>) -> Response {
    let (_, nonce) = app.page(link).await;
    let request = app.plain(Method::POST, link).form(&[("nonce", nonce.as_str()), ("score", "4"), ("evidence", "keydown")]);
    forwarded.into_iter().fold(request, |request, hops| request.header("x-forwarded-for", hops)).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

fn assert_told_to_wait(response: &Response, status: StatusCode) {
    assert_eq!(response.status(), status);
    let seconds: u64 = header(response, "retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_used_too_often_has_to_wait_and_others_do_not() {
    let app = TestApp::start_with(On::Sqlite, &[("NABZ__LIMITS__VOTES_PER_LINK_PER_MINUTE", "2")]).await;
    app.survey("support", json!({"deliver": []})).await;
    let (link, other) = (app.link("support", "1").await, app.link("support", "2").await);
    for _ in 0..2 {
        assert_eq!(send(&app, &link, None).await.status(), StatusCode::OK);
    }
    let refused = send(&app, &link, None).await;
    assert_told_to_wait(&refused, StatusCode::TOO_MANY_REQUESTS);
    assert!(header(&refused, "content-type").starts_with("text/html"));
    let (_, nonce) = app.page(&link).await;
    let touch =
        app.plain(Method::POST, &format!("{link}/touch")).form(&[("nonce", nonce.as_str()), ("score", "1"), ("evidence", "keydown")]);
    assert_told_to_wait(&touch.send().await.unwrap(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(send(&app, &other, None).await.status(), StatusCode::OK);
    for _ in 0..20 {
        assert_eq!(app.plain(Method::GET, &link).send().await.unwrap().status(), StatusCode::OK, "reading is never limited");
    }
    assert_eq!(app.scalar("SELECT COUNT(*) FROM response WHERE raw = 4").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_who_a_trusted_proxy_says_and_nobody_else_may_say_it() {
    let per_client = ("NABZ__LIMITS__VOTES_PER_CLIENT_PER_MINUTE", "2");
    let app = TestApp::start_with(On::Sqlite, &[per_client, ("NABZ__SERVER__TRUSTED_PROXIES", "[\"127.0.0.1\", \"10.0.0.0/8\"]")]).await;
    app.survey("support", json!({"deliver": []})).await;
    let link = app.link("support", "1").await;
    for (hops, status) in [
        ("203.0.113.1", 200),
        ("203.0.113.1, 10.0.0.9", 200),
        ("203.0.113.1", 429),
        ("198.51.100.7, 203.0.113.1", 429),
        ("203.0.113.2", 200),
        ("2001:db8::1", 200),
        ("2001:db8::2", 200),
        ("2001:db8::3", 429),
        ("2001:db8:0:1::1", 200),
    ] {
        let response = send(&app, &link, Some(hops)).await;
        assert_eq!(response.status().as_u16(), status, "{hops}");
        if status == 429 {
            assert_told_to_wait(&response, StatusCode::TOO_MANY_REQUESTS);
        }
    }

    let app = TestApp::start_with(On::Sqlite, &[per_client]).await;
    app.survey("support", json!({"deliver": []})).await;
    let link = app.link("support", "1").await;
    for (hops, status) in [("203.0.113.1", 200), ("203.0.113.2", 200), ("203.0.113.3", 429)] {
        assert_eq!(send(&app, &link, Some(hops)).await.status().as_u16(), status, "{hops}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_postgres_acknowledges_no_vote_and_shows_its_pages() {
    let app = TestApp::start(On::Postgres).await;
    app.survey("support", json!({"deliver": []})).await;
    let link = app.link("support", "1").await;
    let (_, nonce) = app.page(&link).await;
    let read_only = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
        PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid(); END $$";
    app.execute(read_only).await;
    for _ in 0..10 {
        let form = [("nonce", nonce.as_str()), ("score", "4"), ("evidence", "keydown")];
        let response = app.plain(Method::POST, &link).form(&form).send().await.unwrap();
        assert_told_to_wait(&response, StatusCode::SERVICE_UNAVAILABLE);
        assert_told_to_wait(
            &app.api(Method::POST, "/api/v1/interactions")
                .json(&json!({"survey": "support", "ticket": {"id": "2"}, "customer": {"ref": "c"}}))
                .send()
                .await
                .unwrap(),
            StatusCode::SERVICE_UNAVAILABLE,
        );
    }
    assert_eq!(app.plain(Method::GET, &link).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(app.scalar("SELECT COUNT(*) FROM response").await, 0);
}

on_both_engines! {
    async fn a_vote_that_cannot_be_stored_is_not_acknowledged_and_leaves_nothing_behind(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        let (_, nonce) = app.page(&link).await;
        // What changes in the counts comes last: everything before them has to go again.
        app.execute("ALTER TABLE tally_delta RENAME TO away").await;
        let refused = send(&app, &link, None).await;
        assert_told_to_wait(&refused, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!refused.text().await.unwrap().contains("tally"));
        let form = [("nonce", nonce.as_str()), ("score", "4"), ("evidence", "keydown"), ("comment", "kept")];
        let refused = app.plain(Method::POST, &link).form(&form).send().await.unwrap();
        assert_told_to_wait(&refused, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.text().await.unwrap().contains("kept</textarea>"), "what was typed is there for the next try");
        let refused = app.plain(Method::POST, &format!("{link}/touch")).form(&form).send().await.unwrap();
        assert_told_to_wait(&refused, StatusCode::SERVICE_UNAVAILABLE);
        let left = "SELECT (SELECT COUNT(*) FROM response) + (SELECT COUNT(*) FROM response_version) + (SELECT COUNT(*) FROM invitation WHERE state = 'answered')";
        assert_eq!(app.scalar(left).await, 0);
        app.execute("ALTER TABLE away RENAME TO tally_delta").await;
        assert_eq!(send(&app, &link, None).await.status(), StatusCode::OK);
        assert_eq!(app.scalar("SELECT n4 * 100 + delivered_count * 10 + answered_count FROM tally").await, 111);
    }

    async fn without_the_table_of_responses_every_page_says_to_come_back(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        let (_, nonce) = app.page(&link).await;
        app.execute("ALTER TABLE response RENAME TO response_away").await;
        // What was looked up a moment ago is still known.
        assert_eq!(app.plain(Method::GET, &link).send().await.unwrap().status(), StatusCode::OK);
        app.clock.advance(MINUTE_MS);
        assert_told_to_wait(&app.plain(Method::GET, &link).send().await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
        for comment in ["", "typed"] {
            let form = [("nonce", nonce.as_str()), ("score", "4"), ("evidence", "keydown"), ("comment", comment)];
            assert_told_to_wait(&app.plain(Method::POST, &link).form(&form).send().await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
        }
        app.execute("ALTER TABLE response_away RENAME TO response").await;
        assert_eq!(send(&app, &link, None).await.status(), StatusCode::OK);
    }

    async fn a_link_that_was_just_opened_tells_of_every_change_at_once(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        app.survey("final", json!({"deliver": [], "policy": {"edit_days": 0}})).await;
        let status = async |link: &str| app.plain(Method::GET, link).send().await.unwrap().status();
        let (withdrawn, voted) = (app.link("support", "1").await, app.link("final", "2").await);
        for link in [&withdrawn, &voted] {
            assert_eq!((status(link).await, status(link).await), (StatusCode::OK, StatusCode::OK));
        }
        assert_eq!(app.vote(&voted, 4, "").await.0, StatusCode::OK);
        assert_eq!(status(&voted).await, StatusCode::GONE);
        let (_, listed) = app.get("/api/v1/interactions?ticket=1").await;
        let invitation = listed["items"][0]["invitation"]["id"].as_str().unwrap();
        let (answered, body) = app.post(&format!("/api/v1/invitations/{invitation}/withdraw"), &json!({})).await;
        assert_eq!(answered, StatusCode::OK, "{body}");
        assert_eq!(status(&withdrawn).await, StatusCode::GONE);
    }

    async fn a_page_speaks_the_customers_language_then_the_asked_one_then_the_browsers_then_the_surveys(app: TestApp) {
        app.survey("support", json!({"deliver": [], "locale": "ar"})).await;
        let body = json!({"survey": "support", "ticket": {"id": "1"}, "customer": {"ref": "c", "locale": "fa-IR"}});
        let known = app.post("/api/v1/interactions", &body).await.1["invitation"]["link"].as_str().unwrap().to_owned();
        let unknown = app.link("support", "2").await;
        for (link, query, accept, expected) in [
            (&known, "?lang=en", "en", "fa"), (&unknown, "?lang=en", "fa", "en"), (&unknown, "", "fa;q=0.8, de", "fa"), (&unknown, "?lang=xx", "de", "ar"), (&unknown, "", "", "ar"),
        ] {
            let page = app.plain(Method::GET, &format!("{link}{query}")).header("accept-language", accept).send().await.unwrap().text().await.unwrap();
            assert!(page.contains(&format!("<html lang=\"{expected}\"")), "{query} {accept}: {page}");
        }
        let nowhere = app.plain(Method::GET, "/s/x").header("accept-language", "fa").send().await.unwrap().text().await.unwrap();
        assert!(nowhere.contains("<html lang=\"fa\" dir=\"rtl\""));
        // An answer is kept in the language of its page.
        app.vote(&known, 5, "").await;
        assert_eq!(app.get("/api/v1/responses").await.1["items"][0]["locale"], "fa");
        assert_eq!(app.scalar("SELECT n5 FROM tally WHERE locale = 'fa'").await, 1);
    }

    async fn no_page_of_a_customer_is_kept_framed_indexed_or_told_on(app: TestApp) {
        app.survey("support", json!({})).await;
        let link = app.link("support", "1").await;
        app.app.deliver_due().await.unwrap();
        let unsubscribe = app.mails.lock().unwrap().pop().unwrap().unsubscribe.unwrap();
        let (_, nonce) = app.page(&link).await;
        let form = [("nonce", nonce.as_str()), ("score", "4"), ("evidence", "keydown")];
        let mut nonces = Vec::new();
        for (request, status) in [
            (app.plain(Method::GET, &link), 200), (app.plain(Method::GET, &format!("{link}/4")), 200), (app.plain(Method::GET, "/s/x"), 404),
            (app.plain(Method::POST, &link).form(&form), 200), (app.plain(Method::POST, &link).form(&form[..2]), 200),
            (app.plain(Method::POST, &link).form(&form[1..]), 409), (app.plain(Method::POST, &link).form(&[form[0], form[2]]), 422),
            (app.plain(Method::GET, &unsubscribe), 200), (app.plain(Method::POST, &unsubscribe), 200),
        ] {
            let response = request.header("accept", "text/html").send().await.unwrap();
            assert_eq!(response.status().as_u16(), status);
            for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-robots-tag", "noindex"), ("x-content-type-options", "nosniff"), ("set-cookie", "")] {
                assert_eq!(header(&response, name), value, "{name}");
            }
            let policy = header(&response, "content-security-policy").to_owned();
            assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
            let nonce = policy.split("style-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
            assert!(response.text().await.unwrap().contains(&format!("<style nonce=\"{nonce}\">")));
            nonces.push(nonce);
        }
        nonces.sort();
        nonces.dedup();
        assert_eq!(nonces.len(), 9, "every page has a nonce of its own");
        let head = app.plain(Method::HEAD, &link).send().await.unwrap();
        assert_eq!((head.status(), header(&head, "cache-control")), (StatusCode::OK, "no-store"));
        assert_eq!(answer(app.plain(Method::DELETE, &link)).await.0, StatusCode::METHOD_NOT_ALLOWED);
    }
}
