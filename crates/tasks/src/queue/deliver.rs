//! Runs that carry an event to somebody who subscribed to it: ours like a runbook's step, so that no worker
//! elsewhere sees them and no user can ask for one, and bounded by whoever submits them.

use super::Queue;
use crate::{Change, RunId, RunState};
use model::{Class, TaskSpec, Timestamp};

impl Queue {
    /// Takes a delivery; it may be claimed at once. Never refused: what was decided to be told is bounded by
    /// [`crate::events::Bus`].
    pub fn submit_delivery(&mut self, spec: TaskSpec, now: Timestamp, out: &mut Vec<Change>) -> RunId {
        let spec = TaskSpec { class: Class::Runbook, ..spec };
        self.put_internal(spec, None, RunState::Available, now, now, out)
    }
}
