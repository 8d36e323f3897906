//! Who may what: every route by every credential.

use super::*;

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
                GET /metrics,GET /openapi.json,GET /stats,GET /api/v1/health,GET /api/health,GET /,\
                GET /ui/links/incidents/{id},POST /ui/links/incidents/{id},POST /ui/silences,POST /ui/on-call,GET /ui/links/approvals/{id},POST /ui/links/approvals/{id},GET /graph,GET /alerts,GET /docs,GET /redoc,\
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
        let answer = send(&state, request).await;
        assert_eq!(answer.status, want, "{uri}");
        assert_eq!(answer.body.contains("Content-Type: application/json"), want == 401, "{}", answer.body);
    }
}
