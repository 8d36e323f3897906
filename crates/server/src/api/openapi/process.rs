//! Health, figures, reload, and this description itself.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str = "The process itself: what it monitors never changes its health.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    Some(match (method.as_str(), path) {
        ("GET", "/health") => {
            Operation::gives(of("Health")).answers(503, "It does not do its work", of("Health"))
        }
        ("GET", "/health/live") => Operation::gives(whole_object([
            ("status", is("alive")),
            ("timestamp", instant()),
            ("uptime_seconds", number()),
        ]))
        .by_itself(),
        ("GET", "/health/ready" | "/health/startup") => {
            let words = word(&["healthy", "degraded", "unhealthy"]);
            let ready = |status: &str| {
                let mut schema = whole_object([("status", is(status)), ("redis", redis())]);
                schema["additionalProperties"] = words.clone();
                schema
            };
            Operation::gives(ready("ready")).answers(503, "It takes no work (yet)", ready("not_ready"))
        }
        ("GET", "/-/healthy") => plain("It runs").by_itself(),
        ("GET", "/-/ready") => {
            plain("It takes work").answers_as(503, "It takes no work (yet)", "text/plain", text())
        }
        ("POST" | "PUT", "/-/reload") => {
            let says = "Read the files, change nothing, and list the alerts that would go elsewhere";
            let moved = whole_object([("would_move", list(of("MovedAlert"))), ("total", count())]);
            Operation::new()
                .query("dry_run", says, flag())
                .answers(
                    200,
                    "The new configuration holds (an empty text), or with dry_run what it would move",
                    moved,
                )
                .and_as(200, "text/plain", text())
                .refuses(&[400])
        }
        ("GET", "/metrics") => plain("Exposition format 0.0.4"),
        ("GET", "/openapi.json") => Operation::gives(object(
            [
                ("openapi", text()),
                ("info", any_object()),
                ("paths", any_object()),
                ("components", any_object()),
            ],
            [("servers", list(any_object())), ("tags", list(any_object()))],
        ))
        .by_itself(),
        _ => return None,
    })
}

fn plain(says: &str) -> Operation {
    Operation::new().answers_as(200, says, "text/plain", text())
}

fn redis() -> Value {
    word(&["connected", "disconnected"])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let status = || word(&["healthy", "degraded", "unhealthy"]);
    let check = whole_object([
        ("name", text()),
        ("status", status()),
        ("message", text()),
        ("duration_ms", number()),
        ("timestamp", instant()),
        ("details", map(json!({"type": ["string", "number", "boolean", "null"]}))),
        ("error", or_null(text())),
    ]);
    let summary = whole_object([
        ("overall_status", status()),
        ("total_checks", count()),
        ("healthy_checks", count()),
        ("degraded_checks", count()),
        ("unhealthy_checks", count()),
        ("total_duration_ms", number()),
        ("uptime_seconds", number()),
    ]);
    let health = whole_object([
        ("status", status()),
        ("redis", redis()),
        ("queue_stats", of("QueueFigures")),
        ("version", text()),
        ("timestamp", instant()),
        ("services", map(redis())),
        ("summary", summary),
        ("checks", list(check)),
    ]);
    let moved = whole_object([("labels", texts()), ("from", list(text())), ("to", list(text()))]);
    vec![("Health", health), ("MovedAlert", moved)]
}
