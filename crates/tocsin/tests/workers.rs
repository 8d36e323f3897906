//! Tools, pipelines and workers as their users see them: the tools are real programs, the workers real clients.

mod support;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use support::{Reply, Tocsin, eventually, request};

const LIMIT: Duration = Duration::from_secs(20);

fn started(config: &str, envs: &[(&str, String)]) -> Tocsin {
    let mut tocsin = Tocsin::prepare(&[], envs);
    let file = tocsin.dir.path().join("tocsin.yml");
    std::fs::write(&file, config).expect("our own directory");
    tocsin.add_args(&["--config", file.to_str().expect("a plain path")]);
    tocsin.start_again();
    tocsin
}

fn ended(tocsin: &Tocsin, task: &str) -> Value {
    eventually("the end of a run", LIMIT, || {
        let runs = tocsin.get(&format!("/runs/?task_id={task}")).json();
        runs["items"].get(0).filter(|run| !run["success"].is_null()).cloned()
    })
}

fn id_of(reply: &Reply) -> String {
    reply.json()["id"].as_str().unwrap_or_else(|| panic!("no id: {}", reply.body)).to_owned()
}

/// An HTTP server on a free port: `answer` gets head and body of each request, and gives a status and a body.
fn server(answer: impl Fn(&str, &str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("its address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut head, mut line) = (String::new(), String::new());
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                head.push_str(&std::mem::take(&mut line));
            }
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            let _ = reader.read_exact(&mut body);
            let (status, text) = answer(&head, &String::from_utf8_lossy(&body));
            let length = text.len();
            let reply =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}");
            let _ = reader.into_inner().write_all(reply.as_bytes());
        }
    });
    url
}

fn once(pipeline: Value, params: Value) -> Value {
    let soon =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() + 1;
    let at = model::Timestamp::from_millis(i64::try_from(soon * 1000).expect("small")).rfc3339();
    json!({"title": "t", "description": "d", "schedule_kind": "once", "schedule_expr": at,
        "payload": {"params": params, "pipeline": pipeline}})
}

#[test]
fn defect_5_a_pipeline_gets_what_its_tools_answer() {
    let weather = server(|_, body| (200, format!("{{\"sky\": \"clear\", \"asked\": {body}}}")));
    let script =
        r#"while read -r line; do echo "{\"id\": 1, \"result\": {\"said\": \"good morning\"}}"; done"#;
    let config = json!({
        "tools": [
            {"address": "weather-mcp.forecast", "transport": "http", "endpoint": weather, "timeout_seconds": 10,
                "scopes": ["weather"], "cost_tier": "low", "description": "The weather of a city",
                "input_schema": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}},
                "output_schema": {"type": "object", "required": ["sky"]}},
            {"address": "llm.plan", "transport": "stdio", "argv": ["bash", "-c", script]},
        ],
        "kinds": {"resize": {"schema": {"type": "object", "properties": {"width": {"type": "integer"}}}}},
    });
    let tocsin = started(&config.to_string(), &[]);
    let tools = tocsin.get("/tools").json();
    let tool = tools["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|tool| tool["address"] == "weather-mcp.forecast");
    let tool = tool.unwrap_or_else(|| panic!("{tools}"));
    assert_eq!((&tool["transport"], &tool["timeout_seconds"]), (&json!("http"), &json!(10.0)));
    assert_eq!((&tool["cost_tier"], &tool["scopes"]), (&json!("low"), &json!(["weather"])));
    assert_eq!(tool["input_schema"]["required"], json!(["city"]));

    let pipeline = json!([
        {"id": "plan", "uses": "llm.plan", "with": {"x": 1}, "save_as": "plan", "needs": ["sky"]},
        {"id": "sky", "uses": "weather-mcp.forecast", "with": {"city": "${params.city}"}, "save_as": "sky"},
        {"id": "each", "uses": "noop", "foreach": "params.list", "with": {"n": "${item}", "sky": "${steps.sky.sky}"},
            "save_as": "all", "needs": "plan"},
    ]);
    let run = ended(
        &tocsin,
        &id_of(&tocsin.post("/tasks", &once(pipeline, json!({"city": "Iasi", "list": [1, 2]})))),
    );
    let steps = &run["output"]["steps"];
    assert_eq!(steps["sky"], json!({"sky": "clear", "asked": {"city": "Iasi"}}), "{run}");
    assert_eq!(steps["plan"], json!({"said": "good morning"}));
    assert_eq!(steps["all"], json!([{"n": 1, "sky": "clear"}, {"n": 2, "sky": "clear"}]));

    let metrics = tocsin.get("/metrics").body;
    for line in [
        "orchestrator_step_success_total{tool_addr=\"noop\"} 2",
        "orchestrator_step_duration_seconds_count{tool_addr=\"weather-mcp.forecast\"} 1",
        "orchestrator_pipeline_executions_total{status=\"completed\"} 1",
        "orchestrator_lease_duration_seconds_bucket{le=\"600\"} 4",
        "orchestrator_worker_heartbeat_total{worker_id=\"builtin\"} ",
        "orchestrator_events_total{event_type=\"task.completed\"} ",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    let told = json!([{"id": "tell", "uses": "notify", "with": {"receiver": "console", "text": "done"}, "save_as": "told"}]);
    let run = ended(&tocsin, &id_of(&tocsin.post("/tasks", &once(told, json!({})))));
    assert_eq!(run["output"]["steps"]["told"]["receiver"], "console", "{run}");

    // What does not fit, loops or explodes is refused with its place, and nothing is stored.
    let before = tocsin.get("/tasks").json()["total"].clone();
    let step = |uses: &str, with: Value, more: Value| {
        let mut step = json!({"id": "a", "uses": uses, "with": with});
        step.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        once(json!([step]), json!({}))
    };
    let bomb = format!("${{{}}}", ["[@,@]"; 40].join("|"));
    for (task, status, place) in [
        (step("weather-mcp.forecast", json!({"city": 7}), json!({})), 422, "payload.pipeline[0].with.city"),
        (json!({"kind": "weather-mcp.forecast", "args": {}}), 422, "args"),
        (json!({"kind": "weather-mcp.forecast", "args": {"city": 7}}), 422, "args.city"),
        (step("noop", json!({}), json!({"needs": ["a"]})), 400, "payload.pipeline[0].needs"),
        (step("noop", json!({}), json!({"needs": ["b"]})), 400, "payload.pipeline[0].needs[0]"),
        (step("noop", json!({"x": bomb}), json!({})), 400, "payload.pipeline[0].with"),
        (step("noop", json!({"x": "${}"}), json!({})), 400, "payload.pipeline[0].with"),
    ] {
        let reply = tocsin.post("/tasks", &task);
        assert_eq!(reply.status, status, "{task}: {}", reply.body);
        assert!(reply.body.contains(place), "{task}: {place} is not in {}", reply.body);
    }
    assert_eq!(tocsin.get("/tasks").json()["total"], before);

    // A step that is given up is counted by its error.
    let broken =
        json!([{"id": "a", "uses": "http", "with": {"url": "http://127.0.0.1:1/"}, "max_retries": 0}]);
    ended(&tocsin, &id_of(&tocsin.post("/tasks", &once(broken, json!({})))));
    let metrics = tocsin.get("/metrics").body;
    assert!(
        metrics.contains("orchestrator_step_failure_total{tool_addr=\"http\",error_type=\""),
        "{metrics}"
    );
    assert!(metrics.contains("orchestrator_pipeline_executions_total{status=\"dead\"} 1"), "{metrics}");
}

/// A tool that asks for scopes is named only by those who have them, whichever way they name it.
#[test]
fn a_tool_is_named_only_by_those_with_its_scopes() {
    let down = server(|_, _| (400, "no".to_owned()));
    let tool = |name: &str| json!({"address": name, "transport": "http", "endpoint": down, "scopes": [name]});
    let tocsin = started(&json!({"tools": [tool("mail"), tool("deploy")]}).to_string(), &[]);
    let token = {
        let operator = tocsin.key("operator");
        let headers = [("content-type", "application/json"), ("x-api-key", operator.as_str())];
        let ask = json!({"user_id": "ann", "role": "operator", "scopes": ["mail"]}).to_string();
        let pair = request("POST", &format!("{}/auth/token", tocsin.url), &headers, &ask).expect("an answer");
        format!("Bearer {}", pair.json()["access_token"].as_str().expect("a token"))
    };
    let narrow = |method: &str, path: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
        request(method, &format!("{}{path}", tocsin.url), &headers, body).expect("an answer")
    };
    // Far off: none of these may have ended before it is asked about.
    let pipeline = |uses: &str| {
        let mut task = once(json!([{"id": "a", "uses": "noop"}, {"id": "b", "uses": uses}]), json!({}));
        task["schedule_expr"] = json!("2100-01-01T00:00:00Z");
        task
    };
    let mine = id_of(&narrow("POST", "/tasks", &pipeline("mail").to_string()));
    let theirs = id_of(&tocsin.post("/tasks", &pipeline("deploy")));
    let dead_of = |uses: &str| {
        let id = id_of(&tocsin.post("/tasks", &json!({"kind": uses, "max_retries": 0})));
        ended(&tocsin, &id)["id"].as_str().expect("an id").to_owned()
    };
    let (dead_mail, dead_deploy) = (dead_of("mail"), dead_of("deploy"));
    let payload = |uses: &str| json!({"payload": pipeline(uses)["payload"]}).to_string();
    let (kind, args) = (|uses: &str| json!({"kind": uses}).to_string(), json!({"args": {}}).to_string());
    let again = kind("deploy").replace('}', ", \"queue\": \"q\"}");
    for (method, path, body, place) in [
        ("POST", "/tasks".to_owned(), kind("mail"), ""),
        ("POST", "/tasks".to_owned(), kind("noop"), ""),
        ("POST", "/tasks".to_owned(), kind("deploy"), "kind"),
        ("POST", "/tasks".to_owned(), again, "kind"),
        ("POST", "/tasks".to_owned(), pipeline("deploy").to_string(), "payload.pipeline[1].uses"),
        ("PUT", format!("/tasks/{mine}"), payload("mail"), ""),
        ("PUT", format!("/tasks/{mine}"), payload("deploy"), "payload.pipeline[1].uses"),
        ("PUT", format!("/tasks/{theirs}"), json!({"title": "now"}).to_string(), "payload.pipeline[1].uses"),
        ("POST", format!("/tasks/{theirs}/run_now"), String::new(), "payload.pipeline[1].uses"),
        ("PUT", format!("/dead-letters/{dead_mail}"), args.clone(), ""),
        ("PUT", format!("/dead-letters/{dead_deploy}"), args, "kind"),
        ("POST", format!("/dead-letters/{dead_deploy}/replay"), String::new(), "kind"),
        ("POST", format!("/dead-letters/{dead_mail}/replay"), String::new(), ""),
    ] {
        let reply = narrow(method, &path, &body);
        let at = format!("{method} {path} {body}: {} {}", reply.status, reply.body);
        if place.is_empty() {
            assert!((200..300).contains(&reply.status), "{at}");
        } else {
            let said = format!("{place}: tool deploy asks for the scope deploy");
            assert!(reply.status == 403 && reply.body.contains(&said), "{at}");
        }
    }
    let lines = format!("{}\n{}\n", kind("deploy"), kind("mail"));
    let verdicts = narrow("POST", "/tasks/bulk", &lines).body;
    assert!(verdicts.contains("\"status\":403") && verdicts.contains("\"status\":201"), "{verdicts}");
}

#[test]
fn an_open_breaker_is_seen_and_burns_no_tries() {
    let down = server(|_, _| (503, "down".to_owned()));
    let config = json!({"tools": [{"name": "mail", "transport": "http", "endpoint": down,
        "breaker": {"failure_threshold": 1, "recovery_timeout": "60s"}}]});
    let tocsin = started(&config.to_string(), &[]);
    let id = id_of(&tocsin.post("/tasks", &json!({"kind": "mail", "max_retries": 1})));
    let metrics = eventually("the breaker opens", LIMIT, || {
        let text = tocsin.get("/metrics").body;
        text.contains("circuit_breaker_state{name=\"mail\"} 2").then_some(text)
    });
    for line in
        ["circuit_breaker_open_count{name=\"mail\"} 1", "orchestrator_circuit_breaker_state{name=\"mail\"} 2"]
    {
        assert!(metrics.contains(line), "{line}");
    }
    assert!(
        metrics
            .contains("orchestrator_external_tool_calls_total{tool_address=\"mail\",status_code=\"503\"} 1")
    );
    // The second try is put off, again and again, and never given up.
    eventually("the run is put off", LIMIT, || {
        let state = tocsin.get(&format!("/tasks/{id}")).json()["state"].clone();
        assert_ne!(state, "dead");
        (state == "scheduled").then_some(())
    });
}

fn work(tocsin: &Tocsin, body: &Value) -> Value {
    let key = tocsin.key("agent");
    let headers = [("content-type", "application/json"), ("x-api-key", key.as_str())];
    let reply = request("POST", &format!("{}/v1/work", tocsin.url), &headers, &body.to_string());
    reply.expect("an answer").json()
}

/// One round trip on a connection that stays open.
fn talk(stream: &mut TcpStream, tocsin: &Tocsin, body: &Value) -> Value {
    let (body, key) = (body.to_string(), tocsin.key("agent"));
    let length = body.len();
    let ask = format!(
        "POST /v1/work HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(ask.as_bytes()).expect("it listens");
    let (mut answer, mut chunk) = (String::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut chunk).expect("an answer");
        answer.push_str(&String::from_utf8_lossy(&chunk[..n]));
        if let Some((_, body)) = answer.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return body;
        }
        assert!(n > 0, "the connection closed: {answer}");
    }
}

#[test]
fn a_worker_that_asked_for_it_is_rescued_when_its_connection_closes() {
    let tocsin = started("workers: {slots: 0}\n", &[]);
    let worker = |id: &str, release: bool| json!({"id": id, "boot_nonce": "1", "kinds": ["*"], "slots_free": 1, "release_on_close": release});
    work(&tocsin, &json!({"worker": worker("b", false)}));
    for release in [false, true] {
        let address = tocsin.url.trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&address).expect("it listens");
        tocsin.post("/tasks", &json!({"kind": "resize"}));
        let held = talk(&mut stream, &tocsin, &json!({"worker": worker("a", release), "want": 1}));
        assert_eq!(held["runs"].as_array().map(Vec::len), Some(1), "{held}");
        drop(stream);
        let closed = Instant::now();
        let taken = work(&tocsin, &json!({"worker": worker("b", false), "want": 1, "wait_ms": 1500}));
        let runs = taken["runs"].as_array().map_or(0, Vec::len);
        assert_eq!(runs, usize::from(release), "release_on_close {release}: {taken}");
        if release {
            assert!(closed.elapsed() < Duration::from_secs(1), "rescued after {:?}", closed.elapsed());
            assert_eq!(taken["runs"][0]["attempt"], 2);
        }
    }
}

#[test]
fn runs_are_pushed_to_workers_that_are_called() {
    let (told, heard) = std::sync::mpsc::channel::<(String, Value)>();
    let url = server(move |head, body| {
        let body: Value = serde_json::from_str(body).expect("JSON");
        let answer = match body["args"]["how"].as_str() {
            Some("later") => (202, String::new()),
            Some("busy") if body["attempt"] == 1 => (429, "busy".to_owned()),
            _ => (200, json!({"outcome": "done", "result": {"n": body["attempt"]}}).to_string()),
        };
        told.send((head.to_lowercase(), body)).expect("the test listens");
        answer
    });
    let mut tocsin = started("workers: {slots: 0}\n", &[]);
    let operator = tocsin.key("operator");
    let post = |tocsin: &Tocsin, body: &Value| {
        let headers = [("content-type", "application/json"), ("x-api-key", operator.as_str())];
        request("POST", &format!("{}/workers/push", tocsin.url), &headers, &body.to_string())
            .expect("an answer")
    };
    let wish =
        json!({"id": "caller", "url": url, "secret": "0123456789abcdef", "kinds": ["resize"], "slots": 2});
    assert_eq!(
        post(&tocsin, &json!({"id": "caller", "url": url, "secret": "short", "kinds": []})).status,
        422
    );
    for never in ["http://169.254.169.254/", &tocsin.url] {
        let wish = json!({"id": "never", "url": never, "secret": "0123456789abcdef", "kinds": ["resize"]});
        let reply = post(&tocsin, &wish);
        assert!(reply.status == 400 && reply.body.contains("never called"), "{never}: {}", reply.body);
    }
    let reply = post(&tocsin, &wish);
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert!(!reply.body.contains("0123456789abcdef"), "the secret is not given out");
    // A restart goes on calling.
    tocsin.kill();
    tocsin.start_again();
    let submit = |how: &str| id_of(&tocsin.post("/tasks", &json!({"kind": "resize", "args": {"how": how}})));
    assert_eq!(ended(&tocsin, &submit("now"))["output"], json!({"n": 1}));
    let (head, body) = heard.recv_timeout(LIMIT).expect("a call");
    let token = body["attempt_token"].as_str().expect("a token");
    assert!(
        head.contains("x-tocsin-signature: t=") && head.contains(&format!("idempotency-key: {token}")),
        "{head}"
    );
    assert_eq!(ended(&tocsin, &submit("busy"))["output"], json!({"n": 2}));
    let _ = (heard.recv_timeout(LIMIT), heard.recv_timeout(LIMIT));
    let later = submit("later");
    let (_, body) = heard.recv_timeout(LIMIT).expect("a call");
    let complete =
        json!([{"attempt_token": body["attempt_token"], "outcome": "done", "result": "called back"}]);
    let reply = work(&tocsin, &json!({"worker": body["worker"], "complete": complete}));
    assert_eq!(reply["results"][body["attempt_token"].as_str().expect("a token")], "accepted", "{reply}");
    assert_eq!(ended(&tocsin, &later)["output"], "called back");
    let headers = [("x-api-key", operator.as_str())];
    let gone =
        request("DELETE", &format!("{}/workers/push/caller", tocsin.url), &headers, "").expect("an answer");
    assert_eq!(gone.status, 200, "{}", gone.body);
}
