//! Gateways that are known: each is a definition in `templates/gateway`, expanded when a gateway is saved. Facts are those of the vendors' documentation.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::db::text_enum;
use crate::web::body;
use crate::web::problem::FieldError;

text_enum! {
    /// A gateway that is known.
    pub enum Preset {
        /// Twilio's SMS. Settings `account_sid` and `from` or `messaging_service_sid`, secret `auth_token`.
        TwilioSms = "twilio_sms",
        /// Twilio's `WhatsApp`. Settings `account_sid`, `from` and `content_sid` (also per language: `content_sid_fa`), secret `auth_token`.
        TwilioWhatsapp = "twilio_whatsapp",
        /// Vonage's SMS. Settings `api_key` and `from`, secret `api_secret`.
        VonageSms = "vonage_sms",
        /// Meta's `WhatsApp` Cloud API. Settings `phone_number_id`, `template` and, where the code differs from ours, `language_en` and so on; secret `access_token`.
        WhatsappCloud = "whatsapp_cloud",
        /// Kavenegar's SMS. Setting `sender` (not needed), secret `api_key`.
        Kavenegar = "kavenegar",
        /// An incoming webhook of Slack. Secret `path`, which stands behind `https://hooks.slack.com/services/`.
        Slack = "slack",
        /// A bot of Telegram. Secret `bot_token`; with the setting `chat_id` one chat gets every message, else each customer's `ref` is the id of a chat.
        Telegram = "telegram",
    }
}

/// What a file of `templates/gateway` holds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    /// What `BASE` stands for.
    host: String,
    needs: Needs,
    /// What a setting changes besides.
    #[serde(default)]
    when: BTreeMap<String, Value>,
    gateway: Map<String, Value>,
}

/// What a preset cannot know, each with what it is; where one of several is enough, with `|` between their names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Needs {
    settings: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
}

impl Preset {
    const fn source(self) -> &'static str {
        match self {
            Self::TwilioSms => include_str!("../../templates/gateway/twilio_sms.json"),
            Self::TwilioWhatsapp => include_str!("../../templates/gateway/twilio_whatsapp.json"),
            Self::VonageSms => include_str!("../../templates/gateway/vonage_sms.json"),
            Self::WhatsappCloud => include_str!("../../templates/gateway/whatsapp_cloud.json"),
            Self::Kavenegar => include_str!("../../templates/gateway/kavenegar.json"),
            Self::Slack => include_str!("../../templates/gateway/slack.json"),
            Self::Telegram => include_str!("../../templates/gateway/telegram.json"),
        }
    }

    /// A test reads every sheet.
    fn sheet(self) -> Sheet {
        serde_json::from_str(self.source()).unwrap_or_default()
    }

    /// The definition of this preset with what a caller says laid over it. `base_url` replaces the vendor's host.
    #[must_use]
    pub fn expanded(self, said: Value, base_url: Option<&str>) -> Value {
        let Sheet { host, when, gateway, .. } = self.sheet();
        let mut whole = Value::Object(gateway);
        if let Some(Value::String(url)) = whole.get_mut("url") {
            *url = url.replacen("BASE", base_url.unwrap_or(&host).trim_end_matches('/'), 1);
        }
        for (_, change) in when.into_iter().filter(|(setting, _)| said.pointer(&format!("/settings/{setting}")).is_some()) {
            body::merge(&mut whole, change);
        }
        // One kind of body replaces the other.
        if said.get("body").is_some() {
            body::merge(&mut whole, json!({"body": null}));
        }
        body::merge(&mut whole, said);
        whole
    }

    /// What it needs and was not given.
    #[must_use]
    pub fn lacks(self, has_setting: impl Fn(&str) -> bool, has_secret: impl Fn(&str) -> bool) -> Vec<FieldError> {
        let Needs { settings, secrets } = self.sheet().needs;
        let missing = |part: &str, needed: BTreeMap<String, String>, has: &dyn Fn(&str) -> bool| {
            let lacking = needed.into_iter().filter(|(names, _)| !names.split('|').any(has));
            let error = |(names, what): (String, String)| {
                let first = names.split('|').next().unwrap_or_default();
                FieldError { field: format!("{part}.{first}"), message: format!("is needed by {self}: {what}") }
            };
            lacking.map(error).collect::<Vec<_>>()
        };
        let mut errors = missing("settings", settings, &has_setting);
        errors.extend(missing("secrets", secrets, &has_secret));
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Definition;

    #[test]
    fn every_sheet_is_a_definition_and_names_what_it_needs() {
        for preset in Preset::ALL {
            let sheet: Sheet = serde_json::from_str(preset.source()).unwrap_or_else(|error| panic!("{preset}: {error}"));
            let definition: Definition =
                serde_json::from_value(preset.expanded(json!({}), None)).unwrap_or_else(|error| panic!("{preset}: {error}"));
            assert!(definition.url.starts_with(&format!("{}/", sheet.host)), "{preset}: {}", definition.url);
            let needed = preset.lacks(|_| false, |_| false);
            assert!(needed.len() == sheet.needs.settings.len() + sheet.needs.secrets.len() && !sheet.needs.secrets.is_empty(), "{preset}");
            assert!(preset.lacks(|_| true, |_| true).is_empty());
        }
    }

    #[test]
    fn what_a_caller_says_is_laid_over_the_preset() {
        let own = Preset::TwilioSms.expanded(json!({"body": {"json": "{}"}, "phone_format": "digits"}), Some("https://eu.example/"));
        assert_eq!((&own["body"], &own["phone_format"]), (&json!({"json": "{}"}), &json!("digits")));
        assert!(own["url"].as_str().unwrap().starts_with("https://eu.example/2010-04-01/"), "{own}");
        assert_eq!(Preset::Telegram.expanded(json!({}), None)["address"], "ref");
        assert_eq!(Preset::Telegram.expanded(json!({"settings": {"chat_id": "-1"}}), None)["address"], "none");
        let named = Preset::TwilioSms.lacks(|name| name == "messaging_service_sid", |_| true);
        assert_eq!(named.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["settings.account_sid"]);
    }
}
