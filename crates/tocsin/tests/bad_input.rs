//! Everything outside input can do wrong, against a real server: a typed, counted refusal with a clear message,
//! and the rest goes on.

mod support;

use axum::{Router, body::Body, http::header, response::IntoResponse, routing::get as route};
use serde_json::json;
use std::{fmt::Write, time::Duration};
use support::{Tocsin, eventually, post};

const LIMIT: Duration = Duration::from_secs(20);

/// Targets that misbehave, one path each, and one that does not.
fn bad_targets() -> String {
    let text = |body: String| ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], body).into_response();
    let app =
        Router::new()
            .route("/good", route(move || async move { text("fine 1\n".to_owned()) }))
            .route(
                "/not-text",
                route(|| async { ([(header::CONTENT_TYPE, "text/html")], "<html>hello</html>\n") }),
            )
            .route("/hangs", route(|| async { std::future::pending::<&str>().await }))
            .route(
                "/never-ends",
                route(|| async {
                    let forever =
                        futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("a 1\n".repeat(4096)));
                    Body::from_stream(forever)
                }),
            )
            .route(
                "/huge-label",
                route(move || async move {
                    text(format!("big{{l=\"{}\"}} 1\nafter_big 1\n", "x".repeat(10 << 20)))
                }),
            )
            .route(
                "/duplicate",
                route(move || async move { text("twice 1\ntwice 2\nafter_twice 1\n".to_owned()) }),
            )
            .route("/old", route(move || async move { text("from_1970 1 1000\nafter_1970 1\n".to_owned()) }))
            .route(
                "/many",
                route(move || async move {
                    let mut body = String::new();
                    for i in 0..5000 {
                        let _ = writeln!(body, "many{{i=\"{i}\"}} 1");
                    }
                    text(body)
                }),
            );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket can be non-blocking");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, app).await.expect("the targets serve");
        });
    });
    address
}

#[test]
fn a_bad_target_is_refused_by_name_and_the_others_go_on() {
    let address = bad_targets();
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let paths = ["good", "not-text", "hangs", "never-ends", "huge-label", "duplicate", "old", "many"];
    let jobs: Vec<_> = paths
        .iter()
        .map(|path| {
            let mut job = json!({
                "job_name": path, "metrics_path": format!("/{path}"), "scrape_interval": "1s", "scrape_timeout": "1s",
                "body_size_limit": "16MB", "label_value_length_limit": 4096,
                "static_configs": [{"targets": [address]}]
            });
            if *path == "many" {
                job["sample_limit"] = json!(1000);
            }
            job
        })
        .collect();
    let config = tocsin.dir.path().join("prometheus.yml");
    std::fs::write(&config, json!({"scrape_configs": jobs}).to_string()).expect("our own directory");
    tocsin.add_args(&["--prometheus-config", config.to_str().expect("a plain path")]);
    tocsin.start_again();

    eventually("the good target", LIMIT, || tocsin.query("fine").filter(|v| *v == 1.0));
    for job in ["not-text", "hangs", "never-ends", "many"] {
        let up = eventually(job, LIMIT, || tocsin.query(&format!("up{{job=\"{job}\"}}")));
        assert_eq!(up, 0.0, "{job}");
        let targets = tocsin.get("/api/v1/targets").json();
        let target = targets["data"]["activeTargets"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|t| t["labels"]["job"] == job);
        let why = target.map(|t| support::text_of(&t["lastError"])).unwrap_or_default();
        println!("{job}: {why}");
        assert!(!why.is_empty(), "{job}: no reason given");
    }
    for (job, after) in [("huge-label", "after_big"), ("duplicate", "after_twice"), ("old", "after_1970")] {
        eventually(job, LIMIT, || tocsin.query(after).filter(|v| *v == 1.0));
        assert_eq!(
            tocsin.query(&format!("up{{job=\"{job}\"}}")),
            Some(1.0),
            "{job}: one sample is refused, not the scrape"
        );
    }
    assert_eq!(tocsin.query("twice"), Some(1.0), "the first of two values stands");
    assert_eq!((tocsin.query("from_1970"), tocsin.query("big")), (None, None));
    let metrics = tocsin.get("/metrics").body;
    let refusals: Vec<_> =
        metrics.lines().filter(|l| l.contains("refus") || l.contains("rejected")).collect();
    println!("{}", refusals.join("\n"));
    assert!(
        refusals.iter().any(|line| !line.starts_with('#') && !line.ends_with(" 0")),
        "refusals are counted"
    );
}

#[test]
fn a_bad_request_is_refused_with_the_reason() {
    let tocsin = Tocsin::start(&[], &[]);
    let url = |path: &str| format!("{}{path}", tocsin.url);
    let huge = format!("{{\"kind\":\"noop\",\"args\":{{\"x\":\"{}\"}}}}", "x".repeat(11 << 20));
    let huge_args = format!("{{\"kind\":\"noop\",\"args\":{{\"x\":\"{}\"}}}}", "x".repeat(300 << 10));
    for (what, path, body, want) in [
        ("broken JSON", "/tasks", "{\"kind\": ", 400..=422),
        ("no key that chooses", "/tasks", "{}", 422..=422),
        ("two of them", "/tasks", "{\"kind\":\"noop\",\"type\":\"bugfix\"}", 422..=422),
        ("an unknown type", "/tasks", "{\"type\":\"dance\",\"payload\":{}}", 400..=400),
        (
            "a kind that is not allowed here",
            "/tasks",
            "{\"kind\":\"command\",\"args\":{\"argv\":[\"id\"]}}",
            400..=422,
        ),
        (
            "an unknown schedule",
            "/tasks",
            "{\"title\":\"t\",\"description\":\"d\",\"schedule_kind\":\"moon\",\"payload\":{}}",
            400..=422,
        ),
        (
            "a bad cron",
            "/tasks",
            "{\"title\":\"t\",\"description\":\"d\",\"schedule_kind\":\"cron\",\"schedule_expr\":\"61 * * * *\",\"payload\":{\"pipeline\":[]}}",
            400..=422,
        ),
        ("a payload over the limit", "/tasks", huge.as_str(), 413..=413),
        ("arguments over the limit", "/tasks", &huge_args, 413..=413),
        ("broken JSON from a worker", "/v1/work", "[", 400..=400),
        ("broken alerts", "/api/v2/alerts", "{\"labels\":", 400..=400),
    ] {
        let reply = post(&url(path), "application/json", body).unwrap_or_else(|| panic!("{what}: no answer"));
        println!("{what}: {} {}", reply.status, reply.body.chars().take(300).collect::<String>());
        assert!(want.contains(&reply.status), "{what}: {} {}", reply.status, reply.body);
        assert!(
            reply.json()["detail"].is_string()
                || reply.json()["detail"].is_array()
                || path.starts_with("/api/v2"),
            "{what}"
        );
    }
    for (query, word) in [("up{", "1:"), ("rate(up)", "range vector"), ("", "")] {
        let reply = tocsin.get(&format!("/api/v1/query?query={query}").replace('{', "%7B"));
        assert_eq!(reply.status, 400, "{query}: {}", reply.body);
        assert!(reply.json()["error"].as_str().unwrap_or("").contains(word), "{query}: {}", reply.body);
    }
    // One bad line of a bulk is refused by its number; the others are taken.
    let bulk = "{\"kind\":\"noop\"}\nnot json\n{\"kind\":\"noop\"}\n";
    let reply = post(&url("/tasks/bulk"), "application/x-ndjson", bulk).expect("an answer");
    let lines: Vec<serde_json::Value> =
        reply.body.lines().map(|l| serde_json::from_str(l).expect("NDJSON")).collect();
    assert_eq!((reply.status, lines.len()), (200, 3), "{}", reply.body);
    assert!(
        lines[0]["id"].is_string() && lines[1]["error"].is_string() && lines[2]["id"].is_string(),
        "{}",
        reply.body
    );
    assert_eq!(tocsin.get("/health").status, 200);
    let metrics = tocsin.get("/metrics").body;
    assert!(metrics.lines().any(|l| l.starts_with("tocsin_http_refusals_total")), "refusals are counted");
}
