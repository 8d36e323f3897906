//! The first version's calls that old playbooks make, in its envelope `{status, data}`. Upstream answers 410.

use super::{Error, alerts, silences, status};
use crate::api::body::Raw;
use crate::api::{Refused, once};
use crate::state::State;
use axum::extract::State as Given;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn status_first(Given(state): Given<Arc<State>>) -> Response {
    success(&status::shown(&state).await)
}

pub(crate) async fn silences_first(Given(state): Given<Arc<State>>) -> Response {
    success(&silences::all_shown(&state).await.into())
}

pub(crate) async fn post_alerts_first(
    Given(state): Given<Arc<State>>,
    body: Result<Raw, Refused>,
) -> Result<Response, Enveloped> {
    alerts::take(&state, &body?.0).await?;
    Ok(axum::Json(json!({"status": "success"})).into_response())
}

pub(crate) async fn post_silence_first(
    Given(state): Given<Arc<State>>,
    request: once::Request,
    body: Result<Raw, Refused>,
) -> Result<Response, Enveloped> {
    Ok(silences::put(&state, request, &body?.0, silences::Fields::Ours, |id| {
        enveloped(&json!({"silenceId": id}))
    })
    .await?)
}

fn success(data: &Value) -> Response {
    axum::Json(enveloped(data)).into_response()
}

fn enveloped(data: &Value) -> Value {
    json!({"status": "success", "data": data})
}

/// A failure in the first version's envelope, which is Prometheus's.
pub(crate) struct Enveloped(Refused);

impl From<Refused> for Enveloped {
    fn from(refused: Refused) -> Enveloped {
        Enveloped(refused)
    }
}

impl From<Error> for Enveloped {
    fn from(error: Error) -> Enveloped {
        Enveloped(error.0)
    }
}

impl IntoResponse for Enveloped {
    fn into_response(self) -> Response {
        self.0.into_prometheus()
    }
}
