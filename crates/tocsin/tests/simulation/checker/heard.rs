//! What somebody hears is durable at that moment.

use super::Checker;
use super::attempts::Fate;
use crate::guard;
use tasks::{Completion, Run, Submitted, TaskId, TokenResult, WorkReply};

impl Checker {
    /// A client was told that its task is accepted.
    pub fn acknowledged(&self, taken: &Submitted) {
        must!(self.tables.tasks.contains_key(&taken.task_id), "acknowledged and absent: {}", taken.task_id);
    }

    /// An operator was told that a task is cancelled.
    pub fn cancel_heard(&self, id: TaskId) {
        let live = |run: &&Run| run.task_id == id && !run.at.state.is_final();
        let live = self.tables.runs.values().find(live);
        must!(live.is_none(), "{id} was said to be cancelled and is {live:?}");
        let fires = self.tables.tasks.get(&id).is_some_and(|task| task.next_fire.is_some());
        let listens = self.tables.tasks.get(&id).is_some_and(|task| guard::listens(task));
        must!(!listens, "{id} was said to be cancelled and waits for events");
        must!(!fires, "{id} was said to be cancelled and will fire");
    }

    /// A worker heard a reply.
    pub fn reply_heard(&self, request: &[Completion], reply: &WorkReply) {
        for claim in &reply.runs {
            let known = self.attempts.contains_key(&claim.token);
            must!(known, "a claim of {} was let out and is not durable", claim.run_id);
        }
        for (completion, (_, result)) in request.iter().zip(&reply.results) {
            let fate = self.attempts.get(&completion.token).map(|attempt| &attempt.fate);
            let durable = matches!(fate, Some(Fate::Ended(outcome, _)) if *outcome == completion.outcome);
            let wrong = *result == TokenResult::Accepted && !durable;
            must!(!wrong, "a completion was said to be accepted and is not durable: {fate:?}");
        }
    }
}
