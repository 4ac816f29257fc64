//! The only SQL that lists interactions: first which, by one index or another, then everything about them.

use super::{Filter, Listed};
use crate::db::{Json, Result, Session, on_engine};
use crate::invitation::timeline::store::hex_list;
use crate::invitation::{CustomerId, InteractionId, Outcome};
use crate::survey::SurveyId;

macro_rules! customers {
    ($list:literal) => {
        concat!("SELECT id FROM customer WHERE identity ", $list, " UNION SELECT id FROM customer WHERE ref = $2 LIMIT 500")
    };
}
const CUSTOMERS_SQLITE: &str = customers!("IN (SELECT value FROM json_each($1))");
const CUSTOMERS_POSTGRES: &str = customers!("= ANY (ARRAY(SELECT value FROM json_array_elements_text($1::json)))");

/// The customers with one of these identities, or with this name of the caller's own.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_customers(session: &mut impl Session, identities: &[String], reference: &str) -> Result<Vec<CustomerId>> {
    let sql = session.pick(CUSTOMERS_SQLITE, CUSTOMERS_POSTGRES);
    on_engine!(session, |conn| sqlx::query_scalar(sql).bind(Json(identities)).bind(reference).fetch_all(conn).await)
}

// One statement for each index. What finds the rows has no way out, so that its index is used whatever else is asked for; the order of ids
// is that of arrival. A parameter stands beside its column before it is asked whether it is there: that is how PostgreSQL learns its type.
macro_rules! few {
    ($ticket:literal, $customer:expr) => {
        concat!(
            "SELECT id FROM interaction WHERE (survey_id = $1 OR $1 IS NULL) AND ",
            $ticket,
            " AND ",
            $customer,
            " AND (outcome = $4 OR $4 IS NULL) AND id < $5 ORDER BY id DESC LIMIT $6"
        )
    };
}

/// By ticket, by customer.
macro_rules! both_ways {
    ($customer:literal) => {
        (few!("ticket_id = $2", concat!("(", $customer, " OR $3 IS NULL)")), few!("(ticket_id = $2 OR $2 IS NULL)", $customer))
    };
}
const SQLITE: (&str, &str) = both_ways!("customer_id IN (SELECT unhex(value) FROM json_each($3))");
const POSTGRES: (&str, &str) = both_ways!("customer_id = ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($3::json)))");

/// Interactions that meet every condition and arrived before the one with id `before`, the latest first.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_ids(session: &mut impl Session, filter: &Filter, before: InteractionId, limit: i64) -> Result<Vec<InteractionId>> {
    let sql = match (&filter.ticket, &filter.customers, filter.survey) {
        (Some(_), _, _) => session.pick(SQLITE.0, POSTGRES.0),
        (None, Some(_), _) => session.pick(SQLITE.1, POSTGRES.1),
        (None, None, Some(survey)) => return list_of_survey(session, survey, filter.outcome, (before, limit)).await,
        (None, None, None) => return list_latest(session, filter.outcome, (before, limit)).await,
    };
    let customers = filter.customers.as_ref().map(|customers| hex_list(customers.iter().map(|id| id.0)));
    on_engine!(session, |conn| {
        sqlx::query_scalar(sql)
            .bind(filter.survey)
            .bind(&filter.ticket)
            .bind(customers)
            .bind(filter.outcome)
            .bind(before)
            .bind(limit)
            .fetch_all(conn)
            .await
    })
}

// COALESCE in the two below, because PostgreSQL takes `outcome = $1` for a condition that leaves few rows: it would read and sort all of them
// instead of walking along the ids.

async fn list_of_survey(
    session: &mut impl Session,
    survey: SurveyId,
    outcome: Option<Outcome>,
    (before, limit): (InteractionId, i64),
) -> Result<Vec<InteractionId>> {
    on_engine!(session, |conn| {
        sqlx::query_scalar(
            "SELECT id FROM interaction WHERE survey_id = $1 AND COALESCE(outcome = $2, true) AND id < $3 ORDER BY id DESC LIMIT $4",
        )
        .bind(survey)
        .bind(outcome)
        .bind(before)
        .bind(limit)
        // Not kept: while a survey is small, sorting all of it looks best.
        .persistent(false)
        .fetch_all(conn)
        .await
    })
}

async fn list_latest(
    session: &mut impl Session,
    outcome: Option<Outcome>,
    (before, limit): (InteractionId, i64),
) -> Result<Vec<InteractionId>> {
    on_engine!(session, |conn| {
        sqlx::query_scalar("SELECT id FROM interaction WHERE COALESCE(outcome = $1, true) AND id < $2 ORDER BY id DESC LIMIT $3")
            .bind(outcome)
            .bind(before)
            .bind(limit)
            .fetch_all(conn)
            .await
    })
}

macro_rules! whole {
    ($customer:literal, $invitation:literal, $ids:literal) => {
        concat!(
            "SELECT interaction.id, survey.slug, survey.metric, interaction.source_id, source.kind AS source_kind, source.name AS source_name,
                 interaction.ticket, interaction.agent, interaction.team, interaction.channel, interaction.tags, interaction.touchpoint,
                 interaction.segment, interaction.product, interaction.locale, interaction.outcome, interaction.reason, interaction.until_at,
                 interaction.explanation, interaction.created_at, customer.email, customer.phone, customer.name, customer.ref AS reference,
                 invitation.timezone, invitation.id AS invitation_id, invitation.state, invitation.channel AS asked_by,
                 invitation.expires_at, invitation.created_at AS invited_at, invitation.sent_at,
                 invitation.unconfirmed_score, invitation.unconfirmed_at
             FROM interaction JOIN survey ON survey.id = interaction.survey_id LEFT JOIN source ON source.id = interaction.source_id LEFT JOIN ",
            $customer,
            " LEFT JOIN ",
            $invitation,
            " WHERE interaction.id ",
            $ids,
            " ORDER BY interaction.id DESC"
        )
    };
}
const WHOLE_SQLITE: &str = whole!(
    "customer ON customer.id = interaction.customer_id",
    "invitation ON invitation.interaction_id = interaction.id",
    "IN (SELECT unhex(value) FROM json_each($1))"
);
// LATERAL keeps PostgreSQL from reading whole tables: a plan made while there were few rows is kept when there are many.
const WHOLE_POSTGRES: &str = whole!(
    "LATERAL (SELECT * FROM customer WHERE customer.id = interaction.customer_id LIMIT 1) AS customer ON true",
    "LATERAL (SELECT * FROM invitation WHERE invitation.interaction_id = interaction.id LIMIT 1) AS invitation ON true",
    "= ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))"
);

/// Everything about these interactions, the latest first.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(session: &mut impl Session, ids: &[InteractionId]) -> Result<Vec<Listed>> {
    let sql = session.pick(WHOLE_SQLITE, WHOLE_POSTGRES);
    let ids = hex_list(ids.iter().map(|id| id.0));
    on_engine!(session, |conn| sqlx::query_as(sql).bind(ids).fetch_all(conn).await)
}
