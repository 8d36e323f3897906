//! `/queues`, `/stats`, `/dead-letters`.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str = "Queues and their bounds, the queue in figures, and runs that were given up.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    Some(match (method.as_str(), path) {
        ("GET", "/stats") => Operation::gives(of("Stats"))
            .query(
                "hours",
                "Everything about the queue, with one row for each of so many hours",
                whole(0, 336),
            )
            .refuses(&[422]),
        ("GET", "/queues") => Operation::gives(listed(of("Queue"))),
        ("GET", "/queues/{name}") => Operation::gives(of("Queue")).refuses(&[404]),
        ("PUT", "/queues/{name}") => Operation::gives(of("Queue"))
            .takes(
                closed(object(
                    [],
                    [
                        ("running_max", or_null(whole(1, 60_000))),
                        ("rate_per_minute", or_null(whole(1, 60_000))),
                    ],
                )),
                json!({"two_at_once": {"running_max": 2}, "no_bound": {"running_max": null}}),
            )
            .refuses(&[409]),
        ("POST", "/queues/{name}/pause" | "/queues/{name}/resume") => {
            Operation::gives(of("Queue")).refuses(&[409, 422])
        }
        ("GET", "/dead-letters") => Operation::gives(page(of("DeadLetter")))
            .query("all", "Those that were done again or put away, too", flag())
            .query("limit", "Items of a page", whole(1, 200))
            .query("offset", "Items to leave out", whole(0, 1_000_000_000))
            .refuses(&[400, 422]),
        ("GET", "/dead-letters/{run_id}") => Operation::gives(of("DeadLetter")).refuses(&[404]),
        ("PUT", "/dead-letters/{run_id}") => act(&[]).takes(
            closed(object([], [("args", any_object()), ("payload", any_object())])),
            json!({"args": {"args": {"to": "ops@example.org"}}}),
        ),
        ("POST", "/dead-letters/{run_id}/replay") => {
            act(&[("replayed_as", text())]).refuses(&[403, 413, 429])
        }
        ("DELETE", "/dead-letters/{run_id}") => act(&[]),
        _ => return None,
    })
}

fn act(details: &[(&str, Value)]) -> Operation {
    let mut reply =
        super::done([("id", text()), ("task_id", text()), ("message", text()), ("run_id", text())]);
    let mut inside = whole_object([("run_id", text())]);
    for (name, schema) in details {
        reply = with(reply, [(name, schema.clone())]);
        inside = with(inside, [(name, schema.clone())]);
    }
    Operation::gives(with(reply, [("details", inside)])).once().refuses(&[400, 404, 409])
}

/// The queue's figures under the names of both documents that describe it.
pub(super) fn figures() -> Value {
    whole_object([
        ("pending_tasks", count()),
        ("processing_tasks", count()),
        ("total_tasks", count()),
        ("pending", count()),
        ("in_progress", count()),
        ("completed", count()),
        ("failed", count()),
    ])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let queue = whole_object([
        ("name", text()),
        ("paused", flag()),
        ("paused_by", or_null(text())),
        ("paused_at", or_null(instant())),
        ("running_max", or_null(count())),
        ("rate_per_minute", or_null(count())),
        ("waiting", count()),
        ("ready", count()),
        ("running", count()),
    ]);
    let dead = whole_object([
        ("run_id", text()),
        ("id", text()),
        ("task_id", text()),
        ("kind", text()),
        ("args", anything()),
        ("attempt", count()),
        ("error_type", text()),
        ("error", text()),
        ("dead_at", or_null(instant())),
        ("replayed_as", or_null(text())),
    ]);
    vec![("Queue", queue), ("DeadLetter", dead), ("QueueFigures", figures()), ("Stats", stats())]
}

fn stats() -> Value {
    let ended = [
        ("total", count()),
        ("successful", count()),
        ("failed", count()),
        ("avg_duration_seconds", number()),
        ("max_duration_seconds", number()),
    ];
    let by_priority: Value =
        (1..=9).fold(json!({"type": "object", "properties": {}}), |mut all, priority: u8| {
            all["properties"][priority.to_string()] = count();
            all
        });
    let statistics = whole_object([
        ("total_pending", count()),
        ("ready_now", count()),
        ("currently_leased", count()),
        ("expired_leases", count()),
        ("oldest_pending", or_null(instant())),
        ("newest_pending", or_null(instant())),
        ("oldest_age_seconds", or_null(number())),
        ("last_hour", with(whole_object(ended.clone()), [("active_workers", count())])),
        ("active_workers", count()),
        ("pending_by_priority", by_priority),
    ]);
    let hour = with(whole_object(ended), [("hour", instant()), ("created", count())]);
    object(
        [("queue", of("QueueFigures")), ("timestamp", instant())],
        [("statistics", statistics), ("hours", list(hour))],
    )
}
