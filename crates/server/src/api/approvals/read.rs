//! Looking at approvals.

use super::show;
use crate::api::{Params, Refused};
use crate::seam::Failure;
use crate::state::State;
use axum::extract::{Path, State as Given};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// Approvals of one answer unless `limit` says otherwise, and the most it may ask for.
const LIMIT: u64 = 100;
const LIMIT_MAX: u64 = 1_000;

pub(crate) async fn pending(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let limit = params?.number("limit", 1, LIMIT_MAX, LIMIT_MAX)?;
    let (approvals, total) = state.reads.approvals.pending(limit as usize).await?;
    let shown: Vec<Value> = approvals.iter().map(|approval| show::approval(approval)).collect();
    let body = json!({"success": true, "count": shown.len(), "total": total, "approvals": shown});
    Ok(axum::Json(body).into_response())
}

pub(crate) async fn history(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Refused> {
    let limit = params?.number("limit", 1, LIMIT_MAX, LIMIT)?;
    let history = state.reads.approvals.history(limit as usize).await?;
    let shown: Vec<Value> = history.iter().map(|approval| show::approval(approval)).collect();
    Ok(axum::Json(json!({"success": true, "count": shown.len(), "history": shown})).into_response())
}

pub(crate) async fn one(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let found = state.reads.approvals.one(id.clone()).await?;
    let found = found.ok_or_else(|| Failure::NotFound(format!("Approval {id} not found")))?;
    Ok(axum::Json(json!({"success": true, "approval": show::approval(&found)})).into_response())
}
