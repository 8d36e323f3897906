//! What became of one body's samples.

use model::Refusal;
use std::collections::BTreeMap;

/// The counts of one scrape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Samples in the body.
    pub scraped: usize,
    /// Of them, taken by the store.
    pub kept: usize,
    /// Series that this scrape was the first to have.
    pub added: usize,
    /// Samples refused, by reason: `out_of_order`, `duplicate`, `too_old`, ...
    pub refused: BTreeMap<&'static str, u64>,
    /// The last refusal in words, empty if there was none.
    pub refusal: String,
}

impl Tally {
    /// Samples that relabelling left, whether or not the store took them.
    pub fn relabelled(&self) -> usize {
        let refused: u64 = self.refused.values().sum();
        self.kept + usize::try_from(refused).unwrap_or(usize::MAX)
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal_code(refusal)).or_default() += 1;
        if self.refusal.is_empty() {
            self.refusal = refusal.to_string();
        }
    }

    pub(super) fn refuse_long(&mut self, len: usize) {
        *self.refused.entry("too_long").or_default() += 1;
        let limit = super::cache::SERIES_MAX;
        self.refusal = format!("too long: a series of {len} bytes, at most {limit} are taken");
    }
}

/// The name under which a refusal is counted.
pub fn refusal_code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::OutOfOrder => "out_of_order",
        Refusal::Duplicate => "duplicate",
        Refusal::TooOld => "too_old",
        Refusal::TooNew => "too_new",
        Refusal::TooManySeries => "too_many_series",
        Refusal::UnknownSeries => "unknown_series",
        Refusal::BadLabels => "bad_labels",
    }
}
