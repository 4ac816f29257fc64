//! Responses over the API.

use actix_web::web::{Data, Json, Path, Query};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::clock::Timestamp;
use crate::db::text_enum;
use crate::i18n::Locale;
use crate::intake::{Agent, Customer, Ticket};
use crate::invitation::InteractionId;
use crate::metric::{Band, Metric};
use crate::response::list::{self, Filter, Listed};
use crate::response::{ResponseId, Status, Via};
use crate::survey::{self, Survey};
use crate::tally::day_number;
use crate::web::auth::Reader;
use crate::web::list::Page;
use crate::web::problem::ProblemBody;
use crate::web::{Context, Problem};

text_enum! {
    /// In which order responses are listed.
    pub enum Order {
        /// The latest first answer first.
        Newest = "newest",
        /// The earliest first answer first.
        Oldest = "oldest",
    }
}

text_enum! {
    /// Which responses are listed by whether they count.
    pub enum Excluded {
        /// Only those that are left out of the counts.
        Only = "true",
        /// Only those that count.
        Never = "false",
        /// Both.
        Any = "any",
    }
}

/// Which responses are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ResponsesQuery {
    /// The survey's slug; every survey when left out.
    survey: Option<String>,
    /// First day of the first answer, in the survey's time zone.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<NaiveDate>,
    /// Last day of the first answer.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<NaiveDate>,
    /// The agent's id.
    agent: Option<String>,
    /// The team.
    team: Option<String>,
    /// The channel.
    channel: Option<String>,
    /// A tag.
    tag: Option<String>,
    /// The lowest score that counts.
    score_min: Option<i16>,
    /// The highest score that counts.
    score_max: Option<i16>,
    /// With a comment, or without one.
    with_comment: Option<bool>,
    /// How far the team has got with it.
    status: Option<Status>,
    /// Words in the comment.
    q: Option<String>,
    /// Those left out of the counts: `true` only those, `any` also those.
    #[param(inline)]
    excluded: Option<Excluded>,
    /// `newest` (default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// How many, 1 to 500; 50 by default.
    limit: Option<i64>,
}

/// A response.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Response)]
pub struct ResponseBody {
    /// Its id.
    id: ResponseId,
    /// The survey's slug.
    survey: String,
    /// What it measures.
    metric: Metric,
    /// The score that counts.
    score: i16,
    /// The score as it was chosen.
    raw: i16,
    /// The comment.
    comment: Option<String>,
    /// The language it was answered in.
    locale: Locale,
    /// Which third of the scale the score falls in.
    band: Band,
    /// When it was first answered.
    first_answered_at: Timestamp,
    /// When it was last changed.
    answered_at: Timestamp,
    /// How many versions there are.
    versions: i32,
    /// The way it came.
    via: Via,
    /// The interaction it is about.
    interaction: InteractionId,
    /// The ticket.
    ticket: Ticket,
    /// Who answered.
    customer: Customer,
    /// Who helped.
    agent: Agent,
    /// The team that helped.
    team: Option<String>,
    /// The channel of the conversation.
    channel: Option<String>,
    /// Free marks.
    tags: Vec<String>,
    /// What was interacted with.
    touchpoint: Option<String>,
    /// How far the team has got with it.
    status: Status,
    /// Whether the customer agreed that the comment is quoted.
    consent: bool,
    /// Whether the comment is shown in public.
    published: bool,
    /// Why it is left out of the counts.
    excluded: Option<String>,
}

impl From<Listed> for ResponseBody {
    fn from(row: Listed) -> Self {
        let score = u8::try_from(row.score).unwrap_or_default();
        Self {
            id: row.id,
            survey: row.slug,
            metric: row.metric,
            score: row.score,
            raw: row.raw,
            comment: row.comment,
            locale: row.locale,
            band: row.metric.band(score),
            first_answered_at: row.first_answered_at,
            answered_at: row.answered_at,
            versions: row.version_count,
            via: row.via,
            interaction: row.interaction_id,
            ticket: row.ticket.0,
            customer: Customer {
                email: row.email,
                phone: row.phone,
                name: row.name,
                locale: row.customer_locale,
                reference: row.reference,
                ..Customer::default()
            },
            agent: row.agent.0,
            team: row.team,
            channel: row.channel,
            tags: row.tags.0,
            touchpoint: row.touchpoint,
            status: row.status,
            consent: row.consent,
            published: row.published,
            excluded: row.excluded,
        }
    }
}

/// List responses
#[utoipa::path(get, path = "/api/v1/responses", tag = "Responses", params(ResponsesQuery), security(("key" = [])),
    responses((status = 200, body = Page<ResponseBody>), (status = 422, body = ProblemBody)))]
pub(crate) async fn index(_: Reader, context: Data<Context>, query: Query<ResponsesQuery>) -> Result<Json<Page<ResponseBody>>, Problem> {
    let query = query.into_inner();
    let limit = crate::web::list::limit(query.limit)?;
    let after: Option<(Timestamp, ResponseId)> = crate::web::list::cursor(query.cursor.as_deref())?;
    let mut read = context.db.read().await?;
    let survey = match &query.survey {
        Some(slug) => Some(survey::store::find_by_slug(&mut read, slug).await?.ok_or_else(|| Problem::not_found("survey"))?),
        None => None,
    };
    let filter = filter(query, survey.as_ref())?;
    let found = list::store::list(&mut read, &filter, after, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |row| (row.first_answered_at, row.id)).map(ResponseBody::from)))
}

fn filter(query: ResponsesQuery, survey: Option<&Survey>) -> Result<Filter, Problem> {
    if let (Some(from), Some(to)) = (query.from, query.to)
        && from > to
    {
        return Err(Problem::field("to", "must not be before `from`"));
    }
    let excluded = query.excluded.unwrap_or(Excluded::Never);
    Ok(Filter {
        survey: survey.map(|survey| survey.id),
        from: query.from.map(day_number),
        to: query.to.map(day_number),
        agent: query.agent,
        team: query.team,
        channel: query.channel,
        tag: query.tag,
        score_min: query.score_min,
        score_max: query.score_max,
        with_comment: query.with_comment,
        status: query.status,
        words: query.q.filter(|words| !words.trim().is_empty()),
        counted: match excluded {
            Excluded::Never => Some(true),
            Excluded::Only => Some(false),
            Excluded::Any => None,
        },
        oldest_first: query.order == Some(Order::Oldest),
    })
}

/// One response
#[utoipa::path(get, path = "/api/v1/responses/{id}", tag = "Responses", params(("id" = ResponseId, Path)), security(("key" = [])),
    responses((status = 200, body = ResponseBody), (status = 404, body = ProblemBody)))]
pub(crate) async fn show(_: Reader, context: Data<Context>, id: Path<ResponseId>) -> Result<Json<ResponseBody>, Problem> {
    let found = list::store::find(&mut context.db.read().await?, *id).await?;
    found.map(|row| Json(ResponseBody::from(row))).ok_or_else(|| Problem::not_found("response"))
}
