//! What becomes of a mail whatever the mail server does: tried again, given up, put off, and never another mail than the one that was composed.

use std::time::Duration;

use nabz::delivery::transport::Transport;
use nabz::delivery::verp;
use nabz::link::Links;
use nabz::net::smtp::{Options, SmtpRelay};
use serde_json::{Value, json};

use crate::common::{On, TestApp};
use crate::smtp_sink::{Act, Sink, Stage};
use crate::{on_both_engines, on_each_engine};

const SCHEDULE: (&str, &str) = ("NABZ__MAIL__RETRY_SCHEDULE_MS", "[1000, 60000]");
const AT_MOST_ONCE: (&str, &str) = ("NABZ__MAIL__POLICY", "at_most_once");
/// Later than a schedule's wait with its jitter.
const FIRST_WAIT_MS: i64 = 1200;
const SECOND_WAIT_MS: i64 = 72_000;
/// Later than a lease.
const LEASE_OVER_MS: i64 = 6 * 60_000;

/// A service that sends through the sink, and waits half a second for its replies.
async fn sending(on: On, sink: &Sink, settings: &[(&str, &str)]) -> TestApp {
    let options = Options { send_timeout: Duration::from_millis(500), max_connections: 1, ..Options::default() };
    let relay = SmtpRelay::from_url(&sink.url("?tls=none"), options).unwrap();
    let app = TestApp::start_sending(on, Transport::Smtp(relay), &[&[SCHEDULE][..], settings].concat()).await;
    app.survey("support", json!({})).await;
    app
}

/// The one message of the outbox: its state, its attempts and what was said last.
async fn message(app: &TestApp) -> (String, i64, String) {
    let row = app.row("SELECT state, CAST(attempt_count AS TEXT), last_error FROM outbox").await;
    let [state, attempts, said] = row.try_into().unwrap();
    (state.unwrap(), attempts.unwrap().parse().unwrap(), said.unwrap_or_default())
}

async fn invitation(app: &TestApp, decided: &Value) -> Value {
    app.get(&format!("/api/v1/interactions/{}", decided["id"].as_str().unwrap())).await.1["invitation"].take()
}

on_each_engine! {
    async fn a_refusal_for_now_is_tried_again_on_the_schedule(on: On) {
        let sink = Sink::start().await;
        sink.script(Stage::Rcpt, Act::Reply("451 4.7.1 greylisted"), 1);
        sink.script(Stage::Dot, Act::Reply("452 4.3.1 no room"), 1);
        let app = sending(on, &sink, &[]).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(message(&app).await, ("waiting".to_owned(), 1, "refused for now: 451 4.7.1 greylisted".to_owned()));
        assert_eq!(app.app.deliver_due().await.unwrap(), 0, "not before its time");
        app.clock.advance(FIRST_WAIT_MS);
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(message(&app).await.2, "refused for now: 452 4.3.1 no room");
        app.clock.advance(SECOND_WAIT_MS);
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(message(&app).await.0, "sent");
        assert_eq!(invitation(&app, &decided).await["state"], "sent");
        let seen = sink.seen();
        assert_eq!(seen.messages.len(), 2, "the one that was refused after its dot, and the one that was taken");
        assert_eq!(seen.messages[0].data, seen.messages[1].data);
    }

    async fn a_refusal_for_good_fails_at_once_and_its_reply_is_kept(on: On) {
        let sink = Sink::start().await;
        sink.script(Stage::Rcpt, Act::Reply("550 5.1.1 <sara@example.com> no such user"), 1);
        let app = sending(on, &sink, &[]).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        app.app.deliver_due().await.unwrap();
        assert_eq!(message(&app).await, ("failed".to_owned(), 1, "550 5.1.1 no such user".to_owned()));
        let interaction = app.get(&format!("/api/v1/interactions/{}", decided["id"].as_str().unwrap())).await.1;
        assert_eq!(interaction["invitation"]["state"], "failed");
        let told = interaction["timeline"].as_array().unwrap().iter().find(|event| event["event"] == "failed").unwrap();
        assert_eq!(told["detail"], "550 5.1.1 no such user");
    }

    async fn a_schedule_that_is_used_up_ends_in_failure_with_the_last_reply(on: On) {
        let sink = Sink::start().await;
        sink.script(Stage::Mail, Act::Reply("450 4.2.0 not today"), 3);
        let app = sending(on, &sink, &[]).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        for wait in [0, FIRST_WAIT_MS, SECOND_WAIT_MS] {
            app.clock.advance(wait);
            assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        }
        assert_eq!(message(&app).await, ("failed".to_owned(), 3, "refused for now: 450 4.2.0 not today".to_owned()));
        assert_eq!(invitation(&app, &decided).await["state"], "failed");
    }

    async fn a_relay_that_is_silent_or_drops_the_line_before_the_dot_is_tried_again_whatever_the_policy(on: On) {
        for policy in [&[][..], &[AT_MOST_ONCE]] {
            let sink = Sink::start().await;
            sink.script(Stage::Mail, Act::Silence, 1);
            sink.script(Stage::Rcpt, Act::Drop, 1);
            let app = sending(on, &sink, policy).await;
            app.close_ticket("support", "1", "sara@example.com").await;
            for (wait, said) in [(0, "relay unreachable: the relay did not answer in time"), (FIRST_WAIT_MS, "relay unreachable: ")] {
                app.clock.advance(wait);
                assert_eq!(app.app.deliver_due().await.unwrap(), 1);
                let (state, _, last) = message(&app).await;
                assert!(state == "waiting" && last.starts_with(said), "{state}: {last}");
            }
            app.clock.advance(SECOND_WAIT_MS);
            app.app.deliver_due().await.unwrap();
            assert_eq!(message(&app).await.0, "sent");
            assert_eq!(sink.seen().messages.len(), 1);
        }
    }

    async fn a_message_that_may_have_been_accepted_is_sent_again_as_the_same_message(on: On) {
        for act in [Act::Drop, Act::Silence] {
            let sink = Sink::start().await;
            sink.script(Stage::Dot, act, 1);
            let app = sending(on, &sink, &[]).await;
            let decided = app.close_ticket("support", "1", "sara@example.com").await;
            app.app.deliver_due().await.unwrap();
            let (state, _, said) = message(&app).await;
            assert!(state == "waiting" && said.starts_with("outcome unknown: "), "{state}: {said}");
            app.clock.advance(FIRST_WAIT_MS);
            app.app.deliver_due().await.unwrap();
            assert_eq!(invitation(&app, &decided).await["state"], "sent");
            let seen = sink.seen();
            assert_eq!(seen.messages.len(), 2);
            assert_eq!(seen.messages[0].data, seen.messages[1].data, "Message-ID, date and all");
        }
    }

    async fn at_most_once_gives_up_what_may_have_been_accepted_and_says_so(on: On) {
        let sink = Sink::start().await;
        sink.script(Stage::Dot, Act::Drop, 1);
        let app = sending(on, &sink, &[AT_MOST_ONCE]).await;
        let decided = app.close_ticket("support", "1", "sara@example.com").await;
        app.app.deliver_due().await.unwrap();
        let (state, attempts, said) = message(&app).await;
        assert_eq!((state.as_str(), attempts), ("failed", 1));
        assert!(said.starts_with("outcome unknown: ") && said.ends_with("it is not tried again, as mail.policy is at_most_once"), "{said}");
        let invitation = invitation(&app, &decided).await;
        assert_eq!(invitation["state"], "failed");
        app.clock.advance(LEASE_OVER_MS);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0);
        assert_eq!(sink.seen().messages.len(), 1);
        // Whoever got it after all can answer.
        let (status, _) = app.vote(invitation["link"].as_str().unwrap(), 5, "").await;
        assert_eq!(status, 200);
    }

    async fn a_message_whose_sender_died_over_it_follows_the_policy_too(on: On) {
        for (policy, expected, messages) in [(&[][..], "sent", 2), (&[AT_MOST_ONCE], "failed", 1)] {
            let sink = Sink::start().await;
            sink.script(Stage::Dot, Act::Hold, 1);
            let app = sending(on, &sink, policy).await;
            let decided = app.close_ticket("support", "1", "sara@example.com").await;
            tokio::select! {
                _ = app.app.deliver_due() => panic!("the sink holds it"),
                () = sink.until(|seen| seen.held == 1) => {}
            }
            sink.release();
            assert_eq!(app.app.deliver_due().await.unwrap(), 0, "the lease of the dead is in force");
            app.clock.advance(LEASE_OVER_MS);
            assert_eq!(app.app.deliver_due().await.unwrap(), 1);
            let (state, _, said) = message(&app).await;
            assert_eq!(state, expected);
            assert_eq!(invitation(&app, &decided).await["state"], expected);
            if expected == "failed" {
                assert_eq!(said, "an earlier attempt broke off and may have been accepted; mail.policy is at_most_once");
            }
            let seen = sink.seen();
            assert_eq!(seen.messages.len(), messages);
            assert!(seen.messages.iter().all(|message| message.data == seen.messages[0].data));
        }
    }

    async fn with_a_bounce_domain_every_message_has_a_return_path_that_names_its_invitation(on: On) {
        let sink = Sink::start().await;
        let app = sending(on, &sink, &[("NABZ__MAIL__BOUNCE_DOMAIN", "Bounce.acme.example"), ("NABZ__MAIL__REPLY_TO", "help@acme.example")]).await;
        let mut expected = Vec::new();
        for ticket in ["1", "2"] {
            let decided = app.close_ticket("support", ticket, &format!("{ticket}@example.com")).await;
            expected.push(decided["invitation"]["id"].as_str().unwrap().to_owned());
        }
        app.app.deliver_due().await.unwrap();
        let (links, seen) = (Links::new(&app.app.context.keyring), sink.seen());
        let mut named: Vec<String> = Vec::new();
        for message in &seen.messages {
            let address = message.from.strip_prefix("MAIL FROM:").unwrap();
            assert!(address.ends_with("@bounce.acme.example>"), "{address}");
            named.push(verp::read(&links, address).unwrap().to_string());
            let head = String::from_utf8(message.data.clone()).unwrap();
            assert!(head.contains("\r\nFrom: Acme <survey@acme.example>\r\n") && head.contains("\r\nReply-To: help@acme.example\r\n"), "{head}");
        }
        named.sort();
        expected.sort();
        assert_eq!(named, expected);
    }
}

const PACED: &[(&str, &str)] = &[("NABZ__MAIL__PER_MINUTE", "120"), ("NABZ__MAIL__PER_DOMAIN_PER_MINUTE", "{\"slow.example\": 6}")];

on_both_engines! {
    async fn messages_above_a_limit_wait_for_their_instant_and_that_is_no_attempt(app: TestApp = PACED) {
        app.survey("support", json!({})).await;
        for (ticket, email) in ["a@slow.example", "b@slow.example", "c@example.com", "d@example.com"].into_iter().enumerate() {
            app.close_ticket("support", &ticket.to_string(), email).await;
        }
        let left = || app.mails.lock().unwrap().iter().filter(|mail| mail.to.address.ends_with("slow.example")).count();
        app.app.deliver_due().await.unwrap();
        assert_eq!(app.mails.lock().unwrap().len(), 1);
        let put_off = "SELECT COUNT(*) FROM outbox WHERE state = 'waiting' AND attempt_count = 0 AND last_error LIKE 'more messages a minute%'";
        assert_eq!(app.scalar(put_off).await, 3);
        for expected in [2, 3] {
            app.clock.advance(500);
            app.app.deliver_due().await.unwrap();
            assert_eq!(app.mails.lock().unwrap().len(), expected);
        }
        assert_eq!(left(), 1, "the second to the slow domain holds up nobody else");
        app.clock.advance(8999);
        assert_eq!(app.app.deliver_due().await.unwrap(), 0);
        app.clock.advance(1001);
        app.app.deliver_due().await.unwrap();
        assert_eq!(left(), 2);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM outbox WHERE state = 'sent' AND attempt_count = 1").await, 4);
    }
}
