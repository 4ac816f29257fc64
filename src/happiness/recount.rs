//! What is read of a survey's votes for its report, and what is remembered from one reading to the next.
//!
//! Reading must not grow with the survey: the newest votes are counted anew each time, and of the older ones a count is kept, which is
//! taken again so seldom that it costs a fiftieth of a processor at most. So a complete lot is visible at once; an old answer that was
//! changed or excluded in a survey of very many votes some seconds or minutes later.

use std::time::{Duration, Instant};

use super::publication::{Remark, Votes};
use super::store;
use crate::clock::Timestamp;
use crate::db::{Result, Session};
use crate::metric::Histogram;
use crate::survey::{Survey, SurveyId};

/// Votes that are counted anew each time.
const RECENT: i64 = 20_000;
/// A recount takes place when this many times its own length has passed.
const REST: u32 = 50;

/// What was counted of a whole survey.
#[derive(Debug)]
pub struct Base {
    /// The newest vote in `scores`.
    until: Timestamp,
    scores: Histogram,
    first_day: Option<i32>,
    remarks: Vec<Remark>,
    invited: (u64, u64),
    at: Instant,
    took: Duration,
}

impl Base {
    async fn read(session: &mut impl Session, survey: SurveyId) -> Result<Self> {
        let at = Instant::now();
        let beginning = Timestamp::from_millis(i64::MIN);
        let until = store::find_nth(session, survey, RECENT).await?.unwrap_or(beginning);
        Ok(Self {
            scores: store::count(session, survey, (beginning, until)).await?,
            first_day: store::first_day(session, survey).await?,
            remarks: store::remarks(session, survey).await?,
            invited: store::invited(session, survey).await?,
            until,
            at,
            took: at.elapsed(),
        })
    }

    fn is_due(&self) -> bool {
        let is_small = self.scores.n() == 0 && i64::try_from(self.invited.0).is_ok_and(|invited| invited <= RECENT);
        is_small || self.at.elapsed() >= self.took * REST
    }
}

/// Reads what is to be published of a survey.
///
/// # Errors
/// When the database cannot answer.
pub async fn read(session: &mut impl Session, survey: &Survey, kept: &mut Option<Base>) -> Result<Votes> {
    let base = match kept.take().filter(|base| !base.is_due()) {
        Some(base) => base,
        None => Base::read(session, survey.id).await?,
    };
    let base = kept.insert(base);
    let newest = store::newest(session, survey.id, survey.public.lot).await?;
    let mut scores = base.scores.clone();
    if let Some(last) = newest.first() {
        // not beyond the last of them, or a vote that is stored just now would be counted but not listed
        scores.merge(&store::count(session, survey.id, (base.until, last.first_answered_at)).await?);
    }
    Ok(Votes {
        scores,
        newest,
        first_day: base.first_day,
        remarks: base.remarks.clone(),
        invited: base.invited.0,
        answered: base.invited.1,
    })
}
