//! What is done to one task: run it now, put it off, hold it, let it go on, stop it, change it, forget it; and
//! why it does not run.

use super::create::{EXPR_MAX, RETRIES_MAX, firing_of};
use super::fields::{Fields, Unknown, object};
use super::scopes::Closed;
use super::{show, wishes};
use crate::api::body::Raw;
use crate::api::{Refused, once};
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use crate::views::{TaskAct, TaskUpdate};
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tasks::schedule::Firing;

/// The longest a task is put off: a week.
const SNOOZE_MAX: u64 = 604_800;

/// Everything about a request that acts on a task.
type Asked = (Method, Uri, HeaderMap, Extension<Principal>);

pub(crate) async fn run_now(state: Given<Arc<State>>, id: Path<String>, asked: Asked) -> Answer {
    act(state, id, asked, TaskAct::RunNow, b"").await
}

pub(crate) async fn pause(state: Given<Arc<State>>, id: Path<String>, asked: Asked) -> Answer {
    act(state, id, asked, TaskAct::Pause, b"").await
}

pub(crate) async fn resume(state: Given<Arc<State>>, id: Path<String>, asked: Asked) -> Answer {
    act(state, id, asked, TaskAct::Resume, b"").await
}

pub(crate) async fn cancel(state: Given<Arc<State>>, id: Path<String>, asked: Asked) -> Answer {
    act(state, id, asked, TaskAct::Cancel, b"").await
}

pub(crate) async fn remove(state: Given<Arc<State>>, id: Path<String>, asked: Asked) -> Answer {
    act(state, id, asked, TaskAct::Delete, b"").await
}

pub(crate) async fn snooze(
    state: Given<Arc<State>>,
    id: Path<String>,
    asked: Asked,
    body: Result<Raw, Refused>,
) -> Answer {
    let body = body?.0;
    let mut fields = Fields::new(object(&body)?);
    let delay = fields.needed_number("delay_seconds", 1..=SNOOZE_MAX);
    let reason = fields.text("reason", 0..=200).unwrap_or_default();
    fields.finish(Unknown::Refused)?;
    let act = TaskAct::Snooze { delay: Duration::from_secs(delay), reason };
    self::act(state, id, asked, act, &body).await
}

type Answer = Result<Response, Refused>;

async fn act(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    (method, uri, headers, Extension(principal)): Asked,
    act: TaskAct,
    body: &[u8],
) -> Answer {
    if act == TaskAct::RunNow {
        Closed::to(&principal, &state).known(&state, &id).await?;
    }
    let once = once::once(&headers, &principal, &method, uri.path(), body)?;
    let kept = state.reads.queues.act(id, act, principal.name, once).await?;
    Ok(once::answer(kept))
}

/// `PUT /tasks/{id}`: the fields that are given become others.
pub(crate) async fn update(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    Extension(principal): Extension<Principal>,
    body: Result<Raw, Refused>,
) -> Answer {
    let update = parse(&body?.0)?;
    let closed = Closed::to(&principal, &state);
    match &update.payload {
        Some(payload) => closed.payload(payload)?,
        None => closed.known(&state, &id).await?,
    }
    state.reads.queues.update(id.clone(), update, principal.name).await?;
    let task = state.reads.tasks.task(id.clone()).await?;
    let task = task.ok_or_else(|| Failure::NotFound(format!("Task {id} not found")))?;
    Ok(axum::Json(show::Shown(&task)).into_response())
}

fn parse(body: &[u8]) -> Result<TaskUpdate, Refused> {
    let mut map = object(body)?;
    let firing = firing_of(&map);
    map.retain(|key, _| !firing.contains_key(key));
    let mut fields = Fields::new(map);
    if let Err((field, what)) = Firing::read(&firing) {
        fields.problem::<()>(field, what);
    }
    let update = TaskUpdate {
        title: fields.text("title", 1..=200),
        description: fields.text("description", 1..=2000),
        schedule_kind: fields.text("schedule_kind", 1..=20),
        schedule_expr: fields.text("schedule_expr", 1..=EXPR_MAX),
        timezone: fields.text("timezone", 1..=64),
        payload: fields.maybe_object("payload"),
        priority: fields.number("priority", 1..=9).and_then(|n| u8::try_from(n).ok()),
        status: fields.text("status", 1..=20),
        max_retries: fields.number("max_retries", 0..=RETRIES_MAX).and_then(|n| u32::try_from(n).ok()),
        backoff_strategy: fields.text("backoff_strategy", 1..=30),
        concurrency_key: fields.text("concurrency_key", 0..=100),
        firing,
        wishes: wishes::changed(&mut fields),
    };
    if let Some(other) =
        update.status.as_deref().filter(|word| !["active", "paused", "canceled"].contains(word))
    {
        fields.problem::<()>("status", format!("{other:?} is not one of active, paused, canceled"));
    }
    fields.finish(Unknown::Refused).map(|()| update)
}

/// `GET /tasks/{id}/why`.
pub(crate) async fn why(Given(state): Given<Arc<State>>, Path(id): Path<String>) -> Answer {
    let why = state.reads.queues.why(id.clone()).await?;
    let why = why.ok_or_else(|| Failure::NotFound(format!("Task {id} not found")))?;
    Ok(axum::Json(show::why(&why)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_partial_and_checked() {
        for (body, want) in [
            (r#"{}"#, ""),
            (r#"{"title": "t", "priority": 2, "status": "paused", "concurrency_key": ""}"#, ""),
            (r#"{"title": null, "payload": null, "status": null}"#, ""),
            (r#"{"titel": "t"}"#, "titel: there is no such field"),
            (r#"{"created_at": "2020"}"#, "created_at: there is no such field"),
            (r#"{"status": "gone"}"#, "status: \"gone\" is not one of active, paused, canceled"),
            (r#"{"priority": 10, "payload": 3}"#, "payload: it must be an object, not a number"),
            (r#"{"gap": "skip", "fold": null, "queue": "mail", "labels": null}"#, ""),
            (r#"{"gap": "jump"}"#, "gap: \"jump\" is not one of skip, shift"),
            (r#"{"total_timeout_seconds": 0}"#, "total_timeout_seconds: it must be above 0"),
            (r#"{"queue": ""}"#, "queue: it has 0 characters"),
            ("[]", "must be an object"),
        ] {
            let got = parse(body.as_bytes()).map_err(|refused| refused.message());
            match got {
                Ok(_) => assert_eq!(want, "", "{body} was taken"),
                Err(message) => assert!(!want.is_empty() && message.contains(want), "{body}: {message}"),
            }
        }
        assert_eq!(parse(b"{}").unwrap(), TaskUpdate::default());
        let update =
            parse(br#"{"calendar": null, "misfire": "all", "rate_key": null, "labels": null}"#).unwrap();
        assert_eq!(serde_json::json!(update.firing), serde_json::json!({"misfire": "all", "calendar": null}));
        assert_eq!((update.wishes.rate_key, update.wishes.queue), (Some(None), None));
        assert_eq!(update.wishes.labels, Some([].into()));
    }
}
