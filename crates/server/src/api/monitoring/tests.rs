//! The dialect's shapes, and what is refused with which words.

use crate::fixture::{World, get, key, post, remote, send};
use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn shapes_are_those_of_the_document() {
    let (_, state) = World::calm().state();
    for path in ["/api/v1/monitoring/metrics", "/api/v1/metrics"] {
        let body = get(&state, path).await.json();
        assert_eq!(keys(&body), ["counters", "gauges", "histograms", "timestamp"]);
        assert_eq!(body["counters"], json!({"sessions_started": 3, "joules": 0.5}));
        let histogram = json!({"count": 4, "min": 1.0, "max": 4.0, "avg": 2.5, "sum": 10.0, "p50": 2.5,
            "p95": null, "p99": null});
        assert_eq!(body["histograms"]["took_ms"], histogram);
        assert_eq!(body["timestamp"], "2026-11-22T03:12:40.000Z");
    }
    let message = "Alert: high_error_rate - error_rate_percent is 7.50 (threshold: 5.00)";
    let named = json!({"name": "high_error_rate", "severity": "critical", "message": message});
    let mut active = named.clone();
    active["timestamp"] = "2026-11-22T03:12:40.000Z".into();
    assert_eq!(
        get(&state, "/api/v1/monitoring/status").await.json(),
        json!({"sentry_enabled": false, "alert_thresholds_count": 4, "active_alerts_count": 1,
            "last_evaluation": "2026-11-22T03:12:40.000Z", "active_alerts": [active]})
    );
    let alerts = get(&state, "/api/v1/monitoring/alerts").await.json();
    assert_eq!(keys(&alerts[0]), ["name", "severity", "message", "metric_value", "threshold", "timestamp"]);
    let evaluated = post(&state, "/api/v1/monitoring/evaluate", "").await;
    assert_eq!(evaluated.status, StatusCode::OK);
    assert_eq!(
        evaluated.json(),
        json!({"evaluated": true, "triggered_alerts_count": 1, "triggered_alerts": [named]})
    );
    let health = get(&state, "/api/v1/health").await.json();
    assert_eq!(
        (health["status"].as_str(), &health["services"]["sqlite"]),
        (Some("healthy"), &json!("connected"))
    );
}

#[tokio::test]
async fn hours_are_1_to_168() {
    let (_, state) = World::calm().state();
    for (hours, want) in [("1", 200), ("168", 200), ("0", 400), ("169", 400), ("x", 400), ("1.5", 400)] {
        let answer = get(&state, &format!("/api/v1/monitoring/alerts?hours={hours}")).await;
        assert_eq!(answer.status.as_u16(), want, "{hours}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_batch_is_taken_whole() {
    let (_, state) = World::calm().state();
    let batch = json!([
        {"type": "counter", "name": "calls", "tags": {"service": "groq", "n": 7, "ok": true, "none": null}},
        {"type": "gauge", "name": "load", "value": -0.5},
        {"type": "histogram", "name": "GET /x_duration_ms", "value": 12, "tags": null},
    ]);
    let answer = post(&state, "/api/v1/monitoring/metrics", batch.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({"accepted": 3})));
    assert_eq!(post(&state, "/api/v1/monitoring/metrics", "[]").await.status.as_u16(), 202);
}

#[tokio::test]
async fn refusals_name_place_cause_and_remedy() {
    let (_, state) = World::calm().state();
    for (body, status, want) in [
        (json!({"type": "counter"}), 422, "it must be a list of metrics"),
        (json!([7]), 422, "[0]: it must be an object"),
        (
            json!([{"type": "timer", "name": "x", "value": 1}]),
            422,
            "[0].type: write counter, gauge or histogram",
        ),
        (json!([{"type": "gauge", "value": 1}]), 422, "[0].name: write a text of 1 to 200 characters"),
        (json!([{"type": "gauge", "name": "a\nb", "value": 1}]), 422, "[0].name: "),
        (json!([{"type": "gauge", "name": "x"}]), 422, "[0].value: write a number"),
        (json!([{"type": "gauge", "name": "x", "value": "1"}]), 422, "[0].value: write a number"),
        (
            json!([{"type": "counter", "name": "x", "value": -2}]),
            422,
            "[0].value: a counter cannot fall by 2; ",
        ),
        (
            json!([{"type": "counter", "name": "x", "vlaue": 2}]),
            422,
            "[0]: there is no key \"vlaue\"; known: type, ",
        ),
        (
            json!([{"type": "counter", "name": "x", "tags": []}]),
            422,
            "[0].tags: write an object of at most 32",
        ),
        (
            json!([{"type": "counter", "name": "x", "tags": {"1a": "x"}}]),
            422,
            "[0].tags: \"1a\" cannot be a tag; ",
        ),
        (
            json!([{"type": "counter", "name": "x", "tags": {"__name__": "x"}}]),
            422,
            "[0].tags: \"__name__\" ",
        ),
        (json!([{"type": "counter", "name": "x", "tags": {"a": {}}}]), 422, "[0].tags.a: write a text"),
        (json!([{"type": "gauge", "name": "full", "value": 1}]), 429, "[0].name: too many"),
    ] {
        let answer = post(&state, "/api/v1/monitoring/metrics", body.to_string()).await;
        let said = answer.json()["message"].as_str().unwrap_or("").to_owned();
        assert_eq!(answer.status.as_u16(), status, "{body}: {said}");
        assert!(said.starts_with(want), "{body}\n got  {said}\n want {want}");
    }
    let two = json!([{"type": "gauge", "name": "x"}, {"type": "counter", "name": ""}]);
    let answer = post(&state, "/api/v1/monitoring/metrics", two.to_string()).await.json();
    assert_eq!(answer["detail"].as_array().map(Vec::len), Some(2), "all that is wrong at once: {answer}");
    assert_eq!(answer["detail"][1]["loc"], json!(["body", "[1].name"]));
    assert_eq!(post(&state, "/api/v1/monitoring/metrics", "{").await.status.as_u16(), 400);
}

#[tokio::test]
async fn one_data_source_leads_to_our_own_series() {
    let (_, state) = World::calm().state();
    assert_eq!(get(&state, "/api/health").await.json()["database"], "ok");
    let sources = get(&state, "/api/datasources").await.json();
    assert_eq!((sources[0]["id"].as_u64(), sources[0]["type"].as_str()), (Some(1), Some("prometheus")));
    let own = get(&state, "/api/v1/query?query=up").await;
    let proxied = get(&state, "/api/datasources/proxy/1/api/v1/query?query=up").await;
    assert_eq!((proxied.status, &proxied.body), (own.status, &own.body));
    let labels = get(&state, "/api/datasources/proxy/1/api/v1/label/job/values").await;
    assert_eq!(labels.json()["status"], "success", "{}", labels.body);
    let nothing = get(&state, "/api/datasources/proxy/1/api/v1/nothing").await;
    assert_eq!((nothing.status.as_u16(), nothing.body.as_str()), (404, "404 page not found\n"));
    let stranger =
        remote("GET", "/api/datasources/proxy/1/api/v1/query?query=up").body(Body::empty()).unwrap();
    assert_eq!(send(&state, stranger).await.status, StatusCode::UNAUTHORIZED);
    let user = remote("GET", "/api/datasources").header("x-api-key", key(crate::auth::Role::User));
    assert_eq!(send(&state, user.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
}
