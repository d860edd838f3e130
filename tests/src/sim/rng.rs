//! Randomness that a seed replays.

use proto::model::IdSource;
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): a counter with a fixed step, its value mixed.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A source whose numbers follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        // The bias of the remainder is far below what a history could show.
        low + self.number() % (high - low + 1)
    }

    /// A place in a list of that length, which must not be empty.
    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.between(0, length as u64 - 1)).expect("it is less than a usize")
    }

    /// One of several; `None` of none.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        (!choices.is_empty()).then(|| choices[self.place(choices.len())])
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.between(0, 99) < percent
    }

    /// A span of whole milliseconds, both bounds included.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }

    /// A source of its own, so that what is drawn from one does not change the other.
    pub fn fork(&mut self) -> Rng {
        Rng(self.number())
    }
}

impl IdSource for Rng {
    fn next_bits(&mut self) -> u128 {
        u128::from(self.number()) << 64 | u128::from(self.number())
    }
}
