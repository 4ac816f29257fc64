//! Two histograms against each other, two periods or a group and the rest, and whether chance may explain it.

use crate::db::text_enum;

use super::interval::{Z, adjusted_nps, wilson};
use super::{Bands, Histogram, Interval, Metric, float, headline};

text_enum! {
    /// What a difference says.
    pub enum Verdict {
        /// Higher than before, and chance alone would hardly do it.
        Better = "better",
        /// Lower than before, and chance alone would hardly do it.
        Worse = "worse",
        /// The interval holds 0: it may be chance.
        WithinChance = "within_chance",
    }
}

/// How far two headlines lie apart, in points of the headline (percent points; NPS points).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The headline now less the headline before, from the raw counts.
    pub value: f64,
    /// The 95 % interval of the true difference.
    pub interval: Interval,
    /// What the interval says about it.
    pub verdict: Verdict,
}

/// Compares the answers `now` with those `before` (or a group with the rest). None where either has no answer.
#[must_use]
pub fn difference(metric: Metric, now: &Histogram, before: &Histogram) -> Option<Difference> {
    let value = headline(metric, now)? - headline(metric, before)?;
    let (now, before) = (now.bands(metric), before.bands(metric));
    let interval = match metric {
        Metric::Csat | Metric::Ces => of_shares((now.high, now.n()), (before.high, before.n()))?.in_percent(),
        Metric::Nps => of_nps(now, before),
    };
    Some(Difference { value, interval, verdict: Verdict::of(interval) })
}

/// The interval of the difference of two shares, each given as (part, n): Newcombe's hybrid score interval, method 10 in Statistics in
/// Medicine 17 (1998) 873-890. None where either `n` is 0.
fn of_shares(now: (u64, u64), before: (u64, u64)) -> Option<Interval> {
    let (now_interval, before_interval) = (wilson(now.0, now.1)?, wilson(before.0, before.1)?);
    let (now, before) = (float(now.0) / float(now.1), float(before.0) / float(before.1));
    let below = (now - now_interval.lower).hypot(before_interval.upper - before);
    let above = (now_interval.upper - now).hypot(before - before_interval.lower);
    Some(Interval { lower: now - before - below, upper: now - before + above })
}

/// The interval of the difference of two NPS in points: the adjusted scores' difference, their variances summed.
fn of_nps(now: Bands, before: Bands) -> Interval {
    let (now, before) = (adjusted_nps(now), adjusted_nps(before));
    Interval::around(now.score - before.score, Z * (now.variance + before.variance).sqrt()).in_percent().within(-200.0, 200.0)
}

impl Verdict {
    /// `better` or `worse` only where the interval leaves 0 out.
    fn of(interval: Interval) -> Self {
        if interval.lower > 0.0 {
            Self::Better
        } else if interval.upper < 0.0 {
            Self::Worse
        } else {
            Self::WithinChance
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opposite(verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Better => Verdict::Worse,
            Verdict::Worse => Verdict::Better,
            Verdict::WithinChance => Verdict::WithinChance,
        }
    }

    #[test]
    fn nothing_cannot_be_compared() {
        let some = Histogram::from([1; 11]);
        for metric in Metric::ALL {
            assert_eq!(difference(*metric, &some, &Histogram::default()), None);
            assert_eq!(difference(*metric, &Histogram::default(), &some), None);
        }
    }

    #[test]
    fn an_interval_that_touches_zero_is_within_chance() {
        assert_eq!(Verdict::of(Interval { lower: 0.0, upper: 3.0 }), Verdict::WithinChance);
        assert_eq!(Verdict::of(Interval { lower: 0.1, upper: 3.0 }), Verdict::Better);
        assert_eq!(Verdict::of(Interval { lower: -3.0, upper: -0.1 }), Verdict::Worse);
    }

    proptest! {
        #[test]
        fn exchanging_the_two_turns_the_difference_round(
            now in prop::array::uniform11(0_u64..100_000), before in prop::array::uniform11(0_u64..100_000)
        ) {
            let (now, before) = (Histogram::from(now), Histogram::from(before));
            for metric in Metric::ALL {
                let (Some(there), Some(back)) = (difference(*metric, &now, &before), difference(*metric, &before, &now)) else { continue };
                prop_assert_eq!((there.value, there.interval.lower, there.interval.upper),
                    (-back.value, -back.interval.upper, -back.interval.lower));
                prop_assert_eq!(there.verdict, opposite(back.verdict));
            }
        }

        #[test]
        fn equal_answers_differ_only_by_chance(counts in prop::array::uniform11(1_u64..100_000)) {
            let answers = Histogram::from(counts);
            for metric in Metric::ALL {
                let same = difference(*metric, &answers, &answers).unwrap();
                prop_assert!(same.interval.contains(0.0));
                prop_assert_eq!((same.value, same.verdict), (0.0, Verdict::WithinChance));
            }
        }

        #[test]
        fn a_difference_of_shares_lies_in_its_interval(
            now in prop::array::uniform11(1_u64..100_000), before in prop::array::uniform11(1_u64..100_000)
        ) {
            let found = difference(Metric::Csat, &Histogram::from(now), &Histogram::from(before)).unwrap();
            prop_assert!(found.interval.contains(found.value));
            prop_assert!(found.interval.lower >= -100.0 && found.interval.upper <= 100.0);
        }
    }
}
