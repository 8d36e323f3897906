//! Tasks, runs and the queue as JSON.

use crate::views::{Acted, QueueStats, RunView, ScheduledTask, TaskForm, TaskView, Why, Wishes};
use model::Timestamp;
use serde_json::{Value, json};
use tasks::RunState;

/// A task in its own form's words, `id` and `task_id` first.
pub(super) fn task(task: &TaskView) -> Value {
    let mut shown = json!({"id": task.id, "task_id": task.id});
    let more = match &task.form {
        TaskForm::Plain(plain) => with_wishes(
            &plain.wishes,
            json!({
                "kind": plain.kind,
                "args": plain.args.value(),
                "priority": plain.priority,
                "dedupe_key": plain.dedupe_key,
                "concurrency_key": plain.concurrency_key,
                "timeout_seconds": plain.timeout.map(|timeout| timeout.as_secs_f64()),
                "backoff": plain.backoff,
            }),
        ),
        TaskForm::Typed { task: typed, agent, trace_id, parent, children } => json!({
            "type": typed.type_,
            "priority": typed.priority,
            "source": typed.source,
            "payload": typed.payload,
            "trace_id": trace_id,
            "sla": typed.sla.as_ref().map(|sla| json!({"target": sla.target, "deadline": utc(sla.deadline), "alert_threshold": sla.alert_threshold})),
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
    let waits =
        task.state == Some(RunState::AwaitingApproval) && !matches!(task.form, TaskForm::Scheduled { .. });
    if waits {
        shown["approval_id"] = format!("approval_{}", task.id).into();
    }
    for part in [more, common] {
        if let (Value::Object(shown), Value::Object(part)) = (&mut shown, part) {
            shown.extend(part);
        }
    }
    shown
}

/// What few tasks ask for is shown where it was asked for.
fn with_wishes(wishes: &Wishes, mut shown: Value) -> Value {
    let seconds = |span: Option<std::time::Duration>| span.map(|span| Value::from(span.as_secs_f64()));
    let pairs = [
        ("queue", wishes.queue.as_deref().map(Value::from)),
        ("labels", (!wishes.labels.is_empty()).then(|| json!(wishes.labels))),
        ("rate_key", wishes.rate_key.as_deref().map(Value::from)),
        ("rate_per_minute", wishes.rate_per_minute.map(Value::from)),
        ("queued_timeout_seconds", seconds(wishes.queued_timeout)),
        ("total_timeout_seconds", seconds(wishes.total_timeout)),
        ("heartbeat_timeout_seconds", seconds(wishes.heartbeat_timeout)),
        ("expires_at", wishes.expires_at.map(|at| Value::from(utc(at)))),
        ("sla_deadline", wishes.sla_deadline.map(|at| Value::from(utc(at)))),
        ("sla_alert_threshold", wishes.sla_alert_threshold.map(Value::from)),
        ("non_retryable", (!wishes.non_retryable.is_empty()).then(|| json!(wishes.non_retryable))),
    ];
    if let Value::Object(shown) = &mut shown {
        shown.extend(pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    shown
}

/// The answer to an act on a task: its status and its body. What clients know by name stands on top, too.
pub fn answer_acted(acted: &Acted) -> (u16, Value) {
    let mut body =
        json!({"success": true, "id": acted.task_id, "task_id": acted.task_id, "message": acted.message});
    if let Value::Object(body) = &mut body {
        for (name, value) in &acted.details {
            body.entry(name).or_insert_with(|| value.clone());
        }
    }
    body["details"] = acted.details.clone().into();
    (200, body)
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

fn scheduled(task: &ScheduledTask, next_run: Option<Timestamp>) -> Value {
    let mut shown = json!({
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
    if let Value::Object(shown) = &mut shown {
        shown.extend(task.firing.clone());
    }
    shown
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
