//! What we ask: metric, wording, look and policy.

pub mod channel;
pub mod draft;
pub mod hours;
pub mod http;
pub mod store;
pub mod wording;

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::db::cache::Cache;
use crate::db::{id, text_enum};
use crate::gateway::Dial;
use crate::i18n::Locale;
use crate::metric::{Band, Metric, Scale};

pub use channel::{Channel, DeliverMode};
pub use hours::SendHours;

text_enum! {
    /// How the points of the scale are drawn. The words stand beside every form.
    pub enum Display {
        /// Plain numbers.
        Numbers = "numbers",
        /// Five faces (CSAT only).
        Faces = "faces",
        /// One to five stars (CSAT only).
        Stars = "stars",
    }
}

id! {
    /// The id of a survey.
    SurveyId
}

/// Surveys kept in memory.
pub type Surveys = Cache<Survey>;

/// A survey as it is stored.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Its id.
    pub id: SurveyId,
    /// Its name in addresses: lower-case letters, digits and hyphens.
    pub slug: String,
    /// Its name for the team.
    pub name: String,
    /// What it measures.
    pub metric: Metric,
    /// The direction of a CES question.
    pub scale: Scale,
    /// How the points are drawn.
    pub display: Display,
    /// The company that asks, as customers know it.
    pub company: Option<String>,
    /// The language when neither customer nor browser names one.
    pub locale: Locale,
    /// The zone in which days begin.
    pub timezone: Tz,
    /// Wording of its own, per language.
    pub texts: BTreeMap<Locale, Texts>,
    /// Colour and logo.
    pub brand: Brand,
    /// The channels an invitation leaves by; empty when the caller sends the link.
    pub deliver: Vec<Channel>,
    /// Which of them a customer is asked by.
    pub deliver_mode: DeliverMode,
    /// What the gateways among them reach customers by, as they are now.
    pub gateways: BTreeMap<String, Dial>,
    /// Whom to ask, and when not.
    pub policy: Policy,
    /// The first day of a week in reports.
    pub week_start: WeekStart,
    /// The public happiness report.
    pub public: Public,
    /// When it was archived, if it was. An archived survey asks nobody.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last altered.
    pub updated_at: Timestamp,
}

text_enum! {
    /// The first day of a week.
    pub enum WeekStart {
        /// Monday (ISO 8601).
        Monday = "monday",
        /// Saturday, as in Iran and much of the Arab world.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

impl WeekStart {
    /// What readers of a language expect.
    #[must_use]
    pub const fn usual(locale: Locale) -> Self {
        match locale {
            Locale::En => Self::Monday,
            Locale::Fa | Locale::Ar => Self::Saturday,
        }
    }
}

/// Why a message of a paused survey does not leave.
pub const PAUSED: &str = "the survey is paused";

/// Whom to ask, and when not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Minutes between the closing and the message, 0 to 43200 (30 days).
    pub delay_minutes: i64,
    /// Days without another survey of the same metric, 0 (off) to 3650. By default 7, for NPS 90.
    pub quiet_days: i64,
    /// Days without any other survey, 0 (off) to 3650.
    pub quiet_any_days: i64,
    /// Share of the interactions that are asked about, 0 to 100. The same interaction always decides the same.
    pub sample_percent: i64,
    /// Days until a link expires, 1 to 365.
    pub expires_days: i64,
    /// Days after the first message for one reminder, 1 to 30 and less than `expires_days`; null for none.
    pub reminder_days: Option<i64>,
    /// Days during which an answer can be changed, 0 to 365.
    pub edit_days: i64,
    /// A ticket closed more days ago is not asked about, 1 to 3650.
    pub max_age_days: i64,
    /// Tickets with one of these tags are not asked about.
    pub exclude_tags: Vec<String>,
    /// Customers whose mail address lies in one of these domains, or below it, are not asked.
    pub exclude_domains: Vec<String>,
    /// Hours of the day at which messages may leave, in the customer's time zone where it is known, else in the survey's: `["09:00", "18:00"]`, the end not included; null for any hour.
    #[schema(value_type = Option<Vec<String>>)]
    pub send_hours: Option<SendHours>,
    /// While true nobody new is asked, messages that wait are held, and reminders are dropped.
    pub paused: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            delay_minutes: 0,
            quiet_days: 7,
            quiet_any_days: 1,
            sample_percent: 100,
            expires_days: 30,
            reminder_days: None,
            edit_days: 14,
            max_age_days: 7,
            exclude_tags: Vec::new(),
            exclude_domains: Vec::new(),
            send_hours: None,
            paused: false,
        }
    }
}

impl Policy {
    /// What is in force where a survey says nothing: 90 quiet days for NPS, 7 for the others.
    #[must_use]
    pub fn usual(metric: Metric) -> Self {
        let quiet_days = if metric == Metric::Nps { 90 } else { 7 };
        Self { quiet_days, ..Self::default() }
    }
}

/// The public happiness report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Public {
    /// Whether it is shown at all.
    pub enabled: bool,
    /// Votes before anything is shown, 10 to 1000.
    pub minimum: i64,
    /// Votes that appear together, 5 to 100, so that none can be tied to who just answered.
    pub lot: i64,
    /// Its heading; the survey's company or name where there is none.
    pub title: Option<String>,
}

impl Default for Public {
    fn default() -> Self {
        Self { enabled: false, minimum: 10, lot: 5, title: None }
    }
}

impl Survey {
    /// The band of a score that counts.
    #[must_use]
    pub const fn band(&self, score: u8) -> Band {
        self.metric.band(score)
    }

    /// Whether a raw answer is on the scale.
    #[must_use]
    pub fn accepts(&self, raw: i64) -> Option<u8> {
        u8::try_from(raw).ok().filter(|raw| self.metric.points().contains(raw))
    }
}

/// Wording that replaces the standard text; what is left out stays standard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Texts {
    /// The question.
    pub question: Option<String>,
    /// The words at the low end of the scale.
    pub low: Option<String>,
    /// The words at the high end of the scale.
    pub high: Option<String>,
    /// The open question after the score, per band.
    pub follow_up: FollowUp,
}

/// The open question after the score, per band.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FollowUp {
    /// After a low score.
    pub low: Option<String>,
    /// After a middle score.
    pub middle: Option<String>,
    /// After a high score.
    pub high: Option<String>,
}

/// Colour and logo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Brand {
    /// `#rrggbb`.
    pub color: String,
    /// An https address of an image; mails show it on white, 36 pixels high.
    pub logo_url: Option<String>,
}

impl Default for Brand {
    fn default() -> Self {
        Self { color: "#0b6e4f".to_owned(), logo_url: None }
    }
}
