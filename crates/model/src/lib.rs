//! The words that cross floors: a value is here because two crates exchange it, and for no other reason.
//!
//! Not here: anything that performs I/O (but [`SystemClock`], the one place that reads the clock), anything
//! that only one crate uses, and any wire, config or disk form.

mod alert;
mod clock;
mod decision;
mod duration;
mod json;
mod labels;
mod matcher;
mod page;
mod problem;
mod series;
mod task;
mod time;

pub use alert::Alert;
pub use clock::{Clock, ManualClock, SystemClock};
pub use decision::{Decision, Hold, Verdict};
pub use duration::{DurationError, format_duration, parse_duration};
pub use json::Json;
pub use labels::{
    ALERTNAME, BUCKET_LE, INSTANCE, JOB, Labels, LabelsBuilder, METRIC_NAME, is_classic_label_name,
    is_classic_metric_name,
};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use page::{Finding, FindingState, Links, News, Page, PageReason, PageStatus, Remedy, Risk};
pub use problem::{Level, Problem};
pub use series::{
    Appender, Committed, Ingest, Querier, QueryError, Refusal, STALE_NAN, Sample, Select, Series, SeriesId,
    is_stale,
};
pub use task::{ApprovalWish, Backoff, Class, OnExpiry, OnFailure, Step, TaskSpec};
pub use time::{TimeError, Timestamp};
