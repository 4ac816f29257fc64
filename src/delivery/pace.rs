//! How many messages leave a minute, to everybody and to single domains: evenly spread, each put off to an instant of its own. Counted in this process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::net::domain;
use crate::outbox::OutboxId;

const MINUTE_MS: i64 = 60_000;
/// Who was put off and does not come back is forgotten after this: the message was cancelled, or another node has it.
const FORGOTTEN_AFTER_MS: i64 = 60 * MINUTE_MS;
const TIDY_EVERY_MS: i64 = MINUTE_MS;

/// The limit of a domain: when its next message may leave.
#[derive(Debug, Clone, Copy)]
struct Line {
    interval_ms: i64,
    next: Timestamp,
}

/// The limit for everybody: time in slots of one message each. Who waits for a domain takes a slot far ahead, and those between stay free.
#[derive(Debug)]
struct Slots {
    interval_ms: i64,
    /// Of each slot that is taken, one behind it that may be free; looking shortens the way.
    taken: HashMap<i64, i64>,
}

impl Slots {
    /// Takes the first free slot at or after an instant; answers its instant.
    fn take(&mut self, from: Timestamp) -> Timestamp {
        let first = from.as_millis().div_euclid(self.interval_ms);
        let (mut slot, mut passed) = (first, Vec::new());
        while let Some(next) = self.taken.get(&slot) {
            passed.push(slot);
            slot = *next;
        }
        self.taken.extend(passed.into_iter().chain([slot]).map(|passed| (passed, slot.saturating_add(1))));
        Timestamp::from_millis(slot.saturating_mul(self.interval_ms)).max(from)
    }

    fn forget_before(&mut self, now: Timestamp) {
        let first = now.as_millis().div_euclid(self.interval_ms);
        self.taken.retain(|slot, _| *slot >= first);
    }
}

/// The limits, and who waits for them.
#[derive(Debug)]
pub struct Pace {
    domains: Vec<String>,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    all: Option<Slots>,
    domains: HashMap<String, Line>,
    /// The instant that each message was put off to.
    put_off: HashMap<OutboxId, Timestamp>,
    tidied_at: Timestamp,
}

/// The milliseconds between two messages, never fewer than the limit wants; `None` without a limit.
fn interval_ms(per_minute: u32) -> Option<i64> {
    let per_minute = i64::from(per_minute);
    (per_minute > 0).then(|| (MINUTE_MS + per_minute - 1) / per_minute)
}

impl Pace {
    /// Messages a minute, and messages a minute to domains and those below them; 0 is no limit.
    #[must_use]
    pub fn new(per_minute: u32, per_domain: &BTreeMap<String, u32>) -> Self {
        let start = Timestamp::from_millis(0);
        let line = |limit| interval_ms(limit).map(|interval_ms| Line { interval_ms, next: start });
        let domains: HashMap<String, Line> =
            per_domain.iter().filter_map(|(name, limit)| Some((domain::normal(name)?, line(*limit)?))).collect();
        let mut names: Vec<String> = domains.keys().cloned().collect();
        // The narrower domain first: its own limit counts, and not that of the one above.
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        let all = interval_ms(per_minute).map(|interval_ms| Slots { interval_ms, taken: HashMap::new() });
        Self { domains: names, book: Mutex::new(Book { all, domains, put_off: HashMap::new(), tidied_at: start }) }
    }

    /// The instant that a message has to wait for; `None` where it may leave now. Who was put off and comes back then may leave.
    pub fn wait(&self, id: OutboxId, address: &str, now: Timestamp) -> Option<Timestamp> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let at = match book.put_off.get(&id) {
            Some(at) => *at,
            None => book.enter(domain::of_address(address, &self.domains), now),
        };
        if at > now {
            book.put_off.insert(id, at);
            return Some(at);
        }
        book.put_off.remove(&id);
        None
    }
}

impl Book {
    /// The instant at which one more message may leave.
    fn enter(&mut self, domain: Option<&str>, now: Timestamp) -> Timestamp {
        self.tidy(now);
        let mut line = domain.and_then(|domain| self.domains.get_mut(domain));
        let from = line.as_ref().map_or(now, |line| line.next.max(now));
        let at = self.all.as_mut().map_or(from, |all| all.take(from));
        if let Some(line) = &mut line {
            line.next = at.plus_millis(line.interval_ms);
        }
        at
    }

    fn tidy(&mut self, now: Timestamp) {
        if now.since(self.tidied_at) < TIDY_EVERY_MS {
            return;
        }
        self.tidied_at = now;
        self.put_off.retain(|_, at| now.since(*at) < FORGOTTEN_AFTER_MS);
        if let Some(all) = &mut self.all {
            all.forget_before(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + ms)
    }

    fn pace(per_minute: u32, domains: &[(&str, u32)]) -> Pace {
        Pace::new(per_minute, &domains.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect())
    }

    /// Sends messages as the outbox would: each is tried again at the instant it was put off to. Answers when each left, in milliseconds, and how often it was
    /// put off at most.
    fn leave(pace: &Pace, addresses: &[&str]) -> (Vec<i64>, usize) {
        let mut due: Vec<(Timestamp, usize, usize)> = (0..addresses.len()).map(|number| (at(0), number, 0)).collect();
        let (mut left, mut most) = (vec![0; addresses.len()], 0);
        while !due.is_empty() {
            due.sort_unstable();
            let (now, number, times) = due.remove(0);
            match pace.wait(OutboxId(Uuid::from_u128(u128::try_from(number).unwrap())), addresses[number], now) {
                Some(until) => {
                    assert!(until > now, "it is put off into the past");
                    due.push((until, number, times + 1));
                }
                None => left[number] = now.since(at(0)),
            }
            most = most.max(times);
        }
        (left, most)
    }

    #[test]
    fn messages_above_the_limit_leave_evenly_spread_and_are_put_off_once() {
        assert_eq!(leave(&pace(60, &[]), &["a@example.com"; 4]), (vec![0, 1000, 2000, 3000], 1));
        assert_eq!(leave(&pace(0, &[]), &["a@example.com"; 3]), (vec![0, 0, 0], 0));
        assert_eq!(leave(&pace(7, &[]), &["a@example.com"; 3]).0, [0, 572, 9144], "one in each slot of 8572 ms");
    }

    #[test]
    fn a_slow_domain_holds_up_nobody_else() {
        let pace = pace(600, &[("gmail.com", 6), ("mail.gmail.com", 0)]);
        let (left, _) = leave(&pace, &["a@gmail.com", "b@GMAIL.com", "c@sub.gmail.com", "d@example.com", "e@example.com"]);
        assert_eq!(left, [0, 10_000, 20_000, 100, 200]);
    }

    #[test]
    fn a_domain_below_another_may_have_a_limit_of_its_own() {
        let pace = pace(0, &[("example.com", 1), ("news.example.com", 60)]);
        let (left, _) = leave(&pace, &["a@news.example.com", "b@news.example.com", "c@example.com", "d@example.com"]);
        assert_eq!(left, [0, 1000, 0, 60_000]);
    }

    #[test]
    fn who_does_not_come_back_is_forgotten() {
        let pace = pace(60_000, &[]);
        for number in 0..1000 {
            pace.wait(OutboxId(Uuid::from_u128(number)), "a@example.com", at(0));
        }
        assert_eq!(pace.book.lock().unwrap().put_off.len(), 999);
        for number in 1000..1002 {
            pace.wait(OutboxId(Uuid::from_u128(number)), "a@example.com", at(2 * FORGOTTEN_AFTER_MS));
        }
        let book = pace.book.lock().unwrap();
        assert_eq!((book.put_off.len(), book.all.as_ref().unwrap().taken.len()), (1, 2));
    }

    proptest! {
        #[test]
        fn in_no_minute_leave_more_than_the_limits_allow(all in 1..200_u32, one in 1..60_u32, to_one in proptest::collection::vec(any::<bool>(), 1..120)) {
            let addresses: Vec<&str> = to_one.iter().map(|one| if *one { "a@one.example" } else { "b@other.example" }).collect();
            let (left, put_off) = leave(&pace(all, &[("one.example", one)]), &addresses);
            prop_assert!(put_off <= 1);
            // A minute that begins within a slot sees the ends of one more.
            for (limit, chosen) in [(all + 1, None), (one, Some(true))] {
                let mut times: Vec<i64> = left.iter().zip(&to_one).filter(|(_, one)| chosen.is_none_or(|chosen| chosen == **one)).map(|(at, _)| *at).collect();
                times.sort_unstable();
                for (first, rest) in times.iter().enumerate() {
                    let within = times[first..].iter().filter(|time| **time < rest + MINUTE_MS).count();
                    prop_assert!(within <= usize::try_from(limit).unwrap(), "{within} of {limit}");
                }
            }
        }
    }
}
