//! The scale: native radio buttons drawn as numbers, faces or stars, lowest first, each with its words.

use maud::{Markup, PreEscaped, html};

use super::named_point;
use crate::i18n::Messages;
use crate::metric::Metric;
use crate::survey::wording::Wording;
use crate::survey::{Display, Survey};

/// The radio group; `wrong` marks it as the field to mend.
pub(super) fn scale(survey: &Survey, chosen: Option<u8>, wrong: bool, messages: &'static Messages) -> Markup {
    let (low, high) = survey.metric.ends();
    let wording = Wording::new(survey, messages);
    html! {
        fieldset role="radiogroup" aria-labelledby="question" aria-describedby="ends" aria-required="true" aria-invalid=[wrong.then_some("true")] {
            div class={ "scale " (survey.metric) " " (drawing(survey)) } {
                @for score in survey.metric.points() { (point(survey, score, chosen == Some(score), messages)) }
            }
            p.ends #ends {
                span { b { (messages.number(low)) } " " (wording.low()) }
                " "
                span { b { (messages.number(high)) } " " (wording.high()) }
            }
        }
    }
}

/// One point. The label's text for assistive programs is whole ("4 of 5, Satisfied"); what is seen is its short form.
fn point(survey: &Survey, score: u8, chosen: bool, messages: &'static Messages) -> Markup {
    let wording = Wording::new(survey, messages);
    let word = if survey.metric == Metric::Nps { None } else { wording.word(score) };
    html! {
        label.point {
            span.box {
                input type="radio" name="score" value=(score) id={ "score-" (score) } data-band=(wording.band(score)) required checked[chosen];
                span.face aria-hidden="true" { (mark(survey, score, messages)) }
            }
            @if let Some(word) = word { span.word aria-hidden="true" { (word) } }
            span.hidden { (named_point(survey, score, messages)) }
        }
    }
}

/// Faces and stars stand for five points; longer scales are numbers whatever the survey says.
fn drawing(survey: &Survey) -> Display {
    if survey.metric == Metric::Csat { survey.display } else { Display::Numbers }
}

fn mark(survey: &Survey, score: u8, messages: &Messages) -> Markup {
    match drawing(survey) {
        Display::Numbers => html! { (messages.number(score)) },
        Display::Faces => svg(&format!("<circle cx=\"16\" cy=\"16\" r=\"13\"/><path d=\"M11.5 12v1m9-1v1{}\"/>", mouth(score))),
        Display::Stars => svg("<path d=\"m16 4 3.6 7.8 8.4 1-6.2 5.8 1.6 8.4-7.4-4.2L8.6 27l1.6-8.4L4 12.8l8.4-1z\"/>"),
    }
}

/// From a deep frown to a broad smile, in one line each; no colour says more than the line.
const fn mouth(score: u8) -> &'static str {
    match score {
        1 => "M10 23q6-8 12 0",
        2 => "M11 22q5-3.5 10 0",
        3 => "M11 20.5h10",
        4 => "M11 19q5 3.5 10 0",
        _ => "M9.5 18q6.5 9 13 0z",
    }
}

fn svg(shapes: &str) -> Markup {
    html! { svg viewBox="0 0 32 32" aria-hidden="true" { (PreEscaped(shapes)) } }
}
