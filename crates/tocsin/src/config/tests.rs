//! Wrong files and what is said about each; then whole good ones; then the public cases.

use crate::check::{CheckResult, Options, check_with};
use crate::config::{Files, Kind, Retention, Sources, judge, load_with};
use std::path::Path;

/// A case: what kind the first file is, every file, and the start of each line that must be said, in order.
struct Case {
    kind: Kind,
    files: &'static [(&'static str, &'static str)],
    said: &'static [&'static str],
}

const RULES: &str = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == 0\n";

const WRONG: &[Case] = &[
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "listen: ['127.0.0.1:8080']\nreciever: x\n")],
        said: &["tocsin.yml:2:1: error: unknown key \"reciever\"; did you mean \"receivers\"?"],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "scrape_configs:\n- job_name: a\n  scrape_interval: 15\n")],
        said: &["tocsin.yml:3:20: error: scrape_interval: \"15\" is not a duration: a unit is missing"],
    },
    Case {
        kind: Kind::Rules,
        files: &[(
            "rules.yml",
            "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(rate(x[5m]) by (job)\n",
        )],
        said: &["rules.yml:5:"],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "route:\n  receiver: team\nreceivers:\n- name: tema\n")],
        said: &[
            "tocsin.yml:2:13: error: undefined receiver \"team\" used in route; define it under receivers:, or use one of: tema",
        ],
    },
    Case {
        kind: Kind::Config,
        files: &[(
            "tocsin.yml",
            "route: {receiver: t}\nreceivers:\n- name: t\n  slack_configs:\n  - api_url: file:slack-url\n    channel: '#x'\n",
        )],
        said: &["tocsin.yml:5:14: error: a secret's file is missing: cannot read DIR/slack-url"],
    },
    Case {
        kind: Kind::Config,
        files: &[(
            "tocsin.yml",
            "monitoring: {history: 24h}\nthresholds:\n- {name: a, metric: m, threshold: 1}\n- {name: a, metric: 'm > 1', threshold: 1}\n",
        )],
        said: &[
            "tocsin.yml:1:23: error: monitoring.history is below 168h; write one such as 30d",
            "tocsin.yml:4:10: error: there is more than one threshold with the name \"a\"; give each a name of its own",
            "tocsin.yml:4:21: error: the metric is an expression; write NAME or NAME{label=\"value\"}; an expression",
        ],
    },
    Case {
        kind: Kind::Alertmanager,
        files: &[("am.yml", "route: {receiver: t, escalation: sev0}\nreceivers: [{name: t}]\n")],
        said: &["am.yml:1:34: error: unknown key \"escalation\" in a route; Alertmanager has no such key"],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "route: {receiver: t, escalation: sev9}\nreceivers: [{name: t}]\n")],
        said: &["tocsin.yml:1:34: error: undefined escalation \"sev9\" used in route"],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "packs:\n  host: {escalation: nobody}\n")],
        said: &["tocsin.yml:2:3: error: pack host names the escalation \"nobody\", which is not defined"],
    },
    Case {
        kind: Kind::Config,
        files: &[(
            "tocsin.yml",
            "on_call:\n- name: ops\n  zone: Mars/Base\n  layers: [{people: [ada], start: '2026-01-05', turn: 1s}]\n",
        )],
        said: &[
            "tocsin.yml:3:9: error: unknown time zone \"Mars/Base\"",
            "tocsin.yml:4:22: error: \"ada\" is on call but no receiver",
            "tocsin.yml:4:55: error: a turn is shorter than a minute",
        ],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "thresholds:\n- {name: a, metric: m, treshold: 1}\n")],
        said: &["tocsin.yml:2:24: error: unknown key \"treshold\"; did you mean \"threshold\"?"],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "scrape_configs:\n- job_name: a\n- job_name: a\n")],
        said: &[
            "tocsin.yml:3:13: error: job_name: there is more than one job with the name \"a\"; give each job_name once",
        ],
    },
    Case {
        kind: Kind::Config,
        files: &[(
            "tocsin.yml",
            "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - {source_labels: [x], regex: '(', action: keep}\n",
        )],
        said: &["tocsin.yml:4:"],
    },
    Case {
        kind: Kind::Alertmanager,
        files: &[(
            "am.yml",
            "route:\n  receiver: t\n  routes:\n  - matchers: ['severity critical']\nreceivers:\n- name: t\n",
        )],
        said: &[
            "am.yml:4:16: error: bad matcher \"severity critical\": an operator is expected here: = != =~ !~",
        ],
    },
    Case {
        kind: Kind::Alertmanager,
        files: &[(
            "am.yml",
            "route:\n  receiver: t\n  routes:\n  - mute_time_intervals: [nights]\nreceivers:\n- name: t\ntime_intervals:\n- name: night\n",
        )],
        said: &[
            "am.yml:4:27: error: undefined time interval \"nights\" used in route; define it under time_intervals:, or use one of: night",
        ],
    },
    Case {
        kind: Kind::Alertmanager,
        files: &[("am.yml", "route:\n  receiver: t\n  group_by: [alert-name]\nreceivers:\n- name: t\n")],
        said: &[
            "am.yml:3:14: error: invalid label name \"alert-name\" in group_by; label names are letters, digits and _",
        ],
    },
    Case {
        kind: Kind::Rules,
        files: &[(
            "rules.yml",
            "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == 0\n    annotations:\n      summary: '{{ $value | humanise }}'\n",
        )],
        said: &["rules.yml:7:16: error: template of \"summary\" of alert \"A\": "],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "external_url: \"https://${NO_SUCH_NAME}/\"\n")],
        said: &[
            "tocsin.yml:1:24: error: the variable NO_SUCH_NAME is not set; set NO_SUCH_NAME, or give a default: ${NO_SUCH_NAME:-VALUE}",
        ],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "listen:\n- 127.0.0.1:99999\n")],
        said: &[
            "tocsin.yml:2:3: error: \"127.0.0.1:99999\" is not an address to listen on; write IP:PORT, such as 127.0.0.1:8080",
        ],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "listen: ['127.0.0.1:8080'\nworkers: {}\n")],
        said: &["tocsin.yml:"],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "workers:\n  slots: many\n")],
        said: &["tocsin.yml:2:10: error: "],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "rule_files: [rules.yml, more.yml]\n"), ("rules.yml", RULES)],
        said: &["tocsin.yml:1:25: error: there is no rule file DIR/more.yml; create it, or correct the path"],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "route: {receiver: t}\nreceivers:\n- name: t\n- name: t\n")],
        said: &["tocsin.yml:4:9: error: name: two receivers are called \"t\"; give one of them another name"],
    },
    Case {
        kind: Kind::Config,
        files: &[(
            "tocsin.yml",
            "probes:\n- name: a\n  interval: 5s\n- {name: b, tcp: 'h:1', redis: 'h:2'}\n",
        )],
        said: &[
            "tocsin.yml:2:3: error: a probe asks one of redis, postgres, http, tcp; add one, such as tcp: HOST:PORT",
            "tocsin.yml:4:3: error: a probe asks one of redis, postgres, http, tcp; keep one of them",
        ],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "packs:\n  tocsin: {}\n  redsi: {}\n")],
        said: &["tocsin.yml:3:3: error: there is no pack \"redsi\"; did you mean \"redis\"?"],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "packs:\n  redis:\n    tarket: x\n")],
        said: &["tocsin.yml:2:3: error: pack redis has no parameter \"tarket\"; did you mean \"target\"?"],
    },
    Case {
        kind: Kind::Config,
        files: &[
            ("tocsin.yml", "runbooks: [r.yml]\n"),
            ("r.yml", "name: r\nmatch: ['alertname=\"A\"']\ndiagnose:\n- id: a\n  uses: rediss\n"),
        ],
        said: &[
            "r.yml:5:9: error: step \"a\" uses \"rediss\", which is no kind of work; did you mean \"redis\"?",
        ],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "auth:\n  open_reads: yes\n")],
        said: &["tocsin.yml:2:15: error: "],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "listen: []\nlisten: []\n")],
        said: &["tocsin.yml:2:1: error: the key \"listen\" is given twice; keep one of them"],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "series: {retention: 15days, memory_budget: lots}\n")],
        said: &[
            "tocsin.yml:1:21: error: retention: \"15days\" is not a duration: the unit is unknown",
            "tocsin.yml:1:44: error: memory_budget: \"lots\" is not a size; write a number with a unit, such as 512MB",
        ],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "retention:\n  runs: 30s\n  alerts: week\n  audits: 30d\n")],
        said: &["tocsin.yml:4:3: error: unknown key \"audits\"; did you mean \"audit\"?"],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "retention:\n  runs: 30s\n  alerts: week\n  audit: 30d\n")],
        said: &[
            "tocsin.yml:2:9: error: retention.runs is below one minute; write one such as 14d",
            "tocsin.yml:3:11: error: alerts: \"week\" is not a duration",
        ],
    },
    Case {
        kind: Kind::Config,
        files: &[
            ("tocsin.yml", "include: {prometheus: prom.yml, alertmanager: none.yml}\n"),
            ("prom.yml", "globl: {}\n"),
        ],
        said: &[
            "prom.yml:1:1: error: unknown key \"globl\"; did you mean \"global\"?",
            "none.yml:1:1: error: cannot read",
        ],
    },
    Case {
        kind: Kind::Config,
        files: &[("tocsin.yml", "scrape_configs:\n- job_name: a\n  bearer_token_file: secrets/token\n")],
        said: &[
            "tocsin.yml:3:22: error: bearer_token_file: there is no file DIR/secrets/token; create it, or correct the path",
        ],
    },
    Case {
        kind: Kind::Prometheus,
        files: &[("prom.yml", "global:\n  scrape_timeout: 20s\n  scrape_interval: 10s\n")],
        said: &["prom.yml:2:19: error: global scrape_timeout is greater than the scrape_interval"],
    },
    Case {
        kind: Kind::Config,
        files: &[
            ("tocsin.yml", "route: {receiver: t}\nreceivers:\n- name: t\ninclude: {alertmanager: am.yml}\n"),
            ("am.yml", "route: {receiver: t}\nreceivers: [{name: t}]\n"),
        ],
        said: &[
            "tocsin.yml:3:3: error: routing is given here and in DIR/am.yml; keep route, receivers, inhibit_rules",
        ],
    },
];

/// Writes the files, checks the first one, and returns what was said without the folder's name.
fn run(kind: Kind, files: &[(&str, &str)], options: &Options) -> CheckResult {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let first = dir.path().join(files[0].0);
    let mut result = check_with(Some(kind), &[first], options, &|_| None);
    let root = format!("{}/", dir.path().display());
    for line in &mut result.lines {
        *line = line.strip_prefix(&root).unwrap_or(line).replace(&root, "DIR/");
    }
    result
}

#[test]
fn wrong_files_are_refused_with_place_and_remedy() {
    let mut failures = Vec::new();
    for case in WRONG {
        let result = run(case.kind, case.files, &Options::default());
        let said = case.said.iter().all(|wanted| result.lines.iter().any(|line| line.starts_with(wanted)));
        if !said || result.code() != 1 || result.lines.len() != case.said.len() {
            failures.push(format!("{}\n wanted {:#?}\n got {:#?}", case.files[0].1, case.said, result.lines));
        }
    }
    assert!(WRONG.len() >= 20);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn findings_fail_only_when_strict() {
    let files = [("am.yml", "route: {receiver: t}\nreceivers: [{name: t}]\ntracing: {endpoint: x}\n")];
    let lenient = run(Kind::Alertmanager, &files, &Options::default());
    assert_eq!(lenient.lines, ["am.yml:3:10: finding: tracing is not acted on yet"]);
    assert_eq!((lenient.code(), lenient.summary().as_str()), (0, "TOTAL: 1 passed, 0 failed, 0 skipped"));
    let strict = run(Kind::Alertmanager, &files, &Options { strict: true, files: false });
    assert_eq!((strict.code(), strict.summary().as_str()), (1, "TOTAL: 0 passed, 1 failed, 0 skipped"));
}

#[test]
fn without_files_tocsin_and_the_host_are_watched_and_told_on_the_console() {
    let loaded = load_with(&Sources::default(), &|_| None).unwrap();
    let mut groups: Vec<&str> = loaded.rule_groups.iter().map(|group| group.name.as_str()).collect();
    groups.sort_unstable();
    assert_eq!(groups, ["host", "tocsin"]);
    assert!(loaded.collect.host.is_some());
    assert_eq!(loaded.alerts.route.nodes[0].receiver, "console");
}

#[test]
fn the_example_stack_loads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sources = Sources { config: Some(root.join("examples/stack/tocsin.yml")), ..Sources::default() };
    let env = |name: &str| (name == "REDIS_PORT").then(|| "16379".to_owned());
    let loaded = load_with(&sources, &env).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(loaded.collect.jobs.len(), 1);
    assert_eq!(loaded.collect.probes.len(), 2);
    assert!(loaded.collect.probes.iter().any(|probe| probe.question.peer() == "127.0.0.1:16379"));
    assert_eq!(loaded.runbooks.len(), 2);
    assert_eq!(loaded.listen, ["127.0.0.1:8080".parse().unwrap()]);
}

#[test]
fn each_class_of_history_is_kept_as_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tocsin.yml");
    let text = "retention: {runs: 3d, alerts: 12h, audit: 60d, events: 1h}\nseries: {retention: 10d}\n\
                approvals: {history: 5d, history_max: 7}\n";
    std::fs::write(&path, text).unwrap();
    let sources = Sources { config: Some(path), ..Sources::default() };
    let loaded = load_with(&sources, &|_| None).unwrap_or_else(|report| panic!("{report}"));
    let hours = |hours: u64| Some(std::time::Duration::from_secs(hours * 3600));
    let wanted =
        Retention { runs: hours(72), alerts: hours(12), audit: hours(1440), events: hours(1), logs: None };
    assert_eq!(loaded.retention, wanted);
    assert_eq!((Some(loaded.series.retention), loaded.approvals.history_ttl), (hours(240), hours(120)));
    assert_eq!(loaded.approvals.history_max, Some(7));
    let nothing = load_with(&Sources::default(), &|_| None).unwrap();
    assert_eq!((nothing.retention, Some(nothing.series.retention)), (Retention::default(), hours(720)));
}

#[test]
fn existing_files_load_by_flag_alone() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        Some(dir.path().join(name))
    };
    write("rules.yml", RULES);
    let sources = Sources {
        config: None,
        prometheus: write(
            "prom.yml",
            "global: {evaluation_interval: 30s, external_labels: {site: eu}}\nrule_files: [rules.yml, none.yml]\n\
             scrape_configs: [{job_name: a, honor_labels: yes, static_configs: [{targets: ['h:1']}]}]\n\
             storage: {tsdb: {retention: {time: 3d}}}\n",
        ),
        alertmanager: write(
            "am.yml",
            "global: {resolve_timeout: 1m}\nroute: {receiver: t}\nreceivers: [{name: t, webhook_configs: [{url: 'http://h/x'}]}]\n",
        ),
    };
    let loaded = load_with(&sources, &|_| None).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(loaded.rule_groups.len(), 1, "a lone configuration pages nobody about anything else");
    assert_eq!(loaded.rules.evaluation_interval.as_secs(), 30);
    assert_eq!(loaded.rules.external_labels.get("site"), Some("eu"));
    assert_eq!(loaded.series.retention.as_secs(), 3 * 86_400);
    assert_eq!(loaded.alerts.resolve_timeout.as_secs(), 60);
    assert_eq!(loaded.findings.problems.len(), 1, "{}", loaded.findings);
    assert!(loaded.shown.alertmanager.contains("resolve_timeout"));
}

#[test]
fn packs_are_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
    for pack in super::packs::names() {
        let report = judge(Kind::Pack, &root.join(pack), Files::Leave, &|_| None);
        assert_eq!(report.to_string(), "", "{pack}");
    }
}

/// Every file of an index with a verdict, judged; those whose verdict hangs on what we say is not supported are
/// skipped with the reason.
fn conformance(folder: &str, kind: Kind) {
    let Ok(root) = std::env::var("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    let base = Path::new(&root).join(folder);
    let index = std::fs::read_to_string(base.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let (mut passed, mut skipped, mut failures) = (0, Vec::new(), Vec::new());
    for entry in index["files"].as_array().unwrap() {
        let name = entry["file"].as_str().unwrap();
        let Some(valid) = entry["valid"].as_bool() else {
            skipped.push(format!("{name}: the verdict depends on flags"));
            continue;
        };
        let report = judge(kind, &base.join(name), Files::Leave, &|_| None);
        if report.has_errors() != valid {
            passed += 1;
        } else if report.to_string().contains("_sd_configs is not done yet") && !valid {
            skipped.push(format!("{name}: service discovery not supported"));
        } else {
            failures.push(format!("{name}: valid {valid}, {}\n{report}", entry["error"]));
        }
    }
    println!("{folder}: {passed} passed, {} failed, {} skipped", failures.len(), skipped.len());
    for line in &skipped {
        println!("  skipped {line}");
    }
    assert!(failures.is_empty(), "{folder}: {passed} passed, failed:\n{}", failures.join("\n"));
}

#[test]
fn prometheus_files() {
    conformance("config", Kind::Prometheus);
}

#[test]
fn alertmanager_files() {
    conformance("alertmanager/config", Kind::Alertmanager);
}

#[test]
fn inline_alertmanager_texts() {
    let Ok(root) = std::env::var("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    let cases = std::fs::read_to_string(Path::new(&root).join("alertmanager/config-inline.json")).unwrap();
    let cases: serde_json::Value = serde_json::from_str(&cases).unwrap();
    for case in cases["cases"].as_array().unwrap() {
        let text = case["config"].as_str().unwrap();
        let result = run(Kind::Alertmanager, &[("am.yml", text)], &Options::default());
        assert_eq!(result.code() == 0, case["valid"] == true, "{} {:#?}", case["name"], result.lines);
    }
}

#[test]
fn who_is_told_next_comes_from_routes_packs_and_beside_an_alertmanager_file() {
    let dir = tempfile::tempdir().expect("a folder of our own");
    let own = "
alerts: {resolve: group_interval, damping: 10m}
include: {alertmanager: am.yml}
escalations:
- name: night
  repeat: 2
  steps: [{wait: 5m}, {on_call: ops, wait: 10m}, {notify: boss, wait: 15m}]
on_call:
- name: ops
  zone: Europe/Berlin
  layers:
  - {people: [ada, bob], start: '2026-01-05T09:00', turn: 7d}
  overrides:
  - {who: boss, from: '2026-12-24T00:00', until: '2026-12-27T00:00:00Z'}
packs:
  host: {escalation: night}
  tocsin: {}
";
    let upstream = "
route: {receiver: team}
receivers: [{name: team}, {name: ada}, {name: bob}, {name: boss}]
";
    std::fs::write(dir.path().join("tocsin.yml"), own).expect("our own folder");
    std::fs::write(dir.path().join("am.yml"), upstream).expect("our own folder");
    let sources = Sources { config: Some(dir.path().join("tocsin.yml")), ..Sources::default() };
    let loaded = load_with(&sources, &|_| None).expect("a good file").alerts;
    let names: Vec<&str> = loaded.policies.keys().map(String::as_str).collect();
    assert_eq!(names, ["night", "sev0", "sev1", "sev2", "sev3"]);
    assert!(
        loaded.pack_policies.values().all(|policy| policy == "night") && !loaded.pack_policies.is_empty()
    );
    let at = |text: &str| model::Timestamp::parse_rfc3339(text).expect("an instant");
    let ops = &loaded.schedules["ops"];
    assert_eq!(ops.who(at("2026-01-12T08:00:00Z")), Some("bob"));
    assert_eq!(ops.who(at("2026-12-26T12:00:00Z")), Some("boss"));
    let root = &loaded.route.nodes[0];
    assert_eq!((root.resolve, root.damping.as_secs()), (alerts::Resolve::GroupInterval, 600));
}
