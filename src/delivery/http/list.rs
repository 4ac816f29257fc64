//! The messages that leave, over HTTP.

use std::collections::HashMap;

use actix_web::web::{Data, Json, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::delivery::list::{What, carriers, channel};
use crate::invitation::lookup::LOOKUP;
use crate::invitation::{InvitationId, Occasion};
use crate::notice::NOTICE;
use crate::outbox::history::{self, Filter, Listed};
use crate::outbox::{OutboxId, State};
use crate::survey::{self, Channel, SurveyId};
use crate::web::auth::Reader;
use crate::web::list::{self, Page};
use crate::web::problem::ProblemBody;
use crate::web::{Context, Problem};
use crate::webhook::http::deliveries::{AttemptBody, by_message};
use crate::webhook::{EVENT, EventId, WebhookId, of_carrier};

/// Which messages are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// Those in this state.
    #[param(inline)]
    state: Option<State>,
    /// Those that leave by `email`, by `webhook`, or by the gateway of this name.
    channel: Option<String>,
    /// Those of the survey with this slug.
    survey: Option<String>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// How many, 1 to 500; 50 by default.
    limit: Option<i64>,
}

/// A message that leaves, or has left.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryBody {
    /// Its id.
    id: OutboxId,
    /// By which way it leaves: `email`, `webhook`, or the name of a gateway.
    channel: String,
    /// What it is.
    what: Option<What>,
    /// The survey's slug.
    survey: Option<String>,
    /// The invitation it is about.
    invitation: Option<InvitationId>,
    /// The event that it tells.
    event: Option<EventId>,
    /// The webhook that it tells.
    webhook: Option<WebhookId>,
    /// What has become of it.
    state: State,
    /// Whether it is being sent right now.
    is_leaving: bool,
    /// When it is tried next.
    due_at: Option<Timestamp>,
    /// Why it waits, failed, or was no longer wanted.
    reason: Option<String>,
    /// Every attempt, with what the other side said.
    attempts: Vec<AttemptBody>,
    /// When it was enqueued.
    created_at: Timestamp,
    /// When it was accepted, given up, or cancelled.
    settled_at: Option<Timestamp>,
}

impl DeliveryBody {
    fn new(listed: Listed, survey: Option<String>, attempts: Vec<AttemptBody>) -> Self {
        let is_waiting = listed.state == State::Waiting;
        let what = match listed.kind.parse::<Occasion>() {
            Ok(Occasion::First) => Some(What::Invitation),
            Ok(Occasion::Reminder) => Some(What::Reminder),
            Ok(Occasion::Resend) => Some(What::Resend),
            Err(_) if listed.kind == EVENT => Some(What::Event),
            Err(_) if listed.kind == NOTICE => Some(What::Notice),
            Err(_) => None,
        };
        let is_about_invitation = matches!(what, Some(What::Invitation | What::Reminder | What::Resend));
        Self {
            id: listed.id,
            channel: channel(&listed),
            what,
            survey,
            invitation: is_about_invitation.then_some(InvitationId(listed.subject_id)),
            event: (what == Some(What::Event)).then_some(EventId(listed.subject_id)),
            webhook: of_carrier(&listed.carrier),
            state: listed.state,
            is_leaving: is_waiting && listed.is_leased,
            due_at: is_waiting.then_some(listed.due_at),
            reason: listed.last_error,
            attempts,
            created_at: listed.created_at,
            settled_at: listed.settled_at,
        }
    }
}

/// List the messages that leave, with every attempt, the newest first; kept for 30 days after they were settled
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "Deliveries", params(DeliveriesQuery), security(("key" = [])),
    responses((status = 200, body = Page<DeliveryBody>), (status = 404, description = "No such survey", body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn index(_: Reader, context: Data<Context>, query: Query<DeliveriesQuery>) -> Result<Json<Page<DeliveryBody>>, Problem> {
    let (before, limit) = (list::cursor(query.cursor.as_deref())?.unwrap_or(OutboxId(Uuid::max())), list::limit(query.limit)?);
    let by = query.channel.as_deref().map(str::parse::<Channel>).transpose();
    let by = by.map_err(|_| Problem::field("channel", "must be email, webhook or the name of a gateway"))?;
    let mut read = context.db.read().await?;
    let survey = match &query.survey {
        Some(slug) => Some(survey::store::find_by_slug(&mut read, slug).await?.ok_or_else(|| Problem::not_found("survey"))?),
        None => None,
    };
    let filter = Filter {
        state: query.state,
        carriers: by.as_ref().map(carriers),
        // What asks help desks leaves nothing.
        except: Some(LOOKUP),
        survey: survey.map(|survey| survey.id.0),
    };
    let found = Page::of(history::store::list(&mut read, &filter, before, limit + 1).await?, limit, |listed| listed.id);
    let ids: Vec<OutboxId> = found.items.iter().map(|listed| listed.id).collect();
    let mut attempts = by_message(history::store::list_attempts(&mut read, &ids).await?);
    let mut slugs: HashMap<Uuid, String> = HashMap::new();
    let mut items = Vec::with_capacity(ids.len());
    for listed in found.items {
        if let Some(id) = listed.survey_id.filter(|id| !slugs.contains_key(id))
            && let Some(survey) = survey::store::find(&mut read, SurveyId(id)).await?
        {
            slugs.insert(id, survey.slug);
        }
        let slug = listed.survey_id.and_then(|id| slugs.get(&id).cloned());
        let attempts = attempts.remove(&listed.id).unwrap_or_default();
        items.push(DeliveryBody::new(listed, slug, attempts));
    }
    Ok(Json(Page { items, next: found.next }))
}
