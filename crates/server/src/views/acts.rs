//! What people do to tasks, queues and runs that were given up, and what they are told.

use model::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;
use tasks::{OptionsUpdate, RunState};

/// What somebody does to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskAct {
    /// A run of it now, besides its schedule; a task that runs once need not wait any longer.
    RunNow,
    /// What waits begins later.
    Snooze {
        /// By how much.
        delay: Duration,
        /// Why; may be empty.
        reason: String,
    },
    /// It does not begin until it is resumed.
    Pause,
    /// It may begin again.
    Resume,
    /// It is stopped for good.
    Cancel,
    /// It is stopped and forgotten, its history too.
    Delete,
}

/// Fields of a scheduled task that become others; `None` leaves one as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskUpdate {
    /// Its title.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// How its expression is read.
    pub schedule_kind: Option<String>,
    /// When it fires.
    pub schedule_expr: Option<String>,
    /// The zone that is read in.
    pub timezone: Option<String>,
    /// `{params, pipeline: [step]}`.
    pub payload: Option<Value>,
    /// 1 (first) to 9 (last).
    pub priority: Option<u8>,
    /// `active`, `paused` or `canceled`.
    pub status: Option<String>,
    /// Tries of a step after the first.
    pub max_retries: Option<u32>,
    /// `exponential_jitter`, `linear` or `fixed`.
    pub backoff_strategy: Option<String>,
    /// One run of a key at a time; an empty one is none.
    pub concurrency_key: Option<String>,
    /// How it fires: [`tasks::schedule::Firing`] by its keys; null takes one back.
    pub firing: Map<String, Value>,
    /// What few tasks ask for.
    pub wishes: OptionsUpdate,
}

/// Something that was done, or was so already.
#[derive(Debug, Clone, PartialEq)]
pub struct Acted {
    /// To what: a task's id.
    pub task_id: String,
    /// In words.
    pub message: String,
    /// In figures, under the names that clients know.
    pub details: Map<String, Value>,
}

/// A request that is to be done once, however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Whose key it is.
    pub by: String,
    /// The key.
    pub key: String,
    /// What is asked, digested.
    pub digest: String,
}

/// An answer as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its status.
    pub status: u16,
    /// Its body, JSON.
    pub body: String,
    /// It is that of an earlier request with the same key.
    pub replayed: bool,
}

/// One thing that keeps a task from running, or what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    /// `scheduled`, `queue_paused`, `no_worker`, ...
    pub cause: &'static str,
    /// In words.
    pub text: String,
    /// The facts: `until`, `queue`, `run_id`.
    pub facts: Map<String, Value>,
}

/// Why a task does not run.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// The task.
    pub task_id: String,
    /// Its run, if it has one.
    pub run_id: Option<String>,
    /// Where that is.
    pub state: Option<RunState>,
    /// All causes at once; empty if a worker may take it now.
    pub causes: Vec<Cause>,
}

/// What somebody does to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueAct {
    /// Nothing of it begins.
    Pause,
    /// It goes on.
    Resume,
    /// Bounds on what runs; `None` leaves one as it is, `Some(None)` takes it away.
    Limit {
        /// Runs at once.
        running_max: Option<Option<u32>>,
        /// Runs that begin in a minute.
        rate_per_minute: Option<Option<u32>>,
    },
}

/// A queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Nothing of it begins.
    pub paused: bool,
    /// Who paused it, and when.
    pub paused_by: Option<(String, Timestamp)>,
    /// Runs at once.
    pub running_max: Option<u32>,
    /// Runs that begin in a minute.
    pub rate_per_minute: Option<u32>,
    /// Runs that wait, for whatever.
    pub waiting: u64,
    /// Of them, those that are due.
    pub ready: u64,
    /// Runs that a worker has.
    pub running: u64,
}

/// What somebody does to a run that was given up.
#[derive(Debug, Clone, PartialEq)]
pub enum DeadAct {
    /// Its arguments become others, for when it is done again.
    Edit(Value),
    /// It is done again, as another task.
    Replay,
    /// It is put away: nobody need look at it any more.
    Discard,
}

/// A run that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The run.
    pub run_id: String,
    /// Its task.
    pub task_id: String,
    /// What kind of work, or the task's title.
    pub kind: String,
    /// With what it would be done again.
    pub args: Value,
    /// How often it was tried.
    pub attempt: u32,
    /// Why it failed: the kind of error.
    pub error_type: String,
    /// Why it failed.
    pub error: String,
    /// When it was given up.
    pub at: Option<Timestamp>,
    /// The task that does it again.
    pub replayed_as: Option<String>,
}

/// How the runs of some days went.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunStats {
    /// Runs that ended.
    pub total: u64,
    /// Of them, those that ended well.
    pub successful: u64,
    /// Of them, those that did not.
    pub failed: u64,
    /// From the first claim to the end, on average.
    pub seconds_avg: Option<f64>,
    /// When the last one was made.
    pub last_run: Option<Timestamp>,
    /// When the last one ended well.
    pub last_success: Option<Timestamp>,
    /// When the last one ended badly.
    pub last_failure: Option<Timestamp>,
    /// Tasks that ran, if it is not about one.
    pub tasks: Option<u64>,
}

/// What ended in one span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ended {
    /// When the span begins.
    pub from: Timestamp,
    /// Tasks accepted.
    pub created: u64,
    /// Runs that ended.
    pub total: u64,
    /// Of them, those that ended well.
    pub successful: u64,
    /// Of them, those that were given up.
    pub failed: u64,
    /// Time from first claim to end, all together, in seconds.
    pub seconds: f64,
    /// The longest.
    pub seconds_max: f64,
}

/// The queue in every figure that a responder wants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueDetail {
    /// Runs that wait.
    pub total_pending: u64,
    /// Of them, those that are due.
    pub ready_now: u64,
    /// Runs that a worker has.
    pub currently_leased: u64,
    /// Of them, those whose lease is over and that nobody has taken back yet.
    pub expired_leases: u64,
    /// When the oldest waiting run was accepted.
    pub oldest_pending: Option<Timestamp>,
    /// When the newest was.
    pub newest_pending: Option<Timestamp>,
    /// The last 60 minutes.
    pub last_hour: Ended,
    /// Workers heard of lately.
    pub active_workers: u64,
    /// Waiting runs by priority, 1 to 9.
    pub by_priority: [u64; 9],
    /// Each hour asked for, oldest first; the last one is not over.
    pub hours: Vec<Ended>,
}
