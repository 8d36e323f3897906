//! Workers: those that start anew, come late, are too many, or are told to stop.

use super::*;

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
fn a_step_needs_somebody_who_does_it() {
    let mut bench = Bench::with(Settings { kinds: Some(["noop".to_owned()].into()), ..Settings::default() });
    let resize = || pipeline("cron", "0 0 * * *", json!([{"id": "a", "uses": "resize"}]));
    assert!(matches!(bench.submit(resize()), Err(Refusal::UnknownKind { .. })));
    bench.work(ask("w", 0));
    bench.submit(resize()).expect("w does all kinds");
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
