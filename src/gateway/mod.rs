//! An HTTP channel: SMS, `WhatsApp`, chat. How a message becomes a request of somebody else's API, and what its answer means.

pub mod answer;
pub mod call;
pub mod country;
mod draft;
mod gsm7;
pub mod http;
pub mod message;
pub mod phone;
pub mod preset;
pub mod store;
pub mod template;

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::answer::{Again, Rules, Success};
use self::call::Secrets;
use self::country::Country;
use self::phone::{Phone, PhoneFormat};
use crate::clock::Timestamp;
use crate::db::text_enum;
use crate::i18n::Locale;
use crate::keyring::Keyring;

/// What the keyring seals a gateway's secrets for.
pub const SECRET_PURPOSE: &str = "gateway secret";

/// The names that mean something else in a survey's list of channels.
pub const RESERVED: [&str; 2] = ["email", "webhook"];

text_enum! {
    /// The method of a gateway's request.
    pub enum Verb {
        /// POST.
        Post = "POST",
        /// PUT.
        Put = "PUT",
        /// GET, without a body.
        Get = "GET",
    }
}

text_enum! {
    /// What a gateway reaches a customer by.
    pub enum Address {
        /// The phone number.
        Phone = "phone",
        /// The mail address.
        Email = "email",
        /// The caller's own reference, such as the id of a chat.
        Ref = "ref",
        /// Nothing: every message goes to the same place, such as a team's chat.
        None = "none",
    }
}

/// The body of a gateway's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodyTemplate {
    /// A template of JSON. Values are written as JSON: `{"to": {{ customer.phone }}}`, without quotes around them.
    Json(String),
    /// The fields of a form, each with the template of its value; one that renders to nothing is left out.
    Form(BTreeMap<String, String>),
}

/// How a gateway's request proves who sends it. Every text is a template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// Not at all, or within the address.
    #[default]
    None,
    /// By name and password (RFC 7617).
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// By a token (RFC 6750).
    Bearer {
        /// The token.
        token: String,
    },
    /// By a header of its own.
    Header {
        /// The header's name.
        name: String,
        /// The header's value.
        value: String,
    },
}

const fn post() -> Verb {
    Verb::Post
}

const fn phone() -> Address {
    Address::Phone
}

const fn e164() -> PhoneFormat {
    PhoneFormat::E164
}

/// How a gateway is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The method; POST by default.
    #[serde(default = "post")]
    #[schema(default = "POST")]
    pub method: Verb,
    /// The address, a template behind its host. Values are percent-encoded.
    pub url: String,
    /// Headers by name, each with the template of its value.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; null for none.
    #[serde(default)]
    pub body: Option<BodyTemplate>,
    /// How it proves who sends it.
    #[serde(default)]
    pub auth: Auth,
    /// Values for its templates that are no secret, as `settings.NAME`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// What it reaches a customer by; `phone` by default.
    #[serde(default = "phone")]
    #[schema(default = "phone")]
    pub address: Address,
    /// How it wants phone numbers; `e164` by default.
    #[serde(default = "e164")]
    #[schema(default = "e164")]
    pub phone_format: PhoneFormat,
    /// Where numbers without the code of a country are dialled: two letters (ISO 3166-1), such as `IR`. Needed for `national`.
    #[serde(default)]
    pub country: Option<String>,
    /// The template of the message per language; where there is none, a short wording with the link.
    #[serde(default)]
    pub text: BTreeMap<Locale, String>,
    /// Which answers mean that the message was accepted.
    #[serde(default)]
    pub success: Success,
    /// Where in the answer the id of the message stands (RFC 6901), such as `/messages/0/id`.
    #[serde(default)]
    pub id_pointer: Option<String>,
    /// Which answers mean that it should be tried again.
    #[serde(default)]
    pub retry: Again,
}

impl Definition {
    /// Where it dials.
    #[must_use]
    pub fn country(&self) -> Option<&'static Country> {
        country::find(self.country.as_deref()?)
    }

    /// What it reaches customers by.
    #[must_use]
    pub fn dial(&self) -> Dial {
        Dial { address: self.address, country: self.country() }
    }

    /// A phone number as it wants it; `None` where that is no number.
    #[must_use]
    pub fn phone(&self, text: &str) -> Option<String> {
        let country = self.country();
        Phone::read(text, country).map(|phone| phone.written(self.phone_format, country))
    }
}

/// What a gateway reaches customers by, as far as choosing a channel needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dial {
    /// The kind of address.
    pub address: Address,
    /// Where numbers without the code of a country are dialled.
    pub country: Option<&'static Country>,
}

impl Dial {
    /// Why a customer with these addresses cannot be reached; `None` where that is possible. Whoever has no address at all is nobody, also where all messages go
    /// to one place.
    #[must_use]
    pub fn lacks(&self, email: Option<&str>, phone: Option<&str>, reference: Option<&str>) -> Option<&'static str> {
        match self.address {
            Address::Phone if phone.is_none() => Some("needs a phone number"),
            Address::Phone if phone.and_then(|phone| Phone::read(phone, self.country)).is_none() => Some("cannot read the phone number"),
            Address::Email if email.is_none() => Some("needs a mail address"),
            Address::Ref if reference.is_none() => Some("needs customer.ref"),
            Address::None if email.or(phone).or(reference).is_none() => Some("needs to know the customer"),
            _ => None,
        }
    }
}

/// A gateway as it is stored.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Its name in surveys' lists of channels: lower-case letters, digits and hyphens.
    pub name: String,
    /// What it was made from.
    pub preset: Option<preset::Preset>,
    /// How it is spoken to.
    pub definition: Definition,
    /// Its secrets by name, each sealed.
    pub sealed: BTreeMap<String, Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last altered.
    pub updated_at: Timestamp,
}

impl Gateway {
    /// Its secrets; `None` where one was sealed with a master secret that is gone.
    #[must_use]
    pub fn open(&self, keyring: &Keyring) -> Option<Secrets> {
        let opened = self.sealed.iter().map(|(name, sealed)| {
            let secret = keyring.open_text(SECRET_PURPOSE, sealed)?;
            Some((name.clone(), secret.expose_secret().to_owned()))
        });
        opened.collect::<Option<_>>().map(Secrets)
    }

    /// The rules by which its answers are judged.
    #[must_use]
    pub fn rules(&self) -> Rules<'_> {
        let Definition { success, retry, id_pointer, .. } = &self.definition;
        Rules { success, again: retry, id_pointer: id_pointer.as_deref() }
    }
}
