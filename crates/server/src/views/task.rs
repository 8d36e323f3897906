//! Tasks and runs, as they are asked for and as they are shown.

use model::{ApprovalWish, Json, Timestamp};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tasks::{RunState, TaskId};

/// A task in one of its three forms. The server has checked shapes and bounds; whether a kind, a type, a
/// schedule or a step exists is for the queue to say.
#[derive(Debug, Clone, PartialEq)]
pub enum NewTask {
    /// By `kind`.
    Plain(PlainTask),
    /// By `type`.
    Typed(TypedTask),
    /// By `schedule_kind`.
    Scheduled(ScheduledTask),
}

impl NewTask {
    /// What it says of approvals.
    pub fn approval(&self) -> Option<&ApprovalWish> {
        match self {
            NewTask::Plain(task) => task.approval.as_ref(),
            NewTask::Typed(task) => task.approval.as_ref(),
            NewTask::Scheduled(task) => task.approval.as_ref(),
        }
    }

    /// Under which key it is taken once.
    pub fn dedupe_key(&self) -> Option<&str> {
        match self {
            NewTask::Plain(task) => task.dedupe_key.as_deref(),
            NewTask::Typed(_) => None,
            NewTask::Scheduled(task) => task.dedupe_key.as_deref(),
        }
    }

    /// The same, asked for with a token that `issuer` gave out.
    pub fn issued_by(mut self, issuer: Option<&str>) -> NewTask {
        if let NewTask::Typed(task) = &mut self {
            task.issuer = issuer.map(str::to_owned);
        }
        self
    }

    /// What it asks for beyond the fields of its form.
    pub fn wishes(&self) -> &Wishes {
        match self {
            NewTask::Plain(task) => &task.wishes,
            NewTask::Typed(task) => &task.wishes,
            NewTask::Scheduled(task) => &task.wishes,
        }
    }
}

/// A piece of work, once. `None` is the queue's default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlainTask {
    /// What kind of work.
    pub kind: String,
    /// Its arguments: an object.
    pub args: Json,
    /// 1 (first) to 9 (last).
    pub priority: Option<u8>,
    /// Not before this much time has passed.
    pub delay: Option<Duration>,
    /// Accepted once while one of that key is not finished, and for the window after that.
    pub dedupe_key: Option<String>,
    /// The window, from when it is accepted; it counts once the task is completed.
    pub dedupe_window: Option<Duration>,
    /// One run of a key at a time.
    pub concurrency_key: Option<String>,
    /// Tries after the first.
    pub max_retries: Option<u32>,
    /// The longest one attempt may take.
    pub timeout: Option<Duration>,
    /// How the waits between tries grow: `exponential_jitter`, `linear` or `fixed`.
    pub backoff: Option<String>,
    /// What few tasks ask for.
    pub wishes: Wishes,
    /// Persons must agree first.
    pub approval: Option<ApprovalWish>,
}

/// What few tasks ask for; the default is none of it. Only the plain form has a time of expiry and a deadline among
/// them: a typed task has its own, and each run of a scheduled one would need another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wishes {
    /// The queue it waits in.
    pub queue: Option<String>,
    /// Only a worker that has all of these labels may take it.
    pub labels: BTreeMap<String, String>,
    /// Runs of one key begin no more often than `rate_per_minute`.
    pub rate_key: Option<String>,
    /// How often.
    pub rate_per_minute: Option<u32>,
    /// Given up if it has not begun so long after it was due first.
    pub queued_timeout: Option<Duration>,
    /// Given up if it has not ended so long after it was accepted.
    pub total_timeout: Option<Duration>,
    /// An attempt lives so long without a heartbeat.
    pub heartbeat_timeout: Option<Duration>,
    /// Cancelled if it has not begun by then.
    pub expires_at: Option<Timestamp>,
    /// The same, from when it is accepted.
    pub expires_in: Option<Duration>,
    /// When it should be done by.
    pub sla_deadline: Option<Timestamp>,
    /// After which part of the time to that to warn.
    pub sla_alert_threshold: Option<f64>,
    /// Kinds of error after which no further try is made.
    pub non_retryable: Vec<String>,
}

/// A task for an agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TypedTask {
    /// Its type: `bugfix`.
    pub type_: String,
    /// Its payload: an object.
    pub payload: Value,
    /// `P0` to `P3`.
    pub priority: String,
    /// Where it came from.
    pub source: String,
    /// How fast it should be done, and by when; kept only if both are given.
    pub sla: Option<Sla>,
    /// Further words: an object.
    pub metadata: Value,
    /// What few tasks ask for.
    pub wishes: Wishes,
    /// Persons must agree first, also where nothing else asks for it.
    pub approval: Option<ApprovalWish>,
    /// Who counts as the one who asks, where that is not the principal: who issued its token.
    pub issuer: Option<String>,
}

/// A promise about a typed task.
#[derive(Debug, Clone, PartialEq)]
pub struct Sla {
    /// As it was given: a text, or a number of seconds.
    pub target: Value,
    /// By when.
    pub deadline: Timestamp,
    /// After which part of the time to the deadline to warn.
    pub alert_threshold: Option<f64>,
}

/// A pipeline on a schedule. `None` is the queue's default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScheduledTask {
    /// Its title.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// `once`, `cron`, `rrule`, `event` or `condition`.
    pub schedule_kind: String,
    /// In the words of its kind.
    pub schedule_expr: Option<String>,
    /// An IANA name; `None`: the configured zone.
    pub timezone: Option<String>,
    /// `{params, pipeline: [step]}`.
    pub payload: Value,
    /// 1 (first) to 9 (last).
    pub priority: Option<u8>,
    /// Accepted once while the task is active, and for the window.
    pub dedupe_key: Option<String>,
    /// The window, from when it is accepted.
    pub dedupe_window: Option<Duration>,
    /// Tries after the first.
    pub max_retries: Option<u32>,
    /// `exponential_jitter`, `linear` or `fixed`.
    pub backoff_strategy: Option<String>,
    /// One run of a key at a time.
    pub concurrency_key: Option<String>,
    /// Who it belongs to, if not to the caller.
    pub created_by: Option<String>,
    /// What few tasks ask for; each run has it.
    pub wishes: Wishes,
    /// Persons must agree before each run.
    pub approval: Option<ApprovalWish>,
    /// How it fires where that is not as usual: [`tasks::schedule::Firing`] by its keys.
    pub firing: serde_json::Map<String, Value>,
}

/// A task that was taken, in as few words as possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its id, or that of the task which has its dedupe key.
    pub id: TaskId,
    /// It was asked for by `type`.
    pub typed: bool,
}

/// What became of a task that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// The task.
    pub task: TaskView,
    /// It was there already: the dedupe key matched.
    pub duplicate: bool,
}

/// A task in the form it was asked for. Fields that the request left out hold what the queue chose.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskForm {
    /// By `kind`.
    Plain(PlainTask),
    /// By `type`.
    Typed {
        /// What was asked for; `type` is the canonical name.
        task: TypedTask,
        /// The agent that does it.
        agent: String,
        /// Its trace.
        trace_id: String,
        /// The task it came from.
        parent: Option<String>,
        /// The tasks that came from it.
        children: Vec<String>,
    },
    /// By `schedule_kind`.
    Scheduled {
        /// What was asked for.
        task: ScheduledTask,
        /// When it runs next.
        next_run: Option<Timestamp>,
    },
}

/// One task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// Its id.
    pub id: String,
    /// Its form.
    pub form: TaskForm,
    /// The source's word: `assigned`, `active`, `pending`.
    pub status: String,
    /// Where its latest run is; `None` before the first.
    pub state: Option<RunState>,
    /// Who asked.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When its latest run began.
    pub started_at: Option<Timestamp>,
    /// When its latest run ended.
    pub completed_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// Tries after the first that were used.
    pub retries: u32,
    /// Tries after the first that it may use.
    pub max_retries: u32,
    /// What its latest run gave.
    pub output: Option<Value>,
    /// How far its latest run is, 0 to 1, as its worker last said; `None` unless it goes on.
    pub progress: Option<f64>,
    /// An attempt left something for the next.
    pub has_checkpoint: bool,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// Its task.
    pub task_id: String,
    /// What kind of work.
    pub kind: String,
    /// Where it is.
    pub state: RunState,
    /// The number of its latest try, from 1; 0 before the first.
    pub attempt: u32,
    /// Who has it, or had it last.
    pub worker_id: Option<String>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When its latest try began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What it gave.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<String>,
    /// How far it is, 0 to 1, as its worker last said; `None` unless it goes on.
    pub progress: Option<f64>,
    /// An attempt left something for the next.
    pub has_checkpoint: bool,
}

/// Which tasks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskFilter {
    /// Of this status.
    pub status: Option<String>,
    /// Asked for by this principal.
    pub created_by: Option<String>,
    /// On this kind of schedule.
    pub schedule_kind: Option<String>,
    /// In this form: `plain`, `typed` or `scheduled`.
    pub form: Option<String>,
    /// At most this many.
    pub limit: u64,
    /// After this many.
    pub offset: u64,
}

/// Which runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunFilter {
    /// Of this task.
    pub task_id: Option<String>,
    /// That ended well (`true`) or badly (`false`).
    pub success: Option<bool>,
    /// Created not before this.
    pub from: Option<Timestamp>,
    /// Created not after this.
    pub to: Option<Timestamp>,
    /// At most this many.
    pub limit: u64,
    /// After this many.
    pub offset: u64,
}
