//! Survey pages rendered once for each survey, language and chosen score; a request fills in token and nonces only.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::page::{SurveyView, ThanksView, survey, thanks};
use crate::clock::Timestamp;
use crate::i18n::{Locale, messages};
use crate::survey::{Survey, SurveyId};
use crate::web::gzip::{Deflated, Gzip};

/// Marks stand where a request's own values go. No text of a survey can hold one: control characters are refused there.
const TOKEN: &str = "\u{1}token\u{1}";
const NONCE: &str = "\u{1}nonce\u{1}";
const CSP_NONCE: &str = "\u{1}csp\u{1}";
/// Pages kept at most, some 20 MB of 13 KB plain and 5 KB deflated each; then all are rendered anew.
const KEPT: usize = 1024;

/// What a request fills in.
#[derive(Debug, Clone, Copy)]
pub struct Fill<'a> {
    /// The token of the link.
    pub token: &'a str,
    /// The form's nonce; a page without a form has none.
    pub nonce: &'a str,
    /// The nonce of the content security policy.
    pub csp_nonce: &'a str,
}

/// Which page of a survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sheet {
    /// The survey page as it is first opened, with the chosen score.
    Survey(Option<u8>),
    /// The thanks for this score.
    Thanks(u8),
}

enum Piece {
    Text(String, Deflated),
    Token,
    Nonce,
    CspNonce,
}

impl Piece {
    fn new(is_mark: bool, text: &str) -> Self {
        match (is_mark, text) {
            (true, "token") => Self::Token,
            (true, "nonce") => Self::Nonce,
            (true, "csp") => Self::CspNonce,
            _ => Self::Text(text.to_owned(), Deflated::new(text)),
        }
    }
}

impl<'a> Fill<'a> {
    const fn value(self, piece: &'a Piece) -> &'a str {
        match piece {
            Piece::Text(text, _) => text.as_str(),
            Piece::Token => self.token,
            Piece::Nonce => self.nonce,
            Piece::CspNonce => self.csp_nonce,
        }
    }
}

/// A page with gaps.
pub struct Rendered {
    pieces: Vec<Piece>,
    length: usize,
}

impl Rendered {
    fn new(page: &str) -> Self {
        // A mark stands between two control characters, so every second piece is one.
        let pieces = page.split('\u{1}').enumerate().map(|(at, text)| Piece::new(at % 2 == 1, text)).collect();
        Self { pieces, length: page.len() + 512 }
    }

    /// The page with a request's own values.
    #[must_use]
    pub fn fill(&self, fill: Fill<'_>) -> String {
        let mut page = String::with_capacity(self.length);
        for piece in &self.pieces {
            page.push_str(fill.value(piece));
        }
        page
    }

    /// The same, as gzip.
    #[must_use]
    pub fn fill_gzip(&self, fill: Fill<'_>) -> Vec<u8> {
        let mut page = Gzip::with_capacity(self.length / 2);
        for piece in &self.pieces {
            match piece {
                Piece::Text(_, deflated) => page.append(deflated),
                gap => page.store(fill.value(gap)),
            }
        }
        page.finish()
    }
}

/// Which page: the survey as it was last altered, language, sheet.
type Key = (SurveyId, Timestamp, Locale, Sheet);

/// The pages rendered so far.
#[derive(Default)]
pub struct Pages(RwLock<HashMap<Key, Arc<Rendered>>>);

impl Pages {
    /// A page of a survey, with gaps for a request's own values.
    #[must_use]
    pub fn find(&self, of: &Survey, locale: Locale, sheet: Sheet) -> Arc<Rendered> {
        let key = (of.id, of.updated_at, locale, sheet);
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        kept.unwrap_or_else(|| self.render(key, of))
    }

    fn render(&self, key: Key, of: &Survey) -> Arc<Rendered> {
        let (_, _, locale, sheet) = key;
        let fill = Fill { token: TOKEN, nonce: NONCE, csp_nonce: CSP_NONCE };
        let rendered = Arc::new(Rendered::new(&draw(of, locale, sheet, fill)));
        let mut pages = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if pages.len() >= KEPT {
            pages.clear();
        }
        pages.insert(key, Arc::clone(&rendered));
        rendered
    }
}

fn draw(of: &Survey, locale: Locale, sheet: Sheet, fill: Fill<'_>) -> String {
    let Fill { token, nonce, csp_nonce } = fill;
    let messages = messages(locale);
    let page = match sheet {
        Sheet::Survey(chosen) => {
            let view = SurveyView { survey: of, token, nonce, csp_nonce, chosen, notice: None, comment: "", consent: false };
            survey(&view, messages)
        }
        Sheet::Thanks(score) => {
            let happiness = of.public.enabled.then(|| format!("/happiness/{}", of.slug));
            thanks(&ThanksView { survey: of, token, csp_nonce, score, happiness: happiness.as_deref() }, messages)
        }
    };
    page.into_string()
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pages")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use serde_json::json;

    use super::*;
    use crate::survey::draft::Draft;

    #[test]
    fn a_filled_page_is_the_page_that_would_be_drawn_for_it() {
        let draft: Draft =
            serde_json::from_value(json!({"slug": "s", "name": "S", "metric": "nps", "company": "Acme <b>", "public": {"enabled": true}}))
                .unwrap();
        let of = draft.into_survey(SurveyId::default(), Timestamp::from_millis(0)).unwrap();
        let pages = Pages::default();
        let fill = Fill { token: "tok", nonce: "non", csp_nonce: "csp" };
        for (locale, sheet) in [
            (Locale::En, Sheet::Survey(None)),
            (Locale::Fa, Sheet::Survey(Some(9))),
            (Locale::Ar, Sheet::Survey(Some(0))),
            (Locale::Fa, Sheet::Survey(Some(9))),
            (Locale::Fa, Sheet::Thanks(9)),
            (Locale::En, Sheet::Thanks(0)),
        ] {
            let drawn = draw(&of, locale, sheet, fill);
            let rendered = pages.find(&of, locale, sheet);
            assert_eq!(rendered.fill(fill), drawn);
            let mut unpacked = String::new();
            GzDecoder::new(rendered.fill_gzip(fill).as_slice()).read_to_string(&mut unpacked).unwrap();
            assert_eq!(unpacked, drawn);
        }
    }
}
