//! The store of customers, decisions and invitations keeps its word on both engines, column by column.

use std::collections::{BTreeMap, HashMap, HashSet};

use nabz::clock::Timestamp;
use nabz::db::Db;
use nabz::delivery::store::find_letter;
use nabz::i18n::Locale;
use nabz::intake::{Agent, Customer, Interaction, SourceId, Ticket};
use nabz::invitation::facts::store::{ClosureKey, find_closures, find_suppressions, last_asked, open_tickets};
use nabz::invitation::policy::Decision;
use nabz::invitation::receive::store::{InteractionRow, Record, insert_interactions, insert_invitations, upsert_agents, upsert_customers};
use nabz::invitation::store::{self, Request};
use nabz::invitation::suppression::Cause;
use nabz::invitation::suppression::store::suppress_customer_of;
use nabz::invitation::{CustomerId, InteractionId, Invitation, InvitationId, Outcome, Reason, State};
use nabz::metric::Metric;
use nabz::survey::SurveyId;
use serde_json::json;
use uuid::Uuid;

use crate::common::TestApp;
use crate::hook::Hook;
use crate::on_both_engines;

const NOW: i64 = 1_768_473_000_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW + millis)
}

fn customer(email: Option<&str>, name: Option<&str>) -> Customer {
    let text = |text: Option<&str>| text.map(ToOwned::to_owned);
    Customer { email: text(email), name: text(name), ..Customer::default() }
}

/// An interaction with a value of its own in every field.
fn interaction() -> Interaction {
    let text = |text: &str| Some(text.to_owned());
    Interaction {
        ticket: Ticket {
            id: text("48213"),
            subject: text("subject"),
            url: text("url"),
            opened_at: Some(at(-3)),
            first_reply_at: Some(at(-2)),
            closed_at: Some(at(-1)),
            reopens: Some(4),
        },
        customer: Customer { locale: text("fa-IR"), ..Customer::default() },
        agent: Agent { id: text("17"), name: text("Jonas"), email: text("jonas@acme.example") },
        team: text("team"),
        channel: text("channel"),
        tags: vec!["vip".to_owned(), "سلام".to_owned()],
        touchpoint: text("touchpoint"),
        segment: text("segment"),
        product: text("product"),
    }
}

async fn survey(app: &TestApp, slug: &str) -> SurveyId {
    SurveyId(app.survey(slug, json!({})).await["id"].as_str().unwrap().parse().unwrap())
}

fn key(survey: SurveyId, key: &str) -> ClosureKey {
    (survey, key.to_owned())
}

fn record(number: u128, key: &ClosureKey, decision: Decision) -> Record<'_> {
    Record { id: InteractionId(Uuid::from_u128(number)), key, source: None, customer: None, decision, explanation: "Because.", now: at(0) }
}

const DECIDED: Decision = Decision::Skip { reason: Reason::Duplicate, until: None };

/// Stores an interaction and its invitation, both of this number.
async fn invite(db: &Db, number: u128, survey: SurveyId, customer: Option<CustomerId>, (metric, state): (Metric, State)) -> Invitation {
    let invitation = Invitation {
        id: InvitationId(Uuid::from_u128(number)),
        survey_id: survey,
        interaction_id: InteractionId(Uuid::from_u128(number)),
        customer_id: customer,
        state,
        locale: Some(Locale::Fa),
        timezone: Some("Asia/Tehran".to_owned()),
        channel: Some("sms".to_owned()),
        expires_at: at(1000),
        sent_at: None,
        created_at: at(i64::try_from(number).unwrap()),
    };
    let mut tx = db.begin().await.unwrap();
    let key = key(survey, &number.to_string());
    let record = Record { customer, ..record(number, &key, DECIDED) };
    assert_eq!(insert_interactions(&mut tx, &[InteractionRow::new(&record, &interaction()).unwrap()]).await.unwrap(), 1);
    insert_invitations(&mut tx, &[(invitation.clone(), metric, None)]).await.unwrap();
    tx.commit().await.unwrap();
    invitation
}

async fn upsert(db: &Db, number: u128, identity: &str, customer: &Customer, now: Timestamp) -> CustomerId {
    let mut tx = db.begin().await.unwrap();
    let customers = BTreeMap::from([(identity, customer.clone())]);
    let ids = upsert_customers(&mut tx, &customers, || Uuid::from_u128(number), now).await.unwrap();
    tx.commit().await.unwrap();
    ids[identity]
}

on_both_engines! {
    async fn a_customer_keeps_what_a_later_ticket_does_not_say(app: TestApp) {
        let db = &app.app.context.db;
        let whole = Customer { phone: Some("+98".to_owned()), reference: Some("c-9".to_owned()), ..customer(Some("a@b"), Some("Sara")) };
        let first = upsert(db, 1, "one", &whole, at(0)).await;
        let stored = "SELECT identity, email, phone, name, ref, CAST(created_at AS TEXT), CAST(updated_at AS TEXT) FROM customer";
        let (then, later) = (at(0).as_millis().to_string(), at(5).as_millis().to_string());
        let texts = |texts: [&str; 7]| texts.map(|text| Some(text.to_owned())).to_vec();
        assert_eq!(app.row(stored).await, texts(["one", "a@b", "+98", "Sara", "c-9", &then, &then]));
        let again = upsert(db, 2, "one", &customer(None, Some("Sara A.")), at(5)).await;
        assert_eq!((first, again), (CustomerId(Uuid::from_u128(1)), first));
        assert_eq!(app.row(stored).await, texts(["one", "a@b", "+98", "Sara A.", "c-9", &then, &later]));
        let other = Customer { phone: Some("+49".to_owned()), reference: Some("c-8".to_owned()), ..customer(Some("c@d"), None) };
        upsert(db, 3, "one", &other, at(5)).await;
        assert_eq!(app.row(stored).await, texts(["one", "c@d", "+49", "Sara A.", "c-8", &then, &later]));
        assert_ne!(upsert(db, 4, "two", &whole, at(5)).await, first);
    }

    async fn the_latest_name_of_an_agent_is_kept(app: TestApp) {
        for (key, name, now) in [("17", "Jonas", at(1)), ("17", "Jonas", at(2)), ("17", "Jonas W.", at(3))] {
            let mut tx = app.app.context.db.begin().await.unwrap();
            upsert_agents(&mut tx, &BTreeMap::from([(key, name)]), now).await.unwrap();
            tx.commit().await.unwrap();
        }
        let row = app.row("SELECT agent_key, name, CAST(updated_at AS TEXT) FROM agent").await;
        assert_eq!(row, [Some("17".to_owned()), Some("Jonas W.".to_owned()), Some(at(3).as_millis().to_string())]);
    }

    async fn every_column_of_an_interaction_is_stored_and_its_closing_only_once(app: TestApp) {
        let (db, survey) = (&app.app.context.db, survey(&app, "support").await);
        let source: SourceId = Hook::connect(&app, "standard", "support", None).await.id.parse().unwrap();
        let who = upsert(db, 1, "one", &customer(Some("a@b"), None), at(0)).await;
        let skip = Decision::Skip { reason: Reason::QuietPeriod, until: Some(at(7)) };
        let (closing, elsewhere, later) = (key(survey, "key"), key(SurveyId::default(), "key"), key(survey, "other"));
        let whole = Record { source: Some(source), customer: Some(who), ..record(9, &closing, skip) };
        let again = record(10, &closing, Decision::Invite { due_at: at(0), expires_at: at(1) });
        let mut tx = db.begin().await.unwrap();
        for (record, stored) in [(&whole, 1), (&again, 0)] {
            let what = interaction();
            assert_eq!(insert_interactions(&mut tx, &[InteractionRow::new(record, &what).unwrap()]).await.unwrap(), stored);
        }
        tx.commit().await.unwrap();
        let stored = "SELECT closure_key, ticket_id, ticket, agent_key, agent, team, channel, tags, touchpoint, segment, product, interaction.locale, outcome, reason,
            CAST(until_at AS TEXT), CAST(interaction.created_at AS TEXT) FROM interaction
            JOIN source ON source.id = source_id JOIN customer ON customer.id = customer_id JOIN survey ON survey.id = interaction.survey_id";
        let expected = interaction();
        let (ticket, agent) = (serde_json::to_string(&expected.ticket).unwrap(), serde_json::to_string(&expected.agent).unwrap());
        let (until, now) = (at(7).as_millis().to_string(), at(0).as_millis().to_string());
        let texts = [
            "key", "48213", &ticket, "17", &agent, "team", "channel", "[\"vip\",\"سلام\"]", "touchpoint", "segment", "product", "fa-IR", "skipped",
            "quiet_period", &until, &now,
        ];
        assert_eq!(app.row(stored).await, texts.map(|text| Some(text.to_owned())));

        let mut tx = db.begin().await.unwrap();
        let mut closings = find_closures(&mut tx, &[&closing, &elsewhere, &later]).await.unwrap();
        let (by_key, asked) = closings.remove(&closing).unwrap();
        assert!(asked.is_none() && closings.is_empty());
        for found in [by_key, store::find_decided(&mut tx, whole.id).await.unwrap().unwrap()] {
            assert_eq!((found.id, found.outcome, found.reason, found.until_at), (whole.id, Outcome::Skipped, Some(Reason::QuietPeriod), Some(at(7))));
            assert_eq!(found.explanation, "Because.");
        }
        assert!(store::find_decided(&mut tx, again.id).await.unwrap().is_none());
    }

    async fn an_invitation_is_found_as_it_was_stored_and_leaves_waiting_once(app: TestApp) {
        let (db, survey) = (&app.app.context.db, survey(&app, "support").await);
        let who = upsert(db, 1, "one", &customer(Some("a@b"), Some("Sara")), at(0)).await;
        let invitation = invite(db, 5, survey, Some(who), (Metric::Csat, State::Scheduled)).await;
        let read = &mut db.read().await.unwrap();
        for found in [store::find(read, invitation.id).await.unwrap(), store::find_of(read, invitation.interaction_id).await.unwrap()] {
            assert_eq!(format!("{:?}", found.unwrap()), format!("{invitation:?}"));
        }
        assert!(store::find(read, InvitationId(Uuid::nil())).await.unwrap().is_none());
        assert!(store::find_of(read, InteractionId(Uuid::nil())).await.unwrap().is_none());
        let letter = find_letter(read, invitation.id).await.unwrap().unwrap();
        assert_eq!((letter.email.as_deref(), letter.name.as_deref(), letter.locale, letter.is_suppressed), (Some("a@b"), Some("Sara"), Some(Locale::Fa), false));
        assert_eq!((letter.survey_id, letter.state, letter.expires_at, letter.created_at), (survey, State::Scheduled, at(1000), at(5)));
        assert_eq!((letter.ticket.0, letter.agent.0), (interaction().ticket, interaction().agent));
        let mut tx = db.begin().await.unwrap();
        assert!(store::close(&mut tx, invitation.id, State::Withdrawn).await.unwrap());
        assert!(!store::close(&mut tx, invitation.id, State::Failed).await.unwrap());
        assert_eq!(store::find(&mut tx, invitation.id).await.unwrap().unwrap().state, State::Withdrawn);
        tx.commit().await.unwrap();
    }

    async fn marking_an_invitation_as_sent_twice_counts_it_once(app: TestApp) {
        let (db, survey) = (&app.app.context.db, survey(&app, "support").await);
        let open = invite(db, 5, survey, None, (Metric::Csat, State::Scheduled)).await;
        let answered = invite(db, 6, survey, None, (Metric::Csat, State::Answered)).await;
        let mut tx = db.begin().await.unwrap();
        let cohort = store::mark_sent(&mut tx, open.id, at(1), 20_468).await.unwrap().unwrap();
        assert_eq!((cohort.survey, cohort.is_answered, cohort.tags.clone()), (survey, false, interaction().tags));
        let group = [&cohort.group.agent, &cohort.group.team, &cohort.group.channel, &cohort.group.touchpoint, &cohort.group.locale, &cohort.group.source, &cohort.group.segment, &cohort.group.product];
        assert_eq!(group, ["17", "team", "channel", "touchpoint", "fa", "", "segment", "product"]);
        assert!(store::mark_sent(&mut tx, open.id, at(2), 20_469).await.unwrap().is_none());
        let found = store::find(&mut tx, open.id).await.unwrap().unwrap();
        assert_eq!((found.state, found.sent_at), (State::Sent, Some(at(1))));
        assert!(store::mark_sent(&mut tx, answered.id, at(1), 20_468).await.unwrap().unwrap().is_answered);
        assert_eq!(store::find(&mut tx, answered.id).await.unwrap().unwrap().state, State::Answered);
        assert!(store::mark_sent(&mut tx, InvitationId(Uuid::nil()), at(1), 20_468).await.unwrap().is_none());
        tx.commit().await.unwrap();
        assert_eq!(app.scalar("SELECT CAST(MIN(sent_day) + MAX(sent_day) AS BIGINT) FROM invitation").await, 2 * 20_468);
    }

    async fn a_customer_was_last_asked_by_what_was_neither_withdrawn_nor_failed(app: TestApp) {
        let (db, survey) = (&app.app.context.db, survey(&app, "support").await);
        let (who, other) = (upsert(db, 1, "one", &customer(None, None), at(0)).await, upsert(db, 2, "two", &customer(None, None), at(0)).await);
        assert_eq!(last_asked(&mut db.read().await.unwrap(), &[who]).await.unwrap(), []);
        let mut expected: BTreeMap<(CustomerId, Metric), i64> = BTreeMap::new();
        for (number, customer, metric, state, counts) in [
            (10, who, Metric::Csat, State::Scheduled, true), (11, who, Metric::Csat, State::Withdrawn, false),
            (12, who, Metric::Nps, State::Sent, true), (13, who, Metric::Csat, State::Failed, false),
            (14, other, Metric::Csat, State::Sent, true), (15, who, Metric::Csat, State::Bounced, true),
            (16, who, Metric::Csat, State::Answered, true), (17, who, Metric::Ces, State::Expired, true),
        ] {
            invite(db, number, survey, Some(customer), (metric, state)).await;
            if counts {
                expected.insert((customer, metric), i64::try_from(number).unwrap());
            }
            let asked = last_asked(&mut db.read().await.unwrap(), &[who, other]).await.unwrap();
            let asked: BTreeMap<_, _> = asked.into_iter().map(|(customer, metric, at)| ((customer, metric), at.as_millis() - NOW)).collect();
            assert_eq!(asked, expected, "{number}");
        }
    }

    async fn only_open_invitations_of_the_ticket_and_survey_are_listed(app: TestApp) {
        let (db, one, other) = (&app.app.context.db, survey(&app, "support").await, survey(&app, "other").await);
        for (number, survey, state) in [(1, one, State::Scheduled), (2, one, State::Sent), (3, one, State::Answered), (4, one, State::Withdrawn), (5, one, State::Failed), (6, other, State::Sent)] {
            invite(db, number, survey, None, (Metric::Csat, state)).await;
        }
        let read = &mut db.read().await.unwrap();
        let ids = |numbers: &[u128]| numbers.iter().map(|number| InvitationId(Uuid::from_u128(*number))).collect::<Vec<_>>();
        assert_eq!(store::list_open(read, one, "48213", at(999)).await.unwrap(), ids(&[1, 2]));
        assert_eq!(store::list_open(read, one, "48213", at(1000)).await.unwrap(), []);
        assert_eq!(store::list_open(read, one, "other", at(0)).await.unwrap(), []);
        assert_eq!(store::list_open(read, other, "48213", at(0)).await.unwrap(), ids(&[6]));
        let (here, there, none) = (key(one, "48213"), key(other, "48213"), key(one, "other"));
        assert_eq!(open_tickets(read, &[&here, &there, &none], at(999)).await.unwrap(), HashSet::from([here.clone(), there.clone()]));
        assert_eq!(open_tickets(read, &[&here, &there, &none], at(1000)).await.unwrap(), HashSet::new());
    }

    async fn a_suppression_keeps_its_first_reason_and_needs_a_customer(app: TestApp) {
        let (db, survey) = (&app.app.context.db, survey(&app, "support").await);
        let who = upsert(db, 1, "one", &customer(Some("a@b"), None), at(0)).await;
        let known = invite(db, 5, survey, Some(who), (Metric::Csat, State::Sent)).await;
        let unknown = invite(db, 6, survey, None, (Metric::Csat, State::Sent)).await;
        let mut tx = db.begin().await.unwrap();
        assert_eq!(find_suppressions(&mut tx, &["one", "two"]).await.unwrap(), HashMap::new());
        for (id, reason, now) in [(unknown.id, Cause::Bounced, at(0)), (known.id, Cause::Bounced, at(1)), (known.id, Cause::Unsubscribed, at(2))] {
            suppress_customer_of(&mut tx, id, reason, now).await.unwrap();
        }
        assert_eq!(find_suppressions(&mut tx, &["one", "two"]).await.unwrap(), HashMap::from([("one".to_owned(), Cause::Bounced)]));
        tx.commit().await.unwrap();
        assert!(find_letter(&mut db.read().await.unwrap(), known.id).await.unwrap().unwrap().is_suppressed);
        let row = app.row("SELECT identity, reason, CAST(created_at AS TEXT) FROM suppression").await;
        assert_eq!(row, [Some("one".to_owned()), Some("bounced".to_owned()), Some(at(1).as_millis().to_string())]);
    }

    async fn a_request_key_belongs_to_its_first_request(app: TestApp) {
        let (db, survey) = (&app.app.context.db, survey(&app, "support").await);
        let (one, other) = (invite(db, 5, survey, None, (Metric::Csat, State::Sent)).await, invite(db, 6, survey, None, (Metric::Csat, State::Sent)).await);
        let mut tx = db.begin().await.unwrap();
        let request = |body_hash, interaction| Request { key: "key", body_hash, interaction };
        assert_eq!(store::insert_requests(&mut tx, &[request(&[0, 255], one.interaction_id)], at(3)).await.unwrap(), 1);
        assert_eq!(store::insert_requests(&mut tx, &[request(&[1], other.interaction_id)], at(4)).await.unwrap(), 0);
        let (hash, decided) = store::find_request(&mut tx, "key").await.unwrap().unwrap();
        assert_eq!((hash, decided.id), (vec![0, 255], one.interaction_id));
        assert!(store::find_request(&mut tx, "other").await.unwrap().is_none());
        tx.commit().await.unwrap();
        assert_eq!(app.scalar("SELECT created_at FROM idempotency").await, at(3).as_millis());
    }
}
