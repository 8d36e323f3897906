//! What other systems promised and did not do.

use super::*;

/// Run history: other inserts used a name glued to a cast, so that no run was ever recorded.
#[test]
fn defect_4_every_run_is_in_the_history() {
    let tocsin = server(2);
    let id = submit(
        &tocsin,
        schedule("once", "2020-01-01T00:00:00Z").as_object().map_or(Value::Null, |task| {
            let mut task = task.clone();
            task.insert("schedule_kind".to_owned(), json!("cron"));
            task.insert("schedule_expr".to_owned(), json!("0 3 * * *"));
            Value::Object(task)
        }),
    );
    for n in 1..=3 {
        done(&tocsin, "POST", &format!("/tasks/{id}/run_now"), Value::Null, 200);
        eventually("the run is recorded", LIMIT, || {
            (tocsin.get(&format!("/runs/?task_id={id}&success=true")).json()["total"] == n).then_some(())
        });
    }
    let run = &tocsin.get(&format!("/runs/?task_id={id}")).json()["items"][0];
    assert!(
        run["output"].is_object() && run["started_at"].is_string() && run["finished_at"].is_string(),
        "{run}"
    );
}

/// Exactly once in effect: a run longer than its lease was executed twice, because nothing renewed the lease.
#[test]
fn defect_6_a_run_longer_than_its_lease_runs_once() {
    let tocsin = Tocsin::start(&[], &[("WORKER_LEASE_SECONDS", "1".to_owned())]);
    let id = submit(&tocsin, json!({"kind": "wait", "args": {"seconds": 3}}));
    let run = eventually("the run ends", LIMIT, || {
        let runs = tocsin.get(&format!("/runs/?task_id={id}")).json();
        runs["items"].get(0).filter(|run| !run["success"].is_null()).cloned()
    });
    assert_eq!((&run["success"], &run["attempt"]), (&json!(true), &json!(1)), "{run}");
}

/// Dedupe, concurrency, priority and kinds of backoff were stored and ignored.
#[test]
fn defect_7_what_is_asked_for_is_done() {
    let tocsin = server(0);
    let first = submit(&tocsin, json!({"kind": "noop", "dedupe_key": "d", "priority": 5}));
    assert_eq!(submit(&tocsin, json!({"kind": "noop", "dedupe_key": "d"})), first, "dedupe");
    let second =
        submit(&tocsin, json!({"kind": "noop", "priority": 1, "concurrency_key": "c", "backoff": "fixed"}));
    let third = submit(&tocsin, json!({"kind": "noop", "priority": 1, "concurrency_key": "c"}));
    let reply = work(&tocsin, json!({}), json!([]), 10);
    assert_eq!(tasks_of(&reply), [second.clone(), first], "priority, and one of a key");
    assert_eq!(causes(&tocsin, &third), ["concurrency_key"]);
    let failed = json!([{"attempt_token": token(&reply), "outcome": "retry", "error": {"type": "x", "message": "again"}}]);
    work(&tocsin, json!({"slots_free": 0}), failed, 0);
    let why = done(&tocsin, "GET", &format!("/tasks/{second}/why"), Value::Null, 200);
    assert_eq!(why["causes"][0]["cause"], "retry_backoff", "{why}");
    assert_eq!(tasks_of(&work(&tocsin, json!({}), json!([]), 10)), [third], "the key came free");
}

/// Snooze and run statistics answered 500, always.
#[test]
fn defect_10_snooze_and_run_statistics_answer() {
    let tocsin = server(2);
    let id = submit(&tocsin, schedule("cron", "0 3 * * *"));
    let zero = tocsin.get(&format!("/runs/task/{id}/stats")).json();
    assert_eq!(
        (&zero["total_runs"], &zero["success_rate"], &zero["last_run"]),
        (&json!(0), &json!(0.0), &Value::Null)
    );
    assert_eq!(tocsin.get(&format!("/runs/task/{id}/latest")).json(), Value::Null);
    done(&tocsin, "POST", &format!("/tasks/{id}/snooze"), json!({"delay_seconds": 60}), 200);
    done(&tocsin, "POST", &format!("/tasks/{id}/run_now"), Value::Null, 200);
    let failing = json!({"kind": "wait", "args": {"seconds": 9}, "timeout_seconds": 0.1, "max_retries": 0});
    let plain = submit(&tocsin, failing);
    eventually("both runs end", LIMIT, || {
        (tocsin.get("/runs/stats/summary").json()["total_runs"] == 2).then_some(())
    });
    let stats = tocsin.get(&format!("/runs/task/{id}/stats?days=1")).json();
    assert_eq!(
        (&stats["total_runs"], &stats["successful_runs"], &stats["failed_runs"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!((&stats["success_rate"], &stats["failure_rate"]), (&json!(1.0), &json!(0.0)));
    assert!(stats["avg_execution_time_seconds"].is_number() && stats["last_success"].is_string(), "{stats}");
    let stats = tocsin.get(&format!("/task/{plain}/stats")).json();
    assert_eq!((&stats["failed_runs"], &stats["last_success"]), (&json!(1), &Value::Null), "{stats}");
    let summary = tocsin.get("/stats/summary?days=7").json();
    assert_eq!(
        (&summary["total_tasks_executed"], &summary["success_rate"]),
        (&json!(2), &json!(0.5)),
        "{summary}"
    );
    assert!(summary["runs_per_day"].is_number());
    for (path, status) in [
        ("/runs/task/nobody/stats".to_owned(), 404),
        ("/runs/task/nobody/latest".to_owned(), 404),
        (format!("/runs/task/{id}/stats?days=0"), 422),
        ("/runs/stats/summary?days=366".to_owned(), 422),
    ] {
        assert_eq!(tocsin.get(&path).status, status, "{path}");
    }
}

/// The timestamp was a constant, and a completed task was still counted as pending.
#[test]
fn defect_17_stats_are_of_now_and_a_completed_task_does_not_wait() {
    let tocsin = server(0);
    let id = submit(&tocsin, json!({"type": "bugfix", "payload": {}, "priority": "P2"}));
    let stats = tocsin.get("/stats").json();
    assert_eq!(stats["queue"]["pending_tasks"], 1);
    let at: jiff::Timestamp =
        stats["timestamp"].as_str().and_then(|text| text.parse().ok()).expect("an instant");
    assert!(jiff::Timestamp::now().duration_since(at).as_secs().abs() < 60, "{stats}");
    for (status, pending, processing, completed) in [("in_progress", 0, 1, 0), ("completed", 0, 0, 1)] {
        let path = format!("/tasks/{id}/status?status={status}");
        done(&tocsin, "PATCH", &path, Value::Null, 200);
        let queue = tocsin.get("/stats").json()["queue"].clone();
        assert_eq!(
            (&queue["pending_tasks"], &queue["processing_tasks"], &queue["completed"]),
            (&json!(pending), &json!(processing), &json!(completed)),
            "{status}: {queue}"
        );
    }
}
