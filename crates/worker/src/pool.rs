//! The slots: claims runs, does them side by side, keeps their leases alive, reports how they ended.
//!
//! ```text
//!            parked call (waits for work)  ─┐
//! desk  <──                                 ├── one loop, one owner of all state
//!            report (ends and heartbeats)  ─┘        │ spawns one task per attempt, aborts it on
//!                                                    │ cancel, lost lease, or the end of the drain
//! ```
//!
//! Slots that a call has asked to fill count as taken until it returns. At most three reports are under way; what
//! ends meanwhile goes with the next, so that a busy queue gets few and full round trips, and while one is decided and
//! another written the attempts of the third are at work.

use crate::{Actions, Desk, DeskError};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tasks::{
    Action, Attempt, AttemptToken, Claim, Completion, Directive, Extension, Outcome, RunError, TokenResult,
    WorkReply, WorkRequest, WorkerCard,
};
use tokio::{
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::Instant,
};

/// Who this worker is and how much it does at once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name; one name, one worker.
    pub id: String,
    /// Another after each start.
    pub boot_nonce: String,
    /// What it is.
    pub labels: BTreeMap<String, String>,
    /// How many runs at once.
    pub slots: u32,
    /// How long it may finish what it has after it was told to stop; the rest is handed back.
    pub drain: Duration,
}

/// What a worker counts. Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Counters {
    /// Runs claimed.
    pub claimed: AtomicU64,
    /// Attempts that ended as done.
    pub done: AtomicU64,
    /// Attempts that ended otherwise.
    pub failed: AtomicU64,
    /// Attempts stopped because their run was cancelled.
    pub cancelled: AtomicU64,
    /// Attempts given up because their lease was gone.
    pub lost: AtomicU64,
    /// Runs handed back at the end.
    pub handed_back: AtomicU64,
    /// Attempts under way.
    pub running: AtomicU64,
}

/// Takes one sample: name, labels, value.
pub type Emit<'a> = &'a mut dyn FnMut(&str, &[(&str, &str)], f64);

impl Counters {
    /// Each counter with its name and labels.
    pub fn metrics(&self, out: Emit<'_>) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        out("tocsin_worker_claims_total", &[], get(&self.claimed));
        for (outcome, counter) in [
            ("done", &self.done),
            ("failed", &self.failed),
            ("cancelled", &self.cancelled),
            ("lost", &self.lost),
            ("handed_back", &self.handed_back),
        ] {
            out("tocsin_worker_attempts_total", &[("outcome", outcome)], get(counter));
        }
        out("tocsin_worker_slots_busy", &[], get(&self.running));
    }
}

/// A worker.
pub struct Pool {
    settings: Settings,
    actions: Arc<Actions>,
    counters: Arc<Counters>,
}

impl Pool {
    /// A worker that can do `actions`.
    pub fn new(settings: Settings, actions: Arc<Actions>) -> Pool {
        Pool { settings, actions, counters: Arc::default() }
    }

    /// What it counts.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Works until `shutdown` is ready, then finishes or hands back what it has.
    pub async fn run(self, desk: Arc<dyn Desk>, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut state = State::new(self, desk);
        while !state.is_over() {
            state.send_due();
            let wake = state.next_wake();
            tokio::select! {
                biased;
                Some(ended) = state.attempts.join_next_with_id() => state.ended(ended),
                Some(returned) = state.calls.next() => state.returned(returned),
                () = &mut shutdown, if state.phase == Phase::Working => state.start_draining(),
                () = tokio::time::sleep_until(wake) => state.woke(),
            }
            // What else has ended goes with the same report.
            tokio::task::yield_now().await;
            while let Some(ended) = state.attempts.try_join_next_with_id() {
                state.ended(ended);
            }
        }
        tracing::info!(event = "worker_stopped", worker = state.pool.settings.id, "Worker stopped");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    /// Takes nothing new; at the instant it hands back the rest.
    Draining(Instant),
    /// Everything is handed back; only the last report may be under way, until the instant.
    Leaving(Instant),
}

/// An attempt under way.
struct Held {
    abort: AbortHandle,
    task: Id,
    run_id: String,
    lease: Duration,
    /// When the next heartbeat is due.
    beat: Instant,
    /// When the lease was last known to be ours.
    confirmed: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Report,
    Parked,
}

/// Why an attempt is stopped.
enum Stop {
    Lost,
    Cancelled,
}

struct Returned {
    call: Call,
    want: u32,
    complete: Vec<Completion>,
    result: Result<WorkReply, DeskError>,
}

struct State {
    pool: Pool,
    desk: Arc<dyn Desk>,
    phase: Phase,
    attempts: JoinSet<Outcome>,
    held: HashMap<AttemptToken, Held>,
    tokens: HashMap<Id, AttemptToken>,
    /// Ended, not yet reported.
    ended: Vec<Completion>,
    calls: FuturesUnordered<Pin<Box<dyn Future<Output = Returned> + Send>>>,
    /// Reports under way.
    reporting: u32,
    parked: u32,
    /// Slots that calls under way may fill.
    asked: u32,
    /// The last claim was filled: there may be more.
    more: bool,
    /// Something is to be said though nothing ended: the drain began.
    announce: bool,
    /// No call before this: the desk failed.
    not_before: Instant,
    /// No claim before this: the desk asked for quiet. What has ended is reported all the same.
    quiet_until: Instant,
    backoff: Duration,
}

/// How long a call may wait for work when every slot is free.
const WAIT_IDLE: Duration = Duration::from_secs(30);
/// And when some are busy: soon there will be more slots, which may be what somebody needs.
const WAIT_BUSY: Duration = Duration::from_secs(1);
/// How long an answer may take beyond the wait that was asked for.
const ANSWER: Duration = Duration::from_secs(20);
/// Reports at once.
const REPORTS_MAX: u32 = 3;
/// Parked calls at once.
const PARKED_MAX: u32 = 4;
/// The most runs in one claim.
const WANT_MAX: u32 = 1000;
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How long the desk's wish for quiet is granted.
const QUIET: Duration = Duration::from_secs(10);
/// How long the last report may take.
const LEAVE: Duration = Duration::from_secs(5);
/// A longer result is refused.
const RESULT_MAX: usize = 1 << 20;

impl State {
    fn new(pool: Pool, desk: Arc<dyn Desk>) -> State {
        let Settings { id, slots, .. } = &pool.settings;
        tracing::info!(event = "worker_started", worker = id, slots, "Worker started");
        State {
            pool,
            desk,
            phase: Phase::Working,
            attempts: JoinSet::new(),
            held: HashMap::new(),
            tokens: HashMap::new(),
            ended: Vec::new(),
            calls: FuturesUnordered::new(),
            reporting: 0,
            parked: 0,
            asked: 0,
            more: false,
            announce: false,
            not_before: Instant::now(),
            quiet_until: Instant::now(),
            backoff: BACKOFF_FIRST,
        }
    }

    fn is_over(&self) -> bool {
        let done = self.held.is_empty() && self.ended.is_empty() && self.reporting == 0 && !self.announce;
        match self.phase {
            Phase::Working => false,
            Phase::Draining(_) => done,
            Phase::Leaving(until) => done || until <= Instant::now(),
        }
    }

    /// Starts the calls that are due.
    fn send_due(&mut self) {
        let now = Instant::now();
        if self.not_before > now {
            return;
        }
        let may_report = self.reporting < REPORTS_MAX;
        let extend = if may_report { self.beats(now) } else { Vec::new() };
        let claimable = self.claimable();
        let hungry = self.more && claimable > 0;
        if may_report && (self.announce || hungry || !self.ended.is_empty() || !extend.is_empty()) {
            self.announce = false;
            self.reporting += 1;
            let complete = std::mem::take(&mut self.ended);
            return self.call(Call::Report, complete, extend, claimable, Duration::ZERO);
        }
        if claimable > 0 && self.reporting == 0 && self.parked < PARKED_MAX {
            let all_free = claimable == self.pool.settings.slots.min(WANT_MAX);
            self.parked += 1;
            let wait = if all_free { WAIT_IDLE } else { WAIT_BUSY };
            self.call(Call::Parked, Vec::new(), Vec::new(), claimable, wait);
        }
    }

    fn call(
        &mut self,
        call: Call,
        complete: Vec<Completion>,
        extend: Vec<Extension>,
        want: u32,
        wait: Duration,
    ) {
        self.asked += want;
        let request = WorkRequest { worker: self.card(), complete: complete.clone(), extend, want, wait };
        let work = tokio::time::timeout(wait + ANSWER, self.desk.work(request));
        self.calls.push(Box::pin(async move {
            let result = work.await.unwrap_or_else(|_| Err(DeskError("it does not answer".to_owned())));
            Returned { call, want, complete, result }
        }));
    }

    fn card(&self) -> WorkerCard {
        let Settings { id, boot_nonce, labels, .. } = &self.pool.settings;
        WorkerCard {
            id: id.clone(),
            boot_nonce: boot_nonce.clone(),
            labels: labels.clone(),
            kinds: self.pool.actions.kinds(),
            slots_free: self.free(),
            draining: self.phase != Phase::Working,
        }
    }

    fn free(&self) -> u32 {
        let busy = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        self.pool.settings.slots.saturating_sub(busy)
    }

    /// Free slots that no call under way is to fill.
    fn claimable(&self) -> u32 {
        match self.phase {
            Phase::Working if self.quiet_until <= Instant::now() => {
                self.free().saturating_sub(self.asked).min(WANT_MAX)
            }
            _ => 0,
        }
    }

    /// The heartbeats that are due.
    fn beats(&mut self, now: Instant) -> Vec<Extension> {
        let mut due = Vec::new();
        for (token, held) in &mut self.held {
            if held.beat <= now {
                held.beat = now + held.lease / 3;
                due.push(Extension { token: *token, progress: None, checkpoint: None });
            }
        }
        due
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let mut wake = now + WAIT_IDLE;
        for pause in [self.not_before, self.quiet_until] {
            if pause > now {
                wake = wake.min(pause);
            }
        }
        for held in self.held.values() {
            wake = wake.min(held.confirmed + held.lease);
            if self.reporting < REPORTS_MAX {
                wake = wake.min(held.beat.max(self.not_before));
            }
        }
        match self.phase {
            Phase::Working => wake,
            Phase::Draining(until) | Phase::Leaving(until) => wake.min(until),
        }
    }

    fn woke(&mut self) {
        let now = Instant::now();
        let lost: Vec<AttemptToken> = self
            .held
            .iter()
            .filter(|(_, held)| held.confirmed + held.lease <= now)
            .map(|(t, _)| *t)
            .collect();
        for token in lost {
            self.stop(token, Stop::Lost, "its lease ran out unconfirmed");
        }
        if let Phase::Draining(until) = self.phase
            && until <= now
        {
            self.hand_back_all();
        }
    }

    fn start_draining(&mut self) {
        tracing::info!(event = "worker_draining", running = self.held.len(), "Worker takes no new work");
        self.phase = Phase::Draining(Instant::now() + self.pool.settings.drain);
        self.announce = true;
        self.not_before = Instant::now();
    }

    fn hand_back_all(&mut self) {
        for (token, held) in std::mem::take(&mut self.held) {
            held.abort.abort();
            self.tokens.remove(&held.task);
            self.ended.push(Completion { token, outcome: Outcome::Snooze(Duration::ZERO) });
            count(&self.pool.counters.handed_back);
        }
        self.count_running();
        self.not_before = Instant::now();
        self.phase = Phase::Leaving(Instant::now() + LEAVE);
    }

    /// An attempt has ended by itself.
    fn ended(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let (task, outcome) = match ended {
            Ok((task, outcome)) => (task, outcome),
            Err(error) => (error.id(), crashed(error)),
        };
        // One that was stopped on purpose is known no more.
        let Some(token) = self.tokens.remove(&task) else { return };
        self.held.remove(&token);
        let done = matches!(outcome, Outcome::Done(_));
        count(if done { &self.pool.counters.done } else { &self.pool.counters.failed });
        self.count_running();
        self.ended.push(Completion { token, outcome });
    }

    /// A call came back.
    fn returned(&mut self, returned: Returned) {
        let Returned { call, want, complete, result } = returned;
        self.asked -= want;
        match call {
            Call::Report => self.reporting -= 1,
            Call::Parked => self.parked -= 1,
        }
        let reply = match result {
            Ok(reply) => reply,
            Err(error) => {
                tracing::warn!(event = "worker_desk_unreachable", %error, "Worker retries in {:?}", self.backoff);
                self.ended.splice(0..0, complete);
                self.not_before = Instant::now() + self.backoff;
                self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
                for held in self.held.values_mut() {
                    held.beat = held.beat.min(self.not_before);
                }
                return;
            }
        };
        self.backoff = BACKOFF_FIRST;
        if want > 0 {
            self.more = reply.runs.len() >= want as usize;
        }
        for (token, result) in &reply.results {
            self.confirmed(*token, *result, &complete);
        }
        for token in reply.cancel {
            self.stop(token, Stop::Cancelled, "its run was cancelled");
        }
        for claim in reply.runs {
            self.start(claim);
        }
        match reply.directive {
            Directive::None => {}
            Directive::Quiet => {
                self.quiet_until = Instant::now() + QUIET;
                self.more = false;
            }
            Directive::Terminate if self.phase == Phase::Working => self.start_draining(),
            Directive::Terminate => {}
        }
    }

    fn confirmed(&mut self, token: AttemptToken, result: TokenResult, complete: &[Completion]) {
        let accepted = result == TokenResult::Accepted;
        match self.held.get_mut(&token) {
            Some(held) if accepted => held.confirmed = Instant::now(),
            Some(_) => self.stop(token, Stop::Lost, "another has its lease"),
            None if !accepted && complete.iter().any(|c| c.token == token) => {
                tracing::warn!(event = "attempt_refused", attempt = ?token, ?result, "The end of an attempt came too late");
            }
            None => {}
        }
    }

    fn start(&mut self, claim: Claim) {
        count(&self.pool.counters.claimed);
        if self.phase != Phase::Working {
            count(&self.pool.counters.handed_back);
            self.ended.push(Completion { token: claim.token, outcome: Outcome::Snooze(Duration::ZERO) });
            return;
        }
        let (token, now) = (claim.token, Instant::now());
        let action = self.pool.actions.get(&claim.kind);
        let (lease, run_id) = (claim.lease, claim.run_id.clone());
        let abort = self.attempts.spawn(attempt(action, claim));
        let task = abort.id();
        self.tokens.insert(task, token);
        self.held.insert(token, Held { abort, task, run_id, lease, beat: now + lease / 3, confirmed: now });
        self.count_running();
    }

    /// Stops an attempt whose end nobody waits for.
    fn stop(&mut self, token: AttemptToken, stop: Stop, why: &str) {
        let Some(held) = self.held.remove(&token) else { return };
        tracing::warn!(event = "attempt_stopped", run_id = held.run_id, "Attempt stopped: {why}");
        held.abort.abort();
        self.tokens.remove(&held.task);
        count(match stop {
            Stop::Lost => &self.pool.counters.lost,
            Stop::Cancelled => &self.pool.counters.cancelled,
        });
        self.count_running();
    }

    fn count_running(&self) {
        self.pool.counters.running.store(self.held.len() as u64, Ordering::Relaxed);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// One attempt, within its time.
async fn attempt(action: Option<Arc<dyn Action>>, claim: Claim) -> Outcome {
    let Claim { run_id, kind, token, attempt, args, deadline, checkpoint, .. } = claim;
    let Some(action) = action else {
        return Outcome::Failed(RunError {
            kind: "unknown_kind".to_owned(),
            message: format!("this worker does not know the kind {kind:?}"),
        });
    };
    let attempt = Attempt {
        run_id,
        token,
        number: attempt,
        args,
        deadline,
        checkpoint: checkpoint.map(|one| one.value()),
    };
    let outcome =
        tokio::time::timeout(deadline, action.run(attempt)).await.unwrap_or_else(|_| Outcome::Retry {
            error: RunError { kind: "timeout".to_owned(), message: format!("timed out after {deadline:?}") },
            after: None,
        });
    match outcome {
        Outcome::Done(value) if weight(&value) > RESULT_MAX => Outcome::Failed(RunError {
            kind: "result_too_large".to_owned(),
            message: format!("the result is longer than {RESULT_MAX} bytes"),
        }),
        outcome => outcome,
    }
}

/// About how long the value is as text.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| weight(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => fields.iter().map(|(name, v)| name.len() + weight(v) + 4).sum::<usize>() + 2,
        _ => 8,
    }
}

fn crashed(error: JoinError) -> Outcome {
    let error = match error.try_into_panic() {
        Ok(panic) => {
            let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            let message = format!("the action crashed: {text}");
            tracing::error!(event = "action_crashed", "{message}");
            RunError { kind: "crash".to_owned(), message }
        }
        Err(_) => {
            tracing::info!(event = "action_stopped", "An action was stopped before its end");
            RunError { kind: "stopped".to_owned(), message: "the action was stopped".to_owned() }
        }
    };
    Outcome::Retry { error, after: None }
}

#[cfg(test)]
mod tests;
