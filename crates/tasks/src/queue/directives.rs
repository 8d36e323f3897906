//! What operators tell workers, and workers that are gone.

use super::*;
use crate::{Directive, NewTask, RecordKind, WorkReply, WorkRequest, WorkerCard};
use serde_json::json;

const START: Timestamp = Timestamp::from_millis(1_795_305_600_000);

fn work(queue: &mut Queue, nonce: &str, want: u32, out: &mut Vec<Change>) -> WorkReply {
    let worker = WorkerCard {
        id: "w".to_owned(),
        boot_nonce: nonce.to_owned(),
        labels: Default::default(),
        kinds: vec!["*".to_owned()],
        slots_free: want,
        draining: false,
    };
    let (complete, extend) = (Vec::new(), Vec::new());
    queue.work(&WorkRequest { worker, complete, extend, want, wait: Duration::ZERO }, START, out).0
}

fn with_tasks(count: usize) -> (Queue, Vec<Change>) {
    let mut queue = Queue::new(Settings::default(), Loaded::default(), START);
    let mut out = Vec::new();
    for _ in 0..count {
        let spec = model::TaskSpec::new("noop", json!({}));
        queue.submit(NewTask::Plain(spec, Duration::ZERO), "me", START, &mut out).unwrap();
    }
    (queue, out)
}

#[test]
fn a_quiet_worker_gets_nothing_until_it_is_resumed_or_starts_anew() {
    let (mut queue, mut out) = with_tasks(5);
    assert!(!queue.direct("w", Directive::Quiet, &mut out), "nobody knows it yet");
    assert_eq!(work(&mut queue, "1", 1, &mut out).runs.len(), 1);
    assert!(queue.direct("w", Directive::Quiet, &mut out) && queue.has_directive_for("w"));
    let row = |out: &[Change]| match out.last() {
        Some(Change::Record { kind: RecordKind::Directive, row, .. }) => row.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(row(&out), Some(json!({"directive": "quiet"})));
    let reply = work(&mut queue, "1", 1, &mut out);
    assert_eq!((reply.runs.len(), reply.directive), (0, Directive::Quiet));
    assert!(!queue.has_directive_for("w"), "it was told");
    assert!(queue.direct("w", Directive::None, &mut out));
    assert_eq!(row(&out), None);
    assert_eq!(work(&mut queue, "1", 1, &mut out).runs.len(), 1);
    queue.direct("w", Directive::Terminate, &mut out);
    assert_eq!(work(&mut queue, "1", 1, &mut out).directive, Directive::Terminate);
    let reply = work(&mut queue, "2", 1, &mut out);
    assert_eq!((reply.runs.len(), reply.directive), (1, Directive::None), "another start, another worker");
}

#[test]
fn a_worker_that_is_gone_gives_back_what_it_held() {
    let (mut queue, mut out) = with_tasks(2);
    let held = work(&mut queue, "1", 2, &mut out).runs;
    assert_eq!(queue.attempt_of("w", &held[0].token).map(|(_, attempt)| attempt), Some(1));
    assert_eq!(queue.attempt_of("v", &held[0].token), None);
    assert_eq!(queue.worker_gone("w", "0", START, &mut out), [], "an earlier start says nothing of this one");
    let events = queue.worker_gone("w", "1", START, &mut out);
    assert!(matches!(events.last(), Some(Event::Available { runs: 2 })), "{events:?}");
    assert_eq!(queue.attempt_of("w", &held[0].token), None);
    assert_eq!(work(&mut queue, "1", 2, &mut out).runs.len(), 2);
}
