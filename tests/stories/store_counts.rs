//! The store of answers and counts keeps its word on both engines, column by column.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use nabz::clock::Timestamp;
use nabz::db::changes::Change;
use nabz::db::script::{Next, Statement, Values};
use nabz::db::{Db, Result, Tx};
use nabz::invitation::InvitationId;
use nabz::link::{Links, Purpose};
use nabz::response::store as responses;
use nabz::survey::SurveyId;
use nabz::tally::store::{add, adding};
use nabz::tally::{Changes, Counts, Group};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::common::TestApp;
use crate::on_both_engines;

async fn survey(app: &TestApp, slug: &str) -> SurveyId {
    SurveyId(app.survey(slug, json!({"deliver": []})).await["id"].as_str().unwrap().parse().unwrap())
}

/// A group with a value of its own in every field.
fn group() -> Group {
    let text = ToOwned::to_owned;
    Group {
        agent: text("agent"),
        team: text("تیم"),
        channel: text("channel"),
        touchpoint: text("touchpoint"),
        locale: text("fa"),
        source: text("source"),
        segment: text("segment"),
        product: text("product"),
    }
}

/// Counts with a number of its own in every field, times a factor.
fn counts(factor: i64) -> Counts {
    let mut scores = [0; 11];
    for (score, count) in (0_i64..).zip(&mut scores) {
        *count = (score + 1) * factor;
    }
    Counts { scores, comments: 20 * factor, delivered: 30 * factor, answered: 40 * factor }
}

async fn count(db: &Db, cells: &[(SurveyId, i32, &Group, &[String], Counts)]) {
    let mut changes = Changes::default();
    for (survey, day, group, tags, counts) in cells {
        changes.add((*survey, *day), (group, tags), counts);
    }
    let mut tx = db.begin().await.unwrap();
    add(&mut tx, &changes).await.unwrap();
    tx.commit().await.unwrap();
}

/// The counts of the only cell that meets a condition.
macro_rules! cell {
    ($condition:literal) => {
        concat!(
            "SELECT CAST(n0 AS TEXT), CAST(n1 AS TEXT), CAST(n2 AS TEXT), CAST(n3 AS TEXT), CAST(n4 AS TEXT), CAST(n5 AS TEXT), CAST(n6 AS TEXT),
             CAST(n7 AS TEXT), CAST(n8 AS TEXT), CAST(n9 AS TEXT), CAST(n10 AS TEXT), CAST(comment_count AS TEXT), CAST(delivered_count AS TEXT),
             CAST(answered_count AS TEXT) FROM tally JOIN survey ON survey.id = survey_id WHERE ",
            $condition
        )
    };
}

/// Counts as a row of texts.
fn row(counts: &Counts) -> Vec<Option<String>> {
    let all = counts.scores.iter().chain([&counts.comments, &counts.delivered, &counts.answered]);
    all.map(|count| Some(count.to_string())).collect()
}

/// What counts a group once more, times a factor.
fn counting(tx: &mut Tx, survey: SurveyId, factor: i64) -> Vec<Statement> {
    let mut changes = Changes::default();
    changes.add((survey, 1), (&group(), &[]), &counts(factor));
    adding(tx, &changes).unwrap().into_iter().collect()
}

/// Goes on with a ballot, or does not.
struct Then {
    ids: String,
    commits: usize,
    goes_on: bool,
}

impl Next for Then {
    fn is_waiting(&mut self) -> bool {
        self.goes_on
    }

    fn committed(&mut self) {
        self.commits += 1;
    }

    fn value(&mut self) -> Result<String> {
        Ok(self.ids.clone())
    }
}

on_both_engines! {
    async fn counts_add_up_cell_by_cell_and_can_be_taken_back(app: TestApp) {
        let (db, one, other) = (&app.app.context.db, survey(&app, "one").await, survey(&app, "other").await);
        let (whole, empty) = (group(), Group::default());
        let tags = ["vip".to_owned(), "a 'b' \"c\" 🙂".to_owned()];
        count(db, &[(one, 5, &whole, &tags, counts(1)), (one, 6, &whole, &[], counts(2)), (one, 5, &empty, &tags[..1], counts(3)), (other, 5, &whole, &[], counts(4))]).await;
        let stored = "SELECT tag, CAST(day AS TEXT), agent, team, channel, touchpoint, tally.locale, source, segment, product FROM tally
            JOIN survey ON survey.id = survey_id WHERE slug = 'one' AND tag LIKE 'a%'";
        let texts = [tags[1].as_str(), "5", "agent", "تیم", "channel", "touchpoint", "fa", "source", "segment", "product"];
        assert_eq!(app.row(stored).await, texts.map(|text| Some(text.to_owned())));
        count(db, &[(one, 5, &whole, &tags[..1], counts(10)), (one, 5, &whole, &[], counts(-1)), (one, 6, &whole, &[], counts(-2))]).await;
        for (sql, factor) in [
            (cell!("slug = 'one' AND tag = '' AND day = 5 AND agent = ''"), 3), (cell!("slug = 'one' AND tag = '' AND day = 5 AND agent = 'agent'"), 10),
            (cell!("slug = 'one' AND tag = 'vip' AND day = 5 AND agent = ''"), 3), (cell!("slug = 'one' AND tag = 'vip' AND day = 5 AND agent = 'agent'"), 11),
            (cell!("slug = 'one' AND tag LIKE 'a%'"), 1), (cell!("slug = 'one' AND day = 6"), 0), (cell!("slug = 'other'"), 4),
        ] {
            assert_eq!(app.row(sql).await, row(&counts(factor)), "{sql}");
        }
        assert_eq!(app.scalar("SELECT COUNT(*) FROM tally").await, 7);
    }

    async fn what_counts_nothing_writes_nothing(app: TestApp) {
        let (db, one) = (&app.app.context.db, survey(&app, "one").await);
        let cell = group();
        count(db, &[]).await;
        count(db, &[(one, 5, &cell, &["vip".to_owned()], Counts::default())]).await;
        count(db, &[(one, 5, &cell, &[], counts(1)), (one, 5, &cell, &[], counts(-1))]).await;
        assert_eq!(app.scalar("SELECT COUNT(*) FROM tally").await, 0);
    }

    async fn a_cell_outgrows_thirty_two_bits(app: TestApp) {
        let (db, one) = (&app.app.context.db, survey(&app, "one").await);
        let large = Counts { scores: [5_000_000_000; 11], comments: 5_000_000_000, delivered: 5_000_000_000, answered: 5_000_000_000 };
        count(db, &[(one, -1, &Group::default(), &[], large.clone())]).await;
        assert_eq!(app.row(cell!("day = -1")).await, row(&large));
    }

    async fn the_first_opening_of_a_link_is_the_one_that_is_kept(app: TestApp) {
        app.survey("support", json!({"deliver": []})).await;
        let links = Links::new(&app.app.context.keyring);
        let mut ids = Vec::new();
        for ticket in ["1", "2"] {
            let link = app.link("support", ticket).await;
            ids.push(InvitationId(links.open(Purpose::Vote, link.rsplit_once('/').unwrap().1).unwrap()));
        }
        let at = Timestamp::from_millis;
        for opens in [vec![(ids[0], 0, 7)], vec![(ids[0], 5, 8), (ids[1], 4, 9), (InvitationId(Uuid::nil()), 1, 9)]] {
            let opens: Vec<responses::Open> = opens.into_iter().map(|(id, score, millis)| responses::Open::new(id, score, at(millis))).collect();
            let mut tx = app.app.context.db.begin().await.unwrap();
            responses::note_opens(&mut tx, &opens).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(app.scalar("SELECT CAST(unconfirmed_score * 100 + unconfirmed_at AS BIGINT) FROM invitation WHERE unconfirmed_at = 7").await, 7);
        assert_eq!(app.scalar("SELECT CAST(unconfirmed_score * 100 + unconfirmed_at AS BIGINT) FROM invitation WHERE unconfirmed_at = 9").await, 409);
    }

    async fn a_ballot_is_taken_with_everything_that_its_interaction_and_answer_hold(app: TestApp) {
        let id = survey(&app, "support").await;
        let body = json!({
            "survey": "support", "ticket": {"id": "1"}, "customer": {"ref": "c", "locale": "fa"}, "agent": {"id": "17"}, "team": "team", "channel": "channel",
            "tags": ["vip"], "touchpoint": "touchpoint", "segment": "segment", "product": "product",
        });
        let link = app.post("/api/v1/interactions", &body).await.1["invitation"]["link"].as_str().unwrap().to_owned();
        let invitation = InvitationId(Links::new(&app.app.context.keyring).open(Purpose::Vote, link.rsplit_once('/').unwrap().1).unwrap());
        let now = app.clock.now();
        let take = async || {
            let (_, mut found) = responses::take_ballots(&app.app.context.db, &[invitation, InvitationId(Uuid::nil())]).await.unwrap();
            assert_eq!(found.len(), 1);
            found.remove(0)
        };
        let before = take().await;
        assert_eq!((before.survey, before.locale.map(|locale| locale.to_string()).as_deref()), (id, Some("fa")));
        let ballot = before.ballot;
        assert_eq!((ballot.id, ballot.state.as_str(), ballot.expires_at, ballot.sent_day, &ballot.answer), (invitation, "sent", now.plus_days(30), Some(20_468), &None));
        let group = ballot.group;
        assert_eq!([&group.agent, &group.team, &group.channel, &group.touchpoint, &group.source, &group.segment, &group.product], ["17", "team", "channel", "touchpoint", "", "segment", "product"]);
        assert_eq!((ballot.tags.as_slice(), ballot.via.as_str()), (["vip".to_owned()].as_slice(), "page"));

        let (_, nonce) = app.page(&link).await;
        app.clock.advance(500);
        let form = [("nonce", nonce.as_str()), ("score", "2"), ("comment", "خوب"), ("consent", "yes"), ("evidence", "keydown")];
        app.send(&link, &form).await;
        app.clock.advance(500);
        app.vote(&link, 4, "").await;
        let after = take().await.ballot;
        let answer = after.answer.unwrap();
        assert_eq!((after.state.as_str(), answer.raw, answer.score, answer.comment.as_deref(), answer.consent), ("answered", 4, 4, Some("خوب"), true));
        assert_eq!((answer.day, answer.versions, answer.form_at, answer.first_answered_at, answer.is_excluded), (20_468, 2, Some(now.plus_millis(1000)), now.plus_millis(500), false));
        let stored = "SELECT locale, via, status, CASE WHEN published THEN 'published' ELSE 'hidden' END, CAST(answered_at AS TEXT) FROM response";
        assert_eq!(app.row(stored).await, ["fa", "page", "new", "hidden", &now.plus_millis(1000).as_millis().to_string()].map(|text| Some(text.to_owned())));
        let versions = "SELECT CAST(raw AS TEXT), comment, CASE WHEN consent THEN 'yes' ELSE 'no' END, evidence, CAST(created_at AS TEXT) FROM response_version WHERE version = 1";
        assert_eq!(app.row(versions).await, ["2", "خوب", "yes", "keydown", &now.plus_millis(500).as_millis().to_string()].map(|text| Some(text.to_owned())));
        app.clock.advance(500);
        app.vote(&link, 4, "").await;
        assert_eq!(take().await.ballot.answer.unwrap().form_at, Some(now.plus_millis(1500)));
        let current = "SELECT CAST(raw AS TEXT), comment, CASE WHEN consent THEN 'yes' ELSE 'no' END, evidence, CAST(created_at AS TEXT) FROM response_version WHERE version = 2";
        let confirmed = ["4", "خوب", "yes", "pointerdown", &now.plus_millis(1000).as_millis().to_string()].map(|text| Some(text.to_owned()));
        assert_eq!(app.row(current).await, confirmed, "the same answer again is no other");
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response_version").await, 2);
    }

    async fn a_transaction_that_begins_with_the_commit_of_another_is_one_of_its_own(app: TestApp) {
        let id = survey(&app, "support").await;
        let links = Links::new(&app.app.context.keyring);
        let link = app.link("support", "1").await;
        let invitation = InvitationId(links.open(Purpose::Vote, link.rsplit_once('/').unwrap().1).unwrap());
        let db = &app.app.context.db;
        let n0 = "SELECT n0 FROM tally WHERE agent = 'agent'";
        let mut told = db.changes().listen();
        let (mut tx, found) = responses::take_ballots(db, &[]).await.unwrap();
        assert_eq!(found.len(), 0);
        let statements = counting(&mut tx, id, 1);
        let ids = responses::hex_list(std::iter::once(invitation.0)).unwrap();
        let mut next = Then { ids, commits: 0, goes_on: true };
        let (mut tx, found) = responses::commit_and_take_ballots(tx, statements, &mut next).await.unwrap().unwrap();
        assert_eq!((next.commits, told.try_recv()), (1, Ok(Change::Tally(id.0))));
        assert_eq!(found.iter().map(|found| found.ballot.id).collect::<Vec<_>>(), [invitation]);
        assert_eq!(app.scalar(n0).await, 1, "committed, while the next one is open");
        let statements = counting(&mut tx, id, 10);
        let (tx, _) = responses::commit_and_take_ballots(tx, statements, &mut next).await.unwrap().unwrap();
        assert_eq!((next.commits, app.scalar(n0).await), (2, 11));
        drop(tx);
        let (mut tx, _) = responses::take_ballots(db, &[invitation]).await.unwrap();
        let statements = counting(&mut tx, id, 100);
        next.goes_on = false;
        assert!(responses::commit_and_take_ballots(tx, statements, &mut next).await.unwrap().is_none());
        assert_eq!((next.commits, app.scalar(n0).await), (3, 111), "given up, the one before kept nobody from writing");
        assert_eq!([told.try_recv(), told.try_recv()], [(); 2].map(|()| Ok(Change::Tally(id.0))));
    }

    async fn what_fails_after_a_commit_takes_nothing_of_it_back(app: TestApp) {
        let id = survey(&app, "support").await;
        let db = &app.app.context.db;
        let (mut tx, _) = responses::take_ballots(db, &[]).await.unwrap();
        let statements = counting(&mut tx, id, 1);
        let mut next = Then { ids: "no list".to_owned(), commits: 0, goes_on: true };
        assert!(responses::commit_and_take_ballots(tx, statements, &mut next).await.is_err());
        assert_eq!((next.commits, app.scalar("SELECT n0 FROM tally").await), (1, 1));
        assert_eq!(db.begin().await.unwrap().commit().await.map_err(|error| error.to_string()), Ok(()), "the one that failed is rolled back");
    }

    async fn whoever_else_waits_to_write_comes_in_between(app: TestApp) {
        let db = &app.app.context.db;
        let (tx, _) = responses::take_ballots(db, &[]).await.unwrap();
        let mut other = pin!(db.begin());
        let begun = poll_fn(|context| Poll::Ready(other.as_mut().poll(context))).await;
        // PostgreSQL has more than one writer: it only waits for the network, if at all.
        assert!(begun.is_pending() || !db.is_embedded());
        let mut next = Then { ids: "[]".to_owned(), commits: 0, goes_on: true };
        let taken = responses::commit_and_take_ballots(tx, Vec::new(), &mut next).await.unwrap();
        assert_eq!((next.commits, taken.is_none()), (1, db.is_embedded()));
        drop(taken);
        let begun = match begun {
            Poll::Ready(begun) => begun,
            Poll::Pending => other.await,
        };
        begun.unwrap().commit().await.unwrap();
        let (tx, _) = responses::take_ballots(db, &[]).await.unwrap();
        assert!(responses::commit_and_take_ballots(tx, Vec::new(), &mut next).await.unwrap().is_some(), "nobody waits any more");
    }

    async fn what_fails_before_its_commit_is_not_called_committed(app: TestApp) {
        let id = survey(&app, "support").await;
        let db = &app.app.context.db;
        let (mut tx, _) = responses::take_ballots(db, &[]).await.unwrap();
        let mut statements = counting(&mut tx, id, 1);
        statements.push(Statement { text: "DELETE FROM survey", values: Values::Texts(vec![]) });
        let mut next = Then { ids: "[]".to_owned(), commits: 0, goes_on: true };
        assert!(responses::commit_and_take_ballots(tx, statements, &mut next).await.is_err(), "a survey with counts cannot go");
        assert_eq!(next.commits, 0);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM tally").await, 0);
        assert_eq!(app.app.context.db.begin().await.unwrap().commit().await.map_err(|error| error.to_string()), Ok(()));
    }

    async fn every_filter_of_the_responses_lets_through_what_it_says(app: TestApp) {
        survey(&app, "one").await;
        survey(&app, "other").await;
        for (slug, ticket, agent, tags, score, comment) in [
            ("one", "a", "17", json!(["vip", "x"]), 1, "100% سلام"), ("one", "b", "18", json!(["vip"]), 3, "a_b"),
            ("one", "c", "17", json!(["vi"]), 5, ""), ("other", "d", "17", json!([]), 5, "a\\b 100 LOUD"),
        ] {
            let body = json!({"survey": slug, "ticket": {"id": ticket}, "customer": {"ref": ticket}, "agent": {"id": agent}, "team": agent, "channel": agent, "tags": tags});
            let link = app.post("/api/v1/interactions", &body).await.1["invitation"]["link"].as_str().unwrap().to_owned();
            app.vote(&link, score, comment).await;
            app.clock.advance(86_400_000);
        }
        let tickets = async |query: &str| -> String {
            let (_, listed) = app.get(&format!("/api/v1/responses?{query}")).await;
            listed["items"].as_array().unwrap_or_else(|| panic!("{query}: {listed}")).iter().map(|item| item["ticket"]["id"].as_str().unwrap()).collect()
        };
        for (query, expected) in [
            ("", "dcba"), ("order=oldest", "abcd"), ("survey=one", "cba"), ("agent=17", "dca"), ("team=18", "b"), ("channel=18", "b"), ("tag=vip", "ba"), ("tag=vi", "c"), ("tag=%25", ""),
            ("score_min=3", "dcb"), ("score_max=3", "ba"), ("score_min=2&score_max=4", "b"), ("with_comment=true", "dba"), ("with_comment=false", "c"),
            ("from=2026-01-16", "dcb"), ("to=2026-01-16", "ba"), ("from=2026-01-16&to=2026-01-16", "b"), ("q=100%25", "a"), ("q=_", "b"), ("q=%5C", "d"), ("q=loud", "d"),
            ("q=%D8%B3%D9%84%D8%A7%D9%85", "a"), ("q=100", "da"), ("status=new", "dcba"), ("status=closed", ""), ("excluded=any", "dcba"), ("excluded=true", ""), ("excluded=false", "dcba"),
            ("survey=one&agent=17&tag=x&with_comment=true&score_max=1&q=100", "a"),
        ] {
            assert_eq!(tickets(query).await, expected, "{query}");
        }
        for order in ["newest", "oldest"] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let (_, page) = app.get(&format!("/api/v1/responses?limit=1&order={order}{cursor}")).await;
                seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["ticket"]["id"].as_str().unwrap().to_owned()));
                let Value::String(next) = &page["next"] else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(seen.concat(), if order == "newest" { "dcba" } else { "abcd" });
        }
    }
}
