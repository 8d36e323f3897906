//! `/health`, its parts, their forms that Prometheus's users know, `/metrics` and `/-/reload`.

use super::tasks::queue_object;
use super::{Params, Refused};
use crate::auth::Principal;
use crate::state::State;
use crate::views::{Check, Health, HealthStatus, MovedAlert, PageOf};
use axum::Extension;
use axum::extract::{RawQuery, State as Given};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value, json};
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// `/health` is asked by everything that watches us: an answer is given again while nothing was decided since, and
/// for no longer than this.
const SAME_MAX: Duration = Duration::from_millis(100);
/// Alerts that a dry run of a reload lists; all are counted.
const MOVED_MAX: usize = 1000;

/// The last answer.
pub(crate) struct Told {
    revision: u64,
    at: Instant,
    status: StatusCode,
    body: Bytes,
}

pub(crate) async fn health(Given(state): Given<Arc<State>>) -> Response {
    let revision = state.reads.vitals.revision();
    let fresh = |told: &&Told| told.revision == revision && told.at.elapsed() < SAME_MAX;
    let told = || state.told.lock().unwrap_or_else(PoisonError::into_inner);
    let again = told().as_ref().filter(fresh).map(|told| (told.status, told.body.clone()));
    let (status, body) = match again {
        Some(again) => again,
        None => {
            let at = Instant::now();
            let (status, body) = look(&state).await;
            *told() = Some(Told { revision, at, status, body: body.clone() });
            (status, body)
        }
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn look(state: &State) -> (StatusCode, Bytes) {
    let health = state.reads.vitals.health().await;
    let queue = state.reads.tasks.queue().await;
    let now = state.clock.now();
    let count = |status| health.checks.iter().filter(|check| check.status == status).count();
    let took: f64 = health.checks.iter().map(|check| check.took.as_secs_f64() * 1000.0).sum();
    let body = json!({
        "status": health.status.as_str(),
        "redis": redis_word(&health),
        "queue_stats": queue_object(&queue),
        "version": state.build.version,
        "timestamp": now.rfc3339(),
        "services": health.checks.iter().map(|c| (c.name.to_owned(), service_word(c).into())).collect::<Map<_, _>>(),
        "summary": {
            "overall_status": health.status.as_str(),
            "total_checks": health.checks.len(),
            "healthy_checks": count(HealthStatus::Healthy),
            "degraded_checks": count(HealthStatus::Degraded),
            "unhealthy_checks": count(HealthStatus::Unhealthy),
            "total_duration_ms": took,
            "uptime_seconds": now.since(health.started_at).as_secs_f64(),
        },
        "checks": health.checks.iter().map(|c| check(c, &now.rfc3339())).collect::<Vec<_>>(),
    });
    let status = match health.status {
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    (status, spaced_text(&body).into())
}

pub(crate) async fn live(Given(state): Given<Arc<State>>) -> Response {
    let started = state.reads.vitals.runtime().await.started_at;
    let now = state.clock.now();
    let body = json!({
        "status": "alive",
        "timestamp": now.rfc3339(),
        "uptime_seconds": now.since(started).as_secs_f64(),
    });
    spaced(StatusCode::OK, &body)
}

pub(crate) async fn ready(Given(state): Given<Arc<State>>) -> Response {
    let health = state.reads.vitals.health().await;
    let ready = state.reads.vitals.ready();
    let status = if ready { "ready" } else { "not_ready" };
    let mut body = json!({"status": status, "api": "healthy", "redis": redis_word(&health)});
    for check in health.checks.iter().filter(|check| check.name != "redis") {
        body[check.name] = check.status.as_str().into();
    }
    spaced(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

pub(crate) async fn healthy_text() -> &'static str {
    "Tocsin is healthy.\n"
}

pub(crate) async fn ready_text(Given(state): Given<Arc<State>>) -> (StatusCode, &'static str) {
    match state.reads.vitals.ready() {
        true => (StatusCode::OK, "Tocsin is ready.\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "Tocsin is not ready.\n"),
    }
}

pub(crate) async fn metrics(Given(state): Given<Arc<State>>) -> Response {
    let text = state.reads.vitals.metrics().await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

pub(crate) async fn reload(
    Given(state): Given<Arc<State>>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let params = Params::of_query(query.as_deref().unwrap_or(""));
    // Who writes `?dry_run` and nothing more wants nothing to change either.
    let dry_run = params.all("dry_run").any(str::is_empty) || params.switch("dry_run", false)?;
    if !dry_run {
        state.desk.reload(principal.name).await?;
        return Ok(String::new().into_response());
    }
    let PageOf { items, total } = state.desk.would_move(MOVED_MAX, principal.name).await?;
    let shown = items.iter().map(|MovedAlert { labels, from, to }| {
        let labels: Map<String, Value> =
            labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        json!({"labels": labels, "from": from, "to": to})
    });
    Ok(axum::Json(json!({"would_move": shown.collect::<Vec<_>>(), "total": total})).into_response())
}

fn redis_word(health: &Health) -> &'static str {
    if health.redis_connected { "connected" } else { "disconnected" }
}

fn service_word(check: &Check) -> &'static str {
    if check.status == HealthStatus::Unhealthy { "disconnected" } else { "connected" }
}

fn check(check: &Check, now: &str) -> Value {
    let details: Map<String, Value> =
        check.details.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    let error = (check.status == HealthStatus::Unhealthy).then_some(check.message.as_str());
    json!({
        "name": check.name,
        "status": check.status.as_str(),
        "message": check.message,
        "duration_ms": check.took.as_secs_f64() * 1000.0,
        "timestamp": now,
        "details": details,
        "error": error,
    })
}

/// JSON with one space after each colon and comma: uptime services look for the text `"status": "healthy"`.
fn spaced(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], spaced_text(body)).into_response()
}

fn spaced_text(body: &Value) -> Vec<u8> {
    let mut text = Vec::new();
    body.serialize(&mut Serializer::with_formatter(&mut text, Spaced)).expect("a value always becomes text");
    text
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
