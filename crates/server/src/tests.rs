//! The whole application against a process filled by hand: who may what, every dialect's envelopes and codes,
//! every bound.

use crate::api::routes;
use crate::auth::{LocalRule, Need, Reading, Role};
use crate::fixture::{Answer, NOW, SECRET, World, at, get, key, labels, local, post, remote, send};
use crate::views::{AlertState, HealthStatus, NewTask};
use crate::{Failure, State};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use std::sync::Arc;

/// Every kind of credential, and what it is worth: `Err` for one that must be a 401 wherever it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Local,
    Key(Role),
    KeyAsBearer(Role),
    Token(Role),
    BadKey,
    ForgedToken,
    ExpiredToken,
    StrangeRole,
    AlgorithmNone,
    BasicScheme,
    GoodKeyAndBadToken,
}

const EVERY: [Shown; 18] = [
    Shown::Nothing,
    Shown::Local,
    Shown::Key(Role::User),
    Shown::Key(Role::Agent),
    Shown::Key(Role::Operator),
    Shown::Key(Role::Admin),
    Shown::KeyAsBearer(Role::User),
    Shown::KeyAsBearer(Role::Admin),
    Shown::Token(Role::User),
    Shown::Token(Role::Agent),
    Shown::Token(Role::Operator),
    Shown::BadKey,
    Shown::ForgedToken,
    Shown::ExpiredToken,
    Shown::StrangeRole,
    Shown::AlgorithmNone,
    Shown::BasicScheme,
    Shown::GoodKeyAndBadToken,
];

impl Shown {
    fn headers(self) -> Vec<(&'static str, String)> {
        let token = |role: &str, exp: i64, secret: &str| {
            let claims = json!({"sub": "ann", "role": role, "exp": NOW / 1000 + exp, "iat": NOW / 1000});
            let token = jsonwebtoken::encode(
                &Header::default(),
                &claims,
                &EncodingKey::from_secret(secret.as_bytes()),
            );
            ("authorization", format!("Bearer {}", token.unwrap()))
        };
        match self {
            Shown::Nothing | Shown::Local => vec![],
            Shown::Key(role) => vec![("x-api-key", key(role))],
            Shown::KeyAsBearer(role) => vec![("authorization", format!("Bearer {}", key(role)))],
            Shown::Token(role) => vec![token(role.as_str(), 60, SECRET)],
            Shown::BadKey => vec![("x-api-key", "no key of ours".to_owned())],
            Shown::ForgedToken => vec![token("admin", 60, "another secret")],
            Shown::ExpiredToken => vec![token("admin", -1, SECRET)],
            Shown::StrangeRole => vec![token("king", 60, SECRET)],
            Shown::AlgorithmNone => {
                // {"alg":"none","typ":"JWT"} . {"sub":"ann","role":"admin","exp":9999999999}
                let parts = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbm4iLCJyb2xlIjoiYWRtaW4iLCJleHAiOjk5OTk5OTk5OTl9.";
                vec![("authorization", format!("Bearer {parts}"))]
            }
            Shown::BasicScheme => vec![("authorization", "Basic YWRtaW46YWRtaW4=".to_owned())],
            Shown::GoodKeyAndBadToken => {
                vec![("x-api-key", key(Role::Admin)), token("admin", 60, "another secret")]
            }
        }
    }

    /// The role it is worth; `None`: a 401 even on open routes.
    fn worth(self) -> Option<Option<Role>> {
        match self {
            Shown::Nothing => Some(None),
            Shown::Local => Some(Some(Role::Operator)),
            Shown::Key(role) | Shown::KeyAsBearer(role) | Shown::Token(role) => Some(Some(role)),
            _ => None,
        }
    }
}

async fn try_route(state: &Arc<State>, method: &Method, path: &str, shown: Shown) -> Answer {
    let uri = path.replace("{id}", "x").replace("{name}", "job");
    let mut request =
        if shown == Shown::Local { local(method.as_str(), &uri) } else { remote(method.as_str(), &uri) };
    for (name, value) in shown.headers() {
        request = request.header(name, value);
    }
    send(state, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_route_by_every_credential() {
    let (_, state) = World::calm().state();
    for route in routes() {
        for shown in EVERY {
            let answer = try_route(&state, &route.method, route.path, shown).await;
            let want = match (shown.worth(), route.need) {
                (None, _) => Some(401),
                (Some(_), Need::Nothing) => None,
                (Some(None), Need::Role(_) | Need::Somebody | Need::InBody) => Some(401),
                (Some(Some(has)), Need::Role(needs)) => (has < needs).then_some(403),
                // The local principal is somebody only where it may act without a body that says who it is.
                (Some(Some(_)), Need::InBody) if shown == Shown::Local => Some(401),
                (Some(Some(_)), Need::Somebody | Need::InBody) => None,
            };
            let (method, path, status) = (&route.method, route.path, answer.status.as_u16());
            match want {
                Some(code) => {
                    assert_eq!(status, code, "{method} {path} by {shown:?}");
                    let body = answer.json();
                    assert!(body["detail"].is_string() && body["message"].is_string(), "{body}");
                }
                None => assert!(![401, 403].contains(&status), "{method} {path} by {shown:?}: {status}"),
            }
            assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
        }
    }
}

#[tokio::test]
async fn what_is_open_is_exactly_this() {
    let open: Vec<_> = routes()
        .iter()
        .filter(|route| route.need == Need::Nothing)
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let want = "GET /health,GET /health/live,GET /health/ready,GET /health/startup,GET /-/healthy,GET /-/ready,\
                GET /metrics,GET /openapi.json,GET /stats,GET /,GET /ui/links/approvals/{id},\
                POST /ui/links/approvals/{id},GET /graph,GET /alerts,GET /docs,GET /redoc,\
                GET /docs/assets/{file}";
    assert_eq!(open.join(","), want);
}

#[tokio::test]
async fn a_bad_credential_is_refused_on_unknown_paths_too() {
    let (_, state) = World::calm().state();
    for (method, path) in [(Method::GET, "/nowhere"), (Method::DELETE, "/health")] {
        assert_eq!(try_route(&state, &method, path, Shown::BadKey).await.status, 401);
    }
}

#[tokio::test]
async fn auth_required_and_open_reads() {
    let (_, state) = World::calm().state_with(LocalRule::Nobody, Reading::Credential);
    assert_eq!(try_route(&state, &Method::GET, "/tasks", Shown::Local).await.status, 401);
    let (_, state) = World::calm().state_with(LocalRule::Nobody, Reading::Open);
    assert_eq!(try_route(&state, &Method::GET, "/tasks", Shown::Nothing).await.status, 200);
    assert_eq!(try_route(&state, &Method::POST, "/tasks", Shown::Nothing).await.status, 401);
}

#[tokio::test]
async fn a_form_is_local_only_where_it_reads() {
    let (_, state) = World::calm().state();
    for (uri, body, want) in [("/api/v1/query", "query=up", 200), ("/tasks", "kind=noop", 401)] {
        let request = local("POST", uri)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("content-length", body.len())
            .body(Body::from(body))
            .unwrap();
        assert_eq!(send(&state, request).await.status, want, "{uri}");
    }
}

#[tokio::test]
async fn head_wherever_get_is() {
    let (_, state) = World::calm().state();
    for route in routes().iter().filter(|route| route.method == Method::GET) {
        let got = try_route(&state, &Method::GET, route.path, Shown::Local).await;
        let head = try_route(&state, &Method::HEAD, route.path, Shown::Local).await;
        assert_eq!((got.status, ""), (head.status, head.body.as_str()), "{}", route.path);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods() {
    let (_, state) = World::calm().state();
    for path in ["/nowhere", "/api/v1/nowhere", "/alertmanager/api/v2/status", "/ui/nowhere", "/tasks/a/b/c"]
    {
        let answer = get(&state, path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, "404 page not found\n"), "{path}");
    }
    let answer = send(&state, local("DELETE", "/health").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 405);
    assert!(answer.headers["allow"].to_str().unwrap().contains("GET"));
}

#[tokio::test]
async fn every_answer_has_an_id() {
    let (_, state) = World::calm().state();
    let answer = get(&state, "/health").await;
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert!(id.len() == 12 && id.starts_with("req-"), "{id}");
    let send_id = async |id: &str| {
        let request = local("GET", "/nowhere").header("x-request-id", id).body(Body::empty()).unwrap();
        send(&state, request).await.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(send_id("abc-1").await, "abc-1");
    assert_ne!(send_id("a b\"c").await, "a b\"c");
    assert_ne!(send_id(&"x".repeat(200)).await, "x".repeat(200));
}

#[tokio::test]
async fn health_as_uptime_services_read_it() {
    let mut world = World::calm();
    world.queue.total = 1;
    let (_, state) = world.state();
    let answer = get(&state, "/health").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.starts_with(r#"{"status": "healthy", "redis": "connected", "queue_stats": {"#),
        "{}",
        answer.body
    );
    let queue = &answer.json()["queue_stats"];
    let names: Vec<_> = queue.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names.join(","),
        "pending_tasks,processing_tasks,total_tasks,pending,in_progress,completed,failed"
    );
    assert_eq!(queue["total_tasks"], 10, "never less than pending and processing together");
    assert_eq!(get(&state, "/stats").await.json()["queue"], *queue);

    for (status, code) in [(HealthStatus::Degraded, 200), (HealthStatus::Unhealthy, 503)] {
        let mut world = World::calm();
        world.health.status = status;
        world.health.redis_connected = false;
        let (_, state) = world.state();
        let answer = get(&state, "/health").await;
        assert_eq!(answer.status, code);
        assert_eq!(answer.json()["redis"], "disconnected");
    }
}

#[tokio::test]
async fn readiness() {
    let mut world = World::calm();
    world.ready = false;
    let (_, state) = world.state();
    for (path, code) in [
        ("/-/ready", 503),
        ("/health/ready", 503),
        ("/health/startup", 503),
        ("/-/healthy", 200),
        ("/health/live", 200),
    ] {
        assert_eq!(get(&state, path).await.status, code, "{path}");
    }
}

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

#[tokio::test]
async fn prometheus_envelopes_and_codes() {
    let (_, state) = World::calm().state();
    let answer = get(&state, "/api/v1/query?query=up").await;
    assert_eq!(
        answer.body,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"api"},"value":[1795317160,"1"]}]}}"#
    );
    for (uri, code, kind) in [
        ("/api/v1/query", 400, "bad_data"),
        ("/api/v1/query?query=bad(", 400, "bad_data"),
        ("/api/v1/query?query=up&time=noon", 400, "bad_data"),
        ("/api/v1/query?query=slow", 503, "timeout"),
        ("/api/v1/query?query=many", 422, "execution"),
        ("/api/v1/query?query=broken", 500, "internal"),
        ("/api/v1/query_range?query=up&start=0&end=10", 400, "bad_data"),
        ("/api/v1/query_range?query=up&start=0&end=10&step=0", 400, "bad_data"),
        ("/api/v1/query_range?query=up&start=10&end=0&step=1", 400, "bad_data"),
        ("/api/v1/query_range?query=up&start=0&end=11001&step=1", 400, "bad_data"),
        ("/api/v1/series", 400, "bad_data"),
        ("/api/v1/series?match[]=nonsense", 400, "bad_data"),
        ("/api/v1/series?match[]=job=", 400, "bad_data"),
        ("/api/v1/labels?start=noon", 400, "bad_data"),
        ("/api/v1/targets?state=odd", 400, "bad_data"),
        ("/api/v1/rules?type=odd", 400, "bad_data"),
    ] {
        let answer = get(&state, uri).await;
        let body = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &body["status"], &body["errorType"]),
            (code, &json!("error"), &json!(kind)),
            "{uri}"
        );
        assert!(!body["error"].as_str().unwrap().contains("secret detail"));
    }
    assert_eq!(get(&state, "/api/v1/query_range?query=up&start=0&end=11000&step=1").await.status, 200);
    let cut = get(&state, "/api/v1/series?match[]=job=api&limit=1").await.json();
    assert_eq!((cut["data"].as_array().unwrap().len(), cut["warnings"].is_array()), (1, true));
    assert_eq!(get(&state, "/api/v1/label/U__http_2e_x/values").await.json()["data"][0], "a value of http.x");
}

#[tokio::test]
async fn prometheus_views() {
    let (_, state) = World::incident().state();
    let targets = get(&state, "/api/v1/targets?state=active").await.json();
    let first = &targets["data"]["activeTargets"][2];
    assert_eq!((&first["labels"]["job"], &first["health"]), (&json!("node"), &json!("up")));
    assert_eq!((&first["scrapeInterval"], &first["lastScrape"]), (&json!("15s"), &json!(at(4).rfc3339())));

    let rules = get(&state, "/api/v1/rules").await.json();
    let group = &rules["data"]["groups"][0];
    assert_eq!((&group["name"], group["rules"].as_array().unwrap().len()), (&json!("stack"), 3));
    assert_eq!(
        (&group["rules"][0]["state"], &group["rules"][0]["alerts"][0]["value"]),
        (&json!("firing"), &json!("0e+00"))
    );
    assert_eq!(group["rules"][2]["type"], "recording");
    let filtered = get(&state, "/api/v1/rules?type=record&rule_name[]=job:up:sum").await.json();
    assert_eq!(filtered["data"]["groups"][0]["rules"].as_array().unwrap().len(), 1);
    assert_eq!(get(&state, "/api/v1/rules?rule_group=none").await.json()["data"]["groups"], json!([]));
    assert_eq!(get(&state, "/api/v1/rules?group_limit=1").await.json()["data"].get("groupNextToken"), None);

    let alerts = get(&state, "/api/v1/alerts").await.json();
    assert_eq!(alerts["data"]["alerts"].as_array().unwrap().len(), 2);
    let build = get(&state, "/api/v1/status/buildinfo").await.json();
    assert_eq!((&build["data"]["version"], build["data"].get("features")), (&json!("3.14.0"), None));
    let metadata = get(&state, "/api/v1/metadata").await.json();
    let kinds = |name: &str| -> Vec<&str> {
        metadata["data"][name].as_array().unwrap().iter().filter_map(|of| of["type"].as_str()).collect()
    };
    assert_eq!((kinds("node_load1"), kinds("up")), (vec!["gauge"], vec!["counter", "gauge"]));
    let of_up = get(&state, "/api/v1/metadata?metric=up&limit_per_metric=1").await.json();
    assert_eq!(of_up["data"].as_object().unwrap().len(), 1);
    assert_eq!(of_up["data"]["up"].as_array().unwrap().len(), 1);
    let of_target = get(&state, "/api/v1/targets/metadata?match_target=instance%3Db&metric=up").await;
    assert_eq!(
        of_target.json()["data"],
        json!([{"target": {"instance": "b", "job": "node"}, "type": "counter", "help": "Another opinion.", "unit": ""}])
    );
    for uri in [
        "/api/v1/status/config",
        "/api/v1/status/flags",
        "/api/v1/status/runtimeinfo",
        "/api/v1/status/tsdb",
        "/api/v1/alertmanagers",
    ] {
        assert_eq!(get(&state, uri).await.json()["status"], "success", "{uri}");
    }
}

#[tokio::test]
async fn alertmanager_alerts() {
    let (world, state) = World::incident().state();
    let list = get(&state, "/api/v2/alerts").await.json();
    assert_eq!(list.as_array().unwrap().len(), 3);
    assert_eq!(list[1]["fingerprint"].as_str().unwrap().len(), 16);
    assert_eq!(
        (&list[2]["status"]["state"], &list[2]["status"]["silencedBy"]),
        (&json!("suppressed"), &json!(["silence-1"]))
    );
    for (query, count) in [
        ("silenced=false", 2),
        ("active=false", 1),
        ("filter=alertname=RedisDown", 1),
        ("receiver=on-.*", 3),
        ("receiver=on", 0),
    ] {
        let list = get(&state, &format!("/api/v2/alerts?{query}")).await.json();
        assert_eq!(list.as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(get(&state, "/api/v2/alerts?active=perhaps").await.status, 400);
    assert_eq!(get(&state, "/api/v2/alerts/groups").await.json()[0]["receiver"]["name"], "on-call");

    let body = r#"[{"labels": {"alertname": "A", "empty": ""}}, {"labels": {}}, {"labels": {"alertname": "B"}, "startsAt": "2026-11-22T03:00:00Z", "endsAt": "2026-11-22T02:00:00Z"}]"#;
    let answer = post(&state, "/api/v2/alerts", body).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.json().as_str().unwrap().starts_with("2 of 3 alerts refused: alert 1: labels"),
        "{}",
        answer.body
    );
    let posted = world.posted.lock().unwrap();
    assert_eq!(posted.len(), 1, "the good one is taken");
    assert_eq!(posted[0].labels, labels(&[("alertname", "A")]));
    assert_eq!((posted[0].starts_at, posted[0].ends_at), (at(0), Some(at(-300))));
}

#[tokio::test]
async fn alertmanager_silences() {
    let (_, state) = World::calm().state();
    let good = json!({"matchers": [{"name": "alertname", "value": "A.*", "isRegex": true}],
        "startsAt": "2026-11-22T05:12:40+02:00", "endsAt": "2026-11-22T04:12:40Z", "comment": "deploy"});
    let answer = post(&state, "/api/v2/silences", good.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"silenceID": "silence-1"})));
    let kept = get(&state, "/api/v2/silences").await.json();
    assert_eq!((&kept[0]["createdBy"], &kept[0]["status"]["state"]), (&json!("local"), &json!("active")));
    assert_eq!(
        kept[0]["matchers"][0],
        json!({"isEqual": true, "isRegex": true, "name": "alertname", "value": "A.*"})
    );
    assert_eq!(get(&state, "/api/v2/silences?active=false").await.json(), json!([]));
    assert_eq!(get(&state, "/api/v2/silence/silence-1").await.status, 200);
    let delete = async |id: &str| {
        send(&state, local("DELETE", &format!("/api/v2/silence/{id}")).body(Body::empty()).unwrap())
            .await
            .status
            .as_u16()
    };
    assert_eq!((delete("silence-1").await, delete("none").await), (200, 404));

    for (field, value) in [
        ("matchers", json!([])),
        ("matchers", json!([{"name": "a", "value": ".*", "isRegex": true}])),
        ("matchers", json!([{"name": "a", "value": "(", "isRegex": true}])),
        ("endsAt", json!("2026-11-22T01:00:00Z")),
        ("endsAt", json!(null)),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(post(&state, "/api/v2/silences", bad.to_string()).await.status, 400, "{bad}");
    }
    // What does not pass a value passes where the label is absent, and says what it means all the same.
    let mut other = good.clone();
    other["matchers"] = json!([{"name": "team", "value": "db", "isRegex": false, "isEqual": false}]);
    assert_eq!(post(&state, "/api/v2/silences", other.to_string()).await.status, 200);
    let first = post(&state, "/api/v1/silences", good.to_string()).await.json();
    assert_eq!(first, json!({"status": "success", "data": {"silenceId": "silence-1"}}));
    assert!(get(&state, "/api/v1/silences").await.json()["data"].is_array());
    assert_eq!(
        post(&state, "/api/v1/alerts", r#"[{"labels": {"a": "b"}}]"#).await.json(),
        json!({"status": "success"})
    );
    assert_eq!(get(&state, "/api/v2/status").await.json()["versionInfo"]["version"], "0.34.0");
    assert_eq!(get(&state, "/api/v2/receivers").await.json()[0]["name"], "on-call");
}

#[tokio::test]
async fn the_overview_says_what_is_wrong() {
    let (_, state) = World::incident().state();
    let page = send(&state, remote("GET", "/").body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, 200);
    let place = |text: &str| page.body.find(text).unwrap_or_else(|| panic!("{text:?} is not on the screen"));
    assert!(place("2 things are wrong") < place("RedisDown"));
    assert!(place("RedisDown") < place("DiskAlmostFull"), "newest first");
    for text in [
        "redis-server is not running",
        "connection refused by 127.0.0.1:6379",
        "bye bye",
        "1 alert",
        "4 of 5",
        "oldest due",
    ] {
        place(text);
    }
    assert!(!page.body.contains("<script") && !page.body.contains("src="));
    assert!(place("On its way") > 0, "alerts that are not long enough true yet");
    let calm = get(&World::calm().state().1, "/").await;
    assert!(calm.body.contains("All is well"));
}

#[tokio::test]
async fn what_always_fires_is_no_trouble() {
    for (severity, heading, title) in [
        ("none", "All is well", "<title>Tocsin"),
        ("info", "All is well", "<title>Tocsin"),
        ("warning", "One thing is wrong: Always", "<title>(1) Tocsin"),
        ("", "One thing is wrong: Always", "<title>(1) Tocsin"),
    ] {
        let mut world = World::incident();
        world.alerts.retain(|view| view.state == AlertState::Active);
        world.alerts.truncate(1);
        world.alerts[0].alert.labels = labels(&[("alertname", "Always"), ("severity", severity)]);
        let page = get(&world.state().1, "/").await.body;
        assert!(page.contains(heading) && page.contains(title), "{severity:?}");
        assert!(
            page.contains(">Always<") || page.contains("Always</a>"),
            "{severity:?}: it is shown all the same"
        );
    }
}

#[tokio::test]
async fn text_from_outside_stays_text() {
    let mut world = World::incident();
    let evil = "<script>alert(1)</script>";
    world.alerts[0].alert.labels = labels(&[("alertname", evil), ("x", "\"><img src=x>")]);
    world.alerts[0].alert.annotations = labels(&[("summary", evil), ("runbook_url", "javascript:alert(1)")]);
    world.alerts[0].alert.generator_url = "javascript:alert(1)".to_owned();
    world.probes[0].last_error = evil.to_owned();
    let (_, state) = world.state();
    for uri in ["/", "/ui/graph?expr=%3Cscript%3E&range=%22%3E%3Cscript%3E"] {
        let page = get(&state, uri).await;
        assert_eq!(page.status, 200);
        assert!(
            !page.body.contains("<script")
                && !page.body.contains("<img")
                && !page.body.contains("href=\"javascript"),
            "{uri}"
        );
        assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    }
}

#[tokio::test]
async fn old_links_lead_to_the_graph() {
    let (_, state) = World::calm().state();
    let answer = get(&state, "/graph?g0.expr=up&g0.tab=1").await;
    assert_eq!(
        (answer.status, &answer.headers["location"]),
        (StatusCode::TEMPORARY_REDIRECT, &"/ui/graph?g0.expr=up&g0.tab=1".parse().unwrap())
    );
    assert!(get(&state, "/ui/graph?g0.expr=up").await.body.contains("orchestrator_queue_depth"));
}

#[tokio::test]
async fn the_description_names_every_route() {
    let (_, state) = World::calm().state();
    let document = get(&state, "/openapi.json").await.json();
    for route in routes() {
        let method = route.method.as_str().to_lowercase();
        assert!(document["paths"][route.path][&method]["summary"].is_string(), "{method} {}", route.path);
    }
    assert!(get(&state, "/docs").await.body.contains("/v1/work"));
}

#[tokio::test]
async fn requests_are_counted() {
    let (world, state) = World::calm().state();
    get(&state, "/tasks/none").await;
    get(&state, "/nowhere").await;
    try_route(&state, &Method::GET, "/health", Shown::ExpiredToken).await;
    let mut samples = Vec::new();
    world.metrics.metrics(&mut |name, labels, value| {
        let labels: Vec<_> = labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
        samples.push(format!("{name}{{{}}} {value}", labels.join(",")));
    });
    for want in [
        "orchestrator_http_requests_total{method=GET,endpoint=/tasks/{id},status_code=404} 1",
        "orchestrator_http_requests_total{method=GET,endpoint=none,status_code=404} 1",
        "orchestrator_token_rejections_total{reason=expired} 1",
        "orchestrator_authentication_attempts_total{method=jwt,result=failure} 1",
        "tocsin_http_refusals_total{reason=unauthorized,endpoint=/health} 1",
    ] {
        assert!(samples.iter().any(|sample| sample == want), "{want} is missing in {samples:#?}");
    }
}

/// Writes the screens as files into the directory `TOCSIN_SCREENS`, for a person or a browser to look at.
#[tokio::test]
async fn screens_to_look_at() {
    let Ok(dir) = std::env::var("TOCSIN_SCREENS") else {
        println!("skipped: TOCSIN_SCREENS is not set");
        return;
    };
    let (_, incident) = World::incident().state();
    let (_, calm) = World::calm().state();
    for (name, state, uri) in [
        ("incident", &incident, "/"),
        ("calm", &calm, "/"),
        ("graph", &calm, "/ui/graph?expr=orchestrator_queue_depth&range=3h"),
        ("docs", &calm, "/docs"),
    ] {
        std::fs::write(format!("{dir}/{name}.html"), get(state, uri).await.body).unwrap();
    }
}
