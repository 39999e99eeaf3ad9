//! What must not be guessed: the numbers that connections and rooms are known by, and the tokens of members that come
//! back.
//!
//! The server's thread asks the kernel for random bytes once, at the start; all others are made from them. A simulated
//! run gives its own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::rand::{GetRandomFlags, getrandom};

/// A source of bytes that nobody can guess who does not know its seed.
#[derive(Debug)]
pub struct Random(ChaCha20Rng);

impl Random {
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// A source whose seed the kernel gives.
    pub fn from_kernel() -> io::Result<Self> {
        let mut seed = [0; 32];
        let count = getrandom(&mut seed, GetRandomFlags::empty())?;
        // Up to 256 bytes are given whole (getrandom(2)).
        assert_eq!(count, seed.len(), "a seed is given whole");
        Ok(Self::new(seed))
    }

    /// 128 bits.
    pub fn secret(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// A way to number things so that the numbers tell neither how many there are nor which came first: different numbers
/// become different numbers.
#[derive(Clone, Copy, Debug)]
pub struct Permutation {
    key: u64,
}

impl Permutation {
    /// Rounds of the network; four are enough for numbers to look drawn at random (Luby and Rackoff, 1988).
    const ROUNDS: u8 = 4;

    pub fn new(key: u64) -> Self {
        Self { key }
    }

    /// The number that stands for `number`, both below 2 to the power of twice `half_bits`.
    pub fn apply(&self, number: u64, half_bits: u32) -> u64 {
        let mask = (1 << half_bits) - 1;
        let (mut left, mut right) = (number >> half_bits & mask, number & mask);
        for round in 0..Self::ROUNDS {
            let mut hasher = DefaultHasher::new();
            (self.key, round, right).hash(&mut hasher);
            (left, right) = (right, left ^ (hasher.finish() & mask));
        }
        left << half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_permutation_gives_each_number_once() {
        let permutation = Permutation::new(1);
        let numbers: HashSet<u64> = (0..1 << 12).map(|number| permutation.apply(number, 6)).collect();
        assert!(numbers.len() == 1 << 12 && numbers.iter().all(|number| *number < 1 << 12));
        assert_ne!(permutation.apply(1, 32) + 1, permutation.apply(2, 32), "they are not in order");
    }

    #[test]
    fn secrets_depend_on_the_seed_and_never_repeat() {
        let mut random = Random::new([1; 32]);
        let secrets: HashSet<[u8; 16]> = (0..1000).map(|_| random.secret()).collect();
        assert_eq!(secrets.len(), 1000);
        assert!(!secrets.contains(&Random::new([2; 32]).secret()));
        assert!(secrets.contains(&Random::new([1; 32]).secret()));
    }
}
