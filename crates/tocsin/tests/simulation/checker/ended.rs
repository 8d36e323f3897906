//! With everything committed nobody waits in vain; and in the end everything has ended and adds up.

use super::attempts::can_do;
use super::bounds::is_narrow;
use super::{Checker, is_open};
use model::Class;
use tasks::{Run, RunState, Status, Task, WorkRequest};

impl Checker {
    /// With everything committed, nobody waits for work beside work that he could do.
    pub fn nobody_waits_in_vain<'a>(&self, mut parked: impl Iterator<Item = &'a WorkRequest>) {
        if self.open == 0 {
            return;
        }
        let mut open: Vec<(&Run, &Task)> = Vec::new();
        for run in self.tables.runs.values().filter(|run| is_open(run.class, run.at.state)) {
            let task = &self.tables.tasks[&run.task_id];
            let free = task.concurrency_key.as_deref().is_none_or(|key| !self.keys.contains_key(key));
            let rated = task.options.as_ref().is_some_and(|options| options.rate_key.is_some());
            let closed = is_narrow(task) && (self.narrow_is_paused() || self.narrow >= self.narrow_max());
            if free && !rated && !closed && task.status == Status::Active {
                open.push((run, task));
            }
        }
        let in_vain = parked.find_map(|request| {
            let card = &request.worker;
            let wants = request.want > 0 && card.slots_free > 0;
            if !wants || card.draining || card.id == tasks::BUILTIN_WORKER {
                return None;
            }
            open.iter().find(|(run, task)| can_do(card, task, run)).map(|(run, _)| (request, run.id))
        });
        if let Some((request, run)) = in_vain {
            panic!("{} waits for work though {run} could be claimed: {request:?}", request.worker.id);
        }
    }

    /// Everything has ended, and all of it adds up.
    pub fn ended(&self) {
        let live: Vec<_> = self.tables.runs.values().filter(|run| !run.at.state.is_final()).collect();
        must!(live.is_empty(), "never ended: {live:?}");
        must!(self.narrow == 0, "{} runs of the bounded queue are leaked", self.narrow);
        must!(self.keys.is_empty(), "concurrency keys are leaked: {:?}", self.keys);
        must!(self.live.is_empty(), "leases are leaked: {:?}", self.live);
        let users = || self.tables.runs.values().filter(|run| run.class == Class::User);
        let count = |state| users().filter(|run| run.at.state == state).count() as u64;
        let totals = self.tables.totals;
        let found = (totals.completed, totals.dead, totals.cancelled);
        let wanted = (count(RunState::Completed), count(RunState::Dead), count(RunState::Cancelled));
        must!(found == wanted, "counted {found:?} completed, dead, cancelled; there are {wanted:?}");
    }
}
