//! What the public report of a survey says, as JSON and as the source of its page.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::State;
use crate::clock::Timestamp;
use crate::i18n::Locale;
use crate::metric::{Histogram, Metric};
use crate::report::figures::Points;

/// The public report of a survey.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Happiness)]
pub struct Snapshot {
    /// Its heading.
    pub title: String,
    /// What is measured.
    pub metric: Metric,
    /// Whether there is anything to see yet.
    pub state: State,
    /// Published votes; while collecting, the votes so far.
    pub n: u64,
    /// Votes before anything is shown.
    pub minimum: u64,
    /// The headline of all published votes. Null while collecting.
    pub score: Option<f64>,
    /// Its 95 % interval. Null while collecting.
    pub interval: Option<[f64; 2]>,
    /// Published votes per point of the scale. Null while collecting.
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    pub counts: Option<Points>,
    /// The figures of the votes listed.
    pub last_100: Last,
    /// The newest published votes, newest first, at most 100.
    pub votes: Vec<Vote>,
    /// Comments whose writers agreed and which the team published, newest first.
    pub comments: Vec<Comment>,
    /// Invitations that were sent.
    pub invited: u64,
    /// Those of them that were answered.
    pub answered: u64,
    /// `answered` of `invited` in percent. Null where nobody was invited.
    pub response_rate: Option<f64>,
    /// Comments that were withheld although their writers agreed, by reason.
    pub withheld: BTreeMap<String, u64>,
    /// The first day of which votes are published. Null while collecting.
    pub since: Option<Day>,
    /// When this report last changed.
    pub updated_at: Timestamp,
}

/// A day in the survey's time zone, written `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = Date)]
pub struct Day(pub NaiveDate);

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The figures of the votes listed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = HappinessOfLast)]
pub struct Last {
    /// How many.
    pub n: u64,
    /// Their headline. Null without a vote.
    pub score: Option<f64>,
    /// Its 95 % interval. Null without a vote.
    pub interval: Option<[f64; 2]>,
}

/// One published vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = HappinessVote)]
pub struct Vote {
    /// The score.
    pub score: u8,
    /// The day of the first answer.
    pub day: Day,
}

/// One published comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = HappinessComment)]
pub struct Comment {
    /// The score that it was given with.
    pub score: u8,
    /// What was written.
    pub text: String,
    /// The day of the first answer.
    pub day: Day,
    /// The language of the page that it was written on.
    pub locale: Locale,
}

impl Snapshot {
    /// The votes listed as a histogram.
    #[must_use]
    pub fn listed(&self) -> Histogram {
        histogram(self.votes.iter().map(|vote| vote.score))
    }

    /// All published votes as a histogram.
    #[must_use]
    pub fn published(&self) -> Histogram {
        let mut votes = Histogram::default();
        for (point, count) in self.counts.iter().flat_map(Points::iter) {
            votes.add(point, count);
        }
        votes
    }
}

/// Scores as a histogram.
pub(super) fn histogram(scores: impl Iterator<Item = u8>) -> Histogram {
    scores.fold(Histogram::default(), |mut votes, score| {
        votes.add(score, 1);
        votes
    })
}
