//! One histogram: buckets for those who query its series, and the last observations for its quantiles.

use super::Spread;
use model::Timestamp;
use std::{collections::VecDeque, time::Duration};

/// Upper bounds: 1, 2 and 5 of each decade from a thousandth to ten millions, whatever the unit.
pub(super) const BOUNDS: [f64; 31] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0,
    500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7,
];
/// Observations that are remembered one by one: the last ones, and none older than this.
const REMEMBERED_MAX: usize = 4096;
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);

/// A bound as the label `le` says it.
pub(super) fn bound_text(at: usize) -> String {
    BOUNDS[at].to_string()
}

/// A histogram.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    /// How many are at most each bound, not cumulated.
    pub(super) buckets: [u64; BOUNDS.len()],
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// When it was last told of.
    pub(super) at: Timestamp,
    last: VecDeque<(Timestamp, f64)>,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            buckets: [0; BOUNDS.len()],
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            at: Timestamp::default(),
            last: VecDeque::new(),
        }
    }
}

impl Histogram {
    pub(super) fn observe(&mut self, value: f64, now: Timestamp) {
        if let Some(bucket) = BOUNDS.iter().position(|bound| value <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.at = now;
        let old = now.minus(REMEMBERED_FOR);
        while self.last.front().is_some_and(|(at, _)| *at < old) || self.last.len() >= REMEMBERED_MAX {
            self.last.pop_front();
        }
        self.last.push_back((now, value));
    }

    /// What was observed since `from`, as far as it is remembered.
    pub(super) fn since(&self, from: Timestamp) -> impl Iterator<Item = f64> + '_ {
        self.last.iter().filter(move |(at, _)| *at >= from).map(|(_, value)| *value)
    }
}

/// Histograms of one name as one; quantiles since `from`.
pub(super) fn spread(all: &[&Histogram], from: Timestamp) -> Spread {
    let mut values: Vec<f64> = all.iter().flat_map(|one| one.since(from)).collect();
    values.sort_by(f64::total_cmp);
    Spread {
        count: all.iter().map(|one| one.count).sum(),
        sum: all.iter().map(|one| one.sum).sum(),
        min: all.iter().map(|one| one.min).fold(f64::INFINITY, f64::min),
        max: all.iter().map(|one| one.max).fold(f64::NEG_INFINITY, f64::max),
        p50: quantile(0.5, &values),
        p95: quantile(0.95, &values),
        p99: quantile(0.99, &values),
    }
}

/// Of sorted values, between neighbours by their distance.
fn quantile(q: f64, sorted: &[f64]) -> Option<f64> {
    let rank = q * (sorted.len().checked_sub(1)?) as f64;
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    Some(low + (high - low) * (rank - rank.floor()))
}
