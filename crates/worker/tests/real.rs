//! The actions against real servers.

#![allow(clippy::unwrap_used, reason = "here a failed unwrap is a failed test")]

#[path = "../../reach/tests/support/mod.rs"]
mod support;

use reach::{OwnListeners, Policy, http::Client};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use support::{Postgres, Redis};
use tasks::{Attempt, AttemptToken, Outcome};
use worker::{Actions, Parts, operator_kind};

async fn run(uses: &str, args: Value) -> Result<Value, String> {
    let own = Arc::new(OwnListeners::default());
    let client = Client::new(Policy::OPERATOR, own);
    let actions = Actions::built_in(&Parts { operator: client.clone(), public: client, evaluate: None });
    let attempt = Attempt {
        run_id: "r".to_owned(),
        token: AttemptToken::parse("000102030405060708090a0b0c0d0e0f").unwrap(),
        number: 1,
        args: args.into(),
        deadline: Duration::from_secs(10),
        checkpoint: None,
    };
    match actions.get(&operator_kind(uses)).unwrap().run(attempt).await {
        Outcome::Done(value) => Ok(value),
        Outcome::Retry { error, .. } | Outcome::Failed(error) => Err(error.message),
        Outcome::Snooze(_) => Err("snooze".to_owned()),
    }
}

/// What a runbook finds out about a redis-server that was killed.
#[tokio::test]
async fn the_diagnosis_of_a_dead_redis() {
    let mut server = Redis::start(&[]);
    let port = server.port;
    let ping = || run("redis", json!({ "target": format!("127.0.0.1:{port}"), "args": ["PING"] }));
    let process = || run("process", json!({ "name": "redis-server", "port": port.to_string() }));
    assert_eq!(ping().await.unwrap()["text"], "PONG");
    let alive = process().await.unwrap();
    let text = alive["text"].as_str().unwrap();
    assert!(text.ends_with(&format!("and listens on port {port}")), "{text}");
    let info =
        run("redis", json!({ "target": format!("127.0.0.1:{port}"), "args": "INFO server" })).await.unwrap();
    assert!(info["text"].as_str().unwrap().contains("redis_version"));

    server.kill();
    assert_eq!(ping().await.unwrap_err(), format!("connection refused by 127.0.0.1:{port}"));
    let expected = format!("no process named redis-server for port {port}; nothing listens there");
    assert_eq!(process().await.unwrap()["text"], expected);
    let log = run("file", json!({ "path": server.dir.path().join("redis.log"), "tail": 3 })).await.unwrap();
    assert!(log["text"].as_str().unwrap().contains("Ready to accept connections"), "{log}");
}

#[tokio::test]
async fn sql_on_postgres() {
    let server = Postgres::start(None);
    let sql = |query: &str, params: Value| {
        run("sql", json!({ "dsn": server.dsn(), "query": query, "params": params }))
    };
    let rows = sql("SELECT $1::int AS a, $2::text AS b", json!([5, "x'); DROP"])).await.unwrap();
    assert_eq!(rows["rows"], json!([{ "a": 5, "b": "x'); DROP" }]));
    assert_eq!(rows["text"], "a=5 b=x'); DROP");
    let error = sql("CREATE TABLE t ()", json!([])).await.unwrap_err();
    assert!(error.contains("read-only transaction"), "{error}");
    let process = run("process", json!({ "name": "postgres", "port": server.port })).await.unwrap();
    assert!(
        process["text"].as_str().unwrap().ends_with(&format!("listens on port {}", server.port)),
        "{process}"
    );
    server.stop();
    let error = sql("SELECT 1", json!([])).await.unwrap_err();
    assert_eq!(error, format!("connection refused by 127.0.0.1:{}", server.port));
}
