//! The two pages of unsubscribing: the question, and what was done.

use maud::{Markup, html};

use super::Shell;
use crate::i18n::Messages;
use crate::survey::Survey;

/// Asks whether to stop; a link that is merely opened stops nothing. The form posts to `/u/{token}` without fields.
#[must_use]
pub fn unsubscribe(survey: &Survey, token: &str, csp_nonce: &str, messages: &'static Messages) -> Markup {
    let title = messages.unsubscribe_title();
    let text = match survey.company.as_deref() {
        Some(company) => messages.unsubscribe_text(company),
        None => messages.unsubscribe_text_unnamed(),
    };
    let content = html! {
        h1 { (title) }
        p { (text) }
        form method="post" action={ "/u/" (token) } {
            button type="submit" { (messages.unsubscribe_confirm()) }
        }
    };
    shell(survey, &title, csp_nonce).render(messages, &content)
}

/// Says that it is done, the first time and every time after.
#[must_use]
pub fn unsubscribed(survey: &Survey, csp_nonce: &str, messages: &'static Messages) -> Markup {
    let title = messages.unsubscribed_title();
    let text = match survey.company.as_deref() {
        Some(company) => messages.unsubscribed_text(company),
        None => messages.unsubscribed_text_unnamed(),
    };
    let content = html! {
        h1 { (title) }
        p role="status" { (text) }
    };
    shell(survey, &title, csp_nonce).render(messages, &content)
}

const fn shell<'a>(survey: &'a Survey, title: &'a str, csp_nonce: &'a str) -> Shell<'a> {
    Shell { survey: Some(survey), title, csp_nonce, script: None }
}
