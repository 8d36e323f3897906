//! What can be asked of the queue, and why it may refuse.

use crate::{Sla, Task, TaskId, Urgency};
use model::{Json, TaskSpec, Timestamp};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// A task to be queued, in one of its three forms.
#[derive(Debug, Clone, PartialEq)]
pub enum NewTask {
    /// By `kind`: runs once. A dedupe key holds until the task has ended, and if it is completed, for the window.
    Plain(TaskSpec, Duration),
    /// By `type`.
    Typed(NewTyped),
    /// By `schedule_kind`.
    Scheduled(NewScheduled),
}

/// A task for an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTyped {
    /// Its type, or another name of it.
    pub type_: String,
    /// Its payload.
    pub payload: Json,
    /// Its priority.
    pub urgency: Urgency,
    /// Where it comes from.
    pub source: String,
    /// When it should be done by.
    pub sla: Option<Sla>,
    /// Whatever the client adds.
    pub metadata: Value,
}

/// A pipeline on a schedule. `None` is the queue's default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewScheduled {
    /// Its title.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// `once` or `cron`.
    pub schedule_kind: String,
    /// In the words of its kind.
    pub schedule_expr: Option<String>,
    /// The zone it is read in.
    pub timezone: Option<String>,
    /// `{params, pipeline: [step]}`.
    pub payload: Value,
    /// 1 (first) to 9 (last).
    pub priority: Option<u8>,
    /// Accepted once while the task is active, and for the window.
    pub dedupe_key: Option<String>,
    /// The window, from when it is accepted.
    pub dedupe_window: Option<Duration>,
    /// Tries of a step after the first.
    pub max_retries: Option<u32>,
    /// `exponential_jitter`, `linear` or `fixed`.
    pub backoff_strategy: Option<String>,
    /// One run of a key at a time.
    pub concurrency_key: Option<String>,
}

/// What became of a task that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// Its id, or that of the task which holds its dedupe key.
    pub task_id: TaskId,
    /// The task; `None` if it is a duplicate of one that has ended, which only the store knows.
    pub task: Option<Arc<Task>>,
    /// It was there already: the dedupe key is taken. Nothing changed.
    pub duplicate: bool,
    /// A worker may claim its run now.
    pub available: bool,
}

/// Why something was not done. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field's value is not one we take.
    #[error("{field}: {what}")]
    Invalid {
        /// Which field, as a path: `payload.pipeline[0].uses`.
        field: String,
        /// What is wrong with it and what would be right.
        what: String,
    },
    /// The arguments are not what is declared of this kind of work.
    #[error("{field}: {what}")]
    Misfit {
        /// Where, as a path: `args.to[1]`.
        field: String,
        /// What is wrong with it and what would be right.
        what: String,
    },
    /// Nobody can do this kind of work.
    #[error(
        "{field}: nobody can do work of kind {kind:?}; start a worker that names it, or declare it under `kinds:`; known: {known}"
    )]
    UnknownKind {
        /// Where it was named.
        field: String,
        /// What was named.
        kind: String,
        /// What could be.
        known: String,
    },
    /// A field holds more than is taken.
    #[error("{field}: has about {bytes} bytes, more than the {max} taken")]
    TooLarge {
        /// Which field.
        field: String,
        /// About how much it holds.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The queue holds as many runs as it may.
    #[error("the queue holds {max} runs already; try again when some are done")]
    Full {
        /// The bound.
        max: usize,
    },
    /// No such task among those that still run or fire; the store knows whether there was one.
    #[error("no task {0} is waiting, running or scheduled")]
    NotLive(TaskId),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// Who asks may not do that.
    #[error("{0}")]
    Forbidden(String),
    /// It is not in a state for that.
    #[error("{0}")]
    NotApplicable(String),
}

impl Refusal {
    pub(crate) fn invalid(field: impl Into<String>, what: impl Into<String>) -> Refusal {
        Refusal::Invalid { field: field.into(), what: what.into() }
    }
}

/// What a cancellation stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled {
    /// Runs that were waiting.
    pub waiting: usize,
    /// Runs that a worker had; it is told.
    pub running: usize,
    /// The task's next fire, which will not happen.
    pub next_fire: Option<Timestamp>,
}
