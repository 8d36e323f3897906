//! Workers that are called: `POST /workers/push`, their list, their end.

use super::Answer;
use crate::api::Refused;
use crate::api::body::Raw;
use crate::api::tasks::{Fields, Unknown, object};
use crate::auth::Principal;
use crate::seam::{Failure, PushWorker};
use crate::state::State;
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// Runs that one of them has at once.
const SLOTS_MAX: u64 = 1_000;
/// Kinds, labels.
const WORDS_MAX: usize = 200;

/// `POST /workers/push`: `{id, url, secret, kinds, labels?, slots?}`; the same id again takes the place of the one
/// before.
pub(crate) async fn put_push(
    Given(state): Given<Arc<State>>,
    Extension(by): Extension<Principal>,
    body: Result<Raw, Refused>,
) -> Answer {
    let mut fields = Fields::new(object(&body?.0)?);
    let worker = PushWorker {
        id: fields.needed_text("id", 1..=200),
        url: fields.needed_text("url", 1..=2_000),
        secret: fields.needed_text("secret", 16..=500),
        kinds: fields.texts("kinds", WORDS_MAX),
        labels: fields.words("labels", WORDS_MAX),
        slots: u32::try_from(fields.number("slots", 1..=SLOTS_MAX).unwrap_or(1)).unwrap_or(1),
    };
    if worker.kinds.is_empty() || worker.kinds.iter().any(|kind| kind.is_empty() || kind == "*") {
        fields.problem::<()>("kinds", "must name at least one kind, each by its name");
    }
    fields.finish(Unknown::Refused)?;
    let view = shown(&worker);
    state.reads.workers.put_push(worker, by.name).await?;
    Ok((StatusCode::CREATED, axum::Json(view)).into_response())
}

/// `GET /workers/push`
pub(crate) async fn pushes(Given(state): Given<Arc<State>>) -> Answer {
    let items: Vec<Value> = state.reads.workers.pushes().iter().map(shown).collect();
    Ok(axum::Json(json!({"total": items.len(), "items": items})).into_response())
}

/// `DELETE /workers/push/{id}`
pub(crate) async fn drop_push(
    Given(state): Given<Arc<State>>,
    Path(id): Path<String>,
    Extension(by): Extension<Principal>,
) -> Answer {
    match state.reads.workers.drop_push(id.clone(), by.name).await? {
        true => Ok(done(&id)),
        false => Err(Refused::from(Failure::NotFound(format!("Worker {id} is not called")))),
    }
}

fn done(id: &str) -> Response {
    axum::Json(json!({"success": true, "id": id})).into_response()
}

fn shown(worker: &PushWorker) -> Value {
    json!({
        "id": worker.id,
        "url": worker.url,
        "kinds": worker.kinds,
        "labels": worker.labels,
        "slots": worker.slots,
    })
}
