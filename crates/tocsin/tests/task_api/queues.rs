//! Queues, what keeps a task waiting, and figures.

use super::*;

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
