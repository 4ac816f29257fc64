//! What endpoints are told of answers.

use std::sync::Arc;

use serde_json::Value;

use super::ResponseId;
use super::count::Answer;
use super::http::list::ResponseBody;
use super::list::{self, store::find_version};
use crate::db;
use crate::metric::Band;
use crate::survey::{Survey, Surveys};
use crate::web::Context;
use crate::webhook::describe::{Coming, Describe};
use crate::webhook::event::store::Event;
use crate::webhook::{EventKind, Happened};

/// What happened with the newest version of an answer, whose score was another before: created or updated, and low where it has become so.
pub fn happened(survey: &Survey, answer: &Answer, score_before: Option<u8>) -> impl Iterator<Item = Happened> {
    let kind = if answer.versions == 1 { EventKind::ResponseCreated } else { EventKind::ResponseUpdated };
    let is_low = |score: u8| survey.band(score) == Band::Low;
    let has_become_low = is_low(answer.score) && !score_before.is_some_and(is_low);
    let (survey, subject, version) = (survey.id, answer.id.0, answer.versions);
    let one = move |kind| Happened { kind, survey, subject, version, detail: None };
    std::iter::once(kind).chain(has_become_low.then_some(EventKind::ResponseLow)).map(one)
}

/// What happened with a new answer that was given elsewhere.
pub fn given(survey: &Survey, id: ResponseId, raw: u8) -> impl Iterator<Item = Happened> {
    let is_low = survey.band(survey.scale.counted(raw)) == Band::Low;
    let (survey, subject) = (survey.id, id.0);
    let one = move |kind| Happened { kind, survey, subject, version: 1, detail: None };
    std::iter::once(EventKind::ResponseCreated).chain(is_low.then_some(EventKind::ResponseLow)).map(one)
}

/// Describes answers to endpoints.
pub struct Narrator {
    /// The context of every handler.
    pub context: Arc<Context>,
    /// Surveys.
    pub surveys: Arc<Surveys>,
}

impl Describe for Narrator {
    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::ResponseCreated, EventKind::ResponseUpdated, EventKind::ResponseLow]
    }

    /// The response as the API shows it, with score, comment and consent as they were in the version that is told.
    fn describe<'a>(&'a self, event: &'a Event) -> Coming<'a, Option<Value>> {
        Box::pin(async move {
            let id = ResponseId(event.subject_id);
            // The survey first: looking it up may take a connection, and nobody holds one while waiting for another.
            let Some(survey) = self.surveys.find(event.survey_id.0).await? else { return Ok(None) };
            let mut read = self.context.db.read().await?;
            let (Some(mut listed), Some(version)) =
                (list::store::find(&mut read, id).await?, find_version(&mut read, id, event.version).await?)
            else {
                return Ok(None);
            };
            let raw = u8::try_from(version.raw).map_err(|error| db::Error::Decode(Box::new(error)))?;
            (listed.raw, listed.score) = (version.raw, survey.scale.counted(raw).into());
            (listed.comment, listed.consent) = (version.comment, version.consent);
            (listed.version_count, listed.answered_at) = (event.version, version.created_at);
            serde_json::to_value(ResponseBody::from(listed)).map(Some).map_err(|error| db::Error::Encode(Box::new(error)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::metric::Metric;
    use crate::response::human::Evidence;
    use crate::survey::wording::tests::survey;

    fn kinds(score: u8, versions: i32, before: Option<u8>) -> Vec<EventKind> {
        let answer = Answer {
            id: ResponseId(uuid::Uuid::nil()),
            raw: score,
            score,
            comment: None,
            consent: false,
            day: 0,
            versions,
            form_at: None,
            first_answered_at: Timestamp::EPOCH,
            answered_at: Timestamp::EPOCH,
            evidence: Evidence::Pressed,
            is_excluded: false,
        };
        happened(&survey(Metric::Csat, None), &answer, before).map(|one| one.kind).collect()
    }

    #[test]
    fn an_answer_is_told_as_low_once_when_it_becomes_low() {
        use EventKind::{ResponseCreated, ResponseLow, ResponseUpdated};
        assert_eq!(kinds(5, 1, None), [ResponseCreated]);
        assert_eq!(kinds(2, 1, None), [ResponseCreated, ResponseLow]);
        assert_eq!(kinds(1, 2, Some(2)), [ResponseUpdated], "it was low before");
        assert_eq!(kinds(2, 2, Some(3)), [ResponseUpdated, ResponseLow]);
        assert_eq!(kinds(3, 2, Some(1)), [ResponseUpdated]);
    }
}
