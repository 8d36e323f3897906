//! `/api/v1/monitoring/*`: what applications tell of themselves and the thresholds over it; `/api/v1/health` and
//! `/api/v1/metrics` in the same dialect.

mod tell;
#[cfg(test)]
mod tests;

pub(in crate::api) use tell::{BATCH_MAX, NAME_MAX, TAG_NAME_MAX, TAG_VALUE_MAX, TAGS_MAX, tell};

use super::{Params, Refused};
use crate::state::State;
use crate::views::{CrossedView, HealthStatus, HistogramView};
use axum::extract::State as Given;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

type Answer = Result<Response, Refused>;

/// Hours of history that one request may ask for.
const HOURS: std::ops::RangeInclusive<u64> = 1..=168;
const HOURS_USUAL: u64 = 24;

/// `GET /api/v1/monitoring/metrics` and `GET /api/v1/metrics`.
pub(crate) async fn metrics(Given(state): Given<Arc<State>>) -> Response {
    let summary = state.reads.thresholds.summary().await;
    tracing::info!(event = "metrics_retrieved", "Metrics retrieved");
    let counters: Map<String, Value> =
        summary.counters.into_iter().map(|(name, total)| (name, whole_if_whole(total))).collect();
    let histograms: Map<String, Value> =
        summary.histograms.iter().map(|(name, one)| (name.clone(), histogram(one))).collect();
    let body = json!({
        "counters": counters,
        "gauges": summary.gauges,
        "histograms": histograms,
        "timestamp": state.clock.now().rfc3339(),
    });
    axum::Json(body).into_response()
}

/// `GET /api/v1/monitoring/status`.
pub(crate) async fn status(Given(state): Given<Arc<State>>) -> Answer {
    let status = state.reads.thresholds.status().await?;
    tracing::info!(event = "monitoring_status_retrieved", "Monitoring status retrieved");
    let active = status.active.iter().map(|crossed| {
        let mut shown = named(crossed);
        shown["timestamp"] = crossed.at.rfc3339().into();
        shown
    });
    let body = json!({
        "sentry_enabled": status.sentry,
        "alert_thresholds_count": status.count,
        "active_alerts_count": status.active.len(),
        "last_evaluation": status.evaluated_at.map(|at| at.rfc3339()),
        "active_alerts": active.collect::<Vec<_>>(),
    });
    Ok(axum::Json(body).into_response())
}

/// `GET /api/v1/monitoring/alerts`.
pub(crate) async fn alerts(Given(state): Given<Arc<State>>, params: Result<Params, Refused>) -> Answer {
    let params = params?;
    let hours = match params.get("hours") {
        None => HOURS_USUAL,
        Some(text) => text.parse().ok().filter(|hours| HOURS.contains(hours)).ok_or_else(|| {
            let what = format!("{text:?} is not a whole number from {} to {}", HOURS.start(), HOURS.end());
            Refused::value("hours", what)
        })?,
    };
    let from = state.clock.now().minus(Duration::from_secs(hours * 3600));
    let crossed = state.reads.thresholds.history(from).await?;
    tracing::info!(event = "alerts_retrieved", hours, count = crossed.len(), "Alerts retrieved");
    let shown = crossed.iter().map(|crossed| {
        let mut shown = named(crossed);
        shown["metric_value"] = number(crossed.value);
        shown["threshold"] = number(crossed.threshold);
        shown["timestamp"] = crossed.at.rfc3339().into();
        shown
    });
    Ok(axum::Json(shown.collect::<Vec<_>>()).into_response())
}

/// `POST /api/v1/monitoring/evaluate`.
pub(crate) async fn evaluate(Given(state): Given<Arc<State>>) -> Answer {
    let crossed = state.reads.thresholds.evaluate().await?;
    tracing::info!(event = "thresholds_evaluated", crossed = crossed.len(), "Thresholds evaluated");
    let body = json!({
        "evaluated": true,
        "triggered_alerts_count": crossed.len(),
        "triggered_alerts": crossed.iter().map(named).collect::<Vec<_>>(),
    });
    Ok(axum::Json(body).into_response())
}

/// `GET /api/v1/health`: 200 however it is.
pub(crate) async fn health(Given(state): Given<Arc<State>>) -> Response {
    let health = state.reads.vitals.health().await;
    let word = |well: bool| Value::from(if well { "connected" } else { "disconnected" });
    let mut services: Map<String, Value> = health
        .checks
        .iter()
        .map(|check| {
            // The store is asked for by what it is.
            let name = if check.name == "database" { "sqlite" } else { check.name };
            (name.to_owned(), word(check.status != HealthStatus::Unhealthy))
        })
        .collect();
    for tool in state.reads.workers.tools().iter().filter(|tool| tool.transport != "builtin") {
        services.insert(tool.address.clone(), word(tool.circuit != "open"));
    }
    let well = health.status == HealthStatus::Healthy;
    axum::Json(json!({
        "status": if well { "healthy" } else { "degraded" },
        "version": state.build.version,
        "services": services,
    }))
    .into_response()
}

fn named(crossed: &CrossedView) -> Value {
    json!({"name": crossed.name, "severity": crossed.severity, "message": crossed.message})
}

fn histogram(of: &HistogramView) -> Value {
    let average = if of.count == 0 { 0.0 } else { of.sum / of.count as f64 };
    json!({
        "count": of.count,
        "min": number(of.min),
        "max": number(of.max),
        "avg": number(average),
        "sum": number(of.sum),
        "p50": of.p50,
        "p95": of.p95,
        "p99": of.p99,
    })
}

/// JSON has no infinity: what is beyond is the greatest there is.
fn number(value: f64) -> Value {
    json!(if value.is_finite() { value } else { f64::MAX.copysign(value) })
}

/// A count that is a whole number is written as one.
fn whole_if_whole(total: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if total.fract() == 0.0 && total.abs() < EXACT { json!(total as i64) } else { number(total) }
}
