//! The only SQL about tallies.

use serde::Serialize;

use super::{Changes, Counts, Group};
use crate::db::changes::Change;
use crate::db::{Result, Session, Tx, on_engine, to_json};
use crate::survey::SurveyId;

/// One changed cell as both engines read it from JSON.
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
    SELECT unhex(value ->> 'survey'), value ->> 'tag', value ->> 'day', value ->> 'agent', value ->> 'team', value ->> 'channel',
           value ->> 'touchpoint', value ->> 'locale', value ->> 'source', value ->> 'segment', value ->> 'product',
           value ->> '$.n[0]', value ->> '$.n[1]', value ->> '$.n[2]', value ->> '$.n[3]', value ->> '$.n[4]', value ->> '$.n[5]',
           value ->> '$.n[6]', value ->> '$.n[7]', value ->> '$.n[8]', value ->> '$.n[9]', value ->> '$.n[10]',
           value ->> 'comments', value ->> 'delivered', value ->> 'answered'
    FROM jsonb_each($1) WHERE true
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

/// Adds changes to the tallies in one statement, in the order of their keys so that two nodes never wait for each other crosswise.
///
/// # Errors
/// When the database cannot store them.
pub async fn add(tx: &mut Tx, changes: &Changes) -> Result<()> {
    let mut cells: Vec<_> = changes.0.iter().filter(|(_, counts)| !counts.is_zero()).collect();
    cells.sort_unstable_by_key(|(cell, _)| *cell);
    let rows: Vec<Row> = cells.into_iter().map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let json = to_json(&rows)?;
    let sql = tx.pick(ADD_SQLITE, ADD_POSTGRES);
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(json).execute(conn).await?;
    });
    for (survey, ..) in changes.0.keys() {
        tx.announce(Change::Tally(survey.0));
    }
    Ok(())
}

/// Tells whoever keeps a copy of a survey's figures to look again, though no count changed.
pub fn touch(tx: &mut Tx, survey: SurveyId) {
    tx.announce(Change::Tally(survey.0));
}

fn row<'a>(((survey, tag, day, group), counts): (&'a super::Cell, &'a Counts)) -> Row<'a> {
    Row {
        survey: survey.0.simple().to_string(),
        tag,
        day: *day,
        group,
        n: counts.scores,
        comments: counts.comments,
        delivered: counts.delivered,
        answered: counts.answered,
    }
}
