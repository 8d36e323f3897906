//! Pipelines: whose turn it is, what a step may leave, and how the whole may end.

use super::Checker;
use crate::guard;
use model::{OnFailure, Step};
use tasks::{Outcome, Progress, Run, RunId, RunState, StepResult, Task};

impl Checker {
    /// What a step, or one element of it, left: in its turn, once, and what its worker said.
    pub(super) fn step_done(&mut self, id: RunId, done: &StepResult) {
        let run = &self.tables.runs[&id];
        let task = &self.tables.tasks[&run.task_id];
        let steps = task.pipeline.as_deref().expect("only pipelines have steps");
        must!(done.index as usize == run.steps.len(), "{id}: step {} after {}", done.index, run.steps.len());
        let left: Vec<_> = run.steps.iter().map(|record| (&record.id, record.item)).collect();
        let Some(step) = turn(steps, run).filter(|step| step.id == done.id) else {
            panic!("{id}: {} ends out of turn, after {left:?}", done.id);
        };
        let (holds, item) = (guard::holds(step, task, run), item(step, run));
        let is_at = run.at.state == RunState::Running && steps[run.at.step as usize].id == step.id;
        let outcome = self.ending.get(&id);
        let is_left = item.is_none_or(|item| (item as usize) < guard::items(task, run).len());
        match (&done.result, &done.error) {
            (None, None) => {
                let skipped = !holds && item.unwrap_or(0) == 0 && done.item.is_none();
                must!(skipped, "{id}: {} is skipped after {left:?}, its guard is {holds}", step.id);
            }
            (Some(_), None) if step.foreach.is_some() && done.item.is_none() => {
                must!(holds && !is_left, "{id}: {} is closed after {left:?}", step.id);
            }
            (Some(result), None) => {
                let said = matches!(outcome, Some(Outcome::Done(said)) if *said == result.value());
                must!(said && is_at, "{id}: {} left {result:?}, its worker said {outcome:?}", step.id);
                must!(holds && is_left && done.item == item, "{id}: {} ends as {:?}", step.id, done.item);
            }
            (None, Some(why)) => {
                let item = item.filter(|_| step.on_failure == OnFailure::Continue);
                must!(step.on_failure != OnFailure::Stop, "{id} goes on after {} failed: {why:?}", step.id);
                must!(holds && is_left && done.item == item, "{id}: {} fails as {:?}", step.id, done.item);
                let done_well = matches!(outcome, Some(Outcome::Done(_)));
                must!(is_at && !done_well, "{id}: {} failed, its worker said {outcome:?}", step.id);
            }
            both => panic!("{id}: {} left {both:?}", step.id),
        }
        self.seen.elements += u64::from(done.item.is_some());
        self.seen.helps += u64::from(failed(steps, run).is_some());
        self.seen.steps += 1;
        self.claims.remove(&id);
    }

    /// A pipeline is done when all of it is, help apart; it is given up where it stops at a failure, or after the help.
    pub(super) fn may_end(&self, run: &Run, task: &Task, at: &Progress) {
        let Some(steps) = task.pipeline.as_deref() else { return };
        let (failed, next) = (failed(steps, run), turn(steps, run).map(|step| &step.id));
        match at.state {
            RunState::Completed => {
                must!(
                    failed.is_none() && next.is_none(),
                    "{} is done, {failed:?} failed, next {next:?}",
                    run.id
                );
            }
            RunState::Dead => {
                let helped = failed.is_some() && next.is_none();
                let outcome = self.ending.get(&run.id);
                let stops = run.at.state == RunState::Running
                    && steps[run.at.step as usize].on_failure == OnFailure::Stop
                    && !matches!(outcome, Some(Outcome::Done(_)));
                must!(helped || stops, "{} is given up at {}, its worker said {outcome:?}", run.id, at.step);
            }
            _ => {}
        }
    }

    /// What becomes of a run if what it is at fails.
    pub(super) fn on_failure(&self, run: &Run) -> &OnFailure {
        let steps = self.tables.tasks[&run.task_id].pipeline.as_deref();
        let step = steps.and_then(|steps| steps.get(run.at.step as usize));
        step.map_or(&OnFailure::Stop, |step| &step.on_failure)
    }
}

/// A step begins only in its turn, if its guard holds, and while there is an element to begin.
pub(super) fn may_begin(steps: &[Step], run: &Run, task: &Task, index: u32) {
    let (step, id) = (&steps[index as usize], run.id);
    let turn = turn(steps, run).map(|step| &step.id);
    let left: Vec<_> = run.steps.iter().map(|record| (&record.id, record.item)).collect();
    must!(turn == Some(&step.id), "{id} starts {}, it is the turn of {turn:?} after {left:?}", step.id);
    must!(guard::holds(step, task, run), "{id} starts {} though {:?} does not hold", step.id, step.condition);
    let is_left = item(step, run).is_none_or(|item| (item as usize) < guard::items(task, run).len());
    must!(is_left, "{id} starts {} beyond its last element, after {left:?}", step.id);
}

/// Which element of its list is next; `None` of a step that is done once.
pub(super) fn item(step: &Step, run: &Run) -> Option<u32> {
    let ended = || run.steps.iter().filter(|record| record.id == step.id && record.item.is_some());
    step.foreach.as_ref().map(|_| ended().count() as u32)
}

/// Whose turn it is: of those that the failed step calls for help, in their order; else the first of the list whose
/// needs have ended and that is there for no failure.
fn turn<'a>(steps: &'a [Step], run: &Run) -> Option<&'a Step> {
    let is_open = |step: &&Step| !has_ended(run, &step.id);
    if let Some(OnFailure::Run(help)) = failed(steps, run).map(|step| &step.on_failure) {
        return help.iter().filter_map(|id| steps.iter().find(|step| step.id == *id)).find(is_open);
    }
    let is_help = |step: &Step| steps.iter().any(|other| calls(other, &step.id));
    let may = |step: &&Step| !is_help(step) && step.needs.iter().all(|need| has_ended(run, need));
    steps.iter().filter(is_open).find(may)
}

/// The step that failed and calls for help.
fn failed<'a>(steps: &'a [Step], run: &Run) -> Option<&'a Step> {
    let record = |step: &Step| run.steps.iter().find(|record| record.item.is_none() && record.id == step.id);
    let has_failed = |step: &&Step| record(step).is_some_and(|record| record.error.is_some());
    steps.iter().filter(|step| matches!(step.on_failure, OnFailure::Run(_))).find(has_failed)
}

fn calls(step: &Step, id: &str) -> bool {
    matches!(&step.on_failure, OnFailure::Run(help) if help.iter().any(|one| one == id))
}

fn has_ended(run: &Run, id: &str) -> bool {
    run.steps.iter().any(|record| record.item.is_none() && record.id == id)
}
