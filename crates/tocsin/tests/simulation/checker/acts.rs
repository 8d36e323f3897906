//! What persons ask for: tasks, acts on them, votes. Each act leaves one line in the audit log.

use super::Checker;
use crate::network::Act;
use model::Timestamp;
use tasks::{Change, NewTask, Refusal, RunId, Submitted, TaskId};

impl Checker {
    pub(super) fn submit(
        &mut self,
        now: Timestamp,
        new: &NewTask,
        by: &str,
        result: &Result<Submitted, Refusal>,
        changes: &[Change],
    ) {
        let (key, scheduled) = match new {
            NewTask::Plain(spec, _) => (spec.dedupe_key.clone(), false),
            NewTask::Typed(_) => (None, false),
            NewTask::Scheduled(new) => (new.dedupe_key.clone(), true),
        };
        let held = key.and_then(|key| self.tables.dedupe.get(&(key, by.to_owned())).cloned());
        match result {
            Err(why) => must!(changes.is_empty(), "refused ({why}) and yet {changes:?}"),
            Ok(taken) if taken.duplicate => {
                must!(changes.is_empty(), "a duplicate changed {changes:?}");
                must!(
                    held.map(|held| held.task_id) == Some(taken.task_id),
                    "a duplicate of what nobody holds"
                );
            }
            Ok(taken) => {
                must!(held.is_none(), "{} is a second task under the key of {held:?}", taken.task_id);
                let put = changes.iter().filter(|c| matches!(c, Change::TaskPut(t) if t.id == taken.task_id));
                let runs = changes.iter().filter(|c| matches!(c, Change::RunPut(_))).count();
                must!(put.count() == 1 && runs == usize::from(!scheduled), "a task became {changes:?}");
                let lines = audits(changes, by, taken.task_id);
                must!(lines == usize::from(scheduled), "{} left {lines} audit lines", taken.task_id);
            }
        }
        self.changes(now, changes, |_, _, _| false);
    }

    /// An operator's act on one task: it may take runs of that task from whoever has them, and no others; it leaves
    /// one line in the audit log.
    pub(super) fn act(
        &mut self,
        now: Timestamp,
        id: TaskId,
        act: Act,
        (by, lines): (&str, usize),
        result: &Result<bool, Refusal>,
        changes: &[Change],
    ) {
        must!(result.is_ok() || changes.is_empty(), "{act:?} is refused ({result:?}) and yet {changes:?}");
        let found = audits(changes, by, id);
        must!(found == lines, "{act:?} of {id} by {by} ({result:?}) left {found} audit lines, not {lines}");
        let runs: Vec<RunId> = self.tables.runs.values().filter(|r| r.task_id == id).map(|r| r.id).collect();
        for run in runs {
            self.claims.entry(run).or_default().1 += u32::from(result.is_ok());
        }
        self.changes(now, changes, |_, run, _| run.task_id == id);
        if act == Act::Cancel && result.is_ok() {
            self.seen.cancels += 1;
            self.cancel_heard(id);
        }
    }

    /// A vote on an approval: nobody has the run yet.
    pub(super) fn vote(
        &mut self,
        now: Timestamp,
        by: &str,
        result: &Result<TaskId, Refusal>,
        changes: &[Change],
    ) {
        if let Ok(id) = result {
            let found = audits(changes, by, *id);
            must!(found == 1, "a vote of {by} on {id} left {found} audit lines");
            self.seen.votes += 1;
        }
        self.changes(now, changes, |_, _, _| false);
    }
}

/// The lines that `by` left in the audit log about a task.
fn audits(changes: &[Change], by: &str, id: TaskId) -> usize {
    let of =
        |change: &&Change| matches!(change, Change::Audit(line) if line.actor == by && line.subject == id);
    changes.iter().filter(of).count()
}
