//! Zoho Desk: lists of events, with a token that is signed with RS256 and says which organisation and webhook it comes from. Pure.

use serde_json::Value;
use url::{Host, Url};

use super::jwt::Token;
use super::reading::{Unreadable, at, name, text, ticket};
use super::verify::Refusal;
use super::{Agent, Customer, Delivery, Event, Interaction, Proof, Ticket};
use crate::db::text_enum;

text_enum! {
    /// Where Zoho keeps an organisation; its keys come from there only.
    pub enum DataCentre {
        /// United States.
        Us = "us",
        /// Europe.
        Eu = "eu",
        /// India.
        In = "in",
        /// Australia.
        Au = "au",
        /// Japan.
        Jp = "jp",
        /// Canada.
        Ca = "ca",
        /// Saudi Arabia.
        Sa = "sa",
        /// United Kingdom.
        Uk = "uk",
        /// China.
        Cn = "cn",
    }
}

impl DataCentre {
    /// The host of Zoho Desk there.
    #[must_use]
    pub const fn host(self) -> &'static str {
        match self {
            Self::Us => "desk.zoho.com",
            Self::Eu => "desk.zoho.eu",
            Self::In => "desk.zoho.in",
            Self::Au => "desk.zoho.com.au",
            Self::Jp => "desk.zoho.jp",
            Self::Ca => "desk.zohocloud.ca",
            Self::Sa => "desk.zoho.sa",
            Self::Uk => "desk.zoho.uk",
            Self::Cn => "desk.zoho.com.cn",
        }
    }

    /// Where the keys of its tokens are.
    #[must_use]
    pub fn keys_url(self) -> String {
        format!("https://{}/.well-known/jwks.json", self.host())
    }
}

/// Whether an address is on a host of Zoho Desk.
#[must_use]
pub fn is_of_zoho(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Domain(host)) if DataCentre::ALL.iter().any(|centre| centre.host() == host))
}

/// A token may be this old beyond its end, because clocks differ, in seconds.
const LEEWAY_S: i64 = 60;

/// The token, checked in everything but its signature, so that nobody who cannot fit it makes us fetch keys.
fn token<'a>(delivery: &Delivery<'a>) -> Result<Token<'a>, Refusal> {
    let token = Token::read(delivery.needed("x-zdesk-jwt")?).ok_or(Refusal::Wrong)?;
    let is_of = |claim: &str, kind: &str, expected: Option<&str>| {
        claim.strip_prefix(kind).is_some_and(|id| !id.is_empty() && expected.is_none_or(|expected| expected == id))
    };
    if !is_of(&token.issuer, "orgId:", delivery.options.org_id.as_deref()) {
        return Err(Refusal::Claim("org_id"));
    }
    if !token.audience.iter().any(|audience| is_of(audience, "webhookId:", delivery.options.webhook_id.as_deref())) {
        return Err(Refusal::Claim("webhook_id"));
    }
    if delivery.now.as_seconds() > token.expires_s.saturating_add(LEEWAY_S) {
        return Err(Refusal::Expired);
    }
    // Zoho signs for all of its customers: without knowing which one is ours, a token proves nothing, so the secret has to come along.
    if delivery.options.org_id.is_none() {
        delivery.shared()?;
    }
    Ok(token)
}

/// The name of the key that a delivery has to be checked with, and the address of the set where it is.
///
/// # Errors
/// Says why the delivery is not believed whatever the key.
pub fn key_of(delivery: &Delivery<'_>) -> Result<(Option<String>, String), Refusal> {
    let token = token(delivery)?;
    let usual = || delivery.options.data_centre.unwrap_or(DataCentre::Us).keys_url();
    Ok((token.key_id, delivery.options.jwks_url.clone().unwrap_or_else(usual)))
}

/// Believes a delivery whose token fits one of the keys. The body is not signed: a repetition is told by ticket and instant of closing.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    let token = token(delivery)?;
    if delivery.keys.iter().any(|key| token.fits(key)) { Ok(Proof::default()) } else { Err(Refusal::Wrong) }
}

/// A ticket that was updated. `statusType` decides, because `status` is a word that every department chooses.
///
/// # Errors
/// When it says not what it is, or a ticket has no id.
pub fn read(event: &Value) -> Result<Event, Unreadable> {
    let kind = text(event, "/eventType").ok_or(Unreadable::Field("eventType"))?;
    if kind != "Ticket_Update" {
        return Ok(Event::Other);
    }
    let id = ticket(event, "/payload/id", "payload.id")?;
    let is_closed = |pointer: &str| text(event, pointer).map(|status| status == "Closed");
    match (is_closed("/payload/statusType"), is_closed("/prevState/statusType")) {
        (Some(true), _) => Ok(Event::Closed(Box::new(closed(event, id)))),
        (Some(false), Some(true)) => Ok(Event::Reopened { ticket: id }),
        _ => Ok(Event::Other),
    }
}

fn closed(event: &Value, id: String) -> Interaction {
    let field = |name: &str| text(event, &format!("/payload/{name}"));
    let whole = |of: &str| name(event, &[&format!("/payload/{of}/firstName"), &format!("/payload/{of}/lastName")]);
    Interaction {
        ticket: Ticket {
            id: Some(id),
            subject: field("subject"),
            url: field("webUrl"),
            opened_at: at(event, "/payload/createdTime"),
            closed_at: at(event, "/payload/closedTime").or_else(|| at(event, "/payload/modifiedTime")).or_else(|| at(event, "/eventTime")),
            ..Ticket::default()
        },
        customer: Customer {
            email: field("email").or_else(|| field("contact/email")),
            phone: field("phone").or_else(|| field("contact/mobile")).or_else(|| field("contact/phone")),
            name: whole("contact"),
            locale: field("language"),
            reference: field("contactId").or_else(|| field("contact/id")),
            ..Customer::default()
        },
        agent: Agent { id: field("assigneeId").or_else(|| field("assignee/id")), name: whole("assignee"), email: field("assignee/email") },
        team: field("team/name").or_else(|| field("department/name")),
        channel: field("channel"),
        product: field("product/productName"),
        ..Interaction::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::intake::jwt;
    use crate::intake::options::Options;

    const SIGNED_S: i64 = 1_768_473_000;

    fn options(org: Option<&str>, webhook: Option<&str>) -> Options {
        Options { org_id: org.map(ToOwned::to_owned), webhook_id: webhook.map(ToOwned::to_owned), ..Options::default() }
    }

    fn check(options: &Options, now_s: i64, carried: &[&str]) -> Result<(), Refusal> {
        let head = include_str!("../../tests/helpdesk/zoho-desk.headers.txt");
        let token = head.lines().find_map(|line| line.strip_prefix("X-ZDesk-JWT: ")).unwrap();
        let keys = jwt::keys(include_bytes!("../../tests/helpdesk/zoho-desk.jwks.json")).unwrap();
        let headers = |name: &str| (name == "x-zdesk-jwt").then_some(token);
        let now = Timestamp::from_millis(now_s * 1000);
        let delivery = Delivery { secret: "test-secret", headers: &headers, url: "", carried, body: b"", now, options, keys: &keys };
        let without_keys = Delivery { keys: &[], headers: &headers, ..delivery };
        assert!(verify(&without_keys).is_err());
        verify(&delivery).map(|_| ())
    }

    #[test]
    fn a_token_is_believed_of_our_organisation_and_webhook_and_in_its_time() {
        let ours = options(Some("60917442"), Some("72210000009011005"));
        assert_eq!(check(&ours, SIGNED_S, &[]), Ok(()));
        assert_eq!(check(&ours, SIGNED_S + 660, &[]), Ok(()));
        assert_eq!(check(&ours, SIGNED_S + 661, &[]), Err(Refusal::Expired));
        assert_eq!(check(&options(Some("60917442"), None), SIGNED_S, &[]), Ok(()));
        assert_eq!(check(&options(Some("6091744"), None), SIGNED_S, &[]), Err(Refusal::Claim("org_id")));
        assert_eq!(check(&options(Some("60917442"), Some("7")), SIGNED_S, &[]), Err(Refusal::Claim("webhook_id")));
    }

    #[test]
    fn a_token_of_just_any_organisation_needs_the_secret_too() {
        assert_eq!(check(&options(None, None), SIGNED_S, &[]), Err(Refusal::Unsigned));
        assert_eq!(check(&options(None, None), SIGNED_S, &["guess"]), Err(Refusal::Wrong));
        assert_eq!(check(&options(None, None), SIGNED_S, &["test-secret"]), Ok(()));
    }

    #[test]
    fn the_type_of_the_status_decides_and_not_its_word() {
        let event = |kind: &str, before: &str, status: &str, now: &str| json!({"eventType": kind, "prevState": {"statusType": before}, "payload": {"id": "7", "status": status, "statusType": now}});
        assert!(matches!(read(&event("Ticket_Update", "Open", "Erledigt", "Closed")), Ok(Event::Closed(_))));
        assert_eq!(read(&event("Ticket_Update", "On Hold", "Closed", "Open")), Ok(Event::Other));
        assert_eq!(read(&event("Ticket_Update", "Closed", "Offen", "Open")), Ok(Event::Reopened { ticket: "7".to_owned() }));
        assert_eq!(read(&event("Ticket_Comment_Add", "Open", "Closed", "Closed")), Ok(Event::Other));
        assert_eq!(read(&json!({"eventType": "Ticket_Update", "payload": {}})), Err(Unreadable::Field("payload.id")));
        assert_eq!(read(&json!({})), Err(Unreadable::Field("eventType")));
    }

    #[test]
    fn only_hosts_of_zoho_desk_are_of_zoho() {
        for centre in DataCentre::ALL {
            assert!(is_of_zoho(&centre.keys_url().parse().unwrap()), "{centre}");
        }
        for other in
            ["https://desk.zoho.com.evil.example/", "https://evil.example/desk.zoho.com", "https://zoho.com/", "https://desk.zoho.com./"]
        {
            assert!(!is_of_zoho(&other.parse().unwrap()), "{other}");
        }
    }
}
