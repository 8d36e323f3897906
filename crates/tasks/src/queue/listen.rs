//! Tasks that fire when they are told: of an event on their topic, of any event for which their condition holds,
//! or of a condition over series that begins to hold.
//!
//! A condition over series fires at the edge: when it holds and did not at the look before. Whether it held is
//! kept, so that a restart neither fires again nor loses an edge. Each is looked at by one evaluation at a time:
//! [`Queue::conditions_due`] hands it out, [`Queue::condition`] takes the answer and says when to look again.

use super::Queue;
use crate::schedule::Language;
use crate::task::{ScheduleKind, Status};
use crate::{Change, Context, Event, Form, Record, RecordKind, Task, TaskId, pipeline};
use model::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often a condition is looked at that does not say.
const CHECK_EVERY: Duration = Duration::from_secs(15);
/// The longest topic.
const TOPIC_MAX: usize = 100;

/// Who listens for what.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    topics: BTreeMap<String, BTreeSet<TaskId>>,
    /// Conditions over each event.
    any_topic: BTreeSet<TaskId>,
    /// When each condition over series is looked at next; those under way are not here.
    looks: BTreeSet<(Timestamp, TaskId)>,
    under_way: BTreeSet<TaskId>,
    holding: BTreeSet<TaskId>,
}

/// What an event set off.
#[derive(Debug, Default, PartialEq)]
pub struct Published {
    /// The tasks of which it made a run.
    pub triggered: Vec<TaskId>,
    /// What happened.
    pub events: Vec<Event>,
}

impl Listeners {
    pub(super) fn restored(records: Vec<Record>) -> Listeners {
        let holding = records.iter().filter_map(|record| TaskId::parse(&record.key)).collect();
        Listeners { holding, ..Listeners::default() }
    }

    pub(super) fn next_look(&self) -> Option<Timestamp> {
        self.looks.first().map(|(at, _)| *at)
    }

    pub(super) fn add(&mut self, task: &Task, now: Timestamp) {
        let Form::Scheduled(schedule) = &task.form else { return };
        match (schedule.kind, language(task)) {
            (ScheduleKind::Event, _) => {
                self.topics.entry(schedule.expr.clone()).or_default().insert(task.id);
            }
            (ScheduleKind::Condition, Language::JmesPath) => drop(self.any_topic.insert(task.id)),
            (ScheduleKind::Condition, Language::PromQl) => drop(self.looks.insert((now, task.id))),
            _ => {}
        }
    }

    pub(super) fn remove(&mut self, task: &Task, out: &mut Vec<Change>) {
        let Form::Scheduled(schedule) = &task.form else { return };
        if let Some(tasks) = self.topics.get_mut(&schedule.expr) {
            tasks.remove(&task.id);
            if tasks.is_empty() {
                self.topics.remove(&schedule.expr);
            }
        }
        self.any_topic.remove(&task.id);
        self.under_way.remove(&task.id);
        if schedule.kind == ScheduleKind::Condition {
            self.looks.retain(|(_, id)| *id != task.id);
            self.hold(task.id, false, out);
        }
    }

    /// Notes whether a condition holds; true if it begins to.
    fn hold(&mut self, id: TaskId, holds: bool, out: &mut Vec<Change>) -> bool {
        let changed = if holds { self.holding.insert(id) } else { self.holding.remove(&id) };
        if changed {
            let row = holds.then(|| json!({"holds": true}));
            out.push(Change::Record { kind: RecordKind::Condition, key: id.to_string(), row });
        }
        changed && holds
    }
}

fn language(task: &Task) -> Language {
    task.firing().and_then(|firing| firing.language).unwrap_or(Language::JmesPath)
}

fn every(task: &Task) -> Duration {
    task.firing().and_then(|firing| firing.check_every).unwrap_or(CHECK_EVERY)
}

/// Whether something can be published under this topic.
pub(super) fn check_topic(topic: &str) -> Result<(), String> {
    if (1..=TOPIC_MAX).contains(&topic.len()) {
        return Ok(());
    }
    Err(format!("a topic has 1 to {TOPIC_MAX} bytes"))
}

impl Queue {
    /// Makes runs of the tasks that listen for an event. `event` is an object; its `topic` and `payload` and
    /// whatever else it has reach filters, conditions and, as `event`, the pipeline.
    pub fn publish(&mut self, event: Value, now: Timestamp, out: &mut Vec<Change>) -> Published {
        let topic = event["topic"].as_str().unwrap_or_default();
        let on_topic = self.listeners.topics.get(topic).into_iter().flatten();
        let listeners: Vec<TaskId> = on_topic.chain(&self.listeners.any_topic).copied().collect();
        let mut published = Published::default();
        if listeners.is_empty() {
            return published;
        }
        let context = Context::new(&event, now);
        let args = pipeline::with_event(&event, None);
        for id in listeners {
            let Some(scheduled) = self.schedules.get(&id) else { continue };
            let task = &scheduled.task;
            let condition = match &task.form {
                Form::Scheduled(schedule) if schedule.kind == ScheduleKind::Condition => {
                    Some(&*schedule.expr)
                }
                _ => task.firing().and_then(|firing| firing.filter.as_deref()),
            };
            // A filter that does not apply to the event, because it has no such field, does not hold.
            let holds = condition.is_none_or(|condition| context.holds(condition).unwrap_or(false));
            if holds && self.told(id, args.clone(), now, out, &mut published.events) {
                published.triggered.push(id);
            }
        }
        self.announce(&mut published.events);
        published
    }

    /// Whether a task may wait for events of this type.
    pub fn listens(&self, topic: &str) -> bool {
        !self.listeners.any_topic.is_empty() || self.listeners.topics.contains_key(topic)
    }

    /// The topics that active tasks listen for, with those tasks.
    pub fn topics(&self) -> impl Iterator<Item = (&str, Vec<TaskId>)> {
        let active = |id: &TaskId| self.scheduled(*id).is_some_and(|task| task.status == Status::Active);
        let topics = self.listeners.topics.iter();
        let topics = topics
            .map(move |(topic, tasks)| (topic.as_str(), tasks.iter().copied().filter(active).collect()));
        topics.filter(|(_, tasks): &(&str, Vec<TaskId>)| !tasks.is_empty())
    }

    /// The conditions over series that must be looked at now, in PromQL. Each is handed out once until
    /// [`Queue::condition`] has its answer.
    pub fn conditions_due(&mut self, now: Timestamp) -> Vec<(TaskId, String)> {
        let mut due = Vec::new();
        while let Some((at, id)) = self.listeners.looks.first().copied().filter(|(at, _)| *at <= now) {
            self.listeners.looks.remove(&(at, id));
            let Some(scheduled) = self.schedules.get(&id) else { continue };
            match &scheduled.task.form {
                Form::Scheduled(schedule) if scheduled.task.status == Status::Active => {
                    self.listeners.under_way.insert(id);
                    due.push((id, schedule.expr.clone()));
                }
                _ => drop(self.listeners.looks.insert((now.plus(every(&scheduled.task)), id))),
            }
        }
        due
    }

    /// Takes what a condition came to: what it gave, `None` if it does not hold. An error changes nothing but
    /// when it is looked at next.
    pub fn condition(
        &mut self,
        id: TaskId,
        result: Result<Option<Value>, String>,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let Some(scheduled) = self.schedules.get(&id) else { return events };
        if !self.listeners.under_way.remove(&id) {
            return events;
        }
        self.listeners.looks.insert((now.plus(every(&scheduled.task)), id));
        let Ok(value) = result else { return events };
        if self.listeners.hold(id, value.is_some(), out) {
            let value = value.unwrap_or_default();
            let event = json!({"topic": "condition", "payload": value, "published_at": now.rfc3339()});
            self.told(id, pipeline::with_event(&event, None), now, out, &mut events);
            self.announce(&mut events);
        }
        events
    }
}
