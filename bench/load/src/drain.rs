//! Producers and workers at once, as fast as they can: how many tasks a second go through, at what cost, and
//! whether each ran exactly once.

use crate::http::Server;
use crate::process::{cpu, rss};
use crate::work::{Held, Worker, task};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// How much, by how many, in what portions.
pub struct Plan {
    name: &'static str,
    tasks: u32,
    producers: u32,
    per_enqueue: u32,
    workers: u32,
    per_work: u32,
}

impl Plan {
    pub fn new(name: &'static str, tasks: u32, producers: (u32, u32), workers: (u32, u32)) -> Plan {
        let ((producers, per_enqueue), (workers, per_work)) = (producers, workers);
        Plan { name, tasks, producers, per_enqueue, workers, per_work }
    }
}

/// What threads share.
struct Shared {
    next: AtomicU32,
    enqueued: AtomicU32,
    completed: AtomicU32,
    /// How often each task was handed out.
    claims: Vec<AtomicU8>,
    /// Enqueues that ended, in microseconds after the beginning, the last one.
    enqueue_end_us: AtomicU64,
}

pub fn run(server: &Server, pid: Option<u32>, plan: &Plan) -> Result<(), String> {
    let shared = Arc::new(Shared {
        next: AtomicU32::new(0),
        enqueued: AtomicU32::new(0),
        completed: AtomicU32::new(0),
        claims: (0..plan.tasks).map(|_| AtomicU8::new(0)).collect(),
        enqueue_end_us: AtomicU64::new(0),
    });
    // A kind is known once a worker has named it.
    Worker::new(server.connect()?, 0).turn(&mut Held::default(), 0, 0)?;
    let threads = plan.producers + plan.workers;
    let start = Arc::new(Barrier::new(threads as usize + 1));
    let memory_before = rss(pid);
    let (server_before, own_before) = (cpu(pid), cpu(None));
    let begun = std::thread::scope(|scope| {
        let mut handles = Vec::new();
        for _ in 0..plan.producers {
            let (shared, start) = (Arc::clone(&shared), Arc::clone(&start));
            handles.push(scope.spawn(move || produce(server, plan, &shared, &start)));
        }
        for nth in 0..plan.workers {
            let (shared, start) = (Arc::clone(&shared), Arc::clone(&start));
            handles.push(scope.spawn(move || work(server, plan, nth, &shared, &start)));
        }
        start.wait();
        let begun = Instant::now();
        for handle in handles {
            handle.join().map_err(|_| "a thread panicked".to_owned())??;
        }
        Ok::<_, String>(begun)
    })?;
    report(pid, plan, &shared, begun.elapsed(), (server_before, own_before, memory_before))
}

fn report(
    pid: Option<u32>,
    plan: &Plan,
    shared: &Shared,
    took: Duration,
    (server_before, own_before, memory_before): (f64, f64, u64),
) -> Result<(), String> {
    let done = if plan.workers > 0 { &shared.completed } else { &shared.enqueued };
    let done = done.load(Ordering::Relaxed);
    let (server, own) = (cpu(pid) - server_before, cpu(None) - own_before);
    let per_task = |seconds: f64| seconds * 1e3 / f64::from(done.max(1));
    println!(
        "{{\"what\": \"{}\", \"tasks\": {done}, \"seconds\": {:.3}, \"per_second\": {:.0}, \"enqueue_seconds\": {:.3}, \"server_cpu_ms_per_task\": {:.4}, \"load_cpu_ms_per_task\": {:.4}, \"rss_before\": {memory_before}, \"rss_after\": {}}}",
        plan.name,
        took.as_secs_f64(),
        f64::from(done) / took.as_secs_f64(),
        shared.enqueue_end_us.load(Ordering::Relaxed) as f64 / 1e6,
        per_task(server),
        per_task(own),
        rss(pid),
    );
    if plan.workers > 0 && plan.producers > 0 {
        let wrong = shared.claims.iter().filter(|claims| claims.load(Ordering::Relaxed) != 1).count();
        if wrong > 0 || done != plan.tasks {
            return Err(format!(
                "{wrong} tasks were not handed out exactly once, {done} of {} done",
                plan.tasks
            ));
        }
    }
    Ok(())
}

fn produce(server: &Server, plan: &Plan, shared: &Shared, start: &Barrier) -> Result<(), String> {
    let mut link = server.connect()?;
    let mut body = String::new();
    start.wait();
    let begun = Instant::now();
    loop {
        let first = shared.next.fetch_add(plan.per_enqueue, Ordering::Relaxed);
        if first >= plan.tasks {
            return Ok(());
        }
        let last = (first + plan.per_enqueue).min(plan.tasks);
        body.clear();
        for n in first..last {
            task(n, &mut body);
            body.push('\n');
        }
        let (path, kind, want) = match plan.per_enqueue {
            1 => ("/tasks", "application/json", 201),
            _ => ("/tasks/bulk", "application/x-ndjson", 200),
        };
        let reply = link.post(path, kind, body.as_bytes())?;
        let accepted = match plan.per_enqueue {
            1 => 1,
            _ => memchr::memmem::find_iter(reply.body, b"201").count() as u32,
        };
        if reply.status != want || accepted < last - first {
            return Err(format!("{path}: {} {}", reply.status, String::from_utf8_lossy(reply.body)));
        }
        shared.enqueued.fetch_add(last - first, Ordering::Relaxed);
        shared.enqueue_end_us.fetch_max(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
    }
}

fn work(server: &Server, plan: &Plan, nth: u32, shared: &Shared, start: &Barrier) -> Result<(), String> {
    let mut worker = Worker::new(server.connect()?, nth);
    let mut held = Held::default();
    let mut silent = 0;
    start.wait();
    loop {
        let bringing = held.tokens.len() as u32;
        let all = plan.tasks > 0 && shared.completed.load(Ordering::Relaxed) + bringing >= plan.tasks;
        let accepted = worker.turn(&mut held, plan.per_work, if all { 0 } else { 100 })?;
        if accepted != bringing {
            return Err(format!("{accepted} of {bringing} completions were accepted"));
        }
        let completed = shared.completed.fetch_add(accepted, Ordering::Relaxed) + accepted;
        for n in &held.numbers {
            if let Some(claims) = shared.claims.get(*n as usize) {
                claims.fetch_add(1, Ordering::Relaxed);
            }
        }
        silent = if held.tokens.is_empty() { silent + 1 } else { 0 };
        if held.tokens.is_empty()
            && (plan.tasks > 0 && completed >= plan.tasks || plan.tasks == 0 && silent > 3)
        {
            return Ok(());
        }
        if silent > 600 {
            return Err("nothing was handed out for a minute".to_owned());
        }
    }
}
