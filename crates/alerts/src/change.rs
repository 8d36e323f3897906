//! What must outlive the process: keyed rows, each a whole upsert or a removal, which a store keeps as
//! `(table, key, JSON)` and hands back at the next start.
//!
//! Invariant: `from_json(table, key, to_json)` of a change that is kept gives the change back.

mod incident;
mod wait;

pub use wait::{Wait, WaitingGroup};

use crate::group::{GroupRow, Ledger, Sent};
use crate::incident::Incident;
use crate::silence::{Silence, Terms};
use crate::window::{Window, WindowText};
use model::{Alert, Decision, Hold, Json, Labels, MatchOp, Matcher, Timestamp, Verdict};
use serde::Serialize;
use serde_json::{Map, Value, json};

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
    /// Decisions; only ever added.
    Decision,
    /// Decisions about alerts that are new in their groups, many in a row; only ever added.
    Wait,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 7] = [
        Table::Alert,
        Table::Seen,
        Table::Group,
        Table::Silence,
        Table::Incident,
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
    /// A group that is no more.
    GroupGone(String),
    /// A silence as it now is.
    Silence(Silence),
    /// A silence that is forgotten.
    SilenceGone(String),
    /// An incident as it now is.
    Incident(Box<Incident>),
    /// An incident that is forgotten.
    IncidentGone(String),
    /// A decision.
    Decision(Decision),
    /// Alerts are new in their groups and wait.
    Wait(Wait),
}

impl Change {
    /// Where the row lives.
    pub fn table(&self) -> Table {
        match self {
            Change::Alert(..) | Change::AlertGone(_) => Table::Alert,
            Change::Seen { .. } => Table::Seen,
            Change::Group(_) | Change::GroupGone(_) => Table::Group,
            Change::Silence(_) | Change::SilenceGone(_) => Table::Silence,
            Change::Incident(_) | Change::IncidentGone(_) => Table::Incident,
            Change::Decision(_) => Table::Decision,
            Change::Wait(_) => Table::Wait,
        }
    }

    /// The row's key: the same for every change of the same thing.
    pub fn key(&self) -> String {
        match self {
            Change::Alert(id, _) | Change::Seen { id, .. } | Change::AlertGone(id) => id.to_string(),
            Change::Wait(wait) => wait.key().to_string(),
            Change::Group(group) => group.key.clone(),
            Change::GroupGone(key) | Change::SilenceGone(key) | Change::IncidentGone(key) => key.clone(),
            Change::Incident(incident) => incident.id.clone(),
            Change::Silence(silence) => silence.id.clone(),
            Change::Decision(decision) => {
                let verdict = verdict_text(decision.verdict);
                let page = decision.page_key.as_deref().unwrap_or("");
                let rest = crate::group::fnv(&[&decision.group_key, &decision.receiver, verdict, page]);
                let (at, nth) = (decision.at.as_millis(), decision.nth);
                format!("{at:013}-{:016x}-{nth:06x}{rest:016x}", decision.alert.fingerprint())
            }
        }
    }

    /// The row as JSON text; `None` removes it. Those that come by the thousand are written without a tree.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Change::Wait(wait) => serde_json::to_string(&wait.rows()).ok(),
            Change::Decision(decision) => serde_json::to_string(&decision_row(decision)).ok(),
            other => other.to_json().map(|row| row.to_string()),
        }
    }

    /// The row; `None` removes it.
    pub fn to_json(&self) -> Option<Value> {
        match self {
            Change::Alert(_, alert) => serde_json::to_value(alert_row(alert)).ok(),
            Change::Seen { ends_at, updated_at, .. } => {
                let ends_at = ends_at.map(Timestamp::as_millis);
                Some(json!({"ends_at": ends_at, "updated_at": updated_at.as_millis()}))
            }
            Change::Wait(wait) => serde_json::to_value(wait.rows()).ok(),
            Change::Group(group) => Some(group_json(group)),
            Change::Silence(silence) => Some(silence_json(silence)),
            Change::Decision(decision) => serde_json::to_value(decision_row(decision)).ok(),
            Change::Incident(incident) => Some(incident::to_json(incident)),
            Change::AlertGone(_)
            | Change::GroupGone(_)
            | Change::SilenceGone(_)
            | Change::IncidentGone(_) => None,
        }
    }

    /// A row read back.
    pub fn from_json(table: Table, key: &str, row: &Value) -> Result<Change, RowError> {
        let read = || match table {
            Table::Alert => Some(Change::Alert(key.parse().ok()?, read_alert(row)?)),
            Table::Seen => Some(Change::Seen {
                id: key.parse().ok()?,
                ends_at: read_time(&row["ends_at"]),
                updated_at: read_time(&row["updated_at"])?,
            }),
            Table::Group => read_group(key, row).map(Change::Group),
            Table::Silence => read_silence(key, row).map(Change::Silence),
            Table::Incident => incident::read(key, row).map(|read| Change::Incident(Box::new(read))),
            Table::Decision => read_decision(row).map(Change::Decision),
            Table::Wait => Wait::read(key.parse().ok()?, row).map(Change::Wait),
        };
        let what = "a field is missing or of the wrong type";
        read().ok_or_else(|| RowError { table: table.as_str(), key: key.to_owned(), what })
    }
}

fn labels_json(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>())
}

fn read_labels(row: &Value) -> Option<Labels> {
    let pairs = row.as_object()?.iter();
    let pairs: Option<Vec<_>> = pairs.map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    Some(Labels::from_pairs(pairs?))
}

fn read_time(row: &Value) -> Option<Timestamp> {
    row.as_i64().map(Timestamp::from_millis)
}

fn read_text(row: &Value) -> Option<String> {
    row.as_str().map(str::to_owned)
}

/// An alert as it is kept.
#[derive(Serialize)]
struct AlertRow<'a> {
    labels: &'a Labels,
    annotations: &'a Labels,
    starts_at: i64,
    ends_at: Option<i64>,
    generator_url: &'a str,
    updated_at: i64,
}

fn alert_row(alert: &Alert) -> AlertRow<'_> {
    AlertRow {
        labels: &alert.labels,
        annotations: &alert.annotations,
        starts_at: alert.starts_at.as_millis(),
        ends_at: alert.ends_at.map(Timestamp::as_millis),
        generator_url: &alert.generator_url,
        updated_at: alert.updated_at.as_millis(),
    }
}

fn read_alert(row: &Value) -> Option<Alert> {
    Some(Alert {
        labels: read_labels(&row["labels"])?,
        annotations: read_labels(&row["annotations"])?,
        starts_at: read_time(&row["starts_at"])?,
        ends_at: read_time(&row["ends_at"]),
        generator_url: read_text(&row["generator_url"])?.into(),
        updated_at: read_time(&row["updated_at"])?,
    })
}

fn group_json(group: &GroupRow) -> Value {
    let ledgers = group.ledgers.iter().map(|(name, ledger)| {
        let under_way = ledger.under_way.as_ref().map(sent_json);
        let delivered = ledger.delivered.as_ref().map(sent_json);
        let failing = ledger.failing.map(Timestamp::as_millis);
        let row = json!({
            "revision": ledger.revision,
            "under_way": under_way,
            "delivered": delivered,
            "failing": failing,
            "kept": ledger.kept.as_ref().map(Json::value),
        });
        (name.clone(), row)
    });
    json!({
        "route": group.route,
        "labels": labels_json(&group.labels),
        "born": group.born.as_millis(),
        "next_flush": group.next_flush.as_millis(),
        "flushed": group.flushed,
        "dormant": group.dormant,
        "instead": group.instead,
        "also": group.also.iter().collect::<Vec<_>>(),
        "ledgers": Value::Object(ledgers.collect::<Map<_, _>>()),
    })
}

fn read_group(key: &str, row: &Value) -> Option<GroupRow> {
    let ledgers = row["ledgers"].as_object()?.iter().map(|(name, ledger)| {
        let ledger = Ledger {
            revision: ledger["revision"].as_u64().and_then(|n| u32::try_from(n).ok())?,
            under_way: read_sent(&ledger["under_way"]),
            delivered: read_sent(&ledger["delivered"]),
            failing: read_time(&ledger["failing"]),
            kept: Some(&ledger["kept"]).filter(|kept| !kept.is_null()).map(Json::from),
        };
        Some((name.clone(), ledger))
    });
    Some(GroupRow {
        key: key.to_owned(),
        route: read_text(&row["route"])?,
        labels: read_labels(&row["labels"])?,
        born: read_time(&row["born"])?,
        next_flush: read_time(&row["next_flush"])?,
        flushed: row["flushed"].as_bool()?,
        // Rows of older releases lack these.
        dormant: row["dormant"].as_bool().unwrap_or(false),
        instead: read_text(&row["instead"]),
        also: row["also"].as_array().into_iter().flatten().filter_map(read_text).collect(),
        ledgers: ledgers.collect::<Option<_>>()?,
    })
}

fn sent_json(sent: &Sent) -> Value {
    let list =
        |set: &std::collections::BTreeSet<u64>| set.iter().map(|fp| format!("{fp:016x}")).collect::<Vec<_>>();
    json!({
        "key": sent.key,
        "at": sent.at.as_millis(),
        "firing": list(&sent.firing),
        "owed": list(&sent.owed),
        "ended": list(&sent.ended),
    })
}

fn read_sent(row: &Value) -> Option<Sent> {
    let set = |row: &Value| {
        let texts = row.as_array()?.iter();
        texts.map(|text| u64::from_str_radix(text.as_str()?, 16).ok()).collect::<Option<_>>()
    };
    Some(Sent {
        key: read_text(&row["key"])?,
        at: read_time(&row["at"])?,
        firing: set(&row["firing"])?,
        owed: set(&row["owed"])?,
        ended: set(&row["ended"]).unwrap_or_default(),
    })
}

fn silence_json(silence: &Silence) -> Value {
    let matchers = silence.matchers.iter();
    let matchers = matchers.map(|m| json!({"name": m.name(), "op": m.op().as_str(), "value": m.value()}));
    json!({
        "matchers": matchers.collect::<Vec<_>>(),
        "starts_at": silence.starts_at.as_millis(),
        "ends_at": silence.ends_at.as_millis(),
        "updated_at": silence.updated_at.as_millis(),
        "created_by": silence.created_by,
        "comment": silence.comment,
        "windows": silence.terms.windows.iter().map(window_json).collect::<Vec<_>>(),
        "until_resolved": silence.terms.until_resolved,
        "maintenance": silence.terms.maintenance,
        "open": silence.open,
    })
}

fn window_json(window: &Window) -> Value {
    let WindowText { weekdays, start, end, zone } = window.text();
    json!({"weekdays": weekdays, "start": start, "end": end, "zone": zone})
}

fn read_window(row: &Value) -> Option<Window> {
    let text = WindowText {
        weekdays: row["weekdays"].as_array()?.iter().map(read_text).collect::<Option<_>>()?,
        start: read_text(&row["start"])?,
        end: read_text(&row["end"])?,
        zone: read_text(&row["zone"])?,
    };
    Window::read(text).ok()
}

fn read_silence(id: &str, row: &Value) -> Option<Silence> {
    let matchers = row["matchers"].as_array()?.iter().map(|matcher| {
        let op = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
        let op = op.into_iter().find(|op| Some(op.as_str()) == matcher["op"].as_str())?;
        Matcher::single_line(op, matcher["name"].as_str()?, matcher["value"].as_str()?).ok()
    });
    Some(Silence {
        id: id.to_owned(),
        matchers: matchers.collect::<Option<_>>()?,
        starts_at: read_time(&row["starts_at"])?,
        ends_at: read_time(&row["ends_at"])?,
        updated_at: read_time(&row["updated_at"])?,
        created_by: read_text(&row["created_by"])?,
        comment: read_text(&row["comment"])?,
        terms: Terms {
            windows: row["windows"]
                .as_array()
                .into_iter()
                .flatten()
                .map(read_window)
                .collect::<Option<_>>()?,
            until_resolved: row["until_resolved"].as_bool().unwrap_or(false),
            maintenance: row["maintenance"].as_bool().unwrap_or(false),
        },
        open: row["open"].as_bool().unwrap_or(false),
    })
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

fn verdict_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Deliver => "deliver",
        Verdict::Hold(hold) => hold.as_str(),
    }
}

/// A decision as it is kept.
#[derive(Serialize)]
struct DecisionRow<'a> {
    at: i64,
    alert: &'a Labels,
    verdict: &'static str,
    receiver: &'a str,
    group_key: &'a str,
    by: &'a [String],
    page_key: Option<&'a str>,
    over: bool,
    nth: u32,
    next_send: Option<i64>,
}

fn decision_row(decision: &Decision) -> DecisionRow<'_> {
    DecisionRow {
        at: decision.at.as_millis(),
        alert: &decision.alert,
        verdict: verdict_text(decision.verdict),
        receiver: &decision.receiver,
        group_key: &decision.group_key,
        by: &decision.by,
        page_key: decision.page_key.as_deref(),
        over: decision.over,
        nth: decision.nth,
        next_send: decision.next_send.map(Timestamp::as_millis),
    }
}

fn read_decision(row: &Value) -> Option<Decision> {
    let verdict = match row["verdict"].as_str()? {
        "deliver" => Verdict::Deliver,
        text => Verdict::Hold(HOLDS.into_iter().find(|hold| hold.as_str() == text)?),
    };
    Some(Decision {
        at: read_time(&row["at"])?,
        alert: read_labels(&row["alert"])?,
        verdict,
        receiver: read_text(&row["receiver"])?.into(),
        group_key: read_text(&row["group_key"])?.into(),
        by: row["by"].as_array()?.iter().map(read_text).collect::<Option<_>>()?,
        page_key: read_text(&row["page_key"]),
        over: row["over"].as_bool().unwrap_or(false),
        next_send: read_time(&row["next_send"]),
        nth: row["nth"].as_u64().and_then(|nth| u32::try_from(nth).ok()).unwrap_or(0),
    })
}
