//! A survey as a caller writes it: parsed once, refused with every field that is not valid.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Brand, Channel, DeliverMode, Display, Policy, Public, Survey, SurveyId, Texts, WeekStart};
use crate::clock::Timestamp;
use crate::i18n::Locale;
use crate::metric::{Metric, Scale};
use crate::net::domain;
use crate::web::fields::Fields;
use crate::web::problem::Problem;

/// Domains that a survey can leave out.
const MOST_DOMAINS: usize = 1000;
/// Channels that a survey can deliver by.
const MOST_CHANNELS: usize = 10;

/// What a caller may say of a survey. Only `slug`, `name` and `metric` are required.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SurveyDraft)]
pub struct Draft {
    /// Its name in addresses: 1 to 64 lower-case letters, digits and hyphens.
    pub slug: String,
    /// Its name for the team, up to 200 characters.
    pub name: String,
    /// What it measures.
    pub metric: Metric,
    /// The company that asks, as customers know it.
    #[serde(default)]
    pub company: Option<String>,
    /// The language when neither customer nor browser names one.
    #[serde(default)]
    pub locale: Option<Locale>,
    /// IANA time zone in which days begin; UTC by default.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Direction of a CES question: `agree` (default) or `effort`.
    #[serde(default)]
    pub scale: Option<Scale>,
    /// How the points are drawn; faces and stars for CSAT only.
    #[serde(default)]
    pub display: Option<Display>,
    /// Wording of its own, per language.
    #[serde(default)]
    pub texts: BTreeMap<Locale, Texts>,
    /// Colour and logo.
    #[serde(default)]
    pub brand: Brand,
    /// `["email"]` (default), `webhook`, names of gateways, in the order in which they are tried; `[]` when the caller sends the link.
    #[serde(default)]
    pub deliver: Option<Vec<String>>,
    /// `first` (default): by the first channel whose address the customer has; `all`: by every one.
    #[serde(default)]
    pub deliver_mode: Option<DeliverMode>,
    /// Whom to ask, and when not; what is left out is as usual for the metric.
    #[serde(default)]
    #[schema(value_type = Option<Policy>)]
    pub policy: serde_json::Map<String, serde_json::Value>,
    /// The first day of a week; by default as the language has it.
    #[serde(default)]
    pub week_start: Option<WeekStart>,
    /// The public happiness report.
    #[serde(default)]
    pub public: Public,
}

impl Draft {
    /// The survey this describes.
    ///
    /// # Errors
    /// 422 with every field that is not valid.
    pub fn into_survey(self, id: SurveyId, now: Timestamp) -> Result<Survey, Problem> {
        let mut errors = Fields::default();
        let locale = self.locale.unwrap_or(Locale::En);
        self.check_texts(&mut errors);
        self.check_look(&mut errors);
        let policy = self.policy(&mut errors);
        let timezone = self.timezone.as_deref().unwrap_or("UTC").parse::<Tz>();
        errors.unless(timezone.is_ok(), "timezone", "must be an IANA time zone such as Europe/Berlin or Asia/Tehran");
        let channels = self.deliver.unwrap_or_else(|| vec!["email".to_owned()]);
        let deliver = channels.iter().map(|channel| channel.parse()).collect::<Result<Vec<Channel>, _>>();
        let is_known = deliver.as_ref().is_ok_and(|channels| {
            let once = |(at, channel): (usize, &Channel)| !channels.iter().take(at).any(|other| other == channel);
            channels.len() <= MOST_CHANNELS && channels.iter().enumerate().all(once)
        });
        errors.unless(
            is_known,
            "deliver",
            "must be a list of email, webhook and names of gateways, each once, or [] when you send the link yourself",
        );
        check_public(&self.public, &mut errors);
        let (Ok(timezone), Ok(deliver), true) = (timezone, deliver, errors.are_valid()) else {
            return Err(errors.into_problem());
        };
        Ok(Survey {
            id,
            slug: self.slug,
            name: self.name,
            metric: self.metric,
            scale: self.scale.unwrap_or(Scale::Agree),
            display: self.display.unwrap_or(Display::Numbers),
            company: self.company.filter(|company| !company.is_empty()),
            locale,
            timezone,
            texts: self.texts,
            brand: self.brand,
            deliver,
            deliver_mode: self.deliver_mode.unwrap_or(DeliverMode::First),
            gateways: BTreeMap::new(),
            policy,
            week_start: self.week_start.unwrap_or_else(|| WeekStart::usual(locale)),
            public: self.public,
            archived_at: None,
            created_at: now,
            updated_at: now,
        })
    }

    fn check_texts(&self, errors: &mut Fields) {
        errors.slug("slug", &self.slug);
        errors.text("name", Some(&self.name), 1, 200);
        errors.text("company", self.company.as_ref(), 0, 100);
        for (locale, texts) in &self.texts {
            let follow_up = &texts.follow_up;
            for (name, text) in [
                ("question", &texts.question),
                ("low", &texts.low),
                ("high", &texts.high),
                ("follow_up.low", &follow_up.low),
                ("follow_up.middle", &follow_up.middle),
                ("follow_up.high", &follow_up.high),
            ] {
                errors.text(&format!("texts.{locale}.{name}"), text.as_ref(), 1, 500);
            }
        }
    }

    fn check_look(&self, errors: &mut Fields) {
        let is_color = |text: &str| text.len() == 7 && text.starts_with('#') && text.chars().skip(1).all(|digit| digit.is_ascii_hexdigit());
        errors.unless(is_color(&self.brand.color), "brand.color", "must be #rrggbb");
        let is_address = |url: &String| {
            url.starts_with("https://") && url.len() <= 2000 && !url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '"')
        };
        errors.unless(self.brand.logo_url.as_ref().is_none_or(is_address), "brand.logo_url", "must be an https address");
        let is_csat = self.metric == Metric::Csat;
        errors.unless(is_csat || matches!(self.display, None | Some(Display::Numbers)), "display", "faces and stars are for csat only");
        let has_direction = self.metric == Metric::Ces;
        errors.unless(has_direction || matches!(self.scale, None | Some(Scale::Agree)), "scale", "effort is for ces only");
    }

    /// What the caller said, laid over what is usual for the metric.
    fn policy(&self, errors: &mut Fields) -> Policy {
        let usual = Policy::usual(self.metric);
        let Ok(serde_json::Value::Object(mut whole)) = serde_json::to_value(&usual) else {
            return usual;
        };
        whole.extend(self.policy.clone());
        match serde_path_to_error::deserialize::<_, Policy>(serde_json::Value::Object(whole)) {
            Ok(mut policy) => {
                check_policy(&mut policy, errors);
                policy
            }
            Err(error) => {
                errors.unless(false, &format!("policy.{}", error.path()), &error.inner().to_string());
                usual
            }
        }
    }
}

impl From<&Survey> for Draft {
    /// The same survey as a caller would write it, for a PATCH to be laid over.
    fn from(survey: &Survey) -> Self {
        let policy = match serde_json::to_value(&survey.policy) {
            Ok(serde_json::Value::Object(policy)) => policy,
            _ => serde_json::Map::new(),
        };
        Self {
            slug: survey.slug.clone(),
            name: survey.name.clone(),
            metric: survey.metric,
            company: survey.company.clone(),
            locale: Some(survey.locale),
            timezone: Some(survey.timezone.name().to_owned()),
            scale: Some(survey.scale),
            display: Some(survey.display),
            texts: survey.texts.clone(),
            brand: survey.brand.clone(),
            deliver: Some(survey.deliver.iter().map(ToString::to_string).collect()),
            deliver_mode: Some(survey.deliver_mode),
            policy,
            week_start: Some(survey.week_start),
            public: survey.public.clone(),
        }
    }
}

/// Checks a policy and writes its domains in their one form.
fn check_policy(policy: &mut Policy, errors: &mut Fields) {
    for (name, value, low, high) in [
        ("delay_minutes", policy.delay_minutes, 0, 43_200),
        ("quiet_days", policy.quiet_days, 0, 3650),
        ("quiet_any_days", policy.quiet_any_days, 0, 3650),
        ("sample_percent", policy.sample_percent, 0, 100),
        ("expires_days", policy.expires_days, 1, 365),
        ("edit_days", policy.edit_days, 0, 365),
        ("max_age_days", policy.max_age_days, 1, 3650),
    ] {
        errors.range(&format!("policy.{name}"), value, low, high);
    }
    let reminds_in_time = |days: i64| (1..=30).contains(&days) && days < policy.expires_days;
    errors.unless(
        policy.reminder_days.is_none_or(reminds_in_time),
        "policy.reminder_days",
        "must be from 1 to 30 and less than expires_days, or null for no reminder",
    );
    let tags = &policy.exclude_tags;
    errors.unless(
        tags.len() <= 100 && tags.iter().all(|tag| (1..=100).contains(&tag.chars().count())),
        "policy.exclude_tags",
        "must be up to 100 tags of 1 to 100 characters",
    );
    let domains: Option<Vec<String>> = policy.exclude_domains.iter().map(|domain| domain::normal(domain)).collect();
    match domains.filter(|domains| domains.len() <= MOST_DOMAINS) {
        Some(domains) => policy.exclude_domains = domains,
        None => errors.unless(false, "policy.exclude_domains", "must be up to 1000 domains such as acme.example"),
    }
}

fn check_public(public: &Public, errors: &mut Fields) {
    errors.range("public.minimum", public.minimum, 10, 1000);
    errors.range("public.lot", public.lot, 5, 100);
    errors.text("public.title", public.title.as_ref(), 1, 200);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::survey::SendHours;

    fn survey(extra: &Value) -> Result<Survey, Problem> {
        let mut whole = json!({"slug": "support", "name": "Support", "metric": "csat"});
        whole.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let draft: Draft = serde_json::from_value(whole).unwrap();
        draft.into_survey(SurveyId::default(), Timestamp::from_millis(0))
    }

    #[test]
    fn three_fields_are_enough_and_the_rest_is_as_usual() {
        let csat = survey(&json!({})).unwrap();
        assert_eq!((csat.policy.quiet_days, csat.locale, csat.timezone.name()), (7, Locale::En, "UTC"));
        let nps = survey(&json!({"metric": "nps", "locale": "fa", "policy": {"delay_minutes": 5}})).unwrap();
        assert_eq!((nps.policy.quiet_days, nps.policy.delay_minutes, nps.week_start), (90, 5, WeekStart::Saturday));
    }

    #[test]
    fn every_field_that_is_not_valid_is_named() {
        for (extra, field) in [
            (json!({"slug": "Über"}), "slug"),
            (json!({"slug": "-a"}), "slug"),
            (json!({"name": " "}), "name"),
            (json!({"name": "a\nb"}), "name"),
            (json!({"company": "x".repeat(101)}), "company"),
            (json!({"timezone": "Mars/Base"}), "timezone"),
            (json!({"deliver": ["Pigeon Post"]}), "deliver"),
            (json!({"deliver": ["email", "sms", "email"]}), "deliver"),
            (json!({"metric": "nps", "display": "stars"}), "display"),
            (json!({"scale": "effort"}), "scale"),
            (json!({"brand": {"color": "red"}}), "brand.color"),
            (json!({"brand": {"logo_url": "http://a.example/x.png"}}), "brand.logo_url"),
            (json!({"policy": {"sample_percent": 101}}), "policy.sample_percent"),
            (json!({"policy": {"quiet_weeks": 1}}), "policy.quiet_weeks"),
            (json!({"policy": {"quiet_days": "7"}}), "policy.quiet_days"),
            (json!({"policy": {"reminder_days": 0}}), "policy.reminder_days"),
            (json!({"policy": {"reminder_days": 31, "expires_days": 90}}), "policy.reminder_days"),
            (json!({"policy": {"reminder_days": 7, "expires_days": 7}}), "policy.reminder_days"),
            (json!({"policy": {"send_hours": ["9", "18"]}}), "policy.send_hours"),
            (json!({"policy": {"send_hours": ["09:00", "09:00"]}}), "policy.send_hours"),
            (json!({"policy": {"exclude_domains": ["@acme.example"]}}), "policy.exclude_domains"),
            (json!({"policy": {"exclude_domains": vec!["a.example"; 1001]}}), "policy.exclude_domains"),
            (json!({"policy": {"paused": 1}}), "policy.paused"),
            (json!({"public": {"minimum": 3}}), "public.minimum"),
            (json!({"public": {"lot": 1}}), "public.lot"),
            (json!({"texts": {"fa": {"question": ""}}}), "texts.fa.question"),
        ] {
            let problem = survey(&extra).unwrap_err();
            assert_eq!(problem.errors().iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), [field], "{extra}");
        }
        let many = survey(&json!({"slug": "", "timezone": "x", "scale": "effort"})).unwrap_err();
        assert_eq!(many.errors().len(), 3);
    }

    #[test]
    fn a_draft_of_a_survey_makes_the_same_survey() {
        let policy = json!({"exclude_tags": ["spam"], "exclude_domains": ["Acme.Example"], "send_hours": ["22:00", "06:00"], "reminder_days": 3, "paused": true});
        let one = survey(
            &json!({"metric": "nps", "timezone": "Asia/Tehran", "deliver": ["sms", "email"], "deliver_mode": "all", "policy": policy}),
        )
        .unwrap();
        assert_eq!(one.policy.exclude_domains, ["acme.example"]);
        assert_eq!((one.policy.send_hours, one.policy.paused), (SendHours::parse("22:00", "06:00").ok(), true));
        let again = Draft::from(&one).into_survey(one.id, one.created_at).unwrap();
        assert_eq!(format!("{again:?}"), format!("{one:?}"));
    }
}
