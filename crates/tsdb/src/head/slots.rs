//! What an appender must know of a series before it commits, readable without a lock.
//!
//! A slot is a series' place in the head's tables. A [`SeriesId`] is the slot (low 32 bits) and the generation
//! (high 32 bits) in which it was given out; a freed slot is given out again in a later generation only, so no
//! id ever means two series. The last sample here is a hint for early refusals: whoever holds the log's lock
//! checks again.

use model::SeriesId;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

const CHUNK: usize = 4096;

/// The slots of all series, in chunks that are allocated when first used and never move.
pub(crate) struct Slots {
    chunks: Box<[OnceLock<Box<[Slot]>>]>,
}

#[derive(Default)]
struct Slot {
    /// 0 while the slot is free.
    generation: AtomicU32,
    last_t: AtomicI64,
    last_bits: AtomicU64,
}

/// A series' newest committed sample: its time (`i64::MIN` if there is none) and its value's bits.
pub(crate) type Last = (i64, u64);

pub(crate) fn id_of(generation: u32, slot: u32) -> SeriesId {
    SeriesId(u64::from(generation) << 32 | u64::from(slot))
}

pub(crate) fn slot_of(id: SeriesId) -> u32 {
    id.0 as u32
}

pub(crate) fn generation_of(id: SeriesId) -> u32 {
    (id.0 >> 32) as u32
}

impl Slots {
    /// Room for slots below `capacity`.
    pub(crate) fn new(capacity: usize) -> Slots {
        Slots { chunks: (0..capacity.div_ceil(CHUNK).max(1)).map(|_| OnceLock::new()).collect() }
    }

    /// The last sample of `id`; `None` if the series is gone.
    pub(crate) fn last(&self, id: SeriesId) -> Option<Last> {
        let slot = self.slot(slot_of(id))?;
        if slot.generation.load(Ordering::Acquire) != generation_of(id) {
            return None;
        }
        Some((slot.last_t.load(Ordering::Relaxed), slot.last_bits.load(Ordering::Relaxed)))
    }

    /// The id under which `slot` is in use.
    pub(crate) fn id(&self, slot: u32) -> Option<SeriesId> {
        let generation = self.slot(slot)?.generation.load(Ordering::Acquire);
        (generation != 0).then(|| id_of(generation, slot))
    }

    /// Gives the slot to a series without samples; its number is below the capacity.
    pub(crate) fn open(&self, id: SeriesId) {
        let (chunk, at) = place(slot_of(id));
        let slot = &self.chunks[chunk].get_or_init(|| (0..CHUNK).map(|_| Slot::default()).collect())[at];
        slot.last_t.store(i64::MIN, Ordering::Relaxed);
        slot.last_bits.store(0, Ordering::Relaxed);
        slot.generation.store(generation_of(id), Ordering::Release);
    }

    /// Frees the slot.
    pub(crate) fn close(&self, slot: u32) {
        if let Some(slot) = self.slot(slot) {
            slot.generation.store(0, Ordering::Release);
        }
    }

    /// Sets the last sample.
    pub(crate) fn set_last(&self, slot: u32, t: i64, value: f64) {
        if let Some(slot) = self.slot(slot) {
            slot.last_bits.store(value.to_bits(), Ordering::Relaxed);
            slot.last_t.store(t, Ordering::Relaxed);
        }
    }

    fn slot(&self, slot: u32) -> Option<&Slot> {
        let (chunk, at) = place(slot);
        Some(&self.chunks.get(chunk)?.get()?[at])
    }
}

fn place(slot: u32) -> (usize, usize) {
    (slot as usize / CHUNK, slot as usize % CHUNK)
}
