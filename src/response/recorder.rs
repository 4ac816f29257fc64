//! Commits many votes in one transaction and answers each only after the commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::count::{Ballot, Effect, Vote};
use super::lookup::kept::Seats;
use super::row::{Row, Version};
use super::store::{self, Found, Open};
use super::{ResponseId, store as responses, told};
use crate::clock::Timestamp;
use crate::db::script::{Begun, Statement};
use crate::db::{self, Tx};
use crate::i18n::Locale;
use crate::invitation::InvitationId;
use crate::survey::{Survey, Surveys};
use crate::tally;
use crate::web::Context;
use crate::webhook::Happened;
use crate::webhook::endpoints::Endpoints;
use crate::webhook::tell::tell;

/// Votes that may wait; further ones are told to come back, so that waiting stays short.
const QUEUE: usize = 1024;
/// Openings that may wait to be noted; further ones are forgotten, since they count nowhere.
const OPENS: usize = 4096;
/// Openings are noted this often, so that scanners cannot slow votes down.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// A vote after the commit.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// What became of it.
    pub effect: Effect,
    /// The survey.
    pub survey: Arc<Survey>,
    /// The customer's language, where it is one of ours.
    pub locale: Option<Locale>,
}

/// It could not be stored now: too many wait, or the database does not take it. Nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotStored;

type Queue = mpsc::Receiver<(Vote, Reply)>;
type Reply = oneshot::Sender<Result<Option<Receipt>, NotStored>>;

enum Note {
    Open(InvitationId, u8, Timestamp),
    Flush(oneshot::Sender<()>),
}

/// Takes votes.
#[derive(Debug, Clone)]
pub struct Recorder {
    votes: mpsc::Sender<(Vote, Reply)>,
    notes: mpsc::Sender<Note>,
}

impl Recorder {
    /// A recorder and the loop that serves it until every copy of it is dropped and the last vote is answered.
    /// `batch` is how many votes one transaction holds at most.
    pub fn new(
        context: Arc<Context>,
        (surveys, endpoints, seats): (Arc<Surveys>, Arc<Endpoints>, Arc<Seats>),
        batch: usize,
    ) -> (Self, impl Future<Output = ()>) {
        let (votes, vote_queue) = mpsc::channel(QUEUE);
        let (notes, note_queue) = mpsc::channel(OPENS);
        let desk = Desk { context: Arc::clone(&context), surveys, endpoints, seats };
        let serve = async move {
            tokio::join!(desk.serve(vote_queue, batch), note(&context, note_queue));
        };
        (Self { votes, notes }, serve)
    }

    /// Records a vote; answers after it is on disk. `None` when there is no such invitation.
    ///
    /// # Errors
    /// [`NotStored`]: nothing was recorded; come back in a moment.
    pub async fn record(&self, vote: Vote) -> Result<Option<Receipt>, NotStored> {
        let (reply, receipt) = oneshot::channel();
        self.votes.try_send((vote, reply)).map_err(|_| NotStored)?;
        receipt.await.unwrap_or(Err(NotStored))
    }

    /// Notes that a link was opened with a score: not an answer, and forgotten where too many wait.
    pub fn note_open(&self, invitation: InvitationId, score: u8, now: Timestamp) {
        // A full queue is no error: openings count nowhere.
        let _ = self.notes.try_send(Note::Open(invitation, score, now));
    }

    /// Waits until every opening noted so far is stored.
    pub async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        if self.notes.send(Note::Flush(reply)).await.is_ok() {
            // The loop ends only with the product.
            let _ = done.await;
        }
    }
}

/// What the loop works with.
struct Desk {
    context: Arc<Context>,
    surveys: Arc<Surveys>,
    endpoints: Arc<Endpoints>,
    seats: Arc<Seats>,
}

impl Desk {
    async fn serve(&self, mut queue: Queue, batch: usize) {
        let mut waiting = Vec::with_capacity(batch);
        let mut begun = None;
        while queue.recv_many(&mut waiting, batch).await > 0 {
            let (votes, replies): (Vec<Vote>, Vec<Reply>) = waiting.drain(..).unzip();
            let receipts = self.record_all(&votes, (&mut begun, &queue)).await;
            for (reply, receipt) in replies.into_iter().zip(receipts) {
                // Whoever voted may have gone meanwhile; the vote stays.
                let _ = reply.send(receipt);
            }
        }
    }

    /// A batch that fails is tried once more vote by vote, so that one bad vote cannot hold up the others.
    async fn record_all(&self, votes: &[Vote], (begun, queue): (&mut Option<Begun>, &Queue)) -> Vec<Result<Option<Receipt>, NotStored>> {
        match self.commit(votes, begun, || !queue.is_empty()).await {
            Ok(receipts) => receipts.into_iter().map(Ok).collect(),
            Err(error) => {
                tracing::warn!(cause = %error, votes = votes.len(), "votes could not be stored together");
                let mut receipts = Vec::with_capacity(votes.len());
                for vote in votes {
                    receipts.push(self.record_one(vote).await);
                }
                receipts
            }
        }
    }

    async fn record_one(&self, vote: &Vote) -> Result<Option<Receipt>, NotStored> {
        match self.commit(std::slice::from_ref(vote), &mut None, || false).await {
            Ok(mut receipts) => Ok(receipts.pop().flatten()),
            Err(error) => {
                tracing::error!(cause = %error, "a vote could not be stored");
                self.context.metrics.votes("not_stored", 1);
                Err(NotStored)
            }
        }
    }

    /// Looks up, applies and stores votes in one transaction: the one that was begun, if any. It begins the next one for whoever goes on at once.
    async fn commit(&self, votes: &[Vote], begun: &mut Option<Begun>, goes_on: impl FnOnce() -> bool) -> db::Result<Vec<Option<Receipt>>> {
        let begun_before = begun.take();
        // Asked for before anything is locked: it may have to wait for another connection.
        let endpoints = self.endpoints.all().await?;
        let (mut tx, mut ballots) = self.take_ballots(votes, begun_before).await?;
        let mut batch = Batch::default();
        let now = self.context.clock.now();
        let receipts: Vec<Option<Receipt>> = votes
            .iter()
            .map(|vote| {
                let held = ballots.get_mut(&vote.invitation)?;
                let fresh = ResponseId(self.context.random.uuid(now));
                Some(batch.apply(held, vote, (now, fresh)))
            })
            .collect();
        tell(&mut tx, &self.context, &endpoints, &batch.happened).await?;
        let statements = batch.statements(&mut tx)?;
        *begun = tx.run_and_commit(statements, goes_on).await?;
        for invitation in &batch.answered {
            self.seats.forget(*invitation);
        }
        self.count(&receipts);
        Ok(receipts)
    }

    async fn take_ballots(&self, votes: &[Vote], begun: Option<Begun>) -> db::Result<(Tx, HashMap<InvitationId, Held>)> {
        let mut ids: Vec<InvitationId> = votes.iter().map(|vote| vote.invitation).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut ballots = HashMap::with_capacity(ids.len());
        let (tx, found) = store::take_ballots(&self.context.db, begun, &ids).await?;
        for Found { survey, locale, mut ballot } in found {
            let Some(survey) = self.surveys.find(survey.0).await? else { continue };
            let spoken = locale.unwrap_or(survey.locale);
            ballot.group.locale = spoken.to_string();
            ballots.insert(ballot.id, Held { survey, locale, spoken, ballot });
        }
        Ok((tx, ballots))
    }

    fn count(&self, receipts: &[Option<Receipt>]) {
        let metrics = &self.context.metrics;
        metrics.vote_batch(u32::try_from(receipts.len()).unwrap_or(u32::MAX));
        for receipt in receipts {
            metrics.votes(receipt.as_ref().map_or("unknown", |receipt| word(receipt.effect)), 1);
        }
    }
}

const fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::First => "first",
        Effect::Changed => "changed",
        Effect::Confirmed => "confirmed",
        Effect::None => "nothing_new",
        Effect::OffScale => "off_scale",
        Effect::Refused(_) => "refused",
    }
}

/// A ballot with its survey while a batch is applied.
struct Held {
    survey: Arc<Survey>,
    locale: Option<Locale>,
    spoken: Locale,
    ballot: Ballot,
}

/// What one transaction writes.
#[derive(Default)]
struct Batch {
    rows: HashMap<InvitationId, Row>,
    versions: Vec<Version>,
    answered: Vec<InvitationId>,
    counts: tally::Changes,
    happened: Vec<Happened>,
}

impl Batch {
    fn apply(&mut self, held: &mut Held, vote: &Vote, (now, fresh): (Timestamp, ResponseId)) -> Receipt {
        let score_before = held.ballot.answer.as_ref().map(|answer| answer.score);
        let effect = held.ballot.apply(&held.survey, vote, (now, fresh), &mut self.counts);
        if matches!(effect, Effect::First | Effect::Changed | Effect::Confirmed) {
            self.rows.extend(Row::new(held.survey.id, &held.ballot, held.spoken, now).map(|row| (held.ballot.id, row)));
        }
        if matches!(effect, Effect::First | Effect::Changed) {
            self.versions.extend(held.ballot.answer.as_ref().map(|answer| Version::of(answer, vote.evidence, now)));
            self.happened.extend(held.ballot.answer.iter().flat_map(|answer| told::happened(&held.survey, answer, score_before)));
        }
        if effect == Effect::First {
            self.answered.push(held.ballot.id);
        }
        Receipt { effect, survey: Arc::clone(&held.survey), locale: held.locale }
    }

    fn statements(&self, tx: &mut Tx) -> db::Result<Vec<Statement>> {
        if self.rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut statements = responses::storing(tx, &self.rows.values().collect::<Vec<_>>(), &self.versions, &self.answered)?;
        statements.extend(tally::store::adding(tx, &self.counts)?);
        Ok(statements)
    }
}

/// Stores openings, at most once a second, until every recorder is dropped.
async fn note(context: &Context, mut queue: mpsc::Receiver<Note>) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, OPENS).await > 0 {
        let mut opens = Vec::new();
        let mut flushed = Vec::new();
        for note in waiting.drain(..) {
            match note {
                Note::Open(invitation, score, now) => opens.push(Open::new(invitation, score, now)),
                Note::Flush(reply) => flushed.push(reply),
            }
        }
        if !opens.is_empty()
            && let Err(error) = store_opens(context, &opens).await
        {
            tracing::warn!(cause = %error, "openings could not be noted");
        }
        if flushed.is_empty() && !queue.is_closed() {
            tokio::time::sleep(NOTE_EVERY).await;
        }
        for reply in flushed {
            // Whoever waited may have gone meanwhile.
            let _ = reply.send(());
        }
    }
}

async fn store_opens(context: &Context, opens: &[Open]) -> db::Result<()> {
    let mut tx = context.db.begin().await?;
    store::note_opens(&mut tx, opens).await?;
    tx.commit().await
}
