//! One target's memory of its last body: the series as written, in order, each with its id in the store.
//!
//! A target's next body nearly always has the same series in the same order, so the bytes are compared in place
//! and only the values are parsed: no hashing, no label, no allocation. The comments between two series are
//! compared with them. Where the body differs, the rest of that one scrape is looked up by its bytes, and only
//! a series never seen before is decoded, relabelled and appended by its labels.
//!
//! Invariants: a scrape that fails leaves the cache as it was; a series that was tracked and is not in a good
//! body gets exactly one staleness marker; no entry is longer than [`SERIES_MAX`].

use super::shape::{Shape, Verdict};
use super::tally::Tally;
use crate::Error;
use crate::exposition::{Format, Line, Parser, Tail, tail, tail_fast};
use model::{Appender, Labels, Refusal, STALE_NAN, SeriesId, Timestamp};
use std::collections::{HashMap, HashSet};

/// A series with a longer text is refused, the rest of the body is taken.
pub(crate) const SERIES_MAX: usize = 64 << 10;

/// What one target sent last, and where it is stored.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// For each slot: what stands between the previous sample's line and the series, then the series.
    keys: Vec<u8>,
    slots: Vec<Slot>,
    format: Option<Format>,
    /// Series of this target from before its relabelling changed: stale unless the next good body has them.
    orphans: Vec<SeriesId>,
    /// Whether every tracked series has its staleness marker already.
    silent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Slot {
    /// Where in `keys` the series starts, behind its gap.
    series: u32,
    /// Where it ends and the next slot's gap starts.
    end: u32,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// Stored; stale when it is gone.
    Tracked(SeriesId),
    /// Stored with its own timestamps; when it is gone, they say so themselves.
    Timed(SeriesId),
    /// Relabelling drops it.
    Dropped,
    /// An earlier line of the same body is the same series.
    Duplicate,
    /// Refused so far; tried again each time.
    Refused,
}

impl Fate {
    fn id(self) -> Option<SeriesId> {
        match self {
            Fate::Tracked(id) | Fate::Timed(id) => Some(id),
            Fate::Dropped | Fate::Duplicate | Fate::Refused => None,
        }
    }
}

/// What a good body changes; handed to [`Cache::adopt`] once its samples are committed.
pub(crate) struct Learned(Option<Edit>, Format);

impl Cache {
    /// Appends the samples of `body`, and staleness markers for what is gone. On an error the batch must be
    /// dropped; the counts then tell how far the body was read, all of it if there are too many samples.
    pub(crate) fn ingest(
        &self,
        body: &[u8],
        format: Format,
        at: Timestamp,
        shape: &Shape,
        appender: &mut dyn Appender,
    ) -> (Tally, Result<Learned, Error>) {
        let mut walk = Walk {
            old: self,
            body,
            format,
            at,
            shape,
            appender,
            tally: Tally::default(),
            edit: None,
            index: None,
            beyond: None,
        };
        let outcome = walk.run();
        (walk.tally, outcome.map(|()| Learned(walk.edit, format)))
    }

    /// Remembers what a committed body taught.
    pub(crate) fn adopt(&mut self, learned: Learned) {
        if let Some(mut edit) = learned.0 {
            edit.keys.shrink_to_fit();
            edit.slots.shrink_to_fit();
            (self.keys, self.slots) = (edit.keys, edit.slots);
        }
        self.format = Some(learned.1);
        self.orphans = Vec::new();
        self.silent = false;
    }

    /// Marks every series stale: the target failed or is gone. Call [`Cache::fell_silent`] once committed.
    pub(crate) fn end(&self, at: Timestamp, appender: &mut dyn Appender) {
        if self.silent {
            return;
        }
        let tracked = self.slots.iter().filter_map(|slot| match slot.fate {
            Fate::Tracked(id) => Some(id),
            _ => None,
        });
        for id in tracked.chain(self.orphans.iter().copied()) {
            // A series that already has a newer sample is not ended here.
            let _ = appender.append_known(id, at, STALE_NAN);
        }
    }

    /// The markers of [`Cache::end`] are in the store.
    pub(crate) fn fell_silent(&mut self) {
        self.silent = true;
        self.orphans = Vec::new();
    }

    /// Forgets what the bytes mean, because relabelling changed, but not which series exist.
    pub(crate) fn forget_meaning(&mut self) {
        if !self.silent {
            self.orphans.extend(self.slots.iter().filter_map(|slot| match slot.fate {
                Fate::Tracked(id) => Some(id),
                _ => None,
            }));
        }
        (self.keys, self.slots) = (Vec::new(), Vec::new());
    }

    /// The comments of the last good body, between its series, for [`super::metadata`].
    pub(crate) fn gaps(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.slots.iter().map(|slot| slot.end));
        starts.zip(&self.slots).map(|(start, slot)| &self.keys[start as usize..slot.series as usize])
    }

    /// The format of the last good body.
    pub(crate) fn format(&self) -> Option<Format> {
        self.format
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.keys.capacity() + self.slots.capacity() * size_of::<Slot>()
    }

    fn start(&self, slot: usize) -> usize {
        slot.checked_sub(1).map_or(0, |previous| self.slots[previous].end as usize)
    }

    fn series(&self, slot: &Slot) -> &[u8] {
        &self.keys[slot.series as usize..slot.end as usize]
    }
}

/// The next cache, built only when a body differs.
struct Edit {
    keys: Vec<u8>,
    slots: Vec<Slot>,
    /// Ids of tracked and timed slots.
    ids: HashSet<SeriesId>,
    /// Which old slots are in the new one.
    seen: Vec<bool>,
}

struct Walk<'w> {
    old: &'w Cache,
    body: &'w [u8],
    format: Format,
    at: Timestamp,
    shape: &'w Shape,
    appender: &'w mut dyn Appender,
    tally: Tally,
    edit: Option<Edit>,
    /// Old slots by their series; made when first needed.
    index: Option<HashMap<&'w [u8], usize>>,
    /// Takes the samples once there are too many: they are counted, and nothing of them is held.
    beyond: Option<Beyond>,
}

/// Hands out ids that no series has.
struct Beyond(u64);

impl Beyond {
    fn id(&mut self) -> SeriesId {
        self.0 -= 1;
        SeriesId(self.0)
    }
}

impl<'w> Walk<'w> {
    fn run(&mut self) -> Result<(), Error> {
        // What another format wrote means something else.
        let comparable = self.old.format == Some(self.format);
        let (mut at, mut next) = (0, if comparable { 0 } else { self.old.slots.len() });
        if !comparable {
            self.edit_before(0);
        }
        loop {
            // Slots that moved forward were here already.
            if let Some(edit) = &self.edit {
                while edit.seen.get(next) == Some(&true) {
                    next += 1;
                }
            }
            if let Some(tail) = self.repeats(next, at) {
                self.known(next, at, tail)?;
                (at, next) = (tail.next, next + 1);
            } else if let Some(found) = self.differs(at, next)? {
                (at, next) = found;
            } else {
                break;
            }
            if self.shape.limits.samples > 0 && self.tally.kept > self.shape.limits.samples {
                self.beyond.get_or_insert(Beyond(u64::MAX));
            }
        }
        if self.beyond.is_some() {
            return Err(Error::SampleLimit { limit: self.shape.limits.samples });
        }
        if next < self.old.slots.len() {
            self.edit_before(next);
        }
        self.mark_stale();
        Ok(())
    }

    fn append_known(&mut self, id: SeriesId, tail: Tail) -> Result<(), Refusal> {
        match self.beyond {
            None => self.appender.append_known(id, self.time(tail), tail.value),
            Some(_) => Ok(()),
        }
    }

    fn append(&mut self, labels: &Labels, tail: Tail) -> Result<SeriesId, Refusal> {
        match &mut self.beyond {
            None => self.appender.append(labels, self.time(tail), tail.value),
            Some(beyond) => Ok(beyond.id()),
        }
    }

    /// Whether the old slot `next` stands at `at` again, and the value behind it.
    #[inline]
    fn repeats(&self, next: usize, at: usize) -> Option<Tail> {
        let slot = self.old.slots.get(next)?;
        let key = &self.old.keys[self.old.start(next)..slot.end as usize];
        if !self.body.get(at..)?.starts_with(key) {
            return None;
        }
        let end = at + key.len();
        if let Some(tail) = tail_fast(self.body, end) {
            return Some(tail);
        }
        let complete = matches!(self.body.get(end), Some(b' ' | b'\t')) || key.ends_with(b"}");
        if complete { tail(self.body, end, self.format).ok() } else { None }
    }

    /// Appends the next sample of an old slot whose text begins at `at`.
    #[inline]
    fn known(&mut self, slot: usize, at: usize, tail: Tail) -> Result<(), Error> {
        let old = self.old.slots[slot];
        self.tally.scraped += 1;
        let fate = match self.again(old.fate, tail) {
            Some(fate) => fate,
            None => {
                let bytes = self.old.series(&self.old.slots[slot]);
                let fate = self.resolve(bytes, tail.next, tail)?;
                if fate != old.fate {
                    self.edit_before(slot);
                }
                self.settle(fate, tail)
            }
        };
        if self.edit.is_some() {
            let start = self.old.start(slot);
            let (gap, series) = (old.series as usize - start, (old.end - old.series) as usize);
            self.push(at, gap, series, fate);
            if let Some(edit) = &mut self.edit {
                edit.seen[slot] = true;
            }
        }
        Ok(())
    }

    /// Reads the line at `at`, which is not what the old slot `next` says; returns where to go on in both.
    fn differs(&mut self, at: usize, next: usize) -> Result<Option<(usize, usize)>, Error> {
        let mut parser = Parser::at(self.body, at, self.format);
        let (series, tail) = loop {
            match parser.next_line()? {
                None => return Ok(None),
                Some(Line::Sample { series, value, at_ms }) => {
                    break (series, Tail { value, at_ms, next: parser.position() });
                }
                Some(_) => {}
            }
        };
        if series.len() > SERIES_MAX {
            self.tally.scraped += 1;
            self.tally.refuse_long(series.len());
            return Ok(Some((tail.next, next)));
        }
        self.edit_before(next);
        let gap = series.as_ptr() as usize - self.body[at..].as_ptr() as usize;
        if let Some(slot) = self.find(series)
            && self.edit.as_ref().is_some_and(|edit| !edit.seen[slot])
            && self.old.slots[slot].fate != Fate::Duplicate
        {
            self.moved(slot, at, gap, series.len(), tail)?;
            return Ok(Some((tail.next, slot + 1)));
        }
        self.tally.scraped += 1;
        let fate = self.resolve(series, tail.next, tail)?;
        let fate = self.settle(fate, tail);
        if fate.id().is_some() {
            self.tally.added += 1;
        }
        self.push(at, gap, series.len(), fate);
        Ok(Some((tail.next, next)))
    }

    /// An old slot in another place, or behind other comments.
    fn moved(&mut self, slot: usize, at: usize, gap: usize, series: usize, tail: Tail) -> Result<(), Error> {
        self.tally.scraped += 1;
        let fate = match self.again(self.old.slots[slot].fate, tail) {
            Some(fate) => fate,
            None => {
                let fate = self.resolve(&self.body[at + gap..at + gap + series], tail.next, tail)?;
                self.settle(fate, tail)
            }
        };
        self.push(at, gap, series, fate);
        if let Some(edit) = &mut self.edit {
            edit.seen[slot] = true;
        }
        Ok(())
    }

    /// Appends a sample of a series whose fate is known. `None`: its labels are needed to tell what it is now.
    #[inline]
    fn again(&mut self, fate: Fate, tail: Tail) -> Option<Fate> {
        let id = match fate {
            Fate::Tracked(id) if !self.is_timed(tail) => id,
            Fate::Timed(id) if self.is_timed(tail) => id,
            Fate::Dropped => return Some(fate),
            Fate::Duplicate if self.edit.is_none() => {
                self.tally.refuse(Refusal::Duplicate);
                return Some(fate);
            }
            Fate::Tracked(_) | Fate::Timed(_) | Fate::Duplicate | Fate::Refused => return None,
        };
        if tail.at_ms.is_none() && self.edit.as_ref().is_some_and(|edit| edit.ids.contains(&id)) {
            self.tally.refuse(Refusal::Duplicate);
            return Some(Fate::Duplicate);
        }
        match self.append_known(id, tail) {
            Ok(()) => self.tally.kept += 1,
            Err(Refusal::UnknownSeries) => return None,
            Err(refusal) => self.tally.refuse(refusal),
        }
        Some(fate)
    }

    fn find(&mut self, series: &[u8]) -> Option<usize> {
        if self.old.format != Some(self.format) {
            return None;
        }
        let old = self.old;
        let index = self.index.get_or_insert_with(|| {
            let mut index = HashMap::with_capacity(old.slots.len());
            for (i, slot) in old.slots.iter().enumerate() {
                index.entry(old.series(slot)).or_insert(i);
            }
            index
        });
        index.get(series).copied()
    }

    /// Finds out what a series is and appends its sample by its labels. `after` is a place on the line's end.
    fn resolve(&mut self, series: &[u8], after: usize, tail: Tail) -> Result<Fate, Error> {
        let raw = Parser::at(self.body, after, self.format).labels(series)?;
        let labels = match self.shape.labels(&raw)? {
            Verdict::Kept(labels) => labels,
            Verdict::Dropped => return Ok(Fate::Dropped),
            Verdict::Refused(refusal) => {
                self.tally.refuse(refusal);
                return Ok(Fate::Refused);
            }
        };
        let id = match self.append(&labels, tail) {
            Ok(id) => id,
            Err(refusal) => {
                self.tally.refuse(refusal);
                return Ok(Fate::Refused);
            }
        };
        self.tally.kept += 1;
        Ok(if self.is_timed(tail) { Fate::Timed(id) } else { Fate::Tracked(id) })
    }

    /// A fate that [`Walk::resolve`] found, in the light of the lines before: the next cache must be started.
    /// The same value twice is taken by the store without a word, and is a duplicate all the same.
    fn settle(&mut self, fate: Fate, tail: Tail) -> Fate {
        let twice = |id| self.edit.as_ref().is_some_and(|edit| edit.ids.contains(&id));
        if tail.at_ms.is_some() || !fate.id().is_some_and(twice) {
            return fate;
        }
        self.tally.kept -= 1;
        self.tally.refuse(Refusal::Duplicate);
        Fate::Duplicate
    }

    fn is_timed(&self, tail: Tail) -> bool {
        tail.at_ms.is_some() && self.shape.honor_timestamps && !self.shape.track_timestamps_staleness
    }

    fn time(&self, tail: Tail) -> Timestamp {
        match tail.at_ms {
            Some(ms) if self.shape.honor_timestamps => Timestamp::from_millis(ms),
            _ => self.at,
        }
    }

    /// Starts the next cache, unless it is started: all old slots before `slot` are in it as they were.
    fn edit_before(&mut self, slot: usize) {
        if self.edit.is_some() {
            return;
        }
        let slots = self.old.slots[..slot].to_vec();
        let mut seen = vec![false; self.old.slots.len()];
        seen[..slot].fill(true);
        self.edit = Some(Edit {
            keys: self.old.keys[..self.old.start(slot)].to_vec(),
            ids: slots.iter().filter_map(|slot| slot.fate.id()).collect(),
            slots,
            seen,
        });
    }

    /// Adds a slot to the next cache: `gap` bytes of comments from `at`, then `series` bytes.
    fn push(&mut self, at: usize, gap: usize, series: usize, fate: Fate) {
        let Some(edit) = &mut self.edit else { return };
        let offset = |n: usize| u32::try_from(n).expect("bodies are bounded far below 4 GiB");
        edit.keys.extend_from_slice(&self.body[at..at + gap + series]);
        let end = edit.keys.len();
        edit.ids.extend(fate.id());
        edit.slots.push(Slot { series: offset(end - series), end: offset(end), fate });
    }

    fn mark_stale(&mut self) {
        let ids = self.edit.as_ref().map(|edit| &edit.ids);
        let gone = |id: &SeriesId| ids.is_none_or(|ids| !ids.contains(id));
        let mut stale: Vec<SeriesId> = Vec::new();
        if let Some(edit) = &self.edit
            && !self.old.silent
        {
            let unseen = self.old.slots.iter().zip(&edit.seen).filter(|(_, seen)| !**seen);
            stale.extend(unseen.filter_map(|(slot, _)| match slot.fate {
                Fate::Tracked(id) => Some(id),
                _ => None,
            }));
        }
        stale.extend(&self.old.orphans);
        for id in stale.into_iter().filter(gone) {
            // A series that already has a newer sample is not ended here.
            let _ = self.appender.append_known(id, self.at, STALE_NAN);
        }
    }
}
