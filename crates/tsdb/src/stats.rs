//! What the store tells of itself: a snapshot for screens, and the same as metrics.

use model::{Refusal, Timestamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A snapshot of the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Series in the head.
    pub series: usize,
    /// Samples in memory.
    pub hot_samples: usize,
    /// Samples taken in this run.
    pub appended: u64,
    /// Samples refused in this run, by reason; only reasons that occurred.
    pub refused: Vec<(Refusal, u64)>,
    /// Oldest sample in memory.
    pub head_min: Option<Timestamp>,
    /// Newest sample in memory.
    pub head_max: Option<Timestamp>,
    /// Oldest sample anywhere.
    pub oldest: Option<Timestamp>,
    /// Size of the log.
    pub wal_bytes: u64,
    /// Bytes of torn records that were cut off the log when it was opened.
    pub wal_cut_bytes: u64,
    /// Segments in use.
    pub segments: usize,
    /// Samples in segments.
    pub segment_samples: u64,
    /// Segments that were damaged when the store was opened and are set aside.
    pub segments_damaged: u64,
    /// All files together.
    pub disk_bytes: u64,
}

/// What only goes up.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) appended: AtomicU64,
    refused: [AtomicU64; REFUSALS.len()],
    pub(crate) wal_cut: AtomicU64,
    pub(crate) damaged: AtomicU64,
}

/// All reasons with their names in metrics.
const REFUSALS: [(Refusal, &str); 7] = [
    (Refusal::OutOfOrder, "out_of_order"),
    (Refusal::Duplicate, "duplicate"),
    (Refusal::TooOld, "too_old"),
    (Refusal::TooNew, "too_new"),
    (Refusal::TooManySeries, "too_many_series"),
    (Refusal::UnknownSeries, "unknown_series"),
    (Refusal::BadLabels, "bad_labels"),
];

impl Counters {
    /// Counts a refusal and hands it back.
    pub(crate) fn refuse(&self, why: Refusal) -> Refusal {
        if let Some(at) = REFUSALS.iter().position(|(refusal, _)| *refusal == why) {
            self.refused[at].fetch_add(1, Relaxed);
        }
        why
    }

    pub(crate) fn refused(&self) -> Vec<(Refusal, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Relaxed));
        REFUSALS.iter().zip(counts).filter(|(_, n)| *n > 0).map(|((refusal, _), n)| (*refusal, n)).collect()
    }
}

/// Name, type and help of each figure.
pub const METRICS: [(&str, &str, &str); 10] = [
    ("tocsin_series_hot", "gauge", "Series that are written to."),
    ("tocsin_series_hot_samples", "gauge", "Samples in memory."),
    ("tocsin_samples_appended_total", "counter", "Samples taken by the store."),
    ("tocsin_samples_refused_total", "counter", "Samples refused by the store, by reason."),
    ("tocsin_wal_bytes", "gauge", "Size of the write-ahead log."),
    ("tocsin_wal_cut_bytes_total", "counter", "Bytes of torn records cut off the log when it was opened."),
    ("tocsin_segments", "gauge", "Segments in use."),
    ("tocsin_segments_damaged_total", "counter", "Segments found damaged and set aside."),
    ("tocsin_segment_samples", "gauge", "Samples in segments."),
    ("tocsin_series_disk_bytes", "gauge", "Bytes of all files of the store."),
];

/// What the series of the head consist of: the longest entries of each list, most first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Census {
    /// Different pairs of label name and value.
    pub pairs: u64,
    /// Series by metric name.
    pub series_by_metric: Vec<(String, u64)>,
    /// Different values by label name.
    pub values_by_label: Vec<(String, u64)>,
    /// Bytes of the different values by label name.
    pub bytes_by_label: Vec<(String, u64)>,
    /// Series by `name=value`.
    pub series_by_pair: Vec<(String, u64)>,
}

/// Keeps the `most` largest of what it is given.
pub(crate) struct Largest<K> {
    most: usize,
    kept: BinaryHeap<Reverse<(u64, Reverse<K>)>>,
}

impl<K: Ord> Largest<K> {
    pub(crate) fn new(most: usize) -> Largest<K> {
        Largest { most, kept: BinaryHeap::new() }
    }

    pub(crate) fn add(&mut self, size: u64, key: K) {
        self.kept.push(Reverse((size, Reverse(key))));
        if self.kept.len() > self.most {
            self.kept.pop();
        }
    }

    /// Largest first, equal ones by key.
    pub(crate) fn list(self, text: impl Fn(K) -> String) -> Vec<(String, u64)> {
        let sorted = self.kept.into_sorted_vec();
        sorted.into_iter().map(|Reverse((size, Reverse(key)))| (text(key), size)).collect()
    }
}

/// Takes one figure: name, labels, value.
pub type TakeMetric<'a> = dyn FnMut(&str, &[(&str, &str)], f64) + 'a;

impl Stats {
    /// Hands out each figure.
    pub fn metrics(&self, out: &mut TakeMetric<'_>) {
        out("tocsin_series_hot", &[], self.series as f64);
        out("tocsin_series_hot_samples", &[], self.hot_samples as f64);
        out("tocsin_samples_appended_total", &[], self.appended as f64);
        for (refusal, reason) in REFUSALS {
            let count = self.refused.iter().find(|(r, _)| *r == refusal).map_or(0, |(_, n)| *n);
            out("tocsin_samples_refused_total", &[("reason", reason)], count as f64);
        }
        out("tocsin_wal_bytes", &[], self.wal_bytes as f64);
        out("tocsin_wal_cut_bytes_total", &[], self.wal_cut_bytes as f64);
        out("tocsin_segments", &[], self.segments as f64);
        out("tocsin_segments_damaged_total", &[], self.segments_damaged as f64);
        out("tocsin_segment_samples", &[], self.segment_samples as f64);
        out("tocsin_series_disk_bytes", &[], self.disk_bytes as f64);
    }
}
