//! The task's walk as clients see it: what is asked for once is done once, whatever fails in between.

mod support;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::{Redis, Reply, Tocsin, eventually, request};

const LIMIT: Duration = Duration::from_secs(20);

fn id_of(reply: &Reply) -> String {
    reply.json()["id"].as_str().unwrap_or_else(|| panic!("no id: {}", reply.body)).to_owned()
}

/// The only run of a task, once it has ended.
fn ended(tocsin: &Tocsin, task: &str) -> Value {
    eventually("the end of a run", LIMIT, || {
        let runs = tocsin.get(&format!("/runs/?include_errors=true&task_id={task}")).json();
        runs["items"].get(0).filter(|run| !run["success"].is_null()).cloned()
    })
}

fn work(tocsin: &Tocsin, body: &Value) -> Value {
    let key = tocsin.key("agent");
    let headers = [("content-type", "application/json"), ("x-api-key", key.as_str())];
    let reply = request("POST", &format!("{}/v1/work", tocsin.url), &headers, &body.to_string());
    reply.expect("an answer").json()
}

#[test]
fn a_dedupe_key_is_done_once_within_its_window_even_after_its_task_has_ended() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let task = json!({"kind": "noop", "dedupe_key": "order-17", "dedupe_window_seconds": 3600});
    let first = id_of(&tocsin.post("/tasks", &task));
    assert_eq!(ended(&tocsin, &first)["success"], true);
    let again = tocsin.post("/tasks", &task);
    assert_eq!((again.status, id_of(&again)), (201, first.clone()));
    tocsin.kill();
    tocsin.start_again();
    let again = tocsin.post("/tasks", &task);
    assert_eq!((id_of(&again), again.json()["duplicate"].clone()), (first, json!(true)), "{}", again.body);
    // Python writes its truth with a capital.
    assert_eq!(tocsin.get("/runs/?success=True").json()["total"], 1);
    assert_eq!(tocsin.get("/runs/?success=False").json()["total"], 0);
}

#[test]
fn every_try_of_a_failing_task_is_recorded() {
    let tocsin = Tocsin::start(&[], &[]);
    let closed = json!({"url": format!("http://127.0.0.1:{}/", support::free_port())});
    for (task, attempts, why) in [
        (json!({"kind": "http", "args": closed, "max_retries": 0}), 1, "connection refused"),
        (json!({"kind": "http", "args": closed, "max_retries": 1}), 2, "connection refused"),
        (
            json!({"kind": "wait", "args": {"seconds": 9}, "timeout_seconds": 0.2, "max_retries": 1}),
            2,
            "timed out",
        ),
    ] {
        let run = ended(&tocsin, &id_of(&tocsin.post("/tasks", &task)));
        let error = run["error"].as_str().unwrap_or_default();
        assert_eq!((&run["state"], &run["attempt"]), (&json!("dead"), &json!(attempts)), "{task}: {run}");
        assert!(error.contains(why), "{task}: {run}");
    }
    for line in [
        "orchestrator_tasks_created_total{type=\"plain\",schedule_kind=\"none\",priority=\"5\"} 3",
        "orchestrator_tasks_completed_total{type=\"plain\",result=\"dead\"} 3",
        "orchestrator_runs_total{status=\"dead\"} 3",
    ] {
        // The worker counts a run once it has read the answer to its outcome.
        eventually(line, LIMIT, || tocsin.get("/metrics").body.contains(line).then_some(()));
    }
    let done = || {
        let body = tocsin.get("/metrics").body;
        let found = body.lines().find_map(|line| {
            line.strip_prefix("orchestrator_worker_processed_total{worker_id=\"builtin\"} ")
        });
        found.and_then(|found| found.parse::<u32>().ok())
    };
    // The page of the Watchdog may be among them: it comes at its rule's own time.
    eventually("five tries, and at most a page", LIMIT, || done().filter(|done| [5, 6].contains(done)));
}

#[test]
fn defect_14_a_silent_redis_is_unhealthy() {
    let mut redis = Redis::start();
    let tocsin = Tocsin::start(&[], &[("REDIS_URL", format!("redis://127.0.0.1:{}/0", redis.port))]);
    let health = tocsin.get("/health");
    assert_eq!((health.status, health.json()["redis"].clone()), (200, json!("connected")));
    redis.kill();
    // Nobody looks meanwhile, and still it is known since when.
    std::thread::sleep(Duration::from_secs(13));
    let health = tocsin.get("/health");
    assert_eq!(
        (health.status, health.json()["redis"].clone()),
        (503, json!("disconnected")),
        "{}",
        health.body
    );
    assert!(health.body.starts_with("{\"status\": \"unhealthy\""), "{}", health.body);
    redis.start_again();
    eventually("healthy again", LIMIT, || (tocsin.get("/health").status == 200).then_some(()));
}

#[test]
fn sigterm_gives_workers_nothing_more_and_takes_what_they_finish() {
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let config = tocsin.dir.path().join("tocsin.yml");
    std::fs::write(&config, "workers: {slots: 1}\n").expect("our own directory");
    tocsin.add_args(&["--config", config.to_str().expect("a plain path")]);
    tocsin.start_again();
    let worker = json!({"id": "far", "boot_nonce": "1", "kinds": ["*"], "slots_free": 1});
    let slow = id_of(&tocsin.post("/tasks", &json!({"kind": "wait", "args": {"seconds": 1.5}})));
    eventually("the slow task runs", LIMIT, || {
        (tocsin.get(&format!("/tasks/{slow}")).json()["state"] == "running").then_some(())
    });
    let parked = json!({"worker": worker, "want": 1, "wait_ms": 30_000});
    let begun = Instant::now();
    let (reply, code) = std::thread::scope(|scope| {
        let url = tocsin.url.clone();
        let key = tocsin.key("agent");
        let poll = scope.spawn(move || {
            let headers = [("content-type", "application/json"), ("x-api-key", key.as_str())];
            request("POST", &format!("{url}/v1/work"), &headers, &parked.to_string())
                .expect("an answer")
                .json()
        });
        eventually("the worker is known", LIMIT, || {
            tocsin.get("/metrics").body.contains("worker_id=\"far\"").then_some(())
        });
        let code = tocsin.terminate();
        (poll.join().expect("the poll ends"), code)
    });
    assert_eq!(
        (code, reply["directive"].as_str(), reply["runs"].as_array().map(Vec::len)),
        (Some(0), Some("quiet"), Some(0)),
        "{reply}"
    );
    assert!(begun.elapsed() < Duration::from_secs(10), "it waits for its own work, not for the poll");
    tocsin.start_again();
    assert_eq!(tocsin.get(&format!("/tasks/{slow}")).json()["state"], "completed", "it was let finish");
}

#[test]
fn a_token_counts_for_the_worker_it_was_given_to() {
    let mut tocsin = Tocsin::prepare(&[], &[("WORKER_LEASE_SECONDS", "1".to_owned())]);
    let config = tocsin.dir.path().join("tocsin.yml");
    std::fs::write(&config, "workers: {slots: 0}\n").expect("our own directory");
    tocsin.add_args(&["--config", config.to_str().expect("a plain path")]);
    tocsin.start_again();
    let as_worker = |id: &str, complete: Value, want: u32| {
        let worker = json!({"id": id, "boot_nonce": "1", "kinds": ["*"], "slots_free": want});
        work(&tocsin, &json!({"worker": worker, "complete": complete, "want": want, "wait_ms": 5000 * want}))
    };
    as_worker("a", json!([]), 0);
    // Nobody named this kind, but a worker that does all kinds is there.
    let task = id_of(&tocsin.post("/tasks", &json!({"kind": "resize"})));
    let token = |reply: &Value| reply["runs"][0]["attempt_token"].as_str().expect("a run").to_owned();
    let first = token(&as_worker("a", json!([]), 1));
    let done =
        |token: &str, result: u32| json!([{"attempt_token": token, "outcome": "done", "result": result}]);
    assert_eq!(as_worker("b", done(&first, 1), 0)["results"][&first], "stale", "another worker's token");
    // Worker a says nothing more: its lease ends and b, waiting, is handed the run.
    let second = token(&as_worker("b", json!([]), 1));
    for (worker, token, result, want) in [
        ("a", &first, 1, "stale"),
        ("b", &second, 2, "accepted"),
        ("b", &second, 2, "accepted"),
        ("b", &second, 3, "stale"),
        ("a", &second, 2, "stale"),
    ] {
        let reply = as_worker(worker, done(token, result), 0);
        assert_eq!(reply["results"][token], want, "{worker} {result}");
    }
    let run = ended(&tocsin, &task);
    assert_eq!((&run["output"], &run["attempt"], &run["worker_id"]), (&json!(2), &json!(2), &json!("b")));
}
