//! Mail that comes back: what is believed, what follows from it, and that the same news counts once.

use nabz::link::{Links, Purpose};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{TestApp, answer};
use crate::on_both_engines;

const WATCHED: &[(&str, &str)] = &[("NABZ__MAIL__ADMIN", "ops@acme.example")];
const BOUNCING: &[(&str, &str)] = &[("NABZ__MAIL__BOUNCE_DOMAIN", "bounce.acme.example")];

/// Everything that a report can change.
const CHANGES: &str = "SELECT (SELECT COUNT(*) FROM bounce) + (SELECT COUNT(*) FROM suppression) + (SELECT COUNT(*) FROM invitation_event)";

/// An invitation whose mail has left.
pub struct Sent {
    pub interaction: String,
    pub invitation: String,
    pub link: String,
}

/// Asks a customer about a ticket, by mail.
pub async fn send(app: &TestApp, ticket: &str, email: &str) -> Sent {
    let decided = app.close_ticket("support", ticket, email).await;
    app.app.deliver_due().await.unwrap();
    let text = |pointer: &str| decided.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{decided}")).to_owned();
    Sent { interaction: text("/id"), invitation: text("/invitation/id"), link: text("/invitation/link") }
}

/// The state of an invitation, and the details of its bounces.
pub async fn course(app: &TestApp, sent: &Sent) -> (String, Vec<String>) {
    let (_, shown) = app.get(&format!("/api/v1/interactions/{}", sent.interaction)).await;
    let bounced = shown["timeline"].as_array().unwrap().iter().filter(|entry| entry["event"] == "bounced");
    let details = bounced.map(|entry| entry["detail"].as_str().unwrap().to_owned()).collect();
    (shown["invitation"]["state"].as_str().unwrap().to_owned(), details)
}

/// Why an address is suppressed, if it is.
pub async fn suppressed(app: &TestApp, email: &str) -> Option<String> {
    let (_, found) = app.get(&format!("/api/v1/suppressions?email={email}")).await;
    found["items"][0]["reason"].as_str().map(ToOwned::to_owned)
}

fn token(app: &TestApp, purpose: Purpose, invitation: &str) -> String {
    Links::new(&app.app.context.keyring).token(purpose, invitation.parse().unwrap())
}

/// A report of the collection about an invitation; `occasion` is what its Message-ID ends with.
fn report(app: &TestApp, sample: &str, sent: &Sent, occasion: &str) -> String {
    let id = format!("{}{occasion}", sent.invitation);
    sample.replace("TOKEN", &token(app, Purpose::Bounce, &sent.invitation)).replace("INVITATION", &id)
}

async fn hand_in(app: &TestApp, message: &str) -> (StatusCode, Value) {
    answer(app.api(Method::POST, "/api/v1/bounces").header("content-type", "message/rfc822").body(message.to_owned())).await
}

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../bounces/", $name, ".eml"))
    };
}

fn reminding() -> Value {
    json!({"policy": {"quiet_days": 0, "quiet_any_days": 0, "reminder_days": 3}})
}

on_both_engines! {
    async fn a_mailbox_that_does_not_exist_is_written_to_no_more(app: TestApp) {
        app.survey("support", reminding()).await;
        let sent = send(&app, "1", "sara@example.com").await;
        let message = report(&app, sample!("postfix-5.1.1"), &sent, "");
        let (status, told) = hand_in(&app, &message).await;
        let expected = json!({"outcome": "suppressed", "kind": "hard", "status": "5.1.1", "invitation": sent.invitation, "detail": null});
        assert_eq!((status, told), (StatusCode::OK, expected));
        let (state, bounced) = course(&app, &sent).await;
        assert_eq!((state.as_str(), bounced), ("bounced", vec!["hard 5.1.1: 550 5.1.1 : Recipient address rejected: User unknown in virtual mailbox table".to_owned()]));
        assert_eq!(suppressed(&app, "sara@example.com").await.as_deref(), Some("bounced"));
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'").await, 0, "its reminder is cancelled");
        assert_eq!(app.close_ticket("support", "2", "Sara@example.com").await["reason"], "bounced");
        app.clock.advance(4 * 86_400_000);
        app.app.deliver_due().await.unwrap();
        assert_eq!(app.mails.lock().unwrap().len(), 1);

        let before = app.scalar(CHANGES).await;
        for again in [message.clone(), message.replace("4F1B2C", "other-relay"), report(&app, sample!("gmail-5.1.1"), &sent, "")] {
            assert_eq!(hand_in(&app, &again).await.1["outcome"], "duplicate");
        }
        assert_eq!(app.scalar(CHANGES).await, before);
        let metrics = app.plain(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        assert!(metrics.contains("nabz_bounces_total{kind=\"hard\"} 1") && metrics.contains("nabz_bounces_total{kind=\"duplicate\"} 3"), "{metrics}");
    }

    async fn who_answered_all_the_same_stays_answered(app: TestApp) {
        app.survey("support", json!({})).await;
        let sent = send(&app, "1", "sara@example.com").await;
        assert_eq!(app.vote(&sent.link, 4, "").await.0, StatusCode::OK);
        assert_eq!(hand_in(&app, &report(&app, sample!("exim-5.0.0"), &sent, "")).await.1["outcome"], "suppressed");
        let (state, bounced) = course(&app, &sent).await;
        assert_eq!((state.as_str(), bounced.len()), ("answered", 1));
        assert_eq!(suppressed(&app, "sara@example.com").await.as_deref(), Some("bounced"));
    }

    async fn what_waits_for_the_same_customer_is_taken_back_and_for_others_it_stays(app: TestApp) {
        app.survey("support", json!({"policy": {"quiet_days": 0, "quiet_any_days": 0, "reminder_days": 3}})).await;
        app.survey("later", json!({"policy": {"quiet_days": 0, "quiet_any_days": 0, "delay_minutes": 60}})).await;
        let (sent, kept) = (send(&app, "1", "sara@example.com").await, send(&app, "2", "omid@example.com").await);
        let waiting = app.close_ticket("later", "3", "sara@example.com").await;
        let other = app.close_ticket("later", "4", "omid@example.com").await;
        let second = send(&app, "5", "sara@example.com").await;
        hand_in(&app, &report(&app, sample!("disabled-5.2.1"), &sent, "")).await;
        let state = async |interaction: &Value| {
            let (_, shown) = app.get(&format!("/api/v1/interactions/{}", interaction["id"].as_str().unwrap())).await;
            shown["invitation"]["state"].as_str().unwrap().to_owned()
        };
        assert_eq!((state(&waiting).await.as_str(), state(&other).await.as_str()), ("withdrawn", "scheduled"));
        // A link that somebody has stays good; only its reminder goes.
        assert_eq!((course(&app, &second).await.0.as_str(), course(&app, &kept).await.0.as_str()), ("sent", "sent"));
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'").await, 2, "the other customer's reminder and mail");
    }

    async fn three_different_messages_that_come_back_softly_are_enough(app: TestApp) {
        app.survey("support", reminding()).await;
        let (first, second) = (send(&app, "1", "sara@example.com").await, send(&app, "2", "sara@example.com").await);
        let messages = [
            report(&app, sample!("amazon-5.2.2"), &first, ""),
            report(&app, sample!("postfix-4.2.2"), &first, "-reminder"),
            report(&app, sample!("alias-two-members"), &second, ""),
        ];
        for (number, message) in messages.iter().enumerate() {
            assert_eq!(suppressed(&app, "sara@example.com").await, None, "after {number}");
            let outcome = if number < 2 { "counted" } else { "suppressed" };
            assert_eq!(hand_in(&app, message).await.1["outcome"], outcome);
            assert_eq!(hand_in(&app, message).await.1["outcome"], "duplicate");
        }
        assert_eq!(suppressed(&app, "sara@example.com").await.as_deref(), Some("bounced"));
        assert_eq!((course(&app, &first).await.0.as_str(), course(&app, &second).await.0.as_str()), ("sent", "bounced"));

        // Whoever lets the address go begins anew.
        assert_eq!(answer(app.api(Method::DELETE, "/api/v1/suppressions?email=sara@example.com")).await.0, StatusCode::NO_CONTENT);
        let third = send(&app, "3", "sara@example.com").await;
        assert_eq!(hand_in(&app, &report(&app, sample!("amazon-5.2.2"), &third, "")).await.1["outcome"], "counted");
    }

    async fn an_answer_in_between_shows_that_the_address_works(app: TestApp) {
        app.survey("support", json!({})).await;
        for number in 0..5 {
            let sent = send(&app, &format!("{number}"), "sara@example.com").await;
            assert_eq!(hand_in(&app, &report(&app, sample!("amazon-5.2.2"), &sent, "")).await.1["outcome"], if number == 4 { "suppressed" } else { "counted" }, "{number}");
            app.clock.advance(1_000);
            if number == 1 {
                assert_eq!(app.vote(&sent.link, 5, "").await.0, StatusCode::OK);
                app.clock.advance(1_000);
            }
        }
    }

    async fn a_refusal_by_policy_and_a_delay_suppress_nobody(app: TestApp) {
        app.survey("support", reminding()).await;
        let sent = send(&app, "1", "sara@example.com").await;
        for (message, outcome) in [
            (report(&app, sample!("gmail-5.7.26"), &sent, ""), "alarmed"),
            (report(&app, sample!("policy-5.7.1"), &sent, "-reminder"), "alarmed"),
            (report(&app, sample!("postfix-delayed"), &sent, ""), "noted"),
        ] {
            assert_eq!(hand_in(&app, &message).await.1["outcome"], outcome);
        }
        let (state, bounced) = course(&app, &sent).await;
        assert_eq!((state.as_str(), bounced.len()), ("sent", 3));
        assert!(bounced.iter().any(|detail| detail.starts_with("policy 5.7.26: ")) && bounced.iter().any(|detail| detail.starts_with("delayed 4.4.1: ")), "{bounced:?}");
        assert_eq!(app.scalar("SELECT COUNT(*) FROM suppression").await, 0);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE state = 'waiting' AND kind = 'reminder'").await, 1, "its reminder still leaves");
        let told = app.scalar("SELECT COUNT(*) FROM notice").await;
        assert!((1..=2).contains(&told), "the operator is told once a day of each domain: {told}");
        hand_in(&app, &report(&app, sample!("policy-5.7.1"), &sent, "-again")).await;
        assert_eq!(app.scalar("SELECT COUNT(*) FROM notice").await, told);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE kind = 'notice'").await, told);
        assert_eq!(app.close_ticket("support", "2", "sara@example.com").await["outcome"], "invited");
    }

    async fn the_operator_hears_of_refusals_once_a_day_and_domain_and_of_no_address(app: TestApp = WATCHED) {
        app.survey("support", json!({})).await;
        let noticed = async || {
            app.app.deliver_due().await.unwrap();
            let mails = app.mails.lock().unwrap();
            let notices = mails.iter().filter(|mail| mail.to.address == "ops@acme.example");
            notices.map(|mail| (mail.subject.clone(), mail.text.clone())).collect::<Vec<_>>()
        };
        for (number, (email, notices)) in [("sara@example.com", 1), ("omid@example.com", 1), ("lea@other.example", 2)].into_iter().enumerate() {
            let sent = send(&app, &format!("{number}"), email).await;
            hand_in(&app, &report(&app, sample!("policy-5.7.1"), &sent, "")).await;
            assert_eq!(noticed().await.len(), notices, "{email}");
        }
        app.clock.advance(86_400_000);
        let sent = send(&app, "9", "sara@example.com").await;
        // Whose server refused is told by the customer's address, not by the report.
        let forged = report(&app, sample!("policy-5.7.1"), &sent, "").replace("rfc822; sara@example.com", "rfc822; x@forged.example");
        hand_in(&app, &forged).await;
        let told = noticed().await;
        let domains: Vec<bool> = told.iter().map(|(subject, _)| subject.contains("other.example")).collect();
        assert_eq!(domains, [false, true, false], "{told:?}");
        for (subject, text) in &told {
            assert!(subject.contains("example") && text.contains("policy 5.7.1: 554 5.7.1 Service unavailable"), "{text}");
            assert!(!text.contains('@') && !subject.contains("forged") && !text.contains("forged"), "{subject} {text}");
        }
    }

    async fn a_complaint_suppresses_at_once(app: TestApp) {
        app.survey("support", reminding()).await;
        let sent = send(&app, "1", "sara@example.com").await;
        let (_, told) = hand_in(&app, &report(&app, sample!("yahoo-complaint"), &sent, "")).await;
        assert_eq!((&told["outcome"], &told["kind"]), (&json!("suppressed"), &json!("complaint")));
        assert_eq!(suppressed(&app, "sara@example.com").await.as_deref(), Some("complained"));
        // The message arrived: its link stays good.
        let (state, bounced) = course(&app, &sent).await;
        assert_eq!((state.as_str(), bounced), ("sent", vec!["complaint: feedback report: abuse".to_owned()]));
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'").await, 0);
    }

    async fn a_report_to_the_address_that_a_mail_left_with_is_believed(app: TestApp = BOUNCING) {
        app.survey("support", json!({})).await;
        let sent = send(&app, "1", "sara@example.com").await;
        let sender = app.mails.lock().unwrap()[0].return_path.clone().unwrap();
        assert!(sender.ends_with("@bounce.acme.example"), "{sender}");
        let folded = sender.to_ascii_uppercase();
        let message = sample!("postfix-5.1.1").replace("bounce+TOKEN@bounce.acme.example", &folded).replace("INVITATION", &sent.invitation);
        assert_eq!(hand_in(&app, &message).await.1["outcome"], "suppressed");
    }

    async fn whoever_got_a_mail_cannot_make_it_into_many(app: TestApp) {
        app.survey("support", json!({})).await;
        let sent = send(&app, "1", "sara@example.com").await;
        let other = send(&app, "2", "omid@example.com").await;
        for (number, id) in ["x", "0197b0c0-0000-7000-8000-000000000000", &format!("{}-x", sent.invitation), &other.invitation].into_iter().enumerate() {
            let forged = Sent { invitation: sent.invitation.clone(), interaction: String::new(), link: String::new() };
            let message = report(&app, sample!("amazon-5.2.2"), &forged, "").replace(&format!("<{}@", sent.invitation), &format!("<{id}@"));
            let outcome = if number == 0 { "counted" } else { "duplicate" };
            assert_eq!(hand_in(&app, &message).await.1["outcome"], outcome, "{id}");
        }
    }

    async fn a_message_that_was_sent_once_more_is_another_one(app: TestApp) {
        app.survey("support", json!({})).await;
        let sent = send(&app, "1", "sara@example.com").await;
        assert_eq!(answer(app.api(Method::POST, &format!("/api/v1/invitations/{}/resend", sent.invitation))).await.0, StatusCode::OK);
        app.app.deliver_due().await.unwrap();
        let resent = app.mails.lock().unwrap()[1].message_id().unwrap();
        let first = report(&app, sample!("amazon-5.2.2"), &sent, "");
        let second = first.replace(&format!("<{}@acme.example>", sent.invitation), &resent);
        assert_ne!(first, second);
        for (message, outcome) in [(&first, "counted"), (&second, "counted"), (&second, "duplicate")] {
            assert_eq!(hand_in(&app, message).await.1["outcome"], outcome);
        }
    }

    async fn what_nothing_proves_changes_nothing(app: TestApp) {
        app.survey("support", json!({})).await;
        let sent = send(&app, "1", "sara@example.com").await;
        let id = &sent.invitation;
        let hard = sample!("postfix-5.1.1").replace("INVITATION", id);
        let stranger = token(&app, Purpose::Bounce, "0197b0c0-0000-7000-8000-000000000000");
        for (message, words) in [
            (hard.clone(), "not trusted"),
            (hard.replace("TOKEN", &token(&app, Purpose::Vote, id)), "not trusted"),
            (hard.replace("bounce+TOKEN@", &format!("{}@", token(&app, Purpose::Bounce, id))), "not trusted"),
            (sample!("no-original").to_owned(), "not trusted"),
            (report(&app, sample!("qmail"), &sent, ""), "no report that can be read"),
            (String::new(), "no report that can be read"),
            ("\u{0}\u{1}nonsense".to_owned(), "no report that can be read"),
        ] {
            let (status, problem) = hand_in(&app, &message).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
            assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
        }
        for sample in [sample!("vacation"), sample!("delivered"), sample!("dmarc-failure")] {
            assert_eq!(hand_in(&app, &report(&app, sample, &sent, "")).await.1["outcome"], "ignored");
        }
        // A mark of ours about an invitation that is no more.
        assert_eq!(hand_in(&app, &hard.replace("TOKEN", &stranger)).await.1["outcome"], "ignored");
        assert_eq!(app.scalar(CHANGES).await, 0);
        assert_eq!(course(&app, &sent).await.0, "sent");
        assert_eq!(app.plain(Method::POST, "/api/v1/bounces").body(hard).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }

    async fn reports_are_erased_after_ninety_days_and_suppressions_stay(app: TestApp) {
        app.survey("support", json!({})).await;
        let sent = send(&app, "1", "sara@example.com").await;
        hand_in(&app, &report(&app, sample!("postfix-5.1.1"), &sent, "")).await;
        for (days, left) in [(89, 1), (2, 0)] {
            app.clock.advance(days * 86_400_000);
            nabz::app::erase(&app.app.context).await.unwrap();
            assert_eq!(app.scalar("SELECT COUNT(*) FROM bounce").await, left);
        }
        assert_eq!(suppressed(&app, "sara@example.com").await.as_deref(), Some("bounced"));
    }
}
