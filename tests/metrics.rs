//! Every worked example of `vectors/metrics.json`: the figures that other programs and statisticians arrive at.
#![expect(clippy::unwrap_used, reason = "a worked example that cannot be read must fail the test")]

use std::collections::BTreeMap;

use chrono_tz::Tz;
use nabz::clock::Timestamp;
use nabz::metric::{Histogram, Interval, Metric, Scale, Verdict, difference, headline, interval, mean, rounding, wilson};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    wilson: Vec<Wilson>,
    csat: Vec<Scores>,
    ces: Vec<Scores>,
    nps: Vec<Nps>,
    rounding: Vec<Rounding>,
    group_percentages: Vec<GroupPercentages>,
    difference_shares: Vec<DifferenceShares>,
    difference_nps: Vec<DifferenceNps>,
    day_of: Vec<DayOf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wilson {
    x: u64,
    n: u64,
    interval: Option<[f64; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scores {
    #[serde(alias = "raw_counts")]
    counts: BTreeMap<String, u64>,
    #[serde(default = "agree")]
    scale: Scale,
    n: Option<u64>,
    score: f64,
    mean: f64,
    interval_percent: Option<[f64; 2]>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nps {
    promoters: u64,
    passives: u64,
    detractors: u64,
    score: f64,
    interval: [f64; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rounding {
    promoters: u64,
    passives: u64,
    detractors: u64,
    shown: i64,
    #[serde(rename = "note")]
    _note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupPercentages {
    counts: [u64; 3],
    percent: [u64; 3],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DifferenceShares {
    x1: u64,
    n1: u64,
    x2: u64,
    n2: u64,
    difference: f64,
    lower: f64,
    upper: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DifferenceNps {
    raw: f64,
    adjusted: f64,
    lower: f64,
    upper: f64,
    now: [u64; 3],
    before: [u64; 3],
    verdict: Verdict,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DayOf {
    instant: String,
    zone: String,
    day: String,
}

fn agree() -> Scale {
    Scale::Agree
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/metrics.json")).unwrap()
}

/// The worked number, given with some decimals, is the one computed.
#[track_caller]
fn assert_near(computed: f64, worked: f64, tolerance: f64) {
    assert!((computed - worked).abs() <= tolerance, "computed {computed}, worked example {worked}");
}

#[track_caller]
fn assert_interval(computed: Option<Interval>, [lower, upper]: [f64; 2], tolerance: f64) {
    let computed = computed.unwrap();
    assert_near(computed.lower, lower, tolerance);
    assert_near(computed.upper, upper, tolerance);
}

/// `part` of `n` answers satisfied.
fn satisfied(part: u64, n: u64) -> Histogram {
    Histogram::from([0, n - part, 0, 0, 0, part, 0, 0, 0, 0, 0])
}

/// Answers by NPS group, spread over the points of each group.
fn groups(promoters: u64, passives: u64, detractors: u64) -> Histogram {
    let mut answers = Histogram::from([detractors / 2, 0, 0, 0, 0, 0, detractors.div_ceil(2), passives / 2, passives.div_ceil(2), 0, 0]);
    answers.merge(&Histogram::from([0, 0, 0, 0, 0, 0, 0, 0, 0, promoters / 2, promoters.div_ceil(2)]));
    answers
}

fn check_scores(metric: Metric, example: &Scores) {
    let mut answers = Histogram::default();
    for (raw, count) in &example.counts {
        answers.add(example.scale.counted(raw.parse().unwrap()), *count);
    }
    assert!(example.n.is_none_or(|n| n == answers.n()));
    let score = headline(metric, &answers).unwrap();
    assert_near(rounding::one_decimal(score), example.score, 1e-9);
    assert_near(mean(metric, &answers).unwrap(), example.mean, 0.000_05);
    if let Some(worked) = example.interval_percent {
        assert_interval(interval(metric, &answers), worked, 0.000_05);
    }
}

#[test]
fn shares_have_the_intervals_of_wilson() {
    for example in vectors().wilson {
        let Some(worked) = example.interval else {
            assert_eq!(wilson(example.x, example.n), None);
            assert_eq!(interval(Metric::Csat, &satisfied(example.x, example.n)), None);
            continue;
        };
        assert_interval(wilson(example.x, example.n), worked, 0.000_000_5);
        for metric in [Metric::Csat, Metric::Ces] {
            let top = if metric == Metric::Csat { 5 } else { 7 };
            let mut answers = Histogram::default();
            answers.add(top, example.x);
            answers.add(1, example.n - example.x);
            assert_interval(interval(metric, &answers), worked.map(|share| 100.0 * share), 0.000_05);
        }
    }
}

#[test]
fn satisfaction_is_the_share_of_the_two_highest_scores() {
    for example in &vectors().csat {
        check_scores(Metric::Csat, example);
    }
}

#[test]
fn ease_is_the_same_through_either_form_of_the_question() {
    let examples = vectors().ces;
    assert!(examples.iter().any(|example| example.scale == Scale::Effort));
    for example in &examples {
        check_scores(Metric::Ces, example);
    }
}

#[test]
fn nps_is_promoters_less_detractors_within_the_adjusted_interval() {
    for example in vectors().nps {
        let answers = groups(example.promoters, example.passives, example.detractors);
        assert_near(headline(Metric::Nps, &answers).unwrap(), example.score, 0.000_000_5);
        assert_interval(interval(Metric::Nps, &answers), example.interval, 0.000_5);
    }
}

#[test]
fn nps_is_rounded_once_and_never_shows_minus_zero() {
    for example in vectors().rounding {
        let answers = groups(example.promoters, example.passives, example.detractors);
        let score = headline(Metric::Nps, &answers).unwrap();
        assert_eq!(rounding::whole(score), example.shown);
    }
}

#[test]
fn group_percentages_add_to_a_hundred() {
    for example in vectors().group_percentages {
        assert_eq!(rounding::percentages(&example.counts), example.percent);
        let [high, middle, low] = example.counts;
        let shown = groups(high, middle, low).bands(Metric::Nps);
        assert_eq!([shown.high, shown.middle, shown.low], example.counts);
    }
}

#[test]
fn shares_differ_as_newcombe_says() {
    for example in vectors().difference_shares {
        let (now, before) = (satisfied(example.x1, example.n1), satisfied(example.x2, example.n2));
        let found = difference(Metric::Csat, &now, &before).unwrap();
        assert_near(found.value, 100.0 * example.difference, 0.000_05);
        assert_interval(Some(found.interval), [100.0 * example.lower, 100.0 * example.upper], 0.000_05);
        let expected = if example.lower > 0.0 { Verdict::Better } else { Verdict::WithinChance };
        assert_eq!(found.verdict, expected);
    }
}

#[test]
fn nps_differs_by_its_adjusted_scores() {
    for example in vectors().difference_nps {
        let [now, before] = [example.now, example.before].map(|[high, middle, low]| groups(high, middle, low));
        let found = difference(Metric::Nps, &now, &before).unwrap();
        assert_near(found.value, example.raw, 0.000_5);
        assert_near(f64::midpoint(found.interval.lower, found.interval.upper), example.adjusted, 0.000_5);
        assert_interval(Some(found.interval), [example.lower, example.upper], 0.000_5);
        assert_eq!(found.verdict, example.verdict);
    }
}

#[test]
fn a_day_begins_at_midnight_of_the_survey_s_zone() {
    for example in vectors().day_of {
        let at = Timestamp::parse(&example.instant).unwrap();
        let zone: Tz = example.zone.parse().unwrap();
        assert_eq!(at.day_in(zone).to_string(), example.day, "{} in {zone}", example.instant);
    }
}
