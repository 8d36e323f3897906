//! Who asks for work.

use super::Queue;
use crate::{AttemptToken, Change, Event, WorkerCard, WorkerRow};
use model::Timestamp;
use std::{sync::Arc, time::Duration};

/// How often a worker that goes on is written down.
const WRITE_EVERY: Duration = Duration::from_secs(30);
/// The most labels and kinds of one worker that are kept, and the longest of their texts.
const WORDS_MAX: usize = 200;
const WORD_BYTES_MAX: usize = 200;

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) row: WorkerRow,
    pub(super) slots_free: u32,
    written: Timestamp,
    /// Attempts it should stop; told once.
    cancel: Vec<AttemptToken>,
}

impl Worker {
    pub(super) fn restored(row: WorkerRow) -> Worker {
        Worker { slots_free: 0, written: row.last_seen, cancel: Vec::new(), row }
    }
}

impl Queue {
    /// Notes that a worker is there. One that has started anew loses what it held before. False if it cannot be
    /// served: its card is out of bounds, or there are too many workers.
    pub(super) fn meet(
        &mut self,
        card: &WorkerCard,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) -> bool {
        if !in_bounds(card) {
            return false;
        }
        let full = self.workers.len() >= self.settings.workers_max;
        match self.workers.get_mut(card.id.as_str()) {
            None if full => return false,
            None => {
                let row = WorkerRow {
                    id: Arc::from(card.id.as_str()),
                    boot_nonce: card.boot_nonce.clone(),
                    labels: card.labels.clone(),
                    kinds: card.kinds.clone(),
                    last_seen: now,
                    processed: 0,
                    created_at: now,
                };
                out.push(Change::WorkerSeen(row.clone()));
                let worker = Worker { row, slots_free: card.slots_free, written: now, cancel: Vec::new() };
                self.workers.insert(worker.row.id.clone(), worker);
            }
            Some(worker) => {
                let anew = worker.row.boot_nonce != card.boot_nonce;
                let changed = anew || worker.row.labels != card.labels || worker.row.kinds != card.kinds;
                if changed {
                    worker.row.boot_nonce.clone_from(&card.boot_nonce);
                    worker.row.labels.clone_from(&card.labels);
                    worker.row.kinds.clone_from(&card.kinds);
                }
                (worker.row.last_seen, worker.slots_free) = (now, card.slots_free);
                if changed || now.since(worker.written) >= WRITE_EVERY {
                    worker.written = now;
                    out.push(Change::WorkerSeen(worker.row.clone()));
                }
                if anew {
                    worker.cancel.clear();
                    self.free_all(&card.id, now, out, events);
                }
            }
        }
        true
    }

    /// Takes everything from a worker.
    fn free_all(&mut self, worker: &str, now: Timestamp, out: &mut Vec<Change>, events: &mut Vec<Event>) {
        let held: Vec<_> = self.index.held(worker).into_iter().flatten().copied().collect();
        for id in held {
            self.rescue(id, now, out, events);
        }
    }

    /// Tells a worker, with its next reply, to stop an attempt.
    pub(super) fn tell_cancel(&mut self, worker: &str, token: AttemptToken) {
        if let Some(worker) = self.workers.get_mut(worker) {
            worker.cancel.push(token);
        }
    }

    pub(super) fn take_cancels(&mut self, worker: &str) -> Vec<AttemptToken> {
        self.workers.get_mut(worker).map(|worker| std::mem::take(&mut worker.cancel)).unwrap_or_default()
    }

    /// Whether a reply to this worker would carry a cancellation: for waking parked requests.
    pub fn has_cancels_for(&self, worker: &str) -> bool {
        self.workers.get(worker).is_some_and(|worker| !worker.cancel.is_empty())
    }

    /// Forgets workers that have been silent for long and hold nothing.
    pub(super) fn forget_workers(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        let (index, silence) = (&self.index, self.settings.worker_silence);
        let gone = |worker: &Worker| {
            now.since(worker.row.last_seen) > silence && index.held(&worker.row.id).is_none()
        };
        self.workers.retain(|id, worker| {
            let gone = gone(worker);
            if gone {
                out.push(Change::WorkerGone(id.clone()));
            }
            !gone
        });
    }
}

fn in_bounds(card: &WorkerCard) -> bool {
    let short = |text: &String| text.len() <= WORD_BYTES_MAX;
    !card.id.is_empty()
        && short(&card.id)
        && short(&card.boot_nonce)
        && card.labels.len() <= WORDS_MAX
        && card.kinds.len() <= WORDS_MAX
        && card.labels.iter().all(|(name, value)| short(name) && short(value))
        && card.kinds.iter().all(short)
}
