//! Approvals as clients and persons see them: what is gated waits, also over restarts, until as many as needed
//! agreed; what is approved is what runs; a signed link shows first and acts once.

mod support;

use serde_json::{Value, json};
use std::{process::Command, time::Duration};
use support::{Reply, Tocsin, eventually, request};

const LIMIT: Duration = Duration::from_secs(20);

/// A request as one of the installation's own keys.
fn ask(tocsin: &Tocsin, role: &str, method: &str, path: &str, body: &Value) -> Reply {
    let key = tocsin.key(role);
    let headers = [("content-type", "application/json"), ("x-api-key", key.as_str())];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    request(method, &format!("{}{path}", tocsin.url), &headers, &body).expect("an answer")
}

/// A worker of the agent asks for work once, and ends what it is given at once.
fn work(tocsin: &Tocsin, agent: &str) -> Vec<Value> {
    let worker = |complete: Value, want: u32| {
        json!({"worker": {"id": "far", "boot_nonce": "1", "kinds": ["*"], "slots_free": 10,
            "labels": {"agent": agent}}, "complete": complete, "want": want, "wait_ms": 0})
    };
    let reply = ask(tocsin, "agent", "POST", "/v1/work", &worker(json!([]), 10)).json();
    let runs = reply["runs"].as_array().expect("runs").clone();
    let complete: Vec<Value> = runs
        .iter()
        .map(|run| json!({"attempt_token": run["attempt_token"], "outcome": "done", "result": {}}))
        .collect();
    ask(tocsin, "agent", "POST", "/v1/work", &worker(json!(complete), 0));
    runs
}

fn typed(type_: &str, priority: &str, payload: Value) -> Value {
    json!({"type": type_, "priority": priority, "payload": payload})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Submits as the agent; the task's and the approval's id.
fn gated(tocsin: &Tocsin, task: &Value) -> (String, String) {
    let reply = ask(tocsin, "agent", "POST", "/tasks", task);
    assert!([200, 201].contains(&reply.status), "{}", reply.body);
    let id = text(&reply.json()["task_id"]);
    (id.clone(), format!("approval_{id}"))
}

fn task_of(tocsin: &Tocsin, id: &str) -> Value {
    let shown = tocsin.get(&format!("/tasks/{id}")).json();
    if shown["task"].is_object() { shown["task"].clone() } else { shown }
}

/// SEEDS 10 row 13: a P0 deploy went straight to the queue.
#[test]
fn defect_13_a_gated_task_waits_for_its_approval() {
    let tocsin = Tocsin::start(&[], &[]);
    let created = ask(&tocsin, "agent", "POST", "/tasks", &typed("deploy", "P0", json!({"version": "1.2"})));
    assert_eq!(created.status, 200, "{}", created.body);
    let id = text(&created.json()["task_id"]);
    let task = &created.json()["task"];
    assert_eq!((&task["status"], &task["state"]), (&json!("pending"), &json!("awaiting_approval")), "{task}");
    let approval = format!("approval_{id}");
    assert_eq!(task["approval_id"], approval);
    // What needs none goes on meanwhile.
    let (free, _) = gated(&tocsin, &typed("deploy", "P2", json!({"environment": "staging"})));
    let runs = work(&tocsin, "ops_agent");
    assert_eq!(runs.iter().map(|run| text(&run["task_id"])).collect::<Vec<_>>(), [free]);

    let pending = tocsin.get("/approvals/pending").json();
    assert_eq!((&pending["success"], &pending["count"]), (&json!(true), &json!(1)), "{pending}");
    let one = &pending["approvals"][0];
    assert_eq!(one["approval_id"], approval);
    for (key, wanted) in [
        ("task_id", json!(id)),
        ("task_type", json!("deploy")),
        ("priority", json!("P0")),
        ("reason", json!("priority P0, deploy in production")),
        ("approver", json!(null)),
        ("status", json!("pending")),
        ("approved_at", json!(null)),
        ("approved_by", json!(null)),
        ("rejection_reason", json!(null)),
        ("requested_by", json!("agent")),
        ("quorum", json!(1)),
        ("payload", json!({"version": "1.2"})),
    ] {
        assert_eq!(one[key], wanted, "{key}: {one}");
    }
    assert_eq!(one["requested_at"], one["created_at"]);
    assert!(text(&one["requested_at"]).ends_with("+00:00"), "{one}");

    // Its status cannot be set past it either.
    let past =
        ask(&tocsin, "agent", "PATCH", &format!("/tasks/{id}/status?status=in_progress"), &Value::Null);
    assert_eq!(past.status, 409, "{}", past.body);
    let path = format!("/approvals/{approval}/approve");
    let own = ask(&tocsin, "agent", "POST", &path, &Value::Null);
    assert_eq!((own.status, own.json()["detail"].clone()), (409, json!("requester cannot approve")));
    assert_eq!(ask(&tocsin, "user", "POST", &path, &Value::Null).status, 403);
    assert_eq!(work(&tocsin, "ops_agent"), Vec::<Value>::new());

    let done = ask(&tocsin, "operator", "POST", &path, &Value::Null);
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.json()["message"], "Approved by operator");
    assert_eq!(done.json()["approval_id"], approval);
    let runs = work(&tocsin, "ops_agent");
    assert_eq!((runs.len(), &runs[0]["args"]), (1, &json!({"version": "1.2"})));
    assert_eq!(task_of(&tocsin, &id)["status"], "completed");

    let again = ask(&tocsin, "admin", "POST", &path, &Value::Null);
    assert_eq!(again.status, 409, "{}", again.body);
    let unknown = ask(&tocsin, "operator", "POST", "/approvals/approval_x/approve", &Value::Null);
    assert_eq!(
        (unknown.status, unknown.json()["detail"].clone()),
        (404, json!("Approval approval_x not found"))
    );
    let shown = tocsin.get(&format!("/approvals/{approval}")).json();
    assert_eq!((&shown["success"], &shown["approval"]["status"]), (&json!(true), &json!("approved")));
    assert_eq!(shown["approval"]["approved_by"], "operator");
    let history = tocsin.get("/approvals/history?limit=5").json();
    assert_eq!((&history["count"], &history["history"][0]["approval_id"]), (&json!(1), &json!(approval)));
    assert_eq!(tocsin.get("/approvals/pending").json()["count"], 0);
    let metrics = tocsin.get("/metrics").body;
    for line in [
        "orchestrator_approvals_requested_total 1",
        "orchestrator_approvals_total{decision=\"approved\"} 1",
        "orchestrator_approvals_pending 0",
        "orchestrator_approval_rate 1",
        "orchestrator_approval_wait_seconds_count 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

/// SEEDS 10 row 18: approve and reject answered 404 after a restart, history doubled, nothing ever timed out.
#[test]
fn defect_18_approvals_survive_restarts() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let (first, approve) = gated(&tocsin, &typed("bugfix", "P1", json!({"n": 1})));
    let (second, reject) = gated(&tocsin, &typed("bugfix", "P1", json!({"n": 2})));
    let short =
        json!({"type": "bugfix", "priority": "P1", "payload": {}, "approval": {"expires_seconds": 2}});
    let (third, expire) = gated(&tocsin, &short);
    tocsin.kill();
    tocsin.start_again();
    assert_eq!(tocsin.get("/approvals/pending").json()["approvals"].as_array().map(Vec::len), Some(3));
    assert_eq!(work(&tocsin, "dev_agent"), Vec::<Value>::new());
    // Role agent decides agents' tasks.
    let done = ask(&tocsin, "agent", "POST", &format!("/approvals/{approve}/approve"), &Value::Null);
    assert_eq!(done.status, 200, "{}", done.body);
    tocsin.kill();
    tocsin.start_again();
    assert_eq!(tocsin.get(&format!("/approvals/{approve}")).json()["approval"]["status"], "approved");
    let path = format!("/approvals/{reject}/reject?reason=not+on+a+Friday");
    let done = ask(&tocsin, "agent", "POST", &path, &Value::Null);
    assert_eq!(
        (done.status, done.json()["message"].clone()),
        (200, json!("Rejected by agent")),
        "{}",
        done.body
    );
    tocsin.kill();
    tocsin.start_again();
    let task = task_of(&tocsin, &second);
    assert_eq!(task["status"], "cancelled");
    assert!(text(&task["error"]).contains("not on a Friday"), "{task}");
    assert_eq!(
        tocsin.get(&format!("/approvals/{reject}")).json()["approval"]["rejection_reason"],
        "not on a Friday"
    );
    let task = eventually("the third runs out", LIMIT, || {
        Some(task_of(&tocsin, &third)).filter(|task| task["status"] == "cancelled")
    });
    assert!(text(&task["error"]).contains("nobody approved it"), "{task}");
    tocsin.kill();
    tocsin.start_again();
    let history = tocsin.get("/approvals/history").json();
    let seen: Vec<(String, String)> = history["history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (text(&one["approval_id"]), text(&one["status"])))
        .collect();
    let wanted = [(&expire, "timeout"), (&reject, "rejected"), (&approve, "approved")];
    assert_eq!(seen, wanted.map(|(id, status)| (id.clone(), status.to_owned())));
    let runs = work(&tocsin, "dev_agent");
    assert_eq!(runs.iter().map(|run| text(&run["task_id"])).collect::<Vec<_>>(), [first]);
}

#[test]
fn the_local_principal_is_a_person_like_others() {
    let mut tocsin = Tocsin::start(&[], &[]);
    // Without a credential: the local principal.
    let created = tocsin.post("/tasks", &typed("deploy", "P0", json!({}))).json();
    let approval = format!("approval_{}", text(&created["task_id"]));
    let own = tocsin.post(&format!("/approvals/{approval}/approve"), &json!({}));
    assert_eq!((own.status, own.json()["detail"].clone()), (409, json!("requester cannot approve")));
    let config = tocsin.dir.path().join("tocsin.yml");
    std::fs::write(&config, "approvals: {own: true}\n").expect("our own directory");
    tocsin.kill();
    tocsin.add_args(&["--config", config.to_str().expect("a plain path")]);
    tocsin.start_again();
    let own = tocsin.post(&format!("/approvals/{approval}/approve"), &json!({}));
    assert_eq!(
        (own.status, own.json()["message"].clone()),
        (200, json!("Approved by local")),
        "{}",
        own.body
    );
}

#[test]
fn two_of_three_a_delegate_and_an_edit() {
    let names = ["ANN", "BOB", "CEM", "DAN"];
    let envs: Vec<(String, String)> = names
        .iter()
        .map(|name| (format!("ORCHESTRATOR_API_KEY_{name}"), format!("{name}-0123456789abcdef:operator")))
        .collect();
    let envs: Vec<(&str, String)> = envs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let tocsin = Tocsin::start(&[], &envs);
    let as_person = |name: &str, path: &str, body: &Value| {
        let key = format!("{}-0123456789abcdef", name.to_uppercase());
        let headers = [("content-type", "application/json"), ("x-api-key", key.as_str())];
        request("POST", &format!("{}{path}", tocsin.url), &headers, &body.to_string()).expect("an answer")
    };
    let wish = json!({"approvers": ["ann", "bob", "cem"], "quorum": 2, "reason": "it costs money"});
    let (id, approval) = gated(&tocsin, &json!({"kind": "noop", "args": {"n": 1}, "approval": wish}));
    let (approve, show) = (format!("/approvals/{approval}/approve"), format!("/approvals/{approval}"));
    // An agent does not decide what is no agent's.
    assert_eq!(ask(&tocsin, "agent", "POST", &approve, &Value::Null).status, 403);
    for (who, body, status) in [
        ("dan", json!({}), 403),
        ("ann", json!({"reason": "fine"}), 200),
        ("ann", json!({}), 409),
        ("bob", json!({"payload": {"n": 2}, "hash": "of something else"}), 409),
        ("bob", json!({"payload": {"n": 2}}), 200),
        ("bob", json!({}), 409),
        ("cem", json!({"payload": 7}), 400),
        ("cem", json!({"what": 7}), 422),
    ] {
        let reply = as_person(who, &approve, &body);
        assert_eq!(reply.status, status, "{who} {body}: {}", reply.body);
    }
    let shown = tocsin.get(&show).json()["approval"].clone();
    assert_eq!(
        (&shown["approvals"], &shown["quorum"], &shown["status"]),
        (&json!(1), &json!(2), &json!("pending"))
    );
    assert_eq!(shown["edits"][0]["diff"], json!([{"path": "/n", "before": 1, "after": 2}]));
    assert_eq!(shown["original_payload"], json!({"n": 1}));
    assert_eq!((&shown["votes"][0]["counts"], &shown["votes"][1]["counts"]), (&json!(false), &json!(true)));
    let until = json!({"to": "dan", "until": "2199-01-01T00:00:00Z"});
    assert_eq!(as_person("cem", &format!("{show}/delegate"), &until).status, 200);
    assert_eq!(task_of(&tocsin, &id)["state"], "awaiting_approval");
    let done = as_person("dan", &approve, &json!({}));
    assert_eq!((done.status, done.json()["status"].clone()), (200, json!("approved")), "{}", done.body);
    assert_eq!(tocsin.get(&show).json()["approval"]["approved_by"], "bob, dan");
    let run = eventually("the end of the run", LIMIT, || {
        let runs = tocsin.get(&format!("/runs/?task_id={id}")).json();
        runs["items"].get(0).filter(|run| !run["success"].is_null()).cloned()
    });
    assert_eq!(run["success"], true, "{run}");
}

/// An operator issued tokens in two made-up names, and its own approvals were those of three persons.
#[test]
fn nobody_is_two_persons_by_a_token_of_ones_own() {
    let tocsin = Tocsin::start(&[], &[]);
    let token = |by: &str, name: &str| {
        let reply = ask(&tocsin, by, "POST", "/auth/token", &json!({"user_id": name, "role": "operator"}));
        assert_eq!(reply.status, 200, "{}", reply.body);
        text(&reply.json()["access_token"])
    };
    let with = |token: &str, path: &str, body: &Value| {
        let bearer = format!("Bearer {token}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        request("POST", &format!("{}{path}", tocsin.url), &headers, &body.to_string()).expect("an answer")
    };
    let (ann, bob, vouched) = (token("operator", "ann"), token("operator", "bob"), token("admin", "ann"));
    // What is issued with such a token, too.
    let grandchild = with(&ann, "/auth/token", &json!({"user_id": "cem", "role": "operator"})).json();
    let cem = text(&grandchild["access_token"]);

    let (_, approval) = gated(&tocsin, &json!({"kind": "noop", "approval": {"quorum": 2}}));
    let approve = format!("/approvals/{approval}/approve");
    let first = with(&ann, &approve, &json!({}));
    assert_eq!((first.status, first.json()["message"].clone()), (200, json!("Approved by operator")));
    for same in [&ann, &bob, &cem] {
        assert_eq!(with(same, &approve, &json!({})).status, 409, "it is the operator again");
    }
    assert_eq!(ask(&tocsin, "operator", "POST", &approve, &json!({})).status, 409);
    let other = with(&vouched, &approve, &json!({}));
    assert_eq!((other.status, other.json()["status"].clone()), (200, json!("approved")), "{}", other.body);

    // A name that is asked for, and one that asked.
    let wish = json!({"approvers": ["ann"]});
    let (_, approval) = gated(&tocsin, &json!({"kind": "noop", "approval": wish}));
    let approve = format!("/approvals/{approval}/approve");
    assert_eq!(with(&ann, &approve, &json!({})).status, 403, "the operator is no approver");
    assert_eq!(with(&vouched, &approve, &json!({})).status, 200);
    for (asks, line) in [(&ann, false), (&ann, true)] {
        let task = typed("deploy", "P0", json!({}));
        let reply = with(asks, if line { "/tasks/bulk" } else { "/tasks" }, &task);
        let id = text(&serde_json::from_str::<Value>(&reply.body).expect("JSON")["id"]);
        assert_eq!(task_of(&tocsin, &id)["created_by"], "ann");
        let approve = format!("/approvals/approval_{id}/approve");
        for same in [&ann, &bob] {
            let own = with(same, &approve, &json!({}));
            assert_eq!((own.status, own.json()["detail"].clone()), (409, json!("requester cannot approve")));
        }
        assert_eq!(ask(&tocsin, "operator", "POST", &approve, &json!({})).status, 409);
        assert_eq!(with(&vouched, &approve, &json!({})).status, 200, "another person, of the same name");
    }
}

#[test]
fn a_pipeline_step_waits_with_what_it_would_do_and_runs_just_that() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let task = json!({
        "schedule_kind": "once", "schedule_expr": "2000-01-01T00:00:00Z", "title": "ship", "description": "it",
        "payload": {"params": {"to": "shop"}, "pipeline": [
            {"id": "build", "uses": "noop", "with": {}, "save_as": "build"},
            {"id": "ship", "uses": "noop", "with": {"target": "${params.to}"}, "save_as": "ship", "approval": true},
        ]},
    });
    let soon = |task: &Value| {
        let mut task = task.clone();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let at = jiff::Timestamp::from_second(now.as_secs() as i64).expect("an instant");
        task["schedule_expr"] = at.to_string().into();
        task
    };
    let reply = ask(&tocsin, "agent", "POST", "/tasks", &soon(&task));
    assert_eq!(reply.status, 201, "{}", reply.body);
    let id = text(&reply.json()["id"]);
    let pending = |tocsin: &Tocsin| {
        eventually("the step waits", LIMIT, || {
            let found = tocsin.get("/approvals/pending").json();
            found["approvals"].get(0).filter(|one| one["task_id"] == *id).cloned()
        })
    };
    let one = pending(&tocsin);
    assert_eq!((&one["step"], &one["payload"]), (&json!("ship"), &json!({"target": "shop"})), "{one}");
    tocsin.kill();
    tocsin.start_again();
    let approval = text(&pending(&tocsin)["approval_id"]);
    let path = format!("/approvals/{approval}/approve");
    assert_eq!(
        ask(&tocsin, "agent", "POST", &path, &Value::Null).status,
        403,
        "an operator decides pipelines"
    );
    let edited = ask(&tocsin, "operator", "POST", &path, &json!({"payload": {"target": "test shop"}}));
    assert_eq!(edited.status, 200, "{}", edited.body);
    let run = eventually("the end of the pipeline", LIMIT, || {
        let runs = tocsin.get(&format!("/runs/?task_id={id}")).json();
        runs["items"].get(0).filter(|run| !run["success"].is_null()).cloned()
    });
    assert_eq!(run["success"], true, "{run}");
}

/// What the links of an answer lead to, on this server.
fn path_of(url: &Value) -> String {
    let url = text(url);
    let rest = url
        .strip_prefix("https://tocsin.example")
        .unwrap_or_else(|| panic!("not on the external URL: {url}"));
    rest.to_owned()
}

#[test]
fn a_signed_link_shows_first_and_acts_once() {
    let tocsin = Tocsin::start(&["--auth", "required", "--external-url", "https://tocsin.example"], &[]);
    let get = |path: &str| support::get(&format!("{}{path}", tocsin.url)).expect("an answer");
    let form = |path: &str| {
        // As a browser sends the screen's form: the fields in the body, and the origin of who was linked to.
        let (path, fields) = path.split_once('?').expect("a query");
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://tocsin.example")];
        request("POST", &format!("{}{path}", tocsin.url), &headers, fields).expect("an answer")
    };
    let wish = json!({"approvers": ["ann@example.org", "bob@example.org"], "quorum": 2});
    let task = json!({"type": "deploy", "priority": "P0", "payload": {"v": "<script>"}, "approval": wish});
    let (_, approval) = gated(&tocsin, &task);
    let links = format!("/approvals/{approval}/links");
    let mint = |role: &str, who: &str| ask(&tocsin, role, "POST", &links, &json!({"recipient": who}));
    assert_eq!(mint("agent", "ann@example.org").status, 403);
    let refused = mint("operator", "ann@example.org");
    assert!(refused.status == 403 && refused.body.contains("role admin is needed"), "{}", refused.body);
    assert_eq!(mint("admin", "eve@example.org").status, 403);
    assert_eq!(mint("admin", "").status, 422);
    let ann = mint("admin", "ann@example.org");
    assert_eq!(ann.status, 200, "{}", ann.body);
    let (yes, no) = (path_of(&ann.json()["approve_url"]), path_of(&ann.json()["reject_url"]));

    let screen = get(&yes);
    assert_eq!(screen.status, 200, "{}", screen.body);
    assert!(
        screen.body.contains("&lt;script&gt;") && !screen.body.contains("<script>"),
        "escaped: {}",
        screen.body
    );
    assert!(screen.body.contains("ann@example.org") && screen.body.contains("method=\"post\""));
    for path in [
        yes.replace("act=approve", "act=reject"),
        yes.replace("ann%40", "bob%40"),
        yes.replace("rev=", "rev=0"),
    ] {
        let (shown, done) = (get(&path), form(&path));
        assert_eq!((shown.status, done.status), (400, 400), "{path}");
        assert!(done.body.contains("Nothing was done"));
    }
    let bare = format!("/ui/links/approvals/{approval}");
    assert_eq!(get(&bare).status, 400);
    let status = || {
        ask(&tocsin, "user", "GET", &format!("/approvals/{approval}"), &Value::Null).json()["approval"]
            .clone()
    };
    assert_eq!(
        (&status()["status"], &status()["approvals"]),
        (&json!("pending"), &json!(0)),
        "looking does nothing"
    );

    let first = form(&yes);
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!((&status()["approvals"], &status()["votes"][0]["by"]), (&json!(1), &json!("ann@example.org")));
    let twice = form(&yes);
    assert_eq!(twice.status, 409);
    assert!(twice.body.contains("used already"), "{}", twice.body);
    assert_eq!(get(&yes).status, 409);
    // Another link for the same person is not another vote.
    let more = path_of(&mint("admin", "ann@example.org").json()["approve_url"]);
    assert_eq!(form(&more).status, 409);
    let brief = json!({"recipient": "bob@example.org", "expires_seconds": 0.2});
    let brief = path_of(&ask(&tocsin, "admin", "POST", &links, &brief).json()["approve_url"]);
    eventually("the link expires", LIMIT, || (get(&brief).status == 410).then_some(()));
    assert_eq!(form(&brief).status, 410);
    let bob = path_of(&mint("admin", "bob@example.org").json()["approve_url"]);
    assert_eq!(form(&bob).status, 200);
    assert_eq!(status()["status"], "approved");
    assert_eq!(form(&no).status, 409, "decided already");
}

#[test]
fn a_link_dies_with_the_revision_it_was_made_for() {
    let tocsin = Tocsin::start(&["--external-url", "https://tocsin.example"], &[]);
    let (_, approval) = gated(&tocsin, &json!({"kind": "noop", "args": {"n": 1}, "approval": {"quorum": 2}}));
    let minted =
        ask(&tocsin, "admin", "POST", &format!("/approvals/{approval}/links"), &json!({"recipient": "ann"}));
    let link = path_of(&minted.json()["approve_url"]);
    let edit = json!({"payload": {"n": 2}});
    assert_eq!(
        ask(&tocsin, "operator", "POST", &format!("/approvals/{approval}/approve"), &edit).status,
        200
    );
    let shown = support::get(&format!("{}{link}", tocsin.url)).expect("an answer");
    assert_eq!(shown.status, 409);
    assert!(shown.body.contains("was changed after this link was made"), "{}", shown.body);
}

#[test]
fn screens_show_what_waits() {
    let tocsin = Tocsin::start(&[], &[]);
    let (_, approval) = gated(&tocsin, &typed("deploy", "P1", json!({"version": "4.5.6"})));
    let list = tocsin.get("/ui/approvals");
    assert!(
        list.status == 200 && list.body.contains(&approval) && list.body.contains("priority P1"),
        "{}",
        list.body
    );
    let one = tocsin.get(&format!("/ui/approvals/{approval}"));
    assert!(
        one.status == 200 && one.body.contains("4.5.6") && one.body.contains("tocsin approve"),
        "{}",
        one.body
    );
    assert!(
        tocsin.get("/").body.contains(&format!("/ui/approvals/{approval}")),
        "the overview says it waits"
    );
}

#[test]
fn the_verb_lists_and_decides() {
    let tocsin = Tocsin::start(&[], &[]);
    let verb = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tocsin"));
        command.arg("approve").args(args).args(["--server", &tocsin.url]).current_dir(tocsin.dir.path());
        let done = command.env_remove("TOCSIN_KEY").output().expect("the program starts");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), said(&done.stdout), said(&done.stderr))
    };
    assert_eq!(verb(&["--list"]).1, "nothing waits for an approval\n");
    let (first, approval) = gated(&tocsin, &typed("deploy", "P1", json!({"version": "4.5.6"})));
    let (_, second) = gated(&tocsin, &typed("deploy", "P1", json!({})));
    let (code, said, _) = verb(&["--list"]);
    assert!(code == Some(0) && said.contains(&approval) && said.contains("4.5.6"), "{said}");
    let listed: Value = serde_json::from_str(&verb(&["--list", "--json"]).1).expect("JSON");
    assert_eq!(listed["count"], 2);
    assert_eq!(
        verb(&[&first]),
        (Some(0), "Approved by local\n".to_owned(), String::new()),
        "a task's id will do"
    );
    let (code, _, why) = verb(&[&approval]);
    assert_eq!((code, why.contains("is approved already")), (Some(1), true), "{why}");
    assert_eq!(verb(&[&second, "--reject", "--reason", "no"]).0, Some(0));
    assert_eq!(tocsin.get(&format!("/approvals/{second}")).json()["approval"]["rejection_reason"], "no");
    assert_eq!(verb(&["approval_x"]).0, Some(1));
}
