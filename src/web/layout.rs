//! The one layout of every page: head, colours, inline style and script, and the card in the middle.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::color::Palette;
use crate::i18n::{Locale, Messages};

/// Typography, colours, card and buttons, in both colour schemes and both directions.
const BASE: &str = include_str!("../../templates/assets/base.css");

/// What surrounds the content of a page.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The language and, by it, the direction.
    pub locale: Locale,
    /// The title, without the product's name.
    pub title: &'a str,
    /// The nonce that the content security policy of this answer allows, verbatim on every style and script; empty where the policy
    /// allows the style by its hash.
    pub csp_nonce: &'a str,
    /// The brand.
    pub palette: Palette,
    /// CSS of this kind of page, after the base; trusted text of ours.
    pub style: &'static str,
    /// A script of ours at the end of the body.
    pub script: Option<&'static str>,
    /// Whether search engines may list the page.
    pub indexed: bool,
}

impl<'a> Frame<'a> {
    /// A private page in our own colours, without a style or script of its own.
    #[must_use]
    pub fn plain(locale: Locale, title: &'a str, csp_nonce: &'a str) -> Self {
        Self { locale, title, csp_nonce, palette: Palette::default(), style: "", script: None, indexed: false }
    }

    /// The whole text of the page's style element.
    #[must_use]
    pub fn style(&self) -> String {
        format!("{}{BASE}{}", self.palette.css(), self.style)
    }

    fn nonce(&self) -> Option<&'a str> {
        Some(self.csp_nonce).filter(|nonce| !nonce.is_empty())
    }
}

/// A whole page. It asks for nothing else: style and script are inline, and the empty icon keeps browsers from fetching one
/// (the policy needs `img-src data:` for it).
#[must_use]
pub fn page(frame: &Frame<'_>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(frame.locale) dir=(frame.locale.direction()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if !frame.indexed { meta name="robots" content="noindex"; }
                title { (frame.title) }
                link rel="icon" href="data:,";
                style nonce=[frame.nonce()] { (PreEscaped(frame.style())) }
            }
            body {
                (content)
                @if let Some(script) = frame.script { script nonce=[frame.nonce()] { (PreEscaped(script)) } }
            }
        }
    }
}

/// The page of an error that is no stage's own: what went wrong in the reader's words, and the status for those who report it.
#[must_use]
pub fn problem(status: u16, title: &str, message: &str, csp_nonce: &str, messages: &Messages) -> Markup {
    let content = html! {
        main.card {
            h1 { (title) }
            p { (message) }
            p.soft { bdi { (messages.number(status)) } }
        }
    };
    page(&Frame::plain(messages.locale(), title, csp_nonce), &content)
}

#[cfg(test)]
mod tests {
    use super::problem;
    use crate::i18n::{Locale, messages};

    #[test]
    fn a_problem_page_says_what_happened_in_the_direction_of_its_language() {
        let page = problem(404, "پیدا نشد", "<b>چنین صفحه‌ای نیست</b>", "NONCE", messages(Locale::Fa)).into_string();
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"fa\" dir=\"rtl\">"));
        assert!(page.contains("<title>پیدا نشد</title>") && page.contains("۴۰۴"));
        assert!(page.contains("&lt;b&gt;") && !page.contains("<b>چ"));
        assert!(page.contains("<style nonce=\"NONCE\">") && page.contains("noindex"));
    }
}
