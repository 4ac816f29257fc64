//! The only SQL about reports: tallies added up by the engine, one row for each group.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::breakdown::Labels;
use super::{By, Filter};
use crate::db::{Error, Result, Session, Tx, on_engine};
use crate::survey::SurveyId;
use crate::tally::Counts;

/// What is added up: a survey's answers on some days.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// The survey.
    pub survey: SurveyId,
    /// The first and the last day, by number.
    pub days: (i32, i32),
    /// Which answers of it.
    pub filter: &'a Filter,
}

/// What one group of answers has in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A value of the dimension; empty for those without one.
    Value(String),
    /// A day by number.
    Day(i32),
}

#[derive(sqlx::FromRow)]
struct Row {
    group_key: String,
    group_day: i32,
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

impl From<&Row> for Counts {
    fn from(row: &Row) -> Self {
        Self {
            scores: [row.n0, row.n1, row.n2, row.n3, row.n4, row.n5, row.n6, row.n7, row.n8, row.n9, row.n10],
            comments: row.comment_count,
            delivered: row.delivered_count,
            answered: row.answered_count,
        }
    }
}

macro_rules! add_up_of {
    ($table:literal, $key:literal, $tag:literal) => {
        concat!(
            "SELECT ",
            $key,
            " AS group_key, CASE CAST($1 AS TEXT) WHEN 'day' THEN day ELSE 0 END AS group_day,
             CAST(SUM(n0) AS BIGINT) AS n0, CAST(SUM(n1) AS BIGINT) AS n1, CAST(SUM(n2) AS BIGINT) AS n2, CAST(SUM(n3) AS BIGINT) AS n3,
             CAST(SUM(n4) AS BIGINT) AS n4, CAST(SUM(n5) AS BIGINT) AS n5, CAST(SUM(n6) AS BIGINT) AS n6, CAST(SUM(n7) AS BIGINT) AS n7,
             CAST(SUM(n8) AS BIGINT) AS n8, CAST(SUM(n9) AS BIGINT) AS n9, CAST(SUM(n10) AS BIGINT) AS n10,
             CAST(SUM(comment_count) AS BIGINT) AS comment_count, CAST(SUM(delivered_count) AS BIGINT) AS delivered_count,
             CAST(SUM(answered_count) AS BIGINT) AS answered_count
             FROM ",
            $table,
            " WHERE survey_id = $2 AND ",
            $tag,
            " AND day BETWEEN $4 AND $5
             AND (CAST($6 AS TEXT) IS NULL OR agent = $6) AND (CAST($7 AS TEXT) IS NULL OR team = $7)
             AND (CAST($8 AS TEXT) IS NULL OR channel = $8) AND (CAST($9 AS TEXT) IS NULL OR touchpoint = $9)
             AND (CAST($10 AS TEXT) IS NULL OR locale = $10) AND (CAST($11 AS TEXT) IS NULL OR source = $11)
             AND (CAST($12 AS TEXT) IS NULL OR segment = $12) AND (CAST($13 AS TEXT) IS NULL OR product = $13)
             GROUP BY 1, 2"
        )
    };
}

// Apart, because SQLite would copy every row of the two together before it adds them up.
macro_rules! add_up {
    ($key:literal, $tag:literal) => {
        concat!(add_up_of!("tally", $key, $tag), " UNION ALL ", add_up_of!("tally_kept", $key, $tag))
    };
}

/// `$1` names the dimension, so that one statement serves all of them; `$3` is the tag, empty for everything.
const ADD_UP: &str = add_up!(
    "CASE CAST($1 AS TEXT) WHEN 'agent' THEN agent WHEN 'team' THEN team WHEN 'channel' THEN channel WHEN 'touchpoint' THEN touchpoint
     WHEN 'locale' THEN locale WHEN 'source' THEN source WHEN 'segment' THEN segment WHEN 'product' THEN product ELSE '' END",
    "tag = $3"
);
/// Cells with a tag lie apart from those that count everything. An empty `$3` means each tag.
const ADD_UP_BY_TAG: &str = add_up!("tag", "tag > '' AND (CAST($3 AS TEXT) = '' OR tag = $3)");

/// The counts of each group. Weeks and months come as their days; `None` and scores as one group of everything.
///
/// # Errors
/// When the database cannot answer.
pub async fn add_up(session: &mut impl Session, range: Range<'_>, by: Option<By>) -> Result<BTreeMap<Key, Counts>> {
    let in_days = by.is_some_and(By::is_time);
    let sql = if by == Some(By::Tag) { ADD_UP_BY_TAG } else { ADD_UP };
    let Filter { agent, team, channel, tag, touchpoint, locale, source, segment, product } = range.filter;
    let rows: Vec<Row> = on_engine!(session, |conn| {
        sqlx::query_as(sql)
            .bind(if in_days { "day" } else { by.map_or("", By::as_str) })
            .bind(range.survey)
            .bind(tag.as_deref().unwrap_or_default())
            .bind(range.days.0)
            .bind(range.days.1)
            .bind(agent)
            .bind(team)
            .bind(channel)
            .bind(touchpoint)
            .bind(locale)
            .bind(source)
            .bind(segment)
            .bind(product)
            .fetch_all(conn)
            .await?
    });
    let mut counts: BTreeMap<Key, Counts> = BTreeMap::new();
    for row in rows {
        let key = if in_days { Key::Day(row.group_day) } else { Key::Value(row.group_key.clone()) };
        counts.entry(key).or_default().add(&Counts::from(&row));
    }
    Ok(counts)
}

const AGENTS_SQLITE: &str = "SELECT agent_key, name FROM agent WHERE agent_key IN (SELECT value FROM json_each($1))";
const AGENTS_POSTGRES: &str = "SELECT agent_key, name FROM agent WHERE agent_key = ANY (ARRAY(SELECT json_array_elements_text($1::json)))";

/// The latest names of agents by key; a key without a name is left out.
///
/// # Errors
/// When the database cannot answer.
pub async fn agent_names(session: &mut impl Session, keys: &[&str]) -> Result<Labels> {
    let keys = serde_json::to_string(keys).map_err(|error| Error::Encode(Box::new(error)))?;
    let sql = session.pick(AGENTS_SQLITE, AGENTS_POSTGRES);
    let rows: Vec<(String, String)> = on_engine!(session, |conn| { sqlx::query_as(sql).bind(keys).fetch_all(conn).await? });
    Ok(rows.into_iter().collect())
}

/// The names of a survey's sources by id, deleted ones too.
///
/// # Errors
/// When the database cannot answer.
pub async fn source_names(session: &mut impl Session, survey: SurveyId) -> Result<Labels> {
    let rows: Vec<(Uuid, String)> = on_engine!(session, |conn| {
        sqlx::query_as("SELECT id, name FROM source WHERE survey_id = $1").bind(survey).fetch_all(conn).await?
    });
    Ok(rows.into_iter().map(|(id, name)| (id.to_string(), name)).collect())
}

/// The last day of a survey that endpoints were told of.
///
/// # Errors
/// When the database cannot answer.
pub async fn last_told(session: &mut impl Session, survey: SurveyId) -> Result<Option<i32>> {
    on_engine!(session, |conn| sqlx::query_scalar("SELECT day FROM daily_report WHERE survey_id = $1")
        .bind(survey)
        .fetch_optional(conn)
        .await)
}

/// Notes up to which day endpoints were told; false when they were told of it before.
///
/// # Errors
/// When the database cannot store it.
pub async fn note_told(tx: &mut Tx, survey: SurveyId, day: i32) -> Result<bool> {
    let noted = on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO daily_report (survey_id, day) VALUES ($1, $2)
             ON CONFLICT (survey_id) DO UPDATE SET day = excluded.day WHERE daily_report.day < excluded.day",
        )
        .bind(survey)
        .bind(day)
        .execute(conn)
        .await?
        .rows_affected()
    });
    Ok(noted > 0)
}
