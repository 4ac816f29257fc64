//! Messages that come back: what a report says, whether it is believed, and what follows from it.

pub mod effect;
mod fields;
pub mod provider;
pub mod report;
pub mod status;
pub mod store;

use std::sync::Arc;

use uuid::Uuid;

use self::effect::{Believed, Told, take};
use self::provider::{News, Providers};
use self::report::{Read, Report};
use self::status::Status;
use self::store::About;
use super::verp;
use crate::db::{self, Session, text_enum};
use crate::invitation::InvitationId;
use crate::invitation::suppression::identity_of;
use crate::link::Links;
use crate::web::Context;

/// What follows the invitation's id in the Message-ID of a reminder.
const REMINDER: &str = "-reminder";

text_enum! {
    /// What a report says of an address, the mildest first.
    pub enum Kind {
        /// The message has not arrived so far, and is still tried.
        Delayed = "delayed",
        /// It did not arrive, for a reason that may pass: a full mailbox, a server out of reach.
        Soft = "soft",
        /// The receiving side does not want our mail, or this message; nothing is known against the address.
        Policy = "policy",
        /// There is no such mailbox.
        Hard = "hard",
        /// The customer reported the message as spam.
        Complaint = "complaint",
    }
}

/// What a report says of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What it means.
    pub kind: Kind,
    /// The code that tells it best.
    pub status: Option<Status>,
    /// What the receiving server replied, as it stands in the report: it may hold addresses.
    pub reply: String,
    /// The domain whose server replied, where that is told.
    pub domain: Option<String>,
}

/// Why a message is not taken as a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read as one.
    #[error("this is no report that can be read: no delivery status (RFC 3464) and no feedback report (RFC 5965) is in it")]
    Unreadable,
    /// Nothing shows that it is about a message of ours.
    #[error("this report is not trusted: no address in it is one that we signed (bounce+TOKEN@…, set with mail.bounce_domain)")]
    Untrusted,
}

/// What became of a message that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// It was a report, and believed.
    Taken(Told),
    /// It says nothing about delivery; why.
    Ignored(&'static str),
    /// It changed nothing.
    Refused(Refused),
}

/// Takes reports in, whichever way they come.
#[derive(Debug)]
pub struct Returns {
    /// The context of every handler.
    pub context: Arc<Context>,
    /// Opens the marks.
    pub links: Links,
    /// How events of mail providers are believed.
    pub providers: Providers,
}

impl Returns {
    /// Takes in a message as a mail server hands it over.
    ///
    /// # Errors
    /// When the database cannot store it.
    pub async fn handle(&self, message: &[u8]) -> db::Result<Handled> {
        let report = match report::read(message) {
            Read::Report(report) => report,
            Read::Ignored(why) => return Ok(Handled::Ignored(why)),
            Read::Unreadable => return Ok(Handled::Refused(Refused::Unreadable)),
        };
        let Some(id) = self.marked(&report) else {
            return Ok(Handled::Refused(Refused::Untrusted));
        };
        let Report { mut said, message_id, .. } = *report;
        let mut read = self.context.db.read().await?;
        let about = store::find_of(&mut read, id).await?.unwrap_or_default();
        // Whoever got a mail can write reports about it: they choose neither how many messages it was nor whose server refused it.
        let message_id = match message_id.as_deref().and_then(mail_id) {
            Some(named) if named == id.0 || store::find_subject(&mut read, named).await? == Some(id) => message_id,
            _ => None,
        };
        if said.kind == Kind::Policy {
            said.domain = store::find_domain(&mut read, id).await?;
        }
        drop(read);
        let believed = Believed { about, said, message: message_key(id, message_id.as_deref()) };
        let told = take(&self.context, &[believed]).await?.pop();
        Ok(told.map_or(Handled::Ignored("it is about nobody"), Handled::Taken))
    }

    /// Takes in what a mail provider tells, after its signature was checked.
    ///
    /// # Errors
    /// When the database cannot store it.
    pub async fn handle_news(&self, news: Vec<News>) -> db::Result<Vec<Told>> {
        let mut believed = Vec::with_capacity(news.len());
        let mut read = self.context.db.read().await?;
        for news in news {
            let identity = news.recipient.as_deref().and_then(|email| identity_of(&self.context.keyring, email));
            let (about, message) = if let Some((id, message_id)) = self.named(&mut read, &news).await? {
                let about = store::find_of(&mut read, id).await?.unwrap_or_default();
                // The address of somebody who was erased meanwhile is still not to be written to.
                (About { identity: about.identity.or(identity), ..about }, message_key(id, message_id))
            } else {
                let known = match &identity {
                    Some(identity) => store::find_by_identity(&mut read, identity).await?,
                    None => None,
                };
                let message = format!("{} {}", news.id, identity.as_deref().unwrap_or_default());
                (known.unwrap_or(About { identity, ..About::default() }), message)
            };
            believed.push(Believed { about, said: news.said, message });
        }
        drop(read);
        take(&self.context, &believed).await
    }

    /// The invitation that a provider's news is about: by our mark in the envelope, else by our Message-ID.
    async fn named<'a>(&self, session: &mut impl Session, news: &'a News) -> db::Result<Option<(InvitationId, Option<&'a str>)>> {
        let ids = news.message_ids.iter().filter_map(|text| Some((text.as_str(), mail_id(text)?)));
        let marked = news.senders.iter().find_map(|sender| verp::read(&self.links, sender));
        if let Some(id) = marked {
            return Ok(Some((id, ids.map(|(text, _)| text).next())));
        }
        for (text, id) in ids {
            let found = match store::find_of(session, InvitationId(id)).await? {
                Some(about) => about.invitation,
                None => store::find_subject(session, id).await?,
            };
            if let Some(id) = found {
                return Ok(Some((id, Some(text))));
            }
        }
        Ok(None)
    }

    /// The invitation whose mark a report carries.
    fn marked(&self, report: &Report) -> Option<InvitationId> {
        report.marks.iter().find_map(|mark| verp::read(&self.links, mark))
    }
}

/// What names one of our messages, by whichever way it is told of: the invitation, and the Message-ID where that is known.
fn message_key(id: InvitationId, message_id: Option<&str>) -> String {
    format!("{id} {}", message_id.unwrap_or_default().trim_matches(['<', '>']))
}

/// The id in a Message-ID of ours: that of the invitation, or of the message in the outbox.
fn mail_id(message_id: &str) -> Option<Uuid> {
    let (local, domain) = message_id.trim_matches(['<', '>']).split_once('@')?;
    let (id, occasion) = local.split_at_checked(uuid::fmt::Hyphenated::LENGTH)?;
    let is_ours = !domain.is_empty() && ["", REMINDER].contains(&occasion);
    Uuid::parse_str(id).ok().filter(|_| is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_of_ours_names_what_it_was_sent_for() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        for ours in [format!("<{id}@acme.example>"), format!("{id}@acme.example"), format!("<{id}-reminder@acme.example>")] {
            assert_eq!(mail_id(&ours).map(|id| id.to_string()).as_deref(), Some(id), "{ours}");
        }
        for other in [
            "",
            "<14c5d75ce93.dfd.64b469@ismtpd-555>",
            "<é@x>",
            &format!("<{id}>"),
            &format!("<{id}x@acme.example>"),
            &format!("<{id}-x@acme.example>"),
            &format!("<{id}@>"),
        ] {
            assert_eq!(mail_id(other), None, "{other}");
        }
    }
}
