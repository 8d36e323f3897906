//! Queues that are bounded, or paused.

use super::Checker;
use crate::guard;
use tasks::{RecordKind, Run, Task};

impl Checker {
    /// A bounded queue hands out no more than it may, and nothing while it is paused.
    pub(super) fn in_bounds(&self, run: &Run, task: &Task) {
        if is_narrow(task) {
            must!(!self.narrow_is_paused(), "{} begins, its queue is paused", run.id);
            must!(
                self.narrow <= self.narrow_max(),
                "{} begins as the {}th of its queue",
                run.id,
                self.narrow
            );
        }
    }

    fn narrow_row(&self) -> Option<&serde_json::Value> {
        self.tables.records.get(&(RecordKind::Queue, format!("queue/{}", guard::NARROW)))
    }

    pub(super) fn narrow_is_paused(&self) -> bool {
        self.narrow_row().is_some_and(|row| row["paused_by"].is_string())
    }

    pub(super) fn narrow_max(&self) -> u32 {
        self.narrow_row().and_then(|row| row["running_max"].as_u64()).map_or(u32::MAX, |max| max as u32)
    }
}

pub(super) fn is_narrow(task: &Task) -> bool {
    task.options.as_ref().is_some_and(|options| options.queue.as_deref() == Some(guard::NARROW))
}
