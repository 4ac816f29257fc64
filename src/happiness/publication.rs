//! Which votes are public. Pure.
//!
//! Votes are counted answers to invitations, in the order of their first answer. They appear in lots, or each once it is a day old, so
//! that nobody can tie a vote to the person who just left; what is public is therefore always a prefix of them, and the few newest wait.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::State;
use super::snapshot::{Comment, Day, Last, Snapshot, Vote, histogram};
use crate::clock::{DAY_MS, Timestamp};
use crate::i18n::Locale;
use crate::metric::rounding::one_decimal;
use crate::metric::{self, Histogram, Interval};
use crate::report::figures::Points;
use crate::survey::Survey;
use crate::tally::day_of;

/// Votes that are listed one by one.
pub const LISTED: usize = 100;
/// Comments that are listed.
pub const COMMENTS: i64 = 10;

/// One counted vote as it is stored.
#[derive(Debug, Clone, Copy)]
pub struct Ballot {
    /// The response.
    pub id: Uuid,
    /// The score that counts.
    pub score: u8,
    /// The day of the first answer in the survey's time zone, by number.
    pub day: i32,
    /// The instant of the first answer. Never shown.
    pub first_answered_at: Timestamp,
}

/// A comment that its writer and the team both let the world see.
#[derive(Debug, Clone)]
pub struct Remark {
    /// The vote that it belongs to.
    pub ballot: Ballot,
    /// What was written.
    pub text: String,
    /// The language of the page that it was written on.
    pub locale: Locale,
}

/// What was read of a survey's votes.
#[derive(Debug, Clone, Default)]
pub struct Votes {
    /// All counted votes by score.
    pub scores: Histogram,
    /// The newest of them, newest first: at least as many as are listed and a lot besides, where there are so many.
    pub newest: Vec<Ballot>,
    /// The day of the very first, by number.
    pub first_day: Option<i32>,
    /// Comments to show, newest first.
    pub remarks: Vec<Remark>,
    /// Invitations that were sent.
    pub invited: u64,
    /// Those of them that were answered.
    pub answered: u64,
}

/// The public report of a survey, and when the next vote becomes a day old and public by that.
#[must_use]
pub fn publish(survey: &Survey, votes: &Votes, now: Timestamp) -> (Snapshot, Option<Timestamp>) {
    let all = votes.scores.n();
    let waiting = waiting(survey, votes, now);
    let (held_back, public) = votes.newest.split_at_checked(waiting).unwrap_or((&votes.newest, &[]));
    let scores = votes.scores.without(&histogram(held_back.iter().map(|ballot| ballot.score)));
    let minimum = count(survey.public.minimum);
    let is_published = scores.n() >= minimum;
    let scores = Some(scores).filter(|_| is_published);
    let listed: Vec<Vote> = public.iter().filter(|_| is_published).take(LISTED).filter_map(vote).collect();
    let shown = |remark: &&Remark| is_published && held_back.iter().all(|ballot| ballot.id != remark.ballot.id);
    let last = histogram(listed.iter().map(|vote| vote.score));
    let metric = survey.metric;
    let snapshot = Snapshot {
        title: title(survey).to_owned(),
        metric,
        state: if is_published { State::Published } else { State::Collecting },
        n: match &scores {
            Some(scores) => scores.n(),
            None if all < minimum => all,
            // enough votes, but the lot that holds the last of them is not complete
            None => all - u64::try_from(waiting).unwrap_or(all),
        },
        minimum,
        score: scores.as_ref().and_then(|scores| metric::headline(metric, scores)).map(one_decimal),
        interval: scores.as_ref().and_then(|scores| metric::interval(metric, scores)).map(Interval::one_decimal),
        counts: scores.as_ref().map(|scores| Points::of(metric, scores)),
        last_100: Last {
            n: last.n(),
            score: metric::headline(metric, &last).map(one_decimal),
            interval: metric::interval(metric, &last).map(Interval::one_decimal),
        },
        votes: listed,
        comments: votes.remarks.iter().filter(shown).filter_map(comment).collect(),
        invited: votes.invited,
        answered: votes.answered,
        response_rate: metric::percentage(votes.answered, votes.invited).map(one_decimal),
        withheld: BTreeMap::new(),
        since: votes.first_day.filter(|_| is_published).and_then(day_of).map(Day),
        updated_at: now,
    };
    let ripens_at = held_back.last().map(|oldest| oldest.first_answered_at.plus_millis(DAY_MS));
    (snapshot, ripens_at)
}

/// How many of the newest votes wait: those beyond the last complete lot, unless they are a day old.
fn waiting(survey: &Survey, votes: &Votes, now: Timestamp) -> usize {
    let beyond = votes.scores.n() % count(survey.public.lot).max(1);
    let beyond = usize::try_from(beyond).unwrap_or(0);
    let is_young = |ballot: &&Ballot| now.since(ballot.first_answered_at) < DAY_MS;
    votes.newest.iter().take(beyond).take_while(is_young).count()
}

/// The heading of a survey's report.
#[must_use]
pub fn title(survey: &Survey) -> &str {
    let public = survey.public.title.as_deref();
    public.or(survey.company.as_deref()).unwrap_or(&survey.name)
}

fn vote(ballot: &Ballot) -> Option<Vote> {
    Some(Vote { score: ballot.score, day: Day(day_of(ballot.day)?) })
}

fn comment(remark: &Remark) -> Option<Comment> {
    let Vote { score, day } = vote(&remark.ballot)?;
    Some(Comment { score, text: remark.text.clone(), day, locale: remark.locale })
}

/// A setting that is checked to be positive.
fn count(setting: i64) -> u64 {
    u64::try_from(setting).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::MINUTE_MS;
    use crate::metric::Metric;
    use crate::survey::wording::tests::survey;

    const NOW: i64 = 20_000 * DAY_MS;

    fn ballot(number: usize, score: u8, minutes_ago: i64) -> Ballot {
        let at = Timestamp::from_millis(NOW - minutes_ago * MINUTE_MS);
        Ballot {
            id: Uuid::from_u128(u128::try_from(number).unwrap()),
            score,
            day: crate::tally::day_number(at.to_utc().date_naive()),
            first_answered_at: at,
        }
    }

    /// Votes given newest first as (score, minutes ago).
    fn votes(given: &[(u8, i64)]) -> Votes {
        let newest: Vec<Ballot> = given.iter().enumerate().map(|(number, (score, ago))| ballot(number, *score, *ago)).collect();
        Votes {
            scores: histogram(newest.iter().map(|ballot| ballot.score)),
            first_day: newest.last().map(|first| first.day),
            newest,
            ..Votes::default()
        }
    }

    /// As many votes of 5, a minute apart, the newest a minute ago.
    fn fresh(count: i64) -> Vec<(u8, i64)> {
        (1..=count).map(|minute| (5, minute)).collect()
    }

    fn published(given: &[(u8, i64)]) -> Snapshot {
        publish(&survey(Metric::Csat, Some("Acme")), &votes(given), Timestamp::from_millis(NOW)).0
    }

    #[test]
    fn nothing_is_shown_below_the_minimum() {
        let snapshot = published(&fresh(7));
        assert_eq!((snapshot.state, snapshot.n, snapshot.minimum), (State::Collecting, 7, 10));
        let shown = serde_json::to_value(&snapshot).unwrap();
        for field in ["score", "interval", "counts", "since"] {
            assert_eq!(shown[field], Value::Null, "{field}");
        }
        assert_eq!((&shown["votes"], &shown["last_100"]), (&json!([]), &json!({"n": 0, "score": null, "interval": null})));
    }

    #[test]
    fn votes_appear_in_lots_and_each_once_it_is_a_day_old() {
        let day = 24 * 60;
        for (young, old, listed) in [(10, 0, 10), (14, 0, 10), (15, 0, 15), (2, 12, 12), (3, 12, 15), (1, 9, 10), (0, 13, 13), (4, 18, 20)]
        {
            let given: Vec<_> = fresh(young).into_iter().chain((0..old).map(|number| (5, day + number))).collect();
            let snapshot = published(&given);
            assert_eq!((snapshot.votes.len(), snapshot.n), (listed, u64::try_from(listed).unwrap()), "{young} young, {old} old");
        }
    }

    #[test]
    fn the_newest_votes_wait_and_say_when_the_next_is_a_day_old() {
        let mut given = fresh(12);
        given[0].0 = 1;
        given[1].0 = 2;
        let (snapshot, ripens_at) = publish(&survey(Metric::Csat, None), &votes(&given), Timestamp::from_millis(NOW));
        assert_eq!((snapshot.score, snapshot.n), (Some(100.0), 10));
        assert!(snapshot.votes.iter().all(|vote| vote.score == 5));
        assert_eq!(ripens_at, Some(Timestamp::from_millis(NOW - 2 * MINUTE_MS + DAY_MS)));
        let (_, ripens_at) = publish(&survey(Metric::Csat, None), &votes(&fresh(10)), Timestamp::from_millis(NOW));
        assert_eq!(ripens_at, None);
    }

    #[test]
    fn a_hundred_votes_are_listed_and_all_published_ones_counted() {
        let mut given = fresh(250);
        for vote in given.iter_mut().skip(100) {
            vote.0 = 1;
        }
        let mut votes = votes(&given);
        votes.newest.truncate(105);
        let (snapshot, _) = publish(&survey(Metric::Csat, None), &votes, Timestamp::from_millis(NOW));
        assert_eq!((snapshot.n, snapshot.score), (250, Some(40.0)));
        assert_eq!(snapshot.last_100, Last { n: 100, score: Some(100.0), interval: Some([96.3, 100.0]) });
        assert_eq!(snapshot.votes.len(), LISTED);
        assert_eq!((snapshot.published(), snapshot.listed().n()), (votes.scores, 100));
    }

    #[test]
    fn a_minimum_between_two_lots_is_met_by_the_lot_that_completes_it() {
        let mut survey = survey(Metric::Csat, None);
        survey.public.minimum = 12;
        for (given, state, n) in [(11, State::Collecting, 11), (13, State::Collecting, 10), (15, State::Published, 15)] {
            let (snapshot, _) = publish(&survey, &votes(&fresh(given)), Timestamp::from_millis(NOW));
            assert_eq!((snapshot.state, snapshot.n), (state, n), "{given} votes");
        }
    }

    #[test]
    fn a_comment_waits_for_its_vote() {
        let mut votes = votes(&fresh(11));
        let remark = |number: usize| Remark { ballot: votes.newest[number], text: number.to_string(), locale: Locale::Fa };
        votes.remarks = vec![remark(0), remark(3)];
        let (snapshot, _) = publish(&survey(Metric::Csat, None), &votes, Timestamp::from_millis(NOW));
        assert_eq!(snapshot.comments.iter().map(|comment| comment.text.as_str()).collect::<Vec<_>>(), ["3"]);
    }

    #[test]
    fn only_days_are_told_never_the_time() {
        let shown = serde_json::to_value(published(&fresh(10))).unwrap();
        assert_eq!(shown["votes"][0], json!({"score": 5, "day": "2024-10-03"}));
        assert_eq!(shown["since"], "2024-10-03");
    }

    #[test]
    fn a_report_is_headed_by_its_title_the_company_or_the_survey() {
        let mut named = survey(Metric::Nps, Some("Acme"));
        assert_eq!((title(&named), title(&survey(Metric::Nps, None))), ("Acme", "Support"));
        named.public.title = Some("Acme helps".to_owned());
        assert_eq!(title(&named), "Acme helps");
    }
}
