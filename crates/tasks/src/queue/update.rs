//! A scheduled task whose fields become others. It is checked as a new one is: what would be refused at the
//! start is refused now, and then nothing changes. A run that has begun goes on as it began.
//!
//! Whatever moves when it fires (expression, zone, wishes about firing) has its next fire computed anew.

use super::Queue;
use super::plan::{serial_key, unfit};
use super::schedule::Plan;
use crate::schedule::{Firing, KEYS};
use crate::task::{Form, ScheduleKind, Status, Task, parse_backoff};
use crate::{
    Change, Event, NewScheduled, Options, OptionsUpdate, Progress, Refusal, RunId, TaskId, pipeline,
};
use model::{Json, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Fields that become others; `None` leaves one as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskUpdate {
    /// Its title.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// How its expression is read.
    pub schedule_kind: Option<String>,
    /// When it fires.
    pub schedule_expr: Option<String>,
    /// The zone that is read in.
    pub timezone: Option<String>,
    /// `{params, pipeline: [step]}`.
    pub payload: Option<Value>,
    /// 1 (first) to 9 (last).
    pub priority: Option<u8>,
    /// `active`, `paused` or `canceled`.
    pub status: Option<String>,
    /// Tries of a step after the first.
    pub max_retries: Option<u32>,
    /// `exponential_jitter`, `linear` or `fixed`.
    pub backoff_strategy: Option<String>,
    /// One run of a key at a time; an empty one is none.
    pub concurrency_key: Option<String>,
    /// How it fires, by the keys of [`Firing::read`]; null takes one back.
    pub firing: Map<String, Value>,
    /// Its rarer wishes.
    pub options: OptionsUpdate,
}

impl TaskUpdate {
    fn reschedules(&self) -> bool {
        let expr = self.schedule_kind.is_some() || self.schedule_expr.is_some() || self.timezone.is_some();
        expr || !self.firing.is_empty()
    }

    /// How the task fires then. What it had and what means nothing for another kind of schedule is let go; what is
    /// given and means nothing is refused with the plan.
    fn firing(&self, old: Option<&Firing>, was: ScheduleKind, kind: ScheduleKind) -> Result<Firing, Refusal> {
        let mut map = old.map(Firing::to_json).unwrap_or_default();
        if was != kind
            && let Some(old) = old
        {
            let unfit: Vec<&str> = unfit(kind, old).collect();
            map.retain(|key, _| !unfit.contains(&key.as_str()));
        }
        map.extend(self.firing.clone());
        Firing::read(&map).map_err(|(field, what)| Refusal::invalid(field, what))
    }
}

impl Queue {
    /// Changes fields of a scheduled task that is live.
    pub fn update(
        &mut self,
        task_id: TaskId,
        update: TaskUpdate,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Vec<Event>, Refusal> {
        self.run_of(task_id).ok_or(Refusal::NotLive(task_id))?;
        let Some(scheduled) = self.schedules.get(&task_id) else {
            return Err(Refusal::NotApplicable("only a scheduled task can be changed".to_owned()));
        };
        let status = update.status.as_deref().map(read_status).transpose()?;
        let old = scheduled.task.clone();
        let (mut task, plan) = self.changed(&old, &update)?;
        if let Some(plan) = &plan {
            task.next_fire = plan.first(now)?;
        }
        let fields = changed_fields(&update);
        self.replace(task, plan, now, out);
        self.audit("task.updated", task_id, by, json!({"fields": fields}), now, out);
        match status {
            Some(Status::Paused) => self.pause(task_id, by, now, out).map(|_| Vec::new()),
            Some(Status::Active) => self.resume(task_id, by, now, out).map(|(_, events)| events),
            Some(Status::Canceled) => self.cancel(task_id, by, now, out).map(|(_, events)| events),
            None => Ok(Vec::new()),
        }
    }

    /// The task as it will be, and its plan if that is another.
    fn changed(&self, old: &Task, update: &TaskUpdate) -> Result<(Task, Option<Plan>), Refusal> {
        let mut task = old.clone();
        let Form::Scheduled(schedule) = &mut task.form else { return Err(Refusal::NotLive(old.id)) };
        let mut options = old.options.as_deref().cloned().unwrap_or_default().updated(&update.options)?;
        if update.options.queue.is_some() || update.options.labels.is_some() {
            self.check_lanes(&options)?;
        }
        let plan = match update.reschedules() {
            false => None,
            true => {
                let new = NewScheduled {
                    schedule_kind: update.schedule_kind.clone().unwrap_or(schedule.kind.as_str().to_owned()),
                    schedule_expr: Some(update.schedule_expr.clone().unwrap_or(schedule.expr.clone())),
                    timezone: Some(update.timezone.clone().unwrap_or(schedule.timezone.clone())),
                    ..NewScheduled::default()
                };
                let was = schedule.kind;
                **schedule = self.read_schedule(&new)?;
                let firing = update.firing(old.firing(), was, schedule.kind)?;
                options.firing = (firing != Firing::default()).then(|| Box::new(firing));
                Some(self.plan(schedule, options.firing.as_deref(), old.id, old.created_at)?)
            }
        };
        // A key that the task had for its overlap goes with that, and comes with it.
        let serial = |firing: Option<&Firing>| serial_key(firing, old.id);
        if task.concurrency_key == serial(old.firing()) {
            task.concurrency_key = serial(options.firing.as_deref());
        }
        task.options = (options != Options::default()).then(|| Box::new(options));
        task.title = update.title.clone().unwrap_or(task.title);
        task.description = update.description.clone().unwrap_or(task.description);
        task.priority = update.priority.unwrap_or(task.priority);
        task.max_retries = update.max_retries.unwrap_or(task.max_retries);
        if let Some(word) = &update.backoff_strategy {
            task.backoff = parse_backoff(word).ok_or_else(|| {
                let what = format!("{word:?} is unknown; known: exponential_jitter, linear, fixed");
                Refusal::invalid("backoff_strategy", what)
            })?;
        }
        if let Some(key) = &update.concurrency_key {
            let none = || serial(task.firing());
            task.concurrency_key = if key.is_empty() { none() } else { Some(Arc::from(key.as_str())) };
        }
        if let Some(payload) = &update.payload {
            self.check_args("payload", payload)?;
            let (params, steps) = pipeline::parse(payload, task.max_retries, task.timeout)?;
            self.check_steps(&steps)?;
            (task.args, task.pipeline) = (Json::from(params), Some(Arc::from(steps)));
        }
        Ok((task, plan))
    }

    fn replace(&mut self, task: Task, plan: Option<Plan>, now: Timestamp, out: &mut Vec<Change>) {
        let Some(scheduled) = self.schedules.get_mut(&task.id) else { return };
        if let Some(at) = scheduled.task.next_fire {
            self.fires.remove(&(at, task.id));
        }
        if task.status == Status::Active {
            self.fires.extend(task.next_fire.map(|at| (at, task.id)));
        }
        let old = std::mem::replace(&mut scheduled.task, Arc::new(task));
        if let Some(plan) = plan {
            scheduled.plan = plan;
            self.listeners.remove(&old, out);
            self.listeners.add(&scheduled.task, now);
        }
        out.push(Change::TaskReplaced(scheduled.task.clone()));
    }

    /// Marks a task as cancelled that has nothing under way and that only the store knows.
    pub fn cancel_stored(&mut self, task: Task, by: &str, now: Timestamp, out: &mut Vec<Change>) {
        let id = task.id;
        self.free_key(&task, out);
        let task = Task { status: Status::Canceled, next_fire: None, ..task };
        out.push(Change::TaskPut(Arc::new(task)));
        self.audit("task.canceled", id, by, json!({}), now, out);
    }

    /// As [`Queue::delete`], of a task that has nothing under way and that only the store knows.
    pub fn delete_stored(&mut self, task: &Task, by: &str, now: Timestamp, out: &mut Vec<Change>) {
        self.free_key(task, out);
        self.delete(task.id, by, now, out);
    }

    /// Forgets a task and its history. What was under way must have been cancelled before, which freed its key.
    pub fn delete(&mut self, task_id: TaskId, by: &str, now: Timestamp, out: &mut Vec<Change>) {
        out.push(Change::TaskGone(task_id));
        self.audit("task.deleted", task_id, by, json!({}), now, out);
    }

    /// A task that fires, or whose runs still go.
    pub fn scheduled(&self, task_id: TaskId) -> Option<&Task> {
        self.schedules.get(&task_id).map(|scheduled| &*scheduled.task)
    }

    /// A task that runs once and has not ended, and where its run is.
    pub fn single(&self, task_id: TaskId) -> Option<(&Task, &Progress)> {
        self.runs.get(&RunId::of_single(task_id)).map(|live| (&*live.task, &live.run.at))
    }

    /// Whether a run of the task waits or runs, or one will come by itself that is the only one.
    pub fn is_under_way(&self, task_id: TaskId) -> bool {
        match self.schedules.get(&task_id) {
            Some(scheduled) => scheduled.run().is_some() || scheduled.plan.is_once(),
            None => self.run_of(task_id).is_some(),
        }
    }
}

fn read_status(word: &str) -> Result<Status, Refusal> {
    let unknown = || Refusal::invalid("status", format!("{word:?} is not one of active, paused, canceled"));
    Status::parse(word).ok_or_else(unknown)
}

fn changed_fields(update: &TaskUpdate) -> Vec<&'static str> {
    let given = [
        ("title", update.title.is_some()),
        ("description", update.description.is_some()),
        ("schedule_kind", update.schedule_kind.is_some()),
        ("schedule_expr", update.schedule_expr.is_some()),
        ("timezone", update.timezone.is_some()),
        ("payload", update.payload.is_some()),
        ("priority", update.priority.is_some()),
        ("status", update.status.is_some()),
        ("max_retries", update.max_retries.is_some()),
        ("backoff_strategy", update.backoff_strategy.is_some()),
        ("concurrency_key", update.concurrency_key.is_some()),
    ];
    let fields = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name);
    let firing = KEYS.into_iter().filter(|key| update.firing.contains_key(*key));
    fields.chain(firing).chain(update.options.fields()).collect()
}
