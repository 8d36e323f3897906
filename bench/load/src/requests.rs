//! The same request over and over on several connections; and a disk alone.

use crate::http::Server;
use crate::process::cpu;
use crate::stats::latency;
use crate::work::{Held, Worker, task};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

pub fn run(
    server: &Server,
    pid: Option<u32>,
    what: &str,
    connections: u32,
    time: Duration,
) -> Result<(), String> {
    Worker::new(server.connect()?, 0).turn(&mut Held::default(), 0, 0)?;
    let (before, own_before) = (cpu(pid), cpu(None));
    let begun = Instant::now();
    let took: Vec<Duration> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..connections)
            .map(|nth| scope.spawn(move || repeat(server, what, nth, begun + time)))
            .collect();
        let lists =
            handles.into_iter().map(|handle| handle.join().map_err(|_| "a thread panicked".to_owned())?);
        lists.collect::<Result<Vec<_>, String>>().map(|lists| lists.concat())
    })?;
    let (seconds, count) = (begun.elapsed().as_secs_f64(), took.len() as f64);
    println!(
        "{{\"what\": \"{what}\", \"connections\": {connections}, \"requests\": {count}, \"per_second\": {:.0}, {}, \"server_cpu_ms\": {:.4}, \"load_cpu_ms\": {:.4}}}",
        count / seconds,
        latency(took),
        (cpu(pid) - before) * 1e3 / count,
        (cpu(None) - own_before) * 1e3 / count,
    );
    Ok(())
}

fn repeat(server: &Server, what: &str, nth: u32, until: Instant) -> Result<Vec<Duration>, String> {
    let mut link = server.connect()?;
    let mut took = Vec::with_capacity(100_000);
    let mut body = String::new();
    task(nth, &mut body);
    while Instant::now() < until {
        let begun = Instant::now();
        let (reply, want) = match what {
            "health" => (link.get("/health")?, 200),
            _ => (link.post("/tasks", "application/json", body.as_bytes())?, 201),
        };
        if reply.status != want {
            return Err(format!("{what}: {} {}", reply.status, String::from_utf8_lossy(reply.body)));
        }
        took.push(begun.elapsed());
    }
    Ok(took)
}

/// Appends and syncs 4 KiB, one after the other.
pub fn disk(file: &Path, time: Duration) -> Result<(), String> {
    let fail = |why: std::io::Error| format!("cannot write {}: {why}", file.display());
    let mut out = std::fs::File::create(file).map_err(fail)?;
    let (begun, block) = (Instant::now(), [7u8; 4096]);
    let mut took = Vec::new();
    while begun.elapsed() < time {
        let at = Instant::now();
        out.write_all(&block).and_then(|()| out.sync_data()).map_err(fail)?;
        took.push(at.elapsed());
    }
    println!("{{\"what\": \"disk\", \"syncs\": {}, {}}}", took.len(), latency(took));
    std::fs::remove_file(file).map_err(fail)
}
