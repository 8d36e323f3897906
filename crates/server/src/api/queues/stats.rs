//! `/stats`, and how runs went.

use super::Answer;
use crate::api::tasks::{queue_object, show_run};
use crate::api::{Params, Refused};
use crate::seam::Failure;
use crate::state::State;
use crate::views::{Ended, QueueDetail, RunFilter, RunStats};
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use model::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The most hours shown one by one: as long as ended runs are kept.
const HOURS_MAX: u64 = 336;
const DAYS_MAX: u64 = 365;

/// `GET /stats`: the three figures that a monitor loop reads. With `hours`, everything.
pub(crate) async fn stats(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let hours = params?.number("hours", 0, HOURS_MAX, 0)?;
    let queue = state.reads.tasks.queue().await;
    let now = state.clock.now();
    let mut body = json!({"queue": queue_object(&queue), "timestamp": now.rfc3339()});
    if hours > 0 {
        let detail = state.reads.queues.detail(u32::try_from(hours).unwrap_or(u32::MAX)).await;
        body["statistics"] = statistics(&detail, now);
        body["hours"] = detail.hours.iter().map(hour).collect();
    }
    Ok(axum::Json(body).into_response())
}

fn statistics(detail: &QueueDetail, now: Timestamp) -> Value {
    let hour = &detail.last_hour;
    let by_priority: Map<String, Value> =
        (1..).zip(detail.by_priority).map(|(p, n): (u32, u64)| (p.to_string(), n.into())).collect();
    json!({
        "total_pending": detail.total_pending,
        "ready_now": detail.ready_now,
        "currently_leased": detail.currently_leased,
        "expired_leases": detail.expired_leases,
        "oldest_pending": detail.oldest_pending.map(|at| at.rfc3339()),
        "newest_pending": detail.newest_pending.map(|at| at.rfc3339()),
        "oldest_age_seconds": detail.oldest_pending.map(|at| now.since(at).as_secs_f64()),
        "last_hour": {
            "total": hour.total,
            "successful": hour.successful,
            "failed": hour.failed,
            "avg_duration_seconds": average(hour),
            "max_duration_seconds": hour.seconds_max,
            "active_workers": detail.active_workers,
        },
        "active_workers": detail.active_workers,
        "pending_by_priority": by_priority,
    })
}

fn hour(ended: &Ended) -> Value {
    json!({
        "hour": ended.from.rfc3339(),
        "created": ended.created,
        "total": ended.total,
        "successful": ended.successful,
        "failed": ended.failed,
        "avg_duration_seconds": average(ended),
        "max_duration_seconds": ended.seconds_max,
    })
}

fn average(ended: &Ended) -> f64 {
    if ended.total == 0 { 0.0 } else { ended.seconds / ended.total as f64 }
}

/// `GET /runs/task/{task_id}/latest`: a run, or null.
pub(crate) async fn latest(Given(state): Given<Arc<State>>, Path(task): Path<String>) -> Answer {
    known(&state, &task).await?;
    let filter = RunFilter { task_id: Some(task), limit: 1, ..RunFilter::default() };
    let page = state.reads.tasks.runs(filter).await?;
    let latest = page.items.first().map(show_run).unwrap_or_default();
    Ok(axum::Json(latest).into_response())
}

/// `GET /runs/task/{task_id}/stats`.
pub(crate) async fn task_stats(
    Given(state): Given<Arc<State>>,
    Path(task): Path<String>,
    params: Result<Params, Refused>,
) -> Answer {
    let days = params?.number("days", 1, DAYS_MAX, 30)?;
    let stats = state.reads.queues.run_stats(Some(task.clone()), u32::try_from(days).unwrap_or(30)).await?;
    let stats = stats.ok_or_else(|| not_found(&task))?;
    let mut body = run_stats(&stats);
    body["task_id"] = task.into();
    body["days"] = days.into();
    Ok(axum::Json(body).into_response())
}

/// `GET /runs/stats/summary`.
pub(crate) async fn run_summary(Given(state): Given<Arc<State>>, params: Result<Params, Refused>) -> Answer {
    let days = params?.number("days", 1, DAYS_MAX, 7)?;
    let stats =
        state.reads.queues.run_stats(None, u32::try_from(days).unwrap_or(7)).await?.unwrap_or_default();
    let mut body = run_stats(&stats);
    body["total_tasks_executed"] = stats.tasks.unwrap_or_default().into();
    body["runs_per_day"] = (stats.total as f64 / days as f64).into();
    body["days"] = days.into();
    Ok(axum::Json(body).into_response())
}

fn run_stats(stats: &RunStats) -> Value {
    let part = |n: u64| if stats.total == 0 { 0.0 } else { n as f64 / stats.total as f64 };
    json!({
        "total_runs": stats.total,
        "successful_runs": stats.successful,
        "failed_runs": stats.failed,
        "success_rate": part(stats.successful),
        "failure_rate": part(stats.failed),
        "avg_execution_time_seconds": stats.seconds_avg,
        "last_run": stats.last_run.map(Timestamp::rfc3339),
        "last_success": stats.last_success.map(Timestamp::rfc3339),
        "last_failure": stats.last_failure.map(Timestamp::rfc3339),
    })
}

async fn known(state: &State, task: &str) -> Result<(), Refused> {
    let found = state.reads.tasks.task(task.to_owned()).await?;
    found.map(|_| ()).ok_or_else(|| not_found(task).into())
}

fn not_found(task: &str) -> Failure {
    Failure::NotFound(format!("Task {task} not found"))
}
