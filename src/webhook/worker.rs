//! Whoever tells endpoints: composes, signs and posts each event, settles it, and switches an endpoint off that is gone or only fails.

use std::borrow::Cow;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::describe::{self, Describe, Ending};
use super::endpoints::Endpoints;
use super::event::store::{self as events, Event};
use super::signature::signatures;
use super::{SECRET_PURPOSE, State, Webhook, WebhookId, carrier, of_carrier, store};
use crate::clock::Timestamp;
use crate::db::{self, Tx};
use crate::net::client::{Answer, Failed, Method, Request};
use crate::net::guard::Needs;
use crate::notice;
use crate::outbox::serve::{Carrier, Lane, Round};
use crate::outbox::{self, Claimed, Settlement, backoff, history};
use crate::web::Context;

/// Requests to one endpoint under way at the same time.
const AT_ONCE: usize = 4;
/// Messages to one endpoint claimed together: a commit serves many. Four rounds of a minute, the longest that a request may take, end within the lease.
const CLAIMED: usize = 16;
/// An endpoint that has only failed for so long is switched off.
const GIVE_UP_AFTER_DAYS: i64 = 5;
/// The answer of an endpoint that wants no more (Standard Webhooks).
const GONE: u16 = 410;

/// Tells endpoints.
pub struct Messenger {
    /// The context of every handler.
    pub context: Arc<Context>,
    /// The endpoints.
    pub endpoints: Arc<Endpoints>,
    /// Whoever knows what events say.
    pub describers: Vec<Box<dyn Describe>>,
    /// Milliseconds to wait after each failed attempt.
    pub retry_schedule_ms: Vec<i64>,
}

/// How an attempt went.
enum Tried {
    Accepted(u16),
    /// The endpoint is gone for good.
    Gone,
    Failed(String, Option<i64>),
}

/// What to do about a claimed message.
enum Task {
    Post { webhook: Box<Webhook>, event: Box<Event>, data: Value },
    Leave(Option<Box<Event>>, Settlement),
}

impl Carrier for Messenger {
    fn round(&self) -> Round<'_> {
        let Context { db, clock, random, .. } = self.context.as_ref();
        Round { db, clock, random }
    }

    async fn lanes(&self) -> db::Result<Vec<Lane>> {
        let known = self.endpoints.known().await?;
        // What waits for a disabled or a removed one is given up one by one, so that everything follows that has to.
        let mut carriers: Vec<Cow<'static, str>> = known.live.iter().map(Webhook::carrier).collect();
        for id in known.removed.iter() {
            if !self.forget_drained(*id).await? {
                carriers.push(carrier(*id));
            }
        }
        Ok(carriers.into_iter().map(|carrier| Lane { carrier, at_once: AT_ONCE, claimed: CLAIMED }).collect())
    }

    async fn carry(&self, message: &Claimed) -> db::Result<()> {
        match self.task(message).await? {
            Task::Leave(event, settlement) => self.leave(message, event.as_deref(), settlement).await,
            Task::Post { webhook, event, data } => {
                let tried = self.post(&webhook, &event, data).await;
                self.settle(message, (&webhook, &event), tried).await
            }
        }
    }
}

impl Messenger {
    /// Forgets a removed endpoint for which nothing waits any more; false while something does.
    async fn forget_drained(&self, id: WebhookId) -> db::Result<bool> {
        if outbox::store::next_due(&mut self.context.db.read().await?, &carrier(id)).await?.is_some() {
            return Ok(false);
        }
        let mut tx = self.context.db.begin().await?;
        store::forget(&mut tx, id).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn task(&self, message: &Claimed) -> db::Result<Task> {
        let mut read = self.context.db.read().await?;
        let failed = |event: Option<Event>, why: &str| Ok(Task::Leave(event.map(Box::new), Settlement::Untried(why.to_owned())));
        let Some(event) = events::find_event(&mut read, message.id).await? else {
            return failed(None, "there is no such event");
        };
        let webhook = match of_carrier(&message.carrier) {
            Some(id) => store::find(&mut read, id).await?,
            None => None,
        };
        drop(read);
        let Some(webhook) = webhook else { return failed(Some(event), "the endpoint was removed") };
        if webhook.state == State::Disabled {
            return failed(Some(event), "the endpoint is disabled");
        }
        let Some(describer) = describe::of(&self.describers, &event) else {
            return failed(Some(event), "nobody knows what such an event says");
        };
        Ok(match describer.describe(&event).await? {
            Some(data) => Task::Post { webhook: Box::new(webhook), event: Box::new(event), data },
            None => Task::Leave(Some(Box::new(event)), Settlement::Cancelled("it is no longer to be told".to_owned())),
        })
    }

    async fn post(&self, webhook: &Webhook, event: &Event, data: Value) -> Tried {
        let body = json!({"type": event.kind, "timestamp": event.created_at, "number": event.number, "data": data});
        judge(post(&self.context, webhook, &event.id.to_string(), &body).await, self.context.clock.now())
    }

    /// Settles what was not posted.
    async fn leave(&self, message: &Claimed, event: Option<&Event>, settlement: Settlement) -> db::Result<()> {
        let mut tx = self.context.db.begin().await?;
        let ending = match &settlement {
            Settlement::Untried(why) => Ending::GivenUp(why.clone()),
            _ => Ending::Unwanted,
        };
        if outbox::store::settle(&mut tx, message, &settlement, self.context.clock.now()).await?
            && let Some(event) = event
        {
            self.ended(&mut tx, event, &ending).await?;
        }
        tx.commit().await?;
        self.report(message, &settlement);
        Ok(())
    }

    async fn settle(&self, message: &Claimed, (webhook, event): (&Webhook, &Event), tried: Tried) -> db::Result<()> {
        let now = self.context.clock.now();
        let again =
            |why, retry_after_ms| backoff::settle(message, &self.retry_schedule_ms, (&self.context.random, now), why, retry_after_ms);
        let settlement = match &tried {
            Tried::Accepted(status) => Settlement::Sent(format!("answered {status}")),
            Tried::Gone => Settlement::Failed(format!("answered {GONE}: it wants no more")),
            Tried::Failed(why, retry_after_ms) => again(why.clone(), *retry_after_ms),
        };
        let mut tx = self.context.db.begin().await?;
        let is_ours = outbox::store::settle(&mut tx, message, &settlement, now).await?;
        match (&tried, &settlement) {
            // Accepted is accepted, whoever has the lease by now.
            (Tried::Accepted(_), _) => self.ended(&mut tx, event, &Ending::Accepted).await?,
            (_, Settlement::Failed(why)) if is_ours => self.ended(&mut tx, event, &Ending::GivenUp(why.clone())).await?,
            _ => {}
        }
        self.note(&mut tx, webhook, &tried, now).await?;
        tx.commit().await?;
        self.report(message, &settlement);
        Ok(())
    }

    async fn ended(&self, tx: &mut Tx, event: &Event, ending: &Ending) -> db::Result<()> {
        match describe::of(&self.describers, event) {
            Some(describer) => describer.ended(tx, event, ending).await,
            None => Ok(()),
        }
    }

    /// Notes since when an endpoint has been failing, and switches it off where that is enough.
    async fn note(&self, tx: &mut Tx, webhook: &Webhook, tried: &Tried, now: Timestamp) -> db::Result<()> {
        if matches!(tried, Tried::Accepted(_)) && webhook.failing_since.is_none() {
            // Another attempt may have failed meanwhile; five days of failures begin with the next one then.
            return Ok(());
        }
        let failed_at = (!matches!(tried, Tried::Accepted(_))).then_some(now);
        let since = store::note_attempt(tx, webhook.id, failed_at).await?;
        let why = match tried {
            Tried::Gone => format!("it answered {GONE}"),
            _ if since.is_some_and(|since| now >= since.plus_days(GIVE_UP_AFTER_DAYS)) => {
                format!("it has only failed for {GIVE_UP_AFTER_DAYS} days")
            }
            _ => return Ok(()),
        };
        if store::disable(tx, webhook.id, &why, now).await? {
            let waiting = history::store::hasten(tx, &webhook.carrier(), now).await?;
            notice::post(tx, &self.context, &off(webhook, &why, waiting)).await?;
        }
        Ok(())
    }

    fn report(&self, message: &Claimed, settlement: &Settlement) {
        self.context.metrics.delivery("webhook", settlement.word());
        outbox::log(message, settlement);
    }
}

/// Posts a signed body to an endpoint.
pub(super) async fn post(context: &Context, webhook: &Webhook, id: &str, body: &Value) -> Result<Answer, Failed> {
    let now = context.clock.now();
    let body = body.to_string().into_bytes();
    let signature = signatures(&secrets(context, webhook, now), id, now, &body);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", now.as_seconds().to_string()),
        ("webhook-signature", signature),
    ];
    let request = Request { method: Method::Post, url: &webhook.url, needs: Needs::Tls, headers: &headers, body: Some(body), within: None };
    context.http.send(request).await
}

/// The secrets in force, the newest first.
fn secrets(context: &Context, webhook: &Webhook, now: Timestamp) -> Vec<SecretString> {
    let old = webhook.sealed_old.as_ref().filter(|(_, until)| now < *until).map(|(sealed, _)| sealed);
    let sealed = std::iter::once(&webhook.sealed_secret).chain(old);
    sealed.filter_map(|sealed| context.keyring.open_text(SECRET_PURPOSE, sealed)).collect()
}

fn judge(answer: Result<Answer, Failed>, now: Timestamp) -> Tried {
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => Tried::Accepted(answer.status),
        Ok(answer) if answer.status == GONE => Tried::Gone,
        Ok(answer) if (300..400).contains(&answer.status) => {
            Tried::Failed(format!("answered {}: redirects are not followed", answer.status), None)
        }
        Ok(answer) => Tried::Failed(format!("answered {}", answer.status), answer.retry_after_ms(now)),
        // Whatever it answers at such length, it has answered; but nobody knows with what status.
        Err(error) => Tried::Failed(error.to_string(), None),
    }
}

/// What the operator is told of an endpoint that was switched off.
fn off(webhook: &Webhook, why: &str, waiting: u64) -> notice::Notice {
    let host = url::Url::parse(&webhook.url).ok().and_then(|url| url.host_str().map(ToOwned::to_owned)).unwrap_or_default();
    notice::Notice {
        key: format!("webhook {} disabled {}", webhook.id, webhook.updated_at.as_millis()),
        title: format!("Webhook to {host} was disabled"),
        text: format!(
            "The endpoint {} at {host} was disabled: {why}.\n\nWhat happens from now on is kept for 30 days, as are the {waiting} messages that were \
             waiting. When the endpoint works again, enable it and have them sent:\n\n\
             PATCH /api/v1/webhooks/{} {{\"state\": \"enabled\"}}\nPOST /api/v1/webhooks/{}/redeliver\n",
            webhook.id, webhook.id, webhook.id
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&str>) -> (&'static str, Option<i64>) {
        let answer = Answer { status, retry_after: retry_after.map(ToOwned::to_owned), body: Vec::new() };
        match judge(Ok(answer), Timestamp::from_millis(0)) {
            Tried::Accepted(_) => ("accepted", None),
            Tried::Gone => ("gone", None),
            Tried::Failed(_, wait) => ("failed", wait),
        }
    }

    #[test]
    fn only_success_is_success() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(judged(status, Some("9")), ("accepted", None));
        }
        for status in [301, 302, 307, 308] {
            assert_eq!(judged(status, Some("9")), ("failed", None), "a redirect is never followed");
        }
        for status in [400, 401, 404, 429, 500, 503] {
            assert_eq!(judged(status, Some("9")), ("failed", Some(9000)));
        }
        assert_eq!(judged(410, None), ("gone", None));
    }
}
