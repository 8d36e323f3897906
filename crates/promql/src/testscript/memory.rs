//! A store in memory: for tests, backtests and rule unit tests. It takes samples in any order, the last one
//! for an instant wins, and it refuses nothing.

use super::TestStore;
use model::{
    Appender, Committed, Ingest, Labels, Matcher, Querier, QueryError, Refusal, Sample, Select, Series,
    SeriesId, Timestamp,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

/// Series in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// The lock guards all of it: readers see whole batches.
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: HashMap<Labels, SeriesId>,
    /// By label set, the order in which a select answers.
    series: BTreeMap<Labels, Vec<Sample>>,
    labels: HashMap<SeriesId, Labels>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Nothing panics under the lock, so a poisoned one is whole.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TestStore for MemoryStore {
    fn ingest(&self) -> &dyn Ingest {
        self
    }

    fn querier(&self) -> &dyn Querier {
        self
    }
}

impl Ingest for MemoryStore {
    fn appender(&self) -> Box<dyn Appender + '_> {
        Box::new(Batch { store: self, samples: Vec::new(), new: HashMap::new() })
    }
}

struct Batch<'a> {
    store: &'a MemoryStore,
    samples: Vec<(SeriesId, Labels, Sample)>,
    /// Series this batch saw first; they take the ids after the store's.
    new: HashMap<Labels, SeriesId>,
}

impl Appender for Batch<'_> {
    fn append(&mut self, labels: &Labels, t: Timestamp, v: f64) -> Result<SeriesId, Refusal> {
        let inner = self.store.read();
        let next = SeriesId((inner.ids.len() + self.new.len()) as u64);
        let known = inner.ids.get(labels).or_else(|| self.new.get(labels)).copied();
        let id = known.unwrap_or(next);
        if known.is_none() {
            self.new.insert(labels.clone(), id);
        }
        self.samples.push((id, labels.clone(), Sample { t, v }));
        Ok(id)
    }

    fn append_known(&mut self, id: SeriesId, t: Timestamp, v: f64) -> Result<(), Refusal> {
        let inner = self.store.read();
        let new = || self.new.iter().find(|(_, known)| **known == id).map(|(labels, _)| labels);
        let labels = inner.labels.get(&id).or_else(new).ok_or(Refusal::UnknownSeries)?.clone();
        self.samples.push((id, labels, Sample { t, v }));
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<Committed, QueryError> {
        let mut inner = self.store.inner.write().unwrap_or_else(PoisonError::into_inner);
        let mut committed = Committed { samples: self.samples.len(), ..Committed::default() };
        for (id, labels, sample) in self.samples {
            // Another batch may have created the series in the meantime.
            let next = SeriesId(inner.ids.len() as u64);
            let id = match inner.ids.get(&labels) {
                Some(known) => *known,
                None => {
                    let id = if inner.labels.contains_key(&id) { next } else { id };
                    inner.ids.insert(labels.clone(), id);
                    inner.labels.insert(id, labels.clone());
                    committed.created.push((id, labels.clone()));
                    id
                }
            };
            if committed.touched.last() != Some(&id) && !committed.touched.contains(&id) {
                committed.touched.push(id);
            }
            let samples = inner.series.entry(labels).or_default();
            let place = samples.partition_point(|other| other.t < sample.t);
            match samples.get_mut(place).filter(|other| other.t == sample.t) {
                Some(other) => *other = sample,
                None => samples.insert(place, sample),
            }
        }
        Ok(committed)
    }
}

impl Querier for MemoryStore {
    fn select(&self, what: &Select<'_>) -> Result<Vec<Series>, QueryError> {
        let inner = self.read();
        let mut found = Vec::new();
        let mut count = 0;
        for (labels, samples) in &inner.series {
            if !what.matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
                continue;
            }
            let from = samples.partition_point(|sample| sample.t < what.from);
            let to = samples.partition_point(|sample| sample.t <= what.to);
            if from < to {
                count += to - from;
                found.push(Series { labels: labels.clone(), samples: samples[from..to].to_vec() });
            }
            if count > what.samples_max {
                return Err(QueryError::TooManySamples { max: what.samples_max });
            }
        }
        Ok(found)
    }

    fn series(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Labels>, QueryError> {
        let inner = self.read();
        let there = |(labels, samples): &(&Labels, &Vec<Sample>)| {
            matchers.iter().all(|matcher| matcher.matches_labels(labels))
                && samples.iter().any(|sample| sample.t >= from && sample.t <= to)
        };
        Ok(inner.series.iter().filter(there).map(|(labels, _)| labels.clone()).collect())
    }
}
