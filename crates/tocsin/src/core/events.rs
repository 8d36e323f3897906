//! From what happened to whoever listens: the feed after the commit, webhooks as runs of the same transaction.

use super::{Core, batch::Batch, feed::Feed};
use model::{Alert, Backoff, TaskSpec, Timestamp};
use notify::{EVENT_KIND, Subscribers};
use serde_json::json;
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};
use tasks::events::{AlertMoment, Bus, Event, New, NewSubscription, Subscription, event_json};
use tasks::{Finished, Loaded, Refusal, RunId, RunState, TaskId};

/// At most this many deliveries are under way at once, so that subscribers that hang hold only so many of the
/// slots that pages need; those of one subscription stay in their order while none has to be tried again.
const LANES: u64 = 8;
/// Tries of a delivery after the first: about a quarter of an hour.
const RETRIES: u32 = 20;
/// Types of events that are counted apart.
const EVENT_TYPES_MAX: usize = 200;
/// The longest one try may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Events, as the core holds them.
pub struct Events {
    /// Who decides.
    pub bus: Bus,
    /// Where readers find them.
    pub feed: Arc<Feed>,
    /// Where the deliveries' action finds URLs and secrets.
    pub subscribers: Arc<Subscribers>,
    /// Deliveries that wait or are under way, and whose they are.
    under_way: HashMap<RunId, String>,
}

impl Events {
    /// Goes on with the deliveries that were under way.
    pub fn new(mut bus: Bus, feed: Arc<Feed>, subscribers: Arc<Subscribers>, loaded: &Loaded) -> Events {
        let tasks: HashMap<_, _> = loaded.tasks.iter().map(|task| (task.id, task)).collect();
        let mut under_way = HashMap::new();
        for run in loaded.runs.iter().filter(|run| !run.at.state.is_final()) {
            let Some(task) = tasks.get(&run.task_id).filter(|task| &*task.kind == EVENT_KIND) else {
                continue;
            };
            if let Some(id) = task.args.value()["subscription"].as_str() {
                bus.still_waiting(id);
                under_way.insert(run.id, id.to_owned());
            }
        }
        for one in bus.subscriptions() {
            subscribers.put(&one.id, &one.url, one.secret.as_deref());
        }
        Events { bus, feed, subscribers, under_way }
    }
}

/// What became of an event that was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// The event.
    pub event: Event,
    /// The tasks on its topic that it made a run of.
    pub triggered: Vec<TaskId>,
}

impl Core {
    /// Tells of something that we found ourselves.
    pub fn tell(&mut self, new: New, batch: &mut Batch, now: Timestamp) {
        let event = self.events.bus.tell(new, now);
        // What runs themselves bring about must not start further ones: that would have no end.
        const FOUND: [&str; 4] = ["alert.", "health.", "incident.", "maintenance."];
        if FOUND.iter().any(|begin| event.type_().starts_with(begin)) {
            self.trigger(&event, batch, now);
        }
    }

    /// Takes an event from outside.
    pub fn publish(&mut self, new: New, batch: &mut Batch, now: Timestamp) -> Result<Published, Refusal> {
        let event = self.events.bus.publish(new, now, &mut batch.changes.tasks)?;
        let triggered = self.trigger(&event, batch, now);
        Ok(Published { event, triggered })
    }

    /// Tells of what the queue says, but for what tasks go through: that is noted where it happens.
    pub(super) fn tell_of(&mut self, event: &tasks::Event, batch: &mut Batch, now: Timestamp) {
        if let Some(new) = news(event) {
            self.tell(new, batch, now);
        }
    }

    /// Tells that an alert begins or has ended.
    pub(super) fn tell_alert(&mut self, alert: &Alert, batch: &mut Batch, now: Timestamp) {
        let moment = AlertMoment {
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            starts_at: alert.starts_at,
            over: alert.is_resolved(now),
        };
        let event = self.events.bus.tell_alert(moment, now);
        // They come by the thousand, and hardly ever is there a task that waits for them.
        if self.queue.listens(event.type_()) {
            let event = event.clone();
            self.trigger(&event, batch, now);
        }
    }

    /// Makes a run of each task that waits for events of this type.
    fn trigger(&mut self, event: &Event, batch: &mut Batch, now: Timestamp) -> Vec<TaskId> {
        if !self.queue.listens(event.type_()) {
            return Vec::new();
        }
        let mut told = event_json(event);
        told["topic"] = event.type_().into();
        let published = self.queue.publish(told, now, &mut batch.changes.tasks);
        self.happened(published.events, batch, now);
        published.triggered
    }

    /// Makes a subscription.
    pub fn subscribe(
        &mut self,
        new: NewSubscription,
        by: &str,
        batch: &mut Batch,
        now: Timestamp,
    ) -> Result<Subscription, Refusal> {
        let made = self.events.bus.subscribe(new, by, now, &mut batch.changes.tasks)?;
        self.events.subscribers.put(&made.id, &made.url, made.secret.as_deref());
        Ok(made)
    }

    /// Ends a subscription; false if there is none of that id.
    pub fn unsubscribe(&mut self, id: &str, batch: &mut Batch) -> bool {
        self.events.subscribers.remove(id);
        self.events.bus.unsubscribe(id, &mut batch.changes.tasks)
    }

    /// Lets go of what happened before `before`; how many events of those that are kept.
    pub fn forget_events(&mut self, before: Timestamp, batch: &mut Batch) -> usize {
        let gone = self.events.bus.forget(before, &mut batch.changes.tasks);
        self.events.feed.forget(tasks::EventId::first_at(before));
        gone
    }

    /// Tells what happened since the last time and hands work to those who wait, until neither brings news.
    pub(super) fn tell_and_serve(&mut self, batch: &mut Batch, now: Timestamp) {
        self.told(batch, now);
        self.serve_parked(batch, now);
        while self.told(batch, now) {
            self.serve_parked(batch, now);
        }
    }

    /// Puts what happened on its way; whether anybody is to be called for it.
    fn told(&mut self, batch: &mut Batch, now: Timestamp) -> bool {
        let mut lossy = false;
        if !self.queue.trail().is_empty() {
            let (moments, lost) = self.queue.trail().take();
            lossy = lost > 0;
            self.events.bus.walked(moments, now);
        }
        if self.events.bus.is_quiet() {
            return false;
        }
        let fresh = self.events.bus.take_fresh();
        let due = self.events.bus.deliveries(&fresh);
        for (subscription, i) in &due {
            let spec = delivery(subscription, &fresh[*i]);
            let run = self.queue.submit_delivery(spec, now, &mut batch.changes.tasks);
            self.events.under_way.insert(run, subscription.clone());
        }
        fresh.iter().for_each(|event| self.count_event(event.type_()));
        let feed = self.events.feed.clone();
        batch.after(move || feed.append(fresh, lossy));
        !due.is_empty()
    }

    fn count_event(&mut self, type_: &str) {
        match self.counts.events.get_mut(type_) {
            Some(count) => *count += 1,
            None => {
                let type_ = super::steps::bounded(&self.counts.events, type_, EVENT_TYPES_MAX);
                *self.counts.events.entry(type_).or_default() += 1;
            }
        }
    }

    /// A run of our own ended that may have been a delivery.
    pub(super) fn delivered(&mut self, finished: &Finished) {
        if let Some(subscription) = self.events.under_way.remove(&finished.run_id) {
            let done = finished.state == RunState::Completed;
            *self.counts.deliveries.entry(if done { "delivered" } else { "failed" }).or_default() += 1;
            if !done {
                let why = finished.error.as_ref().map_or("", |error| error.message.as_str());
                tracing::warn!(
                    event = "event_delivery_failed",
                    subscription,
                    "Event was not delivered to subscription {subscription}: {why}"
                );
            }
            self.events.bus.delivered(&subscription, done);
        }
    }
}

fn news(event: &tasks::Event) -> Option<New> {
    Some(match event {
        tasks::Event::ScheduleFired { task_id, run_id, at, late, skipped, missed } => {
            let payload = json!({
                "task_id": task_id.to_string(),
                "run_id": run_id.map(|run| run.to_string()),
                "due_at": at.rfc3339(),
                "late_seconds": late.as_secs_f64(),
                "missed": missed,
                "skipped": skipped.map(|why| format!("{why:?}").to_lowercase()),
            });
            New::told(if skipped.is_some() { "schedule.skipped" } else { "schedule.fired" }, payload)
                .about(task_id)
        }
        tasks::Event::Rescued { run_id, kind, worker_id } => {
            let payload = json!({"worker_id": &**worker_id, "run_id": run_id.to_string(), "kind": &**kind});
            New::told("worker.lost", payload)
        }
        tasks::Event::Sla { run_id, task_id, kind, deadline, violated } => {
            let payload = json!({
                "task_id": task_id.to_string(),
                "run_id": run_id.to_string(),
                "kind": &**kind,
                "deadline": deadline.rfc3339(),
            });
            New::told(if *violated { "sla.violation" } else { "sla.warning" }, payload).about(task_id)
        }
        tasks::Event::ApprovalRequested(approval) => told_approval("requested", approval),
        tasks::Event::ApprovalDecided(approval) => {
            let word = if approval.is_withdrawn() { "withdrawn" } else { approval.status().as_str() };
            told_approval(word, approval)
        }
        _ => return None,
    })
}

fn told_approval(word: &str, approval: &tasks::Approval) -> New {
    let asked = &approval.asked;
    let payload = json!({
        "approval_id": asked.id,
        "task_id": asked.task_id.to_string(),
        "task_type": asked.task_type,
        "priority": asked.priority,
        "reason": asked.reason,
        "requested_by": asked.requested_by,
        "decided_by": approval.decided_by(),
        "expires_at": asked.expires_at.rfc3339(),
    });
    New::told(&format!("approval.{word}"), payload).about(asked.task_id)
}

fn delivery(subscription: &str, event: &Event) -> TaskSpec {
    let mut hasher = DefaultHasher::new();
    subscription.hash(&mut hasher);
    // Longer than any key that a client can name.
    let lane = format!("{:>128}", format!("event {}", hasher.finish() % LANES));
    TaskSpec {
        concurrency_key: Some(lane),
        priority: 9,
        max_retries: RETRIES,
        backoff: Backoff::ExponentialJitter,
        timeout: TIMEOUT,
        ..TaskSpec::new(EVENT_KIND, json!({"subscription": subscription, "event": event_json(event)}))
    }
}
