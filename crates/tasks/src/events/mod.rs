//! Events: what happened, told to whoever listens.
//!
//! Two sources, one order. What a task goes through is noted in the queue by one line where a run moves
//! ([`Trail`]), as compact values whose JSON is made only when somebody reads it. What is published from outside,
//! or told by another part of the process ([`New`]), carries its whole text. Both get their ids here, in the order
//! in which they happened; ids rise over restarts.
//!
//! Is not a log: the last events are in memory ([`Ring`]), those that were published are kept durably for a day
//! ([`Bus`]), and what must surely reach somebody is a run in the queue ([`Subscription`]).
//!
//! Invariants: an unknown type stays as it was written; the memory of each part is bounded in number and bytes,
//! and whoever asks for what is gone is told so.

mod bus;
mod event;
mod kinds;
mod ring;
mod subscription;
mod trail;
mod wire;

pub use bus::{Bus, Settings};
pub use event::{AlertMoment, Event, New, Other, Priority, What};
pub use kinds::{KNOWN, priority_of};
pub use ring::{Page, Ring};
pub use subscription::{Delivered, NewSubscription, SUBSCRIPTIONS_MAX, Subscription, matches};
pub use trail::{Moment, Trail, Word};
pub use wire::event_json;

#[cfg(test)]
mod tests;
