//! Events and agents for tests: the real deciders, without a process around them.

use crate::views::Kept;
use crate::{Agents, Asked, Events, Failure, Listeners, Published, Topic};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use model::Timestamp;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tasks::EventId;
use tasks::agents::{Agent, NewAgent, Routing, Rule, Update};
use tasks::events::{Bus, Event, New, NewSubscription, Page, Ring, Settings, Subscription};
use tokio::sync::watch;

pub struct StandIn {
    pub bus: Mutex<Bus>,
    pub ring: Mutex<Ring>,
    pub newest: watch::Sender<EventId>,
    pub agents: Mutex<tasks::agents::Agents>,
    routing: Mutex<Routing>,
    listeners: Arc<Listeners>,
    now: Timestamp,
}

impl StandIn {
    /// At `now`, with room for this many events and listeners.
    pub fn new(now: Timestamp, events_max: usize, listeners_max: usize) -> StandIn {
        let mut agents = tasks::agents::Agents::default();
        agents.seed(now, &mut Vec::new());
        StandIn {
            bus: Mutex::new(Bus::new(Settings::default(), &mut tasks::Loaded::default())),
            ring: Mutex::new(Ring::new(events_max, 1 << 20, [], EventId::MIN)),
            newest: watch::Sender::new(EventId::MIN),
            agents: Mutex::new(agents),
            routing: Mutex::default(),
            listeners: Arc::new(Listeners::new(listeners_max, Duration::from_secs(3600))),
            now,
        }
    }

    /// Something happens; its id.
    pub fn tell(&self, type_: &str) -> EventId {
        let event = self.bus.lock().unwrap().tell(New::told(type_, serde_json::json!({})), self.now);
        self.append();
        event.id
    }

    fn append(&self) {
        let fresh = self.bus.lock().unwrap().take_fresh();
        let Some(last) = fresh.last().map(|event| event.id) else { return };
        self.ring.lock().unwrap().append(fresh);
        self.newest.send_replace(last);
    }
}

fn refused<T: Send + 'static>(done: Result<T, tasks::Refusal>) -> BoxFuture<'static, Result<T, Failure>> {
    let failure = |why: tasks::Refusal| match why {
        tasks::Refusal::Invalid { field, what } => Failure::Value { field, what },
        tasks::Refusal::TooLarge { .. } => Failure::TooLarge(why.to_string()),
        _ => Failure::Conflict(why.to_string()),
    };
    ready(done.map_err(failure)).boxed()
}

fn now<T: Send + 'static>(answer: T) -> BoxFuture<'static, Result<T, Failure>> {
    ready(Ok(answer)).boxed()
}

impl Events for StandIn {
    fn publish(&self, event: New, asked: Asked<Published>) -> BoxFuture<'_, Result<Kept, Failure>> {
        let done = self.bus.lock().unwrap().publish(event, self.now, &mut Vec::new());
        self.append();
        refused(done.map(|event| asked.tell(&Published { event, triggered: Vec::new() })))
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, Failure>> {
        now(vec![Topic { topic: "pr.merged".to_owned(), task_ids: vec!["t1".to_owned()] }])
    }

    fn kept(&self, after: EventId, max: usize) -> BoxFuture<'_, Result<Vec<Event>, Failure>> {
        let bus = self.bus.lock().unwrap();
        now(bus.kept().rev().take_while(|event| event.id > after).take(max).cloned().collect())
    }

    fn forget(&self, before: Timestamp, _: String) -> BoxFuture<'_, Result<usize, Failure>> {
        now(self.bus.lock().unwrap().forget(before, &mut Vec::new()))
    }

    fn newest(&self, after: EventId, max: usize, wanted: &dyn Fn(&Event) -> bool) -> Vec<Event> {
        self.ring.lock().unwrap().newest(after, max, wanted)
    }

    fn after(&self, after: EventId, max: usize) -> Page {
        self.ring.lock().unwrap().after(after, max)
    }

    fn last(&self) -> EventId {
        self.ring.lock().unwrap().last()
    }

    fn changed(&self) -> watch::Receiver<EventId> {
        self.newest.subscribe()
    }

    fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<Subscription>, Failure>> {
        now(self.bus.lock().unwrap().subscriptions().cloned().collect())
    }

    fn subscribe(
        &self,
        new: NewSubscription,
        by: String,
        asked: Asked<Subscription>,
    ) -> BoxFuture<'_, Result<Kept, Failure>> {
        let made = self.bus.lock().unwrap().subscribe(new, &by, self.now, &mut Vec::new());
        refused(made.map(|made| asked.tell(&made)))
    }

    fn unsubscribe(&self, id: String, _: String) -> BoxFuture<'_, Result<bool, Failure>> {
        now(self.bus.lock().unwrap().unsubscribe(&id, &mut Vec::new()))
    }
}

impl Agents for StandIn {
    fn agents(&self, name: String, scope: Option<String>) -> BoxFuture<'_, Result<Vec<Agent>, Failure>> {
        now(self.agents.lock().unwrap().list(&name, scope.as_deref()).into_iter().cloned().collect())
    }

    fn agent(&self, id: String) -> BoxFuture<'_, Result<Option<Agent>, Failure>> {
        now(self.agents.lock().unwrap().get(&id).cloned())
    }

    fn create(&self, new: NewAgent, by: String, asked: Asked<Agent>) -> BoxFuture<'_, Result<Kept, Failure>> {
        let mut agents = self.agents.lock().unwrap();
        let id = format!("00000000-0000-4000-8000-{:012x}", agents.list("", None).len());
        let made = agents.create(new, id, &by, self.now, &mut Vec::new());
        refused(made.map(|made| asked.tell(&made)))
    }

    fn update(
        &self,
        id: String,
        update: Update,
        by: String,
    ) -> BoxFuture<'_, Result<Option<Agent>, Failure>> {
        refused(self.agents.lock().unwrap().update(&id, update, &by, self.now, &mut Vec::new()))
    }

    fn delete(&self, id: String, by: String) -> BoxFuture<'_, Result<Option<Agent>, Failure>> {
        refused(self.agents.lock().unwrap().delete(&id, &by, self.now, &mut Vec::new()))
    }

    fn renew_secret(&self, id: String, by: String) -> BoxFuture<'_, Result<Option<String>, Failure>> {
        let mut agents = self.agents.lock().unwrap();
        refused(agents.renew_secret(&id, [7; 32], [9; 32], &by, self.now, &mut Vec::new()))
    }

    fn rules(&self) -> BoxFuture<'_, Result<Vec<Rule>, Failure>> {
        now(self.routing.lock().unwrap().get_routing_rules())
    }

    fn set_rule(&self, type_: String, agent: String, by: String) -> BoxFuture<'_, Result<String, Failure>> {
        let mut routing = self.routing.lock().unwrap();
        refused(routing.register_custom_rule(&type_, &agent, &by, self.now, &mut Vec::new()))
    }

    fn remove_rule(&self, type_: String, by: String) -> BoxFuture<'_, Result<bool, Failure>> {
        now(self.routing.lock().unwrap().remove_custom_rule(&type_, &by, self.now, &mut Vec::new()))
    }
}
