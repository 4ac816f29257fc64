//! What a vote does to an answer and to the counts. Pure.

use super::human::Evidence;
use super::page::Refusal;
use super::{ResponseId, Via};
use crate::clock::Timestamp;
use crate::invitation::{InteractionId, InvitationId, State};
use crate::survey::Survey;
use crate::tally::{self, Counts, Group, day_number};

/// A vote as it was sent by a person.
#[derive(Debug, Clone)]
pub struct Vote {
    /// The invitation that its link names.
    pub invitation: InvitationId,
    /// The score as it was chosen.
    pub raw: i64,
    /// The comment, if one was written.
    pub comment: Option<String>,
    /// Whether the comment may be quoted in public.
    pub consent: bool,
    /// The sign of a person.
    pub evidence: Evidence,
    /// When its page was rendered, for a touch; a form speaks for itself.
    pub touched_page_of: Option<Timestamp>,
}

/// An invitation with its answer so far, as a vote finds it.
#[derive(Debug, Clone)]
pub struct Ballot {
    /// The invitation.
    pub id: InvitationId,
    /// The interaction it is about.
    pub interaction: InteractionId,
    /// What has become of it.
    pub state: State,
    /// How an answer to it comes.
    pub via: Via,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    /// The day its message was accepted on, if it was.
    pub sent_day: Option<i32>,
    /// What it is grouped by.
    pub group: Group,
    /// The tags of the ticket.
    pub tags: Vec<String>,
    /// The answer so far.
    pub answer: Option<Answer>,
}

/// The answer that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its id.
    pub id: ResponseId,
    /// The score as it was chosen.
    pub raw: u8,
    /// The score that counts.
    pub score: u8,
    /// The comment.
    pub comment: Option<String>,
    /// Whether the comment may be quoted in public.
    pub consent: bool,
    /// The day of the first answer, on which it counts.
    pub day: i32,
    /// How many versions there are.
    pub versions: i32,
    /// When a form was last sent; what a page rendered before it reports no longer matters.
    pub form_at: Option<Timestamp>,
    /// When it was first answered.
    pub first_answered_at: Timestamp,
    /// When it was given as it is now.
    pub answered_at: Timestamp,
    /// By which sign it is known to be a person's, as it is now.
    pub evidence: Evidence,
    /// Whether it is left out of the counts.
    pub is_excluded: bool,
}

/// What became of a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A new answer.
    First,
    /// A new version of the answer.
    Changed,
    /// The same answer again; only the instant of the form is new.
    Confirmed,
    /// Nothing: a touch that tells nothing new.
    None,
    /// The score is not on the scale.
    OffScale,
    /// It is over.
    Refused(Refusal),
}

/// Why a survey can no longer be answered, if it cannot; the same for its page and for a vote.
#[must_use]
pub fn refusal(
    survey: &Survey,
    (state, expires_at): (State, Timestamp),
    first_answered_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Refusal> {
    if survey.archived_at.is_some() {
        return Some(Refusal::Closed);
    }
    match (state.at(now, expires_at), first_answered_at) {
        (State::Withdrawn, _) => Some(Refusal::Withdrawn),
        (State::Expired, None) => Some(Refusal::Expired),
        (_, Some(first)) if now >= first.plus_days(survey.policy.edit_days) => Some(Refusal::Settled),
        _ => None,
    }
}

impl Ballot {
    /// Applies a vote: changes the answer, notes what to count, and says what became of it. `fresh` is the id of an answer that is new.
    pub fn apply(&mut self, survey: &Survey, vote: &Vote, (now, fresh): (Timestamp, ResponseId), counts: &mut tally::Changes) -> Effect {
        let first_answered_at = self.answer.as_ref().map(|answer| answer.first_answered_at);
        if let Some(refusal) = refusal(survey, (self.state, self.expires_at), first_answered_at, now) {
            return Effect::Refused(refusal);
        }
        let Some(raw) = survey.accepts(vote.raw) else {
            return Effect::OffScale;
        };
        let new = Answer {
            id: fresh,
            raw,
            score: survey.scale.counted(raw),
            comment: vote.comment.clone(),
            consent: vote.consent && vote.comment.is_some(),
            day: day_number(now.day_in(survey.timezone)),
            versions: 1,
            form_at: vote.touched_page_of.is_none().then_some(now),
            first_answered_at: now,
            answered_at: now,
            evidence: vote.evidence,
            is_excluded: false,
        };
        match self.answer.take() {
            None => self.first(survey, new, counts),
            Some(old) => self.change(survey, (old, new), vote, counts),
        }
    }

    fn first(&mut self, survey: &Survey, new: Answer, counts: &mut tally::Changes) -> Effect {
        self.state = State::Answered;
        counts.add((survey.id, new.day), (&self.group, &self.tags), &new.weight(1));
        if let Some(day) = self.sent_day {
            counts.add((survey.id, day), (&self.group, &self.tags), &Counts { answered: 1, ..Counts::default() });
        }
        self.answer = Some(new);
        Effect::First
    }

    /// The page never shows an earlier comment, so an empty box keeps it; a touch carries none.
    fn change(&mut self, survey: &Survey, (old, new): (Answer, Answer), vote: &Vote, counts: &mut tally::Changes) -> Effect {
        let is_stale = |rendered: Timestamp| old.form_at.is_some_and(|form_at| rendered <= form_at);
        if vote.touched_page_of.is_some_and(|rendered| is_stale(rendered) || old.raw == new.raw) {
            self.answer = Some(old);
            return Effect::None;
        }
        let (comment, consent) = if new.comment.is_some() { (new.comment, new.consent) } else { (old.comment.clone(), old.consent) };
        let form_at = new.form_at.or(old.form_at);
        let mut next = Answer { raw: new.raw, score: new.score, comment, consent, form_at, ..old.clone() };
        let is_same = (next.raw, &next.comment, next.consent) == (old.raw, &old.comment, old.consent);
        if !is_same {
            next.versions += 1;
            (next.answered_at, next.evidence) = (new.answered_at, new.evidence);
            if !old.is_excluded {
                counts.add((survey.id, old.day), (&self.group, &self.tags), &old.weight(-1));
                counts.add((survey.id, next.day), (&self.group, &self.tags), &next.weight(1));
            }
        }
        self.answer = Some(next);
        if is_same { Effect::Confirmed } else { Effect::Changed }
    }
}

impl Answer {
    /// What it counts, times `by`: 1 to count it, -1 to take it out.
    #[must_use]
    pub fn weight(&self, by: i64) -> Counts {
        let mut counts = Counts { comments: if self.comment.is_some() { by } else { 0 }, ..Counts::default() };
        counts.score(self.score, by);
        counts
    }
}
