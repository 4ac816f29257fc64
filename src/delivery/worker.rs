//! The loop that sends: claims due messages under a lease, sends them, settles each with what it meant for its invitation.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::compose::{InvitationMail, compose};
use super::mail::{Mail, Mailbox};
use super::store::{self, Letter};
use super::transport::Transport;
use crate::clock::Timestamp;
use crate::db::{self, changes::Change};
use crate::invitation::{self, InvitationId, State, receive};
use crate::link::{Links, Purpose};
use crate::net::smtp::SendError;
use crate::outbox::{self, Claimed, Settlement, backoff, store::Lease};
use crate::survey::{Survey, Surveys};
use crate::web::Context;

/// Longer than any attempt can take, so that a message is sent again only when its worker died.
const LEASE_MS: i64 = 5 * 60_000;
/// A worker looks for itself this often, in case nobody told it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Sends what waits in the outbox.
#[derive(Debug)]
pub struct Courier {
    /// The context of every handler.
    pub context: Arc<Context>,
    /// Signs links.
    pub links: Links,
    /// Surveys.
    pub surveys: Arc<Surveys>,
    /// How mail leaves.
    pub transport: Transport,
    /// The sender.
    pub from: Mailbox,
    /// Where answers by mail go.
    pub reply_to: Option<Mailbox>,
    /// Milliseconds to wait after each failed attempt.
    pub retry_schedule_ms: Vec<i64>,
    /// Messages under way at the same time.
    pub at_once: i64,
}

/// What to do about a claimed message.
enum Task {
    Send(Box<Mail>, Arc<Survey>),
    /// Not to be sent; the invitation moves to a state, where it has to.
    Drop(Settlement, Option<State>),
}

impl Courier {
    /// Sends until told to stop: woken when something is enqueued, and when something is due.
    pub async fn run(&self, stop: CancellationToken) {
        let mut changes = self.context.db.changes().listen();
        while !stop.is_cancelled() {
            match self.deliver_some().await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(cause = %error, "the outbox cannot be served right now"),
            }
            let wait = self.wait().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                () = async { while changes.recv().await != Ok(Change::Outbox) {} } => {}
            }
        }
    }

    /// How long nothing is due.
    async fn wait(&self) -> Duration {
        let next = async { outbox::store::next_due(&mut self.context.db.read().await?).await };
        let due_in = match next.await {
            Ok(Some(at)) => at.since(self.context.clock.now()).max(0),
            _ => return LOOK_EVERY,
        };
        Duration::from_millis(due_in.unsigned_abs()).min(LOOK_EVERY)
    }

    /// Sends everything that is due now; answers how many attempts that took.
    ///
    /// # Errors
    /// When the database cannot be reached; what was claimed is due again when its lease ends.
    pub async fn deliver_due(&self) -> db::Result<usize> {
        let mut attempts = 0;
        loop {
            match self.deliver_some().await? {
                0 => return Ok(attempts),
                some => attempts += some,
            }
        }
    }

    /// Sends what fits into one claim; answers how many attempts that took.
    async fn deliver_some(&self) -> db::Result<usize> {
        let claimed = self.claim().await?;
        for result in join_all(claimed.iter().map(|message| self.deliver(message))).await {
            result?;
        }
        Ok(claimed.len())
    }

    async fn claim(&self) -> db::Result<Vec<Claimed>> {
        let now = self.context.clock.now();
        let lease = Lease { until: now.plus_millis(LEASE_MS), token: self.context.random.uuid(now) };
        let mut tx = self.context.db.begin().await?;
        let claimed = outbox::store::claim(&mut tx, now, lease, self.at_once).await?;
        if !claimed.is_empty() {
            tx.commit().await?;
        }
        Ok(claimed)
    }

    async fn deliver(&self, message: &Claimed) -> db::Result<()> {
        let (settlement, moved, survey) = match self.task(message).await? {
            Task::Drop(settlement, moved) => (settlement, moved, None),
            Task::Send(mail, survey) => {
                let settlement = self.settlement(message, self.transport.send(&mail).await);
                let moved = matches!(settlement, Settlement::Failed(_)).then_some(State::Failed);
                (settlement, moved, Some(survey))
            }
        };
        self.settle(message, &settlement, (moved, survey)).await
    }

    /// What to do about a message, by what is stored now: a customer may have unsubscribed since it was enqueued.
    async fn task(&self, message: &Claimed) -> db::Result<Task> {
        if message.kind != invitation::MAIL {
            return Ok(Task::Drop(Settlement::Failed(format!("nobody sends messages of the kind {}", message.kind)), None));
        }
        let id = InvitationId(message.subject_id);
        let cancel = |reason: &str, state| Ok(Task::Drop(Settlement::Cancelled(reason.to_owned()), state));
        let Some(letter) = store::find_letter(&mut self.context.db.read().await?, id).await? else {
            return cancel("there is no such invitation", None);
        };
        let Some(survey) = self.surveys.find(letter.survey_id.0).await? else {
            return cancel("there is no such survey", None);
        };
        if letter.is_suppressed {
            return cancel("the customer wants no mail", Some(State::Withdrawn));
        }
        if survey.archived_at.is_some() {
            return cancel("the survey is archived", Some(State::Withdrawn));
        }
        match letter.state.at(self.context.clock.now(), letter.expires_at) {
            State::Scheduled => {}
            state => return cancel(&format!("the invitation is {state}"), None),
        }
        let Some(email) = &letter.email else {
            return cancel("the customer's address was erased", Some(State::Withdrawn));
        };
        let mail = self.compose(id, &letter, &survey, email);
        Ok(Task::Send(Box::new(mail), survey))
    }

    fn compose(&self, id: InvitationId, letter: &Letter, survey: &Survey, to: &str) -> Mail {
        compose(&InvitationMail {
            id: &id.to_string(),
            date: letter.created_at,
            survey,
            locale: letter.locale.unwrap_or(survey.locale),
            from: &self.from,
            reply_to: self.reply_to.as_ref(),
            to,
            customer_name: letter.name.as_deref(),
            ticket_id: letter.ticket.0.id.as_deref(),
            ticket_subject: letter.ticket.0.subject.as_deref(),
            agent_name: letter.agent.0.name.as_deref(),
            link: &invitation::answer::vote_link(&self.context, &self.links, id),
            unsubscribe_link: &format!("{}/u/{}", self.context.public_url, self.links.token(Purpose::Unsubscribe, id.0)),
        })
    }

    fn settlement(&self, message: &Claimed, sent: Result<String, SendError>) -> Settlement {
        match sent {
            Ok(_reply) => Settlement::Sent,
            Err(SendError::Permanent { reply }) => Settlement::Failed(reply),
            Err(error) => {
                let [a, b, c, d] = self.context.random.bytes();
                let wait = backoff::delay(message.attempt_count, &self.retry_schedule_ms, u32::from_be_bytes([a, b, c, d]), None);
                match wait {
                    Some(wait) => Settlement::Retry(self.context.clock.now().plus_millis(wait), error.to_string()),
                    None => Settlement::Failed(error.to_string()),
                }
            }
        }
    }

    /// Settles the message and moves and counts its invitation in one transaction.
    async fn settle(
        &self,
        message: &Claimed,
        settlement: &Settlement,
        (moved, survey): (Option<State>, Option<Arc<Survey>>),
    ) -> db::Result<()> {
        let now = self.context.clock.now();
        let id = InvitationId(message.subject_id);
        let mut tx = self.context.db.begin().await?;
        let is_ours = outbox::store::settle(&mut tx, message, settlement, now).await?;
        match (settlement, survey) {
            // Accepted is accepted, whoever has the lease by now.
            (Settlement::Sent, Some(survey)) => receive::count_sent(&mut tx, &survey, id, now).await?,
            _ if is_ours => {
                if let Some(state) = moved {
                    invitation::store::close(&mut tx, id, state).await?;
                }
            }
            _ => {}
        }
        tx.commit().await?;
        self.report(message, settlement, now);
        Ok(())
    }

    fn report(&self, message: &Claimed, settlement: &Settlement, now: Timestamp) {
        let (outcome, reason) = match settlement {
            Settlement::Sent => ("sent", ""),
            Settlement::Retry(_, reason) => ("retry", reason.as_str()),
            Settlement::Failed(reason) => ("failed", reason.as_str()),
            Settlement::Cancelled(reason) => ("cancelled", reason.as_str()),
        };
        self.context.metrics.delivery(outcome);
        tracing::info!(outbox = %message.id, invitation = %message.subject_id, attempt = message.attempt_count, outcome, reason, at = %now, "settled");
    }
}
