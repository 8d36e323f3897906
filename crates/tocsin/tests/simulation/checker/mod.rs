//! What must hold, whatever goes wrong. Knows the rules from the documents, not from the queue's code: it is told each
//! decision once that is durable, with the changes that belong to it, and asks of every change what explains it.
//!
//! - what was acknowledged is there;
//! - one live lease per task: an attempt is taken away only when its lease is over, its worker started anew, its own
//!   token ended it, or an operator acted on it;
//! - a stale token changes nothing;
//! - attempts are bounded: by retries, rescues, and what a worker or an operator asked for;
//! - a tick fires once, or is recorded as skipped; so does an event, for each task that waits for it;
//! - one run per concurrency key;
//! - a step starts only in its turn, after its needs, if its guard holds over recorded results, each recorded once; each
//!   element of a list once; help only after a failure;
//! - an acknowledged cancel starts nothing more;
//! - one audit line per operator's act;
//! - whoever waits for work is not left waiting beside work that he could do.

/// Ends the world with what is wrong. Stands before the modules that use it.
macro_rules! must {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            panic!($($why)+);
        }
    };
}

mod acts;
mod approvals;
mod attempts;
mod bounds;
mod ended;
mod heard;
mod pipelines;
mod schedules;
mod seen;

pub use seen::Seen;

use crate::disk::Tables;
use crate::network::Act;
use attempts::{Attempt, Fate, max_retries};
use bounds::is_narrow;
use model::{Class, Timestamp};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;
use tasks::{
    AttemptToken, Change, Event, NewTask, Outcome, Progress, Refusal, Run, RunId, RunState, Status,
    Submitted, TaskId, WorkReply, WorkRequest,
};

/// How often an attempt may be lost with its worker before the run is given up.
pub const RESCUES_MAX: u32 = 50;

/// One decision: what was asked, what was answered, and which changes of its batch are its own.
#[derive(Debug)]
pub struct Decision {
    pub now: Timestamp,
    pub what: What,
    pub changes: Range<usize>,
}

/// What was decided on.
#[derive(Debug)]
pub enum What {
    Work { request: WorkRequest, reply: WorkReply, events: Vec<Event> },
    Tick(Vec<Event>),
    Submit { new: Box<NewTask>, by: String, result: Box<Result<Submitted, Refusal>> },
    Act { task: TaskId, act: Act, by: String, result: Result<bool, Refusal>, events: Vec<Event> },
    Vote { by: String, result: Result<TaskId, Refusal>, events: Vec<Event> },
    Line { events: Vec<Event> },
    Publish { topic: String, n: i64, triggered: Vec<TaskId>, events: Vec<Event> },
    Page,
}

impl What {
    /// What was told of besides.
    pub fn events(&self) -> &[Event] {
        match self {
            What::Work { events, .. } | What::Tick(events) | What::Act { events, .. } => events,
            What::Vote { events, .. } | What::Line { events } | What::Publish { events, .. } => events,
            What::Submit { .. } | What::Page => &[],
        }
    }
}

/// The model.
pub struct Checker {
    /// What is durable.
    pub tables: Tables,
    lease: Duration,
    attempts: HashMap<AttemptToken, Attempt>,
    /// The live attempt of a run, unless somebody has it by hand.
    live: HashMap<RunId, AttemptToken>,
    /// The starts of each worker that were heard of, the last one last.
    starts: HashMap<String, Vec<String>>,
    /// Who has a concurrency key.
    keys: HashMap<String, RunId>,
    /// How many runs of the bounded queue run, and when runs of the rate key began.
    narrow: u32,
    began: Vec<Timestamp>,
    /// Claims of a run's present step, and what excuses them beside failures and rescues.
    claims: HashMap<RunId, (u32, u32)>,
    /// How the attempts ended of which the present decision was told.
    ending: HashMap<RunId, Outcome>,
    fired: HashSet<(TaskId, Timestamp)>,
    /// The latest time that the process has seen: its clock may be set back.
    latest: Timestamp,
    /// Users' runs that could be claimed, not by key: to see whether somebody waits beside them.
    pub open: usize,
    /// Live runs.
    pub live_runs: usize,
    pub life: u32,
    /// In the order in which they became durable: short names for the history.
    pub names: Vec<TaskId>,
    /// What came about, to see that a world is worth its time.
    pub seen: Seen,
}

impl Checker {
    pub fn new(lease: Duration) -> Checker {
        Checker {
            tables: Tables::default(),
            lease,
            attempts: HashMap::new(),
            live: HashMap::new(),
            starts: HashMap::new(),
            keys: HashMap::new(),
            narrow: 0,
            began: Vec::new(),
            claims: HashMap::new(),
            ending: HashMap::new(),
            fired: HashSet::new(),
            latest: Timestamp::MIN,
            open: 0,
            live_runs: 0,
            life: 0,
            names: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// A process started from disk: what it found must be what was durable, and every attempt got a fresh lease.
    pub fn restarted(&mut self, found: &Tables, now: Timestamp) {
        must!(*found == self.tables, "the disk holds something else than what was committed");
        self.life += 1;
        self.seen.restarts += 1;
        for token in self.live.values() {
            if let Some(attempt) = self.attempts.get_mut(token) {
                attempt.until = now.plus(self.lease);
            }
        }
    }

    /// A transaction became durable.
    pub fn durable(&mut self, decisions: Vec<Decision>, changes: &[Change]) {
        let mut seen = 0;
        for decision in decisions {
            must!(decision.changes.start == seen, "changes that no decision made: {decision:?}");
            seen = decision.changes.end;
            self.decided(decision.now, &decision.what, &changes[decision.changes.clone()]);
        }
        must!(seen == changes.len(), "changes that no decision made: {:?}", &changes[seen..]);
    }

    fn decided(&mut self, now: Timestamp, what: &What, changes: &[Change]) {
        self.latest = self.latest.max(now);
        match what {
            What::Work { request, reply, .. } => self.work(now, request, reply, changes),
            What::Tick(events) => self.tick(now, events, changes),
            What::Submit { new, by, result } => self.submit(now, new, by, result, changes),
            What::Act { task, act, by, result, .. } => {
                let lines = usize::from(*result == Ok(true) && !matches!(act, Act::Patch(_)));
                self.act(now, *task, *act, (by, lines), result, changes);
            }
            What::Vote { by, result, .. } => self.vote(now, by, result, changes),
            What::Line { .. } => {
                let lines = changes.iter().filter(|change| matches!(change, Change::Audit(_))).count();
                must!(lines <= 1 && changes.len() == lines * 2, "an act on a queue left {changes:?}");
                self.changes(now, changes, |_, _, _| false);
            }
            What::Publish { topic, n, triggered, events } => {
                self.published(now, (topic, *n), triggered, events, changes);
            }
            What::Page => self.changes(now, changes, |_, _, _| false),
        }
    }

    /// Applies the changes of a decision; `explained` says whether the decision may take a run out of a worker's
    /// hands or give it into one: (run, before, after).
    pub(super) fn changes(
        &mut self,
        now: Timestamp,
        changes: &[Change],
        mut explained: impl FnMut(&Checker, &Run, &Progress) -> bool,
    ) {
        for change in changes {
            match change {
                Change::RunMoved(id, at) => {
                    let run =
                        self.tables.runs.get(id).unwrap_or_else(|| panic!("{id} moved but is not there"));
                    let before = run.at.state;
                    let ok = !touches(before, at.state) || explained(self, run, at);
                    let of = run.task_id;
                    must!(ok, "nothing explains that {id} (task {of}) went from {before:?} to {at:?}");
                    self.moved(*id, at, now);
                }
                Change::RunPut(run) => {
                    must!(!self.tables.runs.contains_key(&run.id), "{} was made twice", run.id);
                    must!(self.tables.tasks.contains_key(&run.task_id), "a run of no task: {}", run.task_id);
                    let canceled = self.tables.tasks[&run.task_id].status == Status::Canceled;
                    must!(!canceled, "task {} was cancelled and has a new run", run.task_id);
                    self.live_runs += 1;
                    self.open += usize::from(is_open(run.class, run.at.state));
                }
                Change::StepDone(id, step) => self.step_done(*id, step),
                Change::TaskPut(task) if !self.tables.tasks.contains_key(&task.id) => {
                    self.names.push(task.id)
                }
                _ => {}
            }
            self.tables.apply(change);
        }
    }

    /// What holds for every move of a run.
    fn moved(&mut self, id: RunId, at: &Progress, now: Timestamp) {
        let run = &self.tables.runs[&id];
        let (task, old) = (&self.tables.tasks[&run.task_id], &run.at);
        must!(legal(old.state, at.state), "{id} went from {:?} to {:?}", old.state, at.state);
        must!(at.state.is_final() == at.finished_at.is_some(), "{id} is {:?} without its end", at.state);
        must!(at.rescues <= RESCUES_MAX + 1, "{id} was rescued {} times", at.rescues);
        let retries = max_retries(task, at.step);
        must!(at.failures <= retries + 1, "{id} failed {} times with {retries} retries", at.failures);
        let over = at.failures == retries + 1 || at.rescues == RESCUES_MAX + 1;
        must!(!over || at.state.is_final(), "{id} goes on after its last try: {at:?}");
        must!(
            task.pipeline.is_some() || !over || at.state == RunState::Dead,
            "{id} is {:?} in the end",
            at.state
        );
        self.may_end(run, task, at);
        self.open -= usize::from(is_open(run.class, old.state));
        self.open += usize::from(is_open(run.class, at.state));
        self.live_runs -= usize::from(at.state.is_final());
        let begins =
            at.state == RunState::Running && (old.state != RunState::Running || at.token != old.token);
        let ends = old.state == RunState::Running && (at.state != RunState::Running || begins);
        let key = task.concurrency_key.as_deref().map(str::to_owned);
        let narrow = u32::from(is_narrow(task));
        if ends {
            self.narrow -= narrow;
            if let Some(token) = self.live.remove(&id)
                && let Some(attempt) = self.attempts.get_mut(&token)
                && attempt.fate == Fate::Live
            {
                attempt.fate = Fate::Lost;
            }
            if let Some(key) = &key {
                self.keys.remove(key);
            }
        }
        if begins {
            self.narrow += narrow;
            if let Some(other) = key.and_then(|key| self.keys.insert(key, id)) {
                panic!("{id} and {other} run at once under one concurrency key");
            }
            self.begins(id, at, now, retries);
        }
    }
}

/// Whether a move takes a run out of somebody's hands or gives it into them.
fn touches(before: RunState, after: RunState) -> bool {
    before == RunState::Running || after == RunState::Running
}

fn is_open(class: Class, state: RunState) -> bool {
    class == Class::User && state == RunState::Available
}

/// The moves that the drawing in the documents has.
fn legal(from: RunState, to: RunState) -> bool {
    use RunState::*;
    match from {
        Completed | Cancelled | Dead => false,
        Scheduled => !matches!(to, Running | Retryable | Completed),
        Retryable => matches!(to, Available | Scheduled | Cancelled | Dead),
        AwaitingApproval => matches!(to, Available | Scheduled | Cancelled | Dead),
        // A pipeline may go to a later step without moving.
        Available => to != Retryable,
        Running => true,
    }
}
