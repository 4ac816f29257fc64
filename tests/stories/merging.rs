//! What votes change counts at once, and once, whether or not it is in the tallies yet.

use std::time::Duration;

use nabz::survey::SurveyId;
use nabz::tally::merge::merge_stored;
use nabz::tally::store::{add, keeping};
use nabz::tally::{Changes, Counts, Group};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::TestApp;
use crate::on_both_engines;

/// 2026-01-07.
const DAY: i32 = 20460;
const KEPT: &str = "SELECT COUNT(*) FROM tally_delta";
/// Each count in its column: scores, comments, delivered, answered.
const COUNTED: &str = "SELECT CAST(SUM(n0) AS TEXT), CAST(SUM(n1) AS TEXT), CAST(SUM(n2) AS TEXT), CAST(SUM(n3) AS TEXT), CAST(SUM(n4) AS TEXT),
    CAST(SUM(n5) AS TEXT), CAST(SUM(n6) AS TEXT), CAST(SUM(n7) AS TEXT), CAST(SUM(n8) AS TEXT), CAST(SUM(n9) AS TEXT), CAST(SUM(n10) AS TEXT),
    CAST(SUM(comment_count) AS TEXT), CAST(SUM(delivered_count) AS TEXT), CAST(SUM(answered_count) AS TEXT) FROM tally_now WHERE tag = 'a ''b'' \"c\" 🙂'
    AND day = 20460 AND agent = 'agent' AND team = 'تیم' AND channel = 'channel' AND touchpoint = 'touchpoint' AND locale = 'fa' AND source = 'source'
    AND segment = 'segment' AND product = 'product'";
const MERGED: &str = "SELECT CAST(SUM(n10 * 1000000 + comment_count * 10000 + delivered_count * 100 + answered_count) AS BIGINT) FROM tally
    WHERE tag = '' AND agent = 'agent'";

/// Counts with a number of its own in every column, times a factor, under a tag and without.
fn changes(survey: SurveyId, factor: i64) -> Changes {
    let [agent, team, channel, touchpoint, locale, source, segment, product] =
        ["agent", "تیم", "channel", "touchpoint", "fa", "source", "segment", "product"].map(ToOwned::to_owned);
    let group = Group { agent, team, channel, touchpoint, locale, source, segment, product };
    let mut scores = [0; 11];
    for (score, count) in (1..).zip(&mut scores) {
        *count = score * factor;
    }
    let counts = Counts { scores, comments: 12 * factor, delivered: 13 * factor, answered: 14 * factor };
    let mut changes = Changes::default();
    changes.add((survey, DAY), (&group, &["a 'b' \"c\" 🙂".to_owned()]), &counts);
    changes.add((survey, DAY + 1), (&Group::default(), &[]), &Counts { comments: factor, ..Counts::default() });
    changes
}

fn counted(factor: i64) -> Vec<Option<String>> {
    (1..=14).map(|count| Some((count * factor).to_string())).collect()
}

async fn keep(app: &TestApp, survey: SurveyId, factor: i64) {
    let mut tx = app.app.context.db.begin().await.unwrap();
    let statement = keeping(&mut tx, app.app.context.random.uuid(app.app.context.clock.now()), &changes(survey, factor)).unwrap();
    tx.run_and_commit(statement.into_iter().collect()).await.unwrap();
}

/// A survey with changes that are not in the tallies, and the sum of their factors.
async fn survey(app: &TestApp) -> (SurveyId, i64) {
    let id = app.survey("support", json!({"deliver": []})).await["id"].as_str().unwrap().parse().unwrap();
    // What a killed service left is merged once, at the start, which may be now.
    for kept in 1.. {
        keep(app, id, 1).await;
        if app.scalar(KEPT).await > 0 {
            return (id, kept);
        }
    }
    unreachable!()
}

/// Waits for what the service does by itself.
async fn until_merged(app: &TestApp) {
    let wait = async {
        while app.scalar(KEPT).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

on_both_engines! {
    async fn changes_count_in_every_column_before_they_are_merged_and_after(app: TestApp) {
        let (id, kept) = survey(&app).await;
        assert_eq!(app.row(COUNTED).await, counted(kept));
        keep(&app, id, 10).await;
        keep(&app, id, -3).await;
        assert_eq!(app.row(COUNTED).await, counted(kept + 7));
        let db = &app.app.context.db;
        let mut tx = db.begin().await.unwrap();
        add(&mut tx, &changes(id, 100)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(app.row(COUNTED).await, counted(kept + 107), "some are in the tallies, some beside them");
        let (_, report) = app.get("/api/v1/reports/breakdown?survey=support&by=agent&from=2026-01-01&to=2026-01-14").await;
        merge_stored(db).await.unwrap();
        assert_eq!((app.scalar(KEPT).await, app.row(COUNTED).await), (0, counted(kept + 107)));
        assert_eq!(app.scalar(MERGED).await, 11_121_314 * (kept + 107));
        merge_stored(db).await.unwrap();
        assert_eq!(app.scalar(MERGED).await, 11_121_314 * (kept + 107), "merged once");
        let (_, later) = app.get("/api/v1/reports/breakdown?survey=support&by=agent&from=2026-01-01&to=2026-01-14").await;
        assert_eq!(report, later);
        // A survey of scores from 1 to 5 has no others.
        assert_eq!(report["total"]["n"], Value::from((2 + 3 + 4 + 5 + 6) * (kept + 107)), "{report}");
    }

    async fn two_nodes_that_merge_at_once_count_everything_once(app: TestApp) {
        let (id, mut kept) = survey(&app).await;
        let db = &app.app.context.db;
        for _ in 0..10 {
            keep(&app, id, 1).await;
            keep(&app, id, 1).await;
            kept += 2;
            let (one, other, third) = tokio::join!(merge_stored(db), merge_stored(db), merge_stored(db));
            one.and(other).and(third).unwrap();
            assert_eq!((app.scalar(KEPT).await, app.scalar(MERGED).await), (0, 11_121_314 * kept));
        }
    }

    async fn what_a_killed_service_left_is_merged_by_the_next(app: TestApp) {
        let (_, kept) = survey(&app).await;
        let next = app.start_beside().await;
        until_merged(&next).await;
        assert_eq!(app.scalar(MERGED).await, 11_121_314 * kept);
    }

    async fn votes_count_while_nothing_can_be_merged_and_are_merged_later(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let (one, other) = (app.link("support", "1").await, app.link("support", "2").await);
        app.execute("ALTER TABLE tally RENAME TO away").await;
        assert_eq!(app.vote(&one, 5, "").await.0, StatusCode::OK);
        // Longer than it takes until the service tries.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(app.scalar("SELECT CAST(SUM(n5) AS BIGINT) FROM tally_now").await, 1);
        assert_eq!(app.scalar(KEPT).await, 1);
        app.execute("ALTER TABLE away RENAME TO tally").await;
        assert_eq!(app.vote(&other, 5, "").await.0, StatusCode::OK);
        until_merged(&app).await;
        assert_eq!(app.scalar("SELECT n5 FROM tally").await, 2);
    }

    async fn what_a_vote_changes_is_merged_by_and_by(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let (one, other) = (app.link("support", "1").await, app.link("support", "2").await);
        for (link, score) in [(&one, 5), (&other, 4), (&one, 3)] {
            app.vote(link, score, "").await;
        }
        assert_eq!(app.scalar("SELECT CAST(SUM(n5 * 100 + n4 * 10 + n3) AS BIGINT) FROM tally_now").await, 11, "at once");
        until_merged(&app).await;
        assert_eq!(app.scalar("SELECT n5 * 100 + n4 * 10 + n3 FROM tally").await, 11);
    }
}
