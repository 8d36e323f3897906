//! Queues by name: what people set about them, and who is in which.
//!
//! A task names its queue or waits in that of its form. Paused or at a bound, a queue is a closed lane: nothing in
//! it is searched, moved or forgotten.

use super::rate::Rates;
use crate::{Change, Form, Record, RecordKind, Task};
use model::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most queues about which something is set.
const SET_MAX: usize = 1_000;
/// The prefix of the keys under which the store keeps what is set.
const PREFIX: &str = "queue/";

/// What is set about a queue; the default is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// Who paused it, and when.
    pub paused: Option<(String, Timestamp)>,
    /// Runs at once.
    pub running_max: Option<u32>,
    /// Runs that begin in a minute.
    pub rate_per_minute: Option<u32>,
}

/// Why a queue hands out nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Closed {
    /// Somebody paused it.
    Paused { by: String, since: Timestamp },
    /// As many runs as it may have are running.
    Full { max: u32 },
    /// As many as may have begun lately.
    Rate { per_minute: u32, until: Timestamp },
}

/// What is set about all queues.
#[derive(Debug, Default)]
pub(super) struct Lines {
    set: BTreeMap<Arc<str>, Line>,
    rates: Rates,
}

/// The name of a queue, as a lane holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum InLine {
    /// That of tasks by kind.
    Plain,
    /// That of typed tasks.
    Typed,
    /// That of scheduled tasks.
    Scheduled,
    /// One that a task named.
    Named(Arc<str>),
}

impl InLine {
    /// The queue that a task waits in.
    pub(super) fn of(task: &Task) -> InLine {
        let named = task.options.as_ref().and_then(|options| options.queue.clone());
        named.map(InLine::Named).unwrap_or(match task.form {
            Form::Plain => InLine::Plain,
            Form::Typed(_) => InLine::Typed,
            Form::Scheduled(_) => InLine::Scheduled,
        })
    }

    /// Its name.
    pub(super) fn as_str(&self) -> &str {
        match self {
            InLine::Plain => "plain",
            InLine::Typed => "typed",
            InLine::Scheduled => "scheduled",
            InLine::Named(name) => name,
        }
    }
}

/// The name of the queue that a task waits in.
pub(super) fn line_of(task: &Task) -> &str {
    let named = task.options.as_ref().and_then(|options| options.queue.as_deref());
    named.unwrap_or(match task.form {
        Form::Plain => "plain",
        Form::Typed(_) => "typed",
        Form::Scheduled(_) => "scheduled",
    })
}

impl Lines {
    /// From what the store kept; takes only its own.
    pub(super) fn restored(records: &[Record]) -> Lines {
        let own = records.iter().filter_map(|record| {
            let row = &record.row;
            let paused = row["paused_by"].as_str().zip(row["paused_at"].as_i64());
            let small = |key: &str| row[key].as_u64().and_then(|n| u32::try_from(n).ok());
            let line = Line {
                paused: paused.map(|(by, at)| (by.to_owned(), Timestamp::from_millis(at))),
                running_max: small("running_max"),
                rate_per_minute: small("rate_per_minute"),
            };
            Some((Arc::from(record.key.strip_prefix(PREFIX)?), line))
        });
        Lines { set: own.collect(), rates: Rates::restored(records, RATES) }
    }

    /// What is set about a queue.
    pub(super) fn get(&self, name: &str) -> Line {
        self.set.get(name).cloned().unwrap_or_default()
    }

    /// The name of a queue about which something is set.
    pub(super) fn name(&self, name: &str) -> Option<&Arc<str>> {
        self.set.get_key_value(name).map(|(name, _)| name)
    }

    /// The queues about which something is set.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.set.keys()
    }

    /// Sets it; false if too many queues have something set.
    pub(super) fn put(&mut self, name: &str, line: Line, out: &mut Vec<Change>) -> bool {
        let key = format!("{PREFIX}{name}");
        if line == Line::default() {
            self.set.remove(name);
            out.push(Change::Record { kind: RecordKind::Queue, key, row: None });
            return true;
        }
        if !self.set.contains_key(name) && self.set.len() >= SET_MAX {
            return false;
        }
        let row = Some(row(&line));
        self.set.insert(Arc::from(name), line);
        out.push(Change::Record { kind: RecordKind::Queue, key, row });
        true
    }

    /// Whether nothing is set: then every queue is open.
    pub(super) fn is_plain(&self) -> bool {
        self.set.is_empty()
    }

    /// Why a queue hands out nothing; the first of the causes is the one that lasts longest.
    pub(super) fn closed(&self, name: &str, running: u32, now: Timestamp) -> Vec<Closed> {
        let Some(line) = self.set.get(name) else { return Vec::new() };
        let mut why = Vec::new();
        if let Some((by, since)) = &line.paused {
            why.push(Closed::Paused { by: by.clone(), since: *since });
        }
        if let Some(max) = line.running_max.filter(|max| running >= *max) {
            why.push(Closed::Full { max });
        }
        if let Some(per_minute) = line.rate_per_minute
            && let Some(until) = self.rates.wait(name, per_minute, now)
        {
            why.push(Closed::Rate { per_minute, until });
        }
        why
    }

    /// A run of a queue begins.
    pub(super) fn begin(&mut self, name: &str, now: Timestamp, out: &mut Vec<Change>) {
        if let Some((name, line)) = self.set.get_key_value(name)
            && line.rate_per_minute.is_some()
        {
            self.rates.begin(name, now, out);
        }
    }

    /// When a queue whose rate is used up may go on, if there is one.
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let limited = self.set.iter().filter_map(|(name, line)| Some((name, line.rate_per_minute?)));
        limited.filter_map(|(name, limit)| self.rates.wait(name, limit, now)).min()
    }

    /// Forgets what began too long ago to count.
    pub(super) fn sweep(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        self.rates.sweep(now, out);
    }
}

/// The prefix under which the store keeps what began lately in a queue.
const RATES: &str = "queue-rate/";

fn row(line: &Line) -> Value {
    let mut row = Map::new();
    if let Some((by, at)) = &line.paused {
        row.insert("paused_by".to_owned(), json!(by));
        row.insert("paused_at".to_owned(), json!(at.as_millis()));
    }
    if let Some(max) = line.running_max {
        row.insert("running_max".to_owned(), json!(max));
    }
    if let Some(rate) = line.rate_per_minute {
        row.insert("rate_per_minute".to_owned(), json!(rate));
    }
    Value::Object(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_survives_and_closes() {
        let (mut lines, mut out, now) = (Lines::restored(&[]), Vec::new(), Timestamp::from_millis(1_000_000));
        assert!(lines.is_plain() && lines.closed("mail", 9, now).is_empty());
        let line =
            Line { paused: Some(("ann".to_owned(), now)), running_max: Some(2), rate_per_minute: Some(1) };
        assert!(lines.put("mail", line.clone(), &mut out));
        lines.begin("mail", now, &mut out);
        let records: Vec<Record> = out
            .drain(..)
            .filter_map(|change| match change {
                Change::Record { kind, key, row: Some(row) } => Some(Record { kind, key, row }),
                _ => None,
            })
            .collect();
        let mut lines = Lines::restored(&records);
        assert_eq!(lines.get("mail"), line);
        let why = lines.closed("mail", 2, now);
        assert_eq!(why.len(), 3, "{why:?}");
        assert_eq!(lines.closed("mail", 1, now.plus(std::time::Duration::from_secs(62))).len(), 1);
        assert!(lines.next(now).is_some_and(|at| at > now));
        assert!(lines.put("mail", Line::default(), &mut out));
        assert!(lines.is_plain());
        for n in 0..SET_MAX {
            assert!(lines.put(&n.to_string(), line.clone(), &mut out));
        }
        assert!(!lines.put("one more", line, &mut out));
    }
}
