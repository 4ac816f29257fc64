//! Commits many votes in one transaction and answers each only after the commit.

mod desk;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use self::desk::Desk;
use super::count::{Effect, Vote};
use super::lookup::kept::Seats;
use super::store::{self, Open};
use crate::clock::Timestamp;
use crate::db;
use crate::i18n::Locale;
use crate::invitation::InvitationId;
use crate::survey::{Survey, Surveys};
use crate::tally::merge::Merger;
use crate::web::Context;
use crate::webhook::endpoints::Endpoints;

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
        (surveys, endpoints, seats, merger): (Arc<Surveys>, Arc<Endpoints>, Arc<Seats>, Merger),
        batch: usize,
    ) -> (Self, impl Future<Output = ()>) {
        let (votes, vote_queue) = mpsc::channel(QUEUE);
        let (notes, note_queue) = mpsc::channel(OPENS);
        let desk = Desk { context: Arc::clone(&context), surveys, endpoints, seats, merger };
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
