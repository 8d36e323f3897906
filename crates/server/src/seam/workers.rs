//! Workers as operators see them, the tools that steps may use, and what attempts write to their logs.

use super::Failure;
use futures_util::future::BoxFuture;
use model::Timestamp;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tasks::{AttemptToken, Directive};

/// A tool, as those see it who look for one.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolView {
    /// What a step's `uses` says.
    pub address: String,
    /// `builtin`, `http` or `stdio`.
    pub transport: &'static str,
    /// Where it is, without credentials.
    pub endpoint: String,
    /// JSON Schema of its arguments.
    pub input_schema: Value,
    /// JSON Schema of its result.
    pub output_schema: Option<Value>,
    /// The longest it may take.
    pub timeout: Option<Duration>,
    /// What a caller must be allowed to do.
    pub scopes: Vec<String>,
    /// How dear it is.
    pub cost_tier: String,
    /// What it is for.
    pub description: String,
    /// Arguments to learn from.
    pub examples: Vec<Value>,
    /// Where its breaker is: `closed`, `half_open`, `open`.
    pub circuit: &'static str,
}

/// A worker, as operators see it.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownWorker {
    /// Its name.
    pub id: String,
    /// What it is.
    pub labels: BTreeMap<String, String>,
    /// What it can do.
    pub kinds: Vec<String>,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When it was last heard of.
    pub last_seen: Timestamp,
    /// Heard of lately.
    pub alive: bool,
    /// Runs that it holds.
    pub running: usize,
    /// Runs that it could take besides.
    pub slots_free: u32,
    /// Attempts that it ended.
    pub processed: u64,
    /// What it was told to do.
    pub directive: Directive,
}

/// A line of an attempt's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// When it was written, by the worker's clock or else by ours.
    pub at: Timestamp,
    /// `debug`, `info`, `warning`, `error`.
    pub level: String,
    /// The text.
    pub line: String,
    /// Which attempt wrote it.
    pub attempt: u32,
}

/// A line that a worker brings.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLogLine {
    /// Which attempt wrote it; lines of attempts that the worker does not hold are left out.
    pub token: AttemptToken,
    /// When, if the worker says.
    pub at: Option<Timestamp>,
    /// `debug`, `info`, `warning`, `error`.
    pub level: String,
    /// The text.
    pub line: String,
}

/// A worker that is called instead of calling. Its secret is never given out again.
#[derive(Debug, Clone, PartialEq)]
pub struct PushWorker {
    /// Its name.
    pub id: String,
    /// Where runs are posted.
    pub url: String,
    /// What signs them; empty where it is only shown.
    pub secret: String,
    /// The kinds it does.
    pub kinds: Vec<String>,
    /// What it is.
    pub labels: BTreeMap<String, String>,
    /// How many runs at once.
    pub slots: u32,
}

/// Workers and tools. Everything that changes answers after its commit.
pub trait Workers: Send + Sync {
    /// What steps may use, by address.
    fn tools(&self) -> Vec<ToolView>;
    /// The workers known, by name.
    fn workers(&self) -> BoxFuture<'_, Result<Vec<KnownWorker>, Failure>>;
    /// Tells a worker what to do from its next reply on.
    fn direct(&self, id: String, to: Directive, by: String) -> BoxFuture<'_, Result<KnownWorker, Failure>>;
    /// A worker's connection closed and it had asked to be taken for gone then; does nothing if it has started
    /// anew since.
    fn gone(&self, id: String, boot_nonce: String) -> BoxFuture<'static, ()>;
    /// Keeps lines of attempts that the worker holds.
    fn log(&self, worker: String, lines: Vec<NewLogLine>) -> BoxFuture<'_, Result<(), Failure>>;
    /// The lines kept of a run, oldest first, and how many more there were; kept in memory only.
    fn log_of(&self, run_id: &str) -> (Vec<LogLine>, u64);
    /// Adds a worker that is called, or puts it in the place of the one before.
    fn put_push(&self, worker: PushWorker, by: String) -> BoxFuture<'_, Result<(), Failure>>;
    /// Those there are, by name, without their secrets.
    fn pushes(&self) -> Vec<PushWorker>;
    /// Calls one no more; false if there is none.
    fn drop_push(&self, id: String, by: String) -> BoxFuture<'_, Result<bool, Failure>>;
}
