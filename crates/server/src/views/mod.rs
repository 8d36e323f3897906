//! What the server shows and takes, as plain values: no wire form, no behaviour. `tocsin` builds them from the
//! deciders' and the stores' own types; `api` and `screens` give them their JSON and HTML.

mod acts;
mod alert;
mod incident;
mod queue;
mod series;
mod status;
mod task;
mod threshold;
mod watch;

pub use acts::{
    Acted, Cause, DeadAct, DeadLetter, Ended, Kept, Once, QueueAct, QueueDetail, QueueView, RunStats,
    TaskAct, TaskUpdate, Why,
};
pub use alert::{
    AlertGroup, AlertState, AlertView, Diagnosis, MovedAlert, SilenceTerms, SilenceView, SilenceWindow,
};
pub use incident::{
    AttemptWhy, ByView, EntryView, EscalationView, IncidentAct, IncidentFilter, IncidentState, IncidentView,
    NewOverride, OnCallView, OverrideView, ReachView, ReceiverWhy, RuleWhy, ShiftView, WhyView,
};
pub use queue::{PageOf, QueueStats, WaitingKind, WaitingView, WorkerView};
pub use series::{
    Instant, LabelsQuery, QueryAnswer, QueryValue, Range, RangeSeries, SeriesQuery, Trend, TsdbView,
    VectorSample,
};
pub use status::{Build, Check, Health, HealthStatus, RuntimeView};
pub use task::{
    NewTask, PlainTask, RunFilter, RunView, ScheduledTask, Sla, Submitted, Taken, TaskFilter, TaskForm,
    TaskView, TypedTask, Wishes,
};
pub use threshold::{CrossedView, HistogramView, MetricKind, MetricsView, ThresholdsView, ToldMetric};
pub use watch::{
    ActiveAlertView, ActiveState, MetricMetadata, ProbeView, RuleGroupView, RuleHealth, RuleKind, RuleView,
    TargetHealth, TargetView,
};
