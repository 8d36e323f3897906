//! The store as a whole: against a plain map, through flushes, merges, deaths and damage.

mod bounds;
mod crash;
mod model;
mod speed;

use crate::{Db, Options};
use ::model::{Ingest, Labels, ManualClock, Matcher, Querier, Select, Series, SeriesId, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Start of all tests, in ms.
const START: i64 = 1_700_000_000_000;

/// A store with a hand-moved clock.
struct Rig {
    db: Db,
    clock: Arc<ManualClock>,
}

impl Rig {
    /// Opens a store whose hot window is a minute and whose clock stands at `now`.
    fn open(dir: &Path, now: i64) -> Rig {
        Rig::open_with(dir, now, |_| {})
    }

    fn open_with(dir: &Path, now: i64, change: impl FnOnce(&mut Options)) -> Rig {
        let clock = Arc::new(ManualClock::at(at(now)));
        let mut options = Options::new(dir);
        options.hot_window = Duration::from_secs(60);
        options.now = clock.clone();
        change(&mut options);
        Rig { db: Db::open(options).unwrap(), clock }
    }

    /// Appends one batch at once.
    fn put(&self, batch: &[(&Labels, i64, f64)]) -> ::model::Committed {
        let mut appender = self.db.appender();
        for (labels, t, v) in batch {
            appender.append(labels, at(*t), *v).unwrap();
        }
        appender.commit().unwrap()
    }

    /// Moves the clock and maintains until nothing is left to do.
    fn pass(&self, now: i64) {
        self.clock.set(at(now));
        while self.db.maintain(at(now)).unwrap().merged > 0 {}
    }

    /// Everything in the store.
    fn all(&self) -> Vec<Series> {
        self.between(i64::MIN, i64::MAX)
    }

    fn between(&self, from: i64, to: i64) -> Vec<Series> {
        let any = [Matcher::new(::model::MatchOp::Regex, "__name__", ".+").unwrap()];
        self.select(&any, from, to)
    }

    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        let what = Select { matchers, from: at(from), to: at(to), samples_max: 100_000_000 };
        self.db.select(&what).unwrap()
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn series(name: &str, instance: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("instance", instance), ("job", "test")])
}

/// `NAME{INSTANCE} T=V ...` a line, times from [`START`] in seconds: made for reading in a failure.
fn show(found: &[Series]) -> String {
    let mut text = String::new();
    for series in found {
        text += &series.labels.to_string();
        for sample in &series.samples {
            text += &format!(" {}={}", (sample.t.as_millis() - START) / 1000, sample.v);
        }
        text += "\n";
    }
    text
}

/// Copies a store's files as they are now: what a process that dies now leaves behind.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The number of an id, for readable assertions.
fn numbers(ids: &[SeriesId]) -> Vec<u32> {
    ids.iter().map(|id| crate::head::slots::slot_of(*id)).collect()
}
