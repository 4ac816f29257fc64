//! Survey pages rendered once for each survey, language and chosen score; a request fills in token and nonces only.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::page::{SurveyView, survey};
use crate::clock::Timestamp;
use crate::i18n::{Locale, messages};
use crate::survey::{Survey, SurveyId};

/// Marks stand where a request's own values go. No text of a survey can hold one: control characters are refused there.
const TOKEN: &str = "\u{1}token\u{1}";
const NONCE: &str = "\u{1}nonce\u{1}";
const CSP_NONCE: &str = "\u{1}csp\u{1}";
/// Pages kept at most; then all are rendered anew.
const KEPT: usize = 4096;

/// What a request fills in.
#[derive(Debug, Clone, Copy)]
pub struct Fill<'a> {
    /// The token of the link.
    pub token: &'a str,
    /// The form's nonce.
    pub nonce: &'a str,
    /// The nonce of the content security policy.
    pub csp_nonce: &'a str,
}

enum Piece {
    Text(String),
    Token,
    Nonce,
    CspNonce,
}

/// A page with gaps.
struct Rendered {
    pieces: Vec<Piece>,
    length: usize,
}

impl Rendered {
    fn new(page: &str) -> Self {
        let pieces = page
            .split_inclusive('\u{1}')
            .scan(false, |is_mark, piece| {
                let was_mark = std::mem::replace(is_mark, !*is_mark);
                let text = piece.trim_end_matches('\u{1}');
                Some(match (was_mark, text) {
                    (true, "token") => Piece::Token,
                    (true, "nonce") => Piece::Nonce,
                    (true, "csp") => Piece::CspNonce,
                    _ => Piece::Text(text.to_owned()),
                })
            })
            .collect();
        Self { pieces, length: page.len() + 512 }
    }

    fn fill(&self, fill: Fill<'_>) -> String {
        let mut page = String::with_capacity(self.length);
        for piece in &self.pieces {
            page.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Token => fill.token,
                Piece::Nonce => fill.nonce,
                Piece::CspNonce => fill.csp_nonce,
            });
        }
        page
    }
}

/// Which page: the survey as it was last altered, language, chosen score.
type Key = (SurveyId, Timestamp, Locale, Option<u8>);

/// The pages rendered so far.
#[derive(Default)]
pub struct Pages(RwLock<HashMap<Key, Arc<Rendered>>>);

impl Pages {
    /// The survey page as it is first opened, with a request's own values.
    #[must_use]
    pub fn survey(&self, of: &Survey, locale: Locale, chosen: Option<u8>, fill: Fill<'_>) -> String {
        let key = (of.id, of.updated_at, locale, chosen);
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let rendered = kept.unwrap_or_else(|| self.render(key, of));
        rendered.fill(fill)
    }

    fn render(&self, key: Key, of: &Survey) -> Arc<Rendered> {
        let view = SurveyView {
            survey: of,
            token: TOKEN,
            nonce: NONCE,
            csp_nonce: CSP_NONCE,
            chosen: key.3,
            notice: None,
            comment: "",
            consent: false,
        };
        let rendered = Arc::new(Rendered::new(&survey(&view, messages(key.2)).into_string()));
        let mut pages = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if pages.len() >= KEPT {
            pages.clear();
        }
        pages.insert(key, Arc::clone(&rendered));
        rendered
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pages")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::survey::draft::Draft;

    #[test]
    fn a_filled_page_is_the_page_that_would_be_rendered_for_it() {
        let draft: Draft = serde_json::from_value(json!({"slug": "s", "name": "S", "metric": "nps", "company": "Acme <b>"})).unwrap();
        let of = draft.into_survey(SurveyId::default(), Timestamp::from_millis(0)).unwrap();
        let pages = Pages::default();
        for (locale, chosen) in [(Locale::En, None), (Locale::Fa, Some(9)), (Locale::Ar, Some(0)), (Locale::Fa, Some(9))] {
            let fill = Fill { token: "tok", nonce: "non", csp_nonce: "csp" };
            let view =
                SurveyView { survey: &of, token: "tok", nonce: "non", csp_nonce: "csp", chosen, notice: None, comment: "", consent: false };
            assert_eq!(pages.survey(&of, locale, chosen, fill), survey(&view, messages(locale)).into_string());
        }
    }
}
