//! What a decision changed, for the journal to write; and what the journal gives back at a start.
//!
//! Applying a change twice leaves what applying it once leaves, but for [`Change::Fired`], which can be applied
//! once. Changes of one decision belong into one transaction, in their order.

use crate::{AttemptToken, Progress, Run, RunId, StepResult, Task, TaskId};
use model::{Json, Timestamp};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// One row that changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A task is new, or its status is another.
    TaskPut(Arc<Task>),
    /// Any field of a task is another.
    TaskReplaced(Arc<Task>),
    /// A task, its runs and their steps are no more.
    TaskGone(TaskId),
    /// A schedule fired: its next fire moves from one instant to another. The store refuses the whole transaction
    /// unless the next fire it knows is `from`: somebody else fired it, and made the run that belongs to it.
    Fired {
        /// Whose.
        task_id: TaskId,
        /// The fire that happened.
        from: Timestamp,
        /// The next one.
        to: Option<Timestamp>,
    },
    /// A run is new.
    RunPut(Box<Run>),
    /// A run moved.
    RunMoved(RunId, Box<Progress>),
    /// A run's own arguments are others.
    RunArgs(RunId, Json),
    /// A pipeline step ended.
    StepDone(RunId, StepResult),
    /// A dedupe key is taken.
    DedupePut(Dedupe),
    /// A dedupe key is free again.
    DedupeGone {
        /// The key.
        key: String,
        /// Whose.
        by: String,
    },
    /// A worker was heard of; written when it starts and each half minute, not at each request.
    WorkerSeen(WorkerRow),
    /// A worker has been silent for so long that it is forgotten.
    WorkerGone(Arc<str>),
    /// Somebody did something that should be on record.
    Audit(Audit),
    /// The counters of all time; the last one in a batch is the one that counts.
    Totals(Totals),
    /// A record is new or another; `None`: it is gone.
    Record {
        /// Of what kind.
        kind: RecordKind,
        /// Unique in its kind.
        key: String,
        /// In the form its decider gives it and reads back.
        row: Option<Value>,
    },
}

/// What is kept as whole JSON rows, because there are few of it and it moves seldom. Each decider writes and reads
/// its own kinds; the store only keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// An approval, by its id.
    Approval,
    /// An agent, by its id.
    Agent,
    /// Which agent a type of task goes to, by the type.
    Routing,
    /// An event that was published from outside, by its id.
    Event,
    /// A webhook that is told of events, by its id.
    Subscription,
    /// A worker that is called rather than calls, by its id.
    Push,
    /// A queue that is not as it was at the start: paused, limited; by its name.
    Queue,
    /// An answer that is given again to the same idempotency key.
    Idempotency,
    /// A credential that is no longer taken, by its id.
    Revoked,
    /// A calendar of days without work, by its name.
    Calendar,
    /// What an operator told a worker to do, by its id.
    Directive,
    /// A condition over series that holds, by the task that waits for it to begin to.
    Condition,
    /// What was told about a run's deadline, by the run's id; gone when it ends.
    Sla,
    /// What became of a run that was given up: done again, or put away; by the run's id.
    DeadLetter,
    /// What kind of metric a name stands for that applications tell, by the name.
    Metric,
    /// A threshold that is crossed, by its name and series.
    Threshold,
    /// That a threshold was crossed, by a key that rises with time.
    Crossing,
    /// Who stands in on a schedule of who is on call, by an id.
    StandIn,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [RecordKind; 18] = [
        RecordKind::Approval,
        RecordKind::Agent,
        RecordKind::Routing,
        RecordKind::Event,
        RecordKind::Subscription,
        RecordKind::Push,
        RecordKind::Queue,
        RecordKind::Idempotency,
        RecordKind::Revoked,
        RecordKind::Calendar,
        RecordKind::Directive,
        RecordKind::Condition,
        RecordKind::Sla,
        RecordKind::DeadLetter,
        RecordKind::Metric,
        RecordKind::Threshold,
        RecordKind::Crossing,
        RecordKind::StandIn,
    ];

    /// As the store names it.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordKind::Approval => "approval",
            RecordKind::Agent => "agent",
            RecordKind::Routing => "routing",
            RecordKind::Event => "event",
            RecordKind::Subscription => "subscription",
            RecordKind::Push => "push",
            RecordKind::Queue => "queue",
            RecordKind::Idempotency => "idempotency",
            RecordKind::Revoked => "revoked",
            RecordKind::Calendar => "calendar",
            RecordKind::Directive => "directive",
            RecordKind::Condition => "condition",
            RecordKind::Sla => "sla",
            RecordKind::DeadLetter => "dead_letter",
            RecordKind::Metric => "metric",
            RecordKind::Threshold => "threshold",
            RecordKind::Crossing => "crossing",
            RecordKind::StandIn => "stand_in",
        }
    }

    /// From [`RecordKind::as_str`].
    pub fn parse(text: &str) -> Option<RecordKind> {
        RecordKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Runs that wait on disk, of one kind: each [`Run::may_sleep`], available or scheduled, and nobody has touched it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sleeping {
    /// Their kind of work.
    pub kind: Arc<str>,
    /// The agent that must do it.
    pub agent: Option<Arc<str>>,
    /// Their time has not come; else they are available.
    pub scheduled: bool,
    /// Priority, time and id of each, in any order.
    pub places: Vec<(u8, Timestamp, RunId)>,
}

/// A record as the store gives it back.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Of what kind.
    pub kind: RecordKind,
    /// Unique in its kind.
    pub key: String,
    /// As it was written.
    pub row: Value,
}

/// A dedupe key and the task that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe {
    /// The key.
    pub key: String,
    /// Whose: the same key of two creators is two keys.
    pub by: String,
    /// The task that was accepted under it.
    pub task_id: TaskId,
    /// It holds until then and until that task's runs have ended.
    pub until: Timestamp,
}

/// A worker as the store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerRow {
    /// Its name.
    pub id: Arc<str>,
    /// Of its last start.
    pub boot_nonce: String,
    /// Of the starts before that, the newest last; the queue bounds how many.
    pub former_nonces: Vec<String>,
    /// What it is.
    pub labels: BTreeMap<String, String>,
    /// What it can do.
    pub kinds: Vec<String>,
    /// When it was last heard of.
    pub last_seen: Timestamp,
    /// How many attempts it has ended.
    pub processed: u64,
    /// When it was first heard of.
    pub created_at: Timestamp,
}

impl WorkerRow {
    /// Whether this is the nonce of a start before the last one.
    pub fn is_former(&self, boot_nonce: &str) -> bool {
        self.boot_nonce != boot_nonce && self.former_nonces.iter().any(|former| former == boot_nonce)
    }
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What: `task.created`, `task.canceled`.
    pub action: &'static str,
    /// To what.
    pub subject: TaskId,
    /// More.
    pub details: Value,
}

/// Counters of all time, of users' tasks only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Tasks accepted.
    pub accepted: u64,
    /// Runs completed.
    pub completed: u64,
    /// Runs given up.
    pub dead: u64,
    /// Runs cancelled.
    pub cancelled: u64,
    /// Attempts lost with their worker, of any class.
    pub rescued: u64,
}

/// What a queue starts from.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Tasks that still fire, and those of `runs`.
    pub tasks: Vec<Arc<Task>>,
    /// Runs that are not final, and final ones whose parent is not; without those of `sleeping`.
    pub runs: Vec<Run>,
    /// Runs that wait on disk, and where they stand in line.
    pub sleeping: Vec<Sleeping>,
    /// The newest id of all: ids go on rising from there.
    pub newest: Option<RunId>,
    /// Attempts that ended lately: token and digest of the outcome, newest last.
    pub ended: Vec<(AttemptToken, Option<u64>)>,
    /// Dedupe keys.
    pub dedupe: Vec<Dedupe>,
    /// Workers.
    pub workers: Vec<WorkerRow>,
    /// Counters.
    pub totals: Totals,
    /// Records of all kinds.
    pub records: Vec<Record>,
}

impl Loaded {
    /// Takes the records of one kind out, in the order of their keys.
    pub fn take_records(&mut self, kind: RecordKind) -> Vec<Record> {
        self.records.extract_if(.., |record| record.kind == kind).collect()
    }
}
