//! When to try again. Pure.

use super::{Claimed, Settlement};
use crate::clock::Timestamp;
use crate::random::Random;

/// How much an attempt may be moved so that not all come back at once: up to a fifth later.
const JITTER_PARTS: i64 = 5;

/// Milliseconds to wait after failed attempt number `attempt` (from 1), or `None` when the schedule is used up.
/// `jitter` is any random number; `retry_after_ms` is what the other side asked for and is honoured when longer.
#[must_use]
pub fn delay(attempt: i32, schedule_ms: &[i64], jitter: u32, retry_after_ms: Option<i64>) -> Option<i64> {
    let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
    let wait = *schedule_ms.get(index)?;
    let spread = wait / JITTER_PARTS;
    let moved = if spread > 0 { i64::from(jitter) % (spread + 1) } else { 0 };
    Some((wait + moved).max(retry_after_ms.unwrap_or(0)))
}

/// What is done about a failed attempt: it is tried again when the schedule says, or given up when that is used up.
#[must_use]
pub fn settle(
    message: &Claimed,
    schedule_ms: &[i64],
    (random, now): (&Random, Timestamp),
    why: String,
    retry_after_ms: Option<i64>,
) -> Settlement {
    match delay(message.turn(), schedule_ms, u32::from_be_bytes(random.bytes()), retry_after_ms) {
        Some(wait) => Settlement::Retry(now.plus_millis(wait), why),
        None => Settlement::Failed(why),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEDULE: &[i64] = &[0, 5000, 60_000];

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_the_schedule_and_at_most_a_fifth_longer(attempt in 1..=3_i32, jitter: u32) {
            let wait = delay(attempt, SCHEDULE, jitter, None).unwrap();
            let planned = SCHEDULE[usize::try_from(attempt).unwrap() - 1];
            prop_assert!((planned..=planned + planned / 5).contains(&wait));
        }
    }

    #[test]
    fn after_the_last_wait_a_message_is_given_up() {
        assert_eq!(delay(4, SCHEDULE, 0, None), None);
        assert_eq!(delay(0, SCHEDULE, 0, None), None);
        assert_eq!(delay(1, &[], 0, None), None);
    }

    #[test]
    fn what_the_other_side_asks_for_is_honoured_when_longer() {
        assert_eq!(delay(2, SCHEDULE, 0, Some(9000)), Some(9000));
        assert_eq!(delay(2, SCHEDULE, 0, Some(10)), Some(5000));
    }
}
