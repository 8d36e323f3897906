//! What workers elsewhere say of their attempts, and what they are told.

use super::*;

/// One round trip with anything in it.
fn round(tocsin: &Tocsin, rest: Value, status: u16) -> Value {
    let key = tocsin.key("agent");
    let mut body = json!({"worker": {"id": "far", "boot_nonce": "1", "kinds": ["*"], "slots_free": 50}});
    for (name, value) in rest.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let reply = ask(tocsin, "POST", "/v1/work", &[("x-api-key", &key)], &body);
    assert_eq!(reply.status, status, "{}", reply.body);
    reply.json()
}

fn get(tocsin: &Tocsin, path: &str) -> Value {
    done(tocsin, "GET", path, Value::Null, 200)
}

#[test]
fn an_attempt_elsewhere_ends_at_its_timeout_though_it_is_extended_for_ever() {
    let tocsin = server(0);
    let id = submit(&tocsin, json!({"kind": "noop", "timeout_seconds": 1, "max_retries": 0}));
    let begun = Instant::now();
    let reply = round(&tocsin, json!({"want": 1}), 200);
    assert_eq!(
        (&reply["runs"][0]["lease_ms"], &reply["runs"][0]["deadline_ms"]),
        (&json!(60_000), &json!(1_000))
    );
    let token = token(&reply);
    let extend = json!([{"attempt_token": token}]);
    // The poll is parked, and still it hears at once.
    let told = round(&tocsin, json!({"extend": extend, "want": 1, "wait_ms": 20_000}), 200);
    assert_eq!((&told["cancel"], &told["runs"]), (&json!([token]), &json!([])), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let late = json!([{"attempt_token": token, "outcome": "done"}]);
    let answer = round(&tocsin, json!({"complete": late, "extend": extend}), 200);
    assert_eq!(answer["results"][token.as_str().expect("a token")], "stale");
    let run = get(&tocsin, &format!("/runs/{id}"));
    assert_eq!((&run["state"], &run["attempt"]), (&json!("dead"), &json!(1)), "{run}");
    assert!(run["error"].as_str().is_some_and(|error| error.contains("timed out")), "{run}");
    let dead = get(&tocsin, "/dead-letters");
    assert_eq!(dead["items"][0]["error_type"], "timeout", "{dead}");
}

#[test]
fn a_completion_is_answered_though_its_token_is_extended_beside_it() {
    let tocsin = server(0);
    let id = submit(&tocsin, json!({"kind": "noop"}));
    let token = token(&round(&tocsin, json!({"want": 1}), 200));
    let complete = json!([
        {"attempt_token": token, "outcome": "done", "result": 1},
        {"attempt_token": token, "outcome": "done", "result": 2},
    ]);
    let extend = json!([{"attempt_token": token, "progress": 0.5}]);
    let reply = round(&tocsin, json!({"complete": complete, "extend": extend}), 200);
    assert_eq!(reply["results"], json!({token.as_str().expect("a token"): "accepted"}));
    assert_eq!(get(&tocsin, &format!("/runs/{id}"))["output"], 1);
}

#[test]
fn progress_and_checkpoints_are_shown_while_a_run_goes_on() {
    let tocsin = server(0);
    let id = submit(&tocsin, json!({"kind": "noop"}));
    let seen = |progress: Value, checkpoint: bool| {
        let runs = get(&tocsin, &format!("/runs/?task_id={id}"));
        for shown in [
            get(&tocsin, &format!("/tasks/{id}")),
            get(&tocsin, &format!("/runs/{id}")),
            runs["items"][0].clone(),
        ] {
            assert_eq!(
                (&shown["progress"], &shown["has_checkpoint"]),
                (&progress, &json!(checkpoint)),
                "{shown}"
            );
        }
    };
    seen(Value::Null, false);
    let token = token(&round(&tocsin, json!({"want": 1}), 200));
    round(&tocsin, json!({"extend": [{"attempt_token": token, "progress": 0.25}]}), 200);
    seen(json!(0.25), false);
    round(
        &tocsin,
        json!({"extend": [{"attempt_token": token, "progress": 0.5, "checkpoint": {"page": 3}}]}),
        200,
    );
    seen(json!(0.5), true);
    let large = "x".repeat(256 << 10);
    let complete = json!([{"attempt_token": token, "outcome": "done"}]);
    let extend = json!([{"attempt_token": token, "checkpoint": large}]);
    let refused = round(&tocsin, json!({"complete": complete, "extend": extend}), 400);
    assert!(
        refused["message"].as_str().is_some_and(|what| what.contains("extend[0].checkpoint")),
        "{refused}"
    );
    seen(json!(0.5), true);
    round(&tocsin, json!({"complete": [{"attempt_token": token, "outcome": "snooze"}]}), 200);
    assert_eq!(get(&tocsin, &format!("/runs/{id}"))["state"], "scheduled");
}

#[test]
fn whole_numbers_that_would_be_changed_are_refused_with_their_place() {
    let tocsin = server(0);
    let send = |path: &str, body: &str, place: &str| {
        let json = [("content-type", "application/json")];
        let reply = request("POST", &format!("{}{path}", tocsin.url), &json, body).expect("an answer");
        assert!(reply.status == 422 && reply.body.contains(place), "{path}: {} {}", reply.status, reply.body);
    };
    let big = "123456789012345678901234567890";
    let steps = r#"[{"id": "a", "uses": "noop"}]"#;
    let scheduled = format!(
        r#"{{"title": "t", "description": "d", "schedule_kind": "cron", "schedule_expr": "0 3 * * *",
            "payload": {{"params": {{"n": {big}}}, "pipeline": {steps}}}}}"#
    );
    send("/tasks", &scheduled, "payload.params.n");
    send("/tasks", &format!(r#"{{"type": "bugfix", "payload": {{"n": [{big}]}}}}"#), "payload.n[0]");
    send("/events", &format!(r#"{{"topic": "stock.low", "payload": {{"n": {big}}}}}"#), "payload.n");
    let kept = format!(r#"{{"kind": "noop", "args": {{"n": {big}}}}}"#);
    let json = [("content-type", "application/json")];
    let reply = request("POST", &format!("{}/tasks", tocsin.url), &json, &kept).expect("an answer");
    assert!(reply.status == 201 && reply.body.contains(big), "{}", reply.body);
}

#[test]
fn topics_name_active_tasks_only() {
    let tocsin = server(0);
    let first = submit(&tocsin, schedule("event", "stock.low"));
    submit(&tocsin, schedule("event", "stock.low"));
    assert_eq!(get(&tocsin, "/events/topics")["topics"][0]["active_tasks"], 2);
    done(&tocsin, "POST", &format!("/tasks/{first}/pause"), json!({}), 200);
    assert_eq!(get(&tocsin, "/events/topics")["topics"][0]["active_tasks"], 1);
    done(&tocsin, "POST", &format!("/tasks/{first}/resume"), json!({}), 200);
    assert_eq!(get(&tocsin, "/events/topics")["topics"][0]["active_tasks"], 2);
}
