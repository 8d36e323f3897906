//! A run: one execution of a task, over one or more attempts.

use crate::{AttemptToken, Form, RunError, RunId, RunState, Status, Task, TaskId};
use model::{Class, Json, Timestamp};
use std::{sync::Arc, time::Duration};

/// How much longer than its time an attempt lives, so that a worker which stops by its own clock can say so.
pub const TIMEOUT_GRACE: Duration = Duration::from_secs(1);

/// A run as the store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its task.
    pub task_id: TaskId,
    /// Whose slots it takes.
    pub class: Class,
    /// The run it works for, and as what: a diagnose step of a page.
    pub parent: Option<Parent>,
    /// Its own arguments, where they differ from the task's.
    pub args: Option<Json>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What moves.
    pub at: Progress,
    /// What the steps that are done left, in order; empty unless it is a pipeline.
    pub steps: Vec<StepResult>,
}

impl Run {
    /// Whether it may wait on disk while nobody has touched it: a user's, of a task that runs once and asks for
    /// nothing that has to be looked after meanwhile.
    pub fn may_sleep(&self, task: &Task) -> bool {
        let plain = match &task.form {
            Form::Plain => task.agent.is_none(),
            Form::Typed(typed) => typed.sla.is_none(),
            Form::Scheduled(_) => false,
        };
        plain
            && self.class == Class::User
            && self.parent.is_none()
            && self.args.is_none()
            && task.status == Status::Active
            && task.pipeline.is_none()
            && task.dedupe_key.is_none()
            && task.concurrency_key.is_none()
            && task.options.is_none()
    }
}

/// The run that another one works for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The page's run.
    pub run_id: RunId,
    /// The step's id in its runbook.
    pub step: String,
}

/// Everything about a run that moves; written as a whole each time it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Where it is. Moved by [`RunState::next`] only.
    pub state: RunState,
    /// Claims of the present step so far; a claim adds one, a new step starts at 0.
    pub attempt: u32,
    /// Tries that failed by their own fault; bounded by the retries allowed.
    pub failures: u32,
    /// Attempts that were lost with their worker; bounded by [`crate::Settings::rescues_max`].
    pub rescues: u32,
    /// The present or last attempt's token.
    pub token: Option<AttemptToken>,
    /// Who holds it, or held it last.
    pub worker_id: Option<Arc<str>>,
    /// Until when, unless a heartbeat comes; `None` unless it is running. A heartbeat moves it in memory only: a
    /// restart grants every running attempt a fresh lease.
    pub lease_until: Option<Timestamp>,
    /// When the present or last attempt began.
    pub claimed_at: Option<Timestamp>,
    /// When it may next be taken.
    pub run_at: Timestamp,
    /// The pipeline step it is at.
    pub step: u32,
    /// 0 to 1, as the worker last said.
    pub progress: Option<f64>,
    /// What the attempt before left for the next.
    pub checkpoint: Option<Json>,
    /// A digest of the outcome that ended the attempt; recognises the same completion sent twice.
    pub outcome: Option<u64>,
    /// The result.
    pub output: Option<Json>,
    /// The last thing that went wrong.
    pub error: Option<RunError>,
    /// When it was first taken.
    pub started_at: Option<Timestamp>,
    /// When it became final.
    pub finished_at: Option<Timestamp>,
}

impl Progress {
    /// A run that nobody has touched.
    pub(crate) fn new(state: RunState, run_at: Timestamp) -> Progress {
        Progress {
            state,
            attempt: 0,
            failures: 0,
            rescues: 0,
            token: None,
            worker_id: None,
            lease_until: None,
            claimed_at: None,
            run_at,
            step: 0,
            progress: None,
            checkpoint: None,
            outcome: None,
            output: None,
            error: None,
            started_at: None,
            finished_at: None,
        }
    }

    /// Whether nobody has taken it and nothing happened to it yet.
    pub fn is_untouched(&self) -> bool {
        matches!(self.state, RunState::Available | RunState::Scheduled)
            && self.attempt == 0
            && self.token.is_none()
            && self.worker_id.is_none()
            && self.checkpoint.is_none()
            && self.error.is_none()
            && self.step == 0
    }

    /// No heartbeat keeps the present attempt alive beyond this: its time, and a little to say that it is over.
    pub(crate) fn attempt_ends(&self, timeout: Duration) -> Timestamp {
        self.claimed_at.map_or(Timestamp::MAX, |at| at.plus(timeout).plus(TIMEOUT_GRACE))
    }

    /// How it ended, `None` while it has not: a cancelled run did not succeed.
    pub fn success(&self) -> Option<bool> {
        self.state.is_final().then_some(self.state == RunState::Completed)
    }
}

/// What one pipeline step, or one element of it, left. Written when that ends and never again.
#[derive(Debug, Clone, PartialEq)]
pub struct StepResult {
    /// Its place among all that the run's steps left, from 0.
    pub index: u32,
    /// The step's id.
    pub id: String,
    /// Which item of its `foreach`, from 0; `None`: this closes the step.
    pub item: Option<u32>,
    /// Its result; `None` if its condition said to skip it.
    pub result: Option<Json>,
    /// Why it failed for good.
    pub error: Option<RunError>,
    /// When it ended.
    pub at: Timestamp,
}

/// How the holder of a run begins that somebody moved by hand; the name of who did follows.
pub const BY_HAND: &str = "by-hand:";

/// The word a typed task's `status` has for its run's state. One that was set back by hand is `pending` until a worker
/// takes it.
pub fn status_word(at: &Progress) -> &'static str {
    match at.state {
        RunState::Scheduled if at.run_at == Timestamp::MAX => "blocked",
        RunState::Scheduled | RunState::AwaitingApproval => "pending",
        RunState::Available if at.worker_id.as_deref().is_some_and(|by| by.starts_with(BY_HAND)) => "pending",
        RunState::Available | RunState::Retryable => "assigned",
        RunState::Running => "in_progress",
        RunState::Completed => "completed",
        RunState::Cancelled => "cancelled",
        RunState::Dead => "failed",
    }
}
