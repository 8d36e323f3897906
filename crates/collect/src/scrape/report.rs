//! The series that every scrape adds about itself: `up` and its kin.

use super::tally::Tally;
use model::{Appender, Labels, METRIC_NAME, Refusal, STALE_NAN, SeriesId, Timestamp};
use std::time::Duration;

const NAMES: [&str; 8] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];
/// The last three are `extra_scrape_metrics`.
const USUAL: usize = 5;

/// The ids of one target's own series.
#[derive(Debug, Default)]
pub(crate) struct Report([Option<SeriesId>; NAMES.len()]);

/// What one scrape says of itself.
pub(crate) struct Facts<'a> {
    pub(crate) up: bool,
    pub(crate) took: Duration,
    pub(crate) tally: &'a Tally,
    /// `extra_scrape_metrics`: the timeout, the sample limit, the body's size.
    pub(crate) extra: Option<(Duration, usize, usize)>,
}

impl Report {
    /// Appends them. Remembered ids are good only if the batch is committed: see [`Report::forget`].
    pub(crate) fn append(
        &mut self,
        target: &Labels,
        at: Timestamp,
        facts: &Facts<'_>,
        to: &mut dyn Appender,
    ) {
        let mut values = vec![
            f64::from(u8::from(facts.up)),
            facts.took.as_secs_f64(),
            facts.tally.scraped as f64,
            facts.tally.relabelled() as f64,
            facts.tally.added as f64,
        ];
        if let Some((timeout, limit, bytes)) = facts.extra {
            values.extend([timeout.as_secs_f64(), limit as f64, bytes as f64]);
        } else {
            for id in self.0[USUAL..].iter_mut().filter_map(Option::take) {
                // Switched off by a reload: a series the store dropped meanwhile needs no marker.
                let _ = to.append_known(id, at, STALE_NAN);
            }
        }
        for ((id, name), value) in self.0.iter_mut().zip(NAMES).zip(values) {
            let known = id.map_or(Err(Refusal::UnknownSeries), |id| to.append_known(id, at, value));
            if known == Err(Refusal::UnknownSeries) {
                // At the store's limit of series `up` itself may be refused: the view still tells.
                *id = to.append(&target.with(METRIC_NAME, name), at, value).ok();
            }
        }
    }

    /// Marks them stale.
    pub(crate) fn end(&mut self, at: Timestamp, to: &mut dyn Appender) {
        for id in self.0.iter_mut().filter_map(Option::take) {
            // As above.
            let _ = to.append_known(id, at, STALE_NAN);
        }
    }

    /// The batch that made the ids is lost.
    pub(crate) fn forget(&mut self) {
        *self = Report::default();
    }
}
