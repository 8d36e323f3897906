//! What happened in a world, line by line, for those who look into a failure.

use super::{World, is_empty};
use crate::checker::{Decision, What};
use store::Changes;

/// Lines of history that are kept.
const HISTORY_MAX: usize = 20_000;

thread_local! {
    /// The history of the world that this thread runs: it outlives a panic.
    static HISTORY: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Takes the history of the last world of this thread.
pub fn take_history() -> Vec<String> {
    HISTORY.take()
}

impl World {
    pub(super) fn told(&mut self, line: String) {
        let at = self.now.as_millis() - 1_800_000_000_000;
        let line = format!("{:>9.3} {line}", at as f64 / 1000.0);
        HISTORY.with_borrow_mut(|history| {
            if history.len() == HISTORY_MAX {
                history.drain(..HISTORY_MAX / 2);
            }
            history.push(line);
        });
    }

    pub(super) fn tell_decision(&mut self, decision: &Decision, changes: &Changes) {
        match &decision.what {
            What::Tick(_) if decision.changes.is_empty() => return,
            What::Work { request, reply, .. } if is_empty(request) && reply.runs.is_empty() => {}
            What::Tick(_) => tell!(self, "  durable: a tick at {:?}", decision.now),
            What::Work { request, reply, .. } => {
                let said: Vec<_> = request.complete.iter().map(|one| (one.token, &one.outcome)).collect();
                let given: Vec<_> = reply.runs.iter().map(|one| (&one.run_id, one.token)).collect();
                let beats = request.extend.len();
                let (id, nonce) = (&request.worker.id, &request.worker.boot_nonce);
                let results = &reply.results;
                tell!(
                    self,
                    "  durable: {id}/{nonce} said {said:?} beat {beats}, heard {results:?}, got {given:?}"
                );
            }
            What::Submit { new, result, .. } => tell!(self, "  durable: {new:?} -> {result:?}"),
            what => tell!(self, "  durable: {what:?}"),
        }
        for change in &changes.tasks[decision.changes.clone()] {
            tell!(self, "    {change:?}");
        }
    }
}
