//! What closes the way to a ready run besides its state: its queue, its rate key. The one place that both dispatch
//! and `why` ask.

use super::lines::{Closed, Line, Lines, line_of};
use super::rate::Rates;
use super::{Live, Queue};
use crate::{Audit, Change, Event, Record, Refusal, RunState, TaskId};
use model::{Class, Timestamp};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The prefix under which the store keeps what began lately under a rate key.
const RATES: &str = "rate/";

/// Queues and rate keys.
#[derive(Debug)]
pub(super) struct Gates {
    pub(super) lines: Lines,
    pub(super) rates: Rates,
    /// Runs that a worker has, by queue.
    pub(super) running: HashMap<Arc<str>, u32>,
}

impl Gates {
    /// From what the store kept under [`crate::RecordKind::Queue`].
    pub(super) fn restored(records: &[Record]) -> Gates {
        Gates {
            lines: Lines::restored(records),
            rates: Rates::restored(records, RATES),
            running: HashMap::new(),
        }
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
