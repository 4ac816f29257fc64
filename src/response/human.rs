//! Whether a person acted: mail scanners open every link and run every script, so only signs that they do not give count. Pure.

use crate::db::text_enum;

text_enum! {
    /// The sign by which an answer is known to be a person's.
    pub enum Evidence {
        /// The browser says that somebody pressed the button (`Sec-Fetch-User: ?1`, W3C Fetch Metadata).
        Pressed = "pressed",
        /// The pointer moved: a trusted event, reported by the page's script.
        PointerMove = "pointermove",
        /// A pointer was pressed.
        PointerDown = "pointerdown",
        /// The glass was touched.
        TouchStart = "touchstart",
        /// A key was pressed.
        KeyDown = "keydown",
        /// The confirm page was sent by a browser without scripts.
        Confirmed = "confirmed",
        /// No sign of ours: a program that took the answer vouches for it.
        Api = "api",
        /// No sign of ours: it comes from a file of past answers.
        Import = "import",
    }
}

/// What a form says of how it was sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signs<'a> {
    /// The header `Sec-Fetch-User`.
    pub fetch_user: Option<&'a str>,
    /// The header `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// The type of the first trusted event, by the page's script.
    pub evidence: Option<&'a str>,
    /// Whether it is the confirm page's form as a browser without scripts sends it.
    pub confirmed: bool,
}

impl Signs<'_> {
    /// The sign of a person, if there is one.
    ///
    /// A page without referrer posts `Origin: null`, so where the form stood is judged by `Sec-Fetch-Site`.
    #[must_use]
    pub fn of_a_person(&self) -> Option<Evidence> {
        let is_ours = matches!(self.fetch_site, None | Some("same-origin" | "none"));
        if self.fetch_user == Some("?1") && is_ours {
            return Some(Evidence::Pressed);
        }
        let confirmed = self.confirmed.then_some(Evidence::Confirmed);
        self.evidence.and_then(reported).or(confirmed)
    }
}

/// The event that the page's script reports; `None` for one that needs no person, such as scroll or focus.
#[must_use]
pub fn reported(evidence: &str) -> Option<Evidence> {
    let event: Evidence = evidence.parse().ok()?;
    matches!(event, Evidence::PointerMove | Evidence::PointerDown | Evidence::TouchStart | Evidence::KeyDown).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pressed_button_is_a_person() {
        let pressed = Signs { fetch_user: Some("?1"), fetch_site: Some("same-origin"), ..Signs::default() };
        assert_eq!(pressed.of_a_person(), Some(Evidence::Pressed));
        assert_eq!(Signs { fetch_site: None, ..pressed }.of_a_person(), Some(Evidence::Pressed));
        assert_eq!(Signs { fetch_site: Some("cross-site"), ..pressed }.of_a_person(), None);
        assert_eq!(Signs { fetch_user: Some("?0"), ..pressed }.of_a_person(), None);
    }

    #[test]
    fn only_events_that_need_a_person_are_evidence() {
        for (event, evidence) in [
            ("pointermove", Some(Evidence::PointerMove)),
            ("pointerdown", Some(Evidence::PointerDown)),
            ("touchstart", Some(Evidence::TouchStart)),
            ("keydown", Some(Evidence::KeyDown)),
            ("scroll", None),
            ("focus", None),
            ("click", None),
            ("pressed", None),
            ("confirmed", None),
            ("", None),
        ] {
            assert_eq!(Signs { evidence: Some(event), ..Signs::default() }.of_a_person(), evidence, "{event}");
        }
    }

    #[test]
    fn a_form_without_any_sign_is_nobodys() {
        assert_eq!(Signs::default().of_a_person(), None);
        assert_eq!(Signs { confirmed: true, ..Signs::default() }.of_a_person(), Some(Evidence::Confirmed));
    }
}
