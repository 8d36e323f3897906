//! Reading events without a stream.

use super::Wanted;
use crate::api::Refused;
use crate::api::body::Params;
use crate::auth::Principal;
use crate::state::State;
use axum::Extension;
use axum::extract::State as Given;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tasks::EventId;
use tasks::events::{Event, event_json};

/// Events on one page, and where nobody says.
const PAGE_MAX: u64 = 1_000;
const PAGE: u64 = 50;
/// The oldest that can be asked for in hours: a year.
const HOURS_MAX: u64 = 8_784;

type Answer = Result<Response, Refused>;

/// `GET /events?type=&since=&limit=`: the last events of all kinds and those that were published, newest first.
pub(in crate::api) async fn list(Given(state): Given<Arc<State>>, params: Params) -> Answer {
    let limit = limit(&params, "limit")?;
    let since = since(&params)?;
    let wanted = Wanted::of(&params);
    let mut found: BTreeMap<EventId, Event> = BTreeMap::new();
    let kept = state.reads.events.kept(since, usize::MAX).await?;
    let recent = state.reads.events.newest(since, limit, &|event| wanted.holds(event));
    for event in kept.into_iter().filter(|event| wanted.holds(event)).take(limit).chain(recent) {
        found.insert(event.id, event);
    }
    let items: Vec<Value> = found.values().rev().take(limit).map(event_json).collect();
    Ok(axum::Json(json!({"items": items, "count": items.len(), "limit": limit})).into_response())
}

/// `GET /events/stream/recent?count=`: the events that were published, newest first; `all=true`: of all kinds.
pub(in crate::api) async fn recent(Given(state): Given<Arc<State>>, params: Params) -> Answer {
    let count = limit(&params, "count")?;
    let events = match params.switch("all", false)? {
        true => state.reads.events.newest(EventId::MIN, count, &|_| true),
        false => state.reads.events.kept(EventId::MIN, count).await?,
    };
    let events: Vec<Value> = events.iter().map(in_stream).collect();
    Ok(axum::Json(json!({"total_events": events.len(), "events": events})).into_response())
}

/// An event with the names that readers of streams know besides.
fn in_stream(event: &Event) -> Value {
    let mut told = event_json(event);
    told["stream_id"] = event.id.stream().into();
    told["topic"] = event.type_().into();
    told["published_at"] = told["timestamp"].clone();
    told["source_agent_id"] = told["source_agent"].clone();
    told
}

/// `DELETE /events/stream/cleanup?max_age_hours=`.
pub(in crate::api) async fn cleanup(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    params: Params,
) -> Answer {
    let hours = params.number("max_age_hours", 0, HOURS_MAX, 24)?;
    let before = state.clock.now().minus(Duration::from_secs(hours * 3600));
    let deleted = state.reads.events.forget(before, by.name).await?;
    let message = match deleted {
        0 => "No old events found to cleanup".to_owned(),
        n => format!("Cleaned up {n} old events"),
    };
    let details = json!({
        "deleted_count": deleted,
        "max_age_hours": hours,
        "cutoff_timestamp": before.as_millis(),
    });
    Ok(axum::Json(json!({"success": true, "message": message, "details": details})).into_response())
}

/// `GET /events/topics`.
pub(in crate::api) async fn topics(Given(state): Given<Arc<State>>) -> Answer {
    let topics = state.reads.events.topics().await?;
    let topics: Vec<Value> = topics
        .iter()
        .map(|one| json!({"topic": one.topic, "active_tasks": one.task_ids.len(), "task_ids": one.task_ids}))
        .collect();
    Ok(axum::Json(json!({"total_topics": topics.len(), "topics": topics})).into_response())
}

fn limit(params: &Params, name: &str) -> Result<usize, Refused> {
    Ok(params.number(name, 1, PAGE_MAX, PAGE)? as usize)
}

/// `since`: an instant, or an event's id.
fn since(params: &Params) -> Result<EventId, Refused> {
    let Some(text) = params.get("since") else { return Ok(EventId::MIN) };
    let instant = || crate::api::tasks::lenient_instant(text).map(EventId::first_at);
    EventId::parse(text).or_else(instant).ok_or_else(|| {
        Refused::value("since", "it is neither an instant such as 2030-01-02T03:04:05Z nor an event's id")
    })
}
