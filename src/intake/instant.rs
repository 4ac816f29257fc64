//! Instants as help desks write them. Pure.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use serde_json::Value;

use crate::clock::Timestamp;

/// Beyond this a number of seconds is a number of milliseconds (it would be the year 5138).
const MILLIS_FROM: f64 = 1e11;

/// Forms with an offset, tried in order after RFC 3339.
const WITH_OFFSET: &[&str] = &["%Y-%m-%dT%H:%M%#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%d %H:%M:%S%.f%#z"];
/// Forms without one, which are read as UTC.
const WITHOUT_OFFSET: &[&str] =
    &["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f UTC", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];

/// Reads an instant from a text or number: RFC 3339 with or without seconds, an offset without colon, `… UTC`, no zone (UTC),
/// Unix seconds (also with a fraction), milliseconds (also as text) and `/Date(ms)/`.
#[must_use]
pub fn read(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => from_number(number.as_f64()?),
        Value::String(text) => from_text(text.trim()),
        _ => None,
    }
}

/// Forms of an instant on somebody's wall clock.
const LOCAL: &[&str] =
    &["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S%.f", "%Y/%m/%d %H:%M"];
/// Forms of a day alone.
const DAYS: &[&str] = &["%Y-%m-%d", "%Y/%m/%d"];

/// Reads an instant from a text in the forms of [`read`], where one that names no zone is of this one. A day alone is its beginning.
#[must_use]
pub fn read_in(text: &str, zone: Tz) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let day = || DAYS.iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok()).map(|day| day.and_time(NaiveTime::MIN));
    let local = LOCAL.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).or_else(day);
    match local {
        Some(local) => on_clock(local, zone).map(Timestamp::from_millis),
        None => from_text(text),
    }
}

/// What a wall clock showed: the first of two such instants, and the hour after where clocks jumped over it.
fn on_clock(local: NaiveDateTime, zone: Tz) -> Option<i64> {
    let later = || zone.from_local_datetime(&local.checked_add_signed(TimeDelta::hours(1))?).earliest();
    zone.from_local_datetime(&local).earliest().or_else(later).map(|at| at.timestamp_millis())
}

fn from_text(text: &str) -> Option<Timestamp> {
    if let Ok(at) = Timestamp::parse(text) {
        return Some(at);
    }
    if let Some(millis) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        return without_offset(millis).parse().ok().map(Timestamp::from_millis);
    }
    if let Ok(number) = text.parse::<f64>() {
        return from_number(number);
    }
    let with_offset = WITH_OFFSET.iter().find_map(|form| DateTime::parse_from_str(text, form).ok()).map(|at| at.timestamp_millis());
    let without =
        || WITHOUT_OFFSET.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|at| at.and_utc().timestamp_millis());
    with_offset.or_else(without).map(Timestamp::from_millis)
}

/// `/Date(ms-0700)/` counts from 1970 in UTC all the same; the offset only says how to show it.
fn without_offset(number: &str) -> &str {
    let sign = number.rfind(['+', '-']).filter(|at| *at > 0);
    sign.and_then(|at| number.get(..at)).unwrap_or(number)
}

fn from_number(number: f64) -> Option<Timestamp> {
    let millis = if number.abs() >= MILLIS_FROM { number } else { number * 1000.0 };
    // A float of this size holds every millisecond exactly; text is the way from it to an integer that cannot wrap.
    format!("{:.0}", millis.trunc()).parse().ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_that_help_desks_send_is_read() {
        for (sent, meant) in [
            (json!("2026-01-14T08:11Z"), "2026-01-14T08:11:00.000Z"),
            (json!("2026-01-14T08:11:09.123456789Z"), "2026-01-14T08:11:09.123Z"),
            (json!("2026-01-14T08:11:09.000Z"), "2026-01-14T08:11:09.000Z"),
            (json!("2026-01-15T10:29:58+0100"), "2026-01-15T09:29:58.000Z"),
            (json!("2026-01-15T13:59:50+03:30"), "2026-01-15T10:29:50.000Z"),
            (json!("2026-01-15 10:29:58 UTC"), "2026-01-15T10:29:58.000Z"),
            (json!("2026-01-14 09:12:44"), "2026-01-14T09:12:44.000Z"),
            (json!(1_768_472_998), "2026-01-15T10:29:58.000Z"),
            (json!(1_768_472_998.5), "2026-01-15T10:29:58.500Z"),
            (json!(1_768_472_998_000_i64), "2026-01-15T10:29:58.000Z"),
            (json!("1768472998000"), "2026-01-15T10:29:58.000Z"),
            (json!("/Date(1768472998000)/"), "2026-01-15T10:29:58.000Z"),
            (json!("/Date(1768472998000-0700)/"), "2026-01-15T10:29:58.000Z"),
            (json!("/Date(-86400000)/"), "1969-12-31T00:00:00.000Z"),
        ] {
            assert_eq!(read(&sent).map(|at| at.to_string()).as_deref(), Some(meant), "{sent}");
        }
    }

    #[test]
    fn an_instant_without_a_zone_is_of_the_one_that_is_given() {
        for (sent, meant) in [
            ("2026-01-15 10:30", "2026-01-15T07:00:00.000Z"),
            ("2026-01-15T10:30:05.5", "2026-01-15T07:00:05.500Z"),
            ("2026/01/15 10:30:05", "2026-01-15T07:00:05.000Z"),
            ("2026-01-15", "2026-01-14T20:30:00.000Z"),
            ("2026-01-15 10:30:00 UTC", "2026-01-15T10:30:00.000Z"),
            ("2026-01-15T10:30:00Z", "2026-01-15T10:30:00.000Z"),
            ("1768472998", "2026-01-15T10:29:58.000Z"),
        ] {
            assert_eq!(read_in(sent, chrono_tz::Asia::Tehran).map(|at| at.to_string()).as_deref(), Some(meant), "{sent}");
        }
        for (sent, meant) in [("2026-10-25 02:30", "2026-10-25T00:30:00.000Z"), ("2026-03-29 02:30", "2026-03-29T01:30:00.000Z")] {
            assert_eq!(read_in(sent, chrono_tz::Europe::Berlin).map(|at| at.to_string()).as_deref(), Some(meant), "{sent}");
        }
        assert_eq!(read_in("15.01.2026", chrono_tz::UTC), None);
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for sent in [json!(""), json!("yesterday"), json!(null), json!("2026-13-01T00:00:00Z"), json!([1]), json!("NaN")] {
            assert_eq!(read(&sent), None, "{sent}");
        }
    }
}
