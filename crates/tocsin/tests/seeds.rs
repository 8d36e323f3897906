//! The scripts that users of the source systems run, unchanged, against a real server.

mod support;

use serde_json::json;
use std::process::Command;
use std::time::Duration;
use support::{Channels, NodeExporter, Redis, Tocsin, eventually, free_port, root};

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
    let all_four = ("ALERT_MEMORY_ENABLED", "true".to_owned());
    let tocsin = Tocsin::with_config(&format!("log: {{file: '{file}'}}\n"), &[all_four]);
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

/// What the guide's own functions send, and what our receivers send of the same alert.
#[test]
fn pages_are_those_of_the_guides_functions() {
    let channels = Channels::start();
    let (url, port) = (&channels.url, &channels.smtp_port);
    let routing = format!(
        "global: {{smtp_smarthost: '127.0.0.1:{port}', smtp_from: 'ops@example.org', smtp_auth_username: \
         'ops@example.org', smtp_auth_password: secret, smtp_tls_config: {{insecure_skip_verify: true}}}}\n\
         route: {{receiver: all, group_wait: 0s, group_by: ['...']}}\n\
         receivers:\n\
         - name: all\n  \
           webhook_configs:\n  \
           - url: '{url}/slack'\n    \
             payload:\n      \
               text: '{{{{ template \"emoji\" .CommonLabels.severity }}}} *Orchestrator Alert*'\n      \
               blocks: [{{type: section, text: {{type: mrkdwn, text: '{{{{ .CommonAnnotations.summary }}}}'}}}}]\n  \
           email_configs:\n  \
           - to: team@example.org\n    \
             headers: {{Subject: '[ALERT] Orchestrator API - {{{{ .CommonLabels.alertname }}}}'}}\n    \
             html: ''\n    \
             text: '{{{{ .CommonAnnotations.summary }}}}'\n  \
           pagerduty_configs:\n  \
           - {{routing_key: key-of-a-test, url: '{url}/pagerduty', source: orchestrator-api,\n     \
              description: '{{{{ .CommonAnnotations.summary }}}}', severity: '{{{{ .CommonLabels.severity }}}}'}}\n\
         templates: [emoji.tmpl]\n"
    );
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let file = tocsin.dir.path().join("alertmanager.yml");
    std::fs::write(&file, routing).expect("our own directory");
    let emoji = "{{ define \"emoji\" }}{{ if eq . \"critical\" }}:rotating_light:{{ else if eq . \"error\" }}:x:\
                 {{ else if eq . \"warning\" }}:warning:{{ else if eq . \"info\" }}:information_source:\
                 {{ else }}:bell:{{ end }}{{ end }}";
    std::fs::write(tocsin.dir.path().join("emoji.tmpl"), emoji).expect("our own directory");
    tocsin.add_args(&["--alertmanager-config", file.to_str().expect("a plain path")]);
    tocsin.start_again();
    let (message, subject) = ("the queue has *150* pending tasks", "QueueDepth");
    for (n, severity) in ["critical", "warning"].into_iter().enumerate() {
        let (slack, pagerduty) = (format!("{url}/slack"), format!("{url}/pagerduty"));
        let envs = [
            ("SLACK_WEBHOOK_URL", slack.as_str()),
            ("PAGERDUTY_URL", &pagerduty),
            ("PAGERDUTY_KEY", "key-of-a-test"),
            ("SMTP_HOST", "127.0.0.1"),
            ("SMTP_PORT", port),
            ("SMTP_USER", "ops@example.org"),
            ("SMTP_PASSWORD", "secret"),
            ("ALERT_EMAIL", "team@example.org"),
            ("MESSAGE", message),
            ("SUBJECT", subject),
            ("SEVERITY", severity),
        ];
        run("05-notify.py", &tocsin, &envs);
        let alert = json!([{"labels": {"alertname": subject, "severity": severity, "n": n.to_string()},
            "annotations": {"summary": message}}]);
        assert_eq!(tocsin.post("/api/v2/alerts", &alert).status, 200);
        let both = |channel: &str| (channels.posted(channel, 2 * n), channels.posted(channel, 2 * n + 1));
        let (theirs, ours) = both("slack");
        assert_eq!(ours, theirs);
        let (theirs, mut ours) = both("pagerduty");
        assert!(ours["dedup_key"].is_string(), "{ours}");
        // Theirs alone would open an incident each time; ours says more, and the same in what theirs says.
        for key in ["routing_key", "event_action"] {
            assert_eq!(ours[key], theirs[key], "{key}");
        }
        for key in ["summary", "severity", "source"] {
            assert_eq!(ours["payload"][key], theirs["payload"][key], "{key}");
        }
        let at = ours["payload"]["timestamp"].take();
        assert!(at.as_str().is_some_and(|at| at.ends_with('Z')), "{at}");
        let (theirs, ours) = (channels.mail(2 * n), channels.mail(2 * n + 1));
        for key in ["user", "sender", "to", "From", "To", "Subject"] {
            assert_eq!(ours[key], theirs[key], "{key}");
        }
        let text = |mail: &serde_json::Value| mail["text"].as_str().expect("a text").trim_end().to_owned();
        assert_eq!(text(&ours), text(&theirs));
    }
}
