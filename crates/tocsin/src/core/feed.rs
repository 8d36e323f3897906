//! The last events, where readers find them: added by the journal's thread once the commit that covers them is
//! durable, read by as many as like without asking the core.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tasks::EventId;
use tasks::events::{Event, Page, Ring};
use tokio::sync::watch;

/// The last events.
#[derive(Debug)]
pub struct Feed {
    /// Protects the ring for one addition or one bounded copy.
    ring: Mutex<Ring>,
    newest: watch::Sender<EventId>,
}

impl Feed {
    /// A feed that starts with what `ring` holds.
    pub fn new(ring: Ring) -> Feed {
        let newest = watch::Sender::new(ring.last());
        Feed { ring: Mutex::new(ring), newest }
    }

    /// Adds events, oldest first. `lossy`: some before the last of them were never noted.
    pub fn append(&self, events: Vec<Event>, lossy: bool) {
        let Some(last) = events.last().map(|event| event.id) else { return };
        let mut ring = self.ring();
        ring.append(events);
        if lossy {
            ring.lose(last);
        }
        drop(ring);
        // Once closed it stays so.
        self.newest.send_if_modified(|newest| {
            let open = *newest != EventId::MAX;
            if open {
                *newest = last;
            }
            open
        });
    }

    /// At most `max` events after `after`.
    pub fn after(&self, after: EventId, max: usize) -> Page {
        self.ring().after(after, max)
    }

    /// The newest `max` events after `after` that `wanted` accepts, newest first.
    pub fn newest(&self, after: EventId, max: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        self.ring().newest(after, max, wanted)
    }

    /// The newest event's id, or that of the start.
    pub fn last(&self) -> EventId {
        self.ring().last()
    }

    /// Lets go of everything before `before`; how much that was.
    pub fn forget(&self, before: EventId) -> usize {
        self.ring().forget(before)
    }

    /// Tells of the newest event each time there is one; [`Feed::close`] ends it.
    pub fn changed(&self) -> watch::Receiver<EventId> {
        self.newest.subscribe()
    }

    /// Tells readers that there will be no more: an id after all others.
    pub fn close(&self) {
        self.newest.send_replace(EventId::MAX);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
