//! The store as its users hold it, and how it comes up.

use crate::append::{Batch, Scratch};
use crate::error::{Error, On};
use crate::head::Head;
use crate::head::lanes::NO_LANE;
use crate::head::slots::{Slots, slot_of};
use crate::log::definitions::Definitions;
use crate::log::replay::replay;
use crate::log::{Log, create_file, sync_dir};
use crate::options::Options;
use crate::segment::Segment;
use crate::stats::{Census, Counters, Stats};
use model::{Appender, Ingest, Labels, SeriesId, Timestamp};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An open store. Cloning it gives another handle on the same store.
#[derive(Clone)]
pub struct Db(pub(crate) Arc<Inner>);

/// What all handles share. The locks are taken in the order of the fields.
pub(crate) struct Inner {
    pub(crate) options: Options,
    /// One maintenance at a time; holds what the next one must know.
    pub(crate) upkeep: Mutex<Upkeep>,
    /// Whoever holds it commits: checks, writes, shows.
    pub(crate) log: Mutex<Log>,
    pub(crate) head: RwLock<Head>,
    pub(crate) slots: Slots,
    /// Nothing before this is taken any more: segments hold that time. Moves under the log's lock.
    pub(crate) floor: AtomicI64,
    pub(crate) counters: Counters,
    /// Buffers of batches that ended, for the next ones.
    pub(crate) scratch: Mutex<Vec<Scratch>>,
    /// Locked while the store is open.
    _lock: File,
}

/// The state of maintenance.
pub(crate) struct Upkeep {
    /// The number of the next segment's file.
    pub(crate) next_segment: u64,
    /// When series without samples were last looked for.
    pub(crate) swept: i64,
}

impl Db {
    /// Opens the store, creating it if there is none, and reads the log back as far as it is whole.
    pub fn open(options: Options) -> Result<Db, Error> {
        create_dir(&options.dir)?;
        let (wal_dir, segment_dir) = (wal_dir(&options.dir), segment_dir(&options.dir));
        create_dir(&wal_dir)?;
        create_dir(&segment_dir)?;
        let lock = lock(&options.dir)?;
        let now = options.now.now().as_millis();

        let counters = Counters::default();
        let found = open_segments(&segment_dir, &counters)?;
        let floor = found.segments.iter().map(|segment| segment.to()).max().unwrap_or(i64::MIN);
        let mut head = Head::new();
        (head.visible_from, head.segments) = (floor, found.segments);

        let (definitions, defined) = Definitions::open(&options.dir.join("series.log"))?;
        head.raise_generation(defined.generation);
        let slots = restore_series(&mut head, defined.series, options.series_max, now);
        let replayed = replay(&wal_dir, |items| {
            let mut hint = NO_LANE;
            for item in items.iter().filter(|item| item.t >= floor) {
                let id = SeriesId(item.id);
                if slots.last(id).is_some_and(|(last, _)| last < item.t) {
                    head.push(slot_of(id), item.t, item.v, &mut hint);
                    slots.set_last(slot_of(id), item.t, item.v);
                }
            }
        })?;
        let cut = defined.cut + replayed.cut;
        if cut > 0 {
            tracing::warn!(bytes = cut, dir = %options.dir.display(), "cut a torn end off the series log");
        }
        counters.wal_cut.store(cut, Ordering::Relaxed);
        let mut log = Log::start(&wal_dir, replayed.files, definitions)?;
        log.drop_before(floor)?;
        Ok(Db(Arc::new(Inner {
            options,
            upkeep: Mutex::new(Upkeep { next_segment: found.next, swept: now }),
            log: Mutex::new(log),
            head: RwLock::new(head),
            slots,
            floor: AtomicI64::new(floor),
            counters,
            scratch: Mutex::new(Vec::new()),
            _lock: lock,
        })))
    }

    /// Figures about the store.
    pub fn stats(&self) -> Stats {
        let wal_bytes = self.0.log().bytes();
        let head = self.0.head();
        let time = |ms: Option<i64>| ms.map(Timestamp::from_millis);
        let head_min = head.oldest();
        let segment_bytes: u64 = head.segments.iter().map(|segment| segment.bytes()).sum();
        Stats {
            series: head.len(),
            hot_samples: head.samples,
            appended: self.0.counters.appended.load(Ordering::Relaxed),
            refused: self.0.counters.refused(),
            head_min: time(head_min),
            head_max: time(head_min.map(|_| head.newest)),
            oldest: time(head.segments.iter().map(|segment| segment.from()).chain(head_min).min()),
            wal_bytes,
            wal_cut_bytes: self.0.counters.wal_cut.load(Ordering::Relaxed),
            segments: head.segments.len(),
            segment_samples: head.segments.iter().map(|segment| segment.samples()).sum(),
            segments_damaged: self.0.counters.damaged.load(Ordering::Relaxed),
            disk_bytes: wal_bytes + segment_bytes,
        }
    }

    /// What the series of the head consist of, each list at most `most` long. Walks the whole index.
    pub fn census(&self, most: usize) -> Census {
        self.0.head().postings.census(most)
    }

    /// All series of the head with their ids: what a reader of [`model::Committed::created`] must know of the
    /// time before it began to read.
    pub fn live(&self) -> Vec<(SeriesId, Labels)> {
        let head = self.0.head();
        let live = |slot| Some((self.0.slots.id(slot)?, head.labels(slot)?.clone()));
        head.slots().filter_map(live).collect()
    }
}

impl Ingest for Db {
    fn appender(&self) -> Box<dyn Appender + '_> {
        Box::new(Batch::new(&self.0))
    }
}

impl Inner {
    // A panic while a lock is held would be a bug of this crate; the data behind it is still the best there is.

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn head(&self) -> RwLockReadGuard<'_, Head> {
        self.head.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn head_mut(&self) -> RwLockWriteGuard<'_, Head> {
        self.head.write().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn segment_dir(dir: &Path) -> PathBuf {
    dir.join("segments")
}

fn wal_dir(dir: &Path) -> PathBuf {
    dir.join("wal")
}

pub(crate) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    segment_dir(dir).join(format!("{number:08}.seg"))
}

fn create_dir(path: &Path) -> Result<(), Error> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).on("create", path)
}

fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let file = create_file(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::Io { doing: "lock", path, source }),
    }
}

struct Found {
    segments: Vec<Arc<Segment>>,
    next: u64,
}

/// Opens all segments, by time. Unfinished files are removed, and so is what a merge replaced but did not live to
/// remove. A damaged one is renamed and counted: the rest of the store goes on without it.
fn open_segments(dir: &Path, counters: &Counters) -> Result<Found, Error> {
    let mut found = Found { segments: Vec::new(), next: 1 };
    for entry in fs::read_dir(dir).on("list", dir)? {
        let path = entry.on("list", dir)?.path();
        let number = path.file_stem().and_then(OsStr::to_str).and_then(|stem| stem.parse::<u64>().ok());
        found.next = found.next.max(number.map_or(0, |number| number + 1));
        match path.extension().and_then(OsStr::to_str) {
            Some("tmp") => fs::remove_file(&path).on("remove", &path)?,
            Some("seg") => match Segment::open(&path) {
                Ok(segment) => found.segments.push(Arc::new(segment)),
                Err(error @ Error::Damaged { .. }) => {
                    counters.damaged.fetch_add(1, Ordering::Relaxed);
                    let aside = path.with_extension("damaged");
                    tracing::error!(%error, aside = %aside.display(), "set a damaged segment aside");
                    fs::rename(&path, &aside).on("set aside", &path)?;
                }
                Err(error) => return Err(error),
            },
            _ => {}
        }
    }
    let all = found.segments.clone();
    let (replaced, kept): (Vec<_>, Vec<_>) =
        found.segments.into_iter().partition(|segment| all.iter().any(|other| segment.is_within(other)));
    for segment in replaced {
        fs::remove_file(segment.path()).on("remove", segment.path())?;
    }
    found.segments = kept;
    found.segments.sort_by_key(|segment| segment.from());
    sync_dir(dir)?;
    Ok(found)
}

fn restore_series(head: &mut Head, series: Vec<(SeriesId, Labels)>, series_max: usize, now: i64) -> Slots {
    let ids: Vec<SeriesId> = series.iter().map(|(id, _)| *id).collect();
    let capacity = ids.iter().map(|id| slot_of(*id) as usize + 1).max().unwrap_or(0).max(series_max);
    let slots = Slots::new(capacity);
    head.reserve(series.len());
    for (id, labels) in series {
        head.restore(id, labels, now);
    }
    head.restored(&slots, ids.into_iter());
    slots
}
