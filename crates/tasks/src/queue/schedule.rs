//! Tasks that fire. A fire moves the next fire and makes a run in one decision, so in one transaction.
//!
//! Missed fires (we were away, or slow) become one. A fire while the run of the one before still goes makes
//! none. Each such fire says so in its event.

use super::{Live, Queue};
use crate::schedule::{CronSchedule, Dialect, Policy, ScheduleError, instant, zone};
use crate::task::{Schedule, ScheduleKind, Task};
use crate::{Change, Event, Progress, Refusal, Run, RunEvent, RunId, RunState, Skip, TaskId};
use model::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A task that fires, or whose last run still goes.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) task: Arc<Task>,
    pub(super) plan: Plan,
    pub(super) live: Option<RunId>,
}

/// When it fires.
#[derive(Debug)]
pub(super) enum Plan {
    Once(Timestamp),
    Cron(Box<CronSchedule>),
}

/// A `once` that lies back no further than this still fires, at once: clocks differ.
const LATE_MAX: Duration = Duration::from_secs(60);

impl Plan {
    /// The first fire of a task that is accepted now.
    pub(super) fn first(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        match self {
            Plan::Once(at) if at.plus(LATE_MAX) < now => {
                Err(Refusal::invalid("schedule_expr", format!("{} lies in the past", at.rfc3339())))
            }
            Plan::Once(at) => Ok(*at),
            Plan::Cron(cron) => {
                cron.next(now).ok_or_else(|| Refusal::invalid("schedule_expr", "never fires"))
            }
        }
    }

    /// The first fire of a task that was held when it should have fired at `at`.
    pub(super) fn after_pause(&self, at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Plan::Once(_) => Some(at),
            Plan::Cron(cron) => cron.next(now),
        }
    }

    /// The fire after `after`.
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Plan::Once(_) => None,
            Plan::Cron(cron) => cron.next(after),
        }
    }
}

impl Queue {
    pub(super) fn plan(&self, schedule: &Schedule) -> Result<Plan, Refusal> {
        let refuse = |why: ScheduleError| {
            let field = if matches!(why, ScheduleError::Zone(_)) { "timezone" } else { "schedule_expr" };
            Refusal::invalid(field, why.to_string())
        };
        Ok(match schedule.kind {
            ScheduleKind::Once => {
                let zone = zone(&schedule.timezone).map_err(refuse)?;
                Plan::Once(instant(&schedule.expr, &zone).map_err(refuse)?)
            }
            ScheduleKind::Cron => {
                let (expr, zone, policy) = (&schedule.expr, &schedule.timezone, Policy::default());
                let cron = CronSchedule::new(expr, Dialect::Standard, zone, policy).map_err(refuse)?;
                Plan::Cron(Box::new(cron))
            }
        })
    }

    /// Fires everything that is due.
    pub(super) fn fire_due(&mut self, now: Timestamp, out: &mut Vec<Change>, events: &mut Vec<Event>) {
        while let Some((at, id)) = self.fires.first().copied().filter(|(at, _)| *at <= now) {
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
        let grace = self.settings.misfire_grace;
        let Some(scheduled) = self.schedules.get_mut(&id) else { return };
        let to = scheduled.plan.next(now);
        Arc::make_mut(&mut scheduled.task).next_fire = to;
        out.push(Change::Fired { task_id: id, from: at, to });
        let recurs = matches!(scheduled.plan, Plan::Cron(_));
        let skipped = if scheduled.live.is_some() {
            Some(Skip::Overlap)
        } else if recurs && grace.is_some_and(|grace| now.since(at) > grace) {
            Some(Skip::Misfire)
        } else {
            None
        };
        let task = scheduled.task.clone();
        self.fires.extend(to.map(|to| (to, id)));
        let run_id = skipped.is_none().then(|| self.start_run(task, at, now, out, events));
        if run_id.is_none() {
            self.forget_schedule(id, now, out);
        }
        events.push(Event::ScheduleFired { task_id: id, run_id, at, late: now.since(at), skipped });
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
        let run = Run {
            id: self.ids.run(now, &mut self.rng),
            task_id: task.id,
            class: task.class,
            parent: None,
            args: None,
            created_at: now,
            at: Progress::new(RunState::Scheduled, due),
            steps: Vec::new(),
        };
        let id = run.id;
        out.push(Change::RunPut(Box::new(run.clone())));
        if let Some(scheduled) = self.schedules.get_mut(&task.id) {
            scheduled.live = Some(id);
        }
        self.insert_live(Live::new(run, task));
        self.shift(id, RunEvent::Due, out, |_| {});
        if !self.gate_run(id, now, out) {
            self.open_step(id, now, out, events);
        }
        id
    }

    /// A schedule's run ended.
    pub(super) fn schedule_run_ended(
        &mut self,
        task: TaskId,
        run: RunId,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) {
        if let Some(scheduled) = self.schedules.get_mut(&task)
            && scheduled.live == Some(run)
        {
            scheduled.live = None;
            self.forget_schedule(task, now, out);
        }
    }

    /// A task that neither runs nor will ever fire again needs no memory.
    pub(super) fn forget_schedule(&mut self, id: TaskId, now: Timestamp, out: &mut Vec<Change>) {
        let over = |scheduled: &Scheduled| scheduled.task.next_fire.is_none() && scheduled.live.is_none();
        if self.schedules.get(&id).is_some_and(over)
            && let Some(scheduled) = self.schedules.remove(&id)
        {
            self.end_key(&scheduled.task, now, out);
        }
    }
}
