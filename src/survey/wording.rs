//! What a survey says to a customer: its own words where it has them, the standard ones otherwise.

use std::borrow::Cow;

use super::{Survey, Texts};
use crate::i18n::Messages;
use crate::metric::{Band, Metric, Scale};

/// The words of one survey in one language, as plain text (not yet escaped for HTML). Scores are raw answers, as customers see them.
#[derive(Debug, Clone, Copy)]
pub struct Wording<'a> {
    survey: &'a Survey,
    messages: &'static Messages,
}

impl<'a> Wording<'a> {
    /// The words of a survey in the language of the messages; pages want isolation marks, plain text does not, and these follow.
    #[must_use]
    pub const fn new(survey: &'a Survey, messages: &'static Messages) -> Self {
        Self { survey, messages }
    }

    /// The question.
    #[must_use]
    pub fn question(&self) -> Cow<'a, str> {
        self.own(|texts| texts.question.as_deref()).unwrap_or_else(|| self.standard_question())
    }

    /// The words at the low end of the scale.
    #[must_use]
    pub fn low(&self) -> Cow<'a, str> {
        let (low, _) = self.survey.metric.ends();
        self.word(low).unwrap_or_default()
    }

    /// The words at the high end of the scale.
    #[must_use]
    pub fn high(&self) -> Cow<'a, str> {
        let (_, high) = self.survey.metric.ends();
        self.word(high).unwrap_or_default()
    }

    /// The words of one point; `None` where it has none (the middle of NPS) and outside the scale.
    #[must_use]
    pub fn word(&self, score: u8) -> Option<Cow<'a, str>> {
        let (low, high) = self.survey.metric.ends();
        let own = match score {
            _ if score == low => self.own(|texts| texts.low.as_deref()),
            _ if score == high => self.own(|texts| texts.high.as_deref()),
            _ => None,
        };
        own.or_else(|| self.standard_word(score))
    }

    /// The band of a raw answer; on the reversed form 7 is low.
    #[must_use]
    pub const fn band(&self, score: u8) -> Band {
        self.survey.metric.band(self.survey.scale.counted(score))
    }

    /// The open question after an answer of that band.
    #[must_use]
    pub fn follow_up(&self, band: Band) -> Cow<'a, str> {
        let own = self.own(|texts| match band {
            Band::Low => texts.follow_up.low.as_deref(),
            Band::Middle => texts.follow_up.middle.as_deref(),
            Band::High => texts.follow_up.high.as_deref(),
        });
        own.unwrap_or_else(|| match band {
            Band::Low => self.messages.follow_up_low(),
            Band::Middle => self.messages.follow_up_middle(),
            Band::High => self.messages.follow_up_high(),
        })
    }

    /// A text of the survey's own, with `{company}` filled in. One that names a company which the survey lacks is not usable.
    fn own(&self, text: impl Fn(&'a Texts) -> Option<&'a str>) -> Option<Cow<'a, str>> {
        let text = text(self.survey.texts.get(&self.messages.locale())?)?.trim();
        if text.is_empty() {
            return None;
        }
        if !text.contains("{company}") {
            return Some(Cow::Borrowed(text));
        }
        let company = self.survey.company.as_deref()?;
        Some(Cow::Owned(text.replace("{company}", &self.messages.foreign(company))))
    }

    fn standard_question(&self) -> Cow<'static, str> {
        let messages = self.messages;
        match (self.survey.metric, self.survey.scale, self.survey.company.as_deref()) {
            (Metric::Csat, _, _) => messages.csat_question(),
            (Metric::Ces, Scale::Agree, Some(company)) => messages.ces_question(company),
            (Metric::Ces, Scale::Agree, None) => messages.ces_question_unnamed(),
            (Metric::Ces, Scale::Effort, _) => messages.effort_question(),
            (Metric::Nps, _, Some(company)) => messages.nps_question(company),
            (Metric::Nps, _, None) => messages.nps_question_unnamed(),
        }
    }

    fn standard_word(&self, score: u8) -> Option<Cow<'static, str>> {
        match (self.survey.metric, self.survey.scale) {
            (Metric::Csat, _) => self.satisfaction(score),
            (Metric::Ces, Scale::Agree) => self.agreement(score),
            (Metric::Ces, Scale::Effort) => self.effort(score),
            (Metric::Nps, _) => match score {
                0 => Some(self.messages.nps_low()),
                10 => Some(self.messages.nps_high()),
                _ => None,
            },
        }
    }

    fn satisfaction(&self, score: u8) -> Option<Cow<'static, str>> {
        let messages = self.messages;
        Some(match score {
            1 => messages.csat_1(),
            2 => messages.csat_2(),
            3 => messages.csat_3(),
            4 => messages.csat_4(),
            5 => messages.csat_5(),
            _ => return None,
        })
    }

    fn agreement(&self, score: u8) -> Option<Cow<'static, str>> {
        let messages = self.messages;
        Some(match score {
            1 => messages.ces_1(),
            2 => messages.ces_2(),
            3 => messages.ces_3(),
            4 => messages.ces_4(),
            5 => messages.ces_5(),
            6 => messages.ces_6(),
            7 => messages.ces_7(),
            _ => return None,
        })
    }

    fn effort(&self, score: u8) -> Option<Cow<'static, str>> {
        let messages = self.messages;
        Some(match score {
            1 => messages.effort_1(),
            2 => messages.effort_2(),
            3 => messages.effort_3(),
            4 => messages.effort_4(),
            5 => messages.effort_5(),
            6 => messages.effort_6(),
            7 => messages.effort_7(),
            _ => return None,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::Wording;
    use crate::clock::Timestamp;
    use crate::i18n::{Locale, messages, plain};
    use crate::metric::{Band, Metric, Scale};
    use crate::survey::{Brand, Channel, DeliverMode, Display, Policy, Public, Survey, SurveyId, Texts, WeekStart};

    /// A survey with standard words, for the tests of whoever shows one.
    pub(crate) fn survey(metric: Metric, company: Option<&str>) -> Survey {
        Survey {
            id: SurveyId(uuid::Uuid::nil()),
            slug: "support".to_owned(),
            name: "Support".to_owned(),
            metric,
            scale: Scale::Agree,
            display: Display::Numbers,
            company: company.map(str::to_owned),
            locale: Locale::En,
            timezone: chrono_tz::UTC,
            texts: BTreeMap::new(),
            brand: Brand::default(),
            deliver: vec![Channel::Email],
            deliver_mode: DeliverMode::First,
            gateways: BTreeMap::new(),
            policy: Policy::usual(metric),
            week_start: WeekStart::Monday,
            public: Public::default(),
            archived_at: None,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_survey_without_a_company_asks_without_one() {
        for metric in Metric::ALL {
            for locale in Locale::ALL {
                let unnamed = survey(*metric, None);
                let question = Wording::new(&unnamed, messages(*locale)).question();
                assert!(!question.contains(['{', '}']) && !question.contains("company"), "{question}");
            }
        }
        let named = survey(Metric::Nps, Some("Acme"));
        assert_eq!(Wording::new(&named, plain(Locale::En)).question(), "How likely are you to recommend Acme to a friend or colleague?");
    }

    #[test]
    fn its_own_words_replace_the_standard_ones_in_their_language_only() {
        let mut own = survey(Metric::Csat, Some("Acme"));
        let texts = Texts {
            question: Some("How was {company}?".to_owned()),
            low: Some("Awful".to_owned()),
            high: Some("  ".to_owned()),
            ..Texts::default()
        };
        own.texts.insert(Locale::En, texts);
        let english = Wording::new(&own, messages(Locale::En));
        assert_eq!(english.question(), "How was Acme?");
        assert_eq!((english.low().as_ref(), english.high().as_ref()), ("Awful", "Very satisfied"));
        assert_eq!(Wording::new(&own, messages(Locale::Fa)).low(), "بسیار ناراضی");
        own.company = None;
        assert!(Wording::new(&own, messages(Locale::En)).question().starts_with("Overall"));
    }

    #[test]
    fn every_point_of_csat_and_ces_has_a_word_and_nps_has_its_ends() {
        for locale in Locale::ALL {
            for scale in Scale::ALL {
                let mut ces = survey(Metric::Ces, None);
                ces.scale = *scale;
                assert!(Metric::Ces.points().all(|score| Wording::new(&ces, messages(*locale)).word(score).is_some()));
            }
            let (csat, nps) = (survey(Metric::Csat, None), survey(Metric::Nps, None));
            assert!(Metric::Csat.points().all(|score| Wording::new(&csat, messages(*locale)).word(score).is_some()));
            let worded: Vec<u8> =
                Metric::Nps.points().filter(|score| Wording::new(&nps, messages(*locale)).word(*score).is_some()).collect();
            assert_eq!(worded, [0, 10]);
        }
    }

    #[test]
    fn on_the_reversed_form_the_hard_end_is_the_low_band() {
        let mut ces = survey(Metric::Ces, None);
        assert_eq!(Wording::new(&ces, messages(Locale::En)).band(7), Band::High);
        ces.scale = Scale::Effort;
        let effort = Wording::new(&ces, messages(Locale::En));
        assert_eq!((effort.band(7), effort.high().as_ref()), (Band::Low, "Very hard"));
        assert_eq!(effort.follow_up(effort.band(7)), "What went wrong, and what would put it right?");
    }
}
