//! Workers: who they are, what operators tell them, what is pushed to them; and the tools of the catalogue.

mod push;

pub(crate) use push::{drop_push, pushes, put_push};

use super::Refused;
use crate::auth::Principal;
use crate::seam::{Failure, KnownWorker, ToolView};
use crate::state::State;
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use tasks::Directive;

type Answer = Result<Response, Refused>;

/// `GET /tools`: what a step may use.
pub(crate) async fn tools(Given(state): Given<Arc<State>>) -> Answer {
    let items: Vec<Value> = state.reads.workers.tools().iter().map(shown_tool).collect();
    Ok(axum::Json(json!({"total": items.len(), "items": items})).into_response())
}

/// `GET /tools/{address}`
pub(crate) async fn tool(Given(state): Given<Arc<State>>, Path(address): Path<String>) -> Answer {
    let tools = state.reads.workers.tools();
    let found = tools.iter().find(|tool| tool.address == address);
    let found = found.ok_or_else(|| Failure::NotFound(format!("Tool {address} not found")))?;
    Ok(axum::Json(shown_tool(found)).into_response())
}

/// `GET /workers`
pub(crate) async fn workers(Given(state): Given<Arc<State>>) -> Answer {
    let items: Vec<Value> = state.reads.workers.workers().await?.iter().map(shown).collect();
    Ok(axum::Json(json!({"total": items.len(), "items": items})).into_response())
}

/// `GET /workers/{id}`
pub(crate) async fn worker(Given(state): Given<Arc<State>>, Path(id): Path<String>) -> Answer {
    let workers = state.reads.workers.workers().await?;
    let found = workers.iter().find(|worker| worker.id == id);
    let found = found.ok_or_else(|| Failure::NotFound(format!("Worker {id} not found")))?;
    Ok(axum::Json(shown(found)).into_response())
}

pub(crate) async fn quiet(state: Given<Arc<State>>, id: Path<String>, by: Extension<Principal>) -> Answer {
    direct(state, id, by, Directive::Quiet).await
}

pub(crate) async fn terminate(
    state: Given<Arc<State>>,
    id: Path<String>,
    by: Extension<Principal>,
) -> Answer {
    direct(state, id, by, Directive::Terminate).await
}

pub(crate) async fn resume(state: Given<Arc<State>>, id: Path<String>, by: Extension<Principal>) -> Answer {
    direct(state, id, by, Directive::None).await
}

async fn direct(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    Extension(by): Extension<Principal>,
    to: Directive,
) -> Answer {
    let worker = state.reads.workers.direct(id, to, by.name).await?;
    Ok(axum::Json(shown(&worker)).into_response())
}

/// `GET /runs/{id}/log`: what its attempts wrote.
pub(crate) async fn log(Given(state): Given<Arc<State>>, Path(id): Path<String>) -> Answer {
    let known = state.reads.tasks.run(id.clone()).await?;
    let run = known.ok_or_else(|| Failure::NotFound(format!("Run {id} not found")))?;
    let (lines, left_out) = state.reads.workers.log_of(&run.id);
    let items: Vec<Value> = lines
        .iter()
        .map(|line| {
            let at = line.at.rfc3339();
            json!({"at": at, "level": line.level, "line": line.line, "attempt": line.attempt})
        })
        .collect();
    let total = items.len();
    Ok(axum::Json(json!({"run_id": run.id, "items": items, "total": total, "left_out": left_out}))
        .into_response())
}

fn shown(worker: &KnownWorker) -> Value {
    json!({
        "id": worker.id,
        "labels": worker.labels,
        "kinds": worker.kinds,
        "created_at": worker.created_at.rfc3339(),
        "last_seen": worker.last_seen.rfc3339(),
        "alive": worker.alive,
        "running": worker.running,
        "slots_free": worker.slots_free,
        "processed": worker.processed,
        "directive": super::work::directive_word(worker.directive),
    })
}

pub(in crate::api) fn shown_tool(tool: &ToolView) -> Value {
    json!({
        "address": tool.address,
        "transport": tool.transport,
        "endpoint": tool.endpoint,
        "input_schema": tool.input_schema,
        "output_schema": tool.output_schema,
        "timeout_seconds": tool.timeout.map(|limit| limit.as_secs_f64()),
        "scopes": tool.scopes,
        "cost_tier": tool.cost_tier,
        "description": tool.description,
        "examples": tool.examples,
        "circuit": tool.circuit,
    })
}
