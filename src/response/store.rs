//! The only SQL about responses that writes: as many statements for a batch as for one vote.

use serde::Serialize;
use uuid::Uuid;

use super::count::{Answer, Ballot};
use super::human::Evidence;
use super::{ResponseId, Status, Via};
use crate::clock::Timestamp;
use crate::db::{Json, Result, Session, Tx, on_engine, to_json};
use crate::i18n::Locale;
use crate::intake::SourceId;
use crate::invitation::{InteractionId, InvitationId, State};
use crate::survey::SurveyId;
use crate::tally::Group;

#[derive(sqlx::FromRow)]
struct BallotRow {
    id: InvitationId,
    survey_id: SurveyId,
    interaction_id: InteractionId,
    state: State,
    expires_at: Timestamp,
    locale: Option<Locale>,
    asked_by: Option<String>,
    sent_day: Option<i32>,
    agent_key: Option<String>,
    team: Option<String>,
    channel: Option<String>,
    touchpoint: Option<String>,
    source_id: Option<SourceId>,
    segment: Option<String>,
    product: Option<String>,
    tags: Json<Vec<String>>,
    response_id: Option<ResponseId>,
    raw: Option<i16>,
    score: Option<i16>,
    comment: Option<String>,
    consent: Option<bool>,
    day: Option<i32>,
    version_count: Option<i32>,
    form_at: Option<Timestamp>,
    first_answered_at: Option<Timestamp>,
    excluded: Option<String>,
}

impl BallotRow {
    fn answer(&self) -> Option<Answer> {
        Some(Answer {
            id: self.response_id?,
            raw: u8::try_from(self.raw?).ok()?,
            score: u8::try_from(self.score?).ok()?,
            comment: self.comment.clone(),
            consent: self.consent?,
            day: self.day?,
            versions: self.version_count?,
            form_at: self.form_at,
            first_answered_at: self.first_answered_at?,
            is_excluded: self.excluded.is_some(),
        })
    }
}

/// A ballot with its survey's id and the customer's language.
#[derive(Debug)]
pub struct Found {
    /// The survey.
    pub survey: SurveyId,
    /// The customer's language, where it is one of ours.
    pub locale: Option<Locale>,
    /// The ballot; its group's language is empty until the survey is known.
    pub ballot: Ballot,
}

impl From<BallotRow> for Found {
    fn from(row: BallotRow) -> Self {
        let answer = row.answer();
        let group = Group {
            agent: row.agent_key.unwrap_or_default(),
            team: row.team.unwrap_or_default(),
            channel: row.channel.unwrap_or_default(),
            touchpoint: row.touchpoint.unwrap_or_default(),
            locale: row.locale.map(|locale| locale.to_string()).unwrap_or_default(),
            source: row.source_id.map(|id| id.to_string()).unwrap_or_default(),
            segment: row.segment.unwrap_or_default(),
            product: row.product.unwrap_or_default(),
        };
        let ballot = Ballot {
            id: row.id,
            interaction: row.interaction_id,
            state: row.state,
            expires_at: row.expires_at,
            via: Via::of_channel(row.asked_by.as_deref()),
            sent_day: row.sent_day,
            group,
            tags: row.tags.0,
            answer,
        };
        Self { survey: row.survey_id, locale: row.locale, ballot }
    }
}

macro_rules! ballots {
    ($ids:literal, $response:literal, $lock:literal) => {
        concat!(
            "SELECT invitation.id, invitation.survey_id, invitation.interaction_id, invitation.state, invitation.expires_at, invitation.locale,
                 invitation.channel AS asked_by, invitation.sent_day, interaction.agent_key, interaction.team, interaction.channel, interaction.touchpoint, interaction.source_id,
                 interaction.segment, interaction.product, interaction.tags, response.id AS response_id, response.raw, response.score, response.comment,
                 response.consent, response.day, response.version_count, response.form_at, response.first_answered_at, response.excluded
             FROM invitation JOIN interaction ON interaction.id = invitation.interaction_id LEFT JOIN ",
            $response,
            " WHERE invitation.id ",
            $ids,
            $lock
        )
    };
}
const BALLOTS_SQLITE: &str =
    ballots!("IN (SELECT unhex(value) FROM json_each($1))", "response ON response.invitation_id = invitation.id", "");
// An array is looked up by index whatever PostgreSQL believes of the table's size, and LATERAL keeps it from reading all responses: a plan made
// while there were few is kept when there are many. Two nodes lock in the same order, so that neither waits for the other crosswise.
const BALLOTS_POSTGRES: &str = ballots!(
    "= ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))",
    "LATERAL (SELECT * FROM response WHERE response.invitation_id = invitation.id LIMIT 1) AS response ON true",
    " ORDER BY invitation.id FOR UPDATE OF invitation"
);

/// The ballots of these invitations, locked until the transaction ends.
///
/// # Errors
/// When the database cannot answer.
pub async fn take_ballots(tx: &mut Tx, ids: &[InvitationId]) -> Result<Vec<Found>> {
    let sql = tx.pick(BALLOTS_SQLITE, BALLOTS_POSTGRES);
    let json = hex_list(ids.iter().map(|id| id.0))?;
    let rows: Vec<BallotRow> = on_engine!(tx, |conn| sqlx::query_as(sql).bind(json).fetch_all(conn).await?);
    Ok(rows.into_iter().map(Found::from).collect())
}

macro_rules! given_elsewhere {
    ($lock:literal) => {
        concat!(
            "SELECT response.id, response.survey_id, response.interaction_id, CAST('answered' AS TEXT) AS state, response.first_answered_at AS expires_at,
                 response.locale, CAST(NULL AS TEXT) AS asked_by, CAST(NULL AS INTEGER) AS sent_day, interaction.agent_key, interaction.team, interaction.channel, interaction.touchpoint,
                 interaction.source_id, interaction.segment, interaction.product, interaction.tags, response.id AS response_id, response.raw,
                 response.score, response.comment, response.consent, response.day, response.version_count, response.form_at,
                 response.first_answered_at, response.excluded
             FROM response JOIN interaction ON interaction.id = response.interaction_id
             WHERE response.id = $1 AND response.invitation_id IS NULL",
            $lock
        )
    };
}
const GIVEN_ELSEWHERE_SQLITE: &str = given_elsewhere!("");
const GIVEN_ELSEWHERE_POSTGRES: &str = given_elsewhere!(" FOR UPDATE OF response");

/// An answer to no invitation in the form of a ballot, locked until the transaction ends. What it says of its invitation means nothing.
///
/// # Errors
/// When the database cannot answer.
pub async fn take_given_elsewhere(tx: &mut Tx, id: ResponseId) -> Result<Option<Found>> {
    let sql = tx.pick(GIVEN_ELSEWHERE_SQLITE, GIVEN_ELSEWHERE_POSTGRES);
    let row: Option<BallotRow> = on_engine!(tx, |conn| sqlx::query_as(sql).bind(id).fetch_optional(conn).await?);
    Ok(row.map(Found::from))
}

pub(super) fn hex_list(ids: impl Iterator<Item = Uuid>) -> Result<String> {
    to_json(&ids.map(hex).collect::<Vec<_>>())
}

fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

/// One answer as both engines read it from JSON.
#[derive(Debug, Serialize)]
pub struct Row {
    id: String,
    survey: String,
    interaction: String,
    invitation: Option<String>,
    raw: u8,
    score: u8,
    comment: Option<String>,
    consent: bool,
    locale: Locale,
    via: Via,
    day: i32,
    versions: i32,
    form_at: Option<i64>,
    first: i64,
    now: i64,
}

impl Row {
    /// The row of a ballot that has an answer.
    #[must_use]
    pub fn new(survey: SurveyId, ballot: &Ballot, locale: Locale, now: Timestamp) -> Option<Self> {
        let answer = ballot.answer.clone()?;
        let row = Self::given_elsewhere(survey, ballot.interaction, answer, (locale, ballot.via));
        Some(Self { invitation: Some(hex(ballot.id.0)), now: now.as_millis(), ..row })
    }

    /// The row of an answer to no invitation.
    #[must_use]
    pub fn given_elsewhere(survey: SurveyId, interaction: InteractionId, answer: Answer, (locale, via): (Locale, Via)) -> Self {
        Self {
            id: hex(answer.id.0),
            survey: hex(survey.0),
            interaction: hex(interaction.0),
            invitation: None,
            raw: answer.raw,
            score: answer.score,
            comment: answer.comment,
            consent: answer.consent,
            locale,
            via,
            day: answer.day,
            versions: answer.versions,
            form_at: answer.form_at.map(Timestamp::as_millis),
            first: answer.first_answered_at.as_millis(),
            now: answer.first_answered_at.as_millis(),
        }
    }
}

/// One version of an answer as both engines read it from JSON.
#[derive(Debug, Serialize)]
pub struct Version {
    response: String,
    number: i32,
    raw: u8,
    comment: Option<String>,
    consent: bool,
    evidence: Evidence,
    now: i64,
}

impl Version {
    /// The version that an answer is at.
    #[must_use]
    pub fn of(answer: &Answer, evidence: Evidence, now: Timestamp) -> Self {
        Self {
            response: hex(answer.id.0),
            number: answer.versions,
            raw: answer.raw,
            comment: answer.comment.clone(),
            consent: answer.consent,
            evidence,
            now: now.as_millis(),
        }
    }
}

// Three statements in one text on SQLite and in one statement on PostgreSQL: the way to a database is longer than its work.
const STORE_SQLITE: &str = "INSERT INTO response (id, survey_id, interaction_id, invitation_id, raw, score, comment, consent, locale, via, status, published,
        day, version_count, form_at, first_answered_at, answered_at)
    SELECT unhex(value ->> 'id'), unhex(value ->> 'survey'), unhex(value ->> 'interaction'), unhex(value ->> 'invitation'), value ->> 'raw', value ->> 'score',
        value ->> 'comment', value ->> 'consent', value ->> 'locale', value ->> 'via', $4, false, value ->> 'day', value ->> 'versions', value ->> 'form_at',
        value ->> 'first', value ->> 'now'
    FROM jsonb_each($1) WHERE true
    ON CONFLICT (id) DO UPDATE SET raw = excluded.raw, score = excluded.score, comment = excluded.comment, consent = excluded.consent,
        version_count = excluded.version_count, form_at = excluded.form_at, answered_at = excluded.answered_at;
    INSERT INTO response_version (response_id, version, raw, comment, consent, evidence, created_at)
    SELECT unhex(value ->> 'response'), value ->> 'number', value ->> 'raw', value ->> 'comment', value ->> 'consent', value ->> 'evidence', value ->> 'now'
    FROM jsonb_each($2);
    UPDATE invitation SET state = 'answered' WHERE id IN (SELECT unhex(value) FROM json_each($3))";

const STORE_POSTGRES: &str = "WITH stored AS (
        INSERT INTO response (id, survey_id, interaction_id, invitation_id, raw, score, comment, consent, locale, via, status, published,
            day, version_count, form_at, first_answered_at, answered_at)
        SELECT id, survey, interaction, invitation, raw, score, comment, consent, locale, via, $4, false, day, versions, form_at, first, now
        FROM json_to_recordset($1::json) AS r (id uuid, survey uuid, interaction uuid, invitation uuid, raw smallint, score smallint, comment text,
            consent boolean, locale text, via text, day integer, versions integer, form_at bigint, first bigint, now bigint)
        ON CONFLICT (id) DO UPDATE SET raw = excluded.raw, score = excluded.score, comment = excluded.comment, consent = excluded.consent,
            version_count = excluded.version_count, form_at = excluded.form_at, answered_at = excluded.answered_at),
    appended AS (
        INSERT INTO response_version (response_id, version, raw, comment, consent, evidence, created_at)
        SELECT response, number, raw, comment, consent, evidence, now
        FROM json_to_recordset($2::json) AS r (response uuid, number integer, raw smallint, comment text, consent boolean, evidence text, now bigint))
    UPDATE invitation SET state = 'answered' WHERE id = ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($3::json)))";

/// Stores answers as they are now, appends their versions, and writes down which invitations were answered.
///
/// # Errors
/// When the database cannot store them.
pub async fn store(tx: &mut Tx, rows: &[&Row], versions: &[Version], answered: &[InvitationId]) -> Result<()> {
    let sql = tx.pick(STORE_SQLITE, STORE_POSTGRES);
    let (rows, versions, answered) = (to_json(&rows)?, to_json(&versions)?, hex_list(answered.iter().map(|id| id.0))?);
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(rows).bind(versions).bind(answered).bind(Status::New).execute(conn).await?;
    });
    Ok(())
}

/// A link that was opened with a score, and nobody acted yet.
#[derive(Debug, Serialize)]
pub struct Open {
    invitation: String,
    score: u8,
    now: i64,
}

impl Open {
    /// The link of this invitation, opened with this score.
    #[must_use]
    pub fn new(invitation: InvitationId, score: u8, now: Timestamp) -> Self {
        Self { invitation: hex(invitation.0), score, now: now.as_millis() }
    }
}

const OPENS_SQLITE: &str =
    "UPDATE invitation SET unconfirmed_score = o.value ->> 'score', unconfirmed_at = o.value ->> 'now' FROM jsonb_each($1) AS o
    WHERE invitation.id = unhex(o.value ->> 'invitation') AND invitation.unconfirmed_at IS NULL";
const OPENS_POSTGRES: &str = "UPDATE invitation SET unconfirmed_score = o.score, unconfirmed_at = o.now
    FROM json_to_recordset($1::json) AS o (invitation uuid, score smallint, now bigint)
    WHERE invitation.id = o.invitation AND invitation.unconfirmed_at IS NULL
        AND invitation.id = ANY (ARRAY(SELECT CAST(value ->> 'invitation' AS uuid) FROM json_array_elements($1::json)))";

/// Keeps the first opening of each link: it counts nowhere, and tells how much of the mail is scanned.
///
/// # Errors
/// When the database cannot store them.
pub async fn note_opens(tx: &mut Tx, opens: &[Open]) -> Result<()> {
    let sql = tx.pick(OPENS_SQLITE, OPENS_POSTGRES);
    let json = to_json(&opens)?;
    on_engine!(tx, |conn| {
        sqlx::query(sql).bind(json).execute(conn).await?;
    });
    Ok(())
}

/// The invitation that a response answers.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_invitation(session: &mut impl Session, id: ResponseId) -> Result<Option<InvitationId>> {
    let found: Option<Option<InvitationId>> = on_engine!(session, |conn| {
        sqlx::query_scalar("SELECT invitation_id FROM response WHERE id = $1").bind(id).fetch_optional(conn).await?
    });
    Ok(found.flatten())
}

/// Changes what the team says of a response; `None` stays.
///
/// # Errors
/// When the database cannot store it.
pub async fn update(tx: &mut Tx, id: ResponseId, (status, published): (Option<Status>, Option<bool>)) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("UPDATE response SET status = COALESCE($2, status), published = COALESCE($3, published) WHERE id = $1")
            .bind(id)
            .bind(status)
            .bind(published)
            .execute(conn)
            .await?;
    });
    Ok(())
}

/// Notes why a response is left out of the counts; `None` when it counts.
///
/// # Errors
/// When the database cannot store it.
pub async fn set_excluded(tx: &mut Tx, id: ResponseId, reason: Option<&str>) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("UPDATE response SET excluded = $2 WHERE id = $1").bind(id).bind(reason).execute(conn).await?;
    });
    Ok(())
}
