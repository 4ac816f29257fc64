//! Whoever asks help desks about closings that wait, and has them decided.

use std::sync::Arc;

use super::ask::{Desk, Stop};
use super::store::{self, Waiting};
use super::{LOOKUP, LookedUp};
use crate::db::{self, Tx};
use crate::intake::{self, Interaction, Reception, TOKEN_PURPOSE};
use crate::invitation::answer::{HookAnswer, HookAnswers, InteractionAnswer};
use crate::invitation::receive::{self, Received};
use crate::invitation::{InvitationId, Reason};
use crate::link::Links;
use crate::outbox::serve::{Carrier, Lane, Round};
use crate::outbox::{self, Claimed, Settlement, backoff};
use crate::survey::Surveys;
use crate::web::Context;

/// Asks help desks.
#[derive(Debug)]
pub struct Enquirer {
    /// The context of every handler.
    pub context: Arc<Context>,
    /// Signs links.
    pub links: Links,
    /// Surveys.
    pub surveys: Arc<Surveys>,
    /// Milliseconds to wait after each failed attempt.
    pub retry_schedule_ms: Vec<i64>,
    /// Closings under way at the same time.
    pub at_once: usize,
}

impl Carrier for Enquirer {
    fn round(&self) -> Round<'_> {
        let Context { db, clock, random, .. } = self.context.as_ref();
        Round { db, clock, random }
    }

    async fn lanes(&self) -> db::Result<Vec<Lane>> {
        Ok(vec![Lane::new(LOOKUP.into(), self.at_once)])
    }

    async fn carry(&self, message: &Claimed) -> db::Result<()> {
        let Some(waiting) = store::find(&mut self.context.db.read().await?, message.subject_id).await? else {
            return self.settle(message, &Settlement::Cancelled("it was decided already".to_owned())).await;
        };
        if waiting.reopened_at.is_some() {
            return self.decide(message, (None, None)).await;
        }
        match self.ask(&waiting).await? {
            Ok(interaction) => self.decide(message, (Some(interaction), None)).await,
            Err(Stop::Never(why)) => self.decide(message, (None, Some(why))).await,
            Err(Stop::Later { why, retry_after_ms }) => {
                let at = (&self.context.random, self.context.clock.now());
                match backoff::settle(message, &self.retry_schedule_ms, at, why, retry_after_ms) {
                    Settlement::Failed(why) => {
                        self.decide(message, (None, Some(format!("{why}, at the last of {} attempts.", message.attempt_count)))).await
                    }
                    retry => self.settle(message, &retry).await,
                }
            }
        }
    }
}

impl Enquirer {
    async fn ask(&self, waiting: &Waiting) -> db::Result<Result<Interaction, Stop>> {
        let never = |why: &str| Ok(Err(Stop::Never(why.to_owned())));
        let Some(source) = intake::store::find(&mut self.context.db.read().await?, waiting.source_id).await? else {
            return never("The help desk is no longer connected, so its API was not asked.");
        };
        let Some(sealed) = &source.sealed_token else {
            return never("The help desk's API was not asked: there is no options.api_token any more.");
        };
        let Some(token) = self.context.keyring.open_text(TOKEN_PURPOSE, sealed) else {
            return never(
                "The help desk's API was not asked: options.api_token was sealed with a master secret that is not in force; set it again.",
            );
        };
        let now = self.context.clock.now();
        let desk = Desk { kind: source.kind, options: &source.options, token, http: &self.context.http, now };
        Ok(desk.complete(waiting.interaction.0.clone(), &waiting.questions.0).await)
    }

    async fn settle(&self, message: &Claimed, settlement: &Settlement) -> db::Result<()> {
        let mut tx = self.context.db.begin().await?;
        outbox::store::settle(&mut tx, message, settlement, self.context.clock.now()).await?;
        tx.commit().await?;
        if let Settlement::Retry(at, why) = settlement {
            tracing::info!(outbox = %message.id, attempt = message.attempt_count, why, again_at = %at, "a help desk could not be asked");
        }
        Ok(())
    }

    /// Decides about a closing in the transaction that settles its message; whoever lost the lease leaves it to the other.
    async fn decide(&self, message: &Claimed, (completed, told): (Option<Interaction>, Option<String>)) -> db::Result<()> {
        let mut tx = self.context.db.begin().await?;
        let settlement = match &told {
            Some(why) => Settlement::Failed(why.clone()),
            None => Settlement::Sent(String::new()),
        };
        if !outbox::store::settle(&mut tx, message, &settlement, self.context.clock.now()).await? {
            return Ok(());
        }
        let Some(waiting) = store::take(&mut tx, message.subject_id).await? else {
            return tx.commit().await;
        };
        let Some(survey) = self.surveys.find(waiting.survey_id.0).await? else {
            return tx.commit().await;
        };
        let looked_up = LookedUp { is_reopened: waiting.reopened_at.is_some(), told };
        let received = Received {
            source: Some(waiting.source_id),
            closed: true,
            interaction: completed.unwrap_or(waiting.interaction.0),
            request_key: waiting.request_key,
            looked_up: Some(looked_up),
        };
        let taken = receive::receive(&mut tx, &self.context, &survey, &received).await?;
        let (is_new, asked) = (taken.is_new, taken.asked.as_ref().map(|asked| asked.id));
        let answer = InteractionAnswer::new(&self.context, &self.links, taken.decided, taken.asked);
        answer_event(&mut tx, (waiting.event_id, waiting.place), HookAnswer::decided(answer.clone(), is_new)).await?;
        tx.commit().await?;
        if is_new {
            self.context.metrics.decision(answer.outcome.as_str(), answer.reason.map_or("", Reason::as_str));
        }
        report(message, &answer, asked);
        Ok(())
    }
}

/// Puts what was decided where the delivery's answer says that it is pending.
async fn answer_event(tx: &mut Tx, (event, place): (uuid::Uuid, i32), answer: HookAnswer) -> db::Result<()> {
    let Some(text) = intake::store::lock_answer(tx, event).await? else { return Ok(()) };
    let (text, is_pending) =
        HookAnswers::with(&text, usize::try_from(place).unwrap_or_default(), answer).map_err(|error| db::Error::Decode(Box::new(error)))?;
    let outcome = if is_pending { Reception::Pending } else { Reception::Accepted };
    intake::store::settle_arrival(tx, event, outcome, &text).await
}

fn report(message: &Claimed, answer: &InteractionAnswer, asked: Option<InvitationId>) {
    let reason = answer.reason.map_or("", Reason::as_str);
    let invitation = asked.map(|id| id.to_string()).unwrap_or_default();
    tracing::info!(outbox = %message.id, attempt = message.attempt_count, outcome = %answer.outcome, reason, invitation, "looked up");
}
