//! schemathesis against a real server, by the description that the server itself gives: no 5xx, no answer with a
//! code, a type or a shape that is not described.
//!
//! Left out is `/events/stream`, whose answer never ends. Bent for the run: the longest waits are short, and URLs
//! that the server would call are on this machine. Objects may hold only what is described, which is stricter than
//! what clients are told.

mod support;

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{Tocsin, depth};

const GENERATOR: &str = "schemathesis==4.32.5";
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/// How many cases a long run has at the least.
const LONG: usize = 10_000;

/// The generator's program, installed into an environment of this test when it lacks it.
fn generator() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis-venv");
    let program = home.join("bin/schemathesis");
    // An environment that was made for another version gets this one.
    let version = GENERATOR.split_once("==").expect("it is pinned").1;
    let works = || {
        let said = Command::new(&program).arg("--version").output();
        said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).trim_end().ends_with(version))
    };
    if works() {
        return Some(program);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&home).output().ok()?;
    let python = home.join("bin/python");
    let install = ["-m", "pip", "install", "-q", GENERATOR];
    let installed = made.status.success().then(|| Command::new(python).args(install).output().ok())??;
    (installed.status.success() && works()).then_some(program)
}

/// The description, bent as the module says.
fn bent(mut document: Value) -> Value {
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.shift_remove("/events/stream");
    }
    bend(&mut document);
    for parameter in each_parameter(&mut document["paths"]["/tasks/{id}"]) {
        if parameter["name"] == "wait" {
            parameter["schema"]["maximum"] = 1.into();
        }
    }
    let wait = &mut document["components"]["schemas"]["WorkRequest"]["properties"]["wait_ms"];
    assert_eq!(wait["maximum"], 30_000);
    wait["maximum"] = 20.into();
    document
}

fn each_parameter(path: &mut Value) -> impl Iterator<Item = &mut Value> {
    let operations = path.as_object_mut().into_iter().flat_map(|methods| methods.values_mut());
    operations.flat_map(|operation| operation["parameters"].as_array_mut().into_iter().flatten())
}

fn bend(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(bend),
        Value::Object(map) => {
            if map.get("format") == Some(&json!("uri")) {
                *map = serde_json::Map::from_iter([("const".to_owned(), json!("http://127.0.0.1:9/hook"))]);
                return;
            }
            // What is a text in the description's examples is no schema.
            if map.get("type").is_some_and(|kind| *kind == "object" || *kind == json!(["object", "null"]))
                && map.get("properties").is_some_and(Value::is_object)
                && !map.contains_key("additionalProperties")
            {
                map.insert("additionalProperties".to_owned(), false.into());
            }
            map.values_mut().for_each(bend);
        }
        _ => {}
    }
}

/// Something of every kind, so that lists are not empty.
fn fill(tocsin: &Tocsin) {
    let done = |path: &str, body: Value| {
        let reply = tocsin.post(path, &body);
        assert!(reply.status < 300, "{path} {body}: {} {}", reply.status, reply.body);
        reply.json()
    };
    for _ in 0..3 {
        done(
            "/tasks",
            json!({"kind": "noop", "queue": "mail", "labels": {"gpu": "yes"}, "rate_key": "api", "rate_per_minute": 60}),
        );
    }
    done("/tasks", json!({"kind": "noop", "delay_seconds": 1000, "sla_deadline": "2040-01-01T00:00:00Z"}));
    done("/tasks", json!({"type": "deploy", "payload": {"environment": "production"}, "priority": "P0"}));
    done(
        "/tasks",
        json!({"type": "bugfix", "payload": {}, "sla_target": 3600, "sla_deadline": "2040-01-01T00:00:00Z"}),
    );
    let steps = json!([{"id": "a", "uses": "noop"}]);
    for (kind, expr) in [("cron", "*/5 * * * *"), ("once", "2040-01-01T00:00:00Z"), ("event", "stock.low")] {
        let task = json!({"title": "t", "description": "d", "schedule_kind": kind, "schedule_expr": expr, "payload": {"pipeline": steps}});
        let id = done("/tasks", task)["id"].as_str().expect("an id").to_owned();
        done(&format!("/tasks/{id}/run_now"), json!({}));
    }
    done("/events/publish", json!({"event_type": "deploy.succeeded", "source_agent": "ci", "payload": {}}));
    done("/events", json!({"topic": "stock.low", "payload": {"item": 1}}));
    done("/queues/mail/pause", json!({}));
    for alert in ["DiskAlmostFull", "Other"] {
        let alert = json!([{"labels": {"alertname": alert}, "annotations": {"summary": "s"}, "generatorURL": "http://127.0.0.1:9/"}]);
        assert_eq!(tocsin.post("/api/v2/alerts", &alert).status, 200);
    }
    done(
        "/api/v2/silences",
        json!({"matchers": [{"name": "alertname", "value": "Other"}], "endsAt": "2040-01-01T00:00:00Z", "comment": "c", "createdBy": "kim"}),
    );
    let card = json!({"id": "w", "boot_nonce": "1", "kinds": ["thumbnail"], "labels": {"gpu": "yes"}});
    // Work of a kind is taken once somebody can do it.
    done("/v1/work", json!({"worker": card}));
    done("/tasks", json!({"kind": "thumbnail", "max_retries": 0}));
    let run = support::eventually("a run", Duration::from_secs(10), || {
        let got = done("/v1/work", json!({"worker": card, "want": 1, "wait_ms": 100}));
        got["runs"].get(0).cloned()
    });
    let token = &run["attempt_token"];
    done("/v1/work", json!({"worker": card, "log": [{"attempt_token": token, "line": "begun"}]}));
    let failed =
        json!([{"attempt_token": token, "outcome": "failed", "error": {"type": "e", "message": "m"}}]);
    done("/v1/work", json!({"worker": card, "complete": failed}));
    support::eventually("a dead letter", Duration::from_secs(10), || {
        (tocsin.get("/dead-letters").json()["total"] == 1).then_some(())
    });
    assert!(
        tocsin.get("/approvals/pending").json()["count"].as_u64() > Some(0),
        "something is to be approved"
    );
}

const CONFIG: &str = r#"
scrape_configs:
  - job_name: self
    scrape_interval: 1s
    static_configs: [{targets: ["TARGET"]}]
rule_files: ["DIR/rules.yml"]
"#;
const RULES: &str = r#"
groups:
  - name: g
    interval: 1s
    rules:
      - record: one
        expr: vector(1)
        labels: {team: a}
      - alert: Always
        expr: one > 0
        annotations: {summary: "it is {{ $value }}"}
"#;

/// Runs the generator as `role` over what `more` names; how many cases that were.
fn run(program: &Path, tocsin: &Tocsin, seed: u64, role: &str, more: &[&str]) -> usize {
    let phases =
        if depth(0, 1) == 1 { "examples,coverage,fuzzing,stateful" } else { "examples,fuzzing,stateful" };
    let done = Command::new(program)
        .args(["run", "described.json"])
        .current_dir(tocsin.dir.path())
        .args(["--url", &tocsin.url, "--checks", CHECKS, "--phases", phases, "--seed", &seed.to_string()])
        .args(["--header", &format!("X-API-Key: {}", tocsin.key(role))])
        .args(["--max-redirects", "0", "--request-timeout", "60", "--continue-on-failure"])
        .args(["--no-color", "--warnings", "off", "--suppress-health-check", "all"])
        .args(more)
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("the generator that has just worked starts");
    let said = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    let cases = cases(&said).unwrap_or_else(|| panic!("no count of cases:\n{said}\n{errors}"));
    assert!(done.status.success(), "findings as {role}, seed {seed}:\n{said}\n{errors}");
    cases
}

#[test]
fn generated_requests_get_only_answers_that_are_described() {
    let Some(program) = generator() else {
        println!("skipped: {GENERATOR} cannot be installed here");
        return;
    };
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let dir = tocsin.dir.path().to_owned();
    let place = dir.to_str().expect("a plain path");
    let config = CONFIG.replace("DIR", place).replace("TARGET", tocsin.url.trim_start_matches("http://"));
    std::fs::write(dir.join("rules.yml"), RULES).expect("our own directory");
    std::fs::write(dir.join("tocsin.yml"), config).expect("our own directory");
    tocsin.add_args(&["--config", &format!("{place}/tocsin.yml")]);
    tocsin.start_again();
    fill(&tocsin);
    let document = bent(tocsin.get("/openapi.json").json());
    std::fs::write(dir.join("described.json"), document.to_string()).expect("our own directory");
    let seed = support::seed() % (1 << 31);
    let each = depth(4, 60).to_string();
    let mut cases = run(&program, &tocsin, seed, "operator", &["--max-examples", &each]);
    // What an operator is refused.
    cases +=
        run(&program, &tocsin, seed, "admin", &["--max-examples", &each, "--include-path-regex", "^/agents"]);
    println!("seed {seed}: {cases} cases");
    assert!(cases >= depth(300, LONG), "only {cases} cases");
    assert_eq!(tocsin.get("/health").status, 200, "the server goes on");
    println!("TOTAL: {cases} passed, 0 failed, 0 skipped");
}

/// From the line `N generated, N passed` of the summary.
fn cases(said: &str) -> Option<usize> {
    let line = said.lines().find(|line| line.contains(" generated"))?;
    line.split_whitespace().next()?.replace(',', "").parse().ok()
}
