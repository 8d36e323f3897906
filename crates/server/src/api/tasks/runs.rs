//! `/runs/` and `/runs/{id}`.

use super::read::{OFFSET_MAX, PAGE, PAGE_MAX, page_of};
use super::show;
use crate::api::{Params, Refused};
use crate::seam::Failure;
use crate::state::State;
use crate::views::RunFilter;
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use model::Timestamp;
use std::sync::Arc;

pub(crate) async fn runs(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let success = match params.get("success") {
        None => None,
        Some(_) => Some(params.switch("success", false)?),
    };
    let filter = RunFilter {
        task_id: params.get("task_id").map(str::to_owned),
        success,
        from: instant(&params, "start_time")?,
        to: instant(&params, "end_time")?,
        limit: params.number("limit", 1, PAGE_MAX, PAGE)?,
        offset: params.number("offset", 0, OFFSET_MAX, 0)?,
    };
    let (limit, offset) = (filter.limit, filter.offset);
    let page = state.reads.tasks.runs(filter).await?;
    Ok(page_of(&page, show::run, limit, offset))
}

pub(crate) async fn run(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let run = state.reads.tasks.run(id.clone()).await?;
    let run = run.ok_or_else(|| Failure::NotFound(format!("Run {id} not found")))?;
    Ok(axum::Json(show::run(&run)).into_response())
}

fn instant(params: &Params, name: &str) -> Result<Option<Timestamp>, Refused> {
    let Some(text) = params.get(name) else { return Ok(None) };
    Timestamp::parse_rfc3339(text)
        .map(Some)
        .map_err(|err| Refused::Shape(vec![(name.to_owned(), err.to_string())]))
}
