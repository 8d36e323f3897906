//! Doing work: slots, claims, heartbeats, time limits, and the actions that runs ask for by kind.
//!
//! Does not know how a task was decided, where it is stored, or what a page is: it asks a [`Desk`] for runs, does
//! them, and says how they ended. It never claims more than it has free slots, never goes on with a run whose
//! lease it lost, and hands back what it cannot finish.
//!
//! Kinds are split by who may ask. `noop`, `wait`, `http` and `promql` may come over the API; so may the names of
//! declared [`Tools`]. Everything else (`redis`, `sql`, `file`, `process`, `command`, and `http` to private
//! addresses) exists only under [`operator_kind`], for runbooks and other files that an operator owns.

mod desk;
mod pool;

mod actions;
mod args;
mod breaker;
mod circuit;
mod guarded;
mod push;
mod schema;
mod tools;

pub use actions::{API_KINDS, Actions, Evaluate, Parts, operator_kind};
pub use breaker::{Breaker, Ended, Limits, Pass, State as BreakerState};
pub use circuit::{Circuits, METRICS};
pub use desk::{BoxFuture, Desk, DeskError};
pub use guarded::Guarded;
pub use pool::{Counters, Emit, Pool, Settings};
pub use push::{CalledBack, PushTarget, push_pool};
pub use schema::Schema;
pub use tools::{ArgConfig, ArgKind, BreakerConfig, ToolConfig, ToolInfo, Tools};
