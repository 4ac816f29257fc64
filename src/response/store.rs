//! The only SQL about responses that writes: as many statements for a batch as for one vote.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::count::{Answer, Ballot};
use super::human::Evidence;
use super::row::{Row, Version};
use super::{ResponseId, Status, Via};
use crate::clock::{Timestamp, stored};
use crate::db::script::{Next, Statement, Values};
use crate::db::{Db, Engine, Json, Result, Session, Tx, on_engine, to_json};
use crate::i18n::Locale;
use crate::intake::SourceId;
use crate::invitation::{InteractionId, InvitationId, State};
use crate::survey::SurveyId;
use crate::tally::Group;

#[derive(sqlx::FromRow, Deserialize)]
struct BallotRow {
    id: InvitationId,
    survey_id: SurveyId,
    interaction_id: InteractionId,
    state: State,
    #[serde(deserialize_with = "stored::instant")]
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
    #[serde(deserialize_with = "stored::maybe")]
    form_at: Option<Timestamp>,
    #[serde(deserialize_with = "stored::maybe")]
    first_answered_at: Option<Timestamp>,
    #[serde(deserialize_with = "stored::maybe")]
    answered_at: Option<Timestamp>,
    evidence: Option<Evidence>,
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
            answered_at: self.answered_at?,
            evidence: self.evidence?,
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

// The fields of BallotRow in their order, as one text: SQLite copies every value of a row by itself, and wakes whoever waits for every row.
const BALLOTS_SQLITE: &str = "SELECT json_group_array(json_array(hex(invitation.id), hex(invitation.survey_id), hex(invitation.interaction_id),
        invitation.state, invitation.expires_at, invitation.locale, invitation.channel, invitation.sent_day, interaction.agent_key, interaction.team,
        interaction.channel, interaction.touchpoint, NULLIF(hex(interaction.source_id), ''), interaction.segment, interaction.product,
        json(interaction.tags), NULLIF(hex(response.id), ''), response.raw, response.score, response.comment,
        json(iif(response.consent, 'true', 'false')), response.day, response.version_count, response.form_at, response.first_answered_at,
        response.answered_at, response.evidence, response.excluded))
    FROM invitation JOIN interaction ON interaction.id = invitation.interaction_id LEFT JOIN response ON response.invitation_id = invitation.id
    WHERE invitation.id IN (SELECT unhex(value) FROM json_each($1))";
// An array is looked up by index whatever PostgreSQL believes of the table's size, and LATERAL keeps it from reading all responses: a plan made
// while there were few is kept when there are many. Two nodes lock in the same order, so that neither waits for the other crosswise.
const BALLOTS_POSTGRES: &str = "SELECT invitation.id, invitation.survey_id, invitation.interaction_id, invitation.state, invitation.expires_at,
        invitation.locale, invitation.channel AS asked_by, invitation.sent_day, interaction.agent_key, interaction.team, interaction.channel,
        interaction.touchpoint, interaction.source_id, interaction.segment, interaction.product, interaction.tags, response.id AS response_id,
        response.raw, response.score, response.comment, response.consent, response.day, response.version_count, response.form_at,
        response.first_answered_at, response.answered_at, response.evidence, response.excluded
    FROM invitation JOIN interaction ON interaction.id = invitation.interaction_id
        LEFT JOIN LATERAL (SELECT * FROM response WHERE response.invitation_id = invitation.id LIMIT 1) AS response ON true
    WHERE invitation.id = ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))
    ORDER BY invitation.id FOR UPDATE OF invitation";

/// Begins a transaction with the ballots of these invitations, locked until it ends.
///
/// # Errors
/// When the database cannot answer.
pub async fn take_ballots(db: &Db, ids: &[InvitationId]) -> Result<(Tx, Vec<Found>)> {
    let ids = hex_list(ids.iter().map(|id| id.0))?;
    let (tx, rows) = db.begin_with::<BallotRow>((BALLOTS_SQLITE, BALLOTS_POSTGRES), ids).await?;
    Ok((tx, rows.into_iter().map(Found::from).collect()))
}

/// Runs statements, commits, and takes the ballots of whatever invitations are next, a list by [`hex_list`], in another transaction.
///
/// # Errors
/// When a statement or the commit fails: `next` was not told of a commit then. And when the other transaction cannot begin, after it was told.
pub async fn commit_and_take_ballots(
    tx: Tx,
    statements: Vec<Statement>,
    next: &mut (impl Next + Send),
) -> Result<Option<(Tx, Vec<Found>)>> {
    let taken = tx.commit_and_go_on::<BallotRow>(statements, (BALLOTS_SQLITE, BALLOTS_POSTGRES), next).await?;
    Ok(taken.map(|(tx, rows)| (tx, rows.into_iter().map(Found::from).collect())))
}

macro_rules! given_elsewhere {
    ($lock:literal) => {
        concat!(
            "SELECT response.id, response.survey_id, response.interaction_id, CAST('answered' AS TEXT) AS state, response.first_answered_at AS expires_at,
                 response.locale, CAST(NULL AS TEXT) AS asked_by, CAST(NULL AS INTEGER) AS sent_day, interaction.agent_key, interaction.team, interaction.channel, interaction.touchpoint,
                 interaction.source_id, interaction.segment, interaction.product, interaction.tags, response.id AS response_id, response.raw,
                 response.score, response.comment, response.consent, response.day, response.version_count, response.form_at,
                 response.first_answered_at, response.answered_at, response.evidence, response.excluded
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

/// Ids as both engines read a list of them.
///
/// # Errors
/// When they cannot be JSON.
pub fn hex_list(ids: impl Iterator<Item = Uuid>) -> Result<String> {
    to_json(&ids.map(hex).collect::<Vec<_>>())
}

fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

const RESPONSES_SQLITE: &str =
    "INSERT INTO response (id, survey_id, interaction_id, invitation_id, raw, score, comment, consent, locale, via, evidence, status,
        published, day, version_count, form_at, first_answered_at, answered_at)
    SELECT * FROM (VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)) WHERE column1 IS NOT NULL
    ON CONFLICT (id) DO UPDATE SET raw = excluded.raw, score = excluded.score, comment = excluded.comment, consent = excluded.consent,
        evidence = excluded.evidence, version_count = excluded.version_count, form_at = excluded.form_at, answered_at = excluded.answered_at";
const REPLACED_SQLITE: &str = "INSERT INTO response_past (response_id, version, raw, comment, consent, evidence, created_at)
    SELECT * FROM (VALUES ($1, $2, $3, $4, $5, $6, $7)) WHERE column1 IS NOT NULL";
const ANSWERED_SQLITE: &str = "UPDATE invitation SET state = 'answered' WHERE id IN (SELECT unhex(value) FROM json_each($1))";

const RESPONSES_POSTGRES: &str = "INSERT INTO response (id, survey_id, interaction_id, invitation_id, raw, score, comment, consent, locale, via, evidence, status,
        published, day, version_count, form_at, first_answered_at, answered_at)
    SELECT id, survey, interaction, invitation, raw, score, comment, consent, locale, via, evidence, $2, false, day, versions, form_at, first, at
    FROM json_to_recordset($1::json) AS r (id uuid, survey uuid, interaction uuid, invitation uuid, raw smallint, score smallint, comment text,
        consent boolean, locale text, via text, evidence text, day integer, versions integer, form_at bigint, first bigint, at bigint)
    ON CONFLICT (id) DO UPDATE SET raw = excluded.raw, score = excluded.score, comment = excluded.comment, consent = excluded.consent,
        evidence = excluded.evidence, version_count = excluded.version_count, form_at = excluded.form_at, answered_at = excluded.answered_at";
const REPLACED_POSTGRES: &str = "INSERT INTO response_past (response_id, version, raw, comment, consent, evidence, created_at)
    SELECT response, number, raw, comment, consent, evidence, at
    FROM json_to_recordset($1::json) AS r (response uuid, number integer, raw smallint, comment text, consent boolean, evidence text, at bigint)";
const ANSWERED_POSTGRES: &str =
    "UPDATE invitation SET state = 'answered' WHERE id = ANY (ARRAY(SELECT CAST(value AS uuid) FROM json_array_elements_text($1::json)))";

/// The statements that store answers as they are now, keep the versions that they replace, and write down which invitations were answered.
///
/// # Errors
/// When something in it cannot be JSON.
pub fn storing(tx: &mut Tx, mut rows: Vec<&Row>, replaced: &[Version], answered: &[InvitationId]) -> Result<Vec<Statement>> {
    let is_embedded = matches!(tx.engine(), Engine::Sqlite(()));
    // Indexes grow at their end: ids of one millisecond are in no order.
    rows.sort_unstable_by_key(|row| row.id());
    let mut statements = Vec::with_capacity(3);
    statements.push(if is_embedded {
        Statement { text: RESPONSES_SQLITE, values: Values::Rows(rows.iter().map(|row| row.values()).collect()) }
    } else {
        Statement { text: RESPONSES_POSTGRES, values: Values::Texts(vec![to_json(&rows)?, Status::New.to_string()]) }
    });
    if !replaced.is_empty() {
        statements.push(if is_embedded {
            Statement { text: REPLACED_SQLITE, values: Values::Rows(replaced.iter().map(Version::values).collect()) }
        } else {
            Statement { text: REPLACED_POSTGRES, values: Values::Texts(vec![to_json(&replaced)?]) }
        });
    }
    if !answered.is_empty() {
        let answered = Values::Texts(vec![hex_list(answered.iter().map(|id| id.0))?]);
        statements.push(Statement { text: tx.pick(ANSWERED_SQLITE, ANSWERED_POSTGRES), values: answered });
    }
    Ok(statements)
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
