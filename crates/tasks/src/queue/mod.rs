//! The queue: everything that waits, runs or fires, and what happens to it next.
//!
//! Invariants, each kept in one place:
//! - a run moves only through [`RunState::next`] (`shift`), and every move is a [`Change`];
//! - what the indexes say follows from the runs alone ([`index::Index`]): they are rebuilt from what was loaded;
//! - only the token of a live attempt, from the worker it was given to, changes a run (`settle::complete`);
//! - tries are bounded by the retries allowed, lost attempts by [`Settings::rescues_max`];
//! - a page never waits for users' work: it has a class of its own and reserved slots (`claim`).
//!
//! A finished run leaves memory; the store keeps it.

mod acts;
mod approval;
#[cfg(any(feature = "broken-lease", feature = "broken-token"))]
pub mod broken;
mod calendars;
mod claim;
mod counts;
mod deadlines;
mod dedupe;
mod deliver;
mod gates;
mod index;
mod lines;
mod listen;
mod once;
mod page;
mod plan;
mod rate;
mod replay;
mod restore;
mod schedule;
mod settle;
mod sleep;
mod stop;
mod submit;
mod timer;
mod update;
mod why;
mod workers;

pub use acts::Acted;
pub use claim::CHECKPOINT_BYTES_MAX;
pub use counts::{Counts, WorkerView};
pub use gates::LineView;
pub use lines::Line;
pub use listen::Published;
pub use once::{Answer, Recall};
pub use update::TaskUpdate;
pub use why::{Hold, Why};

use crate::id::IdMaker;
use crate::retry::Waits;
use crate::{
    AttemptToken, Change, Dedupe, Event, Fits, Loaded, Progress, Run, RunEvent, RunId, Task, TaskId, Totals,
};
use crate::{agents, events};
use index::Index;
use model::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::{sync::Arc, time::Duration};

#[allow(unused_imports, reason = "named in the documentation above")]
use crate::RunState;

/// Worker ids that begin so are ours: they alone may take pages and runbook steps. Nobody may be let in from
/// outside under such an id.
pub const BUILTIN_WORKER: &str = "builtin";

/// What the queue is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an attempt lives without a heartbeat.
    pub lease: Duration,
    /// Where tokens, ids and jitter come from: another one at each start, or tokens would repeat.
    pub seed: [u8; 32],
    /// The most users' runs that wait or run; more are refused.
    pub queue_max: usize,
    /// Slots of the built-in worker that only pages and runbook steps may take.
    pub page_slots: u32,
    /// How many attempts of one step may be lost with their worker before the run is given up.
    pub rescues_max: u32,
    /// The most bytes of a task's arguments.
    pub args_bytes_max: usize,
    /// About how many bytes of waiting users' runs are kept in memory; what is more waits on disk.
    pub awake_bytes_max: usize,
    /// The most bytes of a result; more is a failure.
    pub result_bytes_max: usize,
    /// The most workers known; further ones are told to take nothing.
    pub workers_max: usize,
    /// For how long a worker may be silent before it is forgotten.
    pub worker_silence: Duration,
    /// The most dedupe keys whose windows are kept; at the bound the ones that end first are let go.
    pub dedupe_max: usize,
    /// How many ended attempts are remembered, so that a completion sent twice is known.
    pub ended_max: usize,
    /// The kinds that a step of a pipeline may use: those that the built-in worker does for users, and those that are
    /// declared of workers elsewhere; `None` takes any.
    pub kinds: Option<BTreeSet<String>>,
    /// Kinds that users may not ask for: the built-in worker does them for the operator's files alone.
    pub closed_kinds: BTreeSet<String>,
    /// The zone of schedules that name none.
    pub timezone: String,
    /// A recurring fire that comes later than this makes no run; `None`: missed fires make one run, however
    /// late.
    pub misfire_grace: Option<Duration>,
    /// A run that has waited this long counts as one priority higher; `None`: it never does.
    pub ageing: Option<Duration>,
    /// Between which bounds the waits before another try are.
    pub waits: Waits,
    /// How long an attempt at a typed task may take.
    pub attempt_timeout: Duration,
    /// How long a typed task that does not say may wait before its first attempt; `None`: for ever.
    pub task_ttl: Option<Duration>,
    /// How long the store keeps ended runs, and schedules that are over.
    pub runs_kept: Duration,
    /// How long the store keeps tasks that run once and ended.
    pub singles_kept: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lease: Duration::from_secs(60),
            seed: [0; 32],
            queue_max: 1_000_000,
            page_slots: 4,
            rescues_max: 3,
            args_bytes_max: 256 << 10,
            awake_bytes_max: 16 << 20,
            result_bytes_max: 1 << 20,
            workers_max: 10_000,
            worker_silence: Duration::from_secs(600),
            dedupe_max: 262_144,
            ended_max: 65_536,
            kinds: None,
            closed_kinds: BTreeSet::new(),
            timezone: "UTC".to_owned(),
            misfire_grace: None,
            ageing: Some(Duration::from_secs(60)),
            waits: Waits::default(),
            attempt_timeout: Duration::from_secs(3600),
            task_ttl: None,
            runs_kept: Duration::from_secs(14 * 86_400),
            singles_kept: Duration::from_secs(14 * 86_400),
        }
    }
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    settings: Settings,
    /// What kinds of work take; nothing is declared until [`Queue::set_fits`].
    fits: Option<Arc<dyn Fits>>,
    rng: StdRng,
    ids: IdMaker,
    runs: HashMap<RunId, Live>,
    index: Index,
    schedules: HashMap<TaskId, schedule::Scheduled>,
    listeners: listen::Listeners,
    calendars: BTreeMap<String, Arc<crate::schedule::Calendar>>,
    fires: BTreeSet<(Timestamp, TaskId)>,
    pages: HashMap<RunId, page::Waiting>,
    pages_ready: Vec<RunId>,
    dedupe: HashMap<(String, String), Dedupe>,
    dedupe_ends: BTreeSet<(Timestamp, String, String)>,
    workers: HashMap<Arc<str>, workers::Worker>,
    /// Digests of ended attempts; `None`: lost or cancelled, so any completion is stale.
    ended: HashMap<AttemptToken, Option<u64>>,
    ended_order: VecDeque<AttemptToken>,
    once: once::Once,
    gates: gates::Gates,
    deadlines: deadlines::Deadlines,
    dead: replay::DoneWith,
    approvals: approval::Approvals,
    trail: events::Trail,
    routing: agents::Routing,
    totals: Totals,
    /// How long attempts were held, since the start.
    leases: crate::Spread<8>,
    available: usize,
    users_live: usize,
    sleepers: sleep::Sleepers,
    draining: bool,
    /// Workers that are to be told something.
    poked: Vec<Arc<str>>,
    swept: Timestamp,
}

/// A run that is not final.
#[derive(Debug)]
struct Live {
    run: Run,
    task: Arc<Task>,
    /// The kind of work of its present step.
    kind: Arc<str>,
    /// It may sleep, and nobody has touched it.
    light: bool,
}

impl Live {
    fn new(run: Run, task: Arc<Task>) -> Live {
        let light = run.may_sleep(&task) && run.at.is_untouched();
        let mut live = Live { run, kind: task.kind.clone(), light, task };
        live.name_kind();
        live
    }

    /// Sets `kind` for the step it is at.
    fn name_kind(&mut self) {
        if let Some(step) = self.step() {
            self.kind = Arc::from(step.uses.as_str());
        }
    }

    /// The pipeline step it is at.
    fn step(&self) -> Option<&model::Step> {
        self.task.pipeline.as_deref().and_then(|steps| steps.get(self.run.at.step as usize))
    }

    fn max_retries(&self) -> u32 {
        self.step().map_or(self.task.max_retries, |step| step.max_retries)
    }

    /// Whether another try would end the same way. A page is tried in any case: what is wrong may be mended.
    fn is_final(&self, error: &crate::RunError) -> bool {
        self.run.class == model::Class::User && crate::retry::is_final(error, self.task.options.as_deref())
    }

    /// How long an attempt lives without a heartbeat, where `usual` is what all have.
    fn lease(&self, usual: Duration) -> Duration {
        self.task.options.as_ref().and_then(|options| options.heartbeat_timeout).unwrap_or(usual)
    }

    /// Until when its attempt lives if nothing more is heard of it.
    fn lives_until(&self, usual: Duration, now: Timestamp) -> Timestamp {
        now.plus(self.lease(usual)).min(self.run.at.attempt_ends(self.timeout()))
    }

    /// Whether its attempt ends because its time is over, and not because nobody speaks of it.
    fn is_out_of_time(&self) -> bool {
        let at = &self.run.at;
        at.token.is_some() && at.lease_until == Some(at.attempt_ends(self.timeout()))
    }

    fn timeout(&self) -> Duration {
        self.step().map_or(self.task.timeout, |step| step.timeout)
    }
}

impl Queue {
    /// A queue that goes on where `loaded` left off. Running attempts get a fresh lease: that we were away is
    /// not their fault.
    pub fn new(settings: Settings, mut loaded: Loaded, now: Timestamp) -> Queue {
        let mut queue = Queue {
            rng: StdRng::from_seed(settings.seed),
            fits: None,
            ids: loaded
                .newest
                .map_or_else(IdMaker::new, |id| IdMaker::after(crate::EventId::from_bits(id.bits()))),
            runs: HashMap::new(),
            index: Index::default(),
            schedules: HashMap::new(),
            listeners: listen::Listeners::default(),
            calendars: BTreeMap::new(),
            fires: BTreeSet::new(),
            pages: HashMap::new(),
            pages_ready: Vec::new(),
            dedupe: HashMap::new(),
            dedupe_ends: BTreeSet::new(),
            workers: HashMap::new(),
            ended: HashMap::new(),
            ended_order: VecDeque::new(),
            once: once::Once::default(),
            deadlines: deadlines::Deadlines::default(),
            dead: replay::DoneWith::restored(loaded.take_records(crate::RecordKind::DeadLetter)),
            gates: gates::Gates::restored(&loaded.take_records(crate::RecordKind::Queue)),
            approvals: approval::Approvals::default(),
            trail: events::Trail::default(),
            routing: agents::Routing::new(&mut loaded),
            totals: loaded.totals,
            leases: crate::Spread::new(counts::LEASE_BOUNDS),
            available: 0,
            users_live: 0,
            sleepers: sleep::Sleepers::default(),
            draining: false,
            poked: Vec::new(),
            swept: now,
            settings,
        };
        queue.index.set_ageing(queue.settings.ageing);
        queue.restore(loaded, now);
        queue
    }

    /// What is known of an idempotency key of `by`, given a digest of what it stands for now.
    pub fn recall(&self, by: &str, key: &str, digest: &str, now: Timestamp) -> Recall {
        self.once.recall(by, key, digest, now)
    }

    /// Keeps the answer to what was asked under an idempotency key, in the same transaction as what was done.
    pub fn keep_answer(
        &mut self,
        by: &str,
        key: &str,
        answer: Answer,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        self.once.keep(by, key, answer, now, out);
    }

    /// What users' tasks went through since somebody last asked.
    pub fn trail(&mut self) -> &mut events::Trail {
        &mut self.trail
    }

    /// Which agent a type of task goes to.
    pub fn routing(&mut self) -> &mut agents::Routing {
        &mut self.routing
    }

    /// Kinds may come and go with a reload.
    pub fn set_kinds(&mut self, kinds: Option<BTreeSet<String>>, closed: BTreeSet<String>) {
        self.settings.kinds = kinds;
        self.settings.closed_kinds = closed;
    }

    /// How long the store keeps what ended, from now on: runs and schedules, and tasks that run once.
    pub fn set_history(&mut self, runs: Duration, singles: Duration) {
        (self.settings.runs_kept, self.settings.singles_kept) = (runs, singles);
    }

    /// What kinds of work take, from now on.
    pub fn set_fits(&mut self, fits: Arc<dyn Fits>) {
        self.fits = Some(fits);
    }

    /// Hands out nothing more and tells workers so; completions and heartbeats are still taken.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether [`Queue::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// When `tick` has something to do next.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let first = [
            self.index.next_timer(),
            self.sleepers.next_due(),
            self.fires.first().map(|(at, _)| *at),
            self.dedupe_ends.first().map(|(at, _, _)| *at),
            self.once.next(),
            self.deadlines.next(),
            self.gates.next(),
            self.listeners.next_look(),
            self.approvals.next_wake(),
        ];
        first.into_iter().flatten().min()
    }

    /// Moves a live run by `event` after `edit` had its way with it, and records the move.
    fn shift(&mut self, id: RunId, event: RunEvent, out: &mut Vec<Change>, edit: impl FnOnce(&mut Progress)) {
        let Some(live) = self.runs.get_mut(&id) else { return };
        let Ok(next) = live.run.at.state.next(event) else { return };
        self.index.leave(live);
        let running = crate::RunState::Running;
        if (live.run.at.state == running) != (next == running) {
            self.available += usize::from(self.gates.count(&live.task, next == running));
        }
        if event != RunEvent::Due {
            Queue::touched(&mut self.sleepers, live);
        }
        live.run.at.state = next;
        edit(&mut live.run.at);
        if next != crate::RunState::Running {
            live.run.at.lease_until = None;
        }
        live.name_kind();
        self.index.enter(live);
        self.trail.moved(event, &live.run, &live.task, &live.kind);
        self.available += usize::from(next == crate::RunState::Available);
        out.push(Change::RunMoved(id, Box::new(live.run.at.clone())));
        if next.is_final() && live.run.class == model::Class::User {
            self.totals_count(next);
            out.push(Change::Totals(self.totals));
        }
    }

    fn totals_count(&mut self, state: crate::RunState) {
        match state {
            crate::RunState::Completed => self.totals.completed += 1,
            crate::RunState::Dead => self.totals.dead += 1,
            crate::RunState::Cancelled => self.totals.cancelled += 1,
            _ => {}
        }
    }

    /// Remembers an attempt that is over.
    fn remember(&mut self, token: AttemptToken, digest: Option<u64>) {
        if self.ended.insert(token, digest).is_none() {
            self.ended_order.push_back(token);
        }
        while self.ended_order.len() > self.settings.ended_max {
            if let Some(oldest) = self.ended_order.pop_front() {
                self.ended.remove(&oldest);
            }
        }
    }

    /// Lets runs move up whose concurrency key came free.
    fn unblock(&mut self) {
        while self.index.has_freed() {
            for id in self.index.unblock() {
                if let Some(live) = self.runs.get(&id) {
                    self.index.move_up(live);
                    self.available += 1;
                }
            }
        }
    }

    /// Adds what became available since the last time.
    fn announce(&mut self, events: &mut Vec<Event>) {
        events.append(&mut self.approvals.take_events());
        self.unblock();
        let runs = std::mem::take(&mut self.available);
        if runs > 0 {
            events.push(Event::Available { runs });
        }
    }
}

#[cfg(test)]
mod directives;
#[cfg(test)]
mod pipelines;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
