//! Hands invitations to the caller's own systems: what `invitation.*` events say, and what follows when they were told.

use std::sync::Arc;

use serde_json::{Value, json};

use super::aftermath::Sending;
use super::gateway::score_links;
use super::store::{Letter, find_letter};
use super::verdict::{Verdict, judge};
use super::worker::Courier;
use crate::db::{self, Tx};
use crate::i18n::plain;
use crate::intake::Customer;
use crate::invitation::{InvitationId, Occasion, answer, resend};
use crate::outbox::{self, Claimed, Settlement};
use crate::survey::wording::Wording;
use crate::survey::{self, Channel, Survey};
use crate::webhook::describe::{Coming, Describe, Ending};
use crate::webhook::event::store::{Event, fate};
use crate::webhook::tell::tell_all;
use crate::webhook::{EventKind, Happened};

/// Why an invitation by webhook leads nowhere.
const NOBODY: &str = "no enabled webhook is told of invitation.created";

impl Courier {
    /// Tells the endpoints that a customer is to be asked, in the transaction that settles the message. The invitation counts as sent when one of
    /// them has accepted it.
    pub(super) async fn announce(&self, message: &Claimed, sending: Sending) -> db::Result<()> {
        let now = self.context.clock.now();
        let id = InvitationId(message.subject_id);
        let mut tx = self.context.db.begin().await?;
        // Endpoints are locked last, here as everywhere: the message and its invitation come first.
        if !(outbox::store::hold(&mut tx, message).await? && resend::store::lock(&mut tx, id).await?) {
            return Ok(());
        }
        let happened = Happened {
            kind: EventKind::InvitationCreated,
            survey: sending.survey.id,
            subject: id.0,
            version: 0,
            detail: Some(sending.occasion.to_string()),
        };
        let settlement = match tell_all(&mut tx, &self.context, &[happened]).await? {
            0 => Settlement::Failed(NOBODY.to_owned()),
            told => Settlement::Sent(format!("handed to {told} of the webhooks")),
        };
        outbox::store::settle(&mut tx, message, &settlement, now).await?;
        if let Settlement::Failed(why) = &settlement {
            self.failed(&mut tx, id, why).await?;
        }
        tx.commit().await?;
        self.report(message, &settlement);
        Ok(())
    }
}

/// Describes invitations to endpoints.
pub struct Herald {
    /// Whoever knows what a message means for its invitation.
    pub courier: Arc<Courier>,
}

impl Describe for Herald {
    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::InvitationCreated, EventKind::InvitationBounced]
    }

    fn describe<'a>(&'a self, event: &'a Event) -> Coming<'a, Option<Value>> {
        Box::pin(async move {
            // The survey first: looking it up may take a connection, and nobody holds one while waiting for another.
            let Some(survey) = self.courier.surveys.find(event.survey_id.0).await? else { return Ok(None) };
            let id = InvitationId(event.subject_id);
            let Some(letter) = find_letter(&mut self.courier.context.db.read().await?, id).await? else { return Ok(None) };
            if event.kind == EventKind::InvitationBounced {
                return Ok(Some(json!({
                    "invitation": self.invitation(event, &letter, &survey),
                    "customer": customer(&letter, &survey),
                    "reason": event.detail,
                })));
            }
            let verdict = judge((occasion(event), true), &letter, &survey, self.courier.context.clock.now());
            // Whether it may leave at this hour was judged before it was handed over.
            let is_wanted = matches!(verdict, Verdict::Leave | Verdict::Wait(..));
            Ok(is_wanted.then(|| self.created(event, &letter, &survey)))
        })
    }

    fn ended<'a>(&'a self, tx: &'a mut Tx, event: &'a Event, ending: &'a Ending) -> Coming<'a, ()> {
        Box::pin(async move {
            if event.kind != EventKind::InvitationCreated {
                return Ok(());
            }
            let id = InvitationId(event.subject_id);
            // Of two endpoints that end at the same instant, the later one sees how the other did.
            resend::store::lock(tx, id).await?;
            let (accepted, waiting) = fate(tx, event.id).await?;
            match ending {
                // None, where somebody else has the message by now: accepted is accepted all the same.
                Ending::Accepted if accepted <= 1 => {
                    let found = survey::store::find(tx, event.survey_id).await?.zip(find_letter(tx, id).await?);
                    let Some((survey, letter)) = found else { return Ok(()) };
                    let sending = Sending::new(occasion(event), Channel::Webhook, &letter, Arc::new(survey));
                    self.courier.accepted(tx, id, &sending, true).await
                }
                Ending::GivenUp(why) if accepted == 0 && waiting == 0 => self.courier.failed(tx, id, why).await,
                Ending::Unwanted if accepted == 0 && waiting == 0 => self.courier.taken_back(tx, id, "it was no longer wanted").await,
                _ => Ok(()),
            }
        })
    }
}

fn customer(letter: &Letter, survey: &Survey) -> Customer {
    Customer {
        email: letter.email.clone(),
        phone: letter.phone.clone(),
        name: letter.name.clone(),
        locale: Some(letter.locale.unwrap_or(survey.locale).to_string()),
        timezone: letter.timezone.clone(),
        reference: letter.reference.clone(),
    }
}

/// Which message of its invitation an event stands for.
fn occasion(event: &Event) -> Occasion {
    event.detail.as_deref().and_then(|word| word.parse().ok()).unwrap_or(Occasion::First)
}

impl Herald {
    fn invitation(&self, event: &Event, letter: &Letter, survey: &Survey) -> Value {
        let id = InvitationId(event.subject_id);
        let link = answer::vote_link(&self.courier.context, &self.courier.links, id);
        json!({"id": id, "link": link, "score_links": score_links(survey, &link), "expires_at": letter.expires_at})
    }

    fn created(&self, event: &Event, letter: &Letter, survey: &Survey) -> Value {
        let locale = letter.locale.unwrap_or(survey.locale);
        let mut invitation = self.invitation(event, letter, survey);
        if let Some(invitation) = invitation.as_object_mut() {
            invitation.insert("occasion".to_owned(), json!(occasion(event)));
        }
        json!({
            "invitation": invitation,
            "survey": {
                "slug": survey.slug,
                "metric": survey.metric,
                "company": survey.company,
                "question": Wording::new(survey, plain(locale)).question(),
            },
            "customer": customer(letter, survey),
            "ticket": letter.ticket.0,
            "agent": letter.agent.0,
            "locale": locale,
        })
    }
}
