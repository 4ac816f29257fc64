//! Whether the message of an invitation can be sent once more. Pure.

pub mod store;

use self::store::Reach;
use super::{State, reach};
use crate::clock::{MINUTE_MS, Timestamp};
use crate::survey::Survey;

/// Milliseconds between two messages that somebody asks for.
const PAUSE_MS: i64 = 10 * MINUTE_MS;

/// Why a message cannot be sent once more, for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It no longer waits for an answer.
    #[error("The invitation is {0}: only one that waits for an answer or failed can be sent once more.")]
    Over(State),
    /// The survey takes no answers.
    #[error("The survey is archived.")]
    Archived,
    /// The survey sends nothing for now.
    #[error("The survey is paused: switch it on again first.")]
    Paused,
    /// The survey never sends anything.
    #[error("The survey sends no messages: you have the link.")]
    PassedOn,
    /// The customer unsubscribed, or mail to them came back.
    #[error("Mail to the customer is suppressed.")]
    Suppressed,
    /// There is no address.
    #[error("There is no address of the customer any more.")]
    NoAddress,
    /// A worker has it.
    #[error("The message is being sent right now.")]
    Leaving,
    /// It was sent once more lately; seconds to wait.
    #[error("The message was sent once more less than 10 minutes ago.")]
    TooSoon(u64),
}

/// Why the message of an invitation cannot be sent once more now, if it cannot. A failed one counts as one that waits.
#[must_use]
pub fn refusal((state, expires_at): (State, Timestamp), reach: &Reach, survey: &Survey, now: Timestamp) -> Option<Refusal> {
    let wait_ms = reach.resent_at.map_or(0, |at| at.plus_millis(PAUSE_MS).since(now));
    let open = if state == State::Failed { State::Scheduled } else { state };
    match open.at(now, expires_at) {
        _ if survey.archived_at.is_some() => Some(Refusal::Archived),
        State::Scheduled | State::Sent => None,
        state => Some(Refusal::Over(state)),
    }
    .or(survey.deliver.is_empty().then_some(Refusal::PassedOn))
    .or(reach.is_suppressed.then_some(Refusal::Suppressed))
    .or(reach::channels(survey, &reach.customer()).is_empty().then_some(Refusal::NoAddress))
    .or(survey.policy.paused.then_some(Refusal::Paused))
    .or(u64::try_from(wait_ms).ok().filter(|wait_ms| *wait_ms > 0).map(|wait_ms| Refusal::TooSoon(wait_ms.div_ceil(1000))))
    .or(reach.is_leaving.then_some(Refusal::Leaving))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::survey::wording::tests::survey;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn reach() -> Reach {
        Reach {
            email: Some("sara@example.com".to_owned()),
            phone: None,
            reference: None,
            is_suppressed: false,
            resent_at: None,
            is_leaving: false,
        }
    }

    fn asked(state: State, reach: &Reach, change: fn(&mut Survey)) -> Option<Refusal> {
        let mut survey = survey(Metric::Csat, None);
        change(&mut survey);
        refusal((state, NOW.plus_days(1)), reach, &survey, NOW)
    }

    #[test]
    fn only_what_waits_for_an_answer_or_failed_is_sent_once_more() {
        for state in State::ALL {
            let is_open = matches!(state, State::Scheduled | State::Sent | State::Failed);
            assert_eq!(asked(*state, &reach(), |_| {}), (!is_open).then_some(Refusal::Over(*state)));
            if is_open {
                let survey = survey(Metric::Csat, None);
                assert_eq!(refusal((*state, NOW), &reach(), &survey, NOW), Some(Refusal::Over(State::Expired)));
            }
        }
    }

    #[test]
    fn every_other_hindrance_is_named() {
        type Case = (Reach, fn(&mut Survey), Refusal);
        let cases: [Case; 8] = [
            (reach(), |survey| survey.archived_at = Some(NOW), Refusal::Archived),
            (reach(), |survey| survey.policy.paused = true, Refusal::Paused),
            (reach(), |survey| survey.deliver.clear(), Refusal::PassedOn),
            (Reach { is_suppressed: true, ..reach() }, |_| {}, Refusal::Suppressed),
            (Reach { email: None, ..reach() }, |_| {}, Refusal::NoAddress),
            (Reach { is_leaving: true, ..reach() }, |_| {}, Refusal::Leaving),
            (Reach { resent_at: Some(NOW.plus_millis(1 - PAUSE_MS)), ..reach() }, |_| {}, Refusal::TooSoon(1)),
            (Reach { resent_at: Some(NOW), ..reach() }, |_| {}, Refusal::TooSoon(600)),
        ];
        for (reach, change, expected) in cases {
            assert_eq!(asked(State::Sent, &reach, change), Some(expected));
        }
        assert_eq!(asked(State::Sent, &Reach { resent_at: Some(NOW.plus_millis(-PAUSE_MS)), ..reach() }, |_| {}), None);
    }
}
