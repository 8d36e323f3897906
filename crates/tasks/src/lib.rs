//! Task and run states, queue, lease and fencing, retry, schedules, pipelines.
//!
//! A decider: `(state, event, now) -> decisions`. No I/O, no clock, nothing spawned; randomness comes from a
//! seed. Does not know SQL, HTTP, or how any kind of work is done.

mod task;
mod run;
mod state;
mod change;
mod protocol;
mod token;
mod id;
mod action;

pub use action::{Action, Attempt, Running};
pub use change::{Audit, Change, Dedupe, Loaded, Totals, WorkerRow};
pub use id::{IdText, RunId, TaskId};
pub use protocol::{
    Claim, Completion, Directive, Extension, Outcome, RunError, TokenResult, WorkReply, WorkRequest,
    WorkerCard,
};
pub use run::{Parent, Progress, Run, StepResult, status_word};
pub use state::{NotApplicable, RunEvent, RunState};
pub use task::{
    Form, Schedule, ScheduleKind, Sla, Status, Task, Typed, Urgency, backoff_str, class_str, parse_backoff,
    parse_class,
};
pub use token::AttemptToken;
