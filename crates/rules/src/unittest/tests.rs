//! Cases of `unittest`: input and expectation side by side.

use super::*;

const RULES: &str = "
groups:
- name: g
  rules:
  - {record: twice, expr: a * 2}
  - {alert: Down, expr: a == 0, for: 2m, annotations: {summary: '{{ $labels.job }} {{ $externalLabels.c }}'}}
";

fn check(tests: &str) -> Outcome {
    let text = format!("rule_files: [r.yml]\ntests:\n{tests}");
    run_tests(&text, &mut |_| Ok(vec![("r.yml".into(), RULES.into())]), &|_| true)
}

#[test]
fn expectations_that_hold_and_that_do_not() {
    let series =
        "- {name: t, external_labels: {c: eu}, input_series: [{series: 'a{job=\"x\"}', values: '1 0x9'}], ";
    let firing = "{exp_labels: {job: x}, exp_annotations: {summary: x eu}}";
    for (test, passed, failed) in [
        (format!("alert_rule_test: [{{eval_time: 3m, alertname: Down, exp_alerts: [{firing}]}}]}}"), 1, 0),
        ("alert_rule_test: [{eval_time: 2m59s, alertname: Down}]}".to_owned(), 1, 0),
        ("alert_rule_test: [{eval_time: 3m, alertname: Down}]}".to_owned(), 0, 1),
        ("promql_expr_test: [{expr: twice, eval_time: 0, exp_samples: [{labels: 'twice{job=\"x\"}', value: 2}]}]}".to_owned(), 1, 0),
        ("promql_expr_test: [{expr: twice, eval_time: 0, exp_samples: [{labels: 'twice{job=\"x\"}', value: 3}]}]}".to_owned(), 0, 1),
        ("promql_expr_test: [{expr: 'twice ==', eval_time: 0}]}".to_owned(), 0, 1),
        ("alert_rule_test: [{eval_time: 3m}]}".to_owned(), 0, 1),
        ("interval: 1y}".to_owned(), 1, 0),
    ] {
        let outcome = check(&format!("{series}{test}"));
        assert_eq!((outcome.passed, outcome.failed.len()), (passed, failed), "{test}: {outcome:?}");
    }
    assert_eq!(check("- {nmae: t}").failed.len(), 1);
}

/// The unit tests of the conformance collection pass and fail as `promtool` says.
#[test]
fn conformance_promtool_tests() {
    let Ok(root) = std::env::var("TOCSIN_CONFORMANCE") else {
        println!("skipped: no data");
        return;
    };
    let read = |path: String| std::fs::read_to_string(&path).map_err(|err| format!("{path}: {err}"));
    let index: serde_json::Value =
        serde_json::from_str(&read(format!("{root}/rules/index.json")).unwrap()).unwrap();
    let mut failures = Vec::new();
    let cases = index["promtool_tests"].as_array().unwrap();
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let wanted: Vec<&str> =
            case["run"].as_array().into_iter().flatten().filter_map(|run| run.as_str()).collect();
        let only = |name: &str| wanted.is_empty() || wanted.iter().any(|run| name.contains(run));
        let mut load =
            |pattern: &str| Ok(vec![(pattern.to_owned(), read(format!("{root}/rules/promtool/{pattern}"))?)]);
        let outcome = run_tests(&read(format!("{root}/rules/{file}")).unwrap(), &mut load, &only);
        println!(
            "{file}: {} passed, {} failed, {} skipped",
            outcome.passed,
            outcome.failed.len(),
            outcome.skipped.len()
        );
        if outcome.failed.is_empty() != (case["expect"] == "pass") {
            failures.push(format!("{file} {wanted:?}: wanted {}, got {outcome:?}", case["expect"]));
        }
    }
    println!("TOTAL: {} passed, {} failed, 0 skipped", cases.len() - failures.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
