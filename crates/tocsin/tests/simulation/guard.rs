//! The few templates, guards and schedules that the worlds use, read in the plainest way: what the queue makes of them
//! must be the same.

use model::{Step, Timestamp};
use serde_json::{Value, json};
use tasks::{Form, Run, ScheduleKind, Status, Task};

/// The queue that is paused and bounded at times.
pub const NARROW: &str = "narrow";
/// Runs of one rate key in a minute.
pub const RATE: u32 = 4;

/// The filter of some tasks that wait for an event, whose payload is `{n}`.
pub const FILTER: &str = "payload.n > 2";

/// Pipelines of the worlds. `params` is `{go, n, list}`, the list one of numbers; each step's result is `{n}`.
pub fn pipelines() -> [Value; 10] {
    [
        json!([{"id": "a", "uses": "noop", "with": {"n": "${params.n}"}, "save_as": "a", "max_retries": 2}]),
        json!([
            {"id": "a", "uses": "noop", "with": {"n": "${params.n}"}, "save_as": "a"},
            {"id": "b", "uses": "noop", "with": {"n": "${steps.a.n}"}, "save_as": "b", "if": "steps.a.n > 2"},
            {"id": "c", "uses": "noop", "with": {"n": "${steps.a.n}"}, "if": "params.go"},
        ]),
        json!([
            {"id": "a", "uses": "noop", "save_as": "a", "if": "params.go"},
            {"id": "b", "uses": "noop", "save_as": "b", "max_retries": 0},
        ]),
        json!([]),
        json!([{"id": "a", "uses": "noop", "with": {"n": "${event.payload.n}"}, "save_as": "a"}]),
        // Elements: one that fails ends it, or leaves a hole.
        json!([
            {"id": "each", "uses": "noop", "foreach": "params.list", "with": {"n": "${item}"}, "if": "params.go"},
            {"id": "b", "uses": "noop", "needs": ["each"], "with": {"n": "${params.n}"}},
        ]),
        json!([
            {"id": "b", "uses": "noop", "needs": ["each"], "with": {"n": "${params.n}"}, "on_failure": "continue",
             "max_retries": 0},
            {"id": "each", "uses": "noop", "foreach": "params.list", "with": {"n": "${item}"}, "save_as": "each",
             "max_retries": 0, "on_failure": "continue"},
        ]),
        // Needs against the order of the list.
        json!([
            {"id": "c", "uses": "noop", "needs": ["a", "b"], "with": {"n": "${steps.a.n}"}},
            {"id": "b", "uses": "noop", "needs": ["a"], "with": {"n": "${params.n}"}, "if": "steps.a.n > 2",
             "max_retries": 0, "on_failure": "continue"},
            {"id": "a", "uses": "noop", "with": {"n": "${params.n}"}, "save_as": "a"},
        ]),
        // Help after a failure, in an order of its own.
        json!([
            {"id": "mend", "uses": "noop", "if": "params.go"},
            {"id": "risky", "uses": "noop", "max_retries": 0, "on_failure": ["tell", "mend"]},
            {"id": "tell", "uses": "noop", "with": {"n": "${params.n}"}, "max_retries": 1},
            {"id": "after", "uses": "noop", "needs": ["risky"], "on_failure": "tell"},
        ]),
        // Steps to which persons must agree.
        json!([
            {"id": "a", "uses": "noop", "with": {"n": "${params.n}"}, "save_as": "a"},
            {"id": "b", "uses": "noop", "needs": ["a"], "with": {"n": "${steps.a.n}"}, "on_failure": "c",
             "approval": {"quorum": 2, "expires_seconds": 60, "on_expiry": "approve"}},
            {"id": "each", "uses": "noop", "foreach": "params.list", "with": {"n": "${item}"},
             "approval": {"expires_seconds": 90}},
            {"id": "c", "uses": "noop", "approval": true},
        ]),
    ]
}

/// Whether a step's `if` is true: `params.go`, or `steps.NAME.n > NUMBER`.
pub fn holds(step: &Step, task: &Task, run: &Run) -> bool {
    let Some(condition) = &step.condition else { return true };
    if condition == "params.go" {
        return params(task, run)["go"] == true;
    }
    let words: Vec<&str> = condition.split(' ').collect();
    let [left, ">", right] = words[..] else { panic!("an unknown guard: {condition}") };
    let right: i64 = right.parse().expect("a number");
    number(left, task, run).is_some_and(|left| left > right)
}

/// The number that `params.n` or `steps.NAME.n` stands for.
fn number(path: &str, task: &Task, run: &Run) -> Option<i64> {
    if path == "params.n" {
        return params(task, run)["n"].as_i64();
    }
    if path == "event.payload.n" {
        return run.args.as_ref()?.value()["$event"]["payload"]["n"].as_i64();
    }
    let name = path.strip_prefix("steps.")?.strip_suffix(".n")?;
    run.steps.iter().find(|step| step.id == name)?.result.as_ref()?.value()["n"].as_i64()
}

/// What a run was given: its own arguments if an approval changed them, else its task's. A run that an event set off
/// has that in its arguments, and the changed ones beside it.
fn params(task: &Task, run: &Run) -> Value {
    let Some(args) = &run.args else { return task.args.value() };
    let mut args = args.value();
    match args.get("$event") {
        None => args,
        Some(_) => args.get_mut("$params").map_or_else(|| task.args.value(), Value::take),
    }
}

/// The numbers for each of which a step with `foreach` is done.
pub fn items(task: &Task, run: &Run) -> Vec<i64> {
    let list = params(task, run)["list"].take();
    list.as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
}

/// What a claim's arguments must be; `item` is which element of its list a step is at.
pub fn args(task: &Task, run: &Run, step: u32, item: Option<u32>) -> Value {
    let Some(step) = task.pipeline.as_deref().and_then(|steps| steps.get(step as usize)) else {
        return params(task, run);
    };
    match step.with["n"].as_str() {
        None => step.with.clone(),
        Some(text) => {
            let path = text.trim_start_matches("${").trim_end_matches('}');
            match item.filter(|_| path == "item") {
                Some(item) => json!({"n": items(task, run).get(item as usize)}),
                None => json!({"n": number(path, task, run)}),
            }
        }
    }
}

/// Whether a task waits for events, now or once it is resumed.
pub fn listens(task: &Task) -> bool {
    let of_event = matches!(&task.form, Form::Scheduled(schedule) if schedule.kind == ScheduleKind::Event);
    of_event && task.status != Status::Canceled
}

/// Whether an event with `{n}` passes a task's filter.
pub fn passes(task: &Task, n: i64) -> bool {
    match task.firing().and_then(|firing| firing.filter.as_deref()) {
        None => true,
        Some(FILTER) => n > 2,
        Some(other) => panic!("an unknown filter: {other}"),
    }
}

/// The fire after `now` of `*/N * * * *` in UTC; none of what fires once.
pub fn next_fire(task: &Task, now: Timestamp) -> Option<Timestamp> {
    let Form::Scheduled(schedule) = &task.form else { panic!("{} does not fire", task.id) };
    if schedule.kind != ScheduleKind::Cron {
        return None;
    }
    let minutes = schedule.expr.strip_prefix("*/").and_then(|rest| rest.strip_suffix(" * * * *"));
    let every: i64 = minutes.and_then(|text| text.parse().ok()).expect("a schedule of ours");
    let span = every * 60_000;
    Some(Timestamp::from_millis((now.as_millis().div_euclid(span) + 1) * span))
}
