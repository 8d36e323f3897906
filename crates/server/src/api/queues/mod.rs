//! Queues, runs that were given up, schedules as a list, and the queue in figures.

mod dead;
mod stats;

pub(in crate::api) use dead::{dead_letter, dead_letters, discard, edit, replay};
pub(in crate::api) use stats::{latest, run_summary, stats, task_stats};

use super::Refused;
use super::body::Raw;
use super::tasks::{Fields, Unknown, is_queue_name, object};
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use crate::views::{QueueAct, QueueView};
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// The most runs at once that a queue may be bounded to, and the most that may begin in a minute.
const LIMIT_MAX: u64 = 60_000;

type Answer = Result<Response, Refused>;

pub(crate) async fn queues(Given(state): Given<Arc<State>>) -> Answer {
    let queues = state.reads.queues.queues().await?;
    let items: Vec<Value> = queues.iter().map(show).collect();
    Ok(axum::Json(json!({"total": items.len(), "items": items})).into_response())
}

pub(crate) async fn queue(Given(state): Given<Arc<State>>, Path(name): Path<String>) -> Answer {
    let queues = state.reads.queues.queues().await?;
    let found = queues.iter().find(|queue| queue.name == name);
    let found = found.ok_or_else(|| Failure::NotFound(format!("Queue {name} not found")))?;
    Ok(axum::Json(show(found)).into_response())
}

pub(crate) async fn pause(state: Given<Arc<State>>, name: Path<String>, by: Extension<Principal>) -> Answer {
    set(state, name, by, QueueAct::Pause).await
}

pub(crate) async fn resume(state: Given<Arc<State>>, name: Path<String>, by: Extension<Principal>) -> Answer {
    set(state, name, by, QueueAct::Resume).await
}

/// `PUT /queues/{name}`: `{running_max?, rate_per_minute?}`; null takes a bound away.
pub(crate) async fn limit(
    state: Given<Arc<State>>,
    name: Path<String>,
    by: Extension<Principal>,
    body: Result<Raw, Refused>,
) -> Answer {
    let mut fields = Fields::new(object(&body?.0)?);
    let mut bound = |field: &str| -> Option<Option<u32>> {
        if fields.is_null(field) {
            fields.any(field);
            return Some(None);
        }
        fields.number(field, 1..=LIMIT_MAX).and_then(|n| u32::try_from(n).ok()).map(Some)
    };
    let act =
        QueueAct::Limit { running_max: bound("running_max"), rate_per_minute: bound("rate_per_minute") };
    fields.finish(Unknown::Refused)?;
    set(state, name, by, act).await
}

async fn set(
    Given(state): Given<Arc<State>>,
    Path(name): Path<String>,
    Extension(principal): Extension<Principal>,
    act: QueueAct,
) -> Answer {
    if !is_queue_name(&name) {
        let what = "it may have 1 to 100 letters, digits, '.', '_', ':' and '-'";
        return Err(Refused::path("name", what));
    }
    let queue = state.reads.queues.set_queue(name, act, principal.name).await?;
    Ok(axum::Json(show(&queue)).into_response())
}

fn show(queue: &QueueView) -> Value {
    let paused = queue.paused_by.as_ref();
    json!({
        "name": queue.name,
        "paused": queue.paused,
        "paused_by": paused.map(|(by, _)| by),
        "paused_at": paused.map(|(_, at)| at.rfc3339()),
        "running_max": queue.running_max,
        "rate_per_minute": queue.rate_per_minute,
        "waiting": queue.waiting,
        "ready": queue.ready,
        "running": queue.running,
    })
}
