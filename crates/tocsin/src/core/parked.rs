//! Workers that wait for work: a long poll is handed its runs in the turn in which they become available.
//!
//! A turn looks only at polls that may have something to hear: one of each sort of worker when work became
//! available, those of workers who are to be told something, those whose time is over. How many others wait does
//! not matter to it.

use super::{Core, batch::Batch};
use model::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tasks::{BUILTIN_WORKER, Directive, WorkReply, WorkRequest, WorkerCard};
use tokio::sync::oneshot;

/// Long polls at once; one more is answered at once, empty.
const PARKED_MAX: usize = 10_000;
/// Polls of one sort that are looked at, though the one before had nothing to hear: those of one worker differ in
/// the slots they have free.
const TRIES: usize = 8;
/// How often the queue is asked for one poll in one turn; each time, those held back that stand first step aside.
const ASKS_MAX: usize = 64;
/// Every sort of worker is looked at this often, whatever was said to have become available.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A worker's round trip that has nothing to say yet.
struct Poll {
    /// What it wants; what it brought is already taken.
    request: WorkRequest,
    /// What became of that.
    so_far: WorkReply,
    reply: oneshot::Sender<WorkReply>,
    /// When it is answered in any case.
    until: Timestamp,
    sort: Sort,
}

/// What decides which work a worker can be handed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Sort {
    builtin: bool,
    kinds: Vec<String>,
    labels: BTreeMap<String, String>,
}

impl Sort {
    fn of(card: &WorkerCard) -> Sort {
        let builtin = card.id.starts_with(BUILTIN_WORKER);
        Sort { builtin, kinds: card.kinds.clone(), labels: card.labels.clone() }
    }
}

/// All that wait, by the order in which they came.
#[derive(Default)]
pub struct Parked {
    polls: BTreeMap<u64, Poll>,
    sorts: BTreeMap<Sort, BTreeSet<u64>>,
    workers: HashMap<String, BTreeSet<u64>>,
    ends: BTreeSet<(Timestamp, u64)>,
    next: u64,
    /// Something became available since all sorts were looked at.
    available: bool,
    looked: Timestamp,
}

impl Parked {
    /// When the first is answered in any case.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// Something became available.
    pub fn note_available(&mut self) {
        self.available = true;
    }

    fn add(&mut self, poll: Poll) {
        self.next += 1;
        self.put_back(self.next, poll);
    }

    fn put_back(&mut self, nth: u64, poll: Poll) {
        // Who has no slot free waits only to be told something.
        if poll.request.want > 0 {
            self.sorts.entry(poll.sort.clone()).or_default().insert(nth);
        }
        self.workers.entry(poll.request.worker.id.clone()).or_default().insert(nth);
        self.ends.insert((poll.until, nth));
        self.polls.insert(nth, poll);
    }

    fn take(&mut self, nth: u64) -> Option<Poll> {
        let poll = self.polls.remove(&nth)?;
        self.ends.remove(&(poll.until, nth));
        if let Some(same) = self.sorts.get_mut(&poll.sort) {
            same.remove(&nth);
            if same.is_empty() {
                self.sorts.remove(&poll.sort);
            }
        }
        if let Some(own) = self.workers.get_mut(&poll.request.worker.id) {
            own.remove(&nth);
            if own.is_empty() {
                self.workers.remove(&poll.request.worker.id);
            }
        }
        Some(poll)
    }

    /// Whether there is room for one more, once those who hung up are gone.
    fn has_room(&mut self) -> bool {
        if self.polls.len() >= PARKED_MAX {
            let gone: Vec<u64> =
                self.polls.iter().filter(|(_, poll)| poll.reply.is_closed()).map(|(nth, _)| *nth).collect();
            gone.into_iter().for_each(|nth| drop(self.take(nth)));
        }
        self.polls.len() < PARKED_MAX
    }
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
        let so_far = self.ask(&mut request, batch, now);
        if !is_idle(&so_far) || request.wait.is_zero() || reply.is_closed() || !self.parked.has_room() {
            return answer(batch, reply, so_far);
        }
        let (until, sort) = (now.plus(request.wait), Sort::of(&request.worker));
        self.parked.add(Poll { request, so_far, reply, until, sort });
    }

    /// Hands in what a worker brings and takes what it may have. Those who stand first may be held back while those
    /// after them sleep: then these are woken, and the queue is asked again.
    fn ask(&mut self, request: &mut WorkRequest, batch: &mut Batch, now: Timestamp) -> WorkReply {
        let mut results = Vec::new();
        for _ in 0..ASKS_MAX {
            self.wake_for(request);
            let (mut reply, happened) = self.queue.work(request, now, &mut batch.changes.tasks);
            self.happened(happened, batch, now);
            request.complete = Vec::new();
            request.extend = Vec::new();
            results.append(&mut reply.results);
            if !is_idle(&reply) || request.want == 0 || !self.queue.has_work_for(&request.worker) {
                return WorkReply { results, ..reply };
            }
        }
        self.parked.note_available();
        WorkReply { results, ..WorkReply::default() }
    }

    /// Hands work to those who wait, oldest first, and lets go of those who waited long enough.
    pub(super) fn serve_parked(&mut self, batch: &mut Batch, now: Timestamp) {
        if self.queue.is_draining() {
            let all: Vec<u64> = self.parked.polls.keys().copied().collect();
            for nth in all {
                self.serve(nth, batch, now);
            }
            return;
        }
        for worker in self.queue.take_poked() {
            let own = self.parked.workers.get(&*worker).cloned().unwrap_or_default();
            for nth in own {
                self.serve(nth, batch, now);
            }
        }
        if std::mem::take(&mut self.parked.available) || now.since(self.parked.looked) >= LOOK_EVERY {
            self.parked.looked = now;
            self.serve_sorts(batch, now);
        }
        while let Some((_, nth)) = self.parked.ends.first().copied().filter(|(at, _)| *at <= now) {
            self.serve(nth, batch, now);
        }
    }

    /// Of each sort the oldest polls, as long as there is work for them.
    fn serve_sorts(&mut self, batch: &mut Batch, now: Timestamp) {
        let mut sorts: Vec<(u64, Sort)> = Vec::new();
        for (sort, same) in &self.parked.sorts {
            sorts.extend(same.first().map(|first| (*first, sort.clone())));
        }
        sorts.sort_unstable();
        for (_, sort) in sorts {
            let (mut from, mut tries) = (0, TRIES);
            while tries > 0
                && let Some(nth) =
                    self.parked.sorts.get(&sort).and_then(|same| same.range(from..).next().copied())
            {
                from = nth + 1;
                let Some(poll) = self.parked.polls.get(&nth) else { break };
                // A claim for a client that hung up would only wait for its lease to run out.
                if poll.reply.is_closed() {
                    self.parked.take(nth);
                } else if !self.queue.has_work_for(&poll.request.worker) || !self.serve(nth, batch, now) {
                    tries -= 1;
                }
            }
        }
    }

    /// Answers a poll if there is something to say, or if its time is over; whether it did.
    fn serve(&mut self, nth: u64, batch: &mut Batch, now: Timestamp) -> bool {
        let Some(mut poll) = self.parked.take(nth) else { return false };
        if poll.reply.is_closed() {
            return false;
        }
        let found = self.ask(&mut poll.request, batch, now);
        if is_idle(&found) && poll.until > now {
            self.parked.put_back(nth, poll);
            return false;
        }
        poll.so_far.runs = found.runs;
        poll.so_far.cancel = found.cancel;
        poll.so_far.directive = found.directive;
        answer(batch, poll.reply, poll.so_far);
        true
    }
}

fn is_idle(reply: &WorkReply) -> bool {
    reply.runs.is_empty() && reply.cancel.is_empty() && reply.directive == Directive::None
}

fn answer(batch: &mut Batch, reply: oneshot::Sender<WorkReply>, with: WorkReply) {
    batch.after(move || {
        // A worker that hung up in between loses its claim by its lease.
        let _ = reply.send(with);
    });
}
