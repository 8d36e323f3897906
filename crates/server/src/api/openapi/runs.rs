//! `/runs`: what became of tasks.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::Value;

pub(super) const SAYS: &str = "Runs of tasks: one for each time that a task is done, with all its attempts.";

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    if method != Method::GET {
        return None;
    }
    Some(match path {
        "/runs" | "/runs/" => Operation::gives(page(of("Run")))
            .query("task_id", "Only this task's", text())
            .query("success", "Only those that went well, or that did not", flag())
            .query("start_time", "Only from this instant on", instant())
            .query("end_time", "Only up to this instant", instant())
            .query("include_errors", "Whether errors are shown as they are; false: that there is one", flag())
            .query("limit", "Items of a page", whole(1, 200))
            .query("offset", "Items to leave out", whole(0, 1_000_000_000))
            .refuses(&[400, 422]),
        "/runs/{id}" => Operation::gives(of("Run")).refuses(&[404]),
        "/runs/{id}/log" => Operation::gives(of("RunLog")).refuses(&[404]),
        "/runs/task/{task_id}/latest" | "/task/{task_id}/latest" => {
            Operation::gives(or_null(of("Run"))).refuses(&[404])
        }
        "/runs/task/{task_id}/stats" | "/task/{task_id}/stats" => {
            Operation::gives(with(stats(), [("task_id", text()), ("days", count())]))
                .query("days", "Of how many days", whole(1, 365))
                .refuses(&[404, 422])
        }
        "/runs/stats/summary" | "/stats/summary" => {
            let more = [("total_tasks_executed", count()), ("runs_per_day", number()), ("days", count())];
            Operation::gives(with(stats(), more))
                .query("days", "Of how many days", whole(1, 365))
                .refuses(&[422])
        }
        _ => return None,
    })
}

fn stats() -> Value {
    whole_object([
        ("total_runs", count()),
        ("successful_runs", count()),
        ("failed_runs", count()),
        ("success_rate", number()),
        ("failure_rate", number()),
        ("avg_execution_time_seconds", or_null(number())),
        ("last_run", or_null(instant())),
        ("last_success", or_null(instant())),
        ("last_failure", or_null(instant())),
    ])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let run = whole_object([
        ("id", text()),
        ("task_id", text()),
        ("kind", text()),
        ("state", of("RunState")),
        ("success", or_null(flag())),
        ("attempt", count()),
        ("worker_id", or_null(text())),
        ("created_at", instant()),
        ("started_at", or_null(instant())),
        ("finished_at", or_null(instant())),
        ("output", anything()),
        ("error", or_null(text())),
        ("progress", or_null(number())),
        ("has_checkpoint", flag()),
    ]);
    let line = whole_object([
        ("at", instant()),
        ("level", word(&["debug", "info", "warning", "error"])),
        ("line", text()),
        ("attempt", count()),
    ]);
    let log =
        whole_object([("run_id", text()), ("items", list(line)), ("total", count()), ("left_out", count())]);
    vec![("Run", run), ("RunLog", log)]
}
