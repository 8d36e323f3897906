//! `POST /tasks/bulk`: one task a line in, one verdict a line out, in the same order. A bad line costs only
//! itself. Lines are submitted many at once, so that they share commits.

use super::create::parse;
use super::scopes::Closed;
use crate::api::{Refused, whole};
use crate::seam::Failure;
use crate::state::State;
use crate::views::{NewTask, Taken};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State as Given};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;

/// Lines that are submitted as one.
const AT_ONCE: usize = 500;
/// As many such parts of a request are under way at once.
const PARTS: usize = 4;

pub(crate) async fn bulk(
    Given(state): Given<Arc<State>>,
    Extension(principal): Extension<crate::auth::Principal>,
    request: Request,
) -> Result<Response, Refused> {
    let body = whole(request.into_body(), state.limits.bulk_body_max, &state).await?;
    let mut parts = parts_of(&body);
    let closed = Arc::new(Closed::to(&principal, &state));
    let by = (principal.name, principal.issuer);
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    if parts.len() <= 1 {
        let verdicts = part(&state, parts.pop().unwrap_or_default(), by, &closed).await;
        return Ok((kind, Body::from(verdicts)).into_response());
    }
    let verdicts = stream::iter(parts)
        .map(move |lines| {
            let (state, by, closed) = (Arc::clone(&state), by.clone(), Arc::clone(&closed));
            async move { Ok::<_, Infallible>(Bytes::from(part(&state, lines, by, &closed).await)) }
        })
        .buffered(PARTS);
    Ok((kind, Body::from_stream(verdicts)).into_response())
}

/// A principal's name, and who issued its token.
type By = (String, Option<Arc<str>>);

/// Submits some lines; answers their verdicts.
async fn part(state: &State, lines: Vec<(usize, Bytes)>, (by, issuer): By, closed: &Closed) -> Vec<u8> {
    let mut tasks = Vec::with_capacity(lines.len());
    let mut refused = Vec::with_capacity(lines.len());
    for (_, line) in &lines {
        match parse(line).and_then(|task| closed.task(&task).map(|()| task)) {
            Ok(task) => {
                tasks.push(task.issued_by(issuer.as_deref()));
                refused.push(None);
            }
            Err(why) => refused.push(Some(why)),
        }
    }
    let mut taken = submit(state, tasks, by).await.into_iter();
    let mut out = Vec::with_capacity(lines.len() * 80);
    for ((number, _), refused) in lines.into_iter().zip(refused) {
        match refused.map_or_else(|| taken.next().unwrap_or_else(|| Err(no_verdict())), Err) {
            Ok(taken) => accepted(&mut out, number, &taken),
            Err(why) => refusal(&mut out, number, &why),
        }
    }
    out
}

async fn submit(state: &State, tasks: Vec<NewTask>, by: String) -> Vec<Result<Taken, Refused>> {
    let count = tasks.len();
    if count == 0 {
        return Vec::new();
    }
    match state.desk.submit_many(tasks, by).await {
        Ok(verdicts) => verdicts.into_iter().map(|verdict| verdict.map_err(Refused::from)).collect(),
        Err(why) => (0..count).map(|_| Err(Refused::from(why.clone()))).collect(),
    }
}

/// Each task has a verdict; this one would be missing.
fn no_verdict() -> Refused {
    Refused::Failure(Failure::Internal("a task was submitted and has no verdict".to_owned()))
}

fn accepted(out: &mut Vec<u8>, line: usize, taken: &Taken) {
    let status = if taken.typed { 200 } else { 201 };
    // Writing to memory does not fail.
    let _ = writeln!(out, "{{\"line\":{line},\"status\":{status},\"id\":\"{}\"}}", taken.id);
}

fn refusal(out: &mut Vec<u8>, line: usize, refused: &Refused) {
    let verdict = json!({"line": line, "status": refused.status().as_u16(), "error": refused.message()});
    let _ = writeln!(out, "{verdict}");
}

/// The lines that are not blank, counted from 1, sharing the body's memory; so many at a time.
fn parts_of(body: &Bytes) -> Vec<Vec<(usize, Bytes)>> {
    let mut parts: Vec<Vec<(usize, Bytes)>> = Vec::new();
    for (i, line) in body.split(|b| *b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if parts.last().is_none_or(|part| part.len() >= AT_ONCE) {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push((i + 1, body.slice_ref(line)));
        }
    }
    parts
}
