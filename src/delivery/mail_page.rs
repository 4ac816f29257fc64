//! The HTML part of an invitation: one table, inline styles, live text. It survives Word (Outlook), Gmail and dark mode, and needs no image.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::delivery::compose::{InvitationMail, Words, company};
use crate::i18n::Locale;
use crate::survey::{Display, Survey};
use crate::web::color::Palette;

const INK: &str = "#1b1f1d";
const SOFT: &str = "#5c6460";
const CARD: &str = "#ffffff";
const RULE: &str = "#d3dad6";
const PAGE: &str = "#f1f4f2";
/// 4.54:1 on white and 4.62:1 on black: a border that survives whatever a mail program does to colours.
const BORDER: &str = "#767676";

const WORD_CELL_END: &str = "<!--[if mso]></td><![endif]-->";
/// Wraps as a whole. Hidden from Word, which must see nothing between a row and its cells.
const GROUP_BEGIN: &str = "<!--[if !mso]><!-- --><span style=\"display:inline-block\"><!--<![endif]-->";
const GROUP_END: &str = "<!--[if !mso]><!-- --></span><!--<![endif]-->";

/// For those who read `<style>`; everything else is inline.
const DARK: &str = ":root{color-scheme:light dark;supported-color-schemes:light dark}\
@media (prefers-color-scheme:dark){.page{background:#0f1211!important}.card{background:#1a1e1c!important}\
.ink{color:#eef1ef!important}.soft{color:#a9b1ad!important;border-color:#3c4340!important}}\
@media (min-width:560px){.side{padding-left:32px!important;padding-right:32px!important}\
.scale{padding-left:30px!important;padding-right:30px!important}}";

const LATIN_FONTS: &str = "-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const ARABIC_FONTS: &str = "Vazirmatn,'Segoe UI',Tahoma,'Noto Sans Arabic','Geeza Pro',sans-serif";

/// How the language runs and looks.
struct Look {
    dir: &'static str,
    lang: &'static str,
    /// Where lines begin and end: mail programs know no logical properties.
    start: &'static str,
    end: &'static str,
    fonts: &'static str,
    line_height: &'static str,
}

/// The HTML part, at most 25 KB.
pub(super) fn html(invitation: &InvitationMail<'_>, words: &Words<'_>, title: &str) -> String {
    let look = Look::of(invitation.locale);
    html! {
        (DOCTYPE)
        html lang=(look.lang) dir=(look.dir) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="supported-color-schemes" content="light dark";
                meta name="x-apple-disable-message-reformatting";
                meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no";
                title { (title) }
                style { (PreEscaped(DARK)) }
            }
            body class="page" style={ "margin:0;padding:0;background:" (PAGE) } {
                div class="page" lang=(look.lang) dir=(look.dir) style={ "padding:16px 0;background:" (PAGE) } {
                    // What the list of mails shows beside the subject.
                    div style="display:none;max-height:0;overflow:hidden;mso-hide:all" { (words.wording.question()) }
                    (PreEscaped("<!--[if mso]><table role=\"presentation\" align=\"center\" width=\"600\"><tr><td><![endif]-->"))
                    (card(invitation, words, &look))
                    (PreEscaped("<!--[if mso]></td></tr></table><![endif]-->"))
                }
            }
        }
    }
    .into_string()
}

/// A page of plain text, for whoever runs the service.
pub(super) fn plain(title: &str, text: &str) -> String {
    html! {
        (DOCTYPE)
        html lang="en" dir="ltr" {
            head { meta charset="utf-8"; title { (title) } }
            body { pre style={ "white-space:pre-wrap;font-size:15px;line-height:1.5;font-family:" (LATIN_FONTS) } { (text) } }
        }
    }
    .into_string()
}

impl Look {
    const fn of(locale: Locale) -> Self {
        let (dir, lang) = (locale.direction(), locale.as_str());
        match locale {
            Locale::Fa | Locale::Ar => Self { dir, lang, start: "right", end: "left", fonts: ARABIC_FONTS, line_height: "1.7" },
            Locale::En => Self { dir, lang, start: "left", end: "right", fonts: LATIN_FONTS, line_height: "1.5" },
        }
    }

    /// What every cell with text in it says of it; paragraphs and links inherit it.
    fn text(&self, align: &str) -> String {
        format!("font-family:{};line-height:{};text-align:{align};", self.fonts, self.line_height)
    }
}

/// The one table of 600 px. Its sides leave 288 px at 320: six cells.
fn card(invitation: &InvitationMail<'_>, words: &Words<'_>, look: &Look) -> Markup {
    let messages = words.messages;
    let survey = invitation.survey;
    let text = format!("font-size:16px;color:{INK};");
    let small = format!("font-size:13px;color:{SOFT};");
    let own_link = Palette::of(&survey.brand.color).accent();
    html! {
        table class="card" role="presentation" lang=(look.lang) dir=(look.dir) align="center" width="100%" cellpadding="0" cellspacing="0" border="0"
            style={ "width:100%;max-width:600px;margin:0 auto;border-collapse:separate;border-radius:12px;background:" (CARD) } {
            (head(survey, words, look))
            (row(look, "side", "24px 16px 0", &html! {
                p class="ink" style={ (text) "margin:0 0 8px" } { (words.greeting) }
                p class="ink" style={ (text) "margin:0" } { (words.lead) }
                @if !words.reference.is_empty() {
                    p class="soft" style={ (small) "margin:8px 0 0" } { (words.reference.join(" \u{b7} ")) }
                }
            }))
            (row(look, "side", "24px 16px 12px", &html! {
                h1 class="ink" style={ "margin:0;font-size:21px;line-height:1.4;font-weight:bold;color:" (INK) } { (words.wording.question()) }
            }))
            (row(look, "scale", "0 14px", &html! { (cells(invitation, words, look)) }))
            (row(look, "side", "6px 16px 0", &html! { (ends(survey, words, look)) }))
            (row(look, "side", "20px 16px 24px", &html! {
                p class="soft" style={ (small) "margin:0 0 12px" } { (messages.mail_one_click()) }
                p class="ink" style={ (text) "margin:0" } {
                    a class="ink" href=(invitation.link) style={ "color:" (own_link) ";text-decoration:underline" } { (messages.mail_open()) }
                }
            }))
            (row(look, "side", "0 16px 20px", &html! {
                p class="soft" style={ (small) "margin:0;padding-top:16px;border-top:1px solid " (RULE) } {
                    (words.why) " "
                    a class="soft" href=(invitation.unsubscribe_link) style={ "color:" (SOFT) ";text-decoration:underline" } { (messages.mail_unsubscribe()) }
                }
            }))
        }
    }
}

/// One row of the table; clients drop the attributes of `body`, so that each cell repeats language and direction.
fn row(look: &Look, class: &str, padding: &str, content: &Markup) -> Markup {
    html! {
        tr { td class=(class) lang=(look.lang) dir=(look.dir) align=(look.start) style={ (look.text(look.start)) "padding:" (padding) } { (content) } }
    }
}

/// The company in its colour, or its logo, whose text stands there when images are off. A logo stays on white in the dark, too: most are drawn for
/// that, and nobody can tell the others.
fn head(survey: &Survey, words: &Words<'_>, look: &Look) -> Markup {
    let palette = Palette::of(&survey.brand.color);
    let (fill, on_fill) = (palette.brand(), palette.on_brand());
    let company = company(survey);
    let name = company.as_deref().map(|company| words.messages.foreign(company)).unwrap_or_default();
    let bold = format!("{}font-size:17px;font-weight:bold;", look.text(look.start));
    html! {
        tr {
            @if let Some(logo) = survey.brand.logo_url.as_deref().filter(|url| url.starts_with("https://")) {
                td class="side" lang=(look.lang) dir=(look.dir) align=(look.start) bgcolor=(CARD)
                    style={ "padding:16px;border-top:4px solid " (fill) ";border-radius:12px 12px 0 0;background:" (CARD) } {
                    img src=(logo) alt=(name) height="36" style={ (bold) "height:36px;max-width:240px;border:0;color:" (INK) };
                }
            } @else if name.is_empty() {
                td lang=(look.lang) dir=(look.dir) height="6" bgcolor=(fill) style={ "height:6px;line-height:6px;font-size:0;border-radius:12px 12px 0 0;background:" (fill) } { "\u{a0}" }
            } @else {
                td class="side" lang=(look.lang) dir=(look.dir) align=(look.start) bgcolor=(fill) style={ "padding:14px 16px;border-radius:12px 12px 0 0;background:" (fill) } {
                    span style={ (bold) "color:" (on_fill) } { (name) }
                }
            }
        }
    }
}

/// The points of the scale, lowest first, in two groups when there are many: a scale that does not fit wraps in the middle (6 + 5, 4 + 3), never with one point left over.
/// Word knows neither size nor margin of a link; there each stands in a cell of a table.
fn cells(invitation: &InvitationMail<'_>, words: &Words<'_>, look: &Look) -> Markup {
    let points: Vec<u8> = invitation.survey.metric.points().collect();
    let groups = points.chunks(if points.len() > 6 { points.len().div_ceil(2) } else { points.len() });
    let word_cell = format!(
        "<!--[if mso]><td width=\"{}\" height=\"44\" align=\"center\" valign=\"middle\" style=\"border:1px solid {BORDER}\"><![endif]-->",
        cell_width(invitation.survey)
    );
    html! {
        (PreEscaped(format!("<!--[if mso]><table role=\"presentation\" dir=\"{}\" cellspacing=\"4\"><tr><![endif]-->", look.dir)))
        @for group in groups {
            (PreEscaped(GROUP_BEGIN))
            @for score in group {
                (PreEscaped(&word_cell))
                (cell(invitation, words, *score))
                (PreEscaped(WORD_CELL_END))
            }
            (PreEscaped(GROUP_END))
        }
        (PreEscaped("<!--[if mso]></tr></table><![endif]-->"))
    }
}

/// Pixels with the border. Five fill the width that six or more need.
fn cell_width(survey: &Survey) -> usize {
    if survey.metric.points().count() > 5 { 44 } else { 52 }
}

/// One point: at least 44 by 44 px, 2 px apart on each side.
fn cell(invitation: &InvitationMail<'_>, words: &Words<'_>, score: u8) -> Markup {
    let messages = words.messages;
    let (_, top) = invitation.survey.metric.ends();
    let label = match words.wording.word(score) {
        Some(word) => messages.scale_point_named(score, top, &word),
        None => messages.scale_point(score, top),
    };
    let (sign, size) = match invitation.survey.display {
        Display::Numbers => (messages.number(score), "17px"),
        Display::Stars => (format!("{}\u{2605}", messages.number(score)), "16px"),
        Display::Faces => (face(score).map_or_else(|| messages.number(score), str::to_owned), "24px"),
    };
    html! {
        a class="ink" href={ (invitation.link) "/" (score) } title=(label) aria-label=(label)
            style={
                "display:inline-block;width:" (cell_width(invitation.survey) - 2) "px;height:42px;margin:2px;border:1px solid " (BORDER) ";border-radius:8px;mso-border-alt:none;"
                "font-size:" (size) ";line-height:42px;text-align:center;font-weight:bold;text-decoration:none;color:" (INK)
            } { (sign) }
    }
}

/// The five faces of CSAT, as text; all as old as emoji are, so that every font with emoji has them.
fn face(score: u8) -> Option<&'static str> {
    ["\u{1f61e}", "\u{1f615}", "\u{1f610}", "\u{1f60a}", "\u{1f604}"].get(usize::from(score).checked_sub(1)?).copied()
}

/// What the lowest and the highest point mean, below their ends.
fn ends(survey: &Survey, words: &Words<'_>, look: &Look) -> Markup {
    let (low, high) = survey.metric.ends();
    // The margins of the first and the last cell lie outside.
    let width = survey.metric.points().count() * (cell_width(survey) + 4) - 4;
    let small = format!("font-size:13px;color:{SOFT};");
    let end = |align: &str, score: u8, word: &str| {
        html! {
            td class="soft" lang=(look.lang) dir=(look.dir) width="50%" valign="top" align=(align) style={ (look.text(align)) (small) } {
                @if survey.display == Display::Faces { (word) } @else { (words.messages.mail_end(score, word)) }
            }
        }
    };
    html! {
        table role="presentation" lang=(look.lang) dir=(look.dir) width="100%" cellpadding="0" cellspacing="0" border="0"
            style={ "width:100%;max-width:" (width) "px" } {
            tr { (end(look.start, low, &words.wording.low())) (end(look.end, high, &words.wording.high())) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::color::Color;

    #[test]
    fn the_border_of_a_cell_holds_on_white_and_on_black_and_all_text_on_its_ground() {
        let contrast = |one: &str, other: &str| Color::parse(one).unwrap().contrast(Color::parse(other).unwrap());
        for (color, ground) in [(BORDER, "#ffffff"), (BORDER, "#000000"), (INK, CARD), (SOFT, CARD), (INK, PAGE), (SOFT, PAGE)] {
            assert!(contrast(color, ground) >= 4.5, "{color} on {ground}");
        }
    }
}
