//! The only SQL about customers, interactions, decisions and invitations.

use super::policy::Decision;
use super::{CustomerId, InteractionId, Invitation, InvitationId, Outcome, Reason, State};
use crate::clock::Timestamp;
use crate::db::{Json, Result, Session, Tx, on_engine};
use crate::i18n::Locale;
use crate::intake::{Customer, Interaction, SourceId};
use crate::metric::Metric;
use crate::survey::SurveyId;
use crate::tally::Group;

/// Stores or completes a customer and answers the id. On PostgreSQL the row stays locked until the transaction ends, so that
/// two decisions about one customer are made one after the other.
///
/// # Errors
/// When the database cannot store it.
pub async fn upsert_customer(tx: &mut Tx, id: CustomerId, identity: &str, customer: &Customer, now: Timestamp) -> Result<CustomerId> {
    on_engine!(tx, |conn| {
        sqlx::query_scalar(
            "INSERT INTO customer (id, identity, email, phone, name, ref, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
             ON CONFLICT (identity) DO UPDATE SET email = COALESCE(excluded.email, customer.email), phone = COALESCE(excluded.phone, customer.phone),
                 name = COALESCE(excluded.name, customer.name), ref = COALESCE(excluded.ref, customer.ref), updated_at = excluded.updated_at
             RETURNING id",
        )
        .bind(id)
        .bind(identity)
        .bind(&customer.email)
        .bind(&customer.phone)
        .bind(&customer.name)
        .bind(&customer.reference)
        .bind(now)
        .fetch_one(conn)
        .await
    })
}

/// Keeps the latest name of an agent.
///
/// # Errors
/// When the database cannot store it.
pub async fn upsert_agent(tx: &mut Tx, key: &str, name: &str, now: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO agent (agent_key, name, updated_at) VALUES ($1, $2, $3)
             ON CONFLICT (agent_key) DO UPDATE SET name = excluded.name, updated_at = excluded.updated_at WHERE agent.name <> excluded.name",
        )
        .bind(key)
        .bind(name)
        .bind(now)
        .execute(conn)
        .await?;
    });
    Ok(())
}

/// Why mail to an identity is suppressed, if it is.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_suppression(session: &mut impl Session, identity: &str) -> Result<Option<Reason>> {
    on_engine!(session, |conn| {
        sqlx::query_scalar("SELECT reason FROM suppression WHERE identity = $1").bind(identity).fetch_optional(conn).await
    })
}

/// Suppresses all mail to the customer of an invitation; it stays so when it is so already.
///
/// # Errors
/// When the database cannot store it.
pub async fn suppress_customer_of(tx: &mut Tx, id: InvitationId, reason: Reason, now: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO suppression (identity, reason, created_at)
             SELECT customer.identity, $2, CAST($3 AS BIGINT) FROM customer JOIN invitation ON invitation.customer_id = customer.id WHERE invitation.id = $1
             ON CONFLICT (identity) DO NOTHING",
        )
        .bind(id)
        .bind(reason)
        .bind(now)
        .execute(conn)
        .await?;
    });
    Ok(())
}

/// When a customer was last asked: about this metric, and about anything. What was withdrawn or never left does not count.
///
/// # Errors
/// When the database cannot answer.
pub async fn last_asked(
    session: &mut impl Session,
    customer: CustomerId,
    metric: Metric,
) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
    on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT MAX(CASE WHEN metric = $2 THEN created_at END), MAX(created_at) FROM invitation
             WHERE customer_id = $1 AND state NOT IN ('withdrawn', 'failed')",
        )
        .bind(customer)
        .bind(metric)
        .fetch_one(conn)
        .await
    })
}

/// The invitations about a ticket that still wait for an answer.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_open(session: &mut impl Session, survey: SurveyId, ticket: &str, now: Timestamp) -> Result<Vec<InvitationId>> {
    on_engine!(session, |conn| {
        sqlx::query_scalar(
            "SELECT invitation.id FROM interaction JOIN invitation ON invitation.interaction_id = interaction.id
             WHERE interaction.survey_id = $1 AND interaction.ticket_id = $2 AND invitation.state IN ('scheduled', 'sent') AND invitation.expires_at > $3
             ORDER BY invitation.id",
        )
        .bind(survey)
        .bind(ticket)
        .bind(now)
        .fetch_all(conn)
        .await
    })
}

/// What is stored of an interaction beside what happened.
#[derive(Debug)]
pub struct Record<'a> {
    /// Its id.
    pub id: InteractionId,
    /// The survey it is for.
    pub survey: SurveyId,
    /// Where it came from; `None` for the API.
    pub source: Option<SourceId>,
    /// What names the closing: two events of the same closing have the same.
    pub closure_key: &'a str,
    /// Who is asked, if anybody is known.
    pub customer: Option<CustomerId>,
    /// What was decided.
    pub decision: Decision,
    /// The decision in one sentence.
    pub explanation: String,
    /// When.
    pub now: Timestamp,
}

/// Stores an interaction with its decision; false when the same closing is stored already.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert_interaction(tx: &mut Tx, record: &Record<'_>, interaction: &Interaction) -> Result<bool> {
    let (outcome, reason, until) = record.decision.parts();
    let inserted = on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO interaction (id, survey_id, source_id, closure_key, customer_id, ticket_id, ticket, agent_key, agent, team, channel, tags,
                 touchpoint, segment, product, locale, outcome, reason, until_at, explanation, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
             ON CONFLICT (survey_id, closure_key) DO NOTHING",
        )
        .bind(record.id)
        .bind(record.survey)
        .bind(record.source)
        .bind(record.closure_key)
        .bind(record.customer)
        .bind(&interaction.ticket.id)
        .bind(Json(&interaction.ticket))
        .bind(interaction.agent.key())
        .bind(Json(&interaction.agent))
        .bind(&interaction.team)
        .bind(&interaction.channel)
        .bind(Json(&interaction.tags))
        .bind(&interaction.touchpoint)
        .bind(&interaction.segment)
        .bind(&interaction.product)
        .bind(&interaction.customer.locale)
        .bind(outcome)
        .bind(reason)
        .bind(until)
        .bind(&record.explanation)
        .bind(record.now)
        .execute(conn)
        .await?
        .rows_affected()
    });
    Ok(inserted > 0)
}

/// Stores an invitation.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, invitation: &Invitation, metric: Metric) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO invitation (id, survey_id, interaction_id, customer_id, metric, state, locale, expires_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(invitation.id)
        .bind(invitation.survey_id)
        .bind(invitation.interaction_id)
        .bind(invitation.customer_id)
        .bind(metric)
        .bind(invitation.state)
        .bind(invitation.locale)
        .bind(invitation.expires_at)
        .bind(invitation.created_at)
        .execute(conn)
        .await?;
    });
    Ok(())
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

/// The interaction with this closing.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_closure(session: &mut impl Session, survey: SurveyId, closure_key: &str) -> Result<Option<Decided>> {
    on_engine!(session, |conn| {
        sqlx::query_as("SELECT id, outcome, reason, until_at, explanation FROM interaction WHERE survey_id = $1 AND closure_key = $2")
            .bind(survey)
            .bind(closure_key)
            .fetch_optional(conn)
            .await
    })
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

const INVITATION: &str =
    "SELECT id, survey_id, interaction_id, customer_id, state, locale, expires_at, sent_at, created_at FROM invitation WHERE id = $1";
const INVITATION_OF: &str = "SELECT id, survey_id, interaction_id, customer_id, state, locale, expires_at, sent_at, created_at FROM invitation WHERE interaction_id = $1";

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

/// Notes which interaction answered a request with an `Idempotency-Key`; false when another request with the key was first.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert_request(tx: &mut Tx, key: &str, body_hash: &[u8], interaction: InteractionId, now: Timestamp) -> Result<bool> {
    let inserted = on_engine!(tx, |conn| {
        sqlx::query("INSERT INTO idempotency (request_key, body_hash, interaction_id, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (request_key) DO NOTHING")
            .bind(key)
            .bind(body_hash)
            .bind(interaction)
            .bind(now)
            .execute(conn)
            .await?
            .rows_affected()
    });
    Ok(inserted > 0)
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
