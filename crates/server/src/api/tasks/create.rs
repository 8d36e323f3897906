//! `POST /tasks`: three forms of one request, told apart by the key that only one of them has.

use super::fields::{Fields, Unknown};
use super::show;
use crate::api::Refused;
use crate::api::body::Raw;
use crate::auth::Principal;
use crate::state::State;
use crate::views::{NewTask, PlainTask, ScheduledTask, Sla, Submitted, TaskForm, TypedTask};
use axum::Extension;
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The keys that tell the forms apart.
const FORMS: [&str; 3] = ["kind", "type", "schedule_kind"];
/// The longest delay and the longest dedupe window: 30 days.
const SECONDS_MAX: u64 = 30 * 86_400;
/// The longest time an attempt may take: a day.
const TIMEOUT_MAX: u64 = 86_400;
/// The most tries after the first.
const RETRIES_MAX: u64 = 10;
const PRIORITIES: [&str; 4] = ["P0", "P1", "P2", "P3"];
const SOURCES: [&str; 9] = ["faq", "ops", "dev", "user", "system", "webhook", "github", "ci_cd", "support"];
const SCHEDULE_KINDS: [&str; 5] = ["cron", "rrule", "once", "event", "condition"];
const BACKOFFS: [&str; 3] = ["exponential_jitter", "linear", "fixed"];

pub(crate) async fn create(
    Given(state): Given<Arc<State>>,
    Extension(principal): Extension<Principal>,
    body: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let task = parse(&body?.0)?;
    let submitted = state.desk.submit(task, principal.name).await?;
    log_created(&submitted);
    let task = &submitted.task;
    let (status, mut body) = match task.form {
        TaskForm::Typed { .. } => {
            let message = "Task created successfully";
            let body = json!({"success": true, "id": task.id, "task_id": task.id, "message": message, "task": show::task(task)});
            (StatusCode::OK, body)
        }
        TaskForm::Plain(_) | TaskForm::Scheduled { .. } => (StatusCode::CREATED, show::task(task)),
    };
    if submitted.duplicate {
        body["duplicate"] = true.into();
    }
    Ok((status, axum::Json(body)).into_response())
}

pub(super) fn log_created(submitted: &Submitted) {
    let id = &submitted.task.id;
    match &submitted.task.form {
        TaskForm::Typed { agent, .. } => {
            tracing::info!(event = "task_created", task_id = id, "Created task {id} assigned to {agent}");
        }
        TaskForm::Plain(task) => {
            tracing::debug!(event = "task_created", task_id = id, "Created task {id} of kind {}", task.kind);
        }
        TaskForm::Scheduled { task, .. } => {
            let kind = &task.schedule_kind;
            tracing::info!(event = "task_created", task_id = id, "Created task {id} on a {kind} schedule");
        }
    }
}

/// One task from its JSON text.
pub(super) fn parse(body: &[u8]) -> Result<NewTask, Refused> {
    let whole = |what: String| Refused::Shape(vec![(String::new(), what)]);
    let value: Value =
        serde_json::from_slice(body).map_err(|err| whole(format!("the body is not JSON: {err}")))?;
    let Value::Object(map) = value else { return Err(whole("the body must be an object".to_owned())) };
    let forms: Vec<&str> = FORMS.into_iter().filter(|form| map.contains_key(*form)).collect();
    match forms[..] {
        ["kind"] => plain(map).map(NewTask::Plain),
        ["type"] => typed(map).map(NewTask::Typed),
        ["schedule_kind"] => scheduled(map).map(NewTask::Scheduled),
        _ => Err(whole(format!(
            "exactly one of kind, type and schedule_kind is needed, {} given",
            if forms.is_empty() { "none was".to_owned() } else { format!("{} were", forms.join(" and ")) }
        ))),
    }
}

fn plain(map: Map<String, Value>) -> Result<PlainTask, Refused> {
    let mut fields = Fields::new(map);
    let task = PlainTask {
        kind: fields.needed_text("kind", 1..=100),
        args: fields.object("args"),
        priority: priority(&mut fields),
        delay: fields.seconds("delay_seconds", SECONDS_MAX),
        dedupe_key: fields.text("dedupe_key", 1..=100),
        concurrency_key: fields.text("concurrency_key", 1..=100),
        max_retries: fields.number("max_retries", 0..=RETRIES_MAX).map(small),
        timeout: timeout(&mut fields),
    };
    fields.finish(Unknown::Refused).map(|()| task)
}

fn typed(map: Map<String, Value>) -> Result<TypedTask, Refused> {
    let mut fields = Fields::new(map);
    let type_ = fields.needed_text("type", 1..=100);
    let payload = fields.needed_object("payload");
    let priority = fields.text("priority", 1..=20).unwrap_or_else(|| "P2".to_owned());
    let source = fields.text("source", 1..=100).unwrap_or_else(|| "user".to_owned());
    let target = match fields.any("sla_target") {
        Some(target @ (Value::String(_) | Value::Number(_))) => Some(target),
        Some(_) => fields.problem("sla_target", "it must be a text or a number of seconds"),
        None => None,
    };
    let deadline = match fields.text("sla_deadline", 1..=64) {
        Some(text) => match lenient_instant(&text) {
            Some(at) => Some(at),
            None => fields.problem("sla_deadline", format!("{text:?} is not an ISO 8601 instant")),
        },
        None => None,
    };
    let metadata = fields.object("metadata");
    fields.finish(Unknown::Ignored)?;
    one_of("priority", &priority, &PRIORITIES)?;
    one_of("source", &source, &SOURCES)?;
    let sla = target.zip(deadline).map(|(target, deadline)| Sla { target, deadline });
    Ok(TypedTask { type_, payload, priority, source, sla, metadata })
}

fn scheduled(map: Map<String, Value>) -> Result<ScheduledTask, Refused> {
    let mut fields = Fields::new(map);
    let schedule_kind = fields.needed_text("schedule_kind", 1..=20);
    if !schedule_kind.is_empty() && !SCHEDULE_KINDS.contains(&schedule_kind.as_str()) {
        fields.problem::<()>(
            "schedule_kind",
            format!("{schedule_kind:?} is not one of {}", SCHEDULE_KINDS.join(", ")),
        );
    }
    let schedule_expr = fields.text("schedule_expr", 1..=1000);
    if schedule_expr.is_none() && ["cron", "rrule", "once"].contains(&schedule_kind.as_str()) {
        fields.problem::<()>("schedule_expr", format!("schedule_kind {schedule_kind} needs it"));
    }
    let payload = fields.needed_object("payload");
    if payload.get("pipeline").is_some_and(|pipeline| !pipeline.is_array()) {
        fields.problem::<()>("payload.pipeline", "it must be a list of steps");
    }
    let backoff_strategy = fields.text("backoff_strategy", 1..=30);
    if let Some(other) = backoff_strategy.as_deref().filter(|given| !BACKOFFS.contains(given)) {
        fields.problem::<()>("backoff_strategy", format!("{other:?} is not one of {}", BACKOFFS.join(", ")));
    }
    let task = ScheduledTask {
        title: fields.needed_text("title", 1..=200),
        description: fields.needed_text("description", 1..=2000),
        schedule_kind,
        schedule_expr,
        timezone: fields.text("timezone", 1..=64),
        payload,
        priority: priority(&mut fields),
        dedupe_key: fields.text("dedupe_key", 1..=100),
        dedupe_window: fields.seconds("dedupe_window_seconds", SECONDS_MAX),
        max_retries: fields.number("max_retries", 0..=RETRIES_MAX).map(small),
        backoff_strategy,
        concurrency_key: fields.text("concurrency_key", 1..=100),
        created_by: fields.text("created_by", 1..=100),
    };
    fields.finish(Unknown::Ignored).map(|()| task)
}

fn priority(fields: &mut Fields) -> Option<u8> {
    fields.number("priority", 1..=9).and_then(|n| u8::try_from(n).ok())
}

/// Above zero: an attempt that may take no time never ends well.
fn timeout(fields: &mut Fields) -> Option<std::time::Duration> {
    match fields.seconds("timeout_seconds", TIMEOUT_MAX) {
        Some(zero) if zero.is_zero() => fields.problem("timeout_seconds", "it must be above 0"),
        timeout => timeout,
    }
}

fn small(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn one_of(field: &str, given: &str, known: &[&str]) -> Result<(), Refused> {
    if known.contains(&given) {
        return Ok(());
    }
    Err(Refused::value(field, format!("{given:?} is not one of {}", known.join(", "))))
}

/// ISO 8601 as Python writes it: without an offset it is UTC.
fn lenient_instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text).or_else(|_| Timestamp::parse_rfc3339(&format!("{text}Z"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `want` is empty for a task that is taken, else a part of the refusal.
    fn check(body: &str, want: &str) {
        match parse(body.as_bytes()) {
            Ok(task) => assert_eq!(want, "", "{body} was taken: {task:?}"),
            Err(refused) => {
                let message = refused.message();
                assert!(
                    !want.is_empty() && message.contains(want),
                    "{body}: got {message:?}, wanted {want:?}"
                );
            }
        }
    }

    #[test]
    fn three_forms() {
        check(r#"{"kind": "noop"}"#, "");
        check(
            r#"{"kind": "wait", "args": {"ms": 5}, "priority": 1, "delay_seconds": 0.5, "dedupe_key": "k", "max_retries": 0, "timeout_seconds": 1}"#,
            "",
        );
        check(r#"{"type": "bugfix", "payload": {}, "priority": "P2"}"#, "");
        check(
            r#"{"type": "bugfix", "payload": {}, "sla_target": 3600, "sla_deadline": "2026-01-01T00:00:00", "extra": 1}"#,
            "",
        );
        check(
            r#"{"title": "t", "description": "d", "schedule_kind": "once", "schedule_expr": "2026-01-01T00:00:00Z", "payload": {"pipeline": [{"id": "a", "uses": "noop"}]}}"#,
            "",
        );
    }

    #[test]
    fn refusals_name_every_field() {
        check("", "the body is not JSON");
        check("[]", "must be an object");
        check("{}", "none was given");
        check(r#"{"kind": "noop", "type": "bugfix"}"#, "kind and type were given");
        check(
            r#"{"kind": "", "priority": 0}"#,
            "kind: it has 0 characters, not 1 to 100; priority: it must be a whole number from 1 to 9, not 0",
        );
        check(r#"{"kind": "noop", "arg": {}}"#, "arg: there is no such field");
        check(r#"{"kind": "noop", "args": []}"#, "args: it must be an object, not a list");
        check(r#"{"kind": "noop", "delay_seconds": -1}"#, "delay_seconds");
        check(r#"{"kind": "noop", "timeout_seconds": 0}"#, "above 0");
        check(r#"{"type": "bugfix"}"#, "payload: it is missing");
        check(
            r#"{"type": "bugfix", "payload": {}, "priority": "P9"}"#,
            r#"priority: "P9" is not one of P0, P1, P2, P3"#,
        );
        check(r#"{"schedule_kind": "cron", "payload": {}}"#, "schedule_expr: schedule_kind cron needs it");
        check(r#"{"schedule_kind": "sometimes", "payload": {}}"#, "is not one of cron");
    }
}
