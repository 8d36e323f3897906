//! Tasks posted by many clients and done by worker processes of which one is killed: each acknowledged one is done
//! exactly once.

mod support;

use serde_json::json;
use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use support::{Crew, Tocsin, depth, eventually};

const CLIENTS: usize = 8;
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn every_acknowledged_task_is_done_exactly_once() {
    let total = depth(1_000, 10_000);
    let tocsin = Tocsin::with_config("workers: {slots: 0}\n", &[("WORKER_LEASE_SECONDS", "2".to_owned())]);
    let mut crew = Crew::of(&tocsin);
    let mut workers: Vec<_> = ["w1", "w2", "w3", "w4"].map(|id| crew.start(id, &["--work", "0.02"])).into();
    let (acknowledged, next, start) = (Mutex::new(BTreeSet::new()), AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::SeqCst) < total {
                    let reply = tocsin.post("/tasks", &json!({"kind": "noop"}));
                    assert_eq!(reply.status, 201, "{}", reply.body);
                    let id = reply.json()["id"].as_str().expect("an id").to_owned();
                    assert!(acknowledged.lock().expect("no holder panics").insert(id), "an id given twice");
                }
            });
        }
        eventually("a part of them", LIMIT, || (crew.done().len() > total / 4).then_some(()));
        // In the middle of its work, most likely.
        crew.kill(workers.pop().expect("four"));
    });
    let acknowledged = acknowledged.into_inner().expect("joined");
    let left = || acknowledged.difference(&crew.done()).cloned().collect::<BTreeSet<_>>();
    eventually("all of them", LIMIT, || left().is_subset(&crew.unheard()).then_some(()));
    for id in left() {
        // Said by the one who was killed: accepted, though nobody was left to hear it.
        let state = || tocsin.get(&format!("/tasks/{id}")).json()["state"] == "completed";
        eventually("the last words of the killed worker count, or another did it", LIMIT, || {
            state().then_some(())
        });
    }
    println!(
        "{total} tasks by {CLIENTS} clients and 4 worker processes, one killed: {:.1} s",
        start.elapsed().as_secs_f64()
    );
    crew.nothing_doubled();
    let stats = tocsin.get("/stats").json();
    assert_eq!(stats["queue"]["completed"], total, "{stats}");
}
