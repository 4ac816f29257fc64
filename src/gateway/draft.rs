//! A gateway as a caller writes it: parsed once, tried with a sample customer, refused with every field that is not valid.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::call::{Call, Fault, NotMade, Secrets};
use super::message::Message;
use super::phone::PhoneFormat;
use super::preset::Preset;
use super::{Auth, BodyTemplate, Definition, RESERVED, Verb, country};
use crate::i18n::Locale;
use crate::net::guard::{Guard, Needs};
use crate::web::body;
use crate::web::fields::Fields;
use crate::web::problem::Problem;

/// Headers, fields of a form, settings or secrets at most.
const MOST: usize = 50;
/// The longest secret, in bytes.
const LONGEST_SECRET: usize = 4000;
/// The longest setting and the longest pointer, in characters.
const LONGEST: usize = 500;
/// Headers that are not for templates: they belong to the connection, or are written by whoever sends.
const OWN_HEADERS: [&str; 6] = ["connection", "content-length", "host", "te", "transfer-encoding", "upgrade"];

/// What a caller says of a gateway besides its definition.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Its name in surveys' lists of channels: 1 to 64 lower-case letters, digits and inner hyphens, not `email` or `webhook`.
    pub name: String,
    /// A gateway that is known; what is said besides is laid over its definition. What it needs of `settings` and `secrets` is told where it is missing.
    #[serde(default)]
    pub preset: Option<Preset>,
    /// Another host for the preset, such as a region of the vendor or a proxy. It ends in `url`, and is changed there.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Values for its templates that are told to nobody again, as `secrets.NAME`; null removes one.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub secrets: BTreeMap<String, SecretString>,
}

/// What a caller says of a gateway.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = GatewayDraft)]
pub struct Draft {
    /// What it is called.
    #[serde(flatten)]
    pub head: Head,
    /// How it is spoken to.
    #[serde(flatten)]
    pub definition: Definition,
}

impl Draft {
    /// Reads a new gateway, expanding its preset.
    ///
    /// # Errors
    /// 422 with the field that is unknown or of another kind.
    pub fn read(said: Value) -> Result<Self, Problem> {
        let base_url = said.get("base_url").and_then(Value::as_str).map(ToOwned::to_owned);
        let preset = said.get("preset").and_then(Value::as_str).and_then(|word| word.parse::<Preset>().ok());
        if base_url.is_some() && preset.is_none() {
            return Err(Problem::field("base_url", "is for a preset: write the whole url instead"));
        }
        Self::split(match preset {
            Some(preset) => preset.expanded(said, base_url.as_deref()),
            None => said,
        })
    }

    /// Reads a gateway with a change laid over it.
    ///
    /// # Errors
    /// As [`Draft::read`].
    pub fn changed(name: &str, preset: Option<Preset>, definition: &Definition, patch: Value) -> Result<Self, Problem> {
        let mut whole = serde_json::to_value(definition).map_err(|error| Problem::internal(&error))?;
        // One kind of body replaces the other.
        let has_other_body = patch.get("body").and_then(Value::as_object).is_some_and(|body| {
            let old = whole.get("body").and_then(Value::as_object);
            old.is_some_and(|old| !old.keys().eq(body.keys()))
        });
        if let (true, Value::Object(whole)) = (has_other_body, &mut whole) {
            whole.remove("body");
        }
        let head = serde_json::json!({"name": name, "preset": preset});
        body::merge(&mut whole, head);
        body::merge(&mut whole, patch);
        let draft = Self::split(whole)?;
        if draft.head.name != name {
            return Err(Problem::field("name", "cannot be changed: surveys refer to it"));
        }
        if draft.head.preset != preset || draft.head.base_url.is_some() {
            let field = if draft.head.preset == preset { "base_url" } else { "preset" };
            return Err(Problem::field(field, "is for a new gateway: change what it was expanded to"));
        }
        Ok(draft)
    }

    fn split(whole: Value) -> Result<Self, Problem> {
        let Value::Object(mut rest) = whole else {
            return Err(Problem::field("", "must be an object"));
        };
        let mut head = Map::new();
        for name in ["name", "preset", "base_url", "secrets"] {
            head.extend(rest.remove(name).map(|value| (name.to_owned(), value)));
        }
        let head = body::read(Value::Object(head).to_string().as_bytes())?;
        Ok(Self { head, definition: body::read(Value::Object(rest).to_string().as_bytes())? })
    }

    /// Refuses what is not valid: fields, then templates, which are rendered for sample customers. `kept` are the secrets that it has already.
    ///
    /// # Errors
    /// 422 with every field that is not valid, or with the first template that does not fit.
    pub fn check(&self, kept: &[String], guard: &Guard) -> Result<(), Problem> {
        let Self { head, definition } = self;
        let names: Vec<&str> = kept.iter().chain(head.secrets.keys()).map(String::as_str).collect();
        let mut errors = Fields::default();
        errors.slug("name", &head.name);
        errors.unless(!RESERVED.contains(&head.name.as_str()), "name", "must not be email or webhook, which are channels of their own");
        for (name, secret) in &head.secrets {
            check_name(&mut errors, "secrets", name);
            let fits = (1..=LONGEST_SECRET).contains(&secret.expose_secret().len());
            errors.unless(fits, &format!("secrets.{name}"), "must be 1 to 4000 bytes");
        }
        if let Some(preset) = head.preset {
            errors.extend(preset.lacks(|name| definition.settings.contains_key(name), |name| names.contains(&name)));
        }
        check_parts(definition, &mut errors);
        check_rules(definition, &mut errors);
        errors.unless(names.len() <= MOST, "secrets", "must be at most 50");
        if !errors.are_valid() {
            return Err(errors.into_problem());
        }
        try_out(definition, &names, guard).map_err(|(field, message)| Problem::field(field, message))
    }
}

fn check_parts(definition: &Definition, errors: &mut Fields) {
    errors.unless(has_literal_host(&definition.url), "url", "must begin with https:// and a host, without a template up to the path");
    errors.unless(definition.headers.len() <= MOST, "headers", "must be at most 50");
    for name in definition.headers.keys() {
        errors.unless(is_header(name), &format!("headers.{name}"), "is no name of a header that can be set");
    }
    match &definition.auth {
        Auth::Header { name, .. } => errors.unless(is_header(name), "auth.name", "is no name of a header that can be set"),
        Auth::Basic { .. } | Auth::Bearer { .. } => {
            let doubled = definition.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
            errors.unless(!doubled, "headers.authorization", "is written by auth");
        }
        Auth::None => {}
    }
    if let Some(BodyTemplate::Form(fields)) = &definition.body {
        errors.unless((1..=MOST).contains(&fields.len()), "body.form", "must have 1 to 50 fields");
    }
    errors.unless(definition.method != Verb::Get || definition.body.is_none(), "body", "must be null for GET");
    errors.unless(definition.settings.len() <= MOST, "settings", "must be at most 50");
    for (name, value) in &definition.settings {
        check_name(errors, "settings", name);
        let fits = value.chars().count() <= LONGEST && !value.chars().any(char::is_control);
        errors.unless(fits, &format!("settings.{name}"), "must be at most 500 characters without line breaks");
    }
    let known = definition.country.as_deref().is_none_or(|name| country::find(name).is_some());
    errors.unless(known, "country", "must be two letters such as DE or IR, of a country whose numbers are known");
    let needed = definition.phone_format == PhoneFormat::National && definition.country.is_none();
    errors.unless(!needed, "country", "is needed for national numbers: two letters such as DE or IR");
}

fn check_rules(definition: &Definition, errors: &mut Fields) {
    let Definition { success, retry, id_pointer, .. } = definition;
    for (field, pointer) in [
        ("success.pointer", &success.pointer),
        ("id_pointer", id_pointer),
        ("retry.pointer", &retry.pointer),
        ("retry.after_pointer", &retry.after_pointer),
    ] {
        let is_pointer = |text: &String| text.starts_with('/') && text.chars().count() <= LONGEST;
        errors.unless(pointer.as_ref().is_none_or(is_pointer), field, "must be a JSON pointer such as /messages/0/status");
    }
    for (field, status) in [("success.status", &success.status), ("retry.status", &retry.status)] {
        let fits = status.len() <= MOST && status.iter().all(|status| (100..600).contains(status));
        errors.unless(fits, field, "must be at most 50 statuses from 100 to 599");
    }
    errors.unless(success.equals.0.is_empty() || success.pointer.is_some(), "success.pointer", "is needed to compare with success.equals");
    let compares = retry.pointer.is_some() != retry.equals.0.is_empty();
    errors.unless(compares, "retry.equals", "retry.pointer and retry.equals need one another");
    errors.unless(success.equals.0.len().max(retry.equals.0.len()) <= MOST, "retry.equals", "must be at most 50 values");
}

/// Renders everything for customers of whom much and little is known, in every language.
fn try_out(definition: &Definition, names: &[&str], guard: &Guard) -> Result<(), (String, String)> {
    let secrets = Secrets(names.iter().map(|name| ((*name).to_owned(), "secret".to_owned())).collect());
    for locale in Locale::ALL {
        for is_full in [true, false] {
            let told = |Fault { field, wrong }: Fault| {
                let line = wrong.line.map(|line| format!("line {line}: ")).unwrap_or_default();
                let whom = if is_full { "" } else { " (for a customer of whom only the addresses are known)" };
                (field, format!("{line}{}{whom}", wrong.problem))
            };
            let call = match Call::new(definition, &secrets, &Message::sample(*locale, is_full)) {
                Ok(call) => call,
                Err(NotMade::Fault(fault)) => return Err(told(fault)),
                Err(none @ NotMade::NoAddress(_)) => return Err(("address".to_owned(), none.to_string())),
            };
            guard.check(&call.url, Needs::Tls).map_err(|refused| ("url".to_owned(), refused.to_string()))?;
        }
    }
    Ok(())
}

/// Whether nobody can choose the host but who writes the definition.
fn has_literal_host(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    ["http", "https"].contains(&scheme) && !host.is_empty() && !host.contains(['{', '}', '%'])
}

/// A name that a header may have (RFC 9110, 5.1).
fn is_header(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=100).contains(&name.len()) && name.bytes().all(is_token) && !OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str())
}

/// Refuses what templates cannot say as a name.
fn check_name(errors: &mut Fields, part: &str, name: &str) {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = (1..=40).contains(&name.len()) && name.bytes().all(inner) && name.starts_with(|first: char| first.is_ascii_lowercase());
    errors.unless(fits, &format!("{part}.{name}"), "must be named by 1 to 40 lower-case letters, digits and _, beginning with a letter");
}

/// A gateway as it is shown; its secrets by name only.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Gateway)]
pub struct GatewayBody {
    /// Its name in surveys' lists of channels.
    pub name: String,
    /// What it was made from.
    pub preset: Option<Preset>,
    /// How it is spoken to.
    #[serde(flatten)]
    pub definition: Definition,
    /// The names of its secrets.
    pub secrets: Vec<String>,
    /// When it was made.
    pub created_at: crate::clock::Timestamp,
    /// When it was last altered.
    pub updated_at: crate::clock::Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draft(more: &Value) -> Result<Draft, Problem> {
        let mut whole = json!({"name": "sms", "url": "https://sms.example/send", "secrets": {"key": "s"}});
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let draft = Draft::read(whole)?;
        draft.check(&["old".to_owned()], &Guard::default())?;
        Ok(draft)
    }

    fn fields(problem: &Problem) -> Vec<&str> {
        problem.errors().iter().map(|error| error.field.as_str()).collect()
    }

    #[test]
    fn every_field_that_is_not_valid_is_named() {
        let many: Map<String, Value> = (0..51).map(|number| (format!("x{number}"), json!("x"))).collect();
        for (more, field) in [
            (json!({"name": "SMS"}), "name"),
            (json!({"name": "email"}), "name"),
            (json!({"name": "webhook"}), "name"),
            (json!({"url": "https://{{ customer.ref }}/"}), "url"),
            (json!({"url": "https://sms.example{{ customer.ref }}"}), "url"),
            (json!({"url": "sms.example"}), "url"),
            (json!({"url": "http://sms.example/"}), "url"),
            (json!({"url": "https://127.0.0.1/"}), "url"),
            (json!({"url": "https://user@sms.example/"}), "url"),
            (json!({"url": "https://sms.example/{{ customer.fone }}"}), "url"),
            (json!({"base_url": "https://a.example"}), "base_url"),
            (json!({"preset": "pigeon"}), "preset"),
            (json!({"method": "DELETE"}), "method"),
            (json!({"method": "GET", "body": {"json": "1"}}), "body"),
            (json!({"headers": {"Content-Length": "1"}}), "headers.Content-Length"),
            (json!({"headers": {"a b": "1"}}), "headers.a b"),
            (json!({"headers": many}), "headers"),
            (json!({"headers": {"Authorization": "x"}, "auth": {"kind": "bearer", "token": "x"}}), "headers.authorization"),
            (json!({"auth": {"kind": "header", "name": "Host", "value": "x"}}), "auth.name"),
            (json!({"auth": {"kind": "bearer", "token": "{{ secrets.other }}"}}), "auth.token"),
            (json!({"body": {"form": {}}}), "body.form"),
            (json!({"body": {"json": "{\"a\": \"{{ text }}\"}"}}), "body.json"),
            (json!({"text": {"fa": "{{ customer.name|upper ~ }}"}}), "text.fa"),
            (json!({"settings": {"From": "x"}}), "settings.From"),
            (json!({"settings": {"from": "a\nb"}}), "settings.from"),
            (json!({"secrets": {"key": ""}}), "secrets.key"),
            (json!({"secrets": {"a-b": "x"}}), "secrets.a-b"),
            (json!({"country": "XX"}), "country"),
            (json!({"phone_format": "national"}), "country"),
            (json!({"success": {"status": [20]}}), "success.status"),
            (json!({"success": {"equals": "0"}}), "success.pointer"),
            (json!({"id_pointer": "id"}), "id_pointer"),
            (json!({"retry": {"pointer": "/code"}}), "retry.equals"),
        ] {
            let problem = draft(&more).map(|_| ()).unwrap_err();
            assert_eq!(fields(&problem), [field], "{more}");
        }
        assert_eq!(fields(&draft(&json!({"name": "", "country": "XX", "id_pointer": "x"})).map(|_| ()).unwrap_err()).len(), 3);
        assert!(
            draft(&json!({"auth": {"kind": "bearer", "token": "{{ secrets.old }}"}, "country": "IR", "phone_format": "national"})).is_ok()
        );
    }

    #[test]
    fn a_template_that_only_some_customers_fit_is_refused_when_it_is_saved() {
        let problem = draft(&json!({"body": {"form": {"a": "b\n{{ customer.name|upper }}"}}})).map(|_| ());
        assert!(problem.is_ok(), "none is written as nothing");
        let problem = draft(&json!({"body": {"form": {"a": "b\n{{ customer.name|length }}"}}})).map(|_| ()).unwrap_err();
        let told = problem.errors().first().map(|error| error.message.clone()).unwrap();
        assert!(told.starts_with("line 2: ") && told.ends_with("(for a customer of whom only the addresses are known)"), "{told}");
        let nested = format!("{}x{}", "{% for a in score_links %}".repeat(8), "{% endfor %}".repeat(8));
        let problem = draft(&json!({"text": {"en": nested}})).map(|_| ()).unwrap_err();
        assert_eq!(problem.errors().first().map(|error| error.message.as_str()), Some("line 1: takes more than 50,000 steps"));
    }

    #[test]
    fn presets_are_complete_with_what_they_need_and_refused_without() {
        for preset in Preset::ALL {
            let bare = Draft::read(json!({"name": "one", "preset": preset})).unwrap();
            let problem = bare.check(&[], &Guard::default()).unwrap_err();
            let (mut settings, mut secrets) = (Map::new(), Map::new());
            for field in fields(&problem) {
                let (part, name) = field.split_once('.').unwrap();
                if part == "settings" { &mut settings } else { &mut secrets }.insert(name.to_owned(), json!("x1"));
            }
            let whole = Draft::read(json!({"name": "one", "preset": preset, "settings": settings, "secrets": secrets})).unwrap();
            whole.check(&[], &Guard::default()).unwrap_or_else(|problem| panic!("{preset}: {:?}", problem.errors()));
        }
    }

    #[test]
    fn a_change_is_laid_over_what_is_there() {
        let old = draft(&json!({"body": {"json": "{{ text }}"}, "settings": {"a": "1", "b": "2"}})).unwrap();
        let new =
            Draft::changed("sms", None, &old.definition, json!({"body": {"form": {"t": "{{ text }}"}}, "settings": {"a": null}})).unwrap();
        assert_eq!(new.definition.body, Some(BodyTemplate::Form([("t".to_owned(), "{{ text }}".to_owned())].into())));
        assert_eq!(new.definition.settings.keys().collect::<Vec<_>>(), ["b"]);
        let refused = |patch: Value| Draft::changed("sms", None, &old.definition, patch).map(|_| ()).unwrap_err();
        assert_eq!(fields(&refused(json!({"name": "other"}))), ["name"]);
        assert_eq!(fields(&refused(json!({"preset": "slack"}))), ["preset"]);
        assert_eq!(fields(&refused(json!({"pigeon": 1}))), ["pigeon"]);
    }
}
