//! Overrides that people ask for while it runs, beside those of the file.
//!
//! Invariants: a reload keeps them; the one that was asked for last wins; there is a bound on how many are kept. Not
//! here: making them durable, which the caller does before it answers.

use super::{Override, Schedule};
use crate::config::Config;
use model::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// How many are kept; one more is refused.
const KEPT_MAX: usize = 1_000;
/// The longest one.
const LENGTH_MAX: Duration = Duration::from_secs(366 * 86_400);
/// Receivers that a refusal names.
const NAMED_MAX: usize = 20;
/// For so long one that is over is kept, for those who look back.
const KEPT_AFTER: Duration = Duration::from_secs(30 * 86_400);

/// An override that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    /// Its id.
    pub id: String,
    /// The schedule's name.
    pub schedule: String,
    /// Who stands in, and when.
    pub over: Override,
    /// Who asked for it.
    pub by: String,
    /// When they did; no two are of the same instant.
    pub at: Timestamp,
}

/// All of them, in the order in which they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StandIns(Vec<StandIn>);

/// Why one was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StandInError {
    /// There is no such schedule.
    #[error("there is no schedule {0:?}")]
    NoSchedule(String),
    /// Too many are kept.
    #[error("{KEPT_MAX} overrides are kept already; remove one, or write them in the file")]
    Full,
    /// What was asked for makes no sense.
    #[error("{field}: {what}")]
    Invalid {
        /// Which part.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

impl StandIn {
    /// As it is kept, without its id.
    pub fn to_json(&self) -> Value {
        json!({
            "schedule": self.schedule,
            "who": self.over.who,
            "from": self.over.from.as_millis(),
            "until": self.over.until.as_millis(),
            "by": self.by,
            "at": self.at.as_millis(),
        })
    }

    /// From [`StandIn::to_json`].
    pub fn from_json(id: String, row: &Value) -> Option<StandIn> {
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        let time = |name: &str| row[name].as_i64().map(Timestamp::from_millis);
        let over = Override { who: text("who")?, from: time("from")?, until: time("until")? };
        Some(StandIn { id, schedule: text("schedule")?, over, by: text("by")?, at: time("at")? })
    }
}

impl StandIns {
    /// From what was kept, in any order.
    pub fn restore(mut kept: Vec<StandIn>) -> StandIns {
        kept.sort_by_key(|one| one.at);
        StandIns(kept)
    }

    /// Those of a schedule, the one that wins last.
    pub fn of<'a>(&'a self, schedule: &'a str) -> impl Iterator<Item = &'a StandIn> {
        self.0.iter().filter(move |one| one.schedule == schedule)
    }

    /// Forgets those that have long been over; their ids.
    pub(crate) fn forget(&mut self, now: Timestamp) -> Vec<String> {
        let old = |one: &StandIn| one.over.until.plus(KEPT_AFTER) < now;
        let gone = self.0.iter().filter(|one| old(one)).map(|one| one.id.clone()).collect();
        self.0.retain(|one| !old(one));
        gone
    }

    /// Takes one, asked for now.
    pub(crate) fn add(&mut self, mut new: StandIn) -> Result<StandIn, StandInError> {
        if self.0.len() >= KEPT_MAX {
            return Err(StandInError::Full);
        }
        if let Some(last) = self.0.last() {
            new.at = new.at.max(last.at.plus(Duration::from_millis(1)));
        }
        self.0.push(new.clone());
        Ok(new)
    }

    /// Takes one back.
    pub(crate) fn remove(&mut self, schedule: &str, id: &str) -> Option<StandIn> {
        let place = self.0.iter().position(|one| one.schedule == schedule && one.id == id)?;
        Some(self.0.remove(place))
    }
}

impl Config {
    /// A schedule with everybody who stands in. Whoever is no receiver any more could not be told, so that their place
    /// is that of whoever it would be without them.
    pub fn schedule(&self, name: &str) -> Option<Schedule> {
        let mut schedule = self.schedules.get(name)?.clone();
        let told = self.stand_ins.of(name).filter(|one| self.has_receiver(&one.over.who));
        schedule.overrides.extend(told.map(|one| one.over.clone()));
        Some(schedule)
    }

    /// Whether an override can be asked for.
    pub(crate) fn check_stand_in(
        &self,
        schedule: &str,
        over: &Override,
        now: Timestamp,
    ) -> Result<(), StandInError> {
        let invalid = |field, what: &str| Err(StandInError::Invalid { field, what: what.to_owned() });
        if !self.schedules.contains_key(schedule) {
            return Err(StandInError::NoSchedule(schedule.to_owned()));
        }
        if !self.has_receiver(&over.who) {
            let names = self.receivers.iter().take(NAMED_MAX).map(|receiver| receiver.name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            let what =
                format!("is no receiver; whoever is on call is told by the receiver of that name: {names}");
            return invalid("who", &what);
        }
        if over.until <= over.from {
            return invalid("until", "must be after from");
        }
        if over.until <= now {
            return invalid("until", "must be in the future");
        }
        if over.until.since(over.from) > LENGTH_MAX {
            return invalid("until", "must be at most a year after from");
        }
        Ok(())
    }

    fn has_receiver(&self, name: &str) -> bool {
        self.receivers.iter().any(|receiver| receiver.name == name)
    }
}
