//! What is measured: the three metrics, their scales, and every figure that a histogram of scores gives. Pure.

mod difference;
mod histogram;
mod interval;
pub mod rounding;
mod score;

use crate::db::text_enum;

pub use difference::{Difference, Verdict, difference};
pub use histogram::{Bands, Histogram};
pub use interval::{Interval, interval, wilson};
pub use score::{headline, mean, percentage};

text_enum! {
    /// What a survey measures.
    pub enum Metric {
        /// Customer satisfaction, 1 to 5.
        Csat = "csat",
        /// Customer effort (CES 2.0), 1 to 7.
        Ces = "ces",
        /// Net Promoter Score, 0 to 10.
        Nps = "nps",
    }
}

text_enum! {
    /// Which way a CES question runs. The other metrics know only `agree`.
    pub enum Scale {
        /// 7 is easy: agreement with "made it easy for me".
        Agree = "agree",
        /// 7 is hard: "how easy was it", 1 very easy to 7 very hard.
        Effort = "effort",
    }
}

text_enum! {
    /// Which third of the scale a score falls in.
    pub enum Band {
        /// CSAT 1-2, CES 1-3, NPS 0-6.
        Low = "low",
        /// CSAT 3, CES 4, NPS 7-8.
        Middle = "middle",
        /// CSAT 4-5, CES 5-7, NPS 9-10.
        High = "high",
    }
}

impl Metric {
    /// The lowest and the highest point of the scale.
    #[must_use]
    pub const fn ends(self) -> (u8, u8) {
        match self {
            Self::Csat => (1, 5),
            Self::Ces => (1, 7),
            Self::Nps => (0, 10),
        }
    }

    /// Every point of the scale, ascending.
    #[must_use]
    pub fn points(self) -> std::ops::RangeInclusive<u8> {
        let (low, high) = self.ends();
        low..=high
    }

    /// The band that a point of this metric's scale falls in; 7 is easy for CES.
    #[must_use]
    pub const fn band(self, score: u8) -> Band {
        match (self, score) {
            (Self::Csat, 0..=2) | (Self::Ces, 0..=3) | (Self::Nps, 0..=6) => Band::Low,
            (Self::Csat, 3) | (Self::Ces, 4) | (Self::Nps, 7..=8) => Band::Middle,
            _ => Band::High,
        }
    }
}

impl Scale {
    /// What counts for a raw answer: the answer itself, or `8 - raw` on the reversed form, so that higher is always easier.
    #[must_use]
    pub const fn counted(self, raw: u8) -> u8 {
        match self {
            Self::Agree => raw,
            Self::Effort => 8_u8.saturating_sub(raw),
        }
    }
}

/// A count as a number to compute with.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts of answers stay far below 2^53, where f64 becomes inexact")]
fn float(count: u64) -> f64 {
    count as f64
}
