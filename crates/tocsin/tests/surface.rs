//! The Prometheus and Alertmanager surface: Debian's own programs beside Tocsin, and their command line tools
//! against it, unchanged.

mod support;

use serde_json::{Value, json};
use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};
use support::{NodeExporter, Program, Reply, Tocsin, eventually, free_port, get, post, request};

const LIMIT: Duration = Duration::from_secs(20);
const FORM: &str = "application/x-www-form-urlencoded";

const RULES: &str = "groups:
- name: g
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
  - alert: Always
    expr: vector(1e-7) < 1
    labels: {severity: page}
    annotations: {summary: 'value {{ $value }}'}
  - alert: Never
    expr: up == 9
    for: 1h
    keep_firing_for: 5m
";

fn config(node: u16) -> String {
    format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
- job_name: node
  static_configs: [{{targets: ['127.0.0.1:{node}'], labels: {{env: test}}}}]
- job_name: down
  static_configs: [{{targets: ['127.0.0.1:1', '127.0.0.1:2']}}]
  relabel_configs: [{{source_labels: [__address__], regex: '.*:2', action: drop}}]
- job_name: limited
  sample_limit: 10
  static_configs: [{{targets: ['127.0.0.1:{node}']}}]
"
    )
}

/// Tocsin on a `prometheus.yml` of its own.
fn tocsin(node: u16) -> Tocsin {
    let mut tocsin = Tocsin::prepare(&[], &[]);
    fs::write(tocsin.dir.path().join("rules.yml"), RULES).expect("a rule file");
    let file = tocsin.dir.path().join("prometheus.yml");
    fs::write(&file, config(node)).expect("a configuration");
    tocsin.add_args(&["--prometheus-config", file.to_str().expect("a readable path")]);
    tocsin.start_again();
    tocsin
}

/// Debian's prometheus on the same file.
fn prometheus(tocsin: &Tocsin) -> (Program, String) {
    let (dir, port) = (tocsin.dir.path(), free_port());
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", dir.join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", dir.join("upstream").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let program = Program::start(&mut command, &dir.join("upstream.log"));
    let url = format!("http://127.0.0.1:{port}");
    eventually("prometheus", LIMIT, || get(&format!("{url}/-/ready")).filter(|reply| reply.status == 200));
    (program, url)
}

/// Runs a tool; its standard output. It must succeed.
fn tool(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|why| panic!("cannot start {program}: {why}; ./test installs it"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// An answer without what differs between any two runs: the kinds of its values stay.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(list) => list.iter().take(1).map(shape).collect(),
        Value::Number(_) => json!(0),
        Value::String(_) => json!(""),
        other => other.clone(),
    }
}

fn check_same(path: &str, theirs: &Reply, ours: &Reply, of: impl Fn(&Value) -> Value) {
    let facts = |reply: &Reply| {
        let kind = reply.headers.get("content-type").map(|v| v.to_str().expect("ASCII").to_owned());
        (reply.status, kind, if reply.status == 200 { of(&reply.json()) } else { Value::Null })
    };
    assert_eq!(facts(ours), facts(theirs), "{path}\nours:   {}\ntheirs: {}", ours.body, theirs.body);
}

#[test]
fn answers_are_those_of_prometheus() {
    let node = NodeExporter::start();
    let tocsin = tocsin(node.port);
    let (_program, theirs) = prometheus(&tocsin);
    for url in [&tocsin.url, &theirs] {
        eventually("a rule's sample and a scrape of each job", LIMIT, || {
            let query = "count(up)%20%3D%3D%203%20and%20on()%20job:up:sum%7Bjob%3D%22node%22%7D%20%3D%3D%201";
            let reply = get(&format!("{url}/api/v1/query?query={query}"))?;
            (!reply.json()["data"]["result"].as_array()?.is_empty()).then_some(())
        });
    }
    let both = |path: &str| {
        let ask = |url: &str| get(&format!("{url}{path}")).unwrap_or_else(|| panic!("{path}: no answer"));
        (ask(&theirs), ask(&tocsin.url))
    };
    // The same to the last digit.
    for expr in [
        "1",
        "1%2F3",
        "1e21",
        "vector(1e21)",
        "vector(1e-7)",
        "NaN",
        "-Inf",
        "%22a%5C%22%22",
        "time()",
        "nosuch",
        "sum(",
        "rate(up)",
        "foo()",
        "vector(1)%5B5s%3A1s%5D%20offset%20-1ms",
        "1%20%3D%3D%20bool%201",
    ] {
        for time in
            ["1763777230", "1763777230.5", "2025-11-22T02:07:10.25%2B01:00", "-5", "1e9", "1763777230.0005"]
        {
            let path = format!("/api/v1/query?query={expr}&time={time}");
            let (theirs, ours) = both(&path);
            check_same(&path, &theirs, &ours, Value::clone);
        }
    }
    for path in [
        "/api/v1/query_range?query=vector(1)&start=0&end=10&step=2.5",
        "/api/v1/query_range?query=1&start=0&end=11000&step=1",
        "/api/v1/query_range?query=1&start=0&end=11001&step=1",
        "/api/v1/query_range?query=1&start=10&end=0&step=1",
        "/api/v1/query_range?query=1&start=0&end=10&step=0",
        "/api/v1/query_range?query=up%5B5m%5D&start=0&end=10&step=1",
        "/api/v1/query_range?query=1&start=0&end=10",
        "/api/v1/series",
        "/api/v1/series?match[]=nosuch",
        "/api/v1/series?match[]=%7B",
        "/api/v1/labels?match[]=up",
        "/api/v1/labels?start=10&end=5",
        "/api/v1/labels?start=x",
        "/api/v1/label/env/values",
        "/api/v1/label/job/values?match[]=up",
        "/api/v1/label/nosuch/values",
        "/api/v1/metadata?metric=node_load1",
        "/api/v1/metadata?metric=nosuch",
        "/api/v1/metadata?limit=x",
        "/api/v1/rules?type=x",
        "/api/v1/nosuch",
        "/api/v1/query?query=count(node_load1)%20by%20(job,env)&time=10",
    ] {
        let (theirs, ours) = both(path);
        check_same(path, &theirs, &ours, Value::clone);
    }
    // The same in kind.
    for path in [
        "/api/v1/query?query=up",
        "/api/v1/query?query=up%5B5s%5D",
        "/api/v1/series?match[]=up",
        "/api/v1/rules",
        "/api/v1/rules?type=alert",
        "/api/v1/rules?type=record",
        "/api/v1/alerts",
        "/api/v1/status/buildinfo",
        "/api/v1/status/config",
        "/api/v1/status/tsdb",
        "/api/v1/alertmanagers",
        "/api/v1/targets/metadata?metric=node_load1&match_target=%7Bjob%3D%22node%22%7D",
    ] {
        let (theirs, ours) = both(path);
        check_same(path, &theirs, &ours, shape);
    }
    // What the targets are told to be.
    let (theirs_targets, ours_targets) = both("/api/v1/targets");
    let facts = |reply: &Reply| -> Vec<Value> {
        let data = &reply.json()["data"];
        let active = data["activeTargets"].as_array().expect("a list").iter().map(|t| {
            let kept = ["discoveredLabels", "labels", "scrapePool", "scrapeUrl", "health", "scrapeInterval"];
            kept.iter().map(|name| ((*name).to_owned(), t[name].clone())).collect()
        });
        let mut all: Vec<Value> = active.collect();
        all.push(data["droppedTargets"][0]["discoveredLabels"].clone());
        all.sort_by_key(Value::to_string);
        all
    };
    assert_eq!(facts(&ours_targets), facts(&theirs_targets));
    // What a scrape reports of itself, refused ones too.
    for expr in ["up", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "ALERTS"] {
        let path = format!("/api/v1/query?query={expr}%7Bjob!%3D%22tocsin%22%7D");
        let (theirs, ours) = both(&path);
        let values = |answer: &Value| -> Value {
            let mut rows: Vec<Value> = answer["data"]["result"].as_array().expect("a list").clone();
            rows.iter_mut().for_each(|row| row["value"][0] = Value::Null);
            rows.sort_by_key(|row| row["metric"].to_string());
            rows.into()
        };
        check_same(&path, &theirs, &ours, values);
    }
    let form = post(&format!("{}/api/v1/query?time=7", tocsin.url), FORM, "query=1").expect("an answer");
    assert_eq!(form.json()["data"]["result"], json!([7, "1"]));
}

#[test]
fn the_tools_of_prometheus_and_alertmanager_work_unchanged() {
    let node = NodeExporter::start();
    let tocsin = tocsin(node.port);
    let url = tocsin.url.as_str();
    eventually("a scrape", LIMIT, || tocsin.query("up{job=\"node\"} == 1"));
    assert!(tool("promtool", &["query", "instant", url, "up{job=\"node\"}"]).contains("=> 1 @["));
    assert!(tool("promtool", &["query", "range", "--step=1s", url, "up{job=\"node\"}"]).contains("1 @["));
    assert!(tool("promtool", &["query", "series", "--match=up", url]).contains("job=\"node\""));
    assert!(tool("promtool", &["query", "labels", url, "job"]).contains("node\n"));

    let metrics = fs::File::create(tocsin.dir.path().join("metrics")).expect("a file");
    std::io::Write::write_all(&mut &metrics, tocsin.get("/metrics").body.as_bytes()).expect("it is written");
    let metrics = fs::File::open(tocsin.dir.path().join("metrics")).expect("the file");
    let lint = Command::new("promtool").args(["check", "metrics"]).stdin(metrics).output().expect("promtool");
    assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stderr));

    let amtool = |args: &[&str]| {
        let server = format!("--alertmanager.url={url}");
        tool("amtool", &[&[server.as_str()], args].concat())
    };
    amtool(&["alert", "add", "alertname=Disk", "node=a", "--annotation=summary=full"]);
    assert!(amtool(&["alert", "query", "alertname=Disk"]).contains("full"));
    let id =
        amtool(&["silence", "add", "alertname=Disk", "node!~b.*", "-a", "me", "-c", "known", "-d", "1h"]);
    let id = id.trim();
    assert!(amtool(&["silence", "query"]).contains(id));
    assert!(!amtool(&["alert", "query", "alertname=Disk"]).contains("full"));
    assert!(amtool(&["alert", "query", "--silenced", "alertname=Disk"]).contains("suppressed"));
    amtool(&["silence", "update", "-d", "2h", id]);
    let kept = amtool(&["silence", "query", "-q"]);
    amtool(&["silence", "expire", kept.trim()]);
    assert_eq!(amtool(&["silence", "query", "-q"]).trim(), "");
    assert!(amtool(&["alert", "query", "alertname=Disk"]).contains("full"));
    amtool(&["silence", "add", "team!=db", "-a", "me", "-c", "all but theirs"]);
}

#[test]
fn a_bad_reload_changes_nothing_and_says_where() {
    let node = NodeExporter::start();
    let tocsin = tocsin(node.port);
    let groups = || -> Vec<String> {
        let data = tocsin.get("/api/v1/rules").json()["data"]["groups"].clone();
        data.as_array().expect("groups").iter().map(|g| g["name"].as_str().unwrap_or("").to_owned()).collect()
    };
    let reload = || {
        request("POST", &format!("{}/-/reload", tocsin.url), &[("content-type", "application/json")], "")
            .expect("an answer")
    };
    let before = groups();
    let file = tocsin.dir.path().join("rules.yml");
    fs::write(&file, RULES.replace("up == 9", "up === 9").replace("name: g", "name: h"))
        .expect("it is written");
    let refused = reload();
    let place = format!("{}:11:", file.display());
    assert!(refused.status >= 400 && refused.body.contains(&place), "{place} {}", refused.body);
    assert_eq!(groups(), before);
    assert_eq!(tocsin.get("/api/v1/status/runtimeinfo").json()["data"]["reloadConfigSuccess"], false);
    fs::write(&file, RULES.replace("name: g", "name: h")).expect("it is written");
    assert_eq!(reload().status, 200);
    assert!(groups().contains(&"h".to_owned()), "{:?}", groups());
    assert_eq!(tocsin.get("/api/v1/status/runtimeinfo").json()["data"]["reloadConfigSuccess"], true);
}
