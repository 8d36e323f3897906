//! One turn of a group to speak, while it goes on: what it sees, and whom it may tell.

use super::Quiet;
use crate::config::Integration;
use crate::group::{Ledger, Now};
use crate::incident::Restraint;
use crate::route::RouteNode;
use model::{Labels, PageReason, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One flush, while it goes on.
pub(super) struct Turn<'a> {
    pub(super) now: Timestamp,
    pub(super) node: &'a RouteNode,
    /// Whatever is new may be told; else only what cannot wait is.
    pub(super) full: bool,
    /// Fingerprints of the firing members that nothing holds.
    pub(super) firing: BTreeSet<u64>,
    /// Fingerprints of the members that have ended.
    pub(super) ended: BTreeSet<u64>,
    /// Fingerprints of the firing members that something holds, and what that is.
    pub(super) held: BTreeSet<u64>,
    pub(super) quiet: BTreeMap<Labels, Quiet>,
    /// Everybody who knows is reminded.
    pub(super) reminded: bool,
    /// Somebody took the incident on.
    pub(super) restraint: Option<Restraint>,
    /// Messages that leave.
    pub(super) paged: Vec<Paged>,
    /// There was a message that is not due yet; that somebody keeps back.
    pub(super) repeats: bool,
    pub(super) restrained: bool,
}

/// A message of this flush.
pub(super) struct Paged {
    pub(super) key: String,
    pub(super) receiver: String,
    pub(super) firing: BTreeSet<u64>,
    pub(super) ended: BTreeSet<u64>,
    /// It takes the place of one that does not arrive.
    pub(super) stuck: bool,
    /// It says more than that some have ended.
    pub(super) calls: bool,
    /// By which policy, if it is a step of an escalation.
    pub(super) by: Option<String>,
}

/// Somebody whom a group may tell.
pub(super) struct Target {
    pub(super) receiver: String,
    pub(super) integration: Integration,
    /// It is told no news, only the end of what it knows: a reload gave the group to somebody else.
    pub(super) only_ends: bool,
}

impl Target {
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.receiver, self.integration.name)
    }
}

impl<'a> Turn<'a> {
    /// One that has seen nothing yet.
    pub(super) fn new(now: Timestamp, node: &'a RouteNode, full: bool) -> Turn<'a> {
        Turn {
            now,
            node,
            full,
            firing: BTreeSet::new(),
            ended: BTreeSet::new(),
            held: BTreeSet::new(),
            quiet: BTreeMap::new(),
            reminded: false,
            restraint: None,
            paged: Vec::new(),
            repeats: false,
            restrained: false,
        }
    }

    /// Whether somebody keeps a message of this reason back.
    pub(super) fn holds(&self, reason: PageReason) -> bool {
        self.restraint.as_ref().is_some_and(|restraint| restraint.holds(reason))
    }

    /// Whether an integration has anything to hear at this turn; `step`: it is told in any case.
    pub(super) fn speaks_to(&self, ledger: &Ledger, step: bool) -> bool {
        self.full || step || self.reminded || ledger.is_stuck()
    }

    /// Which of the alerts that fire an integration knows of.
    pub(super) fn known_to(&self, ledger: &Ledger) -> BTreeSet<u64> {
        ledger.told().map(|told| &told.firing & &self.firing).unwrap_or_default()
    }

    /// What an integration, which knows of these alerts, is to see.
    pub(super) fn seen<'b>(
        &'b self,
        target: &Target,
        ledger: &Ledger,
        known: &'b BTreeSet<u64>,
        step: bool,
    ) -> Now<'b> {
        Now {
            at: self.now,
            firing: if target.only_ends { known } else { &self.firing },
            ended: &self.ended,
            quiet: &self.held,
            send_resolved: target.integration.send_resolved,
            repeat_interval: if target.only_ends { Duration::MAX } else { self.node.repeat_interval },
            forced: step || self.reminded && ledger.revision > 0 && !target.only_ends,
        }
    }
}

impl Restraint {
    /// Whether it keeps a message of this reason back. The end of all is always told.
    fn holds(&self, reason: PageReason) -> bool {
        match reason {
            PageReason::AllEnded => false,
            PageReason::Repeat | PageReason::Escalated => true,
            PageReason::First | PageReason::Added | PageReason::SomeEnded => self.news,
        }
    }
}
