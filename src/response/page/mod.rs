//! What a customer sees: the survey page, what follows it, and every refusal, as pure functions to HTML.
//!
//! Tokens, form nonces and policy nonces are printed verbatim and nothing else of a page changes from request to request, so
//! a page may be rendered once with marks in their place and filled in later.

use std::borrow::Cow;

use maud::{Markup, html};

use crate::i18n::Messages;
use crate::survey::Survey;
use crate::survey::wording::Wording;
use crate::web::color::Palette;
use crate::web::layout::{self, Frame};

mod after;
mod notice;
mod scale;
mod survey;
#[cfg(test)]
mod tests;
mod unsubscribe;

pub use after::{ConfirmView, ThanksView, confirm, thanks};
pub use notice::{Refusal, refusal};
pub use survey::{COMMENT_LIMIT, Notice, SurveyView, survey};
pub use unsubscribe::{unsubscribe, unsubscribed};

/// The style of the survey page and its kin, after the base.
const STYLE: &str = include_str!("../../../templates/assets/survey.css");
/// The script of the pages that hold the answer's form.
const SCRIPT: &str = include_str!("../../../templates/assets/survey.js");

/// A page in the colours of a survey, the company's name above its content.
struct Shell<'a> {
    survey: Option<&'a Survey>,
    title: &'a str,
    csp_nonce: &'a str,
    script: Option<&'static str>,
}

impl Shell<'_> {
    fn render(&self, messages: &'static Messages, content: &Markup) -> Markup {
        let frame = Frame {
            palette: self.survey.map_or_else(Palette::default, |survey| Palette::of(&survey.brand.color)),
            style: STYLE,
            script: self.script,
            ..Frame::plain(messages.locale(), self.title, self.csp_nonce)
        };
        let company = self.survey.and_then(|survey| survey.company.as_deref());
        layout::page(
            &frame,
            &html! {
                main.card {
                    @if let Some(company) = company { (letterhead(company)) }
                    (content)
                }
            },
        )
    }
}

/// The company's name beside its first letter: a logo that needs no image.
fn letterhead(company: &str) -> Markup {
    let initial: String = company.chars().filter(|letter| letter.is_alphanumeric()).take(1).flat_map(char::to_uppercase).collect();
    html! {
        p.letterhead {
            span.initial aria-hidden="true" { (initial) }
            bdi { (company) }
        }
    }
}

/// `4 of 5`, with the point's word where it has one.
fn named_point(survey: &Survey, score: u8, messages: &'static Messages) -> Cow<'static, str> {
    let (_, top) = survey.metric.ends();
    match Wording::new(survey, messages).word(score) {
        Some(word) => messages.scale_point_named(score, top, &word),
        None => messages.scale_point(score, top),
    }
}
