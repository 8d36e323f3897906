//! Pipelines: steps of one run, one after the other. Reads them from a task's payload ([`parse`]), says which is
//! next ([`plan`]), and over what its templates are filled in (here).

mod parse;
mod plan;
#[cfg(test)]
mod tests;

pub use parse::STEPS_MAX;
pub(crate) use parse::parse;
pub(crate) use plan::{Broken, Next, Part, Verdict, done, failed, next};

use crate::template::{Context, TemplateError};
use crate::{Run, StepResult, Task};
use model::{Json, OnFailure, Step, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// The most items of one `foreach`.
pub const ITEMS_MAX: usize = 1_000;
/// The most bytes of that list.
const LIST_BYTES_MAX: usize = 4 << 20;

/// Where the event and the parameters stand in the arguments of a run that an event set off.
const EVENT: &str = "$event";
const PARAMS: &str = "$params";

/// The steps that are done only after another's failure.
fn handlers(steps: &[Step]) -> HashSet<&str> {
    let named = steps.iter().filter_map(|step| match &step.on_failure {
        OnFailure::Run(ids) => Some(ids),
        _ => None,
    });
    named.flatten().map(String::as_str).collect()
}

/// The arguments of a step, or of the present element of it, filled in.
pub(crate) fn args(task: &Task, run: &Run, step: &Step, bytes_max: usize) -> Result<Value, TemplateError> {
    let Some(expr) = &step.foreach else {
        return context(task, run, None).render(&step.with, bytes_max);
    };
    let index = plan::elements(&run.steps, &step.id);
    let item = plan::list(task, run, expr)?.into_iter().nth(index).unwrap_or(Value::Null);
    context(task, run, Some((index, item))).render(&step.with, bytes_max)
}

fn context(task: &Task, run: &Run, item: Option<(usize, Value)>) -> Context {
    let mut data = data(task, run);
    if let Some((index, item)) = item {
        data.insert("index".to_owned(), Value::from(index));
        data.insert("item".to_owned(), item);
    }
    Context::new(&Value::Object(data), run.created_at)
}

fn data(task: &Task, run: &Run) -> Map<String, Value> {
    let steps = task.pipeline.as_deref().unwrap_or_default();
    let (mut results, mut failures) = (Map::new(), Map::new());
    for record in &run.steps {
        if let Some(error) = &record.error {
            failures.insert(record.id.clone(), json!({"type": error.kind, "message": error.message}));
        }
        let Some(step) = steps.iter().find(|step| step.id == record.id) else { continue };
        if let (Some(name), None, Some(result)) = (&step.save_as, record.item, &record.result) {
            let result = match step.foreach {
                Some(_) => items(&run.steps, &step.id),
                None => result.value(),
            };
            results.insert(name.clone(), result);
        }
    }
    let start = run.created_at.rfc3339();
    let mut data = Map::new();
    data.insert("now".to_owned(), Value::String(start.clone()));
    let (params, event) = run.args.as_ref().map(Json::value).map_or((None, None), split_event);
    data.insert("params".to_owned(), params.unwrap_or_else(|| task.args.value()));
    if let Some(event) = event {
        data.insert("event".to_owned(), event);
    }
    data.insert("steps".to_owned(), Value::Object(results));
    if !failures.is_empty() {
        data.insert("failures".to_owned(), Value::Object(failures));
    }
    data.insert("_task_id".to_owned(), Value::String(task.id.to_string()));
    data.insert("_task_title".to_owned(), Value::String(task.title.clone()));
    data.insert("_execution_start".to_owned(), Value::String(start));
    data
}

/// The arguments of a run that an event set off: that event, and the task's own parameters or those that an
/// approval put in their place.
pub(crate) fn with_event(event: &Value, params: Option<&Value>) -> Json {
    let mut args = Map::from_iter([(EVENT.to_owned(), event.clone())]);
    args.extend(params.map(|params| (PARAMS.to_owned(), params.clone())));
    Json::from(Value::Object(args))
}

/// The parameters and the event that a run's arguments hold.
pub(crate) fn split_event(mut args: Value) -> (Option<Value>, Option<Value>) {
    match args.get_mut(EVENT).map(Value::take) {
        None => (Some(args), None),
        event => (args.get_mut(PARAMS).map(Value::take), event),
    }
}

/// The results of a `foreach`, null where an element failed.
fn items(records: &[StepResult], id: &str) -> Value {
    let items = records.iter().filter(|record| record.id == id && record.item.is_some());
    items.map(|record| record.result.as_ref().map_or(Value::Null, Json::value)).collect()
}

/// What a finished pipeline leaves as its run's output: the context, and how it went.
pub(crate) fn output(task: &Task, run: &Run, now: Timestamp, error: Option<&str>) -> Value {
    let total = task.pipeline.as_deref().map_or(0, <[Step]>::len);
    let closed = || run.steps.iter().filter(|record| record.item.is_none());
    let executed = closed().filter(|record| record.result.is_some() || record.error.is_some()).count();
    let skipped = match error {
        // Steps for a failure that never came.
        None => total - executed,
        Some(_) => closed().filter(|record| record.result.is_none() && record.error.is_none()).count(),
    };
    let steps = task.pipeline.as_deref().unwrap_or_default();
    let failed_index = plan::blamed(steps, &run.steps).unwrap_or(run.at.step as usize);
    let from = run.at.started_at.unwrap_or(run.created_at);
    let mut data = data(task, run);
    data.insert(
        "_execution_summary".to_owned(),
        json!({
            "success": error.is_none(),
            "total_steps": total,
            "executed_steps": executed,
            "skipped_steps": skipped,
            "failed_step_index": error.map(|_| failed_index),
            "execution_time_seconds": now.since(from).as_secs_f64(),
            "error": error,
            "traceback": null,
        }),
    );
    Value::Object(data)
}
