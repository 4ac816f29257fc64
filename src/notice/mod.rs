//! Words to the operator: stored once, and mailed to `mail.admin` through the outbox.

pub mod store;

use crate::db::{Result, Tx};
use crate::outbox::{self, Job, OutboxId};
use crate::web::Context;

/// The kind of message in the outbox that carries a notice; its subject is the notice.
pub const NOTICE: &str = "notice";
/// The carrier of mails.
const BY_MAIL: &str = "mail";

/// Something that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What tells it from others: the same is told once.
    pub key: String,
    /// The subject of the mail. No address, link or secret, as it is logged.
    pub title: String,
    /// The text of the mail.
    pub text: String,
}

/// Stores a notice and has it mailed, unless the same was stored before; logs it as well.
///
/// # Errors
/// When the database cannot store it.
pub async fn post(tx: &mut Tx, context: &Context, notice: &Notice) -> Result<()> {
    let now = context.clock.now();
    let id = context.random.uuid(now);
    if store::insert(tx, id, notice, now).await? {
        let job = Job { carrier: BY_MAIL.into(), kind: NOTICE, subject: id, survey: None };
        outbox::store::enqueue(tx, OutboxId(context.random.uuid(now)), job, now, now).await?;
        tracing::error!(notice = %id, "{}", notice.title);
    }
    Ok(())
}
