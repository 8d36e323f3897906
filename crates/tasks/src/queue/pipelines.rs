//! Pipelines in the queue: every element and every failure is on record before anything follows from it.

use super::*;
use crate::{
    Claim, Completion, Fits, Misfit, NewScheduled, NewTask, Outcome, Refusal, RunError, RunState,
    WorkRequest, WorkerCard,
};
use serde_json::{Value, json};

const START: Timestamp = Timestamp::from_millis(1_795_305_600_000);

fn queue(loaded: Loaded) -> Queue {
    Queue::new(Settings::default(), loaded, START)
}

fn pipeline(steps: Value) -> NewTask {
    NewTask::Scheduled(NewScheduled {
        title: "t".to_owned(),
        description: "d".to_owned(),
        schedule_kind: "once".to_owned(),
        schedule_expr: Some("2026-11-22T00:00:01Z".to_owned()),
        payload: json!({"params": {"list": ["a", "b", "c"]}, "pipeline": steps}),
        max_retries: Some(0),
        ..NewScheduled::default()
    })
}

fn work(queue: &mut Queue, complete: Vec<Completion>, out: &mut Vec<Change>) -> (Vec<Claim>, Vec<Event>) {
    let worker = WorkerCard {
        id: "w".to_owned(),
        boot_nonce: "1".to_owned(),
        labels: Default::default(),
        kinds: vec!["*".to_owned()],
        slots_free: 1,
        draining: false,
    };
    let request = WorkRequest { worker, complete, extend: Vec::new(), want: 1, wait: Duration::ZERO };
    let now = START.plus(Duration::from_secs(2));
    let mut events = queue.tick(now, out);
    let (reply, more) = queue.work(&request, now, out);
    events.extend(more);
    (reply.runs, events)
}

/// What a store gives back of `out`.
fn restart(out: &[Change]) -> Loaded {
    let mut loaded = Loaded::default();
    for change in out {
        match change.clone() {
            Change::TaskPut(task) => loaded.tasks = vec![task],
            Change::RunPut(run) => loaded.runs = vec![*run],
            Change::RunMoved(_, at) => loaded.runs[0].at = *at,
            Change::StepDone(_, step) => {
                let steps = &mut loaded.runs[0].steps;
                assert_eq!(step.index as usize, steps.len(), "each record in its own place");
                steps.push(step);
            }
            _ => {}
        }
    }
    loaded
}

#[test]
fn a_restart_never_repeats_an_element_that_is_done() {
    let steps = json!([{"id": "each", "uses": "noop", "foreach": "params.list", "save_as": "all",
        "with": {"n": "${item}"}}]);
    let mut out = Vec::new();
    let mut here = queue(Loaded::default());
    here.submit(pipeline(steps), "me", START, &mut out).unwrap();
    let (mut done, mut seen, mut finished) = (Vec::new(), Vec::new(), None);
    while finished.is_none() {
        let (runs, events) = work(&mut here, std::mem::take(&mut done), &mut out);
        finished = events.into_iter().find_map(|event| match event {
            Event::Finished(finished) => Some(finished),
            _ => None,
        });
        for claim in runs {
            seen.push(claim.args.value()["n"].clone());
            done.push(Completion { token: claim.token, outcome: Outcome::Done(claim.args.value()) });
        }
        // The process dies with the completion on its way, and comes back.
        if finished.is_none() {
            here = queue(restart(&out));
        }
    }
    assert_eq!(seen, ["a", "b", "c"]);
    let output = finished.unwrap().output.unwrap().value();
    assert_eq!(output["steps"]["all"], json!([{"n": "a"}, {"n": "b"}, {"n": "c"}]));
}

fn outcome_of(steps: Value, fits: bool) -> (Vec<Value>, RunState, Value) {
    let mut out = Vec::new();
    let mut queue = queue(Loaded::default());
    if fits {
        queue.set_fits(Arc::new(Numbers));
    }
    queue.submit(pipeline(steps), "me", START, &mut out).unwrap();
    let (mut done, mut seen) = (Vec::new(), Vec::new());
    loop {
        let (runs, events) = work(&mut queue, std::mem::take(&mut done), &mut out);
        for event in events {
            if let Event::Finished(finished) = event {
                return (seen, finished.state, finished.output.unwrap().value());
            }
        }
        for claim in runs {
            let args = claim.args.value();
            let error = RunError { kind: "x".to_owned(), message: "no".to_owned() };
            let outcome = match args["fail"] == true {
                true => Outcome::Failed(error),
                false => Outcome::Done(args.clone()),
            };
            seen.push(args);
            done.push(Completion { token: claim.token, outcome });
        }
    }
}

#[test]
fn failures_end_continue_or_call_for_help() {
    let bad =
        |with: Value, more: Value| json!({"id": "bad", "uses": "noop", "with": with, "on_failure": more});
    let rest = [
        json!({"id": "help", "uses": "noop", "with": {"help": "${failures.bad.message}"}}),
        json!({"id": "last", "uses": "noop", "with": {"last": 1}}),
    ];
    for (with, on_failure, wanted, state) in [
        (json!({"fail": true}), json!("stop"), json!([{"fail": true}]), RunState::Dead),
        (json!({"fail": true}), json!("help"), json!([{"fail": true}, {"help": "no"}]), RunState::Dead),
        (
            json!({"fail": true}),
            json!("continue"),
            json!([{"fail": true}, {"help": "no"}, {"last": 1}]),
            RunState::Completed,
        ),
        // Arguments that cannot be filled in are a failure of the step, too.
        (json!({"x": "${abs('x')}"}), json!("stop"), json!([]), RunState::Dead),
    ] {
        let mut steps = vec![bad(with.clone(), on_failure.clone())];
        steps.extend(rest.clone());
        let (seen, ended, output) = outcome_of(Value::from(steps), false);
        assert_eq!((json!(seen), ended), (wanted, state), "{with} {on_failure}: {output}");
    }
}

/// `n` must be a number.
#[derive(Debug)]
struct Numbers;

impl Fits for Numbers {
    fn has_schema(&self, kind: &str) -> bool {
        kind == "noop"
    }

    fn check(&self, _: &str, args: &Value) -> Result<(), Misfit> {
        match args["n"].is_number() {
            true => Ok(()),
            false => Err(Misfit { path: ".n".to_owned(), what: "is no number".to_owned() }),
        }
    }
}

#[test]
fn arguments_must_fit_what_is_declared() {
    let mut queue = queue(Loaded::default());
    queue.set_fits(Arc::new(Numbers));
    let mut out = Vec::new();
    let bad = json!([{"id": "a", "uses": "wait"}, {"id": "b", "uses": "noop", "with": {"n": "x"}}]);
    let field = "payload.pipeline[1].with.n".to_owned();
    let refused = Err(Refusal::Misfit { field, what: "is no number".to_owned() });
    assert_eq!(queue.submit(pipeline(bad), "me", START, &mut out), refused);
    let plain = |args: Value| NewTask::Plain(model::TaskSpec::new("noop", args), Duration::ZERO);
    assert!(matches!(
        queue.submit(plain(json!({})), "me", START, &mut out),
        Err(Refusal::Misfit { field, .. }) if field == "args.n"
    ));
    assert!(queue.submit(plain(json!({"n": 1})), "me", START, &mut out).is_ok());
    assert!(out.iter().filter(|change| matches!(change, Change::TaskPut(_))).count() == 1, "nothing stored");
    // What a template makes is known only when it is filled in.
    let made = |list: &str| json!([{"id": "a", "uses": "noop", "with": {"n": list}}]);
    assert_eq!(outcome_of(made("${length(params.list)}"), true).1, RunState::Completed);
    let (seen, state, output) = outcome_of(made("${params.list}"), true);
    assert_eq!((seen.len(), state), (0, RunState::Dead));
    assert_eq!(output["_execution_summary"]["error"], "args.n: is no number");
}
