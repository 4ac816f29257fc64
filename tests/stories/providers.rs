//! What mail providers tell by webhook, each with real signatures of keys made here: believed as they sign, refused in every other way.

use data_encoding::{BASE64, HEXLOWER};
use hmac::Mac as _;
use nabz::keyring::hmac;
use reqwest::{Method, RequestBuilder, StatusCode};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::bounces::{Sent, course, send, suppressed};
use crate::common::{On, TestApp, answer};
use crate::on_both_engines;
use crate::peer::{self, OPENED, Peer};

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:bounces";
const MAILGUN: &[(&str, &str)] = &[("NABZ__BOUNCES__MAILGUN_SIGNING_KEY", "key-mailgun-test")];
const POSTMARK: &[(&str, &str)] = &[("NABZ__BOUNCES__POSTMARK_PASSWORD", "postmark-password-of-a-test")];

fn post(app: &TestApp, path: &str, body: &str) -> RequestBuilder {
    app.plain(Method::POST, path).body(body.to_owned())
}

/// The only item of an answer, as outcome and kind.
async fn told(request: RequestBuilder) -> (Value, Value) {
    let (status, answer) = answer(request).await;
    assert_eq!((status, answer["items"].as_array().map(Vec::len)), (StatusCode::OK, Some(1)), "{answer}");
    (answer["items"][0]["outcome"].clone(), answer["items"][0]["kind"].clone())
}

async fn refused(request: RequestBuilder, words: &str) {
    let (status, problem) = answer(request).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
}

async fn assert_nothing_changed(app: &TestApp) {
    assert_eq!(app.scalar("SELECT (SELECT COUNT(*) FROM bounce) + (SELECT COUNT(*) FROM suppression)").await, 0);
}

mod amazon {
    use super::*;

    struct Topic {
        peer: Peer,
        key: RsaKeyPair,
    }

    /// SNS as an emulator: the certificate, and the address that confirms.
    async fn topic() -> Topic {
        let peer = Peer::start(|asked, _| match asked.path.as_str() {
            "/certificate.pem" => peer::bytes(200, "", include_str!("../bounces/sns/certificate.pem")),
            "/confirm?Token=1" => peer::bytes(200, "", "<ConfirmSubscriptionResponse/>"),
            _ => peer::bytes(404, "", ""),
        })
        .await;
        Topic { peer, key: RsaKeyPair::from_pkcs8(include_bytes!("../bounces/sns/key.der")).unwrap() }
    }

    impl Topic {
        async fn app(&self, on: On) -> TestApp {
            let topics = format!("[{TOPIC:?}]");
            let settings = [("NABZ__BOUNCES__SNS_TOPICS", topics.as_str()), ("NABZ__BOUNCES__SNS_ENDPOINT", self.peer.url.as_str())];
            let app = TestApp::start_with(on, &[OPENED, &settings].concat()).await;
            app.survey("support", json!({})).await;
            app
        }

        fn message(&self, app: &TestApp, kind: &str, more: &Value) -> Value {
            let mut message = json!({"Type": kind, "MessageId": "m-1", "TopicArn": TOPIC, "Timestamp": app.clock.now(), "SignatureVersion": "2",
                "SigningCertURL": format!("{}/certificate.pem", self.peer.url)});
            message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            self.sign(message)
        }

        fn sign(&self, mut message: Value) -> Value {
            let names: &[&str] = if message["Type"] == "Notification" {
                &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
            } else {
                &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
            };
            let signed: String = names.iter().filter_map(|name| Some(format!("{name}\n{}\n", message[*name].as_str()?))).collect();
            let mut signature = vec![0; self.key.public().modulus_len()];
            self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
            message["Signature"] = json!(BASE64.encode(&signature));
            message
        }
    }

    fn bounce(mail: &Value) -> Value {
        let recipient = json!({"emailAddress": "sara@example.com", "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 <sara@example.com> unknown"});
        let bounce = json!({"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [recipient]});
        json!({"notificationType": "Bounce", "bounce": bounce, "mail": mail})
    }

    async fn believed(on: On) {
        let topic = topic().await;
        let app = topic.app(on).await;
        let sent = send(&app, "1", "sara@example.com").await;
        let mail = json!({"messageId": "0107", "source": "survey@acme.example", "headers": [{"name": "Message-Id", "value": format!("<{}@acme.example>", sent.invitation)}]});
        let message = topic.message(&app, "Notification", &json!({"Message": bounce(&mail).to_string(), "Subject": "Bounce"}));
        assert_eq!(told(post(&app, "/bounces/ses", &message.to_string())).await, (json!("suppressed"), json!("hard")));
        assert_eq!(told(post(&app, "/bounces/ses", &message.to_string())).await.0, "duplicate");
        let (state, details) = course(&app, &sent).await;
        assert_eq!((state.as_str(), details), ("bounced", vec!["hard 5.1.1: smtp; 550 5.1.1 unknown".to_owned()]));
        assert_eq!(suppressed(&app, "sara@example.com").await.as_deref(), Some("bounced"));

        let complaint = json!({"eventType": "Complaint", "complaint": {"complaintFeedbackType": "abuse", "complainedRecipients": [{"emailAddress": "Omid@example.com"}]}, "mail": {"messageId": "0108"}});
        let message = topic.message(&app, "Notification", &json!({"MessageId": "m-2", "Message": complaint.to_string()}));
        assert_eq!(told(post(&app, "/bounces/ses", &message.to_string())).await, (json!("suppressed"), json!("complaint")));
        assert_eq!(suppressed(&app, "omid@example.com").await.as_deref(), Some("complained"), "though nobody knows them");
        assert_eq!(topic.peer.asked().len(), 1, "the certificate is kept");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_notification_is_believed_by_its_certificate_on_sqlite() {
        believed(On::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_notification_is_believed_by_its_certificate_on_postgresql() {
        believed(On::Postgres).await;
    }

    #[tokio::test]
    async fn a_subscription_to_a_topic_of_ours_is_confirmed_once_it_is_believed() {
        let topic = topic().await;
        let app = topic.app(On::Sqlite).await;
        let confirming = |url: &str| json!({"Message": "You have chosen to subscribe", "Token": "1", "SubscribeURL": url});
        let good = topic.message(&app, "SubscriptionConfirmation", &confirming(&format!("{}/confirm?Token=1", topic.peer.url)));
        let elsewhere = topic.message(&app, "SubscriptionConfirmation", &confirming("https://evil.example/confirm"));
        refused(post(&app, "/bounces/ses", &elsewhere.to_string()), "SubscribeURL").await;
        let mut forged = good.clone();
        forged["SubscribeURL"] = json!(format!("{}/confirm?Token=2", topic.peer.url));
        refused(post(&app, "/bounces/ses", &forged.to_string()), "does not fit").await;
        let confirmed = |peer: &Peer| peer.asked().iter().filter(|asked| asked.path.starts_with("/confirm")).count();
        assert_eq!(confirmed(&topic.peer), 0);
        assert_eq!(answer(post(&app, "/bounces/ses", &good.to_string())).await, (StatusCode::OK, json!({"items": []})));
        assert_eq!(confirmed(&topic.peer), 1);
        let missing = topic.message(&app, "SubscriptionConfirmation", &confirming(&format!("{}/other", topic.peer.url)));
        assert_eq!(answer(post(&app, "/bounces/ses", &missing.to_string())).await.0, StatusCode::SERVICE_UNAVAILABLE);
        let ended = topic.message(&app, "UnsubscribeConfirmation", &confirming("https://sns.eu-central-1.amazonaws.com/"));
        assert_eq!(answer(post(&app, "/bounces/ses", &ended.to_string())).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn strangers_topics_old_messages_and_wrong_signatures_are_refused() {
        let topic = topic().await;
        let app = topic.app(On::Sqlite).await;
        let body = json!({"Message": bounce(&json!({"messageId": "0107"})).to_string()});
        let good = topic.message(&app, "Notification", &body);
        let with = |name: &str, value: Value| {
            let mut message = good.clone();
            message[name] = value;
            topic.sign(message)
        };
        let day_ago = json!(app.clock.now().plus_days(-1).plus_millis(-1000));
        for (message, words) in [
            (with("TopicArn", json!("arn:aws:sns:eu-central-1:999999999999:bounces")), "bounces.sns_topics"),
            (with("Timestamp", day_ago), "timestamp"),
            (with("SigningCertURL", json!("https://sns.eu-central-1.amazonaws.com.evil.example/certificate.pem")), "SigningCertURL"),
            (with("SigningCertURL", json!("http://127.0.0.1:1/certificate.pem")), "SigningCertURL"),
            (bounce(&json!({"messageId": "0107"})), "raw delivery"),
        ] {
            refused(post(&app, "/bounces/ses", &message.to_string()), words).await;
        }
        assert_eq!(topic.peer.asked().len(), 0, "nothing is fetched for a stranger");
        let mut forged = good.clone();
        forged["Message"] = json!("{}");
        refused(post(&app, "/bounces/ses", &forged.to_string()), "does not fit").await;
        let unknown = with("SigningCertURL", json!(format!("{}/other.pem", topic.peer.url)));
        assert_eq!(answer(post(&app, "/bounces/ses", &unknown.to_string())).await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer(post(&app, "/bounces/ses", "no json")).await.0, StatusCode::BAD_REQUEST);
        assert_nothing_changed(&app).await;
    }
}

mod sendgrid {
    use super::*;

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn fresh() -> Self {
            let random = SystemRandom::new();
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap())
        }

        /// As SendGrid shows it: the key with what says that it is on P-256.
        fn shown(&self) -> String {
            let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
            BASE64.encode(&[&HEXLOWER.decode(head.as_bytes()).unwrap(), self.0.public_key().as_ref()].concat())
        }

        fn post(&self, app: &TestApp, at_s: i64, body: &str) -> RequestBuilder {
            let signature = self.0.sign(&SystemRandom::new(), format!("{at_s}{body}").as_bytes()).unwrap();
            post(app, "/bounces/sendgrid", body)
                .header("X-Twilio-Email-Event-Webhook-Timestamp", at_s.to_string())
                .header("X-Twilio-Email-Event-Webhook-Signature", BASE64.encode(signature.as_ref()))
        }
    }

    fn events(sent: &Sent) -> String {
        let smtp_id = format!("<{}@acme.example>", sent.invitation);
        json!([
            {"event": "processed", "email": "sara@example.com", "smtp-id": smtp_id, "sg_event_id": "0"},
            {"event": "bounce", "type": "bounce", "email": "sara@example.com", "smtp-id": smtp_id, "status": "5.1.1", "reason": "550 5.1.1 unknown", "sg_event_id": "1"},
            {"event": "deferred", "email": "omid@example.com", "response": "451 later", "sg_message_id": "2"},
            {"event": "spamreport", "email": "lea@example.com", "sg_message_id": "3"},
        ]).to_string()
    }

    async fn story(on: On) {
        let signer = Signer::fresh();
        let shown = signer.shown();
        let app = TestApp::start_with(on, &[("NABZ__BOUNCES__SENDGRID_PUBLIC_KEY", shown.as_str())]).await;
        app.survey("support", json!({})).await;
        let sent = send(&app, "1", "sara@example.com").await;
        let (now_s, body) = (app.clock.now().as_seconds(), events(&sent));
        refused(Signer::fresh().post(&app, now_s, &body), "does not fit").await;
        refused(signer.post(&app, now_s - 86_401, &body), "timestamp").await;
        refused(signer.post(&app, now_s, &body).body(body.replace("5.1.1", "5.1.2")), "does not fit").await;
        refused(post(&app, "/bounces/sendgrid", &body), "x-twilio-email-event-webhook-timestamp").await;
        assert_nothing_changed(&app).await;

        let (status, told) = answer(signer.post(&app, now_s, &body)).await;
        let outcomes: Vec<&str> = told["items"].as_array().unwrap().iter().map(|item| item["outcome"].as_str().unwrap()).collect();
        assert_eq!((status, outcomes), (StatusCode::OK, vec!["suppressed", "noted", "suppressed"]), "{told}");
        assert_eq!(course(&app, &sent).await.0, "bounced");
        assert_eq!(suppressed(&app, "sara@example.com").await.as_deref(), Some("bounced"));
        assert_eq!(
            (suppressed(&app, "omid@example.com").await, suppressed(&app, "lea@example.com").await.as_deref()),
            (None, Some("complained"))
        );
        let (_, again) = answer(signer.post(&app, now_s, &body)).await;
        assert!(again["items"].as_array().unwrap().iter().all(|item| item["outcome"] == "duplicate"), "{again}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn events_are_believed_by_their_signature_on_sqlite() {
        story(On::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn events_are_believed_by_their_signature_on_postgresql() {
        story(On::Postgres).await;
    }
}

/// A message of Mailgun, signed with a key at an instant.
fn mailgun(key: &str, at_s: i64, token: &str, event: &Value) -> String {
    let mut mac = hmac(key.as_bytes());
    mac.update(format!("{at_s}{token}").as_bytes());
    let signature = HEXLOWER.encode(&mac.finalize().into_bytes());
    json!({"signature": {"timestamp": at_s.to_string(), "token": token, "signature": signature}, "event-data": event}).to_string()
}

fn failed(recipient: &str, message_id: &str) -> Value {
    let status = json!({"code": 550, "message": "5.1.1 The email account does not exist", "description": ""});
    json!({"event": "failed", "severity": "permanent", "reason": "bounce", "recipient": recipient, "delivery-status": status, "message": {"headers": {"message-id": message_id}}})
}

on_both_engines! {
    async fn mailgun_is_believed_by_its_signature_and_each_of_them_once(app: TestApp = MAILGUN) {
        app.survey("support", json!({})).await;
        let (sent, now_s) = (send(&app, "1", "sara@example.com").await, app.clock.now().as_seconds());
        let event = failed("sara@example.com", &format!("{}@acme.example", sent.invitation));
        for (body, words) in [
            (mailgun("other", now_s, "t", &event), "does not fit"),
            (mailgun("key-mailgun-test", now_s - 86_401, "t", &event), "timestamp"),
            (mailgun("key-mailgun-test", now_s + 301, "t", &event), "timestamp"),
            (mailgun("key-mailgun-test", now_s, "t", &event).replace("\"t\"", "\"u\""), "does not fit"),
            (json!({"event-data": event}).to_string(), "signature.timestamp"),
        ] {
            refused(post(&app, "/bounces/mailgun", &body), words).await;
        }
        assert_nothing_changed(&app).await;
        let body = mailgun("key-mailgun-test", now_s, "t", &event);
        assert_eq!(told(post(&app, "/bounces/mailgun", &body)).await, (json!("suppressed"), json!("hard")));
        assert_eq!(course(&app, &sent).await.0, "bounced");
        assert_eq!(suppressed(&app, "sara@example.com").await.as_deref(), Some("bounced"));
        // The signature covers no body: it is good for one only.
        let other = mailgun("key-mailgun-test", now_s, "t", &failed("omid@example.com", "x"));
        assert_eq!(answer(post(&app, "/bounces/mailgun", &other)).await, (StatusCode::OK, json!({"items": []})));
        assert_eq!(suppressed(&app, "omid@example.com").await, None);
        let again = mailgun("key-mailgun-test", now_s, "v", &event);
        assert_eq!(told(post(&app, "/bounces/mailgun", &again)).await.0, "duplicate");
    }

    async fn postmark_is_believed_by_its_password(app: TestApp = POSTMARK) {
        app.survey("support", json!({})).await;
        let sent = send(&app, "1", "sara@example.com").await;
        let bounce = json!({"RecordType": "Bounce", "Type": "HardBounce", "MessageID": "883953f4", "Email": "Sara@example.com", "Details": "smtp;550 5.1.1 The email account does not exist"}).to_string();
        refused(post(&app, "/bounces/postmark", &bounce), "is missing").await;
        refused(post(&app, "/bounces/postmark", &bounce).basic_auth("nabz", Some("guess")), "does not fit").await;
        refused(post(&app, "/bounces/postmark/guess", &bounce), "does not fit").await;
        assert_nothing_changed(&app).await;
        assert_eq!(told(post(&app, "/bounces/postmark", &bounce).basic_auth("nabz", Some("postmark-password-of-a-test"))).await, (json!("suppressed"), json!("hard")));
        // Postmark names the recipient only: it is about the last message that went there.
        assert_eq!(course(&app, &sent).await.0, "bounced");
        let complaint = json!({"RecordType": "SpamComplaint", "MessageID": "2", "Email": "omid@example.com"}).to_string();
        assert_eq!(told(post(&app, "/bounces/postmark/postmark-password-of-a-test", &complaint)).await, (json!("suppressed"), json!("complaint")));
        assert_eq!(suppressed(&app, "omid@example.com").await.as_deref(), Some("complained"));
        let delivery = json!({"RecordType": "Delivery", "Email": "lea@example.com"}).to_string();
        assert_eq!(answer(post(&app, "/bounces/postmark/postmark-password-of-a-test", &delivery)).await, (StatusCode::OK, json!({"items": []})));
    }

    async fn a_provider_that_is_not_set_up_is_refused_and_told_what_is_missing(app: TestApp) {
        for (provider, setting) in [
            ("ses", "bounces.sns_topics"), ("sendgrid", "bounces.sendgrid_public_key"), ("mailgun", "bounces.mailgun_signing_key"), ("postmark", "bounces.postmark_password"), ("postmark/x", "bounces.postmark_password"),
        ] {
            refused(post(&app, &format!("/bounces/{provider}"), "{}"), setting).await;
        }
        assert_eq!(post(&app, "/bounces/pigeon", "{}").send().await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(app.plain(Method::GET, "/bounces/ses").send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
