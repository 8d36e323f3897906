//! Runs that were given up, done again. The dead run stays as it is; what does it again is a new task that names
//! it, so that every state is still final and every id still means one thing.

use super::Queue;
use super::schedule::Scheduled;
use crate::task::{Form, Status, Task};
use crate::{Change, Event, Options, Record, RecordKind, Refusal, RunId, TaskId};
use model::{Json, Timestamp};
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);

/// Dead runs that were done again or put away, and when.
#[derive(Debug, Default)]
pub(super) struct DoneWith(HashMap<RunId, Timestamp>);

impl DoneWith {
    /// From what the store kept.
    pub(super) fn restored(records: Vec<Record>) -> DoneWith {
        let read = |record: Record| {
            let at = Timestamp::from_millis(record.row["at"].as_i64().unwrap_or_default());
            Some((RunId::parse(&record.key)?, at))
        };
        DoneWith(records.into_iter().filter_map(read).collect())
    }

    /// Forgets those whose runs, kept for `history`, are there no longer: twice that and a day,
    /// for removing lags behind.
    pub(super) fn sweep(&mut self, history: Duration, now: Timestamp, out: &mut Vec<Change>) {
        self.0.retain(|id, at| {
            let kept = now.since(*at) < history.saturating_mul(2).saturating_add(DAY);
            if !kept {
                out.push(Change::Record { kind: RecordKind::DeadLetter, key: id.to_string(), row: None });
            }
            kept
        });
    }
}

impl Queue {
    fn done_with(&mut self, dead: RunId, row: Value, now: Timestamp, out: &mut Vec<Change>) {
        self.dead.0.insert(dead, now);
        out.push(Change::Record { kind: RecordKind::DeadLetter, key: dead.to_string(), row: Some(row) });
    }

    fn check_undone(&self, dead: RunId) -> Result<(), Refusal> {
        match self.dead.0.contains_key(&dead) {
            true => Err(Refusal::NotApplicable(format!("run {dead} was done again or put away already"))),
            false => Ok(()),
        }
    }

    /// Does a dead run again, as a copy of its task with these arguments, due at once.
    pub fn replay(
        &mut self,
        dead: RunId,
        task: Task,
        args: Option<Json>,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(TaskId, Vec<Event>), Refusal> {
        self.check_undone(dead)?;
        if self.users_live >= self.settings.queue_max {
            return Err(Refusal::Full { max: self.settings.queue_max });
        }
        let mut options = task.options.map(|options| *options).unwrap_or_default();
        // The instants of the first time have passed, and another asks.
        options = Options {
            replay_of: Some(dead.to_string()),
            issuer: None,
            expires_at: options.expires_at.filter(|at| *at > now),
            sla_deadline: options.sla_deadline.filter(|at| *at > now),
            ..options
        };
        let task = Task {
            id: self.ids.task(now, &mut self.rng),
            args: args.unwrap_or(task.args),
            options: Some(Box::new(options)),
            dedupe_key: None,
            status: Status::Active,
            next_fire: None,
            created_by: by.to_owned(),
            created_at: now,
            ..task
        };
        let (id, mut events) = (task.id, Vec::new());
        match &task.form {
            Form::Scheduled(schedule) => {
                let plan = self.plan(schedule, task.firing(), id, now)?;
                let task = Arc::new(task);
                self.put_task(&task, now, out);
                self.schedules.insert(id, Scheduled::new(task.clone(), plan));
                self.start_run(task, now, now, out, &mut events);
            }
            _ => {
                self.put_single(task, now, now, out);
            }
        }
        let row = json!({"replayed_as": id.to_string(), "at": now.as_millis()});
        self.done_with(dead, row, now, out);
        self.audit("dead_letter.replayed", id, by, json!({"run_id": dead.to_string()}), now, out);
        self.announce(&mut events);
        Ok((id, events))
    }

    /// Puts a dead run away: nobody need look at it any more.
    pub fn discard(
        &mut self,
        dead: RunId,
        task: TaskId,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(), Refusal> {
        self.check_undone(dead)?;
        let row = json!({"discarded": true, "at": now.as_millis()});
        self.done_with(dead, row, now, out);
        self.audit("dead_letter.discarded", task, by, json!({"run_id": dead.to_string()}), now, out);
        Ok(())
    }

    /// Gives a dead run other arguments, for when it is done again.
    pub fn edit_dead(
        &mut self,
        dead: RunId,
        task: TaskId,
        args: Value,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<(), Refusal> {
        self.check_args("args", &args)?;
        out.push(Change::RunArgs(dead, Json::from(args)));
        self.audit("dead_letter.edited", task, by, json!({"run_id": dead.to_string()}), now, out);
        Ok(())
    }
}
