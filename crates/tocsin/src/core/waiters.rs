//! Clients that wait for the end of a task.

use super::Batch;
use std::collections::HashMap;
use tasks::TaskId;
use tokio::sync::oneshot;

/// The most that wait at once; one more is answered at once.
const WAITERS_MAX: usize = 10_000;

/// Who waits for which task.
#[derive(Debug, Default)]
pub struct Waiters {
    of: HashMap<TaskId, Vec<oneshot::Sender<()>>>,
    count: usize,
    /// The process ends: nobody waits any more.
    closed: bool,
}

impl Waiters {
    /// Tells `tell` when the task has ended; drops it, which is an answer too, if too many wait, or after
    /// [`Waiters::close`].
    pub fn add(&mut self, task: TaskId, tell: oneshot::Sender<()>) {
        if self.count >= WAITERS_MAX {
            self.sweep();
        }
        if self.count < WAITERS_MAX && !self.closed {
            self.of.entry(task).or_default().push(tell);
            self.count += 1;
        }
    }

    /// A task has ended; who waits is told after the commit that says so.
    pub fn ended(&mut self, task: TaskId, batch: &mut Batch) {
        if self.count == 0 {
            return;
        }
        let Some(waiting) = self.of.remove(&task) else { return };
        self.count -= waiting.len();
        batch.after(move || {
            for tell in waiting {
                let _ = tell.send(());
            }
        });
    }

    /// Nobody waits any longer.
    pub fn close(&mut self) {
        *self = Waiters { closed: true, ..Waiters::default() };
    }

    /// Forgets those who hung up.
    fn sweep(&mut self) {
        self.of.retain(|_, waiting| {
            waiting.retain(|tell| !tell.is_closed());
            !waiting.is_empty()
        });
        self.count = self.of.values().map(Vec::len).sum();
    }
}
