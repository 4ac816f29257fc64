//! Takes an interaction in: interaction, decision, invitation and outgoing message commit together, in the caller's transaction.

pub mod store;

use std::collections::{BTreeMap, HashSet};

use self::store::{InteractionRow, Record};
use super::facts::store::{Asked, ClosureKey};
use super::facts::{self, Fresh, Known};
use super::lookup::LookedUp;
use super::policy::Decision;
use super::store::Decided;
use super::timeline::{self, Event};
use super::{InteractionId, Invitation, InvitationId, Occasion, Reason, State, reach};
use crate::clock::Timestamp;
use crate::db::{Error, Result, Tx};
use crate::i18n::{Locale, ascii_digits};
use crate::intake::{Customer, Interaction, SourceId, address};
use crate::keyring::Keyring;
use crate::outbox::{self, OutboxId};
use crate::survey::Survey;
use crate::tally::{self, Counts, Group, day_number};
use crate::web::Context;

/// What the keyring fingerprints a customer's identity for.
const IDENTITY_PURPOSE: &str = "customer";

/// An interaction as it arrived.
#[derive(Debug)]
pub struct Received {
    /// Where it came from; `None` for the API.
    pub source: Option<SourceId>,
    /// Whether it is over.
    pub closed: bool,
    /// What happened.
    pub interaction: Interaction,
    /// What tells it from others where ticket and instant do not: the id of the delivery, or the `Idempotency-Key`.
    pub request_key: Option<String>,
    /// What came of asking its help desk who the customer is, where that was done.
    pub looked_up: Option<LookedUp>,
}

impl Received {
    /// What names this closing. With ticket and instant it is the same whether it came by a hook or by the API.
    #[must_use]
    pub fn closure_key(&self) -> String {
        let ticket = &self.interaction.ticket;
        let from = self.source.map_or_else(|| "api".to_owned(), |id| id.to_string());
        let key = match (&ticket.id, ticket.closed_at, &self.request_key) {
            (Some(id), Some(at), _) => format!("ticket {id} {}", at.as_millis()),
            (_, None, Some(key)) | (None, _, Some(key)) => format!("request {from} {key}"),
            (Some(id), None, None) => format!("ticket of {from} {id}"),
            (None, _, None) => format!("from {from}"),
        };
        if self.closed { key } else { format!("open {key}") }
    }

    /// Whether it is over, and still was when its customer had been looked up.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.closed && !self.looked_up.as_ref().is_some_and(|looked_up| looked_up.is_reopened)
    }

    /// The explanation of a decision about it, with what asking the help desk came to.
    #[must_use]
    pub fn explained(&self, decision: Decision, sentence: String) -> String {
        let (_, reason, _) = decision.parts();
        match (reason, &self.looked_up) {
            (Some(Reason::NotClosed), Some(_)) => "The ticket was opened again before its customer was known.".to_owned(),
            (Some(Reason::NoAddress), Some(LookedUp { told: Some(told), .. })) => format!("{sentence} {told}"),
            _ => sentence,
        }
    }
}

/// The keyed hash by which a customer is recognised: by address, else by phone, else by the caller's own name.
#[must_use]
pub fn identity(keyring: &Keyring, customer: &Customer) -> Option<String> {
    let email = customer.email.as_deref().map(|email| format!("email {}", address::normal(email)));
    let digits = |phone: &str| ascii_digits(phone).chars().filter(char::is_ascii_digit).collect::<String>();
    // A phone number without a digit is nobody's.
    let phone = || customer.phone.as_deref().map(digits).filter(|digits| !digits.is_empty()).map(|digits| format!("phone {digits}"));
    let reference = || customer.reference.as_deref().map(|reference| format!("ref {reference}"));
    email.or_else(phone).or_else(reference).map(|value| keyring.fingerprint(IDENTITY_PURPOSE, &value))
}

/// What became of an interaction that was received.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The decision.
    pub decided: Decided,
    /// The invitation, where the customer is asked.
    pub asked: Option<Asked>,
    /// Whether it was decided now; false when the same closing was decided before.
    pub is_new: bool,
}

/// Stores interactions and decides about each in their order: as many statements for many as for one, in the caller's transaction. Closings
/// that were decided before, or earlier in the same batch, get the decision of then.
///
/// # Errors
/// When the database cannot store them.
pub async fn receive_all(tx: &mut Tx, context: &Context, arrivals: &[(&Survey, &Received)]) -> Result<Vec<Taken>> {
    let now = context.clock.now();
    let keys: Vec<ClosureKey> = arrivals.iter().map(|(survey, received)| (survey.id, received.closure_key())).collect();
    let mut known = facts::store::find_closures(tx, &keys.iter().collect::<Vec<_>>()).await?;
    let mut new: HashSet<&ClosureKey> = HashSet::new();
    let mut batch: Vec<Fresh<'_>> = Vec::new();
    for ((survey, received), key) in arrivals.iter().zip(&keys) {
        if !known.contains_key(key) && new.insert(key) {
            let identity = identity(&context.keyring, &received.interaction.customer);
            batch.push(Fresh { survey, received, key, identity, customer: None });
        }
    }
    if !batch.is_empty() {
        enter_customers(tx, context, &mut batch, now).await?;
        if facts::store::sees_others(tx) {
            // Another node may have decided while this transaction waited for the customers.
            known.extend(facts::store::find_closures(tx, &batch.iter().map(|fresh| fresh.key).collect::<Vec<_>>()).await?);
            batch.retain(|fresh| !known.contains_key(fresh.key));
            new.retain(|key| !known.contains_key(*key));
        }
        for (fresh, outcome) in batch.iter().zip(decide_all(tx, context, &batch, now).await?) {
            known.insert(fresh.key.clone(), outcome);
        }
    }
    let taken = keys.iter().map(|key| {
        let (decided, asked) = known.get(key).cloned().ok_or(Error::RowNotFound)?;
        Ok(Taken { decided, asked, is_new: new.remove(key) })
    });
    taken.collect()
}

/// What was decided about the same closing before, if anything was.
///
/// # Errors
/// When the database cannot answer.
pub async fn decided_before(tx: &mut Tx, survey: &Survey, received: &Received) -> Result<Option<Taken>> {
    let key = (survey.id, received.closure_key());
    let found = facts::store::find_closures(tx, &[&key]).await?.remove(&key);
    Ok(found.map(|(decided, asked)| Taken { decided, asked, is_new: false }))
}

/// Stores one interaction and decides.
///
/// # Errors
/// When the database cannot store it.
pub async fn receive(tx: &mut Tx, context: &Context, survey: &Survey, received: &Received) -> Result<Taken> {
    receive_all(tx, context, &[(survey, received)]).await?.pop().ok_or(Error::RowNotFound)
}

/// Stores the customers of a batch, each once with the latest that is known.
async fn enter_customers(tx: &mut Tx, context: &Context, batch: &mut [Fresh<'_>], now: Timestamp) -> Result<()> {
    let mut customers: BTreeMap<&str, Customer> = BTreeMap::new();
    for fresh in batch.iter() {
        let Some(identity) = fresh.identity.as_deref() else { continue };
        let later = &fresh.received.interaction.customer;
        let customer = customers.entry(identity).or_default();
        for (text, later) in [
            (&mut customer.email, &later.email),
            (&mut customer.phone, &later.phone),
            (&mut customer.name, &later.name),
            (&mut customer.reference, &later.reference),
        ] {
            if later.is_some() {
                text.clone_from(later);
            }
        }
    }
    if customers.is_empty() {
        return Ok(());
    }
    let ids = store::upsert_customers(tx, &customers, || context.random.uuid(now), now).await?;
    for fresh in batch {
        fresh.customer = fresh.identity.as_ref().and_then(|identity| ids.get(identity).copied());
    }
    Ok(())
}

/// Decides about every one of a batch and stores what follows.
async fn decide_all(tx: &mut Tx, context: &Context, batch: &[Fresh<'_>], now: Timestamp) -> Result<Vec<(Decided, Option<Asked>)>> {
    let mut known = Known::gather(tx, batch, now).await?;
    let decisions: Vec<(InteractionId, Decision, String)> = batch
        .iter()
        .map(|fresh| {
            let (decision, explanation) = known.decide(context, fresh, now);
            (InteractionId(context.random.uuid(now)), decision, explanation)
        })
        .collect();
    let mut rows = Vec::with_capacity(batch.len());
    let mut agents = BTreeMap::new();
    for (Fresh { received, key, customer, .. }, (id, decision, explanation)) in batch.iter().zip(&decisions) {
        let record = Record { id: *id, key, source: received.source, customer: *customer, decision: *decision, explanation, now };
        rows.push(InteractionRow::new(&record, &received.interaction)?);
        let agent = &received.interaction.agent;
        agents.extend(agent.key().zip(agent.name.as_deref()));
    }
    if store::insert_interactions(tx, &rows).await? < u64::try_from(rows.len()).unwrap_or(u64::MAX) {
        // Nothing of this transaction may be kept: it was decided as if those closings were its own.
        return Err(Error::Protocol("another node decided about the same closing meanwhile".to_owned()));
    }
    if !agents.is_empty() {
        store::upsert_agents(tx, &agents, now).await?;
    }
    let asked = invite_all(tx, context, batch, &decisions, now).await?;
    let decided = decisions.into_iter().map(|(id, decision, explanation)| decided(id, decision, explanation));
    Ok(decided.zip(asked).collect())
}

/// Stores the invitations of a batch and their messages. Where the caller sends the link itself, an invitation counts as sent at once.
async fn invite_all(
    tx: &mut Tx,
    context: &Context,
    batch: &[Fresh<'_>],
    decisions: &[(InteractionId, Decision, String)],
    now: Timestamp,
) -> Result<Vec<Option<Asked>>> {
    let (mut invitations, mut messages, mut counts) = (Vec::new(), Vec::new(), tally::Changes::default());
    let mut asked = Vec::with_capacity(batch.len());
    for (fresh, (interaction_id, decision, _)) in batch.iter().zip(decisions) {
        let Decision::Invite { due_at, expires_at } = *decision else {
            asked.push(None);
            continue;
        };
        let (survey, interaction) = (fresh.survey, &fresh.received.interaction);
        let id = InvitationId(context.random.uuid(now));
        let locale = interaction.customer.locale.as_deref().and_then(Locale::from_tag);
        let sent_day = survey.deliver.is_empty().then(|| day_number(now.day_in(survey.timezone)));
        let channels = reach::channels(survey, &interaction.customer);
        if let Some(day) = sent_day {
            let group = group(interaction, fresh.received.source, locale.unwrap_or(survey.locale));
            counts.add((survey.id, day), (&group, &interaction.tags), &Counts { delivered: 1, ..Counts::default() });
        } else {
            let jobs = channels.iter().map(|channel| Occasion::First.job(channel, survey.id, id));
            messages.extend(jobs.map(|job| (OutboxId(context.random.uuid(now)), job, due_at)));
        }
        let invitation = Invitation {
            id,
            survey_id: survey.id,
            interaction_id: *interaction_id,
            customer_id: fresh.customer,
            state: if sent_day.is_some() { State::Sent } else { State::Scheduled },
            locale,
            timezone: interaction.customer.timezone.clone(),
            channel: channels.first().map(ToString::to_string),
            expires_at,
            sent_at: sent_day.map(|_| now),
            created_at: now,
        };
        asked.push(Some(Asked { id, state: invitation.state, expires_at }));
        invitations.push((invitation, survey.metric, sent_day));
    }
    if !invitations.is_empty() {
        store::insert_invitations(tx, &invitations).await?;
        outbox::store::enqueue_all(tx, &messages, now).await?;
        tally::store::add(tx, &counts).await?;
    }
    Ok(asked)
}

/// What the answers of an interaction are grouped by.
#[must_use]
pub fn group(interaction: &Interaction, source: Option<SourceId>, locale: Locale) -> Group {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Group {
        agent: interaction.agent.key().unwrap_or_default().to_owned(),
        team: text(&interaction.team),
        channel: text(&interaction.channel),
        touchpoint: text(&interaction.touchpoint),
        locale: locale.to_string(),
        source: source.map(|id| id.to_string()).unwrap_or_default(),
        segment: text(&interaction.segment),
        product: text(&interaction.product),
    }
}

/// Writes down that an invitation has reached its customer and counts it on that day, with its answer if there is one already; false when
/// that was done before.
///
/// # Errors
/// When the database cannot store it.
pub async fn count_sent(tx: &mut Tx, survey: &Survey, id: InvitationId, now: Timestamp) -> Result<bool> {
    let day = day_number(now.day_in(survey.timezone));
    let Some(cohort) = super::store::mark_sent(tx, id, now, day).await? else {
        return Ok(false);
    };
    let counts = Counts { delivered: 1, answered: i64::from(cohort.is_answered), ..Counts::default() };
    let mut changes = tally::Changes::default();
    changes.add((survey.id, day), (&cohort.group, &cohort.tags), &counts);
    tally::store::add(tx, &changes).await?;
    Ok(true)
}

/// Takes back what still waits for an answer about a ticket; answers which invitations.
///
/// # Errors
/// When the database cannot store it.
pub async fn withdraw(tx: &mut Tx, context: &Context, survey: &Survey, ticket: &str) -> Result<Vec<InvitationId>> {
    let now = context.clock.now();
    let why = "the ticket was opened again";
    let open = super::store::list_open(tx, survey.id, ticket, now).await?;
    for id in &open {
        timeline::close(tx, context, *id, (State::Withdrawn, Event::Withdrawn, why)).await?;
        outbox::store::cancel(tx, id.0, why, now).await?;
    }
    Ok(open)
}

fn decided(id: InteractionId, decision: Decision, explanation: String) -> Decided {
    let (outcome, reason, until_at) = decision.parts();
    Decided { id, outcome, reason, until_at, explanation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::Ticket;

    fn received(source: Option<u128>, id: Option<&str>, closed_at: Option<i64>, request_key: Option<&str>) -> Received {
        let ticket = Ticket { id: id.map(ToOwned::to_owned), closed_at: closed_at.map(Timestamp::from_millis), ..Ticket::default() };
        Received {
            source: source.map(|id| SourceId(uuid::Uuid::from_u128(id))),
            closed: true,
            interaction: Interaction { ticket, ..Interaction::default() },
            request_key: request_key.map(ToOwned::to_owned),
            looked_up: None,
        }
    }

    #[test]
    fn one_closing_has_one_key_whichever_way_it_comes() {
        let key = |received: Received| received.closure_key();
        assert_eq!(key(received(None, Some("7"), Some(5), Some("a"))), key(received(Some(1), Some("7"), Some(5), Some("b"))));
        assert_ne!(key(received(None, Some("7"), Some(5), None)), key(received(None, Some("7"), Some(6), None)));
    }

    #[test]
    fn without_an_instant_the_source_and_the_delivery_tell_closings_apart() {
        let key = |received: Received| received.closure_key();
        assert_ne!(key(received(Some(1), Some("7"), None, None)), key(received(Some(2), Some("7"), None, None)));
        assert_ne!(key(received(Some(1), Some("7"), None, Some("a"))), key(received(Some(1), Some("7"), None, Some("b"))));
        assert_ne!(key(received(None, None, None, Some("a"))), key(received(None, None, None, Some("b"))));
    }

    #[test]
    fn an_open_ticket_is_not_its_closing() {
        let closed = received(None, Some("7"), None, None);
        let open = Received { closed: false, ..received(None, Some("7"), None, None) };
        assert_ne!(closed.closure_key(), open.closure_key());
    }

    #[test]
    fn case_and_punctuation_do_not_make_another_customer() {
        let keyring = Keyring::parse(&format!("1 {}", "ab".repeat(32))).unwrap();
        let by = |email: Option<&str>, phone: Option<&str>| {
            let customer = Customer { email: email.map(ToOwned::to_owned), phone: phone.map(ToOwned::to_owned), ..Customer::default() };
            identity(&keyring, &customer)
        };
        assert_eq!(by(Some("Sara@Example.com"), None), by(Some("sara@example.com"), Some("+98 21")));
        assert_eq!(by(None, Some("+98 (21) 88")), by(None, Some("982188")));
        assert_eq!(by(None, Some("+۹۸ ۲۱ ٨٨")), by(None, Some("982188")));
        assert_eq!(by(None, Some("none")), None);
        assert_ne!(by(Some("a@b"), None), by(Some("c@b"), None));
        assert_eq!(by(None, None), None);
    }
}
