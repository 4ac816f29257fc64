//! Every figure of some counts, computed by `metric` and rounded once, as the API gives it. Pure.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::metric::rounding::{one_decimal, two_decimals};
use crate::metric::{self, Bands, Difference, Histogram, Interval, Metric, Verdict};
use crate::tally::Counts;

/// What some answers say.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Figures {
    /// Answers.
    pub n: u64,
    /// Answers per point of the scale, zeros included.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub counts: Points,
    /// The headline: CSAT and CES in percent, NPS in points from -100 to 100; one decimal. Null without an answer.
    pub score: Option<f64>,
    /// The 95 % interval of the headline. Null without an answer.
    pub interval: Option<[f64; 2]>,
    /// The mean score, two decimals. Null without an answer.
    pub mean: Option<f64>,
    /// Answers per band of the scale.
    pub bands: BandFigures,
    /// Answers with a comment. Null in rows by score, as are the next three: they are not counted per score.
    pub comments: Option<u64>,
    /// Invitations whose message was sent in the period.
    pub delivered: Option<u64>,
    /// Those of them that were answered since.
    pub answered: Option<u64>,
    /// `answered` of `delivered` in percent, one decimal. Null where nothing was delivered.
    pub response_rate: Option<f64>,
}

/// Answers per band: CSAT 1-2, 3, 4-5; CES 1-3, 4, 5-7; NPS 0-6, 7-8, 9-10.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BandFigures {
    /// The low band.
    pub low: BandFigure,
    /// The middle band.
    pub middle: BandFigure,
    /// The high band.
    pub high: BandFigure,
}

/// The answers of one band.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct BandFigure {
    /// How many.
    pub n: u64,
    /// Their share in whole percent; the three add to 100. Null without an answer.
    pub percent: Option<u64>,
}

/// How far two headlines lie apart.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DifferenceFigures {
    /// In points of the headline, one decimal.
    pub value: f64,
    /// The 95 % interval of the true difference.
    pub interval: [f64; 2],
    /// `better` or `worse` only where the interval leaves 0 out.
    pub verdict: Verdict,
}

/// Counts per point of a scale, written as an object in the order of the scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Points(Vec<(u8, u64)>);

impl Points {
    /// The counts of every point of the metric's scale.
    #[must_use]
    pub fn of(metric: Metric, answers: &Histogram) -> Self {
        Self(answers.counts(metric).collect())
    }

    /// Each point with its count, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u8, u64)> {
        self.0.iter().copied()
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (point, count) in &self.0 {
            map.serialize_entry(&point.to_string(), count)?;
        }
        map.end()
    }
}

impl Figures {
    /// The figures of some counts.
    #[must_use]
    pub fn of(metric: Metric, counts: &Counts) -> Self {
        let (delivered, answered) = (known(counts.delivered), known(counts.answered));
        Self {
            comments: Some(known(counts.comments)),
            delivered: Some(delivered),
            answered: Some(answered),
            response_rate: metric::percentage(answered, delivered).map(one_decimal),
            ..Self::of_answers(metric, &counts.histogram())
        }
    }

    /// The figures of answers of which nothing else is known.
    #[must_use]
    pub fn of_answers(metric: Metric, answers: &Histogram) -> Self {
        Self {
            n: answers.bands(metric).n(),
            counts: Points::of(metric, answers),
            score: metric::headline(metric, answers).map(one_decimal),
            interval: metric::interval(metric, answers).map(Interval::one_decimal),
            mean: metric::mean(metric, answers).map(two_decimals),
            bands: BandFigures::of(answers.bands(metric)),
            comments: None,
            delivered: None,
            answered: None,
            response_rate: None,
        }
    }
}

/// A count below zero cannot be and reads as none.
fn known(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

impl BandFigures {
    fn of(bands: Bands) -> Self {
        let percent = (bands.n() > 0).then(|| bands.percent());
        let figure = |n, share: fn(Bands) -> u64| BandFigure { n, percent: percent.map(share) };
        Self {
            low: figure(bands.low, |percent| percent.low),
            middle: figure(bands.middle, |percent| percent.middle),
            high: figure(bands.high, |percent| percent.high),
        }
    }
}

impl From<Difference> for DifferenceFigures {
    fn from(difference: Difference) -> Self {
        Self { value: one_decimal(difference.value), interval: difference.interval.one_decimal(), verdict: difference.verdict }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_figure_of_a_hundred_answers_is_rounded_once() {
        let counts = Counts { scores: [1, 0, 2, 0, 3, 4, 10, 15, 15, 20, 30], comments: 59, delivered: 390, answered: 100 };
        let figures = serde_json::to_value(Figures::of(Metric::Nps, &counts)).unwrap();
        let expected = json!({
            "n": 100, "counts": {"0":1,"1":0,"2":2,"3":0,"4":3,"5":4,"6":10,"7":15,"8":15,"9":20,"10":30},
            "score": 30.0, "interval": [14.1, 44.2], "mean": 8.01,
            "bands": {"low": {"n":20,"percent":20}, "middle": {"n":30,"percent":30}, "high": {"n":50,"percent":50}},
            "comments": 59, "delivered": 390, "answered": 100, "response_rate": 25.6
        });
        assert_eq!(figures, expected);
    }

    #[test]
    fn points_are_written_in_the_order_of_the_scale() {
        let points = Points::of(Metric::Nps, &Histogram::default());
        let text = serde_json::to_string(&points).unwrap();
        assert!(text.starts_with(r#"{"0":0,"1":0,"2":0"#) && text.ends_with(r#""9":0,"10":0}"#), "{text}");
    }

    #[test]
    fn without_an_answer_nothing_is_claimed() {
        for metric in Metric::ALL {
            let figures = serde_json::to_value(Figures::of(*metric, &Counts::default())).unwrap();
            for field in ["score", "interval", "mean", "response_rate"] {
                assert!(figures[field].is_null(), "{metric} {field}");
            }
            assert!(figures["bands"]["low"]["percent"].is_null());
            assert_eq!((&figures["n"], &figures["comments"]), (&json!(0), &json!(0)));
        }
    }

    #[test]
    fn messages_without_an_answer_have_a_response_rate_of_zero() {
        let counts = Counts { delivered: 7, ..Counts::default() };
        let figures = Figures::of(Metric::Csat, &counts);
        assert_eq!((figures.response_rate, figures.score), (Some(0.0), None));
    }
}
