//! Reports over HTTP.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::breakdown::{self, Labels, Row};
use super::figures::{DifferenceFigures, Figures};
use super::period::{Period, Stretches};
use super::store::{self, Key, Range};
use super::{By, Calendar, Compare, Filter};
use crate::clock::Timestamp;
use crate::db::Session;
use crate::metric::{self, Metric};
use crate::survey::{self, Survey};
use crate::tally::{Counts, day_of};
use crate::web::auth::Reader;
use crate::web::problem::{FieldError, ProblemBody};
use crate::web::{Context, Problem};

/// What is asked of a report. Each filter names one group and keeps only its answers; a filter with an empty value keeps those without one.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BreakdownQuery {
    /// The survey's slug.
    survey: String,
    /// The first day, `YYYY-MM-DD` in the survey's time zone; 29 days before the last by default.
    from: Option<String>,
    /// The last day; today by default. At most 3700 days in all.
    to: Option<String>,
    /// What to break down by; without it there are no rows.
    #[param(inline, value_type = Option<By>)]
    by: Option<String>,
    /// Adds the equal period just before, and the difference.
    #[param(inline, value_type = Option<Compare>)]
    compare: Option<String>,
    /// Whose months `by=month` means; `gregorian` by default.
    #[param(inline, value_type = Option<Calendar>)]
    calendar: Option<String>,
    /// The agent's key.
    agent: Option<String>,
    /// The team.
    team: Option<String>,
    /// The channel.
    channel: Option<String>,
    /// A tag.
    tag: Option<String>,
    /// What was interacted with.
    touchpoint: Option<String>,
    /// The customer's language.
    locale: Option<String>,
    /// The source's id.
    source: Option<String>,
    /// The customer's segment.
    segment: Option<String>,
    /// The product.
    product: Option<String>,
}

/// A report.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Breakdown)]
pub struct BreakdownBody {
    /// The survey's slug.
    survey: String,
    /// What it measures.
    metric: Metric,
    /// The days covered.
    period: PeriodBody,
    /// The filter in force.
    filter: Filter,
    /// When the figures were read.
    as_of: Timestamp,
    /// The figures of everything in the period.
    total: Figures,
    /// The figures of the equal period just before, if asked for.
    previous: Option<Figures>,
    /// The headline less the previous one. Null where not asked for, or where either period has no answer.
    difference: Option<DifferenceFigures>,
    /// What `rows` is broken down by.
    by: Option<By>,
    /// Groups with an answer or a sent message, those with the most answers first; time and score ascending.
    rows: Vec<Row>,
}

/// The days covered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Period)]
pub struct PeriodBody {
    /// The first day, `YYYY-MM-DD`.
    from: String,
    /// The last day.
    to: String,
    /// The IANA time zone in which the days begin.
    timezone: String,
}

/// The words of a query, read.
struct Asked {
    by: Option<By>,
    compare: Option<Compare>,
    calendar: Calendar,
    period: Period,
    filter: Filter,
}

impl BreakdownQuery {
    /// Reads every word for a survey, whose zone says what today is.
    fn read(self, survey: &Survey, now: Timestamp) -> Result<Asked, Problem> {
        let mut errors = Vec::new();
        let by = word("by", self.by.as_deref(), &mut errors);
        let compare = word("compare", self.compare.as_deref(), &mut errors);
        let calendar = word("calendar", self.calendar.as_deref(), &mut errors).unwrap_or(Calendar::Gregorian);
        let period = Period::read(self.from.as_deref(), self.to.as_deref(), now.day_in(survey.timezone));
        if self.tag.as_deref() == Some("") {
            errors.push(refused("tag", "must not be empty"));
        }
        let period = period.map_err(|error| errors.push(error)).ok();
        let (Some(period), true) = (period, errors.is_empty()) else {
            return Err(Problem::fields(errors));
        };
        let filter = Filter {
            agent: self.agent,
            team: self.team,
            channel: self.channel,
            tag: self.tag,
            touchpoint: self.touchpoint,
            locale: self.locale,
            source: self.source,
            segment: self.segment,
            product: self.product,
        };
        Ok(Asked { by, compare, calendar, period, filter })
    }
}

fn word<T: std::str::FromStr<Err: ToString>>(field: &str, text: Option<&str>, errors: &mut Vec<FieldError>) -> Option<T> {
    let read = text?.parse::<T>();
    read.map_err(|error| errors.push(refused(field, &error.to_string()))).ok()
}

fn refused(field: &str, message: &str) -> FieldError {
    FieldError { field: field.to_owned(), message: message.to_owned() }
}

/// Figures in total and broken down by group or time
#[utoipa::path(get, path = "/api/v1/reports/breakdown", tag = "Reports", params(BreakdownQuery), security(("key" = [])),
    responses((status = 200, body = BreakdownBody), (status = 404, description = "No such survey", body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn breakdown(_: Reader, context: Data<Context>, query: Query<BreakdownQuery>) -> Result<HttpResponse, Problem> {
    let mut read = context.db.read().await?;
    let survey = survey::store::find_by_slug(&mut read, &query.survey).await?;
    let survey = survey.ok_or_else(|| Problem::not_found("survey"))?;
    let now = context.clock.now();
    let asked = query.into_inner().read(&survey, now)?;
    let body = report(&mut read, &survey, asked, now).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body))
}

async fn report(session: &mut impl Session, survey: &Survey, asked: Asked, now: Timestamp) -> Result<BreakdownBody, Problem> {
    let metric = survey.metric;
    let range = |period: Period| Range { survey: survey.id, days: period.numbers(), filter: &asked.filter };
    let groups = store::add_up(session, range(asked.period), asked.by).await?;
    let total = match asked.by {
        // an answer stands in the row of each of its tags, so rows do not add up to the total
        Some(By::Tag) => breakdown::sum(store::add_up(session, range(asked.period), None).await?.values()),
        _ => breakdown::sum(groups.values()),
    };
    let previous = match asked.compare {
        Some(Compare::Previous) => Some(breakdown::sum(store::add_up(session, range(asked.period.previous()), None).await?.values())),
        None => None,
    };
    let rows = match asked.by {
        Some(by) => {
            let stretches = Stretches { week_start: survey.week_start, calendar: asked.calendar };
            let groups = keyed(by, groups, stretches);
            let labels = labels(session, survey, by, &groups).await?;
            breakdown::rows(metric, by, &total, &groups, &labels)
        }
        None => Vec::new(),
    };
    let difference = previous.as_ref().and_then(|previous| metric::difference(metric, &total.histogram(), &previous.histogram()));
    Ok(BreakdownBody {
        survey: survey.slug.clone(),
        metric,
        period: PeriodBody {
            from: asked.period.from.to_string(),
            to: asked.period.to.to_string(),
            timezone: survey.timezone.name().to_owned(),
        },
        total: Figures::of(metric, &total),
        previous: previous.map(|previous| Figures::of(metric, &previous)),
        difference: difference.map(DifferenceFigures::from),
        filter: asked.filter,
        as_of: now,
        by: asked.by,
        rows,
    })
}

/// The groups by the keys that callers see, days put together into their weeks or months.
fn keyed(by: By, groups: BTreeMap<Key, Counts>, stretches: Stretches) -> BTreeMap<String, Counts> {
    let mut keyed: BTreeMap<String, Counts> = BTreeMap::new();
    for (key, counts) in groups {
        let key = match key {
            Key::Value(value) => value,
            Key::Day(number) => day_of(number).map_or_else(String::new, |day| stretches.key(by, day)),
        };
        keyed.entry(key).or_default().add(&counts);
    }
    keyed
}

async fn labels(session: &mut impl Session, survey: &Survey, by: By, groups: &BTreeMap<String, Counts>) -> Result<Labels, Problem> {
    Ok(match by {
        By::Agent => store::agent_names(session, &groups.keys().map(String::as_str).collect::<Vec<_>>()).await?,
        By::Source => store::source_names(session, survey.id).await?,
        _ => Labels::new(),
    })
}
