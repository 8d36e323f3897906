//! From the series of the process before: everything goes on where it stood.

use super::histogram::{BOUNDS, bound_text};
use super::{Inner, Kind, Plain, Pushed};
use model::{BUCKET_LE, Labels, METRIC_NAME, Series, Timestamp, is_stale};
use std::{collections::BTreeMap, sync::PoisonError};

impl Pushed {
    /// Takes the names that the journal kept and the last samples of their series. Observations that were remembered
    /// one by one are not: the quantiles of a window begin anew.
    pub fn restore(&self, names: BTreeMap<String, Kind>, series: &[Series], now: Timestamp) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let last = series.iter().filter_map(|one| Some((&one.labels, one.samples.last()?)));
        for (labels, sample) in last.filter(|(_, sample)| !is_stale(sample.v)) {
            inner.last = inner.last.max(sample.t);
            match names.get(labels.name()) {
                Some(Kind::Counter | Kind::Gauge) => {
                    inner.plain.insert(labels.clone(), Plain { value: sample.v, at: now });
                }
                _ => inner.part(&names, labels, sample.v, now),
            }
        }
        for histogram in inner.histograms.values_mut() {
            // Buckets are cumulated in series.
            for at in (1..BOUNDS.len()).rev() {
                histogram.buckets[at] = histogram.buckets[at].saturating_sub(histogram.buckets[at - 1]);
            }
        }
        inner.names = names;
    }
}

impl Inner {
    /// One series of a histogram.
    fn part(&mut self, names: &BTreeMap<String, Kind>, labels: &Labels, value: f64, now: Timestamp) {
        let parts = super::PARTS.iter().filter_map(|part| Some((labels.name().strip_suffix(part)?, *part)));
        let mut of_histogram = parts.filter(|(base, _)| names.get(*base) == Some(&Kind::Histogram));
        let Some((base, part)) = of_histogram.next() else { return };
        let own = labels.without(BUCKET_LE).with(METRIC_NAME, base);
        let histogram = self.histograms.entry(own).or_default();
        histogram.at = now;
        match part {
            "_bucket" => {
                let le = labels.get(BUCKET_LE).unwrap_or("");
                if let Some(at) = (0..BOUNDS.len()).find(|at| bound_text(*at) == le) {
                    histogram.buckets[at] = value as u64;
                }
            }
            "_sum" => histogram.sum = value,
            "_count" => histogram.count = value as u64,
            "_min" => histogram.min = value,
            _ => histogram.max = value,
        }
    }
}
