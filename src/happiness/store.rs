//! The only SQL about the happiness report. A vote is a counted answer to an invitation: nothing that was entered or imported.

use uuid::Uuid;

use super::publication::{Ballot, COMMENTS, LISTED, Remark};
use crate::clock::Timestamp;
use crate::db::{Result, Session, on_engine};
use crate::i18n::Locale;
use crate::metric::Histogram;
use crate::survey::SurveyId;

/// Votes by score whose first answer is later than `after`, up to `until`.
///
/// # Errors
/// When the database cannot answer.
pub async fn count(session: &mut impl Session, survey: SurveyId, (after, until): (Timestamp, Timestamp)) -> Result<Histogram> {
    let rows: Vec<(i16, i64)> = on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT score, COUNT(*) FROM response WHERE survey_id = $1 AND first_answered_at > $2 AND first_answered_at <= $3
             AND invitation_id IS NOT NULL AND excluded IS NULL GROUP BY score",
        )
        .bind(survey)
        .bind(after)
        .bind(until)
        .fetch_all(conn)
        .await?
    });
    let mut votes = Histogram::default();
    for (score, count) in rows {
        votes.add(point(score), u64::try_from(count).unwrap_or(0));
    }
    Ok(votes)
}

/// When the vote was first answered that has `newer` votes after it; `None` where there are not so many.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_nth(session: &mut impl Session, survey: SurveyId, newer: i64) -> Result<Option<Timestamp>> {
    Ok(on_engine!(session, |conn| {
        sqlx::query_scalar("SELECT first_answered_at FROM response WHERE survey_id = $1 ORDER BY first_answered_at DESC LIMIT 1 OFFSET $2")
            .bind(survey)
            .bind(newer)
            .fetch_optional(conn)
            .await?
    }))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    score: i16,
    day: i32,
    first_answered_at: Timestamp,
}

impl From<&Row> for Ballot {
    fn from(row: &Row) -> Self {
        Self { id: row.id, score: point(row.score), day: row.day, first_answered_at: row.first_answered_at }
    }
}

/// The newest votes, newest first: as many as are listed and a lot besides.
///
/// # Errors
/// When the database cannot answer.
pub async fn newest(session: &mut impl Session, survey: SurveyId, lot: i64) -> Result<Vec<Ballot>> {
    let rows: Vec<Row> = on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT id, score, day, first_answered_at FROM response WHERE survey_id = $1 AND invitation_id IS NOT NULL AND excluded IS NULL
             ORDER BY first_answered_at DESC, id DESC LIMIT $2",
        )
        .bind(survey)
        .bind(i64::try_from(LISTED).unwrap_or(i64::MAX).saturating_add(lot))
        .fetch_all(conn)
        .await?
    });
    Ok(rows.iter().map(Ballot::from).collect())
}

/// The day of the first vote, by number.
///
/// # Errors
/// When the database cannot answer.
pub async fn first_day(session: &mut impl Session, survey: SurveyId) -> Result<Option<i32>> {
    Ok(on_engine!(session, |conn| {
        sqlx::query_scalar(
            "SELECT day FROM response WHERE survey_id = $1 AND invitation_id IS NOT NULL AND excluded IS NULL
             ORDER BY first_answered_at, id LIMIT 1",
        )
        .bind(survey)
        .fetch_optional(conn)
        .await?
    }))
}

#[derive(sqlx::FromRow)]
struct RemarkRow {
    #[sqlx(flatten)]
    ballot: Row,
    comment: String,
    locale: Locale,
}

/// The newest comments whose writers agreed and which the team published.
///
/// # Errors
/// When the database cannot answer.
pub async fn remarks(session: &mut impl Session, survey: SurveyId) -> Result<Vec<Remark>> {
    let rows: Vec<RemarkRow> = on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT id, score, day, first_answered_at, comment, locale FROM response WHERE survey_id = $1 AND invitation_id IS NOT NULL
             AND excluded IS NULL AND comment IS NOT NULL AND consent AND published ORDER BY first_answered_at DESC, id DESC LIMIT $2",
        )
        .bind(survey)
        .bind(COMMENTS)
        .fetch_all(conn)
        .await?
    });
    let remark = |row: RemarkRow| Remark { ballot: Ballot::from(&row.ballot), text: row.comment, locale: row.locale };
    Ok(rows.into_iter().map(remark).collect())
}

/// Invitations of a survey that were sent, and those of them that were answered.
///
/// # Errors
/// When the database cannot answer.
pub async fn invited(session: &mut impl Session, survey: SurveyId) -> Result<(u64, u64)> {
    let (invited, answered): (i64, i64) = on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT CAST(COALESCE(SUM(delivered_count), 0) AS BIGINT), CAST(COALESCE(SUM(answered_count), 0) AS BIGINT) FROM tally_now
             WHERE survey_id = $1 AND tag = ''",
        )
        .bind(survey)
        .fetch_one(conn)
        .await?
    });
    Ok((u64::try_from(invited).unwrap_or(0), u64::try_from(answered).unwrap_or(0)))
}

/// A stored score; one that is on no scale counts nowhere.
fn point(score: i16) -> u8 {
    u8::try_from(score).unwrap_or(u8::MAX)
}
