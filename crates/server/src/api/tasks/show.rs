//! Tasks, runs and the queue as JSON.

use crate::views::{
    Acted, PlainTask, QueueStats, RunView, ScheduledTask, TaskForm, TaskView, TypedTask, Why, Wishes,
};
use model::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use std::time::Duration;
use tasks::RunState;

/// A task in its own form's words, `id` and `task_id` first.
pub(super) struct Shown<'a>(pub &'a TaskView);

/// The entries of a map, each written at once.
macro_rules! entries {
    ($map:ident, { $($name:literal: $value:expr),* $(,)? }) => {{
        $($map.serialize_entry($name, &$value)?;)*
    }};
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Shown(task) = self;
        let mut map = serializer.serialize_map(None)?;
        entries!(map, {"id": task.id, "task_id": task.id});
        let scheduled = matches!(task.form, TaskForm::Scheduled { .. });
        if task.state == Some(RunState::AwaitingApproval) && !scheduled {
            map.serialize_entry("approval_id", &format_args!("approval_{}", task.id))?;
        }
        match &task.form {
            TaskForm::Plain(task) => plain(&mut map, task)?,
            TaskForm::Typed { task, agent, trace_id, parent, children } => {
                typed(&mut map, task)?;
                entries!(map, {
                    "trace_id": trace_id,
                    "assigned_to": agent,
                    "assigned_agent": agent,
                    "parent_task_id": parent,
                    "child_task_ids": children,
                });
            }
            TaskForm::Scheduled { task, next_run } => scheduled_form(&mut map, task, *next_run)?,
        }
        entries!(map, {
            "status": task.status,
            "state": task.state.map(RunState::as_str),
            "created_by": task.created_by,
            "created_at": utc(task.created_at),
            "started_at": task.started_at.map(utc),
            "completed_at": task.completed_at.map(utc),
            "error": task.error,
            "retry_count": task.retries,
            "max_retries": task.max_retries,
            "output": task.output,
        });
        if !matches!(task.form, TaskForm::Typed { .. }) {
            entries!(map, {"progress": task.progress, "has_checkpoint": task.has_checkpoint});
        }
        map.end()
    }
}

fn plain<M: SerializeMap>(map: &mut M, task: &PlainTask) -> Result<(), M::Error> {
    entries!(map, {
        "kind": task.kind,
        "args": task.args,
        "priority": task.priority,
        "dedupe_key": task.dedupe_key,
        "dedupe_window_seconds": task.dedupe_window.map(|window| window.as_secs()),
        "concurrency_key": task.concurrency_key,
        "timeout_seconds": task.timeout.map(|timeout| timeout.as_secs_f64()),
        "backoff": task.backoff,
    });
    wishes(map, &task.wishes)
}

/// What few tasks ask for is shown where it was asked for.
fn wishes<M: SerializeMap>(map: &mut M, wishes: &Wishes) -> Result<(), M::Error> {
    fn some<M: SerializeMap>(map: &mut M, name: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
        value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
    }
    let seconds = |span: Option<Duration>| span.map(|span| span.as_secs_f64());
    some(map, "queue", wishes.queue.as_ref())?;
    some(map, "labels", (!wishes.labels.is_empty()).then_some(&wishes.labels))?;
    some(map, "rate_key", wishes.rate_key.as_ref())?;
    some(map, "rate_per_minute", wishes.rate_per_minute)?;
    some(map, "queued_timeout_seconds", seconds(wishes.queued_timeout))?;
    some(map, "total_timeout_seconds", seconds(wishes.total_timeout))?;
    some(map, "heartbeat_timeout_seconds", seconds(wishes.heartbeat_timeout))?;
    some(map, "expires_at", wishes.expires_at.map(utc))?;
    some(map, "sla_deadline", wishes.sla_deadline.map(utc))?;
    some(map, "sla_alert_threshold", wishes.sla_alert_threshold)?;
    some(map, "non_retryable", (!wishes.non_retryable.is_empty()).then_some(&wishes.non_retryable))
}

fn typed<M: SerializeMap>(map: &mut M, task: &TypedTask) -> Result<(), M::Error> {
    let sla = task.sla.as_ref().map(|sla| {
        json!({"target": sla.target, "deadline": utc(sla.deadline), "alert_threshold": sla.alert_threshold})
    });
    entries!(map, {
        "type": task.type_,
        "priority": task.priority,
        "source": task.source,
        "payload": task.payload,
        "sla": sla,
        "metadata": task.metadata,
    });
    wishes(map, &task.wishes)
}

fn scheduled_form<M: SerializeMap>(
    map: &mut M,
    task: &ScheduledTask,
    next_run: Option<Timestamp>,
) -> Result<(), M::Error> {
    entries!(map, {
        "title": task.title,
        "description": task.description,
        "schedule_kind": task.schedule_kind,
        "schedule_expr": task.schedule_expr,
        "timezone": task.timezone,
        "payload": task.payload,
        "priority": task.priority,
        "dedupe_key": task.dedupe_key,
        "dedupe_window_seconds": task.dedupe_window.map(|window| window.as_secs()),
        "backoff_strategy": task.backoff_strategy,
        "concurrency_key": task.concurrency_key,
        "next_run": next_run.map(utc),
    });
    wishes(map, &task.wishes)?;
    task.firing.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))
}

/// The answer to an act on a task: its status and its body. What clients know by name stands on top, too.
pub fn answer_acted(acted: &Acted) -> (u16, String) {
    let mut body =
        json!({"success": true, "id": acted.task_id, "task_id": acted.task_id, "message": acted.message});
    if let Value::Object(body) = &mut body {
        for (name, value) in &acted.details {
            body.entry(name).or_insert_with(|| value.clone());
        }
    }
    body["details"] = acted.details.clone().into();
    (200, body.to_string())
}

/// Why a task does not run.
pub(super) fn why(why: &Why) -> Value {
    let cause = |cause: &crate::views::Cause| {
        let mut shown = json!({"cause": cause.cause, "text": cause.text});
        if let Value::Object(shown) = &mut shown {
            shown.extend(cause.facts.clone());
        }
        shown
    };
    json!({
        "id": why.task_id,
        "task_id": why.task_id,
        "run_id": why.run_id,
        "state": why.state.map(RunState::as_str),
        "ready": why.causes.is_empty(),
        "causes": why.causes.iter().map(cause).collect::<Vec<_>>(),
    })
}

/// ISO 8601 with `+00:00`, which old parsers of Python take and `Z` they do not.
fn utc(at: Timestamp) -> String {
    at.rfc3339().replace('Z', "+00:00")
}

/// One run.
pub(in crate::api) fn run(run: &RunView) -> Value {
    let success = match run.state {
        RunState::Completed => Some(true),
        RunState::Dead | RunState::Cancelled => Some(false),
        _ => None,
    };
    json!({
        "id": run.id,
        "task_id": run.task_id,
        "kind": if run.kind.is_empty() { "pipeline" } else { run.kind.as_str() },
        "state": run.state.as_str(),
        "success": success,
        "attempt": run.attempt,
        "worker_id": run.worker_id,
        "created_at": utc(run.created_at),
        "started_at": run.started_at.map(utc),
        "finished_at": run.finished_at.map(utc),
        "output": run.output,
        "error": run.error,
        "progress": run.progress,
        "has_checkpoint": run.has_checkpoint,
    })
}

/// The queue under the names of both documents that describe it.
pub(crate) fn queue_object(queue: &QueueStats) -> Value {
    json!({
        "pending_tasks": queue.pending,
        "processing_tasks": queue.in_progress,
        "total_tasks": queue.total.max(queue.pending + queue.in_progress),
        "pending": queue.pending,
        "in_progress": queue.in_progress,
        "completed": queue.completed,
        "failed": queue.failed,
    })
}
