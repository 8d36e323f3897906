//! Samples and the two seams of the series store: [`Appender`] in, [`Querier`] out.
//!
//! Both are synchronous; callers on an async runtime go through the engine's own threads.

use crate::{Labels, Matcher, Timestamp};

/// The NaN that marks the end of a series (staleness), bit for bit Prometheus's.
pub const STALE_NAN: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether `value` is the staleness marker. Compares bits: other NaNs are values.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN.to_bits()
}

/// A value at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When.
    pub t: Timestamp,
    /// What.
    pub v: f64,
}

/// A series' number in one store, from its first sample until it is dropped; never used again in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u64);

/// Why one sample was not taken; the rest of its batch goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The series has a newer sample.
    #[error("out of order: the series already has a newer sample")]
    OutOfOrder,
    /// The series has another value at this very instant.
    #[error("duplicate: the series already has another value at this time")]
    Duplicate,
    /// Before what the store still takes.
    #[error("too old: before the oldest time the store takes")]
    TooOld,
    /// Too far after the present.
    #[error("too far in the future: more than ten minutes after now")]
    TooNew,
    /// A new series, and the store has as many as it may.
    #[error("too many series: raise series.memory_budget or drop labels")]
    TooManySeries,
    /// No such id (dropped since): append again with the labels.
    #[error("unknown series id")]
    UnknownSeries,
    /// The label set is not one a store keeps: no name, an empty or far too long text.
    #[error("bad label set")]
    BadLabels,
}

/// What a commit did.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// Ids of the series that got a sample, in the order of their first append; the rule index wakes by these.
    pub touched: Vec<SeriesId>,
    /// Series that this batch created.
    pub created: Vec<(SeriesId, Labels)>,
    /// Samples taken.
    pub samples: usize,
}

/// One batch on its way in. Nothing of it is visible before [`Appender::commit`]; dropping it forgets it.
pub trait Appender: Send {
    /// Adds a sample of the series `labels`, creating it if it is new. Returns its id for
    /// [`Appender::append_known`].
    fn append(&mut self, labels: &Labels, t: Timestamp, v: f64) -> Result<SeriesId, Refusal>;

    /// Adds a sample of a series by an id that an earlier append returned: no hashing, no look-up by label.
    fn append_known(&mut self, id: SeriesId, t: Timestamp, v: f64) -> Result<(), Refusal>;

    /// Logs the batch, then shows it whole. After `Ok` a killed process has it still; a failed write is final
    /// for the log: the store refuses everything after it.
    fn commit(self: Box<Self>) -> Result<Committed, QueryError>;
}

/// Hands out appenders. Any number may be open; commits take their turn.
pub trait Ingest: Send + Sync {
    /// An empty batch.
    fn appender(&self) -> Box<dyn Appender + '_>;
}

/// Which samples of which series.
#[derive(Debug, Clone, Copy)]
pub struct Select<'a> {
    /// All must pass. Never empty.
    pub matchers: &'a [Matcher],
    /// The earliest instant, inclusive.
    pub from: Timestamp,
    /// The latest instant, inclusive.
    pub to: Timestamp,
    /// More samples than this is [`QueryError::TooManySamples`].
    pub samples_max: usize,
}

/// One series and its samples in a range, by time. Staleness markers are samples like others.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: Labels,
    /// Its samples, by time, none twice.
    pub samples: Vec<Sample>,
}

/// Why a store could not answer or take a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The bound of [`Select::samples_max`] or of the series count was reached.
    #[error("query would load more than {max} samples; narrow its selectors or its range")]
    TooManySamples {
        /// The bound.
        max: usize,
    },
    /// The store itself failed.
    #[error("series store: {0}")]
    Store(String),
}

/// Reads series. Each call sees one consistent view: whole batches only.
pub trait Querier: Send + Sync {
    /// The series that match and have a sample in the range, sorted by labels.
    fn select(&self, what: &Select<'_>) -> Result<Vec<Series>, QueryError>;

    /// The label sets of series that match all of `matchers` (all series if empty) and may have a sample
    /// between `from` and `to`, sorted.
    fn series(&self, matchers: &[Matcher], from: Timestamp, to: Timestamp)
    -> Result<Vec<Labels>, QueryError>;
}
