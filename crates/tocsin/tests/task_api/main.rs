//! Tasks, runs, queues and dead letters over HTTP, every endpoint against a real server; and what other systems
//! promised there and did not do.

mod acts;
mod attempts;
mod dedupe;
mod defects;
mod ends;
mod forms;
mod lists;
mod once;
mod queues;
#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::{Reply, Tocsin, eventually, request};

const LIMIT: Duration = Duration::from_secs(20);

/// A server whose built-in worker takes nothing of users, unless it has slots.
fn server(slots: usize) -> Tocsin {
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let config = tocsin.dir.path().join("tocsin.yml");
    std::fs::write(&config, format!("workers: {{slots: {slots}}}\n")).expect("our own directory");
    tocsin.add_args(&["--config", config.to_str().expect("a plain path")]);
    tocsin.start_again();
    tocsin
}

fn ask(tocsin: &Tocsin, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    let reply = request(method, &format!("{}{path}", tocsin.url), &all, &text);
    reply.unwrap_or_else(|| panic!("{method} {path}: no answer\n{}", tocsin.log()))
}

/// Asks and expects this status.
fn done(tocsin: &Tocsin, method: &str, path: &str, body: Value, status: u16) -> Value {
    let reply = ask(tocsin, method, path, &[], &body);
    assert_eq!(reply.status, status, "{method} {path} {body}: {}", reply.body);
    reply.json()
}

fn id_of(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id: {value}")).to_owned()
}

fn submit(tocsin: &Tocsin, task: Value) -> String {
    let reply = tocsin.post("/tasks", &task);
    assert!(matches!(reply.status, 200 | 201), "{task}: {} {}", reply.status, reply.body);
    id_of(&reply.json())
}

fn schedule(kind: &str, expr: &str) -> Value {
    json!({
        "title": "report", "description": "nightly", "schedule_kind": kind, "schedule_expr": expr,
        "payload": {"pipeline": [{"id": "a", "uses": "noop"}]},
    })
}

/// One round trip of a worker that does everything.
fn work(tocsin: &Tocsin, worker: Value, complete: Value, want: u32) -> Value {
    let key = tocsin.key("agent");
    let mut card = json!({"id": "far", "boot_nonce": "1", "kinds": ["*"], "slots_free": 50});
    for (name, value) in worker.as_object().into_iter().flatten() {
        card[name] = value.clone();
    }
    let body = json!({"worker": card, "complete": complete, "want": want, "wait_ms": 0});
    let reply = ask(tocsin, "POST", "/v1/work", &[("x-api-key", &key)], &body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

fn tasks_of(reply: &Value) -> Vec<String> {
    let runs = reply["runs"].as_array().expect("runs");
    runs.iter().map(|run| run["task_id"].as_str().expect("a task").to_owned()).collect()
}

fn token(reply: &Value) -> Value {
    reply["runs"][0]["attempt_token"].clone()
}

fn causes(tocsin: &Tocsin, task: &str) -> Vec<String> {
    let why = done(tocsin, "GET", &format!("/tasks/{task}/why"), Value::Null, 200);
    let causes = why["causes"].as_array().expect("causes");
    causes.iter().map(|cause| cause["cause"].as_str().expect("a word").to_owned()).collect()
}
