//! What a source knows of its help desk besides the secret: where its API and its keys are, and who may speak for it. Pure.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SourceKind;
use super::zoho_desk::{self, DataCentre};
use crate::net::guard::{Guard, Needs, Reach};
use crate::web::problem::FieldError;

/// The longest token, in bytes.
const LONGEST_TOKEN: usize = 4000;
const LONGEST_ID: usize = 200;

/// What a source knows of its help desk. Each is used by some kinds only.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The address of the help desk's API, where its events do not carry the customer's address: `https://acme.zendesk.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// The token for that API, or `NAME:PASSWORD`. It is never shown again.
    #[serde(skip_serializing)]
    #[schema(value_type = Option<String>, write_only)]
    pub api_token: Option<SecretString>,
    /// Dynamics 365: where access tokens come from, `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`; `api_token` is the client's secret then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// Dynamics 365: the application's client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Zoho Desk: the id of the organisation that may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    /// Zoho Desk: the id of the webhook that may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<String>,
    /// Zoho Desk: where the organisation is kept; `us` where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_centre: Option<DataCentre>,
    /// Zoho Desk: another address of its keys, on a host of Zoho or in `webhooks.allow_private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
}

impl SourceKind {
    /// Whether the help desk can be asked for what its events leave out.
    #[must_use]
    pub const fn looks_up(self) -> bool {
        matches!(self, Self::Zendesk | Self::HubSpot | Self::Crisp | Self::GitLab | Self::Dynamics365 | Self::Jira | Self::Intercom)
    }

    /// The address of the help desk's API, where all of its customers share one.
    #[must_use]
    pub const fn usual_api(self) -> Option<&'static str> {
        match self {
            Self::HubSpot => Some("https://api.hubapi.com"),
            Self::Intercom => Some("https://api.intercom.io"),
            Self::Crisp => Some("https://api.crisp.chat"),
            _ => None,
        }
    }
}

impl Options {
    /// What is left out is nothing: an empty text too.
    pub fn tidy(&mut self) {
        let texts =
            [&mut self.api_url, &mut self.token_url, &mut self.client_id, &mut self.org_id, &mut self.webhook_id, &mut self.jwks_url];
        for text in texts {
            *text = text.take().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        }
        self.api_token = self.api_token.take().filter(|token| !token.expose_secret().is_empty());
    }

    /// Every option that is not valid for a source of a kind. `has_token` tells whether a token is kept already.
    #[must_use]
    pub fn check(&self, kind: SourceKind, has_token: bool, guard: &Guard) -> Vec<FieldError> {
        let mut errors = self.check_use(kind);
        let mut refuse = |field: &str, message: String| errors.push(FieldError { field: format!("options.{field}"), message });
        for (field, url) in [("api_url", &self.api_url), ("token_url", &self.token_url), ("jwks_url", &self.jwks_url)] {
            if let Some(Err(message)) = url.as_deref().map(|url| check_url(guard, url, field == "jwks_url")) {
                refuse(field, message);
            }
        }
        for (field, id) in [("org_id", &self.org_id), ("webhook_id", &self.webhook_id)] {
            if id.as_deref().is_some_and(|id| id.len() > LONGEST_ID || !id.bytes().all(|byte| byte.is_ascii_digit())) {
                refuse(field, "must be a number".to_owned());
            }
        }
        if self.client_id.as_deref().is_some_and(|id| id.len() > LONGEST_ID || !id.bytes().all(|byte| byte.is_ascii_graphic())) {
            refuse("client_id", format!("must have at most {LONGEST_ID} characters and no spaces"));
        }
        let fits = |token: &str| token.len() <= LONGEST_TOKEN && token.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if self.api_token.as_ref().is_some_and(|token| !fits(token.expose_secret())) {
            refuse("api_token", format!("must have at most {LONGEST_TOKEN} characters, all of them ASCII"));
        }
        let has_token = has_token || self.api_token.is_some();
        if has_token && self.api_url.is_none() && kind.looks_up() && kind.usual_api().is_none() {
            refuse("api_url", "is needed with api_token".to_owned());
        }
        if self.api_url.is_some() && !has_token {
            refuse("api_token", "is needed with api_url".to_owned());
        }
        if self.token_url.is_some() != self.client_id.is_some() {
            refuse(if self.client_id.is_some() { "token_url" } else { "client_id" }, "token_url and client_id go together".to_owned());
        }
        errors
    }

    /// Options that a source of this kind has no use for.
    fn check_use(&self, kind: SourceKind) -> Vec<FieldError> {
        let (looks_up, is_dynamics, is_zoho) = (kind.looks_up(), kind == SourceKind::Dynamics365, kind == SourceKind::ZohoDesk);
        let given = [
            ("api_url", self.api_url.is_some(), looks_up),
            ("api_token", self.api_token.is_some(), looks_up),
            ("token_url", self.token_url.is_some(), is_dynamics),
            ("client_id", self.client_id.is_some(), is_dynamics),
            ("org_id", self.org_id.is_some(), is_zoho),
            ("webhook_id", self.webhook_id.is_some(), is_zoho),
            ("data_centre", self.data_centre.is_some(), is_zoho),
            ("jwks_url", self.jwks_url.is_some(), is_zoho),
        ];
        let useless = given.into_iter().filter(|(_, is_given, is_used)| *is_given && !is_used);
        useless
            .map(|(field, ..)| FieldError {
                field: format!("options.{field}"),
                message: format!("is not used by a source of the kind {kind}"),
            })
            .collect()
    }
}

fn check_url(guard: &Guard, url: &str, is_of_zoho: bool) -> Result<(), String> {
    let (url, _) = guard.check(url, Needs::Tls).map_err(|refused| refused.to_string())?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no ? and no #".to_owned());
    }
    let is_opened = || {
        let address = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        address.is_some_and(|address| guard.admits(address, Reach::Opened))
    };
    if is_of_zoho && !zoho_desk::is_of_zoho(&url) && !is_opened() {
        return Err("must be on a host of Zoho Desk, such as desk.zoho.eu; use data_centre to choose one".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused(kind: SourceKind, options: Value) -> Vec<String> {
        let mut options: Options = serde_json::from_value(options).unwrap();
        options.tidy();
        let guard = Guard::new(vec!["10.0.0.0/8".parse().unwrap()]);
        options.check(kind, false, &guard).into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn what_fits_its_kind_is_taken() {
        for (kind, options) in [
            (SourceKind::Zendesk, json!({"api_url": "https://acme.zendesk.com", "api_token": "me@acme.example/token:x"})),
            (SourceKind::GitLab, json!({"api_url": "http://10.1.2.3:8080/gitlab/", "api_token": "x"})),
            (SourceKind::HubSpot, json!({"api_token": "x"})),
            (SourceKind::Freshdesk, json!({"api_url": " ", "api_token": ""})),
            (
                SourceKind::Dynamics365,
                json!({"api_url": "https://acme.crm.dynamics.com", "api_token": "x", "client_id": "c", "token_url": "https://login.microsoftonline.com/t/oauth2/v2.0/token"}),
            ),
            (
                SourceKind::ZohoDesk,
                json!({"org_id": "1", "webhook_id": "2", "data_centre": "eu", "jwks_url": "https://desk.zoho.eu/.well-known/jwks.json"}),
            ),
            (SourceKind::ZohoDesk, json!({"jwks_url": "http://10.1.2.3:99/jwks.json"})),
        ] {
            assert_eq!(refused(kind, options.clone()), Vec::<String>::new(), "{kind} {options}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let token = json!("x");
        for (kind, options, fields) in [
            (
                SourceKind::Freshdesk,
                json!({"api_url": "https://acme.freshdesk.com", "api_token": token}),
                vec!["options.api_url", "options.api_token"],
            ),
            (SourceKind::Zendesk, json!({"org_id": "1"}), vec!["options.org_id"]),
            (SourceKind::Zendesk, json!({"api_token": token}), vec!["options.api_url"]),
            (SourceKind::Zendesk, json!({"api_url": "https://acme.zendesk.com"}), vec!["options.api_token"]),
            (SourceKind::Zendesk, json!({"api_url": "http://acme.zendesk.com:x", "api_token": token}), vec!["options.api_url"]),
            (SourceKind::Zendesk, json!({"api_url": "https://127.0.0.1", "api_token": token}), vec!["options.api_url"]),
            (SourceKind::Zendesk, json!({"api_url": "https://a:b@acme.zendesk.com", "api_token": token}), vec!["options.api_url"]),
            (SourceKind::Zendesk, json!({"api_url": "https://acme.zendesk.com/?x", "api_token": token}), vec!["options.api_url"]),
            (SourceKind::Zendesk, json!({"api_url": "https://acme.zendesk.com", "api_token": "a\nb"}), vec!["options.api_token"]),
            (SourceKind::Dynamics365, json!({"client_id": "c"}), vec!["options.token_url"]),
            (SourceKind::ZohoDesk, json!({"org_id": "orgId:1", "webhook_id": "x"}), vec!["options.org_id", "options.webhook_id"]),
            (SourceKind::ZohoDesk, json!({"jwks_url": "https://evil.example/jwks.json"}), vec!["options.jwks_url"]),
            (SourceKind::ZohoDesk, json!({"jwks_url": "http://127.0.0.1/jwks.json"}), vec!["options.jwks_url"]),
        ] {
            assert_eq!(refused(kind, options.clone()), fields, "{kind} {options}");
        }
    }

    #[test]
    fn a_token_is_neither_stored_with_the_rest_nor_shown() {
        let options: Options = serde_json::from_value(json!({"api_url": "https://a.example", "api_token": "planted"})).unwrap();
        assert!(!serde_json::to_string(&options).unwrap().contains("planted"));
        assert!(!format!("{options:?}").contains("planted"));
    }
}
