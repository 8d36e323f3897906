//! Cases of the queue, told as what goes in and what comes out.

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
    TaskSpec::new("noop", json!({"a": 1}))
}

fn error() -> RunError {
    RunError { kind: "timeout".to_owned(), message: "too slow".to_owned() }
}

fn retry() -> Outcome {
    Outcome::Retry { error: error(), after: None }
}

#[test]
fn a_task_from_submit_to_done() {
    let mut bench = Bench::new();
    let id = bench.plain(noop());
    let claim = bench.claim("w").unwrap();
    assert_eq!((claim.task_id.as_str(), claim.kind.as_str(), claim.attempt), (&*id.to_string(), "noop", 1));
    assert_eq!((claim.args.clone(), claim.lease), (json!({"a": 1}).into(), Duration::from_secs(60)));
    assert_eq!(bench.claim("v"), None, "it is taken");
    assert_eq!(bench.end("w", &claim, Outcome::Done(json!(7))), TokenResult::Accepted);
    assert_eq!(bench.end("w", &claim, Outcome::Done(json!(7))), TokenResult::Accepted, "sent twice");
    assert_eq!(bench.end("w", &claim, Outcome::Done(json!(8))), TokenResult::Stale, "another body");
    let finished = bench.finished();
    assert_eq!(finished.len(), 1);
    assert_eq!((finished[0].state, finished[0].output.clone()), (RunState::Completed, Some(json!(7).into())));
}

#[test]
fn another_worker_cannot_complete() {
    let mut bench = Bench::new();
    bench.plain(noop());
    let claim = bench.claim("w").unwrap();
    assert_eq!(bench.end("v", &claim, Outcome::Done(json!(1))), TokenResult::Stale);
    assert_eq!(bench.end("w", &claim, Outcome::Done(json!(1))), TokenResult::Accepted);
}

#[test]
fn tries_are_bounded_and_wait_in_between() {
    let mut bench = Bench::new();
    bench.plain(TaskSpec { max_retries: 2, backoff: model::Backoff::Fixed, ..noop() });
    for attempt in 1..=3 {
        let claim = bench.claim("w").unwrap();
        assert_eq!(claim.attempt, attempt);
        bench.end("w", &claim, retry());
        assert_eq!(bench.claim("w"), None, "not before its time");
        bench.after(1_000);
    }
    let finished = bench.finished();
    assert_eq!((finished[0].state, finished[0].error.clone()), (RunState::Dead, Some(error())));
    assert_eq!(bench.queue.next_wake(), None);
}

#[test]
fn a_final_failure_and_a_snooze() {
    let mut bench = Bench::new();
    bench.plain(TaskSpec { max_retries: 0, ..noop() });
    let claim = bench.claim("w").unwrap();
    bench.end("w", &claim, Outcome::Snooze(Duration::from_secs(5)));
    assert_eq!(bench.claim("w"), None);
    let claim = bench.after(5_000).claim("w").unwrap();
    assert_eq!(claim.attempt, 2);
    bench.end("w", &claim, Outcome::Failed(error()));
    assert_eq!(bench.finished()[0].state, RunState::Dead);
}

#[test]
fn a_silent_worker_loses_its_run_and_a_heartbeat_keeps_it() {
    let mut bench = Bench::new();
    bench.plain(TaskSpec { timeout: Duration::from_secs(300), ..noop() });
    let lost = bench.claim("w").unwrap();
    bench.after(59_000);
    let beat = Extension { token: lost.token, progress: Some(0.5), checkpoint: Some(json!({"at": 5})) };
    let beat = WorkRequest { extend: vec![beat], ..ask("w", 0) };
    assert_eq!(bench.work(beat.clone()).results[0].1, TokenResult::Accepted);
    bench.after(59_000);
    assert_eq!(bench.claim("v"), None);
    bench.after(1_000);
    let claim = bench.claim("v").unwrap();
    assert_eq!((claim.attempt, claim.checkpoint.clone()), (2, Some(json!({"at": 5}).into())));
    assert_eq!(bench.work(beat).results[0].1, TokenResult::Stale);
    assert_eq!(bench.end("w", &lost, Outcome::Done(json!(1))), TokenResult::Stale);
    assert_eq!(bench.end("v", &claim, Outcome::Done(json!(2))), TokenResult::Accepted);
    assert_eq!(bench.finished().len(), 1);
}

#[test]
fn no_heartbeat_keeps_an_attempt_beyond_its_time() {
    let mut bench = Bench::new();
    bench.plain(TaskSpec { timeout: Duration::from_secs(30), ..noop() });
    let claim = bench.claim("w").unwrap();
    let beat = Extension { token: claim.token, progress: None, checkpoint: None };
    for _ in 0..4 {
        bench.work(WorkRequest { extend: vec![beat.clone()], ..ask("w", 0) });
        bench.after(25_000);
    }
    assert!(bench.claim("v").is_some());
}

#[test]
fn a_worker_that_starts_anew_frees_what_it_held() {
    let mut bench = Bench::new();
    bench.plain(noop());
    let lost = bench.claim("w").unwrap();
    let mut anew = ask("w", 1);
    anew.worker.boot_nonce = "2".to_owned();
    let claim = bench.work(anew).runs.pop().unwrap();
    assert_eq!((claim.run_id, claim.attempt), (lost.run_id, 2));
    assert!(bench.events.iter().any(|event| matches!(event, Event::Rescued { .. })));
}

/// A request of another start of `w`.
fn start(nonce: u32, request: WorkRequest) -> WorkRequest {
    WorkRequest { worker: WorkerCard { boot_nonce: nonce.to_string(), ..request.worker }, ..request }
}

#[test]
fn a_late_message_of_a_dead_incarnation_changes_nothing() {
    use TokenResult::{Accepted, Stale};
    let mut bench = Bench::new();
    bench.plain(noop());
    bench.plain(noop());
    let lost = bench.claim("w").unwrap();
    let ended = bench.claim("w").unwrap();
    assert_eq!(bench.end("w", &ended, Outcome::Done(json!(1))), Accepted);
    let held = bench.work(start(2, ask("w", 1))).runs.pop().unwrap();
    assert_eq!(held.run_id, lost.run_id);
    bench.plain(noop());
    let written = bench.out.len();

    // All that the first start may still say, and what it cannot know.
    let says =
        |claim: &Claim, result| Completion { token: claim.token, outcome: Outcome::Done(json!(result)) };
    let beat =
        |claim: &Claim| Extension { token: claim.token, progress: Some(0.9), checkpoint: Some(json!(9)) };
    let late = WorkRequest {
        complete: vec![says(&lost, 1), says(&held, 1), says(&ended, 1), says(&ended, 2)],
        extend: vec![beat(&lost), beat(&held)],
        ..ask("w", 5)
    };
    for _ in 0..2 {
        let reply = bench.work(late.clone());
        let results: Vec<_> = reply.results.iter().map(|(_, result)| *result).collect();
        assert_eq!(results, [Stale, Stale, Accepted, Stale, Stale, Stale]);
        assert_eq!((reply.runs.len(), reply.directive), (0, Directive::Terminate));
        assert!(!bench.queue.has_work_for(&late.worker));
    }
    assert_eq!(bench.out[written..], [], "nothing changed");
    assert_eq!(bench.queue.worker_gone("w", "1", bench.now, &mut bench.out), []);

    let next = bench.work(start(2, ask("w", 1)));
    assert_eq!((next.runs.len(), next.directive), (1, Directive::None), "the living one goes on");
    let done = start(2, complete("w", &held, Outcome::Done(json!(3))));
    assert_eq!(bench.work(done).results[0].1, Accepted);
}

#[test]
fn a_few_former_starts_are_known_also_after_a_restart() {
    let mut bench = Bench::new();
    for nonce in 1..=10 {
        assert_eq!(bench.work(start(nonce, ask("w", 0))).directive, Directive::None, "{nonce}");
    }
    let mut rows = bench.out.iter().filter_map(|change| match change {
        Change::WorkerSeen(row) => Some(row.clone()),
        _ => None,
    });
    let workers: Vec<_> = rows.next_back().into_iter().collect();
    let loaded = Loaded { workers, ..Loaded::default() };
    bench.queue = Queue::new(Settings::default(), loaded, bench.now);
    for nonce in 2..=9 {
        assert_eq!(bench.work(start(nonce, ask("w", 0))).directive, Directive::Terminate, "{nonce}");
    }
    let reply = bench.work(start(1, ask("w", 0)));
    assert_eq!(reply.directive, Directive::None, "so far back it is taken for a new start");
    assert_eq!(bench.work(start(10, ask("w", 0))).directive, Directive::Terminate);
}

#[test]
fn a_run_that_kills_its_workers_is_given_up() {
    let mut bench = Bench::with(Settings { rescues_max: 2, ..Settings::default() });
    bench.plain(noop());
    for _ in 0..3 {
        assert!(bench.claim("w").is_some());
        bench.after(60_000);
    }
    assert_eq!(bench.claim("w"), None);
    let finished = bench.finished();
    assert_eq!(
        (finished[0].state, finished[0].error.as_ref().unwrap().kind.as_str()),
        (RunState::Dead, "worker_lost")
    );
}

#[test]
fn order_is_class_then_priority_then_time() {
    let mut bench = Bench::new();
    let low = bench.plain(TaskSpec { priority: 9, ..noop() });
    let first = bench.plain(noop());
    let second = bench.plain(TaskSpec { kind: "http".to_owned(), ..noop() });
    let high = bench.plain(TaskSpec { priority: 1, ..noop() });
    let later =
        bench.plain(TaskSpec { run_at: Some(bench.now.plus(Duration::from_secs(1))), priority: 1, ..noop() });
    let order: Vec<_> = bench.work(ask("w", 10)).runs.into_iter().map(|claim| claim.task_id).collect();
    assert_eq!(order, [high, first, second, low].map(|id| id.to_string()));
    assert_eq!(bench.after(1_000).claim("w").unwrap().task_id, later.to_string());
}

#[test]
fn nobody_waits_for_ever_behind_those_who_come_first() {
    let mut bench = Bench::new();
    let low = bench.plain(TaskSpec { priority: 9, ..noop() });
    for minute in 0.. {
        let high = bench.plain(TaskSpec { priority: 1, ..noop() });
        let taken = bench.claim("w").unwrap();
        bench.end("w", &taken, Outcome::Done(json!(null)));
        if taken.task_id == low.to_string() {
            // Eight priorities lower is eight minutes older; of the same age, the one that comes first is first.
            assert_eq!(minute, 9, "{high} waits");
            break;
        }
        assert!(minute < 10, "it waits for ever");
        bench.after(60_000);
    }
    let strict = Settings { ageing: None, ..Settings::default() };
    let mut bench = Bench::with(strict);
    bench.plain(TaskSpec { priority: 2, ..noop() });
    bench.after(86_400_000 * 365);
    let high = bench.plain(TaskSpec { priority: 1, ..noop() });
    assert_eq!(bench.claim("w").unwrap().task_id, high.to_string());
}

#[test]
fn kinds_and_agents_find_their_workers() {
    let mut bench = Bench::new();
    bench.plain(noop());
    let typed = NewTyped {
        type_: "deployment".to_owned(),
        payload: json!({"environment": "staging"}).into(),
        urgency: Urgency::P2,
        source: "user".to_owned(),
        sla: None,
        metadata: json!({}),
    };
    let task = bench.submit(NewTask::Typed(typed.clone())).unwrap().task.unwrap();
    assert_eq!((&*task.kind, task.agent.as_deref()), ("deploy", Some("ops_agent")));
    let mut http_only = ask("h", 10);
    http_only.worker.kinds = vec!["http".to_owned()];
    assert_eq!(bench.work(http_only).runs.len(), 0);
    assert_eq!(bench.work(ask(BUILTIN_WORKER, 10)).runs[0].kind, "noop");
    let mut agent = ask("a", 10);
    agent.worker.labels.insert("agent".to_owned(), "ops_agent".to_owned());
    agent.worker.kinds.clear();
    let runs = bench.work(agent).runs;
    assert_eq!(runs.iter().map(|claim| claim.kind.as_str()).collect::<Vec<_>>(), ["deploy"]);

    let mut wrong = |field: &str, typed| match bench.submit(NewTask::Typed(typed)) {
        Err(Refusal::Invalid { field: got, .. }) => assert_eq!(got, field),
        other => panic!("{other:?}"),
    };
    wrong("type", NewTyped { type_: "cook".to_owned(), ..typed.clone() });
    wrong("source", NewTyped { source: "moon".to_owned(), ..typed });
}

#[test]
fn one_run_of_a_concurrency_key_at_a_time() {
    let mut bench = Bench::new();
    let keyed = |n| TaskSpec { concurrency_key: Some("k".to_owned()), args: json!(n).into(), ..noop() };
    for n in 0..3 {
        bench.plain(keyed(n));
    }
    let free = bench.plain(noop());
    let runs = bench.work(ask("w", 10)).runs;
    assert_eq!(runs.iter().map(|claim| claim.args.clone()).collect::<Vec<_>>(), [json!(0), json!({"a": 1})]);
    assert_eq!(runs[1].task_id, free.to_string());
    assert_eq!(bench.claim("v"), None);
    bench.end("w", &runs[0], Outcome::Done(json!(1)));
    assert!(bench.events.contains(&Event::Available { runs: 1 }), "the next of the key is announced");
    let next = bench.claim("v").unwrap();
    assert_eq!(next.args, json!(1));
    bench.end("v", &next, retry());
    assert_eq!(bench.claim("v").unwrap().args, json!(2), "waiting for a retry does not hold the key");
}

#[test]
fn a_dedupe_key_is_accepted_once() {
    let mut bench = Bench::new();
    let spec = TaskSpec { dedupe_key: Some("k".to_owned()), ..noop() };
    let submit = |bench: &mut Bench, by: &str, window: u64| {
        let new = NewTask::Plain(spec.clone(), Duration::from_secs(window));
        bench.queue.submit(new, by, bench.now, &mut bench.out).unwrap()
    };
    let first = submit(&mut bench, "ann", 0);
    let again = submit(&mut bench, "ann", 0);
    assert_eq!((again.task_id, again.duplicate), (first.task_id, true));
    assert!(!submit(&mut bench, "bob", 100).duplicate, "another creator, another key");
    for _ in 0..2 {
        let claim = bench.claim("w").unwrap();
        bench.end("w", &claim, Outcome::Done(json!(1)));
    }
    assert!(!submit(&mut bench, "ann", 0).duplicate, "it has ended");
    assert!(submit(&mut bench, "bob", 0).duplicate, "the window goes on");
    bench.after(100_000);
    assert!(!submit(&mut bench, "bob", 0).duplicate, "the window is over");
}

#[test]
fn kept_dedupe_keys_are_bounded() {
    let mut bench = Bench::with(Settings { dedupe_max: 2, ..Settings::default() });
    let submit = |bench: &mut Bench, key: &str| {
        let spec = TaskSpec { dedupe_key: Some(key.to_owned()), ..noop() };
        let submitted = bench.submit(NewTask::Plain(spec, Duration::from_secs(100))).unwrap();
        bench.after(1);
        submitted.duplicate
    };
    assert!(!submit(&mut bench, "ended"));
    let claim = bench.claim("w").unwrap();
    bench.end("w", &claim, Outcome::Done(json!(1)));
    for key in ["live", "c", "d"] {
        assert!(!submit(&mut bench, key), "{key}");
    }
    assert_eq!((bench.queue.dedupe_ends.len(), bench.queue.dedupe.len()), (2, 3), "ended is let go");
    assert!(submit(&mut bench, "live"), "a live task's key holds in any case");
    let claim = bench.claim("w").unwrap();
    bench.end("w", &claim, Outcome::Done(json!(1)));
    assert_eq!(bench.queue.dedupe.len(), 2, "its window was let go");
    assert!(!submit(&mut bench, "live"));
}

#[test]
fn a_result_is_known_again_only_from_the_worker_that_brought_it() {
    let mut bench = Bench::new();
    bench.plain(noop());
    let claim = bench.claim("w").unwrap();
    let done = || Outcome::Done(json!(1));
    assert_eq!(bench.end("w", &claim, done()), TokenResult::Accepted);
    assert_eq!(bench.end("w", &claim, done()), TokenResult::Accepted);
    assert_eq!(bench.end("v", &claim, done()), TokenResult::Stale);
}

#[test]
fn a_worker_for_all_kinds_makes_every_kind_known() {
    let mut bench = Bench::with(Settings { kinds: Some(["noop".to_owned()].into()), ..Settings::default() });
    let resize = || NewTask::Plain(TaskSpec::new("resize", json!({})), Duration::ZERO);
    assert!(matches!(bench.submit(resize()), Err(Refusal::UnknownKind { .. })));
    bench.work(ask("w", 0));
    bench.submit(resize()).expect("w does all kinds");
}

#[test]
fn refuses_with_the_field() {
    let mut bench = Bench::with(Settings {
        kinds: Some(["noop".to_owned()].into()),
        args_bytes_max: 100,
        queue_max: 1,
        ..Settings::default()
    });
    let long = "x".repeat(101);
    for (spec, field) in [
        (TaskSpec { priority: 0, ..noop() }, "priority"),
        (TaskSpec { max_retries: 11, ..noop() }, "max_retries"),
        (TaskSpec { timeout: Duration::ZERO, ..noop() }, "timeout_seconds"),
        (TaskSpec { args: json!(long).into(), ..noop() }, "args"),
        (TaskSpec { dedupe_key: Some(long.clone()), ..noop() }, "dedupe_key"),
        (TaskSpec { concurrency_key: Some(String::new()), ..noop() }, "concurrency_key"),
        (TaskSpec { kind: String::new(), ..noop() }, "kind"),
        (TaskSpec { kind: "page".to_owned(), ..noop() }, "kind"),
    ] {
        match bench.submit(NewTask::Plain(spec, Duration::ZERO)) {
            Err(
                Refusal::Invalid { field: got, .. }
                | Refusal::UnknownKind { field: got, .. }
                | Refusal::TooLarge { field: got, .. },
            ) => {
                assert_eq!(got, field);
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(bench.out.is_empty(), "a refusal changes nothing");
    let mut elsewhere = ask("w", 0);
    elsewhere.worker.kinds = vec!["cook".to_owned()];
    bench.work(elsewhere);
    bench.plain(TaskSpec { kind: "cook".to_owned(), ..noop() });
    assert_eq!(bench.submit(NewTask::Plain(noop(), Duration::ZERO)), Err(Refusal::Full { max: 1 }));
}

#[test]
fn pages_have_slots_and_only_ours_takes_them() {
    let mut bench = Bench::with(Settings { page_slots: 4, ..Settings::default() });
    for _ in 0..20 {
        bench.plain(noop());
    }
    let mut pages_only = ask(BUILTIN_WORKER, 10);
    pages_only.worker.slots_free = 4;
    bench.work(pages_only);
    assert!(!bench.queue.workers(bench.now)[0].for_users, "it has slots for pages only");
    assert_eq!(bench.work(ask(BUILTIN_WORKER, 10)).runs.len(), 6, "four slots stay free for pages");
    assert!(bench.queue.workers(bench.now)[0].for_users);
    let page = TaskSpec::new("page", json!({"key": "k"}));
    bench.queue.submit_page(page, Vec::new(), Duration::from_secs(5), bench.now, &mut bench.out);
    assert!(bench.work(ask("w", 10)).runs.iter().all(|claim| claim.kind == "noop"));
    let mut full = ask(BUILTIN_WORKER, 10);
    full.worker.slots_free = 4;
    assert!(bench.queue.has_work_for(&full.worker));
    let runs = bench.work(full.clone()).runs;
    assert_eq!(runs.iter().map(|claim| claim.kind.as_str()).collect::<Vec<_>>(), ["page"]);
    full.worker.slots_free = 3;
    assert!(!bench.queue.has_work_for(&full.worker), "three left, one page under way: none for users");
}

fn steps(names: &[&str]) -> Vec<(String, TaskSpec)> {
    let spec = |name: &str| TaskSpec { max_retries: 0, ..TaskSpec::new(name, json!({})) };
    names.iter().map(|name| ((*name).to_owned(), spec(name))).collect()
}

#[test]
fn a_page_leaves_when_its_steps_have_ended() {
    let mut bench = Bench::new();
    let page = TaskSpec::new("page", json!({"key": "k"}));
    let id = bench.queue.submit_page(
        page,
        steps(&["redis", "file"]),
        Duration::from_secs(5),
        bench.now,
        &mut bench.out,
    );
    let runs = bench.work(ask(BUILTIN_WORKER, 10)).runs;
    assert_eq!(runs.iter().map(|claim| claim.kind.as_str()).collect::<Vec<_>>(), ["redis", "file"]);
    bench.now = bench.now.plus(Duration::from_millis(40));
    bench.end(BUILTIN_WORKER, &runs[1], Outcome::Done(json!("last lines")));
    assert!(!bench.events.iter().any(|event| matches!(event, Event::PageReady { .. })));
    let both = WorkRequest { want: 10, ..complete(BUILTIN_WORKER, &runs[0], Outcome::Failed(error())) };
    assert_eq!(bench.work(both).runs, vec![], "the page cannot be claimed before its arguments are amended");
    let Some(Event::PageReady { run_id, children }) =
        bench.events.iter().find(|event| matches!(event, Event::PageReady { .. })).cloned()
    else {
        panic!("no page: {:?}", bench.events)
    };
    assert_eq!(run_id, id);
    let found: Vec<_> =
        children.iter().map(|child| (child.step.as_str(), child.state, child.took_ms)).collect();
    assert_eq!(found, [("redis", RunState::Dead, 40), ("file", RunState::Completed, 40)]);
    assert!(bench.queue.amend_args(id, json!({"key": "k", "diagnosis": 2}), &mut bench.out));
    assert_eq!(bench.claim(BUILTIN_WORKER).unwrap().args, json!({"key": "k", "diagnosis": 2}));
}

#[test]
fn a_page_is_never_late() {
    let mut bench = Bench::new();
    let page = TaskSpec::new("page", json!({"key": "k"}));
    let id = bench.queue.submit_page(
        page,
        steps(&["redis", "file"]),
        Duration::from_secs(5),
        bench.now,
        &mut bench.out,
    );
    let runs = bench.work(ask(BUILTIN_WORKER, 10)).runs;
    bench.end(BUILTIN_WORKER, &runs[0], Outcome::Done(json!("pong")));
    assert_eq!(bench.queue.next_wake(), Some(bench.now.plus(Duration::from_secs(5))));
    bench.after(5_000);
    let states = bench.events.iter().find_map(|event| match event {
        Event::PageReady { children, .. } => {
            Some(children.iter().map(|child| child.state).collect::<Vec<_>>())
        }
        _ => None,
    });
    assert_eq!(states, Some(vec![RunState::Completed, RunState::Running]));
    let page = bench.claim(BUILTIN_WORKER).unwrap();
    assert!(!bench.queue.amend_args(id, json!({"late": 1}), &mut bench.out), "it is under way");
    bench.end(BUILTIN_WORKER, &runs[1], Outcome::Done(json!("lines")));
    let late = bench.events.iter().any(
        |event| matches!(event, Event::ChildLate { page, child } if *page == id && child.step == "file"),
    );
    assert!(late, "{:?}", bench.events);
    bench.end(BUILTIN_WORKER, &page, Outcome::Done(Value::Null));
    assert!(bench.queue.pages.is_empty() && bench.queue.runs.is_empty());
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

#[test]
fn a_pipeline_runs_its_steps_in_order() {
    let mut bench = Bench::new();
    let steps = json!([
        {"id": "zero", "uses": "noop", "if": "params.skip"},
        {"id": "one", "uses": "http", "with": {"n": "${params.n}"}, "save_as": "got"},
        {"id": "two", "uses": "noop", "if": "steps.got.code == 500"},
        {"id": "three", "uses": "wait", "with": {"text": "code ${steps.got.code} at ${now}"}, "max_retries": 0}]);
    let task = bench.submit(pipeline("once", "2026-11-22T00:01:00Z", steps)).unwrap();
    assert_eq!(bench.claim("w"), None);
    let one = bench.after(60_000).claim("w").unwrap();
    assert_eq!((one.kind.as_str(), one.args.clone()), ("http", json!({"n": 3}).into()));
    bench.end("w", &one, retry());
    let again = bench.after(1_000).claim("w").unwrap();
    assert_eq!((again.kind.as_str(), again.attempt), ("http", 2));
    bench.end("w", &again, Outcome::Done(json!({"code": 200})));
    let three = bench.claim("w").unwrap();
    assert_eq!((three.kind.as_str(), three.attempt), ("wait", 1));
    assert_eq!(three.args, json!({"text": "code 200 at 2026-11-22T00:01:00.000Z"}));
    bench.end("w", &three, Outcome::Done(json!("ok")));
    let finished = bench.finished().pop().unwrap();
    assert_eq!((finished.state, finished.task_id), (RunState::Completed, task.task_id));
    let output = finished.output.unwrap().value();
    assert_eq!(output["steps"], json!({"got": {"code": 200}}));
    assert_eq!(output["_execution_summary"]["executed_steps"], json!(2));
    assert_eq!(output["_execution_summary"]["skipped_steps"], json!(2));
    assert!(bench.queue.schedules.is_empty(), "a once that is done needs no memory");
}

#[test]
fn a_pipeline_that_fails_says_where() {
    let mut bench = Bench::new();
    let steps = json!([
        {"id": "one", "uses": "noop", "save_as": "one"},
        {"id": "two", "uses": "noop", "with": {"x": "${abs(steps.one)}"}},
        {"id": "three", "uses": "noop"}]);
    bench.submit(pipeline("once", "2026-11-22T00:00:00Z", steps)).unwrap();
    let one = bench.after(0).claim("w").unwrap();
    bench.end("w", &one, Outcome::Done(json!("text")));
    assert_eq!(bench.claim("w"), None, "abs of a text: the arguments cannot be filled in");
    let finished = bench.finished().pop().unwrap();
    assert_eq!((finished.state, finished.error.unwrap().kind.as_str()), (RunState::Dead, "template"));
    assert_eq!(finished.output.unwrap().value()["_execution_summary"]["failed_step_index"], json!(1));
}

#[test]
fn an_empty_pipeline_is_done_at_once() {
    let mut bench = Bench::new();
    bench.submit(pipeline("once", "2026-11-22T00:00:00Z", json!([]))).unwrap();
    bench.after(0);
    assert_eq!(bench.finished()[0].state, RunState::Completed);
}

#[test]
fn cron_fires_coalesces_and_does_not_overlap() {
    let mut bench = Bench::new();
    let steps = json!([{"id": "a", "uses": "noop"}]);
    let task = bench.submit(pipeline("cron", "*/10 * * * *", steps)).unwrap().task_id;
    assert_eq!(bench.queue.next_wake(), Some(bench.now.plus(Duration::from_secs(600))));
    bench.after(600_000);
    bench.after(600_000);
    let fired = |bench: &mut Bench| {
        let fired = |event| match event {
            Event::ScheduleFired { task_id, run_id, late, skipped, .. } => {
                Some((task_id == task, run_id.is_some(), late.as_secs(), skipped))
            }
            _ => None,
        };
        std::mem::take(&mut bench.events).into_iter().filter_map(fired).collect::<Vec<_>>()
    };
    assert_eq!(fired(&mut bench), [(true, true, 0, None), (true, false, 0, Some(Skip::Overlap))]);
    let claim = bench.claim("w").unwrap();
    bench.end("w", &claim, Outcome::Done(json!(1)));
    bench.events.clear();
    bench.after(3_600_000);
    assert_eq!(fired(&mut bench), [(true, true, 3000, None)], "five fires were missed, one run is made");
}

#[test]
fn schedules_are_refused_with_the_field() {
    let mut bench = Bench::new();
    let step = json!([{"id": "a", "uses": "noop"}]);
    for (kind, expr, field, part) in [
        ("cron", "61 * * * *", "schedule_expr", "must be from 0 to 59"),
        ("cron", "", "schedule_expr", "is missing"),
        ("cron", "0 0 30 2 *", "schedule_expr", "never fires"),
        ("once", "2020-01-01T00:00:00Z", "schedule_expr", "lies in the past"),
        ("once", "soon", "schedule_expr", "is no instant"),
        ("moon", "full", "schedule_kind", "known: once, cron, rrule, event, condition"),
        ("rrule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "schedule_expr", "never fires"),
    ] {
        match bench.submit(pipeline(kind, expr, step.clone())) {
            Err(Refusal::Invalid { field: got, what }) => {
                assert_eq!(got, field);
                assert!(what.contains(part), "{expr}: {what}");
            }
            other => panic!("{kind} {expr}: {other:?}"),
        }
    }
    let NewTask::Scheduled(new) = pipeline("cron", "0 8 * * *", step) else { unreachable!("a schedule") };
    let bad_zone = NewScheduled { timezone: Some("Mars/X".to_owned()), ..new };
    match bench.submit(NewTask::Scheduled(bad_zone)) {
        Err(Refusal::Invalid { field, .. }) => assert_eq!(field, "timezone"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn cancelling_stops_what_waits_runs_and_fires() {
    let mut bench = Bench::new();
    let waits = bench.plain(TaskSpec { kind: "later".to_owned(), ..noop() });
    let task =
        bench.submit(pipeline("cron", "* * * * *", json!([{"id": "a", "uses": "noop"}]))).unwrap().task_id;
    bench.after(60_000);
    let mut noops = ask("w", 1);
    noops.worker.kinds = vec!["noop".to_owned()];
    let claim = bench.work(noops).runs.pop().unwrap();
    let cancel = |bench: &mut Bench, id| {
        let (done, events) = bench.queue.cancel(id, "ann", bench.now, &mut bench.out)?;
        bench.events.extend(events);
        Ok(done)
    };
    assert_eq!(cancel(&mut bench, waits).map(|done| (done.waiting, done.running)), Ok((1, 0)));
    assert_eq!(cancel(&mut bench, task).map(|done| (done.waiting, done.running)), Ok((0, 1)));
    assert_eq!(cancel(&mut bench, task), Err(Refusal::NotLive(task)));
    assert!(bench.queue.has_cancels_for("w"));
    let reply = bench.work(complete("w", &claim, Outcome::Done(json!(1))));
    assert_eq!((reply.results[0].1, reply.cancel), (TokenResult::Stale, vec![claim.token]));
    assert!(bench.finished().iter().all(|finished| finished.state == RunState::Cancelled));
    assert_eq!(bench.queue.next_wake(), None);
}

#[test]
fn a_typed_task_can_be_moved_by_hand() {
    let mut bench = Bench::new();
    let typed = || {
        NewTask::Typed(NewTyped {
            type_: "bugfix".to_owned(),
            payload: json!({}).into(),
            urgency: Urgency::P2,
            source: "user".to_owned(),
            sla: None,
            metadata: json!({}),
        })
    };
    let words = |bench: &mut Bench, id: TaskId, word: &str| {
        let events = bench.queue.patch_status(id, word, None, "ann", bench.now, &mut bench.out)?;
        bench.events.extend(events);
        Ok(bench.queue.runs.get(&RunId::of_single(id)).map(|live| crate::status_word(&live.run.at)))
    };
    let id = bench.submit(typed()).unwrap().task_id;
    for word in
        ["in_progress", "blocked", "assigned", "pending", "assigned", "pending", "in_progress", "pending"]
    {
        assert_eq!(words(&mut bench, id, word), Ok(Some(word)), "{word}");
    }
    let mut agent = ask("w", 1);
    agent.worker.labels = [("agent".to_owned(), "dev_agent".to_owned())].into();
    assert_eq!(bench.work(agent).runs.len(), 1, "what is pending is for workers to take");
    assert_eq!(words(&mut bench, id, "completed"), Ok(None));
    assert_eq!(words(&mut bench, id, "completed"), Err(Refusal::NotLive(id)));
    assert!(matches!(words(&mut bench, id, "cooked"), Err(Refusal::Invalid { .. })));
    let id = bench.submit(typed()).unwrap().task_id;
    assert_eq!(words(&mut bench, id, "failed"), Ok(None));
    let finished = bench.finished();
    assert_eq!((finished[0].state, finished[1].state), (RunState::Completed, RunState::Dead));
    assert_eq!(finished[1].error.as_ref().unwrap().message, "Unknown error");
    let plain = bench.plain(noop());
    assert!(matches!(words(&mut bench, plain, "completed"), Err(Refusal::NotApplicable(_))));
}

#[test]
fn a_result_that_is_too_large_is_a_failure() {
    let mut bench = Bench::with(Settings { result_bytes_max: 100, ..Settings::default() });
    bench.plain(noop());
    let claim = bench.claim("w").unwrap();
    bench.end("w", &claim, Outcome::Done(json!("x".repeat(200))));
    assert_eq!(bench.finished()[0].error.as_ref().unwrap().kind, "result_too_large");
}

#[test]
fn workers_are_bounded_drained_and_forgotten() {
    let mut bench = Bench::with(Settings { workers_max: 1, ..Settings::default() });
    bench.plain(noop());
    let mut draining = ask("w", 1);
    draining.worker.draining = true;
    assert_eq!(bench.work(draining).runs, vec![]);
    let reply = bench.work(ask("one-too-many", 1));
    assert_eq!((reply.runs, reply.directive), (vec![], Directive::Quiet));
    bench.after(700_000);
    assert!(bench.out.contains(&Change::WorkerGone(Arc::from("w"))));
    bench.queue.drain();
    let reply = bench.work(ask("w", 1));
    assert_eq!((reply.runs, reply.directive), (vec![], Directive::Quiet));
    assert_eq!(bench.queue.counts(bench.now).oldest_due, Some(Duration::from_secs(700)));
    assert_eq!(bench.queue.workers(bench.now).len(), 1);
}

#[test]
fn a_class_of_its_own_is_no_user() {
    let mut bench = Bench::new();
    bench.queue.submit_page(
        TaskSpec::new("page", json!({})),
        steps(&["a"]),
        Duration::ZERO,
        bench.now,
        &mut bench.out,
    );
    let counts = bench.queue.counts(bench.now);
    assert_eq!((counts.pending, counts.totals.accepted), (0, 0));
    assert_eq!(counts.ours.iter().map(|(_, n)| n).sum::<usize>(), 2);
    assert_eq!(Class::Page, bench.queue.runs.values().map(|live| live.run.class).min().unwrap());
}
