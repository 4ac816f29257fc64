//! The whole service in a test: its own port, its own database, a clock that stands still, mail kept in memory.

use std::sync::{Arc, Mutex};

use nabz::app::{App, Parts, machine_random};
use nabz::clock::{Clock, Timestamp};
use nabz::config::Config;
use nabz::delivery::mail::Mail;
use nabz::delivery::transport::Transport;
use nabz::tally::merge::merge_stored;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};

/// The root key of every test.
pub const KEY: &str = "test-root-key-of-at-least-32-characters";
/// Where the clock stands at first.
pub const NOW: &str = "2026-01-15T10:30:00.000Z";

/// The settings of a story that says nothing more.
pub const USUAL: &[(&str, &str)] = &[];

/// A database engine to run a test on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

/// Makes two tests of each function, one on each engine: `name::sqlite` and `name::postgres`. Settings stand behind the type: `app: TestApp = OPENED`.
#[macro_export]
macro_rules! on_both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: TestApp $(= $settings:expr)?) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn story($app: TestApp) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                story(TestApp::start_with($crate::common::On::Sqlite, &[$crate::common::USUAL $(, $settings)?].concat()).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                story(TestApp::start_with($crate::common::On::Postgres, &[$crate::common::USUAL $(, $settings)?].concat()).await).await;
            }
        }
    )+};
}

/// Makes two tests of each function that starts its service itself: `name::sqlite` and `name::postgres`.
#[macro_export]
macro_rules! on_each_engine {
    ($($(#[$meta:meta])* async fn $name:ident($on:ident: On) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn story($on: On) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                story($crate::common::On::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                story($crate::common::On::Postgres).await;
            }
        }
    )+};
}

/// A running service with what a test needs to look at it.
pub struct TestApp {
    pub app: App,
    pub clock: Clock,
    pub mails: Arc<Mutex<Vec<Mail>>>,
    pub url: String,
    pub database_url: String,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

impl TestApp {
    /// Starts a service on an engine.
    pub async fn start(on: On) -> Self {
        Self::start_with(on, &[]).await
    }

    /// Starts a service with settings as in the environment, such as `("NABZ__LIMITS__VOTES_PER_LINK_PER_MINUTE", "2")`.
    pub async fn start_with(on: On, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = fresh_database(on, folder.path()).await;
        Self::start_node(folder, database_url, Clock::fixed(Timestamp::parse(NOW).unwrap()), settings, (None, false)).await
    }

    /// Starts a service whose mail leaves by a transport of the test's.
    pub async fn start_sending(on: On, transport: Transport, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = fresh_database(on, folder.path()).await;
        Self::start_node(folder, database_url, Clock::fixed(Timestamp::parse(NOW).unwrap()), settings, (Some(transport), false)).await
    }

    /// Starts a service that serves its outbox in the background.
    pub async fn start_delivering(on: On, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = fresh_database(on, folder.path()).await;
        Self::start_node(folder, database_url, Clock::fixed(Timestamp::parse(NOW).unwrap()), settings, (None, true)).await
    }

    /// Another node on the same database, with the same secrets and the same clock.
    pub async fn start_beside(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(self.folder.path().join("secrets"), folder.path().join("secrets")).unwrap();
        Self::start_node(folder, self.database_url.clone(), self.clock.clone(), &[], (None, false)).await
    }

    async fn start_node(
        folder: tempfile::TempDir,
        database_url: String,
        clock: Clock,
        settings: &[(&str, &str)],
        (transport, delivers): (Option<Transport>, bool),
    ) -> Self {
        let data_dir = folder.path().display().to_string();
        let usual = [
            ("NABZ__SERVER__LISTEN", "127.0.0.1:0"),
            ("NABZ__DATABASE__URL", database_url.as_str()),
            ("NABZ__DATABASE__MAX_CONNECTIONS", "4"),
            ("NABZ__DATA_DIR", data_dir.as_str()),
            ("NABZ__AUTH__ROOT_KEY", KEY),
            ("NABZ__MAIL__FROM", "Acme <survey@acme.example>"),
            ("NABZ__LIMITS__VOTES_PER_LINK_PER_MINUTE", "0"),
            ("NABZ__LIMITS__VOTES_PER_CLIENT_PER_MINUTE", "0"),
            ("NABZ__LIMITS__API_PER_KEY_PER_MINUTE", "0"),
        ];
        let environment = usual.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::from_parts(None, environment).unwrap();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let parts = Parts {
            clock: clock.clone(),
            random: machine_random(),
            transport: Some(transport.unwrap_or_else(|| Transport::Memory(Arc::clone(&mails)))),
            delivers,
            threads: Some(1),
        };
        let app = App::start(&config, parts).await.unwrap();
        trust_ring();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { url: format!("http://{}", app.address), app, clock, mails, database_url, http, folder }
    }

    /// A request to a path or to a whole address of this service, without a key.
    pub fn plain(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.http.request(method, url)
    }

    /// A request with the root key.
    pub fn api(&self, method: Method, path: &str) -> RequestBuilder {
        self.plain(method, path).bearer_auth(KEY)
    }

    /// GET with the root key: status and JSON.
    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.api(Method::GET, path)).await
    }

    /// POST of JSON with the root key: status and JSON.
    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.api(Method::POST, path).json(body)).await
    }

    /// Creates a survey that asks every time, with more fields laid over it.
    pub async fn survey(&self, slug: &str, more: Value) -> Value {
        let mut draft =
            json!({"slug": slug, "name": "Support", "metric": "csat", "company": "Acme", "policy": {"quiet_days": 0, "quiet_any_days": 0}});
        draft.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, survey) = self.post("/api/v1/surveys", &draft).await;
        assert_eq!(status, StatusCode::CREATED, "{survey}");
        survey
    }

    /// Reports a closed ticket of a customer and answers the whole decision.
    pub async fn close_ticket(&self, survey: &str, ticket: &str, email: &str) -> Value {
        let body = json!({"survey": survey, "ticket": {"id": ticket, "closed_at": self.clock.now()}, "customer": {"email": email}});
        self.post("/api/v1/interactions", &body).await.1
    }

    /// Reports a closed ticket and answers the link of its invitation.
    pub async fn link(&self, survey: &str, ticket: &str) -> String {
        let decided = self.close_ticket(survey, ticket, &format!("customer-{ticket}@example.com")).await;
        decided.pointer("/invitation/link").and_then(Value::as_str).unwrap_or_else(|| panic!("no link in {decided}")).to_owned()
    }

    /// The page behind a link, and the nonce in its form.
    pub async fn page(&self, link: &str) -> (String, String) {
        let page = self.plain(Method::GET, link).send().await.unwrap().text().await.unwrap();
        let nonce = page.split("name=\"nonce\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
        (page, nonce)
    }

    /// Opens a link and sends its form as a person does; answers status and page.
    pub async fn vote(&self, link: &str, score: u8, comment: &str) -> (StatusCode, String) {
        let (_, nonce) = self.page(link).await;
        self.send(
            form_address(link),
            &[("nonce", &nonce), ("score", &score.to_string()), ("comment", comment), ("evidence", "pointerdown")],
        )
        .await
    }

    /// Sends a form to an address; answers status and page.
    pub async fn send(&self, link: &str, form: &[(&str, &str)]) -> (StatusCode, String) {
        let response = self.plain(Method::POST, link).form(form).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// The only row of a query on the service's own database, every column of it a text.
    pub async fn row(&self, sql: &'static str) -> Vec<Option<String>> {
        self.merge(sql).await;
        if self.database_url.starts_with("sqlite:") {
            let mut connection = sqlx::SqliteConnection::connect(&self.database_url).await.unwrap();
            let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
            (0..row.len()).map(|column| row.get(column)).collect()
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.database_url).await.unwrap();
            let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
            (0..row.len()).map(|column| row.get(column)).collect()
        }
    }

    /// What votes changed is in the tallies that a query asks for, not beside them.
    async fn merge(&self, sql: &str) {
        if sql.contains("tally") && !sql.contains("tally_") {
            merge_stored(&self.app.context.db).await.unwrap();
        }
    }

    /// Does something to the database behind the service's back.
    pub async fn execute(&self, sql: &'static str) {
        if self.database_url.starts_with("sqlite:") {
            let mut connection = sqlx::SqliteConnection::connect(&self.database_url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.database_url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
    }

    /// The only value of a query on the service's own database, which must be written for both engines.
    pub async fn scalar(&self, sql: &'static str) -> i64 {
        self.merge(sql).await;
        if self.database_url.starts_with("sqlite:") {
            let mut connection = sqlx::SqliteConnection::connect(&self.database_url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.database_url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        }
    }
}

/// Clients of tests speak TLS with ring too, which the library does not do by itself.
fn trust_ring() {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
}

/// Where the form of a link's page is sent: the link without its score.
fn form_address(link: &str) -> &str {
    let (base, last) = link.rsplit_once('/').unwrap();
    if last.len() < 3 { base } else { link }
}

/// Status and JSON of a request; null where the body is no JSON.
pub async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// The address of an empty database on an engine.
pub async fn fresh_database(on: On, folder: &std::path::Path) -> String {
    match on {
        On::Sqlite => format!("sqlite:{}", folder.join("nabz.db").display()),
        On::Postgres => fresh_postgres().await,
    }
}

/// A database of its own on the PostgreSQL of `tests/all`.
pub async fn fresh_postgres() -> String {
    let server = postgres_url();
    let name = format!("test_{}", uuid::Uuid::from_bytes(machine_random().bytes()).simple());
    let mut connection = sqlx::PgConnection::connect(&server).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

#[expect(clippy::disallowed_methods, reason = "a test is told by the environment where PostgreSQL is")]
fn postgres_url() -> String {
    std::env::var("NABZ_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| panic!("NABZ_TEST_POSTGRES_URL is not set: run tests/all, which starts a PostgreSQL"))
}
