//! An answer and its versions as they are stored.

use serde::Serialize;

use super::count::{Answer, Ballot};
use super::human::Evidence;
use super::{ResponseId, Status, Via};
use crate::clock::Timestamp;
use crate::db::script::Value;
use crate::i18n::Locale;
use crate::invitation::{InteractionId, InvitationId};
use crate::survey::SurveyId;

/// One answer as it is stored.
#[derive(Debug, Serialize)]
pub struct Row {
    id: ResponseId,
    survey: SurveyId,
    interaction: InteractionId,
    invitation: Option<InvitationId>,
    raw: u8,
    score: u8,
    comment: Option<String>,
    consent: bool,
    locale: Locale,
    via: Via,
    evidence: Evidence,
    day: i32,
    versions: i32,
    form_at: Option<i64>,
    first: i64,
    at: i64,
}

impl Row {
    /// The row of a ballot that has an answer.
    #[must_use]
    pub fn new(survey: SurveyId, ballot: &Ballot, locale: Locale) -> Option<Self> {
        let answer = ballot.answer.clone()?;
        let row = Self::given_elsewhere(survey, ballot.interaction, answer, (locale, ballot.via));
        Some(Self { invitation: Some(ballot.id), ..row })
    }

    /// The row of an answer to no invitation.
    #[must_use]
    pub fn given_elsewhere(survey: SurveyId, interaction: InteractionId, answer: Answer, (locale, via): (Locale, Via)) -> Self {
        Self {
            id: answer.id,
            survey,
            interaction,
            invitation: None,
            raw: answer.raw,
            score: answer.score,
            comment: answer.comment,
            consent: answer.consent,
            locale,
            via,
            evidence: answer.evidence,
            day: answer.day,
            versions: answer.versions,
            form_at: answer.form_at.map(Timestamp::as_millis),
            first: answer.first_answered_at.as_millis(),
            at: answer.answered_at.as_millis(),
        }
    }

    /// The id of the answer.
    pub(super) const fn id(&self) -> ResponseId {
        self.id
    }

    /// In the order of `RESPONSES_SQLITE`.
    pub(super) fn values(&self) -> Vec<Value> {
        vec![
            self.id.0.into(),
            self.survey.0.into(),
            self.interaction.0.into(),
            self.invitation.map(|id| id.0).into(),
            i64::from(self.raw).into(),
            i64::from(self.score).into(),
            self.comment.as_deref().into(),
            i64::from(self.consent).into(),
            self.locale.as_str().into(),
            self.via.as_str().into(),
            self.evidence.as_str().into(),
            Status::New.as_str().into(),
            i64::from(false).into(),
            i64::from(self.day).into(),
            i64::from(self.versions).into(),
            self.form_at.into(),
            self.first.into(),
            self.at.into(),
        ]
    }
}

/// A version of an answer, as it is stored when another takes its place.
#[derive(Debug, Serialize)]
pub struct Version {
    response: ResponseId,
    number: i32,
    raw: u8,
    comment: Option<String>,
    consent: bool,
    evidence: Evidence,
    at: i64,
}

impl Version {
    /// The version that an answer is at.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        Self {
            response: answer.id,
            number: answer.versions,
            raw: answer.raw,
            comment: answer.comment.clone(),
            consent: answer.consent,
            evidence: answer.evidence,
            at: answer.answered_at.as_millis(),
        }
    }

    /// In the order of `VERSIONS_SQLITE`.
    pub(super) fn values(&self) -> Vec<Value> {
        vec![
            self.response.0.into(),
            i64::from(self.number).into(),
            i64::from(self.raw).into(),
            self.comment.as_deref().into(),
            i64::from(self.consent).into(),
            self.evidence.as_str().into(),
            self.at.into(),
        ]
    }
}
