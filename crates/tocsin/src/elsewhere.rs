//! `tocsin worker`: a worker on another machine. It does what may come over the API, and the tools of its own file;
//! the server sends names and checked arguments, never what is behind a name.

use crate::client::{Client, LocalKey};
use crate::{cli, config, log};
use anyhow::{Context, Result, anyhow, bail};
use model::Json;
use reach::{OwnListeners, Policy, http};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};
use tasks::{
    AttemptToken, Claim, Completion, Directive, Extension, Outcome, TokenResult, WorkReply, WorkRequest,
};
use tokio::signal::unix::{SignalKind, signal};
use worker::{BoxFuture, Desk, DeskError};

/// How long work may take to finish after SIGTERM.
const DRAIN: Duration = Duration::from_secs(30);
/// An answer may wait for work for half a minute.
const ANSWER: Duration = Duration::from_secs(50);

/// Works until SIGTERM or SIGINT.
pub fn run(args: &cli::Worker) -> Result<ExitCode> {
    let tools = match &args.actions {
        None => worker::Tools::default(),
        Some(file) => {
            let sources =
                config::Sources { config: Some(file.clone()), prometheus: None, alertmanager: None };
            config::load(&sources).map_err(|report| anyhow!("{}", report.errors()))?.tools
        }
    };
    let _flushed_last = log::install(&log::Settings::default()).context("cannot open the log")?;
    let client = http::Client::new(Policy::OPERATOR, Arc::new(OwnListeners::default()));
    let parts = worker::Parts { operator: client.clone(), public: client, evaluate: None };
    let actions = Arc::new(worker::Actions::elsewhere(&parts, &tools));
    let random = format!("{:016x}", rand::random::<u64>());
    let settings = worker::Settings {
        id: args.id.clone().unwrap_or_else(|| format!("worker-{random}")),
        boot_nonce: random,
        labels: labels(&args.labels)?,
        slots: args.slots,
        drain: DRAIN,
    };
    let desk = Far(Arc::new(Client::new(&args.remote, LocalKey::Operator).with_timeout(ANSWER)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        };
        worker::Pool::new(settings, actions).run(Arc::new(desk), shutdown).await;
        Ok(ExitCode::SUCCESS)
    })
}

fn labels(given: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => bail!("{text:?} is not NAME=VALUE"),
    };
    given.iter().map(pair).collect()
}

/// A server over HTTP.
struct Far(Arc<Client>);

impl Desk for Far {
    fn work(&self, request: WorkRequest) -> BoxFuture<Result<WorkReply, DeskError>> {
        let client = self.0.clone();
        Box::pin(async move {
            let fail = |why: anyhow::Error| DeskError(format!("{why:#}"));
            let reply = client.post("/v1/work", &asked(&request)).await.map_err(fail)?;
            let body = reply.done().map_err(fail)?;
            read(&body).ok_or_else(|| DeskError("its answer is not one of the worker protocol".to_owned()))
        })
    }
}

fn asked(request: &WorkRequest) -> Value {
    let worker = &request.worker;
    json!({
        "worker": {
            "id": worker.id, "boot_nonce": worker.boot_nonce, "labels": worker.labels, "kinds": worker.kinds,
            "slots_free": worker.slots_free, "draining": worker.draining,
        },
        "complete": request.complete.iter().map(completion).collect::<Vec<_>>(),
        "extend": request.extend.iter().map(extension).collect::<Vec<_>>(),
        "want": request.want,
        "wait_ms": millis(request.wait),
    })
}

fn completion(completion: &Completion) -> Value {
    let mut body = Map::from_iter([("attempt_token".to_owned(), completion.token.to_string().into())]);
    let mut put = |key: &str, value: Value| drop(body.insert(key.to_owned(), value));
    let (outcome, error, after) = match &completion.outcome {
        Outcome::Done(result) => {
            put("result", json!(result));
            ("done", None, None)
        }
        Outcome::Retry { error, after } => ("retry", Some(error), *after),
        Outcome::Snooze(wait) => ("snooze", None, Some(*wait)),
        Outcome::Failed(error) => ("failed", Some(error), None),
    };
    put("outcome", outcome.into());
    if let Some(error) = error {
        put("error", json!({"type": error.kind, "message": error.message}));
    }
    if let Some(after) = after {
        put("retry_after_ms", millis(after).into());
    }
    Value::Object(body)
}

fn extension(extension: &Extension) -> Value {
    let token = extension.token.to_string();
    json!({"attempt_token": token, "progress": extension.progress, "checkpoint": extension.checkpoint})
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn read(body: &Value) -> Option<WorkReply> {
    let token = |value: &Value| AttemptToken::parse(value.as_str()?);
    let result = |(text, word): (&String, &Value)| {
        let result = match word.as_str()? {
            "accepted" => TokenResult::Accepted,
            "stale" => TokenResult::Stale,
            "unknown" => TokenResult::Unknown,
            _ => return None,
        };
        Some((AttemptToken::parse(text)?, result))
    };
    Some(WorkReply {
        results: body["results"].as_object()?.iter().map(result).collect::<Option<_>>()?,
        runs: body["runs"].as_array()?.iter().map(claim).collect::<Option<_>>()?,
        cancel: body["cancel"].as_array()?.iter().map(token).collect::<Option<_>>()?,
        directive: match body["directive"].as_str()? {
            "quiet" => Directive::Quiet,
            "terminate" => Directive::Terminate,
            _ => Directive::None,
        },
    })
}

fn claim(run: &Value) -> Option<Claim> {
    let text = |key: &str| run[key].as_str().map(str::to_owned);
    let time = |key: &str| run[key].as_u64().map(Duration::from_millis);
    Some(Claim {
        run_id: text("id")?,
        task_id: text("task_id")?,
        kind: text("kind")?,
        token: AttemptToken::parse(run["attempt_token"].as_str()?)?,
        attempt: u32::try_from(run["attempt"].as_u64()?).ok()?,
        args: Json::from(run["args"].clone()),
        lease: time("lease_ms")?,
        deadline: time("deadline_ms")?,
        traceparent: text("traceparent")?,
        checkpoint: Some(&run["checkpoint"]).filter(|value| !value.is_null()).cloned().map(Json::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_pairs() {
        let read = |text: &str| labels(&[text.to_owned()]).ok();
        assert_eq!(read("zone=a=b"), Some(BTreeMap::from([("zone".to_owned(), "a=b".to_owned())])));
        assert_eq!((read("zone"), read("=a")), (None, None));
    }
}
