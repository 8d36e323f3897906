//! `status/*` and `alertmanagers`.

use super::json::instant_or_never;
use super::params::limit_param;
use super::{Error, VERSION, ask, success};
use crate::api::{Params, Refused};
use crate::state::State;
use axum::extract::State as Given;
use axum::response::Response;
use model::format_duration;
use serde_json::{Value, json};
use std::sync::Arc;

/// Rows of each list of `status/tsdb` unless `limit` says otherwise.
const TSDB_ROWS: usize = 10;
/// The most rows it may ask for.
const TSDB_ROWS_MAX: usize = 10_000;

/// Without `features`: clients would take that for another product's.
pub(crate) async fn buildinfo(Given(state): Given<Arc<State>>) -> Response {
    let build = &state.build;
    success(&json!({
        "version": VERSION,
        "revision": build.revision,
        "branch": build.branch,
        "buildUser": format!("tocsin {}", build.version),
        "buildDate": "",
        "goVersion": build.compiler,
    }))
}

pub(crate) async fn runtimeinfo(Given(state): Given<Arc<State>>) -> Response {
    let runtime = state.reads.vitals.runtime().await;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    success(&json!({
        "startTime": runtime.started_at.rfc3339(),
        "CWD": runtime.cwd,
        "hostname": runtime.hostname,
        "serverTime": state.clock.now().rfc3339(),
        "reloadConfigSuccess": runtime.config_error.is_none(),
        "lastConfigTime": instant_or_never(Some(runtime.config_at)),
        "corruptionCount": runtime.corruptions,
        "goroutineCount": runtime.threads,
        "GOMAXPROCS": cores,
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": format_duration(runtime.retention),
    }))
}

pub(crate) async fn config(Given(state): Given<Arc<State>>) -> Response {
    let yaml = state.reads.vitals.config().await;
    success(&json!({"yaml": yaml}))
}

pub(crate) async fn flags(Given(state): Given<Arc<State>>) -> Response {
    let flags = state.reads.vitals.runtime().await.flags;
    success(&Value::Object(flags.into_iter().map(|(name, value)| (name, value.into())).collect()))
}

pub(crate) async fn alertmanagers(Given(state): Given<Arc<State>>) -> Response {
    let active = state.reads.vitals.runtime().await.alertmanagers;
    let active: Vec<Value> = active.into_iter().map(|url| json!({"url": url})).collect();
    success(&json!({"activeAlertmanagers": active, "droppedAlertmanagers": []}))
}

pub(crate) async fn tsdb(
    Given(state): Given<Arc<State>>,
    params: Result<Params, Refused>,
) -> Result<Response, Error> {
    let limit = match limit_param(&params?)? {
        0 => TSDB_ROWS,
        limit => limit.min(TSDB_ROWS_MAX),
    };
    let view = ask(&state, state.limits.query_timeout, move |series, _| Ok(series.tsdb(limit))).await?;
    let rows = |rows: Vec<(String, u64)>| -> Value {
        rows.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
    };
    Ok(success(&json!({
        "headStats": {
            "numSeries": view.series,
            "numLabelPairs": view.label_pairs,
            "chunkCount": view.chunks,
            "minTime": view.min_time.as_millis(),
            "maxTime": view.max_time.as_millis(),
        },
        "seriesCountByMetricName": rows(view.series_by_metric),
        "labelValueCountByLabelName": rows(view.values_by_label),
        "memoryInBytesByLabelName": rows(view.bytes_by_label),
        "seriesCountByLabelValuePair": rows(view.series_by_pair),
    })))
}
