//! `/docs` and `/redoc`: the API for people, drawn from the same description that `/openapi.json` gives.

use super::layout::{Frame, page};
use crate::api::{ALERTMANAGER_VERSION, PROMETHEUS_VERSION, openapi};
use crate::state::State;
use axum::extract::State as Given;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;
use std::sync::Arc;

/// The parts of the API in reading order.
const TAGS: [&str; 6] = ["Tasks", "Workers", "Prometheus", "Alertmanager", "Process", "Screens"];

pub(crate) async fn docs(Given(state): Given<Arc<State>>) -> Response {
    let description = openapi(&state.build.version);
    let content = html! {
        div.verdict {
            h1 { "API" }
            p {
                "Send a key as " code { "X-API-Key" } " or " code { "Authorization: Bearer" } ". The Prometheus part is that of "
                (PROMETHEUS_VERSION) ", the Alertmanager part that of " (ALERTMANAGER_VERSION) ". As a file: "
                a href="/openapi.json" { "openapi.json" } "."
            }
        }
        div.wide { @for tag in TAGS { (part(&description, tag)) } }
    };
    page(&state, &Frame { title: "Tocsin API", here: "/docs", renew_secs: None }, &content)
}

fn part(description: &Value, tag: &str) -> Markup {
    let paths = description["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
    });
    html! {
        section {
            h2 { (tag) }
            table.panel.api {
                @for (path, method, operation) in operations.filter(|(_, _, operation)| operation["tags"][0] == tag) {
                    tr {
                        td.method { (method.to_uppercase()) }
                        td { code { (path) } }
                        td.says { (operation["summary"].as_str().unwrap_or("")) }
                        td.says { (operation["x-role"].as_str().unwrap_or("open")) }
                    }
                }
            }
        }
    }
}
