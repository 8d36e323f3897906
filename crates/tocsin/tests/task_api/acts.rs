//! What is done to a task, and the word that it has then.

use super::*;

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
