//! `/v1/work`, `/workers` and `/tools`.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str =
    "The worker protocol in any language, who the workers are, and the tools that steps may use.";

const DIRECTIVES: [&str; 3] = ["none", "quiet", "terminate"];

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    Some(match (method.as_str(), path) {
        ("POST", "/v1/work") => Operation::gives(of("WorkReply"))
            .takes_as("application/json", of("WorkRequest"), work_examples(), true)
            .refuses(&[400, 408, 413]),
        ("GET", "/tools") => Operation::gives(listed(of("Tool"))),
        ("GET", "/tools/{address}") => Operation::gives(of("Tool")).refuses(&[404]),
        ("GET", "/workers") => Operation::gives(listed(of("Worker"))),
        ("GET", "/workers/{id}") => Operation::gives(of("Worker")).refuses(&[404]),
        ("POST", "/workers/{id}/quiet" | "/workers/{id}/terminate" | "/workers/{id}/resume") => {
            Operation::gives(of("Worker")).refuses(&[404, 409])
        }
        ("GET", "/workers/push") => Operation::gives(listed(of("PushWorker"))),
        ("POST", "/workers/push") => Operation::new()
            .answers(201, "It is called from now on", of("PushWorker"))
            .takes(
                closed(object(
                    [
                        ("id", text_of(1, 200)),
                        ("url", url(2000)),
                        ("secret", text_of(16, 500)),
                        ("kinds", json!({"type": "array", "items": text_of(1, 100), "minItems": 1, "maxItems": 200})),
                    ],
                    [("labels", or_null(words(200))), ("slots", or_null(whole(1, 1000)))],
                )),
                json!({"function": {
                    "id": "thumbnails", "url": "https://workers.example.org/run",
                    "secret": "at least sixteen characters", "kinds": ["thumbnail"], "slots": 4,
                }}),
            )
            .refuses(&[409, 429]),
        ("DELETE", "/workers/push/{id}") => Operation::gives(super::done([("id", text())])).refuses(&[404]),
        _ => return None,
    })
}

fn work_examples() -> Value {
    json!({
        "ask": {
            "worker": {"id": "w1", "boot_nonce": "7f3a", "kinds": ["thumbnail"], "slots_free": 2},
            "want": 2, "wait_ms": 0,
        },
        "answer": {
            "worker": {"id": "w1", "boot_nonce": "7f3a", "kinds": ["thumbnail"]},
            "complete": [{"attempt_token": "TOKEN", "outcome": "done", "result": {"width": 64}}],
        },
    })
}

fn work_request() -> Value {
    let name = || text_of(1, 200);
    let worker = object(
        [("id", name()), ("boot_nonce", name())],
        [
            (
                "labels",
                json!({"type": "object", "maxProperties": 1000, "propertyNames": text_of(1, 200),
                       "additionalProperties": {"type": "string"}}),
            ),
            ("kinds", list_of(name(), 1000)),
            ("slots_free", or_null(whole(0, 4_294_967_295))),
            ("draining", flag()),
            ("release_on_close", flag()),
        ],
    );
    let complete = object(
        [("attempt_token", text()), ("outcome", word(&["done", "retry", "snooze", "failed"]))],
        [
            ("result", anything()),
            ("error", or_null(object([], [("type", text()), ("message", text())]))),
            ("retry_after_ms", or_null(count())),
        ],
    );
    let extend = object(
        [("attempt_token", text())],
        [
            ("progress", or_null(json!({"type": "number", "minimum": 0, "maximum": 1}))),
            ("checkpoint", anything()),
        ],
    );
    let line = object(
        [("attempt_token", text()), ("line", text())],
        [("at", or_null(instant())), ("level", or_null(word(&["debug", "info", "warning", "error"])))],
    );
    object(
        [("worker", worker)],
        [
            ("complete", list_of(complete, 10_000)),
            ("extend", list_of(extend, 10_000)),
            ("log", list_of(line, 1_000)),
            ("want", whole(0, 1_000)),
            ("wait_ms", whole(0, 30_000)),
        ],
    )
}

fn work_reply() -> Value {
    let run = whole_object([
        ("id", text()),
        ("task_id", text()),
        ("kind", text()),
        ("attempt_token", text()),
        ("attempt", json!({"type": "integer", "minimum": 1})),
        ("args", anything()),
        ("lease_ms", count()),
        ("deadline_ms", count()),
        ("traceparent", or_null(text())),
        ("checkpoint", anything()),
    ]);
    whole_object([
        ("results", map(word(&["accepted", "stale", "unknown"]))),
        ("runs", list(run)),
        ("cancel", list(text())),
        ("directive", word(&DIRECTIVES)),
    ])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let worker = whole_object([
        ("id", text()),
        ("labels", texts()),
        ("kinds", list(text())),
        ("created_at", instant()),
        ("last_seen", instant()),
        ("alive", flag()),
        ("running", count()),
        ("slots_free", count()),
        ("processed", count()),
        ("directive", word(&DIRECTIVES)),
    ]);
    let push = whole_object([
        ("id", text()),
        ("url", text()),
        ("kinds", list(text())),
        ("labels", texts()),
        ("slots", count()),
    ]);
    let tool = whole_object([
        ("address", text()),
        ("transport", word(&["builtin", "http", "stdio"])),
        ("endpoint", text()),
        ("input_schema", json!({"type": ["object", "boolean"]})),
        ("output_schema", json!({"type": ["object", "boolean", "null"]})),
        ("timeout_seconds", or_null(number())),
        ("scopes", list(text())),
        ("cost_tier", text()),
        ("description", text()),
        ("examples", list(anything())),
        ("circuit", word(&["closed", "half_open", "open"])),
    ]);
    vec![
        ("WorkRequest", work_request()),
        ("WorkReply", work_reply()),
        ("Worker", worker),
        ("PushWorker", push),
        ("Tool", tool),
    ]
}
