//! The loop behind the recorder. The votes that wait when a batch is stored are the next one, so that its ballots are read on the way back from the
//! commit.

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::{NotStored, Receipt, Reply};
use crate::clock::Timestamp;
use crate::db::script::{Next, Statement};
use crate::db::{self, Tx};
use crate::i18n::Locale;
use crate::invitation::InvitationId;
use crate::response::count::{Ballot, Effect, Vote};
use crate::response::lookup::kept::Seats;
use crate::response::row::{Row, Version};
use crate::response::store::{self, Found, hex_list};
use crate::response::{ResponseId, told};
use crate::survey::{Survey, Surveys};
use crate::tally;
use crate::tally::merge::Merger;
use crate::web::Context;
use crate::webhook::endpoints::Endpoints;
use crate::webhook::tell::tell;
use crate::webhook::{Happened, Webhook};

/// Votes that wait, and whoever waits for each.
pub(super) type Queue = mpsc::Receiver<(Vote, Reply)>;

/// Votes that are stored together.
struct Bundle {
    votes: Vec<Vote>,
    replies: Vec<Reply>,
}

impl Bundle {
    /// Whatever has queued up, at least one vote; `None` once nobody can vote any more.
    async fn wait(queue: &mut Queue, most: usize) -> Option<Self> {
        let mut waiting = Vec::new();
        (queue.recv_many(&mut waiting, most).await > 0).then(|| waiting.into())
    }

    /// Whatever has queued up by now.
    fn waiting(queue: &mut Queue, most: usize) -> Self {
        std::iter::from_fn(|| queue.try_recv().ok()).take(most).collect::<Vec<_>>().into()
    }

    /// What their ballots are asked for by.
    fn ballots(&self) -> db::Result<String> {
        hex_list(self.invitations().into_iter().map(|id| id.0))
    }

    fn invitations(&self) -> Vec<InvitationId> {
        let mut ids: Vec<InvitationId> = self.votes.iter().map(|vote| vote.invitation).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

impl From<Vec<(Vote, Reply)>> for Bundle {
    fn from(waiting: Vec<(Vote, Reply)>) -> Self {
        let (votes, replies) = waiting.into_iter().unzip();
        Self { votes, replies }
    }
}

/// Votes whose ballots are locked in a transaction, and the endpoints that are told.
struct Taken {
    bundle: Bundle,
    endpoints: Arc<Vec<Webhook>>,
    tx: Tx,
    found: Vec<Found>,
}

/// What comes next.
enum Ahead {
    /// Whatever queues up.
    Nothing,
    /// Votes that have left the queue.
    Waiting(Bundle),
    /// Votes whose ballots are read.
    Taken(Taken),
}

/// What the loop works with.
pub(super) struct Desk {
    pub(super) context: Arc<Context>,
    pub(super) surveys: Arc<Surveys>,
    pub(super) endpoints: Arc<Endpoints>,
    pub(super) seats: Arc<Seats>,
    pub(super) merger: Merger,
}

impl Desk {
    /// Stores votes until nobody can vote any more, at most so many in one transaction.
    pub(super) async fn serve(&self, mut queue: Queue, most: usize) {
        let mut ahead = Ahead::Nothing;
        loop {
            let bundle = match ahead {
                Ahead::Taken(taken) => {
                    ahead = self.record(taken, &mut queue, most).await;
                    continue;
                }
                Ahead::Waiting(bundle) => bundle,
                Ahead::Nothing => match Bundle::wait(&mut queue, most).await {
                    Some(bundle) => bundle,
                    None => return,
                },
            };
            ahead = match self.take(&bundle.invitations()).await {
                Ok((endpoints, tx, found)) => Ahead::Taken(Taken { bundle, endpoints, tx, found }),
                Err(error) => {
                    self.record_singly(bundle, &error).await;
                    Ahead::Nothing
                }
            };
        }
    }

    async fn take(&self, ids: &[InvitationId]) -> db::Result<(Arc<Vec<Webhook>>, Tx, Vec<Found>)> {
        // Asked for before the transaction, which waits for no other connection.
        let endpoints = self.endpoints.all().await?;
        let (tx, found) = store::take_ballots(&self.context.db, ids).await?;
        Ok((endpoints, tx, found))
    }

    /// Applies and stores votes, answers them, and takes those that wait by then.
    async fn record(&self, taken: Taken, queue: &mut Queue, most: usize) -> Ahead {
        let Taken { bundle, endpoints, mut tx, found } = taken;
        let (statements, done) = match self.apply(&bundle.votes, found, (&mut tx, &endpoints)).await {
            Ok(applied) => applied,
            Err(error) => {
                // Rolled back before anybody writes again.
                drop(tx);
                self.record_singly(bundle, &error).await;
                return Ahead::Nothing;
            }
        };
        let mut turn = Turn { desk: self, queue, most, stored: Some((bundle, done)), next: None, endpoints };
        let taken = store::commit_and_take_ballots(tx, statements, &mut turn).await;
        let Turn { stored, next, endpoints, .. } = turn;
        match (taken, stored) {
            (Ok(Some((tx, found))), _) => {
                return next.map_or(Ahead::Nothing, |bundle| Ahead::Taken(Taken { bundle, endpoints, tx, found }));
            }
            (Ok(None), _) => {}
            (Err(error), Some((bundle, _))) => self.record_singly(bundle, &error).await,
            (Err(error), None) => tracing::warn!(cause = %error, "the next votes could not be taken together with a commit"),
        }
        next.map_or(Ahead::Nothing, Ahead::Waiting)
    }

    /// Votes that could not be stored together are tried once more one by one, so that a bad one cannot hold up the others.
    async fn record_singly(&self, bundle: Bundle, error: &db::Error) {
        tracing::warn!(cause = %error, votes = bundle.votes.len(), "votes could not be stored together");
        for (vote, reply) in bundle.votes.into_iter().zip(bundle.replies) {
            let receipt = self.record_one(vote).await.map_err(|error| {
                tracing::error!(cause = %error, "a vote could not be stored");
                self.context.metrics.votes("not_stored", 1);
                NotStored
            });
            // Whoever voted may have gone meanwhile; the vote stays.
            let _ = reply.send(receipt);
        }
    }

    async fn record_one(&self, vote: Vote) -> db::Result<Option<Receipt>> {
        let (endpoints, mut tx, found) = self.take(&[vote.invitation]).await?;
        let (statements, done) = self.apply(slice::from_ref(&vote), found, (&mut tx, &endpoints)).await?;
        tx.run_and_commit(statements).await?;
        Ok(self.note(done).pop().flatten())
    }

    /// What votes change, with what is told of it on its way.
    async fn apply(&self, votes: &[Vote], found: Vec<Found>, (tx, endpoints): (&mut Tx, &[Webhook])) -> db::Result<(Vec<Statement>, Done)> {
        let mut ballots = self.ballots(found).await?;
        let mut batch = Batch::default();
        let now = self.context.clock.now();
        let receipts = votes
            .iter()
            .map(|vote| {
                let held = ballots.get_mut(&vote.invitation)?;
                let fresh = ResponseId(self.context.random.uuid(now));
                Some(batch.apply(held, vote, (now, fresh)))
            })
            .collect();
        tell(tx, &self.context, endpoints, &batch.happened).await?;
        let id = self.context.random.uuid(now);
        let statements = batch.statements(tx, id)?;
        Ok((statements, Done { receipts, answered: batch.answered, counted: (id, batch.counts) }))
    }

    async fn ballots(&self, found: Vec<Found>) -> db::Result<HashMap<InvitationId, Held>> {
        let mut ballots = HashMap::with_capacity(found.len());
        for Found { survey, locale, mut ballot } in found {
            let Some(survey) = self.surveys.find(survey.0).await? else { continue };
            let spoken = locale.unwrap_or(survey.locale);
            ballot.group.locale = spoken.to_string();
            ballots.insert(ballot.id, Held { survey, locale, spoken, ballot });
        }
        Ok(ballots)
    }

    fn answer(&self, replies: Vec<Reply>, done: Done) {
        for (reply, receipt) in replies.into_iter().zip(self.note(done)) {
            // Whoever voted may have gone meanwhile; the vote stays.
            let _ = reply.send(Ok(receipt));
        }
    }

    /// Forgets and counts what is to be forgotten and counted after a commit; gives the receipts.
    fn note(&self, done: Done) -> Vec<Option<Receipt>> {
        let (id, counts) = done.counted;
        self.merger.merge(id, counts);
        for invitation in done.answered {
            self.seats.forget(invitation);
        }
        let metrics = &self.context.metrics;
        metrics.vote_batch(u32::try_from(done.receipts.len()).unwrap_or(u32::MAX));
        for receipt in &done.receipts {
            metrics.votes(receipt.as_ref().map_or("unknown", |receipt| word(receipt.effect)), 1);
        }
        done.receipts
    }
}

/// A batch at its commit, and the next.
struct Turn<'a> {
    desk: &'a Desk,
    queue: &'a mut Queue,
    most: usize,
    /// What is being stored, until it is committed.
    stored: Option<(Bundle, Done)>,
    next: Option<Bundle>,
    /// Those that the next votes are told to.
    endpoints: Arc<Vec<Webhook>>,
}

impl Next for Turn<'_> {
    fn is_waiting(&mut self) -> bool {
        // Endpoints that have changed are asked for between two transactions.
        let known = if self.queue.is_empty() { None } else { self.desk.endpoints.all_known() };
        known.is_some_and(|known| {
            self.endpoints = known;
            true
        })
    }

    fn committed(&mut self) {
        if let Some((bundle, done)) = self.stored.take() {
            self.desk.answer(bundle.replies, done);
        }
    }

    fn value(&mut self) -> db::Result<String> {
        self.next.insert(Bundle::waiting(self.queue, self.most)).ballots()
    }
}

/// What became of votes, true once it is committed: a receipt for each, `None` where there is no such invitation, and what was answered first.
struct Done {
    receipts: Vec<Option<Receipt>>,
    answered: Vec<InvitationId>,
    /// What it changed in the counts, and under which id that is kept.
    counted: (Uuid, tally::Changes),
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
    replaced: Vec<Version>,
    answered: Vec<InvitationId>,
    counts: tally::Changes,
    happened: Vec<Happened>,
}

impl Batch {
    fn apply(&mut self, held: &mut Held, vote: &Vote, (now, fresh): (Timestamp, ResponseId)) -> Receipt {
        let before = held.ballot.answer.clone();
        let effect = held.ballot.apply(&held.survey, vote, (now, fresh), &mut self.counts);
        if matches!(effect, Effect::First | Effect::Changed | Effect::Confirmed) {
            self.rows.extend(Row::new(held.survey.id, &held.ballot, held.spoken).map(|row| (held.ballot.id, row)));
        }
        if matches!(effect, Effect::First | Effect::Changed) {
            let score_before = before.as_ref().map(|answer| answer.score);
            self.happened.extend(held.ballot.answer.iter().flat_map(|answer| told::happened(&held.survey, answer, score_before)));
        }
        if effect == Effect::Changed {
            self.replaced.extend(before.as_ref().map(Version::of));
        }
        if effect == Effect::First {
            self.answered.push(held.ballot.id);
        }
        Receipt { effect, survey: Arc::clone(&held.survey), locale: held.locale }
    }

    /// `id` is that of what changes in the counts.
    fn statements(&self, tx: &mut Tx, id: Uuid) -> db::Result<Vec<Statement>> {
        if self.rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut statements = store::storing(tx, self.rows.values().collect(), &self.replaced, &self.answered)?;
        statements.extend(tally::store::keeping(tx, id, &self.counts)?);
        Ok(statements)
    }
}
