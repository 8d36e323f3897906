//! The queue, its workers, and what waits for a person.

use model::Timestamp;
use std::{collections::BTreeMap, time::Duration};

/// The queue's figures, users' tasks only, under all the names that documents give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Accepted and not begun: runs scheduled, awaiting approval, available or waiting for another try.
    pub pending: u64,
    /// Runs that a worker has.
    pub in_progress: u64,
    /// Runs that ended well, all kept ones.
    pub completed: u64,
    /// Runs given up, all kept ones.
    pub failed: u64,
    /// Tasks ever accepted; never less than pending and in progress together.
    pub total: u64,
    /// How long the oldest run that is due has been waiting.
    pub oldest_due: Option<Duration>,
}

/// A worker.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerView {
    /// Its name.
    pub id: String,
    /// What it is.
    pub labels: BTreeMap<String, String>,
    /// When it last asked or said something.
    pub last_seen: Timestamp,
    /// Whether it counts as alive.
    pub alive: bool,
    /// Runs that it holds.
    pub running: u32,
    /// Runs that it could take besides.
    pub slots_free: u32,
    /// Runs that it ended since it was first seen.
    pub processed: u64,
}

/// What kind of thing waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitingKind {
    /// A run that needs an approval.
    Approval,
    /// A run that was given up.
    Dead,
    /// A page that no receiver took.
    Undelivered,
    /// A remedy that a runbook proposes.
    Remedy,
    /// A configuration that could not be read again, a target file that vanished, and the like.
    Fault,
}

/// One thing that waits for a person.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingView {
    /// What kind.
    pub kind: WaitingKind,
    /// In a few words.
    pub title: String,
    /// In one sentence; may be empty.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
    /// Where it is shown, relative to our own address; empty if nowhere.
    pub href: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct PageOf<T> {
    /// The items.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: u64,
}
