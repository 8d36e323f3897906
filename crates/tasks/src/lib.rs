//! Task and run states, queue, lease and fencing, retry, schedules, pipelines.
//!
//! A decider: `(state, event, now) -> decisions`. No I/O, no clock, nothing spawned; randomness comes from a
//! seed. Does not know SQL, HTTP, or how any kind of work is done.

mod action;
mod protocol;
mod state;
mod token;

pub use action::{Action, Attempt, Running};
pub use protocol::{
    Claim, Completion, Directive, Extension, Outcome, RunError, TokenResult, WorkReply, WorkRequest,
    WorkerCard,
};
pub use state::{NotApplicable, RunEvent, RunState};
pub use token::AttemptToken;
