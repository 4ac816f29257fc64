//! The hours of a day at which messages may leave, and the next instant within them. Pure.

use chrono::{Offset, Timelike};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock::{MINUTE_MS, Timestamp};

/// Minutes of a day on the clock.
const DAY_MINUTES: u32 = 24 * 60;
/// No wait for an hour of the day is longer, also where a day loses hours.
const LONGEST_WAIT_MINUTES: i64 = 2 * 24 * 60;

/// From one time of the day until another, which no longer belongs to it. With the end before the start they go over midnight.
/// Written as `["09:00", "18:00"]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendHours {
    /// Minutes since midnight, 0 to 1439.
    from: u32,
    /// Minutes since midnight, 0 to 1439.
    until: u32,
}

impl SendHours {
    /// Reads a start and an end.
    ///
    /// # Errors
    /// What would be right, when either is no time of the day or both are the same.
    pub fn parse(from: &str, until: &str) -> Result<Self, &'static str> {
        let (Some(from), Some(until)) = (minutes(from), minutes(until)) else {
            return Err("must be two times of the day such as [\"09:00\", \"18:00\"]");
        };
        if from == until { Err("must begin and end at different times; leave it null for the whole day") } else { Ok(Self { from, until }) }
    }

    /// Whether a message may leave at an instant, by the clocks of a zone.
    #[must_use]
    pub fn admit(self, at: Timestamp, zone: Tz) -> bool {
        self.holds(minute_of_day(at, zone))
    }

    /// The first instant from `at` on at which a message may leave, by the clocks of a zone: `at` itself, or at most 48 hours later.
    /// Where clocks are put forward over the start, the day begins with the first instant that exists; where they are put back into the
    /// hours, they begin again.
    #[must_use]
    pub fn next(self, at: Timestamp, zone: Tz) -> Timestamp {
        if self.admit(at, zone) {
            return at;
        }
        let whole_minute = at.plus_millis(-at.as_millis().rem_euclid(MINUTE_MS));
        let wait = (self.from + DAY_MINUTES - minute_of_day(at, zone)) % DAY_MINUTES;
        let usual = whole_minute.plus_millis(i64::from(wait) * MINUTE_MS);
        if offset_s(at, zone) == offset_s(usual, zone) {
            return usual;
        }
        // The clocks change on the way: only looking at every minute is right for every zone.
        let minutes = (1..=LONGEST_WAIT_MINUTES).map(|minute| whole_minute.plus_millis(minute * MINUTE_MS));
        minutes.into_iter().find(|at| self.admit(*at, zone)).unwrap_or(usual)
    }

    const fn holds(self, minute: u32) -> bool {
        if self.from < self.until { self.from <= minute && minute < self.until } else { self.from <= minute || minute < self.until }
    }
}

/// Minutes since midnight of a time such as `09:00`.
fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2)?;
    let number = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn minute_of_day(at: Timestamp, zone: Tz) -> u32 {
    let local = at.to_utc().with_timezone(&zone);
    local.hour() * 60 + local.minute()
}

fn offset_s(at: Timestamp, zone: Tz) -> i32 {
    at.to_utc().with_timezone(&zone).offset().fix().local_minus_utc()
}

impl std::fmt::Display for SendHours {
    /// `09:00 to 18:00`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02} to {:02}:{:02}", self.from / 60, self.from % 60, self.until / 60, self.until % 60)
    }
}

impl Serialize for SendHours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        [text(self.from), text(self.until)].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SendHours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = <Vec<String>>::deserialize(deserializer)?;
        let (from, until) = match texts.as_slice() {
            [from, until] => (from.as_str(), until.as_str()),
            _ => ("", ""),
        };
        Self::parse(from, until).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(from: &str, until: &str) -> SendHours {
        SendHours::parse(from, until).unwrap()
    }

    fn next(hours: SendHours, zone: Tz, at: &str) -> String {
        hours.next(Timestamp::parse(at).unwrap(), zone).to_utc().with_timezone(&zone).to_rfc3339()
    }

    #[test]
    fn hours_are_read_and_written_as_two_times_of_the_day() {
        let read: SendHours = serde_json::from_str(r#"["09:00", "18:30"]"#).unwrap();
        assert_eq!((read, read.to_string().as_str()), (hours("09:00", "18:30"), "09:00 to 18:30"));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"["09:00","18:30"]"#);
        for bad in [r#"["9:00","18:00"]"#, r#"["09:00"]"#, r#"["09:00","24:00"]"#, r#"["09:60","18:00"]"#, r#"["+9:00","18:00"]"#, "[]"] {
            let error = serde_json::from_str::<SendHours>(bad).unwrap_err().to_string();
            assert!(error.starts_with("must be two times of the day such as"), "{bad}: {error}");
        }
        assert!(serde_json::from_str::<SendHours>(r#"["09:00","09:00"]"#).unwrap_err().to_string().contains("different times"));
        assert!(serde_json::from_str::<SendHours>("9").is_err());
    }

    #[test]
    fn within_the_hours_nothing_waits_and_the_end_is_not_within() {
        let day = hours("09:00", "18:00");
        let zone = Tz::Europe__Berlin;
        for (at, expected) in [
            ("2026-01-15T09:00:00+01:00", "2026-01-15T09:00:00+01:00"),
            ("2026-01-15T17:59:59+01:00", "2026-01-15T17:59:59+01:00"),
            ("2026-01-15T18:00:00+01:00", "2026-01-16T09:00:00+01:00"),
            ("2026-01-15T08:59:59+01:00", "2026-01-15T09:00:00+01:00"),
            ("2026-01-15T00:00:00+01:00", "2026-01-15T09:00:00+01:00"),
        ] {
            assert_eq!(next(day, zone, at), expected, "{at}");
        }
    }

    #[test]
    fn hours_may_go_over_midnight_and_end_with_the_day() {
        let night = hours("22:00", "06:00");
        for (at, expected) in [
            ("2026-01-15T23:00:00+03:30", "2026-01-15T23:00:00+03:30"),
            ("2026-01-15T05:59:00+03:30", "2026-01-15T05:59:00+03:30"),
            ("2026-01-15T06:00:00+03:30", "2026-01-15T22:00:00+03:30"),
        ] {
            assert_eq!(next(night, Tz::Asia__Tehran, at), expected, "{at}");
        }
        assert_eq!(next(hours("09:00", "00:00"), Tz::UTC, "2026-01-15T23:59:00Z"), "2026-01-15T23:59:00+00:00");
        assert_eq!(next(hours("09:00", "00:00"), Tz::UTC, "2026-01-15T00:00:00Z"), "2026-01-15T09:00:00+00:00");
    }

    #[test]
    fn clocks_put_forward_make_the_day_begin_with_the_first_instant_that_exists() {
        // Berlin, 2026-03-29: 02:00 becomes 03:00.
        let berlin = Tz::Europe__Berlin;
        assert_eq!(next(hours("09:00", "18:00"), berlin, "2026-03-28T18:00:00+01:00"), "2026-03-29T09:00:00+02:00");
        assert_eq!(next(hours("02:30", "05:00"), berlin, "2026-03-29T00:10:00+01:00"), "2026-03-29T03:00:00+02:00");
        assert_eq!(
            next(hours("02:10", "02:50"), berlin, "2026-03-28T03:00:00+01:00"),
            "2026-03-30T02:10:00+02:00",
            "no such time that day"
        );
        // Tehran, 2022-03-22: 00:00 becomes 01:00. São Paulo, 2018-11-04: likewise.
        assert_eq!(next(hours("00:00", "08:00"), Tz::Asia__Tehran, "2022-03-21T23:30:00+03:30"), "2022-03-22T01:00:00+04:30");
        assert_eq!(next(hours("00:00", "08:00"), Tz::America__Sao_Paulo, "2018-11-03T23:30:00-03:00"), "2018-11-04T01:00:00-02:00");
    }

    #[test]
    fn clocks_put_back_let_the_hours_begin_again() {
        // Berlin, 2026-10-25: 03:00 becomes 02:00.
        let berlin = Tz::Europe__Berlin;
        assert_eq!(next(hours("09:00", "18:00"), berlin, "2026-10-24T18:00:00+02:00"), "2026-10-25T09:00:00+01:00");
        assert_eq!(next(hours("02:30", "05:00"), berlin, "2026-10-25T01:00:00+02:00"), "2026-10-25T02:30:00+02:00", "the first of two");
        assert_eq!(next(hours("01:00", "02:30"), berlin, "2026-10-25T02:40:00+02:00"), "2026-10-25T02:00:00+01:00");
        // São Paulo, 2018-02-18: 00:00 becomes 23:00 of the day before. Tehran, 2022-09-22: likewise.
        assert_eq!(next(hours("23:00", "23:30"), Tz::America__Sao_Paulo, "2018-02-17T23:40:00-02:00"), "2018-02-17T23:00:00-03:00");
        assert_eq!(next(hours("09:00", "18:00"), Tz::Asia__Tehran, "2022-09-21T18:00:00+04:30"), "2022-09-22T09:00:00+03:30");
    }

    const ZONES: [Tz; 7] = [
        Tz::UTC,
        Tz::Europe__Berlin,
        Tz::Asia__Tehran,
        Tz::America__Sao_Paulo,
        Tz::Australia__Lord_Howe,
        Tz::America__St_Johns,
        Tz::Africa__Casablanca,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// 2005 to 2040, half of the time close to a change of Berlin's clocks.
        #[test]
        fn the_result_is_the_first_instant_within_the_hours_and_less_than_two_days_later(
            somewhen in 1_104_537_600..2_208_988_800_i64, near in -200_000..200_000_i64, is_near: bool,
            zone in 0..ZONES.len(), from in 0..1440_u32, length in 1..1440_u32,
        ) {
            let (zone, hours) = (ZONES[zone], SendHours { from, until: (from + length) % DAY_MINUTES });
            let at = Timestamp::from_millis(if is_near { 1_774_746_000 + near } else { somewhen } * 1000);
            let next = hours.next(at, zone);
            prop_assert!(next >= at && hours.admit(next, zone), "{at} {next}");
            prop_assert!(next.since(at) < LONGEST_WAIT_MINUTES * MINUTE_MS);
            let earlier = (0..next.since(at) / MINUTE_MS).find(|minute| hours.admit(at.plus_millis(minute * MINUTE_MS), zone));
            prop_assert_eq!(earlier, None, "{} minutes after {} were within, before {}", earlier.unwrap_or(0), at, next);
        }
    }
}
