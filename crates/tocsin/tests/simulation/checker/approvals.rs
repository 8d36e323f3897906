//! What persons must agree to runs only with their approval, and as they saw it.

use super::{Checker, pipelines};
use crate::guard;
use model::OnExpiry;
use serde_json::Value;
use std::collections::HashSet;
use tasks::{Approval, Form, RecordKind, Run, RunId, Task, Urgency};

impl Checker {
    /// A run that needs one has an approval.
    pub(super) fn approved(&self, run: &Run, task: &Task) {
        let gated = task.options.as_ref().is_some_and(|options| options.approval.is_some());
        let approval = self.approval(run.id, None);
        let gated = gated || matches!(&task.form, Form::Typed(typed) if typed.urgency == Urgency::P0);
        let Some(approval) = approval else {
            must!(!gated, "{} runs without an approval", run.id);
            return;
        };
        agreed(run, &approval);
    }

    /// The same for the step that it is at, or the present element of it.
    pub(super) fn step_approved(&self, run: &Run, task: &Task, index: u32) {
        let step = task.pipeline.as_deref().map(|steps| &steps[index as usize]);
        let Some(step) = step.filter(|step| step.approval.is_some()) else { return };
        let approval = self.approval(run.id, Some((index, pipelines::item(step, run))));
        let approval = approval.unwrap_or_else(|| panic!("{} does {} without an approval", run.id, step.id));
        agreed(run, &approval);
    }

    /// What a claim's arguments must be: for a step that persons agreed to, what they saw.
    pub(super) fn args(&self, run: &Run, task: &Task, index: u32) -> Value {
        let step = task.pipeline.as_deref().and_then(|steps| steps.get(index as usize));
        let gated = step.filter(|step| step.approval.is_some());
        let approval =
            gated.and_then(|step| self.approval(run.id, Some((index, pipelines::item(step, run)))));
        match approval {
            Some(approval) => (*approval.asked.payload).clone(),
            None => guard::args(task, run, index, step.and_then(|step| pipelines::item(step, run))),
        }
    }

    /// The approval of a run, or of a step of it: its place, and which element.
    fn approval(&self, run: RunId, step: Option<(u32, Option<u32>)>) -> Option<Approval> {
        let run = run.to_string();
        let records = self.tables.records.iter().filter(|((kind, _), _)| *kind == RecordKind::Approval);
        let of_run = records.filter(|(_, row)| row["run_id"] == run);
        of_run
            .filter_map(|(_, row)| tasks::approval::from_json(row))
            .find(|approval| approval.asked.step.as_ref().map(|step| (step.index, step.item)) == step)
    }
}

/// As many principals as were needed agreed, each once, in time, and none of them who may not; or nobody decided
/// and that means yes.
fn agreed(run: &Run, approval: &Approval) {
    let asked = &approval.asked;
    if approval.status() == tasks::ApprovalStatus::Timeout {
        must!(asked.on_expiry == OnExpiry::Approve, "{} runs, its approval ran out", run.id);
        return;
    }
    let votes = || approval.votes.iter().filter(|vote| vote.hash == asked.hash && vote.at < asked.expires_at);
    let voters: HashSet<&str> = votes().map(|vote| vote.by.as_str()).collect();
    let enough = voters.len() >= asked.quorum as usize;
    must!(enough, "{} runs with the votes of {voters:?} of {}", run.id, asked.quorum);
    let own = asked.critical && voters.contains(asked.requested_by.as_str());
    must!(!own, "{} runs with the vote of who asked for it", run.id);
}
