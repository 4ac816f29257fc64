//! Takes an interaction in: interaction, decision, invitation and outgoing message commit together, in the caller's transaction.

use super::policy::{self, Decision, Facts};
use super::store::{self, Decided, Record};
use super::{CustomerId, InteractionId, Invitation, InvitationId, MAIL, State};
use crate::clock::Timestamp;
use crate::db::{Error, Result, Tx};
use crate::i18n::Locale;
use crate::intake::{Customer, Interaction, SourceId, address};
use crate::keyring::Keyring;
use crate::outbox::{self, Job, OutboxId};
use crate::survey::{Channel, Survey};
use crate::tally::{self, Counts, day_number};
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
}

impl Received {
    /// What names this closing. With ticket and instant it is the same whether it came by a hook or by the API.
    fn closure_key(&self) -> String {
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
}

/// The keyed hash by which a customer is recognised: by address, else by phone, else by the caller's own name.
#[must_use]
pub fn identity(keyring: &Keyring, customer: &Customer) -> Option<String> {
    let email = customer.email.as_deref().map(|email| format!("email {}", address::normal(email)));
    let phone =
        || customer.phone.as_deref().map(|phone| format!("phone {}", phone.chars().filter(char::is_ascii_digit).collect::<String>()));
    let reference = || customer.reference.as_deref().map(|reference| format!("ref {reference}"));
    email.or_else(phone).or_else(reference).map(|value| keyring.fingerprint(IDENTITY_PURPOSE, &value))
}

/// Stores an interaction and decides; true when it is new, false when the same closing was decided before.
///
/// # Errors
/// When the database cannot store it.
pub async fn receive(tx: &mut Tx, context: &Context, survey: &Survey, received: &Received) -> Result<(Decided, bool)> {
    let closure_key = received.closure_key();
    if let Some(decided) = store::find_closure(tx, survey.id, &closure_key).await? {
        return Ok((decided, false));
    }
    let now = context.clock.now();
    let interaction = &received.interaction;
    let identity = identity(&context.keyring, &interaction.customer);
    let customer = match &identity {
        Some(identity) => {
            let id = CustomerId(context.random.uuid(now));
            Some(store::upsert_customer(tx, id, identity, &interaction.customer, now).await?)
        }
        None => None,
    };
    let (decision, explanation) = decide(tx, context, survey, received, (&closure_key, identity.as_deref(), customer)).await?;
    let id = InteractionId(context.random.uuid(now));
    let record = Record { id, survey: survey.id, source: received.source, closure_key: &closure_key, customer, decision, explanation, now };
    if !store::insert_interaction(tx, &record, interaction).await? {
        // Another transaction stored the same closing while this one waited for the customer.
        let decided = store::find_closure(tx, survey.id, &closure_key).await?;
        return decided.map(|decided| (decided, false)).ok_or(Error::RowNotFound);
    }
    if let (Some(key), Some(name)) = (interaction.agent.key(), &interaction.agent.name) {
        store::upsert_agent(tx, key, name, now).await?;
    }
    if let Decision::Invite { due_at, expires_at } = decision {
        invite(tx, context, survey, &record, (interaction, due_at, expires_at)).await?;
    }
    Ok((decided(id, decision, record.explanation), true))
}

/// Gathers the facts and applies the policy.
async fn decide(
    tx: &mut Tx,
    context: &Context,
    survey: &Survey,
    received: &Received,
    who: (&str, Option<&str>, Option<CustomerId>),
) -> Result<(Decision, String)> {
    let (closure_key, identity, customer) = who;
    let now = context.clock.now();
    let interaction = &received.interaction;
    let is_asked_about_ticket = match &interaction.ticket.id {
        Some(ticket) => !store::list_open(tx, survey.id, ticket, now).await?.is_empty(),
        None => false,
    };
    let suppressed = match identity {
        Some(identity) => store::find_suppression(tx, identity).await?,
        None => None,
    };
    let (asked_same_metric_at, asked_any_at) = match customer {
        Some(customer) => store::last_asked(tx, customer, survey.metric).await?,
        None => (None, None),
    };
    let facts = Facts {
        policy: &survey.policy,
        metric: survey.metric,
        now,
        closed: received.closed,
        closed_at: interaction.ticket.closed_at,
        is_asked_about_ticket,
        has_address: survey.deliver.is_empty() || survey.deliver.iter().any(|channel| has_address(*channel, &interaction.customer)),
        is_archived: survey.archived_at.is_some(),
        suppressed,
        email: interaction.customer.email.as_deref(),
        own_domains: &context.own_domains,
        tags: &interaction.tags,
        asked_same_metric_at,
        asked_any_at,
        sample_key: &format!("{} {closure_key}", survey.id),
        zone: survey.timezone,
    };
    let decision = policy::decide(&facts);
    Ok((decision, policy::explain(&facts, decision)))
}

const fn has_address(channel: Channel, customer: &Customer) -> bool {
    match channel {
        Channel::Email => customer.email.is_some(),
    }
}

/// Stores the invitation and its message. Where the caller sends the link itself, the invitation counts as sent at once.
async fn invite(
    tx: &mut Tx,
    context: &Context,
    survey: &Survey,
    record: &Record<'_>,
    (interaction, due_at, expires_at): (&Interaction, Timestamp, Timestamp),
) -> Result<()> {
    let now = record.now;
    let is_sent = survey.deliver.is_empty();
    let invitation = Invitation {
        id: InvitationId(context.random.uuid(now)),
        survey_id: survey.id,
        interaction_id: record.id,
        customer_id: record.customer,
        state: State::Scheduled,
        locale: interaction.customer.locale.as_deref().and_then(Locale::from_tag),
        expires_at,
        sent_at: None,
        created_at: now,
    };
    store::insert(tx, &invitation, survey.metric).await?;
    if is_sent {
        count_sent(tx, survey, invitation.id, now).await
    } else {
        let job = Job { kind: MAIL, subject: invitation.id.0 };
        outbox::store::enqueue(tx, OutboxId(context.random.uuid(now)), job, now, due_at).await
    }
}

/// Writes down that an invitation has reached its customer and counts it on that day, with its answer if there is one already.
///
/// # Errors
/// When the database cannot store it.
pub async fn count_sent(tx: &mut Tx, survey: &Survey, id: InvitationId, now: Timestamp) -> Result<()> {
    let day = day_number(now.day_in(survey.timezone));
    let Some(cohort) = store::mark_sent(tx, id, now, day).await? else {
        return Ok(());
    };
    let counts = Counts { delivered: 1, answered: i64::from(cohort.is_answered), ..Counts::default() };
    let mut changes = tally::Changes::default();
    changes.add((survey.id, day), (&cohort.group, &cohort.tags), &counts);
    tally::store::add(tx, &changes).await
}

/// Takes back what still waits for an answer about a ticket; answers which invitations.
///
/// # Errors
/// When the database cannot store it.
pub async fn withdraw(tx: &mut Tx, survey: &Survey, ticket: &str, now: Timestamp) -> Result<Vec<InvitationId>> {
    let open = store::list_open(tx, survey.id, ticket, now).await?;
    for id in &open {
        store::close(tx, *id, State::Withdrawn).await?;
        outbox::store::cancel(tx, id.0, "the ticket was opened again", now).await?;
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
        assert_ne!(by(Some("a@b"), None), by(Some("c@b"), None));
        assert_eq!(by(None, None), None);
    }
}
