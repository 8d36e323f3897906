//! From what the store kept back to a queue.

use super::deadlines::Due;
use super::once::Once;
use super::page::Waiting;
use super::workers::Worker;
use super::{Live, Queue};
use crate::{Form, Loaded, RecordKind, Run, RunState, Status, TaskId};
use model::{Class, Timestamp};
use std::collections::HashMap;

impl Queue {
    pub(super) fn restore(&mut self, mut loaded: Loaded, now: Timestamp) {
        let told = self.deadlines.restore(loaded.take_records(RecordKind::Sla));
        self.once = Once::restored(loaded.take_records(RecordKind::Idempotency));
        let approvals = loaded.take_records(RecordKind::Approval);
        self.calendars = super::calendars::restored(loaded.take_records(RecordKind::Calendar));
        self.listeners = super::listen::Listeners::restored(loaded.take_records(RecordKind::Condition));
        let directives = loaded.take_records(RecordKind::Directive);
        for (token, digest) in loaded.ended {
            self.remember(token, digest);
        }
        for row in loaded.workers {
            self.workers.insert(row.id.clone(), Worker::restored(row));
        }
        self.restore_directives(directives);
        let tasks: HashMap<TaskId, _> = loaded.tasks.into_iter().map(|task| (task.id, task)).collect();
        for task in tasks.values() {
            if let (Form::Scheduled(schedule), Status::Active | Status::Paused) = (&task.form, task.status)
                && let Ok(plan) = self.plan(schedule, task.firing(), task.id, task.created_at)
            {
                self.add_schedule(task.clone(), plan, now);
            }
        }
        let (live, ended): (Vec<Run>, Vec<Run>) =
            loaded.runs.into_iter().partition(|run| !run.at.state.is_final());
        for mut run in live {
            let Some(task) = tasks.get(&run.task_id).cloned() else { continue };
            if run.at.state == RunState::Running {
                // Whoever took it by hand sends no heartbeats: the long lease given then goes on.
                let by_hand = run.at.lease_until.filter(|_| run.at.token.is_none());
                run.at.lease_until = by_hand.max(Some(now.plus(self.settings.lease)));
            } else if let Some(token) = run.at.token {
                // Whoever ended that attempt may not have heard the answer, and says it again.
                self.remember(token, run.at.outcome);
            }
            if let Some(scheduled) = self.schedules.get_mut(&run.task_id) {
                scheduled.live.push(run.id);
            }
            let told = told.get(&run.id).copied();
            self.insert_told(Live::new(run, task), told);
        }
        self.restore_sleeping(loaded.sleeping);
        self.count_lines();
        self.restore_pages(&ended);
        self.restore_approvals(approvals);
        self.schedules.retain(|_, scheduled| !scheduled.is_over());
        for dedupe in loaded.dedupe {
            if dedupe.until <= now && !self.is_live(dedupe.task_id) {
                // The window ended while we were away: the first tick frees the key.
                self.dedupe_ends.insert((dedupe.until, dedupe.key.clone(), dedupe.by.clone()));
            }
            self.hold_key(dedupe, now);
        }
        self.available = 0;
    }

    fn restore_pages(&mut self, ended: &[Run]) {
        let mut children: Vec<(_, &Run)> = Vec::new();
        let live = self.runs.values().map(|live| &live.run);
        for run in live.chain(ended) {
            if let Some(parent) = &run.parent {
                children.push((parent.clone(), run));
            }
        }
        children.sort_by_key(|(_, run)| run.id);
        let mut pages: HashMap<_, Waiting> = HashMap::new();
        for (parent, run) in children {
            let Some(page) = self.runs.get(&parent.run_id) else { continue };
            let released = page.run.at.state != RunState::Scheduled || page.run.at.attempt > 0;
            let waiting = pages.entry(parent.run_id).or_insert_with(|| Waiting::new(released));
            waiting.add(parent.step, run);
        }
        self.pages_ready = pages.iter().filter(|(_, page)| page.is_ready()).map(|(id, _)| *id).collect();
        self.pages_ready.sort();
        self.pages = pages;
    }

    /// Adds a live run to the maps.
    pub(super) fn insert_live(&mut self, live: Live) {
        self.insert_told(live, None);
    }

    /// As [`Queue::insert_live`], with what was told about its deadline.
    fn insert_told(&mut self, live: Live, told: Option<Due>) {
        self.deadlines.arm(&live, told);
        self.index.enter(&live);
        self.users_live += usize::from(live.run.class == Class::User);
        self.available += usize::from(live.run.at.state == RunState::Available);
        self.note_fresh(&live);
        self.runs.insert(live.run.id, live);
    }
}
