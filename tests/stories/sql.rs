//! Every SQL statement of the product is understood by the engines it is meant for, and gets a value for each of its parameters.

use std::path::Path;

use nabz::db::Db;
use nabz::db::open::Settings;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqlSafeStr as _};

use crate::common::{On, fresh_database};
use crate::statement::{Found, Statement, read};
use crate::tokens::parameters;

/// Statements that speak of one engine where the other is not asked.
const OF_ONE_ENGINE: &[(&str, On)] = &[
    ("PRAGMA journal_mode", On::Sqlite),
    ("PRAGMA synchronous", On::Sqlite),
    ("SELECT sqlite_version()", On::Sqlite),
    ("SELECT pg_is_in_recovery()", On::Postgres),
    ("SELECT pg_notify($1, payload) FROM UNNEST($2::text[]) AS t(payload)", On::Postgres),
];

/// The statements of the whole product.
pub fn statements() -> Found {
    let mut found = Found::default();
    visit(Path::new("src"), &mut |path, code| {
        let Found { statements, problems } = read(path, code);
        found.statements.extend(statements);
        found.problems.extend(problems);
    });
    for statement in &mut found.statements {
        let known = OF_ONE_ENGINE.iter().find(|(text, _)| *text == statement.text);
        statement.only = statement.only.or(known.map(|(_, engine)| *engine));
    }
    found
}

fn visit(folder: &Path, read: &mut impl FnMut(&str, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, read);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read(path.to_str().unwrap(), &std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Prepares statements on a migrated database; answers those that it does not understand.
async fn refused(on: On, statements: &[Statement]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let url = fresh_database(on, folder.path()).await;
    let settings = Settings { url: url.clone(), max_connections: 3 };
    Db::open(&settings, uuid::Uuid::nil()).await.unwrap().close().await;
    let mut refused = Vec::new();
    let meant = statements.iter().filter(|statement| statement.only.is_none_or(|only| only == on));
    match on {
        On::Sqlite => {
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            for statement in meant {
                // SQLite takes several statements in one text, and prepares the first only.
                for part in statement.text.split(';') {
                    let text = AssertSqlSafe(part.to_owned()).into_sql_str();
                    refused.extend(explain(on, statement, (&mut connection).prepare(text).await));
                }
            }
        }
        On::Postgres => {
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            for statement in meant {
                let text = AssertSqlSafe(statement.text.clone()).into_sql_str();
                refused.extend(explain(on, statement, (&mut connection).prepare(text).await));
            }
        }
    }
    refused
}

fn explain<T>(on: On, statement: &Statement, prepared: Result<T, sqlx::Error>) -> Option<String> {
    let error = prepared.err()?;
    Some(format!("{} on {on:?}: {error}\n  {}", statement.place, statement.text))
}

#[test]
fn every_statement_can_be_read_and_binds_a_value_for_each_parameter() {
    let found = statements();
    assert_eq!(found.problems, [""; 0]);
    assert!(found.statements.len() > 60, "only {} statements were found", found.statements.len());
    for (text, _) in OF_ONE_ENGINE {
        assert!(found.statements.iter().any(|statement| statement.text == *text), "nobody says {text} any more");
    }
}

#[tokio::test]
async fn sqlite_understands_every_statement_that_is_meant_for_it() {
    assert_eq!(refused(On::Sqlite, &statements().statements).await, [""; 0]);
}

#[tokio::test]
async fn postgres_understands_every_statement_that_is_meant_for_it() {
    assert_eq!(refused(On::Postgres, &statements().statements).await, [""; 0]);
}

#[tokio::test]
async fn a_broken_statement_is_refused_by_both_engines_and_one_for_the_other_engine_is_not_asked() {
    let statement = |text: &str, only| Statement { place: "here".to_owned(), text: text.to_owned(), only };
    for (on, other) in [(On::Sqlite, On::Postgres), (On::Postgres, On::Sqlite)] {
        let broken = [
            statement("SELECT slug FROM survey WHERE slugg = $1", None),
            statement("SELECT slug FROM survey WHERE slugg = $1", Some(other)),
            statement("SELECT slug FROM survey WHERE slug = $1", None),
        ];
        assert_eq!(refused(on, &broken).await.len(), 1, "{on:?}");
    }
}

#[test]
fn a_statement_is_found_however_it_is_written() {
    let made = "macro_rules! made { ($a:literal, $rest:expr) => { concat!(\"SELECT \", $a, $rest) }; }
        macro_rules! twice { ($a:literal) => { (made!($a, concat!(\" FROM \", \"a\")), made!($a, \" FROM b\")) }; }
        const BOTH_POSTGRES: (&str, &str) = twice!(\"x\");";
    let found = read("src/a/store.rs", made);
    let texts: Vec<&str> = found.statements.iter().map(|statement| statement.text.as_str()).collect();
    assert_eq!((texts.as_slice(), found.problems.len()), (["SELECT x FROM a", "SELECT x FROM b"].as_slice(), 0));
    assert!(found.statements.iter().all(|statement| statement.only == Some(On::Postgres)));

    let chosen = "const A_SQLITE: &str = \"SELECT $1\"; const A_POSTGRES: &str = \"SELECT $1, 1\";
        async fn f() { let sql = tx.pick(A_SQLITE, A_POSTGRES); on_engine!(tx, |conn| { sqlx::query_as::<_, (i64,)>(sql).bind(1).fetch_all(conn).await }) }";
    assert_eq!(read("src/a/http.rs", chosen).problems, [""; 0]);
    let literal = r##"fn f() { sqlx::query(r#"SELECT "a" FROM b"#).execute(conn); }"##;
    assert_eq!(read("src/a/http.rs", literal).statements[0].text, "SELECT \"a\" FROM b");
}

#[test]
fn a_statement_that_cannot_be_read_or_lacks_a_value_is_no_secret() {
    for code in [
        "fn f() { sqlx::query(&format!(\"SELECT {x}\")).execute(conn); }",
        "fn f(sql: &'static str) { sqlx::query(sql).execute(conn); }",
        "fn f() { let sql = if x { \"SELECT 1\" } else { A }; sqlx::query(sql).execute(conn); } const A: &str = \"SELECT 2\";",
        "const A: &str = include_str!(\"a.sql\");",
        "use sqlx::query_as;",
        "use sqlx::{FromRow, query_as};",
        "use sqlx::*;",
        "fn f() { sqlx::query!(\"SELECT 1\"); }",
        "fn f() { sqlx::raw_sql(\"SELECT 1\").execute(conn); }",
        "fn f() { conn.execute(\"SELECT 1\"); }",
        "fn f() { sqlx::query(\"SELECT $1, $2\").bind(1).execute(conn); }",
        "fn f() { sqlx::query(\"SELECT $1\").bind(1).bind(2).execute(conn); }",
        "fn f() { sqlx::query(\"SELECT $2\").bind(1).execute(conn); }",
    ] {
        assert_eq!(read("src/a/store.rs", code).problems.len(), 1, "{code}");
    }
    assert_eq!(parameters("SELECT $1, $2, $10"), None);
    assert_eq!(parameters("SELECT value ->> '$.n[0]', $2, $1, $2"), Some(2));
}
