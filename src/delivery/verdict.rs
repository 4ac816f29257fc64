//! Whether a message that is due may leave now, by what is stored now. Pure.

use super::store::Letter;
use crate::clock::Timestamp;
use crate::invitation::{Occasion, State, timing};
use crate::survey::{DeliverMode, PAUSED, Survey};

/// How long a message of a paused survey is held before it is looked at again; switching the survey on ends it at once.
const HELD_MS: i64 = 60 * 60_000;

/// What to do about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It leaves.
    Leave,
    /// It waits until this instant; that is no attempt.
    Wait(Timestamp, &'static str),
    /// It is no longer wanted; where no message has left so far, the invitation is taken back.
    Drop(String),
    /// What it is for is over: the invitation stays as it is.
    Over(String),
}

/// Judges a message; whether its channel reaches the customer is for whoever knows the channel.
#[must_use]
pub fn judge((occasion, is_reached): (Occasion, bool), letter: &Letter, survey: &Survey, now: Timestamp) -> Verdict {
    let (policy, zone) = (&survey.policy, letter.zone(survey));
    let drop = |why: &str| Verdict::Drop(why.to_owned());
    match (occasion, letter.state.at(now, letter.expires_at)) {
        (Occasion::First | Occasion::Resend, State::Scheduled) | (Occasion::Reminder | Occasion::Resend, State::Sent) => {}
        // Another channel was faster.
        (Occasion::First, State::Sent) if survey.deliver_mode == DeliverMode::All => {}
        (_, state) => return Verdict::Over(format!("the invitation is {state}")),
    }
    if letter.is_suppressed {
        return drop("the customer wants no mail");
    }
    if !is_reached {
        return drop("the customer's address was erased");
    }
    if survey.archived_at.is_some() {
        return drop("the survey is archived");
    }
    if occasion == Occasion::First && timing::is_late(policy, zone, (letter.created_at, now)) {
        return Verdict::Drop(format!("it is more than {} days late", policy.max_age_days));
    }
    if occasion == Occasion::Reminder && policy.reminder_days.is_none() {
        return drop("the survey reminds nobody any more");
    }
    if policy.paused {
        return if occasion == Occasion::Reminder { drop(PAUSED) } else { Verdict::Wait(now.plus_millis(HELD_MS), PAUSED) };
    }
    // Who asks for a message once more wants it now.
    let opens_at = if occasion == Occasion::Resend { now } else { timing::within_hours(policy, zone, now) };
    if opens_at > now { Verdict::Wait(opens_at, "outside the sending hours") } else { Verdict::Leave }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::db::Json;
    use crate::intake::{Agent, Ticket};
    use crate::metric::Metric;
    use crate::survey::wording::tests::survey;
    use crate::survey::{SendHours, SurveyId};

    /// 10:30 on a Thursday.
    fn now() -> Timestamp {
        Timestamp::parse("2026-01-15T10:30:00Z").unwrap()
    }

    pub(crate) fn letter(state: State) -> Letter {
        Letter {
            survey_id: SurveyId::default(),
            state,
            expires_at: now().plus_days(20),
            sent_at: None,
            created_at: now(),
            locale: None,
            timezone: None,
            email: Some("sara@example.com".to_owned()),
            phone: None,
            reference: None,
            name: None,
            ticket: Json(Ticket::default()),
            agent: Json(Agent::default()),
            is_suppressed: false,
        }
    }

    fn judge(occasion: Occasion, letter: &Letter, survey: &Survey, now: Timestamp) -> Verdict {
        super::judge((occasion, letter.email.is_some()), letter, survey, now)
    }

    fn reminding() -> Survey {
        let mut survey = survey(Metric::Csat, None);
        survey.policy.reminder_days = Some(3);
        survey
    }

    #[test]
    fn each_message_leaves_in_the_states_that_it_is_meant_for() {
        for (occasion, may_leave) in [
            (Occasion::First, &[State::Scheduled][..]),
            (Occasion::Reminder, &[State::Sent]),
            (Occasion::Resend, &[State::Scheduled, State::Sent]),
        ] {
            for state in State::ALL {
                let verdict = judge(occasion, &letter(*state), &reminding(), now());
                if may_leave.contains(state) {
                    assert_eq!(verdict, Verdict::Leave, "{occasion} {state}");
                    let over = Letter { expires_at: now(), ..letter(*state) };
                    assert_eq!(judge(occasion, &over, &reminding(), now()), Verdict::Over("the invitation is expired".to_owned()));
                } else {
                    assert_eq!(verdict, Verdict::Over(format!("the invitation is {state}")), "{occasion}");
                }
            }
        }
    }

    #[test]
    fn a_first_message_leaves_by_every_channel_where_the_survey_wants_all() {
        let survey = Survey { deliver_mode: DeliverMode::All, ..reminding() };
        assert_eq!(judge(Occasion::First, &letter(State::Sent), &survey, now()), Verdict::Leave);
        assert_eq!(
            judge(Occasion::First, &letter(State::Answered), &survey, now()),
            Verdict::Over("the invitation is answered".to_owned())
        );
    }

    #[test]
    fn nothing_leaves_that_is_no_longer_wanted() {
        for (occasion, state) in [(Occasion::First, State::Scheduled), (Occasion::Reminder, State::Sent), (Occasion::Resend, State::Sent)] {
            let gone = Letter { email: None, ..letter(state) };
            assert_eq!(judge(occasion, &gone, &reminding(), now()), Verdict::Drop("the customer's address was erased".to_owned()));
            let suppressed = Letter { is_suppressed: true, ..letter(state) };
            assert_eq!(judge(occasion, &suppressed, &reminding(), now()), Verdict::Drop("the customer wants no mail".to_owned()));
            let archived = Survey { archived_at: Some(now()), ..reminding() };
            assert_eq!(judge(occasion, &letter(state), &archived, now()), Verdict::Drop("the survey is archived".to_owned()));
        }
        let silent = survey(Metric::Csat, None);
        assert_eq!(
            judge(Occasion::Reminder, &letter(State::Sent), &silent, now()),
            Verdict::Drop("the survey reminds nobody any more".to_owned())
        );
        let late = |occasion, days| judge(occasion, &letter(State::Scheduled), &reminding(), now().plus_days(days));
        assert_eq!(late(Occasion::First, 7), Verdict::Leave);
        assert_eq!(late(Occasion::First, 8), Verdict::Drop("it is more than 7 days late".to_owned()));
        assert_eq!(late(Occasion::Resend, 8), Verdict::Leave, "somebody asked for it");
    }

    #[test]
    fn a_paused_survey_holds_its_messages_and_drops_its_reminders() {
        let mut paused = reminding();
        paused.policy.paused = true;
        let held = Verdict::Wait(now().plus_millis(HELD_MS), PAUSED);
        assert_eq!(judge(Occasion::First, &letter(State::Scheduled), &paused, now()), held);
        assert_eq!(judge(Occasion::Resend, &letter(State::Sent), &paused, now()), held);
        assert_eq!(judge(Occasion::Reminder, &letter(State::Sent), &paused, now()), Verdict::Drop(PAUSED.to_owned()));
    }

    #[test]
    fn outside_the_hours_a_message_waits_for_them_unless_somebody_asked_for_it() {
        let mut survey = reminding();
        survey.policy.send_hours = SendHours::parse("08:00", "10:00").ok();
        let waits = Verdict::Wait(Timestamp::parse("2026-01-16T08:00:00Z").unwrap(), "outside the sending hours");
        assert_eq!(judge(Occasion::First, &letter(State::Scheduled), &survey, now()), waits);
        assert_eq!(judge(Occasion::Reminder, &letter(State::Sent), &survey, now()), waits);
        let far_away = Letter { timezone: Some("America/Halifax".to_owned()), ..letter(State::Scheduled) };
        let at_eight_there = Verdict::Wait(Timestamp::parse("2026-01-15T12:00:00Z").unwrap(), "outside the sending hours");
        assert_eq!(judge(Occasion::First, &far_away, &survey, now()), at_eight_there);
        assert_eq!(judge(Occasion::Resend, &letter(State::Sent), &survey, now()), Verdict::Leave);
    }
}
