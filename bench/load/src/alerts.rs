//! Loads a server that speaks Alertmanager's `POST /api/v2/alerts`, and receives its webhooks.

use crate::hook::Hook;
use crate::http::{Link, Server};
use crate::process::{cpu, rss};
use crate::stats::latency;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// What Prometheus sends in one request.
const PER_REQUEST: u32 = 64;
/// How long pages may take to arrive before they count as missing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Appends alert `n` of `kind`; about 470 bytes, as large as usual ones.
fn alert(kind: &str, n: u32, body: &mut String) {
    let (cluster, job, host) = (n % 10, n % 100, n);
    let severity = ["info", "warning", "critical"][(n % 3) as usize];
    let _ = write!(
        body,
        "{{\"labels\":{{\"alertname\":\"{kind}\",\"cluster\":\"c{cluster}\",\"job\":\"job-{job}\",\
         \"instance\":\"host-{host}.example:9100\",\"severity\":\"{severity}\",\"team\":\"storage\"}},\
         \"annotations\":{{\"summary\":\"Disk of host-{host} is nearly full\",\
         \"description\":\"Less than ten percent of the data volume of host-{host} are free, and it fills by two percent an hour.\"}},\
         \"generatorURL\":\"http://prometheus.example:9090/graph?g0.expr=node_filesystem_avail_bytes\"}}"
    );
}

fn post(link: &mut Link, kind: &str, numbers: impl Iterator<Item = u32>) -> Result<(), String> {
    let mut body = String::from("[");
    for n in numbers {
        if body.len() > 1 {
            body.push(',');
        }
        alert(kind, n, &mut body);
    }
    body.push(']');
    let reply = link.post("/api/v2/alerts", "application/json", body.as_bytes())?;
    match reply.status {
        200 => Ok(()),
        status => Err(format!("/api/v2/alerts: {status} {}", String::from_utf8_lossy(reply.body))),
    }
}

/// Posts `count` different alerts, 64 a request; posted again they are refreshed.
pub fn accept(server: &Server, pid: Option<u32>, count: u32, connections: u32) -> Result<(), String> {
    let (before, begun) = (cpu(pid), Instant::now());
    all(server, "DiskFull", count, connections)?;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{{\"what\": \"accept\", \"alerts\": {count}, \"per_second\": {:.0}, \"server_cpu_ms_per_1000\": {:.3}, \"rss_mb\": {:.1}}}",
        f64::from(count) / seconds,
        (cpu(pid) - before) * 1e6 / f64::from(count),
        rss(pid) as f64 / 1048576.0,
    );
    Ok(())
}

fn all(server: &Server, kind: &str, count: u32, connections: u32) -> Result<(), String> {
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..connections)
            .map(|nth| {
                scope.spawn(move || {
                    let mut link = server.connect()?;
                    for first in (nth * PER_REQUEST..count).step_by((connections * PER_REQUEST) as usize) {
                        post(&mut link, kind, first..(first + PER_REQUEST).min(count))?;
                    }
                    Ok::<_, String>(())
                })
            })
            .collect();
        handles
            .into_iter()
            .try_for_each(|handle| handle.join().map_err(|_| "a thread panicked".to_owned())?)
    })
}

/// Reads one path over and over.
pub fn read(server: &Server, pid: Option<u32>, path: &str, times: u32) -> Result<(), String> {
    let mut link = server.connect()?;
    let (mut took, mut bytes, before) = (Vec::new(), 0, cpu(pid));
    for _ in 0..times {
        let begun = Instant::now();
        let reply = link.get(path)?;
        if reply.status != 200 {
            return Err(format!("{path}: {}", reply.status));
        }
        bytes = reply.body.len();
        took.push(begun.elapsed());
    }
    println!(
        "{{\"what\": \"read\", \"bytes\": {bytes}, {}, \"server_cpu_ms\": {:.3}}}",
        latency(took),
        (cpu(pid) - before) * 1e3 / f64::from(times)
    );
    Ok(())
}

/// From the instant one alert is sent until its page is read, one after the other, each in a group of its own.
pub fn pages(server: &Server, hook: &str, count: u32) -> Result<(), String> {
    let hook = Hook::listen(hook)?;
    let mut link = server.connect()?;
    let mut took = Vec::new();
    for n in 0..count {
        let begun = Instant::now();
        post(&mut link, "FirstPage", n..n + 1)?;
        let at = hook.next(PATIENCE).ok_or_else(|| format!("the page of alert {n} never arrived"))?;
        took.push(at.saturating_duration_since(begun));
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{{\"what\": \"first page\", \"pages\": {count}, {}}}", latency(took));
    Ok(())
}

/// Posts `groups` alerts of as many groups and waits until each has its page.
pub fn fan_out(server: &Server, pid: Option<u32>, hook: &str, groups: u32) -> Result<(), String> {
    let hook = Hook::listen(hook)?;
    let (before, begun) = (cpu(pid), Instant::now());
    all(server, "FanOut", groups, 2)?;
    let mut last = begun;
    for n in 0..groups {
        last = hook.next(PATIENCE).ok_or_else(|| format!("{n} of {groups} pages arrived"))?.max(last);
    }
    println!(
        "{{\"what\": \"fan out\", \"groups\": {groups}, \"per_second\": {:.0}, \"server_cpu_ms_per_page\": {:.3}}}",
        f64::from(groups) / last.duration_since(begun).as_secs_f64(),
        (cpu(pid) - before) * 1e3 / f64::from(groups),
    );
    Ok(())
}
