//! The only SQL about messages that came back.

use super::Kind;
use crate::clock::Timestamp;
use crate::db::{FromRow, Result, Session, Tx, on_engine};
use crate::invitation::{CustomerId, InvitationId};

/// Whom a report is about, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
pub struct About {
    /// The invitation whose message came back.
    pub invitation: Option<InvitationId>,
    /// The customer.
    pub customer: Option<CustomerId>,
    /// The keyed hash of the address.
    pub identity: Option<String>,
}

/// Whom an invitation went to.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_of(session: &mut impl Session, id: InvitationId) -> Result<Option<About>> {
    on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT invitation.id AS invitation, customer.id AS customer, customer.identity
             FROM invitation LEFT JOIN customer ON customer.id = invitation.customer_id WHERE invitation.id = $1",
        )
        .bind(id)
        .fetch_optional(conn)
        .await
    })
}

/// The domain that an invitation went to, in lower case.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_domain(session: &mut impl Session, id: InvitationId) -> Result<Option<String>> {
    let email: Option<String> = on_engine!(session, |conn| {
        sqlx::query_scalar(
            "SELECT customer.email FROM invitation JOIN customer ON customer.id = invitation.customer_id
             WHERE invitation.id = $1 AND customer.email IS NOT NULL",
        )
        .bind(id)
        .fetch_optional(conn)
        .await?
    });
    Ok(email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain.to_lowercase()))
}

/// The invitation that a message of the outbox is about.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_subject(session: &mut impl Session, outbox: uuid::Uuid) -> Result<Option<InvitationId>> {
    on_engine!(session, |conn| {
        sqlx::query_scalar("SELECT invitation.id FROM outbox JOIN invitation ON invitation.id = outbox.subject_id WHERE outbox.id = $1")
            .bind(outbox)
            .fetch_optional(conn)
            .await
    })
}

/// Whom an address belongs to, with the last invitation that went there.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_by_identity(session: &mut impl Session, identity: &str) -> Result<Option<About>> {
    on_engine!(session, |conn| {
        sqlx::query_as(
            "SELECT (SELECT invitation.id FROM invitation WHERE invitation.customer_id = customer.id AND invitation.sent_at IS NOT NULL
                 ORDER BY invitation.created_at DESC LIMIT 1) AS invitation, customer.id AS customer, customer.identity
             FROM customer WHERE customer.identity = $1",
        )
        .bind(identity)
        .fetch_optional(conn)
        .await
    })
}

/// A report as it is kept.
#[derive(Debug)]
pub struct Row<'a> {
    /// Its id.
    pub id: uuid::Uuid,
    /// What names message and kind: the same for the same news.
    pub message_key: &'a str,
    /// What it says.
    pub kind: Kind,
    /// The code.
    pub status: Option<String>,
    /// When it came.
    pub now: Timestamp,
}

/// Keeps a report; false when the same news was kept before.
///
/// # Errors
/// When the database cannot store it.
pub async fn insert(tx: &mut Tx, row: &Row<'_>, about: &About) -> Result<bool> {
    let inserted = on_engine!(tx, |conn| {
        sqlx::query(
            "INSERT INTO bounce (id, message_key, invitation_id, identity, kind, status, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (message_key) DO NOTHING",
        )
        .bind(row.id)
        .bind(row.message_key)
        .bind(about.invitation)
        .bind(&about.identity)
        .bind(row.kind)
        .bind(&row.status)
        .bind(row.now)
        .execute(conn)
        .await?
        .rows_affected()
    });
    Ok(inserted > 0)
}

/// How many messages to an address came back softly since its owner last answered one.
///
/// # Errors
/// When the database cannot answer.
pub async fn count_soft(session: &mut impl Session, identity: &str) -> Result<i64> {
    on_engine!(session, |conn| {
        sqlx::query_scalar(
            "SELECT COUNT(*) FROM bounce WHERE identity = $1 AND kind = $2 AND created_at > COALESCE((SELECT MAX(response.answered_at)
                 FROM customer JOIN invitation ON invitation.customer_id = customer.id JOIN response ON response.invitation_id = invitation.id
                 WHERE customer.identity = $1), 0)",
        )
        .bind(identity)
        .bind(Kind::Soft)
        .fetch_one(conn)
        .await
    })
}

/// The invitations of a customer for which a message may still wait.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_open(session: &mut impl Session, customer: CustomerId) -> Result<Vec<InvitationId>> {
    on_engine!(session, |conn| {
        sqlx::query_scalar("SELECT id FROM invitation WHERE customer_id = $1 AND state IN ('scheduled', 'sent') ORDER BY id")
            .bind(customer)
            .fetch_all(conn)
            .await
    })
}

/// Erases reports that came before an instant; answers how many.
///
/// # Errors
/// When the database cannot store it.
pub async fn erase(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    on_engine!(tx, |conn| { Ok(sqlx::query("DELETE FROM bounce WHERE created_at < $1").bind(before).execute(conn).await?.rows_affected()) })
}
