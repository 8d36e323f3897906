//! What must outlive the process: keyed rows, each a whole upsert or a removal, which a store keeps as
//! `(table, key, JSON)` and hands back at the next start.
//!
//! Invariant: `from_json(table, key, to_json)` of a change that is kept gives the change back.

mod decision;
mod group;
mod incident;
mod instant;
mod silence;
mod wait;

pub use instant::InstantKey;
pub use wait::{Wait, WaitingGroup};

use crate::group::GroupRow;
use crate::incident::{Entry, Incident};
use crate::silence::Silence;
use data_encoding::HEXLOWER;
use model::{Alert, Decision, Hold, Labels, Timestamp};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

/// Which kind of row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Alerts.
    Alert,
    /// Alerts that were repeated since their row was written.
    Seen,
    /// Groups.
    Group,
    /// Silences.
    Silence,
    /// Incidents.
    Incident,
    /// Lines that were added to the timelines of incidents since their rows were written.
    Line,
    /// Decisions; only ever added.
    Decision,
    /// Decisions about alerts that wait alike, many in a row; only ever added.
    Wait,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 8] = [
        Table::Alert,
        Table::Seen,
        Table::Group,
        Table::Silence,
        Table::Incident,
        Table::Line,
        Table::Decision,
        Table::Wait,
    ];

    /// Its name in a store.
    pub fn as_str(self) -> &'static str {
        match self {
            Table::Alert => "alert",
            Table::Seen => "seen",
            Table::Group => "group",
            Table::Silence => "silence",
            Table::Incident => "incident",
            Table::Line => "line",
            Table::Decision => "decision",
            Table::Wait => "wait",
        }
    }
}

/// A stored row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {table} row {key:?}: {what}")]
pub struct RowError {
    /// The table.
    pub table: &'static str,
    /// The row's key.
    pub key: String,
    /// What is wrong with it.
    pub what: &'static str,
}

/// One durable change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An alert as it now is, under the number that it keeps as long as it is known: the higher the later it came.
    Alert(u64, Alert),
    /// An alert was repeated and nothing but its times is new.
    Seen {
        /// Its number.
        id: u64,
        /// When it ends.
        ends_at: Option<Timestamp>,
        /// When it was repeated.
        updated_at: Timestamp,
    },
    /// An alert that is no more, by its number.
    AlertGone(u64),
    /// A group as it now is.
    Group(GroupRow),
    /// A group that is no more, by its number.
    GroupGone(u64),
    /// A silence as it now is.
    Silence(Silence),
    /// A silence that is forgotten.
    SilenceGone(String),
    /// An incident as it now is, with its whole timeline: lines of before have no rows of their own any more.
    Incident(Box<Incident>),
    /// All that is new about an incident is one line at the end of its timeline.
    Line {
        /// The incident's number.
        incident: u64,
        /// The line's place in the timeline.
        nth: u32,
        /// The line.
        entry: Box<Entry>,
    },
    /// An incident that is forgotten, by its number.
    IncidentGone(u64),
    /// A decision.
    Decision(Decision),
    /// Decisions about alerts that wait alike.
    Wait(Wait),
}

impl Change {
    /// What is new about an incident whose timeline had `before` lines, and of which nothing else has changed.
    pub(crate) fn line_of(incident: &Incident, before: usize) -> Change {
        match (incident.timeline.last(), u32::try_from(before)) {
            (Some(entry), Ok(nth)) if incident.timeline.len() == before + 1 => {
                Change::Line { incident: incident.number, nth, entry: Box::new(entry.clone()) }
            }
            _ => Change::Incident(Box::new(incident.clone())),
        }
    }

    /// Where the row lives.
    pub fn table(&self) -> Table {
        match self {
            Change::Alert(..) | Change::AlertGone(_) => Table::Alert,
            Change::Seen { .. } => Table::Seen,
            Change::Group(_) | Change::GroupGone(_) => Table::Group,
            Change::Silence(_) | Change::SilenceGone(_) => Table::Silence,
            Change::Incident(_) | Change::IncidentGone(_) => Table::Incident,
            Change::Line { .. } => Table::Line,
            Change::Decision(_) => Table::Decision,
            Change::Wait(_) => Table::Wait,
        }
    }

    /// The row's key: the same for every change of the same thing.
    pub fn key(&self) -> String {
        match self {
            Change::Alert(id, _) | Change::Seen { id, .. } | Change::AlertGone(id) => id.to_string(),
            Change::Wait(wait) => wait.key().to_string(),
            Change::Group(group) => group.id.to_string(),
            Change::GroupGone(id) | Change::IncidentGone(id) => id.to_string(),
            Change::Incident(incident) => incident.number.to_string(),
            Change::Line { incident, nth, .. } => format!("{incident}/{nth}"),
            Change::Silence(silence) => silence.id.clone(),
            Change::SilenceGone(id) => id.clone(),
            Change::Decision(decision) => InstantKey::new(decision.at, decision.nth).to_string(),
        }
    }

    /// The row as JSON text; `None` removes it. Those that come by the thousand are written without a tree.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Change::Wait(wait) => serde_json::to_string(&wait.rows()).ok(),
            Change::Group(row) => serde_json::to_string(&group::row(row)).ok(),
            Change::Incident(incident) => serde_json::to_string(&incident::row(incident)).ok(),
            Change::Line { entry, .. } => serde_json::to_string(&incident::line(entry)).ok(),
            Change::Decision(decision) => serde_json::to_string(&decision::row(decision)).ok(),
            other => other.to_json().map(|row| row.to_string()),
        }
    }

    /// The row; `None` removes it.
    pub fn to_json(&self) -> Option<Value> {
        match self {
            Change::Alert(_, alert) => serde_json::to_value(alert).ok(),
            Change::Seen { ends_at, updated_at, .. } => {
                let ends_at = ends_at.map(Timestamp::as_millis);
                Some(json!({"ends_at": ends_at, "updated_at": updated_at.as_millis()}))
            }
            Change::Wait(wait) => serde_json::to_value(wait.rows()).ok(),
            Change::Group(row) => serde_json::to_value(group::row(row)).ok(),
            Change::Silence(silence) => Some(silence::to_json(silence)),
            Change::Decision(decision) => serde_json::to_value(decision::row(decision)).ok(),
            Change::Incident(incident) => serde_json::to_value(incident::row(incident)).ok(),
            Change::Line { entry, .. } => serde_json::to_value(incident::line(entry)).ok(),
            Change::AlertGone(_)
            | Change::GroupGone(_)
            | Change::SilenceGone(_)
            | Change::IncidentGone(_) => None,
        }
    }

    /// A row read back.
    pub fn from_json(table: Table, key: &str, row: &Value) -> Result<Change, RowError> {
        let read = || match table {
            Table::Alert => Some(Change::Alert(key.parse().ok()?, Alert::deserialize(row).ok()?)),
            Table::Seen => Some(Change::Seen {
                id: key.parse().ok()?,
                ends_at: read_time(&row["ends_at"]),
                updated_at: read_time(&row["updated_at"])?,
            }),
            Table::Group => group::read(key.parse().ok()?, row).map(Change::Group),
            Table::Silence => silence::read(key, row).map(Change::Silence),
            Table::Incident => {
                incident::read(key.parse().ok()?, row).map(|read| Change::Incident(Box::new(read)))
            }
            Table::Line => {
                let (incident, nth) = key.split_once('/')?;
                let entry = Box::new(incident::read_line(row)?);
                Some(Change::Line { incident: incident.parse().ok()?, nth: nth.parse().ok()?, entry })
            }
            Table::Decision => decision::read(InstantKey(key.parse().ok()?), row).map(Change::Decision),
            Table::Wait => Wait::read(InstantKey(key.parse().ok()?), row).map(Change::Wait),
        };
        let what = "a field is missing or of the wrong type";
        read().ok_or_else(|| RowError { table: table.as_str(), key: key.to_owned(), what })
    }
}

fn read_labels(row: &Value) -> Option<Labels> {
    Labels::deserialize(row).ok()
}

fn read_time(row: &Value) -> Option<Timestamp> {
    row.as_i64().map(Timestamp::from_millis)
}

fn read_text(row: &Value) -> Option<String> {
    row.as_str().map(str::to_owned)
}

/// A fingerprint as rows hold it, in 16 digits: rows about an alert are found by it.
struct Mark(u64);

impl Mark {
    fn read(row: &Value) -> Option<Mark> {
        u64::from_str_radix(row.as_str()?, 16).ok().map(Mark)
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 16];
        serializer.serialize_str(HEXLOWER.encode_mut_str(&self.0.to_be_bytes(), &mut digits))
    }
}

const HOLDS: [Hold; 9] = [
    Hold::Silenced,
    Hold::Inhibited,
    Hold::Muted,
    Hold::Grouped,
    Hold::Repeat,
    Hold::Damped,
    Hold::Acknowledged,
    Hold::ReceiverDown,
    Hold::Over,
];
