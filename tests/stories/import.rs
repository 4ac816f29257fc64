//! Files of past answers and closed tickets, on both engines: what is in the file is what is reported, once.

use std::path::{Path, PathBuf};

use nabz::response::import::columns::Mapping;
use nabz::response::import::run::{Event, Failed, Options, Summary, run};
use serde_json::{Value, json};

use crate::common::TestApp;
use crate::on_both_engines;

fn sample(name: &str) -> PathBuf {
    Path::new("tests/import").join(name)
}

/// An import with what was told of it, line by line.
async fn import_with(app: &TestApp, path: &Path, options: &Options) -> (Result<Summary, Failed>, Vec<String>) {
    let mut told = Vec::new();
    let done = run(&app.app.context, path, options, |event| match event {
        Event::Unknown(names) => told.push(format!("not kept: {}", names.join(", "))),
        Event::Refused(row, refused) => told.push(format!("row {row}: {refused}")),
        Event::Progress(..) => {}
    })
    .await;
    (done, told)
}

/// An import that is dropped in the middle, after the batch with this row.
async fn import_until(app: &TestApp, path: &Path, row: u64) -> Option<Result<Summary, Failed>> {
    let stop = tokio::sync::Notify::new();
    let options = Options::default();
    let import = run(&app.app.context, path, &options, |event| {
        if matches!(event, Event::Progress(rows, _) if rows >= row) {
            stop.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = stop.notified() => None,
        done = import => Some(done),
    }
}

async fn import(app: &TestApp, name: &str, survey: &str) -> (Summary, Vec<String>) {
    let options = Options { survey: Some(survey.to_owned()), ..Options::default() };
    let (done, told) = import_with(app, &sample(name), &options).await;
    (done.unwrap(), told)
}

async fn report(app: &TestApp, survey: &str, more: &str) -> Value {
    app.get(&format!("/api/v1/reports/breakdown?survey={survey}&from=2025-01-01&to=2026-01-31{more}")).await.1
}

async fn responses(app: &TestApp, survey: &str) -> Vec<Value> {
    let (_, listed) = app.get(&format!("/api/v1/responses?survey={survey}&order=oldest&limit=500")).await;
    listed["items"].as_array().unwrap().clone()
}

/// Everything that an import writes, added up in a way that notices every change.
async fn contents(app: &TestApp) -> Vec<Option<String>> {
    app.row(
        "SELECT CAST((SELECT COUNT(*) FROM interaction) AS TEXT), CAST((SELECT COUNT(*) FROM customer) AS TEXT), CAST((SELECT COUNT(*) FROM response) AS TEXT),
            CAST((SELECT COUNT(*) FROM response_version) AS TEXT), CAST((SELECT COUNT(*) FROM invitation) AS TEXT), CAST((SELECT COUNT(*) FROM outbox) AS TEXT),
            CAST((SELECT COUNT(*) FROM agent) AS TEXT), CAST((SELECT COUNT(*) FROM tally) AS TEXT),
            CAST((SELECT SUM(n0 + 2 * n1 + 3 * n2 + 4 * n3 + 5 * n4 + 6 * n5 + 7 * n6 + 8 * n7 + 9 * n8 + 10 * n9 + 11 * n10 + 100 * comment_count) FROM tally) AS TEXT),
            CAST((SELECT MAX(updated_at) FROM customer) AS TEXT), CAST((SELECT COUNT(*) FROM import) AS TEXT)",
    )
    .await
}

async fn is_refused(app: &TestApp, file: &str, options: Options) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, file).unwrap();
    match import_with(app, &path, &options).await.0 {
        Err(Failed::Unusable(why)) => why.to_string().replace(&path.display().to_string(), "FILE"),
        other => panic!("{other:?}"),
    }
}

on_both_engines! {
    async fn our_own_csv_becomes_the_answers_it_says(app: TestApp) {
        app.survey("support", json!({"timezone": "Asia/Tehran", "public": {"enabled": true}})).await;
        let (summary, told) = import(&app, "own.csv", "support").await;
        assert_eq!((summary.rows, summary.answers, summary.refused, told), (4, 4, 0, vec!["not kept: Favourite colour".to_owned()]));
        let listed = responses(&app, "support").await;
        let brief: Vec<_> = listed.iter().map(|r| json!([r["ticket"]["id"], r["score"], r["comment"], r["first_answered_at"], r["locale"], r["via"]])).collect();
        let expected = json!([
            ["1001", 5, "Quick,\nand friendly", "2025-11-03T05:45:00.000Z", "fa", "import"],
            ["1003", 4, "He said \"thanks\"", "2025-11-03T20:30:00.000Z", "en", "import"],
            ["1002", 2, null, "2025-11-03T22:40:00.000Z", "ar", "import"],
            ["1004", 5, null, "2025-11-05T10:50:00.000Z", "en", "import"],
        ]);
        assert_eq!(json!(brief), expected);
        let first = &listed[0];
        assert_eq!(first["customer"], json!({"email": "sara@example.com", "phone": null, "name": "Sara", "locale": "fa", "ref": null}));
        assert_eq!((&first["agent"]["name"], &first["team"], &first["tags"]), (&json!("Jonas"), &json!("Billing"), &json!(["vip", "refund"])));

        let total = &report(&app, "support", "").await["total"];
        assert_eq!(total["counts"], json!({"1": 0, "2": 1, "3": 0, "4": 1, "5": 2}));
        assert_eq!((&total["n"], &total["comments"], &total["delivered"], &total["answered"]), (&json!(4), &json!(2), &json!(0), &json!(0)));
        // 22:40 in London is the next day in Tehran.
        let by_day = report(&app, "support", "&by=day").await;
        let days: Vec<_> = by_day["rows"].as_array().unwrap().iter().map(|row| json!([row["key"], row["n"]])).collect();
        assert_eq!(json!(days), json!([["2025-11-03", 1], ["2025-11-04", 2], ["2025-11-05", 1]]));
        let by_tag = report(&app, "support", "&by=tag").await;
        let tags: Vec<_> = by_tag["rows"].as_array().unwrap().iter().map(|row| json!([row["key"], row["n"]])).collect();
        assert_eq!(json!(tags), json!([["vip", 2], ["refund", 1]]));
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response_version WHERE evidence = 'import' AND version = 1").await, 4);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM interaction WHERE outcome = 'skipped' AND reason = 'answered_elsewhere'").await, 4);

        let happiness = app.get("/happiness/support.json").await.1;
        assert_eq!((&happiness["n"], &happiness["invited"], &happiness["answered"]), (&json!(0), &json!(0), &json!(0)), "{happiness}");
    }

    async fn a_file_given_twice_changes_nothing(app: TestApp) {
        app.survey("support", json!({"timezone": "Asia/Tehran"})).await;
        for name in ["own.csv", "own.ndjson", "semicolon.csv", "tickets.csv"] {
            let (first, _) = import(&app, name, "support").await;
            let before = contents(&app).await;
            app.clock.advance(60_000);
            let (second, _) = import(&app, name, "support").await;
            assert_eq!(contents(&app).await, before, "{name}");
            assert_eq!((second.known, second.rows), (first.rows, first.rows), "{name}");
        }
    }

    async fn objects_are_read_as_columns_are(app: TestApp) {
        app.survey("support", json!({})).await;
        app.survey("other", json!({})).await;
        let (done, told) = import_with(&app, &sample("own.ndjson"), &Options::default()).await;
        assert_eq!((done.unwrap().answers, told), (2, vec!["not kept: mood".to_owned()]));
        let listed = responses(&app, "support").await;
        assert_eq!((&listed[0]["tags"], &listed[0]["locale"], &listed[0]["comment"]), (&json!(["vip", "two words"]), &json!("fa"), &json!("دیر شد")));
        assert_eq!(listed[0]["ticket"]["closed_at"], "2025-10-01T08:00:00.000Z");
        assert_eq!((&listed[1]["score"], &listed[1]["ticket"]["id"]), (&json!(4), &Value::Null));
        let by_segment = report(&app, "support", "&by=segment").await;
        let keys: Vec<_> = by_segment["rows"].as_array().unwrap().iter().map(|row| json!([row["key"], row["n"]])).collect();
        assert_eq!(json!(keys), json!([["", 1], ["small", 1]]));
        assert!(responses(&app, "other").await.is_empty());
    }

    async fn rows_that_say_the_same_without_an_id_are_counted_each(app: TestApp) {
        app.survey("support", json!({"timezone": "Asia/Tehran"})).await;
        let (summary, _) = import(&app, "semicolon.csv", "support").await;
        assert_eq!((summary.answers, summary.known), (4, 0));
        assert_eq!(report(&app, "support", "").await["total"]["counts"], json!({"1": 0, "2": 0, "3": 1, "4": 0, "5": 3}));
        assert_eq!(responses(&app, "support").await[0]["comment"], "a; b");
    }

    async fn exports_of_delighted_are_recognised(app: TestApp) {
        app.survey("nps", json!({"metric": "nps"})).await;
        let (summary, told) = import(&app, "delighted.csv", "nps").await;
        assert_eq!((summary.answers, summary.refused), (2, 1));
        assert_eq!(told, ["not kept: country", "row 4: metric: must be nps, which the survey measures"]);
        let listed = responses(&app, "nps").await;
        assert_eq!((&listed[0]["score"], &listed[0]["first_answered_at"], &listed[0]["tags"]), (&json!(10), &json!("2025-11-01T12:01:00.000Z"), &json!(["happy"])));
        assert_eq!(listed[0]["customer"], json!({"email": "foo@example.com", "phone": null, "name": "Foo Bar", "locale": null, "ref": "10"}));
        assert_eq!(listed[1]["score"], 0);
        // What its API gives is the same answer again.
        let (again, _) = import(&app, "delighted.ndjson", "nps").await;
        assert_eq!((again.known, again.answers), (1, 0));
    }

    async fn exports_of_zendesk_are_recognised_and_good_and_bad_are_the_ends_of_the_scale(app: TestApp) {
        app.survey("support", json!({})).await;
        let (summary, told) = import(&app, "zendesk.csv", "support").await;
        assert_eq!((summary.answers, summary.unanswered, summary.refused, told), (2, 1, 0, Vec::<String>::new()));
        let listed = responses(&app, "support").await;
        let brief: Vec<_> = listed.iter().map(|r| json!([r["ticket"]["id"], r["score"], r["comment"], r["agent"]["id"], r["team"], r["customer"]["ref"]])).collect();
        assert_eq!(json!(brief), json!([["208", 5, "Awesome support!", "135", "44", "7881"], ["209", 1, "Too slow", "136", "44", "7882"]]));
    }

    async fn exports_of_nicereply_are_recognised(app: TestApp) {
        app.survey("support", json!({"timezone": "Europe/Berlin"})).await;
        let (summary, told) = import(&app, "nicereply.csv", "support").await;
        assert_eq!((summary.answers, summary.refused, told), (2, 0, Vec::<String>::new()));
        let listed = responses(&app, "support").await;
        let brief: Vec<_> = listed.iter().map(|r| json!([r["ticket"]["id"], r["score"], r["agent"]["name"], r["customer"]["email"], r["first_answered_at"]])).collect();
        assert_eq!(json!(brief), json!([["A123", 4, "jonas", "dana@example.com", "2025-11-20T09:15:00.000Z"], ["A124", 1, "ada", null, "2025-11-20T10:15:00.000Z"]]));
    }

    async fn other_columns_are_read_as_the_caller_says(app: TestApp) {
        app.survey("ease", json!({"metric": "ces", "scale": "effort"})).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.tsv");
        std::fs::write(&path, "Fall\tNote\tDatum\nA-1\t2\t2025-12-01 12:00\nA-2\t7\t2025-12-01 13:00\n").unwrap();
        let options = Options { mapping: Mapping::parse(["ticket.id=Fall,score=Note", "answered_at=Datum"]).unwrap(), ..Options::default() };
        let (done, told) = import_with(&app, &path, &options).await;
        assert_eq!((done.unwrap().answers, told), (2, Vec::<String>::new()));
        // Easy is 1 on this form: what was chosen is kept, and the other way round counts.
        let brief: Vec<_> = responses(&app, "ease").await.iter().map(|r| json!([r["ticket"]["id"], r["raw"], r["score"]])).collect();
        assert_eq!(json!(brief), json!([["A-1", 2, 6], ["A-2", 7, 1]]));
    }

    async fn a_row_that_is_not_taken_is_told_with_its_rule_and_never_with_what_stood_there(app: TestApp) {
        app.survey("support", json!({})).await;
        let (done, told) = import_with(&app, &sample("bad.csv"), &Options::default()).await;
        let summary = done.unwrap();
        assert_eq!((summary.rows, summary.answers, summary.refused), (12, 1, 11));
        assert_eq!(told, [
            "row 2: score: must be 1 to 5",
            "row 3: answered_at: must be an instant such as 2026-01-15T10:30:00Z or 2026-01-15 10:30, since 1990",
            "row 4: answered_at: is needed, or ticket.closed_at",
            "row 5: customer.email: must be a mail address such as sara@example.com",
            "row 6: survey: must be the slug of a survey",
            "row 7: answered_at: must not lie in the future",
            "row 8: answered_at: must be an instant such as 2026-01-15T10:30:00Z or 2026-01-15 10:30, since 1990",
            "row 9: row: has 8 cells, and the header 6",
            "row 11: score: is of another scale: must be 1 to 5, and not of another number of points",
            "row 12: ticket.id: is needed where there is no score",
            "row 13: customer: needs one of email, phone and ref where there is no score",
        ]);
        assert_eq!(app.scalar("SELECT COUNT(*) FROM response").await, 1);
    }

    async fn rows_without_a_score_are_tickets_that_are_decided_about(app: TestApp) {
        app.survey("support", json!({"policy": {}})).await;
        let (summary, told) = import(&app, "tickets.csv", "support").await;
        let skipped: Vec<_> = summary.skipped.into_iter().collect();
        assert_eq!((summary.invited, told), (1, Vec::<String>::new()));
        assert_eq!(skipped, [("no_address", 1), ("quiet_period", 1), ("too_old", 1)]);
        assert_eq!(app.app.deliver_due().await.unwrap(), 1);
        assert_eq!(app.mails.lock().unwrap().len(), 1);
        assert_eq!(report(&app, "support", "").await["total"]["n"], 0);
        // The same closing by the API is known.
        let body = json!({"survey": "support", "ticket": {"id": "3001", "closed_at": "2026-01-15T10:00:00Z"}, "customer": {"email": "new@example.com"}});
        assert_eq!(app.post("/api/v1/interactions", &body).await.0, 200);
    }

    async fn whoever_answered_elsewhere_was_not_asked(app: TestApp) {
        app.survey("support", json!({"policy": {}, "timezone": "Asia/Tehran"})).await;
        import(&app, "own.csv", "support").await;
        assert_eq!(app.close_ticket("support", "9", "sara@example.com").await["outcome"], "invited");
    }

    async fn a_dry_run_says_the_same_and_stores_nothing(app: TestApp) {
        app.survey("support", json!({"policy": {}, "timezone": "Asia/Tehran"})).await;
        let before = contents(&app).await;
        for name in ["own.csv", "tickets.csv", "bad.csv", "semicolon.csv"] {
            let options = Options { survey: Some("support".to_owned()), dry_run: true, ..Options::default() };
            let (dry, dry_told) = import_with(&app, &sample(name), &options).await;
            assert_eq!(contents(&app).await, before, "{name}");
            let real = import_with(&app, &sample(name), &Options { dry_run: false, ..options }).await;
            assert_eq!((dry.unwrap(), dry_told), (real.0.unwrap(), real.1), "{name}");
            for table in ["DELETE FROM outbox", "DELETE FROM tally", "DELETE FROM response_past", "DELETE FROM response", "DELETE FROM invitation", "DELETE FROM interaction", "DELETE FROM customer", "DELETE FROM agent"] {
                app.execute(table).await;
            }
        }
    }

    async fn an_import_that_was_cut_off_goes_on_where_it_was(app: TestApp) {
        app.survey("support", json!({})).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.csv");
        // Every ninth row says the same as another, and none has an id.
        let row = |row: u32| format!("{},2025-12-{:02} 10:00,word {}\n", row % 5 + 1, row % 28 + 1, row % 4500);
        let rows = (0..5000).map(row).collect::<Vec<_>>().concat();
        std::fs::write(&path, format!("score,answered_at,comment\n{rows}")).unwrap();
        let done = import_until(&app, &path, 4000).await;
        assert!(done.is_none(), "{done:?}");
        let half = app.scalar("SELECT COUNT(*) FROM response").await;
        assert_eq!((half, app.scalar("SELECT row_count FROM import").await), (4000, 4001));
        let (done, _) = import_with(&app, &path, &Options::default()).await;
        let summary = done.unwrap();
        assert_eq!((summary.rows, summary.answers, summary.known), (5000, 1000, 4000));
        let total = &report(&app, "support", "").await["total"];
        assert_eq!((&total["counts"], &total["comments"]), (&json!({"1": 1000, "2": 1000, "3": 1000, "4": 1000, "5": 1000}), &json!(5000)));
        assert_eq!(app.scalar("SELECT COUNT(*) FROM import").await, 0);
    }

    async fn a_file_that_cannot_be_used_says_what_to_do(app: TestApp) {
        assert_eq!(is_refused(&app, "score\n1\n", Options::default()).await, "there is no survey yet; create one first, with POST /api/v1/surveys");
        app.survey("one", json!({})).await;
        app.survey("two", json!({})).await;
        let one = || Options { survey: Some("one".to_owned()), ..Options::default() };
        for (file, options, why) in [
            ("score,answered_at\n5,2025-01-01\n", Options::default(), "--survey is needed: there are several surveys, and the file has no column survey"),
            ("score\n", Options { survey: Some("three".to_owned()), ..Options::default() }, "--survey: there is no survey three; create it first, with POST /api/v1/surveys"),
            ("", one(), "FILE is empty"),
            ("\n\n", one(), "FILE is empty"),
            ("[{\"score\": 5}]", one(), "FILE is one JSON list; write one object a line (NDJSON)"),
        ] {
            assert_eq!(is_refused(&app, file, options).await, why, "{file}");
        }
        let unknown = is_refused(&app, "Note,Datum\n5,2025-01-01\n", one()).await;
        assert!(unknown.starts_with("FILE has no column score, id or ticket.id, only Note, Datum; "), "{unknown}");
        let mapping = Mapping::parse(["score=Grade"]).unwrap();
        let missing = is_refused(&app, "Note,Datum\n5,2025-01-01\n", Options { mapping, ..one() }).await;
        assert_eq!(missing, "--map score: FILE has no column of that name; it has Note, Datum");
    }

    async fn a_quote_that_is_never_closed_does_not_take_the_memory(app: TestApp) {
        app.survey("support", json!({})).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("open.csv");
        std::fs::write(&path, format!("score,answered_at,comment\n5,2025-01-02,fine\n4,2025-01-02,\"{}", "x\n".repeat(2_000_000))).unwrap();
        let (done, told) = import_with(&app, &path, &Options::default()).await;
        let summary = done.unwrap();
        assert_eq!((summary.answers, summary.refused), (1, 1));
        assert_eq!(told, ["row 3: row: is longer than 1 MiB (is a quote not closed?), so the rest of the file is not read"]);
    }
}
