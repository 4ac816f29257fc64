//! What whoever sent an interaction is told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::facts::store::Asked;
use super::store::{self, Decided};
use super::{InteractionId, Invitation, InvitationId, Outcome, Reason, State};
use crate::clock::Timestamp;
use crate::db::{Result, Session, text_enum};
use crate::link::{Links, Purpose};
use crate::web::Context;

/// An invitation as its sender sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Invitation)]
pub struct InvitationBody {
    /// Its id.
    pub id: InvitationId,
    /// The signed address of its survey page.
    pub link: String,
    /// What has become of it.
    pub state: State,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
}

/// The answer to an interaction.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Decision)]
pub struct InteractionAnswer {
    /// The interaction's id; a dry run has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<InteractionId>,
    /// What was decided.
    pub outcome: Outcome,
    /// Why the customer is not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When the reason no longer holds, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The decision in one sentence, with its numbers.
    pub explanation: String,
    /// The invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<InvitationBody>,
}

impl InteractionAnswer {
    /// What would be decided, with nothing that exists only if it were.
    #[must_use]
    pub fn of_dry_run(decided: Decided) -> Self {
        let Decided { outcome, reason, until_at: until, explanation, .. } = decided;
        Self { id: None, outcome, reason, until, explanation, invitation: None }
    }

    /// The answer to a decided interaction.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn of(session: &mut impl Session, context: &Context, links: &Links, decided: Decided) -> Result<Self> {
        let invitation = match decided.outcome {
            Outcome::Invited => store::find_of(session, decided.id).await?,
            Outcome::Skipped => None,
        };
        let asked = invitation.map(|Invitation { id, state, expires_at, .. }| Asked { id, state, expires_at });
        Ok(Self::new(context, links, decided, asked))
    }

    /// The answer to a decided interaction whose invitation is known.
    #[must_use]
    pub fn new(context: &Context, links: &Links, decided: Decided, asked: Option<Asked>) -> Self {
        Self {
            id: Some(decided.id),
            outcome: decided.outcome,
            reason: decided.reason,
            until: decided.until_at,
            explanation: decided.explanation,
            invitation: asked.map(|asked| body(asked, context, links)),
        }
    }
}

fn body(asked: Asked, context: &Context, links: &Links) -> InvitationBody {
    InvitationBody {
        id: asked.id,
        link: vote_link(context, links, asked.id),
        state: asked.state.at(context.clock.now(), asked.expires_at),
        expires_at: asked.expires_at,
    }
}

/// The address of an invitation's survey page.
#[must_use]
pub fn vote_link(context: &Context, links: &Links, id: InvitationId) -> String {
    format!("{}/s/{}", context.public_url, links.token(Purpose::Vote, id.0))
}

text_enum! {
    /// What became of an event at a hook.
    pub enum HookOutcome {
        /// The customer is asked.
        Invited = "invited",
        /// The customer is not asked.
        Skipped = "skipped",
        /// The same was received before; this is the first answer.
        Duplicate = "duplicate",
        /// The event is no closing.
        Ignored = "ignored",
        /// The help desk is being asked who the customer is; the decision follows.
        Pending = "pending",
    }
}

/// The answer to one event at a hook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HookAnswer {
    /// What became of it.
    pub outcome: HookOutcome,
    /// Why, for what was skipped or ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when the reason holds, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The interaction's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interaction: Option<InteractionId>,
    /// The invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation: Option<InvitationBody>,
    /// The invitations that were taken back, for a ticket that was opened again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Vec<InvitationId>>,
}

impl HookAnswer {
    /// An event that is no closing.
    #[must_use]
    pub fn ignored(reason: &str) -> Self {
        Self {
            outcome: HookOutcome::Ignored,
            reason: Some(reason.to_owned()),
            until: None,
            interaction: None,
            invitation: None,
            withdrawn: None,
        }
    }

    /// A closing whose customer is being looked up, now or since an earlier event.
    #[must_use]
    pub fn pending(is_new: bool) -> Self {
        let (outcome, reason) = if is_new { (HookOutcome::Pending, None) } else { (HookOutcome::Duplicate, Some("pending".to_owned())) };
        Self { outcome, reason, ..Self::ignored("") }
    }

    /// A ticket that was opened again.
    #[must_use]
    pub fn reopened(withdrawn: Vec<InvitationId>) -> Self {
        Self { withdrawn: Some(withdrawn), ..Self::ignored("reopened") }
    }

    /// A closing that was decided, now or before.
    #[must_use]
    pub fn decided(answer: InteractionAnswer, is_new: bool) -> Self {
        let outcome = match (is_new, answer.outcome) {
            (false, _) => HookOutcome::Duplicate,
            (true, Outcome::Invited) => HookOutcome::Invited,
            (true, Outcome::Skipped) => HookOutcome::Skipped,
        };
        Self {
            outcome,
            reason: answer.reason.map(|reason| reason.to_string()),
            until: answer.until,
            interaction: answer.id,
            invitation: answer.invitation,
            withdrawn: None,
        }
    }

    /// The same answer to the same delivery, when it comes again.
    #[must_use]
    pub fn again(mut self) -> Self {
        if self.outcome != HookOutcome::Ignored {
            self.outcome = HookOutcome::Duplicate;
        }
        self
    }
}

/// The answer to a delivery: of one event, or of each in a list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HookAnswers {
    /// One event.
    One(Box<HookAnswer>),
    /// Events that came as a list.
    Batch {
        /// The word `batch`.
        outcome: String,
        /// The answer to each event, in their order.
        items: Vec<HookAnswer>,
    },
}

impl HookAnswers {
    /// The answer to events; a single one that came as such is answered as such.
    #[must_use]
    pub fn of(mut items: Vec<HookAnswer>, is_list: bool) -> Self {
        match (is_list, items.pop()) {
            (false, Some(item)) => Self::One(Box::new(item)),
            (_, last) => Self::Batch { outcome: "batch".to_owned(), items: items.into_iter().chain(last).collect() },
        }
    }

    /// An answer with another one to the event at a place; whether any of them is still pending.
    ///
    /// # Errors
    /// When `text` is no such answer.
    pub fn with(text: &str, place: usize, answer: HookAnswer) -> serde_json::Result<(String, bool)> {
        let mut answers: Self = serde_json::from_str(text)?;
        let items = match &mut answers {
            Self::One(item) => std::slice::from_mut(item.as_mut()),
            Self::Batch { items, .. } => items.as_mut_slice(),
        };
        if let Some(item) = items.get_mut(place) {
            *item = answer;
        }
        let is_pending = items.iter().any(|item| item.outcome == HookOutcome::Pending);
        Ok((serde_json::to_string(&answers)?, is_pending))
    }

    /// An answer that was given before, told as a duplicate; both as JSON.
    ///
    /// # Errors
    /// When `first` is no such answer.
    pub fn again(first: &str) -> serde_json::Result<String> {
        let again = match serde_json::from_str(first)? {
            Self::One(item) => Self::One(Box::new(item.again())),
            Self::Batch { outcome, items } => Self::Batch { outcome, items: items.into_iter().map(HookAnswer::again).collect() },
        };
        serde_json::to_string(&again)
    }
}
