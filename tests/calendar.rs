//! Days in Persian: the worked examples of `vectors/metrics.json`.

use chrono::NaiveDate;
use nabz::i18n::{Locale, ascii_digits, messages};

const MONTHS: [&str; 12] = ["فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور", "مهر", "آبان", "آذر", "دی", "بهمن", "اسفند"];

/// `۳۰ آبان ۱۴۰۵` as `1405-08-30`.
fn numeric(written: &str) -> Option<String> {
    let mut words = written.split(' ');
    let day: u32 = ascii_digits(words.next()?).parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let year: i32 = ascii_digits(words.next()?).parse().ok()?;
    words.next().is_none().then(|| format!("{year}-{month:02}-{day:02}"))
}

#[test]
fn every_worked_example_of_the_jalali_calendar_holds() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors/metrics.json")).unwrap();
    let examples = vectors["jalali"].as_array().unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        let day: NaiveDate = example["gregorian"].as_str().unwrap().parse().unwrap();
        let written = messages(Locale::Fa).date(day);
        assert_eq!(numeric(&written).as_deref(), example["jalali"].as_str(), "{day} came as {written}");
    }
}
