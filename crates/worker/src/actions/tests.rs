//! The actions that need no server of their own. Real ones: `tests/real.rs`.

use super::*;
use reach::{OwnListeners, Policy};
use serde_json::json;
use std::{
    io::{Read, Write},
    time::Duration,
};
use tasks::{Attempt, AttemptToken, Outcome};

fn actions() -> Actions {
    let own = Arc::new(OwnListeners::default());
    let evaluate: Evaluate = Arc::new(|query| {
        Box::pin(async move {
            if query == "up" { Ok(json!({ "result": [] })) } else { Err("1:1: no".to_owned()) }
        })
    });
    Actions::built_in(&Parts {
        operator: Client::new(Policy::OPERATOR, own.clone()),
        public: Client::new(Policy::PUBLIC, own),
        evaluate: Some(evaluate),
    })
}

async fn run(kind: &str, args: Value) -> Outcome {
    let attempt = Attempt {
        run_id: "run-1".to_owned(),
        token: AttemptToken::parse("000102030405060708090a0b0c0d0e0f").unwrap(),
        number: 1,
        args: args.into(),
        deadline: Duration::from_secs(10),
        checkpoint: None,
    };
    actions().get(kind).unwrap_or_else(|| panic!("no action {kind}")).run(attempt).await
}

async fn fails(kind: &str, args: Value, expected: &str) {
    let got = match run(kind, args.clone()).await {
        Outcome::Failed(error) => format!("failed {}: {}", error.kind, error.message),
        Outcome::Retry { error, .. } => format!("retry {}: {}", error.kind, error.message),
        other => format!("{other:?}"),
    };
    assert!(got.contains(expected), "got {got:?}, wanted {expected:?} for {kind} {args}");
}

#[test]
fn who_may_ask_for_what() {
    let actions = actions();
    assert_eq!(actions.api_kinds(), ["http", "noop", "promql", "wait"]);
    for uses in ["redis", "sql", "file", "process", "command"] {
        assert!(actions.get(uses).is_none() && actions.get(&operator_kind(uses)).is_some(), "{uses}");
    }
}

#[tokio::test]
async fn small_actions() {
    assert_eq!(run("noop", json!({ "a": 1 })).await, Outcome::Done(json!({ "a": 1 })));
    assert_eq!(run("wait", json!({ "seconds": 0.001 })).await, Outcome::Done(json!({ "waited_ms": 1 })));
    assert_eq!(run("wait", json!({ "ms": 2 })).await, Outcome::Done(json!({ "waited_ms": 2 })));
    fails("wait", json!({}), "give one of seconds, ms and duration").await;
    fails("wait", json!({ "seconds": 1, "ms": 1 }), "give one of seconds, ms and duration").await;
    fails("wait", json!({ "seconds": -1 }), "seconds must be a number from 0").await;
    assert_eq!(run("promql", json!({ "query": "up" })).await, Outcome::Done(json!({ "result": [] })));
    fails("promql", json!({ "query": "?" }), "failed promql: 1:1: no").await;
}

#[tokio::test]
async fn commands() {
    let Outcome::Done(done) = run("operator.command", json!({ "argv": ["echo", "a  b", 7] })).await else {
        panic!("echo failed")
    };
    assert_eq!((done["stdout"].as_str(), done["text"].as_str()), (Some("a  b 7\n"), Some("a  b 7")));
    fails(
        "operator.command",
        json!({ "argv": ["sh", "-c", "echo no >&2; exit 3"] }),
        "retry exit_code: sh ended with exit code 3: no",
    )
    .await;
    fails("operator.command", json!({ "argv": "echo hi" }), "failed bad_args: argv must be a list").await;
    fails(
        "operator.command",
        json!({ "argv": ["no-such-program"] }),
        "failed run: cannot run no-such-program",
    )
    .await;
    fails("operator.command", json!({ "argv": ["true"], "shell": true }), "unknown argument \"shell\"").await;
}

#[tokio::test]
async fn files_and_processes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.log");
    std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
    let Outcome::Done(done) = run("operator.file", json!({ "path": path, "tail": "2" })).await else {
        panic!("reading failed")
    };
    assert_eq!((done["text"].as_str(), done["size"].as_u64()), (Some("two\nthree"), Some(14)));
    fails("operator.file", json!({ "path": "/nowhere" }), "failed file: cannot read /nowhere: no such file")
        .await;

    let Outcome::Done(done) =
        run("operator.process", json!({ "name": "no-such-program", "port": "1" })).await
    else {
        panic!("looking failed")
    };
    assert_eq!(done["text"], "no process named no-such-program for port 1; nothing listens there");
    assert_eq!((&done["running"], &done["port_open"]), (&json!(false), &json!(false)));
    fails("operator.process", json!({}), "give a name, a port, or both").await;
}

#[tokio::test]
async fn sqlite_reads_unless_told_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (n, s); INSERT INTO t VALUES (1, 'x')")
        .unwrap();
    let dsn = format!("sqlite:{}", path.display());
    let insert = json!({ "dsn": dsn, "query": "INSERT INTO t VALUES (?, ?)", "params": [2.5, null] });
    fails("operator.sql", insert.clone(), "readonly database").await;
    let mut write = insert;
    write["mode"] = json!("write");
    let Outcome::Done(done) = run("operator.sql", write).await else { panic!("writing failed") };
    assert_eq!(done["affected"], 1);
    let query = json!({ "dsn": dsn, "query": "SELECT * FROM t", "rows_max": 1 });
    let Outcome::Done(done) = run("operator.sql", query).await else { panic!("reading failed") };
    assert_eq!((&done["rows"], &done["cut"]), (&json!([{ "n": 1, "s": "x" }]), &json!(true)));
    assert_eq!(done["text"], "n=1 s=x\nand more");
    fails("operator.sql", json!({ "dsn": dsn, "query": "SELEKT" }), "syntax error").await;
    fails("operator.sql", json!({ "dsn": "sqlite:/nowhere/x.db", "query": "SELECT 1" }), "unable to open")
        .await;
}

/// Answers one request with `answer`; what was asked comes back.
fn server(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = vec![0; 4096];
        let n = stream.read(&mut asked).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&asked[..n]).into_owned()
    });
    (url, thread)
}

#[tokio::test]
async fn http_requests() {
    let (url, asked) = server(
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nSet-Cookie: s=1\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
    );
    let args = json!({ "url": url, "method": "put", "json": { "b": 2 }, "headers": { "X-Y": 5 } });
    let Outcome::Done(done) = run("operator.http", args).await else { panic!("asking failed") };
    assert_eq!((&done["status"], &done["body"]), (&json!(201), &json!({ "a": 1 })));
    assert!(done["headers"].get("set-cookie").is_none());
    let asked = asked.join().unwrap();
    assert!(
        asked.starts_with("PUT /x ") && asked.contains("idempotency-key: run-1") && asked.contains("x-y: 5"),
        "{asked}"
    );

    let (url, _) = server("HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nbusy");
    let outcome = run("operator.http", json!({ "url": url })).await;
    assert!(
        matches!(&outcome, Outcome::Retry { after: Some(after), .. } if after.as_secs() == 3),
        "{outcome:?}"
    );
    let (url, _) = server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    fails("operator.http", json!({ "url": url }), "failed http_404: 127.0.0.1 answered 404").await;
    let (url, _) = server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let outcome = run("operator.http", json!({ "url": url, "expect_status": [404] })).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    fails(
        "http",
        json!({ "url": "http://127.0.0.1:1/" }),
        "failed address_denied: refused to connect to 127.0.0.1:1",
    )
    .await;
    fails("http", json!({ "url": "file:///etc/passwd" }), "failed bad_target").await;
}
