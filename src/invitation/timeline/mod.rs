//! What became of an invitation, event by event: most of it is told by columns that exist anyway, rare events are noted as they happen.

pub mod store;

use serde::Serialize;
use utoipa::ToSchema;

use self::store::{Message, Noted, Version};
use super::{InvitationId, State};
use crate::clock::Timestamp;
use crate::db::{Result, Tx, text_enum};
use crate::metric::Metric;
use crate::outbox;
use crate::web::Context;

text_enum! {
    /// What can happen to an interaction and its invitation, in the order in which events of one instant are told.
    pub enum Event {
        /// The interaction arrived and was decided about.
        Received = "received",
        /// The invitation's message began to wait.
        Scheduled = "scheduled",
        /// The message was accepted, or the caller had the link.
        Sent = "sent",
        /// The link was opened with a score, and answered later.
        Opened = "opened",
        /// The link was opened with a score and not answered so far: by a scanner, as a rule.
        Unconfirmed = "unconfirmed",
        /// The customer answered.
        Answered = "answered",
        /// The customer changed the answer.
        Changed = "changed",
        /// A reminder was accepted.
        Reminded = "reminded",
        /// The message was accepted once more.
        Resent = "resent",
        /// The message came back.
        Bounced = "bounced",
        /// A message could not be sent.
        Failed = "failed",
        /// The invitation was taken back.
        Withdrawn = "withdrawn",
        /// It ran out before an answer.
        Expired = "expired",
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TimelineEvent)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// More about it, in English.
    pub detail: Option<String>,
}

/// What the columns tell of an invitation.
#[derive(Debug, Clone)]
pub struct Course {
    /// What it asks for.
    pub metric: Metric,
    /// What has become of it.
    pub state: State,
    /// When it was decided.
    pub created_at: Timestamp,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    /// When its message was accepted, or the caller had the link.
    pub sent_at: Option<Timestamp>,
    /// The score it was first opened with, and when.
    pub opened: Option<(i16, Timestamp)>,
}

/// What is stored beside the columns.
#[derive(Debug, Clone, Copy)]
pub struct Traces<'a> {
    /// Its message, while that is remembered.
    pub message: Option<&'a Message>,
    /// The versions of its answer, in order.
    pub versions: &'a [Version],
    /// What was noted as it happened.
    pub noted: &'a [Noted],
}

/// Every event of an invitation in order.
#[must_use]
pub fn tell(course: &Course, traces: Traces<'_>, now: Timestamp) -> Vec<Entry> {
    let (_, top) = course.metric.ends();
    let entry = |at, event, detail| Entry { at, event, detail };
    let mut entries: Vec<Entry> = traces.noted.iter().map(|noted| entry(noted.created_at, noted.event, noted.detail.clone())).collect();
    let is_passed_on = traces.message.is_none() && course.sent_at == Some(course.created_at);
    if !is_passed_on {
        entries.push(entry(course.created_at, Event::Scheduled, traces.message.and_then(Message::waits)));
    }
    let passed_on = is_passed_on.then(|| "the caller has the link".to_owned());
    entries.extend(course.sent_at.map(|at| entry(at, Event::Sent, passed_on)));
    let answered_at = traces.versions.first().map(|first| first.created_at);
    entries.extend(course.opened.map(|(score, at)| {
        let event = if answered_at.is_some_and(|answered_at| answered_at >= at) { Event::Opened } else { Event::Unconfirmed };
        entry(at, event, Some(format!("{score} of {top}")))
    }));
    for (index, version) in traces.versions.iter().enumerate() {
        let event = if index == 0 { Event::Answered } else { Event::Changed };
        entries.push(entry(version.created_at, event, Some(format!("{} of {top}", version.raw))));
    }
    if course.state.at(now, course.expires_at) == State::Expired {
        entries.push(entry(course.expires_at, Event::Expired, None));
    }
    entries.sort_by_key(|entry| (entry.at, entry.event));
    entries
}

impl Message {
    /// Until when the message waits, and why it did not leave before; `None` once it no longer waits.
    fn waits(&self) -> Option<String> {
        let because = self.last_error.as_ref().map(|error| format!("; {error}")).unwrap_or_default();
        (self.state == outbox::State::Waiting).then(|| format!("the message leaves at {}{because}", self.due_at))
    }
}

/// Moves an invitation that waits for an answer to another state and notes why; false when it no longer waits.
///
/// # Errors
/// When the database cannot store it.
pub async fn close(tx: &mut Tx, context: &Context, id: InvitationId, (to, event, why): (State, Event, &str)) -> Result<bool> {
    let is_moved = super::store::close(tx, id, to).await?;
    if is_moved {
        note(tx, context, id, (event, Some(why))).await?;
    }
    Ok(is_moved)
}

/// Notes an event that no column tells.
///
/// # Errors
/// When the database cannot store it.
pub async fn note(tx: &mut Tx, context: &Context, id: InvitationId, (event, detail): (Event, Option<&str>)) -> Result<()> {
    let now = context.clock.now();
    store::insert(tx, context.random.uuid(now), id, (event, detail), now).await
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ID: InvitationId = InvitationId(Uuid::nil());

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn course() -> Course {
        Course { metric: Metric::Csat, state: State::Scheduled, created_at: at(10), expires_at: at(1000), sent_at: None, opened: None }
    }

    fn message(state: outbox::State, last_error: Option<&str>) -> Message {
        Message { invitation_id: ID, state, due_at: at(60_000), last_error: last_error.map(ToOwned::to_owned) }
    }

    fn told(course: &Course, traces: Traces<'_>, now: i64) -> Vec<(i64, &'static str, Option<String>)> {
        tell(course, traces, at(now)).into_iter().map(|entry| (entry.at.as_millis(), entry.event.as_str(), entry.detail)).collect()
    }

    const NOTHING: Traces<'static> = Traces { message: None, versions: &[], noted: &[] };

    #[test]
    fn a_message_that_waits_says_until_when_and_why() {
        let text = |text: &str| Some(text.to_owned());
        for (message, expected) in [
            (message(outbox::State::Waiting, None), text("the message leaves at 1970-01-01T00:01:00.000Z")),
            (
                message(outbox::State::Waiting, Some("the survey is paused")),
                text("the message leaves at 1970-01-01T00:01:00.000Z; the survey is paused"),
            ),
            (message(outbox::State::Cancelled, Some("no")), None),
        ] {
            assert_eq!(told(&course(), Traces { message: Some(&message), ..NOTHING }, 20), [(10, "scheduled", expected)]);
        }
    }

    #[test]
    fn a_link_that_the_caller_has_was_never_scheduled() {
        let passed_on = Course { state: State::Sent, sent_at: Some(at(10)), ..course() };
        assert_eq!(told(&passed_on, NOTHING, 20), [(10, "sent", Some("the caller has the link".to_owned()))]);
        let mailed = Course { sent_at: Some(at(11)), ..passed_on };
        assert_eq!(told(&mailed, NOTHING, 20), [(10, "scheduled", None), (11, "sent", None)], "also when the message is forgotten");
    }

    #[test]
    fn an_opening_is_unconfirmed_until_there_is_an_answer_after_it() {
        let opened = Course { state: State::Answered, sent_at: Some(at(10)), opened: Some((4, at(30))), ..course() };
        let version = |raw, millis| Version { invitation_id: ID, raw, created_at: at(millis) };
        let (early, late) = ([version(2, 20)], [version(4, 40), version(5, 50)]);
        let words = |versions| {
            told(&opened, Traces { versions, ..NOTHING }, 60).into_iter().skip(1).map(|(at, word, _)| (at, word)).collect::<Vec<_>>()
        };
        assert_eq!(words(&[][..]), [(30, "unconfirmed")]);
        assert_eq!(words(&early[..]), [(20, "answered"), (30, "unconfirmed")]);
        assert_eq!(words(&late[..]), [(30, "opened"), (40, "answered"), (50, "changed")]);
        let all = told(&opened, Traces { versions: &late, ..NOTHING }, 60);
        assert_eq!(all.iter().skip(1).map(|(_, _, detail)| detail.as_deref().unwrap()).collect::<Vec<_>>(), ["4 of 5", "4 of 5", "5 of 5"]);
    }

    #[test]
    fn what_was_noted_stands_in_its_place_and_what_ran_out_has_expired() {
        let noted = |event, millis| Noted { invitation_id: ID, event, detail: Some("why".to_owned()), created_at: at(millis) };
        let noted = [noted(Event::Reminded, 500), noted(Event::Resent, 11)];
        let sent = Course { state: State::Sent, sent_at: Some(at(11)), ..course() };
        let words = |now| told(&sent, Traces { noted: &noted, ..NOTHING }, now).into_iter().map(|(_, word, _)| word).collect::<Vec<_>>();
        assert_eq!(words(999), ["scheduled", "sent", "resent", "reminded"]);
        assert_eq!(words(1000), ["scheduled", "sent", "resent", "reminded", "expired"]);
    }
}
