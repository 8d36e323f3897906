//! Times of a run that are not those of its next move: until when it must have begun, until when it must have ended,
//! and by when it should be done.
//!
//! Only runs that ask for one cost anything. What was told about a deadline is written down with the telling, so
//! that each is told once, over restarts too. A run that was given up before its deadline still misses it: nobody
//! did what it promised.

use super::settle::error;
use super::{Live, Queue};
use crate::task::{Form, Task};
use crate::{Change, Event, Record, RecordKind, RunEvent, RunId, RunState, TaskId};
use model::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// After which part of the time to a deadline to warn, where nobody says.
const WARN_AT: f64 = 0.8;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// It comes close to its deadline.
    Warn,
    /// Its deadline is there.
    Violate,
    /// It must have begun; given up.
    Queued,
    /// It must have begun; cancelled.
    Expired,
    /// It must have ended; given up.
    Total,
}

/// The times of all runs that have some.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    timers: BTreeSet<(Timestamp, RunId, Due)>,
    of: HashMap<RunId, Entry>,
}

/// The times of one run.
#[derive(Debug)]
struct Entry {
    task_id: TaskId,
    kind: Arc<str>,
    sla: Option<Timestamp>,
    due: Vec<(Timestamp, Due)>,
}

impl Deadlines {
    /// The next one.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _, _)| *at)
    }

    /// Notes the times of a run that came to be, or comes from the store; `told` is what was said before.
    pub(super) fn arm(&mut self, live: &Live, told: Option<Due>) {
        let sla = sla(&live.task);
        if sla.is_none() && live.task.options.is_none() {
            return;
        }
        let due = times(live, told);
        let (task_id, kind) = (live.task.id, live.kind.clone());
        self.put(live.run.id, Entry { task_id, kind, sla, due });
    }

    fn put(&mut self, id: RunId, entry: Entry) {
        // What was told of a run is known until it ends, though nothing more is due.
        if !entry.due.is_empty() || entry.sla.is_some() {
            self.timers.extend(entry.due.iter().map(|(at, due)| (*at, id, *due)));
            self.of.insert(id, entry);
        }
    }

    /// A run ended: nothing more is due of it, but for the deadline of one that was given up.
    fn disarm(&mut self, id: RunId, state: RunState, out: &mut Vec<Change>) {
        let Some(mut entry) = self.of.remove(&id) else { return };
        for (at, due) in &entry.due {
            self.timers.remove(&(*at, id, *due));
        }
        entry.due.retain(|(_, due)| *due == Due::Violate && state == RunState::Dead);
        let row = entry.due.first().map(|(at, _)| {
            json!({"dead": true, "task_id": entry.task_id.to_string(), "kind": &*entry.kind,
                "deadline": at.as_millis()})
        });
        // Without a deadline of its own there was never a record.
        if entry.sla.is_some() {
            out.push(record(id, row));
        }
        if !entry.due.is_empty() {
            self.put(id, entry);
        }
    }

    /// From what the store kept: the deadlines of dead runs come back, and what was told of live ones is answered.
    pub(super) fn restore(&mut self, records: Vec<Record>) -> HashMap<RunId, Due> {
        let mut told = HashMap::new();
        for record in records {
            let Some(id) = RunId::parse(&record.key) else { continue };
            let row = &record.row;
            if row["dead"] == true {
                let task_id = row["task_id"].as_str().and_then(TaskId::parse);
                if let (Some(task_id), Some(at)) = (task_id, row["deadline"].as_i64()) {
                    let at = Timestamp::from_millis(at);
                    let kind = Arc::from(row["kind"].as_str().unwrap_or_default());
                    self.put(id, Entry { task_id, kind, sla: Some(at), due: vec![(at, Due::Violate)] });
                }
            } else {
                let violated = row["violated"] == true;
                told.insert(id, if violated { Due::Violate } else { Due::Warn });
            }
        }
        told
    }

    fn pop(&mut self, now: Timestamp) -> Option<(RunId, Due)> {
        let (at, id, due) = self.timers.first().copied().filter(|(at, _, _)| *at <= now)?;
        self.timers.remove(&(at, id, due));
        if let Some(entry) = self.of.get_mut(&id) {
            entry.due.retain(|one| *one != (at, due));
        }
        Some((id, due))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.timers.is_empty() && self.of.is_empty()
    }
}

/// By when a task should be done.
fn sla(task: &Task) -> Option<Timestamp> {
    match &task.form {
        Form::Typed(typed) => typed.sla.as_ref().map(|sla| sla.deadline),
        _ => task.options.as_ref().and_then(|options| options.sla_deadline),
    }
}

fn times(live: &Live, told: Option<Due>) -> Vec<(Timestamp, Due)> {
    let mut due = Vec::new();
    let made = live.run.created_at;
    if let Some(deadline) = sla(&live.task).filter(|_| told != Some(Due::Violate)) {
        due.push((deadline, Due::Violate));
        let part =
            live.task.options.as_ref().and_then(|options| options.sla_alert_threshold).unwrap_or(WARN_AT);
        let warn = made.plus(deadline.since(made).mul_f64(part.clamp(0.0, 1.0)));
        if told.is_none() && warn < deadline {
            due.push((warn, Due::Warn));
        }
    }
    let Some(options) = &live.task.options else { return due };
    let begun = live.run.at.started_at.is_some();
    if let Some(span) = options.queued_timeout.filter(|_| !begun) {
        due.push((made.max(live.run.at.run_at.min(far(made))).plus(span), Due::Queued));
    }
    due.extend(options.expires_at.filter(|_| !begun).map(|at| (at, Due::Expired)));
    due.extend(options.total_timeout.map(|span| (made.plus(span), Due::Total)));
    due
}

/// A run that is set aside has no time: what it waits for is counted from its making.
fn far(made: Timestamp) -> Timestamp {
    made.plus(Duration::from_secs(366 * 86_400))
}

fn record(id: RunId, row: Option<Value>) -> Change {
    Change::Record { kind: RecordKind::Sla, key: id.to_string(), row }
}

impl Queue {
    /// Does what is due.
    pub(super) fn meet_deadlines(&mut self, now: Timestamp, out: &mut Vec<Change>, events: &mut Vec<Event>) {
        while let Some((id, due)) = self.deadlines.pop(now) {
            match due {
                Due::Warn => self.tell(id, false, out, events),
                Due::Violate => self.tell(id, true, out, events),
                Due::Queued | Due::Expired | Due::Total => self.run_out(id, due, now, out, events),
            }
        }
    }

    fn tell(&mut self, id: RunId, violated: bool, out: &mut Vec<Change>, events: &mut Vec<Event>) {
        let live = self.runs.contains_key(&id);
        let Some(entry) = self.deadlines.of.get(&id) else { return };
        let (task_id, kind) = (entry.task_id, entry.kind.clone());
        let deadline = entry.sla.unwrap_or_default();
        if entry.due.is_empty() && !live {
            self.deadlines.of.remove(&id);
        }
        out.push(record(id, live.then(|| json!({"warned": true, "violated": violated}))));
        events.push(Event::Sla { run_id: id, task_id, kind, deadline, violated });
    }

    fn run_out(
        &mut self,
        id: RunId,
        due: Due,
        now: Timestamp,
        out: &mut Vec<Change>,
        events: &mut Vec<Event>,
    ) {
        let Some(live) = self.runs.get(&id) else { return };
        if due != Due::Total && live.run.at.started_at.is_some() {
            return;
        }
        let (event, why) = match due {
            Due::Expired => (RunEvent::Cancel, error("expired", "it expired before it began".to_owned())),
            Due::Queued => (
                RunEvent::Expire,
                error("queued_timeout", "it did not begin within its queued timeout".to_owned()),
            ),
            _ => (
                RunEvent::Expire,
                error("total_timeout", "it did not end within its total timeout".to_owned()),
            ),
        };
        self.detach(id);
        self.end(id, event, Some(why), None, now, out, events);
    }

    /// A run ended.
    pub(super) fn end_deadlines(&mut self, id: RunId, state: RunState, out: &mut Vec<Change>) {
        self.deadlines.disarm(id, state, out);
    }
}
