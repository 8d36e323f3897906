//! `GET /api/v1/incidents` and `/api/v1/incidents/{id}`.

use super::show;
use crate::api::tasks::{OFFSET_MAX, PAGE, PAGE_MAX, page_of};
use crate::api::{Params, Refused};
use crate::seam::Failure;
use crate::state::State;
use crate::views::{IncidentFilter, IncidentState};
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

pub(crate) async fn incidents(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let params = params?;
    let wanted = match params.get("state") {
        None => None,
        Some(word) => Some(IncidentState::parse(word).ok_or_else(|| {
            Refused::value("state", format!("{word:?} is not open, acknowledged or resolved"))
        })?),
    };
    let filter = IncidentFilter {
        state: wanted,
        limit: params.number("limit", 1, PAGE_MAX, PAGE)?,
        offset: params.number("offset", 0, OFFSET_MAX, 0)?,
    };
    let page = state.reads.incidents.list(filter).await?;
    Ok(page_of(&page, show::incident, filter.limit, filter.offset))
}

pub(crate) async fn incident(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let found = state.reads.incidents.one(id.clone()).await?;
    let found = found.ok_or_else(|| Failure::NotFound(format!("Incident {id} not found")))?;
    Ok(axum::Json(show::incident(&found)).into_response())
}
