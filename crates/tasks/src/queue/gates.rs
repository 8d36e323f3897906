//! What closes the way to a ready run besides its state: its queue, its rate key. The one place that both dispatch
//! and `why` ask.

use super::index::Lane;
use super::lines::{Closed, Line, Lines, line_of};
use super::rate::Rates;
use super::{Live, Queue};
use crate::{Audit, Change, Event, Record, Refusal, RunId, RunState, Status, Task, TaskId};
use model::{Class, Timestamp};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::{sync::Arc, time::Duration};

/// When to look again at a rate key that has room for some who wait, and holds others.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The prefix under which the store keeps what began lately under a rate key.
const RATES: &str = "rate/";

/// Queues and rate keys.
#[derive(Debug)]
pub(super) struct Gates {
    pub(super) lines: Lines,
    pub(super) rates: Rates,
    /// Runs that a worker has, of the queues about which something is set.
    running: HashMap<Arc<str>, u32>,
    /// Ready runs whose rate key is used up, in the order in which they go on.
    parked: HashMap<Arc<str>, BTreeSet<(u8, Timestamp, RunId)>>,
    /// When to look at a rate key again; one time for each key that holds somebody.
    opens: BTreeSet<(Timestamp, Arc<str>)>,
    /// What time it was when somebody last said.
    now: Timestamp,
}

impl Gates {
    /// From what the store kept under [`crate::RecordKind::Queue`].
    pub(super) fn restored(records: &[Record]) -> Gates {
        Gates {
            lines: Lines::restored(records),
            rates: Rates::restored(records, RATES),
            running: HashMap::new(),
            parked: HashMap::new(),
            opens: BTreeSet::new(),
            now: Timestamp::default(),
        }
    }

    /// It is `now`.
    pub(super) fn at(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// When something opens by itself.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let rate = self.opens.first().map(|(at, _)| *at);
        rate.into_iter().chain(self.lines.next(self.now)).min()
    }

    /// A worker has a run of this task now, or no longer. True if that may have opened its queue to others.
    pub(super) fn count(&mut self, task: &Task, has: bool) -> bool {
        let Some(name) = self.lines.name(line_of(task)) else { return false };
        let running = self.running.entry(name.clone()).or_default();
        *running = if has { *running + 1 } else { running.saturating_sub(1) };
        !has
    }

    /// A run begins: it counts against the rates of its queue and its key.
    pub(super) fn begin(&mut self, task: &Task, now: Timestamp, out: &mut Vec<Change>) {
        self.lines.begin(line_of(task), now, out);
        let key = task.options.as_ref().and_then(|options| options.rate_key.as_ref());
        if let Some(key) = key {
            self.rates.begin(key, now, out);
        }
    }

    fn park(&mut self, key: &Arc<str>, place: (u8, Timestamp, RunId), until: Timestamp) {
        let parked = self.parked.entry(key.clone()).or_default();
        if parked.is_empty() {
            self.opens.insert((until, key.clone()));
        }
        parked.insert(place);
    }

    /// Whether nothing is held.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.parked.is_empty() && self.opens.is_empty()
    }
}

impl Gates {
    /// Forgets what began too long ago to count.
    pub(super) fn sweep(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        self.lines.sweep(now, out);
        self.rates.sweep(now, out);
    }
}

/// A queue as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineView {
    /// Its name.
    pub name: String,
    /// What is set about it.
    pub line: Line,
    /// Runs that wait, for whatever.
    pub waiting: usize,
    /// Of them, those that are due.
    pub ready: usize,
    /// Runs that a worker has.
    pub running: usize,
}

impl Queue {
    /// Why a queue hands out nothing now; empty if it does.
    pub(super) fn line_closed(&self, name: &str, now: Timestamp) -> Vec<Closed> {
        let running = self.gates.running.get(name).copied().unwrap_or_default();
        self.gates.lines.closed(name, running, now)
    }

    /// Whether anything of a lane may begin now.
    pub(super) fn lane_open(&self, lane: &Lane) -> bool {
        lane.class != Class::User
            || self.gates.lines.is_plain()
            || self.line_closed(lane.line.as_str(), self.gates.now).is_empty()
    }

    /// Holds a ready run back whose queue or rate key is used up. False if it may begin.
    pub(super) fn hold_back(&mut self, id: RunId, now: Timestamp) -> bool {
        let Some(live) = self.runs.get(&id).filter(|live| live.run.class == Class::User) else {
            return false;
        };
        if !self.gates.lines.is_plain() && !self.line_closed(line_of(&live.task), now).is_empty() {
            // Its lane is closed from now on, so nobody comes to it again before that opens.
            return true;
        }
        let Some((key, _, until)) = self.rate_closed(live, now) else { return false };
        self.index.park(live);
        let place = (live.task.priority, live.run.at.run_at, id);
        self.gates.park(key, place, until);
        true
    }

    /// Lets runs go on whose rate key has room again.
    pub(super) fn open_rates(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.gates.opens.first().cloned().filter(|(at, _)| *at <= now) {
            self.gates.opens.remove(&(at, key.clone()));
            self.open_rate(key, now);
        }
    }

    fn open_rate(&mut self, key: Arc<str>, now: Timestamp) {
        let Some(mut parked) = self.gates.parked.remove(&key) else { return };
        let mut moved = 0;
        while let Some((priority, at, id)) = parked.pop_first() {
            let waits =
                |live: &&Live| live.run.at.state == RunState::Available && live.task.status == Status::Active;
            let Some(live) = self.runs.get(&id).filter(waits) else { continue };
            let limit =
                live.task.options.as_ref().and_then(|options| options.rate_per_minute).unwrap_or(u32::MAX);
            if moved >= self.gates.rates.free(&key, limit, now) {
                parked.insert((priority, at, id));
                let until = self.gates.rates.wait(&key, limit, now).unwrap_or(now.plus(LOOK_AGAIN));
                self.gates.opens.insert((until, key.clone()));
                break;
            }
            moved += 1;
            // Another of its concurrency key may have begun meanwhile: it finds its own place.
            self.index.block(live);
            self.available += 1;
        }
        if !parked.is_empty() {
            self.gates.parked.insert(key, parked);
        }
    }

    /// Counts anew what runs: at a start, and when something is set about a queue.
    pub(super) fn count_lines(&mut self) {
        self.gates.running.clear();
        if self.gates.lines.is_plain() {
            return;
        }
        for live in self.runs.values().filter(|live| live.run.at.state == RunState::Running) {
            self.gates.count(&live.task, true);
        }
    }

    /// The rate key of a run, its limit, and until when it has to wait, if it has to.
    pub(super) fn rate_closed<'a>(
        &self,
        live: &'a Live,
        now: Timestamp,
    ) -> Option<(&'a Arc<str>, u32, Timestamp)> {
        let options = live.task.options.as_ref()?;
        let (key, limit) = (options.rate_key.as_ref()?, options.rate_per_minute?);
        Some((key, limit, self.gates.rates.wait(key, limit, now)?))
    }

    /// The queues that hold something, or about which something is set, by name.
    pub fn lines(&self) -> Vec<LineView> {
        let mut views: BTreeMap<&str, LineView> = BTreeMap::new();
        let new = |name: &str| LineView {
            name: name.to_owned(),
            line: self.gates.lines.get(name),
            ..LineView::default()
        };
        for name in self.gates.lines.names() {
            views.insert(name, new(name));
        }
        for live in self.runs.values().filter(|live| live.run.class == Class::User) {
            let name = line_of(&live.task);
            let view = views.entry(name).or_insert_with(|| new(name));
            let (running, ready) =
                (live.run.at.state == RunState::Running, live.run.at.state == RunState::Available);
            view.running += usize::from(running);
            view.waiting += usize::from(!running);
            view.ready += usize::from(ready);
        }
        for (name, (ready, waiting)) in ["plain", "typed"].into_iter().zip(self.asleep()) {
            if waiting > 0 {
                let view = views.entry(name).or_insert_with(|| new(name));
                view.ready += ready;
                view.waiting += waiting;
            }
        }
        views.into_values().collect()
    }

    /// A queue by its name, whether or not it holds anything.
    pub fn line(&self, name: &str) -> LineView {
        let found = self.lines().into_iter().find(|view| view.name == name);
        let line =
            || LineView { name: name.to_owned(), line: self.gates.lines.get(name), ..LineView::default() };
        found.unwrap_or_else(line)
    }

    /// Pauses a queue, or changes what bounds it.
    pub fn set_line(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Line),
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Vec<Event>, Refusal> {
        let before = self.gates.lines.get(name);
        let mut line = before.clone();
        change(&mut line);
        if line == before {
            return Ok(Vec::new());
        }
        let paused = line.paused.is_some();
        let (action, details) = match (before.paused.is_some(), paused) {
            (false, true) => ("queue.paused", json!({"queue": name})),
            (true, false) => ("queue.resumed", json!({"queue": name})),
            _ => (
                "queue.limited",
                json!({"queue": name, "running_max": line.running_max, "rate_per_minute": line.rate_per_minute}),
            ),
        };
        if !self.gates.lines.put(name, line, out) {
            return Err(Refusal::NotApplicable("too many queues have something set about them".to_owned()));
        }
        self.count_lines();
        out.push(Change::Audit(Audit {
            at: now,
            actor: by.to_owned(),
            action,
            subject: TaskId::NONE,
            details,
        }));
        // What it held may be claimed now: wake who waits.
        self.available += usize::from(!paused);
        let mut events = Vec::new();
        self.announce(&mut events);
        Ok(events)
    }
}
