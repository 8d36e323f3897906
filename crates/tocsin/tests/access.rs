//! Limits, tokens and variables on real servers; and the defects of the systems this replaces, each by its number.

mod support;

use serde_json::{Value, json};
use std::{fs, process::Command, time::Duration};
use support::{Redis, Reply, Tocsin, eventually, free_port, request};

const LIMIT: Duration = Duration::from_secs(20);
const SECRET: &str = "a secret of this test, longer than thirty-two characters";

fn env(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

/// A server with one listener more, which is not on loopback; its address as this machine reaches it.
fn reachable(variables: &[(&'static str, &str)]) -> (Tocsin, String) {
    let port = free_port();
    let listen = format!("0.0.0.0:{port}");
    let mut all = env(&[("ORCHESTRATOR_JWT_SECRET", SECRET)]);
    all.extend(env(variables));
    (Tocsin::start(&["--listen", &listen], &all), format!("http://127.0.0.1:{port}"))
}

fn post(url: &str, path: &str, key: Option<&str>, body: &Value) -> Reply {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(key.map(|key| ("x-api-key", key)));
    request("POST", &format!("{url}{path}"), &headers, &body.to_string()).expect("an answer")
}

fn number(reply: &Reply, name: &str) -> u64 {
    let value = reply.headers.get(name).unwrap_or_else(|| panic!("no {name}: {}", reply.body));
    value.to_str().expect("ASCII").parse().expect("a number")
}

/// Rate limiting was documented and not installed, and where it was installed it broke.
#[test]
fn defect_9_limits_that_hold() {
    let (tocsin, url) = reachable(&[]);
    let key = tocsin.key("agent");
    let noop = json!({"kind": "noop"});
    let codes: Vec<u16> = (0..12).map(|_| post(&url, "/tasks", Some(&key), &noop).status).collect();
    assert_eq!(codes, [[201; 6], [201, 201, 201, 201, 429, 429]].concat());
    let inside = post(&tocsin.url, "/tasks", Some(&key), &noop);
    assert_eq!(
        (inside.status, number(&inside, "x-ratelimit-limit")),
        (201, 100_000),
        "loopback is a team's own"
    );
    for path in ["/health", "/metrics", "/-/ready"] {
        assert!((0..70).all(|_| request("GET", &format!("{url}{path}"), &[], "").unwrap().status == 200));
    }
    assert!(tocsin.log().contains("Rate limit exceeded for IP 127.0.0.1"));
    let metrics = tocsin.get("/metrics").body;
    assert!(metrics.contains("orchestrator_rate_limit_violations_total{endpoint=\"/tasks\"} 2"), "{metrics}");
}

/// A 429 raised in a middleware reached the client as a 500 without headers.
#[test]
fn defect_15_a_429_is_a_429_with_its_headers() {
    let tocsin = Tocsin::start(&[], &env(&[("ORCHESTRATOR_RATE_LIMIT_TASKS", "1")]));
    let noop = json!({"kind": "noop"});
    assert_eq!(tocsin.post("/tasks", &noop).status, 201, "a variable that is set holds on loopback too");
    let over = tocsin.post("/tasks", &noop);
    assert_eq!(over.status, 429);
    assert_eq!((number(&over, "x-ratelimit-limit"), number(&over, "x-ratelimit-remaining")), (1, 0));
    assert!((1..=60).contains(&number(&over, "retry-after")));
    assert!(over.body.contains("Rate limit exceeded. Please try again later."));
    let off = env(&[("ORCHESTRATOR_RATE_LIMIT_TASKS", "1"), ("RATE_LIMIT_ENABLED", "false")]);
    let tocsin = Tocsin::start(&[], &off);
    for _ in 0..3 {
        let reply = tocsin.post("/tasks", &noop);
        assert_eq!((reply.status, reply.headers.get("x-ratelimit-limit")), (201, None));
    }
    assert!(tocsin.log().contains("rate_limiting_disabled"));
}

/// An API key alone was a 403.
#[test]
fn defect_16_an_api_key_alone_is_enough() {
    let keys = [
        ("ORCHESTRATOR_API_KEYS", "first-key-0123456789, second-key-012345678:user,garbled:key:x"),
        ("ORCHESTRATOR_API_KEY_CI", "third-key-0123456789:operator"),
        ("ORCHESTRATOR_API_KEY_BAD", "fourth-key-012345678"),
    ];
    let tocsin = Tocsin::start(&["--auth", "required"], &env(&keys));
    for (key, want) in [
        ("first-key-0123456789", 201),
        ("second-key-012345678", 403),
        ("third-key-0123456789", 201),
        ("fourth-key-012345678", 401),
    ] {
        assert_eq!(post(&tocsin.url, "/tasks", Some(key), &json!({"kind": "noop"})).status, want, "{key}");
    }
    let log = tocsin.log();
    assert_eq!(log.matches("api_key_skipped").count(), 2, "{log}");
    assert!(!log.contains("fourth-key") && !log.contains("garbled"));
    let metrics = tocsin.get("/metrics").body;
    assert!(metrics.contains("orchestrator_api_key_requests_total{key_name=\"ci\"} 1"), "{metrics}");
}

/// The bearer was the agent's id, its secret was not looked at, the key had a default, and nothing was revoked.
#[test]
fn defect_8_secrets_are_checked_and_revoked_is_revoked() {
    let mut tocsin = Tocsin::start(&[], &[]);
    let issue = |role: &str| {
        let reply = tocsin.post("/auth/token", &json!({"user_id": "ann", "role": role}));
        (reply.status, reply.json())
    };
    assert_eq!(issue("admin").0, 403, "the local principal is an operator");
    let (_, kept) = issue("agent");
    let (_, gone) = issue("agent");
    let by = |tocsin: &Tocsin, pair: &Value| {
        let bearer = format!("Bearer {}", pair["access_token"].as_str().expect("a token"));
        request("GET", &format!("{}/tasks", tocsin.url), &[("authorization", &bearer)], "").unwrap().status
    };
    assert_eq!((by(&tocsin, &kept), by(&tocsin, &gone)), (200, 200));
    let refresh = |tocsin: &Tocsin, pair: &Value| {
        post(&tocsin.url, "/auth/refresh", None, &json!({"refresh_token": pair["refresh_token"]}))
    };
    let revoked = post(&tocsin.url, "/auth/revoke", None, &json!({"refresh_token": gone["refresh_token"]}));
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    let next = refresh(&tocsin, &kept);
    assert_eq!(next.status, 200, "{}", next.body);
    tocsin.kill();
    tocsin.start_again();
    assert_eq!(by(&tocsin, &gone), 401, "a revocation that was acknowledged outlives a kill -9");
    assert_eq!(refresh(&tocsin, &gone).status, 401);
    assert_eq!(by(&tocsin, &next.json()), 200);
    assert_eq!(refresh(&tocsin, &kept).status, 401, "used once before the restart");
    assert_eq!(by(&tocsin, &next.json()), 401, "its second use ends the session");
    let agent = json!({"agent_id": "00000000-0000-0000-0000-000000000001"});
    assert_eq!(post(&tocsin.url, "/agents/auth/token", None, &agent).status, 401, "an id is no secret");

    tocsin.kill();
    let mut stored = Vec::new();
    let mut places = vec![tocsin.dir.path().join("data")];
    while let Some(place) = places.pop() {
        for entry in fs::read_dir(place).expect("the data directory").map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => places.push(entry),
                false => stored.extend(fs::read(entry).expect("our own file")),
            }
        }
    }
    let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    for action in ["token.issued", "token.refreshed", "token.revoked", "token.reused"] {
        assert!(holds(action), "{action} is on record");
    }
    for pair in [&kept, &gone, &next.json()] {
        for token in ["access_token", "refresh_token"] {
            assert!(!holds(pair[token].as_str().expect("a token")), "a token is stored nowhere");
        }
    }

    let data = tocsin.dir.path().join("other");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_tocsin"));
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let refused = serve.env("JWT_SECRET_KEY", "dev-secret-key-change-in-production").output().unwrap();
    assert!(!refused.status.success(), "a default secret is refused");
}

/// What `serve` says when it does not start.
fn refusal(name: &str, value: &str) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_tocsin"));
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path());
    let output = serve.env(name, value).output().expect("it runs");
    assert!(!output.status.success(), "{name}={value}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The deployment guide's whole block, with its own values; and Redis for real.
#[test]
fn every_variable_of_the_guide_is_accepted() {
    let mut redis = Redis::start();
    let url = format!("redis://127.0.0.1:{}/0", redis.port);
    let variables = [
        ("ENVIRONMENT", "production"),
        ("LOG_LEVEL", "INFO"),
        ("ORCHESTRATOR_JWT_SECRET", SECRET),
        ("ORCHESTRATOR_API_KEYS", "key1-0123456789abcdef,key2-0123456789abcdef"),
        ("ORCHESTRATOR_API_KEY_OPS", "key3-0123456789abcdef:operator"),
        ("REDIS_URL", url.as_str()),
        ("ORCHESTRATOR_CORS_ORIGINS", "https://app.example.org,https://*.vercel.app"),
        ("ORCHESTRATOR_RATE_LIMIT_TASKS", "10"),
        ("ORCHESTRATOR_RATE_LIMIT_EVENTS", "20"),
        ("ORCHESTRATOR_RATE_LIMIT_APPROVALS", "5"),
        ("ORCHESTRATOR_RATE_LIMIT_STATS", "30"),
        ("ORCHESTRATOR_QUEUE_PREFIX", "orchestrator"),
        ("ORCHESTRATOR_TASK_TTL", "86400"),
        ("ORCHESTRATOR_APPROVAL_TIMEOUT", "86400"),
        ("ORCHESTRATOR_APPROVAL_HISTORY_TTL", "2592000"),
        ("ORCHESTRATOR_MAX_APPROVAL_HISTORY", "1000"),
        ("HEALTH_CHECK_TIMEOUT", "5"),
        ("ORCHESTRATOR_PORT", "8000"),
        ("SENTRY_DSN", "https://key@sentry.example/1"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.example/x"),
        ("ALERT_EMAIL", "ops@example.org"),
        ("ALERT_SLACK_CHANNEL", "#ops"),
        ("MAILTRAP_API_TOKEN", "t"),
        ("WORKER_LEASE_SECONDS", "60"),
        ("WORKER_POLL_INTERVAL", "0.5"),
        ("WORKER_HEARTBEAT_INTERVAL", "30"),
        ("WORKER_BACKOFF_BASE", "1"),
        ("WORKER_BACKOFF_MAX", "60"),
        ("WORKER_MAX_LEASES", "1"),
        ("WORKER_CLEANUP_INTERVAL", "300"),
        ("WORKER_MAX_PROCESSING_TIME", "3600"),
        ("WORKER_SHUTDOWN_TIMEOUT", "30"),
        ("WORKER_LOG_LEVEL", "INFO"),
        ("SCHEDULER_MISFIRE_GRACE_TIME", "30"),
        ("SCHEDULER_MAX_WORKERS", "10"),
        ("TZ", "UTC"),
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_PER_MINUTE", "60"),
        ("MAX_REQUESTS_PER_MINUTE", "60"),
        ("MAX_REQUESTS_PER_HOUR", "1000"),
        ("MAX_REQUEST_SIZE", "10485760"),
        ("JWT_ALGORITHM", "HS256"),
        ("LOG_FORMAT", "json"),
        ("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "10"),
        ("CIRCUIT_BREAKER_RECOVERY_TIMEOUT", "90"),
        ("SESSION_RETENTION_DAYS", "7"),
    ];
    let tocsin = Tocsin::start(&[], &env(&variables));
    let health = tocsin.get("/health");
    assert_eq!((health.status, &health.json()["redis"]), (200, &json!("connected")));
    let stats = tocsin.get("/stats");
    assert_eq!(number(&stats, "x-ratelimit-limit"), 30);
    let page = [("origin", "https://app.vercel.app")];
    let reply = request("GET", &format!("{}/health", tocsin.url), &page, "").unwrap();
    assert_eq!(reply.headers["access-control-allow-origin"], "https://app.vercel.app");
    let log = tocsin.log();
    for name in ["ORCHESTRATOR_QUEUE_PREFIX", "WORKER_POLL_INTERVAL", "MAILTRAP_API_TOKEN"] {
        assert!(log.contains(&format!("{name} has no effect: ")), "{name}\n{log}");
    }
    assert!(!log.contains("0123456789abcdef") && !log.contains("sentry.example"), "a log holds no secret");
    redis.kill();
    eventually("Redis is missed", LIMIT, || (tocsin.get("/health").status == 503).then_some(()));

    for (name, value) in [
        ("ORCHESTRATOR_RATE_LIMIT_TASKS", "many"),
        ("WORKER_LEASE_SECONDS", "-1"),
        ("JWT_ALGORITHM", "none"),
        ("HEALTH_CHECK_TIMEOUT", "0"),
        ("LOG_LEVEL", "loud"),
        ("TZ", "Mars/Olympus"),
    ] {
        let said = refusal(name, value);
        assert!(said.contains(&format!("{name}={value} is not ")), "{said}");
    }
    assert!(refusal("ORCHESTRATOR_RATE_LIMIT_STATS", "0").contains("RATE_LIMIT_ENABLED=false"));
}

#[test]
fn secrets_that_serve_takes() {
    let generate = |json: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tocsin"));
        command.args(["secrets", "generate"]).args(json.then_some("--json"));
        String::from_utf8(command.output().expect("it runs").stdout).expect("text")
    };
    let block = generate(false);
    let lines: Vec<(&str, &str)> = block.lines().filter_map(|line| line.split_once('=')).collect();
    assert_eq!((lines.len(), lines[0].0, lines[0].1.len()), (5, "ORCHESTRATOR_JWT_SECRET", 43), "{block}");
    let object: Value = serde_json::from_str(&generate(true)).expect("JSON");
    assert_ne!(object["ORCHESTRATOR_JWT_SECRET"], lines[0].1, "each time others");
    let names = ["ORCHESTRATOR_JWT_SECRET", "ORCHESTRATOR_API_KEY_AGENT"];
    let set = names.map(|name| (name, object[name].as_str().expect("a text").to_owned()));
    let tocsin = Tocsin::start(&["--auth", "required"], &set);
    let key = set[1].1.strip_suffix(":agent").expect("a role").to_owned();
    assert_eq!(post(&tocsin.url, "/tasks", Some(&key), &json!({"kind": "noop"})).status, 201);
}

#[test]
fn the_checklist_of_a_security_review_is_in_the_log() {
    let (tocsin, _) = reachable(&[
        ("ORCHESTRATOR_JWT_SECRET", "short"),
        ("REDIS_URL", "redis://redis.example:6379/0"),
        ("CORS_ORIGINS", "*,nonsense"),
        ("RATE_LIMIT_ENABLED", "false"),
    ]);
    let log = tocsin.log();
    for event in [
        "weak_secret",
        "api_keys_not_set",
        "redis_without_tls",
        "cors_wildcard",
        "cors_origin_skipped",
        "rate_limiting_disabled",
        "plain_http",
        "alerts_not_configured",
    ] {
        let line = log.lines().find(|line| line.contains(&format!("\"event\":\"{event}\"")));
        assert!(line.is_some_and(|line| line.contains("WARNING")), "{event}\n{log}");
    }
    assert!(!log.contains("\"short\""));
    let calm = Tocsin::start(&[], &[]);
    assert!(!calm.log().contains("\"check\":\"security\""), "{}", calm.log());
}

/// The names of the table and of the manual are the same.
#[test]
fn the_manual_names_every_variable() {
    let manual = fs::read_to_string(support::root().join("docs/variables.md")).expect("the manual");
    let source =
        fs::read_to_string(support::root().join("crates/tocsin/src/variables.rs")).expect("the table");
    let table =
        source.split("pub const VARIABLES").nth(1).and_then(|rest| rest.split("];").next()).expect("a table");
    let names: Vec<&str> = table
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| text.len() > 1 && text.chars().all(|c| c.is_ascii_uppercase() || "_<>".contains(c)))
        .filter(|name| !["UTC", "HS"].contains(name))
        .collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(manual.contains(&format!("`{name}`")), "docs/variables.md does not name {name}");
    }
}
