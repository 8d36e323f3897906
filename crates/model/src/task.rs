//! What someone asks for: a task, before the queue gave it an id.

use crate::{Json, Timestamp};
use serde_json::Value;
use std::time::Duration;

/// Which slots a run may take and who may see it. A class never waits behind a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A message to a person: has reserved slots.
    Page,
    /// A runbook's step: has reserved slots.
    Runbook,
    /// A user's task.
    User,
}

/// How long to wait before trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backoff {
    /// 1 s doubled each time, at most 60 s, times 0.5 to 1.
    ExponentialJitter,
    /// 1 s, 2 s, 3 s, ...
    Linear,
    /// 1 s each time.
    Fixed,
}

/// One step of a pipeline. `with`, `condition` may hold `${JMESPath}` over the run's context.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Unique in its pipeline.
    pub id: String,
    /// The kind of work.
    pub uses: String,
    /// Its arguments.
    pub with: Value,
    /// Under which name the result is kept; `steps.NAME` in later templates.
    pub save_as: Option<String>,
    /// Skip the step unless this is true.
    pub condition: Option<String>,
    /// The longest one attempt may take.
    pub timeout: Duration,
    /// Tries after the first.
    pub max_retries: u32,
    /// Whether persons must agree first.
    pub approval: Option<ApprovalWish>,
    /// Do it once for each item of the list that this gives.
    pub foreach: Option<String>,
    /// The ids of the steps that must have ended before.
    pub needs: Vec<String>,
    /// What becomes of the pipeline if it fails for good.
    pub on_failure: OnFailure,
}

/// What becomes of a pipeline when one of its steps fails for good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// It ends there.
    #[default]
    Stop,
    /// It goes on as if the step had ended, without a result.
    Continue,
    /// These steps are done, in this order; then it ends as failed.
    Run(Vec<String>),
}

impl OnFailure {
    /// `"stop"`, `"continue"`, or the list of ids.
    pub fn to_json(&self) -> Value {
        match self {
            OnFailure::Stop => Value::from("stop"),
            OnFailure::Continue => Value::from("continue"),
            OnFailure::Run(ids) => Value::from(ids.clone()),
        }
    }

    /// From [`OnFailure::to_json`]; one id may stand without its list, and null is `stop`.
    pub fn from_json(value: &Value) -> Option<OnFailure> {
        Some(match value {
            Value::Null => OnFailure::Stop,
            Value::String(word) if word == "stop" => OnFailure::Stop,
            Value::String(word) if word == "continue" => OnFailure::Continue,
            Value::String(id) => OnFailure::Run(vec![id.clone()]),
            Value::Array(ids) if !ids.is_empty() => {
                OnFailure::Run(ids.iter().map(|id| id.as_str().map(str::to_owned)).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }
}

/// That persons must agree before work begins. What is left out is as the settings say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApprovalWish {
    /// Who may decide; empty: everybody who may decide work of this sort.
    pub approvers: Vec<String>,
    /// How many must agree; 1 if it does not say.
    pub quorum: Option<u32>,
    /// For how long it waits.
    pub expires: Option<Duration>,
    /// What happens then.
    pub on_expiry: Option<OnExpiry>,
    /// Why it is needed, for those who decide.
    pub reason: Option<String>,
}

/// What becomes of work on which nobody decided in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnExpiry {
    /// It is done.
    Approve,
    /// It is cancelled.
    Reject,
}

impl OnExpiry {
    /// `approve` or `reject`.
    pub fn as_str(self) -> &'static str {
        match self {
            OnExpiry::Approve => "approve",
            OnExpiry::Reject => "reject",
        }
    }

    /// From [`OnExpiry::as_str`].
    pub fn parse(text: &str) -> Option<OnExpiry> {
        [OnExpiry::Approve, OnExpiry::Reject].into_iter().find(|one| one.as_str() == text)
    }
}

/// A piece of work to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSpec {
    /// What kind of work: names an action.
    pub kind: String,
    /// Its arguments.
    pub args: Json,
    /// Whose slots it takes.
    pub class: Class,
    /// 1 (first) to 9 (last).
    pub priority: u8,
    /// Not before this; `None`: at once.
    pub run_at: Option<Timestamp>,
    /// Accepted once while it goes on.
    pub dedupe_key: Option<String>,
    /// One run of a key at a time.
    pub concurrency_key: Option<String>,
    /// Tries after the first.
    pub max_retries: u32,
    /// How the waits between tries grow.
    pub backoff: Backoff,
    /// The longest one attempt may take.
    pub timeout: Duration,
    /// Only a worker with this `labels.agent` may take it.
    pub agent: Option<String>,
    /// Who asked.
    pub created_by: String,
}

impl TaskSpec {
    /// A task of `kind` with everything else at its default: a user's, priority 5, 3 retries, 30 s.
    pub fn new(kind: impl Into<String>, args: impl Into<Json>) -> TaskSpec {
        TaskSpec {
            kind: kind.into(),
            args: args.into(),
            class: Class::User,
            priority: 5,
            run_at: None,
            dedupe_key: None,
            concurrency_key: None,
            max_retries: 3,
            backoff: Backoff::ExponentialJitter,
            timeout: Duration::from_secs(30),
            agent: None,
            created_by: "system".to_owned(),
        }
    }
}
