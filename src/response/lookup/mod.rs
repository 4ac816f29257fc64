//! Looks invitations up for their pages, many with one statement: whatever has queued up while the last one ran.

pub mod kept;
pub mod store;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use self::kept::Seats;
use self::store::Seat;
use crate::db::{self, Db};
use crate::invitation::InvitationId;

/// Pages that may wait; further ones are told to come back.
const QUEUE: usize = 4096;
/// Invitations in one statement at most.
const BATCH: usize = 128;

type Reply = oneshot::Sender<Option<Option<Seat>>>;

/// Asks for invitations.
#[derive(Debug, Clone)]
pub struct Lookup {
    asked: mpsc::Sender<(InvitationId, Reply)>,
    seats: Arc<Seats>,
}

/// Too many pages wait, or the database does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl Lookup {
    /// A lookup and the loop that serves it until every copy of it is dropped.
    pub fn new(db: Db, seats: Arc<Seats>) -> (Self, impl Future<Output = ()>) {
        let (asked, queue) = mpsc::channel(QUEUE);
        (Self { asked, seats: Arc::clone(&seats) }, serve(db, seats, queue))
    }

    /// What a page needs of an invitation; `None` when there is none.
    ///
    /// # Errors
    /// [`Busy`]: come back in a moment.
    pub async fn find(&self, id: InvitationId) -> Result<Option<Seat>, Busy> {
        if let Some(seat) = self.seats.find(id) {
            return Ok(Some(seat));
        }
        let (reply, answer) = oneshot::channel();
        self.asked.try_send((id, reply)).map_err(|_| Busy)?;
        answer.await.ok().flatten().ok_or(Busy)
    }
}

async fn serve(db: Db, kept: Arc<Seats>, mut queue: mpsc::Receiver<(InvitationId, Reply)>) {
    let mut asked = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut asked, BATCH).await > 0 {
        let ids: HashSet<InvitationId> = asked.iter().map(|(id, _)| *id).collect();
        let begun = kept.begin();
        let found = find_all(&db, &ids.into_iter().collect::<Vec<_>>()).await;
        kept.keep(found.iter().flat_map(HashMap::values), begun);
        if let Err(error) = &found {
            tracing::warn!(cause = %error, "invitations could not be looked up");
        }
        for (id, reply) in asked.drain(..) {
            // Whoever asked may have gone meanwhile.
            let _ = reply.send(found.as_ref().ok().map(|seats| seats.get(&id).cloned()));
        }
    }
}

async fn find_all(db: &Db, ids: &[InvitationId]) -> db::Result<HashMap<InvitationId, Seat>> {
    let seats = store::list_seats(&mut db.read().await?, ids).await?;
    Ok(seats.into_iter().map(|seat| (seat.id, seat)).collect())
}
