//! How far the true figure may lie from the one seen: 95 % intervals of shares and of NPS.

use super::rounding::one_decimal;
use super::{Bands, Histogram, Metric, float};

/// The 97.5 % point of the normal distribution: both sides together leave 5 % out.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// A closed interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
}

/// An adjusted NPS with the variance of its error, both in shares.
pub(super) struct AdjustedNps {
    /// Promoters less detractors, -1 to 1.
    pub(super) score: f64,
    /// The variance of that score.
    pub(super) variance: f64,
}

/// The 95 % interval of the headline, in its unit: CSAT and CES by Wilson (1927), within 0 to 100 percent; NPS by the adjusted Wald
/// interval, within -100 to 100. None without an answer.
#[must_use]
pub fn interval(metric: Metric, answers: &Histogram) -> Option<Interval> {
    let bands = answers.bands(metric);
    match metric {
        Metric::Csat | Metric::Ces => wilson(bands.high, bands.n()).map(Interval::in_percent),
        Metric::Nps => (bands.n() > 0).then(|| {
            let AdjustedNps { score, variance } = adjusted_nps(bands);
            Interval::around(score, Z * variance.sqrt()).in_percent().within(-100.0, 100.0)
        }),
    }
}

/// Wilson's score interval of the share `part / n`, 0 to 1; a `part` above `n` counts as `n`. None where `n` is 0.
#[must_use]
pub fn wilson(part: u64, n: u64) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    let part = part.min(n);
    let (share, n_) = (float(part) / float(n), float(n));
    let scale = 1.0 + Z * Z / n_;
    let centre = (share + Z * Z / (2.0 * n_)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n_ + Z * Z / (4.0 * n_ * n_)).sqrt();
    // At the ends the formula gives exactly 0 and 1; floating point misses them by a hair, and would leave the share itself outside.
    let lower = if part == 0 { 0.0 } else { centre - half };
    let upper = if part == n { 1.0 } else { centre + half };
    Some(Interval { lower, upper })
}

/// NPS after adding three pseudo-answers (3/4 promoter, 3/2 passive, 3/4 detractor), which keeps the interval honest for few answers:
/// Rocks, "Interval Estimation for the Net Promoter Score", The American Statistician 70 (2016).
pub(super) fn adjusted_nps(bands: Bands) -> AdjustedNps {
    let n = float(bands.n()) + 3.0;
    let (promoters, detractors) = ((float(bands.high) + 0.75) / n, (float(bands.low) + 0.75) / n);
    let score = promoters - detractors;
    AdjustedNps { score, variance: (promoters + detractors - score * score) / n }
}

impl Interval {
    /// The interval that reaches `half` to both sides of `centre`.
    pub(super) fn around(centre: f64, half: f64) -> Self {
        Self { lower: centre - half, upper: centre + half }
    }

    /// The same interval of shares in percent.
    pub(super) fn in_percent(self) -> Self {
        Self { lower: 100.0 * self.lower, upper: 100.0 * self.upper }
    }

    /// The interval with both ends held within the values that are possible.
    pub(super) fn within(self, least: f64, most: f64) -> Self {
        Self { lower: self.lower.clamp(least, most), upper: self.upper.clamp(least, most) }
    }

    /// Whether a value lies within it, ends included.
    #[must_use]
    pub fn contains(self, value: f64) -> bool {
        (self.lower..=self.upper).contains(&value)
    }

    /// Its ends with one decimal, as the API gives them.
    #[must_use]
    pub fn one_decimal(self) -> [f64; 2] {
        [one_decimal(self.lower), one_decimal(self.upper)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metric::headline;

    #[test]
    fn no_answer_has_no_interval() {
        for metric in Metric::ALL {
            assert_eq!(interval(*metric, &Histogram::default()), None);
        }
    }

    #[test]
    fn the_ends_are_given_with_one_decimal() {
        let shown = Interval { lower: -6.247, upper: 35.35 }.one_decimal();
        assert_eq!(format!("{shown:?}"), "[-6.2, 35.4]");
    }

    proptest! {
        #[test]
        fn wilson_contains_the_share_and_stays_a_share(part in 0_u64..=1_000_000_000, rest in 0_u64..=1_000_000_000) {
            prop_assume!(part + rest > 0);
            let interval = wilson(part, part + rest).unwrap();
            prop_assert!(interval.contains(float(part) / float(part + rest)));
            prop_assert!(0.0 <= interval.lower && interval.lower < interval.upper && interval.upper <= 1.0);
        }

        #[test]
        fn more_of_the_same_answers_narrow_the_interval(counts in prop::array::uniform11(1_u64..10_000)) {
            for metric in Metric::ALL {
                let few = interval(*metric, &Histogram::from(counts)).unwrap();
                let many = interval(*metric, &Histogram::from(counts.map(|count| 4 * count))).unwrap();
                prop_assert!(many.upper - many.lower < few.upper - few.lower);
            }
        }

        #[test]
        fn bounds_are_possible_figures_in_order(counts in prop::array::uniform11(0_u64..10_000_000)) {
            let answers = Histogram::from(counts);
            for metric in Metric::ALL {
                let floor = if *metric == Metric::Nps { -100.0 } else { 0.0 };
                let bounds = interval(*metric, &answers);
                prop_assert_eq!(bounds.is_some(), headline(*metric, &answers).is_some());
                prop_assert!(bounds.is_none_or(|bounds| floor <= bounds.lower && bounds.lower <= bounds.upper && bounds.upper <= 100.0));
            }
        }
    }
}
