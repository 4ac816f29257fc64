//! The start page: what is running, three commands, and where to go on.

use maud::{Markup, html};

use super::View;
use crate::i18n::Messages;
use crate::web::layout::{self, Frame};
use crate::web::still::Still;

const STYLE: &str = include_str!("../../../templates/assets/start.css");

/// The page.
#[must_use]
pub fn start(view: &View<'_>, messages: &'static Messages) -> Still {
    let frame = Frame { style: STYLE, ..Frame::plain(messages.locale(), "nabz", "") };
    Still::page(&frame, layout::page(&frame, &content(view, messages)).into_string())
}

fn content(view: &View<'_>, messages: &'static Messages) -> Markup {
    html! {
        main.card {
            h1 { (messages.start_title()) }
            p { (messages.start_text()) }
            (running(view, messages))
            section {
                h2 { (messages.start_steps()) }
                ol.steps {
                    (step(&messages.start_key(), &messages.start_key_text(), &create_key(view.program)))
                    (step(&messages.start_survey(), &messages.start_survey_text(), &create_survey(view.public_url)))
                    (step(&messages.start_interaction(), &messages.start_interaction_text(), &send_interaction(view.public_url)))
                }
            }
            nav aria-label=(messages.start_more()) {
                h2 { (messages.start_more()) }
                ul role="list" {
                    @if view.has_mailbox { li { a.action href="/dev/mailbox" { (messages.start_mailbox()) } } }
                    @for (address, text) in [
                        ("/docs", messages.start_docs()),
                        ("/happiness", messages.start_happiness()),
                        ("/openapi.json", messages.start_openapi()),
                        ("/healthz", messages.start_health()),
                    ] {
                        li { a.action href=(address) { (text) } }
                    }
                }
            }
        }
    }
}

fn running(view: &View<'_>, messages: &'static Messages) -> Markup {
    html! {
        section {
            h2 { (messages.start_running()) }
            dl {
                @for (name, value) in [
                    (messages.start_version(), view.version),
                    (messages.start_engine(), view.engine),
                    (messages.start_address(), view.public_url),
                    (messages.start_mail(), view.mail_goes_to),
                ] {
                    div { dt { (name) } dd { bdi { (value) } } }
                }
            }
        }
    }
}

/// A step with its command, which one click selects whole.
fn step(title: &str, text: &str, command: &str) -> Markup {
    html! {
        li {
            h3 { (title) }
            p { (text) }
            pre dir="ltr" tabindex="0" { code { (command) } }
        }
    }
}

fn create_key(program: &str) -> String {
    format!("KEY=$({program} key create --name start --scope admin)")
}

fn create_survey(public_url: &str) -> String {
    post(public_url, "/api/v1/surveys", r#"{"slug": "support", "name": "Support", "metric": "csat", "public": {"enabled": true}}"#)
}

fn send_interaction(public_url: &str) -> String {
    post(public_url, "/api/v1/interactions", r#"{"survey": "support", "ticket": {"id": "1"}, "customer": {"email": "you@example.com"}}"#)
}

fn post(public_url: &str, path: &str, body: &str) -> String {
    format!("curl {public_url}{path} \\\n  -H \"Authorization: Bearer $KEY\" \\\n  -d '{body}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::{Locale, messages};

    const VIEW: View<'static> = View {
        version: "1.2.3",
        engine: "SQLite",
        public_url: "https://ask.example.com",
        program: "target/release/nabz",
        mail_goes_to: "data/mail",
        has_mailbox: true,
    };

    #[test]
    fn it_says_what_is_running_and_where_to_go_on_in_every_language() {
        for locale in Locale::ALL {
            let page = content(&VIEW, messages(*locale)).into_string();
            for expected in [
                "1.2.3",
                "SQLite",
                "data/mail",
                "KEY=$(target/release/nabz key create",
                "curl https://ask.example.com/api/v1/surveys",
                "href=\"/docs\"",
                "href=\"/happiness\"",
            ] {
                assert!(page.contains(expected), "{locale}: {expected}");
            }
            assert!(!page.contains("<script") && !page.contains("style="));
            let by_server = content(&View { has_mailbox: false, ..VIEW }, messages(*locale)).into_string();
            assert!(page.contains("href=\"/dev/mailbox\"") && !by_server.contains("/dev/mailbox"), "{locale}");
        }
    }
}
