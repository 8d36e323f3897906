//! How a store is opened; all defaults in one place.

use model::{Clock, SystemClock};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// Where it lives; created if missing.
    pub dir: PathBuf,
    /// Segments that end before now minus this are deleted. Default 15 days.
    pub retention: Duration,
    /// Oldest segments are deleted while all files together are larger than this. Default: no bound.
    pub bytes_max: Option<u64>,
    /// So many series in the head; a further one is refused. Default 1,000,000.
    pub series_max: usize,
    /// Samples this young stay in memory, uncompressed, and samples this late are still taken. Default 6
    /// minutes: the usual five-minute window and one minute of delay.
    pub hot_window: Duration,
    /// When memory holds more samples than this, the older half is flushed although it is still hot. Default
    /// 100,000,000 (about 800 MB).
    pub hot_samples_max: usize,
    /// Tells what is too old and too new at the time of an append.
    pub now: Arc<dyn Clock>,
}

impl Options {
    /// The defaults, for a store in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options {
            dir: dir.into(),
            retention: Duration::from_secs(15 * 86_400),
            bytes_max: None,
            series_max: 1_000_000,
            hot_window: Duration::from_secs(6 * 60),
            hot_samples_max: 100_000_000,
            now: Arc::new(SystemClock),
        }
    }
}
