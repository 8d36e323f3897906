//! Stopping a task, and moving it by hand.

use super::*;

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
