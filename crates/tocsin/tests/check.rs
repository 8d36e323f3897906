//! `tocsin check` as a person meets it: exit code, `FILE:LINE:COL`, what is wrong, what would be right.

mod support;

use std::process::{Command, Output};

fn check(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tocsin")).arg("check").args(args).output().expect("our own binary")
}

/// Kind, text, where, and words that the message must hold.
const WRONG: [(&str, &str, &str, &[&str]); 20] = [
    ("config", "lisen: [\"127.0.0.1:1\"]\n", "1:1", &["lisen", "listen"]),
    ("config", "listen: [\"nowhere\"]\n", "1:", &["nowhere"]),
    ("config", "probes:\n  - name: a\n    tcp: 127.0.0.1:1\n    interval: 5\n", "4:", &["interval"]),
    ("config", "probes:\n  - name: a\n    interval: 5s\n", "2:", &["redis", "http"]),
    ("config", "packs:\n  rediss: {}\n", "2:", &["rediss", "redis"]),
    ("config", "route: {receiver: ghost}\nreceivers: [{name: a}]\n", "1:", &["ghost"]),
    ("config", "rule_files: [missing-rules.yml]\n", "1:", &["missing-rules.yml"]),
    ("config", "auth: {open_reads: sometimes}\n", "1:", &["open_reads"]),
    (
        "config",
        "receivers:\n  - name: a\n    webhook_configs: [{url: \"${NOT_SET_ANYWHERE}\"}]\n",
        "3:",
        &["NOT_SET_ANYWHERE"],
    ),
    ("prometheus", "global:\n  scrape_interval: 5 parsecs\n", "2:", &["5 parsecs", "30s"]),
    ("prometheus", "scrape_configs:\n  - job_name: a\n  - job_name: a\n", "3:", &["job", "a"]),
    (
        "prometheus",
        "scrape_configs:\n  - job_name: a\n    relabel_configs:\n      - regex: '('\n",
        "4:",
        &["bad regex", "unclosed"],
    ),
    (
        "prometheus",
        "scrape_configs:\n  - job_name: a\n    scrape_interval: 1s\n    scrape_timeout: 5s\n",
        "",
        &["timeout"],
    ),
    ("prometheus", "scrape_configs: [\n", "", &[]),
    (
        "rules",
        "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: sum(up\n",
        "5:",
        &["parse error"],
    ),
    (
        "rules",
        "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: up\n        for: tomorrow\n",
        "6:",
        &["tomorrow"],
    ),
    (
        "rules",
        "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: up\n        annotations: {s: \"{{ .X \"}\n",
        "6:",
        &["template"],
    ),
    ("alertmanager", "route: {receiver: a}\nreceivers: [{name: b}]\n", "1:", &["a"]),
    (
        "alertmanager",
        "route: {receiver: a, mute_time_intervals: [nights]}\nreceivers: [{name: a}]\n",
        "1:",
        &["nights"],
    ),
    (
        "alertmanager",
        "route: {receiver: a, routes: [{matchers: ['a=~\"(\"']}]}\nreceivers: [{name: a}]\n",
        "1:",
        &["("],
    ),
];

#[test]
fn twenty_wrong_files_are_told_what_would_be_right() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut faults = Vec::new();
    for (number, (kind, text, place, words)) in WRONG.iter().enumerate() {
        let file = dir.path().join(format!("wrong-{number:02}.yml"));
        std::fs::write(&file, text).expect("our own directory");
        let name = file.to_str().expect("a plain path");
        let output = check(&[kind, name]);
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        println!("{}", out.trim_end().replace(dir.path().to_str().expect("a plain path"), ""));
        let begins = format!("{name}:{place}");
        let told = out.lines().any(|line| {
            line.starts_with(&begins)
                && line.contains("error: ")
                && words.iter().all(|word| line.contains(word))
        });
        let total = err.lines().any(|line| line.starts_with("TOTAL: 0 passed, 1 failed"));
        if output.status.code() != Some(1) || !told || !total {
            faults.push(format!(
                "{number} {text:?}\n  wanted {begins} with {words:?}, exit 1\n  got {:?}\n  {out}{err}",
                output.status
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_missing_secret_file_and_duplicate_receivers_are_found() {
    let dir = tempfile::tempdir().expect("a directory");
    for (kind, text, word) in [
        ("alertmanager", "route: {receiver: a}\nreceivers: [{name: a}, {name: a}]\n", "a"),
        (
            "config",
            "route: {receiver: a}\nreceivers:\n  - name: a\n    slack_configs: [{api_url_file: no-such-secret, channel: c}]\n",
            "no-such-secret",
        ),
    ] {
        let file = dir.path().join("wrong.yml");
        std::fs::write(&file, text).expect("our own directory");
        let output = check(&[kind, file.to_str().expect("a plain path")]);
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}: {out}");
        assert!(out.contains(word), "{out}");
    }
}

#[test]
fn our_own_examples_are_right() {
    let root = support::root();
    let output = check(&["config", root.join("examples/stack/tocsin.yml").to_str().expect("a plain path")]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
