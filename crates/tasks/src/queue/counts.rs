//! How the queue is, for screens, health and metrics. Cheap: nothing here walks over the runs.

use super::index::STATES;
use super::{BUILTIN_WORKER, Queue};
use crate::{Directive, RunId, RunState, Spread, Totals};
use model::{Class, Timestamp};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Bounds of the histogram of leases, in seconds.
pub(super) const LEASE_BOUNDS: [f64; 8] = [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// The queue in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// Users' live runs in each state.
    pub users: Vec<(RunState, usize)>,
    /// Pages and runbook steps in each state.
    pub ours: Vec<(RunState, usize)>,
    /// Users' runs that wait: scheduled, awaiting approval, available, or to be tried again.
    pub pending: usize,
    /// Users' runs that a worker has.
    pub processing: usize,
    /// Users' waiting runs by priority, 1 to 9.
    pub by_priority: [usize; 9],
    /// For how long the oldest run that could be claimed has been due.
    pub oldest_due: Option<Duration>,
    /// How late the next schedule or timer is: zero unless ticks lag.
    pub lag: Duration,
    /// Tasks that will fire.
    pub schedules: usize,
    /// Workers known.
    pub workers: usize,
    /// Counters of all time.
    pub totals: Totals,
}

/// A worker, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerView {
    /// Its name.
    pub id: Arc<str>,
    /// What it is.
    pub labels: BTreeMap<String, String>,
    /// What it can do.
    pub kinds: Vec<String>,
    /// When it was last heard of.
    pub last_seen: Timestamp,
    /// Heard of within the last two minutes, or within two leases if that is longer.
    pub alive: bool,
    /// Runs that it holds.
    pub running: usize,
    /// Runs that it could take besides, as it last said.
    pub slots_free: u32,
    /// Whether it has slots for users' runs, besides those kept for pages and runbook steps.
    pub for_users: bool,
    /// Attempts that it ended.
    pub processed: u64,
    /// How often it was heard of since we started.
    pub heard: u64,
    /// What an operator told it to do.
    pub directive: Directive,
    /// When it was first heard of.
    pub created_at: Timestamp,
}

impl Queue {
    /// What the holder of a run said last of how far it is: heartbeats are not written down.
    pub fn progress_of(&self, run: RunId) -> Option<f64> {
        self.runs.get(&run)?.run.at.progress
    }

    /// The queue in numbers.
    pub fn counts(&self, now: Timestamp) -> Counts {
        let (page, runbook) = (self.index.counts(Class::Page), self.index.counts(Class::Runbook));
        let users = self.index.counts(Class::User);
        let by = |count: &dyn Fn(usize) -> usize| -> Vec<_> {
            STATES.iter().enumerate().map(|(i, state)| (*state, count(i))).collect()
        };
        let waiting = self.index.waiting();
        Counts {
            users: by(&|i| users[i]),
            ours: by(&|i| page[i] + runbook[i]),
            pending: waiting.iter().sum(),
            processing: users[3],
            by_priority: std::array::from_fn(|i| waiting[i + 1]),
            oldest_due: self.index.oldest_due().map(|at| now.since(at)),
            lag: self.next_wake().map(|at| now.since(at)).unwrap_or_default(),
            schedules: self.fires.len(),
            workers: self.workers.len(),
            totals: self.totals,
        }
    }

    /// How long attempts were held, since the start: from claim to outcome, or until they were taken back.
    pub fn leases(&self) -> &Spread<8> {
        &self.leases
    }

    /// The workers, by name.
    pub fn workers(&self, now: Timestamp) -> Vec<WorkerView> {
        let silence = Duration::from_secs(120).max(self.settings.lease * 2);
        let mut views: Vec<WorkerView> = self
            .workers
            .values()
            .map(|worker| {
                let running = self.index.held(&worker.row.id).map_or(0, |held| held.len());
                let slots = running.saturating_add(worker.slots_free as usize);
                let ours = worker.row.id.starts_with(BUILTIN_WORKER);
                WorkerView {
                    id: worker.row.id.clone(),
                    labels: worker.row.labels.clone(),
                    kinds: worker.row.kinds.clone(),
                    last_seen: worker.row.last_seen,
                    alive: now.since(worker.row.last_seen) <= silence,
                    running,
                    slots_free: worker.slots_free,
                    for_users: !ours || slots > self.settings.page_slots as usize,
                    processed: worker.row.processed,
                    heard: worker.heard,
                    directive: worker.directive(),
                    created_at: worker.row.created_at,
                }
            })
            .collect();
        views.sort_by(|a, b| a.id.cmp(&b.id));
        views
    }
}
