//! Which step is next: from the pipeline and from what its steps have left so far, and from nothing else, so that
//! a restart goes on where the record ends.
//!
//! A record with an item is one element of a `foreach`; a record without closes its step: with a result it is
//! done, with an error it failed, with neither it was skipped. Steps are taken one at a time: the first in the
//! list that is not closed and whose needs are.

use super::{ITEMS_MAX, LIST_BYTES_MAX, context, handlers};
use crate::template::TemplateError;
use crate::{Run, RunError, StepResult, Task};
use model::{Json, OnFailure, Step, Timestamp};
use serde_json::Value;
use std::collections::HashSet;

/// What comes after the steps that are closed.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// This step, or the next element of it.
    Step(u32),
    /// Nothing: the pipeline is through.
    End,
    /// Nothing: a step failed and what was to follow that is done.
    Failed(RunError),
}

/// A step whose condition or list cannot be evaluated.
#[derive(Debug, PartialEq)]
pub(crate) struct Broken {
    pub step: u32,
    pub why: TemplateError,
}

/// Closes what needs no worker (steps whose condition does not hold, lists that are through), adding it to
/// `run.steps`; says what comes then.
pub(crate) fn next(task: &Task, run: &mut Run, now: Timestamp) -> Result<Next, Broken> {
    let steps = task.pipeline.as_deref().unwrap_or_default();
    loop {
        let index = match choose(steps, &run.steps) {
            Next::Step(index) => index,
            over => return Ok(over),
        };
        let step = &steps[index as usize];
        let broken = |why| Broken { step: index, why };
        let elements = elements(&run.steps, &step.id);
        if let (Some(condition), 0) = (&step.condition, elements)
            && !context(task, run, None).holds(condition).map_err(broken)?
        {
            record(run, step, None, None, None, now);
            continue;
        }
        let Some(expr) = &step.foreach else { return Ok(Next::Step(index)) };
        if elements < list(task, run, expr).map_err(broken)?.len() {
            return Ok(Next::Step(index));
        }
        record(run, step, None, Some(Json::null()), None, now);
    }
}

/// The items that a step is done for.
pub(super) fn list(task: &Task, run: &Run, expr: &str) -> Result<Vec<Value>, TemplateError> {
    context(task, run, None).list(expr, ITEMS_MAX, LIST_BYTES_MAX)
}

/// How many elements of a step have ended.
pub(super) fn elements(records: &[StepResult], id: &str) -> usize {
    records.iter().rev().take_while(|record| record.item.is_some() && record.id == id).count()
}

fn choose(steps: &[Step], records: &[StepResult]) -> Next {
    let closed: HashSet<&str> =
        records.iter().filter(|record| record.item.is_none()).map(|record| record.id.as_str()).collect();
    let is_open = |id: &str| !closed.contains(id);
    if let Some((ids, error)) = handled(steps, records) {
        let next =
            ids.iter().find(|id| is_open(id)).and_then(|id| steps.iter().position(|step| step.id == *id));
        return next.map_or_else(|| Next::Failed(error.clone()), |index| Next::Step(index as u32));
    }
    let handlers = handlers(steps);
    let ready = |step: &Step| {
        is_open(&step.id)
            && !handlers.contains(step.id.as_str())
            && step.needs.iter().all(|need| closed.contains(need.as_str()))
    };
    steps.iter().position(ready).map_or(Next::End, |index| Next::Step(index as u32))
}

/// The place of the step whose failure its handlers were for.
pub(super) fn blamed(steps: &[Step], records: &[StepResult]) -> Option<usize> {
    let (ids, _) = handled(steps, records)?;
    steps.iter().position(|step| matches!(&step.on_failure, OnFailure::Run(these) if these.as_slice() == ids))
}

/// The failure after which only the steps that it names are done.
fn handled<'a>(steps: &'a [Step], records: &'a [StepResult]) -> Option<(&'a [String], &'a RunError)> {
    records.iter().filter(|record| record.item.is_none()).find_map(|record| {
        let error = record.error.as_ref()?;
        match &steps.iter().find(|step| step.id == record.id)?.on_failure {
            OnFailure::Run(ids) => Some((ids.as_slice(), error)),
            _ => None,
        }
    })
}

/// Records that the step the run is at, or the present element of it, is done.
pub(crate) fn done(task: &Task, run: &mut Run, result: Json, now: Timestamp) {
    let Some(step) = task.pipeline.as_deref().and_then(|steps| steps.get(run.at.step as usize)) else {
        return;
    };
    let item = step.foreach.as_ref().map(|_| elements(&run.steps, &step.id) as u32);
    record(run, step, item, Some(result), None, now);
}

/// What becomes of the pipeline when a step has failed for good.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It goes on: ask [`next`].
    GoOn,
    /// It ends, with this.
    End(RunError),
}

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What the run is at: a step, or one element of it.
    Attempt,
    /// The step of this index as a whole: its condition or its list.
    Whole(u32),
}

/// Records that part of a step failed for good.
pub(crate) fn failed(task: &Task, run: &mut Run, part: Part, error: RunError, now: Timestamp) -> Verdict {
    let index = match part {
        Part::Attempt => run.at.step,
        Part::Whole(index) => index,
    };
    let steps = task.pipeline.as_deref().unwrap_or_default();
    let Some(step) = steps.get(index as usize) else { return Verdict::End(error) };
    // What a handler fails at does not hide what it was there for.
    let first = handled(steps, &run.steps).map(|(_, first)| first.clone());
    match step.on_failure {
        OnFailure::Stop => Verdict::End(first.unwrap_or(error)),
        OnFailure::Continue => {
            let element = step.foreach.is_some() && part == Part::Attempt;
            let item = element.then(|| elements(&run.steps, &step.id) as u32);
            record(run, step, item, None, Some(error), now);
            Verdict::GoOn
        }
        OnFailure::Run(_) => {
            record(run, step, None, None, Some(error), now);
            Verdict::GoOn
        }
    }
}

fn record(
    run: &mut Run,
    step: &Step,
    item: Option<u32>,
    result: Option<Json>,
    error: Option<RunError>,
    at: Timestamp,
) {
    let index = run.steps.len() as u32;
    run.steps.push(StepResult { index, id: step.id.clone(), item, result, error, at });
}
