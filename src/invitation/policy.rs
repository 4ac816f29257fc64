//! Whom to ask, and when not: the first rule that hits gives the reason. Pure.

use chrono_tz::Tz;
use sha2::{Digest, Sha256};

use super::suppression::Cause;
use super::{Outcome, Reason, timing};
use crate::clock::{DAY_MS, Timestamp};
use crate::metric::Metric;
use crate::net::domain;
use crate::survey::Policy;

/// What the rules look at.
#[derive(Debug, Clone)]
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
    /// What every channel of the survey lacks to reach the customer, where none can.
    pub missing: Option<String>,
    /// Whether the survey is archived.
    pub is_archived: bool,
    /// Why mail to the customer is suppressed, if it is.
    pub suppressed: Option<Cause>,
    /// The customer's mail address.
    pub email: Option<&'a str>,
    /// The domains of our own people, whom no survey asks.
    pub own_domains: &'a [String],
    /// The tags of the ticket.
    pub tags: &'a [String],
    /// When the customer was last asked about the same metric.
    pub asked_same_metric_at: Option<Timestamp>,
    /// When the customer was last asked about anything.
    pub asked_any_at: Option<Timestamp>,
    /// What names this interaction among all, for the sample.
    pub sample_key: &'a str,
    /// The zone whose clocks the sending hours go by.
    pub zone: Tz,
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
    if facts.missing.is_some() {
        return skip(Reason::NoAddress);
    }
    if facts.is_archived || policy.paused {
        return skip(Reason::SurveyPaused);
    }
    if let Some(cause) = facts.suppressed {
        return skip(cause.rule());
    }
    if facts.within(facts.own_domains).is_some() {
        return skip(Reason::OwnDomain);
    }
    if facts.within(&policy.exclude_domains).is_some() {
        return skip(Reason::ExcludedDomain);
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
    let due_at = timing::leaves_at(policy, facts.zone, facts.now);
    Decision::Invite { due_at, expires_at: due_at.plus_days(policy.expires_days) }
}

impl Facts<'_> {
    /// The first of these domains that the customer's address lies in.
    fn within<'a>(&self, domains: &'a [String]) -> Option<&'a str> {
        self.email.and_then(|email| domain::of_address(email, domains))
    }
}

/// A decision in one English sentence with its numbers; days are those of UTC.
#[must_use]
pub fn explain(facts: &Facts<'_>, decision: Decision) -> String {
    let policy = facts.policy;
    let (reason, until) = match decision {
        Decision::Invite { due_at, expires_at } => {
            let hours = policy.send_hours.map(|hours| format!(", within {hours} in {}", facts.zone.name())).unwrap_or_default();
            return format!("The message leaves at {due_at}{hours}; the link can be answered until {}.", day(expires_at));
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
        Reason::NoAddress => {
            let missing = facts.missing.as_deref().unwrap_or_default();
            format!("There is no address for any channel of the survey: {missing}.")
        }
        Reason::SurveyPaused if facts.is_archived => "The survey is archived.".to_owned(),
        Reason::SurveyPaused => "The survey is paused.".to_owned(),
        Reason::Unsubscribed | Reason::Bounced => facts.suppressed.map(Cause::sentence).unwrap_or_default().to_owned(),
        Reason::OwnDomain => {
            format!("The customer's address is in {}, where our own people are.", facts.within(facts.own_domains).unwrap_or_default())
        }
        Reason::ExcludedDomain => {
            format!("The survey leaves out addresses in {}.", facts.within(&policy.exclude_domains).unwrap_or_default())
        }
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
        Reason::AnsweredElsewhere => "The customer answered elsewhere, and was not asked.".to_owned(),
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
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::MINUTE_MS;

    const NOW: i64 = 1_768_473_000_000;

    fn facts(policy: &Policy) -> Facts<'_> {
        Facts {
            policy,
            metric: Metric::Csat,
            now: Timestamp::from_millis(NOW),
            closed: true,
            closed_at: Some(Timestamp::from_millis(NOW - 1000)),
            is_asked_about_ticket: false,
            missing: None,
            is_archived: false,
            suppressed: None,
            email: Some("sara@example.com"),
            own_domains: &[],
            tags: &[],
            asked_same_metric_at: None,
            asked_any_at: None,
            sample_key: "survey:ticket",
            zone: Tz::UTC,
        }
    }

    fn reason(decision: Decision) -> Option<Reason> {
        match decision {
            Decision::Skip { reason, .. } => Some(reason),
            Decision::Invite { .. } => None,
        }
    }

    /// A change of policy and facts that makes one rule hit.
    type Breaks = (fn(&mut Policy), fn(&mut Facts<'_>));

    static OURS: LazyLock<Vec<String>> = LazyLock::new(|| vec!["example.com".to_owned()]);

    /// Every rule in order, with the change that makes it hit.
    const RULES: &[(Reason, Breaks)] = &[
        (Reason::NotClosed, (|_| {}, |facts| facts.closed = false)),
        (Reason::Duplicate, (|_| {}, |facts| facts.is_asked_about_ticket = true)),
        (Reason::NoAddress, (|_| {}, |facts| facts.missing = Some("email needs a mail address".to_owned()))),
        (Reason::SurveyPaused, (|_| {}, |facts| facts.is_archived = true)),
        (Reason::SurveyPaused, (|policy| policy.paused = true, |_| {})),
        (Reason::Unsubscribed, (|_| {}, |facts| facts.suppressed = Some(Cause::Unsubscribed))),
        (Reason::Bounced, (|_| {}, |facts| facts.suppressed = facts.suppressed.or(Some(Cause::Bounced)))),
        (Reason::OwnDomain, (|_| {}, |facts| facts.own_domains = &OURS)),
        (Reason::ExcludedDomain, (|policy| policy.exclude_domains.push("example.com".to_owned()), |_| {})),
        (Reason::ExcludedTag, (|policy| policy.exclude_tags.push("vip".to_owned()), |_| {})),
        (Reason::TooOld, (|_| {}, |facts| facts.closed_at = Some(facts.now.plus_days(-8)))),
        (Reason::QuietPeriod, (|_| {}, |facts| facts.asked_same_metric_at = Some(facts.now.plus_days(-6)))),
        (Reason::QuietAny, (|_| {}, |facts| facts.asked_any_at = Some(facts.now.plus_millis(-1)))),
        (Reason::SampledOut, (|policy| policy.sample_percent = 0, |_| {})),
    ];

    /// The reason and its explanation when some rules hit.
    fn broken(rules: &[(Reason, Breaks)]) -> (Option<Reason>, String) {
        let mut policy = Policy::default();
        for (_, (of_policy, _)) in rules {
            of_policy(&mut policy);
        }
        let tags = ["vip".to_owned()];
        let mut facts = Facts { tags: &tags, ..facts(&policy) };
        for (_, (_, of_facts)) in rules {
            of_facts(&mut facts);
        }
        let decision = decide(&facts);
        (reason(decision), explain(&facts, decision))
    }

    #[test]
    fn the_first_rule_that_hits_gives_the_reason() {
        assert_eq!(broken(&[]).0, None);
        for (index, rule) in RULES.iter().enumerate() {
            assert_eq!(broken(&[*rule]).0, Some(rule.0));
            assert_eq!(broken(&RULES[index..]).0, Some(rule.0), "with all later ones");
        }
        let mut order: Vec<Reason> = RULES.iter().map(|(reason, _)| *reason).collect();
        order.dedup();
        // No rule gives this one: nobody decides about what was answered already.
        order.push(Reason::AnsweredElsewhere);
        assert_eq!(order, Reason::ALL, "every reason, in the order of the rules");
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
        for (rule, expected) in RULES.iter().zip(&[
            "The interaction is not over.",
            "The customer was asked about this ticket and may still answer.",
            "There is no address for any channel of the survey: email needs a mail address.",
            "The survey is archived.",
            "The survey is paused.",
            "The customer wants no more mail.",
            "Mail to the customer came back.",
            "The customer's address is in example.com, where our own people are.",
            "The survey leaves out addresses in example.com.",
            "The survey leaves out tickets with the tag vip.",
        ]) {
            assert_eq!(broken(&[*rule]).1, *expected);
        }
    }

    #[test]
    fn a_delay_moves_the_message_and_the_end() {
        let policy = Policy { delay_minutes: 90, expires_days: 2, ..Policy::default() };
        let due_at = Timestamp::from_millis(NOW).plus_millis(90 * MINUTE_MS);
        assert_eq!(decide(&facts(&policy)), Decision::Invite { due_at, expires_at: due_at.plus_days(2) });
    }

    #[test]
    fn sending_hours_move_the_message_and_the_end() {
        let send_hours = crate::survey::SendHours::parse("09:00", "10:00").ok();
        let policy = Policy { send_hours, expires_days: 4, ..Policy::default() };
        // 10:30 in UTC is 11:30 in Berlin.
        let berlin = Facts { zone: Tz::Europe__Berlin, ..facts(&policy) };
        let due_at = Timestamp::parse("2026-01-16T08:00:00Z").unwrap();
        assert_eq!(decide(&berlin), Decision::Invite { due_at, expires_at: due_at.plus_days(4) });
        assert_eq!(
            explain(&berlin, decide(&berlin)),
            "The message leaves at 2026-01-16T08:00:00.000Z, within 09:00 to 10:00 in Europe/Berlin; the link can be answered until 2026-01-20."
        );
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
