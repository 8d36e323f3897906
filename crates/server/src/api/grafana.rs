//! The few calls with which playbooks ask a Grafana: its health, its data sources (ours is the only one), and
//! queries through it.

use super::prometheus_routes;
use crate::state::State;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Given};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;
use tower::ServiceExt;

/// What stands before the paths of the source itself.
const PROXY: &str = "/api/datasources/proxy/1";

pub(crate) async fn health(Given(state): Given<Arc<State>>) -> Response {
    let body = json!({"commit": "tocsin", "database": "ok", "version": state.build.version});
    axum::Json(body).into_response()
}

pub(crate) async fn datasources() -> Response {
    axum::Json(json!([{
        "id": 1,
        "uid": "tocsin",
        "orgId": 1,
        "name": "Tocsin",
        "type": "prometheus",
        "typeName": "Prometheus",
        "access": "proxy",
        "url": "/",
        "isDefault": true,
        "readOnly": true,
        "jsonData": {},
    }]))
    .into_response()
}

/// The same as without what stands before it. All that can be asked so needs the role that this needs.
pub(crate) async fn proxy(Given(state): Given<Arc<State>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let asked = parts.uri.path_and_query().map_or("/", |asked| asked.as_str());
    let inner = asked.strip_prefix(PROXY).unwrap_or(asked).parse::<Uri>();
    let Ok(inner) = inner else { return StatusCode::BAD_REQUEST.into_response() };
    parts.uri = inner;
    // The outer path's own parts among them would be taken for the inner one's.
    parts.extensions.clear();
    let mut router = Router::new();
    for route in prometheus_routes() {
        router = router.route(route.path, route.answer);
    }
    let router: Router = router.fallback(crate::app::no_route).with_state(state);
    let answer = router.oneshot(Request::from_parts(parts, Body::new(body))).await;
    answer.unwrap_or_else(|never| match never {})
}
