//! The API: one table of routes with the role each needs, and one file per answer.

mod alertmanager;
mod body;
mod error;
mod health;
mod openapi;
mod prometheus;
mod tasks;
mod work;

pub(crate) use alertmanager::VERSION as ALERTMANAGER_VERSION;
pub(crate) use body::{Params, whole};
pub(crate) use error::{ErrorBody, Refused};
pub(crate) use openapi::openapi;
pub(crate) use prometheus::{VERSION as PROMETHEUS_VERSION, ask};

use crate::auth::{Need, Role};
use crate::screens;
use crate::state::State;
use axum::extract::RawQuery;
use axum::handler::Handler;
use axum::http::Method;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use std::sync::Arc;

/// One route.
pub(crate) struct Route {
    /// `HEAD` comes with `GET`.
    pub method: Method,
    /// In axum's form, `{id}` for a part that varies.
    pub path: &'static str,
    /// What it needs of who is asking.
    pub need: Need,
    /// What it does, for the reader of the API's description.
    pub says: &'static str,
    /// Answers it.
    pub answer: MethodRouter<Arc<State>>,
}

/// Every route there is, in reading order.
pub(crate) fn routes() -> Vec<Route> {
    let mut table = process_routes();
    table.extend(task_routes());
    table.extend(prometheus_routes());
    table.extend(alertmanager_routes());
    table.extend(screen_routes());
    table
}

const OPEN: Need = Need::Nothing;
const USER: Need = Need::Role(Role::User);
const AGENT: Need = Need::Role(Role::Agent);
const OPERATOR: Need = Need::Role(Role::Operator);

fn process_routes() -> Vec<Route> {
    vec![
        get("/health", OPEN, "How well the process is; 503 if it does not do its work", health::health),
        get("/health/live", OPEN, "Whether the process runs", health::live),
        get("/health/ready", OPEN, "Whether the process takes work", health::ready),
        get("/health/startup", OPEN, "Whether the process has begun to take work", health::ready),
        get("/-/healthy", OPEN, "Whether the process runs, as Prometheus says it", health::healthy_text),
        get("/-/ready", OPEN, "Whether the process takes work, as Prometheus says it", health::ready_text),
        post("/-/reload", OPERATOR, "Read the configuration again", health::reload),
        put("/-/reload", OPERATOR, "Read the configuration again", health::reload),
        get("/metrics", OPEN, "The process's own figures, exposition format 0.0.4", health::metrics),
        get("/openapi.json", OPEN, "This description of the API", openapi::document),
    ]
}

fn task_routes() -> Vec<Route> {
    use tasks::*;
    vec![
        post("/tasks", AGENT, "Submit a task by kind, by type or by schedule_kind", create),
        post("/tasks/", AGENT, "Submit a task by kind, by type or by schedule_kind", create),
        post("/tasks/bulk", AGENT, "Submit one task a line, NDJSON", bulk),
        get("/tasks", USER, "List tasks, newest first", list),
        get("/tasks/", USER, "List tasks, newest first", list),
        get("/tasks/{id}", USER, "Show a task", task),
        patch("/tasks/{id}/status", AGENT, "Set the status of a typed task", patch_status),
        get("/runs", USER, "List runs, newest first", runs),
        get("/runs/", USER, "List runs, newest first", runs),
        get("/runs/{id}", USER, "Show a run", run),
        get("/stats", OPEN, "The queue's figures", stats),
        post("/v1/work", AGENT, "A worker's round trip: results and heartbeats in, runs out", work::work),
    ]
}

fn prometheus_routes() -> Vec<Route> {
    use prometheus::*;
    vec![
        get("/api/v1/query", USER, "Evaluate an expression at one instant", instant),
        post("/api/v1/query", USER, "Evaluate an expression at one instant", instant),
        get("/api/v1/query_range", USER, "Evaluate an expression over a range", range),
        post("/api/v1/query_range", USER, "Evaluate an expression over a range", range),
        get("/api/v1/series", USER, "Find series by selectors", series),
        post("/api/v1/series", USER, "Find series by selectors", series),
        get("/api/v1/labels", USER, "List label names", label_names),
        post("/api/v1/labels", USER, "List label names", label_names),
        get("/api/v1/label/{name}/values", USER, "List the values of a label", label_values),
        get("/api/v1/targets", USER, "Show what is scraped", targets),
        get("/api/v1/targets/metadata", USER, "Show what targets say of their metrics", targets_metadata),
        get("/api/v1/rules", USER, "Show the rules", rules),
        get("/api/v1/alerts", USER, "Show the alerts that rules found", alerts),
        get("/api/v1/alertmanagers", USER, "Show who else gets our alerts", alertmanagers),
        get("/api/v1/metadata", USER, "Show types and helps of metrics", metadata),
        get("/api/v1/status/buildinfo", USER, "Show what was built", buildinfo),
        get("/api/v1/status/runtimeinfo", USER, "Show how the process runs", runtimeinfo),
        get("/api/v1/status/config", USER, "Show the configuration, secrets masked", config),
        get("/api/v1/status/flags", USER, "Show the command line settings", flags),
        get("/api/v1/status/tsdb", USER, "Show the size of the series store", tsdb),
    ]
}

fn alertmanager_routes() -> Vec<Route> {
    use alertmanager::*;
    vec![
        get("/api/v2/status", USER, "Show the router's state and configuration", status),
        get("/api/v2/receivers", USER, "List receivers", receivers),
        get("/api/v2/alerts", USER, "List alerts that the router holds", alerts),
        post("/api/v2/alerts", AGENT, "Post alerts", post_alerts),
        get("/api/v2/alerts/groups", USER, "List alerts by route and group", groups),
        get("/api/v2/silences", USER, "List silences", silences),
        post("/api/v2/silences", OPERATOR, "Add or change a silence", post_silence),
        get("/api/v2/silence/{id}", USER, "Show a silence", silence),
        delete("/api/v2/silence/{id}", OPERATOR, "End a silence", expire_silence),
        get("/api/v1/status", USER, "The router's state, first version", status_first),
        post("/api/v1/alerts", AGENT, "Post alerts, first version", post_alerts_first),
        get("/api/v1/silences", USER, "List silences, first version", silences_first),
        post("/api/v1/silences", OPERATOR, "Add a silence, first version", post_silence_first),
    ]
}

fn screen_routes() -> Vec<Route> {
    vec![
        get(
            "/",
            OPEN,
            "What is wrong, what is watched, what runs, what waits: the overview",
            screens::overview,
        ),
        get("/ui/graph", USER, "An expression as a chart and a table", screens::graph),
        get("/graph", OPEN, "Leads to /ui/graph", to_graph),
        get("/alerts", OPEN, "Leads to the overview", to_overview),
        get("/docs", OPEN, "The API's description for people", screens::docs),
        get("/redoc", OPEN, "The API's description for people", screens::docs),
    ]
}

/// Upstream's links carry `g0.expr` and more; they go on as they are.
async fn to_graph(RawQuery(query): RawQuery) -> Response {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::temporary(&format!("/ui/graph{query}")).into_response()
}

async fn to_overview() -> Redirect {
    Redirect::temporary("/")
}

fn get<H: Handler<T, Arc<State>>, T: 'static>(
    path: &'static str,
    need: Need,
    says: &'static str,
    answer: H,
) -> Route {
    Route { method: Method::GET, path, need, says, answer: axum::routing::get(answer) }
}

fn post<H: Handler<T, Arc<State>>, T: 'static>(
    path: &'static str,
    need: Need,
    says: &'static str,
    answer: H,
) -> Route {
    Route { method: Method::POST, path, need, says, answer: on(MethodFilter::POST, answer) }
}

fn put<H: Handler<T, Arc<State>>, T: 'static>(
    path: &'static str,
    need: Need,
    says: &'static str,
    answer: H,
) -> Route {
    Route { method: Method::PUT, path, need, says, answer: on(MethodFilter::PUT, answer) }
}

fn patch<H: Handler<T, Arc<State>>, T: 'static>(
    path: &'static str,
    need: Need,
    says: &'static str,
    answer: H,
) -> Route {
    Route { method: Method::PATCH, path, need, says, answer: on(MethodFilter::PATCH, answer) }
}

fn delete<H: Handler<T, Arc<State>>, T: 'static>(
    path: &'static str,
    need: Need,
    says: &'static str,
    answer: H,
) -> Route {
    Route { method: Method::DELETE, path, need, says, answer: on(MethodFilter::DELETE, answer) }
}
