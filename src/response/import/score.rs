//! Scores as other products write them. Pure.

use crate::i18n::ascii_digits;
use crate::metric::Metric;

/// What a cell says of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// This point of the scale.
    Point(u8),
    /// Somebody was asked and did not answer.
    None,
}

/// Words for a score of CSAT. Zendesk knows good and bad only: satisfied or not, which is what the ends of the scale say.
const WORDS: [(&str, Score); 6] = [
    ("good", Score::Point(5)),
    ("bad", Score::Point(1)),
    ("offered", Score::None),
    ("unoffered", Score::None),
    ("goodwithcomment", Score::Point(5)),
    ("badwithcomment", Score::Point(1)),
];

/// Reads a score: a number in any of three sets of digits, `4/5` or `4 of 5` on the survey's own scale, or a word.
///
/// # Errors
/// The rule that it breaks, in words that follow the field's name.
pub fn read(text: &str, metric: Metric) -> Result<Score, String> {
    let text = ascii_digits(text).trim().to_lowercase();
    let (low, high) = metric.ends();
    let refused = || format!("must be {low} to {high}");
    if metric == Metric::Csat
        && let Some((_, score)) = WORDS.iter().find(|(word, _)| *word == text.replace(['_', ' '], ""))
    {
        return Ok(*score);
    }
    let (point, best) = match text.split_once('/').or_else(|| text.split_once(" out of ")).or_else(|| text.split_once(" of ")) {
        Some((point, best)) => (whole(point).ok_or_else(refused)?, Some(whole(best).ok_or_else(refused)?)),
        None => (whole(&text).ok_or_else(refused)?, None),
    };
    if best.is_some_and(|best| best != high) {
        return Err(format!("is of another scale: {}, and not of another number of points", refused()));
    }
    if metric.points().contains(&point) { Ok(Score::Point(point)) } else { Err(refused()) }
}

/// A whole number; spreadsheets write `4.0` for it.
fn whole(text: &str) -> Option<u8> {
    let text = text.trim();
    let digits = text.split_once(['.', '٫']).filter(|(_, rest)| rest.chars().all(|c| c == '0')).map_or(text, |(digits, _)| digits);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_read_however_it_is_written() {
        for (text, metric, point) in [
            ("4", Metric::Csat, 4),
            (" 4.0 ", Metric::Csat, 4),
            ("4/5", Metric::Csat, 4),
            ("4 of 5", Metric::Csat, 4),
            ("3 out of 7", Metric::Ces, 3),
            ("۹", Metric::Nps, 9),
            ("١٠", Metric::Nps, 10),
            ("0", Metric::Nps, 0),
            ("۴٫۰", Metric::Csat, 4),
            ("Good", Metric::Csat, 5),
            ("bad", Metric::Csat, 1),
            ("good_with_comment", Metric::Csat, 5),
        ] {
            assert_eq!(read(text, metric), Ok(Score::Point(point)), "{text}");
        }
        assert_eq!(read("offered", Metric::Csat), Ok(Score::None));
    }

    #[test]
    fn what_is_no_score_of_the_survey_is_refused_with_the_rule() {
        for text in ["6", "0", "-1", "4.5", "eleven", "", "5/", "good 4", "256", "4,"] {
            assert_eq!(read(text, Metric::Csat), Err("must be 1 to 5".to_owned()), "{text}");
        }
        assert_eq!(read("good", Metric::Nps), Err("must be 0 to 10".to_owned()));
        assert!(read("8/10", Metric::Csat).unwrap_err().contains("another scale"));
        assert!(read("4/5", Metric::Nps).unwrap_err().contains("another scale"));
    }
}
