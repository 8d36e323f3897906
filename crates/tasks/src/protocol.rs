//! What a worker and the queue say to each other, one round trip at a time: finished work and heartbeats in,
//! results and new work out. `server` gives it its JSON form, the built-in worker uses it as it is.

use crate::AttemptToken;
use model::Json;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// Who is asking for work.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerCard {
    /// Its name; one name, one worker.
    pub id: String,
    /// Another after each start: the same id with another nonce frees what its forerunner held.
    pub boot_nonce: String,
    /// What it is; `agent` routes typed tasks.
    pub labels: BTreeMap<String, String>,
    /// The kinds it can do; `*` is all (but those of typed tasks, which go by `agent`).
    pub kinds: Vec<String>,
    /// How many more runs it can take now.
    pub slots_free: u32,
    /// It finishes what it has and takes nothing new.
    pub draining: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done, with this result.
    Done(Value),
    /// It failed; try again, not before `after` if that is given.
    Retry {
        /// What went wrong.
        error: RunError,
        /// The shortest wait.
        after: Option<Duration>,
    },
    /// Start it again after this long; costs no try.
    Snooze(Duration),
    /// It failed and another try would too.
    Failed(RunError),
}

/// What went wrong in an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunError {
    /// A short name of the kind of trouble: `timeout`, `connection_refused`.
    pub kind: String,
    /// In words.
    pub message: String,
}

/// A finished attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// Which attempt.
    pub token: AttemptToken,
    /// How it ended.
    pub outcome: Outcome,
}

/// A heartbeat for one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Extension {
    /// Which attempt.
    pub token: AttemptToken,
    /// 0 to 1.
    pub progress: Option<f64>,
    /// Given to the next attempt, should this one die.
    pub checkpoint: Option<Value>,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkRequest {
    /// Who asks.
    pub worker: WorkerCard,
    /// What it finished.
    pub complete: Vec<Completion>,
    /// What it still does.
    pub extend: Vec<Extension>,
    /// How many runs it wants, at most 1,000.
    pub want: u32,
    /// How long it waits for the first, at most 30 s.
    pub wait: Duration,
}

/// What became of a completion or an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenResult {
    /// Taken (or was taken before, with the same body).
    Accepted,
    /// The attempt is over, by time or otherwise: nothing changed.
    Stale,
    /// No such attempt.
    Unknown,
}

/// A run handed to a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The run.
    pub run_id: String,
    /// Its task.
    pub task_id: String,
    /// What to do.
    pub kind: String,
    /// What shows that this worker holds it.
    pub token: AttemptToken,
    /// The number of this try, from 1.
    pub attempt: u32,
    /// The arguments, templates filled in.
    pub args: Json,
    /// How long without a heartbeat until it is taken away.
    pub lease: Duration,
    /// The longest the attempt may take.
    pub deadline: Duration,
    /// W3C trace context.
    pub traceparent: String,
    /// What the attempt before left.
    pub checkpoint: Option<Json>,
}

/// What the worker should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Directive {
    /// Go on.
    #[default]
    None,
    /// Take no new work.
    Quiet,
    /// End.
    Terminate,
}

/// One reply; leaves only after the commit that covers it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkReply {
    /// One for each completion and extension of the request.
    pub results: Vec<(AttemptToken, TokenResult)>,
    /// New work.
    pub runs: Vec<Claim>,
    /// Attempts to stop: their runs were cancelled.
    pub cancel: Vec<AttemptToken>,
    /// What to do next.
    pub directive: Directive,
}
