//! Task and run states, queue, lease and fencing, retry, schedules, pipelines.
//!
//! A decider: `(state, event, now) -> decisions`. No I/O, no clock, nothing spawned; randomness comes from a
//! seed. Does not know SQL, HTTP, or how any kind of work is done.

mod action;
pub mod agents;
pub mod approval;
mod change;
mod event;
pub mod events;
mod fits;
mod id;
mod new;
mod options;
mod pipeline;
mod protocol;
mod queue;
mod retry;
mod run;
pub mod schedule;
mod size;
mod spread;
mod state;
mod task;
mod template;
mod token;
mod typed;

pub use action::{Action, Attempt, Running};
pub use approval::{Approval, ApprovalSettings, ApprovalStatus};
pub use change::{Audit, Change, Dedupe, Loaded, Record, RecordKind, Sleeping, Totals, WorkerRow};
pub use event::{Child, Event, Finished, Skip, StepEnded};
pub use fits::{Fits, Misfit};
pub use id::{EventId, IdText, RunId, TaskId};
pub use new::{Cancelled, NewScheduled, NewTask, NewTyped, Refusal, Submitted};
pub use options::{Options, OptionsUpdate};
pub use pipeline::STEPS_MAX;
pub use protocol::{
    Claim, Completion, Directive, Extension, Outcome, RunError, TokenResult, WorkReply, WorkRequest,
    WorkerCard,
};
#[cfg(any(feature = "broken-lease", feature = "broken-token"))]
pub use queue::broken;
pub use queue::{
    Acted, Answer, BUILTIN_WORKER, CHECKPOINT_BYTES_MAX, Counts, Hold, Line, LineView, Published, Queue,
    Recall, Settings, TaskUpdate, Why, WorkerView,
};
pub use retry::Waits;
pub use run::{BY_HAND, Parent, Progress, Run, StepResult, TIMEOUT_GRACE, status_word};
pub use spread::Spread;
pub use state::{NotApplicable, RunEvent, RunState};
pub use task::{
    Form, Schedule, ScheduleKind, Sla, Status, Task, Typed, Urgency, backoff_str, class_str, parse_backoff,
    parse_class,
};
pub use template::{Context, TemplateError, check as check_template, check_condition};
pub use token::AttemptToken;
