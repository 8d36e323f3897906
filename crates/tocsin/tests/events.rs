//! Events and agents as clients see them: told, listed, streamed with replay, called for, kept over a `kill -9`.

mod support;

use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::{Duration, Instant},
};
use support::{Pages, Redis, Reply, Tocsin, eventually, request};

const LIMIT: Duration = Duration::from_secs(20);

/// One event of a stream.
#[derive(Debug, Clone)]
struct Told {
    id: String,
    kind: String,
    data: Value,
}

/// A stream that is being read.
struct Stream {
    lines: BufReader<TcpStream>,
    status: String,
}

impl Stream {
    fn open(tocsin: &Tocsin, query: &str, last: Option<&str>) -> Stream {
        let host = tocsin.url.trim_start_matches("http://").to_owned();
        let mut socket = TcpStream::connect(&host).expect("it listens");
        socket.set_read_timeout(Some(LIMIT)).expect("a socket");
        let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        write!(socket, "GET /events/stream{query} HTTP/1.1\r\nHost: {host}\r\n{last}\r\n")
            .expect("it takes it");
        let mut stream = Stream { lines: BufReader::new(socket), status: String::new() };
        stream.status = stream.line().expect("a status line");
        // The first block is there as soon as the stream is registered.
        while let Some(line) = stream.line() {
            if line.starts_with("id: ") || !stream.status.contains("200") && line.is_empty() {
                break;
            }
        }
        stream
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).expect("a line within the limit");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event; `None` at the end. Sizes of chunks and comments are passed over.
    fn next(&mut self) -> Option<Told> {
        let (mut id, mut kind) = (String::new(), String::new());
        loop {
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.to_owned();
            } else if let Some(text) = line.strip_prefix("event: ") {
                kind = text.to_owned();
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some(Told { id, kind, data: serde_json::from_str(text).expect("JSON") });
            }
        }
    }

    /// Everything up to the first event of `kind`, this included.
    fn until(&mut self, kind: &str) -> Vec<Told> {
        let mut seen = Vec::new();
        while let Some(told) = self.next() {
            seen.push(told);
            if seen.last().is_some_and(|told| told.kind == kind) {
                return seen;
            }
        }
        panic!("the stream ended before {kind}: {seen:?}");
    }
}

fn kinds(told: &[Told]) -> Vec<&str> {
    told.iter().map(|one| one.kind.as_str()).collect()
}

fn publish(tocsin: &Tocsin, type_: &str, payload: Value) -> String {
    let body = json!({"event_type": type_, "source_agent": "test", "payload": payload});
    let reply = tocsin.post("/events/publish", &body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["message"], "Event published successfully");
    reply.json()["event_id"].as_str().expect("an id").to_owned()
}

fn with(tocsin: &Tocsin, role: &str, method: &str, path: &str, body: &Value) -> Reply {
    let key = tocsin.key(role);
    let headers = [("content-type", "application/json"), ("x-api-key", key.as_str())];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    request(method, &format!("{}{path}", tocsin.url), &headers, &body).expect("it answers")
}

fn work(tocsin: &Tocsin, agent: &str) -> Vec<Value> {
    let worker =
        json!({"id": format!("w-{agent}"), "boot_nonce": "1", "labels": {"agent": agent}, "kinds": ["*"]});
    let reply = tocsin.post("/v1/work", &json!({"worker": worker, "want": 10, "wait_ms": 0}));
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["runs"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_stream_goes_on_where_it_was_left() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let mut stream = Stream::open(&tocsin, "", None);
    let first = publish(&tocsin, "pr.merged", json!({"number": 7}));
    let task = tocsin.post("/tasks", &json!({"kind": "noop"})).json()["id"].clone();
    let seen = stream.until("task.completed");
    assert_eq!(kinds(&seen), ["pr.merged", "task.created", "task.started", "task.completed"]);
    assert_eq!(seen[0].id, first);
    assert_eq!(seen[0].data["payload"]["number"], 7);
    assert!(seen.iter().skip(1).all(|one| one.data["task_id"] == task), "{seen:?}");
    drop(stream);

    publish(&tocsin, "ci.passed", json!({}));
    publish(&tocsin, "Something else", json!({}));
    let mut again = Stream::open(&tocsin, "", Some(&first));
    let seen = again.until("Something else");
    let wanted = ["task.created", "task.started", "task.completed", "ci.passed", "Something else"];
    assert_eq!(kinds(&seen), wanted, "everything that was missed, in order");
    let mut some = Stream::open(&tocsin, &format!("?after={first}&type=ci."), None);
    assert_eq!(kinds(&some.until("ci.passed")), ["ci.passed"]);
    assert!(Stream::open(&tocsin, "?after=nonsense", None).status.contains("400"));

    // Durable at once: no request after the answer, and the process is gone.
    let kept = publish(&tocsin, "deploy.failed", json!({"deployment_id": "d1"}));
    tocsin.kill();
    tocsin.start_again();
    let recent = tocsin.get("/events/stream/recent?count=1").json();
    assert_eq!(recent["total_events"], 1);
    assert_eq!(
        (&recent["events"][0]["event_id"], &recent["events"][0]["priority"]),
        (&json!(kept), &json!("high"))
    );
    let mut after = Stream::open(&tocsin, "", Some(&first));
    let seen = after.until("deploy.failed");
    assert_eq!(kinds(&seen), ["gap", "ci.passed", "Something else", "deploy.failed"], "what is gone is said");
    let later = publish(&tocsin, "pr.merged", json!({}));
    assert!(later > kept, "ids rise over a restart");
    assert_eq!(after.until("pr.merged").len(), 1);

    let begun = Instant::now();
    let waiting = std::thread::spawn(move || after.next());
    assert_eq!(tocsin.terminate(), Some(0));
    assert!(waiting.join().expect("no panic").is_none(), "the stream ends with the server");
    assert!(begun.elapsed() < Duration::from_secs(4), "and does not hold it up: {:?}", begun.elapsed());
}

/// SEEDS 10 row 19: an unknown event became `task.created`, so that `task.in_progress` was told as that.
#[test]
fn defect_19_what_is_told_is_what_happened() {
    let tocsin = Tocsin::start(&[], &[]);
    let reply = tocsin.post("/tasks", &json!({"type": "bugfix", "payload": {}, "priority": "P2"}));
    let id = reply.json()["task_id"].as_str().expect("an id").to_owned();
    for status in ["in_progress", "failed"] {
        let path = format!("{}/tasks/{id}/status?status={status}&error=broken", tocsin.url);
        assert_eq!(
            request("PATCH", &path, &[("content-type", "application/json")], "{}")
                .expect("it answers")
                .status,
            200
        );
    }
    let told = eventually("all is told", LIMIT, || {
        let items = tocsin.get("/events?type=task.").json()["items"].as_array().cloned()?;
        (items.len() == 4).then_some(items)
    });
    let words: Vec<_> = told.iter().rev().map(|one| one["event_type"].as_str().unwrap_or("")).collect();
    assert_eq!(words, ["task.created", "task.assigned", "task.in_progress", "task.failed"]);
    assert_eq!((&told[0]["task_id"], &told[0]["payload"]["error"]), (&json!(id), &json!("broken")));
    assert_eq!(told[0]["trace_id"], tocsin.get(&format!("/tasks/{id}")).json()["task"]["trace_id"]);

    for (body, status, wanted) in [
        (json!({"event_type": "a.b", "source_agent": "x"}), 200, ("a.b", "medium")),
        (
            json!({"event_type": "a.b", "source_agent": "x", "priority": "P0", "payload": {}}),
            200,
            ("a.b", "critical"),
        ),
        (
            json!({"event_type": "deploy.started", "source_agent": "x", "payload": {}}),
            200,
            ("deploy.started", "high"),
        ),
        (
            json!({"event_type": "alert.triggered", "payload": {"severity": "low"}}),
            200,
            ("alert.triggered", "low"),
        ),
        (json!({"event_type": "a", "source_agent": "x", "priority": "urgent"}), 400, ("", "")),
        (json!({"source_agent": "x"}), 422, ("", "")),
        (json!({"event_type": "a", "payload": 7}), 422, ("", "")),
        (json!({"event_type": "a", "payload": {"x": "y".repeat(300_000)}}), 413, ("", "")),
    ] {
        let reply = tocsin.post("/events/publish", &body);
        assert_eq!(reply.status, status, "{body}: {}", reply.body);
        if status == 200 {
            let newest = tocsin.get("/events/stream/recent?count=1").json()["events"][0].clone();
            let got = (newest["event_type"].as_str(), newest["priority"].as_str());
            assert_eq!(got, (Some(wanted.0), Some(wanted.1)), "{body}");
        }
    }

    let reply = tocsin.post("/events/", &json!({"topic": "email.received", "payload": {"from": "a"}}));
    assert_eq!(reply.status, 202, "{}", reply.body);
    let reply = reply.json();
    assert_eq!((&reply["topic"], &reply["triggered_tasks"]), (&json!("email.received"), &json!([])));
    assert!(reply["stream_id"].as_str().is_some_and(|id| id.contains('-')), "{reply}");
    let all = tocsin.get("/events?limit=1000").json()["count"].as_u64().unwrap_or(0);
    let gone = request("DELETE", &format!("{}/events/stream/cleanup?max_age_hours=0", tocsin.url), &[], "");
    let gone = gone.expect("it answers").json()["details"]["deleted_count"].as_u64().unwrap_or(0);
    assert!(gone >= 1 && gone < all, "{gone} of {all}: only what was published counts");
}

#[test]
fn a_subscriber_is_called_until_it_takes_it() {
    let secret = "a secret of some length";
    let mut tocsin = Tocsin::start(&[], &[]);
    let pages = Pages::refusing(&[500, 503]);
    let hook = json!({"url": pages.url, "types": ["pr.*"], "secret": secret});
    let made = tocsin.post("/events/subscriptions", &hook);
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(!made.body.contains(secret) && !tocsin.get("/events/subscriptions").body.contains(secret));
    publish(&tocsin, "ci.passed", json!({}));
    let event = publish(&tocsin, "pr.merged", json!({"n": 1}));
    pages.wait("a first call", 0, LIMIT, |got| got.key == event);
    // What is owed is a run: it is still owed after this.
    tocsin.kill();
    tocsin.start_again();
    let got = pages.wait("a call that is taken", 0, LIMIT, |got| got.answered == 200);
    assert_eq!(got.key, event, "the same key each time");
    assert_eq!(got.body["payload"]["n"], 1);
    let at = got.signature.strip_prefix("t=").and_then(|rest| rest.split(',').next()).unwrap_or("");
    let at = model::Timestamp::from_millis(at.parse::<i64>().expect("seconds") * 1000);
    assert_eq!(got.signature, reach::signature::sign(secret.as_bytes(), at, got.body.to_string().as_bytes()));
    assert!(pages.all().iter().all(|got| got.body["event_type"] == "pr.merged"), "only what was asked for");

    for (body, status) in [
        // Our own listener would take the call for a local one.
        (json!({"url": format!("{}/tasks", tocsin.url)}), 400),
        (json!({"url": "http://169.254.169.254/latest"}), 400),
        (json!({"url": "http://[::ffff:169.254.169.254]/"}), 400),
        (json!({"url": "http://user:pass@example.com/"}), 400),
        (json!({"url": "file:///etc/passwd"}), 400),
        (json!({"url": "http://x", "secret": "short"}), 422),
        (json!({"url": "http://x", "more": 1}), 422),
        (json!({}), 422),
    ] {
        let reply = tocsin.post("/events/subscriptions", &body);
        assert_eq!(reply.status, status, "{body}: {}", reply.body);
    }
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("{}/events/subscriptions/{id}", tocsin.url);
    assert_eq!(request("DELETE", &path, &[], "").map(|reply| reply.status), Some(200));
    assert_eq!(request("DELETE", &path, &[], "").map(|reply| reply.status), Some(404));
}

/// SEEDS 10 row 8: an agent's id was its password; the secret was never checked.
#[test]
fn defect_8_an_agent_shows_its_secret() {
    let mut tocsin = Tocsin::start(&[], &[]);
    assert_eq!(tocsin.get("/agents/").status, 403, "the local operator is no admin");
    let new = json!({"name": "night-bot", "scopes": ["notify"], "webhook_url": "https://example.com/hook"});
    let made = with(&tocsin, "admin", "POST", "/agents/", &new);
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(with(&tocsin, "admin", "POST", "/agents/", &new).status, 400, "names are unique");
    let system = "00000000-0000-0000-0000-000000000001";
    let token = |tocsin: &Tocsin, id: &str, secret: &str| {
        tocsin.post("/agents/auth/token", &json!({"agent_id": id, "agent_secret": secret})).status
    };
    assert_eq!(token(&tocsin, &id, &id), 401, "it has no secret yet");
    let secret = with(&tocsin, "admin", "POST", &format!("/agents/{id}/credentials"), &json!({}));
    assert_eq!(secret.status, 200, "{}", secret.body);
    let secret = secret.json()["agent_secret"].as_str().expect("shown once").to_owned();
    tocsin.kill();
    tocsin.start_again();
    for (id, secret, wanted) in [
        (id.as_str(), secret.as_str(), 200),
        (&id, "", 401),
        (&id, &id, 401),
        (&id, &secret[1..], 401),
        (system, system, 401),
        (system, &secret, 401),
    ] {
        assert_eq!(token(&tocsin, id, secret), wanted, "{id}");
    }
    let shown = with(&tocsin, "admin", "GET", &format!("/agents/{id}"), &Value::Null);
    assert!(!shown.body.contains(&secret) && shown.json()["has_secret"] == true, "{}", shown.body);
    let stored = std::fs::read(tocsin.dir.path().join("data/tocsin.db")).expect("the store");
    assert!(!stored.windows(64).any(|window| window == secret.as_bytes()), "the store holds a hash");

    let names = |query: &str| with(&tocsin, "admin", "GET", &format!("/agents/{query}"), &Value::Null).json();
    assert_eq!(names("?name_filter=NIGHT").as_array().map(Vec::len), Some(1));
    assert_eq!(names("?scope_filter=system")[0]["name"], "system");
    for (method, path, body, wanted) in [
        ("PUT", id.as_str(), json!({"scopes": ["x"], "webhook_url": null}), 200),
        ("PUT", &id, json!({"name": "system"}), 400),
        ("PUT", "nobody", json!({}), 404),
        ("DELETE", system, Value::Null, 400),
        ("DELETE", &id, Value::Null, 200),
        ("GET", &id, Value::Null, 404),
    ] {
        let reply = with(&tocsin, "admin", method, &format!("/agents/{path}"), &body);
        assert_eq!(reply.status, wanted, "{method} {path}: {}", reply.body);
    }
    assert_eq!(token(&tocsin, &id, &secret), 401, "it is gone");
}

/// SEEDS 10 row 20: the ops agent popped any task and dropped those that were not its own.
#[test]
fn defect_20_an_agent_gets_its_own_tasks_only() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let submit = |tocsin: &Tocsin, type_: &str| {
        let reply = tocsin.post("/tasks", &json!({"type": type_, "payload": {}, "priority": "P2"}));
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["task"]["assigned_to"].clone()
    };
    for (type_, agent) in [
        ("bugfix", "dev_agent"),
        ("monitoring", "ops_agent"),
        ("documentation", "faq_agent"),
        ("incident", "ops_agent"),
    ] {
        assert_eq!(submit(&tocsin, type_), agent, "{type_}");
    }
    let types = |runs: Vec<Value>| {
        let mut kinds: Vec<String> =
            runs.iter().filter_map(|run| run["kind"].as_str().map(str::to_owned)).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(types(work(&tocsin, "ops_agent")), ["alert", "monitor"]);
    assert_eq!(types(work(&tocsin, "ops_agent")), [""; 0], "and none of the others'");
    assert_eq!(types(work(&tocsin, "dev_agent")), ["bugfix"]);
    assert_eq!(types(work(&tocsin, "faq_agent")), ["kb_update"]);

    let rule = |method: &str, path: &str, body: &Value| {
        request(
            method,
            &format!("{}/agents/routing{path}", tocsin.url),
            &[("content-type", "application/json")],
            &body.to_string(),
        )
        .expect("it answers")
    };
    assert_eq!(rule("PUT", "", &json!({"type": "bugfix", "agent": "night_agent"})).status, 200);
    assert_eq!(rule("PUT", "/triage", &json!({"agent": "support_agent"})).status, 200);
    assert_eq!(rule("PUT", "", &json!({"type": "two words", "agent": "x"})).status, 400);
    assert_eq!(rule("PUT", "", &json!({"agent": "x"})).status, 422);
    tocsin.kill();
    tocsin.start_again();
    assert_eq!(submit(&tocsin, "bugfix"), "night_agent");
    assert_eq!(submit(&tocsin, "triage"), "support_agent");
    assert_eq!(types(work(&tocsin, "dev_agent")), [""; 0]);
    assert_eq!(types(work(&tocsin, "night_agent")), ["bugfix"]);
    let rules = tocsin.get("/agents/routing").json();
    let deploy =
        rules["rules"].as_array().and_then(|rules| rules.iter().find(|rule| rule["type"] == "deploy"));
    assert_eq!(
        deploy,
        Some(&json!({"type": "deploy", "aliases": ["deployment"], "agent": "ops_agent", "custom": false}))
    );
    let path = format!("{}/agents/routing/triage", tocsin.url);
    assert_eq!(request("DELETE", &path, &[], "").map(|reply| reply.status), Some(200));
    assert_eq!(request("DELETE", &path, &[], "").map(|reply| reply.status), Some(404));
    assert_eq!(tocsin.post("/tasks", &json!({"type": "triage", "payload": {}})).status, 400);
}

/// SEEDS 10 row 20: a merge made the ops agent crash. `examples/events/deploy-on-merge.json` does what it was for,
/// behind an approval.
#[test]
fn defect_20_a_merge_is_deployed_once_somebody_agreed() {
    let tocsin = Tocsin::start(&[], &[]);
    let deployer = Pages::start();
    let text = std::fs::read_to_string(support::root().join("examples/events/deploy-on-merge.json"));
    let mut example: Value = serde_json::from_str(&text.expect("the example is there")).expect("JSON");
    example["payload"]["params"]["deployer"] = deployer.url.clone().into();
    let made = tocsin.post("/tasks/", &example);
    assert_eq!(made.status, 201, "{}", made.body);
    let task = made.json()["id"].clone();
    let topics = json!([{"topic": "pr.merged", "active_tasks": 1, "task_ids": [task]}]);
    assert_eq!(tocsin.get("/events/topics").json(), json!({"total_topics": 1, "topics": topics}));
    let merged = |base: &str| {
        let payload = json!({"base": base, "number": 7, "sha": "4f1c2a"});
        tocsin.post("/events/", &json!({"topic": "pr.merged", "payload": payload})).json()["triggered_tasks"]
            .clone()
    };
    assert_eq!(merged("side"), json!([]), "the filter does not hold");
    assert_eq!(merged("main"), json!([task]));
    let approval = eventually("an approval is asked for", LIMIT, || {
        let pending = tocsin.get("/approvals/pending").json();
        pending["approvals"][0]["approval_id"].as_str().map(str::to_owned)
    });
    deployer.expect_quiet(Duration::from_millis(300));
    let agreed = tocsin.post(&format!("/approvals/{approval}/approve"), &json!({}));
    assert_eq!(agreed.status, 200, "{}", agreed.body);
    let got = deployer.wait("the deploy", 0, LIMIT, |_| true);
    assert_eq!(got.body, json!({"environment": "production", "commit": "4f1c2a", "pull_request": 7}));
}

/// An instant so many seconds from now.
fn from_now(seconds: f64) -> String {
    let ms = jiff::Timestamp::now().as_millisecond() + (seconds * 1000.0) as i64;
    jiff::Timestamp::from_millisecond(ms).expect("an instant").to_string()
}

#[test]
fn a_deadline_is_told_with_its_facts() {
    let tocsin = Tocsin::start(&[], &[]);
    let pages = Pages::start();
    let hook = json!({"url": pages.url, "types": ["sla.*"]});
    assert_eq!(tocsin.post("/events/subscriptions", &hook).status, 201);
    let listens = json!({"title": "t", "description": "d", "schedule_kind": "event",
        "schedule_expr": "sla.violation", "payload": {"pipeline": []}});
    let listens = tocsin.post("/tasks", &listens).json()["id"].clone();
    let mut stream = Stream::open(&tocsin, "?type=sla.", None);
    let deadline = from_now(1.5);
    let task =
        json!({"type": "bugfix", "payload": {}, "priority": "P2", "sla_target": 2, "sla_deadline": deadline});
    let made = tocsin.post("/tasks", &task).json()["task"].clone();
    let seen = stream.until("sla.violation");
    assert_eq!(kinds(&seen), ["sla.warning", "sla.violation"]);
    for (told, priority) in seen.iter().zip(["medium", "high"]) {
        let (event, payload) = (&told.data, &told.data["payload"]);
        assert_eq!(event["priority"], priority, "{event}");
        assert_eq!((&event["task_id"], &payload["task_id"]), (&made["task_id"], &made["task_id"]), "{event}");
        assert_eq!((&payload["kind"], &event["source_agent"]), (&json!("bugfix"), &json!("tocsin")));
        let at = |text: &Value| text.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        assert_eq!(at(&payload["deadline"]), at(&json!(deadline)), "{event}");
        assert!(at(&event["timestamp"]) < at(&json!(from_now(0.0))), "{event}");
    }
    pages.wait("a call of the violation", 0, LIMIT, |got| got.body["event_type"] == "sla.violation");
    // What tasks go through starts no further ones: it would have no end.
    let runs = tocsin.get(&format!("/runs/?task_id={}", listens.as_str().expect("an id"))).json();
    assert_eq!(runs["total"], 0, "{runs}");
}

/// Who tells of a type of event.
#[derive(Clone, Copy, PartialEq, Debug)]
enum By {
    Us,
    /// Those who do the work, or see it done: systems and agents around us.
    Others,
}

/// Each type that the documents name.
const TYPES: [(&str, By); 31] = [
    ("task.created", By::Us),
    ("task.assigned", By::Us),
    ("task.started", By::Us),
    ("task.completed", By::Us),
    ("task.failed", By::Us),
    ("task.cancelled", By::Us),
    ("issue.created", By::Others),
    ("issue.updated", By::Others),
    ("issue.closed", By::Others),
    ("pr.opened", By::Others),
    ("pr.merged", By::Others),
    ("pr.closed", By::Others),
    ("pr.review_requested", By::Others),
    ("deploy.started", By::Others),
    ("deploy.succeeded", By::Others),
    ("deploy.failed", By::Others),
    ("deploy.rolled_back", By::Others),
    ("alert.triggered", By::Us),
    // Alerts are silenced here, not acknowledged.
    ("alert.ack", By::Others),
    ("alert.resolved", By::Us),
    ("kb.updated", By::Others),
    ("kb.gap_detected", By::Others),
    ("sla.violation", By::Us),
    ("sla.warning", By::Us),
    ("health.degraded", By::Us),
    ("health.recovered", By::Us),
    ("ci.started", By::Others),
    ("ci.passed", By::Others),
    ("ci.failed", By::Others),
    ("deployment.completed", By::Others),
    ("error.occurred", By::Others),
];

/// Three typed tasks: one ends well, one badly, one is cancelled; the first misses its deadline before that.
fn tasks_that_end(tocsin: &Tocsin) {
    let new = |more: Value| {
        let mut task = json!({"type": "bugfix", "payload": {}, "priority": "P2"});
        more.as_object().into_iter().flatten().for_each(|(key, value)| task[key] = value.clone());
        tocsin.post("/tasks", &task).json()["task_id"].as_str().expect("an id").to_owned()
    };
    let late = new(json!({"sla_target": 1, "sla_deadline": from_now(1.0)}));
    let (bad, unwanted) = (new(json!({})), new(json!({})));
    assert_eq!(tocsin.post(&format!("/tasks/{unwanted}/cancel"), &json!({})).status, 200);
    eventually("the deadline is over", LIMIT, || {
        tocsin.get("/events?type=sla.violation").body.contains(&late).then_some(())
    });
    let ends: Vec<Value> = work(tocsin, "dev_agent")
        .iter()
        .map(|run| {
            let error = json!({"type": "broken", "message": "no luck"});
            let outcome = if run["task_id"] == bad { "failed" } else { "done" };
            json!({"attempt_token": run["attempt_token"], "outcome": outcome, "error": error, "result": {}})
        })
        .collect();
    assert_eq!(ends.len(), 2);
    let worker =
        json!({"id": "w-dev_agent", "boot_nonce": "1", "labels": {"agent": "dev_agent"}, "kinds": ["*"]});
    let reply = tocsin.post("/v1/work", &json!({"worker": worker, "complete": ends, "wait_ms": 0}));
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[test]
fn every_type_of_the_documents_is_told_by_us_or_taken_from_others() {
    assert_eq!(TYPES.map(|(type_, _)| type_), tasks::events::KNOWN, "who tells of it?");
    let mut redis = Redis::start();
    let mut tocsin = Tocsin::start(&[], &[("REDIS_URL", format!("redis://127.0.0.1:{}/0", redis.port))]);
    let with = json!({"is": "${event.payload.status}", "topic": "${event.topic}",
        "sick": "${event.payload.checks[].name}"});
    let listens = ["health.degraded", "health.recovered"].map(|topic| {
        let task = json!({"title": topic, "description": "d", "schedule_kind": "event", "schedule_expr": topic,
            "payload": {"pipeline": [{"id": "a", "uses": "noop", "with": with, "save_as": "a"}]}});
        let made = tocsin.post("/tasks", &task);
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["id"].as_str().expect("an id").to_owned()
    });
    // Health is looked at right after a start, and then each quarter of a minute.
    tocsin.kill();
    redis.kill();
    tocsin.start_again();
    // The first about this; our own alerts, of a Watchdog and of Redis, are told of too.
    let told_of = |type_: &str, about: &str| {
        eventually(type_, LIMIT, || {
            let events = tocsin.get(&format!("/events?type={type_}")).json();
            let mut oldest_first = events["items"].as_array()?.iter().rev();
            let first = oldest_first.find(|event| event["payload"].to_string().contains(about))?.clone();
            (first["event_type"] == type_).then_some(first)
        })
    };
    let told = |type_: &str| told_of(type_, "");
    let degraded = told("health.degraded");
    assert_eq!((&degraded["priority"], &degraded["source_agent"]), (&json!("high"), &json!("tocsin")));
    assert_eq!(degraded["payload"]["checks"][0]["name"], "redis", "{degraded}");
    redis.start_again();

    let ends = [None, Some("2020-01-01T00:00:00Z")];
    for end in ends {
        let mut alert = json!({"labels": {"alertname": "DiskAlmostFull", "severity": "critical"}});
        if let Some(end) = end {
            alert["startsAt"] = "2019-01-01T00:00:00Z".into();
            alert["endsAt"] = end.into();
        }
        assert_eq!(tocsin.post("/api/v2/alerts", &json!([alert])).status, 200);
        let type_ = if end.is_some() { "alert.resolved" } else { "alert.triggered" };
        let event = told_of(type_, "DiskAlmostFull");
        let payload = &event["payload"];
        assert_eq!((&event["priority"], &payload["severity"]), (&json!("critical"), &json!("critical")));
        assert!(payload["alert_id"].as_str().is_some_and(|id| !id.is_empty()), "{event}");
    }
    tasks_that_end(&tocsin);
    for (type_, _) in TYPES.iter().filter(|(_, by)| *by == By::Others) {
        publish(&tocsin, type_, json!({"of": type_}));
    }

    let recovered = told("health.recovered");
    assert_eq!(recovered["payload"], json!({"status": "healthy", "checks": []}));
    let all = tocsin.get("/events?limit=1000").json()["items"].as_array().expect("events").clone();
    let of = |source: &str| -> BTreeSet<&str> {
        let events = all.iter().filter(|event| event["source_agent"] == source);
        events.filter_map(|event| event["event_type"].as_str()).collect()
    };
    let (ours, others) = (of("tocsin"), of("test"));
    for (type_, by) in TYPES {
        assert_eq!(ours.contains(type_), by == By::Us, "{type_}: we told {ours:?}");
        assert_eq!(others.contains(type_), by == By::Others, "{type_}: others told {others:?}");
    }
    for (task, topic, sick) in
        [(&listens[0], "health.degraded", json!(["redis"])), (&listens[1], "health.recovered", json!([]))]
    {
        let got = eventually("the run of who listens", LIMIT, || {
            let runs = tocsin.get(&format!("/runs/?task_id={task}")).json();
            let run = runs["items"].as_array()?.last()?.clone();
            (run["state"] == "completed").then(|| run["output"]["steps"]["a"].clone())
        });
        assert_eq!((&got["topic"], &got["sick"]), (&json!(topic), &sick), "{got}");
    }
}
