//! `tocsin health`: asks a running Tocsin how it is; for exec probes, so its exit code is the answer.

use crate::{
    cli,
    client::{Client, LocalKey, block_on},
};
use anyhow::Result;
use serde_json::{Value, json};
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

const TIMEOUT: Duration = Duration::from_secs(5);
/// A probe query may take this long.
const QUERY_LIMIT: Duration = Duration::from_millis(100);

/// Exits 0 if it is well, 1 if it is not or does not answer.
pub fn run(args: &cli::Health) -> Result<ExitCode> {
    block_on(async { if args.all { five_checks(args).await } else { one_endpoint(args).await } })
}

async fn one_endpoint(args: &cli::Health) -> Result<ExitCode> {
    let path = match (args.live, args.ready, args.startup) {
        (true, ..) => "/health/live",
        (_, true, _) => "/health/ready",
        (.., true) => "/health/startup",
        _ => "/health",
    };
    let (status, body) = match get(args, path).await {
        Ok(reply) => reply,
        Err(why) if args.remote.json => {
            println!("{}", json!({"status": "unreachable", "message": format!("{why:#}")}));
            return Ok(ExitCode::FAILURE);
        }
        Err(why) => return Err(why),
    };
    if args.remote.json {
        println!("{body}");
    } else {
        let health: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        println!("{}", health["status"].as_str().unwrap_or("this is not the health of a Tocsin"));
        for check in health["checks"].as_array().into_iter().flatten().filter(|c| c["status"] != "healthy") {
            println!(
                "  {}: {}",
                check["name"].as_str().unwrap_or(""),
                check["message"].as_str().unwrap_or("")
            );
        }
    }
    Ok(exit((200..300).contains(&status)))
}

/// One of the five checks: name, whether it is well, what was found.
type Check = (&'static str, bool, String);

async fn five_checks(args: &cli::Health) -> Result<ExitCode> {
    let answer = get(args, "/health").await;
    let checks = match &answer {
        Ok((_, body)) => {
            let health: Value = serde_json::from_str(body).unwrap_or(Value::Null);
            [
                part("database", &health, "database"),
                disk(),
                memory(),
                query(args).await,
                part("agents", &health, "workers"),
            ]
        }
        Err(why) => {
            let silent = |name| (name, false, format!("{why:#}"));
            [silent("database"), disk(), memory(), silent("query_performance"), silent("agents")]
        }
    };
    let all_well = checks.iter().all(|(_, healthy, _)| *healthy);
    if args.remote.json {
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

async fn query(args: &cli::Health) -> Check {
    let begun = Instant::now();
    let answer = get(args, "/api/v1/query?query=vector(1)").await;
    let took = begun.elapsed();
    let (well, message) = match answer {
        Ok((200, _)) => (took < QUERY_LIMIT, format!("a query took {:.1} ms", took.as_secs_f64() * 1000.0)),
        Ok((401 | 403, _)) => (false, "a query needs a key: give --key, or set TOCSIN_KEY".to_owned()),
        Ok((status, _)) => (false, format!("a query was answered with {status}")),
        Err(why) => (false, format!("{why:#}")),
    };
    ("query_performance", well, message)
}

/// What the server says of one of its own parts.
fn part(name: &'static str, health: &Value, check: &str) -> Check {
    let found = health["checks"].as_array().into_iter().flatten().find(|c| c["name"] == check);
    let text = |key: &str| found.and_then(|c| c[key].as_str()).unwrap_or("not reported").to_owned();
    (name, text("status") != "unhealthy" && found.is_some(), text("message"))
}

fn disk() -> Check {
    let Ok(stat) = rustix::fs::statvfs(".") else {
        return ("disk_space", false, "cannot be measured".to_owned());
    };
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

async fn get(args: &cli::Health, path: &str) -> Result<(u16, String)> {
    let client = Client::new(&args.remote, LocalKey::User).with_timeout(TIMEOUT);
    let reply = client.get(path).await?;
    Ok((reply.status, reply.body))
}

fn exit(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
