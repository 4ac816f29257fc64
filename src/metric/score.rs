//! The headline of a metric and its mean, unrounded.

use super::{Histogram, Metric, float};

/// The headline figure: CSAT and CES the percentage of answers in the high band, 0 to 100; NPS the percentage of promoters less that
/// of detractors, -100 to 100. None without an answer: nothing is not zero.
#[must_use]
pub fn headline(metric: Metric, answers: &Histogram) -> Option<f64> {
    let bands = answers.bands(metric);
    let points = match metric {
        Metric::Csat | Metric::Ces => float(bands.high),
        Metric::Nps => float(bands.high) - float(bands.low),
    };
    (bands.n() > 0).then(|| 100.0 * points / float(bands.n()))
}

/// The mean score in points of the scale. None without an answer.
#[must_use]
pub fn mean(metric: Metric, answers: &Histogram) -> Option<f64> {
    let n = answers.bands(metric).n();
    let sum: f64 = answers.counts(metric).map(|(point, count)| f64::from(point) * float(count)).sum();
    (n > 0).then(|| sum / float(n))
}

/// `part` of `whole` in percent. None where the whole is 0.
#[must_use]
pub fn percentage(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * float(part) / float(whole))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metric::{Scale, interval};

    #[test]
    fn nothing_is_not_zero() {
        for metric in Metric::ALL {
            assert_eq!(headline(*metric, &Histogram::default()), None);
            assert_eq!(mean(*metric, &Histogram::default()), None);
        }
    }

    #[test]
    fn an_nps_answer_of_zero_is_an_answer() {
        let mut answers = Histogram::default();
        answers.add(0, 1);
        assert_eq!(headline(Metric::Nps, &answers), Some(-100.0));
        assert_eq!(mean(Metric::Nps, &answers), Some(0.0));
    }

    proptest! {
        #[test]
        fn both_ces_forms_give_equal_figures(ease in prop::collection::vec(1_u8..=7, 0..50)) {
            let (mut agree, mut effort) = (Histogram::default(), Histogram::default());
            for point in ease {
                agree.add(Scale::Agree.counted(point), 1);
                effort.add(Scale::Effort.counted(8 - point), 1);
            }
            prop_assert_eq!(headline(Metric::Ces, &agree), headline(Metric::Ces, &effort));
            prop_assert_eq!(mean(Metric::Ces, &agree), mean(Metric::Ces, &effort));
            prop_assert_eq!(interval(Metric::Ces, &agree), interval(Metric::Ces, &effort));
        }

        #[test]
        fn figures_stay_on_their_scale(counts in prop::array::uniform11(0_u64..10_000_000)) {
            let answers = Histogram::from(counts);
            for metric in Metric::ALL {
                let (low, high) = metric.ends();
                let floor = if *metric == Metric::Nps { -100.0 } else { 0.0 };
                prop_assert!(headline(*metric, &answers).is_none_or(|score| (floor..=100.0).contains(&score)));
                prop_assert!(mean(*metric, &answers).is_none_or(|mean| (f64::from(low)..=f64::from(high)).contains(&mean)));
            }
        }
    }
}
