//! Lists of tasks and runs.

use super::*;

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
