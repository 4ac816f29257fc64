//! The only SQL about what the policy has to know: as many statements for a batch as for one interaction.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use uuid::fmt::Simple;

use crate::clock::Timestamp;
use crate::db::{Engine, Result, Session, Tx, on_engine, to_json};
use crate::invitation::store::Decided;
use crate::invitation::suppression::Cause;
use crate::invitation::{CustomerId, InvitationId, State};
use crate::metric::Metric;
use crate::survey::SurveyId;

/// What names a closing: the survey, and the same text for two events of the same closing.
pub type ClosureKey = (SurveyId, String);

#[derive(Serialize)]
struct KeyRow<'a> {
    survey: Simple,
    key: &'a str,
}

impl<'a> KeyRow<'a> {
    fn new((survey, key): &'a (SurveyId, String)) -> Self {
        Self { survey: survey.0.simple(), key }
    }
}

#[derive(sqlx::FromRow)]
struct KnownRow {
    survey_id: SurveyId,
    closure_key: String,
    #[sqlx(flatten)]
    decided: Decided,
    invitation_id: Option<InvitationId>,
    state: Option<State>,
    expires_at: Option<Timestamp>,
}

macro_rules! closures {
    ($keys:literal, $interaction:literal, $invitation:literal) => {
        concat!(
            "SELECT interaction.survey_id, interaction.closure_key, interaction.id, interaction.outcome, interaction.reason, interaction.until_at,
                 interaction.explanation, invitation.id AS invitation_id, invitation.state, invitation.expires_at FROM ",
            $keys,
            $interaction,
            " LEFT JOIN ",
            $invitation
        )
    };
}
// SQLite takes the tables of a CROSS JOIN in the order they are written. PostgreSQL keeps a plan that it made while the table was small, when all
// indexes looked alike; IS NOT DISTINCT FROM is a comparison that it answers by no index, so that only the one that begins with the key is left.
const CLOSURES_SQLITE: &str = closures!(
    "jsonb_each($1) AS k CROSS JOIN ",
    "interaction ON interaction.survey_id = unhex(k.value ->> 'survey') AND interaction.closure_key = k.value ->> 'key'",
    "invitation ON invitation.interaction_id = interaction.id"
);
const CLOSURES_POSTGRES: &str = closures!(
    "json_to_recordset($1::json) AS k (survey uuid, key text) JOIN ",
    "LATERAL (SELECT * FROM interaction WHERE closure_key = k.key AND survey_id IS NOT DISTINCT FROM k.survey LIMIT 1) AS interaction ON true",
    "LATERAL (SELECT * FROM invitation WHERE interaction_id = interaction.id LIMIT 1) AS invitation ON true"
);

/// An invitation as far as the answer tells of it.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Its id.
    pub id: InvitationId,
    /// What has become of it.
    pub state: State,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
}

/// The closings among these that were decided before, with the invitations that came of them.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_closures(tx: &mut Tx, keys: &[&ClosureKey]) -> Result<HashMap<ClosureKey, (Decided, Option<Asked>)>> {
    let sql = tx.pick(CLOSURES_SQLITE, CLOSURES_POSTGRES);
    let json = to_json(&keys.iter().map(|key| KeyRow::new(key)).collect::<Vec<_>>())?;
    let rows: Vec<KnownRow> = on_engine!(tx, |conn| sqlx::query_as(sql).bind(json).fetch_all(conn).await?);
    let known = rows.into_iter().map(|row| {
        let asked = match (row.invitation_id, row.state, row.expires_at) {
            (Some(id), Some(state), Some(expires_at)) => Some(Asked { id, state, expires_at }),
            _ => None,
        };
        ((row.survey_id, row.closure_key), (row.decided, asked))
    });
    Ok(known.collect())
}

/// Whether what another transaction commits meanwhile can be seen by a later statement of this one: on SQLite nobody else writes.
pub fn sees_others(tx: &mut Tx) -> bool {
    matches!(tx.connection(), Engine::Postgres(_))
}

const SUPPRESSIONS_SQLITE: &str = "SELECT identity, reason FROM suppression WHERE identity IN (SELECT value FROM json_each($1))";
const SUPPRESSIONS_POSTGRES: &str =
    "SELECT identity, reason FROM suppression WHERE identity = ANY (ARRAY(SELECT value FROM json_array_elements_text($1::json)))";

/// Why mail to some of these identities is suppressed.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_suppressions(session: &mut impl Session, identities: &[&str]) -> Result<HashMap<String, Cause>> {
    let (sql, json) = (session.pick(SUPPRESSIONS_SQLITE, SUPPRESSIONS_POSTGRES), to_json(identities)?);
    let found: Vec<(String, Cause)> = on_engine!(session, |conn| sqlx::query_as(sql).bind(json).fetch_all(conn).await?);
    Ok(found.into_iter().collect())
}

const LAST_ASKED_SQLITE: &str =
    "SELECT customer_id, metric, MAX(created_at) FROM invitation WHERE customer_id IN (SELECT unhex(value) FROM json_each($1))
    AND (state NOT IN ('withdrawn', 'failed') OR sent_at IS NOT NULL
            OR state = 'withdrawn' AND (SELECT MAX(attempt_count) FROM outbox WHERE subject_id = invitation.id) > 0) GROUP BY customer_id, metric";
// Customer by customer: asked about all at once, PostgreSQL walks through every invitation there is, because they come in the order of customers.
const LAST_ASKED_POSTGRES: &str = "SELECT customer.id, asked.metric, asked.at FROM
    (SELECT DISTINCT CAST(value AS uuid) AS id FROM json_array_elements_text($1::json)) AS customer
    CROSS JOIN LATERAL (SELECT metric, MAX(created_at) AS at FROM invitation WHERE customer_id = customer.id
        AND (state NOT IN ('withdrawn', 'failed') OR sent_at IS NOT NULL
            OR state = 'withdrawn' AND (SELECT MAX(attempt_count) FROM outbox WHERE subject_id = invitation.id) > 0) GROUP BY metric) AS asked";

/// When each of these customers was last asked about each metric. What was taken back before
/// anybody tried to send it, or never left, does not count: of what is being sent nobody knows yet whether it arrives.
///
/// # Errors
/// When the database cannot answer.
pub async fn last_asked(session: &mut impl Session, customers: &[CustomerId]) -> Result<Vec<(CustomerId, Metric, Timestamp)>> {
    let sql = session.pick(LAST_ASKED_SQLITE, LAST_ASKED_POSTGRES);
    let json = to_json(&customers.iter().map(|id| id.0.simple()).collect::<Vec<_>>())?;
    on_engine!(session, |conn| sqlx::query_as(sql).bind(json).fetch_all(conn).await)
}

macro_rules! open_tickets {
    ($what:literal, $keys:literal, $from:literal, $survey:literal, $ticket:literal, $to:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM ",
            $keys,
            $from,
            " (SELECT 1 FROM interaction JOIN invitation ON invitation.interaction_id = interaction.id
                 WHERE interaction.ticket_id = ",
            $ticket,
            " AND interaction.survey_id IS NOT DISTINCT FROM ",
            $survey,
            " AND invitation.state IN ('scheduled', 'sent') AND invitation.expires_at > $2",
            $to
        )
    };
}
const OPEN_SQLITE: &str = open_tickets!(
    "unhex(k.value ->> 'survey'), k.value ->> 'key'",
    "jsonb_each($1) AS k",
    " WHERE EXISTS",
    "unhex(k.value ->> 'survey')",
    "k.value ->> 'key'",
    ")"
);
const OPEN_POSTGRES: &str = open_tickets!(
    "k.survey, k.key",
    "json_to_recordset($1::json) AS k (survey uuid, key text)",
    " JOIN LATERAL",
    "k.survey",
    "k.key",
    " LIMIT 1) AS asked ON true"
);

/// The tickets among these (survey and id) about which an answer is still waited for.
///
/// # Errors
/// When the database cannot answer.
pub async fn open_tickets(
    session: &mut impl Session,
    tickets: &[&(SurveyId, String)],
    now: Timestamp,
) -> Result<HashSet<(SurveyId, String)>> {
    let sql = session.pick(OPEN_SQLITE, OPEN_POSTGRES);
    let json = to_json(&tickets.iter().map(|ticket| KeyRow::new(ticket)).collect::<Vec<_>>())?;
    let open: Vec<(SurveyId, String)> = on_engine!(session, |conn| sqlx::query_as(sql).bind(json).bind(now).fetch_all(conn).await?);
    Ok(open.into_iter().collect())
}
