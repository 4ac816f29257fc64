//! Many answers at once and at awkward moments: every one is counted, on its day, and once.

use chrono::NaiveDate;
use futures_util::future::join_all;
use nabz::invitation::receive::count_sent;
use nabz::outbox::{self, store::Lease};
use nabz::tally::day_number;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::common::{TestApp, answer};
use crate::on_both_engines;

const DAY_MS: i64 = 86_400_000;

fn day(text: &str) -> i64 {
    i64::from(day_number(text.parse::<NaiveDate>().unwrap()))
}

on_both_engines! {
    async fn two_hundred_votes_at_once_are_counted_to_the_last(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let tickets: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        let links = join_all(tickets.iter().map(|ticket| app.link("support", ticket))).await;
        let votes = links.iter().zip((1..=5).cycle()).map(|(link, score)| app.vote(link, score, "good"));
        for (status, page) in join_all(votes).await {
            assert_eq!(status, StatusCode::OK, "{page}");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response").await, 200);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response_version").await, 200);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM invitation WHERE state = 'answered'").await, 200);
        let counted = "SELECT (((n1 * 100 + n2) * 100 + n3) * 100 + n4) * 100 + n5 FROM tally";
        assert_eq!(app.scalar(counted).await, 40_40_40_40_40);
        assert_eq!(app.scalar("SELECT comment_count * 1000000 + delivered_count * 1000 + answered_count FROM tally").await, 200_200_200);
    }

    async fn fifty_votes_at_once_on_one_link_are_one_answer(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let link = app.link("support", "1").await;
        let votes = (0..50).zip((1..=5).cycle()).map(|(_, score)| app.vote(&link, score, ""));
        for (status, page) in join_all(votes).await {
            assert_eq!(status, StatusCode::OK, "{page}");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response").await, 1);
        assert_eq!(app.scalar("SELECT n1 + n2 + n3 + n4 + n5 FROM tally").await, 1);
        assert_eq!(app.scalar("SELECT answered_count FROM tally").await, 1);
        let agree = "SELECT COUNT(*) FROM response, tally WHERE CASE response.score WHEN 1 THEN n1 WHEN 2 THEN n2 WHEN 3 THEN n3 WHEN 4 THEN n4 ELSE n5 END = 1";
        assert_eq!(app.scalar(agree).await, 1);
        let versions = "SELECT COUNT(*) FROM response WHERE version_count = (SELECT COUNT(*) FROM response_version)
            AND raw = (SELECT raw FROM response_version ORDER BY version DESC LIMIT 1)";
        assert_eq!(app.scalar(versions).await, 1);
    }

    async fn forms_and_touches_at_once_never_count_twice(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let links = join_all(["1", "2", "3", "4", "5"].map(|ticket| app.link("support", ticket))).await;
        let everything = links.iter().flat_map(|link| (0..10).map(move |number| (link, number)));
        join_all(everything.map(async |(link, number)| {
            if number % 2 == 0 {
                return assert_eq!(app.vote(link, 5, "").await.0, StatusCode::OK);
            }
            let (_, nonce) = app.page(&format!("{link}/4")).await;
            let touch = app.plain(Method::POST, &format!("{link}/touch")).form(&[("nonce", nonce.as_str()), ("score", "4"), ("evidence", "touchstart")]);
            assert_eq!(answer(touch).await.0, StatusCode::NO_CONTENT);
        })).await;
        // A form speaks for itself: the page that was rendered at the same instant no longer matters.
        assert_eq!(app.scalar("SELECT n5 * 100 + n4 * 10 + (n1 + n2 + n3) FROM tally").await, 500);
        assert_eq!(app.scalar("SELECT answered_count FROM tally").await, 5);
    }

    async fn an_answer_counts_on_the_day_that_it_was_in_the_zone_of_its_survey(app: TestApp) {
        app.survey("tehran", json!({"timezone": "Asia/Tehran", "deliver": []})).await;
        let links = [app.link("tehran", "1").await, app.link("tehran", "2").await];
        // 23:59:59.999 in Tehran.
        app.clock.advance(10 * 3_600_000 - 1);
        app.vote(&links[0], 4, "").await;
        app.clock.advance(1);
        app.vote(&links[1], 5, "").await;
        let first = app.scalar("SELECT CAST(day AS BIGINT) FROM tally WHERE n4 = 1").await;
        assert_eq!((first, app.scalar("SELECT CAST(day AS BIGINT) FROM tally WHERE n5 = 1").await), (day("2026-01-15"), day("2026-01-16")));
        assert_eq!(app.scalar("SELECT CAST(MIN(day) + MAX(day) AS BIGINT) FROM response").await, day("2026-01-15") + day("2026-01-16"));

        // A changed answer stays on the day of the first; invitations count where they were sent.
        app.clock.advance(3 * DAY_MS);
        app.vote(&links[0], 3, "").await;
        assert_eq!(app.scalar("SELECT CAST(day AS BIGINT) FROM tally WHERE n3 = 1").await, first);
        assert_eq!(app.scalar("SELECT delivered_count * 10 + answered_count FROM tally WHERE n3 = 1").await, 22);
        assert_eq!(app.scalar("SELECT CAST(SUM(delivered_count) * 10 + SUM(answered_count) AS BIGINT) FROM tally").await, 22);
    }

    async fn an_answer_before_its_mail_was_settled_is_counted_once(app: TestApp) {
        app.survey("support", json!({})).await;
        let (link, later) = (app.link("support", "1").await, app.link("support", "2").await);
        let (db, now) = (&app.app.context.db, app.clock.now());
        // A worker has the mails under way: the relay has them, nothing is written down yet.
        let lease = Lease { until: now.plus_millis(300_000), token: uuid::Uuid::from_u128(1) };
        let mut tx = db.begin().await.unwrap();
        let claimed = outbox::store::claim(&mut tx, now, lease, ("mail", 10)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claimed.len(), 2);
        assert_eq!(app.vote(&link, 5, "").await.0, StatusCode::OK);
        assert_eq!(app.scalar("SELECT delivered_count * 10 + answered_count FROM tally").await, 0);
        for _ in 0..2 {
            let mut tx = db.begin().await.unwrap();
            let survey = nabz::survey::store::find_by_slug(&mut tx, "support").await.unwrap().unwrap();
            for message in &claimed {
                count_sent(&mut tx, &survey, nabz::invitation::InvitationId(message.subject_id), now).await.unwrap();
            }
            tx.commit().await.unwrap();
        }
        assert_eq!(app.scalar("SELECT delivered_count * 10 + answered_count FROM tally").await, 21);
        assert_eq!(app.vote(&later, 5, "").await.0, StatusCode::OK);
        app.vote(&later, 4, "").await;
        assert_eq!(app.scalar("SELECT delivered_count * 10 + answered_count FROM tally").await, 22);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM invitation WHERE state = 'answered' AND sent_at IS NOT NULL").await, 2);
    }

    async fn a_mail_that_was_answered_before_it_left_is_not_sent(app: TestApp) {
        app.survey("support", json!({})).await;
        let link = app.link("support", "1").await;
        app.vote(&link, 5, "").await;
        app.app.deliver_due().await.unwrap();
        assert!(app.mails.lock().unwrap().is_empty());
        assert_eq!(app.scalar("SELECT n5 * 100 + delivered_count * 10 + answered_count FROM tally").await, 100);
        assert_eq!(app.row("SELECT state, last_error FROM outbox").await, [Some("cancelled".to_owned()), Some("the invitation is answered".to_owned())]);
    }
}
