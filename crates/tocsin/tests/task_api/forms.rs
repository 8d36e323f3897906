//! What a task of each form may ask for, and what is refused.

use super::*;

#[test]
fn every_form_takes_wishes_and_shows_them() {
    let tocsin = server(0);
    let wishes = json!({
        "queue": "mail", "labels": {"gpu": "yes"}, "rate_key": "api", "rate_per_minute": 1,
        "queued_timeout_seconds": 60.0, "total_timeout_seconds": 600.0, "heartbeat_timeout_seconds": 5.0,
        "non_retryable": ["quota"],
    });
    let with = |mut task: Value| {
        for (name, value) in wishes.as_object().expect("an object") {
            task[name] = value.clone();
        }
        task
    };
    let typed = submit(&tocsin, with(json!({"type": "bugfix", "payload": {}, "priority": "P2"})));
    let scheduled = submit(&tocsin, with(schedule("cron", "0 3 * * *")));
    for (id, place) in [(&typed, "/task"), (&scheduled, "")] {
        let shown = done(&tocsin, "GET", &format!("/tasks/{id}"), Value::Null, 200);
        let shown = shown.pointer(place).expect("a task");
        for (name, value) in wishes.as_object().expect("an object") {
            assert_eq!(&shown[name], value, "{name} of {shown}");
        }
        assert!(shown.get("sla_alert_threshold").is_none(), "{shown}");
    }
    let worker = |gpu: &str| json!({"id": gpu, "labels": {"agent": "dev_agent", "gpu": gpu}});
    done(&tocsin, "POST", &format!("/tasks/{scheduled}/run_now"), Value::Null, 200);
    assert!(tasks_of(&work(&tocsin, worker("no"), json!([]), 10)).is_empty());
    done(&tocsin, "POST", "/queues/mail/pause", Value::Null, 200);
    assert!(tasks_of(&work(&tocsin, worker("yes"), json!([]), 10)).is_empty());
    done(&tocsin, "POST", "/queues/mail/resume", Value::Null, 200);
    let reply = work(&tocsin, worker("yes"), json!([]), 10);
    assert_eq!(tasks_of(&reply).len(), 1, "one of the rate key in a minute: {reply}");
    assert_eq!(reply["runs"][0]["lease_ms"], 5_000);
    let other = if tasks_of(&reply)[0] == typed { &scheduled } else { &typed };
    assert_eq!(causes(&tocsin, other), ["rate_limit"]);
    for bad in [
        json!({"type": "bugfix", "payload": {}, "rate_key": "api"}),
        json!({"type": "bugfix", "payload": {}, "queue": "a/b"}),
    ] {
        done(&tocsin, "POST", "/tasks", bad, 422);
    }
}

#[test]
fn bulk_takes_all_that_a_single_request_takes() {
    let tocsin = server(0);
    done(&tocsin, "PUT", "/calendars/holidays", json!({"dates": ["12-25"]}), 200);
    let firing = [
        (
            "cron",
            "0 0 3 * * *",
            json!({
                "dialect": "seconds", "gap": "skip", "fold": "both", "misfire": "all", "misfire_window_seconds": 600,
                "overlap": "queue", "jitter_seconds": 30, "calendar": "holidays",
            }),
        ),
        ("event", "build.done", json!({"filter": "payload.ok"})),
        ("condition", "up == 0", json!({"dialect": "promql", "check_seconds": 5})),
    ];
    let wishes = json!({"queue": "mail", "total_timeout_seconds": 600.0, "non_retryable": ["quota"]});
    let tasks: Vec<Value> = firing
        .iter()
        .map(|(kind, expr, firing)| {
            let mut task = schedule(kind, expr);
            for (name, value) in firing.as_object().into_iter().chain(wishes.as_object()).flatten() {
                task[name] = value.clone();
            }
            task
        })
        .collect();
    let mut bad = schedule("cron", "0 3 * * *");
    bad["gap"] = json!("jump");
    let typed = json!({"type": "bugfix", "payload": {}, "priority": "P2", "queue": "mail"});
    let lines: Vec<String> = tasks.iter().chain([&bad, &typed]).map(Value::to_string).collect();
    let kind = [("content-type", "application/x-ndjson")];
    let reply =
        request("POST", &format!("{}/tasks/bulk", tocsin.url), &kind, &lines.join("\n")).expect("an answer");
    let verdicts: Vec<Value> =
        reply.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let codes: Vec<_> = verdicts.iter().map(|verdict| verdict["status"].clone()).collect();
    assert_eq!(codes, [201, 201, 201, 422, 200], "{}", reply.body);
    assert!(verdicts[3]["error"].as_str().is_some_and(|text| text.starts_with("gap: ")), "{}", reply.body);
    for (task, verdict) in tasks.iter().zip(&verdicts) {
        let shown = done(&tocsin, "GET", &format!("/tasks/{}", id_of(verdict)), Value::Null, 200);
        for (name, value) in
            task.as_object().expect("an object").iter().filter(|(name, _)| *name != "payload")
        {
            assert_eq!(&shown[name], value, "{name} of {shown}");
        }
    }
    let shown = done(&tocsin, "GET", &format!("/tasks/{}", id_of(&verdicts[4])), Value::Null, 200);
    assert_eq!(shown["task"]["queue"], "mail", "{shown}");
}

/// `created_by` was taken and dropped, whoever it named.
#[test]
fn a_schedule_is_a_known_agents_or_the_callers() {
    let tocsin = server(0);
    let with = |owner: &str| {
        let mut task = schedule("cron", "0 3 * * *");
        task["created_by"] = json!(owner);
        tocsin.post("/tasks/", &task)
    };
    for nobody in ["nobody", "11111111-2222-4333-8444-555555555555"] {
        let refused = with(nobody);
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.body.contains("created_by: ") && refused.body.contains(nobody), "{}", refused.body);
    }
    assert_eq!(tocsin.get("/schedules").json()["total"], 0, "nothing is stored");
    let system = "00000000-0000-0000-0000-000000000001";
    for owner in [system, "system", "local"] {
        let taken = with(owner);
        assert_eq!((taken.status, &taken.json()["created_by"]), (201, &json!(owner)), "{}", taken.body);
        let found = tocsin.get(&format!("/tasks/?created_by={owner}")).json();
        assert_eq!(found["total"], 1, "{owner}: {found}");
    }
    let line = format!("{}\n", {
        let mut task = schedule("cron", "0 3 * * *");
        task["created_by"] = json!("nobody");
        task
    });
    let bulk = request(
        "POST",
        &format!("{}/tasks/bulk", tocsin.url),
        &[("content-type", "application/x-ndjson")],
        &line,
    );
    let bulk = bulk.expect("an answer");
    assert!(bulk.status == 200 && bulk.body.contains("created_by"), "{}", bulk.body);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let tocsin = server(0);
    let id = submit(&tocsin, schedule("cron", "0 3 * * *"));
    for (method, path, body, place) in [
        ("GET", "/tasks?limit=0".to_owned(), Value::Null, json!(["query", "limit"])),
        ("GET", "/runs/?start_time=yesterday".to_owned(), Value::Null, json!(["query", "start_time"])),
        ("PATCH", format!("/tasks/{id}/status"), Value::Null, json!(["query", "status"])),
        ("PUT", format!("/tasks/{id}"), json!({"titel": "x"}), json!(["body", "titel"])),
        ("PUT", "/queues/mail".to_owned(), json!({"running": 2}), json!(["body", "running"])),
        ("PUT", "/queues/a%20b".to_owned(), json!({}), json!(["path", "name"])),
        ("PUT", "/calendars/rest".to_owned(), json!({"dates": [], "days": []}), json!(["body", "days"])),
        ("POST", "/tasks".to_owned(), json!({"kind": "noop", "arg": {}}), json!(["body", "arg"])),
    ] {
        let refused = done(&tocsin, method, &path, body, 422);
        assert_eq!(refused["detail"][0]["loc"], place, "{method} {path}: {refused}");
    }
    let long = "x".repeat(256);
    let refused = ask(&tocsin, "POST", "/tasks", &[("idempotency-key", &long)], &json!({"kind": "noop"}));
    assert_eq!(refused.json()["detail"][0]["loc"], json!(["header", "Idempotency-Key"]), "{}", refused.body);
}
