//! `nabz import` as people run it: what it prints, how it ends, and what is left when it is killed.

use std::fmt::Write as _;

use serde_json::json;

use crate::binary::Home;
use crate::client::Caller;
use crate::durability::{fresh_postgres, scalar};

/// Enough for many batches.
const ROWS: usize = 14_000;
/// What tallies say less what the file says: 0 where both are the same.
const SUMS: [&str; 6] = [
    "SELECT CAST(COALESCE(SUM(n1), 0) AS BIGINT) FROM tally WHERE tag = ''",
    "SELECT CAST(COALESCE(SUM(n5), 0) AS BIGINT) FROM tally WHERE tag = ''",
    "SELECT CAST(COALESCE(SUM(n1 + n2 + n3 + n4 + n5), 0) AS BIGINT) FROM tally WHERE tag = 'vip'",
    "SELECT CAST(COALESCE(SUM(comment_count), 0) AS BIGINT) FROM tally WHERE tag = ''",
    "SELECT (SELECT COUNT(*) FROM response) - (SELECT COUNT(*) FROM interaction)",
    "SELECT (SELECT COUNT(*) FROM response) - (SELECT COUNT(*) FROM response_version)",
];

/// Scores 1 to 5 in turn, every tenth row tagged, every fourth with a comment, every second without anything that names it.
fn long_file() -> String {
    let mut file = "ticket.id,answered_at,score,tags,comment,customer.email,agent.id,agent.name\n".to_owned();
    for row in 0..ROWS {
        let ticket = if row.is_multiple_of(2) { format!("T{row}") } else { String::new() };
        let (tags, comment) = (if row % 10 == 3 { "vip" } else { "" }, if row % 4 == 1 { "\"fine, thanks\"" } else { "" });
        let _ = writeln!(
            file,
            "{ticket},2025-11-{:02} 10:{:02},{},{tags},{comment},c{}@example.com,{},Agent",
            row % 28 + 1,
            row / 28 % 60,
            row % 5 + 1,
            row % 500,
            row % 7
        );
    }
    file
}

async fn home(url: &str) -> Home {
    let home = Home::usual().with("NABZ__DATABASE__URL", url).with("NABZ__LOG__FILTER", "warn");
    let service = home.serve();
    Caller::new(&service).survey("support", &["email"]).await;
    service.terminate();
    assert!(service.ended().status.success());
    home
}

async fn sums(url: &str) -> Vec<i64> {
    let mut sums = Vec::new();
    for sql in SUMS {
        sums.push(scalar(url, sql).await);
    }
    sums
}

/// Kills imports again and again, each a little later, until one comes to its end; then the counts are those of one clean run.
async fn killed_in_the_middle(home: Home, url: &str) {
    std::fs::write(home.path("long.csv"), long_file()).unwrap();
    let mut rounds = 0;
    let ended = loop {
        let stored = scalar(url, "SELECT COUNT(*) FROM response").await;
        let enough = stored + 2000;
        let mut import = home.start(&["import", "long.csv"]);
        while scalar(url, "SELECT COUNT(*) FROM response").await < enough && import.is_running() {}
        if import.is_running() {
            rounds += 1;
            import.kill();
        } else {
            break import.ended();
        }
        assert!(rounds < 40, "each round stores something");
    };
    assert!(rounds >= 2, "killed {rounds} times only");
    assert_eq!(ended.status.code(), Some(0), "{}", ended.err);
    assert!(ended.out.starts_with("14,000 rows\n") && ended.out.contains("there already"), "{}", ended.out);
    let fifth = i64::try_from(ROWS / 5).unwrap();
    assert_eq!(sums(url).await, [fifth, fifth, fifth / 2, 5 * fifth / 4, 0, 0]);
    let again = home.run(&["import", "long.csv"]);
    assert_eq!((again.out.as_str(), again.err.as_str()), ("14,000 rows\n     14,000  there already\n", ""));
    assert_eq!(sums(url).await, [fifth, fifth, fifth / 2, 5 * fifth / 4, 0, 0]);
    assert_eq!(scalar(url, "SELECT COUNT(*) FROM import").await, 0);
}

#[tokio::test]
async fn an_import_that_is_killed_goes_on_as_if_it_had_not_been_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("nabz.db").display());
    killed_in_the_middle(home(&url).await, &url).await;
}

#[tokio::test]
async fn an_import_that_is_killed_goes_on_as_if_it_had_not_been_on_postgres() {
    let url = fresh_postgres().await;
    killed_in_the_middle(home(&url).await, &url).await;
}

#[tokio::test]
async fn refused_rows_are_told_one_a_line_and_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("nabz.db").display());
    let home = home(&url).await;
    let bad = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/bad.csv");
    let ended = home.run(&["import", bad]);
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.err.lines().next(), Some("row 2: score: must be 1 to 5"));
    assert_eq!(ended.err.lines().count(), 11, "{}", ended.err);
    assert_eq!(ended.out, "12 rows\n          1  new answers\n         11  refused\n");
    for secret in ["eleven", "secret", "tuesday", "not-an-address", "example.com ", "1404"] {
        assert!(!ended.err.contains(secret) && !ended.out.contains(secret), "{}", ended.err);
    }
    let whole = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/zendesk.csv");
    let dry = home.run(&["import", "--dry-run", "--survey", "support", whole]);
    let expected =
        "3 rows, of which nothing is stored (dry run)\n          2  new answers\n          1  asked elsewhere, without an answer\n";
    assert_eq!((dry.status.code(), dry.out.as_str(), dry.err.as_str()), (Some(0), expected, ""));
    assert_eq!(scalar(&url, "SELECT COUNT(*) FROM response").await, 1);
}

#[tokio::test]
async fn what_cannot_be_used_ends_with_code_2_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("nabz.db").display());
    let home = home(&url).await;
    std::fs::write(home.path("words.csv"), "Note,Datum\n5,2025-01-01\n").unwrap();
    std::fs::write(home.path("map.txt"), "# our old tool\nscore=Note\nanswered_at=Datum\n").unwrap();
    for (arguments, why) in [
        (&["import", "missing.csv"][..], "error: missing.csv cannot be read"),
        (&["import", "words.csv"], "error: words.csv has no column score, id or ticket.id, only Note, Datum"),
        (&["import", "words.csv", "--map", "colour=Note"], "error: --map: `colour` is no field"),
        (&["import", "words.csv", "--map", "@nowhere.txt"], "error: --map: nowhere.txt cannot be read"),
        (&["import", "words.csv", "--survey", "nps"], "error: --survey: there is no survey nps"),
    ] {
        let ended = home.run(arguments);
        assert_eq!((ended.status.code(), ended.err.lines().count()), (Some(2), 1), "{}", ended.err);
        assert!(ended.err.starts_with(why) && ended.out.is_empty(), "{}", ended.err);
    }
    let mapped = home.run(&["import", "words.csv", "--map", "@map.txt"]);
    assert_eq!((mapped.status.code(), mapped.out.as_str()), (Some(0), "1 rows\n          1  new answers\n"), "{}", mapped.err);
    let help = home.run(&["import", "--help"]).out;
    for words in ["Examples:", "Exit code: 0", "ticket.closed_at", "--map", "Delighted"] {
        assert!(help.contains(words), "{words}: {help}");
    }
}

#[tokio::test]
async fn the_service_takes_votes_while_a_file_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("nabz.db").display());
    let home = home(&url).await;
    let service = home.serve();
    let caller = Caller::new(&service);
    std::fs::write(home.path("long.csv"), long_file()).unwrap();
    let mut import = home.start(&["import", "long.csv"]);
    let mut votes = 0;
    while import.is_running() {
        let link = caller.link("support", &format!("live-{votes}")).await;
        let nonce = caller.nonce(&link).await.unwrap();
        assert_eq!(caller.vote(&link, &nonce, 5, "").await.unwrap(), 200);
        votes += 1;
    }
    let ended = import.ended();
    assert!(ended.out.contains("14,000  new answers"), "{} {}", ended.out, ended.err);
    assert!(votes >= 3, "{votes} votes only");
    let newest = caller.api(reqwest::Method::GET, "/api/v1/responses?survey=support&limit=1").send().await.unwrap();
    assert_eq!(newest.json::<serde_json::Value>().await.unwrap()["items"][0]["via"], json!("email"));
}
