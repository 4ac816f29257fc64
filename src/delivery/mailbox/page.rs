//! The developer's mailbox as pages: the list, and one mail.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{LISTED, Letter, Listed};
use crate::i18n::Locale;
use crate::web::layout::{self, Frame};
use crate::web::still::Still;

const STYLE: &str = include_str!("../../../templates/assets/mailbox.css");

/// The list of mails; `count` is how many there are altogether.
#[must_use]
pub fn list(mails: &[Listed], count: usize) -> Still {
    page(
        "Mailbox",
        &html! {
            nav { a.action href="/" { "nabz" } }
            h1 { "Mailbox " span.soft { (count) } }
            p.soft { "What nabz would have sent: the setting mail.transport is folder, so nothing leaves this machine." }
            @if mails.is_empty() {
                p { "No mail yet. It comes when a ticket is closed: the " a href="/" { "start page" } " shows how to report one." }
            } @else {
                ol.mails role="list" {
                    @for mail in mails {
                        li {
                            a href=(address(mail)) { bdi { (subject(mail)) } }
                            span.to { bdi { (mail.to) } }
                            span.date { (mail.date) }
                        }
                    }
                }
                @if count > mails.len() { p.soft { "Older ones are in the folder; listed are the newest " (LISTED) "." } }
            }
        },
    )
}

/// One mail: as a mail program shows it, as text, its headers, and every byte of it.
#[must_use]
pub fn letter(letter: &Letter) -> Still {
    let mail = &letter.listed;
    let base = address(mail);
    page(
        subject(mail),
        &html! {
            nav { a.action href="/dev/mailbox" { "All mails" } }
            h1 { bdi { (subject(mail)) } }
            dl.head {
                div { dt { "To" } dd { bdi { (mail.to) } } }
                div { dt { "Date" } dd { (mail.date) } }
            }
            section {
                h2 { "HTML " a.soft href={ (base) "/html" } { "alone" } }
                // No scripts and no origin; links open outside, as in a mail program.
                iframe title="The HTML part" src={ (base) "/html" } sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer" loading="eager" {}
            }
            section {
                h2 { "Text" }
                pre dir="auto" tabindex="0" { (letter.text) }
            }
            section {
                h2 { "Headers " a.soft href={ (base) "/raw" } { "raw" } }
                dl.headers {
                    @for (name, value) in &letter.headers { div { dt { (name) } dd { bdi { (value) } } } }
                }
            }
        },
    )
}

fn page(title: &str, content: &Markup) -> Still {
    let title = format!("{title} - nabz");
    let frame = Frame { style: STYLE, ..Frame::plain(Locale::En, &title, "") };
    Still::page(&frame, layout::page(&frame, &html! { main.card { (content) } }).into_string()).framing()
}

fn subject(mail: &Listed) -> &str {
    if mail.subject.is_empty() { "(no subject)" } else { &mail.subject }
}

/// `/dev/mailbox/NAME`; names may hold what is none of a path's.
fn address(mail: &Listed) -> String {
    let mut address = "/dev/mailbox/".to_owned();
    for byte in mail.name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            address.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use actix_web::test::TestRequest;

    use super::*;

    fn text(still: &Still) -> String {
        let body = still.answer(&TestRequest::default().to_http_request(), "no-store").into_body().try_into_bytes().unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn nothing_in_a_mail_becomes_part_of_the_page() {
        let attack = "\"><script>alert(1)</script>";
        let listed =
            Listed { name: format!("{attack} ./?#.eml"), to: attack.to_owned(), subject: attack.to_owned(), date: attack.to_owned() };
        let letter = self::letter(&Letter {
            listed: listed.clone(),
            headers: vec![(attack.to_owned(), attack.to_owned())],
            text: attack.to_owned(),
            html: attack.to_owned(),
            raw: attack.as_bytes().to_vec(),
        });
        for page in [text(&list(&[listed], 1)), text(&letter)] {
            assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
            assert!(page.contains("/dev/mailbox/%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E%20.%2F%3F%23.eml"), "{page}");
        }
    }

    #[test]
    fn an_empty_mailbox_says_how_to_get_a_mail_and_a_full_one_that_there_are_more() {
        assert!(text(&list(&[], 0)).contains("No mail yet"));
        let one = Listed { name: "a.eml".to_owned(), to: String::new(), subject: String::new(), date: String::new() };
        let page = text(&list(std::slice::from_ref(&one), 501));
        assert!(
            page.contains("(no subject)") && page.contains("Older ones are in the folder") && !text(&list(&[one], 1)).contains("Older")
        );
    }
}
