//! Alertmanager's place taken: every verb of Debian's amtool, Debian's prometheus that posts its alerts, the public
//! description of the API and the public cases of its filters.

mod public;
#[path = "../support/mod.rs"]
mod support;

use serde_json::json;
use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};
use support::{Program, Tocsin, eventually, free_port, request};

const LIMIT: Duration = Duration::from_secs(20);

const ROUTING: &str = "global: {resolve_timeout: 5m}
route:
  receiver: team
  group_by: [alertname]
  routes:
  - matchers: ['severity=\"critical\"']
    receiver: pager
    continue: true
  - matchers: ['team=~\"web|db\"']
    receiver: chat
receivers:
- name: team
  webhook_configs: [{url: 'http://user:password@127.0.0.1:9/hook'}]
- name: chat
  slack_configs: [{api_url: 'http://127.0.0.1:9/slack', channel: '#ops'}]
- name: pager
  pagerduty_configs: [{routing_key: 0123456789abcdef, url: 'http://127.0.0.1:9/pd'}]
inhibit_rules:
- source_matchers: ['severity=\"critical\"']
  target_matchers: ['severity=\"warning\"']
  equal: [node]
";

/// Tocsin on an `alertmanager.yml`.
fn with_routing(routing: &str) -> Tocsin {
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let file = tocsin.dir.path().join("alertmanager.yml");
    fs::write(&file, routing).expect("our own directory");
    tocsin.add_args(&["--alertmanager-config", file.to_str().expect("a plain path")]);
    tocsin.start_again();
    tocsin
}

/// amtool's standard output, with `input` on its standard input. It must succeed.
fn amtool(tocsin: &Tocsin, args: &[&str], input: &str) -> String {
    let mut command = Command::new("amtool");
    command.arg(format!("--alertmanager.url={}", tocsin.url)).args(args);
    // A user's own file must not lead elsewhere.
    command.env("HOME", tocsin.dir.path()).current_dir(tocsin.dir.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        command.spawn().unwrap_or_else(|why| panic!("cannot start amtool: {why}; ./test installs it"));
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "amtool {args:?}: {}\n{out}\n{err}\n{}", output.status, tocsin.log());
    out.into_owned()
}

#[test]
fn every_verb_of_amtool_works_unmodified() {
    let tocsin = with_routing(ROUTING);
    let run = |args: &[&str]| amtool(&tocsin, args, "");
    let has = |args: &[&str], wanted: &[&str]| {
        let out = run(args);
        for part in wanted {
            assert!(out.contains(part), "amtool {args:?}: {part:?} is not in\n{out}");
        }
    };
    let lacks = |args: &[&str], part: &str| {
        let out = run(args);
        assert!(!out.contains(part), "amtool {args:?}: {part:?} is in\n{out}");
    };

    run(&[
        "alert",
        "add",
        "Disk",
        "node=a",
        "severity=critical",
        "--annotation=summary=full",
        "--generator-url=http://x/y",
        "--end=2099-01-01T00:00:00Z",
    ]);
    run(&["alert", "add", "alertname=Slow", "node=a", "severity=warning", "--start=2026-01-01T00:00:00Z"]);
    has(&["alert"], &["Disk", "full", "active"]);
    has(&["alert", "query", "-o", "extended"], &["severity=\"critical\"", "http://x/y", "2099-01-01"]);
    has(&["alert", "query", "-o", "json"], &["\"alertname\":\"Disk\"", "\"generatorURL\":\"http://x/y\""]);
    has(&["alert", "query", "Disk"], &["full"]);
    has(&["alert", "query", "alertname=~Di.*", "node=a"], &["full"]);
    has(&["alert", "query", "-a"], &["Disk"]);
    has(&["alert", "query", "-i"], &["Slow", "suppressed"]);
    lacks(&["alert", "query", "-i"], "Disk");
    lacks(&["alert", "query", "-s"], "Disk");
    lacks(&["alert", "query", "-u"], "Disk");
    has(&["alert", "query", "-r", "pag.*"], &["Disk"]);
    lacks(&["alert", "query", "-r", "chat"], "Disk");

    let id = run(&["silence", "add", "alertname=Disk", "node!~b.*", "-a", "me", "-c", "known", "-d", "1h"]);
    let id = id.trim();
    has(&["silence", "query"], &[id, "known", "me"]);
    has(&["silence"], &[id]);
    has(&["silence", "query", "-o", "extended"], &[id, "alertname=\"Disk\"", "node!~\"b.*\""]);
    has(&["silence", "query", "Disk", "-q"], &[id]);
    has(&["silence", "query", "--created-by=me", "-q"], &[id]);
    lacks(&["silence", "query", "--created-by=you", "-q"], id);
    has(&["silence", "query", "--within=2h", "-q"], &[id]);
    lacks(&["silence", "query", "--within=1m", "-q"], id);
    lacks(&["alert", "query", "Disk"], "full");
    has(&["alert", "query", "-s", "Disk"], &["suppressed"]);
    let exported = run(&["silence", "query", "-o", "json"]);
    has(&["silence", "update", "-d", "3h", "-c", "longer", id], &["longer"]);
    let kept = run(&["silence", "query", "-q"]).trim().to_owned();
    run(&["silence", "expire", &kept]);
    assert_eq!(run(&["silence", "query", "-q"]).trim(), "");
    has(&["silence", "query", "--expired"], &[&kept, "longer"]);
    has(&["silence", "query", "--expired", "--within=2h", "-q"], &[&kept]);
    has(&["alert", "query", "Disk"], &["full"]);
    let file = tocsin.dir.path().join("silences.json");
    fs::write(&file, &exported).expect("our own directory");
    run(&["silence", "import", file.to_str().expect("a plain path")]);
    run(&["silence", "import", "--force", file.to_str().expect("a plain path")]);
    amtool(&tocsin, &["silence", "import", "-w", "2"], &exported);
    has(&["silence", "query"], &["known", "alertname=\"Disk\""]);
    run(&[
        "silence",
        "add",
        "team!=db",
        "-a",
        "me",
        "-c",
        "all but theirs",
        "--start=2099-01-01T00:00:00Z",
        "--end=2099-01-02T00:00:00Z",
    ]);

    has(&["check-config", "alertmanager.yml"], &["SUCCESS", "3 receivers"]);
    has(&["cluster", "show"], &["disabled"]);
    has(&["cluster", "show", "-o", "json"], &["\"status\":\"disabled\""]);
    has(&["config", "show"], &["receiver: team", "<secret>"]);
    lacks(&["config", "show"], "password");
    lacks(&["config", "show"], "0123456789abcdef");
    has(&["config", "show", "-o", "json"], &["\"original\":"]);
    run(&["config", "show", "-o", "extended"]);
    // Read back from what the server shows, its secrets masked.
    for args in [&["config", "routes"][..], &["config", "routes", "show"]] {
        has(args, &["pager", "chat", "severity=\"critical\""]);
    }
    has(&["config", "routes", "test", "severity=critical", "team=web"], &["pager,chat"]);
    has(&["config", "routes", "test", "--tree", "severity=critical"], &["pager"]);
    run(&["config", "routes", "test", "--verify.receivers=pager,chat", "severity=critical", "team=web"]);
    has(&["template", "render", "--template.glob=none*", "--template.text={{ .Status }}"], &[]);
}

#[test]
fn prometheus_posts_its_alerts() {
    let tocsin = with_routing(ROUTING);
    let (dir, port) = (tocsin.dir.path(), free_port());
    let address = tocsin.url.trim_start_matches("http://");
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s, external_labels: {{cluster: c1}}}}\n\
         rule_files: [rules.yml]\n\
         alerting:\n  alertmanagers:\n  - api_version: v2\n    static_configs: [{{targets: ['{address}']}}]\n"
    );
    fs::write(dir.join("prometheus.yml"), config).expect("our own directory");
    let rules = |expr: &str| {
        let text = format!(
            "groups:\n- name: g\n  rules:\n  - alert: FromProm\n    expr: {expr}\n    labels: {{severity: critical}}\n    \
             annotations: {{summary: 'value {{{{ $value }}}}'}}\n"
        );
        fs::write(dir.join("rules.yml"), text).expect("our own directory");
    };
    rules("vector(3) > 2");
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", dir.join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", dir.join("upstream").display()));
    command.args([format!("--web.listen-address=127.0.0.1:{port}"), "--web.enable-lifecycle".to_owned()]);
    // The first ones are lost while it still looks for us; by itself it would say them again after a minute.
    command.arg("--rules.alert.resend-delay=1s");
    let _program = Program::start(&mut command, &dir.join("upstream.log"));
    let held = || tocsin.get("/api/v2/alerts").json().as_array().expect("a list").clone();
    let alert = eventually("its alert", LIMIT, || held().into_iter().next());
    assert_eq!(alert["labels"], json!({"alertname": "FromProm", "cluster": "c1", "severity": "critical"}));
    assert_eq!(alert["annotations"]["summary"], "value 3");
    assert!(alert["generatorURL"].as_str().is_some_and(|url| url.contains("/graph?g0.expr=")), "{alert}");
    assert_eq!(alert["receivers"], json!([{"name": "pager"}]));
    let upstream = format!("http://127.0.0.1:{port}");
    eventually("prometheus knows us", LIMIT, || {
        let known = support::get(&format!("{upstream}/api/v1/alertmanagers"))?.json();
        known["data"]["activeAlertmanagers"][0]["url"]
            .as_str()
            .filter(|url| url.contains(address))
            .map(|_| ())
    });
    rules("vector(1) > 2");
    assert_eq!(
        request("POST", &format!("{upstream}/-/reload"), &[], "").map(|reply| reply.status),
        Some(200)
    );
    eventually("its end", LIMIT, || held().is_empty().then_some(()));
    let refused = fs::read_to_string(dir.join("upstream.log")).expect("its log");
    assert!(!refused.contains("Error sending alert"), "{refused}");
}
