//! Whoever sends: composes and sends each due message, and settles it with what it meant for its invitation.

use std::sync::Arc;

use super::aftermath::Sending;
use super::compose::{InvitationMail, compose, compose_notice};
use super::gateway as by_gateway;
use super::mail::{Mail, Mailbox};
use super::pace::Pace;
use super::store::{self, Letter};
use super::transport::Transport;
use super::verdict::{Verdict, judge};
use super::verp;
use crate::db;
use crate::gateway::answer::Outcome;
use crate::gateway::call::Call;
use crate::gateway::{self, Gateway};
use crate::invitation::{self, InvitationId, Occasion, timing};
use crate::link::{Links, Purpose};
use crate::net::smtp::SendError;
use crate::notice::{self, NOTICE};
use crate::outbox::serve::{Carrier, Lane, Round};
use crate::outbox::{self, Claimed, Settlement, backoff};
use crate::survey::{Channel, Survey, Surveys};
use crate::web::Context;

/// Why a message is not tried again where none may arrive twice.
const IN_DOUBT: &str = "an earlier attempt broke off and may have been accepted; mail.policy is at_most_once";
const TOO_MANY: &str = "more messages a minute than mail.per_minute or mail.per_domain_per_minute allows";
/// Announcements under way at the same time: each is a transaction and nothing else.
const ANNOUNCED_AT_ONCE: usize = 4;

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
    /// Where reports about messages go, each to an address of its own; to the sender where it is `None`.
    pub bounce_domain: Option<String>,
    /// How many messages leave a minute.
    pub pace: Pace,
    /// Whether a message that may have been accepted is given up, and not sent again.
    pub at_most_once: bool,
    /// Who is told of what an operator should know.
    pub admin: Option<Mailbox>,
    /// Milliseconds to wait after each failed attempt.
    pub retry_schedule_ms: Vec<i64>,
    /// Messages under way at the same time.
    pub at_once: usize,
    /// Milliseconds to wait after each failed attempt by a gateway.
    pub gateway_schedule_ms: Vec<i64>,
    /// Messages under way at the same time through each gateway.
    pub gateway_at_once: usize,
}

/// What to do about a claimed message.
enum Task {
    Send(Parcel, Sending),
    /// It cannot be made, now or later; that counts as an attempt.
    Fail(String, Sending),
    /// A word to the operator, which is about no invitation.
    Notify(Box<Mail>),
    /// Not to be sent, at least not now.
    Leave(Settlement),
    /// Not to be sent ever; where no message has left so far, the invitation is taken back.
    TakeBack(String),
}

/// A message as its channel takes it.
enum Parcel {
    Mail(Box<Mail>),
    Call(Box<Call>, Box<Gateway>),
    /// To the caller's own system, which sends the link.
    Announcement,
}

/// What settling a message means for its invitation.
enum Meaning {
    Nothing,
    TakenBack,
    Tried(Sending),
}

impl Carrier for Courier {
    fn round(&self) -> Round<'_> {
        let Context { db, clock, random, .. } = self.context.as_ref();
        Round { db, clock, random }
    }

    async fn lanes(&self) -> db::Result<Vec<Lane>> {
        let ours = [Lane::new(Channel::Email.carrier(), self.at_once), Lane::new(Channel::Webhook.carrier(), ANNOUNCED_AT_ONCE)];
        let names = gateway::store::list_names(&mut self.context.db.read().await?).await?;
        let gateways = names.into_iter().map(|name| Lane::new(Channel::Gateway(name).carrier(), self.gateway_at_once));
        Ok(ours.into_iter().chain(gateways).collect())
    }

    async fn carry(&self, message: &Claimed) -> db::Result<()> {
        self.deliver(message).await
    }
}

impl Courier {
    async fn deliver(&self, message: &Claimed) -> db::Result<()> {
        let (settlement, meaning) = match self.task(message).await? {
            Task::Leave(settlement) => (settlement, Meaning::Nothing),
            Task::TakeBack(why) => (Settlement::Cancelled(why), Meaning::TakenBack),
            Task::Fail(why, sending) => (Settlement::Failed(why), Meaning::Tried(sending)),
            Task::Send(Parcel::Announcement, sending) => return self.announce(message, sending).await,
            Task::Send(Parcel::Mail(_), sending) if self.at_most_once && message.is_interrupted() => {
                (Settlement::Failed(IN_DOUBT.to_owned()), Meaning::Tried(sending))
            }
            Task::Send(Parcel::Mail(mail), sending) => {
                (self.settlement(message, self.transport.send(&mail).await), Meaning::Tried(sending))
            }
            Task::Send(Parcel::Call(call, gateway), sending) => {
                let (_, outcome) = call.send(&self.context.http, gateway.rules(), self.context.clock.now()).await;
                (self.settled_by_gateway(message, outcome), Meaning::Tried(sending))
            }
            Task::Notify(mail) => (self.settlement(message, self.transport.send(&mail).await), Meaning::Nothing),
        };
        self.settle(message, &settlement, meaning).await
    }

    /// What to do about a message, by what is stored now: a customer may have unsubscribed since it was enqueued.
    async fn task(&self, message: &Claimed) -> db::Result<Task> {
        if message.kind == NOTICE {
            return self.notify(message).await;
        }
        let (Ok(occasion), Some(channel)) = (message.kind.parse::<Occasion>(), Channel::of_carrier(&message.carrier)) else {
            return Ok(Task::Leave(Settlement::Failed(format!("nobody sends messages of the kind {}", message.kind))));
        };
        let cancel = |reason: &str| Ok(Task::Leave(Settlement::Cancelled(reason.to_owned())));
        let Some(letter) = store::find_letter(&mut self.context.db.read().await?, InvitationId(message.subject_id)).await? else {
            return cancel("there is no such invitation");
        };
        let Some(survey) = self.surveys.find(letter.survey_id.0).await? else {
            return cancel("there is no such survey");
        };
        let gateway = match &channel {
            Channel::Gateway(name) => match gateway::store::find(&mut self.context.db.read().await?, name).await? {
                Some(gateway) => Some(gateway),
                None => return Ok(Task::TakeBack(format!("there is no gateway called {name} any more"))),
            },
            Channel::Email | Channel::Webhook => None,
        };
        let is_reached = channel == Channel::Webhook || letter.is_reached(gateway.as_ref());
        match judge((occasion, is_reached), &letter, &survey, self.context.clock.now()) {
            Verdict::Leave => {}
            Verdict::Wait(until, why) => return Ok(Task::Leave(Settlement::Later(until, why.to_owned()))),
            Verdict::Over(why) => return cancel(&why),
            Verdict::Drop(why) => return Ok(Task::TakeBack(why)),
        }
        if let (Channel::Email, Some(email)) = (&channel, &letter.email)
            && let Some(until) = self.pace.wait(message.id, email, self.context.clock.now())
        {
            return Ok(Task::Leave(Settlement::Later(until, TOO_MANY.to_owned())));
        }
        let parcel = match gateway {
            Some(gateway) => self.call(message, occasion, (gateway, &letter, &survey)),
            None if channel == Channel::Webhook => Ok(Parcel::Announcement),
            None => Ok(Parcel::Mail(Box::new(self.compose(message, occasion, &letter, &survey)))),
        };
        let sending = Sending::new(occasion, channel, &letter, survey);
        Ok(match parcel {
            Ok(parcel) => Task::Send(parcel, sending),
            Err(why) => Task::Fail(why, sending),
        })
    }

    /// Renders a message for a gateway, or says why that cannot be done.
    fn call(
        &self,
        message: &Claimed,
        occasion: Occasion,
        (gateway, letter, survey): (Gateway, &Letter, &Survey),
    ) -> Result<Parcel, String> {
        let id = InvitationId(message.subject_id);
        let about = by_gateway::Occasion {
            id: message.id.0,
            is_reminder: occasion == Occasion::Reminder,
            link: &invitation::answer::vote_link(&self.context, &self.links, id),
            unsubscribe_link: &self.unsubscribe_link(id),
        };
        let secrets = gateway.open(&self.context.keyring).ok_or("the gateway's secrets cannot be opened: give them anew")?;
        let call =
            Call::new(&gateway.definition, &secrets, &by_gateway::message(about, letter, survey)).map_err(|error| error.to_string())?;
        Ok(Parcel::Call(Box::new(call), Box::new(gateway)))
    }

    fn unsubscribe_link(&self, id: InvitationId) -> String {
        format!("{}/u/{}", self.context.public_url, self.links.token(Purpose::Unsubscribe, id.0))
    }

    /// A notice as a mail to the operator.
    async fn notify(&self, message: &Claimed) -> db::Result<Task> {
        let Some(to) = &self.admin else {
            return Ok(Task::Leave(Settlement::Cancelled("mail.admin names nobody".to_owned())));
        };
        let Some(notice) = notice::store::find(&mut self.context.db.read().await?, message.subject_id).await? else {
            return Ok(Task::Leave(Settlement::Cancelled("there is no such notice".to_owned())));
        };
        let (from, at) = (self.from.clone(), message.created_at);
        Ok(Task::Notify(Box::new(compose_notice(&message.subject_id.to_string(), at, (from, to.clone()), &notice))))
    }

    /// Composes a message. Its id and its date are the same at every attempt.
    fn compose(&self, message: &Claimed, occasion: Occasion, letter: &Letter, survey: &Survey) -> Mail {
        let id = InvitationId(message.subject_id);
        let reminded_at = || timing::reminded_at(&survey.policy, letter.zone(survey), (letter.sent_at?, letter.expires_at));
        let (mail_id, date) = match occasion {
            Occasion::First => (id.to_string(), letter.created_at),
            Occasion::Reminder => (format!("{id}-reminder"), reminded_at().unwrap_or(letter.created_at)),
            Occasion::Resend => (message.id.to_string(), message.created_at),
        };
        compose(&InvitationMail {
            id: &mail_id,
            date,
            is_reminder: occasion == Occasion::Reminder,
            survey,
            locale: letter.locale.unwrap_or(survey.locale),
            from: &self.from,
            reply_to: self.reply_to.as_ref(),
            return_path: self.bounce_domain.as_ref().map(|domain| verp::address(&self.links, id, domain)),
            to: letter.email.as_deref().unwrap_or_default(),
            customer_name: letter.name.as_deref(),
            ticket_id: letter.ticket.0.id.as_deref(),
            ticket_subject: letter.ticket.0.subject.as_deref(),
            agent_name: letter.agent.0.name.as_deref(),
            link: &invitation::answer::vote_link(&self.context, &self.links, id),
            unsubscribe_link: &self.unsubscribe_link(id),
        })
    }

    fn settlement(&self, message: &Claimed, sent: Result<String, SendError>) -> Settlement {
        match sent {
            Ok(reply) => Settlement::Sent(reply),
            Err(SendError::Permanent { reply }) => Settlement::Failed(reply),
            Err(error @ SendError::Unknown { .. }) if self.at_most_once => {
                Settlement::Failed(format!("{error}; it is not tried again, as mail.policy is at_most_once"))
            }
            Err(error) => self.again(message, (&self.retry_schedule_ms, None), error.to_string()),
        }
    }

    fn settled_by_gateway(&self, message: &Claimed, outcome: Outcome) -> Settlement {
        match outcome {
            Outcome::Accepted { id, reply } => Settlement::Sent(by_gateway::reply(id.as_deref(), &reply)),
            Outcome::Refused { why } => Settlement::Failed(why),
            Outcome::Later { why, retry_after_ms } => self.again(message, (&self.gateway_schedule_ms, retry_after_ms), why),
        }
    }

    /// A message that failed for now waits for its next turn, or is given up after the last.
    fn again(&self, message: &Claimed, (schedule_ms, retry_after_ms): (&[i64], Option<i64>), why: String) -> Settlement {
        let at = (&self.context.random, self.context.clock.now());
        backoff::settle(message, schedule_ms, at, why, retry_after_ms)
    }

    /// Settles the message, with what it means for its invitation in the same transaction.
    async fn settle(&self, message: &Claimed, settlement: &Settlement, meaning: Meaning) -> db::Result<()> {
        let now = self.context.clock.now();
        let id = InvitationId(message.subject_id);
        let mut tx = self.context.db.begin().await?;
        let is_ours = outbox::store::settle(&mut tx, message, settlement, now).await?;
        match (settlement, meaning) {
            // Accepted is accepted, whoever has the lease by now.
            (Settlement::Sent(_), Meaning::Tried(sending)) => self.accepted(&mut tx, id, &sending, is_ours).await?,
            (Settlement::Failed(why), Meaning::Tried(_)) if is_ours => self.failed(&mut tx, id, why).await?,
            (Settlement::Cancelled(why), Meaning::TakenBack) if is_ours => self.taken_back(&mut tx, id, why).await?,
            _ => {}
        }
        tx.commit().await?;
        self.report(message, settlement);
        Ok(())
    }

    pub(super) fn report(&self, message: &Claimed, settlement: &Settlement) {
        let channel = Channel::of_carrier(&message.carrier).map_or_else(String::new, |channel| channel.to_string());
        self.context.metrics.delivery(&channel, settlement.word());
        outbox::log(message, settlement);
    }
}
