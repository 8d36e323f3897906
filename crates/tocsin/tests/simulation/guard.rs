//! The few templates, guards and schedules that the worlds use, read in the plainest way: what the queue makes of them
//! must be the same.

use model::{Step, Timestamp};
use serde_json::{Value, json};
use tasks::{Form, Run, ScheduleKind, Task};

/// The queue that is paused and bounded at times.
pub const NARROW: &str = "narrow";
/// Runs of one rate key in a minute.
pub const RATE: u32 = 4;

/// Pipelines of the worlds. `params` is `{go, n}`; each step's result is `{n}`.
pub fn pipelines() -> [Value; 4] {
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
    let name = path.strip_prefix("steps.")?.strip_suffix(".n")?;
    run.steps.iter().find(|step| step.id == name)?.result.as_ref()?.value()["n"].as_i64()
}

/// What a run was given: its own arguments if an approval changed them, else its task's.
fn params(task: &Task, run: &Run) -> Value {
    run.args.as_ref().unwrap_or(&task.args).value()
}

/// What a claim's arguments must be.
pub fn args(task: &Task, run: &Run, step: u32) -> Value {
    let Some(step) = task.pipeline.as_deref().and_then(|steps| steps.get(step as usize)) else {
        return params(task, run);
    };
    match step.with["n"].as_str() {
        None => step.with.clone(),
        Some(text) => {
            let path = text.trim_start_matches("${").trim_end_matches('}');
            json!({"n": number(path, task, run)})
        }
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
