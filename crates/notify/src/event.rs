//! The run that tells a subscriber of an event.

use crate::Error;
use crate::action::outcome;
use crate::post::refusal;
use model::Clock;
use reach::http::{Client, Request};
use reach::signature;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};
use tasks::{Action, Attempt, Outcome, Running};

/// The kind of the run that delivers an event: its arguments are `{subscription, event}`. It holds a dot, so that
/// neither a tool nor a user's task can have it.
pub const EVENT_KIND: &str = "event.delivery";
/// The longest answer that is read.
const ANSWER_MAX: usize = 64 << 10;

/// Where subscribers are and what signs what they are sent. Runs only name them, so that no run's arguments hold
/// a secret.
#[derive(Default)]
pub struct Subscribers {
    /// Read for each attempt, written when a subscription is made or ended.
    by_id: RwLock<BTreeMap<String, Arc<Subscriber>>>,
}

struct Subscriber {
    url: String,
    secret: Option<String>,
}

impl Subscribers {
    /// Adds one, or puts it in the place of the one before.
    pub fn put(&self, id: &str, url: &str, secret: Option<&str>) {
        let subscriber = Subscriber { url: url.to_owned(), secret: secret.map(str::to_owned) };
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        by_id.insert(id.to_owned(), Arc::new(subscriber));
    }

    /// Forgets one.
    pub fn remove(&self, id: &str) {
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn get(&self, id: &str) -> Option<Arc<Subscriber>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

/// Posts the event in its arguments. Bears being run twice: the event's id is the idempotency key.
pub struct EventAction {
    client: Client,
    subscribers: Arc<Subscribers>,
    clock: Arc<dyn Clock>,
}

impl EventAction {
    /// Sends by `client`.
    pub fn new(client: Client, subscribers: Arc<Subscribers>, clock: Arc<dyn Clock>) -> EventAction {
        EventAction { client, subscribers, clock }
    }

    async fn send(&self, attempt: Attempt) -> Result<Outcome, Error> {
        let args = attempt.args.value();
        let id = args["subscription"].as_str().unwrap_or("");
        let Some(subscriber) = self.subscribers.get(id) else {
            return Err(Error::Unsubscribed { subscription: id.to_owned() });
        };
        let event: &Value = &args["event"];
        let mut request = Request::post_json(&subscriber.url, event.to_string())?;
        (request.timeout, request.body_max, request.redirects_max) = (attempt.deadline, ANSWER_MAX, 0);
        request.set_header("Idempotency-Key", event["event_id"].as_str().unwrap_or(""))?;
        request.set_header("X-Tocsin-Subscription", id)?;
        if let Some(secret) = &subscriber.secret {
            let signature = signature::sign(secret.as_bytes(), self.clock.now(), &request.body);
            request.set_header(signature::HEADER, &signature)?;
        }
        let host = request.url.host_str().unwrap_or("").to_owned();
        let response = self.client.send(request).await?;
        if !response.is_success() {
            return Err(refusal(host, &response));
        }
        Ok(Outcome::Done(json!({"subscription": id, "status": response.status})))
    }
}

impl Action for EventAction {
    fn kind(&self) -> &str {
        EVENT_KIND
    }

    fn run(&self, attempt: Attempt) -> Running<'_> {
        Box::pin(async move { self.send(attempt).await.unwrap_or_else(|error| outcome(&error)) })
    }
}
