//! Idempotency keys.

use super::*;

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
    let silence =
        json!({"matchers": [{"name": "a", "value": "b"}], "endsAt": "2100-01-01T00:00:00Z", "comment": "c"});
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
