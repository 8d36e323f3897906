//! What applications tell of themselves: counters, gauges and histograms, by name and tags.
//!
//! Held in memory, and written as series of the job `monitoring` with the tags as labels: at once when something is
//! told, and again each time [`Pushed::samples`] is asked, so that they stay fresh for whoever queries. A histogram
//! is the series `_bucket`, `_sum`, `_count`, `_min` and `_max`; its quantiles are those of the observations
//! themselves, as far as they are remembered.
//!
//! Invariants: a batch is taken whole or not at all; a name has one kind for good; names, label sets and observations
//! are bounded; a counter never falls but when its series was forgotten.

mod admit;
mod histogram;
mod restore;
#[cfg(test)]
mod tests;

use histogram::{BOUNDS, Histogram, bound_text};
use model::{BUCKET_LE, JOB, Labels, METRIC_NAME, STALE_NAN, Timestamp};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The label `job` of everything that was told.
pub const PUSHED_JOB: &str = "monitoring";
/// Label sets of counters and gauges.
const PLAIN_MAX: usize = 5_000;
/// Label sets of histograms, of which each is some forty series.
const HISTOGRAMS_MAX: usize = 200;
/// Whom nobody spoke of for so long makes room for another.
const IDLE: Duration = Duration::from_secs(3600);
/// Whom nobody spoke of for so long is forgotten.
const IDLE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// What the series of a histogram are called after its name.
const PARTS: [&str; 5] = ["_bucket", "_sum", "_count", "_min", "_max"];
/// How far the time of samples may run ahead of the clock, so that two batches of one millisecond are two samples.
const AHEAD_MAX: Duration = Duration::from_secs(1);

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Only rises; what is told is by how much.
    Counter,
    /// Stands somewhere; what is told is where.
    Gauge,
    /// Many observations; what is told is one.
    Histogram,
}

impl Kind {
    /// `counter`, `gauge` or `histogram`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }

    /// From [`Kind::as_str`].
    pub fn parse(text: &str) -> Option<Kind> {
        [Kind::Counter, Kind::Gauge, Kind::Histogram].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One thing that was told. Its value is finite, a counter's not below zero; its tags are names and texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What the metric is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// By how much, where, or what was observed.
    pub value: f64,
    /// Its labels.
    pub tags: Vec<(String, String)>,
}

/// Why a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name is taken.
    #[error("{name:?} is taken: {by:?} is a {}", kind.as_str())]
    Taken {
        /// Which of the batch.
        at: usize,
        /// The name.
        name: String,
        /// The metric that has it, or that has a series of that name.
        by: String,
        /// What that is.
        kind: Kind,
    },
    /// There are as many label sets as may be.
    #[error("there are {max} label sets already and each was told of within the last hour")]
    Full {
        /// Which of the batch.
        at: usize,
        /// How many.
        max: usize,
    },
}

/// What a batch came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taken {
    /// For each that was told, where its metric stands now: a counter's total.
    pub totals: Vec<f64>,
    /// What to write.
    pub samples: Vec<(Labels, Timestamp, f64)>,
    /// Names that are new, for the journal.
    pub names: Vec<(String, Kind)>,
}

/// A histogram in few numbers. Quantiles are those of a window; `None` if nothing was observed in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Observations since the first.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The middle one of the window.
    pub p50: Option<f64>,
    /// Below which 95 of 100 of the window are.
    pub p95: Option<f64>,
    /// Below which 99 of 100 of the window are.
    pub p99: Option<f64>,
}

/// Everything that was told, by name; label sets of one name together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Totals.
    pub counters: BTreeMap<String, f64>,
    /// What was told last.
    pub gauges: BTreeMap<String, f64>,
    /// Histograms.
    pub histograms: BTreeMap<String, Spread>,
}

/// Everything that was told.
#[derive(Debug, Default)]
pub struct Pushed {
    /// Protects all of it; held for one batch or one reading, never while anything is written.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    names: BTreeMap<String, Kind>,
    plain: HashMap<Labels, Plain>,
    histograms: HashMap<Labels, Histogram>,
    last: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Plain {
    value: f64,
    at: Timestamp,
}

impl Pushed {
    /// Takes a batch, or nothing of it.
    pub fn take(&self, batch: &[Told], now: Timestamp) -> Result<Taken, Refusal> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (names, labels) = inner.admit(batch)?;
        let mut taken = Taken { names: names.clone(), ..Taken::default() };
        inner.make_room(&labels, batch, now, &mut taken)?;
        inner.names.extend(names);
        let at = inner.next_instant(now);
        let mut touched: BTreeMap<&Labels, Kind> = BTreeMap::new();
        for (told, labels) in batch.iter().zip(&labels) {
            taken.totals.push(inner.apply(told, labels, now, at, &mut taken.samples));
            touched.insert(labels, told.kind);
        }
        for (labels, kind) in touched {
            inner.write(labels, kind, at, &mut taken.samples);
        }
        Ok(taken)
    }

    /// All there is, to be written once more; what nobody spoke of for a week is forgotten.
    pub fn samples(&self, now: Timestamp) -> Vec<(Labels, Timestamp, f64)> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let at = inner.next_instant(now);
        let mut samples = Vec::new();
        let idle = |since: Timestamp| now.since(since) > IDLE_MAX;
        let plain: Vec<Labels> =
            inner.plain.iter().filter(|(_, one)| idle(one.at)).map(|(labels, _)| labels.clone()).collect();
        let histograms: Vec<Labels> = inner
            .histograms
            .iter()
            .filter(|(_, one)| idle(one.at))
            .map(|(labels, _)| labels.clone())
            .collect();
        for (labels, kind) in
            plain.iter().map(|l| (l, Kind::Gauge)).chain(histograms.iter().map(|l| (l, Kind::Histogram)))
        {
            inner.forget(labels, kind, at, &mut samples);
        }
        let all: Vec<(Labels, Kind)> = inner
            .plain
            .keys()
            .map(|labels| (labels.clone(), Kind::Gauge))
            .chain(inner.histograms.keys().map(|labels| (labels.clone(), Kind::Histogram)))
            .collect();
        for (labels, kind) in all {
            inner.write(&labels, kind, at, &mut samples);
        }
        samples
    }

    /// Everything in few numbers; quantiles over the last `window`.
    pub fn summary(&self, now: Timestamp, window: Duration) -> Summary {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut summary = Summary::default();
        let mut latest: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for (labels, one) in &inner.plain {
            let name = labels.name();
            match inner.names.get(name) {
                Some(Kind::Counter) => *summary.counters.entry(name.to_owned()).or_default() += one.value,
                _ if latest.get(name).is_none_or(|at| *at <= one.at) => {
                    latest.insert(name, one.at);
                    summary.gauges.insert(name.to_owned(), one.value);
                }
                _ => {}
            }
        }
        let mut by_name: BTreeMap<&str, Vec<&Histogram>> = BTreeMap::new();
        for (labels, histogram) in &inner.histograms {
            by_name.entry(labels.name()).or_default().push(histogram);
        }
        let from = now.minus(window);
        let spreads = by_name.iter().map(|(name, all)| ((*name).to_owned(), histogram::spread(all, from)));
        summary.histograms = spreads.collect();
        summary
    }

    /// What was observed since `from` by the histograms that `wanted` accepts, each with its labels.
    pub fn observed(&self, from: Timestamp, wanted: impl Fn(&Labels) -> bool) -> Vec<(Labels, Vec<f64>)> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let all = inner.histograms.iter().filter(|(labels, _)| wanted(labels));
        all.map(|(labels, histogram)| (labels.clone(), histogram.since(from).collect())).collect()
    }

    /// What a name stands for.
    pub fn kind(&self, name: &str) -> Option<Kind> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).names.get(name).copied()
    }
}

impl Inner {
    /// An instant for samples: later than that of the batch before, and hardly ahead of the clock.
    fn next_instant(&mut self, now: Timestamp) -> Timestamp {
        let next = now.max(self.last.plus(Duration::from_millis(1)));
        if next <= now.plus(AHEAD_MAX) {
            self.last = next;
        }
        self.last
    }

    /// Takes one; where its metric stands now. A new one is written as zero before, so that its first rise is one.
    fn apply(
        &mut self,
        told: &Told,
        labels: &Labels,
        now: Timestamp,
        at: Timestamp,
        samples: &mut Vec<(Labels, Timestamp, f64)>,
    ) -> f64 {
        let before = at.minus(Duration::from_millis(1));
        match told.kind {
            Kind::Gauge => {
                self.plain.insert(labels.clone(), Plain { value: told.value, at: now });
                told.value
            }
            Kind::Counter => {
                let one = self.plain.entry(labels.clone()).or_insert_with(|| {
                    samples.push((labels.clone(), before, 0.0));
                    Plain { value: 0.0, at: now }
                });
                *one = Plain { value: one.value + told.value, at: now };
                one.value
            }
            Kind::Histogram => {
                if !self.histograms.contains_key(labels) {
                    self.histograms.insert(labels.clone(), Histogram::default());
                    self.write(labels, Kind::Histogram, before, samples);
                    samples.retain(|(_, _, v)| v.is_finite());
                }
                let one = self.histograms.entry(labels.clone()).or_default();
                one.observe(told.value, now);
                told.value
            }
        }
    }

    /// The samples of one label set.
    fn write(&self, labels: &Labels, kind: Kind, at: Timestamp, samples: &mut Vec<(Labels, Timestamp, f64)>) {
        match kind {
            Kind::Counter | Kind::Gauge => {
                samples.extend(self.plain.get(labels).map(|one| (labels.clone(), at, one.value)));
            }
            Kind::Histogram => {
                let Some(one) = self.histograms.get(labels) else { return };
                samples.extend(series_of(labels, one).into_iter().map(|(labels, v)| (labels, at, v)));
            }
        }
    }

    fn forget(
        &mut self,
        labels: &Labels,
        kind: Kind,
        at: Timestamp,
        samples: &mut Vec<(Labels, Timestamp, f64)>,
    ) {
        let from = samples.len();
        self.write(labels, kind, at, samples);
        samples[from..].iter_mut().for_each(|sample| sample.2 = STALE_NAN);
        match kind {
            Kind::Counter | Kind::Gauge => drop(self.plain.remove(labels)),
            Kind::Histogram => drop(self.histograms.remove(labels)),
        }
    }
}

/// Its series' labels. What we set ourselves is the application's under another name, as with scrapes.
fn labels_of(told: &Told) -> Labels {
    let ours = |name: &str| name == JOB || (name == BUCKET_LE && told.kind == Kind::Histogram);
    let tags = told.tags.iter().map(|(name, value)| {
        (if ours(name) { format!("exported_{name}") } else { name.clone() }, value.clone())
    });
    let own = [(METRIC_NAME, told.name.as_str()), (JOB, PUSHED_JOB)];
    Labels::from_pairs(tags.chain(own.map(|(name, value)| (name.to_owned(), value.to_owned()))))
}

/// The series of a histogram.
fn series_of(labels: &Labels, of: &Histogram) -> Vec<(Labels, f64)> {
    let name = labels.name();
    let part = |part: &str| labels.with(METRIC_NAME, &format!("{name}{part}"));
    let bucket = part("_bucket");
    let mut series = Vec::with_capacity(BOUNDS.len() + PARTS.len());
    let mut below = 0;
    for (at, count) in of.buckets.iter().enumerate() {
        below += count;
        series.push((bucket.with(BUCKET_LE, &bound_text(at)), below as f64));
    }
    series.push((bucket.with(BUCKET_LE, "+Inf"), of.count as f64));
    series.push((part("_sum"), of.sum));
    series.push((part("_count"), of.count as f64));
    series.push((part("_min"), of.min));
    series.push((part("_max"), of.max));
    series
}
