//! The only SQL about tallies.

use std::borrow::Cow;

use serde::Serialize;
use uuid::Uuid;

use super::{Cell, Changes, Counts, Group, Kept};
use crate::db::changes::Change;
use crate::db::script::{Statement, Value, Values};
use crate::db::{Engine, Result, Session, Tx, from_json, on_engine, to_json};
use crate::survey::SurveyId;

/// A changed cell as it is kept: survey, tag, day, the group in the order of the columns, the counts in theirs.
type Delta<'a> = (SurveyId, Cow<'a, str>, i32, [Cow<'a, str>; 8], [i64; 14]);

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
    announce(tx, &cells);
    added(tx, cells)
}

fn announce(tx: &mut Tx, cells: &[(Cell<'_>, &Counts)]) {
    for ((survey, ..), _) in cells {
        tx.announce(Change::Tally(survey.0));
    }
}

fn added(tx: &mut Tx, cells: Vec<(Cell<'_>, &Counts)>) -> Result<Option<Statement>> {
    if cells.is_empty() {
        return Ok(None);
    }
    Ok(Some(match tx.engine() {
        Engine::Sqlite(()) => Statement { text: ADD_SQLITE, values: Values::Rows(cells.into_iter().map(values).collect()) },
        Engine::Postgres(()) => {
            let rows: Vec<Row> = cells.into_iter().map(row).collect();
            Statement { text: ADD_POSTGRES, values: Values::Texts(vec![to_json(&rows)?]) }
        }
    }))
}

const KEEP_SQLITE: &str = "INSERT INTO tally_delta (id, cells) SELECT * FROM (VALUES ($1, $2)) WHERE column1 IS NOT NULL";
const KEEP_POSTGRES: &str = "INSERT INTO tally_delta (id, cells) VALUES (CAST($1 AS uuid), $2)";

/// The statement that keeps changes, under an id of their own, until [`super::merge`] adds them to the tallies; they count at once. None where nothing
/// changes. Whoever keeps a copy is told when the transaction commits.
///
/// # Errors
/// When something in it cannot be JSON.
pub fn keeping(tx: &mut Tx, id: Uuid, changes: &Changes) -> Result<Option<Statement>> {
    let cells = changes.cells();
    if cells.is_empty() {
        return Ok(None);
    }
    announce(tx, &cells);
    let cells = to_json(&cells.into_iter().map(delta).collect::<Vec<_>>())?;
    Ok(Some(match tx.engine() {
        Engine::Sqlite(()) => Statement { text: KEEP_SQLITE, values: Values::Rows(vec![vec![id.into(), Value::Text(cells)]]) },
        Engine::Postgres(()) => Statement { text: KEEP_POSTGRES, values: Values::Texts(vec![id.to_string(), cells]) },
    }))
}

/// Some of the batches that are kept, at most so many.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_kept(session: &mut impl Session, most: usize) -> Result<Kept> {
    let rows: Vec<(Uuid, String)> = on_engine!(session, |conn| {
        sqlx::query_as("SELECT id, cells FROM tally_delta ORDER BY id LIMIT $1")
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(conn)
            .await?
    });
    let mut changes = Changes::default();
    for (_, cells) in &rows {
        for (survey, tag, day, group, counts) in from_json::<Vec<Delta>>(cells)? {
            let [agent, team, channel, touchpoint, locale, source, segment, product] = group.map(Cow::into_owned);
            let group = Group { agent, team, channel, touchpoint, locale, source, segment, product };
            changes.add_under(std::iter::once(&*tag), (survey, day), &group, &counts_of(counts));
        }
    }
    Ok(Kept { ids: rows.into_iter().map(|(id, _)| id).collect(), changes })
}

const MERGED_SQLITE: &str = "DELETE FROM tally_delta WHERE id IN (SELECT unhex(value, '-') FROM json_each($1))";
const MERGED_POSTGRES: &str =
    "DELETE FROM tally_delta WHERE id = ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))";

/// Adds what was kept to the tallies; false when somebody else did so meanwhile with some of it, and this transaction must not commit.
///
/// # Errors
/// When the database cannot store it.
pub async fn merge(tx: &mut Tx, kept: &Kept) -> Result<bool> {
    let (sql, list) = (tx.pick(MERGED_SQLITE, MERGED_POSTGRES), to_json(&kept.ids)?);
    let merged = on_engine!(tx, |conn| sqlx::query(sql).bind(list).execute(conn).await?.rows_affected());
    if usize::try_from(merged) != Ok(kept.ids.len()) {
        return Ok(false);
    }
    let statement = added(tx, kept.changes.cells())?;
    tx.run(statement.into_iter().collect()).await?;
    Ok(true)
}

/// Tells whoever keeps a copy of a survey's figures to look again, though no count changed.
pub fn touch(tx: &mut Tx, survey: SurveyId) {
    tx.announce(Change::Tally(survey.0));
}

/// A cell in the order of the columns.
fn values(((survey, tag, day, group), counts): (Cell<'_>, &Counts)) -> Vec<Value> {
    let mut row = Vec::with_capacity(25);
    row.extend([survey.0.into(), tag.into(), i64::from(day).into()]);
    row.extend(texts(group).map(Value::from));
    row.extend(numbers(counts).map(Value::Int));
    row
}

fn delta<'a>(((survey, tag, day, group), counts): (Cell<'a>, &'a Counts)) -> Delta<'a> {
    (survey, tag.into(), day, texts(group).map(Cow::from), numbers(counts))
}

/// A group in the order of the columns.
fn texts(group: &Group) -> [&str; 8] {
    let Group { agent, team, channel, touchpoint, locale, source, segment, product } = group;
    [agent, team, channel, touchpoint, locale, source, segment, product]
}

/// Counts in the order of the columns.
const fn numbers(counts: &Counts) -> [i64; 14] {
    let [n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10] = counts.scores;
    [n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, counts.comments, counts.delivered, counts.answered]
}

const fn counts_of(numbers: [i64; 14]) -> Counts {
    let [n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, comments, delivered, answered] = numbers;
    Counts { scores: [n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10], comments, delivered, answered }
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
