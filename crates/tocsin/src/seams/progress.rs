//! How far runs are: their holders say so with heartbeats, which are not written down, so the queue is asked.

use crate::core::Handle;
use tasks::{Run, RunId, RunState};

/// Adds to running ones what was said of them last.
pub(super) async fn ask_progress<'a>(core: &Handle, runs: impl IntoIterator<Item = &'a mut Run>) {
    let running = runs.into_iter().filter(|run| run.at.state == RunState::Running);
    let mut running: Vec<&mut Run> = running.collect();
    let ids: Vec<RunId> = running.iter().map(|run| run.id).collect();
    if ids.is_empty() {
        return;
    }
    let said =
        core.call(move |core, _, _| ids.into_iter().map(|id| core.queue.progress_of(id)).collect::<Vec<_>>());
    for (run, said) in running.iter_mut().zip(said.await.unwrap_or_default()) {
        run.at.progress = said.or(run.at.progress);
    }
}
