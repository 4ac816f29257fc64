//! The survey page: one question, a comment if one likes, one button.

use maud::{Markup, PreEscaped, html};

use super::{SCRIPT, Shell, scale};
use crate::i18n::Messages;
use crate::metric::Band;
use crate::survey::Survey;
use crate::survey::wording::Wording;

/// The longest comment that is accepted, in characters.
pub const COMMENT_LIMIT: u16 = 4_000;

/// What the survey page shows.
#[derive(Debug, Clone, Copy)]
pub struct SurveyView<'a> {
    /// The survey.
    pub survey: &'a Survey,
    /// The token of the link, for the form's address.
    pub token: &'a str,
    /// The form's nonce.
    pub nonce: &'a str,
    /// The nonce of the content security policy.
    pub csp_nonce: &'a str,
    /// The raw score that is selected; one outside the scale selects nothing.
    pub chosen: Option<u8>,
    /// Why the page comes back, if it does.
    pub notice: Option<Notice>,
    /// What was typed so far.
    pub comment: &'a str,
    /// Whether the consent was ticked so far.
    pub consent: bool,
}

/// Why the survey page comes back instead of thanks. Everything typed is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The score is missing or outside the scale.
    ScoreMissingOrOutside,
    /// The comment is longer than [`COMMENT_LIMIT`].
    CommentTooLong,
    /// The form's nonce is missing, foreign or expired.
    StaleForm,
    /// The answer could not be stored just now.
    NotStored,
}

impl Notice {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::ScoreMissingOrOutside | Self::CommentTooLong => 422,
            Self::StaleForm => 409,
            Self::NotStored => 503,
        }
    }
}

/// The survey page.
#[must_use]
pub fn survey(view: &SurveyView<'_>, messages: &'static Messages) -> Markup {
    let survey = view.survey;
    let chosen = view.chosen.filter(|score| survey.metric.points().contains(score));
    let question = Wording::new(survey, messages).question();
    let content = html! {
        form method="post" action={ "/s/" (view.token) } autocomplete="off" data-touch[chosen.is_some() && view.notice.is_none()] {
            @if let Some(notice) = view.notice { (alert(notice, survey, messages)) }
            h1 #question { (question) }
            @if let Some(score) = chosen { (status(survey, score, messages)) }
            (scale::scale(survey, chosen, view.notice == Some(Notice::ScoreMissingOrOutside), messages))
            (comment(view, chosen, messages))
            label.consent {
                input type="checkbox" name="consent" value="yes" checked[view.consent];
                span { (messages.survey_consent()) }
            }
            input type="hidden" name="nonce" value=(view.nonce);
            input type="hidden" name="evidence";
            button type="submit" { (messages.survey_send()) }
            p.soft { (messages.survey_privacy()) }
        }
    };
    let title = title(view, messages);
    let shell = Shell { survey: Some(survey), title: &title, csp_nonce: view.csp_nonce, script: Some(SCRIPT) };
    shell.render(messages, &content)
}

fn title(view: &SurveyView<'_>, messages: &Messages) -> String {
    let title = match view.survey.company.as_deref() {
        Some(company) => messages.survey_title(company),
        None => messages.survey_title_unnamed(),
    };
    match view.notice {
        Some(_) => messages.survey_title_error(&title).into_owned(),
        None => title.into_owned(),
    }
}

/// The summary of what is wrong, with a link to the field that can mend it.
fn alert(notice: Notice, survey: &Survey, messages: &Messages) -> Markup {
    let (low, high) = survey.metric.ends();
    html! {
        p.alert role="alert" {
            @match notice {
                Notice::ScoreMissingOrOutside => a href={ "#score-" (low) } { (messages.survey_score_missing(low, high)) },
                Notice::CommentTooLong => a href="#comment" { (messages.survey_comment_too_long(COMMENT_LIMIT)) },
                Notice::StaleForm => (messages.survey_form_stale()),
                Notice::NotStored => (messages.survey_not_stored()),
            }
        }
    }
}

fn status(survey: &Survey, score: u8, messages: &Messages) -> Markup {
    let (_, top) = survey.metric.ends();
    html! {
        p.status role="status" {
            strong { (messages.survey_chosen(score, top)) }
            " "
            span { (messages.survey_chosen_hint()) }
        }
    }
}

/// The comment box under the question that fits the band of the score. All three questions are there and the style shows the
/// one of the selected point, so that it follows a changed mind without a script.
fn comment(view: &SurveyView<'_>, chosen: Option<u8>, messages: &'static Messages) -> Markup {
    let wording = Wording::new(view.survey, messages);
    let now = chosen.map(|score| wording.band(score));
    html! {
        div.comment {
            label for="comment" {
                span.ask.any.now[now.is_none()] { (messages.follow_up_any()) }
                @for band in Band::ALL {
                    span.ask.now[now == Some(*band)].(band.as_str()) { (wording.follow_up(*band)) }
                }
                " "
                span.soft { "(" (messages.survey_optional()) ")" }
            }
            textarea #comment name="comment" rows="4" maxlength=(COMMENT_LIMIT) dir="auto" autocomplete="off" aria-describedby="limit"
                aria-invalid=[(view.notice == Some(Notice::CommentTooLong)).then_some("true")] {
                // a parser drops the first line break of a textarea: this one, not the customer's
                (PreEscaped("\n")) (view.comment)
            }
            p.limit.soft {
                span #limit { (messages.survey_comment_limit(COMMENT_LIMIT)) }
                " "
                bdi #counter data-digits=(messages.locale().digits()) aria-hidden="true" {}
            }
        }
    }
}
