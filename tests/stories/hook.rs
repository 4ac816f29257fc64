//! A connected help desk in a test, which signs as its kind does.

use data_encoding::BASE64;
use hmac::Mac as _;
use nabz::intake::verify::standard_key;
use nabz::keyring::hmac;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};

/// A source and its secret.
pub struct Hook {
    pub id: String,
    pub url: String,
    pub secret: String,
}

impl Hook {
    /// Connects a source of a kind to a survey, with a secret of its own or one that is made.
    pub async fn connect(app: &TestApp, kind: &str, survey: &str, secret: Option<&str>) -> Self {
        let draft = json!({"name": "Desk", "kind": kind, "survey": survey, "secret": secret});
        let (status, source) = app.post("/api/v1/sources", &draft).await;
        assert_eq!(status, StatusCode::CREATED, "{source}");
        let text = |name: &str| source[name].as_str().unwrap().to_owned();
        Self { id: text("id"), url: text("hook_url"), secret: text("secret") }
    }

    /// A delivery of these bytes, signed by Standard Webhooks at some second.
    pub fn delivery(&self, app: &TestApp, id: &str, signed_s: i64, body: &[u8]) -> RequestBuilder {
        let mut mac = hmac(&standard_key(&self.secret).unwrap());
        mac.update(format!("{id}.{signed_s}.").as_bytes());
        mac.update(body);
        let signature = format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()));
        app.plain(Method::POST, &self.url)
            .header("webhook-id", id)
            .header("webhook-timestamp", signed_s)
            .header("webhook-signature", signature)
            .header("content-type", "application/json")
            .body(body.to_vec())
    }

    /// Delivers an event, signed now; answers status and JSON.
    pub async fn send(&self, app: &TestApp, id: &str, event: &Value) -> (StatusCode, Value) {
        let now_s = app.clock.now().as_seconds();
        answer(self.delivery(app, id, now_s, event.to_string().as_bytes())).await
    }
}

/// A closing of a ticket by one customer, closed now.
pub fn closed(app: &TestApp, ticket: &str, email: &str) -> Value {
    json!({"event": "ticket.closed", "ticket": {"id": ticket, "closed_at": app.clock.now()}, "customer": {"email": email}})
}
