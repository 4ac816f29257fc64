//! Planted canaries: whatever happens in the life of a survey, the log at its loudest holds no address, comment, token or secret.

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::json;
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::binary::{Home, KEY};
use crate::client::{Caller, eventually};

const SOURCE_KEY: &[u8] = b"canary-source-secret-canary-1234";
const IDEMPOTENCY: &str = "canary-idempotency-key-77";
const COMMENT: &str = "canary comment: the parrot is late";
/// What people and programs send; tokens, nonces and keys are added as they come into being.
const PLANTED: [&str; 15] = [
    "canary.sara",
    "canary-two",
    "+4930123454321",
    "Canaria",
    "Canary subject",
    "canary-ref-9",
    "Canary Agent",
    "canary comment",
    "canary-idempotency",
    "canary-source-secret",
    "canary-smtp-password",
    "canary-smtp-user",
    "canary-gateway-secret",
    "canary-wrong-key",
    KEY,
];

async fn signed(caller: &Caller, hook: &str, id: &str, body: &str, key: &[u8]) -> u16 {
    let at = nabz::clock::Clock::System.now().as_seconds();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let signature = format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()));
    let request = caller.plain(Method::POST, hook).header("webhook-id", id).header("webhook-timestamp", at.to_string());
    let answer = request.header("webhook-signature", signature).body(body.to_owned()).send().await.unwrap();
    answer.status().as_u16()
}

/// Interactions by API and by hook, accepted and refused.
async fn take_in(caller: &Caller) -> Vec<String> {
    caller.survey("support", &["email"]).await;
    let secret = format!("whsec_{}", BASE64.encode(SOURCE_KEY));
    let source = json!({"name": "Desk", "kind": "standard", "survey": "support", "secret": secret});
    let hook = caller.post("/api/v1/sources", &source).await["hook_url"].as_str().unwrap().to_owned();
    let interaction = json!({
        "survey": "support", "ticket": {"id": "canary-two", "subject": "Canary subject"},
        "customer": {"email": "canary.sara@example.com", "phone": "+4930123454321", "name": "Canaria", "ref": "canary-ref-9"},
        "agent": {"id": "17", "name": "Canary Agent"},
    });
    let mut decided = json!(null);
    for expected in [201, 200] {
        let request = caller.api(Method::POST, "/api/v1/interactions").header("idempotency-key", IDEMPOTENCY);
        let answer = request.json(&interaction).send().await.unwrap();
        assert_eq!(answer.status(), expected);
        decided = answer.json().await.unwrap();
    }
    let refused = json!({"survey": "support", "ticket": {"id": "1"}, "customer": {"email": "canary.sara@"}, "canary-two": 1});
    assert_eq!(caller.api(Method::POST, "/api/v1/interactions").json(&refused).send().await.unwrap().status(), 422);

    let event =
        json!({"event": "ticket.closed", "ticket": {"id": "canary-two-2"}, "customer": {"email": "canary-two@example.com"}}).to_string();
    assert_eq!(signed(caller, &hook, "msg_1", &event, SOURCE_KEY).await, 200);
    assert_eq!(signed(caller, &hook, "msg_1", &event, SOURCE_KEY).await, 200);
    assert_eq!(signed(caller, &hook, "msg_2", "{\"canary-two\": ", SOURCE_KEY).await, 400);
    assert_eq!(signed(caller, &hook, "msg_3", &event, b"canary-wrong-key").await, 401);
    let link = decided["invitation"]["link"].as_str().unwrap().to_owned();
    vec![link, secret, HEXLOWER.encode(SOURCE_KEY)]
}

/// A server that refuses every request and repeats all of it.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 4096];
            let count = stream.read(&mut bytes).await.unwrap_or_default();
            let said = json!({"refused": String::from_utf8_lossy(&bytes[..count])}).to_string();
            let answer = format!("HTTP/1.1 400 X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{said}", said.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

/// A customer is asked by a gateway that repeats what it got; answers the link.
async fn text(caller: &Caller) -> String {
    let gateway = json!({"name": "sms", "url": format!("{}/{{{{ secrets.key }}}}/send", echo().await), "secrets": {"key": "canary-gateway-secret"},
        "headers": {"x-key": "{{ secrets.key }}"}, "body": {"form": {"to": "{{ customer.phone }}", "text": "{{ customer.name }}: {{ text }}"}}});
    caller.post("/api/v1/gateways", &gateway).await;
    caller.survey("texting", &["sms"]).await;
    let customer = json!({"phone": "+49 30 1234 54321", "name": "Canaria"});
    let body = json!({"survey": "texting", "ticket": {"id": "canary-two-3"}, "customer": customer});
    caller.post("/api/v1/interactions", &body).await["invitation"]["link"].as_str().unwrap().to_owned()
}

/// The customer opens, answers, sends too much and a stale form; answers the nonce.
async fn answer(caller: &Caller, link: &str) -> String {
    let nonce = caller.nonce(&format!("{link}/4")).await.unwrap();
    assert_eq!(caller.vote(link, &nonce, 4, COMMENT).await.unwrap(), 200);
    assert_eq!(caller.vote(link, &nonce, 9, COMMENT).await.unwrap(), 422);
    assert_eq!(caller.vote(link, &nonce, 4, &COMMENT.repeat(500)).await.unwrap(), 422);
    assert_eq!(caller.vote(link, "canary-two", 4, COMMENT).await.unwrap(), 409);
    let damaged = format!("{}x", &link[..link.len() - 1]);
    assert_eq!(caller.vote(&damaged, &nonce, 4, COMMENT).await.unwrap(), 404);
    let touch = caller.plain(Method::POST, &format!("{link}/touch"));
    let touched = touch.form(&[("nonce", nonce.as_str()), ("score", "4"), ("evidence", "keydown")]).send().await.unwrap();
    assert_eq!(touched.status(), 204);
    nonce
}

/// Callers with the wrong key, at the wrong address, with the wrong query.
async fn knock(caller: &Caller) {
    for path in ["/api/v1/responses?survey=support&q=canary%20comment", "/api/v1/responses?canary-two=1", "/canary-two/canary.sara"] {
        caller.api(Method::GET, path).send().await.unwrap();
    }
    let wrong = caller.plain(Method::GET, "/api/v1/surveys").bearer_auth("canary-wrong-key").send();
    assert_eq!(wrong.await.unwrap().status(), 401);
}

/// Runs it all; answers the log, and what must not be in it besides [`PLANTED`].
async fn life(home: Home) -> (String, Vec<String>) {
    let home = home
        .with("NABZ__LOG__FILTER", "trace")
        .with("NABZ__WEBHOOKS__ALLOW_PRIVATE", "[\"127.0.0.0/8\"]")
        .with("NABZ__MAIL__TRANSPORT", "smtp")
        .with("NABZ__MAIL__SMTP_URL", "smtp://canary-smtp-user:canary-smtp-password@127.0.0.1:1?tls=none");
    let service = home.serve();
    let caller = Caller::new(&service);
    let created = home.run(&["key", "create", "--name", "canary"]);
    let key = created.out.trim().to_owned();
    let read = caller.plain(Method::GET, "/api/v1/surveys").bearer_auth(&key).send();
    assert_eq!(read.await.unwrap().status(), 200);

    let mut planted = take_in(&caller).await;
    let link = planted[0].clone();
    planted.push(link.rsplit('/').next().unwrap().to_owned());
    planted.push(answer(&caller, &link).await);
    let texted = text(&caller).await;
    planted.push(texted.rsplit('/').next().unwrap().to_owned());
    knock(&caller).await;
    // The mails have been tried and have failed, and so has the text.
    eventually(async || {
        let metrics = caller.plain(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        let counted = |channel: &str, outcome: &str, count: u8| {
            metrics.contains(&format!("nabz_deliveries_total{{channel=\"{channel}\",outcome=\"{outcome}\"}} {count}"))
        };
        (counted("email", "retry", 2) && counted("sms", "failed", 1)).then_some(())
    })
    .await;
    service.terminate();
    let ended = service.ended();
    assert!(ended.status.success(), "{}", ended.err);

    let secrets = std::fs::read_to_string(home.path("data/secrets")).unwrap();
    planted.push(secrets.trim().split(' ').nth(1).unwrap().to_owned());
    planted.push(key);
    planted.extend(PLANTED.map(str::to_owned));
    (format!("{}{}{}", ended.out, ended.err, created.err), planted)
}

fn assert_silent(log: &str, planted: &[String]) {
    // The log is loud enough to be worth searching, and tells what happened.
    for expected in ["TRACE", "settled", "answered", "relay unreachable", "400 {"] {
        assert!(log.contains(expected), "{expected}");
    }
    for canary in planted {
        assert!(canary.len() >= 5, "{canary} is too short to search for");
        let found = log.lines().find(|line| line.to_lowercase().contains(&canary.to_lowercase()));
        assert!(found.is_none(), "{canary} is in the log: {}", found.unwrap_or_default());
    }
}

#[tokio::test]
async fn the_loudest_log_on_sqlite_holds_no_canary() {
    let (log, planted) = life(Home::usual()).await;
    assert_silent(&log, &planted);
}

#[tokio::test]
async fn the_loudest_log_on_postgresql_holds_no_canary() {
    let url = crate::durability::fresh_postgres().await;
    let (log, planted) = life(Home::usual().with("NABZ__DATABASE__URL", &url)).await;
    assert_silent(&log, &planted);
}

#[test]
#[should_panic(expected = "is in the log")]
fn the_search_finds_what_is_there() {
    assert_silent("TRACE settled answered relay unreachable 400 {\nto Canary.Sara@example.com", &["canary.sara".to_owned()]);
}
