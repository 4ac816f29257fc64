//! The daily report that endpoints are told of: each day of each survey once, when it is over in the survey's time zone.

use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::breakdown::sum;
use super::figures::Figures;
use super::store::{self, Range};
use super::{Filter, period::Period};
use crate::db;
use crate::survey::{self, Survey, SurveyId, Surveys};
use crate::tally::{day_number, day_of};
use crate::web::Context;
use crate::webhook::describe::{Coming, Describe};
use crate::webhook::endpoints::Endpoints;
use crate::webhook::event::store::Event;
use crate::webhook::tell::tell;
use crate::webhook::{EventKind, Happened, Webhook};

/// Surveys looked at together.
const AT_ONCE: i64 = 100;
/// Days told at most when the service did not run for long.
const MOST_DAYS: i32 = 31;

/// Describes days to endpoints.
pub struct Chronicler {
    /// The context of every handler.
    pub context: Arc<Context>,
    /// Surveys.
    pub surveys: Arc<Surveys>,
}

impl Describe for Chronicler {
    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::ReportDaily]
    }

    /// The figures of the day as they are now: an answer that was changed or excluded since is told as it counts.
    fn describe<'a>(&'a self, event: &'a Event) -> Coming<'a, Option<Value>> {
        Box::pin(async move {
            let (Some(survey), Some(day)) = (self.surveys.find(event.survey_id.0).await?, day_of(event.version)) else { return Ok(None) };
            let mut read = self.context.db.read().await?;
            let filter = Filter::default();
            let mut figures = async |day: NaiveDate| {
                let range = Range { survey: survey.id, days: Period { from: day, to: day }.numbers(), filter: &filter };
                let counts = sum(store::add_up(&mut read, range, None).await?.values());
                db::Result::Ok(Figures::of(survey.metric, &counts))
            };
            let total = figures(day).await?;
            let before = figures(day.pred_opt().unwrap_or(day)).await?;
            Ok(Some(json!({
                "survey": survey.slug,
                "metric": survey.metric,
                "day": day.to_string(),
                "timezone": survey.timezone.name(),
                "total": total,
                "previous": before,
            })))
        })
    }
}

/// Tells endpoints of the days that are over and were not told of; answers how many days of how many surveys.
///
/// # Errors
/// When the database cannot store it.
pub async fn tell_days(context: &Context, endpoints: &Endpoints) -> db::Result<usize> {
    let endpoints = endpoints.all().await?;
    let mut told = 0;
    if !endpoints.iter().any(|endpoint| endpoint.events.contains(&EventKind::ReportDaily)) {
        return Ok(told);
    }
    let mut after = SurveyId::default();
    loop {
        let surveys = survey::store::list(&mut context.db.read().await?, after, AT_ONCE).await?;
        let Some(last) = surveys.last() else { return Ok(told) };
        after = last.id;
        for survey in surveys.iter().filter(|survey| survey.archived_at.is_none()) {
            told += tell_survey(context, &endpoints, survey).await?;
        }
    }
}

async fn tell_survey(context: &Context, endpoints: &[Webhook], survey: &Survey) -> db::Result<usize> {
    let now = context.clock.now();
    let Some(first) = first_day(endpoints, survey) else { return Ok(0) };
    let over = day_number(now.day_in(survey.timezone)).saturating_sub(1);
    let told = store::last_told(&mut context.db.read().await?, survey.id).await?;
    let from = told.map_or(over, |told| told.saturating_add(1)).max(first).max(over.saturating_sub(MOST_DAYS - 1));
    if from > over {
        return Ok(0);
    }
    let mut tx = context.db.begin().await?;
    if !store::note_told(&mut tx, survey.id, over).await? {
        // Another node was faster.
        return Ok(0);
    }
    let days: Vec<Happened> = (from..=over).map(|day| of_day(survey.id, day)).collect();
    tell(&mut tx, context, endpoints, &days).await?;
    tx.commit().await?;
    Ok(days.len())
}

/// The first day that anybody is told of: that on which the first endpoint that wants to know was added.
fn first_day(endpoints: &[Webhook], survey: &Survey) -> Option<i32> {
    let wanting = endpoints.iter().filter(|endpoint| endpoint.wants(EventKind::ReportDaily, survey.id));
    wanting.map(|endpoint| endpoint.created_at).min().map(|at| day_number(at.day_in(survey.timezone)))
}

const fn of_day(survey: SurveyId, day: i32) -> Happened {
    Happened { kind: EventKind::ReportDaily, survey, subject: survey.0, version: day, detail: None }
}
