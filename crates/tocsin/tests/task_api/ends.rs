//! How tasks end otherwise than well: times, failures, dead letters, deadlines.

use super::*;

#[test]
fn times_that_run_out() {
    let tocsin = server(0);
    let state = |id: &str| tocsin.get(&format!("/tasks/{id}")).json();
    let queued = submit(&tocsin, json!({"kind": "noop", "queued_timeout_seconds": 0.3}));
    let expires = submit(&tocsin, json!({"kind": "noop", "expires_seconds": 0.3}));
    let total = submit(&tocsin, json!({"kind": "wait", "total_timeout_seconds": 1, "priority": 1}));
    let silent = submit(&tocsin, json!({"kind": "noop", "heartbeat_timeout_seconds": 0.5, "priority": 2}));
    let reply = work(&tocsin, json!({}), json!([]), 2);
    assert_eq!(tasks_of(&reply), [total.clone(), silent.clone()]);
    assert_eq!(reply["runs"][1]["lease_ms"], 500);
    for (id, want, error) in
        [(&queued, "dead", "queued"), (&expires, "cancelled", "expired"), (&total, "dead", "total")]
    {
        let ended = eventually("its time is over", LIMIT, || {
            let task = state(id);
            (task["state"] == want).then_some(task)
        });
        assert!(ended["error"].as_str().is_some_and(|text| text.contains(error)), "{ended}");
    }
    eventually("a silent attempt is taken back", LIMIT, || {
        (state(&silent)["state"] == "available").then_some(())
    });
    let told = work(&tocsin, json!({}), json!([]), 0);
    assert!(told["cancel"].as_array().is_some_and(|all| all.contains(&token(&reply))), "{told}");
}

#[test]
fn what_would_fail_again_is_not_tried_again() {
    let tocsin = server(0);
    for (message, kind, want) in [
        ("bad schema in field a", "error", "dead"),
        ("permission denied", "error", "dead"),
        ("connection reset", "error", "retryable"),
        ("connection reset", "quota", "dead"),
    ] {
        let id = submit(&tocsin, json!({"kind": "noop", "non_retryable": ["quota"]}));
        let reply = work(&tocsin, json!({}), json!([]), 1);
        let failed = json!([{"attempt_token": token(&reply), "outcome": "retry", "retry_after_ms": 600_000,
            "error": {"type": kind, "message": message}}]);
        work(&tocsin, json!({}), failed, 0);
        assert_eq!(tocsin.get(&format!("/tasks/{id}")).json()["state"], want, "{kind}: {message}");
    }
}

#[test]
fn a_dead_letter_is_changed_done_again_and_put_away() {
    let tocsin = server(0);
    let dead = |args: Value| {
        let id = submit(&tocsin, json!({"kind": "noop", "args": args, "max_retries": 0}));
        let reply = work(&tocsin, json!({}), json!([]), 1);
        let failed = json!([{"attempt_token": token(&reply), "outcome": "failed", "error": {"type": "x", "message": "no"}}]);
        work(&tocsin, json!({}), failed, 0);
        (id, reply["runs"][0]["id"].as_str().expect("a run").to_owned())
    };
    let (task, run) = dead(json!({"n": 1}));
    let listed = done(&tocsin, "GET", "/dead-letters", Value::Null, 200);
    assert_eq!((&listed["total"], &listed["items"][0]["run_id"]), (&json!(1), &json!(run)), "{listed}");
    assert_eq!((&listed["items"][0]["args"], &listed["items"][0]["error"]), (&json!({"n": 1}), &json!("no")));
    let path = format!("/dead-letters/{run}");
    done(&tocsin, "PUT", &path, json!({"args": {"n": 2}}), 200);
    done(&tocsin, "PUT", &path, json!({"args": 3}), 422);
    assert_eq!(done(&tocsin, "GET", &path, Value::Null, 200)["args"], json!({"n": 2}));
    let again = done(&tocsin, "POST", &format!("{path}/replay"), Value::Null, 200);
    let new = again["replayed_as"].as_str().expect("a task").to_owned();
    assert_ne!(new, task);
    let reply = work(&tocsin, json!({}), json!([]), 1);
    assert_eq!((tasks_of(&reply), &reply["runs"][0]["args"]), (vec![new.clone()], &json!({"n": 2})));
    done(&tocsin, "POST", &format!("{path}/replay"), Value::Null, 409);
    assert_eq!(done(&tocsin, "GET", "/dead-letters", Value::Null, 200)["total"], 0);
    let all = done(&tocsin, "GET", "/dead-letters?all=true", Value::Null, 200);
    assert_eq!(all["items"][0]["replayed_as"], json!(new));
    let (_, run) = dead(json!({}));
    done(&tocsin, "DELETE", &format!("/dead-letters/{run}"), Value::Null, 200);
    assert_eq!(done(&tocsin, "GET", "/dead-letters", Value::Null, 200)["total"], 0);
    done(&tocsin, "GET", "/dead-letters/nobody", Value::Null, 404);
    let key = tocsin.key("agent");
    let refused =
        ask(&tocsin, "DELETE", &format!("/dead-letters/{run}"), &[("x-api-key", &key)], &Value::Null);
    assert_eq!(refused.status, 403);
}

#[test]
fn a_deadline_is_warned_of_and_its_violation_counted_once() {
    let mut tocsin = server(0);
    let at = |seconds: f64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let ms = ((now.as_secs_f64() + seconds) * 1000.0) as i64;
        jiff::Timestamp::from_millisecond(ms).expect("an instant").to_string()
    };
    submit(
        &tocsin,
        json!({"type": "bugfix", "payload": {}, "priority": "P2", "sla_target": 2, "sla_deadline": at(1.5)}),
    );
    submit(&tocsin, json!({"kind": "noop", "sla_deadline": at(1.5), "sla_alert_threshold": 0.5}));
    let kept = submit(&tocsin, json!({"kind": "noop", "sla_deadline": at(600.0)}));
    let types = |tocsin: &Tocsin| {
        let events = tocsin.get("/events?limit=100").json();
        let text = events.to_string();
        ["sla.warning", "sla.violation"].map(|type_| text.matches(&format!("\"{type_}\"")).count())
    };
    let metric = |tocsin: &Tocsin, type_: &str| {
        let line = format!("orchestrator_sla_violations_total{{type=\"{type_}\"}} 1");
        tocsin.get("/metrics").body.contains(&line)
    };
    eventually("both deadlines are missed", LIMIT, || {
        (metric(&tocsin, "bugfix") && metric(&tocsin, "noop")).then_some(())
    });
    assert_eq!(types(&tocsin), [2, 2], "{}", tocsin.get("/events?limit=100").body);
    tocsin.kill();
    tocsin.start_again();
    assert_eq!(tocsin.get(&format!("/tasks/{kept}")).json()["state"], "available");
    assert!(!tocsin.get("/metrics").body.contains("sla_violations_total{"), "told once, over a restart too");
}
