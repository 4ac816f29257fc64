//! The only SQL that lists responses.

use super::{Filter, Listed};
use crate::clock::Timestamp;
use crate::db::{FromRow, Result, Session, on_engine};
use crate::response::ResponseId;

macro_rules! listed {
    ($rest:expr) => {
        concat!(
            "SELECT response.id, survey.slug, survey.metric, response.score, response.raw, response.comment, response.consent, response.locale,
                 response.via, response.status, response.published, response.excluded, response.version_count, response.first_answered_at,
                 response.answered_at, response.interaction_id, interaction.ticket, interaction.agent, interaction.team, interaction.channel,
                 interaction.tags, interaction.touchpoint, customer.email, customer.phone, customer.name, customer.ref AS reference,
                 interaction.locale AS customer_locale
             FROM response JOIN survey ON survey.id = response.survey_id JOIN interaction ON interaction.id = response.interaction_id
                 LEFT JOIN customer ON customer.id = interaction.customer_id
             WHERE ",
            $rest
        )
    };
}

/// A parameter stands beside its column before it is asked whether it is there: that is how PostgreSQL learns its type.
macro_rules! filtered {
    ($tag:literal, $beyond:literal, $order:literal) => {
        listed!(concat!(
            "(response.survey_id = $1 OR $1 IS NULL) AND (response.day >= $2 OR $2 IS NULL) AND (response.day <= $3 OR $3 IS NULL)
             AND (interaction.agent_key = $4 OR $4 IS NULL) AND (interaction.team = $5 OR $5 IS NULL) AND (interaction.channel = $6 OR $6 IS NULL)
             AND (CAST($7 AS TEXT) IS NULL OR ",
            $tag,
            ") AND (response.score >= $8 OR $8 IS NULL) AND (response.score <= $9 OR $9 IS NULL)
             AND ((response.comment IS NOT NULL) = $10 OR $10 IS NULL) AND (response.status = $11 OR $11 IS NULL)
             AND (LOWER(response.comment) LIKE $12 ESCAPE '\\' OR $12 IS NULL) AND ((response.excluded IS NULL) = $13 OR $13 IS NULL)
             AND ((response.first_answered_at, response.id) ",
            $beyond,
            " ($14, $15) OR $14 IS NULL) ORDER BY ",
            $order,
            " LIMIT $16"
        ))
    };
}

macro_rules! both_orders {
    ($tag:literal) => {
        (
            filtered!($tag, "<", "response.first_answered_at DESC, response.id DESC"),
            filtered!($tag, ">", "response.first_answered_at, response.id"),
        )
    };
}

const SQLITE: (&str, &str) = both_orders!("EXISTS (SELECT 1 FROM json_each(interaction.tags) AS tag WHERE tag.value = $7)");
const POSTGRES: (&str, &str) = both_orders!("CAST(interaction.tags AS jsonb) @> jsonb_build_array(CAST($7 AS TEXT))");
const ONE: &str = listed!("response.id = $1");

/// Responses that meet every condition, beyond the one at `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(session: &mut impl Session, filter: &Filter, after: Option<(Timestamp, ResponseId)>, limit: i64) -> Result<Vec<Listed>> {
    let sql = if filter.oldest_first { session.pick(SQLITE.1, POSTGRES.1) } else { session.pick(SQLITE.0, POSTGRES.0) };
    let words = filter.words.as_deref().map(pattern);
    on_engine!(session, |conn| {
        sqlx::query_as(sql)
            .bind(filter.survey)
            .bind(filter.from)
            .bind(filter.to)
            .bind(&filter.agent)
            .bind(&filter.team)
            .bind(&filter.channel)
            .bind(&filter.tag)
            .bind(filter.score_min)
            .bind(filter.score_max)
            .bind(filter.with_comment)
            .bind(filter.status)
            .bind(words)
            .bind(filter.counted)
            .bind(after.map(|(at, _)| at))
            .bind(after.map(|(_, id)| id))
            .bind(limit)
            // Not kept: a kept plan would have to serve every mixture of filters, by reading everything.
            .persistent(false)
            .fetch_all(conn)
            .await
    })
}

/// The words anywhere in a comment; `%` and `_` stand for themselves.
fn pattern(words: &str) -> String {
    let escaped: String =
        words.trim().to_lowercase().chars().flat_map(|c| matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c])).collect();
    format!("%{escaped}%")
}

/// A version of an answer.
#[derive(Debug, FromRow)]
pub struct Version {
    /// The score as it was chosen.
    pub raw: i16,
    /// The comment.
    pub comment: Option<String>,
    /// Whether the comment may be quoted in public.
    pub consent: bool,
    /// When it was given.
    pub created_at: Timestamp,
}

/// A version of a response.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_version(session: &mut impl Session, id: ResponseId, version: i32) -> Result<Option<Version>> {
    on_engine!(session, |conn| {
        sqlx::query_as("SELECT raw, comment, consent, created_at FROM response_version WHERE response_id = $1 AND version = $2")
            .bind(id)
            .bind(version)
            .fetch_optional(conn)
            .await
    })
}

/// The response with this id.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(session: &mut impl Session, id: ResponseId) -> Result<Option<Listed>> {
    on_engine!(session, |conn| sqlx::query_as(ONE).bind(id).fetch_optional(conn).await)
}
