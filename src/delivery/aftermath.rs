//! What settling a message means for its invitation.

use std::sync::Arc;

use chrono_tz::Tz;

use super::store::{self, Letter};
use super::worker::Courier;
use crate::clock::Timestamp;
use crate::db::{self, Tx};
use crate::invitation::timeline::{self, Event};
use crate::invitation::{InvitationId, Occasion, State, receive, resend, timing};
use crate::outbox::{self, OutboxId};
use crate::survey::{Channel, Survey};

/// What a message that was sent is about.
pub(super) struct Sending {
    pub occasion: Occasion,
    pub channel: Channel,
    pub survey: Arc<Survey>,
    pub zone: Tz,
    pub expires_at: Timestamp,
}

impl Sending {
    pub(super) fn new(occasion: Occasion, channel: Channel, letter: &Letter, survey: Arc<Survey>) -> Self {
        Self { occasion, channel, zone: letter.zone(&survey), survey, expires_at: letter.expires_at }
    }
}

impl Courier {
    /// Counts an invitation whose first message was accepted, and enqueues its one reminder; notes any other message.
    pub(super) async fn accepted(&self, tx: &mut Tx, id: InvitationId, sending: &Sending, is_ours: bool) -> db::Result<()> {
        let now = self.context.clock.now();
        let Sending { occasion, channel, survey, zone, expires_at } = sending;
        let event = match occasion {
            Occasion::First => None,
            Occasion::Reminder => Some(Event::Reminded),
            Occasion::Resend => Some(Event::Resent),
        };
        if let Some(event) = event.filter(|_| is_ours) {
            timeline::note(tx, &self.context, id, (event, None)).await?;
        }
        if *occasion != Occasion::Reminder && receive::count_sent(tx, survey, id, now).await? {
            let reminded_at = timing::reminded_at(&survey.policy, *zone, (now, *expires_at));
            if let Some(due_at) = reminded_at {
                let job = Occasion::Reminder.job(channel, survey.id, id);
                outbox::store::enqueue(tx, OutboxId(self.context.random.uuid(now)), job, now, due_at).await?;
            }
        }
        Ok(())
    }

    /// What never left, and cannot leave by another channel, is taken back; who has a link keeps it.
    pub(super) async fn taken_back(&self, tx: &mut Tx, id: InvitationId, why: &str) -> db::Result<()> {
        if is_over(tx, id).await? {
            timeline::close(tx, &self.context, id, (State::Withdrawn, Event::Withdrawn, why)).await?;
        }
        Ok(())
    }

    /// An invitation whose last message fails has failed; one that has left before, or may still leave by another channel, has not.
    pub(super) async fn failed(&self, tx: &mut Tx, id: InvitationId, why: &str) -> db::Result<()> {
        if is_over(tx, id).await? {
            timeline::close(tx, &self.context, id, (State::Failed, Event::Failed, why)).await?;
        } else {
            timeline::note(tx, &self.context, id, (Event::Failed, Some(why))).await?;
        }
        Ok(())
    }
}

/// Whether nothing of an invitation has left, and nothing waits any more that could. Its row is locked first, after that of the message, so that of
/// two messages which are settled at the same instant the later one sees what became of the other.
async fn is_over(tx: &mut Tx, id: InvitationId) -> db::Result<bool> {
    resend::store::lock(tx, id).await?;
    Ok(timeline::store::is_scheduled(tx, id).await? && !store::is_on_its_way(tx, id).await?)
}
