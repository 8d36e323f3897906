//! Tasks, runs and the queue as JSON.

use crate::views::{QueueStats, RunView, ScheduledTask, TaskForm, TaskView};
use model::Timestamp;
use serde_json::{Value, json};
use tasks::RunState;

/// A task in its own form's words, `id` and `task_id` first.
pub(super) fn task(task: &TaskView) -> Value {
    let mut shown = json!({"id": task.id, "task_id": task.id});
    let more = match &task.form {
        TaskForm::Plain(plain) => json!({
            "kind": plain.kind,
            "args": plain.args,
            "priority": plain.priority,
            "dedupe_key": plain.dedupe_key,
            "concurrency_key": plain.concurrency_key,
            "timeout_seconds": plain.timeout.map(|timeout| timeout.as_secs_f64()),
        }),
        TaskForm::Typed { task: typed, agent, trace_id, parent, children } => json!({
            "type": typed.type_,
            "priority": typed.priority,
            "source": typed.source,
            "payload": typed.payload,
            "trace_id": trace_id,
            "sla": typed.sla.as_ref().map(|sla| json!({"target": sla.target, "deadline": utc(sla.deadline), "alert_threshold": null})),
            "assigned_to": agent,
            "assigned_agent": agent,
            "parent_task_id": parent,
            "child_task_ids": children,
            "metadata": typed.metadata,
        }),
        TaskForm::Scheduled { task, next_run } => scheduled(task, *next_run),
    };
    let common = json!({
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
    for part in [more, common] {
        if let (Value::Object(shown), Value::Object(part)) = (&mut shown, part) {
            shown.extend(part);
        }
    }
    shown
}

fn scheduled(task: &ScheduledTask, next_run: Option<Timestamp>) -> Value {
    json!({
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
    })
}

/// ISO 8601 with `+00:00`, which old parsers of Python take and `Z` they do not.
fn utc(at: Timestamp) -> String {
    at.rfc3339().replace('Z', "+00:00")
}

/// One run.
pub(super) fn run(run: &RunView) -> Value {
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
