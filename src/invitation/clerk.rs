//! Takes in what hooks and callers bring: many in one transaction, and each is answered only after the commit.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::answer::{HookAnswer, HookAnswers, InteractionAnswer};
use super::lookup::{self, Place};
use super::receive::{self, Received, Taken};
use super::store::{self, Request};
use super::{InteractionId, InvitationId};
use crate::db::{self, Error, Tx};
use crate::intake::store::Arrival;
use crate::intake::{self, Reception, SourceId};
use crate::link::Links;
use crate::survey::Survey;
use crate::web::Context;

/// Errands that may wait; further ones are told to come back, so that waiting stays short.
const QUEUE: usize = 512;
/// Errands that one transaction holds at most.
const BATCH: usize = 128;

/// What somebody brings: the events of one delivery to a hook, or one interaction of a caller.
#[derive(Debug)]
pub struct Errand {
    /// The survey it is for.
    pub survey: Arc<Survey>,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// Who brings it.
    pub origin: Origin,
}

/// One event.
#[derive(Debug)]
pub enum Step {
    /// An interaction to decide about.
    Decide(Box<Received>),
    /// A closing whose help desk is asked these questions first.
    LookUp(Box<Received>, Vec<String>),
    /// A ticket was opened again.
    Reopened {
        /// The ticket's id.
        ticket: String,
    },
    /// Something that leads to nothing.
    Ignored,
}

/// Who brings an errand, and how it is told from a repetition.
#[derive(Debug)]
pub enum Origin {
    /// A help desk, to the hook of its source.
    Delivery {
        /// The source.
        source: SourceId,
        /// The id that this delivery is noted under.
        event: Uuid,
        /// The sender's id of the delivery.
        key: Option<String>,
        /// Whether the answer is a list, since the events came as one.
        is_list: bool,
    },
    /// A caller of the API.
    Request {
        /// The `Idempotency-Key` with the API key that it belongs to, and SHA-256 of the body.
        key: Option<(String, Vec<u8>)>,
    },
}

/// The answer to an errand, after the commit.
#[derive(Debug)]
pub struct Receipt {
    /// The answer as JSON: [`HookAnswers`] to a delivery, [`InteractionAnswer`] to a request.
    pub text: String,
    /// Whether anything was decided for the first time.
    pub is_new: bool,
}

/// It could not be stored now: too many wait, or the database does not take it. Nothing of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotStored;

type Reply = oneshot::Sender<Result<Receipt, NotStored>>;

/// Takes errands.
#[derive(Debug, Clone)]
pub struct Clerk {
    errands: mpsc::Sender<(Errand, Reply)>,
}

impl Clerk {
    /// A clerk and the loop that serves it until every copy of it is dropped and the last errand is answered.
    pub fn new(context: Arc<Context>, links: Links) -> (Self, impl Future<Output = ()>) {
        let (errands, mut queue) = mpsc::channel(QUEUE);
        let ledger = Ledger { context, links };
        let serve = async move {
            let mut waiting = Vec::with_capacity(BATCH);
            while queue.recv_many(&mut waiting, BATCH).await > 0 {
                let (errands, replies): (Vec<Errand>, Vec<Reply>) = waiting.drain(..).unzip();
                for (reply, receipt) in replies.into_iter().zip(ledger.take_all(&errands).await) {
                    // Whoever brought it may have gone meanwhile; what it brought stays.
                    let _ = reply.send(receipt);
                }
            }
        };
        (Self { errands }, serve)
    }

    /// Takes an errand; answers after it is on disk.
    ///
    /// # Errors
    /// [`NotStored`]: nothing was kept; come back in a moment.
    pub async fn take(&self, errand: Errand) -> Result<Receipt, NotStored> {
        let (reply, receipt) = oneshot::channel();
        self.errands.try_send((errand, reply)).map_err(|_| NotStored)?;
        receipt.await.unwrap_or(Err(NotStored))
    }
}

/// What the loop works with.
struct Ledger {
    context: Arc<Context>,
    links: Links,
}

impl Ledger {
    /// A batch that fails is tried once more errand by errand, so that one bad errand cannot hold up the others.
    async fn take_all(&self, errands: &[Errand]) -> Vec<Result<Receipt, NotStored>> {
        match self.commit(errands).await {
            Ok(receipts) => receipts.into_iter().map(Ok).collect(),
            Err(error) => {
                tracing::warn!(cause = %error, errands = errands.len(), "interactions could not be stored together");
                let mut receipts = Vec::with_capacity(errands.len());
                for errand in errands {
                    receipts.push(self.take_one(errand).await);
                }
                receipts
            }
        }
    }

    async fn take_one(&self, errand: &Errand) -> Result<Receipt, NotStored> {
        match self.commit(std::slice::from_ref(errand)).await {
            Ok(mut receipts) => receipts.pop().ok_or(NotStored),
            Err(error) => {
                tracing::error!(cause = %error, "an interaction could not be stored");
                Err(NotStored)
            }
        }
    }

    async fn commit(&self, errands: &[Errand]) -> db::Result<Vec<Receipt>> {
        let context = &self.context;
        let mut tx = context.db.begin().await?;
        let before = answered_before(&mut tx, errands).await?;
        let (again, fresh): (Vec<_>, Vec<_>) = errands.iter().enumerate().partition(|(index, _)| before.contains_key(index));
        let fresh_errands: Vec<&Errand> = fresh.iter().map(|(_, errand)| *errand).collect();
        let results = take_in(&mut tx, context, &self.links, &fresh_errands).await?;
        note_all(&mut tx, context, &fresh_errands, &results).await?;
        tx.commit().await?;
        let mut receipts: Vec<(usize, Receipt)> = Vec::with_capacity(errands.len());
        for ((index, _), result) in fresh.into_iter().zip(results) {
            result.count(context);
            receipts.push((index, Receipt { is_new: result.decided.iter().any(|(_, is_new)| *is_new), text: result.text }));
        }
        let again = again.into_iter().filter_map(|(index, _)| Some((index, before.get(&index)?.clone())));
        receipts.extend(again.map(|(index, text)| (index, Receipt { text, is_new: false })));
        receipts.sort_unstable_by_key(|(index, _)| *index);
        Ok(receipts.into_iter().map(|(_, receipt)| receipt).collect())
    }
}

/// The answer to a delivery that came before, told as a duplicate.
///
/// # Errors
/// When the database cannot answer.
pub async fn first_answer(context: &Context, source: SourceId, key: Option<&str>) -> db::Result<Option<String>> {
    let Some(key) = key else { return Ok(None) };
    let found = intake::store::find_answers(&mut context.db.read().await?, &[(source, key)]).await?;
    found.values().next().map(|first| again(first)).transpose()
}

fn again(first: &str) -> db::Result<String> {
    HookAnswers::again(first).map_err(|error| Error::Decode(Box::new(error)))
}

/// The answers to deliveries that came before, told as duplicates, by the place of the errand.
async fn answered_before(tx: &mut Tx, errands: &[Errand]) -> db::Result<HashMap<usize, String>> {
    let keyed: Vec<(usize, (SourceId, &str))> = errands
        .iter()
        .enumerate()
        .filter_map(|(index, errand)| match &errand.origin {
            Origin::Delivery { source, key: Some(key), .. } => Some((index, (*source, key.as_str()))),
            _ => None,
        })
        .collect();
    if keyed.is_empty() {
        return Ok(HashMap::new());
    }
    let found = intake::store::find_answers(tx, &keyed.iter().map(|(_, delivery)| *delivery).collect::<Vec<_>>()).await?;
    let mut answers = HashMap::new();
    for (index, (source, key)) in keyed {
        if let Some(first) = found.get(&(source, key.to_owned())) {
            answers.insert(index, again(first)?);
        }
    }
    Ok(answers)
}

/// What came of an errand, before the commit.
#[derive(Debug)]
pub struct Outcome {
    /// The answer as JSON.
    pub text: String,
    /// Every interaction of it, and whether it was decided now.
    pub decided: Vec<(InteractionAnswer, bool)>,
    /// Whether any decision waits for its customer.
    pub is_pending: bool,
}

impl Outcome {
    /// What became of the delivery.
    #[must_use]
    pub const fn reception(&self) -> Reception {
        if self.is_pending { Reception::Pending } else { Reception::Accepted }
    }

    /// Counts what was decided, once it is committed.
    pub fn count(&self, context: &Context) {
        for (answer, _) in self.decided.iter().filter(|(_, is_new)| *is_new) {
            context.metrics.decision(answer.outcome.as_str(), answer.reason.map_or("", super::Reason::as_str));
        }
    }

    fn interaction(&self) -> Option<InteractionId> {
        self.decided.first().and_then(|(answer, _)| answer.id)
    }
}

/// Takes errands in, in their order, within the caller's transaction.
///
/// # Errors
/// When the database cannot store them.
pub async fn take_in(tx: &mut Tx, context: &Context, links: &Links, errands: &[&Errand]) -> db::Result<Vec<Outcome>> {
    let steps: Vec<(&Errand, usize, &Step)> =
        errands.iter().flat_map(|errand| errand.steps.iter().enumerate().map(|(place, step)| (*errand, place, step))).collect();
    let mut results = Vec::with_capacity(steps.len());
    // What was decided before a ticket was opened again is taken back by that, and nothing that comes after.
    for run in steps.chunk_by(|(.., a), (.., b)| !a.is_reopening() && !b.is_reopening()) {
        if let [(errand, _, Step::Reopened { ticket })] = run {
            // What waits is told first: it may be decided, and then taken back, while this transaction waits for it.
            lookup::reopen(tx, &errand.survey, ticket, context.clock.now()).await?;
            results.push(StepResult::Reopened(receive::withdraw(tx, context, &errand.survey, ticket).await?));
            continue;
        }
        let arrivals: Vec<(&Survey, &Received)> =
            run.iter().filter_map(|(errand, _, step)| Some((errand.survey.as_ref(), step.received()?))).collect();
        let mut taken = if arrivals.is_empty() { Vec::new() } else { receive::receive_all(tx, context, &arrivals).await? }.into_iter();
        for (errand, place, step) in run {
            results.push(match (step, step.received().and_then(|_| taken.next())) {
                (Step::LookUp(received, questions), _) => look_up(tx, (context, links), (errand, *place), (received, questions)).await?,
                (_, Some(taken)) => StepResult::decided(context, links, taken),
                (_, None) => StepResult::Ignored,
            });
        }
    }
    let mut results = results.into_iter();
    errands.iter().map(|errand| outcome(errand, results.by_ref().take(errand.steps.len()).collect())).collect()
}

impl Step {
    const fn is_reopening(&self) -> bool {
        matches!(self, Self::Reopened { .. })
    }

    fn received(&self) -> Option<&Received> {
        if let Self::Decide(received) = self { Some(received) } else { None }
    }
}

/// What came of one event.
enum StepResult {
    Ignored,
    Reopened(Vec<InvitationId>),
    Decided(Box<InteractionAnswer>, bool),
    Pending(bool),
}

impl StepResult {
    fn decided(context: &Context, links: &Links, taken: Taken) -> Self {
        Self::Decided(Box::new(InteractionAnswer::new(context, links, taken.decided, taken.asked)), taken.is_new)
    }
}

/// Lets a closing wait for its customer, unless it was decided before.
async fn look_up(
    tx: &mut Tx,
    (context, links): (&Context, &Links),
    (errand, place): (&Errand, usize),
    (received, questions): (&Received, &[String]),
) -> db::Result<StepResult> {
    if let Some(taken) = receive::decided_before(tx, &errand.survey, received).await? {
        return Ok(StepResult::decided(context, links, taken));
    }
    let Origin::Delivery { source, event, .. } = errand.origin else { return Ok(StepResult::Ignored) };
    let place = Place { source, event, index: i32::try_from(place).unwrap_or(i32::MAX) };
    Ok(StepResult::Pending(lookup::enqueue(tx, context, &errand.survey, place, (received, questions)).await?))
}

fn outcome(errand: &Errand, results: Vec<StepResult>) -> db::Result<Outcome> {
    let (mut decided, mut is_pending) = (Vec::new(), false);
    let mut items = Vec::with_capacity(results.len());
    for result in results {
        items.push(match result {
            StepResult::Ignored => HookAnswer::ignored("not_closed"),
            StepResult::Pending(is_new) => {
                is_pending |= is_new;
                HookAnswer::pending(is_new)
            }
            StepResult::Reopened(withdrawn) => HookAnswer::reopened(withdrawn),
            StepResult::Decided(answer, is_new) => {
                decided.push(((*answer).clone(), is_new));
                HookAnswer::decided(*answer, is_new)
            }
        });
    }
    let text = match (&errand.origin, decided.first()) {
        (Origin::Request { .. }, Some((answer, _))) => db::to_json(answer)?,
        (Origin::Delivery { is_list, .. }, _) => db::to_json(&HookAnswers::of(items, *is_list))?,
        (Origin::Request { .. }, None) => return Err(Error::RowNotFound),
    };
    Ok(Outcome { text, decided, is_pending })
}

/// Notes deliveries with their answers, and which requests had which keys.
async fn note_all(tx: &mut Tx, context: &Context, errands: &[&Errand], outcomes: &[Outcome]) -> db::Result<()> {
    let at = context.clock.now();
    let (mut arrivals, mut requests) = (Vec::new(), Vec::new());
    for (errand, outcome) in errands.iter().zip(outcomes) {
        match &errand.origin {
            Origin::Delivery { source, event, key, .. } => arrivals.push(Arrival {
                id: *event,
                source: *source,
                delivery_key: key.as_deref(),
                outcome: outcome.reception(),
                answer: &outcome.text,
                problem: None,
                body: None,
                at,
            }),
            Origin::Request { key: Some((key, body_hash)) } => {
                requests.extend(outcome.interaction().map(|interaction| Request { key, body_hash, interaction }));
            }
            Origin::Request { key: None } => {}
        }
    }
    if !arrivals.is_empty() {
        intake::store::insert_arrivals(tx, &arrivals).await?;
    }
    if !requests.is_empty() && store::insert_requests(tx, &requests, at).await? < u64::try_from(requests.len()).unwrap_or(u64::MAX) {
        return Err(Error::Protocol("another node answered the same Idempotency-Key meanwhile".to_owned()));
    }
    Ok(())
}
