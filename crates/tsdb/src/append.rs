//! A batch on its way in: checked sample by sample without a lock, then logged and shown whole.

use crate::db::Inner;
use crate::head::lanes::{HOLE, NO_LANE};
use crate::head::slots::{Last, slot_of};
use crate::log::record::Item;
use hashbrown::HashMap;
use model::{Appender, Committed, Labels, QueryError, Refusal, SeriesId, Timestamp};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

/// A label set takes no more bytes than this, lengths included.
const LABELS_BYTES_MAX: usize = 32 << 10;
/// Samples later than now plus this are refused.
const AHEAD_MAX_MS: i64 = 10 * 60 * 1000;
/// Buffers of ended batches kept for new ones, and the most samples such a buffer may have room for.
const SCRATCH_MAX: usize = 8;
const SCRATCH_ITEMS_MAX: usize = 1 << 16;

/// An open batch.
pub(crate) struct Batch<'a> {
    inner: &'a Inner,
    now: i64,
    /// The times taken, both inclusive.
    oldest: i64,
    newest: i64,
    scratch: Scratch,
}

/// The buffers of a batch.
#[derive(Default)]
pub(crate) struct Scratch {
    items: Vec<Item>,
    /// Slots that have an item.
    seen: Seen,
    /// The last item of every slot, kept from when a slot was asked for again; empty before.
    repeats: HashMap<u32, Last>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(inner: &'a Inner) -> Batch<'a> {
        let now = inner.options.now.now().as_millis();
        let hot = i64::try_from(inner.options.hot_window.as_millis()).unwrap_or(i64::MAX);
        let scratch = inner.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Batch {
            inner,
            now,
            oldest: inner.floor.load(Relaxed).max(now.saturating_sub(hot)),
            newest: now.saturating_add(AHEAD_MAX_MS),
            scratch: scratch.unwrap_or_default(),
        }
    }

    fn check_time(&self, t: i64) -> Result<(), Refusal> {
        if t < self.oldest {
            return Err(Refusal::TooOld);
        }
        if t > self.newest { Err(Refusal::TooNew) } else { Ok(()) }
    }

    fn take(&mut self, id: SeriesId, t: i64, v: f64) -> Result<(), Refusal> {
        let slot = slot_of(id);
        let mut last = self.inner.slots.last(id).ok_or(Refusal::UnknownSeries)?;
        self.check_time(t)?;
        let bits = if v.to_bits() == HOLE { f64::NAN.to_bits() } else { v.to_bits() };
        let again = self.scratch.seen.contains(slot);
        if again {
            last = self.scratch.last_of(slot).unwrap_or(last);
        }
        if t <= last.0 {
            return match (t < last.0, bits == last.1) {
                (true, _) => Err(Refusal::OutOfOrder),
                (false, true) => Ok(()),
                (false, false) => Err(Refusal::Duplicate),
            };
        }
        self.scratch.seen.insert(slot);
        if again || !self.scratch.repeats.is_empty() {
            self.scratch.repeats.insert(slot, (t, bits));
        }
        self.scratch.items.push(Item { id: id.0, t, v: f64::from_bits(bits) });
        Ok(())
    }

    fn find_or_create(&self, labels: &Labels) -> Result<SeriesId, Refusal> {
        let known = |slot| self.inner.slots.id(slot).ok_or(Refusal::UnknownSeries);
        if let Some(slot) = self.inner.head().find(labels) {
            return known(slot);
        }
        check_labels(labels)?;
        let mut head = self.inner.head_mut();
        if let Some(slot) = head.find(labels) {
            return known(slot);
        }
        let id = head.create(labels.clone(), self.now, self.inner.options.series_max)?;
        self.inner.slots.open(id);
        Ok(id)
    }

    /// Drops what another batch or a flush overtook since it was taken. The caller holds the log's lock.
    fn check_again(&mut self) {
        let (inner, floor) = (self.inner, self.inner.floor.load(Relaxed));
        self.scratch.items.retain(|item| {
            let why = match inner.slots.last(SeriesId(item.id)) {
                None => Refusal::UnknownSeries,
                Some(_) if item.t < floor => Refusal::TooOld,
                Some((t, bits)) if item.t == t && item.v.to_bits() == bits => return false,
                Some((t, _)) if item.t == t => Refusal::Duplicate,
                Some((t, _)) if item.t < t => Refusal::OutOfOrder,
                Some(_) => return true,
            };
            inner.counters.refuse(why);
            false
        });
    }

    /// The series of the batch that no log record defines, each once.
    fn unlogged(&self) -> Vec<(SeriesId, Labels)> {
        let head = self.inner.head();
        let mut new: Vec<(SeriesId, Labels)> = Vec::new();
        let mut seen = hashbrown::HashSet::new();
        for item in &self.scratch.items {
            if let Some(labels) = head.unlogged(slot_of(SeriesId(item.id)))
                && seen.insert(item.id)
            {
                new.push((SeriesId(item.id), labels.clone()));
            }
        }
        new
    }

    /// Makes the logged batch visible.
    fn show(&mut self, created: Vec<(SeriesId, Labels)>) -> Committed {
        let items = &self.scratch.items;
        let mut head = self.inner.head_mut();
        for (id, _) in &created {
            head.set_logged(slot_of(*id));
        }
        let mut hint = NO_LANE;
        for item in items {
            let slot = slot_of(SeriesId(item.id));
            head.push(slot, item.t, item.v, &mut hint);
            self.inner.slots.set_last(slot, item.t, item.v);
        }
        drop(head);
        self.inner.counters.appended.fetch_add(items.len() as u64, Relaxed);
        let seen = &mut self.scratch.seen;
        let touched =
            items.iter().map(|item| SeriesId(item.id)).filter(|id| seen.remove(slot_of(*id))).collect();
        Committed { touched, created, samples: items.len() }
    }
}

impl Appender for Batch<'_> {
    fn append(&mut self, labels: &Labels, t: Timestamp, v: f64) -> Result<SeriesId, Refusal> {
        // The time first: a sample that is refused must not leave a series behind.
        let found = self.check_time(t.as_millis()).and_then(|()| self.find_or_create(labels));
        let taken = found.and_then(|id| self.take(id, t.as_millis(), v).map(|()| id));
        taken.map_err(|why| self.inner.counters.refuse(why))
    }

    fn append_known(&mut self, id: SeriesId, t: Timestamp, v: f64) -> Result<(), Refusal> {
        self.take(id, t.as_millis(), v).map_err(|why| self.inner.counters.refuse(why))
    }

    fn commit(mut self: Box<Self>) -> Result<Committed, QueryError> {
        let mut log = self.inner.log();
        self.check_again();
        if self.scratch.items.is_empty() {
            return Ok(Committed::default());
        }
        let new = self.unlogged();
        log.write(&new, &self.scratch.items)?;
        let committed = self.show(new);
        drop(log);
        Ok(committed)
    }
}

impl Drop for Batch<'_> {
    /// Hands the buffers on, empty.
    fn drop(&mut self) {
        let mut scratch = std::mem::take(&mut self.scratch);
        if scratch.items.capacity() > SCRATCH_ITEMS_MAX {
            return;
        }
        scratch.items.clear();
        scratch.repeats.clear();
        scratch.seen.clear();
        let mut kept = self.inner.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < SCRATCH_MAX {
            kept.push(scratch);
        }
    }
}

impl Scratch {
    /// The last item of a slot that has one. The first question of a batch costs a pass over it; a batch with
    /// one sample a series asks none.
    fn last_of(&mut self, slot: u32) -> Option<Last> {
        if self.repeats.is_empty() {
            let last_of = |item: &Item| (slot_of(SeriesId(item.id)), (item.t, item.v.to_bits()));
            self.repeats.extend(self.items.iter().map(last_of));
        }
        self.repeats.get(&slot).copied()
    }
}

/// A set of slots.
#[derive(Default)]
struct Seen(Vec<u64>);

impl Seen {
    fn contains(&self, slot: u32) -> bool {
        self.0.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    fn insert(&mut self, slot: u32) {
        let word = slot as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (slot % 64);
    }

    /// Removes the slot; whether it was there.
    fn remove(&mut self, slot: u32) -> bool {
        let there = self.contains(slot);
        if there {
            self.0[slot as usize / 64] &= !(1 << (slot % 64));
        }
        there
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// A label set that a store keeps has a metric name, no empty label name, and a bounded size.
fn check_labels(labels: &Labels) -> Result<(), Refusal> {
    let whole = labels.as_bytes().len() <= LABELS_BYTES_MAX
        && !labels.name().is_empty()
        && labels.iter().all(|(name, _)| !name.is_empty());
    if whole { Ok(()) } else { Err(Refusal::BadLabels) }
}
