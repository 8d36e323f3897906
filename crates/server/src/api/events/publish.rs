//! Telling an event, in the words of either of the systems that we replace.

use crate::api::body::Raw;
use crate::api::tasks::{Fields, Unknown, object};
use crate::api::{Refused, once};
use crate::seam::Published;
use crate::state::State;
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use tasks::events::{New, Priority, event_json};

/// The longest type or topic, in characters.
const TYPE_MAX: usize = 100;
/// The longest name of a source, a task or a trace.
const NAME_MAX: usize = 200;

/// `POST /events/publish`: `{event_type, source_agent, payload?, task_id?, trace_id?, priority?, metadata?}`.
pub(in crate::api) async fn publish(
    Given(state): Given<Arc<State>>,
    request: once::Request,
    body: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let body = body?.0;
    let by = &request.3.name;
    let mut fields = Fields::new(object(&body)?);
    let word = fields.text("priority", 1..=20);
    let new = New {
        type_: fields.needed_text("event_type", 1..=TYPE_MAX),
        priority: word.as_deref().and_then(Priority::parse),
        source: fields.text("source_agent", 1..=NAME_MAX).unwrap_or_else(|| by.clone()),
        trace_id: fields.text("trace_id", 1..=NAME_MAX),
        task_id: fields.text("task_id", 1..=NAME_MAX),
        payload: fields.object("payload"),
        metadata: fields.object("metadata"),
    };
    fields.finish(Unknown::Ignored)?;
    if let (Some(word), None) = (&word, new.priority) {
        let what = format!("{word:?} is not one of critical, high, medium, low, P0, P1, P2, P3");
        return Err(Refused::value("priority", what));
    }
    let asked = once::asked(&request, &body, |published: &Published| {
        let body = json!({
            "success": true,
            "event_type": published.event.type_(),
            "message": "Event published successfully",
            "event_id": published.event.id.to_string(),
            "triggered_tasks": published.triggered,
        });
        (StatusCode::OK, body)
    })?;
    Ok(once::answer(state.reads.events.publish(new, asked).await?))
}

/// `POST /events/`: `{topic, payload?, source_agent_id?}`.
pub(in crate::api) async fn post_topic(
    Given(state): Given<Arc<State>>,
    request: once::Request,
    body: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let body = body?.0;
    let by = &request.3.name;
    let mut fields = Fields::new(object(&body)?);
    let new = New {
        type_: fields.needed_text("topic", 1..=TYPE_MAX),
        priority: None,
        source: fields.text("source_agent_id", 1..=NAME_MAX).unwrap_or_else(|| by.clone()),
        trace_id: None,
        task_id: None,
        payload: fields.object("payload"),
        metadata: json!({"published_by": by}),
    };
    fields.finish(Unknown::Ignored)?;
    let asked = once::asked(&request, &body, on_topic)?;
    Ok(once::answer(state.reads.events.publish(new, asked).await?))
}

fn on_topic(published: &Published) -> (StatusCode, Value) {
    let told = event_json(&published.event);
    let details = json!({
        "event_id": told["event_id"],
        "stream_id": published.event.id.stream(),
        "topic": told["event_type"],
        "triggered_tasks": published.triggered,
        "published_at": told["timestamp"],
    });
    let mut body = details.clone();
    body["success"] = true.into();
    body["message"] = format!("Event published to topic {}", published.event.type_()).into();
    body["details"] = details;
    (StatusCode::ACCEPTED, body)
}
