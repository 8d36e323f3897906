//! Tasks, runs, queues and dead letters over HTTP, every endpoint against a real server; and what other systems
//! promised there and did not do.

mod support;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::{Reply, Tocsin, eventually, request};

const LIMIT: Duration = Duration::from_secs(20);

/// A server whose built-in worker takes nothing of users, unless it has slots.
fn server(slots: usize) -> Tocsin {
    let mut tocsin = Tocsin::prepare(&[], &[]);
    let config = tocsin.dir.path().join("tocsin.yml");
    std::fs::write(&config, format!("workers: {{slots: {slots}}}\n")).expect("our own directory");
    tocsin.add_args(&["--config", config.to_str().expect("a plain path")]);
    tocsin.start_again();
    tocsin
}

fn ask(tocsin: &Tocsin, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    let reply = request(method, &format!("{}{path}", tocsin.url), &all, &text);
    reply.unwrap_or_else(|| panic!("{method} {path}: no answer\n{}", tocsin.log()))
}

/// Asks and expects this status.
fn done(tocsin: &Tocsin, method: &str, path: &str, body: Value, status: u16) -> Value {
    let reply = ask(tocsin, method, path, &[], &body);
    assert_eq!(reply.status, status, "{method} {path} {body}: {}", reply.body);
    reply.json()
}

fn id_of(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id: {value}")).to_owned()
}

fn submit(tocsin: &Tocsin, task: Value) -> String {
    let reply = tocsin.post("/tasks", &task);
    assert!(matches!(reply.status, 200 | 201), "{task}: {} {}", reply.status, reply.body);
    id_of(&reply.json())
}

fn schedule(kind: &str, expr: &str) -> Value {
    json!({
        "title": "report", "description": "nightly", "schedule_kind": kind, "schedule_expr": expr,
        "payload": {"pipeline": [{"id": "a", "uses": "noop"}]},
    })
}

/// One round trip of a worker that does everything.
fn work(tocsin: &Tocsin, worker: Value, complete: Value, want: u32) -> Value {
    let key = tocsin.key("agent");
    let mut card = json!({"id": "far", "boot_nonce": "1", "kinds": ["*"], "slots_free": 50});
    for (name, value) in worker.as_object().into_iter().flatten() {
        card[name] = value.clone();
    }
    let body = json!({"worker": card, "complete": complete, "want": want, "wait_ms": 0});
    let reply = ask(tocsin, "POST", "/v1/work", &[("x-api-key", &key)], &body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

fn tasks_of(reply: &Value) -> Vec<String> {
    let runs = reply["runs"].as_array().expect("runs");
    runs.iter().map(|run| run["task_id"].as_str().expect("a task").to_owned()).collect()
}

fn token(reply: &Value) -> Value {
    reply["runs"][0]["attempt_token"].clone()
}

fn causes(tocsin: &Tocsin, task: &str) -> Vec<String> {
    let why = done(tocsin, "GET", &format!("/tasks/{task}/why"), Value::Null, 200);
    let causes = why["causes"].as_array().expect("causes");
    causes.iter().map(|cause| cause["cause"].as_str().expect("a word").to_owned()).collect()
}

#[test]
fn a_schedule_is_changed_held_put_off_run_and_cancelled() {
    let tocsin = server(2);
    let id = submit(&tocsin, schedule("cron", "0 3 * * *"));
    let task = format!("/tasks/{id}");
    let changed = done(
        &tocsin,
        "PUT",
        &task,
        json!({"title": "other", "priority": 2, "schedule_expr": "0 4 * * *"}),
        200,
    );
    assert_eq!((&changed["title"], &changed["priority"]), (&json!("other"), &json!(2)));
    assert!(changed["next_run"].as_str().is_some_and(|at| at.contains("T04:00:00")), "{changed}");
    done(&tocsin, "PUT", &task, json!({"schedule_expr": "61 * * * *"}), 400);
    done(&tocsin, "PUT", &task, json!({"priority": 12}), 422);
    assert_eq!(
        done(&tocsin, "GET", &task, Value::Null, 200)["schedule_expr"],
        "0 4 * * *",
        "it stays as it was"
    );
    done(&tocsin, "PUT", "/tasks/nobody", json!({"title": "x"}), 404);

    let more = json!({
        "dialect": "seconds", "schedule_expr": "0 0 4 * * *", "misfire": "skip", "jitter_seconds": 60,
        "queue": "mail", "rate_key": "api", "rate_per_minute": 5, "total_timeout_seconds": 600.0,
    });
    let changed = done(&tocsin, "PUT", &task, more.clone(), 200);
    for (name, value) in more.as_object().expect("an object") {
        assert_eq!(&changed[name], value, "{name} of {changed}");
    }
    assert!(changed["next_run"].as_str().is_some_and(|at| at.contains("T04:0")), "{changed}");
    for (bad, status, field) in [
        (json!({"gap": "jump"}), 422, "gap"),
        (json!({"jitter_seconds": 0, "title": "x"}), 422, "jitter_seconds"),
        (json!({"total_timeout_seconds": -1}), 422, "total_timeout_seconds"),
        (json!({"labels": {"gpu": 1}}), 422, "labels"),
        (json!({"calendar": "nobody"}), 400, "calendar"),
        (json!({"filter": "x"}), 400, "filter"),
        (json!({"rate_per_minute": null}), 400, "rate_per_minute"),
        (json!({"dialect": "standard"}), 400, "schedule_expr"),
    ] {
        let refused = done(&tocsin, "PUT", &task, bad, status);
        assert!(refused.to_string().contains(field), "{field}: {refused}");
        assert_eq!(done(&tocsin, "GET", &task, Value::Null, 200), changed, "it stays as it was");
    }
    let back = json!({
        "dialect": null, "schedule_expr": "0 4 * * *", "misfire": null, "jitter_seconds": null, "queue": null,
        "rate_key": null, "rate_per_minute": null, "total_timeout_seconds": null,
    });
    let changed = done(&tocsin, "PUT", &task, back, 200);
    assert!(["misfire", "queue", "rate_key"].iter().all(|name| changed.get(*name).is_none()), "{changed}");
    assert!(changed["next_run"].as_str().is_some_and(|at| at.contains("T04:00:00")), "{changed}");

    let ran = done(&tocsin, "POST", &format!("{task}/run_now"), Value::Null, 200);
    assert_eq!((&ran["details"]["due_work_id"], &ran["task_id"]), (&ran["due_work_id"], &json!(id)));
    let run = ran["run_id"].as_str().expect("a run").to_owned();
    let latest = eventually("the run ends", LIMIT, || {
        let latest = tocsin.get(&format!("/runs/task/{id}/latest")).json();
        (latest["success"] == true).then_some(latest)
    });
    assert_eq!(latest["id"], json!(run));
    assert_eq!(tocsin.get(&format!("/task/{id}/latest")).json()["id"], json!(run), "without the prefix, too");

    let before = done(&tocsin, "GET", &task, Value::Null, 200)["next_run"].clone();
    let snoozed = done(
        &tocsin,
        "POST",
        &format!("{task}/snooze"),
        json!({"delay_seconds": 3600, "reason": "busy"}),
        200,
    );
    assert_eq!((&snoozed["affected_work_items"], &snoozed["success"]), (&json!(1), &json!(true)));
    let after = done(&tocsin, "GET", &task, Value::Null, 200)["next_run"].clone();
    assert!(after.as_str().is_some_and(|at| at.contains("T05:00:00")), "{before} to {after}");
    for bad in [
        json!({}),
        json!({"delay_seconds": 0}),
        json!({"delay_seconds": 604_801}),
        json!({"delay_seconds": 5, "reason": "x".repeat(201)}),
    ] {
        done(&tocsin, "POST", &format!("{task}/snooze"), bad, 422);
    }

    for (act, message, status) in [
        ("pause", "paused", "paused"),
        ("pause", "already paused", "paused"),
        ("resume", "resumed", "active"),
        ("resume", "already active", "active"),
        ("pause", "paused", "paused"),
    ] {
        let reply = done(&tocsin, "POST", &format!("{task}/{act}"), Value::Null, 200);
        assert!(reply["message"].as_str().is_some_and(|text| text.contains(message)), "{act}: {reply}");
        assert_eq!(done(&tocsin, "GET", &task, Value::Null, 200)["status"], status, "{act}");
    }
    assert_eq!(causes(&tocsin, &id), ["schedule_paused", "next_fire"]);
    done(&tocsin, "POST", &format!("{task}/run_now"), Value::Null, 400);
    done(&tocsin, "PUT", &task, json!({"status": "active"}), 200);

    let cancelled = done(&tocsin, "POST", &format!("{task}/cancel"), Value::Null, 200);
    assert_eq!(cancelled["removed_work_items"], 1, "{cancelled}");
    let again = done(&tocsin, "POST", &format!("{task}/cancel"), Value::Null, 200);
    assert_eq!(again["removed_work_items"], 0);
    assert!(again["message"].as_str().is_some_and(|text| text.contains("already")), "{again}");
    done(&tocsin, "POST", &format!("{task}/run_now"), Value::Null, 400);
    done(&tocsin, "POST", &format!("{task}/pause"), Value::Null, 409);
    assert_eq!(causes(&tocsin, &id), ["final"]);
    done(&tocsin, "DELETE", &task, Value::Null, 200);
    done(&tocsin, "GET", &task, Value::Null, 404);
    done(&tocsin, "DELETE", &task, Value::Null, 404);
    assert_eq!(tocsin.get(&format!("/runs/?task_id={id}")).json()["total"], 0);
}

/// A condition in PromQL that became another one was not read, and stored whatever it was.
#[test]
fn a_condition_that_becomes_another_is_read_in_its_language() {
    let tocsin = server(0);
    let task = format!("/tasks/{}", submit(&tocsin, schedule("condition", "up == 0")));
    let cron = json!({"schedule_kind": "cron", "schedule_expr": "0 4 * * *"});
    let back = json!({"schedule_kind": "condition", "schedule_expr": "up == 1"});
    for (change, status, want) in [
        (json!({"schedule_expr": "up =="}), 400, json!("schedule_expr")),
        (json!({"schedule_expr": "up == 2"}), 200, json!("promql")),
        (json!({"dialect": "seconds"}), 400, json!("dialect")),
        (json!({"dialect": "jmespath", "schedule_expr": "payload.ok"}), 200, json!("jmespath")),
        (json!({"schedule_expr": "payload.size"}), 200, json!("jmespath")),
        (json!({"dialect": null, "schedule_expr": "up == 3"}), 200, json!("promql")),
        (cron, 200, Value::Null),
        (back, 200, json!("promql")),
    ] {
        let reply = done(&tocsin, "PUT", &task, change.clone(), status);
        match status {
            200 => assert_eq!(reply["dialect"], want, "{change}: {reply}"),
            _ => assert!(
                reply.to_string().contains(&format!("{}: ", want.as_str().unwrap_or_default())),
                "{reply}"
            ),
        }
    }
}

#[test]
fn what_was_held_and_put_off_stays_so_over_a_restart() {
    let mut tocsin = server(0);
    let fires = submit(&tocsin, schedule("cron", "* * * * *"));
    let held = submit(&tocsin, json!({"kind": "noop"}));
    done(&tocsin, "POST", &format!("/tasks/{fires}/pause"), Value::Null, 200);
    done(&tocsin, "POST", &format!("/tasks/{held}/pause"), Value::Null, 200);
    done(&tocsin, "POST", "/queues/mail/pause", Value::Null, 200);
    let waits = submit(&tocsin, json!({"kind": "noop", "queue": "mail"}));
    tocsin.kill();
    tocsin.start_again();
    for (task, status) in [(&fires, "paused"), (&held, "paused"), (&waits, "pending")] {
        assert_eq!(done(&tocsin, "GET", &format!("/tasks/{task}"), Value::Null, 200)["status"], status);
    }
    assert!(tasks_of(&work(&tocsin, json!({}), json!([]), 10)).is_empty(), "all of it is held");
    assert_eq!(causes(&tocsin, &held), ["task_paused"]);
    assert_eq!(causes(&tocsin, &waits), ["queue_paused"]);
    done(&tocsin, "POST", &format!("/tasks/{held}/resume"), Value::Null, 200);
    done(&tocsin, "POST", "/queues/mail/resume", Value::Null, 200);
    let mut taken = tasks_of(&work(&tocsin, json!({}), json!([]), 10));
    taken.sort();
    let mut want = vec![held, waits];
    want.sort();
    assert_eq!(taken, want);
}

#[test]
fn an_idempotency_key_does_once_and_answers_the_same() {
    let mut tocsin = server(0);
    let task = json!({"kind": "noop", "args": {"n": 1}});
    let key = [("Idempotency-Key", "order-17")];
    let first = ask(&tocsin, "POST", "/tasks", &key, &task);
    assert_eq!((first.status, first.headers.get("idempotent-replayed")), (201, None));
    tocsin.kill();
    tocsin.start_again();
    for path in ["/tasks", "/tasks/"] {
        let again = ask(&tocsin, "POST", path, &key, &task);
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.headers.get("idempotent-replayed").map(|v| v.as_bytes()), Some(&b"true"[..]));
    }
    let other = ask(&tocsin, "POST", "/tasks", &key, &json!({"kind": "noop", "args": {"n": 2}}));
    assert_eq!(other.status, 422, "{}", other.body);
    let agent = tocsin.key("agent");
    let theirs = ask(&tocsin, "POST", "/tasks", &[key[0], ("x-api-key", &agent)], &task);
    assert_eq!(theirs.status, 201);
    assert_ne!(id_of(&theirs.json()), id_of(&first.json()), "another principal's key is another key");
    assert_eq!(tocsin.get("/tasks").json()["total"], 2);

    let id = submit(&tocsin, schedule("cron", "0 3 * * *"));
    let path = format!("/tasks/{id}/snooze");
    let later = json!({"delay_seconds": 60});
    let first = ask(&tocsin, "POST", &path, &[("Idempotency-Key", "s")], &later);
    let again = ask(&tocsin, "POST", &path, &[("Idempotency-Key", "s")], &later);
    assert_eq!((first.status, again.status, first.body == again.body), (200, 200, true));
    let next = done(&tocsin, "GET", &format!("/tasks/{id}"), Value::Null, 200)["next_run"].clone();
    assert!(next.as_str().is_some_and(|at| at.contains("T03:01:00")), "it was put off once: {next}");
    let empty = ask(&tocsin, "POST", "/tasks", &[("Idempotency-Key", "")], &task);
    assert_eq!(empty.status, 422);
}

#[test]
fn whatever_would_happen_twice_takes_an_idempotency_key() {
    let mut tocsin = server(0);
    let listens = submit(&tocsin, schedule("event", "stock.low"));
    let gated = submit(&tocsin, json!({"kind": "noop", "approval": {"quorum": 2}}));
    let approval = format!("/approvals/approval_{gated}");
    let silence = json!({"matchers": [{"name": "a", "value": "b"}], "endsAt": "2100-01-01T00:00:00Z"});
    let admin = tocsin.key("admin");
    let (delegate, approve) = (format!("{approval}/delegate"), format!("{approval}/approve"));
    let requests = [
        ("/events", json!({"topic": "stock.low"})),
        ("/events/publish", json!({"event_type": "stock.high"})),
        ("/events/subscriptions", json!({"url": "http://hooks.example/x", "secret": "sixteen letters!"})),
        ("/api/v2/silences", silence.clone()),
        ("/api/v1/silences", silence),
        (&delegate, json!({"to": "kim", "until": "2100-01-01T00:00:00Z"})),
        (&approve, json!({"reason": "tested"})),
        ("/agents", json!({"name": "mailer"})),
    ];
    let send = |tocsin: &Tocsin, n: usize, path: &str, body: &Value| {
        let key = n.to_string();
        ask(tocsin, "POST", path, &[("Idempotency-Key", key.as_str()), ("x-api-key", &admin)], body)
    };
    let first: Vec<Reply> =
        requests.iter().enumerate().map(|(n, (path, body))| send(&tocsin, n, path, body)).collect();
    tocsin.kill();
    tocsin.start_again();
    for (n, ((path, body), first)) in requests.iter().zip(&first).enumerate() {
        assert!(
            first.status < 300 && !first.headers.contains_key("idempotent-replayed"),
            "{path}: {}",
            first.body
        );
        let again = send(&tocsin, n, path, body);
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{path}");
        assert!(again.headers.contains_key("idempotent-replayed"), "{path}");
        let other = send(&tocsin, n, "/tasks", &json!({"kind": "noop"}));
        assert_eq!(other.status, 422, "a key is one of all routes: {}", other.body);
    }
    let total = |path: &str| tocsin.get(path).json()["total"].clone();
    assert_eq!(total(&format!("/runs/?task_id={listens}")), 1);
    assert_eq!(total("/events/subscriptions"), 1);
    let count = |path: &str| tocsin.get(path).json().as_array().map(Vec::len);
    assert_eq!(count("/api/v2/silences"), Some(2));
    let published = tocsin.get("/events/stream/recent").json();
    assert_eq!(published["total_events"], 2, "{published}");
    let approval = done(&tocsin, "GET", &approval, Value::Null, 200)["approval"].clone();
    assert_eq!(approval["status"], "pending", "one voice of two: {approval}");
}

#[test]
fn a_client_may_wait_for_the_end() {
    let tocsin = server(2);
    let id = submit(&tocsin, json!({"kind": "wait", "args": {"seconds": 0.3}}));
    let shown = done(&tocsin, "GET", &format!("/tasks/{id}?wait=20"), Value::Null, 200);
    assert_eq!(shown["state"], "completed", "{shown}");
    let later = submit(&tocsin, json!({"kind": "noop", "delay_seconds": 100}));
    let begun = Instant::now();
    let shown = done(&tocsin, "GET", &format!("/tasks/{later}?wait=1"), Value::Null, 200);
    assert_eq!(shown["state"], "scheduled", "{shown}");
    assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(10));
    assert_eq!(done(&tocsin, "GET", &format!("/tasks/{id}?wait=20"), Value::Null, 200)["state"], "completed");
    done(&tocsin, "GET", "/tasks/nobody?wait=20", Value::Null, 404);
    done(&tocsin, "GET", &format!("/tasks/{id}?wait=301"), Value::Null, 422);
}

#[test]
fn why_names_every_cause() {
    let tocsin = server(0);
    let delayed = submit(&tocsin, json!({"kind": "noop", "delay_seconds": 100, "queue": "mail"}));
    done(&tocsin, "POST", "/queues/mail/pause", Value::Null, 200);
    assert_eq!(causes(&tocsin, &delayed), ["scheduled", "queue_paused", "no_worker"]);
    let first = submit(&tocsin, json!({"kind": "noop", "concurrency_key": "k"}));
    let reply = work(&tocsin, json!({}), json!([]), 1);
    assert_eq!(tasks_of(&reply), std::slice::from_ref(&first));
    assert_eq!(causes(&tocsin, &first), ["running"]);
    let second = submit(&tocsin, json!({"kind": "noop", "concurrency_key": "k"}));
    assert_eq!(causes(&tocsin, &second), ["concurrency_key"]);
    let why = done(&tocsin, "GET", &format!("/tasks/{second}/why"), Value::Null, 200);
    assert_eq!(why["causes"][0]["run_id"], reply["runs"][0]["id"]);
    let retry = json!([{"attempt_token": token(&reply), "outcome": "retry", "retry_after_ms": 60_000,
        "error": {"type": "busy", "message": "later"}}]);
    work(&tocsin, json!({"slots_free": 0}), retry, 0);
    assert_eq!(causes(&tocsin, &first), ["retry_backoff", "workers_busy"]);
    assert_eq!(causes(&tocsin, &second), ["workers_busy"], "the key is free");
    let labels = submit(&tocsin, json!({"kind": "noop", "labels": {"gpu": "yes"}}));
    assert_eq!(causes(&tocsin, &labels), ["no_worker"]);
    let typed = submit(&tocsin, json!({"type": "bugfix", "payload": {}, "priority": "P2"}));
    assert_eq!(causes(&tocsin, &typed), ["no_worker"]);
    done(&tocsin, "GET", "/tasks/nobody/why", Value::Null, 404);
    done(&tocsin, "POST", &format!("/tasks/{second}/cancel"), Value::Null, 200);
    assert_eq!(causes(&tocsin, &second), ["final"]);
}

#[test]
fn a_running_task_is_cancelled_with_its_worker() {
    let tocsin = server(0);
    let id = submit(&tocsin, json!({"kind": "noop"}));
    let reply = work(&tocsin, json!({}), json!([]), 1);
    let cancelled = done(&tocsin, "POST", &format!("/tasks/{id}/cancel"), Value::Null, 200);
    assert_eq!((&cancelled["removed_work_items"], &cancelled["stopping"]), (&json!(0), &json!(1)));
    let told = work(&tocsin, json!({}), json!([]), 0);
    assert_eq!(told["cancel"], json!([token(&reply)]), "{told}");
    let late = json!([{"attempt_token": token(&reply), "outcome": "done"}]);
    let late = work(&tocsin, json!({}), late, 0);
    assert_eq!(late["results"][token(&reply).as_str().expect("a text")], "stale");
    assert_eq!(tocsin.get(&format!("/tasks/{id}")).json()["state"], "cancelled");
}

#[test]
fn queues_bound_what_runs() {
    let tocsin = server(0);
    let limited = done(&tocsin, "PUT", "/queues/mail", json!({"running_max": 2}), 200);
    assert_eq!((&limited["running_max"], &limited["name"]), (&json!(2), &json!("mail")));
    for _ in 0..5 {
        submit(&tocsin, json!({"kind": "noop", "queue": "mail"}));
    }
    let first = work(&tocsin, json!({}), json!([]), 10);
    assert_eq!(tasks_of(&first).len(), 2, "{first}");
    let third =
        tocsin.get("/tasks?status=available").json()["items"][0]["id"].as_str().expect("one").to_owned();
    assert_eq!(causes(&tocsin, &third), ["queue_full"]);
    let done_one = json!([{"attempt_token": token(&first), "outcome": "done"}]);
    assert_eq!(tasks_of(&work(&tocsin, json!({}), done_one, 10)).len(), 1, "one place came free");
    let mail = done(&tocsin, "GET", "/queues/mail", Value::Null, 200);
    assert_eq!(
        (&mail["running"], &mail["waiting"], &mail["ready"]),
        (&json!(2), &json!(2), &json!(2)),
        "{mail}"
    );
    done(&tocsin, "PUT", "/queues/mail", json!({"running_max": null}), 200);
    assert_eq!(tasks_of(&work(&tocsin, json!({}), json!([]), 10)).len(), 2);
    let names: Vec<_> = tocsin.get("/queues").json()["items"]
        .as_array()
        .expect("queues")
        .iter()
        .map(|q| q["name"].clone())
        .collect();
    assert_eq!(names, ["mail"]);
    done(&tocsin, "GET", "/queues/nothing", Value::Null, 404);
    done(&tocsin, "PUT", "/queues/mail", json!({"running_max": 0}), 422);
    done(&tocsin, "POST", "/queues/a%20b/pause", Value::Null, 422);
}

#[test]
fn rate_keys_and_labels_hold() {
    let tocsin = server(0);
    let task = json!({"kind": "noop", "rate_key": "api", "rate_per_minute": 3});
    let ids: Vec<String> = (0..5).map(|_| submit(&tocsin, task.clone())).collect();
    let taken = tasks_of(&work(&tocsin, json!({}), json!([]), 10));
    assert_eq!(taken, ids[..3], "three in a minute, in their order");
    assert_eq!(causes(&tocsin, &ids[4]), ["rate_limit"]);
    let gpu = submit(&tocsin, json!({"kind": "noop", "labels": {"gpu": "yes", "zone": "a"}}));
    for (labels, want) in [
        (json!({"gpu": "yes"}), vec![]),
        (json!({"gpu": "no", "zone": "a"}), vec![]),
        (json!({"gpu": "yes", "zone": "a", "more": "x"}), vec![gpu]),
    ] {
        let reply = work(&tocsin, json!({"id": labels.to_string(), "labels": labels}), json!([]), 10);
        assert_eq!(tasks_of(&reply), want, "{labels}");
    }
}

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
fn lists_are_filtered_and_paged() {
    let tocsin = server(2);
    for n in 0..5 {
        submit(&tocsin, json!({"kind": "noop", "args": {"n": n}}));
    }
    let typed = submit(&tocsin, json!({"type": "bugfix", "payload": {}, "priority": "P2"}));
    let fires = submit(&tocsin, schedule("cron", "0 3 * * *"));
    eventually("five runs", LIMIT, || (tocsin.get("/runs/?success=true").json()["total"] == 5).then_some(()));
    let page = tocsin.get("/tasks?limit=2&offset=1").json();
    assert_eq!(
        (&page["items"][0]["id"], &page["total"], &page["has_more"]),
        (&json!(typed), &json!(7), &json!(true))
    );
    for (query, want) in [
        ("status=assigned", 1),
        ("status=active", 1),
        ("status=completed", 5),
        ("schedule_kind=cron", 1),
        ("schedule_kind=once", 0),
        ("created_by=local", 7),
        ("created_by=nobody", 0),
    ] {
        assert_eq!(tocsin.get(&format!("/tasks/?{query}")).json()["total"], want, "{query}");
    }
    assert_eq!(tocsin.get("/schedules").json()["items"][0]["id"], json!(fires));
    assert_eq!(tocsin.get("/tasks?limit=201").status, 422);
    let run = tocsin.get("/runs?limit=1").json()["items"][0]["id"].as_str().expect("a run").to_owned();
    assert_eq!(tocsin.get(&format!("/runs/{run}")).json()["id"], json!(run));
    for (query, want) in [
        ("start_time=2020-01-01T00:00:00Z", 6),
        ("start_time=2099-01-01T00:00:00%2B00:00", 0),
        ("end_time=2020-01-01T00:00:00", 0),
        ("success=false", 0),
        ("task_id=nobody", 0),
    ] {
        assert_eq!(tocsin.get(&format!("/runs/?{query}")).json()["total"], want, "{query}");
    }
    assert_eq!(tocsin.get("/runs/?start_time=yesterday").status, 422);
    assert_eq!(tocsin.get("/runs/nobody").status, 404);
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

/// An act answered with another word than reading the task did, and `pending` was read as `assigned`.
#[test]
fn a_status_is_one_word_wherever_it_is_told() {
    let tocsin = server(0);
    let typed = json!({"type": "bugfix", "payload": {}, "priority": "P2"});
    let plain = json!({"kind": "noop", "delay_seconds": 3600});
    let read = |id: &str| {
        let shown = tocsin.get(&format!("/tasks/{id}")).json();
        let task = if shown["task"].is_object() { &shown["task"] } else { &shown };
        task["status"].as_str().expect("a status").to_owned()
    };
    let listed = |id: &str, word: &str| {
        let found = tocsin.get(&format!("/tasks?status={word}")).json();
        assert_eq!((&found["total"], &found["items"][0]["id"]), (&json!(1), &json!(id)), "{word}: {found}");
    };
    for (task, words) in [
        (typed.clone(), ["blocked", "assigned", "cancelled"]),
        (plain, ["paused", "pending", "cancelled"]),
        (schedule("cron", "0 3 * * *"), ["paused", "active", "canceled"]),
    ] {
        let id = submit(&tocsin, task);
        for (act, word) in ["pause", "resume", "cancel"].into_iter().zip(words) {
            for time in ["first", "again"] {
                let told = done(&tocsin, "POST", &format!("/tasks/{id}/{act}"), Value::Null, 200);
                assert_eq!(
                    (&told["status"], read(&id)),
                    (&json!(word), word.to_owned()),
                    "{act} {time}: {told}"
                );
            }
            if word != "cancelled" {
                listed(&id, word);
            }
        }
    }
    let id = submit(&tocsin, typed);
    for word in
        ["in_progress", "blocked", "assigned", "pending", "blocked", "pending", "in_progress", "failed"]
    {
        let told = done(&tocsin, "PATCH", &format!("/tasks/{id}/status?status={word}"), Value::Null, 200);
        assert_eq!((&told["status"], read(&id)), (&json!(word), word.to_owned()));
        listed(&id, word);
    }
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

#[test]
fn errors_are_hidden_unless_they_are_asked_for() {
    let tocsin = server(0);
    let id = submit(&tocsin, json!({"kind": "noop", "max_retries": 0}));
    let reply = work(&tocsin, json!({}), json!([]), 1);
    let failed = json!([{"attempt_token": token(&reply), "outcome": "failed", "error": {"type": "x", "message": "a secret"}}]);
    work(&tocsin, json!({}), failed, 0);
    let error =
        |query: &str| tocsin.get(&format!("/runs/?task_id={id}{query}")).json()["items"][0]["error"].clone();
    assert_eq!(error("&include_errors=true"), "a secret");
    for query in ["", "&include_errors=false"] {
        let hidden = error(query);
        assert!(hidden.as_str().is_some_and(|text| !text.contains("secret")), "{query}: {hidden}");
    }
}

#[test]
fn stats_have_every_figure() {
    let tocsin = server(0);
    submit(&tocsin, json!({"kind": "noop", "priority": 2}));
    submit(&tocsin, json!({"kind": "noop", "delay_seconds": 100}));
    submit(&tocsin, json!({"kind": "noop", "priority": 1}));
    let reply = work(&tocsin, json!({}), json!([]), 1);
    let stats = tocsin.get("/stats?hours=3").json();
    let figures = &stats["statistics"];
    for (name, want) in [
        ("total_pending", json!(2)),
        ("ready_now", json!(1)),
        ("currently_leased", json!(1)),
        ("expired_leases", json!(0)),
        ("active_workers", json!(2)),
    ] {
        assert_eq!(figures[name], want, "{name}: {figures}");
    }
    assert_eq!(
        (&figures["pending_by_priority"]["2"], &figures["pending_by_priority"]["5"]),
        (&json!(1), &json!(1))
    );
    assert!(figures["oldest_age_seconds"].is_number() && figures["oldest_pending"].is_string(), "{figures}");
    work(&tocsin, json!({}), json!([{"attempt_token": token(&reply), "outcome": "done"}]), 0);
    let stats = tocsin.get("/stats?hours=3").json();
    let hour = &stats["statistics"]["last_hour"];
    assert_eq!(
        (&hour["total"], &hour["successful"], &hour["failed"]),
        (&json!(1), &json!(1), &json!(0)),
        "{stats}"
    );
    let hours = stats["hours"].as_array().expect("hours");
    let sum = |name: &str| hours.iter().map(|hour| hour[name].as_u64().expect("a number")).sum::<u64>();
    assert_eq!((hours.len(), sum("created"), sum("total")), (3, 3, 1), "{stats}");
    assert_eq!(tocsin.get("/stats?hours=9999").status, 422);
    assert_eq!(tocsin.get("/stats").json()["queue"]["pending_tasks"], 2);
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
