//! The only SQL about invitations and decided interactions, but for what takes them in.

use serde::Serialize;
use uuid::fmt::Simple;

use super::{InteractionId, Invitation, InvitationId, Outcome, Reason, State};
use crate::clock::Timestamp;
use crate::db::changes::Change;
use crate::db::{Json, Result, Session, Tx, on_engine, to_json};
use crate::i18n::Locale;
use crate::intake::SourceId;
use crate::survey::SurveyId;
use crate::tally::Group;

/// The invitations about a ticket that still wait for an answer.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_open(session: &mut impl Session, survey: SurveyId, ticket: &str, now: Timestamp) -> Result<Vec<InvitationId>> {
    on_engine!(session, |conn| {
        sqlx::query_scalar(
            "SELECT invitation.id FROM interaction JOIN invitation ON invitation.interaction_id = interaction.id
             WHERE interaction.survey_id IS NOT DISTINCT FROM $1 AND interaction.ticket_id = $2 AND invitation.state IN ('scheduled', 'sent') AND invitation.expires_at > $3
             ORDER BY invitation.id",
        )
        .bind(survey)
        .bind(ticket)
        .bind(now)
        .fetch_all(conn)
        .await
    })
}

/// A decided interaction, as far as its caller is told.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Decided {
    /// Its id.
    pub id: InteractionId,
    /// What was decided.
    pub outcome: Outcome,
    /// Why the customer is not asked.
    pub reason: Option<Reason>,
    /// Until when.
    pub until_at: Option<Timestamp>,
    /// The decision in one sentence.
    pub explanation: String,
}

/// The interaction with this id.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_decided(session: &mut impl Session, id: InteractionId) -> Result<Option<Decided>> {
    on_engine!(session, |conn| {
        sqlx::query_as("SELECT id, outcome, reason, until_at, explanation FROM interaction WHERE id = $1")
            .bind(id)
            .fetch_optional(conn)
            .await
    })
}

const INVITATION: &str = "SELECT id, survey_id, interaction_id, customer_id, state, locale, timezone, channel, expires_at, sent_at, created_at FROM invitation WHERE id = $1";
const INVITATION_OF: &str = "SELECT id, survey_id, interaction_id, customer_id, state, locale, timezone, channel, expires_at, sent_at, created_at FROM invitation WHERE interaction_id = $1";

/// The invitation with this id.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(session: &mut impl Session, id: InvitationId) -> Result<Option<Invitation>> {
    on_engine!(session, |conn| sqlx::query_as(INVITATION).bind(id).fetch_optional(conn).await)
}

/// The invitation about an interaction.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_of(session: &mut impl Session, interaction: InteractionId) -> Result<Option<Invitation>> {
    on_engine!(session, |conn| sqlx::query_as(INVITATION_OF).bind(interaction).fetch_optional(conn).await)
}

/// Moves an invitation from one of the states that still wait for an answer to `to`; false when it is in another.
///
/// # Errors
/// When the database cannot store it.
pub async fn close(tx: &mut Tx, id: InvitationId, to: State) -> Result<bool> {
    let moved = on_engine!(tx, |conn| {
        sqlx::query("UPDATE invitation SET state = $2 WHERE id = $1 AND state IN ('scheduled', 'sent')")
            .bind(id)
            .bind(to)
            .execute(conn)
            .await?
            .rows_affected()
    });
    if moved > 0 {
        tx.announce(Change::Invitation(id.0));
    }
    Ok(moved > 0)
}

/// What counting an invitation needs: its group, tags and whether it was answered before its message was settled.
#[derive(Debug, Clone)]
pub struct Cohort {
    /// The survey it is for.
    pub survey: SurveyId,
    /// What it is grouped by.
    pub group: Group,
    /// The tags of the ticket.
    pub tags: Vec<String>,
    /// Whether it is answered.
    pub is_answered: bool,
}

#[derive(sqlx::FromRow)]
struct CohortRow {
    survey_id: SurveyId,
    state: State,
    agent_key: Option<String>,
    team: Option<String>,
    channel: Option<String>,
    touchpoint: Option<String>,
    locale: Option<Locale>,
    survey_locale: Locale,
    source_id: Option<SourceId>,
    segment: Option<String>,
    product: Option<String>,
    tags: Json<Vec<String>>,
}

/// Writes down that an invitation's message was accepted, on a day of its survey, unless it was before; answers what to count.
///
/// # Errors
/// When the database cannot store it.
pub async fn mark_sent(tx: &mut Tx, id: InvitationId, now: Timestamp, day: i32) -> Result<Option<Cohort>> {
    let marked = on_engine!(tx, |conn| {
        sqlx::query(
            "UPDATE invitation SET sent_at = $2, sent_day = $3, state = CASE WHEN state = 'scheduled' THEN 'sent' ELSE state END
             WHERE id = $1 AND sent_at IS NULL",
        )
        .bind(id)
        .bind(now)
        .bind(day)
        .execute(conn)
        .await?
        .rows_affected()
    });
    if marked == 0 { Ok(None) } else { find_cohort(tx, id).await }
}

async fn find_cohort(session: &mut impl Session, id: InvitationId) -> Result<Option<Cohort>> {
    let row: Option<CohortRow> = on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT invitation.survey_id, invitation.state, interaction.agent_key, interaction.team, interaction.channel, interaction.touchpoint,
                 invitation.locale, survey.locale AS survey_locale, interaction.source_id, interaction.segment, interaction.product, interaction.tags
             FROM invitation JOIN interaction ON interaction.id = invitation.interaction_id JOIN survey ON survey.id = invitation.survey_id
             WHERE invitation.id = $1",
        )
        .bind(id)
        .fetch_optional(conn)
        .await?
    });
    Ok(row.map(|row| Cohort {
        survey: row.survey_id,
        is_answered: row.state == State::Answered,
        group: Group {
            agent: row.agent_key.unwrap_or_default(),
            team: row.team.unwrap_or_default(),
            channel: row.channel.unwrap_or_default(),
            touchpoint: row.touchpoint.unwrap_or_default(),
            locale: row.locale.unwrap_or(row.survey_locale).to_string(),
            source: row.source_id.map(|id| id.to_string()).unwrap_or_default(),
            segment: row.segment.unwrap_or_default(),
            product: row.product.unwrap_or_default(),
        },
        tags: row.tags.0,
    }))
}

#[derive(Serialize)]
struct RequestRow<'a> {
    key: &'a str,
    hash: String,
    interaction: Simple,
}

/// The first request with an `Idempotency-Key`, and what it led to.
#[derive(Debug)]
pub struct Request<'a> {
    /// The key, with the API key that it belongs to.
    pub key: &'a str,
    /// SHA-256 of the body.
    pub body_hash: &'a [u8],
    /// The interaction.
    pub interaction: InteractionId,
}

macro_rules! requests {
    ($rows:literal) => {
        concat!(
            "INSERT INTO idempotency (request_key, body_hash, interaction_id, created_at) ",
            $rows,
            " ON CONFLICT (request_key) DO NOTHING"
        )
    };
}
const REQUESTS_SQLITE: &str =
    requests!("SELECT value ->> 'key', unhex(value ->> 'hash'), unhex(value ->> 'interaction'), $2 FROM jsonb_each($1) WHERE true");
const REQUESTS_POSTGRES: &str = requests!(
    "SELECT key, decode(hash, 'hex'), interaction, CAST($2 AS BIGINT) FROM json_to_recordset($1::json) AS r (key text, hash text, interaction uuid) ORDER BY key"
);

/// Notes which interactions answered requests with an `Idempotency-Key`; answers how many. Fewer than these when other requests with the same
/// keys were first.
///
/// # Errors
/// When the database cannot store them.
pub async fn insert_requests(tx: &mut Tx, requests: &[Request<'_>], now: Timestamp) -> Result<u64> {
    let rows: Vec<RequestRow<'_>> = requests
        .iter()
        .map(|request| RequestRow {
            key: request.key,
            hash: data_encoding::HEXLOWER.encode(request.body_hash),
            interaction: request.interaction.0.simple(),
        })
        .collect();
    let (sql, json) = (tx.pick(REQUESTS_SQLITE, REQUESTS_POSTGRES), to_json(&rows)?);
    on_engine!(tx, |conn| Ok(sqlx::query(sql).bind(json).bind(now).execute(conn).await?.rows_affected()))
}

/// The body's hash and the decision of the first request with an `Idempotency-Key`.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_request(session: &mut impl Session, key: &str) -> Result<Option<(Vec<u8>, Decided)>> {
    let found: Option<(Vec<u8>, InteractionId)> = on_engine!(session, |conn| {
        sqlx::query_as("SELECT body_hash, interaction_id FROM idempotency WHERE request_key = $1").bind(key).fetch_optional(conn).await?
    });
    let Some((hash, interaction)) = found else { return Ok(None) };
    Ok(find_decided(session, interaction).await?.map(|decided| (hash, decided)))
}
