//! Events: telling, reading, and who is called.

use super::{Asked, Failure};
use crate::views::Kept;
use futures_util::future::BoxFuture;
use model::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tasks::EventId;
use tasks::events::{Event, New, NewSubscription, Page, Subscription};
use tokio::sync::watch;

/// Tells events and reads them. [`Events::after`] and [`Events::last`] are called for each chunk of each stream and
/// hold a lock for one bounded copy only.
pub trait Events: Send + Sync {
    /// Tells an event that comes from outside; answers after the commit that keeps it.
    fn publish(&self, event: New, asked: Asked<Published>) -> BoxFuture<'_, Result<Kept, Failure>>;
    /// The topics that tasks wait for.
    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, Failure>>;
    /// The events that were published and are kept, newest first, at most `max`, later than `after`.
    fn kept(&self, after: EventId, max: usize) -> BoxFuture<'_, Result<Vec<Event>, Failure>>;
    /// Lets go of events from before `before`; how many of those that were kept.
    fn forget(&self, before: Timestamp, by: String) -> BoxFuture<'_, Result<usize, Failure>>;
    /// The last events that `wanted` accepts, newest first, at most `max`, later than `after`.
    fn newest(&self, after: EventId, max: usize, wanted: &dyn Fn(&Event) -> bool) -> Vec<Event>;
    /// The events after `after`, oldest first, at most `max`.
    fn after(&self, after: EventId, max: usize) -> Page;
    /// The newest event's id.
    fn last(&self) -> EventId;
    /// Tells of the newest event's id each time it is another; [`EventId::MAX`]: there will be no more.
    fn changed(&self) -> watch::Receiver<EventId>;
    /// Who listens to streams.
    fn listeners(&self) -> &Arc<Listeners>;
    /// Who is called, oldest first.
    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<Subscription>, Failure>>;
    /// Calls somebody from now on.
    fn subscribe(
        &self,
        new: NewSubscription,
        by: String,
        asked: Asked<Subscription>,
    ) -> BoxFuture<'_, Result<Kept, Failure>>;
    /// Ends a subscription; false: there is none of that id.
    fn unsubscribe(&self, id: String, by: String) -> BoxFuture<'_, Result<bool, Failure>>;
}

/// What became of an event that was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// The event.
    pub event: Event,
    /// The tasks on its topic that it made a run of.
    pub triggered: Vec<String>,
}

/// A topic that tasks wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The topic.
    pub topic: String,
    /// The tasks.
    pub task_ids: Vec<String>,
}

/// Who listens to streams: a bounded number. One that has not read for a while makes room for the next.
#[derive(Debug)]
pub struct Listeners {
    max: usize,
    patience: Duration,
    /// When each was last seen reading; held for a lookup only.
    seen: Mutex<(u64, HashMap<u64, Instant>)>,
}

impl Listeners {
    /// At most `max`; one that does not read for `patience` may lose its place.
    pub fn new(max: usize, patience: Duration) -> Listeners {
        Listeners { max, patience, seen: Mutex::default() }
    }

    /// A place, if there is one.
    pub fn enter(self: &Arc<Self>) -> Option<Listener> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.1.len() >= self.max {
            let patience = self.patience;
            seen.1.retain(|_, at| at.elapsed() < patience);
        }
        if seen.1.len() >= self.max {
            return None;
        }
        seen.0 += 1;
        let id = seen.0;
        seen.1.insert(id, Instant::now());
        Some(Listener { of: Arc::clone(self), id })
    }

    /// The most there may be.
    pub fn max(&self) -> usize {
        self.max
    }
}

/// A place among the listeners, given back when dropped.
#[derive(Debug)]
pub struct Listener {
    of: Arc<Listeners>,
    id: u64,
}

impl Listener {
    /// Says that this one reads; false if it lost its place meanwhile.
    pub fn reads(&self) -> bool {
        let mut seen = self.of.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.1.get_mut(&self.id).map(|at| *at = Instant::now()).is_some()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.of.seen.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_the_silent_make_room() {
        let patient = Arc::new(Listeners::new(1, Duration::from_secs(3600)));
        let one = patient.enter().expect("room");
        assert!(patient.enter().is_none() && one.reads());
        drop(one);
        assert!(patient.enter().is_some());
        let hasty = Arc::new(Listeners::new(1, Duration::ZERO));
        let silent = hasty.enter().expect("room");
        let next = hasty.enter().expect("the silent one makes room");
        assert!(!silent.reads() && next.reads());
    }
}
