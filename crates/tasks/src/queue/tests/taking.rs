//! What is taken, what is known already, what is refused.

use super::*;

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
fn a_dedupe_key_is_free_once_its_task_is_dead_cancelled_or_gone() {
    let mut bench = Bench::new();
    let submit = |bench: &mut Bench| {
        let spec = TaskSpec { dedupe_key: Some("k".to_owned()), max_retries: 0, ..noop() };
        bench.submit(NewTask::Plain(spec, Duration::from_secs(3_600))).unwrap()
    };
    let freed = |bench: &mut Bench| {
        bench.out.drain(..).any(|change| matches!(change, Change::DedupeGone { key, .. } if key == "k"))
    };
    submit(&mut bench);
    let claim = bench.claim("w").unwrap();
    bench.end("w", &claim, retry());
    assert!(freed(&mut bench), "dead");
    let cancelled = submit(&mut bench);
    assert!(!cancelled.duplicate && submit(&mut bench).duplicate);
    bench.queue.cancel(cancelled.task_id, "ann", bench.now, &mut bench.out).unwrap();
    assert!(freed(&mut bench), "cancelled");
    let done = submit(&mut bench);
    let claim = bench.claim("w").unwrap();
    bench.end("w", &claim, Outcome::Done(json!(1)));
    assert!(!freed(&mut bench) && submit(&mut bench).duplicate, "done, and its window goes on");
    let task = done.task.unwrap();
    bench.queue.delete_stored(&task, "ann", bench.now, &mut bench.out);
    assert!(freed(&mut bench), "deleted");
    let pruned = submit(&mut bench);
    let claim = bench.claim("w").unwrap();
    bench.queue.free_key_of(pruned.task_id, &mut bench.out);
    assert!(!freed(&mut bench), "it goes on");
    bench.end("w", &claim, Outcome::Done(json!(1)));
    bench.queue.free_key_of(pruned.task_id, &mut bench.out);
    assert!(freed(&mut bench) && !submit(&mut bench).duplicate, "nobody has it any more");
}

#[test]
fn a_dedupe_key_holds_no_longer_than_its_task_is_kept() {
    let mut bench = Bench::with(Settings { singles_kept: Duration::from_secs(10), ..Settings::default() });
    let submit = |bench: &mut Bench| {
        let spec = TaskSpec { dedupe_key: Some("k".to_owned()), ..noop() };
        bench.submit(NewTask::Plain(spec, Duration::from_secs(3_600))).unwrap().duplicate
    };
    assert!(!submit(&mut bench));
    let claim = bench.claim("w").unwrap();
    bench.after(5_000).end("w", &claim, Outcome::Done(json!(1)));
    assert!(bench.after(9_000).out.iter().all(|change| !matches!(change, Change::DedupeGone { .. })));
    assert!(submit(&mut bench));
    bench.after(1_000);
    assert!(!submit(&mut bench), "from here on the store may forget it");
}

#[test]
fn a_dedupe_key_of_a_schedule_is_free_once_that_is_cancelled() {
    let mut bench = Bench::new();
    let submit = |bench: &mut Bench| {
        let NewTask::Scheduled(new) = pipeline("cron", "* * * * *", json!([{"id": "a", "uses": "noop"}]))
        else {
            unreachable!("a schedule")
        };
        let window = Some(Duration::from_secs(3_600));
        let new = NewScheduled { dedupe_key: Some("k".to_owned()), dedupe_window: window, ..new };
        bench.submit(NewTask::Scheduled(new)).unwrap()
    };
    for runs in 0..2 {
        let first = submit(&mut bench);
        assert!(!first.duplicate && submit(&mut bench).duplicate, "{runs}");
        bench.after(60_000 * runs);
        assert_eq!(bench.queue.runs.len() as u64, runs);
        bench.queue.cancel(first.task_id, "ann", bench.now, &mut bench.out).unwrap();
    }
    assert!(bench.queue.dedupe.is_empty() && bench.queue.dedupe_ends.is_empty());
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
fn refuses_with_the_field() {
    let mut bench = Bench::with(Settings {
        closed_kinds: ["page".to_owned()].into(),
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
            Err(Refusal::Invalid { field: got, .. } | Refusal::TooLarge { field: got, .. }) => {
                assert_eq!(got, field);
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(bench.out.is_empty(), "a refusal changes nothing");
    // Whoever cooks may come later.
    bench.plain(TaskSpec { kind: "cook".to_owned(), ..noop() });
    assert_eq!(bench.submit(NewTask::Plain(noop(), Duration::ZERO)), Err(Refusal::Full { max: 1 }));
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
