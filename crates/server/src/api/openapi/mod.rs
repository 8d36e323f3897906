//! The API's description, OpenAPI 3.1: made from the table of routes itself, so that it cannot name a route that is
//! not there, and from one file of words per area. A test of the whole server against it keeps it true.
//!
//! Objects in answers may get more keys in later versions; what a request may hold beyond what is named is said
//! where it is nothing.

mod agents;
mod alertmanager;
mod approvals;
mod auth;
mod events;
mod extensions;
mod incidents;
mod monitoring;
mod operation;
mod process;
mod prometheus;
mod queues;
mod runs;
mod schedules;
mod schema;
mod screens;
mod tasks;
mod workers;

use super::{Route, routes};
use crate::auth::{Need, Role};
use crate::limits::Limited;
use crate::state::State;
use axum::extract::State as Given;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use operation::Operation;
use schema::{any_of, count, instant, is, list, object, text, whole_object};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A part of the API.
struct Area {
    /// What it is called.
    name: &'static str,
    /// What it is for.
    says: &'static str,
    /// What a route of it takes and answers; `None`: it is not of this area.
    describe: fn(&Method, &str) -> Option<Operation>,
    /// The schemas that it names.
    schemas: fn() -> Vec<(&'static str, Value)>,
}

/// In reading order.
const AREAS: [Area; 16] = [
    Area { name: "Tasks", says: tasks::SAYS, describe: tasks::describe, schemas: tasks::schemas },
    Area { name: "Runs", says: runs::SAYS, describe: runs::describe, schemas: runs::schemas },
    Area { name: "Queues", says: queues::SAYS, describe: queues::describe, schemas: queues::schemas },
    Area {
        name: "Schedules",
        says: schedules::SAYS,
        describe: schedules::describe,
        schemas: schedules::schemas,
    },
    Area {
        name: "Approvals",
        says: approvals::SAYS,
        describe: approvals::describe,
        schemas: approvals::schemas,
    },
    Area { name: "Events", says: events::SAYS, describe: events::describe, schemas: events::schemas },
    Area { name: "Agents", says: agents::SAYS, describe: agents::describe, schemas: agents::schemas },
    Area { name: "Workers", says: workers::SAYS, describe: workers::describe, schemas: workers::schemas },
    Area {
        name: "Extensions",
        says: extensions::SAYS,
        describe: extensions::describe,
        schemas: extensions::schemas,
    },
    Area { name: "Auth", says: auth::SAYS, describe: auth::describe, schemas: auth::schemas },
    Area {
        name: "Prometheus",
        says: prometheus::SAYS,
        describe: prometheus::describe,
        schemas: prometheus::schemas,
    },
    Area {
        name: "Alertmanager",
        says: alertmanager::SAYS,
        describe: alertmanager::describe,
        schemas: alertmanager::schemas,
    },
    Area {
        name: "Incidents",
        says: incidents::SAYS,
        describe: incidents::describe,
        schemas: incidents::schemas,
    },
    Area {
        name: "Monitoring",
        says: monitoring::SAYS,
        describe: monitoring::describe,
        schemas: monitoring::schemas,
    },
    Area { name: "Process", says: process::SAYS, describe: process::describe, schemas: process::schemas },
    Area { name: "Screens", says: screens::SAYS, describe: screens::describe, schemas: Vec::new },
];

/// The parts of the API in reading order.
pub(crate) fn tags() -> impl Iterator<Item = &'static str> {
    AREAS.iter().map(|area| area.name)
}

pub(crate) async fn document(Given(state): Given<Arc<State>>) -> Response {
    axum::Json(openapi(&state.build.version)).into_response()
}

/// OpenAPI 3.1.
pub(crate) fn openapi(version: &str) -> Value {
    let mut paths = json!({});
    for route in routes() {
        paths[route.path][route.method.as_str().to_lowercase()] = shown(&route);
    }
    let tags: Vec<Value> =
        AREAS.iter().map(|area| json!({"name": area.name, "description": area.says})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tocsin",
            "version": version,
            "summary": "Runs a team's background work, watches what it depends on, wakes a person when it matters.",
            "description": "Send a key as `X-API-Key` or as `Authorization: Bearer`. A request from this machine \
                            needs neither. `x-role` says which role an operation needs: user < agent < operator < \
                            admin. Objects in answers may get more keys in later versions.",
            "license": {"name": "MIT or Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": components(),
    })
}

/// What a route takes and answers, and the area that says so.
fn described(route: &Route) -> Option<(&'static str, Operation)> {
    AREAS.iter().find_map(|area| Some((area.name, (area.describe)(&route.method, route.path)?)))
}

fn shown(route: &Route) -> Value {
    let (area, operation) = described(route).unwrap_or_else(|| ("Process", Operation::new()));
    let mut shown = json!({
        "operationId": operation_id(route),
        "summary": route.says,
        "tags": [area],
    });
    if let (Value::Object(shown), Value::Object(more)) =
        (&mut shown, operation.shown(route.path, &gate(route)))
    {
        shown.extend(more);
    }
    let role = match route.need {
        Need::Role(role) => Some(role),
        Need::Somebody => Some(Role::User),
        Need::Nothing | Need::InBody => None,
    };
    let keys = json!([{"key": []}, {"bearer": []}]);
    match role {
        Some(role) => {
            shown["security"] = keys;
            shown["x-role"] = role.as_str().into();
        }
        None => shown["security"] = json!([{}, {"key": []}, {"bearer": []}]),
    }
    shown
}

/// The codes that a route's gate and the net under panics may answer.
fn gate(route: &Route) -> Vec<u16> {
    // A credential that is present and bad is refused everywhere.
    let mut codes = vec![401, 500];
    if matches!(route.need, Need::Role(role) if role > Role::User) {
        codes.push(403);
    }
    if Limited::of(&route.method, route.path).is_some() {
        codes.push(429);
    }
    codes
}

/// `post_tasks_id_cancel`; a path that ends in a slash ends in an underscore.
fn operation_id(route: &Route) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let path: String = route.path.replace(['{', '}'], "").chars().map(plain).collect();
    format!("{}{path}", route.method.as_str().to_lowercase())
}

fn components() -> Value {
    let mut schemas: Map<String, Value> = AREAS
        .iter()
        .flat_map(|area| (area.schemas)())
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    schemas.extend(errors().map(|(name, schema)| (name.to_owned(), schema)));
    schemas.sort_keys();
    json!({
        "schemas": schemas,
        "responses": operation::refusals(),
        "headers": {"RequestId": {
            "description": "The request's id: the one that was sent, or a new one",
            "schema": {"type": "string"},
        }},
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "A token, HS256 with sub, role, exp and iat; a key is taken here, too",
            },
        },
    })
}

fn errors() -> impl Iterator<Item = (&'static str, Value)> {
    let problem = whole_object([("loc", list(text())), ("msg", text()), ("type", is("value_error"))]);
    let error = object(
        [
            ("detail", any_of(&[text(), list(problem)])),
            ("error", text()),
            ("message", text()),
            ("request_id", text()),
            ("timestamp", instant()),
        ],
        [("max_size_bytes", count()), ("retry_after", count())],
    );
    let prometheus = whole_object([
        ("status", is("error")),
        (
            "errorType",
            schema::word(&["bad_data", "execution", "timeout", "internal", "unavailable", "not_found"]),
        ),
        ("error", text()),
    ]);
    [("Error", error), ("PrometheusError", prometheus), ("AlertmanagerError", text())].into_iter()
}

/// What every answer to an act says.
fn done<const N: usize>(more: [(&str, Value); N]) -> Value {
    schema::with(whole_object([("success", is(true))]), more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const REWRITE: &str = "TOCSIN_WRITE=1 cargo test -p server --lib openapi";

    #[test]
    fn the_file_is_what_is_served() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let text = serde_json::to_string_pretty(&openapi(env!("CARGO_PKG_VERSION"))).unwrap() + "\n";
        if std::env::var_os("TOCSIN_WRITE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == text, "docs/openapi.json is not what is served; rewrite it with: {REWRITE}");
    }

    #[test]
    fn every_route_is_described() {
        for route in routes() {
            let Some((_, operation)) = described(&route) else {
                panic!("{} {}: say in api/openapi/ what it takes and answers", route.method, route.path)
            };
            let shown = operation.shown(route.path, &[]);
            let codes = shown["responses"].as_object().unwrap();
            let good = codes.iter().filter(|(code, _)| code.as_str() < "400").count();
            assert!(good > 0, "{} {}: say with which code it answers", route.method, route.path);
        }
    }

    /// Every `$ref` leads somewhere, and no schema is there for nobody.
    #[test]
    fn references_hold() {
        let document = openapi("1");
        let mut found = std::collections::BTreeSet::new();
        collect(&document, &mut found);
        for target in &found {
            let pointer = target.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(
                found.contains(&format!("#/components/schemas/{name}")),
                "schema {name}: nobody names it"
            );
        }
    }

    fn collect(value: &Value, into: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                into.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| collect(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, into)),
            _ => {}
        }
    }

    /// Two areas that give one name to two schemas would describe one of them wrongly.
    #[test]
    fn schemas_have_names_of_their_own() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, _) in AREAS.iter().flat_map(|area| (area.schemas)()) {
            assert!(seen.insert(name), "{name}: two areas have a schema of this name");
        }
    }

    #[test]
    fn ids_are_unique() {
        let all = routes();
        let ids: std::collections::BTreeSet<String> = all.iter().map(operation_id).collect();
        assert_eq!(ids.len(), all.len());
    }
}
