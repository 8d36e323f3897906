//! Events, as clients tell and read them.

use super::once::once;
use super::{callable, desk::refusal};
use crate::core::{Feed, Handle};
use futures_util::future::BoxFuture;
use model::Timestamp;
use reach::http::Client;
use server::{Asked, Failure, Listeners, Published, Topic, views::Kept};
use std::sync::Arc;
use tasks::EventId;
use tasks::events::{Event, New, NewSubscription, Page, Subscription};
use tokio::sync::watch;

/// Events as the server sees them.
pub struct Events {
    /// Who decides.
    pub core: Handle,
    /// Calls subscribers.
    pub client: Client,
    /// The last ones.
    pub feed: Arc<Feed>,
    /// Who listens.
    pub listeners: Arc<Listeners>,
}

impl server::Events for Events {
    fn publish(&self, event: New, asked: Asked<Published>) -> BoxFuture<'_, Result<Kept, Failure>> {
        Box::pin(once(&self.core, asked, move |core, batch, now| {
            let published = core.publish(event, batch, now).map_err(refusal)?;
            let triggered = published.triggered.iter().map(ToString::to_string).collect();
            Ok(Published { event: published.event, triggered })
        }))
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, Failure>> {
        Box::pin(async move {
            let topics = self.core.call(|core, _, _| {
                let topics = core.queue.topics();
                let named = topics.map(|(topic, tasks)| Topic {
                    topic: topic.to_owned(),
                    task_ids: tasks.iter().map(ToString::to_string).collect(),
                });
                named.collect()
            });
            Ok(topics.await?)
        })
    }

    fn kept(&self, after: EventId, max: usize) -> BoxFuture<'_, Result<Vec<Event>, Failure>> {
        Box::pin(async move {
            let kept = self.core.call(move |core, _, _| {
                let later = core.events.bus.kept().rev().take_while(|event| event.id > after);
                later.take(max).cloned().collect()
            });
            Ok(kept.await?)
        })
    }

    fn forget(&self, before: Timestamp, by: String) -> BoxFuture<'_, Result<usize, Failure>> {
        Box::pin(async move {
            tracing::info!(event = "events_cleanup", by, "Events before {} are forgotten", before.rfc3339());
            Ok(self.core.call(move |core, batch, _| core.forget_events(before, batch)).await?)
        })
    }

    fn newest(&self, after: EventId, max: usize, wanted: &dyn Fn(&Event) -> bool) -> Vec<Event> {
        self.feed.newest(after, max, wanted)
    }

    fn after(&self, after: EventId, max: usize) -> Page {
        self.feed.after(after, max)
    }

    fn last(&self) -> EventId {
        self.feed.last()
    }

    fn changed(&self) -> watch::Receiver<EventId> {
        self.feed.changed()
    }

    fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<Subscription>, Failure>> {
        Box::pin(async move {
            let all = self.core.call(|core, _, _| core.events.bus.subscriptions().cloned().collect());
            Ok(all.await?)
        })
    }

    fn subscribe(
        &self,
        new: NewSubscription,
        by: String,
        asked: Asked<Subscription>,
    ) -> BoxFuture<'_, Result<Kept, Failure>> {
        Box::pin(async move {
            callable::check(&new.url, &self.client)?;
            let done = once(&self.core, asked, move |core, batch, now| {
                core.subscribe(new, &by, batch, now).map_err(refusal)
            });
            done.await
        })
    }

    fn unsubscribe(&self, id: String, by: String) -> BoxFuture<'_, Result<bool, Failure>> {
        Box::pin(async move {
            tracing::info!(event = "subscription_ended", by, "Subscription {id} is ended");
            Ok(self.core.call(move |core, batch, _| core.unsubscribe(&id, batch)).await?)
        })
    }
}
