//! Tasks that would hurt: each is refused at once with a clear 4xx, and nothing of it is stored.

mod support;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::{Tocsin, eventually, request};

fn scheduled(kind: &str, expr: &str, pipeline: &Value) -> Value {
    json!({
        "title": "bad", "description": "must not be taken", "schedule_kind": kind, "schedule_expr": expr,
        "timezone": "UTC", "payload": {"pipeline": pipeline},
    })
}

fn once(pipeline: &Value) -> String {
    scheduled("once", "2040-01-01T00:00:00Z", pipeline).to_string()
}

/// Posts `body`; the answer must come soon, be one of `codes` and say `want`, and nothing may be stored.
fn refused(tocsin: &Tocsin, name: &str, body: &str, codes: &[u16], want: &str) {
    let begun = Instant::now();
    let headers = [("content-type", "application/json")];
    let reply = request("POST", &format!("{}/tasks", tocsin.url), &headers, body);
    let reply = reply.unwrap_or_else(|| panic!("{name}: no answer\n{}", tocsin.log()));
    let took = begun.elapsed();
    let shown: String = reply.body.chars().take(400).collect();
    println!("{name}: {} in {took:?}: {shown}", reply.status);
    assert!(codes.contains(&reply.status), "{name}: {} {shown}", reply.status);
    let told = reply.json();
    assert!(told["message"].as_str().is_some_and(|text| text.contains(want)), "{name}: {shown}");
    assert!(told["detail"].is_string() || told["detail"].is_array(), "{name}: {shown}");
    assert!(took < Duration::from_secs(10), "{name}: took {took:?}");
    for path in ["/tasks", "/schedules", "/runs/"] {
        assert_eq!(tocsin.get(path).json()["total"], 0, "{name}: {path} shows something");
    }
}

#[test]
fn a_pipeline_with_a_cycle_is_refused() {
    let tocsin = Tocsin::start(&[], &[]);
    let step = |id: &str, needs: &[&str]| json!({"id": id, "uses": "noop", "needs": needs});
    let cases = [
        ("a step that needs itself", json!([step("a", &["a"])]), "a"),
        ("two that need each other", json!([step("a", &["b"]), step("b", &["a"])]), "b"),
        (
            "a long way round",
            json!([step("a", &["d"]), step("b", &["a"]), step("c", &["b"]), step("d", &["c"])]),
            "d",
        ),
    ];
    for (name, pipeline, want) in cases {
        refused(&tocsin, name, &once(&pipeline), &[400, 422], want);
        let plain = json!({"kind": "pipeline", "args": {"pipeline": pipeline}});
        println!("{name} as a plain task: {}", tocsin.post("/tasks", &plain).status);
        assert_eq!(tocsin.get("/tasks").json()["total"], 0, "{name} as a plain task");
    }
}

#[test]
fn a_template_bomb_is_refused() {
    let tocsin = Tocsin::start(&[], &[]);
    let with = |text: String| json!([{"id": "a", "uses": "noop", "with": {"x": text}}]);
    let nested =
        |open: &str, close: &str, n: usize| with(format!("${{{}@{}}}", open.repeat(n), close.repeat(n)));
    for (name, pipeline) in [
        ("nested lists", nested("[", "]", 900)),
        ("nested parentheses", nested("(", ")", 900)),
        ("nested negations", with(format!("${{{}@}}", "!".repeat(1_900)))),
        ("an expression of a megabyte", with(format!("${{{}}}", "a.".repeat(500_000)))),
        ("an unclosed heap", with(format!("${{{}", "[".repeat(500_000)))),
        ("placeholders without number", with("${a}".repeat(200_000))),
        (
            "growth by growth",
            with(format!("${{{}}}", ["map(&[@,@,@,@,@,@,@,@]"; 12].join(", ") + ", @" + &")".repeat(12))),
        ),
    ] {
        refused(&tocsin, name, &once(&pipeline), &[400, 413, 422], "payload");
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = format!(r#"{{"kind": "noop", "args": {{"x": {deep}}}}}"#);
    refused(&tocsin, "JSON of 100,000 levels", &deep, &[400, 422], "recursion");
}

/// Each step joins what the last one gave ten times over: the run ends with a clear error, and the server goes on.
#[test]
fn a_template_that_grows_from_step_to_step_ends_the_run() {
    let tocsin = Tocsin::start(&[], &[]);
    let mut pipeline =
        vec![json!({"id": "s0", "uses": "noop", "with": {"x": "x".repeat(1000)}, "save_as": "s0"})];
    for n in 1..10 {
        let text = format!("${{steps.s{}.x}}", n - 1).repeat(10);
        pipeline.push(
            json!({"id": format!("s{n}"), "uses": "noop", "with": {"x": text}, "save_as": format!("s{n}")}),
        );
    }
    let task = scheduled("once", "2040-01-01T00:00:00Z", &Value::from(pipeline));
    let reply = tocsin.post("/tasks", &task);
    assert_eq!(reply.status, 201, "{}", reply.body);
    let id = reply.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(tocsin.post(&format!("/tasks/{id}/run_now"), &json!({})).status, 200);
    let run = eventually("the run ends", Duration::from_secs(60), || {
        let runs = tocsin.get(&format!("/runs/?task_id={id}")).json();
        runs["items"].as_array()?.iter().find(|run| !run["finished_at"].is_null()).cloned()
    });
    let text = run.to_string();
    println!("{}", text.chars().take(500).collect::<String>());
    assert!(text.len() < 8 << 20, "the run holds {} bytes", text.len());
    assert_eq!(tocsin.get("/health").status, 200);
}

#[test]
fn a_payload_of_a_hundred_megabytes_is_refused() {
    let tocsin = Tocsin::start(&[], &[]);
    let heap = "x".repeat(100 << 20);
    for (name, body) in [
        ("plain", format!(r#"{{"kind": "noop", "args": {{"x": "{heap}"}}}}"#)),
        ("typed", format!(r#"{{"type": "bugfix", "payload": {{"x": "{heap}"}}}}"#)),
    ] {
        refused(&tocsin, name, &body, &[413], "larger than");
        let headers = [("content-type", "application/json")];
        let again = request("POST", &format!("{}/tasks", tocsin.url), &headers, &body).expect("an answer");
        let max = again.json()["max_size_bytes"].as_u64();
        assert!(max.is_some_and(|max| max < 100 << 20), "{name}: {max:?}");
    }
    let fitting = format!(r#"{{"kind": "noop", "args": {{"x": "{}"}}}}"#, "x".repeat(15 << 20));
    let headers = [("content-type", "application/json")];
    let reply = request("POST", &format!("{}/tasks", tocsin.url), &headers, &fitting).expect("an answer");
    println!("15 MB: {}", reply.status);
    assert!(matches!(reply.status, 201 | 413), "{}", reply.body);
}

#[test]
fn a_rule_that_never_ends_is_refused() {
    let tocsin = Tocsin::start(&[], &[]);
    let pipeline = json!([{"id": "a", "uses": "noop"}]);
    for rule in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=4,6,9,11;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=60",
        "DTSTART:20260101T090000Z\nRRULE:FREQ=DAILY;INTERVAL=0",
        "DTSTART:20260101T090000Z\nRRULE:FREQ=DAILY;COUNT=3;UNTIL=20270101T000000Z",
        "FREQ=YEARLY;INTERVAL=4294967295;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
    ] {
        let body = scheduled("rrule", rule, &pipeline).to_string();
        refused(&tocsin, rule, &body, &[400, 422], "schedule_expr");
    }
    for expr in ["0 0 30 2 *", "0 0 31 4 *"] {
        let body = scheduled("cron", expr, &pipeline).to_string();
        refused(&tocsin, expr, &body, &[400, 422], "schedule_expr");
    }
}
