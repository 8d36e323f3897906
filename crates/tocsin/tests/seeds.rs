//! The scripts that users of the source systems run, unchanged, against a real server.

mod support;

use std::process::Command;
use support::{Redis, Tocsin, free_port, root};

fn run(script: &str, tocsin: &Tocsin, envs: &[(&str, &str)]) {
    let output = Command::new(root().join("tests/seeds").join(script))
        .env("URL", &tocsin.url)
        .envs(envs.iter().copied())
        .output()
        .unwrap_or_else(|why| panic!("cannot start {script}: {why}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("--- {script}\n{out}");
    assert!(output.status.success(), "{script}: {}\n{out}\n{err}\n{}", output.status, tocsin.log());
}

#[test]
fn the_health_and_queue_scripts_run_unchanged() {
    let tocsin = Tocsin::start(&[], &[]);
    let rounds = [("ROUNDS", "2"), ("PAUSE", "1")];
    run("01-health.sh", &tocsin, &[]);
    run("02-stats.sh", &tocsin, &[]);
    run("03-queue-monitor.py", &tocsin, &rounds);
    run("04-dashboard.sh", &tocsin, &rounds);
    run("06-create-task.sh", &tocsin, &[("TOKEN", &tocsin.key("agent"))]);
    run("08-keyword-probe.sh", &tocsin, &[]);
    run("09-secrets-and-docs.sh", &tocsin, &[("TOCSIN", env!("CARGO_BIN_EXE_tocsin"))]);
    run("11-api-down.sh", &tocsin, &[]);
}

#[test]
fn a_server_starts_with_the_whole_block_of_variables() {
    let (redis, port) = (Redis::start(), free_port().to_string());
    let tocsin = Tocsin::prepare(&[], &[]);
    let data = tocsin.dir.path().join("data");
    std::fs::create_dir(&data).expect("our own directory");
    let envs = [
        ("TOCSIN", env!("CARGO_BIN_EXE_tocsin")),
        ("DIR", data.to_str().expect("a plain path")),
        ("ORCHESTRATOR_PORT", &port),
        ("REDIS_URL", &format!("redis://127.0.0.1:{}/0", redis.port)),
        ("TOCSIN_DISCOVER", "off"),
    ];
    run("10-environment.sh", &tocsin, &envs);
}

#[test]
fn a_task_for_the_next_minute_runs_without_credentials() {
    let tocsin = Tocsin::start(&[], &[]);
    run("12-scheduler.sh", &tocsin, &[]);
}
