//! Workers and tools for tests: one tool, one worker, nothing pushed.

use crate::{Failure, KnownWorker, LogLine, NewLogLine, PushWorker, ToolView, Workers};
use futures_util::future::{BoxFuture, ready};
use model::Timestamp;
use serde_json::json;
use tasks::Directive;

pub struct NoWorkers;

fn worker(directive: Directive) -> KnownWorker {
    KnownWorker {
        id: "w1".to_owned(),
        labels: Default::default(),
        kinds: vec!["noop".to_owned()],
        created_at: Timestamp::default(),
        last_seen: Timestamp::default(),
        alive: true,
        running: 0,
        slots_free: 1,
        processed: 7,
        directive,
    }
}

impl Workers for NoWorkers {
    fn tools(&self) -> Vec<ToolView> {
        vec![ToolView {
            address: "noop".to_owned(),
            transport: "builtin",
            endpoint: "noop".to_owned(),
            input_schema: json!({"type": "object"}),
            output_schema: None,
            timeout: None,
            scopes: Vec::new(),
            cost_tier: "free".to_owned(),
            description: "Nothing".to_owned(),
            examples: Vec::new(),
            circuit: "closed",
        }]
    }

    fn workers(&self) -> BoxFuture<'_, Result<Vec<KnownWorker>, Failure>> {
        Box::pin(ready(Ok(vec![worker(Directive::None)])))
    }

    fn direct(&self, id: String, to: Directive, _: String) -> BoxFuture<'_, Result<KnownWorker, Failure>> {
        let known = id == "w1";
        let missing = || Failure::NotFound(format!("Worker {id} not found"));
        Box::pin(ready(known.then(|| worker(to)).ok_or_else(missing)))
    }

    fn gone(&self, _: String, _: String) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }

    fn log(&self, _: String, _: Vec<NewLogLine>) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(ready(Ok(())))
    }

    fn log_of(&self, _: &str) -> (Vec<LogLine>, u64) {
        (Vec::new(), 0)
    }

    fn put_push(&self, _: PushWorker, _: String) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(ready(Ok(())))
    }

    fn pushes(&self) -> Vec<PushWorker> {
        Vec::new()
    }

    fn drop_push(&self, _: String, _: String) -> BoxFuture<'_, Result<bool, Failure>> {
        Box::pin(ready(Ok(false)))
    }
}
