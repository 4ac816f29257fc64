//! Chance that can be had again: a seeded generator, whose seed every harness prints.

use std::sync::Mutex;

use nabz::app::machine_random;

/// Random numbers from a seed (`SplitMix64`).
pub struct Chance(Mutex<u64>);

impl Chance {
    /// Begins at a seed.
    pub const fn seeded(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// Begins at `NABZ_FAULT_SEED`, or anywhere where it is not set; says where.
    #[expect(clippy::disallowed_methods, reason = "who wants the same faults again says so in the environment")]
    pub fn begun() -> (Self, u64) {
        let seed =
            std::env::var("NABZ_FAULT_SEED").map_or_else(|_| u64::from_le_bytes(machine_random().bytes()), |seed| seed.parse().unwrap());
        (Self::seeded(seed), seed)
    }

    fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit.
    pub fn below(&self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// One of these.
    pub fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// How many rounds a harness has: `NABZ_FAULT_ROUNDS`, or what it usually has.
#[expect(clippy::disallowed_methods, reason = "who wants more rounds says so in the environment")]
pub fn rounds(usual: usize) -> usize {
    std::env::var("NABZ_FAULT_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}
