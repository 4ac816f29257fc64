//! The request that a message becomes. Pure, but for sending it.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64;
use serde::Serialize;
use url::form_urlencoded;

use super::answer::{Outcome, Rules, judge};
use super::message::Message;
use super::template::{Place, Values, Wrong, render};
use super::{Address, Auth, BodyTemplate, Definition, Verb};
use crate::clock::Timestamp;
use crate::net::client::{Client, Method, Request};
use crate::net::guard::Needs;

/// What a gateway's templates are told in secret.
#[derive(Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Secrets(pub BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A request, rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its method.
    pub method: Verb,
    /// Where it goes.
    pub url: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Option<String>,
    /// What must not be kept of the answer.
    hidden: Vec<String>,
}

/// Why there is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMade {
    /// The customer has no address of this kind, or none that can be read.
    #[error("the customer has no {0} that this gateway can use")]
    NoAddress(Address),
    /// A template does not fit.
    #[error("{0}")]
    Fault(Fault),
}

/// A template that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field of the definition.
    pub field: String,
    /// What is wrong there.
    pub wrong: Wrong,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wrong.line {
            Some(line) => write!(f, "{} (line {line}): {}", self.field, self.wrong.problem),
            None => write!(f, "{}: {}", self.field, self.wrong.problem),
        }
    }
}

#[derive(Serialize)]
struct Variables<'a> {
    #[serde(flatten)]
    message: &'a Message,
    settings: &'a BTreeMap<String, String>,
    secrets: &'a Secrets,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

impl Call {
    /// Renders a message as a gateway wants it.
    ///
    /// # Errors
    /// Why there is no such request.
    pub fn new(definition: &Definition, secrets: &Secrets, message: &Message) -> Result<Self, NotMade> {
        let mut message = message.clone();
        let mut hidden = message.hidden();
        message.customer.phone = message.customer.phone.as_deref().and_then(|phone| definition.phone(phone));
        hidden.extend(message.customer.phone.clone());
        hidden.extend(secrets.0.values().cloned());
        let customer = &message.customer;
        let reached_by = match definition.address {
            Address::Phone => customer.phone.as_ref(),
            Address::Email => customer.email.as_ref(),
            Address::Ref => customer.reference.as_ref(),
            Address::None => Some(&message.message_id),
        };
        if reached_by.is_none() {
            return Err(NotMade::NoAddress(definition.address));
        }
        let mut made = Self { method: definition.method, url: String::new(), headers: Vec::new(), body: None, hidden };
        made.render(definition, secrets, &message).map_err(NotMade::Fault)?;
        Ok(made)
    }

    fn render(&mut self, definition: &Definition, secrets: &Secrets, message: &Message) -> Result<(), Fault> {
        let mut variables = Variables { message, settings: &definition.settings, secrets, text: None };
        let text = match definition.text.get(&message.locale) {
            Some(template) => rendered(&format!("text.{}", message.locale), Place::Text, template, &Values::new(&variables))?,
            None => message.wording(),
        };
        variables.text = Some(&text);
        let values = Values::new(&variables);
        self.url = rendered("url", Place::Url, &definition.url, &values)?;
        self.authorize(&definition.auth, &values)?;
        for (name, template) in &definition.headers {
            self.header(&format!("headers.{name}"), name, template, &values)?;
        }
        let kind = match &definition.body {
            None => return Ok(()),
            Some(BodyTemplate::Json(template)) => {
                self.body = Some(json(template, &values)?);
                "application/json"
            }
            Some(BodyTemplate::Form(fields)) => {
                self.body = Some(form(fields, &values)?);
                "application/x-www-form-urlencoded"
            }
        };
        if !self.headers.iter().any(|(name, _)| name == "content-type") {
            self.headers.push(("content-type".to_owned(), kind.to_owned()));
        }
        Ok(())
    }

    fn authorize(&mut self, auth: &Auth, values: &Values) -> Result<(), Fault> {
        let value = match auth {
            Auth::None => return Ok(()),
            Auth::Header { name, value } => return self.header("auth.value", name, value, values),
            Auth::Bearer { token } => format!("Bearer {}", one_line("auth.token", token, values)?),
            Auth::Basic { user, password } => {
                let user = one_line("auth.user", user, values)?;
                let pair = format!("{user}:{}", one_line("auth.password", password, values)?);
                let encoded = BASE64.encode(pair.as_bytes());
                self.hidden.push(encoded.clone());
                format!("Basic {encoded}")
            }
        };
        self.headers.push(("authorization".to_owned(), value));
        Ok(())
    }

    fn header(&mut self, field: &str, name: &str, template: &str, values: &Values) -> Result<(), Fault> {
        self.headers.push((name.to_ascii_lowercase(), one_line(field, template, values)?));
        Ok(())
    }

    /// The same without the name and password that a header encodes.
    #[must_use]
    pub fn masked(mut self) -> Self {
        for (name, value) in &mut self.headers {
            if name == "authorization" && value.starts_with("Basic ") {
                "Basic HIDDEN".clone_into(value);
            }
        }
        self
    }

    /// Sends it, by HTTPS because it holds a customer's link, and judges the answer; with the status, where there was an answer.
    pub async fn send(&self, http: &Client, rules: Rules<'_>, now: Timestamp) -> (Option<u16>, Outcome) {
        let headers: Vec<(&str, String)> = self.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let method = match self.method {
            Verb::Post => Method::Post,
            Verb::Put => Method::Put,
            Verb::Get => Method::Get,
        };
        let body = self.body.as_ref().map(|body| body.clone().into_bytes());
        let came = http.send(Request { method, url: &self.url, needs: Needs::Tls, headers: &headers, body, within: None }).await;
        (came.as_ref().ok().map(|answer| answer.status), judge(rules, came.as_ref(), now, &self.hidden))
    }
}

fn rendered(field: &str, place: Place, template: &str, values: &Values) -> Result<String, Fault> {
    render(place, template, values).map_err(|wrong| Fault { field: field.to_owned(), wrong })
}

/// A value of a header, which must not begin another.
fn one_line(field: &str, template: &str, values: &Values) -> Result<String, Fault> {
    let value = rendered(field, Place::Text, template, values)?;
    if value.chars().any(|character| character.is_control() && character != '\t') {
        let wrong = Wrong::new("holds a line break or another control character, which no header can");
        return Err(Fault { field: field.to_owned(), wrong });
    }
    Ok(value)
}

fn json(template: &str, values: &Values) -> Result<String, Fault> {
    let body = rendered("body.json", Place::Json, template, values)?;
    match serde_json::from_str::<serde::de::IgnoredAny>(&body) {
        Ok(_) => Ok(body),
        Err(error) => {
            let problem = format!(
                "renders to invalid JSON at column {}: values bring their own quotes, so write {{{{ text }}}} without any",
                error.column()
            );
            Err(Fault { field: "body.json".to_owned(), wrong: Wrong { line: Some(error.line()), problem } })
        }
    }
}

fn form(fields: &BTreeMap<String, String>, values: &Values) -> Result<String, Fault> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, template) in fields {
        let value = rendered(&format!("body.form.{name}"), Place::Text, template, values)?;
        if !value.is_empty() {
            form.append_pair(name, &value);
        }
    }
    Ok(form.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::message::Person;
    use crate::i18n::Locale;

    fn definition(more: &Value) -> Definition {
        let mut whole = json!({"url": "https://sms.example/{{ customer.ref }}/send", "settings": {"from": "Acme"}});
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn called(more: &Value, message: &Message) -> Result<Call, NotMade> {
        let secrets = Secrets([("key".to_owned(), "sé:cret".to_owned())].into());
        Call::new(&definition(more), &secrets, message)
    }

    fn sample() -> Message {
        Message::sample(Locale::En, true)
    }

    #[test]
    fn every_part_is_rendered_as_it_is_sent() {
        let call = called(
            &json!({"method": "PUT", "headers": {"X-From": "{{ settings.from }}"}, "auth": {"kind": "basic", "user": "u", "password": "{{ secrets.key }}"},
                "body": {"form": {"to": "{{ customer.phone }}", "text": "{{ text }}", "none": "{{ none_at_all|default('') }}"}}, "text": {"en": "Hi {{ customer.name }}"}}),
            &sample(),
        )
        .unwrap();
        assert_eq!((call.method, call.url.as_str()), (Verb::Put, "https://sms.example/c-9/send"));
        let header = |name: &str| call.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        assert_eq!((header("x-from"), header("content-type")), (Some("Acme"), Some("application/x-www-form-urlencoded")));
        assert_eq!(header("authorization"), Some(format!("Basic {}", BASE64.encode("u:sé:cret".as_bytes())).as_str()));
        assert_eq!(call.body.as_deref(), Some("text=Hi+Sara+%22S%22+O%27Neil+%26+S%C3%B6hne+%3C1%3E&to=%2B4915123456789"));
        assert!(call.masked().headers.contains(&("authorization".to_owned(), "Basic HIDDEN".to_owned())));

        let own = called(&json!({"headers": {"Content-Type": "application/vnd.acme+json"}, "body": {"json": "[{{ text }}]"}, "auth": {"kind": "bearer", "token": "{{ secrets.key }}"}}), &sample()).unwrap();
        assert_eq!(
            own.headers,
            [
                ("authorization".to_owned(), "Bearer sé:cret".to_owned()),
                ("content-type".to_owned(), "application/vnd.acme+json".to_owned())
            ]
        );
        assert_eq!(own.body, Some(format!("[\"{}\"]", sample().wording())));
        let named = called(&json!({"auth": {"kind": "header", "name": "X-Key", "value": "{{ secrets.key }}"}}), &sample()).unwrap();
        assert_eq!(named.headers, [("x-key".to_owned(), "sé:cret".to_owned())]);
    }

    #[test]
    fn the_short_wording_is_in_the_customers_language_and_holds_the_link() {
        for locale in Locale::ALL {
            let texts: Vec<String> = [true, false].map(|is_full| Message::sample(*locale, is_full).wording()).into();
            assert!(texts.iter().all(|text| text.contains(&sample().link) && text.chars().count() < 160), "{texts:?}");
            assert!(texts[0].contains("Acme") && texts[0] != texts[1]);
        }
    }

    #[test]
    fn a_customer_without_the_address_cannot_be_called() {
        let whole = sample();
        let without = |customer: Person| Message { customer, ..sample() };
        for (address, message) in [
            ("phone", without(Person { phone: None, ..whole.customer.clone() })),
            ("phone", without(Person { phone: Some("0912 123 4567".to_owned()), ..whole.customer.clone() })),
            ("email", without(Person { email: None, ..whole.customer.clone() })),
            ("ref", without(Person { reference: None, ..whole.customer.clone() })),
        ] {
            let to = |address: &str, message| called(&json!({"address": address, "url": "https://a.example/"}), message);
            assert!(to(address, &whole).is_ok() && to("none", &message).is_ok());
            assert!(matches!(to(address, &message), Err(NotMade::NoAddress(_))), "{address}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_field() {
        let mut broken = sample();
        broken.customer.name = Some("a\r\nBcc: b".to_owned());
        for (more, field, problem) in [
            (json!({"url": "https://a.example/{{ customer.fone }}"}), "url", "customer.fone"),
            (json!({"headers": {"X-Name": "{{ customer.name }}"}}), "headers.X-Name", "line break"),
            (json!({"auth": {"kind": "bearer", "token": "{{ customer.name }}"}}), "auth.token", "line break"),
            (json!({"body": {"json": "{\"a\":\n\"{{ customer.name }}\"}"}}), "body.json", "without any"),
            (json!({"body": {"form": {"to": "{{ text"}}}), "body.form.to", "unexpected end"),
            (json!({"text": {"en": "{{ text }}"}}), "text.en", "there is no such value at `text`"),
        ] {
            let Err(NotMade::Fault(fault)) = called(&more, &broken) else { panic!("{more}") };
            assert!(fault.field == field && fault.wrong.problem.contains(problem), "{fault}");
            assert!(!fault.to_string().contains("Bcc"), "{fault}");
        }
    }

    #[test]
    fn a_messages_number_fits_into_a_double() {
        assert_eq!(Message::number(u128::MAX), (1 << 53) - 1);
        assert_eq!(Message::number(5), 5);
    }
}
