//! What people do to a task besides stopping it: run it now, put it off, hold it, let it go on.
//!
//! A held task stays where it is in the machine of states; it is only not among the ready ones, and does not fire.

use super::schedule::Scheduled;
use super::{Live, Queue};
use crate::task::{Form, Status, Task};
use crate::{Audit, Change, Event, Refusal, RunEvent, RunId, RunState, TaskId};
use model::Timestamp;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Whether an act changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acted {
    /// It did.
    Now,
    /// It was so already.
    Already,
}

impl Queue {
    /// Makes a run of a task now: a scheduled one gets a run besides its schedule, one that runs once need not
    /// wait any longer. Refused ([`Refusal::Invalid`], no field) unless the task is active.
    pub fn run_now(
        &mut self,
        task_id: TaskId,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(RunId, Vec<Event>), Refusal> {
        if let Some(scheduled) = self.schedules.get(&task_id) {
            let (task, live) = (scheduled.task.clone(), scheduled.run());
            if task.status != Status::Active {
                return Err(not_active(task_id, task.status.as_str()));
            }
            if let Some(live) = live {
                return Err(Refusal::NotApplicable(format!("Task {task_id} runs already: run {live}")));
            }
            return Ok(self.run_scheduled(task, by, now, out));
        }
        let id = RunId::of_single(task_id);
        let live = self.runs.get(&id).ok_or(Refusal::NotLive(task_id))?;
        let state = live.run.at.state;
        if live.task.status != Status::Active {
            return Err(not_active(task_id, live.task.status.as_str()));
        }
        match state {
            RunState::Running => {
                return Err(Refusal::NotApplicable(format!("Task {task_id} runs already")));
            }
            RunState::AwaitingApproval => {
                return Err(Refusal::NotApplicable(format!("Task {task_id} waits for an approval")));
            }
            _ => {}
        }
        let mut events = Vec::new();
        self.shift(id, RunEvent::Due, out, |at| at.run_at = now);
        self.audit("task.run_now", task_id, by, json!({}), now, out);
        self.announce(&mut events);
        Ok((id, events))
    }

    /// As [`Queue::run_now`] for a scheduled task that will not fire any more and that only the store knows.
    pub fn run_again(
        &mut self,
        task: Task,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(RunId, Vec<Event>), Refusal> {
        let Form::Scheduled(schedule) = &task.form else { return Err(Refusal::NotLive(task.id)) };
        if task.status != Status::Active {
            return Err(not_active(task.id, task.status.as_str()));
        }
        let plan = self.plan(schedule, task.firing(), task.id, task.created_at)?;
        let task = Arc::new(Task { next_fire: None, ..task });
        self.schedules.insert(task.id, Scheduled::new(task.clone(), plan));
        Ok(self.run_scheduled(task, by, now, out))
    }

    fn run_scheduled(
        &mut self,
        task: Arc<Task>,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> (RunId, Vec<Event>) {
        let (task_id, mut events) = (task.id, Vec::new());
        let run_id = self.start_run(task, now, now, out, &mut events);
        self.audit("task.run_now", task_id, by, json!({"run_id": run_id.to_string()}), now, out);
        self.announce(&mut events);
        (run_id, events)
    }

    /// Puts off what waits of a task: every run of it that nobody has, and its next fire. Answers how many of these.
    pub fn snooze(
        &mut self,
        task_id: TaskId,
        delay: Duration,
        reason: &str,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<usize, Refusal> {
        let runs = self.live_runs(task_id).ok_or(Refusal::NotLive(task_id))?;
        let waits = |live: &Live| {
            use RunState::{Available, Retryable, Scheduled};
            matches!(live.run.at.state, Scheduled | Available | Retryable)
        };
        let mut moved = 0;
        for id in runs.into_iter().filter(|id| self.runs.get(id).is_some_and(waits)).collect::<Vec<_>>() {
            self.shift(id, RunEvent::Hold, out, |at| at.run_at = at.run_at.max(now).plus(delay));
            moved += 1;
        }
        if let Some(scheduled) = self.schedules.get_mut(&task_id)
            && let Some(at) = scheduled.task.next_fire
        {
            let later = at.max(now).plus(delay);
            Arc::make_mut(&mut scheduled.task).next_fire = Some(later);
            out.push(Change::TaskPut(scheduled.task.clone()));
            if self.fires.remove(&(at, task_id)) {
                self.fires.insert((later, task_id));
            }
            moved += 1;
        }
        let details = json!({"delay_seconds": delay.as_secs(), "reason": reason, "moved": moved});
        self.audit("task.snoozed", task_id, by, details, now, out);
        Ok(moved)
    }

    /// Holds a task: it does not fire, and what waits of it does not begin. What runs goes on.
    pub fn pause(
        &mut self,
        task_id: TaskId,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Acted, Refusal> {
        if self.status_of(task_id)? == Status::Paused {
            return Ok(Acted::Already);
        }
        if let Some(scheduled) = self.schedules.get_mut(&task_id) {
            Arc::make_mut(&mut scheduled.task).status = Status::Paused;
            out.push(Change::TaskPut(scheduled.task.clone()));
            if let Some(at) = scheduled.task.next_fire {
                self.fires.remove(&(at, task_id));
            }
        }
        self.set_run_status(task_id, Status::Paused, out);
        self.audit("task.paused", task_id, by, json!({}), now, out);
        Ok(Acted::Now)
    }

    /// Lets a held task go on. Fires that it missed meanwhile are not made up for, but for that of a task which
    /// fires once.
    pub fn resume(
        &mut self,
        task_id: TaskId,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(Acted, Vec<Event>), Refusal> {
        if self.status_of(task_id)? == Status::Active {
            return Ok((Acted::Already, Vec::new()));
        }
        if let Some(scheduled) = self.schedules.get_mut(&task_id) {
            let next = match scheduled.task.next_fire {
                Some(at) if at <= now => scheduled.plan.after_pause(at, now),
                later => later,
            };
            let task = Arc::make_mut(&mut scheduled.task);
            (task.status, task.next_fire) = (Status::Active, next);
            out.push(Change::TaskPut(scheduled.task.clone()));
            self.fires.extend(next.map(|at| (at, task_id)));
        }
        self.set_run_status(task_id, Status::Active, out);
        self.audit("task.resumed", task_id, by, json!({}), now, out);
        self.forget_schedule(task_id, None, now, out);
        let mut events = Vec::new();
        self.announce(&mut events);
        Ok((Acted::Now, events))
    }

    /// The live run of a task that is live, if it has one; `None`: the task is not live.
    pub(super) fn run_of(&self, task_id: TaskId) -> Option<Option<RunId>> {
        if let Some(scheduled) = self.schedules.get(&task_id) {
            return Some(scheduled.run());
        }
        let id = RunId::of_single(task_id);
        self.runs.contains_key(&id).then_some(Some(id))
    }

    /// All live runs of a task that is live, oldest first; `None`: the task is not live.
    pub(super) fn live_runs(&self, task_id: TaskId) -> Option<Vec<RunId>> {
        if let Some(scheduled) = self.schedules.get(&task_id) {
            return Some(scheduled.live.clone());
        }
        let id = RunId::of_single(task_id);
        self.runs.contains_key(&id).then(|| vec![id])
    }

    fn status_of(&self, task_id: TaskId) -> Result<Status, Refusal> {
        let scheduled = self.schedules.get(&task_id).map(|scheduled| scheduled.task.status);
        let single = || self.runs.get(&RunId::of_single(task_id)).map(|live| live.task.status);
        scheduled.or_else(single).ok_or(Refusal::NotLive(task_id))
    }

    /// Every live run of a task sees its task with another status; a ready one comes among the ready ones or leaves
    /// them.
    fn set_run_status(&mut self, task_id: TaskId, status: Status, out: &mut Vec<Change>) {
        let single = !self.schedules.contains_key(&task_id);
        for id in self.live_runs(task_id).unwrap_or_default() {
            let Some(live) = self.runs.get_mut(&id) else { continue };
            self.index.leave(live);
            Arc::make_mut(&mut live.task).status = status;
            self.index.enter(live);
            self.available +=
                usize::from(status == Status::Active && live.run.at.state == RunState::Available);
            if single {
                out.push(Change::TaskPut(live.task.clone()));
            }
        }
    }

    pub(super) fn audit(
        &self,
        action: &'static str,
        subject: TaskId,
        by: &str,
        details: Value,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        out.push(Change::Audit(Audit { at: now, actor: by.to_owned(), action, subject, details }));
    }
}

fn not_active(task_id: TaskId, status: &str) -> Refusal {
    Refusal::invalid("", format!("Task {task_id} is {status}, not active"))
}
