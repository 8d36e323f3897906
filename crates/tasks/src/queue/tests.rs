//! Cases of the queue, told as what goes in and what comes out.

mod attempts;
mod order;
mod pages;
mod pipelines;
mod stops;
mod taking;
mod workers;

use super::*;
use crate::{
    Claim, Completion, Directive, Extension, Finished, NewScheduled, NewTask, NewTyped, Outcome, Refusal,
    RunError, RunState, Skip, TokenResult, Urgency, WorkReply, WorkRequest, WorkerCard,
};
use model::{Class, TaskSpec};
use serde_json::{Value, json};

/// A queue with a clock and everything it said.
struct Bench {
    queue: Queue,
    now: Timestamp,
    out: Vec<Change>,
    events: Vec<Event>,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Settings::default())
    }

    fn with(settings: Settings) -> Bench {
        let now = Timestamp::parse_rfc3339("2026-11-22T00:00:00Z").unwrap();
        let queue = Queue::new(settings, Loaded::default(), now);
        Bench { queue, now, out: Vec::new(), events: Vec::new() }
    }

    fn after(&mut self, ms: u64) -> &mut Bench {
        self.now = self.now.plus(Duration::from_millis(ms));
        let events = self.queue.tick(self.now, &mut self.out);
        self.events.extend(events);
        self
    }

    fn submit(&mut self, new: NewTask) -> Result<crate::Submitted, Refusal> {
        self.queue.submit(new, "ann", self.now, &mut self.out)
    }

    fn plain(&mut self, spec: TaskSpec) -> TaskId {
        self.submit(NewTask::Plain(spec, Duration::ZERO)).expect("a task").task_id
    }

    fn work(&mut self, request: WorkRequest) -> WorkReply {
        let (reply, events) = self.queue.work(&request, self.now, &mut self.out);
        self.events.extend(events);
        reply
    }

    fn claim(&mut self, worker: &str) -> Option<Claim> {
        self.work(ask(worker, 1)).runs.pop()
    }

    fn end(&mut self, worker: &str, claim: &Claim, outcome: Outcome) -> TokenResult {
        self.work(complete(worker, claim, outcome)).results[0].1
    }

    fn finished(&mut self) -> Vec<Finished> {
        let done = |event| match event {
            Event::Finished(finished) => Some(*finished),
            _ => None,
        };
        std::mem::take(&mut self.events).into_iter().filter_map(done).collect()
    }
}

fn ask(worker: &str, want: u32) -> WorkRequest {
    WorkRequest {
        worker: WorkerCard {
            id: worker.to_owned(),
            boot_nonce: "1".to_owned(),
            labels: Default::default(),
            kinds: vec!["*".to_owned()],
            slots_free: 10,
            draining: false,
        },
        complete: Vec::new(),
        extend: Vec::new(),
        want,
        wait: Duration::ZERO,
    }
}

fn complete(worker: &str, claim: &Claim, outcome: Outcome) -> WorkRequest {
    WorkRequest { complete: vec![Completion { token: claim.token, outcome }], ..ask(worker, 0) }
}

fn noop() -> TaskSpec {
    TaskSpec { timeout: Duration::from_secs(300), ..TaskSpec::new("noop", json!({"a": 1})) }
}

fn error() -> RunError {
    RunError { kind: "timeout".to_owned(), message: "too slow".to_owned() }
}

fn retry() -> Outcome {
    Outcome::Retry { error: error(), after: None }
}

fn pipeline(kind: &str, expr: &str, steps: Value) -> NewTask {
    NewTask::Scheduled(NewScheduled {
        title: "t".to_owned(),
        description: "d".to_owned(),
        schedule_kind: kind.to_owned(),
        schedule_expr: Some(expr.to_owned()),
        payload: json!({"params": {"n": 3, "skip": false}, "pipeline": steps}),
        ..NewScheduled::default()
    })
}
