//! `POST /tasks`: three forms of one request, told apart by the key that only one of them has.

use super::fields::{Fields, Unknown};
use super::scopes::Closed;
use super::show::Shown;
use super::wishes::{SECONDS_MAX, TIMEOUT_MAX, above_zero, small, threshold};
use super::{quick, wishes};
use crate::api::body::Raw;
use crate::api::{Refused, exact, once};
use crate::auth::Principal;
use crate::state::State;
use crate::views::{NewTask, PlainTask, ScheduledTask, Sla, Submitted, TaskForm, TypedTask};
use axum::Extension;
use axum::extract::State as Given;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The keys that tell the forms apart.
const FORMS: [&str; 3] = ["kind", "type", "schedule_kind"];
/// The most tries after the first.
pub(super) const RETRIES_MAX: u64 = 10;
/// The longest expression of a schedule: rules may list many dates.
pub(super) const EXPR_MAX: usize = 8_192;
const PRIORITIES: [&str; 4] = ["P0", "P1", "P2", "P3"];
const SOURCES: [&str; 9] = ["faq", "ops", "dev", "user", "system", "webhook", "github", "ci_cd", "support"];
const SCHEDULE_KINDS: [&str; 5] = ["cron", "rrule", "once", "event", "condition"];
const BACKOFFS: [&str; 3] = ["exponential_jitter", "linear", "fixed"];

pub(crate) async fn create(
    Given(state): Given<Arc<State>>,
    Extension(principal): Extension<Principal>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let body = body?.0;
    let task = parse(&body)?;
    Closed::to(&principal, &state).task(&task)?;
    let task = task.issued_by(principal.issuer.as_deref());
    let path = uri.path().trim_end_matches('/');
    if let Some(once) = once::once(&headers, &principal, &Method::POST, path, &body)? {
        return Ok(once::answer(state.reads.queues.submit_once(task, once).await?));
    }
    let submitted = state.desk.submit(task, principal.name).await?;
    log_created(&submitted);
    let (status, body) = answer_submitted(&submitted);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The answer to a task that was taken: its status and its body.
pub fn answer_submitted(submitted: &Submitted) -> (u16, String) {
    #[derive(Serialize)]
    struct Typed<'a> {
        success: bool,
        id: &'a str,
        task_id: &'a str,
        message: &'static str,
        task: Shown<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        duplicate: Option<bool>,
    }
    #[derive(Serialize)]
    struct Plain<'a> {
        #[serde(flatten)]
        task: Shown<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        duplicate: Option<bool>,
    }
    let id = &submitted.task.id;
    let (task, duplicate) = (Shown(&submitted.task), submitted.duplicate.then_some(true));
    // What is written are texts, numbers and values that were JSON: it cannot fail.
    let text = |text: serde_json::Result<String>| text.unwrap_or_default();
    match submitted.task.form {
        TaskForm::Typed { .. } => {
            let message = "Task created successfully";
            let body = Typed { success: true, id, task_id: id, message, task, duplicate };
            (200, text(serde_json::to_string(&body)))
        }
        TaskForm::Plain(_) | TaskForm::Scheduled { .. } => {
            (201, text(serde_json::to_string(&Plain { task, duplicate })))
        }
    }
}

fn log_created(submitted: &Submitted) {
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
    match quick::parse(body) {
        Some(plain) => Ok(NewTask::Plain(plain)),
        None => parse_whole(body),
    }
}

/// As [`parse`], by way of a tree of values.
pub(super) fn parse_whole(body: &[u8]) -> Result<NewTask, Refused> {
    let whole = |what: String| Refused::Shape(vec![(String::new(), what)]);
    let value: Value =
        serde_json::from_slice(body).map_err(|err| whole(format!("the body is not JSON: {err}")))?;
    let Value::Object(map) = value else { return Err(whole("the body must be an object".to_owned())) };
    if let Some(found) = exact::beyond(body) {
        return Err(Refused::Shape(vec![(found.place.clone(), found.what())]));
    }
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
        args: fields.object("args").into(),
        priority: priority(&mut fields),
        delay: fields.seconds("delay_seconds", SECONDS_MAX),
        dedupe_key: fields.text("dedupe_key", 1..=100),
        dedupe_window: fields.seconds("dedupe_window_seconds", SECONDS_MAX),
        concurrency_key: fields.text("concurrency_key", 1..=100),
        max_retries: fields.number("max_retries", 0..=RETRIES_MAX).map(small),
        timeout: timeout(&mut fields),
        backoff: backoff(&mut fields, "backoff"),
        wishes: wishes::with_end(&mut fields),
        approval: approval(&mut fields),
    };
    fields.finish(Unknown::Refused).map(|()| task)
}

/// `{approvers?, quorum?, expires_seconds?, on_expiry?, reason?}`.
fn approval(fields: &mut Fields) -> Option<model::ApprovalWish> {
    let value = fields.any("approval")?;
    match tasks::approval::read_wish(&value, "approval") {
        Ok(wish) => wish,
        Err(tasks::Refusal::Invalid { field, what }) => fields.problem(&field, what),
        Err(other) => fields.problem("approval", other.to_string()),
    }
}

fn backoff(fields: &mut Fields, name: &str) -> Option<String> {
    let word = fields.text(name, 1..=30)?;
    if BACKOFFS.contains(&word.as_str()) {
        return Some(word);
    }
    fields.problem(name, format!("{word:?} is not one of {}", BACKOFFS.join(", ")))
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
    let deadline = fields.instant("sla_deadline");
    let alert_threshold = threshold(&mut fields);
    let metadata = fields.object("metadata");
    let (wishes, approval) = (wishes::read(&mut fields), approval(&mut fields));
    fields.finish(Unknown::Ignored)?;
    one_of("priority", &priority, &PRIORITIES)?;
    one_of("source", &source, &SOURCES)?;
    let sla = target.zip(deadline).map(|(target, deadline)| Sla { target, deadline, alert_threshold });
    Ok(TypedTask { type_, payload, priority, source, sla, metadata, wishes, approval, issuer: None })
}

fn scheduled(map: Map<String, Value>) -> Result<ScheduledTask, Refused> {
    let firing = firing_of(&map);
    let mut fields = Fields::new(map);
    if let Err((field, what)) = tasks::schedule::Firing::read(&firing) {
        fields.problem::<()>(field, what);
    }
    let schedule_kind = fields.needed_text("schedule_kind", 1..=20);
    if !schedule_kind.is_empty() && !SCHEDULE_KINDS.contains(&schedule_kind.as_str()) {
        fields.problem::<()>(
            "schedule_kind",
            format!("{schedule_kind:?} is not one of {}", SCHEDULE_KINDS.join(", ")),
        );
    }
    let schedule_expr = fields.text("schedule_expr", 1..=EXPR_MAX);
    if schedule_expr.is_none() && SCHEDULE_KINDS.contains(&schedule_kind.as_str()) {
        fields.problem::<()>("schedule_expr", format!("schedule_kind {schedule_kind} needs it"));
    }
    let payload = fields.needed_object("payload");
    if payload.get("pipeline").is_some_and(|pipeline| !pipeline.is_array()) {
        fields.problem::<()>("payload.pipeline", "it must be a list of steps");
    }
    let backoff_strategy = backoff(&mut fields, "backoff_strategy");
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
        wishes: wishes::read(&mut fields),
        approval: approval(&mut fields),
        firing,
    };
    fields.finish(Unknown::Ignored).map(|()| task)
}

/// What a request says of how a schedule fires.
pub(super) fn firing_of(map: &Map<String, Value>) -> Map<String, Value> {
    let keys = tasks::schedule::KEYS.iter();
    keys.filter_map(|key| Some(((*key).to_owned(), map.get(*key)?.clone()))).collect()
}

fn priority(fields: &mut Fields) -> Option<u8> {
    fields.number("priority", 1..=9).and_then(|n| u8::try_from(n).ok())
}

/// Above zero: an attempt that may take no time never ends well.
fn timeout(fields: &mut Fields) -> Option<std::time::Duration> {
    above_zero(fields, "timeout_seconds", TIMEOUT_MAX)
}

fn one_of(field: &str, given: &str, known: &[&str]) -> Result<(), Refused> {
    if known.contains(&given) {
        return Ok(());
    }
    Err(Refused::value(field, format!("{given:?} is not one of {}", known.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::Wishes;
    use std::time::Duration;

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
        check(
            r#"{"kind": "noop", "queue": "mail", "labels": {"gpu": "yes"}, "rate_key": "api", "rate_per_minute": 30, "queued_timeout_seconds": 60, "total_timeout_seconds": 600, "heartbeat_timeout_seconds": 5, "expires_seconds": 60, "sla_deadline": "2026-01-01T00:00:00Z", "backoff": "fixed", "non_retryable": ["bad_request"]}"#,
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
        let wishes = r#""queue": "mail", "labels": {"gpu": "yes"}, "rate_key": "api", "rate_per_minute": 30, "queued_timeout_seconds": 60, "total_timeout_seconds": 600, "heartbeat_timeout_seconds": 5, "non_retryable": ["bad_request"]"#;
        let wanted = Wishes {
            queue: Some("mail".to_owned()),
            labels: [("gpu".to_owned(), "yes".to_owned())].into(),
            rate_key: Some("api".to_owned()),
            rate_per_minute: Some(30),
            queued_timeout: Some(Duration::from_secs(60)),
            total_timeout: Some(Duration::from_secs(600)),
            heartbeat_timeout: Some(Duration::from_secs(5)),
            non_retryable: vec!["bad_request".to_owned()],
            ..Wishes::default()
        };
        for form in [
            r#""kind": "noop""#,
            r#""type": "bugfix", "payload": {}"#,
            r#""title": "t", "description": "d", "schedule_kind": "cron", "schedule_expr": "@daily", "payload": {}"#,
        ] {
            let task = parse(format!("{{{form}, {wishes}}}").as_bytes()).expect(form);
            assert_eq!(task.wishes(), &wanted, "{form}");
        }
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
        check(r#"{"kind": "noop", "rate_key": "api"}"#, "rate_per_minute: it is missing");
        check(r#"{"kind": "noop", "queue": "a/b"}"#, "queue: it may hold");
        check(r#"{"kind": "noop", "labels": {"gpu": 1}}"#, "labels: it must hold at most 16 texts");
        check(r#"{"kind": "noop", "backoff": "often"}"#, "is not one of exponential_jitter");
        check(r#"{"kind": "noop", "sla_alert_threshold": 1}"#, "above 0 and below 1");
        check(r#"{"kind": "noop", "non_retryable": "x"}"#, "non_retryable: it must be a list");
        check(r#"{"type": "bugfix"}"#, "payload: it is missing");
        check(
            r#"{"type": "bugfix", "payload": {}, "priority": "P9"}"#,
            r#"priority: "P9" is not one of P0, P1, P2, P3"#,
        );
        check(r#"{"schedule_kind": "cron", "payload": {}}"#, "schedule_expr: schedule_kind cron needs it");
        check(r#"{"schedule_kind": "sometimes", "payload": {}}"#, "is not one of cron");
        check(r#"{"type": "bugfix", "payload": {}, "rate_key": "api"}"#, "rate_per_minute: it is missing");
        check(r#"{"type": "bugfix", "payload": {}, "labels": ["gpu"]}"#, "labels: it must be an object");
        check(
            r#"{"title": "t", "description": "d", "schedule_kind": "cron", "schedule_expr": "@daily", "payload": {}, "total_timeout_seconds": 0, "gap": "jump"}"#,
            "gap: \"jump\" is not one of skip, shift; total_timeout_seconds: it must be above 0",
        );
    }
}
