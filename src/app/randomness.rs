//! The kernel's randomness, much at a time.

use std::cell::RefCell;

use crate::random::Random;

/// Random bytes of the kernel that a thread has in hand: asking for each id by itself is what answering a request would mostly ask the kernel for.
struct InHand {
    bytes: [u8; 512],
    used: usize,
}

impl InHand {
    const NONE: Self = Self { bytes: [0; 512], used: 512 };

    fn fill(&mut self, wanted: &mut [u8]) {
        if wanted.len() > self.bytes.len() - self.used {
            ask_kernel(&mut self.bytes);
            self.used = 0;
        }
        for (wanted, byte) in wanted.iter_mut().zip(self.bytes.iter_mut().skip(self.used)) {
            // Nobody gets a byte twice, or finds it here later.
            *wanted = std::mem::take(byte);
        }
        self.used += wanted.len();
    }
}

#[expect(clippy::disallowed_methods, clippy::panic, reason = "this is the one place that asks the kernel for randomness")]
fn ask_kernel(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        panic!("the kernel gives no randomness: {error}");
    }
}

thread_local! {
    static IN_HAND: RefCell<InHand> = const { RefCell::new(InHand::NONE) };
}

/// The kernel's randomness.
///
/// # Panics
/// When the kernel refuses: without randomness no secret would be one.
#[must_use]
pub fn machine_random() -> Random {
    Random::new(|bytes| {
        // Much at once, and what is wanted while a thread ends, comes from the kernel directly.
        let is_filled = bytes.len() <= 64 && IN_HAND.try_with(|hand| hand.borrow_mut().fill(bytes)).is_ok();
        if !is_filled {
            ask_kernel(bytes);
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nobody_gets_the_same_bytes_and_what_was_given_is_wiped() {
        let random = machine_random();
        let drawn: HashSet<[u8; 16]> = (0..1000).map(|_| random.bytes()).collect();
        assert_eq!(drawn.len(), 1000);
        assert_ne!(random.bytes::<100>(), random.bytes::<100>());
        let mut hand = InHand::NONE;
        let mut first = [0; 500];
        hand.fill(&mut first);
        assert!(hand.bytes.iter().take(500).all(|byte| *byte == 0) && hand.bytes.iter().skip(500).any(|byte| *byte != 0));
        // What is left is too little, and is not handed out again.
        let mut second = [0; 500];
        hand.fill(&mut second);
        assert_ne!(first, second);
        assert_eq!(hand.used, 500);
    }
}
