//! A program and a customer that talk to a service over HTTP.

use std::time::Instant;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::binary::{KEY, Service, WITHIN};

/// A client that speaks to one service with the root key.
#[derive(Clone)]
pub struct Caller {
    http: Client,
    url: String,
}

impl Caller {
    pub fn new(service: &Service) -> Self {
        Self::at(&service.url)
    }

    /// The same for a service that runs at an address.
    pub fn at(url: &str) -> Self {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        // The port of a service that was killed may be another test's by now, who answers nothing.
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(WITHIN / 2).build().unwrap();
        Self { http, url: url.to_owned() }
    }

    /// A request to a path, or to the path of a whole address.
    pub fn plain(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{}", self.url, path_of(path)))
    }

    /// A request with the root key.
    pub fn api(&self, method: Method, path: &str) -> RequestBuilder {
        self.plain(method, path).bearer_auth(KEY)
    }

    /// POST of JSON with the root key; must succeed.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let response = self.api(Method::POST, path).json(body).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A survey that asks every time; by mail where `deliver` says so, otherwise the caller sends the link.
    pub async fn survey(&self, slug: &str, deliver: &[&str]) {
        let policy = json!({"quiet_days": 0, "quiet_any_days": 0});
        let draft = json!({"slug": slug, "name": "Support", "metric": "csat", "company": "Acme", "deliver": deliver, "policy": policy});
        self.post("/api/v1/surveys", &draft).await;
    }

    /// The link of an invitation about a closed ticket.
    pub async fn link(&self, survey: &str, ticket: &str) -> String {
        let email = format!("customer-{ticket}@example.com");
        let body = json!({"survey": survey, "ticket": {"id": ticket}, "customer": {"email": email}});
        let decided = self.post("/api/v1/interactions", &body).await;
        decided["invitation"]["link"].as_str().unwrap().to_owned()
    }

    /// The nonce in the form behind a link.
    pub async fn nonce(&self, link: &str) -> reqwest::Result<String> {
        let page = self.plain(Method::GET, link).send().await?.text().await?;
        let rest = page.split("name=\"nonce\" value=\"").nth(1).unwrap_or_default();
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    }

    /// Sends the form behind a link as a person does.
    pub async fn vote(&self, link: &str, nonce: &str, score: u8, comment: &str) -> reqwest::Result<StatusCode> {
        let score = score.to_string();
        let form = [("nonce", nonce), ("score", &score), ("comment", comment), ("evidence", "pointerdown")];
        Ok(self.plain(Method::POST, link).form(&form).send().await?.status())
    }
}

/// The path of an address, or the path itself.
pub fn path_of(address: &str) -> &str {
    address.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..))).unwrap_or(address)
}

/// Looks again and again until there is something.
pub async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    let mut again = tokio::time::interval(std::time::Duration::from_millis(10));
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < WITHIN, "it did not come in time");
        again.tick().await;
    }
}
