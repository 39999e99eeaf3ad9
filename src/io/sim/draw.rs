//! Every choice of a simulated run, drawn from one number, or from bytes that a fuzzer chose.
//!
//! The sequence that a number gives must stay what it is: a kept seed means nothing otherwise. So the generator is
//! written out here (splitmix64, public domain) rather than taken from a library that may improve it.

use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub struct Draw {
    state: u64,
    /// The choices to come, instead of numbers from `state`. When they are used up every draw is 0, the calmest choice.
    bytes: Option<VecDeque<u8>>,
}

impl Draw {
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed, bytes: None }
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { state: 0, bytes: Some(bytes.iter().copied().collect()) }
    }

    /// A second sequence of choices, so that the sequence of `self` stays as it is. With this constant the kept seeds
    /// still find what they were kept for.
    pub fn apart(&self) -> Self {
        let bytes = self.bytes.as_ref().map(|bytes| bytes.iter().rev().copied().collect());
        Self { state: self.state ^ 0xb999_c4e2_7eeb_7be1, bytes }
    }

    /// True once a fuzzer's bytes are used up.
    pub fn is_exhausted(&self) -> bool {
        self.bytes.as_ref().is_some_and(VecDeque::is_empty)
    }

    fn number(&mut self, bytes_wanted: usize) -> u64 {
        if let Some(bytes) = &mut self.bytes {
            let taken = bytes.drain(..bytes_wanted.min(bytes.len()));
            return taken.fold(0, |number, byte| number << 8 | u64::from(byte));
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from 0 to `bound`, itself not included.
    pub fn below(&mut self, bound: u64) -> u64 {
        let bytes_wanted = if bound <= 1 << 8 { 1 } else { 4 };
        self.number(bytes_wanted) % bound.max(1)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below((most - least + 1) as u64) as usize
    }

    /// True in `of_256` of 256 draws.
    pub fn chance(&mut self, of_256: u8) -> bool {
        of_256 > 0 && self.below(256) + u64::from(of_256) >= 256
    }

    /// One of a few choices, the calmest first.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_what_it_always_meant() {
        let mut draw = Draw::seeded(7);
        assert_eq!([draw.below(1000), draw.below(1000), draw.below(1000)], EXPECTED);
    }

    /// The first draws of seed 7, written down when the first seed was kept.
    const EXPECTED: [u64; 3] = [487, 804, 346];

    #[test]
    fn bytes_that_are_used_up_are_calm() {
        let mut draw = Draw::from_bytes(&[255]);
        assert!(draw.chance(1) && draw.is_exhausted());
        assert!(!draw.chance(255));
        assert_eq!((draw.below(10), draw.pick(&["calm", "wild"])), (0, "calm"));
    }
}
