//! When messages leave: after the delay, within the sending hours, not too late. Pure.

use chrono_tz::Tz;

use crate::clock::{DAY_MS, MINUTE_MS, Timestamp};
use crate::survey::Policy;

/// When the message of what is decided now leaves: after the delay, within the sending hours.
#[must_use]
pub fn leaves_at(policy: &Policy, zone: Tz, decided_at: Timestamp) -> Timestamp {
    within_hours(policy, zone, decided_at.plus_millis(policy.delay_minutes.saturating_mul(MINUTE_MS)))
}

/// The first instant from `at` on that lies within the sending hours.
#[must_use]
pub fn within_hours(policy: &Policy, zone: Tz, at: Timestamp) -> Timestamp {
    policy.send_hours.map_or(at, |hours| hours.next(at, zone))
}

/// When a customer is reminded whose message was accepted at an instant; `None` where nobody is, or the link would be over by then.
#[must_use]
pub fn reminded_at(policy: &Policy, zone: Tz, (sent_at, expires_at): (Timestamp, Timestamp)) -> Option<Timestamp> {
    policy.reminder_days.map(|days| within_hours(policy, zone, sent_at.plus_days(days))).filter(|at| *at < expires_at)
}

/// Whether a message that was decided at an instant is too old to leave now: its time was more days ago than a ticket may be old.
#[must_use]
pub fn is_late(policy: &Policy, zone: Tz, (decided_at, now): (Timestamp, Timestamp)) -> bool {
    now.since(leaves_at(policy, zone, decided_at)) > policy.max_age_days * DAY_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::SendHours;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_delay_counts_first_and_the_hours_then() {
        let policy = Policy { send_hours: SendHours::parse("09:00", "10:00").ok(), delay_minutes: 30, ..Policy::default() };
        let leaves = |decided_at: &str| leaves_at(&policy, Tz::Europe__Berlin, at(decided_at));
        assert_eq!(leaves("2026-01-15T08:29:59Z"), at("2026-01-15T08:59:59Z"));
        assert_eq!(leaves("2026-01-15T08:30:00Z"), at("2026-01-16T08:00:00Z"), "10:00 in Berlin is over");
        assert_eq!(leaves("2026-01-15T07:15:00Z"), at("2026-01-15T08:00:00Z"));
    }

    #[test]
    fn a_reminder_keeps_to_the_hours_and_comes_before_the_end_or_never() {
        let send_hours = SendHours::parse("09:00", "10:00").ok();
        let policy = Policy { send_hours, expires_days: 4, reminder_days: Some(3), ..Policy::default() };
        let sent_at = at("2026-01-16T08:00:00Z");
        let reminded =
            |sent_at: Timestamp, days: i64| reminded_at(&policy, Tz::Europe__Berlin, (sent_at, at("2026-01-16T08:00:00Z").plus_days(days)));
        assert_eq!(reminded(sent_at, 4), Some(sent_at.plus_days(3)));
        assert_eq!(reminded(sent_at.plus_millis(90 * MINUTE_MS), 9), Some(sent_at.plus_days(4)), "it became due outside the hours");
        assert_eq!(reminded(sent_at.plus_millis(90 * MINUTE_MS), 4), None, "the link is over by then");
        assert_eq!(reminded_at(&Policy::default(), Tz::UTC, (sent_at, sent_at.plus_days(30))), None);
    }

    #[test]
    fn a_message_is_late_when_its_time_was_more_days_ago_than_a_ticket_may_be_old() {
        let policy = Policy { delay_minutes: 60, max_age_days: 2, ..Policy::default() };
        let decided_at = at("2026-01-15T10:30:00Z");
        let last = decided_at.plus_millis(60 * MINUTE_MS).plus_days(2);
        assert!(!is_late(&policy, Tz::UTC, (decided_at, last)));
        assert!(is_late(&policy, Tz::UTC, (decided_at, last.plus_millis(1))));
    }
}
