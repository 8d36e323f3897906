//! The writer thread: commits batches in order and lets out what they release.
//!
//! Group commit without a timer: whatever is queued when a commit begins goes into it. A failed commit is final:
//! nothing of it is let out and the process stops, to start again from what is on disk.

use super::batch::Batch;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{Receiver, SyncSender, sync_channel},
};
use store::{CutOffs, Journal};

/// Batches that may wait for a commit; the core waits when there are as many.
const QUEUE_MAX: usize = 64;

/// Rows of one kind that are removed at once, so that no commit waits long.
const PRUNE_MAX: usize = 2_000;

/// What the writer counts.
#[derive(Debug, Default)]
pub struct Counts {
    /// Transactions written.
    pub commits: AtomicU64,
    /// Batches they held.
    pub batches: AtomicU64,
}

/// Starts the thread. It ends when the sender is dropped, everything written.
pub fn start(
    mut journal: Box<dyn Journal>,
    counts: Arc<Counts>,
    failed: impl Fn(&store::Error) + Send + 'static,
) -> std::io::Result<(SyncSender<Batch>, std::thread::JoinHandle<()>)> {
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    let thread = std::thread::Builder::new().name("journal".into()).spawn(move || {
        // There was more to remove than one go takes: the next batch goes on.
        let mut behind = None;
        while let Some(batch) = next(&receiver, &counts) {
            let let_out = || batch.releases.into_iter().for_each(|release| release());
            match store::commit_then(journal.as_mut(), &batch.changes, let_out) {
                Ok(written) => counts.commits.fetch_add(u64::from(written), Ordering::Relaxed),
                Err(why) => return failed(&why),
            };
            let Some(cuts) = batch.prune.or(behind) else { continue };
            match prune(journal.as_mut(), &cuts) {
                Ok(runs) => behind = (runs == PRUNE_MAX).then_some(cuts),
                Err(why) => return failed(&why),
            }
        }
    })?;
    Ok((sender, thread))
}

/// Removes a bounded part of what is older; says how many runs went.
fn prune(journal: &mut dyn Journal, cuts: &CutOffs) -> Result<usize, store::Error> {
    let runs = journal.prune(cuts, PRUNE_MAX)?;
    if runs > 0 {
        tracing::info!(
            event = "history_pruned",
            runs,
            "Removed {runs} runs: tasks that ended before {}, others before {}",
            cuts.tasks.rfc3339(),
            cuts.runs.rfc3339()
        );
    }
    Ok(runs)
}

fn next(receiver: &Receiver<Batch>, counts: &Counts) -> Option<Batch> {
    // Where cores are short, those who were just answered come first: what they ask next shares this commit.
    std::thread::yield_now();
    let mut batch = receiver.recv().ok()?;
    counts.batches.fetch_add(1, Ordering::Relaxed);
    while let Ok(later) = receiver.try_recv() {
        counts.batches.fetch_add(1, Ordering::Relaxed);
        batch.join(later);
    }
    Some(batch)
}
