//! The scripts that users of the source systems run, unchanged, against a real server.

mod support;

use std::process::Command;
use std::time::Duration;
use support::{NodeExporter, Redis, Tocsin, eventually, free_port, root};

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

/// One Tocsin at the four addresses where the playbooks look for Prometheus, Alertmanager and Grafana.
#[test]
fn the_playbooks_of_the_watching_run_unchanged() {
    let node = NodeExporter::start();
    let ports = [(); 4].map(|()| free_port());
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let file = tocsin.dir.path().join("prometheus.yml");
    let scrape = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: orchestrator-api\n  \
         static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
        node.port
    );
    std::fs::write(&file, scrape).expect("our own directory");
    tocsin.add_args(&["--prometheus-config", file.to_str().expect("a plain path")]);
    for port in ports {
        tocsin.add_args(&["--listen", &format!("127.0.0.1:{port}")]);
    }
    tocsin.start_again();
    eventually("a scrape", Duration::from_secs(20), || tocsin.query("up{job=\"orchestrator-api\"} == 1"));
    eventually("our own figures", Duration::from_secs(20), || {
        tocsin.query("count(orchestrator_tasks_total)")
    });
    let [prometheus, second, alertmanager, grafana] = ports.map(|port| format!("http://localhost:{port}"));
    run("18-prometheus.sh", &tocsin, &[("PROMETHEUS", &prometheus)]);
    run("19-alertmanager.sh", &tocsin, &[("ALERTMANAGER", &alertmanager)]);
    run("20-grafana.sh", &tocsin, &[("GRAFANA", &grafana)]);
    let all = [("PROMETHEUS", second.as_str()), ("ALERTMANAGER", &alertmanager), ("GRAFANA", &grafana)];
    run("23-watching.sh", &tocsin, &all);
}

#[test]
fn the_monitoring_api_answers_as_the_guide_says() {
    let log = tempfile::tempdir().expect("a directory").keep().join("tocsin.log");
    let file = log.display().to_string();
    let tocsin = Tocsin::with_config(&format!("log: {{file: '{file}'}}\n"), &[]);
    eventually("the first evaluation", Duration::from_secs(20), || {
        tocsin.get("/api/v1/monitoring/status").json()["last_evaluation"].is_string().then_some(())
    });
    run("26-monitoring.sh", &tocsin, &[]);
    run("28-metrics.py", &tocsin, &[]);
    run("27-log-search.sh", &tocsin, &[("LOG", &file)]);
    std::fs::remove_dir_all(log.parent().expect("it was made above")).expect("our own directory");
}

#[test]
fn presets_of_thresholds_are_picked_up() {
    let tocsin = Tocsin::prepare(&[], &[]);
    let (data, port) = (tocsin.dir.path().join("data"), free_port().to_string());
    std::fs::create_dir(&data).expect("our own directory");
    let envs = [
        ("TOCSIN", env!("CARGO_BIN_EXE_tocsin")),
        ("DIR", data.to_str().expect("a plain path")),
        ("PORT", &port),
        ("TOCSIN_DISCOVER", "off"),
    ];
    run("29-presets.sh", &tocsin, &envs);
}
