//! A breakdown: counts per group in, rows with figures out. Pure.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use utoipa::ToSchema;

use super::By;
use super::figures::{DifferenceFigures, Figures};
use crate::metric::{self, Histogram, Metric};
use crate::tally::Counts;

/// What a group without a value is called.
const NO_VALUE: &str = "(none)";

/// One group, or one stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Row {
    /// What it is filtered by: the agent's key, the source's id, the value itself; a day or the first day of a week `YYYY-MM-DD`,
    /// a month `YYYY-MM`, a point of the scale. Empty for what has no value.
    pub key: String,
    /// What it is called: the agent's latest name, the source's name, otherwise the key; `(none)` for what has no value.
    pub label: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// Its headline less that of everything else in the report. Null where there is nothing else, and in rows by score.
    pub versus_rest: Option<DifferenceFigures>,
}

/// Names by key.
pub type Labels = HashMap<String, String>;

/// The sum of some counts.
#[must_use]
pub fn sum<'a>(counts: impl IntoIterator<Item = &'a Counts>) -> Counts {
    counts.into_iter().fold(Counts::default(), |mut total, part| {
        total.add(part);
        total
    })
}

/// The rows of a report: groups in which anything was answered or sent, those with the most answers first; stretches of time and
/// scores ascending.
#[must_use]
pub fn rows(metric: Metric, by: By, total: &Counts, groups: &BTreeMap<String, Counts>, labels: &Labels) -> Vec<Row> {
    if by == By::Score {
        return by_score(metric, &total.histogram());
    }
    let all = total.histogram();
    let mut rows: Vec<Row> = groups
        .iter()
        .map(|(key, counts)| {
            let answers = counts.histogram();
            Row {
                key: key.clone(),
                label: label(key, labels),
                figures: Figures::of(metric, counts),
                versus_rest: metric::difference(metric, &answers, &all.without(&answers)).map(DifferenceFigures::from),
            }
        })
        .filter(|row| row.figures.n > 0 || row.figures.delivered > Some(0))
        .collect();
    if !by.is_time() {
        // a stable sort: groups of equal size stay in the order of their keys
        rows.sort_by_key(|row| std::cmp::Reverse(row.figures.n));
    }
    rows
}

fn label(key: &str, labels: &Labels) -> String {
    let known = labels.get(key).map_or(key, String::as_str);
    if known.is_empty() { NO_VALUE } else { known }.to_owned()
}

/// One row for each point of the scale, zeros included.
fn by_score(metric: Metric, answers: &Histogram) -> Vec<Row> {
    let row = |(point, count): (u8, u64)| {
        let mut of_point = Histogram::default();
        of_point.add(point, count);
        Row { key: point.to_string(), label: point.to_string(), figures: Figures::of_answers(metric, &of_point), versus_rest: None }
    };
    answers.counts(metric).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Verdict;

    /// `low` answers of 1 and `high` answers of 5.
    fn csat(low: i64, high: i64, delivered: i64) -> Counts {
        let mut counts = Counts { delivered, ..Counts::default() };
        counts.score(1, low);
        counts.score(5, high);
        counts
    }

    fn groups(of: &[(&str, Counts)]) -> BTreeMap<String, Counts> {
        of.iter().map(|(key, counts)| ((*key).to_owned(), counts.clone())).collect()
    }

    fn keys(rows: &[Row]) -> Vec<&str> {
        rows.iter().map(|row| row.key.as_str()).collect()
    }

    #[test]
    fn the_largest_group_comes_first_and_time_runs_forward() {
        let groups =
            groups(&[("a", csat(1, 1, 0)), ("b", csat(5, 5, 0)), ("c", csat(0, 2, 0)), ("d", csat(0, 0, 3)), ("e", csat(0, 0, 0))]);
        let total = sum(groups.values());
        assert_eq!(keys(&rows(Metric::Csat, By::Team, &total, &groups, &Labels::new())), ["b", "a", "c", "d"]);
        assert_eq!(keys(&rows(Metric::Csat, By::Week, &total, &groups, &Labels::new())), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_group_is_compared_with_everything_else() {
        let groups = groups(&[("a", csat(10, 90, 0)), ("b", csat(90, 10, 0))]);
        let rows = rows(Metric::Csat, By::Agent, &sum(groups.values()), &groups, &Labels::new());
        let versus: Vec<_> = rows.iter().map(|row| row.versus_rest.as_ref().map(|versus| (versus.value, versus.verdict))).collect();
        assert_eq!(versus, [Some((80.0, Verdict::Better)), Some((-80.0, Verdict::Worse))]);
    }

    #[test]
    fn the_only_group_has_no_rest() {
        let groups = groups(&[("a", csat(1, 9, 0)), ("b", csat(0, 0, 4))]);
        let rows = rows(Metric::Csat, By::Agent, &sum(groups.values()), &groups, &Labels::new());
        assert!(rows.iter().all(|row| row.versus_rest.is_none()));
        assert_eq!((rows[1].figures.score, rows[1].figures.response_rate), (None, Some(0.0)));
    }

    #[test]
    fn tags_are_compared_with_all_answers_once() {
        // ten answers bear both tags, ten none
        let groups = groups(&[("vip", csat(0, 10, 0)), ("late", csat(0, 10, 0))]);
        let rows = rows(Metric::Csat, By::Tag, &csat(10, 10, 0), &groups, &Labels::new());
        assert!(rows.iter().all(|row| row.versus_rest.as_ref().unwrap().value > 99.0));
    }

    #[test]
    fn a_row_is_called_by_its_name_its_key_or_none() {
        let groups = groups(&[("", csat(0, 1, 0)), ("17", csat(0, 3, 0)), ("18", csat(0, 2, 0))]);
        let labels = Labels::from([("17".to_owned(), "Jonas".to_owned())]);
        let rows = rows(Metric::Csat, By::Agent, &sum(groups.values()), &groups, &labels);
        let named: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.label.as_str())).collect();
        assert_eq!(named, [("17", "Jonas"), ("18", "18"), ("", "(none)")]);
    }

    #[test]
    fn every_score_has_a_row_and_claims_only_what_is_counted_per_score() {
        let rows = rows(Metric::Csat, By::Score, &csat(2, 3, 9), &BTreeMap::new(), &Labels::new());
        assert_eq!(keys(&rows), ["1", "2", "3", "4", "5"]);
        assert_eq!(rows.iter().map(|row| row.figures.n).collect::<Vec<_>>(), [2, 0, 0, 0, 3]);
        assert!(rows.iter().all(|row| row.figures.delivered.is_none() && row.figures.comments.is_none()));
        assert_eq!(rows[1].figures.score, None);
    }
}
