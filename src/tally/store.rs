//! The only SQL about tallies.

use serde::Serialize;

use super::{Cell, Changes, Counts, Group};
use crate::db::changes::Change;
use crate::db::script::{Statement, Value, Values};
use crate::db::{Engine, Result, Session as _, Tx, to_json};
use crate::survey::SurveyId;

/// One changed cell as PostgreSQL reads it from JSON.
#[derive(Serialize)]
struct Row<'a> {
    survey: String,
    tag: &'a str,
    day: i32,
    #[serde(flatten)]
    group: &'a Group,
    n: [i64; 11],
    comments: i64,
    delivered: i64,
    answered: i64,
}

const ADD_SQLITE: &str = "INSERT INTO tally
    SELECT * FROM (VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25))
    WHERE column1 IS NOT NULL
    ON CONFLICT (survey_id, tag, day, agent, team, channel, touchpoint, locale, source, segment, product) DO UPDATE SET
        n0 = tally.n0 + excluded.n0, n1 = tally.n1 + excluded.n1, n2 = tally.n2 + excluded.n2, n3 = tally.n3 + excluded.n3,
        n4 = tally.n4 + excluded.n4, n5 = tally.n5 + excluded.n5, n6 = tally.n6 + excluded.n6, n7 = tally.n7 + excluded.n7,
        n8 = tally.n8 + excluded.n8, n9 = tally.n9 + excluded.n9, n10 = tally.n10 + excluded.n10,
        comment_count = tally.comment_count + excluded.comment_count,
        delivered_count = tally.delivered_count + excluded.delivered_count,
        answered_count = tally.answered_count + excluded.answered_count";

const ADD_POSTGRES: &str = "INSERT INTO tally
    SELECT survey, tag, day, agent, team, channel, touchpoint, locale, source, segment, product,
           n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], comments, delivered, answered
    FROM json_to_recordset($1::json) AS r (survey uuid, tag text, day integer, agent text, team text, channel text, touchpoint text,
        locale text, source text, segment text, product text, n bigint[], comments bigint, delivered bigint, answered bigint)
    ON CONFLICT (survey_id, tag, day, agent, team, channel, touchpoint, locale, source, segment, product) DO UPDATE SET
        n0 = tally.n0 + excluded.n0, n1 = tally.n1 + excluded.n1, n2 = tally.n2 + excluded.n2, n3 = tally.n3 + excluded.n3,
        n4 = tally.n4 + excluded.n4, n5 = tally.n5 + excluded.n5, n6 = tally.n6 + excluded.n6, n7 = tally.n7 + excluded.n7,
        n8 = tally.n8 + excluded.n8, n9 = tally.n9 + excluded.n9, n10 = tally.n10 + excluded.n10,
        comment_count = tally.comment_count + excluded.comment_count,
        delivered_count = tally.delivered_count + excluded.delivered_count,
        answered_count = tally.answered_count + excluded.answered_count";

/// Adds changes to the tallies.
///
/// # Errors
/// When the database cannot store them.
pub async fn add(tx: &mut Tx, changes: &Changes) -> Result<()> {
    let statement = adding(tx, changes)?;
    tx.run(statement.into_iter().collect()).await
}

/// The statement that adds changes to the tallies, in their order so that two nodes never wait for each other crosswise; none where
/// nothing changes. Whoever keeps a copy is told when the transaction commits.
///
/// # Errors
/// When something in it cannot be JSON.
pub fn adding(tx: &mut Tx, changes: &Changes) -> Result<Option<Statement>> {
    let cells = changes.cells();
    if cells.is_empty() {
        return Ok(None);
    }
    for ((survey, ..), _) in &cells {
        tx.announce(Change::Tally(survey.0));
    }
    Ok(Some(match tx.engine() {
        Engine::Sqlite(()) => Statement { text: ADD_SQLITE, values: Values::Rows(cells.into_iter().map(values).collect()) },
        Engine::Postgres(()) => {
            let rows: Vec<Row> = cells.into_iter().map(row).collect();
            Statement { text: ADD_POSTGRES, values: Values::Texts(vec![to_json(&rows)?]) }
        }
    }))
}

/// Tells whoever keeps a copy of a survey's figures to look again, though no count changed.
pub fn touch(tx: &mut Tx, survey: SurveyId) {
    tx.announce(Change::Tally(survey.0));
}

/// A cell in the order of the columns.
fn values(((survey, tag, day, group), counts): (Cell<'_>, &Counts)) -> Vec<Value> {
    let Group { agent, team, channel, touchpoint, locale, source, segment, product } = group;
    let mut row = Vec::with_capacity(25);
    row.extend([survey.0.into(), tag.into(), i64::from(day).into()]);
    row.extend([agent, team, channel, touchpoint, locale, source, segment, product].map(|text| Value::from(text.as_str())));
    row.extend(counts.scores.map(Value::Int));
    row.extend([counts.comments, counts.delivered, counts.answered].map(Value::Int));
    row
}

fn row<'a>(((survey, tag, day, group), counts): (Cell<'a>, &'a Counts)) -> Row<'a> {
    Row {
        survey: survey.0.simple().to_string(),
        tag,
        day,
        group,
        n: counts.scores,
        comments: counts.comments,
        delivered: counts.delivered,
        answered: counts.answered,
    }
}
