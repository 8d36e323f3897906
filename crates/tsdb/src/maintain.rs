//! What the store does between batches: sync, flush, merge, forget.
//!
//! A flush in its order: the floor goes up (nothing older is taken any more), the log goes on in a new file, a
//! segment of all older samples is written and made durable, segment and head change over in one moment, the
//! head drops what the segment has, the log drops files that segments cover. A death between any two of these
//! loses and doubles nothing: at open the newest segment's end is the floor again.

use crate::db::{Db, Inner, Upkeep, segment_dir, segment_path};
use crate::error::{Error, On};
use crate::head::order::compare;
use crate::log::sync_dir;
use crate::segment::Segment;
use crate::segment::merge::{self, Shape};
use crate::segment::write::Writer;
use model::{SeriesId, Timestamp};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Series handled per hold of the head's lock.
const STRIDE: usize = 4096;
/// Series copied per hold of the head's lock while a segment is written.
const COPY: usize = 256;
/// A merged segment is at most this part of the retention long, so that retention deletes in small steps.
const SPANS_PER_RETENTION: u32 = 8;
/// And may be at least this long.
const SPAN_MIN: Duration = Duration::from_secs(2 * 3600);

/// What one maintenance did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Maintained {
    /// Samples moved from memory into a new segment.
    pub flushed: usize,
    /// Segments merged into one.
    pub merged: usize,
    /// Segments deleted because they were past the retention or the store too large.
    pub dropped: usize,
    /// Series that left the head.
    pub swept: usize,
}

impl Db {
    /// Does what is due at `now`. Blocks, now and then for seconds, while appends and queries go on; to be called
    /// every few seconds by a thread of its own. What was committed before it began survives the death of the
    /// machine after `Ok`. A failed flush or merge is tried again by the next call; a failed sync is final for
    /// the log.
    pub fn maintain(&self, now: Timestamp) -> Result<Maintained, Error> {
        let inner = &*self.0;
        let mut upkeep = inner.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_millis();
        inner.sync()?;
        let mut done = Maintained::default();
        if let Some(cutoff) = inner.flush_due(now) {
            done.flushed = inner.flush(&mut upkeep, cutoff)?;
        }
        done.dropped = inner.expire(now)?;
        let hot = millis(inner.options.hot_window);
        if done.flushed > 0 || upkeep.swept < now.saturating_sub(hot) {
            done.swept = inner.sweep(now.saturating_sub(hot))?;
            upkeep.swept = now;
        }
        done.merged = inner.merge(&mut upkeep)?;
        Ok(done)
    }
}

impl Inner {
    fn sync(&self) -> Result<(), Error> {
        let files = self.log().take_unsynced()?;
        for file in files {
            // Not under the lock: a slow disk delays no commit.
            let synced = file.sync_data().on("sync the log in", &self.options.dir);
            if synced.is_err() {
                self.log().final_if_failed(synced)?;
            }
        }
        Ok(())
    }

    /// Up to before when samples go to a segment now; `None` if it does not pay yet.
    fn flush_due(&self, now: i64) -> Option<i64> {
        let hot = millis(self.options.hot_window);
        let head = self.head();
        let oldest = head.oldest()?;
        let cutoff = now.saturating_sub(hot);
        if head.samples > self.options.hot_samples_max {
            let half = oldest.saturating_add(head.newest.saturating_sub(oldest) / 2);
            // Not past the present, or samples of now would be too old; nor for nothing.
            let early = cutoff.max(half.saturating_add(1).min(now));
            return (oldest < early).then_some(early);
        }
        (oldest < cutoff.saturating_sub(hot)).then_some(cutoff)
    }

    /// Moves all samples before `cutoff` into a segment; returns how many.
    fn flush(&self, upkeep: &mut Upkeep, cutoff: i64) -> Result<usize, Error> {
        {
            let mut log = self.log();
            self.floor.fetch_max(cutoff, Relaxed);
            log.rotate()?;
        }
        let path = segment_path(&self.options.dir, upkeep.next_segment);
        upkeep.next_segment += 1;
        let Some(segment) = self.write_segment(&path, cutoff)? else { return Ok(0) };
        let flushed = segment.samples() as usize;
        let slots_len = {
            let mut head = self.head_mut();
            head.segments.push(Arc::new(segment));
            head.visible_from = cutoff;
            head.slots_len()
        };
        for start in (0..slots_len).step_by(STRIDE) {
            self.head_mut().drain(start, start + STRIDE, cutoff);
        }
        self.head_mut().trim();
        self.log().drop_before(cutoff)?;
        Ok(flushed)
    }

    fn write_segment(&self, path: &Path, cutoff: i64) -> Result<Option<Segment>, Error> {
        let mut series = self.head().series_before(cutoff);
        series.sort_unstable_by(|(a, _), (b, _)| compare(a, b));
        let mut writer = Writer::create(path)?;
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for series in series.chunks(COPY) {
            let copied: Vec<_> = {
                let head = self.head();
                let samples = |slot: &u32| head.samples_of(*slot, i64::MIN, cutoff - 1);
                series.iter().map(|(labels, slot)| (labels, samples(slot))).collect()
            };
            for (labels, samples) in copied.into_iter().filter(|(_, samples)| !samples.is_empty()) {
                times.clear();
                values.clear();
                times.extend(samples.iter().map(|sample| sample.t.as_millis()));
                values.extend(samples.iter().map(|sample| sample.v));
                writer.add(labels, &times, &values)?;
            }
        }
        if writer.is_empty() {
            return Ok(None);
        }
        Segment::open(&writer.finish(cutoff, 0)?).map(Some)
    }

    /// Deletes segments past the retention, then the oldest ones while the store is too large.
    fn expire(&self, now: i64) -> Result<usize, Error> {
        let keep_from = now.saturating_sub(millis(self.options.retention));
        let wal_bytes = self.log().bytes();
        let gone: Vec<Arc<Segment>> = {
            let mut head = self.head_mut();
            let mut bytes = wal_bytes + head.segments.iter().map(|segment| segment.bytes()).sum::<u64>();
            let bytes_max = self.options.bytes_max.unwrap_or(u64::MAX);
            let mut count = 0;
            for segment in &head.segments {
                if segment.to() > keep_from && bytes <= bytes_max {
                    break;
                }
                bytes -= segment.bytes();
                count += 1;
            }
            head.segments.drain(..count).collect()
        };
        self.delete(&gone)?;
        Ok(gone.len())
    }

    /// Drops series that have been silent since before `cutoff` and whose samples lie in segments.
    fn sweep(&self, cutoff: i64) -> Result<usize, Error> {
        let mut log = self.log();
        let swept = self.head_mut().sweep(&self.slots, cutoff);
        let head = self.head();
        if log.definitions.mostly_dead(head.len()) {
            let live: Vec<(SeriesId, _)> = head
                .slots()
                .filter(|slot| head.unlogged(*slot).is_none())
                .filter_map(|slot| Some((self.slots.id(slot)?, head.labels(slot)?.clone())))
                .collect();
            let generation = head.generation();
            drop(head);
            let rewritten = log.definitions.rewrite(generation, &live);
            log.final_if_failed(rewritten)?;
        }
        Ok(swept)
    }

    /// Merges one run of neighbours, if one is due; returns how many segments became one.
    fn merge(&self, upkeep: &mut Upkeep) -> Result<usize, Error> {
        let segments = self.head().segments.clone();
        let shape = |s: &Arc<Segment>| Shape { level: s.level(), from: s.from(), to: s.to() };
        let shapes: Vec<Shape> = segments.iter().map(shape).collect();
        let span_max = (self.options.retention / SPANS_PER_RETENTION).max(SPAN_MIN);
        let Some(run) = merge::choose(&shapes, millis(span_max)) else { return Ok(0) };
        let sources: Vec<&Segment> = segments[run.clone()].iter().map(|segment| &**segment).collect();
        let path = segment_path(&self.options.dir, upkeep.next_segment);
        upkeep.next_segment += 1;
        let merged = Arc::new(Segment::open(&merge::merge(&sources, &path)?)?);
        self.replace(run.clone(), merged);
        self.delete(&segments[run.clone()])?;
        Ok(run.len())
    }

    /// The list has not changed since `run` was chosen: only maintenance changes it, and this is it.
    fn replace(&self, run: Range<usize>, merged: Arc<Segment>) {
        self.head_mut().segments.splice(run, [merged]);
    }

    /// Removes files of segments that are no longer in the list; queries that still read them keep their maps.
    fn delete(&self, segments: &[Arc<Segment>]) -> Result<(), Error> {
        for segment in segments {
            fs::remove_file(segment.path()).on("remove", segment.path())?;
        }
        if segments.is_empty() { Ok(()) } else { sync_dir(&segment_dir(&self.options.dir)) }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
