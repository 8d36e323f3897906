//! `POST /v1/work`: the JSON form of the worker protocol.

use super::Refused;
use super::body::Raw;
use super::exact;
use crate::closing::Connection;
use crate::edge::Waited;
use crate::seam::NewLogLine;
use crate::state::State;
use axum::Extension;
use axum::extract::State as Given;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::{Json, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tasks::{
    AttemptToken, CHECKPOINT_BYTES_MAX, Claim, Completion, Directive, Extension as Extend, Outcome, RunError,
    TokenResult, WorkReply, WorkRequest, WorkerCard,
};

const WANT_MAX: u32 = 1000;
/// How long a run is put off by a worker that does not say.
const SNOOZE: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Characters of a worker's name, nonce, label or kind.
const TEXT_MAX: usize = 200;
/// Labels, kinds.
const WORDS_MAX: usize = 1000;
/// Completions, and extensions, in one request.
const RESULTS_MAX: usize = 10_000;
/// Log lines in one request, and the bytes that are kept of each.
const LINES_MAX: usize = 1_000;
const LINE_BYTES_MAX: usize = 2_000;
const LEVELS: [&str; 4] = ["debug", "info", "warning", "error"];

#[derive(Deserialize)]
struct Asked {
    worker: Worker,
    #[serde(default)]
    complete: Vec<Complete>,
    #[serde(default)]
    extend: Vec<Extended>,
    #[serde(default)]
    log: Vec<Logged>,
    #[serde(default)]
    want: u32,
    #[serde(default)]
    wait_ms: u64,
}

#[derive(Deserialize)]
struct Worker {
    id: String,
    boot_nonce: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    kinds: Vec<String>,
    slots_free: Option<u32>,
    #[serde(default)]
    draining: bool,
    /// Take the worker for gone when this connection closes.
    #[serde(default)]
    release_on_close: bool,
}

#[derive(Deserialize)]
struct Complete {
    attempt_token: String,
    outcome: Ended,
    #[serde(default)]
    result: Value,
    error: Option<Trouble>,
    retry_after_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    Done,
    Retry,
    Snooze,
    Failed,
}

#[derive(Deserialize, Default)]
struct Trouble {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Extended {
    attempt_token: String,
    progress: Option<f64>,
    checkpoint: Option<Value>,
}

#[derive(Deserialize)]
struct Logged {
    attempt_token: String,
    at: Option<String>,
    level: Option<String>,
    line: String,
}

/// What a request brings that the queue has no part in.
#[derive(Default)]
struct Aside {
    release_on_close: bool,
    log: Vec<NewLogLine>,
}

pub(crate) async fn work(
    Given(state): Given<Arc<State>>,
    Extension(principal): Extension<crate::auth::Principal>,
    connection: Option<Extension<Connection>>,
    body: Result<Raw, Refused>,
) -> Result<Response, Refused> {
    let (request, garbled, aside) = parse(&body?.0).map_err(Refused::BadRequest)?;
    watch(&state, connection, &request.worker, aside.release_on_close);
    if !aside.log.is_empty() {
        // Before what it completes: a log belongs to an attempt that still goes on.
        state.reads.workers.log(request.worker.id.clone(), aside.log).await?;
    }
    tracing::trace!(event = "work_asked", worker = request.worker.id, by = principal.name, "Worker asks");
    let reply = state.desk.work(request).await?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (json, shown(&reply, &garbled)).into_response();
    response.extensions_mut().insert(Waited);
    Ok(response)
}

/// Has the worker's runs given back when this connection closes, if it wants that.
fn watch(
    state: &Arc<State>,
    connection: Option<Extension<Connection>>,
    worker: &WorkerCard,
    release_on_close: bool,
) {
    let Some(Extension(connection)) = connection.filter(|_| release_on_close) else {
        return state.holders.leave(&worker.id);
    };
    let (workers, runtime) = (Arc::clone(&state.reads.workers), tokio::runtime::Handle::current());
    let (id, nonce) = (worker.id.clone(), worker.boot_nonce.clone());
    state.holders.watch(&connection, &worker.id, move || {
        tracing::info!(event = "worker_gone", worker = id, "The connection of worker {id} closed");
        runtime.spawn(workers.gone(id, nonce));
    });
}

/// The request, those tokens that no attempt can have, and what is not for the queue.
fn parse(body: &[u8]) -> Result<(WorkRequest, Vec<String>, Aside), String> {
    let asked: Asked =
        serde_json::from_slice(body).map_err(|err| format!("the body is not a work request: {err}"))?;
    if let Some(found) = exact::beyond(body) {
        return Err(found.to_string());
    }
    check(&asked)?;
    let mut garbled = Vec::new();
    let mut token = |text: String| {
        let token = AttemptToken::parse(&text);
        if token.is_none() {
            garbled.push(text);
        }
        token
    };
    let mut complete = Vec::with_capacity(asked.complete.len());
    for one in asked.complete {
        let outcome = outcome(one.outcome, one.result, one.error, one.retry_after_ms);
        if let Some(token) = token(one.attempt_token) {
            complete.push(Completion { token, outcome });
        }
    }
    let mut extend = Vec::with_capacity(asked.extend.len());
    for one in asked.extend {
        if let Some(token) = token(one.attempt_token) {
            extend.push(Extend { token, progress: one.progress, checkpoint: one.checkpoint });
        }
    }
    let mut aside = Aside { release_on_close: asked.worker.release_on_close, log: Vec::new() };
    for one in asked.log {
        let at = one
            .at
            .map(|at| Timestamp::parse_rfc3339(&at).map_err(|why| format!("log: at: {why}")))
            .transpose()?;
        let level = one.level.unwrap_or_else(|| "info".to_owned());
        if let Some(token) = token(one.attempt_token) {
            aside.log.push(NewLogLine { token, at, level, line: shortened(one.line) });
        }
    }
    let Worker { id, boot_nonce, labels, kinds, slots_free, draining, .. } = asked.worker;
    let slots_free = slots_free.unwrap_or(asked.want);
    let worker = WorkerCard { id, boot_nonce, labels, kinds, slots_free, draining };
    let wait = Duration::from_millis(asked.wait_ms);
    Ok((WorkRequest { worker, complete, extend, want: asked.want, wait }, garbled, aside))
}

fn check(asked: &Asked) -> Result<(), String> {
    let worker = &asked.worker;
    let text = |name: &str, text: &str| match text.chars().count() {
        1..=TEXT_MAX => Ok(()),
        n => Err(format!("{name} has {n} characters, not 1 to {TEXT_MAX}")),
    };
    let count = |name: &str, n: usize, most: usize| match n <= most {
        true => Ok(()),
        false => Err(format!("{name} has {n} entries, at most {most} are taken")),
    };
    text("worker.id", &worker.id)?;
    text("worker.boot_nonce", &worker.boot_nonce)?;
    count("worker.labels", worker.labels.len(), WORDS_MAX)?;
    count("worker.kinds", worker.kinds.len(), WORDS_MAX)?;
    for word in worker.kinds.iter().chain(worker.labels.keys()) {
        text("a kind or label of the worker", word)?;
    }
    count("complete", asked.complete.len(), RESULTS_MAX)?;
    count("extend", asked.extend.len(), RESULTS_MAX)?;
    count("log", asked.log.len(), LINES_MAX)?;
    if let Some(bad) =
        asked.log.iter().filter_map(|one| one.level.as_deref()).find(|one| !LEVELS.contains(one))
    {
        return Err(format!("log: level is {bad:?}, not one of {}", LEVELS.join(", ")));
    }
    if asked.want > WANT_MAX {
        return Err(format!("want is {}, at most {WANT_MAX} is given", asked.want));
    }
    if Duration::from_millis(asked.wait_ms) > WAIT_MAX {
        return Err(format!("wait_ms is {}, at most {} is waited", asked.wait_ms, WAIT_MAX.as_millis()));
    }
    if let Some(bad) = asked.extend.iter().filter_map(|one| one.progress).find(|p| !(0.0..=1.0).contains(p)) {
        return Err(format!("progress is {bad}, not from 0 to 1"));
    }
    for (nth, one) in asked.extend.iter().enumerate() {
        let bytes = one.checkpoint.as_ref().map_or(0, |checkpoint| Json::from(checkpoint).size());
        if bytes > CHECKPOINT_BYTES_MAX {
            return Err(format!(
                "extend[{nth}].checkpoint has {bytes} bytes, at most {CHECKPOINT_BYTES_MAX} are kept; put what is \
                 larger where you can find it again, and where that is into the checkpoint"
            ));
        }
    }
    Ok(())
}

fn outcome(ended: Ended, result: Value, error: Option<Trouble>, retry_after_ms: Option<u64>) -> Outcome {
    let after = retry_after_ms.map(Duration::from_millis);
    let error = || {
        let Trouble { kind, message } = error.unwrap_or_default();
        RunError { kind: if kind.is_empty() { "error".to_owned() } else { kind }, message }
    };
    match ended {
        Ended::Done => Outcome::Done(result),
        Ended::Retry => Outcome::Retry { error: error(), after },
        Ended::Failed => Outcome::Failed(error()),
        Ended::Snooze => Outcome::Snooze(after.unwrap_or(SNOOZE)),
    }
}

/// The reply as JSON, written as it goes: claims carry their arguments as the text they came as.
fn shown(reply: &WorkReply, garbled: &[String]) -> Vec<u8> {
    let args: usize = reply.runs.iter().map(|claim| claim.args.size()).sum();
    let mut out = Vec::with_capacity(128 + reply.results.len() * 48 + reply.runs.len() * 360 + args);
    out.extend_from_slice(b"{\"results\":{");
    let mut first = true;
    let mut comma = |out: &mut Vec<u8>| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
    };
    // What is said first of a token counts, and completions come before heartbeats. Writing to memory does not fail.
    let mut said = HashSet::with_capacity(reply.results.len());
    for (token, result) in reply.results.iter().filter(|(token, _)| said.insert(*token)) {
        comma(&mut out);
        let _ = write!(out, "\"{token}\":\"{}\"", result_word(*result));
    }
    for token in garbled {
        comma(&mut out);
        let _ = write!(out, "{}:\"{}\"", Value::from(token.as_str()), result_word(TokenResult::Unknown));
    }
    out.extend_from_slice(b"},\"runs\":[");
    for (nth, one) in reply.runs.iter().enumerate() {
        out.extend_from_slice(if nth == 0 { b"" } else { b"," });
        claim(&mut out, one);
    }
    out.extend_from_slice(b"],\"cancel\":[");
    for (nth, token) in reply.cancel.iter().enumerate() {
        let _ = write!(out, "{}\"{token}\"", if nth == 0 { "" } else { "," });
    }
    let _ = write!(out, "],\"directive\":\"{}\"}}", directive_word(reply.directive));
    out
}

fn claim(out: &mut Vec<u8>, claim: &Claim) {
    let Claim { run_id, task_id, token, attempt, traceparent, .. } = claim;
    let _ = write!(out, "{{\"id\":\"{run_id}\",\"task_id\":\"{task_id}\",\"kind\":");
    let _ = serde_json::to_writer(&mut *out, &claim.kind);
    let _ = write!(out, ",\"attempt_token\":\"{token}\",\"attempt\":{attempt},\"args\":");
    out.extend_from_slice(claim.args.as_str().as_bytes());
    let (lease, deadline) = (claim.lease.as_millis(), claim.deadline.as_millis());
    let _ = write!(out, ",\"lease_ms\":{lease},\"deadline_ms\":{deadline},\"traceparent\":\"{traceparent}\"");
    let checkpoint = claim.checkpoint.as_ref().map_or("null", Json::as_str);
    let _ = write!(out, ",\"checkpoint\":{checkpoint}}}");
}

/// What a worker is told to do.
pub(super) fn directive_word(directive: Directive) -> &'static str {
    match directive {
        Directive::None => "none",
        Directive::Quiet => "quiet",
        Directive::Terminate => "terminate",
    }
}

/// As much of a line as is kept.
fn shortened(mut line: String) -> String {
    if line.len() > LINE_BYTES_MAX {
        let cut = (0..=LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(cut);
    }
    line
}

fn result_word(result: TokenResult) -> &'static str {
    match result {
        TokenResult::Accepted => "accepted",
        TokenResult::Stale => "stale",
        TokenResult::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests;
