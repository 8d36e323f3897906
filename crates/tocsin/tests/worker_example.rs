//! The workers of `examples/workers`, as a reader would run them: bash and curl, Python's standard library, Node.

mod support;

use serde_json::json;
use std::{process::Command, time::Duration};
use support::{Program, Tocsin, eventually, root};

const LIMIT: Duration = Duration::from_secs(20);

fn does_what_it_is_given(file: &str) {
    let text = std::fs::read_to_string(root().join("examples/workers").join(file)).expect("the example");
    assert!(text.lines().count() <= 40, "{file} is longer than 40 lines");
    let tocsin = Tocsin::start(&[], &[]);
    let mut command = Command::new(root().join("examples/workers").join(file));
    command.env("TOCSIN_SERVER", &tocsin.url).env("TOCSIN_KEY", tocsin.key("agent"));
    let mut worker = Program::start(&mut command, &tocsin.dir.path().join("worker.log"));
    let log = || std::fs::read_to_string(tocsin.dir.path().join("worker.log")).unwrap_or_default();

    // The kind is known from the worker's first word on.
    let id = eventually("the kind is known", LIMIT, || {
        assert!(worker.is_running(), "the worker ended: {}", log());
        let reply = tocsin.post("/tasks", &json!({"kind": "greet", "args": {"name": "Ada"}}));
        (reply.status == 201).then(|| reply.json()["id"].as_str().expect("an id").to_owned())
    });
    let run = eventually("the task is done", LIMIT, || {
        let runs = tocsin.get(&format!("/runs/?task_id={id}")).json();
        runs["items"].get(0).filter(|run| run["success"] == true).cloned()
    });
    assert_eq!(run["output"]["greeting"], "hello, Ada", "{run}");
    assert_eq!(worker.terminate(), Some(0), "{}", log());
}

#[test]
fn the_bash_worker_does_what_it_is_given() {
    does_what_it_is_given("worker.sh");
}

#[test]
fn the_python_worker_does_what_it_is_given() {
    does_what_it_is_given("worker.py");
}

#[test]
fn the_node_worker_does_what_it_is_given() {
    does_what_it_is_given("worker.js");
}

/// `tocsin worker` does the tools of its own file, and what it does not declare it does not do.
#[test]
fn a_tocsin_elsewhere_works_too() {
    let tocsin = Tocsin::start(&[], &[]);
    let file = tocsin.dir.path().join("actions.yml");
    let tools =
        "tools: [{name: greet, uses: command, with: {argv: [echo, '${args.name}']}, args: {name: {}}}]\n";
    std::fs::write(&file, tools).expect("our own directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tocsin"));
    command.args(["worker", "--server", &tocsin.url, "--key", &tocsin.key("agent"), "--actions"]).arg(&file);
    let mut worker = Program::start(&mut command, &tocsin.dir.path().join("worker.log"));
    let log = || std::fs::read_to_string(tocsin.dir.path().join("worker.log")).unwrap_or_default();
    let id = eventually("the kind is known", LIMIT, || {
        assert!(worker.is_running(), "the worker ended: {}", log());
        let reply = tocsin.post("/tasks", &json!({"kind": "greet", "args": {"name": "Ada"}}));
        (reply.status == 201).then(|| reply.json()["id"].as_str().expect("an id").to_owned())
    });
    let run = eventually("the task is done", LIMIT, || {
        let runs = tocsin.get(&format!("/runs/?task_id={id}")).json();
        runs["items"].get(0).filter(|run| run["success"] == true).cloned()
    });
    assert_eq!(run["output"]["text"], "Ada", "{run}");
    assert_eq!(tocsin.post("/tasks", &json!({"kind": "operator.command", "args": {}})).status, 400);
    assert_eq!(worker.terminate(), Some(0), "{}", log());
}
