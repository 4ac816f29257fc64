//! What follows the survey page: thanks, or the page that asks a person to press once more.

use maud::{Markup, PreEscaped, html};

use super::{SCRIPT, Shell, named_point};
use crate::i18n::Messages;
use crate::survey::Survey;

/// What the confirm page shows and carries along.
#[derive(Debug, Clone, Copy)]
pub struct ConfirmView<'a> {
    /// The survey.
    pub survey: &'a Survey,
    /// The token of the link, for the form's address.
    pub token: &'a str,
    /// The form's nonce.
    pub nonce: &'a str,
    /// The nonce of the content security policy.
    pub csp_nonce: &'a str,
    /// The raw score that was posted; within the scale.
    pub score: u8,
    /// The comment that was posted.
    pub comment: &'a str,
    /// Whether the consent was ticked.
    pub consent: bool,
}

/// The page after a form that came without a sign of a person. Nothing is recorded yet; its own button does it.
///
/// `confirmed=yes` is for browsers that run no scripts and send no `Sec-Fetch-User`. It stands in a `noscript`, because to a
/// browser that runs scripts that is no field at all: a scanner's script that submits this form, too, gives no sign.
#[must_use]
pub fn confirm(view: &ConfirmView<'_>, messages: &'static Messages) -> Markup {
    let title = messages.confirm_title();
    let content = html! {
        h1 { (title) }
        p.rated { (named_point(view.survey, view.score, messages)) }
        p { (messages.confirm_why()) }
        form method="post" action={ "/s/" (view.token) } autocomplete="off" {
            input type="hidden" name="nonce" value=(view.nonce);
            input type="hidden" name="score" value=(view.score);
            input type="hidden" name="comment" value=(view.comment);
            @if view.consent { input type="hidden" name="consent" value="yes"; }
            input type="hidden" name="evidence";
            noscript { input type="hidden" name="confirmed" value="yes"; }
            button type="submit" { (messages.confirm_send()) }
        }
    };
    let shell = Shell { survey: Some(view.survey), title: &title, csp_nonce: view.csp_nonce, script: Some(SCRIPT) };
    shell.render(messages, &content)
}

/// What the thanks page shows.
#[derive(Debug, Clone, Copy)]
pub struct ThanksView<'a> {
    /// The survey.
    pub survey: &'a Survey,
    /// The token of the link, for changing the answer.
    pub token: &'a str,
    /// The nonce of the content security policy.
    pub csp_nonce: &'a str,
    /// The raw score that was recorded; within the scale.
    pub score: u8,
    /// The address of the public happiness page, if there is one.
    pub happiness: Option<&'a str>,
}

/// The page after an answer that is stored.
#[must_use]
pub fn thanks(view: &ThanksView<'_>, messages: &'static Messages) -> Markup {
    let (_, top) = view.survey.metric.ends();
    let title = messages.thanks_title();
    let content = html! {
        div.thanks {
            svg.done viewBox="0 0 32 32" aria-hidden="true" { (PreEscaped("<path d=\"m9 17 5 5 10-12\"/>")) }
            h1 { (title) }
            p.rated role="status" { (messages.thanks_rated(view.score, top)) }
            p { (messages.thanks_note()) }
            p { a.action href={ "/s/" (view.token) } { (messages.thanks_change()) } }
            @if let Some(href) = view.happiness { p { a.action href=(href) { (messages.thanks_happiness()) } } }
        }
    };
    let shell = Shell { survey: Some(view.survey), title: &title, csp_nonce: view.csp_nonce, script: None };
    shell.render(messages, &content)
}
