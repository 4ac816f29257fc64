//! PostgreSQL finds rows by index, even with the plan that a prepared statement keeps and before it knows anything of a table's size.

use std::fmt::Write as _;

use nabz::db::Db;
use nabz::db::open::Settings;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::common::fresh_postgres;
use crate::sql::statements;
use crate::statement::Statement;
use crate::tokens::parameters;

/// Tables that grow with every ticket, mail and vote.
const GROWING: [&str; 14] = [
    "lookup",
    "suppression",
    "bounce",
    "customer",
    "interaction",
    "invitation",
    "invitation_event",
    "response",
    "outbox",
    "outbox_attempt",
    "event",
    "webhook_delivery",
    "source_event",
    "idempotency",
];

/// Statements that may read a whole table, and why.
const MAY_SCAN: &[(&str, &str)] = &[
    ("LOWER(response.comment) LIKE", "is sent anew each time, so that it is planned for the filters that are set"),
    ("(carrier LIKE $3 OR $3 IS NULL)", "is sent anew each time, so that it is planned for the filters that are set"),
    ("UPDATE source_event SET body = NULL", "runs once an hour"),
    ("DELETE FROM bounce WHERE created_at", "runs once an hour"),
    ("DELETE FROM webhook_delivery", "runs once an hour"),
    ("DELETE FROM event", "runs once an hour"),
];

/// 5,000 rows in each growing table, which nobody has analysed.
const ROWS: &str = "SET session_replication_role = replica;
    INSERT INTO customer (id, identity, email, created_at, updated_at) SELECT md5('c' || i)::uuid, i, i, 0, 0 FROM generate_series(1, 5000) i;
    INSERT INTO suppression (identity, reason, created_at) SELECT i, 'bounced', i FROM generate_series(1, 5000) i;
    INSERT INTO interaction (id, survey_id, closure_key, customer_id, ticket_id, ticket, agent, tags, outcome, explanation, created_at)
        SELECT md5('i' || i)::uuid, md5('s')::uuid, i, md5('c' || i)::uuid, i, '{}', '{}', '[]', 'invited', '', i FROM generate_series(1, 5000) i;
    INSERT INTO invitation (id, survey_id, interaction_id, customer_id, metric, state, expires_at, created_at)
        SELECT md5('v' || i)::uuid, md5('s')::uuid, md5('i' || i)::uuid, md5('c' || i)::uuid, 'csat', 'sent', i, i FROM generate_series(1, 5000) i;
    INSERT INTO invitation_event (id, invitation_id, event, created_at) SELECT md5('x' || i)::uuid, md5('v' || i)::uuid, 'resent', i FROM generate_series(1, 5000) i;
    INSERT INTO bounce (id, message_key, identity, kind, created_at) SELECT md5('b' || i)::uuid, i, i, 'soft', i FROM generate_series(1, 5000) i;
    INSERT INTO response (id, survey_id, interaction_id, invitation_id, raw, score, consent, locale, via, evidence, status, published, day, version_count, first_answered_at, answered_at)
        SELECT md5('r' || i)::uuid, md5('s')::uuid, md5('i' || i)::uuid, md5('v' || i)::uuid, 1, 1, true, 'en', 'page', 'pressed', 'new', false, 1, 1, i, i FROM generate_series(1, 5000) i;
    INSERT INTO outbox (id, carrier, kind, subject_id, survey_id, state, due_at, attempt_count, spent_count, interrupted_count, created_at)
        SELECT md5('o' || i)::uuid, 'mail', 'mail', md5('v' || i)::uuid, md5('s')::uuid, 'sent', i, 0, 0, 0, i FROM generate_series(1, 5000) i;
    INSERT INTO event (id, kind, survey_id, subject_id, version, created_at) SELECT md5('y' || i)::uuid, 'response.created', md5('s')::uuid, md5('r' || i)::uuid, 1, i FROM generate_series(1, 5000) i;
    INSERT INTO webhook_delivery (id, webhook_id, event_id, number) SELECT md5('o' || i)::uuid, md5('w')::uuid, md5('y' || i)::uuid, i FROM generate_series(1, 5000) i;
    INSERT INTO outbox_attempt (outbox_id, number, outcome, reply, started_at, ended_at) SELECT md5('o' || i)::uuid, 1, 'sent', '', i, i FROM generate_series(1, 5000) i;
    INSERT INTO source_event (id, source_id, delivery_key, outcome, answer, created_at)
        SELECT md5('e' || i)::uuid, md5('d')::uuid, i, 'accepted', '', i FROM generate_series(1, 5000) i;
    INSERT INTO lookup (id, survey_id, source_id, event_id, place, closure_key, ticket_id, interaction, questions, created_at)
        SELECT md5('l' || i)::uuid, md5('s')::uuid, md5('d')::uuid, md5('e' || i)::uuid, 0, i, i, '{}', '[]', i FROM generate_series(1, 5000) i;
    INSERT INTO idempotency (request_key, body_hash, interaction_id, created_at) SELECT i, '', md5('i' || i)::uuid, i FROM generate_series(1, 5000) i;
    SET session_replication_role = origin;
    SET plan_cache_mode = force_generic_plan;";

/// What a statement looks up, and an index that would make it read everything of a survey or source instead: which one PostgreSQL takes is
/// chance while a table is small, and the plan is kept.
const MISTAKEN: [(&str, &str); 4] = [
    ("closure_key = ", "interaction_survey"),
    ("ticket_id = k", "interaction_survey"),
    ("interaction.ticket_id = $2", "interaction_survey"),
    ("delivery_key = ", "source_event_order"),
];

async fn plan(connection: &mut PgConnection, text: &str) -> String {
    let values = vec!["NULL"; parameters(text).unwrap_or_default()].join(", ");
    let values = if values.is_empty() { values } else { format!("({values})") };
    sqlx::raw_sql(AssertSqlSafe(format!("PREPARE planned AS {text}"))).execute(&mut *connection).await.unwrap();
    let rows = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN EXECUTE planned{values}"))).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("DEALLOCATE planned").execute(&mut *connection).await.unwrap();
    rows.iter().fold(String::new(), |mut plan, row| {
        let _ = writeln!(plan, "{}", row.get::<String, _>(0));
        plan
    })
}

/// The growing tables that a plan reads whole.
fn scanned(plan: &str) -> Vec<&'static str> {
    let reads = |table: &str| plan.lines().any(|line| line.contains(&format!("Seq Scan on {table} ")));
    GROWING.into_iter().filter(|table| reads(table)).collect()
}

fn is_planned(statement: &Statement) -> bool {
    let first = statement.text.split_whitespace().next().unwrap_or_default();
    statement.only != Some(crate::common::On::Sqlite) && ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&first)
}

#[tokio::test]
async fn no_statement_reads_a_growing_table_whole() {
    let url = fresh_postgres().await;
    Db::open(&Settings { url: url.clone(), max_connections: 2 }, uuid::Uuid::nil()).await.unwrap().close().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
    let mut found = Vec::new();
    for statement in statements().statements.iter().filter(|statement| is_planned(statement)) {
        if MAY_SCAN.iter().any(|(text, _)| statement.text.contains(text)) {
            continue;
        }
        let plan = plan(&mut connection, &statement.text).await;
        let mut scanned = scanned(&plan);
        scanned.extend(MISTAKEN.iter().filter(|(by, index)| statement.text.contains(by) && plan.contains(index)).map(|(_, index)| *index));
        if !scanned.is_empty() {
            found.push(format!("{}: {scanned:?}\n{}\n{plan}", statement.place, statement.text));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let whole = plan(&mut connection, "SELECT COUNT(*) FROM interaction WHERE outcome = $1").await;
    assert_eq!(scanned(&whole), ["interaction"], "this test sees a whole table being read");
}
