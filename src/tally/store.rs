//! The only SQL about tallies.

use serde::Serialize;

use super::{Changes, Counts, Group};
use crate::db::changes::Change;
use crate::db::{Result, Session, Tx, on_engine};
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
    FROM json_each($1) WHERE true
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
    let rows: Vec<Row> = changes.0.iter().filter(|(_, counts)| !counts.is_zero()).map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_string(&rows).map_err(|error| crate::db::Error::Encode(Box::new(error)))?;
    let sql = tx.pick(ADD_SQLITE, ADD_POSTGRES);
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(json).execute(conn).await?;
    });
    for (survey, ..) in changes.0.keys() {
        tx.announce(Change::Tally(survey.0));
    }
    Ok(())
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

/// One stored cell of a survey, its tag and day beside its group.
#[derive(Debug, Clone)]
pub struct Tally {
    /// The tag it counts; empty when it counts everything.
    pub tag: String,
    /// Days since 1970-01-01.
    pub day: i32,
    /// The group it counts.
    pub group: Group,
    /// What it counts.
    pub counts: Counts,
}

#[derive(sqlx::FromRow)]
struct Stored {
    tag: String,
    day: i32,
    agent: String,
    team: String,
    channel: String,
    touchpoint: String,
    locale: String,
    source: String,
    segment: String,
    product: String,
    n0: i64,
    n1: i64,
    n2: i64,
    n3: i64,
    n4: i64,
    n5: i64,
    n6: i64,
    n7: i64,
    n8: i64,
    n9: i64,
    n10: i64,
    comment_count: i64,
    delivered_count: i64,
    answered_count: i64,
}

impl From<Stored> for Tally {
    fn from(row: Stored) -> Self {
        Self {
            tag: row.tag,
            day: row.day,
            group: Group {
                agent: row.agent,
                team: row.team,
                channel: row.channel,
                touchpoint: row.touchpoint,
                locale: row.locale,
                source: row.source,
                segment: row.segment,
                product: row.product,
            },
            counts: Counts {
                scores: [
                    row.n0, row.n1, row.n2, row.n3, row.n4, row.n5, row.n6, row.n7, row.n8, row.n9, row.n10,
                ],
                comments: row.comment_count,
                delivered: row.delivered_count,
                answered: row.answered_count,
            },
        }
    }
}

/// Which cells of a survey are read.
#[derive(Debug, Clone, Copy)]
pub enum Tags<'a> {
    /// The cells that count everything.
    Untagged,
    /// The cells of one tag.
    One(&'a str),
    /// The cells of every tag, each answer as often as it has tags.
    Each,
}

const READ_ONE: &str = "SELECT * FROM tally WHERE survey_id = $1 AND tag = $2 AND day BETWEEN $3 AND $4";
const READ_EACH: &str = "SELECT * FROM tally WHERE survey_id = $1 AND tag > $2 AND day BETWEEN $3 AND $4";

/// The cells of a survey from the first to the last day, both included.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(session: &mut impl Session, survey: SurveyId, tags: Tags<'_>, days: (i32, i32)) -> Result<Vec<Tally>> {
    let (sql, tag) = match tags {
        Tags::Untagged => (READ_ONE, ""),
        Tags::One(tag) => (READ_ONE, tag),
        Tags::Each => (READ_EACH, ""),
    };
    let rows: Vec<Stored> = on_engine!(session, |conn| {
        sqlx::query_as(sql)
            .bind(survey)
            .bind(tag)
            .bind(days.0)
            .bind(days.1)
            .fetch_all(conn)
            .await?
    });
    Ok(rows.into_iter().map(Tally::from).collect())
}
