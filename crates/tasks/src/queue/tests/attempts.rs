//! One run: its attempts, what ends them, and what is known of them afterwards.

use super::*;

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
    let put_off =
        |event: &Event| matches!(event, Event::PutOff { run_id, .. } if run_id.to_string() == claim.run_id);
    assert!(bench.events.iter().any(put_off), "{:?}", bench.events);
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
fn an_attempt_ends_at_its_time_whatever_its_worker_says() {
    let mut bench = Bench::new();
    bench.plain(TaskSpec { timeout: Duration::from_secs(2), max_retries: 1, ..noop() });
    for attempt in 1..=2 {
        let claim = bench.claim("w").unwrap();
        let (lease, deadline) = (Duration::from_secs(60), Duration::from_secs(2));
        assert_eq!((claim.attempt, claim.lease, claim.deadline), (attempt, lease, deadline));
        let beat = Extension { token: claim.token, progress: None, checkpoint: None };
        let beat = WorkRequest { extend: vec![beat], ..ask("w", 0) };
        for _ in 0..2 {
            bench.after(1_400);
            assert_eq!(bench.work(beat.clone()).results[0].1, TokenResult::Accepted, "a little is allowed");
        }
        bench.after(200);
        assert!(bench.queue.has_cancels_for("w"), "a poll that is parked is answered");
        let reply = bench.work(complete("w", &claim, Outcome::Done(json!(1))));
        assert_eq!((reply.results[0].1, reply.cancel), (TokenResult::Stale, vec![claim.token]));
        bench.after(1_000);
    }
    let finished = bench.finished();
    let error = finished[0].error.clone().unwrap();
    assert_eq!((finished[0].state, finished[0].attempt, error.kind.as_str()), (RunState::Dead, 2, "timeout"));
    assert_eq!(error.message, "timed out: not done after 2 s");
    assert_eq!(bench.queue.totals.rescued, 0, "nobody was lost");
}

#[test]
fn a_worker_may_say_itself_that_its_time_is_over() {
    let mut bench = Bench::new();
    bench.plain(TaskSpec { timeout: Duration::from_secs(2), max_retries: 0, ..noop() });
    let claim = bench.claim("w").unwrap();
    bench.after(2_500);
    assert_eq!(bench.end("w", &claim, Outcome::Failed(error())), TokenResult::Accepted);
    assert_eq!(bench.finished()[0].error, Some(error()));
}

#[test]
fn progress_stays_until_another_is_said() {
    let mut bench = Bench::new();
    let id = RunId::of_single(bench.plain(noop()));
    let claim = bench.claim("w").unwrap();
    for (progress, shown) in [(Some(0.25), Some(0.25)), (None, Some(0.25)), (Some(2.0), Some(1.0))] {
        let beat = Extension { token: claim.token, progress, checkpoint: None };
        bench.work(WorkRequest { extend: vec![beat], ..ask("w", 0) });
        assert_eq!(bench.queue.progress_of(id), shown);
    }
    bench.end("w", &claim, Outcome::Done(json!(1)));
    assert_eq!(bench.queue.progress_of(id), None);
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
fn a_result_that_is_too_large_is_a_failure() {
    let mut bench = Bench::with(Settings { result_bytes_max: 100, ..Settings::default() });
    bench.plain(noop());
    let claim = bench.claim("w").unwrap();
    bench.end("w", &claim, Outcome::Done(json!("x".repeat(200))));
    assert_eq!(bench.finished()[0].error.as_ref().unwrap().kind, "result_too_large");
}

#[test]
fn an_attempt_whose_worker_says_nothing_is_lost_with_it() {
    let mut bench = Bench::new();
    bench.plain(TaskSpec { timeout: Duration::from_secs(2), max_retries: 0, ..noop() });
    let claim = bench.claim("dies").unwrap();
    bench.after(3_000);
    assert_eq!(bench.queue.totals.rescued, 1, "no try of the run's");
    assert_eq!(bench.claim("other").map(|claim| claim.attempt), Some(2));
    assert_eq!(bench.end("dies", &claim, Outcome::Done(json!(1))), TokenResult::Stale);
}
