//! Samples that we make ourselves (host, probes, own metrics) on their way into the store: remembers the ids of
//! the series and marks those stale that one round no longer has.

use model::{Committed, Ingest, Labels, QueryError, Refusal, STALE_NAN, SeriesId, Timestamp};
use std::collections::HashMap;

/// Writes one source's samples, round by round. Two recorders must not write the same series.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Per series its id and the last round that had it.
    known: HashMap<Labels, (SeriesId, u64)>,
    round: u64,
    refused: u64,
}

impl Recorder {
    /// Writes the samples of one round at `at`, and staleness markers for the series that the last round had
    /// and this one has not.
    pub fn record(
        &mut self,
        ingest: &dyn Ingest,
        at: Timestamp,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) -> Result<Committed, QueryError> {
        let mut appender = ingest.appender();
        let round = self.round + 1;
        for (labels, value) in samples {
            if let Some((id, seen)) = self.known.get_mut(&labels) {
                match appender.append_known(*id, at, value) {
                    Err(Refusal::UnknownSeries) => {}
                    Err(_) => {
                        self.refused += 1;
                        *seen = round;
                        continue;
                    }
                    Ok(()) => {
                        *seen = round;
                        continue;
                    }
                }
            }
            match appender.append(&labels, at, value) {
                Ok(id) => drop(self.known.insert(labels, (id, round))),
                Err(_) => self.refused += 1,
            }
        }
        for (id, seen) in self.known.values() {
            if *seen != round {
                // A series the store dropped meanwhile needs no marker.
                let _ = appender.append_known(*id, at, STALE_NAN);
            }
        }
        let committed = appender.commit();
        match &committed {
            Ok(_) => self.known.retain(|_, (_, seen)| *seen == round),
            // Ids that were new in a batch that is lost mean nothing.
            Err(_) => self.known.clear(),
        }
        self.round = round;
        committed
    }

    /// Marks everything stale: the source is gone.
    pub fn end(&mut self, ingest: &dyn Ingest, at: Timestamp) -> Result<Committed, QueryError> {
        self.record(ingest, at, [])
    }

    /// Samples refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}
