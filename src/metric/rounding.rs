//! Rounding, done once, when a figure is shown: half away from zero, and percentages that add to 100.

/// Figures are computed from counts in binary; a decimal tie such as 28.5 may come out a hair below (100 x 0.285). Larger than that
/// hair, some 1e-12 for a figure up to 200 times ten, and smaller than the distance to a tie of any quotient of counts below a billion.
const HAIR: f64 = 1e-11;

/// A figure with one decimal, half away from zero; never -0.
#[must_use]
pub fn one_decimal(figure: f64) -> f64 {
    half_away(figure * 10.0) / 10.0
}

/// A figure with two decimals, half away from zero; never -0.
#[must_use]
pub fn two_decimals(figure: f64) -> f64 {
    half_away(figure * 100.0) / 100.0
}

/// A figure as a whole number, half away from zero; never -0. Not a number gives 0.
#[must_use]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "already a whole number, and the standard library offers no other way; out of range it saturates"
)]
pub fn whole(figure: f64) -> i64 {
    half_away(figure) as i64
}

/// Whole percentages of a total by largest remainder, so that they add to 100; of equal remainders the first is rounded up. All zero
/// where the total is 0.
#[must_use]
pub fn percentages(counts: &[u64]) -> Vec<u64> {
    let total: u128 = counts.iter().map(|count| u128::from(*count)).sum();
    if total == 0 {
        return vec![0; counts.len()];
    }
    let exact = || counts.iter().map(|count| 100 * u128::from(*count));
    let mut percent: Vec<u64> = exact().map(|hundredfold| u64::try_from(hundredfold / total).unwrap_or(100)).collect();
    let missing = 100_usize.saturating_sub(percent.iter().map(|whole| usize::try_from(*whole).unwrap_or(100)).sum());
    let mut by_remainder: Vec<_> = exact().map(|hundredfold| hundredfold % total).zip(&mut percent).collect();
    // A stable sort: of equal remainders the first stays first.
    by_remainder.sort_by_key(|(remainder, _)| std::cmp::Reverse(*remainder));
    for (_, whole) in by_remainder.into_iter().take(missing) {
        *whole += 1;
    }
    percent
}

/// The nearest whole number, half away from zero; adding 0 turns -0 into 0.
fn half_away(figure: f64) -> f64 {
    (figure + HAIR.copysign(figure)).round() + 0.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metric::float;

    #[test]
    fn a_tie_goes_away_from_zero_even_where_binary_misses_it() {
        assert_eq!(whole(0.285 * 100.0), 29);
        assert_eq!(whole(-0.285 * 100.0), -29);
        assert_eq!((one_decimal(2.85), one_decimal(-2.85)), (2.9, -2.9));
        assert_eq!((one_decimal(1.005 * 10.0), one_decimal(90.05 - 80.0)), (10.1, 10.1));
        assert_eq!((whole(0.5), whole(-0.5), whole(2.5)), (1, -1, 3));
    }

    #[test]
    fn what_is_no_tie_goes_to_the_nearer() {
        assert_eq!((whole(28.499_999), whole(-28.499_999)), (28, -28));
        assert_eq!((one_decimal(33.333_333), one_decimal(66.666_667)), (33.3, 66.7));
        assert_eq!((two_decimals(7.845), two_decimals(4.333_333), two_decimals(-0.001)), (7.85, 4.33, 0.0));
    }

    #[test]
    fn every_share_of_counts_rounds_as_whole_numbers_do() {
        for n in 1_u64..1_000 {
            for part in 0..=n {
                let figure = 100.0 * float(part) / float(n);
                let tenths_by_integers = (2 * 1000 * part + n) / (2 * n);
                assert_eq!(whole(10.0 * one_decimal(figure)), i64::try_from(tenths_by_integers).unwrap(), "{part} of {n}");
                assert_eq!(whole(-figure), -i64::try_from((2 * 100 * part + n) / (2 * n)).unwrap(), "{part} of {n}");
            }
        }
    }

    #[test]
    fn minus_zero_is_never_shown() {
        assert_eq!(one_decimal(-0.04).to_string(), "0");
        assert_eq!(one_decimal(-0.0).to_string(), "0");
        assert_eq!(whole(-0.186), 0);
    }

    #[test]
    fn percentages_of_nothing_are_zero() {
        assert_eq!(percentages(&[0, 0, 0]), [0, 0, 0]);
        assert_eq!(percentages(&[]), [0; 0]);
    }

    #[test]
    fn percentages_of_the_largest_counts_do_not_overflow() {
        assert_eq!(percentages(&[u64::MAX, u64::MAX]), [50, 50]);
    }

    proptest! {
        #[test]
        fn percentages_add_to_a_hundred_and_lie_next_to_the_share(counts in prop::collection::vec(0_u64..10_000_000, 1..12)) {
            let total: u64 = counts.iter().sum();
            prop_assume!(total > 0);
            let percent = percentages(&counts);
            prop_assert_eq!(percent.iter().sum::<u64>(), 100);
            for (whole, count) in percent.iter().zip(&counts) {
                prop_assert!((100 * count / total..=(100 * count).div_ceil(total)).contains(whole));
            }
        }
    }
}
