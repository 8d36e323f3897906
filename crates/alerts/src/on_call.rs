//! Who is on call: rotations in layers, and overrides, by the clock of a zone.
//!
//! Invariant: a function of the schedule and an instant, nothing else. The upper layers win over the lower ones where
//! they have somebody, and overrides over all layers.

mod ical;
mod stand_in;

pub use ical::ical;
pub use stand_in::{StandIn, StandInError, StandIns};

use crate::interval::TimeInterval;
use jiff::civil::DateTime;
use jiff::{ToSpan, tz::TimeZone};
use model::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Shifts that [`Schedule::shifts`] gives at most.
const SHIFTS_MAX: usize = 10_000;

/// Schedules by name.
pub type Schedules = BTreeMap<String, Schedule>;

/// A schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Where its clock hangs.
    pub zone: TimeZone,
    /// The last one is the uppermost.
    pub layers: Vec<Layer>,
    /// Who stands in for whoever it would be; the last one that applies wins.
    pub overrides: Vec<Override>,
}

/// People who take turns.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name, for people.
    pub name: String,
    /// Who, in their order; each is the name of a receiver.
    pub people: Vec<String>,
    /// When the first turn of the first of them begins, on the schedule's clock.
    pub start: DateTime,
    /// How long a turn is.
    pub turn: Turn,
    /// Inside which intervals the layer counts; none: always.
    pub during: Vec<TimeInterval>,
}

/// How long a turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// So many days: it ends at the same time of day, whatever clocks do.
    Days(i32),
    /// So long by the watch.
    Span(Duration),
}

/// Somebody stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Who.
    pub who: String,
    /// From.
    pub from: Timestamp,
    /// Until, exclusive.
    pub until: Timestamp,
}

impl From<Override> for Shift {
    fn from(over: Override) -> Shift {
        Shift { who: over.who, from: over.from, until: over.until }
    }
}

/// Somebody's time on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// Who.
    pub who: String,
    /// From.
    pub from: Timestamp,
    /// Until, exclusive.
    pub until: Timestamp,
}

impl Schedule {
    /// Who is on call at `at`, if anybody is.
    pub fn who(&self, at: Timestamp) -> Option<&str> {
        let stands_in = self.overrides.iter().rev().find(|over| over.from <= at && at < over.until);
        if let Some(over) = stands_in {
            return Some(&over.who);
        }
        self.layers.iter().rev().find_map(|layer| layer.who(&self.zone, at))
    }

    /// Who is on call from `from` to `until`, in order; gaps are times at which nobody is.
    pub fn shifts(&self, from: Timestamp, until: Timestamp) -> Vec<Shift> {
        let mut edges = vec![from, until];
        edges.extend(self.overrides.iter().flat_map(|over| [over.from, over.until]));
        for layer in &self.layers {
            layer.edges(&self.zone, from, until, &mut edges);
        }
        edges.retain(|edge| from <= *edge && *edge <= until);
        edges.sort_unstable();
        edges.dedup();
        let mut shifts: Vec<Shift> = Vec::new();
        for pair in edges.windows(2) {
            let Some(who) = self.who(pair[0]) else { continue };
            match shifts.last_mut() {
                Some(last) if last.who == who && last.until == pair[0] => last.until = pair[1],
                _ => shifts.push(Shift { who: who.to_owned(), from: pair[0], until: pair[1] }),
            }
        }
        shifts.truncate(SHIFTS_MAX);
        shifts
    }
}

impl Layer {
    fn who(&self, zone: &TimeZone, at: Timestamp) -> Option<&str> {
        if !self.during.is_empty() && !self.during.iter().any(|interval| interval.contains(at)) {
            return None;
        }
        let turn = self.turns_before(zone, at)?;
        let place = usize::try_from(turn).ok()? % self.people.len().max(1);
        self.people.get(place).map(String::as_str)
    }

    /// How many turns have ended by `at`; `None` before the first.
    fn turns_before(&self, zone: &TimeZone, at: Timestamp) -> Option<i64> {
        let instant = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        match self.turn {
            Turn::Days(days) => {
                let local = zone.to_datetime(instant);
                let whole = self.start.date().until(local.date()).ok()?.get_days();
                let whole = whole - i32::from(local.time() < self.start.time());
                (whole >= 0).then(|| i64::from(whole / days.max(1)))
            }
            Turn::Span(span) => {
                let start = self.start.to_zoned(zone.clone()).ok()?.timestamp();
                let passed = instant.as_millisecond() - start.as_millisecond();
                let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX).max(1);
                (passed >= 0).then(|| passed / span)
            }
        }
    }

    /// The instants between `from` and `until` at which it may change.
    fn edges(&self, zone: &TimeZone, from: Timestamp, until: Timestamp, edges: &mut Vec<Timestamp>) {
        let mut turn = self.turns_before(zone, from).unwrap_or(0);
        while let Some(begin) = self.begin_of(zone, turn).filter(|begin| *begin <= until) {
            edges.push(begin);
            turn += 1;
            if edges.len() > 4 * SHIFTS_MAX {
                return;
            }
        }
        for interval in &self.during {
            interval.edges(from, until, edges);
        }
    }

    /// When the n-th turn begins, from 0.
    fn begin_of(&self, zone: &TimeZone, turn: i64) -> Option<Timestamp> {
        let begin = match self.turn {
            Turn::Days(days) => {
                let days = i64::from(days).checked_mul(turn)?;
                let day = self.start.checked_add(days.days()).ok()?;
                day.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond()
            }
            Turn::Span(span) => {
                let start = self.start.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond();
                start.checked_add(i64::try_from(span.as_millis()).ok()?.checked_mul(turn)?)?
            }
        };
        Some(Timestamp::from_millis(begin))
    }
}

#[cfg(test)]
mod tests;
