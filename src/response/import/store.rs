//! The only SQL about answers given elsewhere: one statement for each table and batch.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use uuid::fmt::Simple;

use super::Answer;
use crate::clock::Timestamp;
use crate::db::{Result, Session, Tx, on_engine, to_json};
use crate::intake::{Agent, Ticket};
use crate::invitation::{CustomerId, InteractionId, Outcome, Reason};
use crate::survey::SurveyId;

/// The key of an answer that may be there.
#[derive(Debug, Serialize)]
pub struct Known<'a> {
    survey: Simple,
    key: &'a str,
}

impl<'a> Known<'a> {
    /// This key of this survey.
    #[must_use]
    pub fn new(survey: SurveyId, key: &'a str) -> Self {
        Self { survey: survey.0.simple(), key }
    }
}

const KNOWN_SQLITE: &str = "SELECT CAST(k.key AS INTEGER), interaction.id FROM jsonb_each($1) AS k CROSS JOIN interaction
    WHERE interaction.survey_id = unhex(k.value ->> 'survey') AND interaction.closure_key = k.value ->> 'key'";
const KNOWN_POSTGRES: &str =
    "SELECT k.at - 1, found.id FROM ROWS FROM (json_to_recordset($1::json) AS (survey uuid, key text)) WITH ORDINALITY AS k (survey, key, at)
    CROSS JOIN LATERAL (SELECT id FROM interaction WHERE closure_key = k.key AND survey_id IS NOT DISTINCT FROM k.survey LIMIT 1) AS found";

/// Those keys that are stored, by their places in the list, with their interactions.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_known(session: &mut impl Session, keys: &[Known<'_>]) -> Result<HashMap<usize, InteractionId>> {
    let sql = session.pick(KNOWN_SQLITE, KNOWN_POSTGRES);
    let json = to_json(keys)?;
    let found: Vec<(i64, InteractionId)> = on_engine!(session, |conn| sqlx::query_as(sql).bind(json).fetch_all(conn).await?);
    Ok(found.into_iter().filter_map(|(place, id)| usize::try_from(place).ok().map(|place| (place, id))).collect())
}

/// An answer's interaction and customer as both engines read them from JSON.
#[derive(Debug, Serialize)]
pub struct Stored<'a> {
    id: Simple,
    survey: Simple,
    key: &'a str,
    customer: Option<Simple>,
    identity: Option<String>,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    name: Option<&'a str>,
    #[serde(rename = "ref")]
    reference: Option<&'a str>,
    ticket_id: Option<&'a str>,
    ticket: &'a Ticket,
    agent_key: Option<&'a str>,
    agent: &'a Agent,
    team: Option<&'a str>,
    channel: Option<&'a str>,
    tags: &'a [String],
    touchpoint: Option<&'a str>,
    segment: Option<&'a str>,
    product: Option<&'a str>,
    locale: Option<&'a str>,
    now: i64,
}

impl<'a> Stored<'a> {
    /// What is stored of an answer beside its score.
    #[must_use]
    pub fn new(id: InteractionId, answer: &'a Answer, customer: Option<(CustomerId, String)>, now: Timestamp) -> Self {
        let what = &answer.interaction;
        let (customer, identity) = customer.map(|(id, identity)| (id.0.simple(), identity)).unzip();
        Self {
            id: id.0.simple(),
            survey: answer.survey.id.0.simple(),
            key: &answer.key,
            customer,
            identity,
            email: what.customer.email.as_deref(),
            phone: what.customer.phone.as_deref(),
            name: what.customer.name.as_deref(),
            reference: what.customer.reference.as_deref(),
            ticket_id: what.ticket.id.as_deref(),
            ticket: &what.ticket,
            agent_key: what.agent.key(),
            agent: &what.agent,
            team: what.team.as_deref(),
            channel: what.channel.as_deref(),
            tags: &what.tags,
            touchpoint: what.touchpoint.as_deref(),
            segment: what.segment.as_deref(),
            product: what.product.as_deref(),
            locale: what.customer.locale.as_deref(),
            now: now.as_millis(),
        }
    }
}

const CUSTOMERS_SQLITE: &str = "INSERT INTO customer (id, identity, email, phone, name, ref, created_at, updated_at)
    SELECT unhex(value ->> 'customer'), value ->> 'identity', value ->> 'email', value ->> 'phone', value ->> 'name', value ->> 'ref',
        value ->> 'now', value ->> 'now'
    FROM jsonb_each($1) WHERE value ->> 'identity' IS NOT NULL ON CONFLICT (identity) DO NOTHING";
const CUSTOMERS_POSTGRES: &str = "INSERT INTO customer (id, identity, email, phone, name, ref, created_at, updated_at)
    SELECT customer, identity, email, phone, name, ref, now, now
    FROM json_to_recordset($1::json) AS r (customer uuid, identity text, email text, phone text, name text, ref text, now bigint)
    WHERE identity IS NOT NULL ORDER BY identity ON CONFLICT (identity) DO NOTHING";

const AGENTS_SQLITE: &str = "INSERT INTO agent (agent_key, name, updated_at) SELECT key, value, $2 FROM jsonb_each($1) WHERE true
    ON CONFLICT (agent_key) DO NOTHING";
const AGENTS_POSTGRES: &str =
    "INSERT INTO agent (agent_key, name, updated_at) SELECT key, value, CAST($2 AS BIGINT) FROM json_each_text($1::json) ORDER BY key
    ON CONFLICT (agent_key) DO NOTHING";

const INTERACTIONS_SQLITE: &str = "INSERT INTO interaction (id, survey_id, closure_key, customer_id, ticket_id, ticket, agent_key, agent, team, channel, tags,
        touchpoint, segment, product, locale, outcome, reason, explanation, created_at)
    SELECT unhex(value ->> 'id'), unhex(value ->> 'survey'), value ->> 'key', (SELECT id FROM customer WHERE identity = value ->> 'identity'),
        value ->> 'ticket_id', value ->> 'ticket', value ->> 'agent_key', value ->> 'agent', value ->> 'team', value ->> 'channel', value ->> 'tags',
        value ->> 'touchpoint', value ->> 'segment', value ->> 'product', value ->> 'locale', $2, $3, $4, value ->> 'now'
    FROM jsonb_each($1) WHERE true ON CONFLICT (survey_id, closure_key) DO NOTHING RETURNING id";
const INTERACTIONS_POSTGRES: &str = "INSERT INTO interaction (id, survey_id, closure_key, customer_id, ticket_id, ticket, agent_key, agent, team, channel, tags,
        touchpoint, segment, product, locale, outcome, reason, explanation, created_at)
    SELECT id, survey, key, (SELECT customer.id FROM customer WHERE customer.identity = r.identity), ticket_id, ticket, agent_key, agent, team, channel, tags,
        touchpoint, segment, product, locale, $2, $3, $4, now
    FROM json_to_recordset($1::json) AS r (id uuid, survey uuid, key text, identity text, ticket_id text, ticket text, agent_key text, agent text, team text,
        channel text, tags text, touchpoint text, segment text, product text, locale text, now bigint)
    ON CONFLICT (survey_id, closure_key) DO NOTHING RETURNING id";

/// Stores customers, agents and interactions of answers, where they are new; answers which interactions are. Nobody's name or address is replaced
/// by an older one.
///
/// # Errors
/// When the database cannot store them.
pub async fn insert(tx: &mut Tx, rows: &[Stored<'_>], now: Timestamp) -> Result<Vec<InteractionId>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let names: BTreeMap<&str, &str> = rows.iter().filter_map(|row| row.agent_key.zip(row.agent.name.as_deref())).collect();
    let (json, names) = (to_json(rows)?, to_json(&names)?);
    let customers = tx.pick(CUSTOMERS_SQLITE, CUSTOMERS_POSTGRES);
    let agents = tx.pick(AGENTS_SQLITE, AGENTS_POSTGRES);
    let interactions = tx.pick(INTERACTIONS_SQLITE, INTERACTIONS_POSTGRES);
    on_engine!(tx, |conn| {
        sqlx::query(customers).bind(&json).execute(&mut *conn).await?;
        sqlx::query(agents).bind(&names).bind(now).execute(&mut *conn).await?;
        sqlx::query_scalar(interactions)
            .bind(&json)
            .bind(Outcome::Skipped)
            .bind(Reason::AnsweredElsewhere)
            .bind("The customer answered elsewhere, and was not asked.")
            .fetch_all(conn)
            .await
    })
}

/// How many rows of a file are done, where its import was cut off.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_done(session: &mut impl Session, file: &[u8]) -> Result<i64> {
    let done: Option<i64> = on_engine!(session, |conn| {
        sqlx::query_scalar("SELECT row_count FROM import WHERE file = $1").bind(file).fetch_optional(conn).await?
    });
    Ok(done.unwrap_or(0))
}

/// Notes how many rows of a file are done.
///
/// # Errors
/// When the database cannot store it.
pub async fn note_done(tx: &mut Tx, file: &[u8], rows: i64, now: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO import (file, row_count, updated_at) VALUES ($1, $2, $3)
             ON CONFLICT (file) DO UPDATE SET row_count = excluded.row_count, updated_at = excluded.updated_at",
        )
        .bind(file)
        .bind(rows)
        .bind(now)
        .execute(conn)
        .await?;
    });
    Ok(())
}

/// Forgets a file that is done to its end: given again, it is looked through again.
///
/// # Errors
/// When the database cannot store it.
pub async fn forget(tx: &mut Tx, file: &[u8]) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("DELETE FROM import WHERE file = $1").bind(file).execute(conn).await?;
    });
    Ok(())
}
