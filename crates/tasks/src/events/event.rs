//! One event.

use super::Moment;
use crate::EventId;
use model::{Labels, Timestamp};
use serde_json::{Map, Value};
use std::sync::Arc;

/// How urgent an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Look at once.
    Critical,
    /// Look soon.
    High,
    /// As most.
    Medium,
    /// When there is time.
    Low,
}

impl Priority {
    /// `critical`, `high`, `medium` or `low`.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Medium => "medium",
            Priority::Low => "low",
        }
    }

    /// From [`Priority::as_str`], or from the words of tasks, `P0` to `P3`.
    pub fn parse(text: &str) -> Option<Priority> {
        match text {
            "critical" | "P0" => Some(Priority::Critical),
            "high" | "P1" => Some(Priority::High),
            "medium" | "P2" => Some(Priority::Medium),
            "low" | "P3" => Some(Priority::Low),
            _ => None,
        }
    }

    /// Of an alert's severity, in any of the vocabularies in use.
    pub fn of_severity(severity: &str) -> Priority {
        match severity {
            "critical" | "page" | "sev0" | "emergency" => Priority::Critical,
            "high" | "error" | "sev1" => Priority::High,
            "low" | "info" | "sev3" | "none" => Priority::Low,
            _ => Priority::Medium,
        }
    }

    /// Of a task's priority, 1 to 9.
    pub(super) fn of_task(priority: u8) -> Priority {
        match priority {
            ..=1 => Priority::Critical,
            2..=3 => Priority::High,
            4..=5 => Priority::Medium,
            _ => Priority::Low,
        }
    }
}

/// What happened, and its place in the order of everything that did.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Rises.
    pub id: EventId,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// To a task of a user's.
    Task(Moment),
    /// To an alert.
    Alert(AlertMoment),
    /// Anything else.
    Other(Arc<Other>),
}

/// That an alert began to fire, or that it has ended. A storm of them takes little more than the alerts themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertMoment {
    /// What identifies it.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// Since when it is true.
    pub starts_at: Timestamp,
    /// Whether it has ended.
    pub over: bool,
}

impl AlertMoment {
    fn type_(&self) -> &'static str {
        if self.over { "alert.resolved" } else { "alert.triggered" }
    }
}

impl Event {
    /// Its type: `task.completed`.
    pub fn type_(&self) -> &str {
        match &self.what {
            What::Task(moment) => moment.word.type_(),
            What::Alert(moment) => moment.type_(),
            What::Other(other) => &other.type_,
        }
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Event>()
            + match &self.what {
                What::Task(moment) => moment.extra.as_deref().map_or(0, |extra| extra.bytes()),
                What::Alert(moment) => moment.labels.as_bytes().len() + moment.annotations.as_bytes().len(),
                What::Other(other) => other.bytes(),
            }
    }
}

/// An event that is not about a task's run.
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    /// When.
    pub at: Timestamp,
    /// Its type, as it was written.
    pub type_: String,
    /// How urgent.
    pub priority: Priority,
    /// Who says so.
    pub source: String,
    /// What it belongs to.
    pub trace_id: Option<String>,
    /// The task it is about.
    pub task_id: Option<String>,
    /// The facts.
    pub payload: Value,
    /// Whatever else.
    pub metadata: Value,
}

impl Other {
    fn bytes(&self) -> usize {
        let texts = self.type_.len() + self.source.len();
        let ids =
            self.trace_id.as_ref().map_or(0, String::len) + self.task_id.as_ref().map_or(0, String::len);
        size_of::<Other>()
            + texts
            + ids
            + crate::size::json_size(&self.payload)
            + crate::size::json_size(&self.metadata)
    }
}

/// An event to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct New {
    /// Its type: 1 to 100 characters, none of them a control character.
    pub type_: String,
    /// How urgent; `None`: as such events usually are ([`super::priority_of`]).
    pub priority: Option<Priority>,
    /// Who says so.
    pub source: String,
    /// What it belongs to; `None`: nothing else.
    pub trace_id: Option<String>,
    /// The task it is about.
    pub task_id: Option<String>,
    /// The facts.
    pub payload: Value,
    /// Whatever else.
    pub metadata: Value,
}

impl New {
    /// An event of our own making.
    pub fn told(type_: &str, payload: Value) -> New {
        New {
            type_: type_.to_owned(),
            priority: None,
            source: "tocsin".to_owned(),
            trace_id: None,
            task_id: None,
            payload,
            metadata: Value::Object(Map::new()),
        }
    }

    /// About this task.
    pub fn about(mut self, task_id: impl ToString) -> New {
        self.task_id = Some(task_id.to_string());
        self
    }
}
