//! What applications tell of themselves, thresholds, and what playbooks ask of a Grafana.

use super::operation::{Dialect, Operation};
use super::schema::*;
use crate::api::monitoring::{BATCH_MAX, NAME_MAX, TAG_NAME_MAX, TAG_VALUE_MAX, TAGS_MAX};
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str =
    "Counters, gauges and histograms that applications tell, and the thresholds over them.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    Some(match (method.as_str(), path) {
        ("GET", "/api/v1/monitoring/metrics" | "/api/v1/metrics") => Operation::gives(of("Metrics")),
        ("POST", "/api/v1/monitoring/metrics") => Operation::new()
            .answers(202, "They are a part of the series", whole_object([("accepted", count())]))
            .takes(list_of(of("ToldMetric"), BATCH_MAX), example())
            .refuses(&[413, 429]),
        ("GET", "/api/v1/monitoring/status") => Operation::gives(whole_object([
            ("sentry_enabled", flag()),
            ("alert_thresholds_count", count()),
            ("active_alerts_count", count()),
            ("last_evaluation", or_null(instant())),
            ("active_alerts", list(with(crossed(), [("timestamp", instant())]))),
        ])),
        ("GET", "/api/v1/monitoring/alerts") => {
            let more = [("metric_value", number()), ("threshold", number()), ("timestamp", instant())];
            Operation::gives(list(with(crossed(), more)))
                .query("hours", "How far back; 24 if left out", whole(1, 168))
                .refuses(&[400])
        }
        ("POST", "/api/v1/monitoring/evaluate") => Operation::gives(whole_object([
            ("evaluated", is(true)),
            ("triggered_alerts_count", count()),
            ("triggered_alerts", list(crossed())),
        ])),
        ("GET", "/api/v1/health") => Operation::gives(whole_object([
            ("status", word(&["healthy", "degraded"])),
            ("version", text()),
            ("services", map(word(&["connected", "disconnected"]))),
        ])),
        ("GET", "/api/health") => {
            Operation::gives(whole_object([("commit", text()), ("database", is("ok")), ("version", text())]))
                .by_itself()
        }
        ("GET", "/api/datasources") => Operation::gives(list(any_object())).by_itself(),
        (_, "/api/datasources/proxy/1/api/v1/{*path}") => {
            let told = any_of(&[any_object(), of("PrometheusError")]);
            Operation::gives(told)
                .speaks(Dialect::Prometheus)
                .answers_as(404, "There is no such path", "text/plain", text())
                .refuses(&[400, 405, 408, 413, 422])
        }
        _ => return None,
    })
}

fn crossed() -> Value {
    whole_object([("name", text()), ("severity", text()), ("message", text())])
}

fn example() -> Value {
    json!({"several": [
        {"type": "counter", "name": "api_calls_groq_success", "value": 1, "tags": {"model": "small"}},
        {"type": "gauge", "name": "queue_length", "value": 12},
        {"type": "histogram", "name": "api_duration_ms_groq", "value": 184.5},
    ]})
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let quantile = || or_null(number());
    let histogram = whole_object([
        ("count", count()),
        ("min", number()),
        ("max", number()),
        ("avg", number()),
        ("sum", number()),
        ("p50", quantile()),
        ("p95", quantile()),
        ("p99", quantile()),
    ]);
    let metrics = whole_object([
        ("counters", map(number())),
        ("gauges", map(number())),
        ("histograms", map(histogram)),
        ("timestamp", instant()),
    ]);
    let tag_name = json!({"type": "string", "pattern": "^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*$",
        "maxLength": TAG_NAME_MAX});
    let tags = json!({
        "type": ["object", "null"],
        "maxProperties": TAGS_MAX,
        "propertyNames": tag_name,
        "additionalProperties": {"type": ["string", "number", "boolean", "null"], "maxLength": TAG_VALUE_MAX},
    });
    let name =
        json!({"type": "string", "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$", "maxLength": NAME_MAX});
    let told = closed(object(
        [("type", word(&["counter", "gauge", "histogram"])), ("name", name)],
        [("value", number()), ("tags", tags)],
    ));
    vec![("Metrics", metrics), ("ToldMetric", told)]
}
