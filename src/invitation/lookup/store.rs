//! The only SQL about closings that wait for their customer.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::{Json, Result, Session, Tx, on_engine};
use crate::intake::{Interaction, SourceId};
use crate::survey::SurveyId;

/// A closing whose customer is looked up.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Waiting {
    /// Its id.
    pub id: Uuid,
    /// The survey it is for.
    pub survey_id: SurveyId,
    /// Where it came from.
    pub source_id: SourceId,
    /// The delivery that it was in.
    pub event_id: Uuid,
    /// Its place among the events of the delivery, from 0.
    pub place: i32,
    /// What tells it from others where ticket and instant do not.
    pub request_key: Option<String>,
    /// What was read of it.
    pub interaction: Json<Interaction>,
    /// What to ask first.
    pub questions: Json<Vec<String>>,
    /// When the ticket was opened again, if it was.
    pub reopened_at: Option<Timestamp>,
}

/// Stores a closing that waits; false when the same closing waits already.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, waiting: &Waiting, closure_key: &str, now: Timestamp) -> Result<bool> {
    let inserted = on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO lookup (id, survey_id, source_id, event_id, place, closure_key, ticket_id, request_key, interaction, questions, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (survey_id, closure_key) DO NOTHING",
        )
        .bind(waiting.id)
        .bind(waiting.survey_id)
        .bind(waiting.source_id)
        .bind(waiting.event_id)
        .bind(waiting.place)
        .bind(closure_key)
        .bind(&waiting.interaction.0.ticket.id)
        .bind(&waiting.request_key)
        .bind(Json(&waiting.interaction.0))
        .bind(Json(&waiting.questions.0))
        .bind(now)
        .execute(conn)
        .await?
        .rows_affected()
    });
    Ok(inserted > 0)
}

/// The closing with this id, if it still waits.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(session: &mut impl Session, id: Uuid) -> Result<Option<Waiting>> {
    on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT id, survey_id, source_id, event_id, place, request_key, interaction, questions, reopened_at FROM lookup WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(conn)
        .await
    })
}

/// Takes a closing out, to be decided in the same transaction. What was noted of it up to now counts.
///
/// # Errors
/// When the database cannot store it.
pub async fn take(tx: &mut Tx, id: Uuid) -> Result<Option<Waiting>> {
    on_engine!(tx, |conn| {
        sqlx::query_as(
            "DELETE FROM lookup WHERE id = $1
             RETURNING id, survey_id, source_id, event_id, place, request_key, interaction, questions, reopened_at",
        )
        .bind(id)
        .fetch_optional(conn)
        .await
    })
}

/// Notes that a ticket was opened again.
///
/// # Errors
/// When the database cannot store it.
pub async fn reopen(tx: &mut Tx, survey: SurveyId, ticket: &str, now: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("UPDATE lookup SET reopened_at = $3 WHERE survey_id = $1 AND ticket_id = $2 AND reopened_at IS NULL")
            .bind(survey)
            .bind(ticket)
            .bind(now)
            .execute(conn)
            .await?;
    });
    Ok(())
}
