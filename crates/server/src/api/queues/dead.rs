//! Runs that were given up: looked at, changed, done again, put away.

use super::Answer;
use crate::api::body::Raw;
use crate::api::tasks::{Closed, Fields, OFFSET_MAX, PAGE, PAGE_MAX, Unknown, object, page_of};
use crate::api::{Params, Refused, once};
use crate::auth::Principal;
use crate::seam::Failure;
use crate::state::State;
use crate::views::{DeadAct, DeadLetter};
use axum::Extension;
use axum::extract::{Path, State as Given};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn dead_letters(Given(state): Given<Arc<State>>, params: Result<Params, Refused>) -> Answer {
    let params = params?;
    let limit = params.number("limit", 1, PAGE_MAX, PAGE)?;
    let offset = params.number("offset", 0, OFFSET_MAX, 0)?;
    let page = state.reads.queues.dead_letters(params.switch("all", false)?, limit, offset).await?;
    Ok(page_of(&page, show, limit, offset))
}

pub(crate) async fn dead_letter(Given(state): Given<Arc<State>>, Path(run): Path<String>) -> Answer {
    let found = state.reads.queues.dead_letter(run.clone()).await?;
    let found = found.ok_or_else(|| Failure::NotFound(format!("Dead letter {run} not found")))?;
    Ok(axum::Json(show(&found)).into_response())
}

type Asked = (Method, Uri, HeaderMap, Extension<Principal>);

/// `PUT /dead-letters/{run_id}`: `{args}`, or `payload` as a typed task calls them.
pub(crate) async fn edit(
    state: Given<Arc<State>>,
    run: Path<String>,
    asked: Asked,
    body: Result<Raw, Refused>,
) -> Answer {
    let body = body?.0;
    let mut fields = Fields::new(object(&body)?);
    let args = match fields.has("payload") && !fields.has("args") {
        true => fields.object("payload"),
        false => fields.needed_object("args"),
    };
    fields.finish(Unknown::Refused)?;
    act(state, run, asked, DeadAct::Edit(args), &body).await
}

pub(crate) async fn replay(state: Given<Arc<State>>, run: Path<String>, asked: Asked) -> Answer {
    act(state, run, asked, DeadAct::Replay, b"").await
}

pub(crate) async fn discard(state: Given<Arc<State>>, run: Path<String>, asked: Asked) -> Answer {
    act(state, run, asked, DeadAct::Discard, b"").await
}

async fn act(
    Given(state): Given<Arc<State>>,
    Path(run): Path<String>,
    (method, uri, headers, Extension(principal)): Asked,
    act: DeadAct,
    body: &[u8],
) -> Answer {
    if act != DeadAct::Discard {
        Closed::to(&principal, &state).dead(&state, &run).await?;
    }
    let once = once::once(&headers, &principal, &method, uri.path(), body)?;
    // A task that is done again is asked for anew, and may need an approval anew.
    let by = principal.person().to_owned();
    Ok(once::answer(state.reads.queues.dead_act(run, act, by, once).await?))
}

fn show(dead: &DeadLetter) -> Value {
    json!({
        "run_id": dead.run_id,
        "id": dead.run_id,
        "task_id": dead.task_id,
        "kind": dead.kind,
        "args": dead.args,
        "attempt": dead.attempt,
        "error_type": dead.error_type,
        "error": dead.error,
        "dead_at": dead.at.map(|at| at.rfc3339()),
        "replayed_as": dead.replayed_as,
    })
}
