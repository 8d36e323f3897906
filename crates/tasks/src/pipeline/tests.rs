//! What is refused as no pipeline, and in which order what is one is done.

use super::*;
use crate::{Loaded, NewScheduled, NewTask, Progress, Queue, Refusal, RunError, RunId, RunState, Settings};
use model::{Class, Json};
use std::{sync::Arc, time::Duration};

fn parse_all(pipeline: Value) -> Result<Vec<Step>, Refusal> {
    parse(&json!({"pipeline": pipeline}), 3, Duration::from_secs(30)).map(|(_, steps)| steps)
}

#[test]
fn refuses_what_is_no_pipeline() {
    let long: Vec<Value> = (0..101).map(|i| json!({"id": format!("s{i}"), "uses": "noop"})).collect();
    for (pipeline, field, wanted) in [
        (json!({}), "payload.pipeline", "list"),
        (json!(long), "payload.pipeline", "more than 100"),
        (json!([7]), "payload.pipeline[0]", "object"),
        (json!([{"uses": "noop"}]), "payload.pipeline[0].id", "missing"),
        (json!([{"id": "a"}]), "payload.pipeline[0].uses", "missing"),
        (json!([{"id": "a", "uses": ""}]), "payload.pipeline[0].uses", "not empty"),
        (json!([{"id": "a", "uses": "x", "with": 1}]), "payload.pipeline[0].with", "object"),
        (json!([{"id": "a", "uses": "x", "with": {"a": "${"}}]), "payload.pipeline[0].with", "not closed"),
        (
            json!([{"id": "a", "uses": "x", "with": {"a": "${}"}}]),
            "payload.pipeline[0].with",
            "names nothing",
        ),
        (json!([{"id": "a", "uses": "x", "if": "a b"}]), "payload.pipeline[0].if", "not JMESPath"),
        (json!([{"id": "a", "uses": "x", "foreach": "a b"}]), "payload.pipeline[0].foreach", "not JMESPath"),
        (
            json!([{"id": "a", "uses": "x", "timeout_seconds": 0}]),
            "payload.pipeline[0].timeout_seconds",
            "above 0",
        ),
        (json!([{"id": "a", "uses": "x", "max_retries": 11}]), "payload.pipeline[0].max_retries", "0 to 10"),
        (json!([{"id": "a", "uses": "x", "after": 1}]), "payload.pipeline[0].after", "not a key"),
        (json!([{"id": "a", "uses": "x"}, {"id": "a", "uses": "x"}]), "payload.pipeline[1]", "again"),
        (json!([{"id": "a", "uses": "x", "needs": 1}]), "payload.pipeline[0].needs", "list"),
        (json!([{"id": "a", "uses": "x", "needs": ["b"]}]), "payload.pipeline[0].needs[0]", "no step \"b\""),
        (json!([{"id": "a", "uses": "x", "needs": "a"}]), "payload.pipeline[0].needs", "a needs a"),
        (
            json!([{"id": "z", "uses": "x"}, {"id": "a", "uses": "x", "needs": "c"},
                {"id": "b", "uses": "x", "needs": ["z", "a"]}, {"id": "c", "uses": "x", "needs": ["z", "b"]}]),
            "payload.pipeline[1].needs",
            "a needs c needs b needs a",
        ),
        (
            json!([{"id": "a", "uses": "x", "on_failure": 7}]),
            "payload.pipeline[0].on_failure",
            "stop, continue",
        ),
        (
            json!([{"id": "a", "uses": "x", "on_failure": []}]),
            "payload.pipeline[0].on_failure",
            "stop, continue",
        ),
        (
            json!([{"id": "a", "uses": "x", "on_failure": "b"}]),
            "payload.pipeline[0].on_failure",
            "no step \"b\"",
        ),
        (json!([{"id": "a", "uses": "x", "on_failure": "a"}]), "payload.pipeline[0].on_failure", "further"),
        (
            json!([{"id": "a", "uses": "x", "on_failure": "b"}, {"id": "b", "uses": "x", "needs": "a"}]),
            "payload.pipeline[1].needs",
            "can need nothing else",
        ),
        (
            json!([{"id": "a", "uses": "x", "on_failure": "b"}, {"id": "b", "uses": "x"},
                {"id": "c", "uses": "x", "needs": "b"}]),
            "payload.pipeline[2].needs",
            "only after a failure",
        ),
    ] {
        match parse_all(pipeline.clone()) {
            Err(Refusal::Invalid { field: got, what }) => {
                assert!(got == field && what.contains(wanted), "{pipeline}: {got}: {what}")
            }
            other => panic!("{pipeline}: {other:?}"),
        }
    }
    assert!(matches!(
        parse(&json!([]), 3, Duration::ZERO),
        Err(Refusal::Invalid { field, .. }) if field == "payload"
    ));
}

#[test]
fn reads_steps_with_their_defaults() {
    let payload = json!({"params": {"a": 1}, "pipeline": [
        {"id": "a", "uses": "noop"},
        {"id": "b", "uses": "http", "with": {"url": "x"}, "save_as": "b", "timeout_seconds": 1.5, "max_retries": 0,
            "needs": "a", "on_failure": ["c"]}, {"id": "c", "uses": "noop"}]});
    let (params, steps) = parse(&payload, 3, Duration::from_secs(30)).unwrap();
    assert_eq!(params, json!({"a": 1}));
    assert_eq!((steps[0].timeout, steps[0].max_retries), (Duration::from_secs(30), 3));
    assert_eq!((steps[1].timeout, steps[1].max_retries), (Duration::from_millis(1500), 0));
    assert_eq!((&steps[0].on_failure, &steps[1].needs), (&OnFailure::Stop, &vec!["a".to_owned()]));
}

/// A task of these steps, and a run of it.
fn scheduled_task(params: Value, steps: Vec<Step>) -> (Task, Run) {
    let now = Timestamp::from_millis(1_795_305_600_000);
    let mut queue = Queue::new(Settings::default(), Loaded::default(), now);
    let new = NewTask::Scheduled(NewScheduled {
        title: "t".to_owned(),
        description: "d".to_owned(),
        schedule_kind: "cron".to_owned(),
        schedule_expr: Some("0 0 * * *".to_owned()),
        payload: json!({"pipeline": []}),
        ..NewScheduled::default()
    });
    let taken = queue.submit(new, "me", now, &mut Vec::new()).unwrap().task.unwrap();
    let task = Task { args: Json::from(params), pipeline: Some(Arc::from(steps)), ..(*taken).clone() };
    let run = Run {
        id: RunId::of_single(task.id),
        task_id: task.id,
        class: Class::User,
        parent: None,
        args: None,
        created_at: now,
        at: Progress::new(RunState::Available, now),
        steps: Vec::new(),
    };
    (task, run)
}

/// Does a pipeline to its end, forgetting everything but the record after each step, as a restart would. A step
/// whose arguments hold `fail` fails for good. What comes back is one word a step, and how it ended.
fn story(params: Value, pipeline: Value) -> (String, Value) {
    let payload = json!({"params": params, "pipeline": pipeline});
    let (params, steps) = parse(&payload, 0, Duration::from_secs(30)).unwrap();
    let (task, mut run) = scheduled_task(params, steps);
    run.at.state = RunState::Running;
    let (mut words, now) = (Vec::new(), run.created_at);
    let error = |message: &str| RunError { kind: "test".to_owned(), message: message.to_owned() };
    loop {
        let again = run.clone();
        let found = next(&task, &mut run, now);
        let mut twin = again.clone();
        assert_eq!(next(&task, &mut twin, now), found, "the same record leads to the same step");
        let verdict = match found {
            Ok(Next::End) => return (words.join(" "), output(&task, &run, now, None)),
            Ok(Next::Failed(error)) => {
                return (words.join(" "), output(&task, &run, now, Some(&error.message)));
            }
            Err(Broken { step, why }) => {
                failed(&task, &mut run, Part::Whole(step), error(&why.to_string()), now)
            }
            Ok(Next::Step(index)) => {
                run.at.step = index;
                let step = &task.pipeline.as_deref().unwrap()[index as usize];
                match args(&task, &run, step, 1 << 16) {
                    Err(why) => failed(&task, &mut run, Part::Attempt, error(&why.to_string()), now),
                    Ok(args) => {
                        words.push(match step.foreach {
                            Some(_) => format!("{}{args}", step.id),
                            None => step.id.clone(),
                        });
                        match args.to_string().contains("fail") {
                            true => failed(&task, &mut run, Part::Attempt, error("it failed"), now),
                            false => {
                                done(&task, &mut run, Json::from(args), now);
                                Verdict::GoOn
                            }
                        }
                    }
                }
            }
        };
        if let Verdict::End(error) = verdict {
            return (words.join(" "), output(&task, &run, now, Some(&error.message)));
        }
    }
}

fn check(params: Value, pipeline: Value, wanted: &str, path: &str, value: Value) {
    let (words, output) = story(params, pipeline.clone());
    assert_eq!(words, wanted, "{pipeline}: {output}");
    let found = output.pointer(path).cloned().unwrap_or(Value::Null);
    assert_eq!(found, value, "{pipeline}: {path} of {output}");
}

#[test]
fn order() {
    let step = |id: &str, needs: Value| json!({"id": id, "uses": "noop", "needs": needs});
    let success = "/_execution_summary/success";
    check(json!({}), json!([]), "", success, json!(true));
    check(json!({}), json!([step("a", json!([])), step("b", json!([]))]), "a b", success, json!(true));
    let diamond = json!([
        step("d", json!(["b", "c"])),
        step("b", json!("a")),
        step("c", json!("a")),
        step("a", json!(null))
    ]);
    check(json!({}), diamond, "a b c d", success, json!(true));
    let skip = json!([{"id": "a", "uses": "noop", "if": "params.on"}, step("b", json!("a"))]);
    check(json!({"on": false}), skip.clone(), "b", "/_execution_summary/skipped_steps", json!(1));
    check(json!({"on": true}), skip, "a b", "/_execution_summary/executed_steps", json!(2));
}

#[test]
fn for_each_item() {
    let each = |list: &str, more: Value| {
        let mut step = json!({"id": "e", "uses": "noop", "foreach": list, "save_as": "all",
            "with": {"n": "${item}", "at": "${index}"}});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([step, {"id": "last", "uses": "noop"}])
    };
    check(
        json!({"list": [5, "x"]}),
        each("params.list", json!({})),
        r#"e{"n":5,"at":0} e{"n":"x","at":1} last"#,
        "/steps/all",
        json!([{"n": 5, "at": 0}, {"n": "x", "at": 1}]),
    );
    check(json!({"list": []}), each("${params.list}", json!({})), "last", "/steps/all", json!([]));
    check(json!({}), each("params.list", json!({"if": "params.list"})), "last", "/steps", json!({}));
    let error = "/_execution_summary/error";
    let no_list = "\"params.list\" must give a list of at most 1000 items, and gives null";
    check(json!({}), each("params.list", json!({})), "", error, json!(no_list));
    check(json!({}), each("params.list", json!({"on_failure": "continue"})), "last", error, json!(null));
    let long: Vec<u32> = (0..1_001).collect();
    let too_long = "\"params.list\" must give a list of at most 1000 items, and gives 1001 of them";
    check(json!({"list": long}), each("params.list", json!({})), "", error, json!(too_long));
    // One that fails leaves null in its place, if the step says to go on.
    check(
        json!({"list": [1, "fail", 3]}),
        each("params.list", json!({"on_failure": "continue"})),
        r#"e{"n":1,"at":0} e{"n":"fail","at":1} e{"n":3,"at":2} last"#,
        "/steps/all",
        json!([{"n": 1, "at": 0}, null, {"n": 3, "at": 2}]),
    );
    check(
        json!({"list": [1, "fail", 3]}),
        each("params.list", json!({})),
        r#"e{"n":1,"at":0} e{"n":"fail","at":1}"#,
        error,
        json!("it failed"),
    );
}

#[test]
fn failures() {
    let pipeline = |on_failure: Value, clean: Value| {
        json!([{"id": "a", "uses": "noop", "save_as": "a"},
            {"id": "b", "uses": "noop", "with": {"x": "fail"}, "on_failure": on_failure},
            {"id": "clean", "uses": "noop", "with": clean, "save_as": "clean"},
            {"id": "last", "uses": "noop"}])
    };
    let summary = |key: &str| format!("/_execution_summary/{key}");
    let plain = json!({});
    check(json!({}), pipeline(json!("stop"), plain.clone()), "a b", &summary("failed_step_index"), json!(1));
    check(json!({}), pipeline(json!("stop"), plain.clone()), "a b", &summary("executed_steps"), json!(1));
    let on = json!("continue");
    check(json!({}), pipeline(on.clone(), plain.clone()), "a b clean last", &summary("success"), json!(true));
    check(
        json!({}),
        pipeline(on, plain.clone()),
        "a b clean last",
        "/failures/b/message",
        json!("it failed"),
    );
    let (run, why) = (json!("clean"), json!({"why": "${failures.b.message}"}));
    let told = story(json!({}), pipeline(run.clone(), plain.clone())).1;
    assert_eq!(told["_execution_summary"]["failed_step_index"], 1, "the step that failed, not the one after");
    check(json!({}), pipeline(run.clone(), why), "a b clean", "/steps/clean", Value::Null);
    let why = json!({"why": "step ${failures.b.type}"});
    check(json!({}), pipeline(run.clone(), why), "a b clean", "/steps/clean/why", json!("step test"));
    check(json!({}), pipeline(run.clone(), plain), "a b clean", &summary("success"), json!(false));
    // What a handler fails at does not hide what it was there for.
    check(
        json!({}),
        pipeline(run, json!({"x": "${nosuch(a)}"})),
        "a b",
        &summary("error"),
        json!("it failed"),
    );
    // Nobody fails, so nobody is called.
    let calm = json!([{"id": "a", "uses": "noop", "on_failure": "h"}, {"id": "h", "uses": "noop"}, {"id": "z", "uses": "noop"}]);
    check(json!({}), calm, "a z", &summary("skipped_steps"), json!(1));
}

#[test]
fn the_event_that_made_the_run_is_at_hand() {
    let (params, steps) = parse(
        &json!({"params": {"a": 1}, "pipeline": [{"id": "a", "uses": "noop", "with": {"n": "${event.n}", "p": "${params}"}}]}),
        0,
        Duration::from_secs(30),
    )
    .unwrap();
    let (task, mut run) = scheduled_task(params, steps);
    run.args = Some(with_event(&json!({"n": 7}), None));
    let step = &task.pipeline.as_deref().unwrap()[0];
    assert_eq!(args(&task, &run, step, 1 << 16).unwrap(), json!({"n": 7, "p": {"a": 1}}));
}
