//! Whom we ask, and when not: the decision, the invitation and its states.

pub mod answer;
pub mod clerk;
pub mod facts;
pub mod http;
pub mod list;
pub mod lookup;
pub mod policy;
pub mod reach;
pub mod receive;
pub mod resend;
pub mod store;
pub mod suppression;
pub mod timeline;
pub mod timing;

use crate::clock::Timestamp;
use crate::db::{FromRow, id, text_enum};
use crate::i18n::Locale;
use crate::outbox::Job;
use crate::survey::{Channel, SurveyId};

id! {
    /// The id of an interaction.
    InteractionId
}

id! {
    /// The id of an invitation.
    InvitationId
}

id! {
    /// The id of a customer.
    CustomerId
}

text_enum! {
    /// The kinds of message in the outbox whose subject is an invitation.
    pub enum Occasion {
        /// The first.
        First = "invitation",
        /// The reminder.
        Reminder = "reminder",
        /// Once more, because somebody asked for it.
        Resend = "resend",
    }
}

impl Occasion {
    /// The message of this occasion by a channel.
    #[must_use]
    pub fn job(self, channel: &Channel, survey: SurveyId, id: InvitationId) -> Job {
        Job { carrier: channel.carrier(), kind: self.as_str(), subject: id.0, survey: Some(survey.0) }
    }
}

text_enum! {
    /// What has become of an invitation.
    pub enum State {
        /// Its message waits to leave.
        Scheduled = "scheduled",
        /// Its message was accepted, or the caller has the link.
        Sent = "sent",
        /// The customer answered.
        Answered = "answered",
        /// Its message could not be sent.
        Failed = "failed",
        /// Its message came back.
        Bounced = "bounced",
        /// It was taken back before an answer.
        Withdrawn = "withdrawn",
        /// It ran out before an answer.
        Expired = "expired",
    }
}

impl State {
    /// The state to show: one that still waits for an answer has expired once its time is over.
    #[must_use]
    pub fn at(self, now: Timestamp, expires_at: Timestamp) -> Self {
        if self.is_open() && now >= expires_at { Self::Expired } else { self }
    }

    /// Whether an answer is still waited for.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Scheduled | Self::Sent)
    }
}

text_enum! {
    /// What was decided about an interaction.
    pub enum Outcome {
        /// The customer is asked.
        Invited = "invited",
        /// The customer is not asked.
        Skipped = "skipped",
    }
}

text_enum! {
    /// Why a customer is not asked; the first rule that hits, in this order.
    pub enum Reason {
        /// The interaction is not over.
        NotClosed = "not_closed",
        /// The customer was asked about this ticket and may still answer.
        Duplicate = "duplicate",
        /// There is no address for any channel of the survey.
        NoAddress = "no_address",
        /// The survey is paused or archived.
        SurveyPaused = "survey_paused",
        /// The customer wants no more mail.
        Unsubscribed = "unsubscribed",
        /// Mail to the customer came back.
        Bounced = "bounced",
        /// The customer is one of our own people.
        OwnDomain = "own_domain",
        /// The customer's address lies in a domain that is left out.
        ExcludedDomain = "excluded_domain",
        /// The ticket has a tag that excludes it.
        ExcludedTag = "excluded_tag",
        /// The ticket was closed too long ago.
        TooOld = "too_old",
        /// The customer was asked about the same metric lately.
        QuietPeriod = "quiet_period",
        /// The customer was asked about anything lately.
        QuietAny = "quiet_any",
        /// The interaction is not in the sample.
        SampledOut = "sampled_out",
        /// The customer answered elsewhere: an interaction that came with its answer is about nothing that could be asked.
        AnsweredElsewhere = "answered_elsewhere",
    }
}

/// A decided request to one customer about one interaction.
#[derive(Debug, Clone, FromRow)]
pub struct Invitation {
    /// Its id, which the link signs.
    pub id: InvitationId,
    /// The survey it is for.
    pub survey_id: SurveyId,
    /// The interaction it is about.
    pub interaction_id: InteractionId,
    /// Whom it asks.
    pub customer_id: Option<CustomerId>,
    /// What has become of it.
    pub state: State,
    /// The customer's language, where it is one of ours.
    pub locale: Option<Locale>,
    /// The customer's time zone, where it is known.
    pub timezone: Option<String>,
    /// The channel that it is first asked by; none where the caller sends the link.
    pub channel: Option<String>,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    /// When its message was accepted, or the caller had the link.
    pub sent_at: Option<Timestamp>,
    /// When it was decided.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_waits_for_an_answer_expires() {
        let (now, over) = (Timestamp::from_millis(10), Timestamp::from_millis(10));
        for (state, shown) in [
            (State::Scheduled, State::Expired),
            (State::Sent, State::Expired),
            (State::Answered, State::Answered),
            (State::Withdrawn, State::Withdrawn),
            (State::Failed, State::Failed),
        ] {
            assert_eq!(state.at(now, over), shown);
            assert_eq!(state.at(now, over.plus_millis(1)), state);
        }
    }
}
