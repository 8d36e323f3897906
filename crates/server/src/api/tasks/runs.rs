//! `/runs/` and `/runs/{id}`.

use super::fields::lenient_instant;
use super::read::{OFFSET_MAX, PAGE, PAGE_MAX, page_of};
use super::show;
use crate::api::{Params, Refused};
use crate::seam::Failure;
use crate::state::State;
use crate::views::{RunFilter, RunView};
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use model::Timestamp;
use std::sync::Arc;

/// What stands for an error's text where it is not asked for.
const MASKED: &str = "hidden; ask with include_errors=true";

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
    let errors = params.switch("include_errors", false)?;
    let page = state.reads.tasks.runs(filter).await?;
    let shown = |run: &RunView| {
        let mut shown = show::run(run);
        if !errors && run.error.is_some() {
            shown["error"] = MASKED.into();
        }
        shown
    };
    Ok(page_of(&page, shown, limit, offset))
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
    let bad = || Refused::query(name, format!("{text:?} is not an ISO 8601 instant"));
    // A plus sign that was not escaped arrives as a space.
    lenient_instant(&text.replace(' ', "+")).map(Some).ok_or_else(bad)
}
