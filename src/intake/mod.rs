//! A reason to ask: a help desk's bytes and headers in, an [`Interaction`] out.

pub mod address;
pub mod instant;
mod interaction;
pub mod jwt;
pub mod lookup;
pub mod options;
pub mod reading;
pub mod setup;
pub mod store;
pub mod verify;

pub mod http;

pub mod chatwoot;
pub mod crisp;
pub mod dynamics365;
pub mod freescout;
pub mod front;
pub mod gitlab;
pub mod gorgias;
pub mod help_scout;
pub mod hubspot;
pub mod intercom;
pub mod jira;
pub mod liveagent;
pub mod standard;
pub mod zammad;
pub mod zendesk;
pub mod zoho_desk;

use serde_json::Value;

pub use self::interaction::{Agent, Customer, Interaction, Ticket};
use self::interaction::{LONGEST_ID, tidy_text};
use self::jwt::Key;
use self::options::Options;
use self::reading::Unreadable;
use self::verify::Refusal;
use crate::clock::Timestamp;
use crate::db::cache::Cache;
use crate::db::{id, text_enum};
use crate::survey::SurveyId;

id! {
    /// The id of a source.
    SourceId
}

text_enum! {
    /// A kind of help desk or program that sends events.
    pub enum SourceKind {
        /// Standard Webhooks with our own body.
        Standard = "standard",
        /// Zendesk triggers.
        Zendesk = "zendesk",
        /// Freshdesk automation rules.
        Freshdesk = "freshdesk",
        /// Help Scout.
        HelpScout = "help_scout",
        /// Zoho Desk.
        ZohoDesk = "zoho_desk",
        /// `LiveAgent` rules.
        LiveAgent = "liveagent",
        /// Dynamics 365: Dataverse webhooks and Power Automate.
        Dynamics365 = "dynamics365",
        /// `DanaDesk`.
        DanaDesk = "danadesk",
        /// Intercom.
        Intercom = "intercom",
        /// Zammad.
        Zammad = "zammad",
        /// Chatwoot.
        Chatwoot = "chatwoot",
        /// `FreeScout` with its API and webhooks module.
        FreeScout = "freescout",
        /// Gorgias HTTP integrations.
        Gorgias = "gorgias",
        /// `HubSpot` app webhooks.
        HubSpot = "hubspot",
        /// Jira and Jira Service Management: system webhooks and automation.
        Jira = "jira",
        /// Front: application and rule webhooks.
        Front = "front",
        /// GitLab service desk.
        GitLab = "gitlab",
        /// osTicket with a plugin that speaks Standard Webhooks.
        OsTicket = "osticket",
        /// Kayako automation endpoints.
        Kayako = "kayako",
        /// Crisp.
        Crisp = "crisp",
    }
}

text_enum! {
    /// What became of a delivery.
    pub enum Reception {
        /// It was understood and answered.
        Accepted = "accepted",
        /// Its body could not be read; it is kept.
        Unreadable = "unreadable",
        /// It was understood; the help desk is being asked for what it leaves out.
        Pending = "pending",
    }
}

/// Sources kept in memory.
pub type Sources = Cache<Source>;

/// A connected help desk or program.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its id, part of its hook's address.
    pub id: SourceId,
    /// The survey it feeds.
    pub survey_id: SurveyId,
    /// Its name for the team.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// The shared secret, sealed.
    pub sealed_secret: Vec<u8>,
    /// What else it knows of its help desk, without the token for its API.
    pub options: Options,
    /// The token for the help desk's API, sealed.
    pub sealed_token: Option<Vec<u8>>,
    /// When it was connected.
    pub created_at: Timestamp,
}

impl Source {
    /// Whether its help desk's API can be asked for what events leave out.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        self.sealed_token.is_some() && self.kind.looks_up() && (self.options.api_url.is_some() || self.kind.usual_api().is_some())
    }
}

/// What the keyring seals a source's secret for.
pub const SECRET_PURPOSE: &str = "source secret";
/// What the keyring seals the token for a help desk's API for.
pub const TOKEN_PURPOSE: &str = "source api token";

/// One delivery as it arrived.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The secret shared with the source.
    pub secret: &'a str,
    /// Finds a header by its name in lower case.
    pub headers: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The whole public address that it was sent to, as one system signs it.
    pub url: &'a str,
    /// What the address carries besides the source: `?code=` and the segment behind it.
    pub carried: &'a [&'a str],
    /// The raw bytes: a signature covers exactly these.
    pub body: &'a [u8],
    /// The instant of its arrival.
    pub now: Timestamp,
    /// What the source knows of its help desk.
    pub options: &'a Options,
    /// The keys that its system signs with, where it signs with keys of its own: those that [`SourceKind::key_of`] named.
    pub keys: &'a [Key],
}

impl<'a> Delivery<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        (self.headers)(name)
    }

    fn needed(&self, name: &'static str) -> Result<&'a str, Refusal> {
        self.header(name).ok_or(Refusal::Missing(name))
    }

    /// Believes a delivery that carries the secret itself, in one of the four places that such systems can put it.
    fn shared(&self) -> Result<(), Refusal> {
        let password = self.header("authorization").and_then(verify::basic_password);
        let sent = self.header("x-webhook-secret").into_iter().chain(password.as_deref()).chain(self.carried.iter().copied());
        verify::shared(self.secret, sent)
    }

    /// A repetition is known by this header.
    fn proof(&self, header: &str) -> Proof {
        Proof { delivery_key: self.header(header).filter(|key| !key.is_empty()).map(ToOwned::to_owned) }
    }
}

/// What a believed delivery says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// The sender's id of this delivery, the same when it delivers again; `None` where a system has none, and a repetition is known by
    /// the ticket and the instant of its closing.
    pub delivery_key: Option<String>,
}

impl SourceKind {
    /// Which key a delivery has to be checked with, and the address of the set where it is; `None` for systems that sign with the secret.
    ///
    /// # Errors
    /// Says why the delivery is not believed whatever the key.
    pub fn key_of(self, delivery: &Delivery<'_>) -> Result<Option<(Option<String>, String)>, Refusal> {
        if self == Self::ZohoDesk { zoho_desk::key_of(delivery).map(Some) } else { Ok(None) }
    }

    /// Believes a delivery or says why not.
    ///
    /// # Errors
    /// Says which header is missing or what does not fit.
    pub fn verify(self, delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
        match self {
            Self::Standard | Self::OsTicket => standard::verify(delivery),
            Self::Zendesk => zendesk::verify(delivery),
            Self::Freshdesk | Self::LiveAgent | Self::Dynamics365 | Self::DanaDesk | Self::Gorgias | Self::Kayako => {
                delivery.shared().map(|()| Proof::default())
            }
            Self::HelpScout => help_scout::verify(delivery),
            Self::ZohoDesk => zoho_desk::verify(delivery),
            Self::Intercom => intercom::verify(delivery),
            Self::Zammad => zammad::verify(delivery),
            Self::Chatwoot => chatwoot::verify(delivery),
            Self::FreeScout => freescout::verify(delivery),
            Self::HubSpot => hubspot::verify(delivery),
            Self::Jira => jira::verify(delivery),
            Self::Front => front::verify(delivery),
            Self::GitLab => gitlab::verify(delivery),
            Self::Crisp => crisp::verify(delivery),
        }
    }

    /// The answer that Front waits for before it saves a hook; nothing is stored for it.
    #[must_use]
    pub fn challenge(self, delivery: &Delivery<'_>) -> Option<String> {
        let challenge = delivery.header("x-front-challenge").filter(|_| self == Self::Front)?;
        Some(challenge.to_owned()).filter(|challenge| challenge.len() <= LONGEST_ID)
    }

    /// Whether a delivery that is not believed is a help desk's own test of the address, made before it knows the secret.
    #[must_use]
    pub fn is_test(self, delivery: &Delivery<'_>) -> bool {
        self == Self::Zendesk && zendesk::is_test(delivery)
    }

    /// Whether a secret is base64 behind `whsec_`.
    #[must_use]
    pub const fn speaks_standard_webhooks(self) -> bool {
        matches!(self, Self::Standard | Self::OsTicket | Self::GitLab)
    }

    /// What an event of this kind means.
    ///
    /// # Errors
    /// When it is not of the shape that this kind sends.
    pub fn read(self, event: &Value) -> Result<Event, Unreadable> {
        let mut read = match self {
            Self::Standard | Self::Freshdesk | Self::DanaDesk | Self::OsTicket | Self::Kayako => reading::event(event),
            Self::Zendesk => zendesk::read(event),
            Self::LiveAgent => liveagent::read(event),
            Self::Gorgias => gorgias::read(event),
            Self::Dynamics365 => dynamics365::read(event),
            Self::HelpScout => help_scout::read(event),
            Self::ZohoDesk => zoho_desk::read(event),
            Self::FreeScout => freescout::read(event),
            Self::Intercom => intercom::read(event),
            Self::Zammad => zammad::read(event),
            Self::Chatwoot => chatwoot::read(event),
            Self::HubSpot => hubspot::read(event),
            Self::Jira => jira::read(event),
            Self::Front => front::read(event),
            Self::GitLab => gitlab::read(event),
            Self::Crisp => crisp::read(event),
        }?;
        if let Event::Closed(interaction) = &mut read {
            interaction.tidy();
        }
        Ok(read)
    }
}

/// What one event of a help desk means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A ticket was closed.
    Closed(Box<Interaction>),
    /// A ticket was opened again.
    Reopened {
        /// The ticket's id.
        ticket: String,
    },
    /// Something else happened.
    Other,
}
