//! What must hold, whatever goes wrong. Knows the rules from the documents, not from the queue's code: it is told each
//! decision once that is durable, with the changes that belong to it, and asks of every change what explains it.
//!
//! - what was acknowledged is there;
//! - one live lease per task: an attempt is taken away only when its lease is over, its worker started anew, its own
//!   token ended it, or an operator acted on it;
//! - a stale token changes nothing;
//! - attempts are bounded: by retries, rescues, and what a worker or an operator asked for;
//! - a tick fires once, or is recorded as skipped;
//! - one run per concurrency key;
//! - a step starts only if its guard holds, over recorded results of the steps before it, each recorded once;
//! - an acknowledged cancel starts nothing more;
//! - one audit line per operator's act;
//! - whoever waits for work is not left waiting beside work that he could do.

use crate::disk::Tables;
use crate::guard;
use crate::network::Act;
use model::{Class, OnExpiry, Timestamp};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;
use tasks::{
    AttemptToken, Change, Claim, Completion, Event, Form, NewTask, Outcome, Progress, RecordKind, Refusal,
    Run, RunId, RunState, Status, StepResult, Submitted, Task, TaskId, TokenResult, Urgency, WorkReply,
    WorkRequest, WorkerCard,
};

/// How often an attempt may be lost with its worker before the run is given up.
pub const RESCUES_MAX: u32 = 50;

const MINUTE: Duration = Duration::from_secs(60);

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
    Page,
}

impl What {
    /// What was told of besides.
    pub fn events(&self) -> &[Event] {
        match self {
            What::Work { events, .. } | What::Tick(events) | What::Act { events, .. } => events,
            What::Vote { events, .. } | What::Line { events } => events,
            What::Submit { .. } | What::Page => &[],
        }
    }
}

/// An attempt that a worker was given.
#[derive(Debug)]
struct Attempt {
    run: RunId,
    worker: String,
    until: Timestamp,
    /// No heartbeat keeps it beyond this.
    ends: Timestamp,
    fate: Fate,
}

/// How many starts of a worker before its last one must be known.
const FORMER: usize = 8;

#[derive(Debug, Clone, PartialEq)]
enum Fate {
    Live,
    /// Its own token ended it so; in which life of the process.
    Ended(Outcome, u32),
    Lost,
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

/// What came about in a world.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    pub claims: u64,
    pub rescues: u64,
    pub stale: u64,
    pub late_starts: u64,
    pub repeated: u64,
    pub fires: u64,
    pub skips: u64,
    pub cancels: u64,
    pub votes: u64,
    pub steps: u64,
    pub restarts: u64,
}

impl Seen {
    pub fn add(&mut self, other: Seen) {
        self.claims += other.claims;
        self.rescues += other.rescues;
        self.stale += other.stale;
        self.late_starts += other.late_starts;
        self.repeated += other.repeated;
        self.fires += other.fires;
        self.skips += other.skips;
        self.cancels += other.cancels;
        self.votes += other.votes;
        self.steps += other.steps;
        self.restarts += other.restarts;
    }
}

/// Ends the world with what is wrong.
macro_rules! must {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            panic!($($why)+);
        }
    };
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
            What::Page => self.changes(now, changes, |_, _, _| false),
        }
    }

    /// Applies the changes of a decision; `explained` says whether the decision may take a run out of a worker's
    /// hands or give it into one: (run, before, after).
    fn changes(
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
        must!(!over || at.state == RunState::Dead, "{id} goes on after its last try: {at:?}");
        self.open -= usize::from(is_open(run.class, old.state));
        self.open += usize::from(is_open(run.class, at.state));
        self.live_runs -= usize::from(at.state.is_final());
        if at.step != old.step {
            self.claims.remove(&id);
        }
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

    /// A claim, by a worker or by hand.
    fn begins(&mut self, id: RunId, at: &Progress, now: Timestamp, retries: u32) {
        let run = &self.tables.runs[&id];
        let task = &self.tables.tasks[&run.task_id];
        must!(task.status == Status::Active || at.token.is_none(), "{id} begins, {:?}", task.status);
        must!(run.at.run_at <= self.latest || at.token.is_none(), "{id} was claimed before its time");
        if at.token.is_some() {
            self.approved(run, task);
            self.in_bounds(run, task);
            if task.options.as_ref().is_some_and(|options| options.rate_key.is_some()) {
                let lately = self.began.iter().filter(|began| now.since(**began) < MINUTE).count() + 1;
                // A clock that was set back has had these minutes before.
                let known = now < self.latest || lately <= guard::RATE as usize;
                must!(known, "{id} is the {lately}th of its rate key in a minute");
                self.began.push(now);
            }
        }
        let run = &self.tables.runs[&id];
        let task = &self.tables.tasks[&run.task_id];
        if let Some(pipeline) = &task.pipeline {
            let done: Vec<u32> = run.steps.iter().map(|step| step.index).collect();
            must!(done == (0..at.step).collect::<Vec<_>>(), "{id} is at step {} after {done:?}", at.step);
            let step = &pipeline[at.step as usize];
            let holds = guard::holds(step, task, run);
            must!(holds, "{id} starts step {} though {:?} does not hold", step.id, step.condition);
        }
        let (claims, excused) = self.claims.entry(id).or_default();
        *claims += 1;
        let bound = retries + 1 + RESCUES_MAX + *excused;
        must!(*claims <= bound, "{id} has {claims} attempts, {bound} are allowed");
        must!(at.attempt == *claims, "{id} says attempt {}, it is the {claims}th", at.attempt);
        let Some(token) = at.token else { return };
        let until = at.lease_until.unwrap_or(now);
        must!(until == now.plus(self.lease), "{id} has a lease until {until:?}, claimed at {now:?}");
        let attempt = Attempt {
            run: id,
            worker: at.worker_id.as_deref().unwrap_or_default().to_owned(),
            until,
            ends: now.plus(timeout(task, at.step)).plus(self.lease),
            fate: Fate::Live,
        };
        must!(self.attempts.insert(token, attempt).is_none(), "{id}: the token {token} was given before");
        self.live.insert(id, token);
        self.seen.claims += 1;
    }

    fn step_done(&mut self, id: RunId, done: &StepResult) {
        let run = &self.tables.runs[&id];
        let task = &self.tables.tasks[&run.task_id];
        must!(done.index as usize == run.steps.len(), "{id}: step {} after {}", done.index, run.steps.len());
        let step = &task.pipeline.as_deref().expect("only pipelines have steps")[done.index as usize];
        let holds = guard::holds(step, task, run);
        must!(holds == done.result.is_some(), "{id}: step {} {:?}, guard {holds}", step.id, done.result);
        self.seen.steps += 1;
    }

    fn work(&mut self, now: Timestamp, request: &WorkRequest, reply: &WorkReply, changes: &[Change]) {
        let card = &request.worker;
        let starts = self.starts.entry(card.id.clone()).or_default();
        if !self.tables.workers.contains_key(card.id.as_str()) {
            // It was forgotten, and its starts with it.
            starts.clear();
        }
        let last = starts.last() == Some(&card.boot_nonce);
        let lately = starts.iter().rev().take(1 + FORMER).any(|start| *start == card.boot_nonce);
        if lately && !last {
            return self.late_start(request, reply, changes);
        }
        let anew = !last && !starts.is_empty();
        if !last {
            starts.push(card.boot_nonce.clone());
        }
        let served = reply.directive == tasks::Directive::None || !anew;
        let results = request.complete.len() + request.extend.len();
        must!(
            reply.results.len() == results,
            "{results} tokens were named, {} answered",
            reply.results.len()
        );
        let lost: HashSet<RunId> = match anew && served {
            true => self.held_by(&card.id).collect(),
            false => HashSet::new(),
        };
        let mut ended = HashMap::new();
        for (completion, (token, result)) in request.complete.iter().zip(&reply.results) {
            must!(completion.token == *token, "results in another order than the completions");
            if let Some(run) = self.completed(card, completion, *result, &lost) {
                ended.insert(run, completion);
            }
        }
        let mut extended = HashSet::new();
        for (extension, (_, result)) in request.extend.iter().zip(&reply.results[request.complete.len()..]) {
            let attempt = self.attempts.get_mut(&extension.token);
            let live =
                attempt.filter(|a| a.fate == Fate::Live && a.worker == card.id && !lost.contains(&a.run));
            must!(
                live.is_some() == (*result == TokenResult::Accepted),
                "{extension:?} is answered {result:?}"
            );
            if let Some(attempt) = live {
                attempt.until = now.plus(self.lease).min(attempt.ends);
                extended.insert(attempt.run);
            }
        }
        let mut handed: HashMap<RunId, &Claim> = HashMap::new();
        for claim in &reply.runs {
            let id = RunId::parse(&claim.run_id).expect("a run's id");
            must!(handed.insert(id, claim).is_none(), "{id} is handed out twice in one reply");
            must!(claim.lease == self.lease, "{id}: a lease of {:?}", claim.lease);
        }
        let room = card.slots_free.min(request.want) as usize;
        must!(reply.runs.len() <= room, "{} runs for {room} slots", reply.runs.len());
        must!(reply.runs.is_empty() || !card.draining, "work for a worker that drains");
        if ended.is_empty() && handed.is_empty() && lost.is_empty() {
            let quiet = |change: &Change| match change {
                Change::WorkerSeen(_) | Change::Totals(_) => true,
                // A heartbeat with a checkpoint, and a run whose arguments cannot be filled in.
                Change::RunMoved(id, _) => extended.contains(id) || self.is_pipeline(*id),
                _ => self.has_pages(),
            };
            let loud = changes.iter().find(|change| !quiet(change));
            must!(loud.is_none(), "a request without a live token changed {loud:?}");
        }
        let mut taken = 0;
        self.changes(now, changes, |checker, run, at| match (run.at.state, at.state) {
            (RunState::Running, RunState::Running) => at.token == run.at.token && extended.contains(&run.id),
            (RunState::Running, next) => match ended.get(&run.id) {
                Some(completion) => follows(&completion.outcome, next),
                None => lost.contains(&run.id),
            },
            (_, RunState::Running) => {
                taken += 1;
                let claim = handed.get(&run.id);
                claim.is_some_and(|claim| checker.may_have(card, run, at, claim))
            }
            _ => true,
        });
        must!(taken == handed.len(), "{} runs were handed out, {taken} recorded", handed.len());
        self.seen.rescues += lost.len() as u64;
    }

    /// A start of a worker spoke after the next one was heard of: nothing changes, whatever it says.
    fn late_start(&mut self, request: &WorkRequest, reply: &WorkReply, changes: &[Change]) {
        let id = &request.worker.id;
        must!(changes.is_empty(), "a dead start of {id} changed {changes:?}");
        must!(reply.directive == tasks::Directive::Terminate, "a dead start of {id} is told {reply:?}");
        must!(reply.runs.is_empty() && reply.cancel.is_empty(), "a dead start of {id} was handed something");
        let said = request.complete.iter().map(|one| (one.token, Some(&one.outcome)));
        let beats = request.extend.iter().map(|one| (one.token, None));
        for ((token, outcome), (answered, result)) in said.chain(beats).zip(&reply.results) {
            must!(token == *answered, "results in another order than the completions");
            let fate = self.attempts.get(&token).map(|attempt| &attempt.fate);
            let repeats = matches!((fate, outcome), (Some(Fate::Ended(first, _)), Some(again)) if first == again);
            must!(*result != TokenResult::Accepted || repeats, "a dead start of {id} ended {token}: {fate:?}");
        }
        self.seen.late_starts += 1;
    }

    /// What a completion must be answered; the run that it ended.
    fn completed(
        &mut self,
        card: &WorkerCard,
        completion: &Completion,
        result: TokenResult,
        lost: &HashSet<RunId>,
    ) -> Option<RunId> {
        let token = completion.token;
        let Some(attempt) = self.attempts.get_mut(&token) else {
            must!(result != TokenResult::Accepted, "a token that was never given is accepted: {token}");
            return None;
        };
        let own = attempt.worker == card.id;
        let last = self.tables.runs[&attempt.run].at.token == Some(token);
        match &attempt.fate {
            Fate::Live if own && !lost.contains(&attempt.run) => {
                must!(result == TokenResult::Accepted, "a live attempt of {} is {result:?}", attempt.run);
                attempt.fate = Fate::Ended(completion.outcome.clone(), self.life);
                if matches!(completion.outcome, Outcome::Snooze(_)) {
                    self.claims.entry(attempt.run).or_default().1 += 1;
                }
                return Some(attempt.run);
            }
            Fate::Ended(outcome, life) if own && *outcome == completion.outcome => {
                let sure = *life == self.life || last;
                must!(
                    result == TokenResult::Accepted || !sure,
                    "the same completion of {} sent twice is {result:?}",
                    attempt.run
                );
                self.seen.repeated += 1;
            }
            fate => {
                must!(
                    result != TokenResult::Accepted,
                    "{} accepts a stale token ({fate:?}) from {}",
                    attempt.run,
                    card.id
                );
                self.seen.stale += 1;
            }
        }
        None
    }

    fn held_by<'a>(&'a self, worker: &'a str) -> impl Iterator<Item = RunId> + 'a {
        let of = move |token: &AttemptToken| self.attempts.get(token).is_some_and(|a| a.worker == worker);
        self.live.iter().filter(move |(_, token)| of(token)).map(|(run, _)| *run)
    }

    fn is_pipeline(&self, id: RunId) -> bool {
        let run = self.tables.runs.get(&id);
        run.is_some_and(|run| self.tables.tasks[&run.task_id].pipeline.is_some())
    }

    fn has_pages(&self) -> bool {
        self.tables.runs.values().any(|run| run.class == Class::Page)
    }

    /// Whether a worker may have this run: it is what was handed out, and the worker can do it.
    fn may_have(&self, card: &WorkerCard, run: &Run, at: &Progress, claim: &Claim) -> bool {
        let task = &self.tables.tasks[&run.task_id];
        let same = at.token == Some(claim.token) && at.worker_id.as_deref() == Some(card.id.as_str());
        same && claim.attempt == at.attempt
            && can_do(card, task, run)
            && claim.args.value() == guard::args(task, run, at.step)
    }

    fn tick(&mut self, now: Timestamp, events: &[Event], changes: &[Change]) {
        for change in changes {
            if let Change::Fired { task_id, from, to } = change {
                self.fired(*task_id, *from, *to, now, events, changes);
            }
        }
        let mut rescued = 0;
        self.changes(now, changes, |checker, run, at| match (run.at.state, at.state) {
            (RunState::Running, RunState::Retryable | RunState::Dead) => {
                rescued += 1;
                let lease = checker.live.get(&run.id).and_then(|token| checker.attempts.get(token));
                let until = lease.map_or(run.at.lease_until, |attempt| Some(attempt.until));
                until.is_some_and(|until| until <= now)
            }
            (RunState::Running, _) | (_, RunState::Running) => false,
            _ => true,
        });
        self.seen.rescues += rescued;
    }

    /// A fire happens once, in its order, and makes one run or says why not.
    fn fired(
        &mut self,
        id: TaskId,
        from: Timestamp,
        to: Option<Timestamp>,
        now: Timestamp,
        events: &[Event],
        changes: &[Change],
    ) {
        let task = &self.tables.tasks[&id];
        must!(task.next_fire == Some(from), "{id} fires at {from:?}, next was {:?}", task.next_fire);
        must!(from <= now, "{id} fires at {now:?}, before its time {from:?}");
        must!(task.status == Status::Active, "{id} fires though it is {:?}", task.status);
        must!(to == guard::next_fire(task, now), "{id} fires next at {to:?}, at {now:?}");
        must!(self.fired.insert((id, from)), "{id} fires twice for {from:?}");
        let made = |change: &&Change| matches!(change, Change::RunPut(run) if run.task_id == id);
        let made = changes.iter().filter(made).count();
        let live = self.tables.runs.values().any(|run| run.task_id == id && !run.at.state.is_final());
        let told = events.iter().find_map(|event| match event {
            Event::ScheduleFired { task_id, at, run_id, skipped, .. } if (*task_id, *at) == (id, from) => {
                Some((run_id.is_some(), skipped.is_some()))
            }
            _ => None,
        });
        let wanted = (made, told) == (usize::from(!live), Some((!live, live)));
        must!(wanted, "{id} fires for {from:?}: {made} runs, told {told:?}, one still goes: {live}");
        self.seen.fires += 1;
        self.seen.skips += u64::from(live);
    }

    fn submit(
        &mut self,
        now: Timestamp,
        new: &NewTask,
        by: &str,
        result: &Result<Submitted, Refusal>,
        changes: &[Change],
    ) {
        let (key, scheduled) = match new {
            NewTask::Plain(spec, _) => (spec.dedupe_key.clone(), false),
            NewTask::Typed(_) => (None, false),
            NewTask::Scheduled(new) => (new.dedupe_key.clone(), true),
        };
        let held = key.and_then(|key| self.tables.dedupe.get(&(key, by.to_owned())).cloned());
        match result {
            Err(why) => must!(changes.is_empty(), "refused ({why}) and yet {changes:?}"),
            Ok(taken) if taken.duplicate => {
                must!(changes.is_empty(), "a duplicate changed {changes:?}");
                must!(
                    held.map(|held| held.task_id) == Some(taken.task_id),
                    "a duplicate of what nobody holds"
                );
            }
            Ok(taken) => {
                must!(held.is_none(), "{} is a second task under the key of {held:?}", taken.task_id);
                let put = changes.iter().filter(|c| matches!(c, Change::TaskPut(t) if t.id == taken.task_id));
                let runs = changes.iter().filter(|c| matches!(c, Change::RunPut(_))).count();
                must!(put.count() == 1 && runs == usize::from(!scheduled), "a task became {changes:?}");
                let lines = audits(changes, by, taken.task_id);
                must!(lines == usize::from(scheduled), "{} left {lines} audit lines", taken.task_id);
            }
        }
        self.changes(now, changes, |_, _, _| false);
    }

    /// An operator's act on one task: it may take runs of that task from whoever has them, and no others; it leaves
    /// one line in the audit log.
    fn act(
        &mut self,
        now: Timestamp,
        id: TaskId,
        act: Act,
        (by, lines): (&str, usize),
        result: &Result<bool, Refusal>,
        changes: &[Change],
    ) {
        must!(result.is_ok() || changes.is_empty(), "{act:?} is refused ({result:?}) and yet {changes:?}");
        let found = audits(changes, by, id);
        must!(found == lines, "{act:?} of {id} by {by} ({result:?}) left {found} audit lines, not {lines}");
        let runs: Vec<RunId> = self.tables.runs.values().filter(|r| r.task_id == id).map(|r| r.id).collect();
        for run in runs {
            self.claims.entry(run).or_default().1 += u32::from(result.is_ok());
        }
        self.changes(now, changes, |_, run, _| run.task_id == id);
        if act == Act::Cancel && result.is_ok() {
            self.seen.cancels += 1;
            self.cancel_heard(id);
        }
    }

    /// A vote on an approval: nobody has the run yet.
    fn vote(&mut self, now: Timestamp, by: &str, result: &Result<TaskId, Refusal>, changes: &[Change]) {
        if let Ok(id) = result {
            let found = audits(changes, by, *id);
            must!(found == 1, "a vote of {by} on {id} left {found} audit lines");
            self.seen.votes += 1;
        }
        self.changes(now, changes, |_, _, _| false);
    }

    /// A bounded queue hands out no more than it may, and nothing while it is paused.
    fn in_bounds(&self, run: &Run, task: &Task) {
        if is_narrow(task) {
            must!(!self.narrow_is_paused(), "{} begins, its queue is paused", run.id);
            must!(
                self.narrow <= self.narrow_max(),
                "{} begins as the {}th of its queue",
                run.id,
                self.narrow
            );
        }
    }

    fn narrow_row(&self) -> Option<&serde_json::Value> {
        self.tables.records.get(&(RecordKind::Queue, format!("queue/{}", guard::NARROW)))
    }

    fn narrow_is_paused(&self) -> bool {
        self.narrow_row().is_some_and(|row| row["paused_by"].is_string())
    }

    fn narrow_max(&self) -> u32 {
        self.narrow_row().and_then(|row| row["running_max"].as_u64()).map_or(u32::MAX, |max| max as u32)
    }

    /// A run that needs one has an approval, by as many principals as it needs, each once, in time, and none of them
    /// who may not; or nobody decided and it says that this means yes.
    fn approved(&self, run: &Run, task: &Task) {
        let gated = task.options.as_ref().is_some_and(|options| options.approval.is_some());
        let of_run = |(_, row): &(&(RecordKind, String), &serde_json::Value)| {
            row["run_id"] == run.id.to_string() && row["step"].is_null()
        };
        let mut rows = self.tables.records.iter().filter(|((kind, _), _)| *kind == RecordKind::Approval);
        let row = rows.find(of_run).map(|(_, row)| row);
        let approval = row.and_then(tasks::approval::from_json);
        let gated = gated || matches!(&task.form, Form::Typed(typed) if typed.urgency == Urgency::P0);
        let Some(approval) = approval else {
            must!(!gated, "{} runs without an approval", run.id);
            return;
        };
        let asked = &approval.asked;
        if approval.status() == tasks::ApprovalStatus::Timeout {
            must!(asked.on_expiry == OnExpiry::Approve, "{} runs, its approval ran out", run.id);
            return;
        }
        let votes =
            || approval.votes.iter().filter(|vote| vote.hash == asked.hash && vote.at < asked.expires_at);
        let voters: HashSet<&str> = votes().map(|vote| vote.by.as_str()).collect();
        let enough = voters.len() >= asked.quorum as usize;
        must!(enough, "{} runs with the votes of {voters:?} of {}", run.id, asked.quorum);
        let own = asked.critical && voters.contains(asked.requested_by.as_str());
        must!(!own, "{} runs with the vote of who asked for it", run.id);
    }

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

    /// With everything committed, nobody waits for work beside work that he could do.
    pub fn nobody_waits_in_vain<'a>(&self, mut parked: impl Iterator<Item = &'a WorkRequest>) {
        if self.open == 0 {
            return;
        }
        let mut open: Vec<(&Run, &Task)> = Vec::new();
        for run in self.tables.runs.values().filter(|run| is_open(run.class, run.at.state)) {
            let task = &self.tables.tasks[&run.task_id];
            let free = task.concurrency_key.as_deref().is_none_or(|key| !self.keys.contains_key(key));
            let rated = task.options.as_ref().is_some_and(|options| options.rate_key.is_some());
            let closed = is_narrow(task) && (self.narrow_is_paused() || self.narrow >= self.narrow_max());
            if free && !rated && !closed && task.status == Status::Active {
                open.push((run, task));
            }
        }
        let in_vain = parked.find_map(|request| {
            let card = &request.worker;
            if card.slots_free == 0 || card.draining || card.id == tasks::BUILTIN_WORKER {
                return None;
            }
            open.iter().find(|(run, task)| can_do(card, task, run)).map(|(run, _)| (&card.id, run.id))
        });
        if let Some((worker, run)) = in_vain {
            panic!("{worker} waits for work though {run} could be claimed");
        }
    }

    /// Everything has ended, and all of it adds up.
    pub fn ended(&self) {
        let live: Vec<_> = self.tables.runs.values().filter(|run| !run.at.state.is_final()).collect();
        must!(live.is_empty(), "never ended: {live:?}");
        must!(self.narrow == 0, "{} runs of the bounded queue are leaked", self.narrow);
        must!(self.keys.is_empty(), "concurrency keys are leaked: {:?}", self.keys);
        must!(self.live.is_empty(), "leases are leaked: {:?}", self.live);
        let users = || self.tables.runs.values().filter(|run| run.class == Class::User);
        let count = |state| users().filter(|run| run.at.state == state).count() as u64;
        let totals = self.tables.totals;
        let found = (totals.completed, totals.dead, totals.cancelled);
        let wanted = (count(RunState::Completed), count(RunState::Dead), count(RunState::Cancelled));
        must!(found == wanted, "counted {found:?} completed, dead, cancelled; there are {wanted:?}");
    }
}

/// The lines that `by` left in the audit log about a task.
fn audits(changes: &[Change], by: &str, id: TaskId) -> usize {
    let of =
        |change: &&Change| matches!(change, Change::Audit(line) if line.actor == by && line.subject == id);
    changes.iter().filter(of).count()
}

/// Whether a move takes a run out of somebody's hands or gives it into them.
fn touches(before: RunState, after: RunState) -> bool {
    before == RunState::Running || after == RunState::Running
}

fn is_narrow(task: &Task) -> bool {
    task.options.as_ref().is_some_and(|options| options.queue.as_deref() == Some(guard::NARROW))
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

/// Whether an outcome can lead there.
fn follows(outcome: &Outcome, next: RunState) -> bool {
    match outcome {
        Outcome::Done(_) => matches!(next, RunState::Completed | RunState::Available | RunState::Dead),
        Outcome::Retry { .. } => matches!(next, RunState::Retryable | RunState::Dead),
        Outcome::Snooze(_) => next == RunState::Scheduled,
        Outcome::Failed(_) => next == RunState::Dead,
    }
}

fn max_retries(task: &Task, step: u32) -> u32 {
    let step = task.pipeline.as_deref().and_then(|steps| steps.get(step as usize));
    step.map_or(task.max_retries, |step| step.max_retries)
}

fn timeout(task: &Task, step: u32) -> Duration {
    let step = task.pipeline.as_deref().and_then(|steps| steps.get(step as usize));
    step.map_or(task.timeout, |step| step.timeout)
}

/// Whether a worker is one for this run: by agent if the task names one, by kind otherwise; ours alone takes pages.
fn can_do(card: &WorkerCard, task: &Task, run: &Run) -> bool {
    let ours = card.id == tasks::BUILTIN_WORKER;
    let step = task.pipeline.as_deref().and_then(|steps| steps.get(run.at.step as usize));
    let kind = step.map_or(&*task.kind, |step| step.uses.as_str());
    match &task.agent {
        Some(agent) => !ours && card.labels.get("agent").is_some_and(|mine| **mine == **agent),
        None => (ours || run.class == Class::User) && card.kinds.iter().any(|one| one == "*" || one == kind),
    }
}
