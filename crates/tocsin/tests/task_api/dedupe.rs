//! Dedupe keys: work that goes on is not taken again; what is dead, cancelled, deleted or forgotten holds nothing.

use super::*;

/// Whether there is such a task and it is the only one of the two answers.
fn is_new(tocsin: &Tocsin, task: &Value, before: &str) -> String {
    let reply = tocsin.post("/tasks", task);
    assert_eq!(reply.status, 201, "{}", reply.body);
    let (id, body) = (id_of(&reply.json()), reply.json());
    assert!(id != before && body["duplicate"].is_null(), "{body}");
    done(tocsin, "GET", &format!("/tasks/{id}"), Value::Null, 200);
    id
}

fn end(tocsin: &Tocsin, outcome: &str) {
    let token = token(&work(tocsin, json!({}), json!([]), 1));
    let complete = json!([{"attempt_token": token, "outcome": outcome, "error": {"type": "bad"}}]);
    let reply = work(tocsin, json!({}), complete, 0);
    assert_eq!(reply["results"][token.as_str().expect("a token")], "accepted", "{reply}");
}

#[test]
fn a_dedupe_key_takes_new_work_once_its_task_is_dead_cancelled_or_deleted() {
    let mut tocsin = server(0);
    let task = json!({"kind": "noop", "dedupe_key": "k", "dedupe_window_seconds": 3600, "max_retries": 0});
    let first = submit(&tocsin, task.clone());
    let shown = done(&tocsin, "GET", &format!("/tasks/{first}"), Value::Null, 200);
    assert_eq!(shown["dedupe_window_seconds"], 3600);
    assert_eq!(tocsin.post("/tasks", &task).json()["duplicate"], true);
    end(&tocsin, "failed");
    let second = is_new(&tocsin, &task, &first);
    done(&tocsin, "POST", &format!("/tasks/{second}/cancel"), json!({}), 200);
    let third = is_new(&tocsin, &task, &second);
    end(&tocsin, "done");
    let again = tocsin.post("/tasks", &task).json();
    assert_eq!((id_of(&again), &again["duplicate"]), (third.clone(), &json!(true)), "{again}");
    done(&tocsin, "DELETE", &format!("/tasks/{third}"), Value::Null, 200);
    tocsin.kill();
    tocsin.start_again();
    let reply = ask(&tocsin, "POST", "/tasks/bulk", &[], &task);
    let fourth = id_of(&reply.json());
    assert_ne!(fourth, third);
    done(&tocsin, "GET", &format!("/tasks/{fourth}"), Value::Null, 200);
    done(&tocsin, "DELETE", &format!("/tasks/{fourth}"), Value::Null, 200);
    is_new(&tocsin, &task, &fourth);
}

#[test]
fn without_a_window_a_dedupe_key_is_free_once_its_task_is_done() {
    let tocsin = server(0);
    let task = json!({"kind": "noop", "dedupe_key": "k"});
    let first = submit(&tocsin, task.clone());
    assert_eq!(submit(&tocsin, task.clone()), first);
    end(&tocsin, "done");
    is_new(&tocsin, &task, &first);
}
