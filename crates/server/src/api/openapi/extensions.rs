//! `/extensions`.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str =
    "What stands beside the core: built-in parts and, for role admin, agents; their events and tools.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    Some(match (method.as_str(), path) {
        ("GET", "/extensions") => Operation::gives(list(of("Extension"))),
        ("GET", "/extensions/{id}/events/health") => Operation::gives(whole_object([
            ("id", text()),
            ("namespace", is("events")),
            ("streams", map(of("EventStream"))),
        ]))
        .refuses(&[404]),
        ("GET", "/extensions/{id}/tools") => Operation::gives(listed(of("Tool"))).refuses(&[404]),
        _ => return None,
    })
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let state = whole_object([("state", word(&["loaded", "discovered"]))]);
    let extension = whole_object([
        ("id", text()),
        ("name", text()),
        ("root", text()),
        ("module", text()),
        ("enabled", flag()),
        ("eager", flag()),
        ("grants", list(text())),
        ("status", state),
    ]);
    let group = whole_object([
        ("name", text()),
        ("pending", count()),
        ("delivered", count()),
        ("failed", count()),
        ("dropped", count()),
    ]);
    let stream = whole_object([
        ("length", json!({"type": "integer", "minimum": 1})),
        ("last_event_id", text()),
        ("last_published_at", instant()),
        ("groups", list(group)),
    ]);
    vec![("Extension", extension), ("EventStream", stream)]
}
