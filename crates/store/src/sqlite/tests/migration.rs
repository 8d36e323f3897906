//! Files of older releases.

use super::*;

/// What the release before wrote: its layout, its rows as text.
const OLD_ROWS: &str = r#"
INSERT INTO task (id, form, kind, title, description, created_by, schedule_kind, schedule_expr, timezone, payload,
    status, class, priority, dedupe_key, max_retries, backoff_strategy, concurrency_key, timeout_ms, agent, typed,
    next_fire, created_at) VALUES
    ('0193561c-1c00-7001-8123-456789abcdef', 'plain', 'noop', '', '', 'ann', NULL, NULL, NULL, '{"n":1}', 'active',
     'user', 5, 'k', 3, 'fixed', 'c', 30000, NULL, NULL, NULL, 1732000000000),
    ('0193561c-1c00-7002-8123-456789abcdef', 'typed', 'bugfix', '', '', 'bob', NULL, NULL, NULL, '{"a":"é"}',
     'active', 'user', 3, NULL, 3, 'exponential_jitter', NULL, 3600000, 'dev_agent',
     '{"type":"bugfix","source":"user","priority":"P1","trace_id":"t","sla":null,"metadata":{}}', NULL,
     1732000000000),
    ('0193561c-1c00-7003-8123-456789abcdef', 'scheduled', '', 'report', 'nightly', 'ann', 'cron', '0 3 * * *', 'UTC',
     '{"params":{"p":1},"pipeline":[{"id":"one","uses":"noop","with":{},"timeout_seconds":30.0,"max_retries":3}]}',
     'active', 'user', 5, NULL, 3, 'linear', NULL, 30000, NULL, NULL, 1893456000000, 1732000000000),
    ('0193561c-1c00-7005-8123-456789abcdef', 'plain', 'page', '', '', 'system', NULL, NULL, NULL, '{}', 'active', 'page',
     1, NULL, 120, 'linear', NULL, 30000, NULL, NULL, NULL, 1732000000000),
    ('0193561c-1c00-7006-8123-456789abcdef', 'plain', 'redis', '', '', 'system', NULL, NULL, NULL, '{}', 'active',
     'runbook', 1, NULL, 0, 'linear', NULL, 30000, NULL, NULL, NULL, 1732000000000);
INSERT INTO task_run (id, task_id, state, class, parent_id, parent_step, attempt, failures, rescues, token, lease_owner,
    run_at, step, outcome, success, output, error_kind, error, created_at, started_at, finished_at) VALUES
    ('0193561c-1c00-7001-8123-456789abcdef', '0193561c-1c00-7001-8123-456789abcdef', 'completed', 'user', NULL, NULL, 2,
     1, 0, x'000102030405060708090a0b0c0d0e0f', 'w', 1732000000000, 0, -7, 1, 'BIG', NULL, NULL, 1732000000000,
     1732000001000, 1732000002000),
    ('0193561c-1c00-7002-8123-456789abcdef', '0193561c-1c00-7002-8123-456789abcdef', 'available', 'user', NULL, NULL, 0,
     0, 0, NULL, NULL, 1732000000000, 0, NULL, NULL, NULL, NULL, NULL, 1732000000000, NULL, NULL),
    ('0193561c-1c00-7004-8123-456789abcdef', '0193561c-1c00-7003-8123-456789abcdef', 'running', 'user', NULL, NULL, 1, 0,
     0, x'100102030405060708090a0b0c0d0e0f', 'w', 1732000000000, 1, NULL, NULL, NULL, NULL, NULL, 1732000000000,
     1732000001000, NULL),
    ('0193561c-1c00-7005-8123-456789abcdef', '0193561c-1c00-7005-8123-456789abcdef', 'scheduled', 'page', NULL, NULL, 0,
     0, 0, NULL, NULL, 1732000005000, 0, NULL, NULL, NULL, NULL, NULL, 1732000000000, NULL, NULL),
    ('0193561c-1c00-7006-8123-456789abcdef', '0193561c-1c00-7006-8123-456789abcdef', 'dead', 'runbook',
     '0193561c-1c00-7005-8123-456789abcdef', 'ping', 1, 1, 0, NULL, 'builtin', 1732000000000, 0, NULL, 0, NULL, 'timeout',
     'too slow', 1732000000000, 1732000001000, 1732000002000);
INSERT INTO task_step (run_id, step, id, result, at)
    VALUES ('0193561c-1c00-7004-8123-456789abcdef', 0, 'zero', '[1]', 1732000001000);
INSERT INTO dedupe VALUES ('k', 'ann', '0193561c-1c00-7001-8123-456789abcdef', 1893456000000);
INSERT INTO total VALUES ('accepted', 3);
INSERT INTO alert_state VALUES ('{alertname="Down"}', '{"labels": {"alertname": "Down"}, "annotations": {}, "starts_at": 5,
    "ends_at": 9, "generator_url": "http://p/", "updated_at": 7}');
"#;

#[test]
fn a_file_of_an_older_release_comes_along_whole() {
    for version in [1, 2, 3] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("tocsin.db");
        let big = format!("\"{}\"", "x".repeat(40_000));
        let old = rusqlite::Connection::open(&path).unwrap();
        for sql in &schema::VERSIONS[..version] {
            old.execute_batch(sql).unwrap();
        }
        old.execute_batch(&OLD_ROWS.replace("BIG", &big)).unwrap();
        old.pragma_update(None, "user_version", version as i64).unwrap();
        drop(old);

        let mut store = Sqlite::open(&path).unwrap();
        let reader = Reader::open(&path).unwrap();
        let id = |n: u8| TaskId::parse(&format!("0193561c-1c00-700{n}-8123-456789abcdef")).unwrap();
        let plain = reader.task(id(1)).unwrap().unwrap();
        assert_eq!(
            (plain.task.dedupe_key.as_deref(), plain.task.concurrency_key.as_deref()),
            (Some("k"), Some("c"))
        );
        let run = plain.latest.unwrap();
        assert_eq!((run.at.state, run.at.attempt, run.at.failures), (RunState::Completed, 2, 1));
        assert_eq!((run.at.outcome, run.at.output.unwrap().as_str()), (Some(-7i64 as u64), big.as_str()));
        let typed = reader.task(id(2)).unwrap().unwrap().task;
        assert!(matches!(&typed.form, Form::Typed(typed) if typed.urgency == Urgency::P1), "{typed:?}");
        assert_eq!((typed.agent.as_deref(), typed.args), (Some("dev_agent"), json!({"a": "é"}).into()));
        let plan = reader.task(id(3)).unwrap().unwrap();
        assert_eq!((plan.task.title.as_str(), plan.task.args), ("report", json!({"p": 1}).into()));
        assert_eq!(
            plan.latest.map(|run| (run.id.to_string(), run.task_id)),
            Some((id(4).to_string(), id(3)))
        );

        let loaded = store.load().unwrap();
        let [alerts::Change::Alert(1, alert)] = &loaded.alerts[..] else { panic!("{:?}", loaded.alerts) };
        assert_eq!((alert.name(), alert.ends_at), ("Down", Some(Timestamp::from_millis(9))));
        let loaded = loaded.tasks;
        let steps: Vec<_> = loaded.runs.iter().flat_map(|run| &run.steps).map(|step| &*step.id).collect();
        assert_eq!((steps, loaded.totals.accepted, loaded.dedupe.len()), (vec!["zero"], 3, 1));
        let child = loaded.runs.iter().find_map(|run| run.parent.as_ref()).unwrap();
        assert_eq!((child.run_id.to_string(), child.step.as_str()), (id(5).to_string(), "ping"));
        assert_eq!(loaded.newest.map(|id| id.to_string()), Some(id(6).to_string()));
        let waiting: usize = loaded.sleeping.iter().map(|line| line.places.len()).sum();
        assert_eq!(loaded.runs.len() + waiting, 4, "all but the first");

        // People's queries go on as before.
        let asked = rusqlite::Connection::open(&path).unwrap();
        let text = |sql: &str| -> String { asked.query_row(sql, [], |row| row.get(0)).unwrap() };
        for (sql, want) in [
            ("SELECT count(*) || '' FROM due_work WHERE created_at > 0", "5"),
            (
                "SELECT group_concat(state) FROM (SELECT state FROM task_run ORDER BY id)",
                "completed,available,running,scheduled,dead",
            ),
            (
                "SELECT task_id FROM task_run WHERE id = '0193561c-1c00-7004-8123-456789abcdef'",
                "0193561c-1c00-7003-8123-456789abcdef",
            ),
            (
                "SELECT parent_id FROM task_run WHERE parent_step = 'ping'",
                "0193561c-1c00-7005-8123-456789abcdef",
            ),
            ("SELECT length(output) || '' FROM task_run WHERE success = 1", "40002"),
            (
                "SELECT group_concat(form) FROM (SELECT form FROM task ORDER BY id)",
                "plain,typed,scheduled,plain,plain",
            ),
            ("SELECT payload FROM task WHERE kind = 'noop'", "{\"n\":1}"),
            ("SELECT backoff_strategy FROM task WHERE form = 'scheduled'", "linear"),
            ("SELECT result FROM task_step WHERE run_id = '0193561c-1c00-7004-8123-456789abcdef'", "[1]"),
        ] {
            assert_eq!(text(sql), want, "{sql}");
        }
    }
}

/// What the release before layout 8 wrote of the router.
const OLD_ALERTS: &str = r#"
INSERT INTO alert_group VALUES
    ('{}:{alertname="B"}', '{"route": "{}", "labels": {"alertname": "B"}, "born": 20, "next_flush": 30, "flushed": true,
      "ledgers": {"ops/webhook[0]": {"revision": 1, "under_way": null, "delivered": {"key": "k", "at": 20,
      "firing": ["00000000000000ff"], "owed": ["00000000000000ff"], "ended": []}, "failing": null, "kept": null}}}'),
    ('{}:{alertname="A"}', '{"route": "{}", "labels": {"alertname": "A"}, "born": 100, "next_flush": 30,
      "flushed": false, "ledgers": {}}');
INSERT INTO incident VALUES ('0123', '{"group_key": "{}:{alertname=\"B\"}", "receiver": "ops", "labels": {"alertname": "B"},
    "severity": "warning", "state": "open", "opened_at": 20, "reopened": 0, "timeline": [{"at": 20, "what": "opened",
    "who": "", "detail": "1 firing: B", "tries": 1}]}');
INSERT INTO decision VALUES
    ('1800000000000-00000000000000ff-000008aa', '{"at": 1800000000000, "alert": {"alertname": "B"}, "verdict": "deliver",
      "receiver": "ops", "group_key": "g", "by": [], "page_key": "k", "over": false, "nth": 8, "next_send": 9}'),
    ('1800000000000-ffffffffffffffff-000001bb', '{"at": 1800000000000, "alert": {"alertname": "C"}, "verdict": "silenced",
      "receiver": "ops", "group_key": "g", "by": ["s"], "page_key": null, "over": false, "nth": 1, "next_send": null}');
"#;

#[test]
fn groups_incidents_and_decisions_get_numbers() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("tocsin.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(&schema::VERSIONS[..3].concat()).unwrap();
    old.pragma_update(None, "user_version", 3).unwrap();
    schema::migrate_to(&mut rusqlite::Connection::open(&path).unwrap(), &path, 7).unwrap();
    old.execute_batch(OLD_ALERTS).unwrap();
    drop(old);

    let loaded = Sqlite::open(&path).unwrap().load().unwrap().alerts;
    let (mut groups, mut incidents, mut decisions) = (Vec::new(), Vec::new(), Vec::new());
    for change in loaded {
        match change {
            alerts::Change::Group(row) => groups.push((row.id, row.key, row.ledgers.len())),
            alerts::Change::Incident(one) => incidents.push((one.number, one.id, one.timeline.len())),
            alerts::Change::Decision(one) => decisions.push((one.at, one.nth, one.by, one.page_key)),
            other => panic!("{other:?}"),
        }
    }
    let key = |name: &str| format!("{{}}:{{alertname={name:?}}}");
    assert_eq!(groups, [(1, key("B"), 1), (2, key("A"), 0)], "in the order in which they came");
    assert_eq!(incidents, [(1, "0123".to_owned(), 1)]);
    let last = (at(0), 8, vec![], Some("k".to_owned()));
    assert_eq!(decisions, [(at(0), 1, vec!["s".to_owned()], None), last], "each in its place of the instant");
    let asked = rusqlite::Connection::open(&path).unwrap();
    let alerts = "SELECT group_concat(alert) FROM (SELECT alert FROM decision ORDER BY key)";
    assert_eq!(asked.query_row(alerts, [], |row| row.get::<_, String>(0)).unwrap(), "-1,255");
}
