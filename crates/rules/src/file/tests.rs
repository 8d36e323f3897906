//! Cases of `file`: input and expectation side by side.

use super::*;

#[test]
fn a_sound_file() {
    let text = r#"
groups:
  - name: a
    interval: 30s
    limit: 10
    labels: {team: infra, severity: none}
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: Down
        expr: up == 0
        for: 5m
        keep_firing_for: 1m
        labels: {severity: page, number: 1}
        annotations:
          summary: "{{ $labels.instance }} is down"
---
groups: [nonsense
"#;
    let groups = parse_file("f.yml", text).unwrap();
    assert_eq!(groups.len(), 1);
    let group = &groups[0];
    assert_eq!((group.interval, group.limit), (Some(Duration::from_secs(30)), 10));
    let alert = &group.rules[1];
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(alert.labels, [pair("number", "1"), pair("severity", "page"), pair("team", "infra")]);
    let RuleKind::Alerting { hold, keep_firing, .. } = alert.kind else { panic!("not an alert") };
    assert_eq!((hold, keep_firing), (Duration::from_secs(300), Duration::from_secs(60)));
    assert_eq!(group.rule_keys(), ["f.yml;a;job:up:sum;0", "f.yml;a;Down;0"]);
}

#[test]
fn an_empty_file_has_no_groups() {
    for text in ["", "groups:\n", "groups: []\n", "# nothing\n"] {
        assert_eq!(parse_file("f.yml", text).map(|groups| groups.len()), Ok(0), "{text:?}");
    }
}

/// Each file has one mistake: where it is, and what is said of it.
#[test]
fn mistakes_have_a_place_and_a_reason() {
    let mut wrong = Vec::new();
    let rule = |lines: &str| format!("groups:\n- name: g\n  rules:\n  - {}\n", lines.replace('\n', "\n    "));
    for (text, line, column, what) in [
        (rule("alert: A\nexpr: up ==="), 5, 16, "parse error"),
        (rule("alert: A\nexpr: 'rate(up)'"), 5, 17, "parse error"),
        (rule("alert: A\nexpr: |\n  up\n  == ="), 7, 10, "parse error"),
        (rule("alert: A\nexpr: >\n  up\n  == ="), 6, 7, "parse error"),
        (rule("alert: A\nexpr: |-\n\n  \"up"), 7, 7, "parse error"),
        (rule("alert: A\nexpr: up\nfor: 5x"), 6, 10, "for: \"5x\" is not a duration"),
        (rule("alert: A\nexpr: up\nfr: 5m"), 6, 5, "unknown field"),
        (rule("alert: A\nexpr: up\nannotations:\n  a: '{{ $label.x }}'"), 7, 10, "undefined variable"),
        (rule("alert: A\nrecord: b\nexpr: up"), 4, 12, "only one of 'record' and 'alert' must be set"),
        (rule("expr: up"), 4, 5, "one of 'record' or 'alert' must be set"),
        (rule("alert: A"), 4, 5, "field 'expr' must be set in rule"),
        (rule("record: a\nexpr: up\nfor: 5m"), 6, 10, "invalid field 'for' in recording rule"),
        (rule("record: 'a{b=\"c\"}'\nexpr: up"), 4, 13, "braces present in the recording rule name"),
        (rule("alert: A\nexpr: up\nlabels:\n  __name__: x"), 7, 17, "invalid label name: __name__"),
        ("groups:\n- name: g\n- name: g\n".to_owned(), 3, 9, "is repeated in the same file"),
        ("group: []\n".to_owned(), 1, 1, "unknown field"),
        ("groups: 5\n".to_owned(), 1, 9, ""),
        ("groups:\n- name: g\n  name: h\n".to_owned(), 3, 3, "duplicate"),
    ] {
        let problems = parse_file("f.yml", &text).unwrap_err();
        let problem = &problems[0];
        if !problem.what.contains(what) || (problem.line, problem.column) != (line, column) {
            wrong.push(format!("{text}wanted {line}:{column} {what}, got {problem}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mistake_is_told() {
    let text =
        "groups:\n- name: g\n  rules:\n  - {alert: A, expr: 'up ==', for: x}\n  - {record: b, expr: ')'}\n";
    assert_eq!(parse_file("f.yml", text).unwrap_err().len(), 3);
}

#[test]
fn twins_are_a_finding() {
    let text = "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up}\n  - {alert: A, expr: up > 1}\n";
    let (groups, problems) = read_file("f.yml", text, Names::Utf8);
    assert_eq!((groups[0].rules.len(), problems.len()), (2, 1));
    assert_eq!(problems[0].level, Level::Finding);
}

#[test]
fn legacy_names() {
    let text = "groups:\n- name: g\n  rules:\n  - {record: a, expr: up, labels: {b-c: d}}\n";
    assert_eq!(read_file("f.yml", text, Names::Utf8).1, []);
    assert_eq!(read_file("f.yml", text, Names::Legacy).1.len(), 1);
}

/// The rule files of the conformance collection: accepted and refused as upstream does.
#[test]
fn conformance_rule_files() {
    let Ok(root) = std::env::var("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    let read = |path: String| std::fs::read_to_string(&path).unwrap_or_else(|err| panic!("{path}: {err}"));
    let index: serde_json::Value = serde_json::from_str(&read(format!("{root}/rules/index.json"))).unwrap();
    let mut failures = Vec::new();
    let cases = index["rule_files"].as_array().unwrap();
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let names = if case["names"] == "legacy" { Names::Legacy } else { Names::Utf8 };
        let (_, problems) = read_file(file, &read(format!("{root}/rules/{file}")), names);
        let valid = problems.iter().all(|problem| problem.level != Level::Error);
        if case["valid"] != valid {
            failures.push(format!("{file}: wanted valid {}, got {problems:?}", case["valid"]));
        }
    }
    println!(
        "rules/index.json: {} passed, {} failed, 0 skipped",
        cases.len() - failures.len(),
        failures.len()
    );
    let mut real = 0;
    for entry in walk(format!("{root}/awesome-rules")) {
        if entry.ends_with(".yml") || entry.ends_with(".yaml") {
            real += 1;
            if let Err(problems) = parse_file(&entry, &read(entry.clone())) {
                failures.push(format!("{entry}: {}", problems[0]));
            }
        }
    }
    println!("awesome-rules: {real} files read");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn walk(dir: String) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).unwrap_or_else(|err| panic!("{dir}: {err}")) {
        let path = entry.unwrap().path();
        let text = path.to_str().unwrap().to_owned();
        if path.is_dir() { found.extend(walk(text)) } else { found.push(text) }
    }
    found
}
