//! Calendars of holidays, by name. A calendar that changes moves the next fires of the schedules that name it.

use super::Queue;
use crate::schedule::Calendar;
use crate::{Audit, Change, Form, Record, RecordKind, Refusal, TaskId};
use model::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// The most calendars.
const CALENDARS_MAX: usize = 1_000;
/// The longest name of one.
const NAME_MAX: usize = 100;

pub(super) fn restored(records: Vec<Record>) -> BTreeMap<String, Arc<Calendar>> {
    let read = |record: Record| Some((record.key, Arc::new(Calendar::read(&record.row).ok()?)));
    records.into_iter().filter_map(read).collect()
}

impl Queue {
    /// All calendars.
    pub fn calendars(&self) -> &BTreeMap<String, Arc<Calendar>> {
        &self.calendars
    }

    /// Makes or replaces a calendar.
    pub fn put_calendar(
        &mut self,
        name: &str,
        row: &Value,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Arc<Calendar>, Refusal> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !(1..=NAME_MAX).contains(&name.len()) || !name.chars().all(plain) {
            let what = format!("must have 1 to {NAME_MAX} letters, digits, '.', '_' or '-'");
            return Err(Refusal::invalid("name", what));
        }
        let calendar = Calendar::read(row).map_err(|what| Refusal::invalid("dates", what))?;
        if !self.calendars.contains_key(name) && self.calendars.len() >= CALENDARS_MAX {
            return Err(Refusal::NotApplicable(format!("there are {CALENDARS_MAX} calendars already")));
        }
        let calendar = Arc::new(calendar);
        self.calendars.insert(name.to_owned(), calendar.clone());
        let row = Some(calendar.to_json());
        out.push(Change::Record { kind: RecordKind::Calendar, key: name.to_owned(), row });
        self.move_fires(name, by, now, out);
        Ok(calendar)
    }

    /// Removes a calendar that no schedule names; false if there is none.
    pub fn delete_calendar(&mut self, name: &str, out: &mut Vec<Change>) -> Result<bool, Refusal> {
        if let Some(id) = self.schedules_with(name).next() {
            return Err(Refusal::NotApplicable(format!("the calendar {name:?} is named by task {id}")));
        }
        let gone = self.calendars.remove(name).is_some();
        if gone {
            out.push(Change::Record { kind: RecordKind::Calendar, key: name.to_owned(), row: None });
        }
        Ok(gone)
    }

    fn schedules_with<'a>(&'a self, name: &'a str) -> impl Iterator<Item = TaskId> + 'a {
        let named = move |task: &crate::Task| {
            task.firing().and_then(|firing| firing.calendar.as_deref()).is_some_and(|one| one == name)
        };
        self.schedules.values().filter(move |one| named(&one.task)).map(|one| one.task.id)
    }

    /// Computes the next fires of the schedules that name a calendar anew.
    fn move_fires(&mut self, name: &str, by: &str, now: Timestamp, out: &mut Vec<Change>) {
        let mut ids: Vec<TaskId> = self.schedules_with(name).collect();
        ids.sort_unstable();
        for id in ids {
            let Some(task) = self.schedules.get(&id).map(|one| one.task.clone()) else { continue };
            // A paused one has no next fire, and a fire that is due must not be moved away.
            let Some(was) = task.next_fire.filter(|at| *at > now) else { continue };
            let Form::Scheduled(schedule) = &task.form else { continue };
            let Ok(plan) = self.plan(schedule, task.firing(), id, task.created_at) else { continue };
            let next = plan.next(now);
            if let Some(scheduled) = self.schedules.get_mut(&id) {
                scheduled.plan = plan;
                Arc::make_mut(&mut scheduled.task).next_fire = next;
                self.fires.remove(&(was, id));
                self.fires.extend(next.map(|next| (next, id)));
                if next != Some(was) {
                    out.push(Change::TaskPut(scheduled.task.clone()));
                    out.push(Change::Audit(Audit {
                        at: now,
                        actor: by.to_owned(),
                        action: "schedule.moved",
                        subject: id,
                        details: json!({"calendar": name, "from": was.rfc3339(), "to": next.map(Timestamp::rfc3339)}),
                    }));
                }
            }
        }
    }
}
