//! Pipelines: steps in order, one run. Reads them from a task's payload, says which step is next and over what
//! its templates are filled in.

use crate::template::{self, Context, TemplateError};
use crate::{Refusal, Run, StepResult, Task, approval};
use model::{Step, Timestamp};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, time::Duration};

/// The most steps of one pipeline.
pub const STEPS_MAX: usize = 100;
/// The longest one step's attempt may take.
const TIMEOUT_MAX_SECS: f64 = 86_400.0;
/// The most tries after the first.
const RETRIES_MAX: u64 = 10;

/// Reads `{params, pipeline: [{id, uses, with, save_as, if, timeout_seconds, max_retries}]}`. Unknown keys beside
/// `params` and `pipeline` are kept out of the way: the documents put notes there.
pub(crate) fn parse(payload: &Value, retries: u32, timeout: Duration) -> Result<(Value, Vec<Step>), Refusal> {
    let Value::Object(payload) = payload else {
        return Err(Refusal::invalid("payload", "must be an object with a list `pipeline`"));
    };
    let params = payload.get("params").cloned().unwrap_or_else(|| json!({}));
    let steps = match payload.get("pipeline") {
        None => &[][..],
        Some(Value::Array(steps)) => steps,
        Some(_) => return Err(Refusal::invalid("payload.pipeline", "must be a list of steps")),
    };
    if steps.len() > STEPS_MAX {
        return Err(Refusal::invalid("payload.pipeline", format!("has more than {STEPS_MAX} steps")));
    }
    let (mut parsed, mut names) = (Vec::with_capacity(steps.len()), BTreeSet::new());
    for (i, step) in steps.iter().enumerate() {
        let place = format!("payload.pipeline[{i}]");
        let step = parse_step(step, &place, retries, timeout)?;
        for name in std::iter::once(&step.id).chain(step.save_as.iter().filter(|name| **name != step.id)) {
            if !names.insert(name.clone()) {
                return Err(Refusal::invalid(place, format!("uses the name {name:?} again")));
            }
        }
        parsed.push(step);
    }
    Ok((params, parsed))
}

fn parse_step(step: &Value, place: &str, retries: u32, timeout: Duration) -> Result<Step, Refusal> {
    let bad = |key: &str, what: String| Refusal::invalid(format!("{place}.{key}"), what);
    let Value::Object(step) = step else { return Err(Refusal::invalid(place, "must be an object")) };
    const KEYS: [&str; 8] =
        ["id", "uses", "with", "save_as", "if", "timeout_seconds", "max_retries", "approval"];
    if let Some(key) = step.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(bad(key, format!("is not a key of a step; known: {}", KEYS.join(", "))));
    }
    let with = match step.get("with") {
        None | Some(Value::Null) => json!({}),
        Some(with @ Value::Object(_)) => with.clone(),
        Some(_) => return Err(bad("with", "must be an object".to_owned())),
    };
    template::check(&with).map_err(|why| bad("with", why.to_string()))?;
    let condition = word(step, "if", place)?;
    if let Some(condition) = &condition {
        template::check_condition(condition).map_err(|why| bad("if", why.to_string()))?;
    }
    let timeout = match step.get("timeout_seconds") {
        None | Some(Value::Null) => timeout,
        Some(value) => match value.as_f64().filter(|secs| *secs > 0.0 && *secs <= TIMEOUT_MAX_SECS) {
            Some(secs) => Duration::from_secs_f64(secs),
            None => {
                return Err(bad(
                    "timeout_seconds",
                    format!("must be above 0 and at most {TIMEOUT_MAX_SECS}"),
                ));
            }
        },
    };
    let max_retries = match step.get("max_retries") {
        None | Some(Value::Null) => retries,
        Some(value) => match value.as_u64().filter(|n| *n <= RETRIES_MAX) {
            Some(n) => n as u32,
            None => {
                return Err(bad("max_retries", format!("must be a whole number from 0 to {RETRIES_MAX}")));
            }
        },
    };
    Ok(Step {
        id: word(step, "id", place)?.ok_or_else(|| bad("id", "is missing".to_owned()))?,
        uses: word(step, "uses", place)?.ok_or_else(|| bad("uses", "is missing".to_owned()))?,
        with,
        save_as: word(step, "save_as", place)?,
        condition,
        timeout,
        max_retries,
        approval: approval::read_wish(
            step.get("approval").unwrap_or(&Value::Null),
            &format!("{place}.approval"),
        )?,
    })
}

/// A text that is not empty, or nothing.
fn word(step: &Map<String, Value>, key: &str, place: &str) -> Result<Option<String>, Refusal> {
    match step.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() && text.len() <= 2_000 => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::invalid(
            format!("{place}.{key}"),
            "must be a text, not empty, of at most 2000 bytes",
        )),
    }
}

/// What comes after the steps that are done.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// This step, after recording those that were skipped.
    Step(u32),
    /// Nothing: the pipeline is through.
    End,
}

/// Skips steps whose condition does not hold, adding them to `run.steps`; says what comes then.
pub(crate) fn next(task: &Task, run: &mut Run, now: Timestamp) -> Result<Next, TemplateError> {
    let steps = task.pipeline.as_deref().unwrap_or_default();
    loop {
        let index = run.steps.len();
        let Some(step) = steps.get(index) else { return Ok(Next::End) };
        match &step.condition {
            Some(condition) if !context(task, run).holds(condition)? => {
                run.steps.push(StepResult { index: index as u32, id: step.id.clone(), result: None, at: now })
            }
            _ => return Ok(Next::Step(index as u32)),
        }
    }
}

/// The arguments of step `index`, filled in.
pub(crate) fn args(task: &Task, run: &Run, step: &Step, bytes_max: usize) -> Result<Value, TemplateError> {
    context(task, run).render(&step.with, bytes_max)
}

fn context(task: &Task, run: &Run) -> Context {
    Context::new(&Value::Object(data(task, run)), run.created_at)
}

fn data(task: &Task, run: &Run) -> Map<String, Value> {
    let steps = task.pipeline.as_deref().unwrap_or_default();
    let mut results = Map::new();
    for (step, done) in steps.iter().zip(&run.steps) {
        if let (Some(name), Some(result)) = (&step.save_as, &done.result) {
            results.insert(name.clone(), result.value());
        }
    }
    let start = run.created_at.rfc3339();
    let mut data = Map::new();
    data.insert("now".to_owned(), Value::String(start.clone()));
    data.insert("params".to_owned(), run.args.as_ref().unwrap_or(&task.args).value());
    data.insert("steps".to_owned(), Value::Object(results));
    data.insert("_task_id".to_owned(), Value::String(task.id.to_string()));
    data.insert("_task_title".to_owned(), Value::String(task.title.clone()));
    data.insert("_execution_start".to_owned(), Value::String(start));
    data
}

/// What a finished pipeline leaves as its run's output: the context, and how it went.
pub(crate) fn output(task: &Task, run: &Run, now: Timestamp, error: Option<&str>) -> Value {
    let total = task.pipeline.as_deref().map_or(0, <[Step]>::len);
    let skipped = run.steps.iter().filter(|step| step.result.is_none()).count();
    let from = run.at.started_at.unwrap_or(run.created_at);
    let mut data = data(task, run);
    data.insert(
        "_execution_summary".to_owned(),
        json!({
            "success": error.is_none(),
            "total_steps": total,
            "executed_steps": run.steps.len() - skipped,
            "skipped_steps": skipped,
            "failed_step_index": error.map(|_| run.steps.len()),
            "execution_time_seconds": now.since(from).as_secs_f64(),
            "error": error,
        }),
    );
    Value::Object(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_pipeline() {
        let long: Vec<Value> = (0..101).map(|i| json!({"id": format!("s{i}"), "uses": "noop"})).collect();
        for (payload, field) in [
            (json!([]), "payload"),
            (json!({"pipeline": {}}), "payload.pipeline"),
            (json!({"pipeline": long}), "payload.pipeline"),
            (json!({"pipeline": [7]}), "payload.pipeline[0]"),
            (json!({"pipeline": [{"uses": "noop"}]}), "payload.pipeline[0].id"),
            (json!({"pipeline": [{"id": "a"}]}), "payload.pipeline[0].uses"),
            (json!({"pipeline": [{"id": "a", "uses": ""}]}), "payload.pipeline[0].uses"),
            (json!({"pipeline": [{"id": "a", "uses": "x", "with": 1}]}), "payload.pipeline[0].with"),
            (
                json!({"pipeline": [{"id": "a", "uses": "x", "with": {"a": "${"}}]}),
                "payload.pipeline[0].with",
            ),
            (json!({"pipeline": [{"id": "a", "uses": "x", "if": "a b"}]}), "payload.pipeline[0].if"),
            (
                json!({"pipeline": [{"id": "a", "uses": "x", "timeout_seconds": 0}]}),
                "payload.pipeline[0].timeout_seconds",
            ),
            (
                json!({"pipeline": [{"id": "a", "uses": "x", "max_retries": 11}]}),
                "payload.pipeline[0].max_retries",
            ),
            (json!({"pipeline": [{"id": "a", "uses": "x", "after": 1}]}), "payload.pipeline[0].after"),
            (
                json!({"pipeline": [{"id": "a", "uses": "x"}, {"id": "a", "uses": "x"}]}),
                "payload.pipeline[1]",
            ),
        ] {
            match parse(&payload, 3, Duration::from_secs(30)) {
                Err(Refusal::Invalid { field: got, .. }) => assert_eq!(got, field, "{payload}"),
                other => panic!("{payload}: {other:?}"),
            }
        }
    }

    #[test]
    fn reads_steps_with_their_defaults() {
        let payload = json!({"params": {"a": 1}, "pipeline": [
            {"id": "a", "uses": "noop"},
            {"id": "b", "uses": "http", "with": {"url": "x"}, "save_as": "b", "timeout_seconds": 1.5, "max_retries": 0}]});
        let (params, steps) = parse(&payload, 3, Duration::from_secs(30)).unwrap();
        assert_eq!(params, json!({"a": 1}));
        assert_eq!((steps[0].timeout, steps[0].max_retries), (Duration::from_secs(30), 3));
        assert_eq!((steps[1].timeout, steps[1].max_retries), (Duration::from_millis(1500), 0));
    }
}
