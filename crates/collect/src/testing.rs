//! A store for tests: everything in memory, and what each batch did as text.

use model::{Appender, Committed, Ingest, Labels, QueryError, Refusal, SeriesId, Timestamp, is_stale};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

/// Samples older than this are refused.
pub(crate) const OLDEST_MS: i64 = 500_000;

#[derive(Default)]
pub(crate) struct Store(Mutex<State>);

#[derive(Default)]
struct State {
    ids: HashMap<Labels, SeriesId>,
    labels: Vec<Labels>,
    samples: BTreeMap<(SeriesId, Timestamp), u64>,
}

pub(crate) struct Batch<'a> {
    store: &'a Store,
    samples: BTreeMap<(SeriesId, Timestamp), u64>,
    fresh: Vec<(SeriesId, Labels)>,
    touched: Vec<SeriesId>,
}

impl Store {
    /// The samples at `at`, one a line, sorted: `SERIES VALUE`, `stale` for the marker.
    pub(crate) fn at(&self, at: i64) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let at = Timestamp::from_millis(at);
        let here = state.samples.iter().filter(|((_, t), _)| *t == at);
        let mut lines: Vec<String> = here
            .map(|((id, _), bits)| {
                let value = f64::from_bits(*bits);
                let shown = if is_stale(value) { "stale".to_owned() } else { value.to_string() };
                format!("{} {shown}", state.labels[id.0 as usize])
            })
            .collect();
        lines.sort();
        lines
    }

    /// All samples of the series of this name, oldest first.
    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        let state = self.0.lock().unwrap();
        let mut found: Vec<_> =
            state.samples.iter().filter(|((id, _), _)| state.labels[id.0 as usize].name() == name).collect();
        found.sort_by_key(|((_, at), _)| *at);
        found.into_iter().map(|(_, bits)| f64::from_bits(*bits)).collect()
    }

    /// The series that have samples.
    pub(crate) fn series(&self) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let mut all: Vec<_> =
            state.samples.keys().map(|(id, _)| state.labels[id.0 as usize].to_string()).collect();
        all.sort();
        all.dedup();
        all
    }
}

impl Ingest for Store {
    fn appender(&self) -> Box<dyn Appender + '_> {
        Box::new(Batch { store: self, samples: BTreeMap::new(), fresh: Vec::new(), touched: Vec::new() })
    }
}

impl Appender for Batch<'_> {
    fn append(&mut self, labels: &Labels, t: Timestamp, v: f64) -> Result<SeriesId, Refusal> {
        if labels.name().is_empty() {
            return Err(Refusal::BadLabels);
        }
        let id = {
            let mut state = self.store.0.lock().unwrap();
            let next = SeriesId(state.labels.len() as u64);
            let id = *state.ids.entry(labels.clone()).or_insert(next);
            if id == next {
                state.labels.push(labels.clone());
                self.fresh.push((id, labels.clone()));
            }
            id
        };
        self.append_known(id, t, v).map(|()| id)
    }

    fn append_known(&mut self, id: SeriesId, t: Timestamp, v: f64) -> Result<(), Refusal> {
        let state = self.store.0.lock().unwrap();
        if id.0 as usize >= state.labels.len() {
            return Err(Refusal::UnknownSeries);
        }
        if t.as_millis() < OLDEST_MS {
            return Err(Refusal::TooOld);
        }
        for samples in [&state.samples, &self.samples] {
            if let Some(bits) = samples.get(&(id, t)) {
                return if *bits == v.to_bits() { Ok(()) } else { Err(Refusal::Duplicate) };
            }
            let newest = samples.range((id, Timestamp::MIN)..=(id, Timestamp::MAX)).next_back();
            if newest.is_some_and(|((_, newest), _)| *newest > t) {
                return Err(Refusal::OutOfOrder);
            }
        }
        self.samples.insert((id, t), v.to_bits());
        self.touched.push(id);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<Committed, QueryError> {
        let Batch { store, samples, fresh, touched } = *self;
        store.0.lock().unwrap().samples.extend(samples);
        Ok(Committed { samples: touched.len(), touched, created: fresh })
    }
}
