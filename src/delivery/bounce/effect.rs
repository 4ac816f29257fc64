//! What follows from a report that is believed: everything in one transaction, and the same news only once.

use super::status::Status;
use super::store::{self, About, Row};
use super::{Kind, Said};
use crate::clock::Timestamp;
use crate::db::{self, Tx, text_enum};
use crate::invitation::suppression::{self, Cause, Suppression};
use crate::invitation::timeline::{self, Event};
use crate::invitation::{self, InvitationId, State};
use crate::net::smtp::kept;
use crate::notice::{self, Notice};
use crate::outbox;
use crate::web::Context;
use crate::webhook::tell::tell_all;
use crate::webhook::{EventKind, Happened};

/// An address is given up after so many different messages came back softly, with no answer in between.
const SOFT_AT_MOST: i64 = 3;
/// How long a report is kept, in days: as long, soft ones count together.
const KEPT_DAYS: i64 = 90;
/// The longest word of a reply that is kept: a link that answers for a customer is longer.
const LONGEST_WORD: usize = 52;
/// What the keyring fingerprints a message that came back for.
const KEY_PURPOSE: &str = "bounce";

text_enum! {
    /// What became of a report.
    pub enum Outcome {
        /// No message reaches the address any more.
        Suppressed = "suppressed",
        /// A soft bounce was counted.
        Counted = "counted",
        /// It is written down with the invitation, nothing else.
        Noted = "noted",
        /// The operators are told: this is about our mail, not about the address.
        Alarmed = "alarmed",
        /// The same news came before.
        Duplicate = "duplicate",
        /// It is about nobody that is known here.
        Ignored = "ignored",
    }
}

/// A report that is believed.
#[derive(Debug, Clone)]
pub struct Believed {
    /// Whom it is about.
    pub about: About,
    /// What it says.
    pub said: Said,
    /// What names the message that it is about.
    pub message: String,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What was done.
    pub outcome: Outcome,
    /// What it said.
    pub kind: Kind,
    /// The code.
    pub status: Option<Status>,
    /// The invitation.
    pub invitation: Option<InvitationId>,
}

/// Takes reports in, all of them or none.
///
/// # Errors
/// When the database cannot store them.
pub async fn take(context: &Context, reports: &[Believed]) -> db::Result<Vec<Told>> {
    let mut told = Vec::with_capacity(reports.len());
    if !reports.is_empty() {
        let mut tx = context.db.begin().await?;
        for report in reports {
            told.push(bounced(&mut tx, context, report).await?);
        }
        tx.commit().await?;
    }
    for told in &told {
        log(context, told);
    }
    Ok(told)
}

/// Does what a report calls for, in the caller's transaction.
///
/// # Errors
/// When the database cannot store it.
pub async fn bounced(tx: &mut Tx, context: &Context, report: &Believed) -> db::Result<Told> {
    let Believed { about, said, message } = report;
    let now = context.clock.now();
    let told = |outcome| Told { outcome, kind: said.kind, status: said.status, invitation: about.invitation };
    if about.invitation.is_none() && about.identity.is_none() {
        return Ok(told(Outcome::Ignored));
    }
    let key = context.keyring.fingerprint(KEY_PURPOSE, &format!("{} {message}", said.kind));
    let status = said.status.map(|status| status.to_string());
    let row = Row { id: context.random.uuid(now), message_key: &key, kind: said.kind, status, now };
    if !store::insert(tx, &row, about).await? {
        return Ok(told(Outcome::Duplicate));
    }
    let cause = cause(tx, about, said.kind).await?;
    if let Some(cause) = cause {
        suppress(tx, about, cause, now).await?;
    }
    if let Some(id) = about.invitation {
        let detail = detail(said);
        let is_closed =
            cause == Some(Cause::Bounced) && timeline::close(tx, context, id, (State::Bounced, Event::Bounced, &detail)).await?;
        if !is_closed {
            timeline::note(tx, context, id, (Event::Bounced, Some(&detail))).await?;
        }
        if is_closed {
            outbox::store::cancel(tx, id.0, "the message came back", now).await?;
        }
    }
    if let Some(cause) = cause {
        hold_back(tx, context, about, cause).await?;
        tell_webhooks(tx, context, report).await?;
    }
    if said.kind == Kind::Policy {
        notice::post(tx, context, &alarm(said, now)).await?;
    }
    Ok(told(match (cause, said.kind) {
        (Some(_), _) => Outcome::Suppressed,
        (None, Kind::Policy) => Outcome::Alarmed,
        (None, Kind::Soft) => Outcome::Counted,
        (None, _) => Outcome::Noted,
    }))
}

/// Why the address gets no more messages, if it does not.
async fn cause(tx: &mut Tx, about: &About, kind: Kind) -> db::Result<Option<Cause>> {
    Ok(match kind {
        Kind::Hard => Some(Cause::Bounced),
        Kind::Complaint => Some(Cause::Complained),
        Kind::Delayed | Kind::Policy => None,
        Kind::Soft => match &about.identity {
            Some(identity) if store::count_soft(tx, identity).await? >= SOFT_AT_MOST => Some(Cause::Bounced),
            _ => None,
        },
    })
}

async fn suppress(tx: &mut Tx, about: &About, reason: Cause, now: Timestamp) -> db::Result<()> {
    if let Some(identity) = about.identity.clone() {
        suppression::store::insert(tx, &Suppression { identity, reason, created_at: now }).await?;
    }
    Ok(())
}

/// Tells other systems that an invitation's customer gets no more messages, and why.
async fn tell_webhooks(tx: &mut Tx, context: &Context, report: &Believed) -> db::Result<()> {
    let Some(id) = report.about.invitation else { return Ok(()) };
    let Some(invitation) = invitation::store::find(tx, id).await? else { return Ok(()) };
    let happened = Happened {
        kind: EventKind::InvitationBounced,
        survey: invitation.survey_id,
        subject: id.0,
        version: 0,
        detail: Some(detail(&report.said)),
    };
    tell_all(tx, context, &[happened]).await?;
    Ok(())
}

/// Cancels what waits for the customer. What no message has left for is taken back; who has a link keeps it.
async fn hold_back(tx: &mut Tx, context: &Context, about: &About, cause: Cause) -> db::Result<()> {
    let Some(customer) = about.customer else { return Ok(()) };
    for id in store::list_open(tx, customer).await? {
        let is_cancelled = outbox::store::cancel(tx, id.0, cause.sentence(), context.clock.now()).await?;
        if is_cancelled && timeline::store::is_scheduled(tx, id).await? {
            timeline::close(tx, context, id, (State::Withdrawn, Event::Withdrawn, cause.sentence())).await?;
        }
    }
    Ok(())
}

/// What the timeline tells: kind, code and reply, without anybody's address or link.
fn detail(said: &Said) -> String {
    let status = said.status.map(|status| format!(" {status}")).unwrap_or_default();
    let reply: Vec<&str> = said.reply.split_whitespace().filter(|word| word.chars().count() <= LONGEST_WORD).collect();
    let reply = kept(&reply.join(" "));
    if reply.is_empty() { format!("{}{status}", said.kind) } else { format!("{}{status}: {reply}", said.kind) }
}

fn log(context: &Context, told: &Told) {
    let Told { outcome, kind, status, invitation } = told;
    let (status, invitation) = (status.map(|status| status.to_string()), invitation.map(|id| id.to_string()));
    context.metrics.bounce(if *outcome == Outcome::Duplicate { outcome.as_str() } else { kind.as_str() });
    tracing::info!(%outcome, %kind, status, invitation, "a message came back");
}

/// A server refuses our mail as such: no address is to blame, and every further message goes the same way until somebody looks into it. The
/// operator is told once a day of each domain.
fn alarm(said: &Said, now: Timestamp) -> Notice {
    let domain = said.domain.as_deref().unwrap_or("an unknown domain");
    Notice {
        key: format!("policy refusal {domain} {}", now.day_in(chrono_tz::UTC)),
        title: format!("Mail to {domain} is refused by policy"),
        text: format!(
            "A mail server of {domain} refuses our mail as such:\n\n{}\n\nNobody was suppressed, because no address is to blame. Every further \
             message to this domain goes the same way: check SPF, DKIM, DMARC and the reputation of the relay.\n",
            detail(said)
        ),
    }
}

/// Erases reports that are over their time.
///
/// # Errors
/// When the database cannot store it.
pub async fn erase(tx: &mut Tx, now: Timestamp) -> db::Result<u64> {
    store::erase(tx, now.plus_days(-KEPT_DAYS)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeline_holds_no_address_and_no_link() {
        let link = format!("https://nabz.example/s/{}", "a".repeat(53));
        let said = Said {
            kind: Kind::Hard,
            status: Status::parse("5.1.1"),
            reply: format!("550 5.1.1 <sara@example.com>: no such user sara@example.com, see {link} or https://mx.example/why"),
            domain: None,
        };
        assert_eq!(detail(&said), "hard 5.1.1: 550 5.1.1 : no such user see or https://mx.example/why");
        assert_eq!(detail(&Said { kind: Kind::Delayed, status: None, reply: String::new(), domain: None }), "delayed");
    }
}
