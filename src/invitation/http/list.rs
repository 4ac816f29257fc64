//! Decided interactions over the API: what was decided, why, and what became of it.

use std::collections::HashMap;

use actix_web::web::{Data, Json, Path, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Desk;
use crate::clock::Timestamp;
use crate::db::{self, Session};
use crate::intake::{Agent, Customer, SourceId, SourceKind, Ticket};
use crate::invitation::answer::{InvitationBody, vote_link};
use crate::invitation::list::{self, Filter, Listed};
use crate::invitation::timeline::{self, Course, Entry, Event, Traces, store::Version};
use crate::invitation::{CustomerId, InteractionId, InvitationId, Outcome, Reason, receive};
use crate::link::Links;
use crate::survey;
use crate::web::auth::Reader;
use crate::web::list::{Page, cursor, limit};
use crate::web::problem::ProblemBody;
use crate::web::{Context, Problem};

/// Which interactions are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InteractionsQuery {
    /// The survey's slug; every survey when left out.
    survey: Option<String>,
    /// The ticket's id in the help desk.
    ticket: Option<String>,
    /// The customer's mail address, or `ref`.
    customer: Option<String>,
    /// Only those that were decided like this.
    #[param(inline)]
    outcome: Option<Outcome>,
    /// `next` of the part before.
    cursor: Option<String>,
    /// How many, 1 to 500; 50 by default.
    limit: Option<i64>,
}

/// Where an interaction came from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InteractionSource)]
pub struct SourceBody {
    /// The source's id.
    id: SourceId,
    /// What it is.
    kind: SourceKind,
    /// Its name for the team.
    name: String,
}

/// An invitation with the way it is asked by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvitationByChannel)]
pub struct ByChannel {
    /// The invitation.
    #[serde(flatten)]
    invitation: InvitationBody,
    /// The channel of its first message: `email`, `webhook`, or the name of a gateway; null where the caller sends the link.
    channel: Option<String>,
}

/// An interaction with its decision and everything that became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Interaction)]
pub struct InteractionBody {
    /// Its id.
    id: InteractionId,
    /// The survey's slug.
    survey: String,
    /// Where it came from; null for the API.
    source: Option<SourceBody>,
    /// The ticket.
    ticket: Ticket,
    /// Who was helped.
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
    /// The customer's segment.
    segment: Option<String>,
    /// The product.
    product: Option<String>,
    /// When it arrived.
    created_at: Timestamp,
    /// What was decided.
    outcome: Outcome,
    /// Why the customer is not asked.
    reason: Option<Reason>,
    /// When the reason no longer holds, where that is known.
    until: Option<Timestamp>,
    /// The decision in one sentence, with its numbers.
    explanation: String,
    /// The invitation.
    invitation: Option<ByChannel>,
    /// What happened, in order.
    timeline: Vec<Entry>,
}

/// List interactions with their decisions, the latest first
#[utoipa::path(get, path = "/api/v1/interactions", tag = "Interactions", params(InteractionsQuery), security(("key" = [])),
    responses((status = 200, body = Page<InteractionBody>), (status = 404, description = "There is no such survey", body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(crate) async fn index(_: Reader, desk: Data<Desk>, query: Query<InteractionsQuery>) -> Result<Json<Page<InteractionBody>>, Problem> {
    let context = &desk.context;
    let limit = limit(query.limit)?;
    let before = cursor(query.cursor.as_deref())?.unwrap_or(InteractionId(uuid::Uuid::max()));
    let mut read = context.db.read().await?;
    let survey = match &query.survey {
        Some(slug) => Some(survey::store::find_by_slug(&mut read, slug).await?.ok_or_else(|| Problem::not_found("survey"))?),
        None => None,
    };
    let customers = match &query.customer {
        Some(name) => Some(find_customers(&mut read, context, name).await?),
        None => None,
    };
    let filter = Filter { survey: survey.map(|survey| survey.id), ticket: query.ticket.clone(), customers, outcome: query.outcome };
    let ids = list::store::list_ids(&mut read, &filter, before, limit + 1).await?;
    let Page { items, next } = Page::of(ids, limit, |id| *id);
    Ok(Json(Page { items: bodies(&mut read, (context, &desk.links), &items).await?, next }))
}

/// One interaction: the decision, why, and what became of it
#[utoipa::path(get, path = "/api/v1/interactions/{id}", tag = "Interactions", params(("id" = InteractionId, Path)), security(("key" = [])),
    responses((status = 200, body = InteractionBody), (status = 404, body = ProblemBody)))]
pub(crate) async fn show(_: Reader, desk: Data<Desk>, id: Path<InteractionId>) -> Result<Json<InteractionBody>, Problem> {
    let mut read = desk.context.db.read().await?;
    let found = bodies(&mut read, (&desk.context, &desk.links), &[*id]).await?.pop();
    found.map(Json).ok_or_else(|| Problem::not_found("interaction"))
}

/// The customers whom an address or a `ref` names; they are looked for by keyed hash, so that an erased one is found, too.
async fn find_customers(session: &mut impl Session, context: &Context, name: &str) -> db::Result<Vec<CustomerId>> {
    let name = name.trim();
    let by_email = Customer { email: Some(name.to_owned()), ..Customer::default() };
    let by_reference = Customer { reference: Some(name.to_owned()), ..Customer::default() };
    let identities: Vec<String> =
        [by_email, by_reference].iter().filter_map(|customer| receive::identity(&context.keyring, customer)).collect();
    list::store::find_customers(session, &identities, name).await
}

/// Everything about these interactions: four statements, however many they are.
async fn bodies(
    session: &mut impl Session,
    (context, links): (&Context, &Links),
    ids: &[InteractionId],
) -> db::Result<Vec<InteractionBody>> {
    let found = list::store::list(session, ids).await?;
    let invitations: Vec<InvitationId> = found.iter().filter_map(|row| row.invitation_id).collect();
    let mut noted = grouped(timeline::store::list_noted(session, &invitations).await?, |noted| noted.invitation_id);
    let mut versions: HashMap<InvitationId, Vec<Version>> =
        grouped(timeline::store::list_versions(session, &invitations).await?, |version| version.invitation_id);
    let messages = grouped(timeline::store::list_messages(session, &invitations).await?, |message| message.invitation_id);
    let now = context.clock.now();
    let told = |row: &Listed| {
        let (id, course) = row.invitation()?;
        let (noted, versions) = (noted.remove(&id).unwrap_or_default(), versions.remove(&id).unwrap_or_default());
        let message = messages.get(&id).and_then(|messages| messages.first());
        let entries = timeline::tell(&course, Traces { message, versions: &versions, noted: &noted }, now);
        Some((invitation(context, links, id, &course), entries))
    };
    let told: Vec<_> = found.iter().map(told).collect();
    Ok(found.into_iter().zip(told).map(|(row, told)| body(row, told)).collect())
}

fn grouped<T>(rows: Vec<T>, key: impl Fn(&T) -> InvitationId) -> HashMap<InvitationId, Vec<T>> {
    let mut groups: HashMap<InvitationId, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

fn invitation(context: &Context, links: &Links, id: InvitationId, course: &Course) -> InvitationBody {
    let state = course.state.at(context.clock.now(), course.expires_at);
    InvitationBody { id, link: vote_link(context, links, id), state, expires_at: course.expires_at }
}

fn body(row: Listed, told: Option<(InvitationBody, Vec<Entry>)>) -> InteractionBody {
    let (invitation, entries) = told.unzip();
    let source = match (row.source_id, row.source_kind, row.source_name) {
        (Some(id), Some(kind), Some(name)) => Some(SourceBody { id, kind, name }),
        _ => None,
    };
    let received = Entry { at: row.created_at, event: Event::Received, detail: source.as_ref().map(|source| source.name.clone()) };
    InteractionBody {
        id: row.id,
        survey: row.slug,
        source,
        ticket: row.ticket.0,
        customer: Customer {
            email: row.email,
            phone: row.phone,
            name: row.name,
            locale: row.locale,
            timezone: row.timezone,
            reference: row.reference,
        },
        agent: row.agent.0,
        team: row.team,
        channel: row.channel,
        tags: row.tags.0,
        touchpoint: row.touchpoint,
        segment: row.segment,
        product: row.product,
        created_at: row.created_at,
        outcome: row.outcome,
        reason: row.reason,
        until: row.until_at,
        explanation: row.explanation,
        invitation: invitation.map(|invitation| ByChannel { invitation, channel: row.asked_by }),
        timeline: std::iter::once(received).chain(entries.into_iter().flatten()).collect(),
    }
}
