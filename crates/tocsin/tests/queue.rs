//! Tasks posted by many clients and done by workers of which one dies: each acknowledged one is done exactly once.

mod support;

use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use support::{Tocsin, depth, eventually, request};

const CLIENTS: usize = 8;

/// A worker over HTTP, as any language would write it.
fn work(
    url: &str,
    key: &str,
    name: &str,
    dead: &AtomicBool,
    stop: &AtomicBool,
    done: &Mutex<BTreeMap<String, usize>>,
) {
    let mut complete: Vec<Value> = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let body = json!({
            "worker": {"id": name, "boot_nonce": name, "labels": {}, "kinds": ["noop"], "slots_free": 50, "draining": false},
            "complete": complete, "extend": [], "want": 50, "wait_ms": 200
        });
        let headers = [("content-type", "application/json"), ("x-api-key", key)];
        let Some(reply) = request("POST", &format!("{url}/v1/work"), &headers, &body.to_string()) else {
            continue;
        };
        assert_eq!(reply.status, 200, "{}", reply.body);
        let reply = reply.json();
        let accepted = reply["results"].as_object().cloned().unwrap_or_default();
        for sent in &complete {
            let token = sent["attempt_token"].as_str().expect("we wrote it");
            if accepted.get(token).is_some_and(|result| result == "accepted") {
                let task = sent["result"]["task"].as_str().expect("we wrote it").to_owned();
                *done.lock().expect("no holder panics").entry(task).or_default() += 1;
            }
        }
        complete.clear();
        for run in reply["runs"].as_array().into_iter().flatten() {
            complete.push(json!({
                "attempt_token": run["attempt_token"], "outcome": "done", "result": {"task": run["task_id"]}
            }));
        }
        // A dead worker holds what it claimed and never says another word.
        if !complete.is_empty() && dead.load(Ordering::SeqCst) {
            return;
        }
    }
}

#[test]
fn every_acknowledged_task_is_done_exactly_once() {
    let total = depth(1_000, 10_000);
    let mut tocsin = Tocsin::prepare(&[], &[("WORKER_LEASE_SECONDS", "2".to_owned())]);
    // The built-in worker would do `noop` itself: here the four outside do it.
    let config = tocsin.dir.path().join("tocsin.yml");
    std::fs::write(&config, "workers: {slots: 0}\n").expect("our own directory");
    tocsin.add_args(&["--config", config.to_str().expect("a plain path")]);
    tocsin.start_again();
    let (url, key) = (tocsin.url.clone(), tocsin.key("agent"));
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let done = Arc::new(Mutex::new(BTreeMap::new()));
    let (stop, dead, alive, next) =
        (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::SeqCst) < total {
                    let reply = support::post_json(&format!("{url}/tasks"), &json!({"kind": "noop"}))
                        .expect("an answer");
                    assert_eq!(reply.status, 201, "{}", reply.body);
                    let id = reply.json()["id"].as_str().expect("an id").to_owned();
                    assert!(acknowledged.lock().expect("no holder panics").insert(id), "an id given twice");
                }
            });
        }
        for (name, killed) in [("w1", &alive), ("w2", &alive), ("w3", &alive), ("w4", &dead)] {
            scope.spawn(|| work(&url, &key, name, killed, &stop, &done));
        }
        eventually("half of them", Duration::from_secs(300), || {
            (done.lock().ok()?.len() > total / 2).then_some(())
        });
        dead.store(true, Ordering::SeqCst);
        eventually("all of them", Duration::from_secs(300), || {
            (done.lock().ok()?.len() >= total).then_some(())
        });
        stop.store(true, Ordering::SeqCst);
    });
    println!(
        "{total} tasks by {CLIENTS} clients and 4 workers, one killed: {:.1} s",
        start.elapsed().as_secs_f64()
    );
    let (done, acknowledged) = (done.lock().unwrap(), acknowledged.lock().unwrap());
    assert_eq!(done.keys().collect::<Vec<_>>(), acknowledged.iter().collect::<Vec<_>>());
    let twice: Vec<_> = done.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "accepted more than once: {twice:?}");
    let stats = tocsin.get("/stats").json();
    assert_eq!(stats["queue"]["completed"], total, "{stats}");
}
