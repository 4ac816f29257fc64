//! The only SQL about surveys.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use uuid::Uuid;

use super::{Brand, Channel, DeliverMode, Display, PAUSED, Policy, Public, Survey, SurveyId, Texts, WeekStart};
use crate::clock::Timestamp;
use crate::db::cache::Kept;
use crate::db::changes::Change;
use crate::db::{Error, Json, Read, Result, Session, Tx, on_engine};
use crate::gateway;
use crate::i18n::Locale;
use crate::metric::{Metric, Scale};

impl Kept for Survey {
    fn changed_by(change: Change) -> Option<Uuid> {
        if let Change::Survey(id) = change { Some(id) } else { None }
    }

    async fn find(read: &mut Read, id: Uuid) -> Result<Option<Self>> {
        find(read, SurveyId(id)).await
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: SurveyId,
    slug: String,
    name: String,
    metric: Metric,
    scale: Scale,
    display: Display,
    company: Option<String>,
    locale: Locale,
    timezone: String,
    texts: Json<BTreeMap<Locale, Texts>>,
    brand: Json<Brand>,
    deliver: Json<Vec<Channel>>,
    deliver_mode: DeliverMode,
    policy: Json<Policy>,
    week_start: WeekStart,
    public: Json<Public>,
    archived_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl TryFrom<Row> for Survey {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            slug: row.slug,
            name: row.name,
            metric: row.metric,
            scale: row.scale,
            display: row.display,
            company: row.company,
            locale: row.locale,
            timezone: row.timezone.parse::<Tz>().map_err(|error| Error::Decode(Box::new(error)))?,
            texts: row.texts.0,
            brand: row.brand.0,
            deliver: row.deliver.0,
            deliver_mode: row.deliver_mode,
            gateways: BTreeMap::new(),
            policy: row.policy.0,
            week_start: row.week_start,
            public: row.public.0,
            archived_at: row.archived_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// The survey with this id.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(session: &mut impl Session, id: SurveyId) -> Result<Option<Survey>> {
    let row: Option<Row> =
        on_engine!(session, |conn| { sqlx::query_as("SELECT * FROM survey WHERE id = $1").bind(id).fetch_optional(conn).await? });
    complete(session, row).await
}

/// The survey with this slug.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_by_slug(session: &mut impl Session, slug: &str) -> Result<Option<Survey>> {
    let row: Option<Row> =
        on_engine!(session, |conn| { sqlx::query_as("SELECT * FROM survey WHERE slug = $1").bind(slug).fetch_optional(conn).await? });
    complete(session, row).await
}

async fn complete(session: &mut impl Session, row: Option<Row>) -> Result<Option<Survey>> {
    let Some(mut survey) = row.map(Survey::try_from).transpose()? else { return Ok(None) };
    read_gateways(session, &mut survey).await?;
    Ok(Some(survey))
}

/// Reads what the gateways of a survey reach customers by; one that is not there stays unknown.
///
/// # Errors
/// When the database cannot answer.
pub async fn read_gateways(session: &mut impl Session, survey: &mut Survey) -> Result<()> {
    for channel in &survey.deliver {
        if let Channel::Gateway(name) = channel
            && let Some(found) = gateway::store::find(session, name).await?
        {
            survey.gateways.insert(name.clone(), found.definition.dial());
        }
    }
    Ok(())
}

/// Surveys in order of creation, after the one with id `after`, without what their gateways reach customers by.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(session: &mut impl Session, after: SurveyId, limit: i64) -> Result<Vec<Survey>> {
    let rows: Vec<Row> = on_engine!(session, |conn| {
        sqlx::query_as("SELECT * FROM survey WHERE id > $1 ORDER BY id LIMIT $2").bind(after).bind(limit).fetch_all(conn).await?
    });
    rows.into_iter().map(Survey::try_from).collect()
}

/// Stores a new survey; false when its slug is used.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, survey: &Survey) -> Result<bool> {
    let inserted = on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO survey (id, slug, name, metric, scale, display, company, locale, timezone, texts, brand, deliver, deliver_mode, policy, week_start, public, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT (slug) DO NOTHING",
        )
        .bind(survey.id)
        .bind(&survey.slug)
        .bind(&survey.name)
        .bind(survey.metric)
        .bind(survey.scale)
        .bind(survey.display)
        .bind(&survey.company)
        .bind(survey.locale)
        .bind(survey.timezone.name())
        .bind(Json(&survey.texts))
        .bind(Json(&survey.brand))
        .bind(Json(&survey.deliver))
        .bind(survey.deliver_mode)
        .bind(Json(&survey.policy))
        .bind(survey.week_start)
        .bind(Json(&survey.public))
        .bind(survey.created_at)
        .bind(survey.updated_at)
        .execute(conn)
        .await?
        .rows_affected()
    });
    tx.announce(Change::Survey(survey.id.0));
    Ok(inserted > 0)
}

/// Replaces what may change of a survey.
///
/// # Errors
/// When the database cannot store it.
pub async fn update(tx: &mut Tx, survey: &Survey) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query(
            "UPDATE survey SET name = $2, metric = $3, scale = $4, display = $5, company = $6, locale = $7, timezone = $8, texts = $9, brand = $10,
             deliver = $11, deliver_mode = $12, policy = $13, week_start = $14, public = $15, archived_at = $16, updated_at = $17 WHERE id = $1",
        )
        .bind(survey.id)
        .bind(&survey.name)
        .bind(survey.metric)
        .bind(survey.scale)
        .bind(survey.display)
        .bind(&survey.company)
        .bind(survey.locale)
        .bind(survey.timezone.name())
        .bind(Json(&survey.texts))
        .bind(Json(&survey.brand))
        .bind(Json(&survey.deliver))
        .bind(survey.deliver_mode)
        .bind(Json(&survey.policy))
        .bind(survey.week_start)
        .bind(Json(&survey.public))
        .bind(survey.archived_at)
        .bind(survey.updated_at)
        .execute(conn)
        .await?;
    });
    tx.announce(Change::Survey(survey.id.0));
    Ok(())
}

/// Makes the messages due that were held because a survey was paused.
///
/// # Errors
/// When the database cannot store it.
pub async fn release(tx: &mut Tx, id: SurveyId, now: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query(
            "UPDATE outbox SET due_at = $2 WHERE survey_id = $1 AND state = 'waiting' AND due_at > $2 AND lease_token IS NULL AND last_error = $3",
        )
        .bind(id)
        .bind(now)
        .bind(PAUSED)
        .execute(conn)
        .await?;
    });
    tx.announce(Change::Outbox);
    Ok(())
}

/// Whether anybody has answered: metric, scale and time zone are fixed from then on.
///
/// # Errors
/// When the database cannot answer.
pub async fn has_responses(session: &mut impl Session, id: SurveyId) -> Result<bool> {
    on_engine!(session, |conn| {
        let found: Option<i32> =
            sqlx::query_scalar("SELECT 1 FROM response WHERE survey_id = $1 LIMIT 1").bind(id).fetch_optional(conn).await?;
        Ok(found.is_some())
    })
}
