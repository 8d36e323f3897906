//! What was crossed, for readers: in memory in its order, each entry a row of the journal.

use super::{Change, Crossed};
use model::Timestamp;
use std::collections::VecDeque;

/// Entries that are kept, however young.
const ENTRIES_MAX: usize = 10_000;

/// The entries, the oldest first, each with its key.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<(String, Crossed)>,
}

impl History {
    /// As the journal kept them.
    pub(super) fn new(mut entries: Vec<(String, Crossed)>) -> History {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        History { entries: entries.into() }
    }

    /// Adds one; its key follows that of the one before, should the clock have been set back.
    pub(super) fn add(&mut self, crossed: Crossed, now: Timestamp) -> Change {
        let last = self.entries.back().and_then(|(key, _)| key.parse::<u64>().ok()).unwrap_or(0);
        // Room for a thousand of one millisecond.
        let own = u64::try_from(now.as_millis()).unwrap_or(0) * 1000;
        let key = format!("{:020}", own.max(last + 1));
        self.entries.push_back((key.clone(), crossed.clone()));
        Change::Told { key, crossed }
    }

    /// Drops what is older than `before`, and what is too much.
    pub(super) fn forget(&mut self, before: Timestamp) -> Vec<Change> {
        let mut gone = Vec::new();
        while let Some((_, oldest)) = self.entries.front()
            && (oldest.at < before || self.entries.len() > ENTRIES_MAX)
            && let Some((key, _)) = self.entries.pop_front()
        {
            gone.push(Change::Forgotten { key });
        }
        gone
    }

    /// Those since `from`.
    pub(super) fn since(&self, from: Timestamp) -> Vec<Crossed> {
        self.entries
            .iter()
            .map(|(_, crossed)| crossed)
            .filter(|crossed| crossed.at >= from)
            .cloned()
            .collect()
    }
}
