//! What the policy has to know about a batch of interactions: looked up together, and kept up while the batch is decided.

pub mod store;

use std::collections::{HashMap, HashSet};

use self::store::ClosureKey;
use super::policy::{self, Decision, Facts};
use super::receive::Received;
use super::suppression::Cause;
use super::{CustomerId, reach};
use crate::clock::Timestamp;
use crate::db::{Result, Tx};
use crate::metric::Metric;
use crate::survey::{Survey, SurveyId};
use crate::web::Context;

/// A closing that nobody decided about yet.
#[derive(Debug)]
pub struct Fresh<'a> {
    /// The survey it is for.
    pub survey: &'a Survey,
    /// What arrived.
    pub received: &'a Received,
    /// What names it.
    pub key: &'a ClosureKey,
    /// The keyed hash of the customer, if anybody is known.
    pub identity: Option<String>,
    /// The customer.
    pub customer: Option<CustomerId>,
}

impl Fresh<'_> {
    fn ticket(&self) -> Option<(SurveyId, String)> {
        self.received.interaction.ticket.id.clone().map(|ticket| (self.survey.id, ticket))
    }
}

/// What is known of the customers and tickets of a batch.
#[derive(Debug)]
pub struct Known {
    suppressed: HashMap<String, Cause>,
    asked: HashMap<CustomerId, HashMap<Metric, Timestamp>>,
    open: HashSet<(SurveyId, String)>,
}

impl Known {
    /// Looks up what is stored about a batch.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn gather(tx: &mut Tx, batch: &[Fresh<'_>], now: Timestamp) -> Result<Self> {
        let identities: Vec<&str> = batch.iter().filter_map(|fresh| fresh.identity.as_deref()).collect();
        let customers: Vec<CustomerId> = batch.iter().filter_map(|fresh| fresh.customer).collect();
        let tickets: Vec<(SurveyId, String)> = batch.iter().filter_map(Fresh::ticket).collect();
        let mut known = Self { suppressed: HashMap::new(), asked: HashMap::new(), open: HashSet::new() };
        if !identities.is_empty() {
            known.suppressed = store::find_suppressions(tx, &identities).await?;
            for (customer, metric, at) in store::last_asked(tx, &customers).await? {
                known.note_asked(customer, metric, at);
            }
        }
        if !tickets.is_empty() {
            known.open = store::open_tickets(tx, &tickets.iter().collect::<Vec<_>>(), now).await?;
        }
        Ok(known)
    }

    /// Decides about one of the batch; what follows from it for the later ones is known from then on.
    pub fn decide(&mut self, context: &Context, fresh: &Fresh<'_>, now: Timestamp) -> (Decision, String) {
        let Fresh { survey, received, key, .. } = fresh;
        let interaction = &received.interaction;
        let ticket = fresh.ticket();
        let asked = fresh.customer.and_then(|customer| self.asked.get(&customer));
        let facts = Facts {
            policy: &survey.policy,
            metric: survey.metric,
            now,
            closed: received.is_over(),
            closed_at: interaction.ticket.closed_at,
            is_asked_about_ticket: ticket.as_ref().is_some_and(|ticket| self.open.contains(ticket)),
            missing: reach::missing(survey, &interaction.customer),
            is_archived: survey.archived_at.is_some(),
            suppressed: fresh.identity.as_ref().and_then(|identity| self.suppressed.get(identity).copied()),
            email: interaction.customer.email.as_deref(),
            own_domains: &context.own_domains,
            tags: &interaction.tags,
            asked_same_metric_at: asked.and_then(|asked| asked.get(&survey.metric).copied()),
            asked_any_at: asked.and_then(|asked| asked.values().copied().max()),
            sample_key: &format!("{} {}", survey.id, key.1),
            zone: interaction.customer.zone().unwrap_or(survey.timezone),
        };
        let decision = policy::decide(&facts);
        let explanation = received.explained(decision, policy::explain(&facts, decision));
        if matches!(decision, Decision::Invite { .. }) {
            if let Some(customer) = fresh.customer {
                self.note_asked(customer, survey.metric, now);
            }
            self.open.extend(ticket);
        }
        (decision, explanation)
    }

    fn note_asked(&mut self, customer: CustomerId, metric: Metric, at: Timestamp) {
        let last = self.asked.entry(customer).or_default().entry(metric).or_insert(at);
        *last = (*last).max(at);
    }
}
