//! What follows from the runs alone, kept beside them so that nothing is searched: who is ready in which lane,
//! what is due when, whose lease ends when, who holds what. `enter` and `leave` are each other's inverse.

use super::Live;
use super::lines::InLine;
use crate::task::{Status, class_str};
use crate::{AttemptToken, RunId, RunState};
use model::{Class, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::{sync::Arc, time::Duration};

/// Runs that the same workers may take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) class: Class,
    pub(super) by: By,
    /// The kind or the agent.
    pub(super) name: Arc<str>,
    /// The queue.
    pub(super) line: InLine,
    /// What a worker must have.
    pub(super) labels: BTreeMap<String, String>,
}

/// By what a lane's runs find their worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum By {
    Kind,
    Agent,
}

/// The order within a lane, and between lanes of one class.
pub(super) type Place = (u8, Timestamp, RunId);

/// How many runs of one class are in each state; the order of [`STATES`].
pub(super) type ByState = [usize; 5];

/// The states of live runs.
pub(super) const STATES: [RunState; 5] = [
    RunState::Scheduled,
    RunState::AwaitingApproval,
    RunState::Available,
    RunState::Running,
    RunState::Retryable,
];

#[derive(Debug, Default)]
pub(super) struct Index {
    ready: HashMap<Lane, BTreeSet<Place>>,
    /// What one priority is worth, in milliseconds of waiting.
    step_ms: i64,
    /// Runs that would be ready, but another of their concurrency key has a worker.
    blocked: HashMap<Arc<str>, HashMap<Lane, BTreeSet<Place>>>,
    /// Concurrency keys that are taken.
    busy: HashMap<Arc<str>, RunId>,
    /// When waiting runs become due, and when leases end.
    timers: BTreeSet<(Timestamp, RunId)>,
    tokens: HashMap<AttemptToken, RunId>,
    held: HashMap<Arc<str>, BTreeSet<RunId>>,
    counts: HashMap<&'static str, ByState>,
    /// Waiting runs of users, by priority.
    waiting: [usize; 10],
    /// Concurrency keys that came free; their first blocked run moves up.
    freed: Vec<Arc<str>>,
}

impl Index {
    pub(super) fn enter(&mut self, live: &Live) {
        let (id, at) = (live.run.id, &live.run.at);
        self.count(live, |n| *n += 1);
        match at.state {
            RunState::Scheduled | RunState::Retryable if at.run_at != Timestamp::MAX => {
                self.timers.insert((at.run_at, id));
            }
            RunState::Available => self.enter_ready(live),
            RunState::Running => {
                self.timers.insert((at.lease_until.unwrap_or(Timestamp::MAX), id));
                if let Some(token) = at.token {
                    self.tokens.insert(token, id);
                }
                if let Some(worker) = &at.worker_id {
                    self.held.entry(worker.clone()).or_default().insert(id);
                }
                if let Some(key) = &live.task.concurrency_key {
                    self.busy.insert(key.clone(), id);
                }
            }
            _ => {}
        }
    }

    pub(super) fn leave(&mut self, live: &Live) {
        let (id, at) = (live.run.id, &live.run.at);
        self.count(live, |n| *n -= 1);
        match at.state {
            RunState::Scheduled | RunState::Retryable => {
                self.timers.remove(&(at.run_at, id));
            }
            RunState::Available => {
                self.leave_ready(live);
                self.pass_on(live);
            }
            RunState::Running => {
                self.timers.remove(&(at.lease_until.unwrap_or(Timestamp::MAX), id));
                if let Some(token) = &at.token {
                    self.tokens.remove(token);
                }
                if let Some(worker) = &at.worker_id
                    && let Some(held) = self.held.get_mut(worker)
                {
                    held.remove(&id);
                    if held.is_empty() {
                        self.held.remove(worker);
                    }
                }
                if let Some(key) = &live.task.concurrency_key {
                    self.busy.remove(key);
                    self.freed.push(key.clone());
                }
            }
            _ => {}
        }
    }

    /// Keys that came free since the last call, each with the run that moves up.
    pub(super) fn unblock(&mut self) -> Vec<RunId> {
        let mut moved = Vec::new();
        for key in std::mem::take(&mut self.freed) {
            if !self.busy.contains_key(&key)
                && let Some(blocked) = self.blocked.get(&key)
            {
                // The first of each lane: who may take one lane may not be able to take another.
                moved.extend(blocked.values().filter_map(|places| places.first()).map(|first| first.2));
            }
        }
        moved
    }

    /// Puts a blocked run among the ready ones.
    pub(super) fn move_up(&mut self, live: &Live) {
        self.leave_ready(live);
        self.ready.entry(lane(live)).or_default().insert(place(live));
    }

    /// Whether anything could be unblocked.
    pub(super) fn has_freed(&self) -> bool {
        !self.freed.is_empty()
    }

    /// Takes a run out of the ready ones; [`Index::block`] brings it back.
    pub(super) fn park(&mut self, live: &Live) {
        self.leave_ready(live);
        self.pass_on(live);
    }

    /// A run that had moved up may leave without being claimed: then the next one's turn has come.
    fn pass_on(&mut self, live: &Live) {
        if let Some(key) = live.task.concurrency_key.as_ref().filter(|key| !self.busy.contains_key(*key)) {
            self.freed.push(key.clone());
        }
    }

    /// How many lanes hold something.
    pub(super) fn lanes(&self) -> usize {
        self.ready.len()
    }

    /// Takes a run whose concurrency key is busy out of the ready ones.
    pub(super) fn block(&mut self, live: &Live) {
        self.leave_ready(live);
        self.enter_ready(live);
    }

    /// The run that has taken a concurrency key.
    pub(super) fn holder(&self, key: &str) -> Option<RunId> {
        self.busy.get(key).copied()
    }

    pub(super) fn is_busy(&self, live: &Live) -> bool {
        live.task.concurrency_key.as_ref().is_some_and(|key| self.busy.contains_key(key))
    }

    fn enter_ready(&mut self, live: &Live) {
        // A held task is not among the ready ones, whatever its run's state.
        if live.task.status == Status::Paused {
            return;
        }
        match &live.task.concurrency_key {
            Some(key) if self.busy.contains_key(key) => {
                let lanes = self.blocked.entry(key.clone()).or_default();
                lanes.entry(lane(live)).or_default().insert(place(live));
            }
            _ => {
                self.ready.entry(lane(live)).or_default().insert(place(live));
            }
        }
    }

    fn leave_ready(&mut self, live: &Live) {
        let (lane, place) = (lane(live), place(live));
        if let Some(set) = self.ready.get_mut(&lane) {
            set.remove(&place);
            if set.is_empty() {
                self.ready.remove(&lane);
            }
        }
        if let Some(key) = &live.task.concurrency_key
            && let Some(lanes) = self.blocked.get_mut(key)
            && let Some(set) = lanes.get_mut(&lane)
        {
            set.remove(&place);
            if set.is_empty() {
                lanes.remove(&lane);
            }
            if lanes.is_empty() {
                self.blocked.remove(key);
            }
        }
    }

    fn count(&mut self, live: &Live, change: impl Fn(&mut usize)) {
        let state = live.run.at.state;
        if let Some(nth) = STATES.iter().position(|one| *one == state) {
            change(&mut self.counts.entry(class_str(live.run.class)).or_default()[nth]);
            if live.run.class == Class::User && state != RunState::Running {
                change(&mut self.waiting[usize::from(live.task.priority).min(9)]);
            }
        }
    }

    /// The first `want` places of the lanes that `takes` accepts, best first. They stay where they are.
    pub(super) fn best(&self, want: usize, takes: impl Fn(&Lane) -> bool) -> Vec<RunId> {
        // Within one priority of one lane the order is that of time; between these the oldest by age is first.
        let mut lines: Vec<_> =
            self.ready.iter().filter(|(lane, _)| takes(lane)).flat_map(|(_, set)| priorities(set)).collect();
        let mut heads: BinaryHeap<_> = lines
            .iter_mut()
            .enumerate()
            .filter_map(|(nth, line)| Some(Reverse((self.age(line.next()?), nth))))
            .collect();
        let mut found = Vec::with_capacity(want.min(64));
        while found.len() < want
            && let Some(Reverse(((_, (_, _, id)), nth))) = heads.pop()
        {
            found.push(id);
            heads.extend(lines[nth].next().map(|next| Reverse((self.age(next), nth))));
        }
        found
    }

    /// How old a place is, older being less: each priority is worth some time of waiting, so that nobody waits for
    /// ever behind those who come first.
    fn age(&self, place: &Place) -> (i64, Place) {
        let worth = i64::from(place.0).saturating_mul(self.step_ms);
        (place.1.as_millis().saturating_add(worth), *place)
    }

    /// How long a run waits until it counts as one priority higher; `None`: it never does.
    pub(super) fn set_ageing(&mut self, step: Option<Duration>) {
        let never = i64::MAX / 32;
        self.step_ms = step.map_or(never, |step| i64::try_from(step.as_millis()).unwrap_or(never).min(never));
    }

    pub(super) fn has_ready(&self, takes: impl Fn(&Lane) -> bool) -> bool {
        self.ready.keys().any(takes)
    }

    /// Puts runs in line that wait on disk; the lane has none yet.
    pub(super) fn enter_asleep(&mut self, lane: Lane, mut places: Vec<Place>) {
        // A set made of a sorted list has full nodes.
        places.sort_unstable();
        self.ready.entry(lane).or_default().append(&mut places.into_iter().collect());
    }

    /// Counts a user's run that waits on disk.
    pub(super) fn count_asleep(&mut self, state: RunState, priority: u8, change: impl Fn(&mut usize)) {
        if let Some(nth) = STATES.iter().position(|one| *one == state) {
            change(&mut self.counts.entry(class_str(Class::User)).or_default()[nth]);
            change(&mut self.waiting[usize::from(priority).min(9)]);
        }
    }

    /// Whether a run stands where it would if it were ready.
    pub(super) fn is_ready(&self, live: &Live) -> bool {
        self.ready.get(&lane(live)).is_some_and(|set| set.contains(&place(live)))
    }

    /// Takes a ready run out of line of which only the id is known; says its priority and by what it is found. Searches.
    pub(super) fn forget_ready(&mut self, id: RunId) -> Option<(u8, By)> {
        for (lane, set) in &mut self.ready {
            if let Some(found) = set.iter().find(|(_, _, one)| *one == id).copied() {
                set.remove(&found);
                let by = lane.by;
                self.ready.retain(|_, set| !set.is_empty());
                return Some((found.0, by));
            }
        }
        None
    }

    pub(super) fn add_timer(&mut self, at: Timestamp, id: RunId) {
        self.timers.insert((at, id));
    }

    pub(super) fn drop_timer(&mut self, at: Timestamp, id: RunId) {
        self.timers.remove(&(at, id));
    }

    pub(super) fn due(&self, now: Timestamp) -> Option<(Timestamp, RunId)> {
        self.timers.first().filter(|(at, _)| *at <= now).copied()
    }

    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn by_token(&self, token: &AttemptToken) -> Option<RunId> {
        self.tokens.get(token).copied()
    }

    pub(super) fn held(&self, worker: &str) -> Option<&BTreeSet<RunId>> {
        self.held.get(worker)
    }

    /// Moves the end of a running run's lease.
    pub(super) fn extend(&mut self, live: &mut Live, until: Timestamp) {
        let at = &mut live.run.at;
        self.timers.remove(&(at.lease_until.unwrap_or(Timestamp::MAX), live.run.id));
        at.lease_until = Some(until);
        self.timers.insert((until, live.run.id));
    }

    pub(super) fn counts(&self, class: Class) -> ByState {
        self.counts.get(class_str(class)).copied().unwrap_or_default()
    }

    pub(super) fn waiting(&self) -> &[usize; 10] {
        &self.waiting
    }

    /// Since when the longest-waiting ready run has been due.
    pub(super) fn oldest_due(&self) -> Option<Timestamp> {
        let mut oldest = None;
        for set in self.ready.values() {
            let mut priority = 0;
            // The first of each priority is its oldest.
            while let Some(&(found, at, _)) = set.range((priority, Timestamp::MIN, RunId::MIN)..).next() {
                oldest = Some(oldest.map_or(at, |oldest: Timestamp| oldest.min(at)));
                priority = found.saturating_add(1);
            }
        }
        oldest
    }
}

/// The places of a lane, one line for each priority that is there.
fn priorities(set: &BTreeSet<Place>) -> impl Iterator<Item = std::collections::btree_set::Range<'_, Place>> {
    let from = |priority: u8| (priority, Timestamp::MIN, RunId::MIN);
    let mut next = set.first().map(|place| place.0);
    std::iter::from_fn(move || {
        let priority = next?;
        let after = priority.saturating_add(1);
        next = set.range(from(after)..).next().map(|place| place.0);
        Some(set.range(from(priority)..from(after)))
    })
}

pub(super) fn lane(live: &Live) -> Lane {
    let (by, name) = match &live.task.agent {
        Some(agent) => (By::Agent, agent.clone()),
        None => (By::Kind, live.kind.clone()),
    };
    let labels = live.task.options.as_ref().map(|options| options.labels.clone()).unwrap_or_default();
    Lane { class: live.run.class, by, name, line: InLine::of(&live.task), labels }
}

fn place(live: &Live) -> Place {
    (live.task.priority, live.run.at.run_at, live.run.id)
}
