//! Runs that wait on disk. Of a run that nobody has touched, memory need only know where it stands in line; task and
//! run are read again when they are wanted.
//!
//! The queue reads nothing itself: it says whom it wants ([`Queue::wanted`], [`Queue::due_asleep`]), whoever has the
//! store reads their rows and hands them in ([`Queue::wake`]), in the same breath as the call that wants them.
//! Invariants:
//! - a run sleeps only when everything about it is on disk ([`Queue::stored`] says up to where that is so);
//! - while it sleeps nothing about it changes: who wants to change it wakes it first;
//! - it keeps its place in line, and counts as every other run does.

use super::claim::{WANT_MAX, takes};
use super::index::{By, Lane};
use super::lines::InLine;
use super::{Live, Queue};
use crate::{Run, RunId, RunState, Sleeping, Task, TaskId, WorkerCard};
use model::{Class, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Rows read beyond those wanted now, so that the store is not asked for each.
const AHEAD: usize = 256;
/// What a run takes in memory besides its arguments, about.
const WEIGHT: usize = 1_000;

/// Who sleeps, and who may soon.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    /// Runs that sleep.
    count: usize,
    /// Of them, those whose turn it is, by what finds their worker: the kind, the agent.
    ready: [usize; 2],
    /// As `ready`, of those whose time has not come.
    waiting: [usize; 2],
    /// Those whose time has not come: their lane and priority.
    due: BTreeMap<(Timestamp, RunId), (u8, Lane)>,
    /// Runs that may sleep once what is in flight is stored, oldest first; and whether they slept before.
    fresh: VecDeque<(RunId, bool)>,
    /// How many went through `fresh` before its first.
    passed: u64,
    /// About how many bytes the runs take that are awake though they might sleep.
    awake: usize,
}

impl Sleepers {
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }
}

impl Sleepers {
    /// Some more sleep, or fewer.
    fn count(&mut self, by: By, state: RunState, change: impl Fn(&mut usize)) {
        let at = if by == By::Kind { 0 } else { 1 };
        change(&mut self.count);
        change(if state == RunState::Scheduled { &mut self.waiting[at] } else { &mut self.ready[at] });
    }
}

fn weight(live: &Live) -> usize {
    WEIGHT + live.task.args.size()
}

impl Queue {
    /// A run has come into memory: if it may sleep, it will be looked at once it is stored.
    pub(super) fn note_fresh(&mut self, live: &Live) {
        if live.light {
            self.sleepers.awake += weight(live);
            self.sleepers.fresh.push_back((live.run.id, false));
        }
    }

    /// A run is touched, or gone: it does not sleep any more.
    pub(super) fn touched(sleepers: &mut Sleepers, live: &mut Live) {
        if std::mem::take(&mut live.light) {
            sleepers.awake = sleepers.awake.saturating_sub(weight(live));
        }
    }

    /// Everything that happened so far, as a number for [`Queue::stored`].
    pub fn mark(&self) -> u64 {
        self.sleepers.passed + self.sleepers.fresh.len() as u64
    }

    /// All that happened up to `mark` is on disk: what is too much for memory is let go.
    pub fn stored(&mut self, mark: u64) {
        while self.sleepers.passed < mark
            && let Some((id, woken)) = self.sleepers.fresh.pop_front()
        {
            self.sleepers.passed += 1;
            // Who was just woken is wanted soon, and not read again for each place in line.
            let max = self.settings.awake_bytes_max.saturating_mul(if woken { 2 } else { 1 });
            if self.sleepers.awake > max {
                self.put_to_sleep(id);
            }
        }
        if self.sleepers.fresh.is_empty() && self.sleepers.fresh.capacity() > 65_536 {
            self.sleepers.fresh = VecDeque::new();
        }
    }

    fn put_to_sleep(&mut self, id: RunId) {
        let may = |live: &Live| live.light && live.run.at.is_untouched() && live.run.may_sleep(&live.task);
        if !self.runs.get(&id).is_some_and(may) {
            return;
        }
        let Some(mut live) = self.runs.remove(&id) else { return };
        Queue::touched(&mut self.sleepers, &mut live);
        let lane = super::index::lane(&live);
        self.sleepers.count(lane.by, live.run.at.state, |n| *n += 1);
        if live.run.at.state == RunState::Scheduled {
            self.index.drop_timer(live.run.at.run_at, id);
            self.sleepers.due.insert((live.run.at.run_at, id), (live.task.priority, lane));
        }
        if self.runs.capacity() > 65_536 && self.runs.len() < self.runs.capacity() / 8 {
            self.runs.shrink_to(self.runs.len() * 2);
        }
    }

    /// The runs to wake before this worker is given `want`: those it would be given, and some that come next.
    pub fn wanted(&self, card: &WorkerCard, want: u32) -> Vec<RunId> {
        let want = (want.min(card.slots_free) as usize).min(WANT_MAX);
        if self.sleepers.count == 0 || want == 0 || self.draining || card.draining {
            return Vec::new();
        }
        let mine = |lane: &Lane| lane.class == Class::User && takes(card, lane) && self.lane_open(lane);
        let asleep = |id: &RunId| !self.runs.contains_key(id);
        if !self.index.best(want, mine).iter().any(asleep) {
            return Vec::new();
        }
        let mut found = self.index.best(want + AHEAD, mine);
        found.retain(asleep);
        found
    }

    /// The runs to wake before [`Queue::tick`]: those whose time has come, at most `max`.
    pub fn due_asleep(&self, now: Timestamp, max: usize) -> Vec<RunId> {
        let due = self.sleepers.due.range(..=(now, RunId::MAX));
        due.map(|((_, id), _)| *id).take(max).collect()
    }

    /// Whether a task's run is in memory; if not, it may sleep: read its row and [`Queue::rouse`] it.
    pub fn is_awake(&self, task_id: TaskId) -> bool {
        self.sleepers.count == 0 || self.is_live(task_id)
    }

    /// Takes runs back into memory that were asked for, from their rows.
    pub fn wake(&mut self, rows: Vec<(Task, Run)>) {
        for (task, run) in rows {
            let id = run.id;
            if self.wake_one(task, run)
                && let Some(live) = self.runs.get(&id)
            {
                self.sleepers.awake += weight(live);
                self.sleepers.fresh.push_back((id, true));
            }
        }
    }

    /// Takes a run back into memory because somebody is about to change it or its task: it stays.
    pub fn rouse(&mut self, task: Task, run: Run) {
        let id = run.id;
        if self.wake_one(task, run)
            && let Some(live) = self.runs.get_mut(&id)
        {
            live.light = false;
        }
    }

    /// False if it does not sleep: the row is of another, or an older one.
    fn wake_one(&mut self, task: Task, mut run: Run) -> bool {
        let id = run.id;
        if self.runs.contains_key(&id) {
            return false;
        }
        let run_at = run.at.run_at;
        if self.sleepers.due.remove(&(run_at, id)).is_some() {
            // While it slept, its time may have come on disk only.
            run.at.state = RunState::Scheduled;
            self.index.add_timer(run_at, id);
        } else {
            run.at.state = RunState::Available;
        }
        let live = Live::new(run, Arc::new(task));
        if live.run.at.state == RunState::Available && !self.index.is_ready(&live) {
            return false;
        }
        self.sleepers.count(super::index::lane(&live).by, live.run.at.state, |n| *n -= 1);
        self.runs.insert(id, live);
        true
    }

    /// Runs that sleep and whose rows the store does not have: they are taken out of line, so that nobody waits for
    /// them. Never happens to a store that keeps what it was given.
    pub fn lost(&mut self, ids: &[RunId]) -> usize {
        let mut lost = 0;
        for id in ids.iter().filter(|id| !self.runs.contains_key(id)).copied().collect::<Vec<_>>() {
            let due = self.sleepers.due.iter().find(|((_, one), _)| *one == id).map(|(key, _)| *key);
            let (found, state) = match due.and_then(|key| self.sleepers.due.remove(&key)) {
                Some((priority, lane)) => (Some((priority, lane.by)), RunState::Scheduled),
                None => (self.index.forget_ready(id), RunState::Available),
            };
            if let Some((priority, by)) = found {
                self.index.count_asleep(state, priority, |n| *n -= 1);
                self.sleepers.count(by, state, |n| *n -= 1);
                self.users_live -= 1;
                lost += 1;
            }
        }
        lost
    }

    /// Puts those in line that wait on disk.
    pub(super) fn restore_sleeping(&mut self, lines: Vec<Sleeping>) {
        for line in lines {
            let Sleeping { kind, agent, scheduled, places } = line;
            // Only typed tasks have an agent.
            let (by, name, line) = match agent {
                None => (By::Kind, kind, InLine::Plain),
                Some(agent) => (By::Agent, agent, InLine::Typed),
            };
            let lane = Lane { class: Class::User, by, name, line, labels: BTreeMap::new() };
            self.users_live += places.len();
            let state = if scheduled { RunState::Scheduled } else { RunState::Available };
            self.sleepers.count(by, state, |n| *n += places.len());
            for (priority, _, _) in &places {
                self.index.count_asleep(state, *priority, |n| *n += 1);
            }
            if scheduled {
                let due = places.into_iter().map(|(priority, at, id)| ((at, id), (priority, lane.clone())));
                self.sleepers.due.extend(due);
            } else {
                self.index.enter_asleep(lane, places);
            }
        }
    }

    /// How many plain, and how many typed tasks have a run that sleeps: those whose turn it is, and all.
    pub(super) fn asleep(&self) -> [(usize, usize); 2] {
        let Sleepers { ready, waiting, .. } = &self.sleepers;
        [0, 1].map(|at| (ready[at], ready[at] + waiting[at]))
    }

    /// Whether a run that is in line sleeps.
    pub(super) fn sleeps(&self, id: RunId) -> bool {
        !self.runs.contains_key(&id)
    }
}
