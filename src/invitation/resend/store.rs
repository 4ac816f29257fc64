//! The only SQL about sending a message once more.

use crate::clock::Timestamp;
use crate::db::{FromRow, Result, Session, Tx, on_engine};
use crate::intake::Customer;
use crate::invitation::{InvitationId, Occasion};

/// Whether a customer can be reached now.
#[derive(Debug, Clone, FromRow)]
pub struct Reach {
    /// The mail address, unless it was erased.
    pub email: Option<String>,
    /// The phone number, unless it was erased.
    pub phone: Option<String>,
    /// The caller's own name for the customer.
    pub reference: Option<String>,
    /// Whether mail to it is suppressed.
    pub is_suppressed: bool,
    /// When somebody last asked for the message once more.
    pub resent_at: Option<Timestamp>,
    /// Whether a worker has a message right now.
    pub is_leaving: bool,
}

impl Reach {
    /// The customer, as far as channels need it.
    #[must_use]
    pub fn customer(&self) -> Customer {
        Customer { email: self.email.clone(), phone: self.phone.clone(), reference: self.reference.clone(), ..Customer::default() }
    }
}

/// Locks an invitation until the transaction ends; false when there is none.
///
/// # Errors
/// When the database cannot store it.
pub async fn lock(tx: &mut Tx, id: InvitationId) -> Result<bool> {
    let locked = on_engine!(tx, |conn| {
        sqlx::query("UPDATE invitation SET state = state WHERE id = $1").bind(id).execute(conn).await?.rows_affected()
    });
    Ok(locked > 0)
}

/// Whether the customer of an invitation can be reached.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_reach(session: &mut impl Session, id: InvitationId) -> Result<Option<Reach>> {
    on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT customer.email, customer.phone, customer.ref AS reference,
                 EXISTS (SELECT 1 FROM suppression WHERE suppression.identity = customer.identity) AS is_suppressed,
                 (SELECT MAX(outbox.created_at) FROM outbox WHERE outbox.subject_id = $1 AND outbox.kind = $2) AS resent_at,
                 EXISTS (SELECT 1 FROM outbox WHERE outbox.subject_id = $1 AND outbox.kind IN ($2, $3) AND outbox.state = 'waiting'
                     AND outbox.lease_token IS NOT NULL) AS is_leaving
             FROM invitation LEFT JOIN customer ON customer.id = invitation.customer_id WHERE invitation.id = $1",
        )
        .bind(id)
        .bind(Occasion::Resend)
        .bind(Occasion::First)
        .fetch_optional(conn)
        .await
    })
}

/// Lets an invitation whose message failed wait for one again, and drops messages that wait already: the new one leaves instead.
///
/// # Errors
/// When the database cannot store it.
pub async fn make_way(tx: &mut Tx, id: InvitationId, now: Timestamp) -> Result<()> {
    on_engine!(tx, |conn| {
        sqlx::query("UPDATE invitation SET state = 'scheduled' WHERE id = $1 AND state = 'failed'").bind(id).execute(conn).await?;
    });
    on_engine!(tx, |conn| {
        sqlx::query(
            "UPDATE outbox SET state = 'cancelled', last_error = 'it is sent at once instead', settled_at = $4
             WHERE subject_id = $1 AND kind IN ($2, $3) AND state = 'waiting' AND lease_token IS NULL",
        )
        .bind(id)
        .bind(Occasion::Resend)
        .bind(Occasion::First)
        .bind(now)
        .execute(conn)
        .await?;
    });
    Ok(())
}
