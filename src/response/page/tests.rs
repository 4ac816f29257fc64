//! What every customer's page must hold, in three languages.

use super::{ConfirmView, Notice, Refusal, SurveyView, ThanksView, confirm, refusal, survey, thanks, unsubscribe, unsubscribed};
use crate::i18n::{Locale, messages};
use crate::metric::{Metric, Scale};
use crate::survey::wording::tests::survey as sample;
use crate::survey::{Display, Survey, Texts};

const TOKEN: &str = "TOKEN-MARK";
const NONCE: &str = "NONCE-MARK";
const CSP: &str = "CSP-MARK";

fn view(survey: &Survey, chosen: Option<u8>) -> SurveyView<'_> {
    SurveyView { survey, token: TOKEN, nonce: NONCE, csp_nonce: CSP, chosen, notice: None, comment: "", consent: false }
}

fn shown(survey: &Survey, chosen: Option<u8>, locale: Locale) -> String {
    super::survey(&view(survey, chosen), messages(locale)).into_string()
}

/// Every page there is, of one survey in one language, with a name for messages of failure.
fn every_page(sample: &Survey, locale: Locale) -> Vec<(String, String)> {
    let texts = messages(locale);
    let mut pages = vec![
        ("survey".to_owned(), shown(sample, None, locale)),
        ("chosen".to_owned(), shown(sample, Some(4), locale)),
        ("unsubscribe".to_owned(), unsubscribe(sample, TOKEN, CSP, texts).into_string()),
        ("unsubscribed".to_owned(), unsubscribed(sample, CSP, texts).into_string()),
    ];
    for notice in [Notice::ScoreMissingOrOutside, Notice::CommentTooLong, Notice::StaleForm, Notice::NotStored] {
        let view = SurveyView { notice: Some(notice), comment: "typed", ..view(sample, None) };
        pages.push((format!("{notice:?}"), survey(&view, texts).into_string()));
    }
    let ask = ConfirmView { survey: sample, token: TOKEN, nonce: NONCE, csp_nonce: CSP, score: 4, comment: "typed", consent: true };
    pages.push(("confirm".to_owned(), confirm(&ask, texts).into_string()));
    let done = ThanksView { survey: sample, token: TOKEN, csp_nonce: CSP, score: 4, happiness: Some("/happiness/support") };
    pages.push(("thanks".to_owned(), thanks(&done, texts).into_string()));
    for reason in [
        Refusal::NotFound,
        Refusal::Expired,
        Refusal::Withdrawn,
        Refusal::Closed,
        Refusal::Settled,
        Refusal::TooMany { seconds: 2 },
        Refusal::Unavailable,
    ] {
        pages.push((format!("{reason:?}"), refusal(reason, Some(sample), CSP, texts).into_string()));
    }
    pages
}

#[test]
fn every_page_has_a_title_a_heading_a_language_and_a_direction() {
    for locale in Locale::ALL {
        for (name, page) in every_page(&sample(Metric::Csat, Some("Acme")), *locale) {
            assert!(page.contains(&format!("<html lang=\"{locale}\" dir=\"{}\">", locale.direction())), "{locale} {name}");
            assert!(page.contains("<title>") && !page.contains("<title></title>"), "{locale} {name}");
            assert_eq!(page.matches("<h1").count(), 1, "{locale} {name}");
            assert!(page.contains("name=\"robots\" content=\"noindex\""), "{locale} {name}");
        }
    }
}

#[test]
fn a_page_asks_for_nothing_else_and_every_style_and_script_has_its_nonce() {
    for (name, page) in every_page(&sample(Metric::Csat, Some("Acme")), Locale::En) {
        for tag in ["<style", "<script"] {
            let with_nonce = format!("{tag} nonce=\"{CSP}\">");
            assert_eq!(page.matches(tag).count(), page.matches(&with_nonce).count(), "{name}");
        }
        for outside in ["http://", "https://", "src=", "url(", "@import", " style=", " onclick="] {
            assert!(!page.contains(outside), "{name} has {outside}");
        }
    }
}

#[test]
fn a_page_is_small_enough_for_one_round_trip_even_uncompressed() {
    // 14 KB compressed is the promise; texts of our own being short, the bytes as they are come near it
    for metric in Metric::ALL {
        for locale in Locale::ALL {
            let bytes = shown(&sample(*metric, Some("Acme")), Some(4), *locale).len();
            assert!(bytes < 16 * 1024, "{metric} {locale}: {bytes} bytes");
        }
    }
}

#[test]
fn the_points_of_the_scale_stand_in_ascending_order_in_every_language() {
    for metric in Metric::ALL {
        for locale in Locale::ALL {
            let page = shown(&sample(*metric, None), None, *locale);
            let radios: Vec<u8> = page
                .split("type=\"radio\" name=\"score\" value=\"")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
                .collect();
            assert_eq!(radios, metric.points().collect::<Vec<_>>(), "{metric} {locale}");
            assert!(!page.contains(" checked"), "nothing is chosen before a click");
        }
    }
}

#[test]
fn the_clicked_score_is_selected_and_said() {
    let page = shown(&sample(Metric::Csat, None), Some(4), Locale::En);
    assert!(page.contains("You chose 4 of 5.") && page.contains("role=\"status\""));
    assert_eq!(page.matches(" checked>").count(), 1);
    assert!(page.contains("value=\"4\" id=\"score-4\" data-band=\"high\" required checked>"));
    assert!(page.contains("4 of 5, Satisfied"));
    assert!(shown(&sample(Metric::Csat, None), Some(4), Locale::Fa).contains("شما ۴ از ۵ را انتخاب کردید."));
    assert!(shown(&sample(Metric::Nps, None), Some(0), Locale::Ar).contains("لقد اخترت ٠ من ١٠."));
}

#[test]
fn a_score_outside_the_scale_selects_nothing() {
    let page = shown(&sample(Metric::Csat, None), Some(6), Locale::En);
    assert_eq!(page, shown(&sample(Metric::Csat, None), None, Locale::En));
}

#[test]
fn only_a_score_chosen_by_the_link_is_reported_by_the_script() {
    let csat = sample(Metric::Csat, None);
    assert!(shown(&csat, Some(4), Locale::En).contains(" data-touch>"));
    assert!(!shown(&csat, None, Locale::En).contains(" data-touch>"));
    let refused = SurveyView { notice: Some(Notice::CommentTooLong), ..view(&csat, Some(4)) };
    assert!(!survey(&refused, messages(Locale::En)).into_string().contains(" data-touch>"));
}

#[test]
fn tokens_and_nonces_stand_verbatim_and_the_rest_stays_the_same() {
    let nps = sample(Metric::Nps, Some("Acme"));
    let page = shown(&nps, Some(9), Locale::Fa);
    let other = SurveyView { token: "t2", nonce: "n2", csp_nonce: "c2", ..view(&nps, Some(9)) };
    let filled_in = page.replace(TOKEN, "t2").replace(NONCE, "n2").replace(CSP, "c2");
    assert_eq!(filled_in, survey(&other, messages(Locale::Fa)).into_string());
    assert!(page.contains("action=\"/s/TOKEN-MARK\"") && page.contains("name=\"nonce\" value=\"NONCE-MARK\""));
}

#[test]
fn the_follow_up_question_fits_the_band_of_the_answer() {
    let mut ces = sample(Metric::Ces, None);
    assert!(shown(&ces, Some(7), Locale::En).contains("class=\"ask high now\""));
    ces.scale = Scale::Effort;
    assert!(shown(&ces, Some(7), Locale::En).contains("class=\"ask low now\""));
    assert!(shown(&ces, None, Locale::En).contains("class=\"ask any now\">Would you like to tell us more?"));
}

#[test]
fn hostile_words_of_a_survey_and_a_comment_stay_words() {
    let hostile = "</textarea><script>alert(1)</script>\"'&";
    let mut csat = sample(Metric::Csat, Some(hostile));
    csat.brand.color = "</style><script>".to_owned();
    csat.texts.insert(
        Locale::En,
        Texts { question: Some(hostile.to_owned()), low: Some(hostile.to_owned()), high: Some("{company}".to_owned()), ..Texts::default() },
    );
    let typed = SurveyView { comment: hostile, ..view(&csat, Some(1)) };
    let ask = ConfirmView { survey: &csat, token: TOKEN, nonce: NONCE, csp_nonce: CSP, score: 1, comment: hostile, consent: false };
    let texts = messages(Locale::En);
    let mut pages = every_page(&csat, Locale::En);
    pages.push(("typed".to_owned(), survey(&typed, texts).into_string()));
    pages.push(("confirm".to_owned(), confirm(&ask, texts).into_string()));
    for (name, page) in pages {
        assert!(!page.contains("<script>") && page.matches("</textarea>").count() <= 1, "{name}");
        assert_eq!(page.matches("</style>").count(), 1, "{name}");
    }
}

#[test]
fn what_was_typed_is_still_there_when_the_page_comes_back() {
    let csat = sample(Metric::Csat, None);
    let back = SurveyView { notice: Some(Notice::StaleForm), comment: "\nline one\nline <two>", consent: true, ..view(&csat, Some(2)) };
    let page = survey(&back, messages(Locale::En)).into_string();
    assert!(page.contains(">\n\nline one\nline &lt;two&gt;</textarea>"));
    assert!(page.contains("name=\"consent\" value=\"yes\" checked"));
    assert!(page.contains("role=\"alert\"") && page.contains("<title>Please check: "));
}

#[test]
fn the_confirm_page_carries_the_whole_answer() {
    let csat = sample(Metric::Csat, None);
    let ask = ConfirmView { survey: &csat, token: TOKEN, nonce: NONCE, csp_nonce: CSP, score: 2, comment: "a \"b\"\nc", consent: true };
    let page = confirm(&ask, messages(Locale::En)).into_string();
    for field in ["nonce\" value=\"NONCE-MARK", "score\" value=\"2", "comment\" value=\"a &quot;b&quot;\nc", "consent\" value=\"yes"] {
        assert!(page.contains(&format!("<input type=\"hidden\" name=\"{field}\">")), "{field}");
    }
    assert!(page.contains("name=\"evidence\">") && page.contains("2 of 5, Dissatisfied"));
}

#[test]
fn only_a_browser_without_scripts_confirms_by_a_field() {
    let csat = sample(Metric::Csat, None);
    let (_, page) = every_page(&csat, Locale::En).into_iter().find(|(name, _)| name == "confirm").unwrap();
    assert!(page.contains("<noscript><input type=\"hidden\" name=\"confirmed\" value=\"yes\"></noscript>"));
    assert_eq!(page.matches("confirmed").count(), 1);
}

#[test]
fn thanks_say_the_score_and_how_to_change_it() {
    let nps = sample(Metric::Nps, None);
    let done = ThanksView { survey: &nps, token: TOKEN, csp_nonce: CSP, score: 9, happiness: None };
    let page = thanks(&done, messages(Locale::En)).into_string();
    assert!(page.contains("You rated 9 of 10.") && page.contains("<a class=\"action\" href=\"/s/TOKEN-MARK\">Change my answer</a>"));
    assert!(!page.contains("happiness"));
}

#[test]
fn faces_and_stars_keep_their_words_and_stay_with_csat() {
    for display in [Display::Faces, Display::Stars] {
        let mut csat = sample(Metric::Csat, None);
        csat.display = display;
        let page = shown(&csat, None, Locale::En);
        assert_eq!(page.matches("<svg").count(), 5);
        assert!(page.contains("1 of 5, Very dissatisfied"));
        let mut nps = sample(Metric::Nps, None);
        nps.display = display;
        assert!(!shown(&nps, None, Locale::En).contains("<svg"));
    }
}

#[test]
fn a_refusal_names_its_status() {
    assert_eq!(Refusal::NotFound.status(), 404);
    assert_eq!(Refusal::Withdrawn.status(), 410);
    assert_eq!(Refusal::TooMany { seconds: 1 }.status(), 429);
    assert_eq!(Notice::StaleForm.status(), 409);
    assert!(refusal(Refusal::TooMany { seconds: 1 }, None, CSP, messages(Locale::En)).into_string().contains("in 1 second."));
}

#[test]
fn the_script_is_tiny_and_submits_no_form() {
    assert!(super::SCRIPT.len() < 1_500);
    assert!(!super::SCRIPT.contains("submit(") && !super::SCRIPT.contains("requestSubmit"));
}
