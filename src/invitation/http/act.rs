//! What the team does to an invitation over the API: takes it back, or has its message sent once more.

use actix_web::web::{Data, Json, Path};

use super::Desk;
use crate::invitation::answer::{InvitationBody, vote_link};
use crate::invitation::reach::channels;
use crate::invitation::resend::{self, Refusal};
use crate::invitation::timeline::{self, Event};
use crate::invitation::{Invitation, InvitationId, Occasion, State, store};
use crate::link::Links;
use crate::outbox::{self, OutboxId};
use crate::survey;
use crate::web::auth::Writer;
use crate::web::problem::{Kind, ProblemBody};
use crate::web::{Context, Problem};

/// Take an invitation back before it is answered; doing it again changes nothing
#[utoipa::path(post, path = "/api/v1/invitations/{id}/withdraw", tag = "Invitations", params(("id" = InvitationId, Path)), security(("key" = [])),
    responses((status = 200, body = InvitationBody), (status = 404, body = ProblemBody), (status = 409, description = "It no longer waits for an answer", body = ProblemBody)))]
pub(crate) async fn withdraw(_: Writer, desk: Data<Desk>, id: Path<InvitationId>) -> Result<Json<InvitationBody>, Problem> {
    let (context, links) = (&desk.context, &desk.links);
    let now = context.clock.now();
    let mut tx = context.db.begin().await?;
    let invitation = store::find(&mut tx, *id).await?.ok_or_else(|| Problem::not_found("invitation"))?;
    match invitation.state.at(now, invitation.expires_at) {
        State::Withdrawn => return Ok(Json(body(&invitation, context, links))),
        State::Scheduled | State::Sent => {}
        state => return Err(refuse(format!("The invitation is {state}: only one that waits for an answer can be taken back."))),
    }
    let why = "somebody took it back";
    // A vote may have come first.
    if !timeline::close(&mut tx, context, *id, (State::Withdrawn, Event::Withdrawn, why)).await? {
        return Err(refuse("The invitation was answered at this very moment.".to_owned()));
    }
    outbox::store::cancel(&mut tx, id.0, why, now).await?;
    tx.commit().await?;
    Ok(Json(body(&Invitation { state: State::Withdrawn, ..invitation }, context, links)))
}

/// Send the message of an invitation once more, now, with the same link
///
/// For whoever lost it, or whose address could not be reached: also outside the sending hours.
#[utoipa::path(post, path = "/api/v1/invitations/{id}/resend", tag = "Invitations", params(("id" = InvitationId, Path)), security(("key" = [])),
    responses((status = 200, body = InvitationBody), (status = 404, body = ProblemBody), (status = 409, description = "It cannot be sent, and why", body = ProblemBody),
        (status = 429, description = "It was sent once more less than ten minutes ago; come back after `Retry-After` seconds", body = ProblemBody)))]
pub(crate) async fn resend(_: Writer, desk: Data<Desk>, id: Path<InvitationId>) -> Result<Json<InvitationBody>, Problem> {
    let (context, links) = (&desk.context, &desk.links);
    let now = context.clock.now();
    let not_found = || Problem::not_found("invitation");
    let mut tx = context.db.begin().await?;
    // Of two who ask at once, the second sees what the first did.
    resend::store::lock(&mut tx, *id).await?;
    let invitation = store::find(&mut tx, *id).await?.ok_or_else(not_found)?;
    let reach = resend::store::find_reach(&mut tx, *id).await?.ok_or_else(not_found)?;
    let survey = survey::store::find(&mut tx, invitation.survey_id).await?.ok_or_else(|| Problem::not_found("survey"))?;
    if let Some(refusal) = resend::refusal((invitation.state, invitation.expires_at), &reach, &survey, now) {
        return Err(match refusal {
            Refusal::TooSoon(wait_s) => Problem::too_many(wait_s).detail(refusal.to_string()),
            _ => refuse(refusal.to_string()),
        });
    }
    resend::store::make_way(&mut tx, *id, now).await?;
    for channel in channels(&survey, &reach.customer()) {
        let job = Occasion::Resend.job(&channel, survey.id, *id);
        outbox::store::enqueue(&mut tx, OutboxId(context.random.uuid(now)), job, now, now).await?;
    }
    tx.commit().await?;
    let state = if invitation.state == State::Failed { State::Scheduled } else { invitation.state };
    Ok(Json(body(&Invitation { state, ..invitation }, context, links)))
}

fn refuse(detail: String) -> Problem {
    Problem::new(Kind::Conflict).detail(detail)
}

fn body(invitation: &Invitation, context: &Context, links: &Links) -> InvitationBody {
    let state = invitation.state.at(context.clock.now(), invitation.expires_at);
    InvitationBody { id: invitation.id, link: vote_link(context, links, invitation.id), state, expires_at: invitation.expires_at }
}
