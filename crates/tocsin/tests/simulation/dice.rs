//! Chance, from one seed: the same seed throws the same dice.

use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Duration;

/// The one source of chance of a world.
pub struct Dice(StdRng);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(StdRng::seed_from_u64(seed))
    }

    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 0 to `n` - 1; 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.0.next_u64() % n }
    }

    /// True `n` times of a thousand.
    pub fn often(&mut self, n: u64) -> bool {
        self.below(1000) < n
    }

    /// Milliseconds from `low` to `high`, both possible.
    pub fn ms(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(low + self.below(high.saturating_sub(low) + 1))
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Seed bytes for a process: another life, other tokens.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.0.next_u64().to_le_bytes()));
        bytes
    }
}
