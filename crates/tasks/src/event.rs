//! What happened in the queue that others want to know of: logs, metrics, pages. Not durable; what must not be
//! lost is a [`crate::Change`].

use crate::{Approval, RunError, RunId, RunState, TaskId};
use model::{Class, Json, Timestamp};
use std::{sync::Arc, time::Duration};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Some runs may be claimed now: wake who waits for work.
    Available {
        /// How many.
        runs: usize,
    },
    /// A run ended.
    Finished(Box<Finished>),
    /// A try failed and there will be another.
    Retrying {
        /// Which run.
        run_id: RunId,
        /// Of what kind of work.
        kind: Arc<str>,
        /// Claims so far.
        attempt: u32,
        /// What went wrong.
        error: RunError,
        /// Not before.
        run_at: Timestamp,
    },
    /// An attempt ended with nothing done: it asked to be called again later.
    PutOff {
        /// Which run.
        run_id: RunId,
        /// In how long; nothing if its worker only gave it back.
        wait: Duration,
    },
    /// An attempt was taken from a worker that is dead or silent.
    Rescued {
        /// Which run.
        run_id: RunId,
        /// Of what kind of work.
        kind: Arc<str>,
        /// Who had it.
        worker_id: Arc<str>,
    },
    /// A page's diagnose steps have ended, or their time is over: fill in what they found
    /// ([`crate::Queue::amend_args`]) before the next call that hands out work. The page is already available.
    PageReady {
        /// The page's run.
        run_id: RunId,
        /// What each step found, in the order they were given.
        children: Vec<Child>,
    },
    /// A diagnose step ended after its page had become available.
    ChildLate {
        /// The page's run.
        page: RunId,
        /// What the step found.
        child: Child,
    },
    /// A run waits for persons to agree.
    ApprovalRequested(Arc<Approval>),
    /// Persons agreed or did not, or the time for it is over, or the run ended otherwise.
    ApprovalDecided(Arc<Approval>),
    /// A schedule fired.
    ScheduleFired {
        /// Whose.
        task_id: TaskId,
        /// The run it made; `None` if it made none.
        run_id: Option<RunId>,
        /// When it was due.
        at: Timestamp,
        /// How much later it happened; earlier fires that were missed are part of this one.
        late: Duration,
        /// How many earlier or later fires that were missed are part of this one.
        missed: u64,
        /// Why it made no run.
        skipped: Option<Skip>,
    },
    /// A run comes close to its deadline, or has missed it; each is told once.
    Sla {
        /// Which run.
        run_id: RunId,
        /// Of which task.
        task_id: TaskId,
        /// Of what kind of work; a typed task's type.
        kind: Arc<str>,
        /// When it should be done by.
        deadline: Timestamp,
        /// It has missed it; else it is only close.
        violated: bool,
    },
    /// A step of a pipeline ended: well, or its tries are used up.
    StepEnded(Box<StepEnded>),
}

/// A step of a pipeline that ended, or one element of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepEnded {
    /// The tool it used.
    pub kind: Arc<str>,
    /// The kind of error it was given up with; `None`: it ended well.
    pub error: Option<String>,
    /// From the claim of its last try to its end.
    pub took: Duration,
}

/// Why a fire made no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The run of the fire before is still going.
    Overlap,
    /// It came later than the grace allows.
    Misfire,
    /// The queue holds as many runs as it may.
    Full,
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// Which run.
    pub run_id: RunId,
    /// Of which task.
    pub task_id: TaskId,
    /// Of what kind of work; of a pipeline, that of its last step.
    pub kind: Arc<str>,
    /// In which form it was asked for: `plain`, `typed`, `scheduled`.
    pub form: &'static str,
    /// Whose slots it took.
    pub class: Class,
    /// How it ended.
    pub state: RunState,
    /// Claims of its last step.
    pub attempt: u32,
    /// The result.
    pub output: Option<Json>,
    /// What went wrong.
    pub error: Option<RunError>,
    /// From the first claim to the end.
    pub took: Duration,
    /// From when it was due first to the end.
    pub since_due: Duration,
}

/// What a diagnose step came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// The step's id.
    pub step: String,
    /// Its run.
    pub run_id: RunId,
    /// Where its run is; not final if its time is over.
    pub state: RunState,
    /// Its result.
    pub output: Option<Json>,
    /// What went wrong.
    pub error: Option<RunError>,
    /// From its first claim, or from its making if it was never claimed.
    pub took_ms: u64,
}
