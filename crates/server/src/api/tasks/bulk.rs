//! `POST /tasks/bulk`: one task a line in, one verdict a line out, in the same order. A bad line costs only
//! itself. Lines are submitted many at once, so that they share commits.

use super::create::{log_created, parse};
use crate::api::{Refused, whole};
use crate::state::State;
use crate::views::{Submitted, TaskForm};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State as Given};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;

/// Lines under way at once.
const AT_ONCE: usize = 512;

pub(crate) async fn bulk(
    Given(state): Given<Arc<State>>,
    Extension(principal): Extension<crate::auth::Principal>,
    request: Request,
) -> Result<Response, Refused> {
    let body = whole(request.into_body(), state.limits.bulk_body_max, &state).await?;
    let lines = lines_of(&body);
    let verdicts = stream::iter(lines)
        .map(move |(number, line)| {
            let (state, by) = (Arc::clone(&state), principal.name.clone());
            async move {
                let verdict = match one(&state, &line, by).await {
                    Ok(submitted) => accepted(number, &submitted),
                    Err(refused) => refusal(number, &refused),
                };
                Ok::<_, Infallible>(Bytes::from(format!("{verdict}\n")))
            }
        })
        .buffered(AT_ONCE);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(verdicts)).into_response())
}

async fn one(state: &State, line: &[u8], by: String) -> Result<Submitted, Refused> {
    let submitted = state.desk.submit(parse(line)?, by).await?;
    log_created(&submitted);
    Ok(submitted)
}

fn accepted(line: usize, submitted: &Submitted) -> Value {
    let status = if matches!(submitted.task.form, TaskForm::Typed { .. }) { 200 } else { 201 };
    json!({"line": line, "status": status, "id": submitted.task.id})
}

fn refusal(line: usize, refused: &Refused) -> Value {
    json!({"line": line, "status": refused.status().as_u16(), "error": refused.message()})
}

/// The lines that are not blank, counted from 1, sharing the body's memory.
fn lines_of(body: &Bytes) -> Vec<(usize, Bytes)> {
    let mut lines = Vec::new();
    for (i, line) in body.split(|b| *b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if !line.is_empty() {
            lines.push((i + 1, body.slice_ref(line)));
        }
    }
    lines
}
