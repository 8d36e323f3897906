//! Getting samples in: scrape, probe, host, discovery, relabelling.
//!
//! The walk of a sample starts here: a [`Collector`] keeps one loop for each target and each probe that the
//! configuration wants; a loop fetches through `reach`, reads the body, relabels what it sees for the first time
//! and commits one batch to the store; whoever listens to commits goes on from there.
//!
//! Not here: rules, alerts, queries. Nothing in this crate knows that a sample can wake a person.
//!
//! Invariants: a target that hangs, lies or floods harms itself only; a batch is committed whole or not at all;
//! every refused scrape and every refused sample is counted under a name; nothing a target sends can panic us or
//! make us hold more than its job's limits.

mod collector;
pub mod config;
mod context;
mod discovery;
mod error;
pub mod exposition;
pub mod host;
pub mod probe;
pub mod pushed;
mod recorder;
pub mod relabel;
mod schedule;
pub mod scrape;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod view;

pub use collector::Collector;
pub use config::{CollectConfig, HostConfig};
pub use context::{METRICS, OnCommit, Sink};
pub use error::Error;
pub use recorder::Recorder;
pub use view::{DroppedView, Health, ProbeView, TargetView};
