//! What we ask: metric, wording, look and policy.

pub mod wording;

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::text_enum;
use crate::i18n::Locale;
use crate::metric::{Metric, Scale};

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

/// The id of a survey.
pub type SurveyId = Uuid;

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
    /// When it was archived, if it was.
    pub archived_at: Option<Timestamp>,
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
    /// An https address of an image.
    pub logo_url: Option<String>,
}

impl Default for Brand {
    fn default() -> Self {
        Self {
            color: "#0b6e4f".to_owned(),
            logo_url: None,
        }
    }
}
