//! The only SQL that takes interactions in: as many statements for a batch as for one interaction.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use uuid::Uuid;
use uuid::fmt::Simple;

use crate::clock::Timestamp;
use crate::db::{Result, Session, Tx, on_engine, to_json};
use crate::i18n::Locale;
use crate::intake::{Customer, Interaction, SourceId};
use crate::invitation::facts::store::ClosureKey;
use crate::invitation::policy::Decision;
use crate::invitation::{CustomerId, InteractionId, Invitation, Outcome, Reason, State};
use crate::metric::Metric;

#[derive(Serialize)]
struct CustomerRow<'a> {
    id: Simple,
    identity: &'a str,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    name: Option<&'a str>,
    reference: Option<&'a str>,
    now: i64,
}

macro_rules! customers {
    ($rows:literal) => {
        concat!(
            "INSERT INTO customer (id, identity, email, phone, name, ref, created_at, updated_at) ",
            $rows,
            " ON CONFLICT (identity) DO UPDATE SET email = COALESCE(excluded.email, customer.email), phone = COALESCE(excluded.phone, customer.phone),
                 name = COALESCE(excluded.name, customer.name), ref = COALESCE(excluded.ref, customer.ref), updated_at = excluded.updated_at
             RETURNING identity, id"
        )
    };
}
const CUSTOMERS_SQLITE: &str = customers!(
    "SELECT unhex(value ->> 'id'), value ->> 'identity', value ->> 'email', value ->> 'phone', value ->> 'name', value ->> 'reference',
         value ->> 'now', value ->> 'now' FROM jsonb_each($1) WHERE true"
);
const CUSTOMERS_POSTGRES: &str = customers!(
    "SELECT id, identity, email, phone, name, reference, now, now FROM json_to_recordset($1::json)
         AS r (id uuid, identity text, email text, phone text, name text, reference text, now bigint) ORDER BY identity"
);

/// Stores or completes customers and answers their ids. On PostgreSQL their rows stay locked until the transaction ends, in the order of
/// their identities, so that two decisions about one customer are made one after the other and two nodes never wait for each other crosswise.
///
/// # Errors
/// When the database cannot store them.
pub async fn upsert_customers(
    tx: &mut Tx,
    customers: &BTreeMap<&str, Customer>,
    mut fresh: impl FnMut() -> Uuid,
    now: Timestamp,
) -> Result<HashMap<String, CustomerId>> {
    let rows: Vec<CustomerRow<'_>> = customers
        .iter()
        .map(|(identity, customer)| CustomerRow {
            id: fresh().simple(),
            identity,
            email: customer.email.as_deref(),
            phone: customer.phone.as_deref(),
            name: customer.name.as_deref(),
            reference: customer.reference.as_deref(),
            now: now.as_millis(),
        })
        .collect();
    let (sql, json) = (tx.pick(CUSTOMERS_SQLITE, CUSTOMERS_POSTGRES), to_json(&rows)?);
    let stored: Vec<(String, CustomerId)> = on_engine!(tx, |conn| sqlx::query_as(sql).bind(json).fetch_all(conn).await?);
    Ok(stored.into_iter().collect())
}

#[derive(Serialize)]
struct AgentRow<'a> {
    key: &'a str,
    name: &'a str,
}

macro_rules! agents {
    ($rows:literal) => {
        concat!(
            "INSERT INTO agent (agent_key, name, updated_at) ",
            $rows,
            " ON CONFLICT (agent_key) DO UPDATE SET name = excluded.name, updated_at = excluded.updated_at WHERE agent.name <> excluded.name"
        )
    };
}
const AGENTS_SQLITE: &str = agents!("SELECT value ->> 'key', value ->> 'name', $2 FROM jsonb_each($1) WHERE true");
const AGENTS_POSTGRES: &str =
    agents!("SELECT key, name, CAST($2 AS BIGINT) FROM json_to_recordset($1::json) AS r (key text, name text) ORDER BY key");

/// Keeps the latest names of agents.
///
/// # Errors
/// When the database cannot store them.
pub async fn upsert_agents(tx: &mut Tx, agents: &BTreeMap<&str, &str>, now: Timestamp) -> Result<()> {
    let sql = tx.pick(AGENTS_SQLITE, AGENTS_POSTGRES);
    let json = to_json(&agents.iter().map(|(key, name)| AgentRow { key, name }).collect::<Vec<_>>())?;
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(json).bind(now).execute(conn).await?;
    });
    Ok(())
}

/// An interaction with its decision, as both engines read it from JSON.
#[derive(Debug, Serialize)]
pub struct InteractionRow<'a> {
    id: Simple,
    survey: Simple,
    source: Option<Simple>,
    key: &'a str,
    customer: Option<Simple>,
    ticket_id: Option<&'a str>,
    ticket: String,
    agent_key: Option<&'a str>,
    agent: String,
    team: Option<&'a str>,
    channel: Option<&'a str>,
    tags: String,
    touchpoint: Option<&'a str>,
    segment: Option<&'a str>,
    product: Option<&'a str>,
    locale: Option<&'a str>,
    outcome: Outcome,
    reason: Option<Reason>,
    until: Option<i64>,
    explanation: &'a str,
    now: i64,
}

/// What is stored of an interaction beside what happened.
#[derive(Debug)]
pub struct Record<'a> {
    /// Its id.
    pub id: InteractionId,
    /// What names the closing.
    pub key: &'a ClosureKey,
    /// Where it came from; `None` for the API.
    pub source: Option<SourceId>,
    /// Who is asked, if anybody is known.
    pub customer: Option<CustomerId>,
    /// What was decided.
    pub decision: Decision,
    /// The decision in one sentence.
    pub explanation: &'a str,
    /// When.
    pub now: Timestamp,
}

impl<'a> InteractionRow<'a> {
    /// The row of an interaction.
    ///
    /// # Errors
    /// When something in it cannot be JSON.
    pub fn new(record: &Record<'a>, interaction: &'a Interaction) -> Result<Self> {
        let (outcome, reason, until) = record.decision.parts();
        let (survey, key) = record.key;
        Ok(Self {
            id: record.id.0.simple(),
            survey: survey.0.simple(),
            source: record.source.map(|id| id.0.simple()),
            key,
            customer: record.customer.map(|id| id.0.simple()),
            ticket_id: interaction.ticket.id.as_deref(),
            ticket: to_json(&interaction.ticket)?,
            agent_key: interaction.agent.key(),
            agent: to_json(&interaction.agent)?,
            team: interaction.team.as_deref(),
            channel: interaction.channel.as_deref(),
            tags: to_json(&interaction.tags)?,
            touchpoint: interaction.touchpoint.as_deref(),
            segment: interaction.segment.as_deref(),
            product: interaction.product.as_deref(),
            locale: interaction.customer.locale.as_deref(),
            outcome,
            reason,
            until: until.map(Timestamp::as_millis),
            explanation: record.explanation,
            now: record.now.as_millis(),
        })
    }
}

macro_rules! interactions {
    ($rows:literal) => {
        concat!(
            "INSERT INTO interaction (id, survey_id, source_id, closure_key, customer_id, ticket_id, ticket, agent_key, agent, team, channel, tags,
                 touchpoint, segment, product, locale, outcome, reason, until_at, explanation, created_at) ",
            $rows,
            " ON CONFLICT (survey_id, closure_key) DO NOTHING"
        )
    };
}
const INTERACTIONS_SQLITE: &str = interactions!(
    "SELECT unhex(value ->> 'id'), unhex(value ->> 'survey'), unhex(value ->> 'source'), value ->> 'key', unhex(value ->> 'customer'), value ->> 'ticket_id',
         value ->> 'ticket', value ->> 'agent_key', value ->> 'agent', value ->> 'team', value ->> 'channel', value ->> 'tags', value ->> 'touchpoint',
         value ->> 'segment', value ->> 'product', value ->> 'locale', value ->> 'outcome', value ->> 'reason', value ->> 'until', value ->> 'explanation',
         value ->> 'now' FROM jsonb_each($1) WHERE true"
);
const INTERACTIONS_POSTGRES: &str = interactions!(
    "SELECT id, survey, source, key, customer, ticket_id, ticket, agent_key, agent, team, channel, tags, touchpoint, segment, product, locale, outcome,
         reason, until, explanation, now FROM json_to_recordset($1::json) AS r (id uuid, survey uuid, source uuid, key text, customer uuid, ticket_id text,
         ticket text, agent_key text, agent text, team text, channel text, tags text, touchpoint text, segment text, product text, locale text,
         outcome text, reason text, until bigint, explanation text, now bigint)"
);

/// Stores interactions with their decisions; answers how many. A closing that is stored already is left as it is.
///
/// # Errors
/// When the database cannot store them.
pub async fn insert_interactions(tx: &mut Tx, rows: &[InteractionRow<'_>]) -> Result<u64> {
    let (sql, json) = (tx.pick(INTERACTIONS_SQLITE, INTERACTIONS_POSTGRES), to_json(rows)?);
    on_engine!(tx, |conn| Ok(sqlx::query(sql).bind(json).execute(conn).await?.rows_affected()))
}

#[derive(Serialize)]
struct InvitationRow<'a> {
    id: Simple,
    survey: Simple,
    interaction: Simple,
    customer: Option<Simple>,
    metric: Metric,
    state: State,
    locale: Option<Locale>,
    timezone: Option<&'a str>,
    channel: Option<&'a str>,
    expires: i64,
    sent: Option<i64>,
    sent_day: Option<i32>,
    now: i64,
}

macro_rules! invitations {
    ($rows:literal) => {
        concat!(
            "INSERT INTO invitation (id, survey_id, interaction_id, customer_id, metric, state, locale, timezone, channel, expires_at, sent_at,
                 sent_day, created_at) ",
            $rows
        )
    };
}
const INVITATIONS_SQLITE: &str = invitations!(
    "SELECT unhex(value ->> 'id'), unhex(value ->> 'survey'), unhex(value ->> 'interaction'), unhex(value ->> 'customer'), value ->> 'metric',
         value ->> 'state', value ->> 'locale', value ->> 'timezone', value ->> 'channel', value ->> 'expires', value ->> 'sent', value ->> 'sent_day',
         value ->> 'now'
     FROM jsonb_each($1)"
);
const INVITATIONS_POSTGRES: &str = invitations!(
    "SELECT id, survey, interaction, customer, metric, state, locale, timezone, channel, expires, sent, sent_day, now FROM json_to_recordset($1::json)
         AS r (id uuid, survey uuid, interaction uuid, customer uuid, metric text, state text, locale text, timezone text, channel text, expires bigint,
         sent bigint, sent_day integer, now bigint)"
);

/// Stores invitations, each with its metric and, where it is sent at once, the day of that.
///
/// # Errors
/// When the database cannot store them.
pub async fn insert_invitations(tx: &mut Tx, invitations: &[(Invitation, Metric, Option<i32>)]) -> Result<()> {
    let rows: Vec<InvitationRow<'_>> = invitations
        .iter()
        .map(|(invitation, metric, sent_day)| InvitationRow {
            id: invitation.id.0.simple(),
            survey: invitation.survey_id.0.simple(),
            interaction: invitation.interaction_id.0.simple(),
            customer: invitation.customer_id.map(|id| id.0.simple()),
            metric: *metric,
            state: invitation.state,
            locale: invitation.locale,
            timezone: invitation.timezone.as_deref(),
            channel: invitation.channel.as_deref(),
            expires: invitation.expires_at.as_millis(),
            sent: invitation.sent_at.map(Timestamp::as_millis),
            sent_day: *sent_day,
            now: invitation.created_at.as_millis(),
        })
        .collect();
    let (sql, json) = (tx.pick(INVITATIONS_SQLITE, INVITATIONS_POSTGRES), to_json(&rows)?);
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(json).execute(conn).await?;
    });
    Ok(())
}
