//! What is asked of the series and what comes back.

use model::{Labels, Matcher, Sample, Timestamp};
use std::time::Duration;

/// An expression at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Instant {
    /// The expression.
    pub query: String,
    /// When.
    pub at: Timestamp,
    /// The longest it may take.
    pub timeout: Duration,
    /// How far back a sample still counts; `None`: the default.
    pub lookback: Option<Duration>,
}

/// An expression over a range.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// The expression.
    pub query: String,
    /// The first instant.
    pub from: Timestamp,
    /// No instant after this.
    pub to: Timestamp,
    /// The distance of instants, above zero.
    pub step: Duration,
    /// The longest it may take.
    pub timeout: Duration,
    /// How far back a sample still counts; `None`: the default.
    pub lookback: Option<Duration>,
}

/// Which series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesQuery {
    /// Any of these lists; all matchers of one list. Never empty.
    pub sets: Vec<Vec<Matcher>>,
    /// The earliest instant.
    pub from: Timestamp,
    /// The latest instant.
    pub to: Timestamp,
}

/// Whose labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelsQuery {
    /// Any of these lists; empty: all series.
    pub sets: Vec<Vec<Matcher>>,
    /// The earliest instant.
    pub from: Timestamp,
    /// The latest instant.
    pub to: Timestamp,
}

/// One series at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSample {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub v: f64,
}

/// One series over a range.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSeries {
    /// Its labels.
    pub labels: Labels,
    /// Its samples, by time.
    pub samples: Vec<Sample>,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryValue {
    /// A number.
    Scalar(f64),
    /// A text.
    String(String),
    /// Series at one instant.
    Vector(Vec<VectorSample>),
    /// Series over a range.
    Matrix(Vec<RangeSeries>),
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryAnswer {
    /// The value.
    pub value: QueryValue,
    /// What may be wrong with the answer.
    pub warnings: Vec<String>,
    /// What may be wrong with the question.
    pub infos: Vec<String>,
}

/// A short course of one number, drawn beside an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// The number, by time; gaps are gaps.
    pub samples: Vec<Sample>,
    /// What the rule compares it with, if that is one number.
    pub threshold: Option<f64>,
}

/// What `/api/v1/status/tsdb` shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TsdbView {
    /// Series that are written to.
    pub series: u64,
    /// Pairs of label name and value.
    pub label_pairs: u64,
    /// Pieces that the series are cut into.
    pub chunks: u64,
    /// The oldest sample in the hot window.
    pub min_time: Timestamp,
    /// The newest sample.
    pub max_time: Timestamp,
    /// Series by metric name, most first.
    pub series_by_metric: Vec<(String, u64)>,
    /// Values by label name, most first.
    pub values_by_label: Vec<(String, u64)>,
    /// Bytes by label name, most first.
    pub bytes_by_label: Vec<(String, u64)>,
    /// Series by `name=value`, most first.
    pub series_by_pair: Vec<(String, u64)>,
}
