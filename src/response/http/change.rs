//! What the team changes of a response: how far it has got with it, whether its comment is public, whether it counts.

use actix_web::web::{Data, Json, Path};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::list::ResponseBody;
use crate::db::{Tx, text_enum};
use crate::response::store::{self, Found};
use crate::response::{ResponseId, Status, list};
use crate::survey;
use crate::tally;
use crate::web::auth::Writer;
use crate::web::body::Body;
use crate::web::problem::ProblemBody;
use crate::web::{Context, Problem};

text_enum! {
    /// Why a response does not count. No reason speaks of its score.
    pub enum ExclusionReason {
        /// The team tried it out.
        Test = "test",
        /// It is abuse.
        Abuse = "abuse",
        /// It is a second answer to the same.
        Duplicate = "duplicate",
    }
}

/// Leaves a response out of every count; it stays visible.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// Why.
    reason: ExclusionReason,
}

/// What to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseChange {
    /// How far the team has got with it.
    status: Option<Status>,
    /// Whether the comment is shown in public; only with the customer's consent.
    published: Option<bool>,
    /// Leaves it out of the counts; null takes it back in.
    #[serde(default)]
    #[schema(value_type = Option<Exclusion>)]
    excluded: Counting,
}

/// What a change says of whether a response counts.
#[derive(Debug, Default)]
enum Counting {
    /// Nothing: the field was left out.
    #[default]
    AsItIs,
    /// It counts: the field was null.
    Counted,
    /// It does not count.
    Excluded(ExclusionReason),
}

impl<'de> Deserialize<'de> for Counting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Exclusion>::deserialize(deserializer)?.map_or(Self::Counted, |exclusion| Self::Excluded(exclusion.reason)))
    }
}

/// Change what the team says of a response
#[utoipa::path(patch, path = "/api/v1/responses/{id}", tag = "Responses", params(("id" = ResponseId, Path)), request_body = ResponseChange, security(("key" = [])),
    responses((status = 200, body = ResponseBody), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn change(
    _: Writer,
    context: Data<Context>,
    id: Path<ResponseId>,
    body: Body<ResponseChange>,
) -> Result<Json<ResponseBody>, Problem> {
    let change = body.value;
    let not_found = || Problem::not_found("response");
    let invitation = store::find_invitation(&mut context.db.read().await?, *id).await?;
    let (mut tx, found) = if let Some(invitation) = invitation {
        // The ballot is locked, so that a vote that comes at the same time is counted before or after, not in between.
        let (tx, mut found) = store::take_ballots(&context.db, &[invitation]).await?;
        (tx, found.pop())
    } else {
        let mut tx = context.db.begin().await?;
        let found = store::take_given_elsewhere(&mut tx, *id).await?;
        (tx, found)
    };
    let found = found.ok_or_else(not_found)?;
    let answer = found.ballot.answer.as_ref().ok_or_else(not_found)?;
    if change.published == Some(true) && invitation.is_none() {
        return Err(Problem::field("published", "needs an answer to an invitation: no other is public"));
    }
    if change.published == Some(true) && !(answer.consent && answer.comment.is_some()) {
        return Err(Problem::field("published", "needs a comment whose author agreed to be quoted"));
    }
    match change.excluded {
        Counting::AsItIs => {}
        Counting::Counted => exclude(&mut tx, *id, &found, None).await?,
        Counting::Excluded(reason) => exclude(&mut tx, *id, &found, Some(reason)).await?,
    }
    store::update(&mut tx, *id, (change.status, change.published)).await?;
    tally::store::touch(&mut tx, found.survey);
    let row = list::store::find(&mut tx, *id).await?.ok_or_else(not_found)?;
    tx.commit().await?;
    Ok(Json(ResponseBody::from(row)))
}

/// Takes a response out of the counts, or back in, unless it is so already.
async fn exclude(tx: &mut Tx, id: ResponseId, found: &Found, reason: Option<ExclusionReason>) -> Result<(), Problem> {
    store::set_excluded(tx, id, reason.map(ExclusionReason::as_str)).await?;
    let Some(answer) = &found.ballot.answer else { return Ok(()) };
    let by = match (answer.is_excluded, reason) {
        (false, Some(_)) => -1,
        (true, None) => 1,
        _ => return Ok(()),
    };
    let survey = survey::store::find(tx, found.survey).await?.ok_or_else(|| Problem::not_found("survey"))?;
    let mut group = found.ballot.group.clone();
    group.locale = found.locale.unwrap_or(survey.locale).to_string();
    let mut changes = tally::Changes::default();
    changes.add((survey.id, answer.day), (&group, &found.ballot.tags), &answer.weight(by));
    tally::store::add(tx, &changes).await?;
    Ok(())
}
