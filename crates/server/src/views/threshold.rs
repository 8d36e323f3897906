//! What applications tell of themselves, and the thresholds over it.

use model::Timestamp;
use std::collections::BTreeMap;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Told is by how much it rose.
    Counter,
    /// Told is where it stands.
    Gauge,
    /// Told is one observation.
    Histogram,
}

/// One thing that was told.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldMetric {
    /// What the metric is.
    pub kind: MetricKind,
    /// Its name.
    pub name: String,
    /// By how much, where, or what was observed; finite, a counter's not below zero.
    pub value: f64,
    /// Its labels.
    pub tags: Vec<(String, String)>,
}

/// A histogram in few numbers; quantiles are those of the last five minutes, `None` if nothing was observed then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistogramView {
    /// Observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The middle one.
    pub p50: Option<f64>,
    /// Below which 95 of 100 are.
    pub p95: Option<f64>,
    /// Below which 99 of 100 are.
    pub p99: Option<f64>,
}

/// Everything that was told, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricsView {
    /// Totals.
    pub counters: BTreeMap<String, f64>,
    /// Where they stand.
    pub gauges: BTreeMap<String, f64>,
    /// Observations.
    pub histograms: BTreeMap<String, HistogramView>,
}

/// A threshold that was crossed.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossedView {
    /// The threshold.
    pub name: String,
    /// Of what severity.
    pub severity: String,
    /// What was told.
    pub message: String,
    /// The value that crossed it.
    pub value: f64,
    /// The bound.
    pub threshold: f64,
    /// When.
    pub at: Timestamp,
}

/// How thresholds stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThresholdsView {
    /// Whether errors are sent to Sentry.
    pub sentry: bool,
    /// How many there are.
    pub count: usize,
    /// When they were last evaluated.
    pub evaluated_at: Option<Timestamp>,
    /// What is crossed now, the longest first.
    pub active: Vec<CrossedView>,
}
