//! Stopping a task, and setting a typed task's status by hand.

use super::Queue;
use super::settle::error;
use crate::run::BY_HAND;
use crate::task::{Form, Status};
use crate::{Audit, Cancelled, Change, Event, Refusal, RunEvent, RunId, RunState, TaskId};
use model::{Json, Timestamp};
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// How long a run lives that somebody took by setting its status, without the protocol of workers.
const TAKEN_BY_HAND: Duration = Duration::from_secs(86_400);

impl Queue {
    /// Stops a task: what waits is cancelled, what runs is cancelled and its worker told, and it fires no more.
    pub fn cancel(
        &mut self,
        task_id: TaskId,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(Cancelled, Vec<Event>), Refusal> {
        let runs = self.live_runs(task_id).ok_or(Refusal::NotLive(task_id))?;
        let next_fire = self.schedules.get(&task_id).and_then(|scheduled| scheduled.task.next_fire);
        let states = runs.iter().filter_map(|run| Some(self.runs.get(run)?.run.at.state));
        let states: Vec<RunState> = states.collect();
        let mut events = Vec::new();
        self.cancel_schedule(task_id, out);
        for run in runs {
            self.cancel_run(run, by, now, out, &mut events);
        }
        self.forget_schedule(task_id, None, now, out);
        out.push(Change::Audit(Audit {
            at: now,
            actor: by.to_owned(),
            action: "task.canceled",
            subject: task_id,
            details: json!({}),
        }));
        self.release_ready(now, out, &mut events);
        self.announce(&mut events);
        let running = states.iter().filter(|state| **state == RunState::Running).count();
        Ok((Cancelled { waiting: states.len() - running, running, next_fire }, events))
    }

    fn cancel_schedule(&mut self, task_id: TaskId, out: &mut Vec<Change>) {
        let Some(scheduled) = self.schedules.get_mut(&task_id) else { return };
        let task = Arc::make_mut(&mut scheduled.task);
        if let Some(at) = task.next_fire.take() {
            self.fires.remove(&(at, task_id));
        }
        task.status = Status::Canceled;
        out.push(Change::TaskPut(scheduled.task.clone()));
    }

    fn cancel_run(
        &mut self,
        id: RunId,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        self.detach(id);
        let error = error("cancelled", format!("cancelled by {by}"));
        self.end(id, RunEvent::Cancel, Some(error), None, now, out, events);
    }

    /// A running attempt's token stops counting, and its worker is told.
    pub(super) fn detach(&mut self, id: RunId) {
        let Some(live) = self.runs.get(&id).filter(|live| live.run.at.state == RunState::Running) else {
            return;
        };
        let (worker, token) = (live.run.at.worker_id.clone(), live.run.at.token);
        self.forget_token(token);
        if let (Some(worker), Some(token)) = (worker, token) {
            self.tell_cancel(&worker, token);
        }
    }

    /// Sets the status of a typed task: `in_progress`, `completed`, `failed`, `cancelled`, `blocked`, or back to
    /// `pending` or `assigned`. Whoever does so stands in for a worker; one that has the run loses it.
    pub fn patch_status(
        &mut self,
        task_id: TaskId,
        status: &str,
        why: Option<&str>,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Vec<Event>, Refusal> {
        const WORDS: [&str; 7] =
            ["pending", "assigned", "in_progress", "completed", "failed", "cancelled", "blocked"];
        if !WORDS.contains(&status) {
            let what = format!("{status:?} is not a status; known: {}", WORDS.join(", "));
            return Err(Refusal::invalid("status", what));
        }
        let id = RunId::of_single(task_id);
        let live = self.runs.get(&id).ok_or(Refusal::NotLive(task_id))?;
        if !matches!(live.task.form, Form::Typed(_)) {
            return Err(Refusal::NotApplicable("only a typed task's status can be set".to_owned()));
        }
        if live.run.at.state == RunState::AwaitingApproval && !matches!(status, "pending" | "cancelled") {
            let what = format!("task {task_id} waits for an approval; approve approval_{task_id} first");
            return Err(Refusal::NotApplicable(what));
        }
        let (mark, mut events) = (self.trail.mark(), Vec::new());
        match status {
            "in_progress" => self.take_by_hand(id, by, now, out),
            "completed" => {
                self.take_by_hand(id, by, now, out);
                self.detach(id);
                self.end(id, RunEvent::Done, None, Some(Json::null()), now, out, &mut events);
            }
            "failed" => {
                self.take_by_hand(id, by, now, out);
                self.detach(id);
                let error = error("reported", why.unwrap_or("Unknown error").to_owned());
                self.end(id, RunEvent::GiveUp, Some(error), None, now, out, &mut events);
            }
            "cancelled" => self.cancel_run(id, by, now, out, &mut events),
            "blocked" => self.hold(id, Timestamp::MAX, out),
            _ => {
                self.hold(id, now, out);
                let holder = (status == "pending").then(|| holder(by));
                self.shift(id, RunEvent::Due, out, |at| at.worker_id = holder);
            }
        }
        self.trail.patched(mark, status);
        self.announce(&mut events);
        Ok(events)
    }

    fn hold(&mut self, id: RunId, until: Timestamp, out: &mut Vec<Change>) {
        self.detach(id);
        self.shift(id, RunEvent::Hold, out, |at| (at.run_at, at.worker_id, at.token) = (until, None, None));
    }

    /// Marks a run as taken by somebody who is no worker.
    fn take_by_hand(&mut self, id: RunId, by: &str, now: Timestamp, out: &mut Vec<Change>) {
        let state = self.runs.get(&id).map(|live| live.run.at.state);
        if state == Some(RunState::Running) {
            return;
        }
        if state != Some(RunState::Available) {
            self.shift(id, RunEvent::Due, out, |at| at.run_at = now);
        }
        let holder = Some(holder(by));
        self.shift(id, RunEvent::Claimed, out, |at| {
            (at.attempt, at.token, at.worker_id) = (at.attempt + 1, None, holder);
            (at.lease_until, at.claimed_at) = (Some(now.plus(TAKEN_BY_HAND)), Some(now));
            at.started_at = at.started_at.or(Some(now));
        });
    }
}

/// Who has a run that `by` moved by hand.
fn holder(by: &str) -> Arc<str> {
    Arc::from(format!("{BY_HAND}{by}"))
}
