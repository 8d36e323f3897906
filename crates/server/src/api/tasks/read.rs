//! Reading tasks, and the one change that documents make to a typed task from outside.

use super::show;
use crate::api::{Params, Refused};
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use crate::views::{PageOf, TaskFilter, TaskForm};
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Items of a page unless `limit` says otherwise, and the most it may ask for.
pub(in crate::api) const PAGE: u64 = 50;
pub(in crate::api) const PAGE_MAX: u64 = 200;
pub(in crate::api) const OFFSET_MAX: u64 = 1_000_000_000;

/// The longest that `GET /tasks/{id}?wait=` waits, in seconds.
const WAIT_MAX: u64 = 300;

pub(crate) async fn list(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    listed(&state, &params?, None).await
}

/// `GET /schedules`: the tasks that fire.
pub(crate) async fn schedules(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    listed(&state, &params?, Some("scheduled".to_owned())).await
}

async fn listed(state: &State, params: &Params, form: Option<String>) -> Result<Response, Refused> {
    let text = |name: &str| params.get(name).map(str::to_owned);
    let filter = TaskFilter {
        status: text("status"),
        created_by: text("created_by"),
        schedule_kind: text("schedule_kind"),
        form: form.or_else(|| text("form")),
        limit: params.number("limit", 1, PAGE_MAX, PAGE)?,
        offset: params.number("offset", 0, OFFSET_MAX, 0)?,
    };
    let (limit, offset) = (filter.limit, filter.offset);
    let page = state.reads.tasks.tasks(filter).await?;
    Ok(page_of(&page, |task| json!(show::Shown(task)), limit, offset))
}

/// `{items, total, limit, offset, has_more}`.
pub(in crate::api) fn page_of<T>(
    page: &PageOf<T>,
    show: impl Fn(&T) -> Value,
    limit: u64,
    offset: u64,
) -> Response {
    let shown = page.items.len() as u64;
    axum::Json(json!({
        "items": page.items.iter().map(show).collect::<Vec<_>>(),
        "total": page.total,
        "limit": limit,
        "offset": offset,
        "has_more": offset.saturating_add(shown) < page.total,
    }))
    .into_response()
}

pub(crate) async fn task(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let wait = params?.number("wait", 0, WAIT_MAX, 0)?;
    if wait > 0 {
        state.reads.queues.ended(id.clone(), Duration::from_secs(wait)).await;
    }
    let task = state.reads.tasks.task(id.clone()).await?;
    let task = task.ok_or_else(|| Failure::NotFound(format!("Task {id} not found")))?;
    let shown = show::Shown(&task);
    Ok(match task.form {
        TaskForm::Typed { .. } => axum::Json(
            json!({"success": true, "id": task.id, "task_id": task.id, "message": null, "task": shown}),
        )
        .into_response(),
        TaskForm::Plain(_) | TaskForm::Scheduled { .. } => axum::Json(shown).into_response(),
    })
}

pub(crate) async fn patch_status(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    Extension(principal): Extension<Principal>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let missing = || Refused::query("status", "it is missing");
    let status = params.get("status").ok_or_else(missing)?.to_owned();
    let error = params.get("error").map(str::to_owned);
    state.desk.patch_status(id.clone(), status.clone(), error, principal.name).await?;
    Ok(axum::Json(json!({"success": true, "id": id, "task_id": id, "status": status})).into_response())
}
