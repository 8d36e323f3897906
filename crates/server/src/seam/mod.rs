//! The seams below the server: what it asks of the rest of the process. `tocsin` fills them.
//!
//! All calls are asynchronous but those of [`Series`], which the server runs on blocking threads under its own
//! bound. An implementor of an asynchronous call may wait for the deciders' thread or for the store, never
//! block the runtime. Every trait is called from many requests at once; what may be called twice says so.

mod agents;
mod approvals;
mod asked;
mod events;
mod incidents;
mod keep;
mod queues;
mod schedules;
mod thresholds;
mod workers;

pub use agents::Agents;
pub use approvals::{ApprovalAct, Approvals};
pub use asked::{Answer, Asked};
pub use events::{Events, Listener, Listeners, Published, Topic};
pub use incidents::{By, Incidents};
pub use keep::{Keep, KnownAgent, TokenAct};
pub use queues::Queues;
pub use schedules::Schedules;
pub use thresholds::Thresholds;
pub use workers::{KnownWorker, LogLine, NewLogLine, PushWorker, ToolView, Workers};

use crate::views::{
    AlertGroup, AlertView, Health, Instant, Kept, LabelsQuery, MetricMetadata, MovedAlert, NewTask, PageOf,
    ProbeView, QueryAnswer, QueueStats, Range, RuleGroupView, RunFilter, RunView, RuntimeView, SeriesQuery,
    SilenceView, Submitted, Taken, TargetView, TaskFilter, TaskView, Trend, TsdbView, WaitingView,
    WorkerView,
};
use futures_util::future::BoxFuture;
use model::{Alert, Labels, Matcher, Timestamp};
use std::collections::BTreeMap;
use std::{sync::Arc, time::Duration};
use tasks::{RunState, WorkReply, WorkRequest};

/// Why something asked for was not done. The server alone turns it into a status code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// 422: the request has the wrong shape.
    #[error("{field}: {what}")]
    Shape {
        /// Which field; empty if it is the request as a whole.
        field: String,
        /// What is wrong with it and what would be right.
        what: String,
    },
    /// 400: the shape is right, a value is not one we know or take.
    #[error("{field}: {what}")]
    Value {
        /// Which field.
        field: String,
        /// What is wrong with it and what would be right.
        what: String,
    },
    /// 403: this principal may not do that to that thing.
    #[error("{0}")]
    Forbidden(String),
    /// 404: no such thing. The text is the whole message: `Task 17 not found`.
    #[error("{0}")]
    NotFound(String),
    /// 409: not in this state.
    #[error("{0}")]
    Conflict(String),
    /// 413: a part of the request is larger than is taken.
    #[error("{0}")]
    TooLarge(String),
    /// 429: a bound is reached; try again later.
    #[error("{0}")]
    Full(String),
    /// 503: stopping, or the store refuses writes.
    #[error("{0}")]
    Unavailable(String),
    /// 500: our fault. The client sees only that much; the text goes to the log.
    #[error("{0}")]
    Internal(String),
}

/// Why an expression has no answer, in the words of the Prometheus API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryFailure {
    /// `bad_data`, 400: the expression does not parse; the text holds line and column.
    #[error("{0}")]
    Parse(String),
    /// `execution`, 422: it parses and cannot be evaluated, or loads too many samples.
    #[error("{0}")]
    Execution(String),
    /// `timeout`, 503: the deadline passed.
    #[error("{0}")]
    Timeout(String),
    /// `internal`, 500: the store failed.
    #[error("{0}")]
    Internal(String),
}

/// Reads series and evaluates expressions. Synchronous: called on blocking threads, a bounded number at once.
pub trait Series: Send + Sync {
    /// An expression at one instant.
    fn instant(&self, what: &Instant) -> Result<QueryAnswer, QueryFailure>;
    /// An expression over a range; the server has checked the number of steps.
    fn range(&self, what: &Range) -> Result<QueryAnswer, QueryFailure>;
    /// The label sets that match any of the matcher lists, sorted, each once.
    fn series(&self, what: &SeriesQuery) -> Result<Vec<Labels>, QueryFailure>;
    /// The names of labels of the matching series (all series if no list is given), sorted.
    fn label_names(&self, what: &LabelsQuery) -> Result<Vec<String>, QueryFailure>;
    /// The values of one label of the matching series, sorted.
    fn label_values(&self, name: &str, what: &LabelsQuery) -> Result<Vec<String>, QueryFailure>;
    /// How the number behind an alert moved, for the small chart beside it: the rule's expression without
    /// its outermost comparison, narrowed to the alert's labels. `None` where there is nothing to draw.
    fn trend(&self, alert: &AlertView, from: Timestamp, to: Timestamp, points: usize) -> Option<Trend>;
    /// What `/api/v1/status/tsdb` shows, each list at most `limit` long.
    fn tsdb(&self, limit: usize) -> TsdbView;
}

/// Reads what is watched and what is wrong.
pub trait Monitoring: Send + Sync {
    /// The targets that are scraped.
    fn targets(&self) -> BoxFuture<'_, Vec<TargetView>>;
    /// The labels, before relabelling, of targets that relabelling dropped; bounded.
    fn targets_dropped(&self) -> BoxFuture<'_, Vec<Labels>>;
    /// How many targets relabelling dropped, by scrape configuration; not bounded by how many are shown.
    fn targets_dropped_counts(&self) -> BoxFuture<'_, BTreeMap<String, u64>>;
    /// What the targets say their metrics are: the labels of each with its metrics by name.
    fn metadata(&self) -> BoxFuture<'_, Vec<(Labels, BTreeMap<String, MetricMetadata>)>>;
    /// The probes.
    fn probes(&self) -> BoxFuture<'_, Vec<ProbeView>>;
    /// The rule groups, by file and name.
    fn rules(&self) -> BoxFuture<'_, Vec<RuleGroupView>>;
    /// The alerts that the router holds, that have not ended, and whose labels all of `matchers` accept.
    fn alerts(&self, matchers: Vec<Matcher>) -> BoxFuture<'_, Vec<AlertView>>;
    /// The same, by route and group.
    fn alert_groups(&self) -> BoxFuture<'_, Vec<AlertGroup>>;
    /// All silences kept, ended ones too.
    fn silences(&self) -> BoxFuture<'_, Vec<SilenceView>>;
    /// The names of the receivers, in the order of the file.
    fn receivers(&self) -> BoxFuture<'_, Vec<String>>;
}

/// Changes things. Each call answers only after the commit that covers it.
pub trait Desk: Send + Sync {
    /// Takes a task. `by` is the principal's name.
    fn submit(&self, task: NewTask, by: String) -> BoxFuture<'_, Result<Submitted, Failure>>;
    /// Takes many tasks as one: each has its own verdict, in their order.
    fn submit_many(
        &self,
        tasks: Vec<NewTask>,
        by: String,
    ) -> BoxFuture<'_, Result<Vec<Result<Taken, Failure>>, Failure>>;
    /// One round trip of a worker; waits for work at most `request.wait`. Dropping the future drops the wait,
    /// not a claim that was committed (its lease runs out).
    fn work(&self, request: WorkRequest) -> BoxFuture<'_, Result<WorkReply, Failure>>;
    /// Sets the status of a typed task, as `PATCH /tasks/{id}/status` says it.
    fn patch_status(
        &self,
        task_id: String,
        status: String,
        error: Option<String>,
        by: String,
    ) -> BoxFuture<'_, Result<(), Failure>>;
    /// Takes alerts from outside; `ends_at` is always set.
    fn post_alerts(&self, alerts: Vec<Alert>) -> BoxFuture<'_, Result<(), Failure>>;
    /// Adds or replaces a silence (an empty id adds); gives its id, another one if the matchers changed. One that is
    /// asked for without terms keeps those that it has. One with terms that is very broad is a [`Failure::Conflict`]
    /// until it is confirmed.
    fn put_silence(
        &self,
        silence: SilenceView,
        by: String,
        asked: Asked<String>,
    ) -> BoxFuture<'_, Result<Kept, Failure>>;
    /// Ends a silence now. Ending an ended one is a [`Failure::Conflict`].
    fn expire_silence(&self, id: String, by: String) -> BoxFuture<'_, Result<(), Failure>>;
    /// Reads the configuration again. A bad one changes nothing: [`Failure::Value`] with all that is wrong.
    fn reload(&self, by: String) -> BoxFuture<'_, Result<(), Failure>>;
    /// Reads the configuration as a reload would and changes nothing: the alerts that fire and would go elsewhere, at
    /// most `limit` of them, by labels. A bad one is the same [`Failure::Value`].
    fn would_move(&self, limit: usize, by: String) -> BoxFuture<'_, Result<PageOf<MovedAlert>, Failure>>;
}

/// Reads tasks and runs.
pub trait Tasks: Send + Sync {
    /// One task.
    fn task(&self, id: String) -> BoxFuture<'_, Result<Option<TaskView>, Failure>>;
    /// Tasks, newest first.
    fn tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<PageOf<TaskView>, Failure>>;
    /// One run.
    fn run(&self, id: String) -> BoxFuture<'_, Result<Option<RunView>, Failure>>;
    /// Runs, newest first.
    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<PageOf<RunView>, Failure>>;
    /// The queue in the words of the documents users know.
    fn queue(&self) -> BoxFuture<'_, QueueStats>;
    /// How many users' runs there are in each state (absent: none); finished ones of the last day.
    fn by_state(&self) -> BoxFuture<'_, Vec<(RunState, u64)>>;
    /// The workers seen lately, the built-in one too.
    fn workers(&self) -> BoxFuture<'_, Vec<WorkerView>>;
    /// What a person must look at, newest first, at most `limit`: dead runs, undelivered pages, approvals.
    fn waiting(&self, limit: usize) -> BoxFuture<'_, Vec<WaitingView>>;
}

/// Tells how the process itself is.
pub trait Vitals: Send + Sync {
    /// Tocsin's own health; what it monitors never changes it.
    fn health(&self) -> BoxFuture<'_, Health>;
    /// Rises before any answer that shows a change of the deciders' state.
    fn revision(&self) -> u64;
    /// Whether it has loaded everything and takes work.
    fn ready(&self) -> bool;
    /// The text of `/metrics`, exposition format 0.0.4, the server's own families ([`crate::HttpMetrics`])
    /// included.
    fn metrics(&self) -> BoxFuture<'_, String>;
    /// What the status pages show.
    fn runtime(&self) -> BoxFuture<'_, RuntimeView>;
    /// How long an alert from outside lives if it does not say.
    fn resolve_timeout(&self) -> Duration;
    /// The configuration as text, every secret masked.
    fn config(&self) -> BoxFuture<'_, String>;
}

/// The grammars that requests are written in; the crates that own them fill these in.
#[derive(Clone, Copy)]
pub struct Grammar {
    /// A series selector of PromQL, such as `up{job="api"}`, as its matchers (the name's too). The error is
    /// the parser's message, with line and column.
    pub selector: fn(&str) -> Result<Vec<Matcher>, String>,
    /// Alertmanager's matchers, with or without braces: `severity=~"warn.*"`.
    pub matchers: fn(&str) -> Result<Vec<Matcher>, String>,
}

/// Everything the server reads through.
#[derive(Clone)]
pub struct Reads {
    /// Series.
    pub series: Arc<dyn Series>,
    /// What is watched and what is wrong.
    pub monitoring: Arc<dyn Monitoring>,
    /// Tasks and runs.
    pub tasks: Arc<dyn Tasks>,
    /// Acts on tasks and queues.
    pub queues: Arc<dyn Queues>,
    /// Calendars of holidays.
    pub schedules: Arc<dyn Schedules>,
    /// What waits for persons.
    pub approvals: Arc<dyn Approvals>,
    /// Workers and tools.
    pub workers: Arc<dyn Workers>,
    /// Incidents, and who is on call.
    pub incidents: Arc<dyn Incidents>,
    /// Events.
    pub events: Arc<dyn Events>,
    /// Agents and routing rules.
    pub agents: Arc<dyn Agents>,
    /// What tokens need.
    pub keep: Arc<dyn Keep>,
    /// What applications tell of themselves, and thresholds.
    pub thresholds: Arc<dyn Thresholds>,
    /// The process itself.
    pub vitals: Arc<dyn Vitals>,
    /// How selectors and matchers are read.
    pub grammar: Grammar,
}
