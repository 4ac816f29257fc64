//! The store of surveys, sources and keys keeps its word on both engines, column by column.

use nabz::clock::Timestamp;
use nabz::intake::options::Options;
use nabz::intake::store::{self as sources, Arrival};
use nabz::intake::{Reception, Source, SourceId, SourceKind};
use nabz::survey::draft::Draft;
use nabz::survey::{Survey, SurveyId, store as surveys};
use nabz::web::auth::{ApiKey, Scope};
use nabz::web::store as keys;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::common::TestApp;
use crate::on_both_engines;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_768_473_000_000 + millis)
}

/// A survey of this number, with a value of its own in every field.
fn survey(number: u128, slug: &str) -> Survey {
    let draft: Draft = serde_json::from_value(json!({
        "slug": slug, "name": "نام", "metric": "ces", "company": "Acme", "locale": "fa", "timezone": "Asia/Tehran", "scale": "effort",
        "texts": {"en": {"question": "How?", "follow_up": {"low": "Why?"}}}, "brand": {"color": "#123456", "logo_url": "https://acme.example/l.png"},
        "deliver": ["email"], "policy": {"delay_minutes": 3, "exclude_tags": ["spam"]}, "week_start": "sunday",
        "public": {"enabled": true, "minimum": 20, "lot": 6, "title": "سلام"},
    }))
    .unwrap();
    let mut survey = draft.into_survey(SurveyId(Uuid::from_u128(number)), at(1)).unwrap();
    survey.updated_at = at(2);
    survey
}

/// The same survey, altered in everything that may be.
fn altered(mut survey: Survey) -> Survey {
    let draft: Draft =
        serde_json::from_value(json!({"slug": survey.slug, "name": "Other", "metric": "csat", "display": "stars", "deliver": []})).unwrap();
    let (id, created_at) = (survey.id, survey.created_at);
    survey = draft.into_survey(id, created_at).unwrap();
    survey.archived_at = Some(at(5));
    survey.updated_at = at(6);
    survey
}

fn source(number: u128, survey: SurveyId) -> Source {
    Source {
        id: SourceId(Uuid::from_u128(number)),
        survey_id: survey,
        name: "میز".to_owned(),
        kind: SourceKind::Zendesk,
        sealed_secret: vec![0, 1, 255],
        options: Options { api_url: Some("https://acme.zendesk.com".to_owned()), ..Options::default() },
        sealed_token: (number % 2 == 1).then(|| vec![9, 0, 8]),
        created_at: at(3),
    }
}

fn shown<T: std::fmt::Debug>(thing: T) -> String {
    format!("{thing:?}")
}

on_both_engines! {
    async fn a_survey_is_read_as_it_was_written_and_its_slug_is_used_once(app: TestApp) {
        let (one, second) = (survey(1, "one"), survey(2, "two"));
        let mut tx = app.app.context.db.begin().await.unwrap();
        assert!(surveys::insert(&mut tx, &one).await.unwrap());
        assert!(!surveys::insert(&mut tx, &survey(3, "one")).await.unwrap());
        assert!(surveys::insert(&mut tx, &second).await.unwrap());
        assert_eq!(shown(surveys::find(&mut tx, one.id).await.unwrap()), shown(Some(&one)));
        assert_eq!(shown(surveys::find_by_slug(&mut tx, "one").await.unwrap()), shown(Some(&one)));
        assert!(surveys::find(&mut tx, SurveyId(Uuid::from_u128(3))).await.unwrap().is_none());
        assert!(surveys::find_by_slug(&mut tx, "ONE").await.unwrap().is_none());

        let other = altered(one.clone());
        surveys::update(&mut tx, &other).await.unwrap();
        assert_eq!(shown(surveys::find(&mut tx, one.id).await.unwrap()), shown(Some(&other)));
        assert_eq!(shown(surveys::find(&mut tx, second.id).await.unwrap()), shown(Some(&second)), "the others stay as they were");
        assert_eq!(shown(surveys::list(&mut tx, SurveyId::default(), 9).await.unwrap()), shown([&other, &second]));
        assert_eq!(shown(surveys::list(&mut tx, SurveyId::default(), 1).await.unwrap()), shown([&other]));
        assert_eq!(shown(surveys::list(&mut tx, one.id, 9).await.unwrap()), shown([&second]));
        tx.commit().await.unwrap();
    }

    async fn a_survey_has_responses_from_the_first_on(app: TestApp) {
        app.survey("one", json!({"deliver": []})).await;
        app.survey("two", json!({"deliver": []})).await;
        let link = app.link("one", "1").await;
        let db = &app.app.context.db;
        let one = surveys::find_by_slug(&mut db.read().await.unwrap(), "one").await.unwrap().unwrap().id;
        let two = surveys::find_by_slug(&mut db.read().await.unwrap(), "two").await.unwrap().unwrap().id;
        assert!(!surveys::has_responses(&mut db.read().await.unwrap(), one).await.unwrap());
        app.vote(&link, 3, "").await;
        let read = &mut db.read().await.unwrap();
        assert_eq!((surveys::has_responses(read, one).await.unwrap(), surveys::has_responses(read, two).await.unwrap()), (true, false));
    }

    async fn a_source_is_gone_once_and_for_all_when_it_is_deleted(app: TestApp) {
        let asked = survey(1, "one");
        let (one, second) = (source(5, asked.id), source(6, asked.id));
        let mut tx = app.app.context.db.begin().await.unwrap();
        surveys::insert(&mut tx, &asked).await.unwrap();
        sources::insert(&mut tx, &one).await.unwrap();
        sources::insert(&mut tx, &second).await.unwrap();
        assert_eq!(shown(sources::find(&mut tx, one.id).await.unwrap()), shown(Some(&one)));
        assert_eq!(shown(sources::list(&mut tx, SourceId::default(), 9).await.unwrap()), shown([&one, &second]));
        assert_eq!(shown(sources::list(&mut tx, one.id, 9).await.unwrap()), shown([&second]));
        assert_eq!(shown(sources::list(&mut tx, SourceId::default(), 1).await.unwrap()), shown([&one]));
        let changed = Source { name: "New".to_owned(), sealed_secret: vec![7], options: Options::default(), sealed_token: None, ..one.clone() };
        sources::update(&mut tx, &changed).await.unwrap();
        assert_eq!(shown(sources::list(&mut tx, SourceId::default(), 9).await.unwrap()), shown([&changed, &second]));
        assert!(sources::delete(&mut tx, one.id, at(7)).await.unwrap());
        assert!(!sources::delete(&mut tx, one.id, at(8)).await.unwrap());
        assert!(!sources::delete(&mut tx, SourceId::default(), at(8)).await.unwrap());
        assert!(sources::find(&mut tx, one.id).await.unwrap().is_none());
        assert_eq!(shown(sources::list(&mut tx, SourceId::default(), 9).await.unwrap()), shown([&second]));
        tx.commit().await.unwrap();
        assert_eq!(app.scalar("SELECT deleted_at FROM source WHERE deleted_at IS NOT NULL").await, at(7).as_millis());
    }

    async fn the_first_answer_to_a_delivery_is_the_one_that_is_kept(app: TestApp) {
        let asked = survey(1, "one");
        let (one, second) = (source(5, asked.id), source(6, asked.id));
        let mut tx = app.app.context.db.begin().await.unwrap();
        surveys::insert(&mut tx, &asked).await.unwrap();
        sources::insert(&mut tx, &one).await.unwrap();
        sources::insert(&mut tx, &second).await.unwrap();
        let arrival = |number, source: &Source, delivery_key, outcome, answer| Arrival {
            id: Uuid::from_u128(number), source: source.id, delivery_key, outcome, answer, problem: Some("problem"), body: Some(&[0, 255]), at: at(4),
        };
        let arrivals = [
            arrival(1, &one, Some("m1"), Reception::Accepted, "first"), arrival(2, &one, Some("m1"), Reception::Accepted, "second"),
            arrival(3, &second, Some("m1"), Reception::Accepted, "of another"), arrival(4, &one, Some("m2"), Reception::Unreadable, "unreadable"),
            arrival(5, &one, None, Reception::Accepted, "keyless"), arrival(6, &one, None, Reception::Accepted, "keyless"),
        ];
        // The first two of a batch can be the same delivery, and a later batch can bring it again.
        sources::insert_arrivals(&mut tx, &arrivals).await.unwrap();
        sources::insert_arrivals(&mut tx, &[arrival(7, &one, Some("m1"), Reception::Accepted, "third")]).await.unwrap();
        let asked = [(one.id, "m1"), (second.id, "m1"), (one.id, "m2"), (one.id, "m3"), (second.id, "m2")];
        let found = sources::find_answers(&mut tx, &asked).await.unwrap();
        let expected = [((one.id, "m1"), "first"), ((second.id, "m1"), "of another")];
        assert_eq!(found, expected.map(|((source, key), answer)| ((source, key.to_owned()), answer.to_owned())).into());
        tx.commit().await.unwrap();
        let stored = "SELECT delivery_key, outcome, answer, problem, LOWER(CASE WHEN LENGTH(body) = 2 THEN 'TWO' END), CAST(created_at AS TEXT) FROM source_event WHERE answer = 'unreadable'";
        let texts = ["m2", "unreadable", "unreadable", "problem", "two", &at(4).as_millis().to_string()].map(|text| Some(text.to_owned()));
        assert_eq!(app.row(stored).await, texts);
    }

    async fn a_key_opens_until_it_is_revoked(app: TestApp) {
        let key = |number, name: &str, scope| ApiKey { id: Uuid::from_u128(number), name: name.to_owned(), scope, created_at: at(1), revoked_at: None };
        let (one, second) = (key(1, "یک", Scope::Write), key(2, "two", Scope::Read));
        let mut tx = app.app.context.db.begin().await.unwrap();
        keys::insert(&mut tx, &one, &[1; 32]).await.unwrap();
        keys::insert(&mut tx, &second, &[2; 32]).await.unwrap();
        assert_eq!(keys::find_live(&mut tx, &[1; 32]).await.unwrap(), Some((one.id, Scope::Write)));
        assert_eq!(keys::find_live(&mut tx, &[3; 32]).await.unwrap(), None);
        assert!(keys::revoke(&mut tx, one.id, at(9)).await.unwrap());
        assert!(!keys::revoke(&mut tx, one.id, at(10)).await.unwrap());
        assert!(!keys::revoke(&mut tx, Uuid::nil(), at(10)).await.unwrap());
        assert_eq!(keys::find_live(&mut tx, &[1; 32]).await.unwrap(), None);
        assert_eq!(keys::find_live(&mut tx, &[2; 32]).await.unwrap(), Some((second.id, Scope::Read)));
        let listed = [ApiKey { revoked_at: Some(at(9)), ..one }, second];
        assert_eq!(shown(keys::list(&mut tx).await.unwrap()), shown(listed));
        tx.commit().await.unwrap();
    }

    async fn a_key_of_each_scope_may_do_what_its_scope_says(app: TestApp) {
        app.survey("support", json!({})).await;
        let db = &app.app.context.db;
        for (number, scope, may) in [(1, Scope::Read, [true, false, false]), (2, Scope::Write, [true, true, false]), (3, Scope::Admin, [true, true, true])] {
            let secret = format!("nabz_{number}");
            let key = ApiKey { id: Uuid::from_u128(number), name: "n".to_owned(), scope, created_at: at(1), revoked_at: None };
            let mut tx = db.begin().await.unwrap();
            keys::insert(&mut tx, &key, &nabz::web::auth::hash(&secret)).await.unwrap();
            tx.commit().await.unwrap();
            let body: Value = json!({"survey": "support", "ticket": {"id": secret}, "customer": {"ref": secret}});
            let requests = [
                app.plain(reqwest::Method::GET, "/api/v1/responses"),
                app.plain(reqwest::Method::POST, "/api/v1/interactions").json(&body),
                app.plain(reqwest::Method::GET, "/api/v1/sources"),
            ];
            for (request, may) in requests.into_iter().zip(may) {
                let status = request.bearer_auth(&secret).send().await.unwrap().status();
                assert_eq!((status.is_success(), status.as_u16() == 403), (may, !may), "{scope}");
            }
        }
    }
}
