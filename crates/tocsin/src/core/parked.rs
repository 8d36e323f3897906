//! Workers that wait for work: a long poll is handed its runs in the turn in which they become available.

use super::{Core, batch::Batch};
use model::Timestamp;
use tasks::{Directive, WorkReply, WorkRequest};
use tokio::sync::oneshot;

/// Long polls at once; one more is answered at once, empty.
const PARKED_MAX: usize = 10_000;

/// A worker's round trip that has nothing to say yet.
pub struct Parked {
    /// What it wants; what it brought is already taken.
    request: WorkRequest,
    /// What became of that.
    so_far: WorkReply,
    reply: oneshot::Sender<WorkReply>,
    /// When it is answered in any case.
    pub until: Timestamp,
}

impl Core {
    /// Takes what a worker brings and answers with work, or parks it until there is some.
    pub(super) fn work(
        &mut self,
        mut request: WorkRequest,
        reply: oneshot::Sender<WorkReply>,
        batch: &mut Batch,
        now: Timestamp,
    ) {
        if reply.is_closed() {
            // What it brings counts; what it would be handed nobody would take.
            request.want = 0;
        }
        let (so_far, happened) = self.queue.work(&request, now, &mut batch.changes.tasks);
        self.happened(happened, batch, now);
        let idle = so_far.runs.is_empty() && so_far.cancel.is_empty() && so_far.directive == Directive::None;
        if !idle || request.wait.is_zero() || request.want == 0 || self.parked.len() >= PARKED_MAX {
            return answer(batch, reply, so_far);
        }
        request.complete.clear();
        request.extend.clear();
        let until = now.plus(request.wait);
        self.parked.push(Parked { request, so_far, reply, until });
    }

    /// Hands work to those who wait, oldest first, and lets go of those who waited long enough.
    pub(super) fn serve_parked(&mut self, batch: &mut Batch, now: Timestamp) {
        let mut still = Vec::with_capacity(self.parked.len());
        for mut parked in std::mem::take(&mut self.parked) {
            // A claim for a client that hung up would only wait for its lease to run out.
            if parked.reply.is_closed() {
                continue;
            }
            let due = self.queue.is_draining()
                || self.queue.has_work_for(&parked.request.worker)
                || self.queue.has_cancels_for(&parked.request.worker.id)
                || self.queue.has_directive_for(&parked.request.worker.id);
            if !due && parked.until > now {
                still.push(parked);
                continue;
            }
            let (found, happened) = self.queue.work(&parked.request, now, &mut batch.changes.tasks);
            self.happened(happened, batch, now);
            let something =
                !found.runs.is_empty() || !found.cancel.is_empty() || found.directive != Directive::None;
            if something || parked.until <= now {
                parked.so_far.runs = found.runs;
                parked.so_far.cancel = found.cancel;
                parked.so_far.directive = found.directive;
                answer(batch, parked.reply, parked.so_far);
            } else {
                still.push(parked);
            }
        }
        self.parked = still;
    }
}

fn answer(batch: &mut Batch, reply: oneshot::Sender<WorkReply>, with: WorkReply) {
    batch.after(move || {
        // A worker that hung up in between loses its claim by its lease.
        let _ = reply.send(with);
    });
}
