//! The API's description, made from the table of routes itself: it cannot name a route that is not there.

use super::{Route, routes};
use crate::auth::{Need, Role};
use crate::state::State;
use axum::extract::State as Given;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn document(Given(state): Given<Arc<State>>) -> Response {
    axum::Json(openapi(&state.build.version)).into_response()
}

/// OpenAPI 3.1.
pub(crate) fn openapi(version: &str) -> Value {
    let mut paths = json!({});
    for route in routes() {
        paths[route.path][route.method.as_str().to_lowercase()] = operation(&route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tocsin",
            "version": version,
            "description": "Runs a team's background work, watches what it depends on, wakes a person when it matters.",
        },
        "paths": paths,
        "components": {"securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        }},
    })
}

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let mut operation = json!({
        "summary": route.says,
        "tags": [tag(route.path)],
        "responses": {"default": {"description": "See the summary; an error carries detail, error and message."}},
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    let role = match route.need {
        Need::Role(role) => Some(role),
        Need::Somebody => Some(Role::User),
        Need::Nothing | Need::InBody => None,
    };
    if let Some(role) = role {
        operation["security"] = json!([{"key": []}, {"bearer": []}]);
        operation["x-role"] = role.as_str().into();
    }
    operation
}

/// The part of the API that a path belongs to.
fn tag(path: &str) -> &'static str {
    match path {
        _ if path.starts_with("/api/v1") => "Prometheus",
        _ if path.starts_with("/api/v2") => "Alertmanager",
        _ if path.starts_with("/tasks") || path.starts_with("/runs") || path == "/stats" => "Tasks",
        "/v1/work" => "Workers",
        "/" | "/graph" | "/alerts" | "/ui/graph" | "/docs" | "/redoc" => "Screens",
        _ => "Process",
    }
}
