//! Cases of `file`: input and expectation side by side.

use super::*;
use crate::{Book, Outcome, PlannedStep, finding};
use model::{Alert, Labels, Timestamp};
use serde_json::json;

const REDIS: &str = r#"
name: redis-down
match: ['alertname="RedisDown"']
respond_within: 5m
impact: queues are unavailable
diagnose:
  - id: ping
    uses: redis
    with: { target: "${labels.instance}", args: [PING] }
    timeout: 2s
  - id: log
    uses: file
    with: { path: /var/log/redis.log, tail: 10 }
conclude:
  - if: ping =~ "refused"
    cause: "redis is not running (${ping.output})"
remedy:
  - id: restart
    uses: command
    with: { name: restart-redis, unit: "${labels.job}" }
    risk: caution
    approval: { role: operator, count: 1 }
    cooldown: 10m
    max_per_hour: 2
verify: { expr: "redis_up == 1", within: 2m }
rollback:
  - { id: undo, uses: noop }
escalate: { after: 15m, to: boss }
"#;

#[test]
fn a_runbook_from_alert_to_cause() {
    let book = Book::new(vec![parse("runbooks/redis.yml", REDIS).unwrap()]);
    let labels =
        Labels::from_pairs([("alertname", "RedisDown"), ("instance", "10.0.0.1:6379"), ("job", "cache")]);
    let alert = |labels: &Labels| Alert {
        labels: labels.clone(),
        annotations: Labels::empty(),
        starts_at: Timestamp::from_millis(0),
        ends_at: None,
        generator_url: "".into(),
        updated_at: Timestamp::from_millis(0),
    };
    let other = alert(&Labels::from_pairs([("alertname", "Other")]));
    assert!(book.for_alerts(std::slice::from_ref(&other)).is_none());
    let runbook = book.for_alerts(&[other, alert(&labels)]).unwrap();
    let planned = runbook.diagnose(&labels, &Labels::empty());
    assert_eq!(
        planned[0],
        PlannedStep {
            step: "ping".into(),
            kind: "redis".into(),
            args: json!({"target": "10.0.0.1:6379", "args": ["PING"]}),
            timeout: Duration::from_secs(2),
        }
    );
    assert_eq!(planned[1].timeout, STEP_TIMEOUT);
    let found = [finding("ping", &Outcome::Failed("connection refused by 10.0.0.1:6379".into()), 3)];
    assert_eq!(runbook.conclude(&found), "redis is not running (connection refused by 10.0.0.1:6379)");
    assert_eq!(runbook.conclude(&[]), "");
    let remedies = runbook.remedies(&labels);
    assert_eq!(
        (remedies[0].risk, remedies[0].text.as_str()),
        (Risk::Caution, "command name: restart-redis, unit: cache")
    );
    assert_eq!(runbook.steps().count(), 4);
}

#[test]
fn the_file_names_the_runbook_that_has_no_name() {
    assert_eq!(parse("a/b/disk.yml", "match: ['a=\"b\"']\n").unwrap().name, "disk");
}

/// Each file has one mistake: where it is, and what is said of it.
#[test]
fn mistakes_have_a_place_and_a_reason() {
    let mut wrong = Vec::new();
    for (from, to, line, column, what) in [
        ("impact:", "impcat:", 5, 1, "unknown field"),
        ("alertname=\"RedisDown\"", "alertname", 3, 9, "bad matcher"),
        ("respond_within: 5m", "respond_within: 5x", 4, 17, "respond_within: \"5x\" is not a duration"),
        ("timeout: 2s", "timeout: fast", 10, 14, "is not a duration"),
        ("id: log", "id: ping", 11, 9, "used twice"),
        ("id: log", "id: 'a b'", 11, 9, "bad step id"),
        ("uses: redis\n", "with_: x\n", 8, 5, "unknown field"),
        ("${labels.instance}", "${label.instance}", 9, 11, "nothing is known as ${label.instance}"),
        ("with: { path: /var/log/redis.log, tail: 10 }", "with: 7", 13, 11, "with is not a mapping"),
        ("if: ping =~ \"refused\"", "if: pong =~ \"refused\"", 15, 9, "no diagnose step \"pong\""),
        ("if: ping =~ \"refused\"", "if: ping ~ \"refused\"", 15, 14, "expected ==, !=, =~ or !~"),
        ("${ping.output}", "${pong.output}", 16, 12, "nothing is known as ${pong.output}"),
        ("risk: caution", "risk: low", 21, 11, "unknown risk"),
        (
            "name: restart-redis, unit: \"${labels.job}\" }\n    risk: caution",
            "name: kill-redis }\n    risk: safe",
            18,
            5,
            "never safe",
        ),
        ("redis_up == 1", "redis_up ==", 25, 17, "parse error in expr"),
        ("escalate: { after: 15m, to: boss }", "escalate: soon", 28, 11, "not a mapping"),
        ("uses: noop", "uses: ''", 27, 23, "does not say what it uses"),
    ] {
        assert!(REDIS.contains(from), "{from}");
        let text = REDIS.replacen(from, to, 1);
        let problems = parse("f.yml", &text).unwrap_err();
        let problem = &problems[0];
        if !problem.what.contains(what) || (problem.line, problem.column) != (line, column) {
            wrong.push(format!("{to}: wanted {line}:{column} {what}, got {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_runbook_without_match_is_refused() {
    assert!(parse("f.yml", "name: x\n").unwrap_err()[0].what.contains("matches no alert"));
}
