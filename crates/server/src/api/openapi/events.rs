//! `/events`.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str =
    "Whatever changes is an event; others may be told, listened to, and sent to a URL.";

const WORDS: [&str; 4] = ["critical", "high", "medium", "low"];

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    let types = |operation: Operation| {
        operation.query("type", "Only types that begin so, several apart by commas", text()).query(
            "types",
            "The same",
            text(),
        )
    };
    Some(match (method.as_str(), path) {
        ("POST", "/events/publish") => publish(),
        ("POST", "/events" | "/events/") => post_topic(),
        ("GET", "/events" | "/events/") => types(Operation::gives(whole_object([
            ("items", list(of("Event"))),
            ("count", count()),
            ("limit", count()),
        ])))
        .query("since", "Only after this instant or this event's id", text())
        .query("limit", "How many", whole(1, 1000))
        .refuses(&[400, 422]),
        ("GET", "/events/topics") => {
            let topic =
                whole_object([("topic", text()), ("active_tasks", count()), ("task_ids", list(text()))]);
            Operation::gives(whole_object([("total_topics", count()), ("topics", list(topic))]))
        }
        ("GET", "/events/stream") => types(Operation::new())
            .query("after", "From the event after this id on", text())
            .header("Last-Event-ID", "The same, as browsers send it when they come back", text())
            .answers_as(200, "Events as they happen, without an end", "text/event-stream", text())
            .refuses(&[400]),
        ("GET", "/events/stream/recent") => {
            Operation::gives(whole_object([("total_events", count()), ("events", list(of("StreamedEvent")))]))
                .query("count", "How many", whole(1, 1000))
                .query("all", "Events of all kinds, not only those that were published", flag())
                .refuses(&[400, 422])
        }
        ("DELETE", "/events/stream/cleanup") => Operation::gives(super::done([
            ("message", text()),
            (
                "details",
                whole_object([
                    ("deleted_count", count()),
                    ("max_age_hours", count()),
                    ("cutoff_timestamp", json!({"type": "integer"})),
                ]),
            ),
        ]))
        .query("max_age_hours", "How old an event may become", whole(0, 8784))
        .refuses(&[422]),
        ("POST", "/events/subscriptions") => Operation::new()
            .answers(201, "It is called from now on", of("Subscription"))
            .once()
            .takes(
                closed(object(
                    [("url", url(2000))],
                    [
                        ("types", or_null(list_of(text_of(1, 100), 64))),
                        ("secret", or_null(text_of(16, 2000))),
                    ],
                )),
                json!({"deploys": {"url": "https://hooks.example.org/tocsin", "types": ["deploy."]}}),
            )
            .refuses(&[409, 429]),
        ("GET", "/events/subscriptions") => Operation::gives(listed(of("Subscription"))),
        ("DELETE", "/events/subscriptions/{id}") => {
            Operation::gives(super::done([("id", text())])).refuses(&[404])
        }
        _ => return None,
    })
}

fn publish() -> Operation {
    Operation::gives(super::done([
        ("event_type", text()),
        ("message", text()),
        ("event_id", text()),
        ("triggered_tasks", list(text())),
    ]))
    .once()
    .takes(
        object(
            [("event_type", text_of(1, 100))],
            [
                ("source_agent", or_null(text_of(1, 200))),
                ("payload", or_null(any_object())),
                ("task_id", or_null(text_of(1, 200))),
                ("trace_id", or_null(text_of(1, 200))),
                ("priority", or_null(word(&["critical", "high", "medium", "low", "P0", "P1", "P2", "P3"]))),
                ("metadata", or_null(any_object())),
            ],
        ),
        json!({"deploy": {
            "event_type": "deploy.succeeded", "source_agent": "ci", "priority": "high",
            "payload": {"deployment_id": "d-17"},
        }}),
    )
    .refuses(&[409, 429])
}

fn post_topic() -> Operation {
    let told = whole_object([
        ("event_id", text()),
        ("stream_id", text()),
        ("topic", text()),
        ("triggered_tasks", list(text())),
        ("published_at", instant()),
    ]);
    let reply = with(told.clone(), [("success", is(true)), ("message", text()), ("details", told)]);
    Operation::new()
        .answers(202, "It is told", reply)
        .once()
        .takes(
            object(
                [("topic", text_of(1, 100))],
                [("payload", or_null(any_object())), ("source_agent_id", or_null(text_of(1, 200)))],
            ),
            json!({"stock": {"topic": "stock.low", "payload": {"item": 17}}}),
        )
        .refuses(&[409, 429])
}

fn event() -> Value {
    whole_object([
        ("event_id", text()),
        ("event_type", text()),
        ("priority", word(&WORDS)),
        ("source_agent", text()),
        ("trace_id", or_null(text())),
        ("task_id", or_null(text())),
        ("payload", any_object()),
        ("timestamp", instant()),
        ("metadata", any_object()),
    ])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let streamed = with(
        event(),
        [("stream_id", text()), ("topic", text()), ("published_at", instant()), ("source_agent_id", text())],
    );
    let subscription = whole_object([
        ("id", text()),
        ("url", text()),
        ("types", list(text())),
        ("signed", flag()),
        ("created_by", text()),
        ("created_at", instant()),
        ("waiting", count()),
        ("delivered", count()),
        ("failed", count()),
        ("dropped", count()),
    ]);
    vec![("Event", event()), ("StreamedEvent", streamed), ("Subscription", subscription)]
}
