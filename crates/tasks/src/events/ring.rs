//! The last events, in the order in which they happened. Bounded in number and in bytes: the oldest go first, and
//! whoever asks from before them is told that there is a gap.

use super::Event;
use crate::EventId;
use std::collections::VecDeque;

/// The last events.
#[derive(Debug)]
pub struct Ring {
    events: VecDeque<Event>,
    bytes: usize,
    events_max: usize,
    bytes_max: usize,
    /// Nothing after this is missing.
    whole_after: EventId,
}

/// Some events, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The events.
    pub events: Vec<Event>,
    /// Events between what was asked for and [`Page::whole_after`] are gone.
    pub gap: bool,
    /// Nothing after this is missing.
    pub whole_after: EventId,
    /// Ask from here for what follows; what was asked for if there is nothing.
    pub last: EventId,
}

impl Ring {
    /// A ring of at most so many events and bytes that starts with `kept`, which may have gaps.
    pub fn new(
        events_max: usize,
        bytes_max: usize,
        kept: impl IntoIterator<Item = Event>,
        at: EventId,
    ) -> Ring {
        let mut ring =
            Ring { events: VecDeque::new(), bytes: 0, events_max, bytes_max, whole_after: EventId::MIN };
        ring.append(kept);
        ring.whole_after = ring.whole_after.max(at);
        ring
    }

    /// Adds events, each later than all before.
    pub fn append(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.bytes += event.bytes();
            self.events.push_back(event);
            while self.events.len() > self.events_max || self.bytes > self.bytes_max {
                let Some(gone) = self.events.pop_front() else { break };
                self.bytes -= gone.bytes();
                self.whole_after = self.whole_after.max(gone.id);
            }
        }
    }

    /// Events up to here may be missing from now on.
    pub fn lose(&mut self, up_to: EventId) {
        self.whole_after = self.whole_after.max(up_to);
    }

    /// At most `max` events after `after`, oldest first.
    pub fn after(&self, after: EventId, max: usize) -> Page {
        let from = self.events.partition_point(|event| event.id <= after);
        let events: Vec<Event> = self.events.range(from..).take(max).cloned().collect();
        let last = events.last().map_or(after, |event| event.id);
        Page { gap: after < self.whole_after, whole_after: self.whole_after, events, last }
    }

    /// The newest `max` events that `wanted` accepts and that are later than `after`, newest first.
    pub fn newest(&self, after: EventId, max: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let later = self.events.iter().rev().take_while(|event| event.id > after);
        later.filter(|event| wanted(event)).take(max).cloned().collect()
    }

    /// The newest event's id, or that of the start.
    pub fn last(&self) -> EventId {
        self.events.back().map_or(self.whole_after, |event| event.id.max(self.whole_after))
    }

    /// Lets go of everything before `before`; how much that was.
    pub fn forget(&mut self, before: EventId) -> usize {
        let mut gone = 0;
        while self.events.front().is_some_and(|event| event.id < before)
            && let Some(event) = self.events.pop_front()
        {
            self.bytes -= event.bytes();
            self.whole_after = self.whole_after.max(event.id);
            gone += 1;
        }
        gone
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}
