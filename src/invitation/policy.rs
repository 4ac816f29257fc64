//! Whom to ask, and when not: the first rule that hits gives the reason. Pure.

use sha2::{Digest, Sha256};

use super::Reason;
use crate::clock::{DAY_MS, MINUTE_MS, Timestamp};
use crate::survey::Policy;

/// What the rules look at.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent fact that one rule looks at")]
pub struct Facts<'a> {
    /// The survey's policy.
    pub policy: &'a Policy,
    /// The instant of the decision.
    pub now: Timestamp,
    /// Whether the interaction is over.
    pub closed: bool,
    /// When it was over, if anybody said.
    pub closed_at: Option<Timestamp>,
    /// Whether the customer was asked about this ticket and may still answer.
    pub is_asked_about_ticket: bool,
    /// Whether there is an address for a channel of the survey (always, where the caller sends the link).
    pub has_address: bool,
    /// Whether the survey is archived.
    pub is_paused: bool,
    /// Why mail to the customer is suppressed, if it is.
    pub suppressed: Option<Reason>,
    /// The tags of the ticket.
    pub tags: &'a [String],
    /// When the customer was last asked about the same metric.
    pub asked_same_metric_at: Option<Timestamp>,
    /// When the customer was last asked about anything.
    pub asked_any_at: Option<Timestamp>,
    /// What names this interaction among all, for the sample.
    pub sample_key: &'a str,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Ask, with a message that leaves at this instant.
    Invite {
        /// When the message leaves.
        due_at: Timestamp,
        /// Until when it can be answered.
        expires_at: Timestamp,
    },
    /// Do not ask.
    Skip {
        /// The rule.
        reason: Reason,
        /// When the rule no longer holds, where that is known.
        until: Option<Timestamp>,
    },
}

/// Decides.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> Decision {
    let policy = facts.policy;
    let skip = |reason| Decision::Skip { reason, until: None };
    if !facts.closed {
        return skip(Reason::NotClosed);
    }
    if facts.is_asked_about_ticket {
        return skip(Reason::Duplicate);
    }
    if !facts.has_address {
        return skip(Reason::NoAddress);
    }
    if facts.is_paused {
        return skip(Reason::SurveyPaused);
    }
    if let Some(reason) = facts.suppressed {
        return skip(reason);
    }
    if facts.tags.iter().any(|tag| policy.exclude_tags.contains(tag)) {
        return skip(Reason::ExcludedTag);
    }
    if facts.closed_at.is_some_and(|closed_at| facts.now.since(closed_at) > policy.max_age_days * DAY_MS) {
        return skip(Reason::TooOld);
    }
    for (asked_at, days, reason) in [
        (facts.asked_same_metric_at, policy.quiet_days, Reason::QuietPeriod),
        (facts.asked_any_at, policy.quiet_any_days, Reason::QuietAny),
    ] {
        let until = asked_at.map(|at| at.plus_days(days)).filter(|until| days > 0 && facts.now < *until);
        if until.is_some() {
            return Decision::Skip { reason, until };
        }
    }
    if !is_sampled(facts.sample_key, policy.sample_percent) {
        return skip(Reason::SampledOut);
    }
    let due_at = facts.now.plus_millis(policy.delay_minutes.saturating_mul(MINUTE_MS));
    Decision::Invite { due_at, expires_at: due_at.plus_days(policy.expires_days) }
}

/// Whether a key is in a sample of so many percent: a hash of the key, so that a repetition decides the same, and a larger sample holds a smaller one.
#[must_use]
pub fn is_sampled(key: &str, percent: i64) -> bool {
    let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let [a, b, c, d, ..] = hash;
    let place = u64::from(u32::from_be_bytes([a, b, c, d]));
    place * 100 < u64::try_from(percent).unwrap_or(0) << 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_768_473_000_000;

    fn facts(policy: &Policy) -> Facts<'_> {
        Facts {
            policy,
            now: Timestamp::from_millis(NOW),
            closed: true,
            closed_at: Some(Timestamp::from_millis(NOW - 1000)),
            is_asked_about_ticket: false,
            has_address: true,
            is_paused: false,
            suppressed: None,
            tags: &[],
            asked_same_metric_at: None,
            asked_any_at: None,
            sample_key: "survey:ticket",
        }
    }

    fn reason(decision: Decision) -> Option<Reason> {
        match decision {
            Decision::Skip { reason, .. } => Some(reason),
            Decision::Invite { .. } => None,
        }
    }

    /// A change of the facts that makes one rule hit.
    type Breaks = fn(&mut Facts<'_>);

    /// Every rule in order, with the change that makes it hit.
    const RULES: &[(Reason, Breaks)] = &[
        (Reason::NotClosed, |facts| facts.closed = false),
        (Reason::Duplicate, |facts| facts.is_asked_about_ticket = true),
        (Reason::NoAddress, |facts| facts.has_address = false),
        (Reason::SurveyPaused, |facts| facts.is_paused = true),
        (Reason::Unsubscribed, |facts| facts.suppressed = Some(Reason::Unsubscribed)),
        (Reason::TooOld, |facts| facts.closed_at = Some(facts.now.plus_days(-8))),
        (Reason::QuietPeriod, |facts| {
            facts.asked_same_metric_at = Some(facts.now.plus_days(-6));
        }),
        (Reason::QuietAny, |facts| facts.asked_any_at = Some(facts.now.plus_millis(-1))),
    ];

    #[test]
    fn the_first_rule_that_hits_gives_the_reason() {
        let policy = Policy::default();
        assert_eq!(reason(decide(&facts(&policy))), None);
        for (index, (expected, breaks)) in RULES.iter().enumerate() {
            let mut alone = facts(&policy);
            breaks(&mut alone);
            assert_eq!(reason(decide(&alone)), Some(*expected));
            let mut with_all_later = facts(&policy);
            RULES[index..].iter().for_each(|(_, breaks)| breaks(&mut with_all_later));
            assert_eq!(reason(decide(&with_all_later)), Some(*expected));
        }
    }

    #[test]
    fn a_tag_can_exclude_and_a_sample_of_nothing_asks_nobody() {
        let policy = Policy { exclude_tags: vec!["spam".to_owned()], sample_percent: 0, ..Policy::default() };
        let tags = ["spam".to_owned()];
        assert_eq!(reason(decide(&Facts { tags: &tags, ..facts(&policy) })), Some(Reason::ExcludedTag));
        assert_eq!(reason(decide(&facts(&policy))), Some(Reason::SampledOut));
    }

    #[test]
    fn quiet_ends_exactly_when_its_days_are_over_and_zero_days_are_off() {
        let policy = Policy { quiet_any_days: 0, ..Policy::default() };
        let asked = Timestamp::from_millis(NOW).plus_days(-7);
        let at =
            |offset| decide(&Facts { asked_same_metric_at: Some(asked.plus_millis(offset)), asked_any_at: Some(asked), ..facts(&policy) });
        assert_eq!(reason(at(0)), None);
        assert_eq!(at(1), Decision::Skip { reason: Reason::QuietPeriod, until: Some(asked.plus_millis(1).plus_days(7)) });
        let off = Policy { quiet_days: 0, ..policy.clone() };
        assert_eq!(reason(decide(&Facts { asked_same_metric_at: Some(Timestamp::from_millis(NOW)), ..facts(&off) })), None);
    }

    #[test]
    fn a_delay_moves_the_message_and_the_end() {
        let policy = Policy { delay_minutes: 90, expires_days: 2, ..Policy::default() };
        let due_at = Timestamp::from_millis(NOW).plus_millis(90 * MINUTE_MS);
        assert_eq!(decide(&facts(&policy)), Decision::Invite { due_at, expires_at: due_at.plus_days(2) });
    }

    proptest! {
        #[test]
        fn a_larger_sample_holds_a_smaller_one(key in ".{0,40}", small in 0..=100_i64, more in 0..=100_i64) {
            let large = (small + more).min(100);
            prop_assert!(!is_sampled(&key, small) || is_sampled(&key, large));
            prop_assert!(is_sampled(&key, 100));
            prop_assert!(!is_sampled(&key, 0));
        }
    }

    #[test]
    fn a_sample_is_proportional() {
        let taken = (0..20_000).filter(|number| is_sampled(&format!("survey:{number}"), 30)).count();
        assert!((5_700..=6_300).contains(&taken), "{taken} of 20000 at 30 %");
    }
}
