//! Claims, leases and tokens: one live lease for each task, a stale token changes nothing, attempts are bounded.

use super::{Checker, RESCUES_MAX, pipelines};
use crate::guard;
use model::{Class, OnFailure, Timestamp};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tasks::{
    AttemptToken, Change, Claim, Completion, Event, Outcome, Progress, Run, RunId, RunState, Status, Task,
    TokenResult, WorkReply, WorkRequest, WorkerCard,
};

const MINUTE: Duration = Duration::from_secs(60);
/// How much longer than its time an attempt may take.
const GRACE: Duration = Duration::from_secs(1);
/// How many starts of a worker before its last one must be known.
const FORMER: usize = 8;

/// An attempt that a worker was given.
#[derive(Debug)]
pub(super) struct Attempt {
    run: RunId,
    worker: String,
    pub(super) until: Timestamp,
    /// No heartbeat keeps it beyond this.
    ends: Timestamp,
    pub(super) fate: Fate,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    Live,
    /// Its own token ended it so; in which life of the process.
    Ended(Outcome, u32),
    Lost,
}

impl Checker {
    /// A claim, by a worker or by hand.
    pub(super) fn begins(&mut self, id: RunId, at: &Progress, now: Timestamp, retries: u32) {
        let run = &self.tables.runs[&id];
        let task = &self.tables.tasks[&run.task_id];
        must!(task.status == Status::Active || at.token.is_none(), "{id} begins, {:?}", task.status);
        must!(run.at.run_at <= self.latest || at.token.is_none(), "{id} was claimed before its time");
        if at.token.is_some() {
            self.approved(run, task);
            self.step_approved(run, task, at.step);
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
            pipelines::may_begin(pipeline, run, task, at.step);
            let step = &pipeline[at.step as usize];
            self.seen.steps_agreed += u64::from(step.approval.is_some());
        }
        let (claims, excused) = self.claims.entry(id).or_default();
        *claims += 1;
        let bound = retries + 1 + RESCUES_MAX + *excused;
        must!(*claims <= bound, "{id} has {claims} attempts, {bound} are allowed");
        must!(at.attempt == *claims, "{id} says attempt {}, it is the {claims}th", at.attempt);
        let Some(token) = at.token else { return };
        let until = at.lease_until.unwrap_or(now);
        let ends = now.plus(timeout(task, at.step)).plus(GRACE);
        let wanted = now.plus(self.lease).min(ends);
        must!(
            until == wanted,
            "{id} has a lease until {until:?}, claimed at {now:?}, its time ends {ends:?}"
        );
        let attempt = Attempt {
            run: id,
            worker: at.worker_id.as_deref().unwrap_or_default().to_owned(),
            until,
            ends,
            fate: Fate::Live,
        };
        must!(self.attempts.insert(token, attempt).is_none(), "{id}: the token {token} was given before");
        self.live.insert(id, token);
        self.seen.claims += 1;
    }

    pub(super) fn work(
        &mut self,
        now: Timestamp,
        request: &WorkRequest,
        reply: &WorkReply,
        changes: &[Change],
    ) {
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
        self.ending = ended.iter().map(|(run, said)| (*run, said.outcome.clone())).collect();
        self.changes(now, changes, |checker, run, at| match (run.at.state, at.state) {
            (RunState::Running, RunState::Running) => at.token == run.at.token && extended.contains(&run.id),
            (RunState::Running, next) => match ended.get(&run.id) {
                Some(completion) => follows(&completion.outcome, checker.on_failure(run), next),
                None => lost.contains(&run.id),
            },
            (_, RunState::Running) => {
                taken += 1;
                let claim = handed.get(&run.id);
                claim.is_some_and(|claim| checker.may_have(card, run, at, claim))
            }
            _ => true,
        });
        self.ending.clear();
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
            let repeats =
                matches!((fate, outcome), (Some(Fate::Ended(first, _)), Some(again)) if first == again);
            must!(
                *result != TokenResult::Accepted || repeats,
                "a dead start of {id} ended {token}: {fate:?}"
            );
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
            && claim.args.value() == self.args(run, task, at.step)
    }

    pub(super) fn tick(&mut self, now: Timestamp, events: &[Event], changes: &[Change]) {
        for change in changes {
            if let Change::Fired { task_id, from, to } = change {
                self.fired(*task_id, *from, *to, now, events, changes);
            }
        }
        let mut rescued = 0;
        self.changes(now, changes, |checker, run, at| match (run.at.state, at.state) {
            (RunState::Running, next) if next != RunState::Running => {
                let lease = checker.live.get(&run.id).and_then(|token| checker.attempts.get(token));
                let until = lease.map_or(run.at.lease_until, |attempt| Some(attempt.until));
                // Out of time it may be lost, too, if its worker is silent.
                let lost = at.rescues > run.at.rescues;
                let timed_out = !lost && lease.is_some_and(|attempt| attempt.until == attempt.ends);
                rescued += u64::from(!timed_out);
                // Where its time is over, its step has failed; that of a worker that is lost goes on.
                let goes_on = timed_out && *checker.on_failure(run) != OnFailure::Stop;
                let there = matches!(next, RunState::Retryable | RunState::Dead)
                    || goes_on && matches!(next, RunState::Available | RunState::Completed);
                there && until.is_some_and(|until| until <= now)
            }
            (RunState::Running, _) | (_, RunState::Running) => false,
            _ => true,
        });
        self.seen.rescues += rescued;
    }
}

/// Whether an outcome can lead there; `on_failure` is of the step that the run is at.
fn follows(outcome: &Outcome, on_failure: &OnFailure, next: RunState) -> bool {
    let goes_on = *on_failure != OnFailure::Stop && matches!(next, RunState::Available | RunState::Completed);
    match outcome {
        Outcome::Done(_) => matches!(next, RunState::Completed | RunState::Available | RunState::Dead),
        Outcome::Retry { .. } => goes_on || matches!(next, RunState::Retryable | RunState::Dead),
        Outcome::Snooze(_) => next == RunState::Scheduled,
        Outcome::Failed(_) => goes_on || next == RunState::Dead,
    }
}

pub(super) fn max_retries(task: &Task, step: u32) -> u32 {
    let step = task.pipeline.as_deref().and_then(|steps| steps.get(step as usize));
    step.map_or(task.max_retries, |step| step.max_retries)
}

fn timeout(task: &Task, step: u32) -> Duration {
    let step = task.pipeline.as_deref().and_then(|steps| steps.get(step as usize));
    step.map_or(task.timeout, |step| step.timeout)
}

/// Whether a worker is one for this run: by agent if the task names one, by kind otherwise; ours alone takes pages.
pub(super) fn can_do(card: &WorkerCard, task: &Task, run: &Run) -> bool {
    let ours = card.id == tasks::BUILTIN_WORKER;
    let step = task.pipeline.as_deref().and_then(|steps| steps.get(run.at.step as usize));
    let kind = step.map_or(&*task.kind, |step| step.uses.as_str());
    match &task.agent {
        Some(agent) => !ours && card.labels.get("agent").is_some_and(|mine| **mine == **agent),
        None => (ours || run.class == Class::User) && card.kinds.iter().any(|one| one == "*" || one == kind),
    }
}
