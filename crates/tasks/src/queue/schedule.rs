//! Tasks that fire. A fire moves the next fire and makes a run in one decision, so in one transaction.
//!
//! What becomes of missed fires and of a fire while a run still goes is the schedule's own wish ([`plan`]). A fire
//! that makes no run says so in its event and in the audit log, and so do missed fires that became one.

use super::plan;
pub(super) use super::plan::Plan;
use super::{Live, Queue};
use crate::schedule::{Misfire, Overlap};
use crate::task::{Form, ScheduleKind, Status, Task};
use crate::{Audit, Change, Event, Progress, Run, RunEvent, RunId, RunState, Skip, TaskId};
use model::{Json, Timestamp};
use serde_json::json;
use std::sync::Arc;

/// A task that fires, or whose runs still go.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) task: Arc<Task>,
    pub(super) plan: Plan,
    /// Its runs that are not final, oldest first.
    pub(super) live: Vec<RunId>,
}

/// The most fires of one turn; the rest is due at once in the next.
const FIRES_MAX: usize = 20_000;

/// One fire, as far as it is decided.
struct Fire {
    /// When it was due.
    at: Timestamp,
    /// The one after it.
    to: Option<Timestamp>,
    /// Missed fires that are part of it.
    missed: u64,
    /// It came too late.
    too_late: bool,
}

impl Queue {
    /// Fires everything that is due.
    pub(super) fn fire_due(&mut self, now: Timestamp, out: &mut Vec<Change>, events: &mut Vec<Event>) {
        for _ in 0..FIRES_MAX {
            let Some((at, id)) = self.fires.first().copied().filter(|(at, _)| *at <= now) else { return };
            self.fires.remove(&(at, id));
            self.fire(id, at, now, out, events);
        }
    }

    fn fire(
        &mut self,
        id: TaskId,
        at: Timestamp,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        let usual = self.settings.misfire_grace;
        let Some(scheduled) = self.schedules.get_mut(&id) else { return };
        let fire = scheduled.decide(at, usual, now);
        Arc::make_mut(&mut scheduled.task).next_fire = fire.to;
        out.push(Change::Fired { task_id: id, from: at, to: fire.to });
        let task = scheduled.task.clone();
        self.fires.extend(fire.to.map(|to| (to, id)));
        let skipped = if fire.too_late { Some(Skip::Misfire) } else { self.obstacle(id) };
        let run_id = match skipped {
            None => Some(self.start_run(task, at, now, out, events)),
            Some(_) => None,
        };
        if skipped.is_some() || fire.missed > 0 {
            record_skip(id, &fire, skipped, now, out);
        }
        if run_id.is_none() {
            self.forget_schedule(id, None, now, out);
        }
        let (late, missed) = (now.since(at), fire.missed);
        events.push(Event::ScheduleFired { task_id: id, run_id, at, late, missed, skipped });
    }

    /// Makes a run of a task that is told to fire; false if something stands in the way.
    pub(super) fn told(
        &mut self,
        id: TaskId,
        args: Json,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) -> bool {
        let Some(task) = self.schedules.get(&id).map(|scheduled| scheduled.task.clone()) else {
            return false;
        };
        if task.status != Status::Active {
            return false;
        }
        let skipped = self.obstacle(id);
        let run_id = match skipped {
            None => Some(self.start_run_with(task, now, Some(args), now, out, events)),
            Some(_) => {
                let fire = Fire { at: now, to: None, missed: 0, too_late: false };
                record_skip(id, &fire, skipped, now, out);
                None
            }
        };
        let late = std::time::Duration::ZERO;
        events.push(Event::ScheduleFired { task_id: id, run_id, at: now, late, missed: 0, skipped });
        run_id.is_some()
    }

    /// What keeps a fire from making a run.
    fn obstacle(&self, id: TaskId) -> Option<Skip> {
        let scheduled = self.schedules.get(&id)?;
        let overlap = plan::overlap(scheduled.task.firing(), scheduled.kind());
        match (overlap, scheduled.live.len()) {
            (Overlap::Skip, 1..) | (Overlap::Queue, 2..) => Some(Skip::Overlap),
            _ if self.users_live >= self.settings.queue_max => Some(Skip::Full),
            _ => None,
        }
    }

    /// Makes a run of a scheduled task and opens its first step.
    pub(super) fn start_run(
        &mut self,
        task: Arc<Task>,
        due: Timestamp,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) -> RunId {
        self.start_run_with(task, due, None, now, out, events)
    }

    fn start_run_with(
        &mut self,
        task: Arc<Task>,
        due: Timestamp,
        args: Option<Json>,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) -> RunId {
        let run = Run {
            id: self.ids.run(now, &mut self.rng),
            task_id: task.id,
            class: task.class,
            parent: None,
            args,
            created_at: now,
            at: Progress::new(RunState::Scheduled, due),
            steps: Vec::new(),
        };
        let run_id = run.id;
        out.push(Change::RunPut(Box::new(run.clone())));
        if let Some(scheduled) = self.schedules.get_mut(&task.id) {
            scheduled.live.push(run_id);
        }
        self.insert_live(Live::new(run, task));
        if !self.gate_run(run_id, now, out) {
            self.shift(run_id, RunEvent::Due, out, |_| {});
            self.open_step(run_id, now, out, events);
        }
        run_id
    }

    /// A schedule's run ended.
    pub(super) fn schedule_run_ended(&mut self, run: &Run, now: Timestamp, out: &mut Vec<Change>) {
        if let Some(scheduled) = self.schedules.get_mut(&run.task_id) {
            scheduled.live.retain(|live| *live != run.id);
            self.forget_schedule(run.task_id, Some(run.at.state), now, out);
        }
    }

    /// A task that neither runs nor will ever fire again needs no memory; `last` is how the run ended that it had, if
    /// one just did.
    pub(super) fn forget_schedule(
        &mut self,
        id: TaskId,
        last: Option<RunState>,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        if self.schedules.get(&id).is_some_and(Scheduled::is_over)
            && let Some(scheduled) = self.schedules.remove(&id)
        {
            self.listeners.remove(&scheduled.task, out);
            let last = last.filter(|_| scheduled.task.status != Status::Canceled);
            self.end_key(&scheduled.task, last, now, out);
        }
    }

    /// Takes a task that fires into memory.
    pub(super) fn add_schedule(&mut self, task: Arc<Task>, plan: Plan, now: Timestamp) {
        let fires = task.next_fire.filter(|_| task.status == Status::Active);
        self.fires.extend(fires.map(|at| (at, task.id)));
        self.listeners.add(&task, now);
        self.schedules.insert(task.id, Scheduled::new(task, plan));
    }
}

impl Scheduled {
    pub(super) fn new(task: Arc<Task>, plan: Plan) -> Scheduled {
        Scheduled { task, plan, live: Vec::new() }
    }

    /// Its run that goes on, the oldest if there are several.
    pub(super) fn run(&self) -> Option<RunId> {
        self.live.first().copied()
    }

    fn kind(&self) -> ScheduleKind {
        match &self.task.form {
            Form::Scheduled(schedule) => schedule.kind,
            _ => ScheduleKind::Once,
        }
    }

    /// Whether it neither runs nor will ever fire again.
    pub(super) fn is_over(&self) -> bool {
        let listens = self.plan.is_told() && self.task.status != Status::Canceled;
        self.task.next_fire.is_none() && self.live.is_empty() && !listens
    }

    /// What becomes of the fire `at`, which is due.
    fn decide(&self, at: Timestamp, usual: Option<std::time::Duration>, now: Timestamp) -> Fire {
        let firing = self.task.firing();
        let window = plan::window(firing, usual);
        let late = |at: Timestamp| window.is_some_and(|window| now.since(at) > window);
        if !self.plan.recurs() {
            // That which happens once happens, unless its own wish is another.
            let too_late = firing.is_some_and(|one| one.misfire.is_some()) && late(at);
            return Fire { at, to: None, missed: 0, too_late };
        }
        if plan::misfire(firing) == Misfire::All {
            // Those that are too late are passed over together.
            let until = window.filter(|_| late(at)).map_or(at, |window| now.minus(window));
            let due = self.plan.due(at, until);
            return Fire { at, to: due.next, missed: due.others, too_late: late(at) };
        }
        let due = self.plan.due(at, now);
        Fire { at, to: due.next, missed: due.others, too_late: late(due.last) }
    }
}

/// What did not happen is on record.
fn record_skip(id: TaskId, fire: &Fire, skipped: Option<Skip>, now: Timestamp, out: &mut Vec<Change>) {
    let why = match skipped {
        Some(Skip::Overlap) => "overlap",
        Some(Skip::Misfire) => "misfire",
        Some(Skip::Full) => "full",
        None => "coalesced",
    };
    let fires = fire.missed + u64::from(skipped.is_some());
    out.push(Change::Audit(Audit {
        at: now,
        actor: "scheduler".to_owned(),
        action: "schedule.skipped",
        subject: id,
        details: json!({"due": fire.at.rfc3339(), "why": why, "fires": fires}),
    }));
}

#[cfg(test)]
mod tests;
