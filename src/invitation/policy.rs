//! Whom to ask, and when not: the first rule that hits gives the reason. Pure.

use sha2::{Digest, Sha256};

use super::{Outcome, Reason};
use crate::clock::{DAY_MS, MINUTE_MS, Timestamp};
use crate::metric::Metric;
use crate::survey::Policy;

/// What the rules look at.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent fact that one rule looks at")]
pub struct Facts<'a> {
    /// The survey's policy.
    pub policy: &'a Policy,
    /// What the survey measures.
    pub metric: Metric,
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

impl Decision {
    /// The outcome, with the rule and its end where there is one.
    #[must_use]
    pub const fn parts(self) -> (Outcome, Option<Reason>, Option<Timestamp>) {
        match self {
            Self::Invite { .. } => (Outcome::Invited, None, None),
            Self::Skip { reason, until } => (Outcome::Skipped, Some(reason), until),
        }
    }
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

/// A decision in one English sentence with its numbers; days are those of UTC.
#[must_use]
pub fn explain(facts: &Facts<'_>, decision: Decision) -> String {
    let policy = facts.policy;
    let (reason, until) = match decision {
        Decision::Invite { due_at, expires_at } => {
            return format!("The message leaves at {due_at}; the link can be answered until {}.", day(expires_at));
        }
        Decision::Skip { reason, until } => (reason, until),
    };
    let quiet = |asked_at: Option<Timestamp>, what: &str, days: i64| {
        let (asked, until) = (asked_at.map(day).unwrap_or_default(), until.map(day).unwrap_or_default());
        format!("The customer was asked on {asked} {what}; quiet for {days} {}, until {until}.", if days == 1 { "day" } else { "days" })
    };
    match reason {
        Reason::NotClosed => "The interaction is not over.".to_owned(),
        Reason::Duplicate => "The customer was asked about this ticket and may still answer.".to_owned(),
        Reason::NoAddress => "There is no address for any channel of the survey.".to_owned(),
        Reason::SurveyPaused => "The survey is archived.".to_owned(),
        Reason::Unsubscribed => "The customer wants no more mail.".to_owned(),
        Reason::Bounced => "Mail to the customer came back.".to_owned(),
        Reason::ExcludedTag => {
            let excluded: Vec<&str> = facts.tags.iter().filter(|tag| policy.exclude_tags.contains(tag)).map(String::as_str).collect();
            format!("The survey leaves out tickets with the tag {}.", excluded.join(", "))
        }
        Reason::TooOld => {
            let closed = facts.closed_at.map(day).unwrap_or_default();
            format!("The ticket was closed on {closed}, more than {} days ago.", policy.max_age_days)
        }
        Reason::QuietPeriod => {
            quiet(facts.asked_same_metric_at, &format!("for {}", facts.metric.as_str().to_uppercase()), policy.quiet_days)
        }
        Reason::QuietAny => quiet(facts.asked_any_at, "in another survey", policy.quiet_any_days),
        Reason::SampledOut => format!("{} % of the interactions are asked about, and this one is not among them.", policy.sample_percent),
    }
}

fn day(at: Timestamp) -> String {
    at.to_utc().date_naive().to_string()
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
            metric: Metric::Csat,
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
    fn every_decision_is_explained_with_its_numbers() {
        let policy = Policy { exclude_tags: vec!["spam".to_owned()], sample_percent: 0, ..Policy::default() };
        let tags = ["vip".to_owned(), "spam".to_owned()];
        let now = Timestamp::from_millis(NOW);
        for (facts, expected) in [
            (facts(&Policy::default()), "The message leaves at 2026-01-15T10:30:00.000Z; the link can be answered until 2026-02-14."),
            (
                Facts { asked_same_metric_at: Some(now.plus_days(-6)), ..facts(&policy) },
                "The customer was asked on 2026-01-09 for CSAT; quiet for 7 days, until 2026-01-16.",
            ),
            (
                Facts { asked_any_at: Some(now.plus_millis(-1)), ..facts(&policy) },
                "The customer was asked on 2026-01-15 in another survey; quiet for 1 day, until 2026-01-16.",
            ),
            (Facts { closed_at: Some(now.plus_days(-8)), ..facts(&policy) }, "The ticket was closed on 2026-01-07, more than 7 days ago."),
            (Facts { tags: &tags, ..facts(&policy) }, "The survey leaves out tickets with the tag spam."),
            (facts(&policy), "0 % of the interactions are asked about, and this one is not among them."),
        ] {
            assert_eq!(explain(&facts, decide(&facts)), expected);
        }
        for (_, breaks) in RULES {
            let mut broken = facts(&policy);
            breaks(&mut broken);
            assert!(explain(&broken, decide(&broken)).ends_with('.'));
        }
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
