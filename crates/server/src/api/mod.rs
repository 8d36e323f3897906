//! The API: one table of routes with the role each needs, and one file per answer.

mod agents;
mod alertmanager;
mod approvals;
mod auth;
mod body;
mod error;
mod events;
mod exact;
mod extensions;
mod grafana;
mod health;
mod incidents;
mod monitoring;
mod object;
mod once;
mod openapi;
mod prometheus;
mod queues;
mod schedules;
mod tasks;
mod work;
mod workers;

pub(crate) use alertmanager::VERSION as ALERTMANAGER_VERSION;
pub(crate) use body::{Params, whole};
pub(crate) use error::{ErrorBody, Refused};
pub(crate) use health::Told;
pub(crate) use incidents::sentence;
pub(crate) use openapi::{openapi, tags};
pub(crate) use prometheus::{VERSION as PROMETHEUS_VERSION, ask};
pub use tasks::{answer_acted, answer_submitted};

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
    table.extend(auth_routes());
    table.extend(task_routes());
    table.extend(queue_routes());
    table.extend(schedule_routes());
    table.extend(approval_routes());
    table.extend(event_routes());
    table.extend(agent_routes());
    table.extend(worker_routes());
    table.extend(extension_routes());
    table.extend(prometheus_routes());
    table.extend(alertmanager_routes());
    table.extend(incident_routes());
    table.extend(monitoring_routes());
    table.extend(screen_routes());
    table
}

const OPEN: Need = Need::Nothing;
const USER: Need = Need::Role(Role::User);
const AGENT: Need = Need::Role(Role::Agent);
const OPERATOR: Need = Need::Role(Role::Operator);
const ADMIN: Need = Need::Role(Role::Admin);

fn process_routes() -> Vec<Route> {
    vec![
        get("/health", OPEN, "How well the process is; 503 if it does not do its work", health::health),
        get("/health/live", OPEN, "Whether the process runs", health::live),
        get("/health/ready", OPEN, "Whether the process takes work", health::ready),
        get("/health/startup", OPEN, "Whether the process has begun to take work", health::ready),
        get("/-/healthy", OPEN, "Whether the process runs, as Prometheus says it", health::healthy_text),
        get("/-/ready", OPEN, "Whether the process takes work, as Prometheus says it", health::ready_text),
        post("/-/reload", OPERATOR, "Read the configuration again, or try it out", health::reload),
        put("/-/reload", OPERATOR, "Read the configuration again, or try it out", health::reload),
        get("/metrics", OPEN, "The process's own figures, exposition format 0.0.4", health::metrics),
        get("/openapi.json", OPEN, "This description of the API", openapi::document),
    ]
}

fn auth_routes() -> Vec<Route> {
    use auth::*;
    let (known, in_body) = (Need::Somebody, Need::InBody);
    vec![
        post("/auth/token", known, "Issue a token of at most one's own role", issue),
        post("/auth/refresh", in_body, "Get the next pair of tokens for a refresh token", refresh),
        post("/auth/revoke", in_body, "Revoke a token, or all of somebody's", revoke),
        post("/agents/auth/token", in_body, "Get a pair of tokens for an agent's secret", agent_token),
        post("/agents/auth/refresh", in_body, "Get an agent's next pair of tokens", agent_refresh),
        post("/agents/auth/revoke", in_body, "Revoke an agent's token", revoke),
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
        put("/tasks/{id}", AGENT, "Change fields of a scheduled task", update),
        delete("/tasks/{id}", AGENT, "Stop a task and forget it", remove),
        get("/tasks/{id}/why", USER, "Say all that keeps a task from running", why),
        post("/tasks/{id}/run_now", AGENT, "Run a task now, besides its schedule", run_now),
        post("/tasks/{id}/snooze", AGENT, "Put off what waits of a task", snooze),
        post("/tasks/{id}/pause", AGENT, "Hold a task until it is resumed", pause),
        post("/tasks/{id}/resume", AGENT, "Let a held task go on", resume),
        post("/tasks/{id}/cancel", AGENT, "Stop a task for good", cancel),
        post("/v1/work", AGENT, "A worker's round trip: results and heartbeats in, runs out", work::work),
    ]
}

fn schedule_routes() -> Vec<Route> {
    use schedules::*;
    vec![
        get("/schedules/preview", USER, "Say when an expression would fire", preview),
        get("/calendars", USER, "List calendars of days on which schedules do not fire", calendars),
        get("/calendars/{name}", USER, "Show a calendar", calendar),
        put("/calendars/{name}", OPERATOR, "Make or replace a calendar", put_calendar),
        delete("/calendars/{name}", OPERATOR, "Remove a calendar that no schedule names", delete_calendar),
    ]
}

fn queue_routes() -> Vec<Route> {
    use queues::*;
    vec![
        get("/stats", OPEN, "The queue's figures; with hours=N everything about it", stats),
        get("/runs/task/{task_id}/latest", USER, "Show a task's latest run, or null", latest),
        get("/task/{task_id}/latest", USER, "Show a task's latest run, or null", latest),
        get("/runs/task/{task_id}/stats", USER, "Say how a task's runs went", task_stats),
        get("/task/{task_id}/stats", USER, "Say how a task's runs went", task_stats),
        get("/runs/stats/summary", USER, "Say how all runs went", run_summary),
        get("/stats/summary", USER, "Say how all runs went", run_summary),
        get("/queues", USER, "List queues", queues),
        get("/queues/{name}", USER, "Show a queue", queue),
        put("/queues/{name}", OPERATOR, "Bound what runs of a queue", limit),
        post("/queues/{name}/pause", OPERATOR, "Let nothing of a queue begin", pause),
        post("/queues/{name}/resume", OPERATOR, "Let a queue go on", resume),
        get("/schedules", USER, "List tasks that fire, newest first", tasks::schedules),
        get("/dead-letters", USER, "List runs that were given up, newest first", dead_letters),
        get("/dead-letters/{run_id}", USER, "Show a run that was given up", dead_letter),
        put("/dead-letters/{run_id}", OPERATOR, "Change the arguments of a run that was given up", edit),
        post("/dead-letters/{run_id}/replay", OPERATOR, "Do a run again that was given up", replay),
        delete("/dead-letters/{run_id}", OPERATOR, "Put away a run that was given up", discard),
    ]
}

fn approval_routes() -> Vec<Route> {
    use approvals::*;
    vec![
        get(
            "/approvals/pending",
            USER,
            "List what waits for an approval, the first to run out first",
            pending,
        ),
        get("/approvals/history", USER, "List what was decided, newest first", history),
        get("/approvals/{id}", USER, "Show an approval", one),
        post("/approvals/{id}/approve", AGENT, "Approve, as it is or with another payload", approve),
        post("/approvals/{id}/reject", AGENT, "Reject: the task is cancelled", reject),
        post("/approvals/{id}/delegate", AGENT, "Let another decide in one's place", delegate),
        post("/approvals/{id}/links", OPERATOR, "Make signed links for one person", links),
    ]
}

fn event_routes() -> Vec<Route> {
    use events::*;
    vec![
        post("/events/publish", AGENT, "Tell an event", publish),
        post("/events", AGENT, "Tell an event on a topic", post_topic),
        post("/events/", AGENT, "Tell an event on a topic", post_topic),
        get("/events", USER, "List the last events, newest first", list),
        get("/events/", USER, "List the last events, newest first", list),
        get("/events/topics", USER, "List the topics that tasks wait for", topics),
        get(
            "/events/stream",
            USER,
            "Events as they happen: text/event-stream, from after= or Last-Event-ID",
            stream,
        ),
        get("/events/stream/recent", USER, "List the events that were published, newest first", recent),
        delete("/events/stream/cleanup", OPERATOR, "Forget events older than max_age_hours", cleanup),
        post("/events/subscriptions", OPERATOR, "Have a URL called for events", subscribe),
        get("/events/subscriptions", OPERATOR, "List the URLs that are called", subscriptions),
        delete("/events/subscriptions/{id}", OPERATOR, "Call a URL no more", unsubscribe),
    ]
}

fn agent_routes() -> Vec<Route> {
    use agents::*;
    vec![
        post("/agents", ADMIN, "Make an agent", create),
        post("/agents/", ADMIN, "Make an agent", create),
        get("/agents", ADMIN, "List agents, newest first", agents),
        get("/agents/", ADMIN, "List agents, newest first", agents),
        get("/agents/routing", USER, "Say which agent each type of task goes to", rules),
        put("/agents/routing", OPERATOR, "Send a type of task to an agent", set_rule),
        delete("/agents/routing", OPERATOR, "Take a rule back", remove_rule),
        put("/agents/routing/{type}", OPERATOR, "Send a type of task to an agent", set_rule_named),
        delete("/agents/routing/{type}", OPERATOR, "Take a rule back", remove_rule_named),
        get("/agents/{id}", ADMIN, "Show an agent", agent),
        put("/agents/{id}", ADMIN, "Change an agent", update),
        delete("/agents/{id}", ADMIN, "Remove an agent", delete_agent),
        post("/agents/{id}/credentials", ADMIN, "Give an agent another secret, shown this once", credentials),
    ]
}

fn worker_routes() -> Vec<Route> {
    use workers::*;
    vec![
        get("/tools", USER, "List what a step may use, with schemas", tools),
        get("/tools/{address}", USER, "Show a tool", tool),
        get("/workers", USER, "List workers", workers),
        get("/workers/push", OPERATOR, "List workers that are called", pushes),
        post("/workers/push", OPERATOR, "Add a worker that is called at a URL", put_push),
        delete("/workers/push/{id}", OPERATOR, "Call a worker no more", drop_push),
        get("/workers/{id}", USER, "Show a worker", worker),
        post("/workers/{id}/quiet", OPERATOR, "Give a worker nothing new", quiet),
        post("/workers/{id}/terminate", OPERATOR, "Tell a worker to end", terminate),
        post("/workers/{id}/resume", OPERATOR, "Give a worker work again", resume),
        get("/runs/{id}/log", USER, "Show what a run's attempts wrote to their log", log),
    ]
}

fn extension_routes() -> Vec<Route> {
    use extensions::*;
    vec![
        get("/extensions", USER, "List what stands beside the core", extensions),
        get("/extensions/{id}/events/health", USER, "Show what an extension published", events_health),
        get("/extensions/{id}/tools", USER, "List the tools that an extension may use", tools),
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

fn incident_routes() -> Vec<Route> {
    use incidents::*;
    vec![
        get("/api/v1/incidents", USER, "List incidents, those that are not over first", incidents),
        get("/api/v1/incidents/{id}", USER, "Show an incident with its timeline", incident),
        post("/api/v1/incidents/{id}/acknowledge", OPERATOR, "Take an incident on", acknowledge),
        post("/api/v1/incidents/{id}/snooze", OPERATOR, "Put an incident off", snooze),
        post("/api/v1/incidents/{id}/assign", OPERATOR, "Make an incident somebody's", assign),
        post("/api/v1/incidents/{id}/note", OPERATOR, "Write something down on an incident", note),
        post("/api/v1/incidents/{id}/merge", OPERATOR, "Make an incident part of another", merge),
        post("/api/v1/incidents/{id}/resolve", OPERATOR, "End an incident by hand", resolve),
        get("/api/v1/incidents/{id}/why", USER, "Say why somebody was told of an incident, or not", why_of),
        get("/api/v1/why", USER, "Say why somebody was told of an alert, or not", why),
        get("/api/v1/on_call", USER, "Say who is on call", on_call),
        get("/api/v1/on_call/{name}", USER, "A schedule as a calendar: NAME.ics", calendar),
        post(
            "/api/v1/on_call/{name}/overrides",
            OPERATOR,
            "Have somebody stand in for whoever it would be",
            post_override,
        ),
        delete(
            "/api/v1/on_call/{name}/overrides/{id}",
            OPERATOR,
            "Take back that somebody stands in",
            delete_override,
        ),
        get("/api/v1/silences/preview", USER, "Say what a silence would mute now", preview),
    ]
}

fn monitoring_routes() -> Vec<Route> {
    use monitoring::*;
    vec![
        get("/api/v1/monitoring/metrics", USER, "Sum up what applications told", metrics),
        post("/api/v1/monitoring/metrics", AGENT, "Tell counters, gauges and histograms", tell),
        get("/api/v1/monitoring/status", USER, "Say how the thresholds stand", status),
        get("/api/v1/monitoring/alerts", USER, "List the thresholds that were crossed", alerts),
        post("/api/v1/monitoring/evaluate", AGENT, "Evaluate the thresholds now", evaluate),
        get("/api/v1/health", OPEN, "How well the process is; 200 in any case", health),
        get("/api/v1/metrics", USER, "Sum up what applications told", metrics),
        get("/api/health", OPEN, "Whether the process runs, as Grafana says it", grafana::health),
        get("/api/datasources", USER, "List data sources, as Grafana does: ours", grafana::datasources),
        get(
            "/api/datasources/proxy/1/api/v1/{*path}",
            USER,
            "Ask Prometheus's API through our data source",
            grafana::proxy,
        ),
        post(
            "/api/datasources/proxy/1/api/v1/{*path}",
            USER,
            "Ask Prometheus's API through our data source",
            grafana::proxy,
        ),
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
        get("/ui/incidents", USER, "What somebody must deal with, and what is over", screens::incidents),
        get("/ui/incidents/{id}", USER, "One incident: why, what happened, what to do", screens::incident),
        get("/ui/links/incidents/{id}", OPEN, "What a signed link would do", screens::open_incident_link),
        post("/ui/links/incidents/{id}", OPEN, "Do what a signed link is for", screens::use_incident_link),
        get("/ui/silences", USER, "What is silenced, and what another would mute", screens::silences),
        post("/ui/silences", OPEN, "Make or end a silence by a signed form", screens::act_on_silences),
        get("/ui/on-call", USER, "Who is on call, and who comes next", screens::on_call),
        post(
            "/ui/on-call",
            OPEN,
            "Have somebody stand in by a signed form, or take it back",
            screens::act_on_call,
        ),
        get("/ui/approvals", USER, "What waits for an approval, and what was decided", screens::approvals),
        get("/ui/approvals/{id}", USER, "One approval: exactly what would happen", screens::approval),
        get("/ui/links/approvals/{id}", OPEN, "What a signed link would do", screens::open_link),
        post("/ui/links/approvals/{id}", OPEN, "Do what a signed link is for, once", screens::use_link),
        get("/graph", OPEN, "Leads to /ui/graph", to_graph),
        get("/alerts", OPEN, "Leads to the overview", to_overview),
        get("/docs", OPEN, "The API's description for people", screens::docs),
        get("/redoc", OPEN, "The API's description for people, in another form", screens::redoc),
        get("/docs/assets/{file}", OPEN, "Scripts and styles of these two pages", screens::asset),
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
