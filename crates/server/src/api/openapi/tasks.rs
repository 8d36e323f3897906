//! `/tasks`: three forms of one request, and what is done to a task.

use super::operation::Operation;
use super::schema::*;
use axum::http::Method;
use serde_json::{Value, json};

pub(super) const SAYS: &str = "Work to be done: plain tasks by `kind`, typed tasks by `type` that wait for their agent, \
                               and tasks on a schedule by `schedule_kind`.";

const PRIORITIES: [&str; 4] = ["P0", "P1", "P2", "P3"];
const SOURCES: [&str; 9] = ["faq", "ops", "dev", "user", "system", "webhook", "github", "ci_cd", "support"];
const BACKOFFS: [&str; 3] = ["exponential_jitter", "linear", "fixed"];
const SCHEDULE_KINDS: [&str; 5] = ["cron", "rrule", "once", "event", "condition"];
const SECONDS: u64 = 30 * 86_400;
const DAY: u64 = 86_400;

pub(super) fn describe(method: &Method, path: &str) -> Option<Operation> {
    Some(match (method.as_str(), path) {
        ("POST", "/tasks" | "/tasks/") => create(),
        ("POST", "/tasks/bulk") => bulk(),
        ("GET", "/tasks" | "/tasks/") => list_query()
            .query("form", "Only this form", word(&["plain", "typed", "scheduled"]))
            .answers(200, "A page", page(of("Task"))),
        ("GET", "/tasks/{id}") => {
            Operation::gives(any_of(&[of("TypedTaskReply"), of("PlainTask"), of("ScheduledTask")]))
                .query("wait", "Answer when it has ended, or after so many seconds", whole(0, 300))
                .refuses(&[404, 422])
        }
        ("PATCH", "/tasks/{id}/status") => {
            Operation::gives(super::done([("id", text()), ("task_id", text()), ("status", text())]))
                .query_needed("status", "The new status", word(&STATUSES_SET))
                .query("error", "Why it failed", text())
                .refuses(&[404, 409, 422])
        }
        ("PUT", "/tasks/{id}") => Operation::gives(of("ScheduledTask"))
            .takes(
                of("TaskUpdate"),
                json!({
                    "pause": {"status": "paused"},
                    "sooner": {"schedule_expr": "*/5 * * * *", "jitter_seconds": 30, "calendar": null},
                }),
            )
            .refuses(&[404, 409]),
        ("GET", "/tasks/{id}/why") => Operation::gives(of("TaskWhy")).refuses(&[404]),
        ("POST", "/tasks/{id}/run_now") => {
            act(&[("due_work_id", text()), ("run_id", text())]).refuses(&[409])
        }
        ("POST", "/tasks/{id}/snooze") => {
            act(&[("affected_work_items", count()), ("delay_seconds", count()), ("reason", text())])
                .takes(
                    closed(object(
                        [("delay_seconds", whole(1, 604_800))],
                        [("reason", or_null(text_of(0, 200)))],
                    )),
                    json!({"an_hour": {"delay_seconds": 3600, "reason": "the disk is being replaced"}}),
                )
                .refuses(&[409])
        }
        ("POST", "/tasks/{id}/pause" | "/tasks/{id}/resume") => act(&[("status", text())]).refuses(&[409]),
        ("POST", "/tasks/{id}/cancel") | ("DELETE", "/tasks/{id}") => act(&[
            ("removed_work_items", count()),
            ("stopping", any_of(&[flag(), count()])),
            ("status", word(&["canceled", "cancelled"])),
        ])
        .refuses(&[409]),
        _ => return None,
    })
}

/// The statuses that may be set.
const STATUSES_SET: [&str; 7] =
    ["pending", "assigned", "in_progress", "completed", "failed", "cancelled", "blocked"];

fn create() -> Operation {
    Operation::new()
        .answers(200, "A typed task was taken, or it is there already", of("TypedTaskReply"))
        .answers(
            201,
            "A plain or a scheduled task was taken",
            any_of(&[of("PlainTask"), of("ScheduledTask")]),
        )
        .once()
        .takes(
            any_of(&[of("NewPlainTask"), of("NewTypedTask"), of("NewScheduledTask")]),
            json!({
                "plain": {"kind": "noop", "priority": 3, "dedupe_key": "nightly-2030-01-01"},
                "typed": {"type": "bugfix", "payload": {"issue": 17}, "priority": "P2", "source": "dev"},
                "scheduled": {
                    "title": "Check the site", "description": "Every five minutes by day",
                    "schedule_kind": "cron", "schedule_expr": "*/5 8-18 * * *", "timezone": "Europe/Berlin",
                    "payload": {"pipeline": [{"id": "a", "uses": "noop"}]},
                },
            }),
        )
        .refuses(&[403, 404, 409, 429])
}

/// Given as a plain text, which every generator of requests can write.
const LINES: &str = "{\"kind\": \"noop\"}\n{\"kind\": \"wait\", \"args\": {\"ms\": 5}}\n";

fn bulk() -> Operation {
    Operation::new()
        .answers_as(
            200,
            "One verdict a line, in the same order: {line, status, id} or {line, status, error}",
            "application/x-ndjson",
            text(),
        )
        .takes_as("text/plain", text(), json!({"two": LINES}), true)
        .or_takes("application/x-ndjson", text())
        .refuses(&[400, 408, 413])
}

/// An act on a task. What it did stands in `details` and besides it.
fn act(details: &[(&str, Value)]) -> Operation {
    let mut inside = json!({"type": "object", "properties": {}});
    let mut reply = super::done([("id", text()), ("task_id", text()), ("message", text())]);
    for (name, schema) in details {
        inside["properties"][*name] = schema.clone();
        reply["properties"][*name] = schema.clone();
    }
    let reply = with(reply, [("details", inside)]);
    Operation::gives(reply).once().refuses(&[400, 404])
}

/// What lists of tasks are narrowed by.
pub(super) fn list_query() -> Operation {
    Operation::new()
        .query("status", "Only with this status", text())
        .query("created_by", "Only this one's", text())
        .query("schedule_kind", "Only on this kind of schedule", word(&SCHEDULE_KINDS))
        .query("limit", "Items of a page", whole(1, 200))
        .query("offset", "Items to leave out", whole(0, 1_000_000_000))
        .refuses(&[422])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("NewPlainTask", new_plain()),
        ("NewTypedTask", new_typed()),
        ("NewScheduledTask", new_scheduled()),
        ("ApprovalWish", approval_wish()),
        ("TaskUpdate", update()),
        ("Task", any_of(&[of("PlainTask"), of("TypedTask"), of("ScheduledTask")])),
        ("PlainTask", plain()),
        ("TypedTask", typed()),
        ("ScheduledTask", scheduled()),
        ("TypedTaskReply", typed_reply()),
        ("RunState", word(&RUN_STATES)),
        ("TaskWhy", why()),
    ]
}

const RUN_STATES: [&str; 8] =
    ["scheduled", "awaiting_approval", "available", "running", "retryable", "completed", "cancelled", "dead"];

fn new_plain() -> Value {
    let schema = closed(object(
        [("kind", text_of(1, 100))],
        [
            ("args", or_null(any_object())),
            ("priority", or_null(whole(1, 9))),
            ("delay_seconds", or_null(json!({"type": "number", "minimum": 0, "maximum": SECONDS}))),
            ("dedupe_key", or_null(text_of(1, 100))),
            ("dedupe_window_seconds", or_null(json!({"type": "number", "minimum": 0, "maximum": SECONDS}))),
            ("concurrency_key", or_null(text_of(1, 100))),
            ("max_retries", or_null(whole(0, 10))),
            ("timeout_seconds", or_null(above_zero(DAY))),
            ("backoff", or_null(word(&BACKOFFS))),
            ("expires_at", or_null(instant())),
            ("expires_seconds", or_null(above_zero(SECONDS))),
            ("sla_deadline", or_null(instant())),
            ("sla_alert_threshold", or_null(part())),
            ("approval", approval()),
        ],
    ));
    with_maybe(schema, wishes())
}

/// What any form may ask for.
fn wishes() -> [(&'static str, Value); 8] {
    [
        ("queue", or_null(queue_name())),
        ("labels", or_null(words(16))),
        ("rate_key", or_null(text_of(1, 100))),
        ("rate_per_minute", or_null(whole(1, 60_000))),
        ("queued_timeout_seconds", or_null(above_zero(SECONDS))),
        ("total_timeout_seconds", or_null(above_zero(SECONDS))),
        ("heartbeat_timeout_seconds", or_null(above_zero(DAY))),
        ("non_retryable", or_null(list_of(text_of(1, 100), 32))),
    ]
}

/// The same in answers, where it was asked for.
fn wishes_shown() -> [(&'static str, Value); 8] {
    [
        ("queue", text()),
        ("labels", texts()),
        ("rate_key", text()),
        ("rate_per_minute", count()),
        ("queued_timeout_seconds", number()),
        ("total_timeout_seconds", number()),
        ("heartbeat_timeout_seconds", number()),
        ("non_retryable", list(text())),
    ]
}

/// The name of a queue.
pub(super) fn queue_name() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,100}$"})
}

fn part() -> Value {
    json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})
}

fn approval() -> Value {
    any_of(&[of("ApprovalWish"), flag(), json!({"type": "null"})])
}

fn approval_wish() -> Value {
    closed(object(
        [],
        [
            ("approvers", or_null(list(text_of(1, 100)))),
            ("quorum", or_null(json!({"type": "integer", "minimum": 1}))),
            ("expires_seconds", or_null(json!({"type": "number", "exclusiveMinimum": 0}))),
            ("on_expiry", or_null(word(&["approve", "reject"]))),
            ("reason", or_null(text())),
        ],
    ))
}

fn new_typed() -> Value {
    let schema = object(
        [("type", text_of(1, 100)), ("payload", any_object())],
        [
            ("priority", or_null(word(&PRIORITIES))),
            ("source", or_null(word(&SOURCES))),
            ("sla_target", json!({"type": ["string", "number", "null"]})),
            ("sla_deadline", or_null(instant())),
            ("sla_alert_threshold", or_null(part())),
            ("metadata", or_null(any_object())),
            ("approval", approval()),
        ],
    );
    with_maybe(schema, wishes())
}

fn new_scheduled() -> Value {
    let schema = object(
        [
            ("title", text_of(1, 200)),
            ("description", text_of(1, 2000)),
            ("schedule_kind", word(&SCHEDULE_KINDS)),
            ("schedule_expr", text_of(1, 8192)),
            ("payload", of_payload()),
        ],
        [
            ("timezone", or_null(text_of(1, 64))),
            ("priority", or_null(whole(1, 9))),
            ("dedupe_key", or_null(text_of(1, 100))),
            ("dedupe_window_seconds", or_null(json!({"type": "number", "minimum": 0, "maximum": SECONDS}))),
            ("max_retries", or_null(whole(0, 10))),
            ("backoff_strategy", or_null(word(&BACKOFFS))),
            ("concurrency_key", or_null(text_of(1, 100))),
            ("created_by", or_null(text_of(1, 100))),
            ("approval", approval()),
        ],
    );
    with_maybe(with_maybe(schema, wishes()), firing())
}

fn of_payload() -> Value {
    let step = object(
        [("id", text()), ("uses", text())],
        [
            ("with", any_object()),
            ("save_as", text()),
            ("if", text()),
            ("foreach", anything()),
            ("needs", any_of(&[text(), list(text())])),
            ("on_failure", anything()),
            ("timeout_seconds", number()),
            ("max_retries", whole(0, 10)),
        ],
    );
    object([], [("pipeline", list(step))])
}

/// A schedule's wishes beyond its expression.
pub(super) fn firing() -> [(&'static str, Value); 10] {
    let dialects = ["standard", "seconds", "year", "promql", "jmespath"];
    [
        ("dialect", or_null(word(&dialects))),
        ("gap", or_null(word(&["skip", "shift"]))),
        ("fold", or_null(word(&["first", "second", "both"]))),
        ("misfire", or_null(word(&["skip", "last", "all"]))),
        ("misfire_window_seconds", or_null(whole(1, 7 * 86_400))),
        ("overlap", or_null(word(&["skip", "queue", "allow"]))),
        ("jitter_seconds", or_null(whole(1, 86_400))),
        ("calendar", or_null(text_of(1, 100))),
        ("filter", or_null(text_of(1, 2000))),
        ("check_seconds", or_null(whole(1, 86_400))),
    ]
}

fn update() -> Value {
    let schema = object(
        [],
        [
            ("title", or_null(text_of(1, 200))),
            ("description", or_null(text_of(1, 2000))),
            ("schedule_kind", or_null(word(&SCHEDULE_KINDS))),
            ("schedule_expr", or_null(text_of(1, 8192))),
            ("timezone", or_null(text_of(1, 64))),
            ("payload", or_null(any_object())),
            ("priority", or_null(whole(1, 9))),
            ("status", or_null(word(&["active", "paused", "canceled"]))),
            ("max_retries", or_null(whole(0, 10))),
            ("backoff_strategy", or_null(word(&BACKOFFS))),
            ("concurrency_key", or_null(text_of(0, 100))),
        ],
    );
    closed(with_maybe(with_maybe(schema, wishes()), firing()))
}

/// What tasks of every form show.
fn common(form: Value) -> Value {
    let first = whole_object([("id", text()), ("task_id", text())]);
    let mut schema = with(
        first,
        [
            ("status", text()),
            ("state", or_null(of("RunState"))),
            ("created_by", text()),
            ("created_at", instant()),
            ("started_at", or_null(instant())),
            ("completed_at", or_null(instant())),
            ("error", or_null(text())),
            ("retry_count", count()),
            ("max_retries", count()),
            ("output", anything()),
        ],
    );
    for (name, part) in form["properties"].as_object().into_iter().flatten() {
        schema["properties"][name] = part.clone();
    }
    let needed = form["required"].as_array().cloned().unwrap_or_default();
    if let Some(required) = schema["required"].as_array_mut() {
        required.extend(needed);
    }
    with_maybe(schema, [("approval_id", text()), ("duplicate", flag())])
}

fn plain() -> Value {
    let schema = common(object(
        [
            ("kind", text()),
            ("args", anything()),
            ("priority", or_null(whole(1, 9))),
            ("dedupe_key", or_null(text())),
            ("dedupe_window_seconds", or_null(count())),
            ("concurrency_key", or_null(text())),
            ("timeout_seconds", or_null(number())),
            ("backoff", or_null(word(&BACKOFFS))),
            ("progress", or_null(number())),
            ("has_checkpoint", flag()),
        ],
        [("expires_at", instant()), ("sla_deadline", instant()), ("sla_alert_threshold", number())],
    ));
    with_maybe(schema, wishes_shown())
}

fn typed() -> Value {
    let sla = whole_object([
        ("target", json!({"type": ["string", "number"]})),
        ("deadline", instant()),
        ("alert_threshold", or_null(number())),
    ]);
    let schema = common(whole_object([
        ("type", text()),
        ("priority", word(&PRIORITIES)),
        ("source", text()),
        ("payload", anything()),
        ("trace_id", text()),
        ("sla", or_null(sla)),
        ("assigned_to", text()),
        ("assigned_agent", text()),
        ("parent_task_id", or_null(text())),
        ("child_task_ids", list(text())),
        ("metadata", any_object()),
    ]));
    with_maybe(schema, wishes_shown())
}

fn scheduled() -> Value {
    let schema = common(whole_object([
        ("title", text()),
        ("description", text()),
        ("schedule_kind", word(&SCHEDULE_KINDS)),
        ("schedule_expr", or_null(text())),
        ("timezone", or_null(text())),
        ("payload", any_object()),
        ("priority", or_null(whole(1, 9))),
        ("dedupe_key", or_null(text())),
        ("dedupe_window_seconds", or_null(count())),
        ("backoff_strategy", or_null(word(&BACKOFFS))),
        ("concurrency_key", or_null(text())),
        ("next_run", or_null(instant())),
        ("progress", or_null(number())),
        ("has_checkpoint", flag()),
    ]));
    with_maybe(with_maybe(schema, wishes_shown()), firing())
}

fn typed_reply() -> Value {
    let reply = super::done([
        ("id", text()),
        ("task_id", text()),
        ("message", or_null(text())),
        ("task", of("TypedTask")),
    ]);
    with_maybe(reply, [("duplicate", flag())])
}

fn why() -> Value {
    let cause = object(
        [("cause", text()), ("text", text())],
        [
            ("until", instant()),
            ("since", instant()),
            ("approval_id", text()),
            ("queue", text()),
            ("by", text()),
            ("running_max", count()),
            ("rate_per_minute", count()),
            ("rate_key", text()),
            ("concurrency_key", text()),
            ("run_id", text()),
            ("kind", text()),
            ("agent", or_null(text())),
            ("labels", texts()),
            ("workers", count()),
            ("failures", count()),
            ("error", or_null(text())),
            ("worker_id", text()),
            ("state", text()),
            ("status", text()),
            ("finished_at", or_null(instant())),
        ],
    );
    whole_object([
        ("id", text()),
        ("task_id", text()),
        ("run_id", or_null(text())),
        ("state", or_null(of("RunState"))),
        ("ready", flag()),
        ("causes", list(cause)),
    ])
}
