//! Dedupe keys: work that was asked for under a key is not taken again while it goes on, and after it was done for as
//! long as was asked for.
//!
//! A key is its task's: it is free once the task is dead, cancelled or gone, and at the latest when the store forgets
//! the task. What comes under a free key is new work. That a request which is sent twice is done once, however it
//! ended, is for idempotency keys (`once`).

use super::Queue;
use crate::{Change, Dedupe, Form, RunId, RunState, Submitted, Task, TaskId};
use model::Timestamp;

impl Queue {
    /// The answer for a dedupe key that is taken.
    pub(super) fn holder(&self, key: Option<&str>, by: &str) -> Option<Submitted> {
        let held = self.dedupe.get(&(key?.to_owned(), by.to_owned()))?;
        let live = self.runs.get(&RunId::of_single(held.task_id)).map(|live| &live.task);
        let task =
            live.or_else(|| self.schedules.get(&held.task_id).map(|scheduled| &scheduled.task)).cloned();
        Some(Submitted { task_id: held.task_id, task, duplicate: true, available: false })
    }

    /// A task that was taken takes its key.
    pub(super) fn take_key(&mut self, task: &Task, now: Timestamp, out: &mut Vec<Change>) {
        let Some(key) = task.dedupe_key.clone() else { return };
        let until = now.plus(task.dedupe_window);
        let dedupe = Dedupe { key, by: task.created_by.clone(), task_id: task.id, until };
        out.push(Change::DedupePut(dedupe.clone()));
        self.hold_key(dedupe, now);
        self.bound_keys(now, out);
    }

    /// A key whose window is over is freed when its task ends; until then only the window's end needs a timer.
    pub(super) fn hold_key(&mut self, dedupe: Dedupe, now: Timestamp) {
        if dedupe.until > now {
            self.dedupe_ends.insert((dedupe.until, dedupe.key.clone(), dedupe.by.clone()));
        }
        self.dedupe.insert((dedupe.key.clone(), dedupe.by.clone()), dedupe);
    }

    /// Lets go of the windows that end first, if there are too many. The key of a task that still goes is then
    /// freed when that ends.
    fn bound_keys(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        while self.dedupe_ends.len() > self.settings.dedupe_max
            && let Some((_, key, by)) = self.dedupe_ends.pop_first()
        {
            let name = (key, by);
            match self.dedupe.get(&name).map(|held| self.is_live(held.task_id)) {
                Some(true) => {
                    if let Some(held) = self.dedupe.get_mut(&name) {
                        held.until = now;
                    }
                }
                Some(false) => self.drop_key(name, out),
                None => {}
            }
        }
    }

    /// A task has ended, its last run so (`None`: it made none at its end). If that was done, the key holds for the
    /// rest of its window, but no longer than the store keeps the task; else it is free.
    pub(super) fn end_key(
        &mut self,
        task: &Task,
        last: Option<RunState>,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        let Some(key) = &task.dedupe_key else { return };
        let name = (key.clone(), task.created_by.clone());
        let Some(held) = self.dedupe.get(&name).filter(|held| held.task_id == task.id) else { return };
        if self.is_live(task.id) {
            return;
        }
        let kept = match task.form {
            Form::Scheduled(_) => self.settings.runs_kept,
            Form::Plain | Form::Typed(_) => self.settings.singles_kept,
        };
        let until = held.until.min(now.plus(kept));
        if last != Some(RunState::Completed) || until <= now {
            return self.drop_key(name, out);
        }
        if until < held.until {
            let mut held = held.clone();
            self.dedupe_ends.remove(&(held.until, name.0, name.1));
            held.until = until;
            out.push(Change::DedupePut(held.clone()));
            self.hold_key(held, now);
        }
    }

    /// A task is gone from the store, or does not count any more: its key is free.
    pub(super) fn free_key(&mut self, task: &Task, out: &mut Vec<Change>) {
        let Some(key) = &task.dedupe_key else { return };
        let name = (key.clone(), task.created_by.clone());
        if self.dedupe.get(&name).is_some_and(|held| held.task_id == task.id) {
            self.drop_key(name, out);
        }
    }

    /// The store has no such task: the key that it holds is free. Looks at every key.
    pub fn free_key_of(&mut self, gone: TaskId, out: &mut Vec<Change>) {
        if self.is_live(gone) {
            return;
        }
        let name = self.dedupe.iter().find(|(_, held)| held.task_id == gone).map(|(name, _)| name.clone());
        if let Some(name) = name {
            self.drop_key(name, out);
        }
    }

    /// Frees the keys whose windows end.
    pub(super) fn end_keys(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        while let Some((until, key, by)) = self.dedupe_ends.first().filter(|(until, _, _)| *until <= now) {
            let (until, name) = (*until, (key.clone(), by.clone()));
            self.dedupe_ends.remove(&(until, name.0.clone(), name.1.clone()));
            let task = self.dedupe.get(&name).map(|held| held.task_id);
            // The key of a task that still goes is freed when it ends.
            if task.is_some_and(|task| !self.is_live(task)) {
                self.drop_key(name, out);
            }
        }
    }

    fn drop_key(&mut self, name: (String, String), out: &mut Vec<Change>) {
        if let Some(held) = self.dedupe.remove(&name) {
            self.dedupe_ends.remove(&(held.until, held.key, held.by));
            out.push(Change::DedupeGone { key: name.0, by: name.1 });
        }
    }
}
