//! What an invitation says by mail: the words, the text part, and the whole mail. Pure.

use std::fmt::Write as _;

use crate::clock::Timestamp;
use crate::delivery::harmless::line;
use crate::delivery::mail::{Mail, Mailbox};
use crate::delivery::mail_page;
use crate::i18n::{Locale, Messages, messages, plain};
use crate::notice::Notice;
use crate::survey::Survey;
use crate::survey::wording::Wording;

/// The longest name and the longest subject of a ticket that is quoted, in characters.
pub(super) const LONGEST_NAME: usize = 60;
pub(super) const LONGEST_SUBJECT: usize = 90;

/// Everything that an invitation by mail depends on.
#[derive(Debug, Clone)]
pub struct InvitationMail<'a> {
    /// The local id of the mail; see [`Mail::id`].
    pub id: &'a str,
    /// The instant in the Date header.
    pub date: Timestamp,
    /// Whether it reminds of a mail that was sent before.
    pub is_reminder: bool,
    /// What is asked.
    pub survey: &'a Survey,
    /// The customer's language.
    pub locale: Locale,
    /// Who asks; without a name of its own it gets the company's.
    pub from: &'a Mailbox,
    /// Where an answer by mail goes, when not to `from`.
    pub reply_to: Option<&'a Mailbox>,
    /// Where reports about the message go, when not to `from`.
    pub return_path: Option<String>,
    /// The customer's address.
    pub to: &'a str,
    /// The customer's name.
    pub customer_name: Option<&'a str>,
    /// The ticket's id, as people see it in the help desk.
    pub ticket_id: Option<&'a str>,
    /// The ticket's subject.
    pub ticket_subject: Option<&'a str>,
    /// Who answered.
    pub agent_name: Option<&'a str>,
    /// `…/s/TOKEN`, without a slash at the end; `/SCORE` is added for each point of the scale.
    pub link: &'a str,
    /// `…/u/TOKEN`.
    pub unsubscribe_link: &'a str,
}

/// The words of one part, in one language. The HTML part's hold isolation marks where names run against the language, the text part's none.
pub(super) struct Words<'a> {
    pub messages: &'static Messages,
    pub wording: Wording<'a>,
    pub greeting: String,
    pub lead: String,
    /// Which ticket, and who answered: what is known of it.
    pub reference: Vec<String>,
    pub why: String,
}

/// Composes the mail of an invitation.
#[must_use]
pub fn compose(invitation: &InvitationMail<'_>) -> Mail {
    let company = company(invitation.survey);
    let mut from = invitation.from.clone();
    from.name = from.name.or_else(|| company.clone());
    let subject_words = plain(invitation.locale);
    let subject = match (&company, invitation.is_reminder) {
        (Some(company), false) => subject_words.mail_subject(company),
        (None, false) => subject_words.mail_subject_unnamed(),
        (Some(company), true) => subject_words.reminder_subject(company),
        (None, true) => subject_words.reminder_subject_unnamed(),
    };
    Mail {
        id: invitation.id.to_owned(),
        date: invitation.date,
        from,
        to: Mailbox { name: invitation.customer_name.map(str::to_owned), address: invitation.to.to_owned() },
        reply_to: invitation.reply_to.cloned(),
        return_path: invitation.return_path.clone(),
        text: text(invitation, &Words::new(invitation, plain)),
        html: mail_page::html(invitation, &Words::new(invitation, messages), &subject),
        subject: subject.into_owned(),
        unsubscribe: Some(invitation.unsubscribe_link.to_owned()),
        list: Some(invitation.survey.slug.clone()),
    }
}

/// Composes the mail of a word to the operator.
#[must_use]
pub fn compose_notice(id: &str, date: Timestamp, (from, to): (Mailbox, Mailbox), notice: &Notice) -> Mail {
    Mail {
        id: id.to_owned(),
        date,
        from,
        to,
        reply_to: None,
        return_path: None,
        subject: format!("[nabz] {}", notice.title),
        text: notice.text.clone(),
        html: mail_page::plain(&notice.title, &notice.text),
        unsubscribe: None,
        list: None,
    }
}

impl<'a> Words<'a> {
    /// The words as `pick` says them: [`messages`] for HTML, [`plain`] for text.
    fn new(invitation: &InvitationMail<'a>, pick: impl Fn(Locale) -> &'static Messages) -> Self {
        let messages = pick(invitation.locale);
        let name = invitation.customer_name.and_then(|name| quotable(name, LONGEST_NAME));
        let subject = invitation.ticket_subject.and_then(|subject| quotable(subject, LONGEST_SUBJECT));
        let id = invitation.ticket_id.and_then(|id| quotable(id, LONGEST_NAME));
        let agent = invitation.agent_name.and_then(|name| quotable(name, LONGEST_NAME));
        let about_a_ticket = id.is_some() || subject.is_some();
        let reference = [
            id.map(|id| messages.mail_ticket(&id).into_owned()),
            subject.map(|subject| messages.foreign(&subject).into_owned()),
            agent.map(|name| messages.mail_agent(&name).into_owned()),
        ];
        Self {
            messages,
            wording: Wording::new(invitation.survey, messages),
            greeting: match name {
                Some(name) => messages.mail_greeting(&name),
                None => messages.mail_greeting_unnamed(),
            }
            .into_owned(),
            lead: match (about_a_ticket, invitation.is_reminder) {
                (true, false) => messages.mail_closed(),
                (false, false) => messages.mail_invite(),
                (true, true) => messages.reminder_closed(),
                (false, true) => messages.reminder_invite(),
            }
            .into_owned(),
            reference: reference.into_iter().flatten().collect(),
            why: match company(invitation.survey) {
                Some(company) => messages.mail_why(&company),
                None => messages.mail_why_unnamed(),
            }
            .into_owned(),
        }
    }
}

/// The text part: the question, one line per point, and everything else that the HTML part says.
fn text(invitation: &InvitationMail<'_>, words: &Words<'_>) -> String {
    let messages = words.messages;
    // Begins each line in the language's direction, also those that hold nothing but a figure and an address.
    let mark = if invitation.locale.direction() == "rtl" { "\u{200f}" } else { "" };
    let mut text = format!("{mark}{}\n\n{mark}{}\n", words.greeting, words.lead);
    if !words.reference.is_empty() {
        text = format!("{text}{mark}{}\n", words.reference.join(" \u{b7} "));
    }
    text = format!("{text}\n{mark}{}\n\n", words.wording.question());
    for score in invitation.survey.metric.points() {
        let word = words.wording.word(score).map_or_else(String::new, |word| format!(" - {word}"));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mark}{}{word}: {}/{score}", messages.number(score), invitation.link);
    }
    format!(
        "{text}\n{mark}{}\n{mark}{}: {}\n\n{mark}{}\n{mark}{}: {}\n",
        messages.mail_one_click(),
        messages.mail_open(),
        invitation.link,
        words.why,
        messages.mail_unsubscribe(),
        invitation.unsubscribe_link,
    )
}

/// The company as one line.
pub(super) fn company(survey: &Survey) -> Option<String> {
    survey.company.as_deref().map(|company| line(company, LONGEST_NAME)).filter(|company| !company.is_empty())
}

/// A stranger's words as we would repeat them to somebody: one line, cut to length; nothing at all when they hold an address. Otherwise whoever opens
/// tickets in other people's names could have us mail them advertisements, and mail programs would make their addresses into links.
pub(super) fn quotable(text: &str, longest: usize) -> Option<String> {
    let text = line(text, longest);
    let advertises = text.contains("://") || text.contains('@') || text.to_lowercase().contains("www.");
    (!text.is_empty() && !advertises).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::ascii_digits;
    use crate::metric::{Metric, Scale};
    use crate::survey::wording::tests::survey;
    use crate::survey::{Display, Texts};

    const LINK: &str = "https://nabz.example/s/aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";
    const STOP: &str = "https://nabz.example/u/aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";

    fn from() -> Mailbox {
        Mailbox::parse("survey@acme.example").unwrap()
    }

    fn invitation<'a>(survey: &'a Survey, from: &'a Mailbox, locale: Locale) -> InvitationMail<'a> {
        let (name, subject, agent) = match locale {
            Locale::En => ("Sara", "Printer does not print", "Jonas"),
            Locale::Fa => ("سارا", "چاپگر چاپ نمی‌کند", "Jonas"),
            Locale::Ar => ("سارة", "الطابعة لا تطبع", "يونس"),
        };
        InvitationMail {
            id: "0198c0de-0000-7000-8000-000000000001",
            date: Timestamp::parse("2026-11-20T08:30:00Z").unwrap(),
            is_reminder: false,
            survey,
            locale,
            from,
            reply_to: None,
            return_path: None,
            to: "sara@example.com",
            customer_name: Some(name),
            ticket_id: Some("48213"),
            ticket_subject: Some(subject),
            agent_name: Some(agent),
            link: LINK,
            unsubscribe_link: STOP,
        }
    }

    fn company(locale: Locale) -> &'static str {
        if locale == Locale::Ar { "نبض" } else { "Acme" }
    }

    fn every_mail() -> Vec<(Metric, Locale, Mail)> {
        let mut mails = Vec::new();
        for metric in Metric::ALL {
            for locale in Locale::ALL {
                let survey = survey(*metric, Some(company(*locale)));
                mails.push((*metric, *locale, compose(&invitation(&survey, &from(), *locale))));
            }
        }
        mails
    }

    #[test]
    fn mails_read_as_they_should() {
        for (metric, locale, mail) in every_mail() {
            if metric != Metric::Ces && locale != Locale::Ar {
                let html = mail.html.replace("><", ">\n<");
                let shown = format!("From: {:?}\nSubject: {}\n\n{}\n{html}", mail.from, mail.subject, mail.text);
                insta::assert_snapshot!(format!("{metric}_{locale}"), shown);
            }
        }
    }

    #[test]
    fn both_parts_have_one_address_per_point_in_ascending_order() {
        for (metric, locale, mail) in every_mail() {
            for part in [&mail.text, &mail.html] {
                let scores: Vec<u8> =
                    part.split(&format!("{LINK}/")).skip(1).map(|rest| rest.split(['"', '\n']).next().unwrap().parse().unwrap()).collect();
                assert_eq!(scores, metric.points().collect::<Vec<u8>>(), "{metric} {locale}");
                assert!(part.contains(STOP));
            }
        }
    }

    #[test]
    fn a_reminder_says_so_in_its_own_words_and_has_the_links_of_the_first_mail() {
        for locale in Locale::ALL {
            for (company, ticket) in [(None, None), (Some(company(*locale)), Some("48213"))] {
                let (survey, from) = (survey(Metric::Csat, company), from());
                let first = InvitationMail { ticket_id: ticket, ticket_subject: None, ..invitation(&survey, &from, *locale) };
                let reminder = compose(&InvitationMail { is_reminder: true, ..first.clone() });
                let first = compose(&first);
                assert_ne!(reminder.subject, first.subject);
                let (differing, same): (Vec<_>, Vec<_>) =
                    reminder.text.lines().zip(first.text.lines()).partition(|(one, other)| one != other);
                assert_eq!(differing.len(), 1, "only the lead: {differing:?}");
                assert!(same.iter().any(|(line, _)| line.ends_with(&format!("{LINK}/5"))));
                let lead = differing.first().map(|(lead, _)| lead.trim_start_matches('\u{200f}')).unwrap();
                assert!(reminder.html.contains(lead) && reminder.html.contains(STOP), "{lead}");
            }
        }
    }

    #[test]
    fn figures_are_in_the_digits_of_the_language() {
        for (metric, locale, mail) in every_mail() {
            let top = metric.ends().1.to_string();
            let line = mail.text.lines().rfind(|line| line.ends_with(&format!("/{top}"))).unwrap();
            let figure: String = line.split([' ', ':']).next().unwrap().trim_start_matches('\u{200f}').to_owned();
            assert_eq!(ascii_digits(&figure), top);
            assert_eq!(figure == top, locale == Locale::En, "{metric} {locale}: {figure}");
        }
    }

    /// Everything as long as it can be, in letters that take two bytes; and everything that may be missing.
    fn extremes() -> Vec<(Metric, Locale, Mail)> {
        let mut mails = Vec::new();
        for (metric, display) in [(Metric::Nps, Display::Numbers), (Metric::Csat, Display::Faces), (Metric::Csat, Display::Stars)] {
            for locale in Locale::ALL {
                let long = "\u{633}".repeat(500);
                let mut longest = survey(metric, Some(&long));
                longest.display = display;
                let own = Texts { question: Some(long.clone()), low: Some(long.clone()), high: Some(long.clone()), ..Texts::default() };
                longest.texts.insert(*locale, own);
                let (shortest, from) = (Survey { display, ..survey(metric, None) }, from());
                let full =
                    InvitationMail { customer_name: Some(&long), ticket_subject: Some(&long), ..invitation(&longest, &from, *locale) };
                let bare = InvitationMail {
                    customer_name: None,
                    ticket_id: None,
                    ticket_subject: None,
                    agent_name: None,
                    ..invitation(&shortest, &from, *locale)
                };
                for mail in [&full, &bare] {
                    mails.push((metric, *locale, compose(mail)));
                    mails.push((metric, *locale, compose(&InvitationMail { is_reminder: true, ..mail.clone() })));
                }
            }
        }
        mails
    }

    #[test]
    fn the_html_is_small_has_no_image_and_repeats_its_direction_in_every_table_and_cell() {
        for (metric, locale, mail) in every_mail().into_iter().chain(extremes()) {
            assert!(mail.html.len() < 25_000, "{metric} {locale}: {}", mail.html.len());
            assert!(!mail.html.contains("<img") && !mail.html.contains("<script") && !mail.html.contains("url("));
            let both = format!("lang=\"{locale}\" dir=\"{}\"", locale.direction());
            let live = mail.html.split("<!--").map(|piece| piece.split_once("-->").map_or(piece, |(_, live)| live)).collect::<String>();
            for tag in ["<html", "<table", "<td"] {
                for attributes in live.split(tag).skip(1).map(|rest| rest.split('>').next().unwrap()) {
                    assert!(attributes.contains(&both), "{metric} {locale}: {tag}{attributes}");
                }
            }
        }
    }

    #[test]
    fn nobodys_words_can_break_out_of_their_place() {
        let attack = "\"><script>alert(1)</script><a href='x'>\r\nBcc: evil@example.net\0-->";
        let mut survey = survey(Metric::Csat, Some(attack));
        survey.brand.color = "red;background:url(https://evil.example)".to_owned();
        survey.brand.logo_url = Some("javascript:alert(1)".to_owned());
        let own = Texts { question: Some(attack.to_owned()), low: Some(attack.to_owned()), ..Texts::default() };
        survey.texts.insert(Locale::En, own);
        let from = from();
        let hostile = InvitationMail {
            customer_name: Some(attack),
            ticket_id: Some("1\r\n<b>"),
            ticket_subject: Some("<img src=x onerror=alert(1)>"),
            agent_name: Some("</td></table>"),
            ..invitation(&survey, &from, Locale::En)
        };
        let mail = compose(&hostile);
        assert!(!mail.html.contains("<script") && !mail.html.contains("<img") && !mail.html.contains("<b>"));
        assert!(!mail.html.contains("url(") && !mail.html.contains("javascript:"));
        assert_eq!(mail.html.matches("</table>").count(), 4, "two tables and two for Word");
        assert!(mail.to_bytes().is_ok());
    }

    #[test]
    fn strangers_words_that_advertise_an_address_are_not_repeated() {
        let survey = survey(Metric::Csat, Some("Acme"));
        let from = from();
        let advertising = InvitationMail {
            customer_name: Some("Win now at WWW.evil.example"),
            ticket_id: Some("https://evil.example"),
            ticket_subject: Some("write to me@evil.example"),
            agent_name: None,
            ..invitation(&survey, &from, Locale::En)
        };
        let mail = compose(&advertising);
        assert!(!mail.html.contains("evil") && !mail.text.contains("evil"));
        assert!(mail.text.starts_with("Hello,\n\nMay we ask you one question?\n"));
    }

    #[test]
    fn the_surveys_own_words_company_and_look_are_used() {
        let mut survey = survey(Metric::Csat, None);
        survey.display = Display::Faces;
        survey.brand.logo_url = Some("https://acme.example/logo.png".to_owned());
        survey.scale = Scale::Agree;
        let own = Texts { question: Some("How was it?".to_owned()), high: Some("Great".to_owned()), ..Texts::default() };
        survey.texts.insert(Locale::En, own);
        let named = Mailbox::parse("Acme surveys <survey@acme.example>").unwrap();
        let mail = compose(&invitation(&survey, &named, Locale::En));
        assert_eq!(mail.subject, "One question for you");
        assert_eq!(mail.from, named);
        assert!(mail.text.contains("\nHow was it?\n") && mail.text.contains(&format!("5 - Great: {LINK}/5\n")));
        assert!(mail.html.contains("\u{1f604}") && mail.html.contains("https://acme.example/logo.png"));
    }
}
