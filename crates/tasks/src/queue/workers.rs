//! Who asks for work. A worker is known by its id, one start of it by its nonce: what a start says after the next one
//! was heard of is from a dead incarnation, and changes nothing.

use super::{Live, Queue};
use crate::size::outcome_digest;
use crate::{
    AttemptToken, Change, Directive, Event, Record, RecordKind, RunId, TokenResult, WorkReply, WorkRequest,
    WorkerCard, WorkerRow,
};
use model::Timestamp;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// How often a worker that goes on is written down.
const WRITE_EVERY: Duration = Duration::from_secs(30);
/// The most labels and kinds of one worker that are kept, and the longest of their texts.
const WORDS_MAX: usize = 200;
const WORD_BYTES_MAX: usize = 200;
/// The most former starts of one worker that are remembered. A message of one further back would be taken for a new
/// start: nothing is late by so many starts, unless they follow each other within the time that a message travels.
const FORMER_MAX: usize = 8;

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) row: WorkerRow,
    pub(super) slots_free: u32,
    /// Requests since we started.
    pub(super) heard: u64,
    written: Timestamp,
    /// Attempts it should stop; told once.
    cancel: Vec<AttemptToken>,
    /// What an operator told it; ends with its present start.
    directive: Directive,
    /// Whether that was in a reply already.
    told: bool,
}

impl Worker {
    pub(super) fn restored(row: WorkerRow) -> Worker {
        let written = row.last_seen;
        let (cancel, directive) = (Vec::new(), Directive::None);
        Worker { slots_free: 0, heard: 0, written, cancel, directive, told: true, row }
    }

    pub(super) fn directive(&self) -> Directive {
        self.directive
    }

    /// Another start speaks; what was to be told to the one before is told to nobody.
    fn start_anew(&mut self, boot_nonce: &str) {
        let former = std::mem::replace(&mut self.row.boot_nonce, boot_nonce.to_owned());
        self.row.former_nonces.push(former);
        let surplus = self.row.former_nonces.len().saturating_sub(FORMER_MAX);
        self.row.former_nonces.drain(..surplus);
        self.cancel.clear();
    }
}

/// Whom a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// The present start of a worker.
    Living,
    /// A start of it before the present one.
    Former,
    /// One that cannot be served: its card is out of bounds, or there are too many workers.
    Unserved,
}

impl Queue {
    /// Whether the worker that has a run has said anything since it got it, and lately. One that has not may be dead:
    /// what it had is lost with it, which costs no try.
    pub(super) fn hears(&self, live: &Live, now: Timestamp) -> bool {
        let at = &live.run.at;
        let worker = at.worker_id.as_ref().and_then(|id| self.workers.get(id));
        let seen = worker.map(|worker| worker.row.last_seen);
        seen.is_some_and(|seen| {
            Some(seen) > at.claimed_at && now.since(seen) <= live.lease(self.settings.lease)
        })
    }

    /// Notes that a worker is there. One that has started anew loses what it held before; of a former start
    /// nothing is noted.
    pub(super) fn meet(
        &mut self,
        card: &WorkerCard,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) -> Met {
        if !in_bounds(card) {
            return Met::Unserved;
        }
        let full = self.workers.len() >= self.settings.workers_max;
        match self.workers.get_mut(card.id.as_str()) {
            None if full => return Met::Unserved,
            None => {
                let row = WorkerRow {
                    id: Arc::from(card.id.as_str()),
                    boot_nonce: card.boot_nonce.clone(),
                    former_nonces: Vec::new(),
                    labels: card.labels.clone(),
                    kinds: card.kinds.clone(),
                    last_seen: now,
                    processed: 0,
                    created_at: now,
                };
                out.push(Change::WorkerSeen(row.clone()));
                let worker = Worker { slots_free: card.slots_free, heard: 1, ..Worker::restored(row) };
                self.workers.insert(worker.row.id.clone(), worker);
            }
            Some(worker) if worker.row.is_former(&card.boot_nonce) => return Met::Former,
            Some(worker) => {
                let anew = worker.row.boot_nonce != card.boot_nonce;
                let changed = anew || worker.row.labels != card.labels || worker.row.kinds != card.kinds;
                if anew {
                    worker.start_anew(&card.boot_nonce);
                }
                if changed {
                    worker.row.labels.clone_from(&card.labels);
                    worker.row.kinds.clone_from(&card.kinds);
                }
                (worker.row.last_seen, worker.slots_free) = (now, card.slots_free);
                worker.heard += 1;
                if changed || now.since(worker.written) >= WRITE_EVERY {
                    worker.written = now;
                    out.push(Change::WorkerSeen(worker.row.clone()));
                }
                if anew {
                    // Polls of its former start that are parked are answered.
                    self.poked.push(worker.row.id.clone());
                    if std::mem::take(&mut worker.directive) != Directive::None {
                        out.push(directive_row(&card.id, Directive::None));
                    }
                    self.free_all(&card.id, now, out, events);
                }
            }
        }
        Met::Living
    }

    /// Whether a request is of a start before the worker's present one.
    pub(super) fn is_former(&self, card: &WorkerCard) -> bool {
        self.workers.get(card.id.as_str()).is_some_and(|known| known.row.is_former(&card.boot_nonce))
    }

    /// What a former start is answered: it is to end. Its attempts went to others when the present one was first
    /// heard of, so what it says of them is stale, but for an outcome that was taken before that.
    pub(super) fn answer_former(&self, request: &WorkRequest) -> WorkReply {
        let late = |token: &AttemptToken, digest| match self.index.by_token(token) {
            Some(_) => TokenResult::Stale,
            None => self.said_before(token, digest),
        };
        let mut reply = WorkReply { directive: Directive::Terminate, ..WorkReply::default() };
        for one in &request.complete {
            let digest = outcome_digest(&request.worker.id, &one.outcome);
            reply.results.push((one.token, late(&one.token, Some(digest))));
        }
        reply.results.extend(request.extend.iter().map(|one| (one.token, late(&one.token, None))));
        reply
    }

    /// Tells a worker what to do from its next reply on, until it starts anew; `None`: to go on as usual. False
    /// if there is no such worker.
    pub fn direct(&mut self, worker: &str, directive: Directive, out: &mut Vec<Change>) -> bool {
        let Some(known) = self.workers.get_mut(worker) else { return false };
        if known.directive != directive {
            (known.directive, known.told) = (directive, false);
            self.poked.push(known.row.id.clone());
            out.push(directive_row(worker, directive));
        }
        true
    }

    pub(super) fn restore_directives(&mut self, records: Vec<Record>) {
        for record in records {
            if let Some(worker) = self.workers.get_mut(record.key.as_str()) {
                worker.directive = match record.row["directive"].as_str() {
                    Some("quiet") => Directive::Quiet,
                    Some("terminate") => Directive::Terminate,
                    _ => Directive::None,
                };
                worker.told = false;
            }
        }
    }

    /// What the worker is to do; said with this reply.
    pub(super) fn take_directive(&mut self, worker: &str) -> Directive {
        let Some(worker) = self.workers.get_mut(worker) else { return Directive::None };
        worker.told = true;
        worker.directive
    }

    /// Whether a reply to this worker would tell it something new: for waking parked requests.
    pub fn has_directive_for(&self, worker: &str) -> bool {
        self.workers.get(worker).is_some_and(|worker| !worker.told && worker.directive != Directive::None)
    }

    /// What a worker was told.
    pub(super) fn directive_of(&self, worker: &str) -> Directive {
        self.workers.get(worker).map_or(Directive::None, |worker| worker.directive)
    }

    /// A worker is gone, and its forerunner's runs with it, if it is still the one of that start.
    pub fn worker_gone(
        &mut self,
        worker: &str,
        boot_nonce: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        if self.workers.get(worker).is_some_and(|known| known.row.boot_nonce == boot_nonce) {
            self.free_all(worker, now, out, &mut events);
            self.announce(&mut events);
        }
        events
    }

    /// The run and the number of a live attempt, if this worker has it.
    pub fn attempt_of(&self, worker: &str, token: &AttemptToken) -> Option<(RunId, u32)> {
        let id = self.index.by_token(token)?;
        let at = &self.runs.get(&id)?.run.at;
        (at.worker_id.as_deref() == Some(worker)).then_some((id, at.attempt))
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
            self.poked.push(worker.row.id.clone());
        }
    }

    pub(super) fn take_cancels(&mut self, worker: &str) -> Vec<AttemptToken> {
        self.workers.get_mut(worker).map(|worker| std::mem::take(&mut worker.cancel)).unwrap_or_default()
    }

    /// The workers for whom there is something new since the last call: a cancellation, a directive.
    pub fn take_poked(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.poked)
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

fn directive_row(worker: &str, directive: Directive) -> Change {
    let row = match directive {
        Directive::None => None,
        Directive::Quiet => Some(json!({"directive": "quiet"})),
        Directive::Terminate => Some(json!({"directive": "terminate"})),
    };
    Change::Record { kind: RecordKind::Directive, key: worker.to_owned(), row }
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
