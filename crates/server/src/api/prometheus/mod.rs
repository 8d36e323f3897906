//! Prometheus's HTTP API, `/api/v1`: its paths, parameters, envelopes and codes.

mod json;
mod labels;
mod metadata;
mod params;
mod query;
mod rules;
mod status;
mod targets;

pub(crate) use json::label_object;
pub(in crate::api) use labels::{label_names, label_values, series};
pub(in crate::api) use metadata::{metadata, targets_metadata};
pub(in crate::api) use query::{instant, range};
pub(in crate::api) use rules::{alerts, rules};
pub(in crate::api) use status::{alertmanagers, buildinfo, config, flags, runtimeinfo, tsdb};
pub(in crate::api) use targets::targets;

use super::Refused;
use crate::seam::{Failure, QueryFailure, Series};
use crate::state::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The release whose surface this is.
pub(crate) const VERSION: &str = "3.14.0";

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Error {
    /// A parameter is not what it should be.
    Parameter { name: &'static str, what: String },
    /// The expression has no answer.
    Query(QueryFailure),
    /// Anything else.
    Refused(Refused),
}

impl Error {
    fn parameter(name: &'static str, what: impl Into<String>) -> Error {
        Error::Parameter { name, what: what.into() }
    }
}

impl From<QueryFailure> for Error {
    fn from(failure: QueryFailure) -> Error {
        Error::Query(failure)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        Error::Refused(refused)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, error_type, message) = match self {
            Error::Refused(refused) => return refused.into_prometheus(),
            Error::Parameter { name, what } => {
                (StatusCode::BAD_REQUEST, "bad_data", format!("invalid parameter {name:?}: {what}"))
            }
            Error::Query(QueryFailure::Parse(what)) => {
                (StatusCode::BAD_REQUEST, "bad_data", format!("invalid parameter \"query\": {what}"))
            }
            Error::Query(QueryFailure::Execution(what)) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "execution", what)
            }
            Error::Query(QueryFailure::Timeout(what)) => (StatusCode::SERVICE_UNAVAILABLE, "timeout", what),
            Error::Query(QueryFailure::Internal(what)) => {
                let refused: Refused = Failure::Internal(what).into();
                return refused.into_prometheus();
            }
        };
        let mut response =
            (status, axum::Json(json!({"status": "error", "errorType": error_type, "error": message})))
                .into_response();
        response.extensions_mut().insert(super::ErrorBody {
            kind: error_type,
            message,
            detail: Value::Null,
            max_size_bytes: None,
            retry_after: None,
            written: true,
        });
        response
    }
}

/// `{"status":"success","data":...}`.
fn success(data: &Value) -> Response {
    axum::Json(json!({"status": "success", "data": data})).into_response()
}

/// The same with warnings.
fn success_with(data: &Value, warnings: &[String]) -> Response {
    let mut body = json!({"status": "success", "data": data});
    if !warnings.is_empty() {
        body["warnings"] = warnings.into();
    }
    axum::Json(body).into_response()
}

fn written(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Asks the series on a blocking thread, within the bound on how many ask at once. Waiting counts as asking:
/// `ask` gets what is left of `timeout`.
pub(crate) async fn ask<T: Send + 'static>(
    state: &State,
    timeout: Duration,
    ask: impl FnOnce(&dyn Series, Duration) -> Result<T, QueryFailure> + Send + 'static,
) -> Result<T, QueryFailure> {
    let begun = Instant::now();
    let late = || {
        QueryFailure::Timeout("too many queries at once: this one did not get its turn in time".to_owned())
    };
    let place = tokio::time::timeout(timeout, Arc::clone(&state.queries).acquire_owned())
        .await
        .map_err(|_| late())?
        .map_err(|_| late())?;
    let series = Arc::clone(&state.reads.series);
    let left = timeout.saturating_sub(begun.elapsed());
    let asked = tokio::task::spawn_blocking(move || {
        // The place is held by the thread, not by the request: a client that leaves frees nothing early.
        let _place = place;
        ask(&*series, left)
    });
    asked.await.map_err(|err| QueryFailure::Internal(format!("query thread: {err}")))?
}
