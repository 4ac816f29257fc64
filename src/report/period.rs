//! Which days a report covers, and the stretches of time that they fall into. Pure.

use chrono::{Datelike, Days, NaiveDate};

use super::{By, Calendar};
use crate::i18n::{self, ascii_digits};
use crate::survey::WeekStart;
use crate::tally::day_number;
use crate::web::problem::FieldError;

/// Days that a report covers where the caller does not say.
const USUAL_DAYS: u64 = 30;
/// Days that a report covers at most: ten years and some weeks.
const MOST_DAYS: i64 = 3700;

/// Days in a row, both ends included; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
}

impl Period {
    /// The period that a caller asks for: by default the last 30 days, ending today.
    ///
    /// # Errors
    /// The field that is no day, lies before the other, or is too far from it.
    pub fn read(from: Option<&str>, to: Option<&str>, today: NaiveDate) -> Result<Self, FieldError> {
        let to = to.map(|text| day("to", text)).transpose()?.unwrap_or(today);
        let from = from.map(|text| day("from", text)).transpose()?;
        let from = from.or_else(|| to.checked_sub_days(Days::new(USUAL_DAYS - 1))).unwrap_or(to);
        let period = Self { from, to };
        if from > to {
            return Err(refused("from", format!("must not lie after the last day, {to}")));
        }
        if period.days() > MOST_DAYS {
            return Err(refused("from", format!("must lie within {MOST_DAYS} days before the last day, {to}")));
        }
        Ok(period)
    }

    fn days(self) -> i64 {
        self.to.signed_duration_since(self.from).num_days() + 1
    }

    /// As many days just before this period.
    #[must_use]
    pub fn previous(self) -> Self {
        let before = |day: NaiveDate, days: i64| u64::try_from(days).ok().and_then(|days| day.checked_sub_days(Days::new(days)));
        Self { from: before(self.from, self.days()).unwrap_or(NaiveDate::MIN), to: before(self.from, 1).unwrap_or(NaiveDate::MIN) }
    }

    /// The numbers of its first and last day, as tallies keep them.
    #[must_use]
    pub fn numbers(self) -> (i32, i32) {
        (day_number(self.from), day_number(self.to))
    }
}

fn day(field: &str, text: &str) -> Result<NaiveDate, FieldError> {
    let text = ascii_digits(text);
    let plain = text.len() == 10 && text.starts_with(|first: char| first.is_ascii_digit());
    let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().filter(|_| plain);
    day.ok_or_else(|| refused(field, "must be a day such as 2026-01-31".to_owned()))
}

fn refused(field: &str, message: String) -> FieldError {
    FieldError { field: field.to_owned(), message }
}

/// How days are put together into weeks and months.
#[derive(Debug, Clone, Copy)]
pub struct Stretches {
    /// The first day of a week.
    pub week_start: WeekStart,
    /// Whose months are meant.
    pub calendar: Calendar,
}

impl Stretches {
    /// The key of the stretch that a day falls into: the day itself, the first day of its week (`YYYY-MM-DD`), or its month (`YYYY-MM`).
    #[must_use]
    pub fn key(self, by: By, day: NaiveDate) -> String {
        match by {
            By::Week => self.week_of(day).to_string(),
            By::Month => self.month_of(day),
            _ => day.to_string(),
        }
    }

    fn week_of(self, day: NaiveDate) -> NaiveDate {
        let weekday = day.weekday();
        let since = match self.week_start {
            WeekStart::Monday => weekday.num_days_from_monday(),
            WeekStart::Saturday => (weekday.num_days_from_sunday() + 1) % 7,
            WeekStart::Sunday => weekday.num_days_from_sunday(),
        };
        day.checked_sub_days(Days::new(u64::from(since))).unwrap_or(day)
    }

    fn month_of(self, day: NaiveDate) -> String {
        let (year, month) = match self.calendar {
            Calendar::Gregorian => (day.year(), day.month()),
            Calendar::Jalali => i18n::jalali_month(day),
        };
        format!("{year:04}-{month:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn read(from: Option<&str>, to: Option<&str>) -> Result<(String, String), String> {
        let period = Period::read(from, to, date("2026-11-21"));
        period.map(|period| (period.from.to_string(), period.to.to_string())).map_err(|error| error.field)
    }

    #[test]
    fn without_a_word_the_last_thirty_days_are_meant() {
        for (from, to, first, last) in [
            (None, None, "2026-10-23", "2026-11-21"),
            (None, Some("2026-03-30"), "2026-03-01", "2026-03-30"),
            (Some("2026-11-21"), None, "2026-11-21", "2026-11-21"),
            (Some("2026-01-01"), Some("2026-12-31"), "2026-01-01", "2026-12-31"),
            (Some("۲۰۲۶-۰۱-۰۱"), Some("٢٠٢٦-٠١-٠٢"), "2026-01-01", "2026-01-02"),
        ] {
            assert_eq!(read(from, to), Ok((first.to_owned(), last.to_owned())));
        }
    }

    #[test]
    fn a_period_that_cannot_be_is_refused_and_the_field_named() {
        for (from, to, field) in [
            (Some("2026-11-22"), None, "from"),
            (Some("2026-02-30"), None, "from"),
            (Some(""), None, "from"),
            (None, Some("21.11.2026"), "to"),
            (None, Some("2026-1-1"), "to"),
            (None, Some("+12026-01-01"), "to"),
            (Some("2016-01-01"), Some("2026-11-21"), "from"),
        ] {
            assert_eq!(read(from, to), Err(field.to_owned()), "{from:?} to {to:?}");
        }
        let longest = date("2026-11-21") - Days::new(3699);
        assert!(read(Some(&longest.to_string()), None).is_ok());
        assert!(read(Some(&longest.pred_opt().unwrap().to_string()), None).is_err());
    }

    #[test]
    fn the_period_before_is_as_long_and_ends_the_day_before() {
        let march = Period::read(Some("2026-03-01"), Some("2026-03-31"), date("2026-11-21")).unwrap();
        let before = march.previous();
        assert_eq!((before.from, before.to), (date("2026-01-29"), date("2026-02-28")));
        assert_eq!(before.numbers().1 + 1, march.numbers().0);
    }

    #[test]
    fn a_day_falls_into_its_week_and_month() {
        let key = |week_start, calendar, by, day: &str| Stretches { week_start, calendar }.key(by, date(day));
        for (week_start, day, first) in [
            (WeekStart::Monday, "2026-11-21", "2026-11-16"),
            (WeekStart::Monday, "2026-11-16", "2026-11-16"),
            (WeekStart::Saturday, "2026-11-21", "2026-11-21"),
            (WeekStart::Saturday, "2026-11-20", "2026-11-14"),
            (WeekStart::Sunday, "2026-11-21", "2026-11-15"),
            (WeekStart::Sunday, "2026-01-01", "2025-12-28"),
        ] {
            assert_eq!(key(week_start, Calendar::Gregorian, By::Week, day), first, "{week_start} {day}");
        }
        let month = |calendar, day| key(WeekStart::Monday, calendar, By::Month, day);
        assert_eq!(month(Calendar::Gregorian, "2026-11-21"), "2026-11");
        for (day, of_jalali) in [("2026-11-21", "1405-08"), ("2026-11-22", "1405-09"), ("2026-03-20", "1404-12"), ("2026-03-21", "1405-01")]
        {
            assert_eq!(month(Calendar::Jalali, day), of_jalali);
        }
        assert_eq!(key(WeekStart::Monday, Calendar::Jalali, By::Day, "2026-11-21"), "2026-11-21");
    }
}
