//! Pipelines, and the fires that start them.

use super::*;

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
