//! Real processes that die, stand still and come back: of the server and of its workers. Nothing acknowledged is lost,
//! nothing is held by two workers at once, nobody waits longer for a rescue than a lease and a second.

mod support;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use support::{Crew, Line, Program, Tocsin, depth, eventually, now, post_json};

const LIMIT: Duration = Duration::from_secs(60);

fn tocsin(lease_secs: u32) -> Tocsin {
    Tocsin::with_config("workers: {slots: 0}\n", &[("WORKER_LEASE_SECONDS", lease_secs.to_string())])
}

fn post(tocsin: &Tocsin) -> String {
    let reply = tocsin.post("/tasks", &json!({"kind": "noop", "timeout_seconds": 600}));
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json()["id"].as_str().expect("an id").to_owned()
}

/// The first line of that sort about a task.
fn find(lines: &[Line], what: &str, worker: impl Fn(&str) -> bool, task: &str) -> Option<Line> {
    lines.iter().find(|line| line.what == what && line.task == task && worker(&line.worker)).cloned()
}

#[test]
fn kills_of_the_server_lose_nothing_and_double_nothing() {
    let kills = depth(20, 1_000);
    let mut rng = StdRng::seed_from_u64(support::seed());
    let mut tocsin = tocsin(5);
    let crew = Crew::of(&tocsin);
    let workers: Vec<Program> =
        ["w1", "w2", "w3", "w4"].map(|id| crew.start(id, &["--work", "0.02", "--want", "20"])).into();
    let (acknowledged, stop, start) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false), Instant::now());
    let url = format!("{}/tasks", tocsin.url);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    // Without an answer nobody knows; it is not counted on.
                    match post_json(&url, &json!({"kind": "noop"})) {
                        Some(reply) if reply.status == 201 => {
                            let id = reply.json()["id"].as_str().expect("an id").to_owned();
                            assert!(
                                acknowledged.lock().expect("no holder panics").insert(id),
                                "an id given twice"
                            );
                        }
                        _ => std::thread::sleep(Duration::from_millis(5)),
                    }
                }
            });
        }
        for kill in 1..=kills {
            std::thread::sleep(Duration::from_millis(rng.random_range(0..150)));
            tocsin.kill();
            tocsin.start_again();
            if kill % 50 == 0 {
                println!("{kill} kills in {:.0} s", start.elapsed().as_secs_f64());
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    let acknowledged = acknowledged.into_inner().expect("joined");
    let lost = eventually("every acknowledged task is done", LIMIT, || {
        let lost: Vec<String> = acknowledged.difference(&crew.done()).cloned().collect();
        (lost.is_empty() || start.elapsed() > LIMIT * 20).then_some(lost)
    });
    assert!(lost.is_empty(), "acknowledged and never done: {lost:?}");
    crew.nothing_doubled();
    println!(
        "{kills} kills, {} acknowledged tasks, lost 0, doubled 0: {:.0} s",
        acknowledged.len(),
        start.elapsed().as_secs_f64()
    );
    drop(workers);
}

#[test]
fn a_worker_stopped_past_its_lease_is_refused() {
    let (total, at_once) = (depth(20, 500), 50);
    let tocsin = tocsin(1);
    let crew = Crew::of(&tocsin);
    let (mut refused, mut slowest) = (0, 0f64);
    for round in 0..total.div_ceil(at_once) {
        let many = at_once.min(total - round * at_once);
        let ids: Vec<String> = (0..many).map(|nth| format!("stopped-{round}-{nth}")).collect();
        let start = |id: &String| crew.start(id, &["--want", "1", "--stand-still"]);
        let stopped: Vec<Program> = ids.iter().map(start).collect();
        let is_ours = |id: &str| ids.iter().any(|one| one == id);
        let tasks: BTreeSet<String> = (0..many).map(|_| post(&tocsin)).collect();
        eventually("each has stood still with a task", LIMIT, || {
            let lines = crew.lines();
            let have = lines.iter().filter(|line| line.what == "claims" && is_ours(&line.worker));
            (have.map(|line| &line.worker).collect::<BTreeSet<_>>().len() == many).then_some(())
        });
        // Only now, or it would be faster than those who are to be stopped.
        let rescuer = crew.start(&format!("rescuer-{round}"), &["--want", "1000"]);
        eventually("somebody else has done them all", LIMIT, || tasks.is_subset(&crew.done()).then_some(()));
        stopped.iter().for_each(Program::go_on);
        let lines = crew.lines();
        for task in &tasks {
            let claims = |line: &&Line| line.what == "claims" && line.task == *task;
            // On a slow machine one may have had it after another.
            let Some(last) = lines.iter().filter(claims).rfind(|line| is_ours(&line.worker)) else {
                continue;
            };
            let Some(rescue) = find(&lines, "claims", |id| id.starts_with("rescuer"), task) else { continue };
            // It may have come to work only after the lease's end.
            let came = lines.iter().find(|line| line.what == "starts" && line.worker == rescue.worker);
            let wait = rescue.at - (last.at + 1.0).max(came.map_or(0.0, |line| line.at));
            slowest = slowest.max(wait);
        }
        for claim in lines.iter().filter(|line| line.what == "claims" && is_ours(&line.worker)) {
            let answer = eventually("the stopped worker hears", LIMIT, || {
                crew.lines().into_iter().find(|line| line.what == "heard" && line.token == claim.token)
            });
            assert!(!answer.is_accepted(), "accepted after its lease: {claim:?}, {answer:?}");
            refused += 1;
        }
        drop((stopped, rescuer));
    }
    crew.nothing_doubled();
    println!("{refused} of {total} refused; the last rescue {slowest:.2} s after its lease");
    assert_eq!(refused, total, "a worker that stood still past its lease was taken for live");
    assert!(slowest <= 1.0, "a rescue took {slowest:.2} s longer than the lease");
}

/// When another worker has what the first one held, once `ends` has ended that one.
fn rescue(crew: &mut Crew, tocsin: &Tocsin, more: &[&str], ends: impl FnOnce(&mut Crew, Program)) -> f64 {
    let options = [&["--want", "1", "--work", "600"], more].concat();
    let first = crew.start("first", &options);
    let task = post(tocsin);
    let claimed = |crew: &Crew, id: &str| find(&crew.lines(), "claims", |worker| worker == id, &task);
    eventually("the first has it", LIMIT, || claimed(crew, "first"));
    let _second = crew.start("second", &["--want", "1"]);
    // It has asked, got nothing, and asks again.
    eventually("the second waits", LIMIT, || {
        crew.lines().iter().find(|line| line.worker == "second").cloned()
    });
    ends(crew, first);
    eventually("the second has it", LIMIT, || claimed(crew, "second")).at
}

#[test]
fn what_a_dead_worker_held_is_taken_over_when_it_starts_anew() {
    let tocsin = tocsin(30);
    let mut crew = Crew::of(&tocsin);
    let mut anew = None;
    let taken = rescue(&mut crew, &tocsin, &[], |crew, first| {
        crew.kill(first);
        // With nothing to do for it, so that the other one gets the task.
        anew = Some(crew.start("first", &["--want", "0"]));
    });
    let lines = crew.lines();
    let back =
        lines.iter().rfind(|line| line.what == "starts" && line.worker == "first").expect("it started");
    let took = taken - back.at;
    println!("taken over {took:.2} s after it was back, with a lease of 30 s");
    assert!(took <= 1.0, "{took:.2} s");
    crew.nothing_doubled();
}

#[test]
fn what_a_dead_worker_held_is_taken_over_when_its_connection_closes() {
    let tocsin = tocsin(30);
    let mut crew = Crew::of(&tocsin);
    let mut killed = 0.0;
    let taken = rescue(&mut crew, &tocsin, &["--hang-up"], |crew, first| {
        killed = now();
        crew.kill(first);
    });
    let took = taken - killed;
    println!("taken over {took:.2} s after the kill, with a lease of 30 s");
    assert!(took <= 1.0, "{took:.2} s");
    crew.nothing_doubled();
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let tocsin = tocsin(30);
    let data = tocsin.dir.path().join("data");
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_tocsin"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .env("TOCSIN_DISCOVER", "off")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains(&tocsin.pid().to_string()), "{said}");
    assert_eq!(tocsin.get("/-/ready").status, 200, "the first goes on");
}
