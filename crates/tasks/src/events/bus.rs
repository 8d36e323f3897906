//! The decider of events: gives each its id, keeps those that were published, and says whom to tell.

use super::subscription::WAITING_MAX;
use super::{
    AlertMoment, Delivered, Event, Moment, New, NewSubscription, Other, SUBSCRIPTIONS_MAX, Subscription,
    What, kinds, wire,
};
use crate::id::IdMaker;
use crate::size::json_size;
use crate::{Change, EventId, Loaded, RecordKind, Refusal};
use model::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use std::collections::{BTreeMap, VecDeque};
use std::{sync::Arc, time::Duration};

/// The longest type, in characters.
const TYPE_MAX: usize = 100;
/// The longest name of a source, a task or a trace.
const NAME_MAX: usize = 200;

/// Bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where ids come from: another one at each start.
    pub seed: [u8; 32],
    /// How long a published event is kept.
    pub retention: Duration,
    /// The most published events that are kept; the oldest go first.
    pub kept_max: usize,
    /// The most bytes of all that are kept.
    pub kept_bytes_max: usize,
    /// The most bytes of one event's payload, and of its metadata.
    pub payload_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: [0; 32],
            retention: Duration::from_secs(86_400),
            kept_max: 10_000,
            kept_bytes_max: 64 << 20,
            payload_max: 256 << 10,
        }
    }
}

/// The decider.
#[derive(Debug)]
pub struct Bus {
    settings: Settings,
    rng: StdRng,
    ids: IdMaker,
    kept: VecDeque<Event>,
    kept_bytes: usize,
    subscriptions: BTreeMap<String, Subscription>,
    /// What happened since the last [`Bus::take_fresh`].
    fresh: Vec<Event>,
}

impl Bus {
    /// A bus that goes on where `loaded` left off: takes the records that are its own out of it.
    pub fn new(settings: Settings, loaded: &mut Loaded) -> Bus {
        let mut bus = Bus {
            rng: StdRng::from_seed(settings.seed),
            ids: IdMaker::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            subscriptions: BTreeMap::new(),
            fresh: Vec::new(),
            settings,
        };
        for record in loaded.take_records(RecordKind::Event) {
            if let Some(event) = wire::from_row(&record.key, &record.row) {
                bus.keep(event);
            }
        }
        for record in loaded.take_records(RecordKind::Subscription) {
            if let Some(subscription) = Subscription::from_row(&record.key, &record.row) {
                bus.subscriptions.insert(record.key, subscription);
            }
        }
        if let Some(last) = bus.kept.back() {
            bus.ids = IdMaker::after(last.id);
        }
        bus
    }

    /// How long published events are kept from now on.
    pub fn set_retention(&mut self, retention: Duration) {
        self.settings.retention = retention;
    }

    /// The published events that are kept, oldest first.
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.kept.iter()
    }

    /// An id of now, later than all before.
    pub fn mark(&mut self, now: Timestamp) -> EventId {
        self.ids.event(now, &mut self.rng)
    }

    /// Tells what tasks went through.
    pub fn walked(&mut self, moments: Vec<Moment>, now: Timestamp) {
        self.fresh.reserve(moments.len());
        for moment in moments {
            let id = self.ids.event(now, &mut self.rng);
            self.fresh.push(Event { id, what: What::Task(moment) });
        }
    }

    /// Tells of something that we found ourselves. Is not kept beyond the last events in memory.
    pub fn tell(&mut self, new: New, now: Timestamp) -> Event {
        let event = self.event(new, now);
        self.fresh.push(event.clone());
        event
    }

    /// As [`Bus::tell`], of an alert.
    pub fn tell_alert(&mut self, moment: AlertMoment, now: Timestamp) -> &Event {
        let event = Event { id: self.ids.event(now, &mut self.rng), what: What::Alert(moment) };
        self.fresh.push_mut(event)
    }

    /// Takes an event from outside; it is kept.
    pub fn publish(&mut self, new: New, now: Timestamp, out: &mut Vec<Change>) -> Result<Event, Refusal> {
        self.check(&new)?;
        let event = self.event(new, now);
        if let What::Other(other) = &event.what {
            out.push(record(RecordKind::Event, event.id.to_string(), Some(wire::row(other))));
        }
        self.keep(event.clone());
        self.bound(now, out);
        self.fresh.push(event.clone());
        Ok(event)
    }

    /// Lets go of what is older than it may be, or too much.
    pub fn bound(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        let before = EventId::first_at(now.minus(self.settings.retention));
        while let Some(first) = self.kept.front()
            && (first.id < before
                || self.kept.len() > self.settings.kept_max
                || self.kept_bytes > self.settings.kept_bytes_max)
        {
            self.drop_first(out);
        }
    }

    /// Lets go of what was published before `before`; how many that were.
    pub fn forget(&mut self, before: Timestamp, out: &mut Vec<Change>) -> usize {
        let (before, had) = (EventId::first_at(before), self.kept.len());
        while self.kept.front().is_some_and(|first| first.id < before) {
            self.drop_first(out);
        }
        had - self.kept.len()
    }

    /// What happened since the last time, oldest first.
    pub fn take_fresh(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.fresh)
    }

    /// Whether nothing happened since the last time.
    pub fn is_quiet(&self) -> bool {
        self.fresh.is_empty()
    }

    /// Whom to tell of `events`, in their order. Each delivery counts as waiting until [`Bus::delivered`].
    pub fn deliveries(&mut self, events: &[Event]) -> Vec<(String, usize)> {
        let mut due = Vec::new();
        if self.subscriptions.is_empty() {
            return due;
        }
        for (i, event) in events.iter().enumerate() {
            for subscription in self.subscriptions.values_mut().filter(|one| one.wants(event)) {
                if subscription.waiting >= WAITING_MAX {
                    subscription.delivered.dropped += 1;
                } else {
                    subscription.waiting += 1;
                    due.push((subscription.id.clone(), i));
                }
            }
        }
        due
    }

    /// A delivery that was under way when the process ended still is.
    pub fn still_waiting(&mut self, id: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.waiting += 1;
        }
    }

    /// A delivery ended.
    pub fn delivered(&mut self, id: &str, done: bool) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        let Delivered { done: taken, failed, .. } = &mut subscription.delivered;
        *(if done { taken } else { failed }) += 1;
        subscription.waiting = subscription.waiting.saturating_sub(1);
    }

    /// Makes a subscription.
    pub fn subscribe(
        &mut self,
        new: NewSubscription,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Subscription, Refusal> {
        new.check()?;
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            let what =
                format!("there are {SUBSCRIPTIONS_MAX} subscriptions, the most there may be; delete one");
            return Err(Refusal::NotApplicable(what));
        }
        let subscription = Subscription {
            id: self.ids.event(now, &mut self.rng).to_string(),
            url: new.url,
            types: new.types,
            secret: new.secret,
            created_by: by.to_owned(),
            created_at: now,
            waiting: 0,
            delivered: Delivered::default(),
        };
        out.push(record(RecordKind::Subscription, subscription.id.clone(), Some(subscription.row())));
        self.subscriptions.insert(subscription.id.clone(), subscription.clone());
        Ok(subscription)
    }

    /// Ends a subscription; false if there is none of that id. What is under way to it is given up.
    pub fn unsubscribe(&mut self, id: &str, out: &mut Vec<Change>) -> bool {
        let known = self.subscriptions.remove(id).is_some();
        if known {
            out.push(record(RecordKind::Subscription, id.to_owned(), None));
        }
        known
    }

    /// The subscriptions, oldest first.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.values()
    }

    fn check(&self, new: &New) -> Result<(), Refusal> {
        if !is_type(&new.type_) {
            let what = format!("must have 1 to {TYPE_MAX} characters, none of them a control character");
            return Err(Refusal::invalid("event_type", what));
        }
        let names = [("source_agent", Some(&new.source)), ("task_id", new.task_id.as_ref())];
        for (field, name) in names.into_iter().chain([("trace_id", new.trace_id.as_ref())]) {
            if name.is_some_and(|name| name.chars().count() > NAME_MAX) {
                return Err(Refusal::invalid(field, format!("must have at most {NAME_MAX} characters")));
            }
        }
        for (field, value) in [("payload", &new.payload), ("metadata", &new.metadata)] {
            let (bytes, max) = (json_size(value), self.settings.payload_max);
            if bytes > max {
                return Err(Refusal::TooLarge { field: field.to_owned(), bytes, max });
            }
        }
        Ok(())
    }

    fn event(&mut self, new: New, now: Timestamp) -> Event {
        let priority = new.priority.unwrap_or_else(|| kinds::priority_of(&new.type_, &new.payload));
        let other = Other {
            at: now,
            type_: new.type_,
            priority,
            source: new.source,
            trace_id: new.trace_id.or_else(|| Some(self.trace(now))),
            task_id: new.task_id,
            payload: new.payload,
            metadata: new.metadata,
        };
        Event { id: self.ids.event(now, &mut self.rng), what: What::Other(Arc::new(other)) }
    }

    /// A trace of its own for an event that belongs to none.
    fn trace(&mut self, now: Timestamp) -> String {
        IdMaker::new().run(now, &mut self.rng).to_string()
    }

    fn keep(&mut self, event: Event) {
        self.kept_bytes += event.bytes();
        self.kept.push_back(event);
    }

    fn drop_first(&mut self, out: &mut Vec<Change>) {
        if let Some(gone) = self.kept.pop_front() {
            self.kept_bytes -= gone.bytes();
            out.push(record(RecordKind::Event, gone.id.to_string(), None));
        }
    }
}

/// Whether a text can be a type.
pub(super) fn is_type(text: &str) -> bool {
    (1..=TYPE_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn record(kind: RecordKind, key: String, row: Option<serde_json::Value>) -> Change {
    Change::Record { kind, key, row }
}
