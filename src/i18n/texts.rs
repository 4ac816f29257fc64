//! The list of every text: its key and its arguments. `templates/locale/*.ftl` have the same keys and arguments, checked by the tests below.

use std::borrow::Cow;

use fluent_bundle::FluentValue;

use super::message::{Messages, whole};

/// The type by which a method takes an argument.
macro_rules! argument {
    (number) => { impl TryInto<i64> };
    (text) => { &str };
}

/// The argument as Fluent takes it.
macro_rules! value {
    ($messages:ident, number, $name:ident) => {
        FluentValue::from(whole($name))
    };
    ($messages:ident, text, $name:ident) => {
        FluentValue::from($messages.foreign($name))
    };
}

/// Makes a method of `Messages` from each line. `number` is a whole number, written in the language's digits and free to
/// choose a plural form; `text` is a string that is not ours, isolated where its direction demands it.
macro_rules! texts {
    ($($key:ident($($name:ident: $kind:ident),*);)+) => {
        impl Messages {
            $(
                #[doc = concat!("The text `", stringify!($key), "`.")]
                #[must_use]
                pub fn $key(&self $(, $name: argument!($kind))*) -> Cow<'static, str> {
                    self.text(stringify!($key), &[$((stringify!($name), value!(self, $kind, $name))),*])
                }
            )+
        }

        #[cfg(test)]
        const LIST: &[(&str, &[(&str, &str)])] = &[$((stringify!($key), &[$((stringify!($name), stringify!($kind))),*])),+];
    };
}

texts! {
    // --- the question and its scale: survey page and mail ---
    csat_question();
    csat_1(); csat_2(); csat_3(); csat_4(); csat_5();
    ces_question(company: text);
    ces_question_unnamed();
    ces_1(); ces_2(); ces_3(); ces_4(); ces_5(); ces_6(); ces_7();
    effort_question();
    effort_1(); effort_2(); effort_3(); effort_4(); effort_5(); effort_6(); effort_7();
    nps_question(company: text);
    nps_question_unnamed();
    nps_low(); nps_high();
    follow_up_low(); follow_up_middle(); follow_up_high(); follow_up_any();
    scale_point(score: number, top: number);
    scale_point_named(score: number, top: number, word: text);

    // --- the survey page ---
    survey_title(company: text);
    survey_title_unnamed();
    survey_title_error(title: text);
    survey_chosen(score: number, top: number);
    survey_chosen_hint();
    survey_optional();
    survey_comment_limit(limit: number);
    survey_consent();
    survey_send();
    survey_privacy();
    survey_score_missing(low: number, high: number);
    survey_comment_too_long(limit: number);
    survey_form_stale();
    survey_not_stored();

    // --- the page that asks a person to press once more ---
    confirm_title();
    confirm_why();
    confirm_send();

    // --- the thanks page ---
    thanks_title();
    thanks_rated(score: number, top: number);
    thanks_note();
    thanks_change();
    thanks_happiness();

    // --- notices ---
    not_found_title(); not_found_text();
    expired_title(); expired_text();
    withdrawn_title(); withdrawn_text();
    closed_title(); closed_text();
    settled_title(); settled_text();
    too_many_title(); too_many_text(seconds: number);
    unavailable_title(); unavailable_text();

    // --- any other page that cannot be shown ---
    page_missing_title(); page_missing_text();
    page_busy_title(); page_busy_text();
    page_failed_title(); page_failed_text();

    // --- unsubscribing ---
    unsubscribe_title();
    unsubscribe_text(company: text);
    unsubscribe_text_unnamed();
    unsubscribe_confirm();
    unsubscribed_title();
    unsubscribed_text(company: text);
    unsubscribed_text_unnamed();

    // --- mail ---
    mail_subject(company: text); mail_subject_unnamed();
    mail_greeting(name: text); mail_greeting_unnamed();
    mail_closed();
    mail_invite();
    mail_ticket(id: text);
    mail_agent(name: text);
    mail_end(score: number, word: text);
    mail_one_click();
    mail_open();
    mail_why(company: text); mail_why_unnamed();
    mail_unsubscribe();

    // --- the reminder: what differs from the first mail ---
    reminder_subject(company: text); reminder_subject_unnamed();
    reminder_closed();
    reminder_invite();

    // --- the short wording of SMS and chat ---
    message_ask(company: text, link: text); message_ask_unnamed(link: text);
    message_remind(company: text, link: text); message_remind_unnamed(link: text);

    // --- the happiness report ---
    happiness_eyebrow();
    happiness_title(title: text);
    happiness_csat_headline(part: number, count: number);
    happiness_ces_headline(part: number, count: number);
    happiness_nps_headline(score: number);
    happiness_share_interval(low: number, high: number);
    happiness_nps_interval(low: number, high: number);
    happiness_last(count: number);
    happiness_span(from: text, to: text);
    happiness_newest_first();
    happiness_promoters(); happiness_passives(); happiness_detractors();
    happiness_scores();
    happiness_score(); happiness_votes();
    happiness_all(count: number);
    happiness_comments();
    happiness_comments_why();
    happiness_people();
    happiness_response(answered: number, invited: number, rate: text);
    happiness_everybody();
    happiness_sample(percent: number);
    happiness_quiet(days: number);
    happiness_rules(lot: number);
    happiness_since(day: text);
    happiness_updated(day: text);
    happiness_collecting(n: number, minimum: number);
    happiness_collecting_why();
    happiness_data();
    happiness_list_title();
    happiness_list_text();
    happiness_list_empty();

    // --- the start page ---
    start_title();
    start_text();
    start_running();
    start_version(); start_engine(); start_address(); start_mail(); start_mailbox();
    start_steps();
    start_key(); start_key_text();
    start_survey(); start_survey_text();
    start_interaction(); start_interaction_text();
    start_more();
    start_docs(); start_happiness(); start_openapi(); start_health();
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

    use super::LIST;
    use crate::i18n::Locale;
    use crate::i18n::message::{bundle, source};

    /// Every key of a file with the variables in its text.
    fn keys_and_variables(source: &str) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut key = "";
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
                key = line.split(' ').next().unwrap();
                assert!(keys.insert(key, BTreeSet::new()).is_none(), "{key} stands twice");
            }
            for variable in line.split('$').skip(1) {
                let end = variable.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap();
                keys.get_mut(key).unwrap().insert(&variable[..end]);
            }
        }
        keys
    }

    #[test]
    fn every_file_has_the_keys_and_arguments_of_the_list_and_no_others() {
        let list: BTreeMap<&str, BTreeSet<&str>> =
            LIST.iter().map(|(key, names)| (*key, names.iter().map(|(name, _)| *name).collect())).collect();
        assert_eq!(list.len(), LIST.len(), "a key stands twice in the list");
        for locale in Locale::ALL {
            assert_eq!(keys_and_variables(source(*locale)), list, "{locale}");
        }
    }

    #[test]
    fn every_text_is_parsed_and_formatted_without_an_error() {
        for locale in Locale::ALL {
            if let Err((_, errors)) = FluentResource::try_new(source(*locale).to_owned()) {
                panic!("{locale}: {errors:?}");
            }
            let bundle = bundle(*locale);
            for (key, names) in LIST {
                for count in [0, 1, 2, 3, 11, 100] {
                    let arguments: FluentArgs = names
                        .iter()
                        .map(|(name, kind)| (*name, if *kind == "number" { FluentValue::from(count) } else { FluentValue::from("نبض") }))
                        .collect();
                    let mut errors = Vec::new();
                    let message = bundle.get_message(key).unwrap();
                    let text = bundle.format_pattern(message.value().unwrap(), Some(&arguments), &mut errors);
                    assert!(errors.is_empty() && !text.trim().is_empty(), "{locale} {key}: {errors:?}");
                }
            }
        }
    }

    #[test]
    fn no_text_has_digits_or_quotes_of_another_language() {
        for line in source(Locale::Fa).lines().chain(source(Locale::Ar).lines()).filter(|line| !line.starts_with('#')) {
            let text = line.split_once(" = ").map_or(line, |(_, text)| text);
            assert!(!text.contains(|letter: char| letter.is_ascii_digit() || matches!(letter, '"' | '“' | '”' | '?' | ',')), "{line}");
        }
        // Persian is written with its own yeh and kaf
        for line in source(Locale::Fa).lines() {
            assert!(!line.contains(['ي', 'ك', 'ى', 'ة']), "{line}");
        }
    }
}
