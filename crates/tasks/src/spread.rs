//! How long things took, as a histogram over fixed bounds. Counts in place, so that it may stand on a hot path.

use std::time::Duration;

/// Times over `N` bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread<const N: usize> {
    /// The bounds in seconds, rising.
    pub bounds: [f64; N],
    /// How many were at most each bound and above the one before.
    pub buckets: [u64; N],
    /// How many in all.
    pub count: u64,
    /// Their sum in seconds.
    pub sum: f64,
}

impl<const N: usize> Spread<N> {
    /// Nothing yet.
    pub fn new(bounds: [f64; N]) -> Spread<N> {
        Spread { bounds, buckets: [0; N], count: 0, sum: 0.0 }
    }

    /// One more.
    pub fn add(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        if let Some(bucket) = self.bounds.iter().position(|bound| took <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += took;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_in_its_bucket() {
        let mut spread = Spread::new([1.0, 5.0]);
        for millis in [0, 1_000, 1_001, 5_000, 5_001] {
            spread.add(Duration::from_millis(millis));
        }
        assert_eq!((spread.buckets, spread.count), ([2, 2], 5));
        assert!((spread.sum - 12.002).abs() < 1e-9);
    }
}
