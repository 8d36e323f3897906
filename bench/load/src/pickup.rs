//! From the instant a task was to be sent until a parked worker has it, at a steady rate: an open loop, so that a
//! slow answer does not slow the next question.

use crate::http::Server;
use crate::process::cpu;
use crate::stats::latency;
use crate::work::{Held, Worker, task};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Connections that send: a stalled one delays only its own.
const SENDERS: u32 = 16;

pub fn run(server: &Server, pid: Option<u32>, rate: u32, seconds: u32, workers: u32) -> Result<(), String> {
    let total = rate * seconds;
    let (seen, over) = (AtomicU32::new(0), AtomicBool::new(false));
    let arrivals = Mutex::new(vec![None::<Instant>; total as usize]);
    Worker::new(server.connect()?, 0).turn(&mut Held::default(), 0, 0)?;
    let before = cpu(pid);
    let begun = Instant::now() + Duration::from_millis(300);
    let due = |n: u32| begun + Duration::from_secs_f64(f64::from(n) / f64::from(rate));
    std::thread::scope(|scope| {
        let mut handles = Vec::new();
        for nth in 0..workers {
            let (seen, over, arrivals) = (&seen, &over, &arrivals);
            handles.push(scope.spawn(move || take(server, nth, total, seen, over, arrivals)));
        }
        for nth in 0..SENDERS {
            handles.push(scope.spawn(move || send(server, nth, total, due)));
        }
        let limit = due(total) + Duration::from_secs(20);
        while seen.load(Ordering::Relaxed) < total && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        handles
            .into_iter()
            .try_for_each(|handle| handle.join().map_err(|_| "a thread panicked".to_owned())?)
    })?;
    let arrivals = arrivals.into_inner().map_err(|_| "a thread panicked")?;
    let late: Vec<Duration> = arrivals
        .iter()
        .enumerate()
        .filter_map(|(n, at)| at.map(|at| at.saturating_duration_since(due(n as u32))))
        .collect();
    let missing = total as usize - late.len();
    println!(
        "{{\"what\": \"pickup\", \"rate\": {rate}, \"tasks\": {total}, \"missing\": {missing}, {}, \"server_cores\": {:.4}}}",
        latency(late),
        (cpu(pid) - before) / f64::from(seconds),
    );
    if missing > 0 { Err(format!("{missing} tasks never reached a worker")) } else { Ok(()) }
}

fn send(server: &Server, nth: u32, total: u32, due: impl Fn(u32) -> Instant) -> Result<(), String> {
    let mut link = server.connect()?;
    let mut body = String::new();
    for n in (nth..total).step_by(SENDERS as usize) {
        body.clear();
        task(n, &mut body);
        std::thread::sleep(due(n).saturating_duration_since(Instant::now()));
        let reply = link.post("/tasks", "application/json", body.as_bytes())?;
        if reply.status != 201 {
            return Err(format!("/tasks: {} {}", reply.status, String::from_utf8_lossy(reply.body)));
        }
    }
    Ok(())
}

fn take(
    server: &Server,
    nth: u32,
    total: u32,
    seen: &AtomicU32,
    over: &AtomicBool,
    arrivals: &Mutex<Vec<Option<Instant>>>,
) -> Result<(), String> {
    let mut worker = Worker::new(server.connect()?, nth);
    let mut held = Held::default();
    while !over.load(Ordering::Relaxed) {
        worker.turn(&mut held, 1, 2_000)?;
        let now = Instant::now();
        for n in &held.numbers {
            let mut arrivals = arrivals.lock().map_err(|_| "a thread panicked")?;
            if arrivals[*n as usize].replace(now).is_some() {
                return Err(format!("task {n} was handed out twice"));
            }
            if seen.fetch_add(1, Ordering::Relaxed) + 1 == total {
                over.store(true, Ordering::Relaxed);
            }
        }
    }
    worker.turn(&mut held, 0, 0).map(drop)
}

pub fn idle(server: &Server, pid: Option<u32>, seconds: u32, workers: u32) -> Result<(), String> {
    std::thread::scope(|scope| {
        let mut handles = Vec::new();
        for nth in 0..workers {
            handles.push(scope.spawn(move || {
                Worker::new(server.connect()?, nth)
                    .turn(&mut Held::default(), 1, (seconds + 3) * 1000)
                    .map(drop)
            }));
        }
        std::thread::sleep(Duration::from_secs(2));
        let before = cpu(pid);
        std::thread::sleep(Duration::from_secs(seconds.into()));
        let cores = (cpu(pid) - before) / f64::from(seconds);
        println!(
            "{{\"what\": \"idle\", \"workers\": {workers}, \"seconds\": {seconds}, \"server_cores\": {cores:.4}}}"
        );
        handles
            .into_iter()
            .try_for_each(|handle| handle.join().map_err(|_| "a thread panicked".to_owned())?)
    })
}
