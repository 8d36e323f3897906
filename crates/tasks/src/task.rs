//! A task: what someone asked for. Its runs are in `run`.

use crate::schedule::Firing;
use crate::{Options, TaskId};
use model::{Backoff, Class, Json, Step, Timestamp};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// A task as the queue keeps it. Only `status` and `next_fire` ever change.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// In which of the three ways it was asked for.
    pub form: Form,
    /// The kind of work: names an action. Empty for a pipeline: its steps name theirs.
    pub kind: Arc<str>,
    /// A name for people; empty for plain tasks.
    pub title: String,
    /// More for people.
    pub description: String,
    /// Arguments; a typed task's `payload`; a pipeline's `params`.
    pub args: Json,
    /// The steps, if it is a pipeline.
    pub pipeline: Option<Arc<[Step]>>,
    /// Whose slots its runs take.
    pub class: Class,
    /// 1 (first) to 9 (last).
    pub priority: u8,
    /// Accepted once while it goes on, and for the window.
    pub dedupe_key: Option<String>,
    /// How long after acceptance the key holds if the task is completed before that.
    pub dedupe_window: Duration,
    /// One run of a key at a time.
    pub concurrency_key: Option<Arc<str>>,
    /// Tries after the first.
    pub max_retries: u32,
    /// How the waits between tries grow.
    pub backoff: Backoff,
    /// The longest one attempt may take.
    pub timeout: Duration,
    /// Only a worker with this `labels.agent` may take it.
    pub agent: Option<Arc<str>>,
    /// What few tasks ask for.
    pub options: Option<Box<Options>>,
    /// Whether it fires and what waits of it may begin. Only the scheduled form is ever canceled.
    pub status: Status,
    /// When it fires next. Moved by firing, in the same transaction as the run that the fire makes.
    pub next_fire: Option<Timestamp>,
    /// Who asked.
    pub created_by: String,
    /// When it was accepted.
    pub created_at: Timestamp,
}

impl Task {
    /// How it fires where that is not as usual.
    pub fn firing(&self) -> Option<&Firing> {
        self.options.as_deref()?.firing.as_deref()
    }
}

/// In which way a task was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// `{kind, args, ...}`: runs once.
    Plain,
    /// `{type, payload, ...}`: runs once, on a worker of its agent.
    Typed(Box<Typed>),
    /// `{schedule_kind, payload.pipeline, ...}`.
    Scheduled(Box<Schedule>),
}

impl Form {
    /// `plain`, `typed` or `scheduled`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Form::Plain => "plain",
            Form::Typed(_) => "typed",
            Form::Scheduled(_) => "scheduled",
        }
    }
}

/// What only a typed task has.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    /// As the client wrote it, an alias kept as it is.
    pub type_: String,
    /// `user`, `system`, ...
    pub source: String,
    /// `P0` to `P3`.
    pub urgency: Urgency,
    /// Ties together what belongs together; made by the queue.
    pub trace_id: String,
    /// When it should be done by.
    pub sla: Option<Sla>,
    /// Whatever the client adds.
    pub metadata: Value,
}

/// The priority of a typed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Critical.
    P0,
    /// High.
    P1,
    /// Medium.
    P2,
    /// Low.
    P3,
}

impl Urgency {
    /// `P0` to `P3`.
    pub fn as_str(self) -> &'static str {
        match self {
            Urgency::P0 => "P0",
            Urgency::P1 => "P1",
            Urgency::P2 => "P2",
            Urgency::P3 => "P3",
        }
    }

    /// From [`Urgency::as_str`].
    pub fn parse(text: &str) -> Option<Urgency> {
        [Urgency::P0, Urgency::P1, Urgency::P2, Urgency::P3].into_iter().find(|u| u.as_str() == text)
    }

    /// Its place among priorities 1 to 9.
    pub(crate) fn priority(self) -> u8 {
        match self {
            Urgency::P0 => 1,
            Urgency::P1 => 3,
            Urgency::P2 => 5,
            Urgency::P3 => 7,
        }
    }
}

/// When a typed task should be done by.
#[derive(Debug, Clone, PartialEq)]
pub struct Sla {
    /// As the client wrote it: a text or a number of seconds.
    pub target: Value,
    /// The instant.
    pub deadline: Timestamp,
}

/// What only a scheduled task has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// How the expression is to be read.
    pub kind: ScheduleKind,
    /// As the client wrote it.
    pub expr: String,
    /// The zone it is read in, an IANA name or a fixed offset.
    pub timezone: String,
}

/// How a schedule's expression is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScheduleKind {
    /// An instant.
    Once,
    /// Fields: five, six or seven.
    Cron,
    /// Recurrence rules of RFC 5545.
    Rrule,
    /// Each event of a topic.
    Event,
    /// An expression that begins to hold.
    Condition,
}

impl ScheduleKind {
    /// Every kind.
    pub const ALL: [ScheduleKind; 5] = [
        ScheduleKind::Once,
        ScheduleKind::Cron,
        ScheduleKind::Rrule,
        ScheduleKind::Event,
        ScheduleKind::Condition,
    ];

    /// `once`, `cron`, `rrule`, `event` or `condition`.
    pub fn as_str(self) -> &'static str {
        match self {
            ScheduleKind::Once => "once",
            ScheduleKind::Cron => "cron",
            ScheduleKind::Rrule => "rrule",
            ScheduleKind::Event => "event",
            ScheduleKind::Condition => "condition",
        }
    }

    /// From [`ScheduleKind::as_str`].
    pub fn parse(text: &str) -> Option<ScheduleKind> {
        ScheduleKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whether a task fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It does.
    Active,
    /// Somebody holds it until it is resumed.
    Paused,
    /// Somebody stopped it for good.
    Canceled,
}

impl Status {
    /// `active`, `paused` or `canceled`, one l: the word that clients of the scheduled form know.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Paused => "paused",
            Status::Canceled => "canceled",
        }
    }

    /// From [`Status::as_str`].
    pub fn parse(text: &str) -> Option<Status> {
        [Status::Active, Status::Paused, Status::Canceled].into_iter().find(|status| status.as_str() == text)
    }
}

/// How the waits between tries are named outside.
pub fn backoff_str(backoff: Backoff) -> &'static str {
    match backoff {
        Backoff::ExponentialJitter => "exponential_jitter",
        Backoff::Linear => "linear",
        Backoff::Fixed => "fixed",
    }
}

/// From [`backoff_str`].
pub fn parse_backoff(text: &str) -> Option<Backoff> {
    [Backoff::ExponentialJitter, Backoff::Linear, Backoff::Fixed]
        .into_iter()
        .find(|&backoff| backoff_str(backoff) == text)
}

/// How classes are named outside.
pub fn class_str(class: Class) -> &'static str {
    match class {
        Class::Page => "page",
        Class::Runbook => "runbook",
        Class::User => "user",
    }
}

/// From [`class_str`].
pub fn parse_class(text: &str) -> Option<Class> {
    [Class::Page, Class::Runbook, Class::User].into_iter().find(|&class| class_str(class) == text)
}
