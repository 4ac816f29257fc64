//! The counts: per survey, day and group; every report is made of them.

pub mod merge;
pub mod store;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::metric::Histogram;
use crate::survey::SurveyId;

/// What an answer is grouped by, frozen as it was when the interaction closed. Empty where nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// The agent's key.
    pub agent: String,
    /// The team.
    pub team: String,
    /// The channel of the conversation.
    pub channel: String,
    /// What was interacted with.
    pub touchpoint: String,
    /// The customer's language.
    pub locale: String,
    /// The source's id.
    pub source: String,
    /// The customer's segment.
    pub segment: String,
    /// The product.
    pub product: String,
}

/// What is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers per score, as changes: an edit takes one away and adds one.
    pub scores: [i64; 11],
    /// Answers with a comment.
    pub comments: i64,
    /// Invitations sent on this day.
    pub delivered: i64,
    /// Invitations sent on this day and answered since.
    pub answered: i64,
}

impl Counts {
    /// Adds `by` (which may be negative) to the answers of a score.
    pub fn score(&mut self, score: u8, by: i64) {
        if let Some(count) = self.scores.get_mut(usize::from(score)) {
            *count += by;
        }
    }

    fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Adds other counts to these.
    pub fn add(&mut self, other: &Self) {
        for (mine, its) in self.scores.iter_mut().zip(other.scores) {
            *mine += its;
        }
        self.comments += other.comments;
        self.delivered += other.delivered;
        self.answered += other.answered;
    }

    /// The answers as a histogram; a count below zero cannot be and reads as none.
    #[must_use]
    pub fn histogram(&self) -> Histogram {
        Histogram::from(self.scores.map(|count| u64::try_from(count).unwrap_or(0)))
    }
}

/// Where a count belongs within its group: survey, tag (empty for all), day.
type Place = (SurveyId, String, i32);

/// Changes of counts that are written together. A group's few places stand in a list, so that a further count of it copies nothing.
#[derive(Debug, Default)]
pub struct Changes(BTreeMap<Group, Vec<(Place, Counts)>>);

/// Batches that are kept beside the tallies: their ids, and what they change together.
#[derive(Debug, Default)]
pub struct Kept {
    ids: Vec<Uuid>,
    changes: Changes,
}

/// A count that changes: survey, tag, day, group.
type Cell<'a> = (SurveyId, &'a str, i32, &'a Group);

impl Changes {
    /// Adds counts to a day of a group, once for everything and once for each tag.
    pub fn add(&mut self, day: (SurveyId, i32), (group, tags): (&Group, &[String]), counts: &Counts) {
        if !counts.is_zero() {
            self.add_under(std::iter::once("").chain(tags.iter().map(String::as_str)), day, group, counts);
        }
    }

    fn add_under<'a>(&mut self, tags: impl Iterator<Item = &'a str>, day: (SurveyId, i32), group: &Group, counts: &Counts) {
        if let Some(places) = self.0.get_mut(group) {
            return add_to(places, tags, day, counts);
        }
        let mut places = Vec::new();
        add_to(&mut places, tags, day, counts);
        self.0.insert(group.clone(), places);
    }

    /// Whether no count changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.values().flatten().all(|(_, counts)| counts.is_zero())
    }

    /// Adds other changes to these.
    pub fn extend(&mut self, other: Self) {
        for (group, places) in other.0 {
            let Some(mine) = self.0.get_mut(&group) else {
                self.0.insert(group, places);
                continue;
            };
            for ((survey, tag, day), counts) in places {
                add_to(mine, std::iter::once(tag.as_str()), (survey, day), &counts);
            }
        }
    }

    /// What changes, always in the same order.
    fn cells(&self) -> Vec<(Cell<'_>, &Counts)> {
        let mut cells = Vec::with_capacity(self.0.len());
        for (group, places) in &self.0 {
            let mut places: Vec<_> = places.iter().filter(|(_, counts)| !counts.is_zero()).collect();
            places.sort_unstable_by_key(|(place, _)| place);
            cells.extend(places.into_iter().map(|((survey, tag, day), counts)| ((*survey, tag.as_str(), *day, group), counts)));
        }
        cells
    }
}

fn add_to<'a>(places: &mut Vec<(Place, Counts)>, tags: impl Iterator<Item = &'a str>, (survey, day): (SurveyId, i32), counts: &Counts) {
    for tag in tags {
        let same = |((of, named, on), _): &&mut (Place, Counts)| (*on, *of, named.as_str()) == (day, survey, tag);
        match places.iter_mut().find(same) {
            Some((_, kept)) => kept.add(counts),
            None => places.push(((survey, tag.to_owned(), day), counts.clone())),
        }
    }
}

/// The number of a day as it is stored: days since 1970-01-01.
#[must_use]
pub fn day_number(day: NaiveDate) -> i32 {
    day.to_epoch_days()
}

/// The day with this number; `None` beyond the calendar.
#[must_use]
pub fn day_of(number: i32) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(number)
}
