//! Tasks, runs and the worker protocol.

use super::*;

#[tokio::test]
async fn tasks_in_three_forms() {
    let (world, state) = World::calm().state();
    for uri in ["/tasks", "/tasks/"] {
        let answer = post(&state, uri, r#"{"kind": "noop"}"#).await;
        assert_eq!(answer.status, 201);
        let body = answer.json();
        assert_eq!(
            (&body["id"], &body["task_id"], &body["kind"]),
            (&json!("task-1"), &json!("task-1"), &json!("noop"))
        );
    }
    let answer = post(&state, "/tasks", r#"{"type": "bugfix", "payload": {}, "priority": "P2"}"#).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["success"], true);
    assert_eq!((&body["id"], &body["task_id"]), (&json!("task-1"), &json!("task-1")));
    assert_eq!(body["task"]["assigned_agent"], body["task"]["assigned_to"]);
    assert!(body["task"]["created_at"].as_str().unwrap().ends_with("+00:00"));

    let scheduled = json!({"title": "t", "description": "d", "schedule_kind": "once",
        "schedule_expr": "2026-11-22T03:13:00+00:00", "payload": {"pipeline": [{"id": "a", "uses": "noop"}]}});
    let answer = post(&state, "/tasks", scheduled.to_string()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json()["title"], "t");

    let submitted = world.submitted.lock().unwrap();
    assert_eq!(submitted.len(), 4);
    assert!(submitted.iter().all(|(_, by)| by == "local"));
    assert!(matches!(&submitted[3].0, NewTask::Scheduled(task) if task.schedule_kind == "once"));
}

#[tokio::test]
async fn refusals_of_a_task() {
    let (world, state) = World::calm().state();
    for (body, code, kind) in [
        ("{", 422, "validation_error"),
        ("{}", 422, "validation_error"),
        (r#"{"kind": "noop", "type": "bugfix"}"#, 422, "validation_error"),
        (r#"{"type": "bugfix", "payload": {}, "priority": "P7"}"#, 400, "invalid_value"),
    ] {
        let answer = post(&state, "/tasks", body).await;
        assert_eq!(answer.status.as_u16(), code, "{body}");
        let shown = answer.json();
        assert_eq!(shown["error"], kind);
        assert_eq!(shown["detail"].is_array(), code == 422, "{shown}");
        assert!(shown["request_id"].is_string() && shown["timestamp"].is_string());
    }
    let answer = post(&state, "/tasks", format!(r#"{{"kind": "{}"}}"#, "x".repeat(20_000))).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["max_size_bytes"], 10_000);
    assert!(world.submitted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_failure_becomes_its_code() {
    let text = || "why".to_owned();
    for (failure, code) in [
        (Failure::Shape { field: "f".to_owned(), what: text() }, 422),
        (Failure::Value { field: "kind".to_owned(), what: text() }, 400),
        (Failure::Forbidden(text()), 403),
        (Failure::NotFound(text()), 404),
        (Failure::Conflict(text()), 409),
        (Failure::TooLarge(text()), 413),
        (Failure::Full(text()), 429),
        (Failure::Unavailable(text()), 503),
        (Failure::Internal(text()), 500),
    ] {
        let internal = matches!(failure, Failure::Internal(_));
        let mut world = World::calm();
        world.refusal = Some(failure);
        let (_, state) = world.state();
        let answer = post(&state, "/tasks", r#"{"kind": "noop"}"#).await;
        assert_eq!(answer.status.as_u16(), code);
        assert_eq!(answer.json()["message"].as_str().unwrap().contains("why"), !internal);
        assert_eq!(answer.headers.contains_key("retry-after"), code == 429 || code == 503);
    }
}

#[tokio::test]
async fn bulk_goes_on_after_a_bad_line() {
    let (world, state) = World::calm().state();
    let answer =
        post(&state, "/tasks/bulk", "{\"kind\":\"noop\"}\n\n{oops\n{\"type\":\"bugfix\",\"payload\":{}}\n")
            .await;
    assert_eq!(answer.status, 200);
    let lines: Vec<serde_json::Value> =
        answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let brief: Vec<_> =
        lines.iter().map(|line| (line["line"].as_u64().unwrap(), line["status"].as_u64().unwrap())).collect();
    assert_eq!(brief, [(1, 201), (3, 422), (4, 200)]);
    assert!(lines[1]["error"].as_str().unwrap().contains("not JSON"));
    assert_eq!(world.submitted.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn reading_tasks_and_runs() {
    let (_, state) = World::calm().state();
    let answer = get(&state, "/tasks/none").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["detail"]), (404, &json!("Task none not found")));
    post(&state, "/tasks", r#"{"type": "bugfix", "payload": {}}"#).await;
    assert_eq!(get(&state, "/tasks/task-1").await.json()["task"]["type"], "bugfix");
    let page = get(&state, "/tasks?limit=1").await.json();
    assert_eq!((&page["total"], &page["limit"], &page["has_more"]), (&json!(1), &json!(1), &json!(false)));
    assert_eq!(get(&state, "/tasks?limit=201").await.status, 422);

    let page = get(&state, "/runs/?task_id=task-1&success=true").await.json();
    assert_eq!(
        (&page["items"][0]["state"], &page["items"][0]["success"]),
        (&json!("completed"), &json!(true))
    );
    assert_eq!(get(&state, "/runs/?success=false").await.json()["total"], 0);
    assert_eq!(get(&state, "/runs/run-1").await.json()["worker_id"], "built-in");
    assert_eq!(get(&state, "/runs/none").await.status, 404);

    let patch = async |query: &str| {
        let request = local("PATCH", &format!("/tasks/task-1/status{query}")).body(Body::empty()).unwrap();
        send(&state, request).await.status.as_u16()
    };
    assert_eq!(
        (patch("").await, patch("?status=done").await, patch("?status=completed").await),
        (422, 400, 200)
    );
}

#[tokio::test]
async fn a_workers_round_trip() {
    let (_, state) = World::calm().state();
    let token = "0123456789abcdef0123456789abcdef";
    let body = json!({"worker": {"id": "w", "boot_nonce": "n", "kinds": ["*"]}, "want": 1,
        "complete": [{"attempt_token": token, "outcome": "done", "result": {"ok": true}}]});
    let answer = post(&state, "/v1/work", body.to_string()).await;
    assert_eq!(answer.status, 200);
    let reply = answer.json();
    assert_eq!(reply["results"][token], "accepted");
    assert_eq!((&reply["runs"][0]["lease_ms"], &reply["directive"]), (&json!(60_000), &json!("none")));
    for (body, code) in [("{", 400), ("{}", 400)] {
        assert_eq!(post(&state, "/v1/work", body).await.status.as_u16(), code);
    }
    let large = format!(r#"{{"worker": "{}"}}"#, "x".repeat(20_000));
    assert_eq!(post(&state, "/v1/work", large).await.status, 413);
}
