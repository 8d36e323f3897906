//! `tocsin health`: asks a running Tocsin how it is; for exec probes, so its exit code is the answer.

use crate::cli;
use anyhow::{Context, Result};
use reach::{
    OwnListeners, Policy,
    http::{Client, Request},
};
use serde_json::{Value, json};
use std::{process::ExitCode, sync::Arc, time::{Duration, Instant}};

const TIMEOUT: Duration = Duration::from_secs(5);
/// A probe query may take this long.
const QUERY_LIMIT: Duration = Duration::from_millis(100);

/// Exits 0 if it is well, 1 if it is not or does not answer.
pub fn run(args: &cli::Health) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { if args.all { five_checks(args).await } else { one_endpoint(args).await } })
}

async fn one_endpoint(args: &cli::Health) -> Result<ExitCode> {
    let path = match (args.live, args.ready, args.startup) {
        (true, ..) => "/health/live",
        (_, true, _) => "/health/ready",
        (.., true) => "/health/startup",
        _ => "/health",
    };
    let (status, body) = get(&args.server, path).await?;
    if args.json {
        println!("{body}");
    } else {
        let health: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        println!("{}", health["status"].as_str().unwrap_or("unknown"));
    }
    Ok(exit((200..300).contains(&status)))
}

/// One of the five checks: name, whether it is well, what was found.
type Check = (&'static str, bool, String);

async fn five_checks(args: &cli::Health) -> Result<ExitCode> {
    let (_, body) = get(&args.server, "/health").await?;
    let health: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    let begun = Instant::now();
    let (status, _) = get(&args.server, "/api/v1/query?query=vector(1)").await?;
    let took = begun.elapsed();
    let query = ("query_performance", status == 200 && took < QUERY_LIMIT, format!("a query took {took:.1?}"));
    let checks = [part("database", &health, "database"), disk(), memory(), query, part("agents", &health, "workers")];
    let all_well = checks.iter().all(|(_, healthy, _)| *healthy);
    if args.json {
        let checks = checks.iter().map(|(name, healthy, message)| {
            ((*name).to_owned(), json!({"healthy": healthy, "message": message}))
        });
        println!("{}", json!({"healthy": all_well, "checks": checks.collect::<serde_json::Map<_, _>>()}));
    } else {
        for (name, healthy, message) in &checks {
            println!("{} {name}: {message}", if *healthy { "ok  " } else { "FAIL" });
        }
    }
    Ok(exit(all_well))
}

/// What the server says of one of its own parts.
fn part(name: &'static str, health: &Value, check: &str) -> Check {
    let found = health["checks"].as_array().into_iter().flatten().find(|c| c["name"] == check);
    let text = |key: &str| found.and_then(|c| c[key].as_str()).unwrap_or("not reported").to_owned();
    (name, text("status") != "unhealthy" && found.is_some(), text("message"))
}

fn disk() -> Check {
    let Ok(stat) = rustix::fs::statvfs(".") else { return ("disk_space", false, "cannot be measured".to_owned()) };
    let free = stat.f_bavail as f64 / stat.f_blocks.max(1) as f64;
    ("disk_space", free >= 0.10, format!("{:.0} % free here", free * 100.0))
}

fn memory() -> Check {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let of = |name: &str| -> Option<f64> {
        info.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
    };
    let (Some(all), Some(available)) = (of("MemTotal:"), of("MemAvailable:")) else {
        return ("memory", false, "cannot be measured".to_owned());
    };
    let used = 1.0 - available / all;
    ("memory", used < 0.95, format!("{:.0} % used", used * 100.0))
}

async fn get(server: &str, path: &str) -> Result<(u16, String)> {
    let url = format!("{}{path}", server.trim_end_matches('/'));
    let client = Client::new(Policy::OPERATOR, Arc::new(OwnListeners::default()));
    let mut request = Request::get(&url)?;
    request.timeout = TIMEOUT;
    let reply = client.send(request).await.with_context(|| format!("no answer from {url}"))?;
    Ok((reply.status, String::from_utf8_lossy(&reply.body).into_owned()))
}

fn exit(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
