//! The histogram of scores: how many answers gave each score. Every figure is a function of it.

use std::array;

use super::rounding::percentages;
use super::{Band, Metric};

/// How many answers gave each score from 0 to 10, as they count (7 is easy for CES).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram([u64; 11]);

/// One number for each band of the scale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bands {
    /// CSAT 1-2, CES 1-3, NPS 0-6.
    pub low: u64,
    /// CSAT 3, CES 4, NPS 7-8.
    pub middle: u64,
    /// CSAT 4-5, CES 5-7, NPS 9-10.
    pub high: u64,
}

impl Histogram {
    /// Adds `count` answers of one score; a score above 10 is on no scale and is left out.
    pub fn add(&mut self, score: u8, count: u64) {
        if let Some(held) = self.0.get_mut(usize::from(score)) {
            *held = held.saturating_add(count);
        }
    }

    /// Adds all answers of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (score, count) in (0_u8..).zip(other.0) {
            self.add(score, count);
        }
    }

    /// What remains without the answers of `part`: the rest that a group is compared with.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        let mut pairs = self.0.into_iter().zip(part.0);
        Self(array::from_fn(|_| pairs.next().map_or(0, |(all, part)| all.saturating_sub(part))))
    }

    /// How many answers there are.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.0.iter().fold(0, |n, count| n.saturating_add(*count))
    }

    /// How many answers gave this score.
    #[must_use]
    pub fn count(&self, score: u8) -> u64 {
        self.0.get(usize::from(score)).copied().unwrap_or(0)
    }

    /// Every point of the scale with its count, ascending, zeros included.
    pub fn counts(&self, metric: Metric) -> impl Iterator<Item = (u8, u64)> + use<'_> {
        metric.points().map(|point| (point, self.count(point)))
    }

    /// How many answers fall in each band; scores off the metric's scale are in none.
    #[must_use]
    pub fn bands(&self, metric: Metric) -> Bands {
        self.counts(metric).fold(Bands::default(), |mut bands, (point, count)| {
            let band = match metric.band(point) {
                Band::Low => &mut bands.low,
                Band::Middle => &mut bands.middle,
                Band::High => &mut bands.high,
            };
            *band = band.saturating_add(count);
            bands
        })
    }
}

impl From<[u64; 11]> for Histogram {
    /// The counts of the scores 0 to 10, in order.
    fn from(counts: [u64; 11]) -> Self {
        Self(counts)
    }
}

impl Bands {
    /// The sum over the bands.
    #[must_use]
    pub fn n(self) -> u64 {
        self.low.saturating_add(self.middle).saturating_add(self.high)
    }

    /// The same bands in whole percent, which add to 100 (all zero where there is no answer).
    #[must_use]
    pub fn percent(self) -> Self {
        let mut shares = percentages(&[self.low, self.middle, self.high]).into_iter();
        let mut next = || shares.next().unwrap_or(0);
        Self { low: next(), middle: next(), high: next() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram() -> impl Strategy<Value = Histogram> {
        array::from_fn::<_, 11, _>(|_| 0_u64..1_000_000).prop_map(Histogram::from)
    }

    #[test]
    fn every_point_is_listed_zeros_included_and_only_those_of_the_scale() {
        let mut answers = Histogram::default();
        answers.add(2, 5);
        assert_eq!(answers.counts(Metric::Csat).collect::<Vec<_>>(), [(1, 0), (2, 5), (3, 0), (4, 0), (5, 0)]);
        assert_eq!(answers.counts(Metric::Nps).count(), 11);
    }

    #[test]
    fn zero_is_an_answer_and_eleven_is_none() {
        let mut answers = Histogram::default();
        answers.add(0, 1);
        answers.add(11, 1);
        assert_eq!((answers.n(), answers.count(0), answers.count(11)), (1, 1, 0));
        assert_eq!(answers.bands(Metric::Nps).low, 1);
    }

    #[test]
    fn a_count_at_its_limit_stays_there() {
        let mut answers = Histogram::from([u64::MAX; 11]);
        answers.add(3, 1);
        assert_eq!((answers.count(3), answers.n()), (u64::MAX, u64::MAX));
    }

    #[test]
    fn bands_in_percent_add_to_a_hundred() {
        let thirds = Bands { low: 1, middle: 1, high: 1 };
        assert_eq!(thirds.percent(), Bands { low: 34, middle: 33, high: 33 });
        assert_eq!(Bands::default().percent(), Bands::default());
    }

    proptest! {
        #[test]
        fn taking_a_part_out_undoes_merging_it(rest in histogram(), part in histogram()) {
            let mut all = rest.clone();
            all.merge(&part);
            prop_assert_eq!(all.n(), rest.n() + part.n());
            prop_assert_eq!(all.without(&part), rest);
        }

        #[test]
        fn nothing_less_than_zero_remains(all in histogram(), part in histogram()) {
            let rest = all.without(&part);
            for score in 0..=10 {
                prop_assert_eq!(rest.count(score), all.count(score).saturating_sub(part.count(score)));
            }
        }

        #[test]
        fn every_answer_on_the_scale_is_in_one_band(answers in histogram()) {
            for metric in Metric::ALL {
                let on_scale: u64 = answers.counts(*metric).map(|(_, count)| count).sum();
                prop_assert_eq!(answers.bands(*metric).n(), on_scale);
            }
        }
    }
}
