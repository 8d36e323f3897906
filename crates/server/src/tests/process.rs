//! What holds for every route, health, and what is counted.

use super::*;

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

#[tokio::test]
async fn a_dry_run_of_a_reload_says_what_would_move_and_never_reloads() {
    let (world, state) = World::calm().state();
    let ask = async |path: &str| send(&state, local("POST", path).body(Body::empty()).unwrap()).await;
    let wanted = json!({
        "would_move": [{"labels": {"alertname": "Full", "disk": "a"}, "from": ["team"], "to": ["other"]}],
        "total": 1,
    });
    for path in ["/-/reload?dry_run=true", "/-/reload?dry_run=1", "/-/reload?dry_run", "/-/reload?dry_run="] {
        assert_eq!(ask(path).await.json(), wanted, "{path}");
    }
    assert_eq!(ask("/-/reload?dry_run=perhaps").await.status, 400);
    assert_eq!(*world.reloads.lock().unwrap(), 0);
    for path in ["/-/reload", "/-/reload?dry_run=false"] {
        let answer = ask(path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""), "{path}");
    }
    assert_eq!(*world.reloads.lock().unwrap(), 2);

    let mut world = World::calm();
    let what = "alertmanager.yml:3:5: error: no receiver".to_owned();
    world.refusal = Some(Failure::Value { field: String::new(), what: what.clone() });
    let (_, state) = world.state();
    let answer = send(&state, local("POST", "/-/reload?dry_run=true").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["message"].as_str()), (400, Some(what.as_str())));
}
