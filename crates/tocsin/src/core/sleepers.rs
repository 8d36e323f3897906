//! Runs that wait on disk: their rows are read for the queue right before it needs them, and it is told what is
//! stored, so that it may let others sleep.
//!
//! The one thing that the core reads. Rows lie where the writer put them last or in the order they will be taken, so
//! nearly every read is served from memory; a read that fails leaves its runs asleep and is tried again.

use super::{Core, batch::Batch};
use model::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tasks::{RunId, TaskId, WorkRequest};

/// Runs woken in one turn because their time has come; the others follow in the next.
const DUE_MAX: usize = 512;

/// What the core knows of the store.
pub struct Disk {
    reader: Arc<store::Reader>,
    /// Up to where everything is stored, as [`tasks::Queue::mark`] counts; the writer moves it.
    stored: Arc<AtomicU64>,
    /// The last mark that the writer was given.
    marked: u64,
}

impl Disk {
    /// Reads through `reader`.
    pub fn new(reader: Arc<store::Reader>) -> Disk {
        Disk { reader, stored: Arc::default(), marked: 0 }
    }
}

impl Core {
    /// Wakes the runs that this worker would be handed.
    pub(super) fn wake_for(&mut self, request: &WorkRequest) {
        let wanted = self.queue.wanted(&request.worker, request.want);
        self.wake(&wanted);
    }

    /// Wakes the runs whose time has come.
    pub(super) fn wake_due(&mut self, now: Timestamp) {
        let due = self.queue.due_asleep(now, DUE_MAX);
        self.wake(&due);
    }

    /// Wakes a task's run, should it sleep: to be called before anything is done to a task that is named.
    pub fn rouse(&mut self, task: TaskId) {
        if self.queue.is_awake(task) {
            return;
        }
        match self.disk.reader.waiting(&[RunId::from_bits(task.bits())]) {
            Ok(rows) => rows.into_iter().for_each(|(task, run)| self.queue.rouse(task, run)),
            Err(why) => tell(&why),
        }
    }

    fn wake(&mut self, ids: &[RunId]) {
        if ids.is_empty() {
            return;
        }
        match self.disk.reader.waiting(ids) {
            Ok(rows) => {
                let all = rows.len() == ids.len();
                self.queue.wake(rows);
                if !all {
                    let lost = self.queue.lost(ids);
                    tracing::error!(
                        event = "runs_lost",
                        lost,
                        "{lost} waiting runs have no row in the store"
                    );
                }
            }
            Err(why) => tell(&why),
        }
    }

    /// Lets sleep what is stored by now, if memory needs it.
    pub(super) fn note_stored(&mut self) {
        self.queue.stored(self.disk.stored.load(Ordering::Acquire));
    }

    /// Everything up to here is stored with this batch.
    pub(super) fn mark_stored(&mut self, batch: &mut Batch) {
        let mark = self.queue.mark();
        if mark != self.disk.marked {
            self.disk.marked = mark;
            let stored = self.disk.stored.clone();
            batch.after(move || stored.store(mark, Ordering::Release));
        }
    }
}

fn tell(why: &store::Error) {
    let mut chain = why.to_string();
    let mut cause = std::error::Error::source(why);
    while let Some(one) = cause {
        chain = format!("{chain}: {one}");
        cause = one.source();
    }
    tracing::error!(event = "runs_unread", "Waiting runs cannot be read: {chain}");
}
