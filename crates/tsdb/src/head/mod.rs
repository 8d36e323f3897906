//! The hot part of the store: every series that has recent samples, its labels, its index, its plain columns.
//!
//! A series is here from its first append until it has been silent for the hot window and its samples lie in
//! segments. It may exist without samples (its batch is not committed yet, or the process restarted); queries
//! do not show it then.
//!
//! Invariants: a series' samples ascend in time; all are at or after `visible_from`, or lie in a segment too
//! and are about to be dropped.

pub(crate) mod lanes;
pub(crate) mod order;
pub(crate) mod postings;
pub(crate) mod slots;

use crate::segment::Segment;
use crate::terms;
use hashbrown::{DefaultHashBuilder, HashTable};
use lanes::{Column, HOLE, Lanes};
use model::{Labels, Matcher, Refusal, Sample, Series, SeriesId};
use order::Order;
use postings::Postings;
use slots::Slots;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

/// Up to this many results are sorted by comparing labels; more by their rank, which costs a whole pass after
/// a series is born.
const COMPARE_MAX: usize = 512;

/// The hot series, and the list of segments behind them: one lock over both makes a query's view consistent.
pub(crate) struct Head {
    /// By slot.
    rows: Vec<Option<Row>>,
    free: Vec<u32>,
    /// The generation of series created from now on; goes up whenever slots become free.
    generation: u32,
    by_labels: HashTable<u32>,
    hasher: DefaultHashBuilder,
    pub(crate) postings: Postings,
    /// Behind a mutex because queries, which share the head, bring it up to date.
    order: Mutex<Order>,
    lanes: Lanes,
    /// Samples in memory.
    pub(crate) samples: usize,
    /// Earlier samples are read from segments, even while they are still here.
    pub(crate) visible_from: i64,
    /// Newest sample ever taken in this run.
    pub(crate) newest: i64,
    /// By time.
    pub(crate) segments: Vec<Arc<Segment>>,
}

struct Row {
    labels: Labels,
    column: Column,
    /// When it was created here; a series without samples is dropped by this.
    born: i64,
    /// Whether the log knows it.
    logged: bool,
}

impl Head {
    pub(crate) fn new() -> Head {
        Head {
            rows: Vec::new(),
            free: Vec::new(),
            generation: 1,
            by_labels: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            postings: Postings::default(),
            order: Mutex::default(),
            lanes: Lanes::default(),
            samples: 0,
            visible_from: i64::MIN,
            newest: i64::MIN,
            segments: Vec::new(),
        }
    }

    /// How many series.
    pub(crate) fn len(&self) -> usize {
        self.by_labels.len()
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// Series created from now on are of a later generation than `floor`.
    pub(crate) fn raise_generation(&mut self, floor: u32) {
        self.generation = self.generation.max(floor.saturating_add(1));
    }

    /// The slot of the series `labels`.
    pub(crate) fn find(&self, labels: &Labels) -> Option<u32> {
        let hash = self.hasher.hash_one(labels.as_bytes());
        self.by_labels.find(hash, |slot| self.row(*slot).is_some_and(|row| row.labels == *labels)).copied()
    }

    /// A new series, not yet logged. The caller has looked for it in vain under this very lock.
    pub(crate) fn create(&mut self, labels: Labels, now: i64, max: usize) -> Result<SeriesId, Refusal> {
        if self.len() >= max {
            return Err(Refusal::TooManySeries);
        }
        let slot = self.free.pop().unwrap_or(self.rows.len() as u32);
        let id = slots::id_of(self.generation, slot);
        self.place(id, labels, now, false);
        Ok(id)
    }

    /// Makes room for so many more series at once.
    pub(crate) fn reserve(&mut self, series: usize) {
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.by_labels.reserve(series, |slot| {
            let row = rows[*slot as usize].as_ref();
            row.map_or(0, |row| hasher.hash_one(row.labels.as_bytes()))
        });
    }

    /// Puts a series that the log has defined at its place; whatever had its slot or its labels before is gone.
    pub(crate) fn restore(&mut self, id: SeriesId, labels: Labels, now: i64) {
        let slot = slots::slot_of(id);
        self.remove(slot);
        if let Some(older) = self.find(&labels) {
            self.remove(older);
        }
        self.raise_generation(slots::generation_of(id));
        self.place(id, labels, now, true);
    }

    /// To be called once after the last [`Head::restore`]: finds the free slots and opens the used ones.
    pub(crate) fn restored(&mut self, slots: &Slots, ids: impl Iterator<Item = SeriesId>) {
        for id in ids.filter(|id| self.row(slots::slot_of(*id)).is_some()) {
            slots.open(id);
        }
        self.free = (0u32..).zip(&self.rows).filter(|(_, row)| row.is_none()).map(|(slot, _)| slot).collect();
    }

    /// The labels of a series that no log record defines yet; from now on it counts as logged.
    pub(crate) fn unlogged(&self, slot: u32) -> Option<&Labels> {
        self.row(slot).filter(|row| !row.logged).map(|row| &row.labels)
    }

    pub(crate) fn set_logged(&mut self, slot: u32) {
        if let Some(Some(row)) = self.rows.get_mut(slot as usize) {
            row.logged = true;
        }
    }

    pub(crate) fn labels(&self, slot: u32) -> Option<&Labels> {
        self.row(slot).map(|row| &row.labels)
    }

    /// Appends a sample later than all of its series. `hint` travels along a batch.
    pub(crate) fn push(&mut self, slot: u32, t: i64, value: f64, hint: &mut u32) {
        let Some(Some(row)) = self.rows.get_mut(slot as usize) else { return };
        self.lanes.push(&mut row.column, t, value, hint);
        self.samples += 1;
        self.newest = self.newest.max(t);
    }

    /// Whether memory holds samples of that time.
    pub(crate) fn overlaps(&self, from: i64, to: i64) -> bool {
        from <= self.newest && self.oldest().is_some_and(|oldest| oldest <= to)
    }

    /// The time of the oldest sample in memory.
    pub(crate) fn oldest(&self) -> Option<i64> {
        self.lanes.iter().filter_map(|lane| lane.oldest()).min()
    }

    /// Matching series with their visible samples in `from..=to`, by labels. `budget` goes down by the samples
    /// found; `None` if it does not suffice.
    pub(crate) fn select(
        &self,
        matchers: &[Matcher],
        from: i64,
        to: i64,
        budget: &mut usize,
    ) -> Option<Vec<Series>> {
        let mut found = Vec::new();
        for slot in self.matching(matchers) {
            let samples = self.samples_of(slot, from, to);
            if samples.is_empty() {
                continue;
            }
            *budget = budget.checked_sub(samples.len())?;
            found.push((slot, samples));
        }
        self.sort(&mut found, |(slot, _)| *slot);
        let labels = |slot| self.labels(slot).cloned().unwrap_or_default();
        Some(found.into_iter().map(|(slot, samples)| Series { labels: labels(slot), samples }).collect())
    }

    /// Label sets of matching series with a visible sample in `from..=to`, by labels.
    pub(crate) fn series(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Labels> {
        let mut found: Vec<u32> =
            self.matching(matchers).into_iter().filter(|slot| self.has_sample(*slot, from, to)).collect();
        self.sort(&mut found, |slot| *slot);
        found.into_iter().filter_map(|slot| self.labels(slot).cloned()).collect()
    }

    /// All series with a sample before `cutoff`, in no order: to be sorted without the lock.
    pub(crate) fn series_before(&self, cutoff: i64) -> Vec<(Labels, u32)> {
        let has = |slot: &u32| self.has_sample(*slot, i64::MIN, cutoff - 1);
        self.slots().filter(has).filter_map(|slot| Some((self.labels(slot)?.clone(), slot))).collect()
    }

    /// The visible samples of a series in `from..=to`.
    pub(crate) fn samples_of(&self, slot: u32, from: i64, to: i64) -> Vec<Sample> {
        let Some(row) = self.row(slot) else { return Vec::new() };
        let (times, values) = self.lanes.range(&row.column, from.max(self.visible_from), to);
        let mut samples = Vec::with_capacity(times.len());
        samples.extend(
            times
                .iter()
                .zip(values)
                .filter(|(_, v)| v.to_bits() != HOLE)
                .map(|(t, v)| Sample { t: model::Timestamp::from_millis(*t), v: *v }),
        );
        samples
    }

    /// Drops the samples before `cutoff` of the series in `from_slot..to_slot`; they are in a segment.
    pub(crate) fn drain(&mut self, from_slot: usize, to_slot: usize, cutoff: i64) {
        let to_slot = to_slot.min(self.rows.len());
        for row in self.rows[from_slot..to_slot].iter_mut().flatten() {
            self.samples -= self.lanes.drain(&mut row.column, cutoff);
        }
    }

    /// Drops the times that no series needs any more.
    pub(crate) fn trim(&mut self) {
        self.lanes.trim(self.rows.iter().flatten().map(|row| (row.column.lane, row.column.first)));
    }

    /// Drops series without samples that were born and last sampled before `cutoff`; returns how many. The
    /// caller holds the log's lock: no batch is between its check and its appearance.
    pub(crate) fn sweep(&mut self, slots: &Slots, cutoff: i64) -> usize {
        let idle = |slot: &u32| {
            self.row(*slot).is_some_and(|row| row.column.values.is_empty() && row.born < cutoff)
                && slots.id(*slot).and_then(|id| slots.last(id)).is_none_or(|(t, _)| t < cutoff)
        };
        let gone: Vec<u32> = self.slots().filter(idle).collect();
        for slot in &gone {
            slots.close(*slot);
            self.remove(*slot);
        }
        if !gone.is_empty() {
            self.generation += 1;
            self.free.extend(&gone);
        }
        gone.len()
    }

    /// How many slots there are, free ones included.
    pub(crate) fn slots_len(&self) -> usize {
        self.rows.len()
    }

    /// The slots in use.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.rows).filter(|(_, row)| row.is_some()).map(|(slot, _)| slot)
    }

    /// Slots of the series that pass all matchers.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> roaring::RoaringBitmap {
        terms::matching(&self.postings, matchers).expect("an index in memory cannot fail to be read")
    }

    /// Whether the series has a visible sample in `from..=to`.
    pub(crate) fn has_sample(&self, slot: u32, from: i64, to: i64) -> bool {
        self.row(slot).is_some_and(|row| {
            let (_, values) = self.lanes.range(&row.column, from.max(self.visible_from), to);
            values.iter().any(|v| v.to_bits() != HOLE)
        })
    }

    fn sort<T>(&self, found: &mut [T], slot: impl Fn(&T) -> u32) {
        if found.len() > COMPARE_MAX {
            let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            let ranks = order.ranks(|slot| self.labels(slot));
            found.sort_unstable_by_key(|item| ranks[slot(item) as usize]);
        } else {
            found.sort_unstable_by(|a, b| match (self.labels(slot(a)), self.labels(slot(b))) {
                (Some(a), Some(b)) => order::compare(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            });
        }
    }

    fn row(&self, slot: u32) -> Option<&Row> {
        self.rows.get(slot as usize)?.as_ref()
    }

    fn place(&mut self, id: SeriesId, labels: Labels, born: i64, logged: bool) {
        let slot = slots::slot_of(id);
        if self.rows.len() <= slot as usize {
            self.rows.resize_with(slot as usize + 1, || None);
        }
        self.postings.add(slot, &labels);
        self.order.get_mut().unwrap_or_else(PoisonError::into_inner).add(slot);
        let hash = self.hasher.hash_one(labels.as_bytes());
        self.rows[slot as usize] = Some(Row { labels, column: Column::empty(), born, logged });
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.by_labels.insert_unique(hash, slot, |slot| {
            let row = rows[*slot as usize].as_ref();
            row.map_or(0, |row| hasher.hash_one(row.labels.as_bytes()))
        });
    }

    fn remove(&mut self, slot: u32) {
        let Some(mut row) = self.rows.get_mut(slot as usize).and_then(Option::take) else { return };
        self.lanes.leave(&mut row.column);
        self.postings.remove(slot, &row.labels);
        self.order.get_mut().unwrap_or_else(PoisonError::into_inner).remove();
        let hash = self.hasher.hash_one(row.labels.as_bytes());
        if let Ok(entry) = self.by_labels.find_entry(hash, |s| *s == slot) {
            entry.remove();
        }
    }
}
